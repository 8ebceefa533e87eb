"""The demo takes longest, so it begins first; the page that several modules open is served once."""

from served_page import browser, page, served  # noqa: F401


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name != "test_demo.py")
