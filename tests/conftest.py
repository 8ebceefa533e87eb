"""The longest modules begin first, so that none is left for one process; the page that several open is served once."""

from messy_mashup.compiled import load_librosa
from served_page import browser, page, served  # noqa: F401

load_librosa()  # before a test lets several processes load it as they like

LONGEST = ("test_demo.py", "test_rehearsal.py", "test_calibrate_command.py", "test_ray_fleet.py", "test_ray_study.py")


def pytest_collection_modifyitems(items):
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))
