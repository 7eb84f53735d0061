"""Trajectories: chats of a skill in use, to learn from. In and out as JSONL; in from evals, CSV files and OpenCode;
out for `datasets`.

One line of JSONL is one trajectory. Files may come from anywhere and be large: they are read line by line, and every
line is checked. The loss falls on the assistant's turns only: each is an example, and all before it is its prompt.
"""

import csv
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import IO

import yaml

from hypernet.base import Base
from hypernet.files import write_atomically
from skills.evals import MAX_ASSERTIONS, Assertion, Eval, EvalError, parse_evals
from training.conversation import TrajectoryError, as_printed, check_messages, cut, render, turn_ids
from training.examples import Example
from training.opencode_export import messages_of

MAX_FILE = 200_000_000  # bytes of a file of trajectories
MAX_LINE = 1_000_000  # bytes of a line
MAX_SESSION = 20_000_000  # bytes of an evals.json or an OpenCode export, which are read whole
MAX_NAME = 200  # characters of a subtask or a source
SPLITS = ("", "train", "test")
NAMES = ("messages", "skill", "subtask", "split", "source", "checks")
COLUMNS = ("prompt", "answer")  # of a CSV file
CARD_TITLE = "# Skills in use"  # of a data set
UNFINISHED = ".unfinished-"  # how a folder begins in which a data set is being written

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Trajectory:
    """A chat in which a model acts by a skill.

    `messages` are those of transformers' chat templates: role and content; an assistant's tool_calls; a tool's
    tool_call_id and name. The last one is the assistant's. Raises TrajectoryError where something is not as it must be.
    """

    messages: tuple[dict, ...]
    skill: str  # SHA-256 of the skill's text; "" where there is none
    subtask: str = ""
    split: str = ""  # the part that it must be in; "" leaves the choice
    source: str = ""  # where it came from: "evals", "csv", "opencode", ...
    checks: tuple[Assertion, ...] = ()  # what must hold of the last answer

    def __post_init__(self) -> None:
        check_messages(self.messages)
        if not isinstance(self.skill, str) or (self.skill and not _DIGEST.fullmatch(self.skill)):
            raise TrajectoryError(
                'skill must be the SHA-256 of the skill\'s text, 64 of 0-9 and a-f, or "" for an example without one.'
            )
        if self.split not in SPLITS:
            raise TrajectoryError('split must be "train", "test" or "".')
        for name in ("subtask", "source"):
            value = getattr(self, name)
            if not isinstance(value, str) or len(value) > MAX_NAME:
                raise TrajectoryError(f"{name} must be a text of at most {MAX_NAME} characters.")
        if len(self.checks) > MAX_ASSERTIONS:
            raise TrajectoryError(f"there are {len(self.checks)} checks; there may be {MAX_ASSERTIONS}. Delete some.")


# ---- files of any kind ---------------------------------------------------------------------------------------------


def read_examples(path: str | Path) -> Iterator[Trajectory]:
    """The different trajectories of a file: JSONL of them, an evals.json, CSV, or an OpenCode session export.

    Only JSONL says whose use it shows: of the others, `skill` is "". JSONL and CSV are streamed. Raises TrajectoryError
    and EvalError, with the place in the file.
    """
    path = Path(path)
    kinds = {".jsonl": _read, ".csv": lambda file: from_csv(file, ""), ".json": _read_json}
    if path.suffix.lower() not in kinds:
        raise TrajectoryError(
            f"{path} is of no kind that is known. Choose .jsonl (trajectories), .csv (prompt and answer), evals.json, "
            "or the .json of an OpenCode export."
        )
    return different(kinds[path.suffix.lower()](path))


def _read_json(path: Path) -> Iterator[Trajectory]:
    """The evals or the session in a JSON file."""
    try:
        with path.open("rb") as file:
            _check_size(path, file, MAX_SESSION)
            data = file.read()
    except OSError as error:
        raise TrajectoryError(f"{path} can't be read: {error.strerror}.") from error
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        content = None  # parse_evals says where
    if not isinstance(content, dict) or "messages" not in content:
        yield from from_evals("", parse_evals(data, str(path)))
        return
    try:
        yield from_opencode(content, "")
    except TrajectoryError as error:
        raise TrajectoryError(f"{path}: {error}") from error


# ---- JSONL ---------------------------------------------------------------------------------------------------------


def read_trajectories(path: str | Path) -> Iterator[Trajectory]:
    """The different trajectories of a JSONL file, one after another: never more than a line of it is in memory.

    Raises TrajectoryError, with file and line, at the first line that is none; also where the file can't be read,
    holds no line, or is over MAX_FILE.
    """
    return different(_read(path))


def write_trajectories(path: str | Path, trajectories: Iterable[Trajectory]) -> int:
    """Write the different ones of some trajectories to a JSONL file, and say how many they were.

    Raises TrajectoryError where one is longer than a line may be, OSError where the file can't be written; what was
    there before then stays.
    """
    count = 0

    def write(target: Path) -> None:
        nonlocal count
        with target.open("wb") as file:
            for trajectory in different(trajectories):
                file.write(as_line(trajectory))
                count += 1

    write_atomically(Path(path), write)
    return count


def _read(path: str | Path) -> Iterator[Trajectory]:
    number = 0
    for number, raw in _lines(path):
        try:
            item = json.loads(raw)
            if not isinstance(item, dict):
                raise TrajectoryError("this is no object. Write one object a line.")
            trajectory = _trajectory(item)
        except json.JSONDecodeError as error:
            raise TrajectoryError(
                f"{path}:{number}: this is not JSON ({error.msg}). Write one object a line."
            ) from error
        except UnicodeDecodeError as error:
            raise TrajectoryError(f"{path}:{number}: this is no UTF-8. Save the file as UTF-8.") from error
        except (TrajectoryError, EvalError) as error:
            raise TrajectoryError(f"{path}:{number}: {error}") from error
        except (ValueError, RecursionError) as error:  # a number of thousands of digits; thousands of brackets
            raise TrajectoryError(f"{path}:{number}: this JSON can't be read. Write texts, less nested.") from error
        yield trajectory
    if not number:
        raise TrajectoryError(f"{path} holds no trajectories. Write one object a line.")


def _lines(path: str | Path) -> Iterator[tuple[int, bytes]]:
    """The lines with something on them, with their numbers."""
    try:
        with open(path, "rb") as file:
            _check_size(path, file)
            number = 0
            while raw := file.readline(MAX_LINE + 1):
                number += 1
                if len(raw) > MAX_LINE:
                    raise TrajectoryError(f"{path}:{number}: the line has over {MAX_LINE:,} bytes. Cut the chat.")
                if number == 1:
                    raw = raw.removeprefix(b"\xef\xbb\xbf")
                if raw.strip():
                    yield number, raw
    except OSError as error:
        raise TrajectoryError(f"{path} can't be read: {error.strerror}.") from error


def _check_size(path: str | Path, file: IO, limit: int = MAX_FILE) -> None:
    size = os.fstat(file.fileno()).st_size
    if size > limit:
        raise TrajectoryError(f"{path} has {size:,} bytes; it may have {limit:,}. Split it into several files.")


def _trajectory(item: dict) -> Trajectory:
    strange = [name for name in item if name not in NAMES]
    if strange:
        raise TrajectoryError(f"{strange[0]!r} is no field of a trajectory. They are: {', '.join(NAMES)}.")
    for name in NAMES[:2]:
        if item.get(name) is None:
            raise TrajectoryError(f"{name} is missing. A line needs messages and skill.")
    messages, checks = item["messages"], item.get("checks") or []
    if not isinstance(messages, list):
        raise TrajectoryError("messages must be a list of turns with role and content.")
    if not isinstance(checks, list) or not all(isinstance(check, dict) for check in checks):
        raise TrajectoryError('checks must be a list of assertions such as {"kind": "json"}.')
    names = {name: item[name] for name in ("subtask", "split", "source") if item.get(name) is not None}
    return Trajectory(tuple(map(_message, messages)), item["skill"], **names, checks=tuple(map(_check, checks)))


def _message(message: object) -> object:
    """A message without fields that are null, as other programs write them, and with arguments that are an object."""
    if not isinstance(message, dict):
        return message
    message = {name: value for name, value in message.items() if value is not None}
    calls = message.get("tool_calls")
    if isinstance(calls, list) and calls:
        message["content"] = message.get("content", "")
        message["tool_calls"] = list(map(_call, calls))
    return message


def _call(call: object) -> object:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return call
    if isinstance(function.get("arguments"), str):
        try:
            function = {**function, "arguments": json.loads(function["arguments"])}
        except json.JSONDecodeError as error:
            raise TrajectoryError(f"the arguments of a call are not JSON ({error.msg}). Write an object.") from error
    return {**{name: value for name, value in call.items() if value is not None}, "function": function}


def _check(check: dict) -> Assertion:
    kind, value = check.get("kind", ""), check.get("value")
    if kind == "line_count" and isinstance(value, str) and value.isdecimal():  # `datasets` has one type a column
        value = int(value)
    return Assertion(kind, value)


def as_line(trajectory: Trajectory) -> bytes:
    """A trajectory as a line of JSONL. Raises TrajectoryError for one that is longer than a line may be."""
    return _line(asdict(trajectory))


def _line(item: dict) -> bytes:
    # JSON can carry halves of surrogate pairs, and a tool's output that was cut has them; UTF-8 can't
    line = json.dumps(item, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    if len(line) > MAX_LINE:
        raise TrajectoryError(f"a trajectory has {len(line):,} bytes; it may have {MAX_LINE:,}. Cut it.")
    return line


def different(trajectories: Iterable[Trajectory]) -> Iterator[Trajectory]:
    """Those that say something new: the same chat under the same skill is learned from once."""
    seen: set[bytes] = set()
    for trajectory in trajectories:
        said = json.dumps([trajectory.skill, trajectory.messages], sort_keys=True)
        digest = hashlib.sha256(said.encode()).digest()
        if digest not in seen:
            seen.add(digest)
            yield trajectory


# ---- other files ---------------------------------------------------------------------------------------------------


def from_evals(skill: str, evals: Sequence[Eval], subtask: str = "") -> list[Trajectory]:
    """The evals of a skill: question and expected output, with the assertions as checks."""
    return [
        Trajectory(_chat(ev.prompt, ev.expected_output), skill, subtask, "", "evals", ev.assertions) for ev in evals
    ]


def from_csv(path: str | Path, skill: str) -> Iterator[Trajectory]:
    """Questions and answers of a CSV file with the columns prompt and answer; others are passed over.

    Raises TrajectoryError with file and line.
    """
    empty = True
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            _check_size(path, file)
            rows = csv.DictReader(file, strict=True)
            missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise TrajectoryError(f"{path}:1: there is no column {missing[0]!r}. Begin with a line prompt,answer.")
            for row in rows:
                empty = False
                prompt, answer = (row[name] or "" for name in COLUMNS)
                place = f"{path}:{rows.line_num}"
                if None in row:
                    raise TrajectoryError(
                        f'{place}: there are more cells than columns. Put texts with commas in "quotes".'
                    )
                if not prompt.strip() or not answer.strip():
                    raise TrajectoryError(f"{place}: prompt or answer is empty. Fill it, or delete the row.")
                yield Trajectory(_chat(prompt, answer), skill, source="csv")
    except OSError as error:
        raise TrajectoryError(f"{path} can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise TrajectoryError(f"{path} is no UTF-8. Save it as CSV in UTF-8.") from error
    except csv.Error as error:
        place = f"{path}:{rows.reader.line_num}"
        raise TrajectoryError(f"{place}: this is no CSV ({error}). Mend the quotes there.") from error
    if empty:
        raise TrajectoryError(f"{path} holds no rows. Write a question and its answer in each.")


def from_opencode(export: dict, skill: str) -> Trajectory:
    """A session of OpenCode, as `opencode export ID` prints it.

    The call that loaded the skill is left out: an adapter will stand for it. Raises TrajectoryError where it is no
    such session, or one of another version.
    """
    return Trajectory(messages_of(export), skill, source="opencode")


def _chat(prompt: str, answer: str) -> tuple[dict, dict]:
    return {"role": "user", "content": prompt}, {"role": "assistant", "content": answer}


# ---- for others ----------------------------------------------------------------------------------------------------


def write_dataset(folder: str | Path, trajectories: Iterable[Trajectory]) -> int:
    """A folder that `datasets.load_dataset(folder)` loads: train.jsonl, test.jsonl, and a card with their columns.

    Says how many trajectories they hold. Arguments of calls and values of checks are texts there, since a column has
    one type; `read_trajectories` reads the files too. Those of no split are in train. Raises TrajectoryError where
    there are none, or the folder holds anything else, OSError where it can't be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    card = folder / "README.md"
    strange = [path for path in folder.iterdir() if not path.name.startswith(UNFINISHED)]
    if strange and not (card.is_file() and CARD_TITLE in card.read_text(encoding="utf-8", errors="replace")):
        raise TrajectoryError(f"{folder} is there already and was made otherwise. Choose another --out.")
    with tempfile.TemporaryDirectory(dir=folder, prefix=UNFINISHED) as scratch, ExitStack() as files:
        written: dict[str, IO[bytes]] = {}
        count = 0
        for trajectory in different(trajectories):
            count += 1
            split = trajectory.split or "train"
            if split not in written:
                written[split] = files.enter_context(open(Path(scratch, split), "wb"))
            written[split].write(_line(_row(trajectory)))
        files.close()
        if not written:
            raise TrajectoryError("there are no trajectories to write.")
        # first: by its card the folder is known, also where this is interrupted
        write_atomically(card, lambda path: path.write_text(_card(), encoding="utf-8"))
        for split in ("train", "test"):
            target = folder / f"{split}.jsonl"
            if split in written:
                os.replace(Path(scratch, split), target)
            else:
                target.unlink(missing_ok=True)  # of an earlier writing
    return count


def _row(trajectory: Trajectory) -> dict:
    messages = []
    for message in trajectory.messages:
        calls = [
            {**call, "function": {**call["function"], "arguments": json.dumps(call["function"]["arguments"])}}
            for call in message.get("tool_calls", ())
        ]
        messages.append({**message, **({"tool_calls": calls} if calls else {})})
    checks = [{"kind": c.kind, "value": None if c.value is None else str(c.value)} for c in trajectory.checks]
    return {**asdict(trajectory), "messages": messages, "checks": checks}


def _card() -> str:
    """The README of a data set. It names the columns: `datasets` would guess them from the first lines."""
    call = [*_texts("id", "type"), {"name": "function", "struct": _texts("name", "arguments")}]
    message = [*_texts("role", "content"), {"name": "tool_calls", "list": call}, *_texts("tool_call_id", "name")]
    features = [
        {"name": "messages", "list": message},
        *_texts("skill", "subtask", "split", "source"),
        {"name": "checks", "list": _texts("kind", "value")},
    ]
    return (
        f"---\n{yaml.safe_dump({'dataset_info': {'features': features}}, sort_keys=False)}---\n\n{CARD_TITLE}\n\n"
        "Chats in which a model acts by a skill, one a row: `skill` is the SHA-256 of the skill's text, `messages` the "
        "chat, and `checks` what must hold of its last answer.\n"
    )


def _texts(*names: str) -> list[dict]:
    return [{"name": name, "dtype": "string"} for name in names]


# ---- to learn from -------------------------------------------------------------------------------------------------


def chat_tokens(base: Base, messages: Sequence[dict]) -> int:
    """How many tokens a conversation has for a base."""
    return base.count_tokens(render(base, as_printed(base, messages)))


def examples_of(base: Base, i: int, trajectory: Trajectory, max_tokens: int | None = None) -> list[Example]:
    """One example of skill `i` for each turn of the assistant: the turn is the answer, all before it the prompt.

    A chat over `max_tokens`, or over the base's context, is cut as `cut` says; raises TrajectoryError where that does
    not help.
    """
    most = min(base.context_length, max_tokens or base.context_length)
    messages = cut(trajectory.messages, most, partial(chat_tokens, base))
    return [Example(i, *ids) for ids in turn_ids(base, as_printed(base, messages))]
