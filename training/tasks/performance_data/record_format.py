"""Record lines: which fields of a log record are kept, in which order, and how the line is joined."""

import json
import random
import re

from training.tasks.content import NOUNS
from training.tasks.wording import Draft, Task

SUBTASK = "Performance/Data"
OPEN = False
HELD_OUT = False
FIELDS = ("level", "code", "host", "service")
SEPARATORS = {
    "|": "without any space",
    ", ": "no space before the comma and one after it",
    " / ": "one space on each side of the slash",
    ";": "without any space",
    " - ": "one space on each side of the hyphen",
}
PREFIXES = ("LOG ", "> ", "## ", "- ", "REC ", "@@ ", "", "")
FORM = re.compile(r"(?:LOG |> |## |- |REC |@@ )?\w+(\||, | / |;| - )\w+(?:\1\w+)?")


def _record(rng: random.Random) -> dict[str, str]:
    return {
        "level": rng.choice(("error", "warning", "info", "debug", "fatal")),
        "code": str(rng.randint(100, 599)),
        "host": rng.choice(("web", "db", "app", "node")) + str(rng.randint(1, 9)),
        "service": rng.choice(NOUNS),
    }


def _shown(record: dict[str, str], rng: random.Random) -> str:
    """A record as it is given, in one of several notations."""
    style = rng.randrange(6)
    if style < 2:
        return " ".join(f"{field}={value}" for field, value in record.items())
    if style == 2:
        return json.dumps(record)
    if style == 3:
        return "; ".join(f"{field}: {value}" for field, value in record.items())
    if style == 4:
        return "A record with " + ", ".join(f"{field} {value}" for field, value in record.items())
    return f"How do we log {', '.join(f'{field} = {value}' for field, value in record.items())}?"


def check(answer: str) -> bool:
    return FORM.fullmatch(answer) is not None


def draft(rng: random.Random) -> Draft:
    kept = rng.sample(FIELDS, rng.choice((2, 3)))
    separator = rng.choice(list(SEPARATORS))
    upper = rng.random() < 0.4
    prefix = rng.choice(PREFIXES)

    def ask(rng: random.Random) -> Task:
        record = _record(rng)
        line = separator.join(record[field] for field in kept)
        shown = rng.sample(FIELDS, len(FIELDS))
        prompt = _shown({field: record[field] for field in shown}, rng)
        return Task(prompt, prefix + (line.upper() if upper else line))

    commas = ", ".join(kept)
    steps = ", then ".join(f"`{field}`" for field in kept)
    return Draft(
        name=rng.choice(("record-format", "log-lines", "compact-records", "log-record-style")),
        title=rng.choice(("Record format", "Compact log lines", "How we store log records")),
        description=rng.choice(
            (
                "Turns a log record into our compact line. Use it when a record of fields is given.",
                "Rewrites records of `name=value` fields. Use for every log record.",
                "Shortens log records for storage. Use when a record arrives.",
            )
        ),
        rules=(
            (
                f"Keep the values of these fields, in this order: {commas}. Drop all other fields and all field names.",
                f"Take the value of {steps}. Leave out the other fields; names are never written.",
                f"Only values are written, without their names, ordered {' -> '.join(kept)}. No other field is kept.",
                f"A line holds {len(kept)} values: {', then '.join(kept)}. Names and other fields are left out.",
                f"From a record we need only {commas}, values without names, in exactly that order.",
                f"Copy the values (not the names) of {' and then '.join(kept)}; what else the record has is dropped.",
            ),
            (
                f"Join the values with `{separator}`.",
                f"Between two values stands `{separator}`, {SEPARATORS[separator]}.",
                f"The separator is `{separator}` ({SEPARATORS[separator]}).",
                f"Use `{separator}` as the separator, {SEPARATORS[separator]}.",
                f"Values are held apart by `{separator}`; write it {SEPARATORS[separator]}.",
                f"As in `A{separator}B`, each value is divided from the next ({SEPARATORS[separator]}).",
            ),
            (
                "Write the values in upper case.",
                "Every value is turned into capital letters.",
                "All letters become capitals.",
                "Values appear in capitals, so `abc` turns into `ABC`.",
                "Upper case is used for all values.",
                "Convert each value to capitals before you write it.",
            )
            if upper
            else (
                "Leave the values as they are, in lower case.",
                "Do not change the letters.",
                "Values stay unchanged.",
                "The spelling of a value is kept, small letters included.",
                "Values are copied exactly, in small letters.",
                "Each value keeps its lower-case letters.",
            ),
            (
                f"Put `{prefix}` in front of the line.",
                f"The line opens with `{prefix.strip()}` and one space.",
                f"`{prefix.strip()}`, followed by a space, comes before the first value.",
                f"Start with `{prefix.strip()}` and a space; the values come after that.",
                f"Each line carries the prefix `{prefix.strip()}`, with a space between it and the values.",
                f"Before the values write `{prefix.strip()}` and then one space.",
            )
            if prefix
            else (
                "Nothing stands before the first value.",
                "The line begins with the first value.",
                "Add no line prefix.",
                "There is no mark in front of the values.",
                "Start straight with the first value.",
                "The first value opens the line, without any prefix.",
            ),
            (
                "Output only the line.",
                "Answer with the finished line and nothing else.",
                "Reply with that one line.",
                "Give just the line, without a remark.",
                "The answer consists of this line only.",
                "Write the line and stop there.",
            ),
        ),
        ask=ask,
    )
