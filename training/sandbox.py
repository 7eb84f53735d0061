"""What a session in OpenCode works on, and what must hold when it is over.

A small repository is made out of a seed, so that the files that matter lie among others; a task adds its own. A check
looks at an answer, at a file of the workspace, or at what a command prints there.
"""

import os
import random
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from skills.evals import Assertion

MAX_PATH = 200  # characters of a file's path
MAX_READ = 1_000_000  # bytes of a file or an output that is checked
COMMAND_SECONDS = 60.0  # that a command of a check may take
KEPT_OUT = (".git", ".opencode")  # folders that belong to the run

PROJECTS = "harbour ledger orchard relay tideline workshop".split()
MODULES = "billing catalog delivery export invoices mailer quotes reports schedule stock tariffs users".split()
VERBS = "collect load merge prune resolve round select split".split()
TOPICS = "retention limits on-call naming releases backups".split()


class TaskError(ValueError):
    """Something is no task for a session; the message says what of it and how it must be."""


# ---- the repository ------------------------------------------------------------------------------------------------


def seeded_files(seed: str) -> dict[str, str]:
    """The files of a small repository by path: the same seed gives the same."""
    rng = random.Random(seed)
    project, modules = rng.choice(PROJECTS), rng.sample(MODULES, 5)
    files = {
        "README.md": f"# {project}\n\n" + "".join(f"- `{project}/{name}.py`: {name}\n" for name in modules),
        "CHANGELOG.md": "# Changes\n\n"
        + "".join(f"## 0.{n}.0\n\n- {rng.choice(VERBS)} {rng.choice(modules)}\n\n" for n in range(4, 0, -1)),
        f"docs/{rng.choice(TOPICS)}.md": f"# How {project} is run\n\nAsk the people of {modules[0]} before a change.\n",
        "config/settings.yaml": "".join(f"{name}:\n  limit: {rng.randint(2, 90)}\n" for name in modules),
        f"data/{modules[1]}.csv": "id,amount,state\n"
        + "".join(f"{n},{rng.randint(1, 999)},{rng.choice(('open', 'done'))}\n" for n in range(1, 9)),
        f"{project}/__init__.py": f'"""{project}."""\n',
        "scripts/clean.sh": "#!/bin/sh\nrm -rf build\n",
    }
    for name in modules:
        verb, limit = rng.choice(VERBS), rng.randint(2, 90)
        files[f"{project}/{name}.py"] = (
            f'"""The {name} of {project}."""\n\nLIMIT = {limit}\n\n\n'
            f"def {verb}_{name}(rows: list[dict]) -> list[dict]:\n"
            f'    """At most LIMIT of the rows that are open."""\n'
            f'    return [row for row in rows if row.get("state") == "open"][:LIMIT]\n'
        )
        files[f"tests/test_{name}.py"] = (
            f"from {project}.{name} import {verb}_{name}\n\n\ndef test_nothing_comes_of_nothing():\n"
            f"    assert {verb}_{name}([]) == []\n"
        )
    return files


def check_path(path: object) -> str:
    """A path that stays in the workspace. Raises TaskError."""
    parts = PurePosixPath(path).parts if isinstance(path, str) and 0 < len(path) <= MAX_PATH else ()
    if not parts or parts[0] in ("/", *KEPT_OUT) or ".." in parts or not path.isprintable() or "\\" in path:
        raise TaskError(f"{str(path)[:60]!r} is no path inside the repository. Write one such as src/report.py.")
    return path


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write texts by path into a folder. Raises OSError, also where one's path is another's folder."""
    for path, text in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")


# ---- checks --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Check:
    """One thing that must hold when a session is over: of a file, of a command's output, else of an answer."""

    assertion: Assertion | None = None  # of the answer, the file's text or the output
    turn: int = -1  # whose answer, from 0; -1 is the last
    file: str = ""  # must be there
    command: tuple[str, ...] = ()  # program and arguments; must end with status 0

    def __post_init__(self) -> None:
        if self.file:
            check_path(self.file)
        if not self.file and not self.command and self.assertion is None:
            raise TaskError("a check without file and command needs an assertion, such as kind and value.")

    def failure(self, answers: Sequence[str], folder: Path, env: Mapping[str, str]) -> str:
        """Why it does not hold, or nothing. `env` is the environment of a command."""
        if self.file:
            text, wrong = _text_of(folder, self.file)
            what = f"the file {self.file}"
        elif self.command:
            text, wrong = _output_of(self.command, folder, env)
            what = f"the output of `{' '.join(self.command)}`"
        else:
            text, wrong = answers[self.turn], ""
            what = "the last answer" if self.turn == -1 else f"answer {self.turn + 1}"
        if wrong or self.assertion is None or self.assertion.holds(text):
            return wrong
        return f"Of {what} this does not hold: {self.assertion.text()}"


def _text_of(folder: Path, path: str) -> tuple[str, str]:
    place = (folder / path).resolve()
    if not place.is_relative_to(folder.resolve()) or not place.is_file():
        return "", f"There is no file {path}."
    with place.open("rb") as file:
        return file.read(MAX_READ).decode("utf-8", "replace"), ""


def _output_of(command: Sequence[str], folder: Path, env: Mapping[str, str]) -> tuple[str, str]:
    shown = " ".join(command)
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,  # nothing is kept where `select` doesn't see it
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return "", f"`{shown}` can't be run: {error}."
    output, until = bytearray(), time.monotonic() + COMMAND_SECONDS
    try:
        while piece := _next_piece(process.stdout, until):
            output += piece[: MAX_READ - len(output)]  # what is printed beyond is read, and not kept
        process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        return "", f"`{shown}` took more than {COMMAND_SECONDS:g} seconds."
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()
    if process.returncode:
        return "", f"`{shown}` ended with status {process.returncode}."
    return output.decode("utf-8", "replace"), ""


def _next_piece(output: IO[bytes], until: float) -> bytes:
    """What stands next in a program's output, nothing at its end. Raises TimeoutExpired for what comes too late."""
    left = until - time.monotonic()
    if left <= 0 or not select.select([output], [], [], left)[0]:
        raise subprocess.TimeoutExpired("", COMMAND_SECONDS)
    return output.read(65536)
