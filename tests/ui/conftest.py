"""What the tests of the page share: a real server with any arguments, and a real headless Chromium."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from studios import Studios

expect.set_options(timeout=60_000)  # a machine may be busy with other things


@pytest.fixture(scope="module")
def start_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studios]:
    """Starts servers, which end with the module's tests."""
    studios = Studios(tmp_path_factory.mktemp)
    try:
        yield studios
    finally:
        studios.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium: the system's where there is one, else Playwright's own.

    One a file: as long as it is open its event loop runs, and other tests want one of their own.
    """
    installed = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=installed, args=["--no-sandbox"])
        yield chromium
        chromium.close()
