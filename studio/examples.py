"""A person's own skills with examples of them in use: kept in SQLite, read from files, looked over before training.

An example is a chat: `prompt` is the last thing that the user says in it and `answer` what comes out at the end; turns
before, and calls of tools between the two, stay with it.
"""

import hashlib
import json
import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from skills.evals import Assertion, Eval
from skills.skill import CHARACTERS_A_TOKEN, Skill, SkillError, text_sha256
from studio import database
from studio.room import Room
from studio.wording import UNKNOWN_BROWSER, counted

if TYPE_CHECKING:
    from training.trajectories import Trajectory

MAX_SKILLS = 20  # of a person
MAX_EXAMPLES = 200  # of a skill
MAX_SKILL_TEXT = 100_000  # characters; hypernetworks read fewer, and say so
MAX_PROMPT, MAX_ANSWER = 20_000, 8_000  # characters
MAX_CHAT = 200_000  # characters of a whole chat as JSON
MAX_IMPORT = 10_000_000  # bytes of a file
ADVISED_EXAMPLES = 8  # of a skill: with fewer, two or less are kept out, and the report says little
LONG_ANSWER = 2_000  # characters, some 500 tokens: longer ones take most of the time and are seldom met exactly
MAX_JUDGED = 10_000  # chats whose length is remembered: counting their tokens takes longer than all else
MAX_VERDICTS = 10_000  # checks of answers whose outcome is remembered
CHECKING_SECONDS = 2.0  # of one look: a pattern may take a fifth of a second, and a person have 80,000 of them
_Severity = Literal["error", "warning"]
SPLITS = {"": "automatic", "train": "learned from", "test": "kept out"}
NO_EXAMPLE = "This example no longer exists. Reload the page."

_SCHEMA = """
CREATE TABLE IF NOT EXISTS skills (
    owner TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    added INTEGER NOT NULL,    -- the order in which they came
    PRIMARY KEY (owner, name)
);
CREATE TABLE IF NOT EXISTS examples (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT NOT NULL,
    skill_name TEXT NOT NULL,
    messages TEXT NOT NULL,    -- JSON: the whole chat
    split TEXT NOT NULL,
    source TEXT NOT NULL,
    subtask TEXT NOT NULL,
    checks TEXT NOT NULL,      -- JSON: a list of {kind, value}
    UNIQUE (owner, skill_name, messages)
);
CREATE TABLE IF NOT EXISTS brought (
    owner TEXT NOT NULL,
    skill_name TEXT NOT NULL,
    eval TEXT NOT NULL,        -- SHA-256 of its prompt and answer
    PRIMARY KEY (owner, skill_name, eval)
);
"""


class ExampleError(ValueError):
    """A skill or an example can't be kept, found or read; the message is ready to be shown."""


class OwnSkill(NamedTuple):
    """A skill in a person's book."""

    name: str
    sha256: str  # of the text
    text: str


@dataclass(frozen=True)
class Example:
    """One example of a skill in use."""

    id: int
    skill_name: str
    skill_sha256: str
    prompt: str
    answer: str
    split: str  # "train", "test" or "", which leaves the choice
    checks: tuple[Assertion, ...]  # what must hold of the answer
    messages: tuple[dict, ...] = ()  # earlier turns
    steps: tuple[dict, ...] = ()  # calls of tools and their results, between the prompt and the answer

    @property
    def chat(self) -> tuple[dict, ...]:
        """All of it."""
        asked, answered = {"role": "user", "content": self.prompt}, {"role": "assistant", "content": self.answer}
        return (*self.messages, asked, *self.steps, answered)


@dataclass(frozen=True)
class Fault:
    """Something wrong with a skill's examples; an error keeps the training from starting."""

    skill_name: str
    example: int | None  # its id; None where it is about all of them
    message: str
    severity: _Severity


@dataclass(frozen=True)
class Reach:
    """How much can be read of what a training is given, in tokens."""

    skill: int  # of a skill's text, by the hypernetwork
    chat: int  # by a training: of a longer one, its end
    count: Callable[[str], int]  # tokens of a text
    count_chat: Callable[[Sequence[dict]], int]


class ExampleBook:
    """The skills and examples of everybody on a server, each person's apart from the others'."""

    def __init__(self, root: Path) -> None:
        """Make or open the book in a folder. Raises ExampleError where that can't be done."""
        self._path = Path(root).absolute() / "examples.sqlite3"
        self._room = Room(self._path, _SCHEMA, ("skills", "examples", "brought"), ExampleError)
        self._judged: dict[tuple[int, bytes], tuple[_Severity, str] | None] = {}  # by the base's context and the chat
        self._verdicts: dict[bytes, bool] = {}  # by the check and the answer

    # ---- skills ----

    def skills(self, owner: str) -> list[OwnSkill]:
        """A person's skills in the order in which they came."""
        self._room.visit(owner)
        query = "SELECT name, sha256, text FROM skills WHERE owner = ? ORDER BY added"
        return [OwnSkill(*row) for row in database.rows(self._path, ExampleError, query, owner)]

    def put_skill(self, owner: str, text: str) -> str:
        """Keep a skill; returns the SHA-256 of its text.

        One of the same name takes the new text and keeps its examples. Raises ExampleError for a text that is no skill
        and over a limit.
        """
        if not owner:  # all pages that don't know their owner yet would be one person
            raise ExampleError(UNKNOWN_BROWSER)
        text = text.encode("utf-8", "replace").decode()  # as `text_sha256` reads it
        if len(text) > MAX_SKILL_TEXT:
            raise ExampleError(
                f"The skill has {len(text):,} characters; it may have {MAX_SKILL_TEXT:,}. Move parts of it into skills "
                "of their own."
            )
        try:
            name = Skill.parse(text).name
        except SkillError as error:
            raise ExampleError(str(error)) from error
        sha256 = text_sha256(text)
        with self._room.adding(owner) as db:
            others = db.execute("SELECT COUNT(*) FROM skills WHERE owner = ? AND name != ?", (owner, name)).fetchone()
            if others[0] >= MAX_SKILLS:
                raise ExampleError(f"You have {others[0]} skills, which is the limit. Remove one that you don't train.")
            db.execute(
                "INSERT INTO skills (owner, sha256, name, text, added) "
                "VALUES (?, ?, ?, ?, (SELECT COALESCE(MAX(added), 0) + 1 FROM skills)) "
                "ON CONFLICT (owner, name) DO UPDATE SET sha256 = excluded.sha256, text = excluded.text",
                (owner, sha256, name, text),
            )
        return sha256

    def remove_skill(self, owner: str, skill_sha256: str) -> None:
        """Delete a skill and its examples. Raises ExampleError where there is no such skill."""
        with database.transaction(self._path, ExampleError) as db:
            name = _skill(db, owner, skill_sha256).name
            db.execute("DELETE FROM examples WHERE owner = ? AND skill_name = ?", (owner, name))
            db.execute("DELETE FROM brought WHERE owner = ? AND skill_name = ?", (owner, name))
            db.execute("DELETE FROM skills WHERE owner = ? AND name = ?", (owner, name))

    # ---- examples ----

    def examples(self, owner: str, skill_sha256: str) -> list[Example]:
        """The examples of a skill in the order in which they came. Raises ExampleError where there is no such skill."""
        with database.transaction(self._path, ExampleError, write=False) as db:
            skill = _skill(db, owner, skill_sha256)
            return [_example(row, skill) for row in _rows(db, owner, skill)]

    def add(
        self, owner: str, skill_sha256: str, prompt: str, answer: str, split: str = "", checks: Sequence[Assertion] = ()
    ) -> Example:
        """Keep an example; one that says the same is returned as it is.

        Raises ExampleError: for empty texts, over a limit, and for an unknown skill.
        """
        _check_filled(prompt, answer)
        chat = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
        with self._room.adding(owner) as db:
            skill = _skill(db, owner, skill_sha256)
            trajectory = _trajectory(chat, skill.sha256, split=split, checks=tuple(checks), source="studio")
            return _example(_insert(db, owner, skill, trajectory)[0], skill)

    def bring(self, owner: str, skill_sha256: str, evals: Sequence[Eval], kept: str = "") -> None:
        """Keep the evals of a skill as examples, each once: one that was changed or removed since does not come back.

        `kept` is a prompt that the person has just answered: its eval counts as brought. All are kept or, where
        anything is wrong, none. Raises ExampleError as `add`.
        """
        with self._room.adding(owner) as db:
            skill = _skill(db, owner, skill_sha256)
            for ev in evals:
                mark = hashlib.sha256(json.dumps([ev.prompt, ev.expected_output]).encode()).hexdigest()
                row = (owner, skill.name, mark)
                is_new = db.execute("INSERT OR IGNORE INTO brought VALUES (?, ?, ?)", row).rowcount
                if is_new and ev.prompt.strip() != kept.strip():
                    chat = [
                        {"role": "user", "content": ev.prompt},
                        {"role": "assistant", "content": ev.expected_output},
                    ]
                    trajectory = _trajectory(chat, skill.sha256, checks=ev.assertions, source="studio")
                    _insert(db, owner, skill, trajectory)

    def update(
        self,
        owner: str,
        id: int,
        prompt: str | None = None,
        answer: str | None = None,
        split: str | None = None,
        checks: Sequence[Assertion] | None = None,
        chat: Sequence[dict] | None = None,
        change: Callable[[Example], dict[str, Sequence]] | None = None,
    ) -> Example:
        """Change what is given of an example, of its whole chat or of single parts.

        What depends on how it is, `change` gives as checks or chat: nobody else changes it meanwhile. Raises
        ExampleError as `add`, for an order of turns that is none, and where another says the same then; and what
        `change` raises.
        """
        _check_filled(prompt, answer)
        with self._room.adding(owner) as db:
            row, skill = _own(db, owner, id)
            if change is not None:
                given = change(_example(row, skill))
                checks, chat = given.get("checks"), given.get("chat")
            changed = chat = json.loads(row["messages"]) if chat is None else list(chat)
            asked = _asked(chat)
            if prompt is not None:
                changed = [*changed[:asked], {**chat[asked], "content": prompt}, *changed[asked + 1 :]]
            if answer is not None:
                changed = [*changed[:-1], {**chat[-1], "content": answer}]
            trajectory = _trajectory(
                changed,
                skill.sha256,
                split=row["split"] if split is None else split,
                checks=_checks(row) if checks is None else tuple(checks),
            )
            try:
                db.execute(
                    "UPDATE examples SET messages = ?, split = ?, checks = ? WHERE id = ?",
                    (_chat_json(trajectory), trajectory.split, _checks_json(trajectory), id),
                )
            except sqlite3.IntegrityError as error:
                raise ExampleError("Another example of this skill says the same. Remove one of the two.") from error
            return _example(_own(db, owner, id)[0], skill)

    def remove(self, owner: str, id: int) -> None:
        """Delete an example. Raises ExampleError where this person has none with the id."""
        with database.transaction(self._path, ExampleError) as db:
            _own(db, owner, id)
            db.execute("DELETE FROM examples WHERE id = ?", (id,))

    def import_file(self, owner: str, path: str | Path, skill_sha256: str) -> int:
        """Keep what a file holds: all of it or, where anything is wrong, nothing. Returns how many are new.

        JSONL of trajectories, an evals.json, CSV with the columns prompt and answer, or an OpenCode session export.
        They go to the skill that is named; trajectories that name another of this person's skills go to that one.
        Raises ExampleError with the place in the file.
        """
        path, count = Path(path), 0
        with database.transaction(self._path, ExampleError, write=False) as db:
            named = _skill(db, owner, skill_sha256)
        try:
            trajectories = list(_read(path))
        except ExampleError:
            raise
        except ValueError as error:  # of trajectories and evals: it names the place, but people know no temporary path
            raise ExampleError(str(error).replace(str(path), path.name)) from error
        with self._room.adding(owner) as db:
            known = {skill.sha256: skill for skill in _skills(db, owner)}
            for number, trajectory in enumerate(trajectories, 1):
                skill = known.get(trajectory.skill or named.sha256)
                if skill is None:
                    raise ExampleError(
                        f"{path.name}: example {number} is of a skill that you don't have here "
                        f'({trajectory.skill[:12]}). Add that skill first, or write "" for it in the file: then it '
                        f"goes to {named.name}."
                    )
                try:
                    count += _insert(db, owner, skill, _checked(trajectory))[1]
                except ExampleError as error:
                    raise ExampleError(f"{path.name}: example {number}: {error}") from error
        return count

    # ---- training ----

    def trajectories(self, owner: str, skills: Sequence[str]) -> tuple[dict[str, str], list["Trajectory"]]:
        """The texts of some skills by their SHA-256, and all their examples. Raises ExampleError for an unknown one."""
        texts, found = {}, []
        with database.transaction(self._path, ExampleError, write=False) as db:
            for sha256 in dict.fromkeys(skills):
                skill = _skill(db, owner, sha256)
                texts[sha256] = skill.text
                for row in _rows(db, owner, skill):
                    names = {name: row[name] for name in ("split", "source", "subtask")}
                    found.append(_trajectory(json.loads(row["messages"]), sha256, checks=_checks(row), **names))
        return texts, found

    def faults(self, owner: str, skills: Sequence[str], reach: Reach | None = None) -> list[Fault]:
        """What is wrong with some skills and their examples, the way out in each; never raises for what a person wrote.

        Without a `reach`, lengths in tokens are not looked at.
        """
        if not skills:
            return [Fault("", None, "No skill is chosen. Choose one to train on.", "error")]
        own, found = {skill.sha256: skill for skill in self.skills(owner)}, []
        deadline = time.monotonic() + CHECKING_SECONDS
        for sha256 in dict.fromkeys(skills):
            if sha256 not in own:
                message = "A chosen skill is no longer in your list: it was removed or edited. Choose it again."
                found.append(Fault("", None, message, "error"))
                continue
            examples = self.examples(owner, sha256)
            failed, untried = self._failed(examples, deadline)
            found += _faults(own[sha256].name, examples, failed)
            if untried:
                message = (
                    f"The checks of {counted(untried, 'example')} of {own[sha256].name} were not tried: those before "
                    f"took {CHECKING_SECONDS:g} seconds. Write simpler patterns, or remove some."
                )
                found.append(Fault(own[sha256].name, None, message, "warning"))
            if reach:
                found += self._over(own[sha256], examples, reach)
        return found + _too_much([own[sha256] for sha256 in dict.fromkeys(skills) if sha256 in own], reach)

    def _failed(self, examples: list[Example], deadline: float) -> tuple[dict[int, Assertion], int]:
        """(the first check that fails, by the example's id; how many examples were not looked at in time)."""
        failed, untried = {}, 0
        for example in examples:
            for check in example.checks:
                key = hashlib.sha256(repr((check, example.answer)).encode()).digest()
                if (holds := self._verdicts.get(key)) is None:
                    if time.monotonic() > deadline:
                        untried += 1
                        break
                    if len(self._verdicts) >= MAX_VERDICTS:
                        self._verdicts.clear()
                    holds = self._verdicts[key] = check.holds(example.answer)
                if not holds:
                    failed[example.id] = check
                    break
        return failed, untried

    def _over(self, skill: OwnSkill, examples: list[Example], reach: Reach) -> list[Fault]:
        """What of a skill and its chats is too long to be read."""
        found = []
        if (tokens := reach.count(skill.text)) > reach.skill:
            message = (
                f"{skill.name} has {tokens:,} tokens; the hypernetwork reads up to {reach.skill:,}. Move details into "
                "skills of their own."
            )
            found.append(Fault(skill.name, None, message, "error"))
        for example in examples:
            chat = example.chat
            text = json.dumps(chat, sort_keys=True).encode()
            if len(text) <= reach.chat:  # a token has a byte or more
                continue
            key = (reach.chat, hashlib.sha256(text).digest())
            if key not in self._judged:
                if len(self._judged) >= MAX_JUDGED:
                    self._judged.clear()
                self._judged[key] = _too_long(chat, reach)
            if judged := self._judged[key]:
                found.append(Fault(skill.name, example.id, judged[1], judged[0]))
        return found


def _too_long(chat: Sequence[dict], reach: Reach) -> tuple[_Severity, str] | None:
    """What is wrong with the length of a chat."""
    from training.conversation import TrajectoryError, cut  # imports torch

    tokens = reach.count_chat(chat)
    if tokens <= reach.chat:
        return None
    try:
        left_out = len(chat) - len(cut(chat, reach.chat, reach.count_chat))
    except TrajectoryError as error:
        said = str(error)
        return "error", said[0].upper() + said[1:]
    return "warning", (
        f"The chat has {tokens:,} tokens; a training reads {reach.chat:,}. Its first {left_out:,} messages are left "
        "out. Import a shorter one if they matter."
    )


def _too_much(skills: list[OwnSkill], reach: Reach | None) -> list[Fault]:
    """What the length of all skills together means for the training."""
    from training.refit import READ_ONCE, RefitConfig  # imports torch

    longest = max((reach.count(skill.text) for skill in skills), default=0) if reach else 0
    most = READ_ONCE // RefitConfig.texts
    if len(skills) * longest <= most:
        return []
    message = (
        f"The chosen skills have up to {longest:,} tokens each. Above {most // len(skills):,} they are read anew at "
        "every step, which takes longer: give it more minutes, choose fewer, or train in turns, each going on from the "
        "one before."
    )
    return [Fault("", None, message, "warning")]


def _faults(name: str, examples: list[Example], failed: dict[int, Assertion]) -> list[Fault]:
    """What is wrong with the examples of a skill: first of all of them, then of each.

    `failed` are the checks that their answers do not pass, by the example's id.
    """
    from training.refit import LEAST_EXAMPLES  # imports torch

    found, count = [], len(examples)

    def fault(severity: _Severity, message: str, example: int | None = None) -> None:
        found.append(Fault(name, example, message, severity))

    if count < LEAST_EXAMPLES:
        missing = LEAST_EXAMPLES - count
        fault(
            "error",
            f"{name} has {count or 'no'} example{'s' if count != 1 else ''}; it takes {LEAST_EXAMPLES} or more. Add "
            f"{missing}, by hand or from a file.",
        )
    elif all(example.split == "train" for example in examples):
        fault(
            "error",
            f"All examples of {name} are to be learned from, so that none is left to see whether it was. Mark one "
            f"or more '{SPLITS['test']}' or '{SPLITS['']}'.",
        )
    elif all(example.split == "test" for example in examples):
        fault(
            "error",
            f"All examples of {name} are kept out: there is nothing to learn from. Mark most of them "
            f"'{SPLITS['train']}' or '{SPLITS['']}'.",
        )
    elif count < ADVISED_EXAMPLES:
        fault(
            "warning",
            f"{name} has {count} examples. It can start, but {ADVISED_EXAMPLES} or more learn better, and the report "
            "says more.",
        )
    if count >= LEAST_EXAMPLES and len({example.answer.strip() for example in examples}) == 1:
        fault(
            "warning",
            f"All examples of {name} have the same answer: it will learn to say that to anything. Add examples with "
            "other answers.",
        )
    answers: dict[str, set[str]] = {}
    for example in examples:
        answers.setdefault(_question(example), set()).add(example.answer.strip())
    for example in examples:
        if len(answers[_question(example)]) > 1:
            fault(
                "error",
                "The same prompt is there with another answer. Keep the better one and remove the other.",
                example.id,
            )
        elif example.id in failed:
            fault(
                "error",
                f"The answer does not pass its own check: {failed[example.id].text()} Fix the answer, or remove the "
                "check.",
                example.id,
            )
        if len(example.answer) > LONG_ANSWER:
            fault(
                "warning",
                f"The answer has about {len(example.answer) // CHARACTERS_A_TOKEN:,} tokens. Long answers take most of "
                "the time and are seldom met word by word. Shorten it to what the skill is about.",
                example.id,
            )
    return found


def judged_by(skills: Iterable[Sequence[Example]], share: float) -> int:
    """How many examples a training is judged by that keeps out such a share of each skill's."""
    from training.refit import MEASURED, split_examples  # imports torch

    return min(MEASURED, sum(len(split_examples(examples, share, random.Random(0))[1]) for examples in skills))


def _question(example: Example) -> str:
    """All that an answer is given to."""
    return json.dumps([example.messages, example.prompt.strip(), example.steps], sort_keys=True)


# ---- rows ----------------------------------------------------------------------------------------------------------


def _skills(db: sqlite3.Connection, owner: str) -> list[OwnSkill]:
    return [OwnSkill(*row) for row in db.execute("SELECT name, sha256, text FROM skills WHERE owner = ?", (owner,))]


def _skill(db: sqlite3.Connection, owner: str, sha256: str) -> OwnSkill:
    row = db.execute("SELECT name, sha256, text FROM skills WHERE owner = ? AND sha256 = ?", (owner, sha256)).fetchone()
    if row is None:
        raise ExampleError("This skill is no longer in your list: it was removed or edited. Choose it again.")
    return OwnSkill(*row)


def _rows(db: sqlite3.Connection, owner: str, skill: OwnSkill) -> list[sqlite3.Row]:
    query = "SELECT * FROM examples WHERE owner = ? AND skill_name = ? ORDER BY id"
    return db.execute(query, (owner, skill.name)).fetchall()


def _own(db: sqlite3.Connection, owner: str, id: int) -> tuple[sqlite3.Row, OwnSkill]:
    row = db.execute("SELECT * FROM examples WHERE owner = ? AND id = ?", (owner, id)).fetchone()
    if row is None:
        raise ExampleError(NO_EXAMPLE)
    found = db.execute(
        "SELECT name, sha256, text FROM skills WHERE owner = ? AND name = ?", (owner, row["skill_name"])
    ).fetchone()
    return row, OwnSkill(*found)


def _insert(db: sqlite3.Connection, owner: str, skill: OwnSkill, trajectory: "Trajectory") -> tuple[sqlite3.Row, bool]:
    """The row of an example, and whether it is new."""
    messages = _chat_json(trajectory)
    same = "SELECT * FROM examples WHERE owner = ? AND skill_name = ? AND messages = ?"
    if (found := db.execute(same, (owner, skill.name, messages)).fetchone()) is not None:
        return found, False
    if len(_rows(db, owner, skill)) >= MAX_EXAMPLES:
        raise ExampleError(
            f"{skill.name} has {MAX_EXAMPLES} examples, which is the limit. Remove some; for more, train with "
            "`python -m training refit`."
        )
    db.execute(
        "INSERT INTO examples (owner, skill_name, messages, split, source, subtask, checks) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            owner,
            skill.name,
            messages,
            trajectory.split,
            trajectory.source,
            trajectory.subtask,
            _checks_json(trajectory),
        ),
    )
    return db.execute(same, (owner, skill.name, messages)).fetchone(), True


def _example(row: sqlite3.Row, skill: OwnSkill) -> Example:
    chat = json.loads(row["messages"])
    asked = _asked(chat)
    return Example(
        row["id"],
        skill.name,
        skill.sha256,
        chat[asked]["content"],
        chat[-1]["content"],
        row["split"],
        _checks(row),
        tuple(chat[:asked]),
        tuple(chat[asked + 1 : -1]),
    )


def _asked(chat: list[dict]) -> int:
    """Where the last turn of the user stands."""
    return max(n for n, message in enumerate(chat) if message["role"] == "user")


def _chat_json(trajectory: "Trajectory") -> str:
    return json.dumps(trajectory.messages, sort_keys=True)


def _checks_json(trajectory: "Trajectory") -> str:
    return json.dumps([asdict(check) for check in trajectory.checks])


def _checks(row: sqlite3.Row) -> tuple[Assertion, ...]:
    return tuple(Assertion(**check) for check in json.loads(row["checks"]))


# ---- what people write ---------------------------------------------------------------------------------------------


def _check_filled(prompt: str | None, answer: str | None) -> None:
    for name, text in (("prompt", prompt), ("answer", answer)):
        if text is not None and not text.strip():
            raise ExampleError(f"The {name} is empty. Write it, or remove the example.")


def _trajectory(chat: list[dict], skill: str, **names) -> "Trajectory":
    """A chat that may be kept. Raises ExampleError."""
    from training.trajectories import Trajectory  # imports torch

    try:
        return _checked(Trajectory(tuple(chat), skill, **names))
    except ExampleError:
        raise
    except ValueError as error:
        raise ExampleError(str(error)) from error


def _checked(trajectory: "Trajectory") -> "Trajectory":
    """The trajectory in plain texts with line ends as models write them. Raises ExampleError over a limit."""
    chat = [{**message, "content": _plain(message["content"])} for message in trajectory.messages]
    asked = _asked(chat)
    for name, text, limit in (
        ("prompt", chat[asked]["content"], MAX_PROMPT),
        ("answer", chat[-1]["content"], MAX_ANSWER),
        ("whole chat", json.dumps(chat), MAX_CHAT),
    ):
        if len(text) > limit:
            raise ExampleError(f"The {name} has {len(text):,} characters; it may have {limit:,}. Shorten it.")
    return replace(trajectory, messages=tuple(chat))


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").encode("utf-8", "replace").decode()  # halves of surrogate pairs can't be kept


def _read(path: Path) -> Iterable["Trajectory"]:
    """The trajectories in a file. Raises ExampleError, and what reading trajectories and evals raises."""
    from training.trajectories import read_examples  # imports torch

    try:
        size = os.stat(path).st_size
    except OSError as error:
        raise ExampleError(f"{path.name} can't be read ({error.strerror}). Choose it again.") from error
    if size > MAX_IMPORT:
        raise ExampleError(
            f"{path.name} has {size / 1e6:,.1f} MB; a file may have {MAX_IMPORT / 1e6:,.0f} MB. Split it, or train on "
            "it with `python -m training refit SKILL.md --examples FILE`."
        )
    return read_examples(path)
