"""Refit jobs that outlive a page and the server: a queue in SQLite, one process at a time, a folder each.

A job's process belongs to no server, but for one in slices (`studio/slices.py`). Whichever server on the data folder
holds the lock looks after it, knowing it by its pid and start time, and tells how it ended from its exit code, its
report and the last line of its curve.
"""

from __future__ import annotations  # Jobs has a method by the name of list

import hashlib
import json
import logging
import math
import os
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

import psutil

from skills.skill import text_sha256
from studio import database
from studio.room import number_set
from studio.slices import SlicedRun
from studio.wording import UNKNOWN_BROWSER, counted

if TYPE_CHECKING:
    from training.trajectories import Trajectory

State = Literal["queued", "running", "stopping", "stopped", "failed", "finished", "discarded"]

CONFIG_FILE, SKILLS_FILE, EXAMPLES_FILE = "refit.json", "skills.json", "examples.jsonl"
LOG_FILE, CURVE_FILE, REPORT_FILE = "log.txt", "curve.jsonl", "report.json"
START_FOLDER = "start"  # the hypernetwork that a job goes on from, where that was another job's
FINISH_FILE = "finish"  # asks the trainer to end with the best state so far
MAX_KEPT = 20  # jobs that a person keeps; a checkpoint and its state take some 100 MB
MAX_TITLE = 100  # characters
POLL_SECONDS = 0.5  # between two looks at the running process; a call in the same server is noticed at once
RETRY_SECONDS = 5.0  # after a look that failed, on a full disk for instance
GRACE_SECONDS = 120.0  # from SIGTERM to SIGKILL: a trainer finishes its step, or a measurement, and saves
SAME_START_SECONDS = 2.0  # a process's start time is known only as well as the system's clock
ORPHAN_SECONDS = 3600  # a folder without a job is a submission under way, until it is so old
SWEEP_SECONDS = 3600.0  # between two looks for folders that are too old or too many, beside one before each start
DAYS_ON_A_SPACE, GIGABYTES_ON_A_SPACE = 30.0, 10.0  # where anybody may train; elsewhere nothing goes by itself
NICENESS = 5  # training gives way to the pages of the same machine
LOG_LINES, LOG_CHARACTERS = 15, 2000  # of a log, in the message of a failure

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    title TEXT NOT NULL,
    content TEXT NOT NULL,     -- SHA-256 of what was submitted: the same twice is one job
    state TEXT NOT NULL,
    message TEXT NOT NULL DEFAULT '',
    created REAL NOT NULL,
    turn INTEGER NOT NULL,     -- the queue's order
    pid INTEGER,               -- NULL in a running job: its server died while starting it
    born REAL,                 -- when the process with this pid started
    signalled REAL,            -- when SIGTERM was sent
    killed INTEGER NOT NULL DEFAULT 0,
    log_start INTEGER NOT NULL DEFAULT 0,  -- bytes of the log that earlier runs wrote
    curve_mark INTEGER NOT NULL DEFAULT 0  -- when the curve was last written before this run, in nanoseconds
);
CREATE INDEX IF NOT EXISTS by_owner ON jobs (owner);
CREATE TABLE IF NOT EXISTS uses (
    job TEXT PRIMARY KEY,      -- whose result its owner uses
    seen REAL NOT NULL         -- when its owner was last here with it
);
"""
_LAST_TURN = "(SELECT COALESCE(MAX(turn), 0) + 1 FROM jobs)"
_SELECT = (
    "SELECT *, (SELECT COUNT(*) FROM jobs AS o WHERE o.state = 'queued' AND o.turn <= jobs.turn) AS place "
    "FROM jobs WHERE "
)
_ACTIVE = "('queued', 'running', 'stopping')"
_UNKNOWN = "There is no such training here. It may belong to another browser, or the server's data was deleted."
_NOT_RESUMED = {
    "stopping": "This training is still stopping. Wait a moment, then resume it.",
    "finished": "This training is finished. Start a new one to go on from its result.",
    "discarded": "This training was discarded; there is nothing left to resume. Start a new one.",
}

log = logging.getLogger(__name__)


class JobError(ValueError):
    """A training can't be started, found or changed; the message is ready to be shown."""


@dataclass(frozen=True)
class Job:
    """A training of one person, as it stands now."""

    id: str
    owner: str
    title: str
    state: State
    place: int | None  # in the queue, 1 is next; None when not queued
    created: float  # seconds since the epoch
    folder: Path
    message: str  # of a failed one: how it ended and the last lines of its log
    finishing: bool = False  # a running one: it was asked to end with the best state so far


@dataclass(frozen=True)
class Limits:
    """What training on this server may take, from the environment."""

    enabled: bool = True  # SKILL_STUDIO_TRAINING: on or off
    minutes: float = 60.0  # SKILL_STUDIO_TRAINING_MINUTES: of one training
    jobs: int = 3  # SKILL_STUDIO_TRAINING_JOBS: that one person has waiting or running
    queue: int = 20  # SKILL_STUDIO_TRAINING_QUEUE: that all people together have waiting or running
    days: float = math.inf  # SKILL_STUDIO_TRAINING_DAYS: that one is kept after it ended or was last in use
    gigabytes: float = math.inf  # SKILL_STUDIO_TRAINING_GB: of all on disk; beyond, the oldest that ended are deleted

    @classmethod
    def from_environment(cls) -> Limits:
        """The limits that the environment sets. Raises JobError for a value that is none."""
        switch = os.environ.get("SKILL_STUDIO_TRAINING", "").strip().lower() or "on"
        if switch not in ("on", "off"):
            raise JobError(f"SKILL_STUDIO_TRAINING is {switch!r}. Write on or off.")
        is_space = bool(os.environ.get("SPACE_ID"))
        return cls(
            switch == "on",
            number_set("SKILL_STUDIO_TRAINING_MINUTES", cls.minutes, JobError),
            _whole("SKILL_STUDIO_TRAINING_JOBS", cls.jobs),
            _whole("SKILL_STUDIO_TRAINING_QUEUE", cls.queue),
            number_set("SKILL_STUDIO_TRAINING_DAYS", DAYS_ON_A_SPACE if is_space else cls.days, JobError),
            number_set("SKILL_STUDIO_TRAINING_GB", GIGABYTES_ON_A_SPACE if is_space else cls.gigabytes, JobError),
        )


def _whole(name: str, default: int) -> int:
    """A whole number from 1 up from the environment."""
    number = number_set(name, default, JobError)
    if number != int(number):
        raise JobError(f"{name} is {number}. Write a whole number from 1 up.")
    return int(number)


def data_folder() -> Path:
    """The folder for what outlives the server, made if need be. Raises JobError where it can't be.

    SKILL_STUDIO_DATA, or /data on a Space with storage, or the user's data directory.
    """
    if named := os.environ.get("SKILL_STUDIO_DATA"):
        folder = Path(named).expanduser().absolute()
    elif os.environ.get("SPACE_ID") and os.access("/data", os.W_OK):
        folder = Path("/data")
    else:
        home = Path.home()
        users = home / "Library/Application Support" if sys.platform == "darwin" else home / ".local/share"
        stated = Path(os.environ.get("XDG_DATA_HOME", ""))
        folder = (stated if stated.is_absolute() else users) / "parametric-skills"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # it will hold what people wrote
    except OSError as error:
        raise JobError(
            f"The folder {folder} can't be made ({error.strerror}). Name another in SKILL_STUDIO_DATA."
        ) from error
    return folder


def refit_command(folder: Path) -> list[str]:
    """The command that trains, or goes on training, in a job's folder."""
    return [sys.executable, "-m", "training", "refit", "--config", str(folder / CONFIG_FILE)]


class _Trainer(subprocess.Popen):
    """A trainer in a session of its own: what ends the server does not end it."""

    def __init__(self, command: list[str], log: IO) -> None:
        # the package need not be installed where the server runs
        path = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))
        super().__init__(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        with suppress(psutil.Error):  # it may have ended already
            psutil.Process(self.pid).nice(NICENESS)


class Jobs:
    """The queue of a data folder. Several servers may share the folder: one of them at a time looks after it."""

    def __init__(
        self,
        root: Path,
        command: Callable[[Path], list[str]] = refit_command,
        slices: Callable[[str, float], bool] | None = None,
    ) -> None:
        """Make or open the queue in a folder. With `slices`, jobs run in this server through it, not as processes.

        Raises JobError where that can't be done.
        """
        root = Path(root).absolute()
        self._path, self._folders, self._lock_path = root / "jobs.sqlite3", root / "jobs", root / "supervisor.lock"
        self._command, self._slices = command, slices
        self._children: dict[str, _Trainer | SlicedRun] = {}  # that this server started: it learns their exit codes
        self._thread: threading.Thread | None = None
        self._closing, self._wake = threading.Event(), threading.Event()
        try:
            self._folders.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise JobError(_no_space(error)) from error
        database.create(self._path, _SCHEMA, JobError)

    def start(self) -> None:
        """Begin to look after the jobs, in a thread: start what waits, one at a time, and see how each ends."""
        if self._thread is None:
            self._closing.clear()
            self._thread = threading.Thread(target=self._supervise, name="jobs", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Look after them no longer. A running one goes on; the next server finds it."""
        if self._thread is not None:
            self._closing.set()
            self._wake.set()
            self._thread.join()
            self._thread = None

    # ---- what a person asks for ----

    def submit(
        self, owner: str, title: str, settings: dict, skills: dict[str, str], examples: Sequence[Trajectory]
    ) -> Job:
        """Put a training into the queue and return it; the same one pressed twice is returned as it stands.

        `settings` are the fields of RefitConfig, their minutes cut to the limit; `skills` are texts by their SHA-256.
        A checkpoint that is another job's is kept with this one, which outlives that. Raises JobError, and then nothing
        is left behind: for skills or examples that don't belong together, over a limit, and where it can't be written.
        """
        _check_owner(owner)
        limits = _limits()
        settings = {**settings, "minutes": _minutes(settings, limits)}
        _check_content(skills, examples)
        id_ = secrets.token_hex(16)
        folder, draft = self._folders / id_, self._folders / f".new-{id_}"
        try:
            content = self._write(draft, folder, settings, skills, examples)
            with database.transaction(self._path, JobError) as db:
                same = db.execute(
                    "SELECT id FROM jobs WHERE owner = ? AND content = ? AND state IN ('queued', 'running')",
                    (owner, content),
                ).fetchone()
                if same is None:
                    self._check_limits(db, owner, limits, new=True)
                    db.execute(
                        "INSERT INTO jobs (id, owner, title, content, state, created, turn) "
                        f"VALUES (?, ?, ?, ?, 'queued', ?, {_LAST_TURN})",
                        (id_, owner, _clean(title)[:MAX_TITLE], content, time.time()),
                    )
                    draft.rename(folder)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise JobError(_no_space(error)) from error
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        self._wake.set()
        return self.get(owner, same["id"] if same else id_)

    def active(self) -> int:
        """How many jobs of all people wait or run. Raises JobError."""
        return database.rows(self._path, JobError, f"SELECT COUNT(*) FROM jobs WHERE state IN {_ACTIVE}")[0][0]

    def list(self, owner: str) -> list[Job]:
        """A person's jobs but for the discarded, the newest first. Raises JobError."""
        where = "owner = ? AND state != 'discarded' ORDER BY created DESC, turn DESC"
        return [self._job(row) for row in database.rows(self._path, JobError, _SELECT + where, owner)]

    def get(self, owner: str, id: str) -> Job:
        """One job of a person. Raises JobError where this person has none with the id."""
        found = database.rows(self._path, JobError, _SELECT + "owner = ? AND id = ?", owner, id)
        if not found:
            raise JobError(_UNKNOWN)
        return self._job(found[0])

    def stop(self, owner: str, id: str) -> Job:
        """Ask a job to save and stop, or take it out of the queue; one that has ended stays as it is.

        Raises JobError where this person has none with the id.
        """
        with database.transaction(self._path, JobError) as db:
            _own(db, owner, id)
            db.execute("UPDATE jobs SET state = 'stopped' WHERE id = ? AND state = 'queued'", (id,))
            db.execute("UPDATE jobs SET state = 'stopping' WHERE id = ? AND state = 'running'", (id,))
        self._wake.set()
        return self.get(owner, id)

    def resume(self, owner: str, id: str) -> Job:
        """Put a stopped or failed job at the end of the queue; it goes on at the step it had saved.

        One that waits or runs stays as it is. Raises JobError for any other, and over a limit.
        """
        return self._again(owner, id, finish=False)

    def finish(self, owner: str, id: str) -> Job:
        """Let a job end with the best state that it has so far, and report; a stopped or failed one is queued for that.

        Raises JobError as `resume` does, and where that can't be written down.
        """
        return self._again(owner, id, finish=True)

    def _again(self, owner: str, id: str, finish: bool) -> Job:
        limits = _limits()
        try:
            with database.transaction(self._path, JobError) as db:
                state, flag = _own(db, owner, id)["state"], self._folders / id / FINISH_FILE
                if state in ("queued", "running"):
                    if finish:
                        flag.touch()
                elif state not in ("stopped", "failed"):
                    raise JobError(_NOT_RESUMED[state])
                else:
                    self._check_limits(db, owner, limits, new=False)
                    flag.touch() if finish else flag.unlink(missing_ok=True)
                    db.execute(
                        f"UPDATE jobs SET state = 'queued', message = '', turn = {_LAST_TURN} WHERE id = ?",
                        (id,),
                    )
        except OSError as error:
            raise JobError(
                f"Its folder can't be written ({error.strerror}). Free some disk space and try again."
            ) from error
        self._wake.set()
        return self.get(owner, id)

    def use(self, owner: str, id: str) -> Job:
        """A job of a person whose result they use from now on, which keeps it from being deleted for its size.

        Raises JobError where this person has none with the id.
        """
        job = self.get(owner, id)
        if job.state == "finished":
            with suppress(JobError), database.transaction(self._path, JobError) as db:  # on a full disk it is used too
                _use_none(db, owner)
                db.execute("INSERT INTO uses VALUES (?, ?)", (id, time.time()))
        return job

    def use_none(self, owner: str) -> None:
        """A person uses none of their jobs any more. Raises JobError."""
        with database.transaction(self._path, JobError) as db:
            _use_none(db, owner)

    def discard(self, owner: str, id: str) -> None:
        """Delete a job's folder with all that it learned. Raises JobError for one that runs or that there is not."""
        with database.transaction(self._path, JobError) as db:
            if _own(db, owner, id)["state"] in ("running", "stopping"):
                raise JobError("This training is still running. Stop it, then discard it.")
            db.execute("UPDATE jobs SET state = 'discarded', message = '' WHERE id = ?", (id,))
            db.execute("DELETE FROM uses WHERE job = ?", (id,))
        shutil.rmtree(self._folders / id, ignore_errors=True)  # what resists is swept up by the next server

    def curve(self, owner: str, id: str) -> list[dict]:
        """The lines of a job's curve so far. Raises JobError where this person has none with the id."""
        return _curve(self.get(owner, id).folder / CURVE_FILE)

    def report(self, owner: str, id: str) -> dict | None:
        """A job's report; None while there is none. Raises JobError where this person has none with the id."""
        return _report(self.get(owner, id).folder / REPORT_FILE)

    def _job(self, row: sqlite3.Row) -> Job:
        place, folder = row["place"] if row["state"] == "queued" else None, self._folders / row["id"]
        return Job(
            row["id"],
            row["owner"],
            row["title"],
            row["state"],
            place,
            row["created"],
            folder,
            row["message"],
            row["state"] == "running" and (folder / FINISH_FILE).exists(),
        )

    def _write(
        self, draft: Path, folder: Path, settings: dict, skills: dict[str, str], examples: Sequence[Trajectory]
    ) -> str:
        """Fill the draft of a job's folder; returns the SHA-256 of what was asked for. Raises OSError and JobError."""
        from training.trajectories import write_trajectories  # imports torch

        draft.mkdir(mode=0o700)
        written, begun = settings | {"out": str(folder)}, settings.get("checkpoint")
        if begun and Path(begun).is_relative_to(self._folders):
            _link(Path(begun), draft / START_FOLDER)
            written["checkpoint"] = str(folder / START_FOLDER)
        texts = json.dumps(skills, indent=2, sort_keys=True)
        (draft / CONFIG_FILE).write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
        (draft / SKILLS_FILE).write_text(texts + "\n", encoding="utf-8")
        try:
            write_trajectories(draft / EXAMPLES_FILE, examples)
        except ValueError as error:
            raise JobError(str(error)) from error
        asked = json.dumps(settings, sort_keys=True)
        return hashlib.sha256(f"{asked}\n{texts}\n".encode() + (draft / EXAMPLES_FILE).read_bytes()).hexdigest()

    def _check_limits(self, db: sqlite3.Connection, owner: str, limits: Limits, new: bool) -> None:
        states = [row["state"] for row in db.execute("SELECT state FROM jobs WHERE owner = ?", (owner,))]
        active = sum(state in ("queued", "running", "stopping") for state in states)
        if active >= limits.jobs:
            raise JobError(
                f"You have {counted(active, 'training')} waiting or running; this server allows {limits.jobs} a "
                "person. Wait until one is done, or stop one."
            )
        everybodys = db.execute(f"SELECT COUNT(*) FROM jobs WHERE state IN {_ACTIVE}").fetchone()[0]
        if everybodys >= limits.queue:
            raise JobError(
                f"This server has {counted(everybodys, 'training')} waiting or running, which is all that it takes. "
                "Try again when some are done, or train on your own machine."
            )
        if new and sum(state != "discarded" for state in states) >= MAX_KEPT:
            raise JobError(f"You keep {MAX_KEPT} trainings, which is the limit. Discard one that you no longer need.")

    # ---- looking after the processes ----

    def _supervise(self) -> None:
        lock: sqlite3.Connection | None = None
        swept = -math.inf
        while not self._closing.is_set():
            pause = POLL_SECONDS
            try:
                lock = lock or _take(self._lock_path)
                if lock and time.monotonic() - swept > SWEEP_SECONDS:
                    self._sweep()
                    swept = time.monotonic()
                if lock:
                    self._look()
            except Exception:
                log.exception("looking after the trainings failed; trying again in %s s", RETRY_SECONDS)
                pause = RETRY_SECONDS
            self._wake.wait(pause)
            self._wake.clear()
        if lock:
            lock.close()

    def _sweep(self) -> None:
        """Delete what a server that was killed left half-written or half-deleted, and what is over the limits.

        One in use is deleted only where its owner was not here for as long as any is kept.
        """
        query = f"SELECT id, state IN {_ACTIVE} AS active, seen FROM jobs LEFT JOIN uses ON job = id"
        kept = database.rows(self._path, JobError, f"{query} WHERE state != 'discarded'")
        known = {row["id"] for row in kept}
        for folder in self._folders.iterdir():
            if folder.name not in known and time.time() - folder.stat().st_mtime > ORPHAN_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
        limits, sizes = Limits.from_environment(), {id: _room(self._folders / id) for id in known}
        over = sum(sizes.values()) - 1e9 * limits.gigabytes
        touched = {row["id"]: max(row["seen"] or 0, _written(self._folders / row["id"]) / 1e9) for row in kept}
        for row in sorted(kept, key=lambda row: touched[row["id"]]):
            is_old = time.time() - touched[row["id"]] > 86_400 * limits.days
            if not row["active"] and (is_old or (over > 0 and row["seen"] is None)) and self._expire(row):
                over -= sizes[row["id"]]

    def _expire(self, row: sqlite3.Row) -> bool:
        """Discard a job, unless it was resumed or used since it was looked at."""
        with database.transaction(self._path, JobError) as db:
            gone = db.execute(
                f"UPDATE jobs SET state = 'discarded', message = '' WHERE id = ? AND state NOT IN {_ACTIVE} "
                "AND (SELECT seen FROM uses WHERE job = id) IS ?",
                (row["id"], row["seen"]),
            ).rowcount
            if gone:
                db.execute("DELETE FROM uses WHERE job = ?", (row["id"],))
        if gone:
            shutil.rmtree(self._folders / row["id"], ignore_errors=True)
        return bool(gone)

    def _look(self) -> None:
        """See how the running job does; if none runs any more, start the next."""
        if not Limits.from_environment().enabled:
            with database.transaction(self._path, JobError) as db:
                db.execute("UPDATE jobs SET state = 'stopped' WHERE state = 'queued'")
                db.execute("UPDATE jobs SET state = 'stopping' WHERE state = 'running'")
        active = database.rows(self._path, JobError, "SELECT * FROM jobs WHERE state IN ('running', 'stopping')")
        if any([self._runs(row) for row in active]):  # all of them, though one is the rule
            return
        waiting = database.rows(self._path, JobError, "SELECT * FROM jobs WHERE state = 'queued' ORDER BY turn LIMIT 1")
        if waiting:
            self._sweep()
            self._launch(waiting[0])

    def _launch(self, row: sqlite3.Row) -> None:
        folder = self._folders / row["id"]
        with database.transaction(self._path, JobError) as db:  # before the process: a server killed between finds it
            started = db.execute(
                "UPDATE jobs SET state = 'running', pid = NULL, born = NULL, signalled = NULL, killed = 0, "
                "log_start = ?, curve_mark = ? WHERE id = ? AND state = 'queued'",
                (_size(folder / LOG_FILE), _written(folder / CURVE_FILE), row["id"]),
            ).rowcount
        if not started:
            return
        try:
            with (folder / LOG_FILE).open("ab") as log_file:
                child = SlicedRun(self._slices, folder) if self._slices else _Trainer(self._command(folder), log_file)
        except OSError as error:
            self._end(row, "failed", f"The trainer could not be started: {error}.")
            return
        self._children[row["id"]] = child
        with suppress(psutil.Error):  # it may have ended already; the next look tells how
            self._remember(row, psutil.Process(child.pid))

    def _remember(self, row: sqlite3.Row, process: psutil.Process) -> None:
        change = "UPDATE jobs SET pid = ?, born = ? WHERE id = ?"
        with database.transaction(self._path, JobError) as db:
            db.execute(change, (process.pid, process.create_time(), row["id"]))

    def _runs(self, row: sqlite3.Row) -> bool:
        """Whether a job's process runs, after stopping it or telling how it ended where that is due."""
        child = self._children.get(row["id"])
        if child and row["pid"] not in (None, child.pid):
            child = None  # another server has resumed the job since
        if row["pid"] is None and child is None:
            return self._find(row)
        code = child.poll() if child else None
        ended = code is not None or (child is None and not self._process(row))
        if not ended:
            process = psutil.Process(child.pid if child else row["pid"])
            if row["pid"] is None:
                self._remember(row, process)
            if row["state"] == "stopping":
                self._signal(row, child or process)
            return True
        self._children.pop(row["id"], None)
        self._end(row, *self._verdict(row, code))
        return False

    def _process(self, row: sqlite3.Row) -> bool:
        """Whether the process that had a job's pid when that was written down still runs, and no other has its number.

        A start differs by as much as the clock was set meanwhile, a command does not.
        """
        try:
            process = psutil.Process(row["pid"])
            same = abs(process.create_time() - row["born"]) <= SAME_START_SECONDS
            same = same or process.cmdline() == self._command(self._folders / row["id"])
            return same and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False

    def _find(self, row: sqlite3.Row) -> bool:
        """Find the process that was not written down, by its command; a job without one goes back to the queue."""
        command = self._command(self._folders / row["id"])
        for process in psutil.process_iter(["cmdline"]):
            if process.info["cmdline"] == command:
                self._remember(row, process)
                return True
        with database.transaction(self._path, JobError) as db:
            db.execute("UPDATE jobs SET state = 'queued' WHERE id = ? AND state = 'running'", (row["id"],))
            db.execute("UPDATE jobs SET state = 'stopped' WHERE id = ? AND state = 'stopping'", (row["id"],))
        return False

    def _signal(self, row: sqlite3.Row, process: _Trainer | SlicedRun | psutil.Process) -> None:
        if row["signalled"] is None:
            process.terminate()
            change = ("UPDATE jobs SET signalled = ? WHERE id = ?", (time.time(), row["id"]))
        elif time.time() - row["signalled"] > GRACE_SECONDS and not row["killed"]:
            if not self._slices:
                os.killpg(process.pid, signal.SIGKILL)  # it leads its own group
            change = ("UPDATE jobs SET killed = 1 WHERE id = ?", (row["id"],))
        else:
            return
        with database.transaction(self._path, JobError) as db:
            db.execute(*change)

    def _verdict(self, row: sqlite3.Row, code: int | None) -> tuple[State, str]:
        """How a process ended: the state and, of a failure, the message. `code` is None where no one could learn it."""
        folder = self._folders / row["id"]
        if _report(folder / REPORT_FILE) is not None:
            return "finished", ""
        curve = _curve(folder / CURVE_FILE) if _written(folder / CURVE_FILE) != row["curve_mark"] else []
        said_so = bool(curve) and curve[-1].get("stopped") is True
        asked = row["state"] == "stopping" and not row["killed"]
        # one that was asked to stop before it could listen has lost nothing
        if (said_so and not code) or (asked and code in (0, -signal.SIGTERM)):
            return "stopped", ""
        if row["killed"]:
            how = (
                f"It did not stop within {GRACE_SECONDS:g} seconds and was ended; what it learned after it last saved "
                "is lost."
            )
        elif code is None or code == 0:
            how = "It ended without a report, perhaps because it or the machine was stopped from outside."
        elif code < 0:
            how = f"It was ended from outside ({_signal_name(-code)})"
            how += ", perhaps because memory ran out." if code == -signal.SIGKILL else "."
        else:
            how = f"It ended with exit code {code}."
        return "failed", "\n".join([how, *_last_lines(folder / LOG_FILE, row["log_start"])])

    def _end(self, row: sqlite3.Row, state: State, message: str) -> None:
        with database.transaction(self._path, JobError) as db:
            db.execute(
                "UPDATE jobs SET state = ?, message = ?, pid = NULL, born = NULL WHERE id = ?",
                (state, message, row["id"]),
            )
        if state == "finished":
            shutil.rmtree(self._folders / row["id"] / START_FOLDER, ignore_errors=True)


def _own(db: sqlite3.Connection, owner: str, id: str) -> sqlite3.Row:
    row = db.execute("SELECT * FROM jobs WHERE owner = ? AND id = ?", (owner, id)).fetchone()
    if row is None:
        raise JobError(_UNKNOWN)
    return row


def _use_none(db: sqlite3.Connection, owner: str) -> None:
    db.execute("DELETE FROM uses WHERE job IN (SELECT id FROM jobs WHERE owner = ?)", (owner,))


def _check_owner(owner: str) -> None:
    if not owner:  # all pages that don't know their owner yet would be one person
        raise JobError(UNKNOWN_BROWSER)


def _limits() -> Limits:
    limits = Limits.from_environment()
    if not limits.enabled:
        raise JobError(
            "Training is switched off on this server (SKILL_STUDIO_TRAINING=off). Run the studio on your own machine "
            "to train."
        )
    return limits


def _minutes(settings: dict, limits: Limits) -> float:
    """How long a training may take: what its settings say, cut to the limit."""
    minutes = settings.get("minutes", limits.minutes)
    if isinstance(minutes, bool) or not isinstance(minutes, int | float) or not 0 < minutes < math.inf:
        raise JobError(f"The minutes of the training are {minutes!r}. Write a number over 0.")
    return min(float(minutes), limits.minutes)


def _check_content(skills: dict[str, str], examples: Sequence[Trajectory]) -> None:
    if not skills:
        raise JobError("No skill is chosen. Choose one to train on.")
    if not examples:
        raise JobError("There are no examples to learn from. Add some of each skill in use.")
    for sha256, text in skills.items():
        if text_sha256(text) != sha256:
            raise JobError(f"The skill {sha256[:12]} is not the text that it is named after. Choose the skills again.")
    missing = sorted({example.skill for example in examples} - skills.keys())
    if missing:
        raise JobError(
            f"There are examples of a skill that is not chosen ({missing[0][:12] or 'no skill at all'}). Choose it "
            "too, or leave those examples out."
        )


def _link(source: Path, target: Path) -> None:
    """The files of a checkpoint in a new folder; the same on the disk where it can be, as nobody changes them."""
    target.mkdir()
    try:
        for file in source.iterdir():
            try:
                os.link(file, target / file.name)
            except FileNotFoundError:
                raise
            except OSError:  # a disk without links
                shutil.copyfile(file, target / file.name)
    except FileNotFoundError as error:
        raise JobError(
            "The hypernetwork that this training would go on from was discarded. Press Back to the shipped one."
        ) from error


def _take(path: Path) -> sqlite3.Connection | None:
    """The lock of a folder, held until it is closed or its process ends; None where another server has it."""
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        connection.close()
        if "locked" not in str(error):
            raise
        return None
    return connection


def _curve(path: Path) -> list[dict]:
    """The objects of a curve; a line that is being written, or was cut off by a crash, is left out."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            item = json.loads(line)
        except ValueError:
            continue
        if isinstance(item, dict):
            found.append(item)
    return found


def _report(path: Path) -> dict | None:
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return report if isinstance(report, dict) else None


def _last_lines(path: Path, start: int) -> list[str]:
    """The last lines of a log that were written after so many bytes."""
    try:
        with path.open("rb") as file:
            file.seek(max(start, _size(path) - 4 * LOG_CHARACTERS))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    # a progress bar writes over its line with \r: what is left of it is the last part
    lines = [line.rstrip().rsplit("\r", 1)[-1] for line in text.split("\n") if line.strip()]
    return "\n".join(lines[-LOG_LINES:])[-LOG_CHARACTERS:].split("\n")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _room(folder: Path) -> int:
    """The bytes of a job's files; 0 for a folder that is being deleted."""
    try:
        return sum(_size(file) for file in folder.rglob("*") if file.is_file())
    except OSError:
        return 0


def _written(path: Path) -> int:
    """When a file was last written, in nanoseconds; 0 for none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _clean(text: str) -> str:
    return " ".join(text.encode("utf-8", "replace").decode().split())


def _no_space(error: OSError) -> str:
    return (
        f"The training could not be written ({error.strerror}). Nothing of it was kept. Free some disk space, or "
        "discard trainings that you no longer need."
    )
