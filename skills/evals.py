"""The evals of a skill: prompts with the answer that the skill asks for, and assertions that code can check.

`load_evals` reads an evals.json, `Assertion.holds` judges an answer, `word_diff` shows where an answer differs.
The file may come from anywhere, so its size, its counts and the time of its patterns are limited.
"""

import ast
import difflib
import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import regex

from skills.skill import SkillError

MAX_FILE = 1_000_000  # bytes of an evals.json
MAX_EVALS = 200  # evals of a skill
MAX_ASSERTIONS = 20  # assertions of an eval: each may cost up to PATTERN_SECONDS
MAX_PATTERN = 300  # characters of a regular expression
MAX_UNFOLDED = 300_000  # characters of a pattern times its {counts}: the matcher writes them all out
PATTERN_SECONDS = 0.2  # a pattern that takes longer does not hold: '(a+)+$' would run for ever on 40 letters
MAX_CODE = 20_000  # characters of an answer that is checked as Python or JSON
MAX_DIFFED = 2000  # words and gaps on either side of a diff; its time grows with their product

SENTENCES = {
    "equals": "The answer is exactly '{}'.",
    "contains": "The answer contains '{}'.",
    "not_contains": "The answer does not contain '{}'.",
    "starts_with": "The answer starts with '{}'.",
    "ends_with": "The answer ends with '{}'.",
    "regex": "The answer matches the pattern '{}'.",
    "line_count": "The answer has {} line{s}.",
    "json": "The answer is valid JSON.",
    "python": "The answer is valid Python.",
}
KINDS = tuple(SENTENCES)
WITHOUT_VALUE = ("json", "python")


class EvalError(SkillError):
    """Evals can't be read; the message names the file, the place in it and the way out."""


@dataclass(frozen=True)
class Assertion:
    """One thing that holds of an answer or not. Space around the answer never counts.

    `value` is a text, for `line_count` a whole number, for `json` and `python` None.
    Raises EvalError for an unknown kind, a value of the wrong type and a pattern that is none or over a limit.
    """

    kind: str
    value: str | int | None = None

    def __post_init__(self) -> None:
        kind, value = self.kind, self.value
        if kind not in KINDS:
            raise EvalError(f"there is no assertion of the kind {_show(kind)}. Write one of: {', '.join(KINDS)}.")
        if kind in WITHOUT_VALUE:
            if value is not None:
                raise EvalError(f"an assertion of the kind '{kind}' takes no value. Delete it.")
        elif kind == "line_count":
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise EvalError(f"'line_count' has the value {_show(value)}. Write a whole number from 1 up.")
        elif not isinstance(value, str) or not value:
            raise EvalError(f"'{kind}' has the value {_show(value)}. Write a text that is not empty, in quotes.")
        elif kind == "regex":
            _check_pattern(value)

    def holds(self, answer: str) -> bool:
        """Whether it holds of the answer. Never raises."""
        return _CHECKS[self.kind](answer.strip(), self.value)

    def text(self) -> str:
        """The assertion as a sentence for a person."""
        return SENTENCES[self.kind].format(self.value, s="" if self.value == 1 else "s")


@dataclass(frozen=True)
class Eval:
    """A prompt, the answer that the skill asks for, and what must hold of any right answer."""

    id: str
    prompt: str
    expected_output: str
    assertions: tuple[Assertion, ...]


def load_evals(path: str | Path) -> tuple[Eval, ...]:
    """The evals of an evals.json in their order. Raises EvalError, also where the file can't be read."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise EvalError(f"{path}: the file can't be read ({error.strerror}).") from error
    return parse_evals(data, str(path))


def parse_evals(data: bytes, source: str) -> tuple[Eval, ...]:
    """The evals in the bytes of an evals.json; `source` is how errors call it. Raises EvalError."""
    if len(data) > MAX_FILE:
        raise EvalError(f"{source}: the file has more than {MAX_FILE:,} bytes. Keep fewer or shorter evals.")
    try:
        root = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise EvalError(f"{source}: the file is not UTF-8 text. Save it as UTF-8.") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise EvalError(f"{source}: {place}: this is not JSON ({error.msg}). Fix it there.") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; thousands of brackets
        raise EvalError(f"{source}: this JSON can't be read. Write plain texts and numbers, not nested.") from error

    if not isinstance(root, dict):
        raise EvalError(f'{source}: the file is {_kind(root)}. Write {{"skill_name": "...", "evals": [...]}}.')
    _text(root, "skill_name", source, "")
    evals = tuple(_eval(item, source, place) for item, place in _items(root, "evals", MAX_EVALS, source, ""))
    seen: set[str] = set()
    for index, ev in enumerate(evals):
        if ev.id in seen:
            raise EvalError(f"{source}: evals[{index}].id: {_show(ev.id)} is there twice. Give each eval its own id.")
        seen.add(ev.id)
    return evals


def render_evals(skill_name: str, evals: Iterable[Eval]) -> bytes:
    """An evals.json that `parse_evals` reads back."""
    items = [
        {
            "id": ev.id,
            "prompt": ev.prompt,
            "expected_output": ev.expected_output,
            "assertions": [
                {"kind": each.kind} | ({} if each.value is None else {"value": each.value}) for each in ev.assertions
            ],
        }
        for ev in evals
    ]
    content = {"skill_name": skill_name, "evals": items}
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def renamed_evals(data: bytes, skill_name: str) -> bytes:
    """The evals.json of a skill that is called otherwise now; one that names it already, or is none, as it was."""
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return data
    if not isinstance(content, dict) or content.get("skill_name", skill_name) == skill_name:
        return data
    return (json.dumps(content | {"skill_name": skill_name}, indent=2, ensure_ascii=False) + "\n").encode(
        "utf-8", "replace"
    )


def word_diff(expected: str, answer: str) -> list[tuple[Literal["same", "add", "del"], str]]:
    """The pieces of both texts in order: 'same' and 'del' make up the expected text, 'same' and 'add' the answer."""
    left, right = (re.findall(r"\s+|\S+", text) for text in (expected, answer))
    if max(len(left), len(right)) > MAX_DIFFED:
        blocks = [("equal" if expected == answer else "replace", 0, len(left), 0, len(right))]
    else:
        # A gap alone is no likeness: it joins a piece only beside words that are the same. The matcher also passes over
        # words that a long text repeats; without that, an answer that says one word over and over takes half a minute.
        blocks = difflib.SequenceMatcher(str.isspace, left, right).get_opcodes()
    pieces: list[tuple[Literal["same", "add", "del"], str]] = []
    for tag, i, j, k, m in blocks:
        if tag == "equal":
            pieces.append(("same", "".join(left[i:j])))
            continue
        if i < j:
            pieces.append(("del", "".join(left[i:j])))
        if k < m:
            pieces.append(("add", "".join(right[k:m])))
    return [piece for piece in pieces if piece[1]]


# ---- checking an answer --------------------------------------------------------------------------------------------


def _matches(answer: str, pattern: str) -> bool:
    try:
        return regex.search(pattern, answer, timeout=PATTERN_SECONDS) is not None
    except (TimeoutError, regex.error):
        return False


def _is_read_by(reader: Callable[[str], Any], answer: str) -> bool:
    if not answer or len(answer) > MAX_CODE:
        return False
    try:
        reader(answer)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last two: too deep for the parser
        return False
    return True


_CHECKS: dict[str, Callable[[str, Any], bool]] = {
    "equals": lambda answer, value: answer == value.strip(),
    "contains": lambda answer, value: value in answer,
    "not_contains": lambda answer, value: value not in answer,
    "starts_with": lambda answer, value: answer.startswith(value),
    "ends_with": lambda answer, value: answer.endswith(value),
    "regex": _matches,
    "line_count": lambda answer, value: (answer.count("\n") + 1 if answer else 0) == value,
    "json": lambda answer, _: _is_read_by(json.loads, answer),
    "python": lambda answer, _: _is_read_by(ast.parse, answer),
}


def _check_pattern(pattern: str) -> None:
    if len(pattern) > MAX_PATTERN:
        raise EvalError(f"the pattern has {len(pattern):,} characters; it may have at most {MAX_PATTERN}. Shorten it.")
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        message = f"{_show(pattern)} is not a regular expression ({error}). Fix it, or use 'contains'."
        raise EvalError(message) from error
    counts = re.findall(r"\{(\d*),?(\d*)\}", pattern)
    unfolded = len(pattern) * math.prod(max(int(low or 1), int(high or 1), 1) for low, high in counts)
    if unfolded > MAX_UNFOLDED:
        raise EvalError(f"the counts in {_show(pattern)} multiply to too much work. Use + or * or smaller {{counts}}.")


# ---- reading the file ----------------------------------------------------------------------------------------------


def _eval(item: dict, source: str, place: str) -> Eval:
    if isinstance(item.get("id"), int) and not isinstance(item["id"], bool):
        item = item | {"id": str(item["id"])}
    id_, prompt, expected = (_text(item, key, source, place) for key in ("id", "prompt", "expected_output"))
    assertions = []
    for assertion, assertion_place in _items(item, "assertions", MAX_ASSERTIONS, source, place):
        try:
            assertions.append(Assertion(assertion.get("kind", ""), assertion.get("value")))
        except EvalError as error:
            raise EvalError(f"{source}: {assertion_place}: {error}") from error
    return Eval(id_, prompt, expected, tuple(assertions))


def _text(item: dict, key: str, source: str, place: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value.strip():
        wrong = f"is {_kind(value)}" if key in item else "is missing"
        raise EvalError(f'{source}: {_join(place, key)} {wrong}. Write "{key}": "..." with a text that is not empty.')
    return value


def _items(item: dict, key: str, limit: int, source: str, place: str) -> list[tuple[dict, str]]:
    """(object, its place) for each object of the list under a key."""
    place, items = _join(place, key), item.get(key)
    if not isinstance(items, list) or not items:
        wrong = f"is {_kind(items)}" if key in item else "is missing"
        raise EvalError(f'{source}: {place} {wrong}. Write "{key}": [{{...}}] with one object or more.')
    if len(items) > limit:
        raise EvalError(f"{source}: {place} has {len(items):,} objects; it may have at most {limit}. Delete some.")
    placed = [(each, f"{place}[{index}]") for index, each in enumerate(items)]
    for each, each_place in placed:
        if not isinstance(each, dict):
            fix = '{"kind": "equals", "value": "..."}' if key == "assertions" else '{"id": ..., "prompt": ..., ...}'
            raise EvalError(f"{source}: {each_place} is {_kind(each)}. Write {fix}.")
    return placed


def _join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, (bool, int, float)):
        return "true or false" if isinstance(value, bool) else "a number"
    name = {str: "text", list: "list", dict: "object"}[type(value)]
    return (
        f"an object{'' if value else ' without entries'}"
        if name == "object"
        else f"a{'' if value else 'n empty'} {name}"
    )


def _show(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:59] + "…"
