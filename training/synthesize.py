"""Trajectories out of real OpenCode runs: `python -m training synthesize`.

A task comes from the skill's evals or from the teacher, who is asked with the prompt in synthesize.yaml. Each is run in
a workspace of its own; what passes becomes a trajectory, the rest is kept apart with the reason. Every run that is over
lies in a folder beside the output, so that the command goes on where it was stopped.
"""

import argparse
import asyncio
import hashlib
import json
import os
import random
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import yaml

from hypernet.adapter import text_sha256
from hypernet.files import write_atomically
from skills.archive import SKILL, SkillFiles, read_archive, read_folder, write_folder
from skills.evals import Assertion, Eval, EvalError
from skills.library import SkillLibrary
from training.conversation import TrajectoryError, cut
from training.opencode import OpenCodeError, Workspace, find_opencode, loaded_skills, run_session, settings, workspace
from training.opencode_export import messages_of
from training.sandbox import Check, TaskError, check_path, seeded_files
from training.teacher import PATIENCE, Relay, Teacher, TeacherError, relay
from training.trajectories import Trajectory, write_trajectories

PROMPT = Path(__file__).with_suffix(".yaml")
KEY_VARIABLE = "OPENAI_API_KEY"
SOURCES = ("both", "evals", "teacher")
LEFT_OUT = ("evals", "adapter")  # of a skill's folder: the answers, and what OpenCode can't use
MAX_TURNS, MAX_FILES, MAX_CHECKS = 10, 20, 20  # of a task
MAX_CHARACTERS = 20_000  # of a turn, or of a file of a task
ASKED = 2  # times that a teacher is asked for a task
ANSWERS = 30  # of the model a turn, calls of tools included: one that goes round in circles is stopped


class SynthesisError(ValueError):
    """A synthesis can't start; the message says what to change."""


class Rejected(Exception):
    """A run was over but does not show the skill in use; the text says why."""


@dataclass(frozen=True)
class Task:
    """What a user says in one session, the files that it is about, and what must hold afterwards."""

    turns: tuple[str, ...]
    checks: tuple[Check, ...]
    files: dict[str, str] = field(default_factory=dict, hash=False)
    source: str = "teacher"


@dataclass(frozen=True)
class Synthesis:
    """How trajectories are made."""

    out: Path
    per_skill: int = 4  # tasks of a skill
    turns: int = 1  # of the user in a session
    source: str = "both"  # where tasks come from: in turn from evals and teacher, or from one of them
    parallel: int = 2  # sessions at once
    timeout: float = 600.0  # seconds of a session
    context: int = 8192  # tokens, roughly, that a trajectory is cut to

    def __post_init__(self) -> None:
        limits = {"per_skill": (1, 10_000), "turns": (1, MAX_TURNS), "parallel": (1, 64), "context": (100, 10_000_000)}
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                option = f"--{name.replace('_', '-')}"
                raise SynthesisError(f"{option} is {getattr(self, name)}; it must be from {low} to {high:,}.")
        if self.timeout <= 0:
            raise SynthesisError(f"--timeout is {self.timeout:g}; give the seconds that a session may take.")

    @property
    def runs(self) -> Path:
        """The folder of the runs that are over, a JSON file each."""
        return self.out.with_name(f"{self.out.name}.runs")

    @property
    def rejected(self) -> Path:
        """The JSONL file of what was kept apart."""
        return self.out.with_name(f"{self.out.stem}.rejected.jsonl")


# ---- the command ---------------------------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("skills", nargs="+", help="SKILL.md files, their folders, .skill files or names of the library")
    parser.add_argument("--base-url", required=True, help="OpenAI-compatible endpoint; the key is OPENAI_API_KEY")
    parser.add_argument("--model", required=True, help="the model there, which thinks up tasks and does them")
    parser.add_argument("--out", type=Path, required=True, help="JSONL file for the trajectories")
    parser.add_argument("--per-skill", type=int, default=Synthesis.per_skill, help="tasks (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=Synthesis.turns, help="of the user (default: %(default)s)")
    parser.add_argument("--tasks", choices=SOURCES, default=Synthesis.source, help="where they come from")
    parser.add_argument("--parallel", type=int, default=Synthesis.parallel, help="at once (default: %(default)s)")
    parser.add_argument("--timeout", type=float, default=Synthesis.timeout, help="seconds a session (%(default)g)")
    parser.add_argument("--patience", type=float, default=PATIENCE, help="seconds an answer (default: %(default)g)")
    parser.add_argument("--context", type=int, default=Synthesis.context, help="tokens to cut to (%(default)s)")
    parser.add_argument("--opencode", type=Path, help="the program, or the folder that npm installed it into")


def run(options: argparse.Namespace) -> int:
    """Synthesise and say what came of it; the exit status is 1 where nothing did. Raises ValueErrors of ours."""
    plan = Synthesis(
        options.out,
        options.per_skill,
        options.turns,
        options.tasks,
        options.parallel,
        options.timeout,
        options.context,
    )
    skills = [read_skill(given) for given in options.skills]
    teacher = Teacher(options.base_url, options.model, os.environ.get(KEY_VARIABLE, ""), options.patience)
    program = find_opencode(options.opencode)
    try:
        kept, reasons = synthesize(
            plan, skills, teacher, program, lambda line: print(line, file=sys.stderr, flush=True)
        )
    except KeyboardInterrupt:
        print(f"Stopped. {plan.out} holds what there is; the same command goes on.", file=sys.stderr)
        return 130
    print(f"{plan.out}: {kept} trajectories")
    for reason, count in reasons.most_common():
        print(f"{count} not: {reason}")
    return 0 if kept else 1


def read_skill(given: str) -> SkillFiles:
    """A skill with its files. Raises SkillError, and SynthesisError for one that must not be used."""
    path = Path(given)
    if not path.exists():
        path = SkillLibrary().get(given).path
    if path.is_dir() or path.name == SKILL:
        found = read_folder(path if path.is_dir() else path.parent)
    else:
        found = read_archive(path)
    if found.is_blocked:
        first = found.findings[0]
        raise SynthesisError(f"{given} is not used: {first.path}:{first.line}: {first.message} {first.fix}")
    return found


def synthesize(
    plan: Synthesis, skills: Sequence[SkillFiles], teacher: Teacher, program: Path, say: Callable[[str], None]
) -> tuple[int, Counter]:
    """Run what has not been run yet, and write out all that there is: how many trajectories, and why others are none.

    Raises SynthesisError for a folder that can't be written, TeacherError where the teacher can't be asked at all.
    """
    if plan.out.exists() and not plan.runs.is_dir():
        raise SynthesisError(f"{plan.out} is there already and was made otherwise. Choose another --out.")
    try:
        plan.runs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SynthesisError(f"{plan.runs} can't be made: {error.strerror}. Choose another --out.") from error
    texts = {skill.text: skill for skill in skills}  # each once
    jobs = [Job(plan, skill, i, teacher) for skill in texts.values() for i in range(plan.per_skill)]
    jobs = [job for job in jobs if not job.is_over]
    try:
        try:
            if jobs:
                teacher.say("Answer in one word.", "Say yes.")  # a wrong address or key shows before all else
                with relay(teacher) as to_teacher:
                    asyncio.run(_run_all(jobs, program, to_teacher, plan.parallel, say))
        finally:  # also where it was interrupted
            kept, reasons = collect(plan)
    except OSError as error:
        raise SynthesisError(f"{plan.out} can't be written: {error.strerror}. Make room, and run it again.") from error
    return kept, reasons


async def _run_all(
    jobs: Sequence["Job"], program: Path, to_teacher: Relay, parallel: int, say: Callable[[str], None]
) -> None:
    turnstile, over = asyncio.Semaphore(parallel), 0

    async def one(job: Job) -> None:
        nonlocal over
        async with turnstile:
            outcome = await job.run(program, to_teacher)
        over += 1
        say(f"{over}/{len(jobs)} {job.skill.skill.name}: {outcome}")

    await asyncio.gather(*map(one, jobs))


def collect(plan: Synthesis) -> tuple[int, Counter]:
    """Write the trajectories of all runs of a folder, and beside them what was kept apart.

    Gives how many trajectories there are, and how often what speaks against the others.
    """
    runs = [_read_run(path) for path in sorted(plan.runs.glob("*.json"))]
    kept = [one["trajectory"] for one in runs if one["outcome"] == "kept"]
    apart = [one for one in runs if one["outcome"] != "kept"]
    count = write_trajectories(plan.out, map(_trajectory, kept))
    lines = "".join(json.dumps(one) + "\n" for one in apart)
    write_atomically(plan.rejected, lambda path: path.write_text(lines))
    return count, Counter(one["reason"] for one in apart)


def _read_run(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise SynthesisError(f"{path} is not as it was written ({error}). Delete it, and it is run again.") from error


def _trajectory(item: dict) -> Trajectory:
    checks = tuple(Assertion(check["kind"], check["value"]) for check in item["checks"])
    return Trajectory(**{**item, "messages": tuple(item["messages"]), "checks": checks})


# ---- one run -------------------------------------------------------------------------------------------------------


class Job:
    """The i-th run of a skill, and its file. What failed for no fault of the task's is run again with the next command,
    what was rejected is not."""

    def __init__(self, plan: Synthesis, skill: SkillFiles, i: int, teacher: Teacher) -> None:
        self.plan, self.skill, self.i, self.teacher = plan, skill, i, teacher
        files = [(path, hashlib.sha256(data).hexdigest()) for path, data in sorted(skill.files.items())]
        identity = json.dumps([text_sha256(skill.text), files, i, plan.turns, plan.source, plan.context, teacher.model])
        self._digest = hashlib.sha256(identity.encode()).hexdigest()
        self._path = plan.runs / f"{skill.skill.name}-{i:03}-{self._digest[:12]}.json"
        self._before = _read_run(self._path) if self._path.exists() else {}

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to run."""
        return self._before.get("outcome") in ("kept", "rejected")

    async def run(self, program: Path, to_teacher: Relay) -> str:
        """Run it and write down what came of it; gives that in words."""
        about: dict = {"skill": self.skill.skill.name, "outcome": "kept", "reason": "", "task": None, "messages": []}
        try:
            about["task"] = self._before.get("task") or asdict(await _in_daemon_thread(self._make_task))
            task = _task_again(about["task"])
            export = await self._session(task, program, to_teacher, about)
            about |= {"trajectory": asdict(self._trajectory(task, export)), "messages": []}
        except (Rejected, TrajectoryError) as error:
            about |= {"outcome": "rejected", "reason": str(error)}
        except (OpenCodeError, TeacherError) as error:
            about |= {"outcome": "failed", "reason": str(error)}
        except (TaskError, OSError) as error:  # it may be the task's files: the next command makes another
            about |= {"outcome": "failed", "reason": str(error), "task": None}
        write_atomically(self._path, lambda path: path.write_text(json.dumps(about)))
        return about["outcome"] if not about["reason"] else f"{about['outcome']}: {about['reason']}"

    async def _session(self, task: Task, program: Path, to_teacher: Relay, about: dict) -> dict:
        """The export of a session that passed. Raises Rejected."""
        seeded = seeded_files(self._digest)
        with ExitStack() as stack:
            ticket = stack.enter_context(to_teacher.ticket(ANSWERS * len(task.turns)))
            config = settings(to_teacher.url, self.teacher.model, ticket)
            place = stack.enter_context(workspace({**seeded, **task.files}, config))
            files = {path: data for path, data in self.skill.files.items() if path.split("/")[0] not in LEFT_OUT}
            write_folder(files, place.folder / ".opencode" / "skills" / self.skill.skill.name)
            export = await run_session(program, place, self.teacher.model, task.turns, self.plan.timeout)
            about["messages"] = messages = messages_of(export)
            if self.skill.skill.name not in loaded_skills(export):
                raise Rejected("The skill was not loaded: no call of the tool `skill` was completed.")
            await asyncio.to_thread(self._check, task, messages, place)
            return export

    def _check(self, task: Task, messages: Sequence[dict], place: Workspace) -> None:
        answers = answers_of(messages)
        if len(answers) != len(task.turns):
            raise Rejected(f"{len(answers)} of {len(task.turns)} turns were answered to the end.")
        for check in task.checks:
            if failure := check.failure(answers, place.folder, place.env):
                raise Rejected(failure)

    def _trajectory(self, task: Task, export: dict) -> Trajectory:
        last = (-1, len(task.turns) - 1)
        of_answer = [check for check in task.checks if not check.file and not check.command and check.turn in last]
        return Trajectory(
            cut(messages_of(export), self.plan.context),
            text_sha256(self.skill.text),
            self.skill.skill.metadata.get("subtask", ""),
            source=f"opencode/{task.source}",
            checks=tuple(check.assertion for check in of_answer if check.assertion),
        )

    def _make_task(self) -> Task:
        """The i-th task. Raises TaskError and TeacherError."""
        plan, from_evals = self.plan, eval_tasks(self.skill.evals, self.plan.turns)
        # in turn, as long as there are evals; then the teacher's
        n = self.i if plan.source == "evals" else self.i // 2
        if plan.source != "teacher" and n < len(from_evals) and (plan.source == "evals" or self.i % 2 == 0):
            return from_evals[n]
        if plan.source == "evals":
            raise TaskError(
                f"The skill has evals for {len(from_evals)} tasks of {plan.turns} turns. Take --tasks both."
            )
        return ask_for_task(self.teacher, self.skill, plan.turns, self.i)


async def _in_daemon_thread(work: Callable[[], object]) -> object:
    """What `work` gives. Other than `asyncio.to_thread`, nobody waits for its end where the command is interrupted."""
    loop = asyncio.get_running_loop()
    outcome = loop.create_future()

    def tell(put: Callable[[object], None], value: object) -> None:
        if not outcome.cancelled():
            put(value)

    def run() -> None:
        try:
            told = (tell, outcome.set_result, work())
        except Exception as error:
            told = (tell, outcome.set_exception, error)
        with suppress(RuntimeError):  # the loop is closed: it was interrupted
            loop.call_soon_threadsafe(*told)

    threading.Thread(target=run, daemon=True).start()
    return await outcome


def answers_of(messages: Iterable[dict]) -> list[str]:
    """What the assistant said last in each turn of the user."""
    answers: list[str] = []
    for message in messages:
        if message["role"] == "user":
            answers.append("")
        elif message["role"] == "assistant":
            answers[-1] = message["content"]
    return answers


# ---- tasks ---------------------------------------------------------------------------------------------------------


def eval_tasks(evals: Sequence[Eval], turns: int) -> list[Task]:
    """Tasks that ask so many evals each, one a turn; an eval is asked once."""
    groups = [evals[n : n + turns] for n in range(0, len(evals) - turns + 1, turns)]
    return [
        Task(
            tuple(ev.prompt for ev in group),
            tuple(Check(assertion, n) for n, ev in enumerate(group) for assertion in ev.assertions),
            source="evals",
        )
        for group in groups
    ]


def ask_for_task(teacher: Teacher, skill: SkillFiles, turns: int, i: int) -> Task:
    """A task that the teacher thinks up. Raises TaskError where it gives none, TeacherError where it can't be asked."""
    prompt = yaml.safe_load(PROMPT.read_text(encoding="utf-8"))
    rng = random.Random(f"{text_sha256(skill.text)}/{i}")
    shown = rng.sample(skill.evals, min(2, len(skill.evals)))
    values = {
        "skill": skill.text,
        "kind": prompt["kinds"][i % len(prompt["kinds"])],
        "turns": "one turn" if turns == 1 else f"{turns} turns, each of which builds on those before it,",
        "examples": "\n\n".join(f"User: {ev.prompt}\nAssistant: {ev.expected_output}" for ev in shown) or "none",
    }
    # replaced in one pass, so that braces and names in a skill stay as they are
    user = re.sub(r"\{(skill|kind|turns|examples)\}", lambda match: values[match[1]], prompt["user"])
    for number in range(ASKED):
        try:
            return read_task(teacher.say(prompt["system"], user, **prompt["options"]), turns)
        except (TaskError, EvalError) as error:
            if number == ASKED - 1:
                raise TaskError(f"The teacher gave no task: {error}") from error
    raise AssertionError("ASKED is at least 1")


def read_task(reply: str, turns: int) -> Task:
    """The task in a teacher's reply, whatever stands around its JSON. Raises TaskError and EvalError."""
    try:
        item = json.loads(reply[reply.index("{") : reply.rindex("}") + 1])
    except (ValueError, RecursionError) as error:
        raise TaskError(f"its reply holds no JSON object ({error}).") from error
    said, files, checks = item.get("turns"), item.get("files") or {}, item.get("checks")
    if not isinstance(said, list) or len(said) != turns or not all(map(_is_text, said)):
        raise TaskError(f"turns must be {turns} texts of 1 to {MAX_CHARACTERS:,} characters.")
    if not isinstance(files, dict) or len(files) > MAX_FILES or not all(map(_is_text, files.values())):
        raise TaskError(f"files must be at most {MAX_FILES} texts of 1 to {MAX_CHARACTERS:,} characters, by path.")
    if not isinstance(checks, list) or not 1 <= len(checks) <= MAX_CHECKS:
        raise TaskError(f"checks must be a list of 1 to {MAX_CHECKS}.")
    made = tuple(_check(check, turns) for check in checks)
    return Task(tuple(said), made, {check_path(path): text for path, text in files.items()})


def _check(item: object, turns: int) -> Check:
    if not isinstance(item, dict):
        raise TaskError('a check is an object such as {"kind": "contains", "value": "..."}.')
    turn, file, command = item.get("turn", turns), item.get("file", ""), item.get("command", [])
    if isinstance(turn, bool) or not isinstance(turn, int) or not 1 <= turn <= turns:
        raise TaskError(f"the turn of a check must be from 1 to {turns}.")
    if not isinstance(file, str) or not isinstance(command, list) or not all(map(_is_text, command)):
        raise TaskError('the file of a check is a path, its command a list such as ["python3", "check.py"].')
    assertion = Assertion(item["kind"], item.get("value")) if "kind" in item else None
    return Check(assertion, turn - 1, file, tuple(command))


def _task_again(item: dict) -> Task:
    """A task as it was written down."""
    checks = [
        Check(
            check["assertion"] and Assertion(**check["assertion"]),
            check["turn"],
            check["file"],
            tuple(check["command"]),
        )
        for check in item["checks"]
    ]
    return Task(tuple(item["turns"]), tuple(checks), item["files"], item["source"])


def _is_text(value: object) -> bool:
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_CHARACTERS:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)  # no file can hold half a pair
