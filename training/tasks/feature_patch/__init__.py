"""Feature/Patch: writing what goes with a change."""

import random
import re
import string
from collections.abc import Callable, Iterable

VERBS = "log count check skip show cache limit split sort filter".split()
THINGS = (
    "slow calls",
    "old rows",
    "large files",
    "user rights",
    "empty pages",
    "failed jobs",
    "late orders",
    "nested lists",
    "open tasks",
    "long names",
    "stale keys",
    "daily totals",
)
LABEL = r"(?:[A-Z]{2}-\d\d|[a-z]+\d|[a-z]+-[a-z]+|\[[A-Z]{3}\]|[a-z]{3}|[A-Z]{3})"  # what `code` and `tag` draw


def change(rng: random.Random) -> str:
    """A small change in three words, such as "skip stale keys"."""
    return f"{rng.choice(VERBS)} {rng.choice(THINGS)}"


def tag(rng: random.Random) -> str:
    """Three letters that can be spoken and mean nothing, such as kop."""
    return rng.choice("bdfglmnprstvz") + rng.choice("aeiou") + rng.choice("lmnrvz")


def lines_of(shapes: Iterable[str], **parts: str) -> re.Pattern[str]:
    """What matches a line of any of these shapes, given the pattern of each part named in them."""
    fields = ([(text, field) for text, field, _, _ in string.Formatter().parse(shape)] for shape in shapes)
    return re.compile(
        "|".join(
            "".join(re.escape(text) + (parts[field] if field else "") for text, field in shape) for shape in fields
        )
    )


def distinct(keys: Iterable[str], draw: Callable[[], str]) -> dict[str, str]:
    """A literal of its own for each key."""
    found: dict[str, str] = {}
    for key in keys:
        literal = draw()
        while literal in found.values():
            literal = draw()
        found[key] = literal
    return found
