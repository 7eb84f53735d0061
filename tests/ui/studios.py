"""Real servers of the studio, as somebody starts them from a terminal."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Studios:
    """Starts `python app.py` with arguments and settings of the environment, and gives its address once it answers.

    `log` is where it writes what it prints; a file of its own otherwise. `port` is a free one, unless it is named.
    """

    def __init__(self, new_folder: Callable[[str], Path]) -> None:
        self.new_folder = new_folder
        self.running: dict[str, subprocess.Popen] = {}

    def __call__(self, *arguments: object, log: Path | None = None, port: int = 0, **settings: str) -> str:
        port = port or free_port()
        log = log or self.new_folder("server") / "log.txt"
        own = {"GRADIO_TEMP_DIR": "gradio", "SKILL_STUDIO_DATA": "data"}
        environment = os.environ | {name: str(self.new_folder(folder)) for name, folder in own.items()} | settings
        command = [sys.executable, "app.py", "--port", str(port), *map(str, arguments)]
        address = f"http://127.0.0.1:{port}"
        with log.open("w") as file:
            self.running[address] = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file, env=environment)
        for _ in range(960):
            try:
                urllib.request.urlopen(address, timeout=5).read()
                return address
            except OSError:
                time.sleep(0.25)
        raise AssertionError(f"the studio did not start:\n{log.read_text()}")

    def kill(self, address: str) -> None:
        """End the server at an address at once, as a crash would."""
        process = self.running.pop(address)
        process.kill()
        process.wait()

    def stop(self, address: str) -> int:
        """Tell the server at an address to end, as a Space or a service does; returns its exit status."""
        process = self.running.pop(address)
        process.terminate()
        return process.wait(120)

    def close(self) -> None:
        """End all that still run."""
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            process.wait(120)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
