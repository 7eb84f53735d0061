"""What the tests of the page share: a real server with any arguments, and a real headless Chromium."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

ROOT = Path(__file__).parents[2]
expect.set_options(timeout=60_000)  # a machine may be busy with other things


@pytest.fixture(scope="module")
def start_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Starts `python app.py` with arguments and settings of the environment, and gives its address once it answers.

    `log` is where it writes what it prints; a file of its own otherwise.
    """
    started: list[subprocess.Popen] = []

    def start(*arguments: object, log: Path | None = None, **settings: str) -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        log = log or tmp_path_factory.mktemp("server") / "log.txt"
        own = {"GRADIO_TEMP_DIR": "gradio", "SKILL_STUDIO_DATA": "data"}
        environment = os.environ | {name: str(tmp_path_factory.mktemp(folder)) for name, folder in own.items()}
        environment |= settings
        command = [sys.executable, "app.py", "--port", str(port), *map(str, arguments)]
        with log.open("w") as file:
            process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file, env=environment)
        started.append(process)
        address = f"http://127.0.0.1:{port}"
        for _ in range(960):
            try:
                urllib.request.urlopen(address, timeout=5).read()
                return address
            except OSError:
                time.sleep(0.25)
        raise AssertionError(f"the studio did not start:\n{log.read_text()}")

    try:
        yield start
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)


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
