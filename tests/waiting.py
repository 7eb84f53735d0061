"""Waiting in tests for what comes about in its own time."""

import time
from collections.abc import Callable

import psutil


def eventually(holds: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether it comes to hold in time."""
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return holds()


def runs(*command: str) -> bool:
    """Whether a process with this command line is there; one that was killed may be, for a moment."""
    return any(process.info["cmdline"] == [*command] for process in psutil.process_iter(["cmdline"]))
