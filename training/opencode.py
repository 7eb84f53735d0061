"""Sessions of the real OpenCode program: in a throw-away workspace with a HOME of its own, exported when they are over.

OpenCode (the npm package `opencode-ai`) is found in the folder `.tools`, where INSTALL puts it, or on PATH. It gets no
key and reaches nothing but the relay of `teacher.py` on loopback: what it would fetch is switched off, and a proxy that
is not there stands before the rest. The model's commands run with the rights of whoever starts this.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from training.opencode_export import OPENCODE_VERSION
from training.sandbox import write_files

TOOLS = Path(".tools")
INSTALL = f"npm install --prefix {TOOLS} opencode-ai@{OPENCODE_VERSION}"
BINARY = Path("node_modules", ".bin", "opencode")  # inside a folder that npm installed into
HELPERS = {"git": "git", "rg": "ripgrep"}  # programs that it needs, and the packages they come in
NOWHERE = "http://127.0.0.1:9"  # a proxy at the port where nothing listens: what asks for the world is refused at once
LOOPBACK = "127.0.0.1,localhost"
PROVIDER = "teacher"
MODELS = "models.json"  # in the home, empty: reading the catalogue that is built in takes a second
START_SECONDS = 60.0  # for a command that asks no model
GRACE = 3.0  # seconds that a program has to end by itself
MAX_SHOWN = 300  # characters of what the program said
SWITCHED_OFF = "MODELS_FETCH AUTOUPDATE LSP_DOWNLOAD DEFAULT_PLUGINS SHARE CLAUDE_CODE".split()


class OpenCodeError(ValueError):
    """OpenCode can't be used or a session of it failed; the message says how."""


# ---- the program ---------------------------------------------------------------------------------------------------


def find_opencode(given: Path | None = None) -> Path:
    """The program: `given` or what is in that folder; else that of TOOLS, else that on PATH.

    Raises OpenCodeError where there is none, it is of another version, or what it needs is missing.
    """
    missing = [package for program, package in HELPERS.items() if not shutil.which(program)]
    if missing:
        raise OpenCodeError(f"OpenCode needs {' and '.join(missing)}. Install: apt-get install {' '.join(missing)}")
    on_path = shutil.which("opencode")
    candidates = [given / BINARY, given] if given else [TOOLS / BINARY, *([Path(on_path)] if on_path else [])]
    program = next((path.absolute() for path in candidates if path.is_file()), None)
    if program is None:
        raise OpenCodeError(f"There is no OpenCode {given or f'in {TOOLS} or on PATH'}. Install it: {INSTALL}")
    with tempfile.TemporaryDirectory() as home:
        try:
            said = subprocess.run(
                [program, "--version"],
                env=environment(Path(home)),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=START_SECONDS,
            ).stdout.strip()
        except (OSError, subprocess.TimeoutExpired) as error:
            raise OpenCodeError(f"{program} can't be run ({error}). Install it: {INSTALL}") from error
    if said.split(".")[:2] != OPENCODE_VERSION.split(".")[:2]:
        raise OpenCodeError(
            f"{program} is OpenCode {said[:40] or 'of no version'}; {OPENCODE_VERSION} is needed. Install it: {INSTALL}"
        )
    return program


def environment(home: Path) -> dict[str, str]:
    """All that OpenCode and the model's commands get to see of this process's environment: PATH."""
    proxies = {f"{name}_proxy": NOWHERE for name in ("http", "https", "all")} | {"no_proxy": LOOPBACK}
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "npm_config_offline": "true",  # it installs its plugin library into each folder of configuration
        "OPENCODE_MODELS_PATH": str(home / MODELS),
        **proxies,
        **{name.upper(): value for name, value in proxies.items()},
        **{f"OPENCODE_DISABLE_{name}": "1" for name in SWITCHED_OFF},
    }


def settings(url: str, model: str, ticket: str) -> dict:
    """OpenCode's configuration: one model behind one endpoint, and no tool that leaves the workspace."""
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": PROVIDER,
        "options": {"baseURL": url, "apiKey": ticket},
        "models": {model: {"name": model}},
    }
    return {
        "provider": {PROVIDER: provider},
        "model": f"{PROVIDER}/{model}",
        "small_model": f"{PROVIDER}/{model}",
        "share": "disabled",
        "autoupdate": False,
        "snapshot": False,
        "permission": {name: "deny" for name in ("external_directory", "webfetch", "websearch", "task", "question")},
    }


# ---- the workspace -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Workspace:
    """Where a session runs: a repository of its own, and a home outside it."""

    folder: Path
    home: Path

    @property
    def env(self) -> dict[str, str]:
        """The environment of everything that runs here."""
        return environment(self.home)


@contextlib.contextmanager
def workspace(files: Mapping[str, str], config: dict) -> Iterator[Workspace]:
    """A Git repository of texts by path, gone after the block with all that still runs in it.

    Raises OSError where it can't be written.
    """
    with tempfile.TemporaryDirectory(prefix="opencode-", ignore_cleanup_errors=True) as place:
        root = Path(place).resolve()
        made = Workspace(root / "workspace", root / "home")
        try:
            write_files(made.home, {".config/opencode/opencode.json": json.dumps(config), MODELS: "{}"})
            made.folder.mkdir()
            write_files(made.folder, files)
            who = ["-c", "user.name=Author", "-c", "user.email=author@example.invalid"]
            commit = [*who, "commit", "--quiet", "--allow-empty", "--message", "All files"]
            for command in (["init", "--quiet"], ["add", "."], commit):
                subprocess.run(["git", *command], cwd=made.folder, env=made.env, check=True, capture_output=True)
            (made.folder / ".git" / "info" / "exclude").write_text("/.opencode/\n")
            yield made
        except subprocess.CalledProcessError as error:
            raise OpenCodeError(f"git can't make the workspace: {error.stderr.decode()[:MAX_SHOWN]}") from error
        finally:
            _end_all(made.home)


def _end_all(home: Path) -> None:
    """End what a run left behind: a model's commands live in process groups of their own, but keep its HOME."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get("HOME") == str(home):
                process.kill()


# ---- a session -----------------------------------------------------------------------------------------------------


async def run_session(program: Path, place: Workspace, model: str, turns: Sequence[str], timeout: float) -> dict:
    """Say the turns of a user one after another in one session, and give its export.

    `timeout` is in seconds for all of it. Raises OpenCodeError with the first thing that goes wrong.
    """
    until, session = time.monotonic() + timeout, ""
    for turn in turns:
        command = ["run", "--format", "json", "--title", "A task", "--model", f"{PROVIDER}/{model}"]
        printed = await _run(program, place, [*command, *(["--session", session] if session else [])], turn, until)
        events = list(_events(printed))
        error = next((event["error"] for event in events if event.get("type") == "error"), None)
        if error is not None:
            raise OpenCodeError(f"OpenCode stopped: {_message(error)}")
        session = session or next((event["sessionID"] for event in events if event.get("sessionID")), "")
        if not session:
            raise OpenCodeError("OpenCode told of no session.")
    printed = await _run(program, place, ["export", session], "", time.monotonic() + START_SECONDS)
    try:
        return json.loads(printed)
    except ValueError as error:
        raise OpenCodeError(f"OpenCode's export is not JSON ({error}).") from error


async def _run(program: Path, place: Workspace, arguments: list[str], said: str, until: float) -> str:
    """What a command of OpenCode prints. Raises OpenCodeError where it fails or is not over in time."""
    # files, not pipes: it may print more than a pipe holds as it ends, and what it leaves running keeps no pipe open
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as wrong,
    ):
        given.write(said.encode("utf-8", "replace"))
        given.seek(0)
        started = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            cwd=place.folder,
            env=place.env,
            stdin=given,
            stdout=out,
            stderr=wrong,
            start_new_session=True,
        )
        try:
            await asyncio.wait_for(process.wait(), max(until - started, 0.1))
        except asyncio.TimeoutError as error:
            raise OpenCodeError(f"It was not over after {time.monotonic() - started:.0f} seconds.") from error
        finally:
            await _end(process)
        out.seek(0)
        wrong.seek(0)
        printed = out.read().decode("utf-8", "replace")
        if process.returncode and not any(event.get("type") == "error" for event in _events(printed)):
            reason = " ".join(wrong.read().decode("utf-8", "replace").split())[-MAX_SHOWN:]
            raise OpenCodeError(f"OpenCode ended with status {process.returncode}: {reason or 'it said nothing'}")
        return printed


async def _end(process: asyncio.subprocess.Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(process.wait(), GRACE)


def _events(printed: str) -> Iterator[dict]:
    for line in printed.splitlines():
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict):
                yield event


def _message(error: object) -> str:
    """What an event of the type error says."""
    data = error.get("data") if isinstance(error, dict) else None
    said = data.get("message") if isinstance(data, dict) else None
    return str(said or (error.get("name") if isinstance(error, dict) else error))[:MAX_SHOWN]


def loaded_skills(export: dict) -> set[str]:
    """The names of the skills that an exported session loaded: completed parts of the tool `skill`."""
    found = set()
    for message in export.get("messages", ()):
        for part in message.get("parts", ()):
            state = part.get("state") or {}
            if part.get("tool") == "skill" and state.get("status") == "completed":
                found.add(state.get("input", {}).get("name"))
    return found
