"""The demo takes longest, so it begins first."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name != "test_demo.py")
