"""Training commands run with memory that the C library keeps."""

import os
import subprocess
import sys
from pathlib import Path

from training.memory import TUNABLES, VARIABLE

ROOT = Path(__file__).parents[2]
CODE = f"""
import os
print("begun", flush=True)
from training.memory import keep_freed_memory
keep_freed_memory()
print(os.getpid(), os.environ.get({VARIABLE!r}), flush=True)
"""


def begin(**environment: str) -> tuple[int, list[str]]:
    """The process that ran, and its lines."""
    clean = {name: value for name, value in os.environ.items() if name != VARIABLE}
    command = [sys.executable, "-c", CODE]
    with subprocess.Popen(command, cwd=ROOT, env=clean | environment, stdout=subprocess.PIPE, text=True) as process:
        lines = process.communicate()[0].splitlines()
    return process.pid, lines


def test_a_process_is_started_anew_once_as_itself_and_keeps_settings_that_it_was_given():
    pid, lines = begin()
    assert lines == ["begun", "begun", f"{pid} {TUNABLES}"]
    given = "glibc.malloc.check=0"
    pid, lines = begin(**{VARIABLE: given})
    assert lines == ["begun", f"{pid} {given}"]
