"""A refit in slices of GPU time, where a process of its own gets no GPU: on a ZeroGPU Space.

Each slice goes on where the one before it saved. To the queue a training in slices looks like a process.
"""

import os
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from pathlib import Path

SLICE_SECONDS = 60.0  # of training in one slice
GPU_SECONDS = 110  # that are asked for a slice: it also loads the base, and measures before and after
WATCH_SECONDS = 0.3  # between two looks at the clock and at STOP_FILE
STOP_FILE = "stop"  # in the job's folder: a slice is in a process of its own, and reads it there


def run_slice(folder: str, seconds: float) -> bool:
    """Train for so long in a folder that holds a refit, save, and say whether the refit has ended.

    What it prints goes to the log of the folder. Raises RefitError as the command does.
    """
    from training.refit import Refit, read_config  # imports torch

    out, over = Path(folder), threading.Event()

    def watch(run: "Refit") -> None:
        end = time.monotonic() + seconds
        while not over.wait(WATCH_SECONDS):
            # a slice without a step would be followed by one like it
            if (out / STOP_FILE).exists() or (time.monotonic() > end and run.stepped):
                run.stop.set()

    with (out / "log.txt").open("a", encoding="utf-8") as log, redirect_stdout(log):
        run = Refit(read_config(out / "refit.json"))
        watcher = threading.Thread(target=watch, args=(run,), daemon=True)
        watcher.start()
        try:
            return run.run() is not None
        finally:
            over.set()
            watcher.join()


class SlicedRun:
    """A training in slices, as the queue looks after it: it has the server's pid, and ends with it."""

    def __init__(self, run: Callable[[str, float], bool], folder: Path) -> None:
        """`run` is `run_slice`, or a function of its kind that runs elsewhere."""
        self.pid = os.getpid()
        self._run, self._folder, self._code = run, folder, None
        (folder / STOP_FILE).unlink(missing_ok=True)
        self._thread = threading.Thread(target=self._go, name="slices", daemon=True)
        self._thread.start()

    def poll(self) -> int | None:
        """None while it goes on, then 0, or 1 where a slice failed."""
        return None if self._thread.is_alive() else self._code

    def terminate(self) -> None:
        """Let the slice save and end. One that does not is ended by whoever lent the GPU."""
        (self._folder / STOP_FILE).touch()

    def _go(self) -> None:
        try:
            while not (self._run(str(self._folder), SLICE_SECONDS) or (self._folder / STOP_FILE).exists()):
                pass
            self._code = 0
        except BaseException as error:  # a page's error too, with which a quota is refused
            self._code = 1
            with suppress(OSError), (self._folder / "log.txt").open("a", encoding="utf-8") as log:
                traceback.print_exception(error, file=log)
