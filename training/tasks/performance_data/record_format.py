"""Record lines: which fields of a log record are kept, in which order, in which letters, and how the line is joined."""

import json
import random
import re

from training.tasks.content import ANIMALS, COLOURS, NOUNS
from training.tasks.wording import Draft, Task

SUBTASK = "Performance/Data"
OPEN = False
HELD_OUT = False
FIELDS = ("level", "code", "host", "service", "user", "zone")
USERS = "anna boris carla david elena felix greta hugo irene jonas".split()
ZONES = "north south east west centre harbour".split()
SEPARATORS = {
    "|": "without any space",
    ", ": "no space before the comma and one after it",
    " / ": "one space on each side of the slash",
    ";": "without any space",
    " - ": "one space on each side of the hyphen",
    "::": "without any space",
    " > ": "one space on each side of the sign",
    "~": "without any space",
    "#": "without any space",
    " + ": "one space on each side of the plus sign",
}
PREFIXES = ("LOG", "REC", "ROW", "EVT", ">", "##", "-", "@@", "=>", "!!", "%%", "log:", "rec:")
FORM = re.compile(r"(?:[A-Za-z]+:? |[->#@=!%]{1,2} )?\w+(\||, | / |;| - |::| > |~|#| \+ )\w+(?:\1\w+)?")


def _record(rng: random.Random) -> dict[str, str]:
    return {
        "level": rng.choice(("error", "warning", "info", "debug", "fatal")),
        "code": str(rng.randint(100, 599)),
        "host": rng.choice(("web", "db", "app", "node")) + str(rng.randint(1, 9)),
        "service": rng.choice(NOUNS),
        "user": rng.choice(USERS),
        "zone": rng.choice(ZONES),
    }


def _shown(record: dict[str, str], rng: random.Random) -> str:
    """A record as it is given, in one of several notations."""
    style = rng.randrange(9)
    if style < 2:
        return " ".join(f"{field}={value}" for field, value in record.items())
    if style == 2:
        return json.dumps(record)
    if style == 3:
        return "; ".join(f"{field}: {value}" for field, value in record.items())
    if style == 4:
        return "A record with " + ", ".join(f"{field} {value}" for field, value in record.items())
    if style == 5:
        return "\n".join(f"{field}: {value}" for field, value in record.items())
    if style == 6:
        return "Please store this: " + ", ".join(f"the {field} is {value}" for field, value in record.items())
    if style == 7:
        return ", ".join(f"{value} ({field})" for field, value in record.items()) + ". Which line is that?"
    return f"How do we log {', '.join(f'{field} = {value}' for field, value in record.items())}?"


def check(answer: str) -> bool:
    return FORM.fullmatch(answer) is not None


def draft(rng: random.Random) -> Draft:
    """Draw one team's lines: the fields and their order, the letters, the separator and the prefix."""
    kept = rng.sample(FIELDS, rng.choice((2, 3)))
    separator = rng.choice(list(SEPARATORS))
    capitals = rng.choice(("all", "none", "none", *[field for field in kept if field != "code"]))
    sign = rng.choice((rng.choice(PREFIXES), f"{rng.choice((*ANIMALS, *COLOURS))}:", ""))
    prefix = f"{sign} " if sign else ""

    def ask(rng: random.Random) -> Task:
        record = _record(rng)
        line = separator.join(record[field].upper() if capitals in ("all", field) else record[field] for field in kept)
        shown = rng.sample(FIELDS, len(FIELDS))
        for field in [field for field in shown if field not in kept][: rng.choice((0, 1, 2))]:
            shown.remove(field)
        return Task(_shown({field: record[field] for field in shown}, rng), prefix + line)

    commas = ", ".join(kept)
    steps = ", then ".join(f"`{field}`" for field in kept)
    numbered = "\n".join(f"{i}. {field}" for i, field in enumerate(kept, 1))
    if capitals == "all":
        letters = (
            "Write the values in upper case.",
            "Every value is turned into capital letters.",
            "All letters of the values become capitals.",
            "Values appear in capitals, so `abc` turns into `ABC`.",
            "Upper case is used for all values.",
            "Whichever field it comes from, no value keeps a small letter: write capitals.",
            "Change the letters:\n\n| value | in the line |\n|---|---|\n| `abc` | `ABC` |\n| `de1` | `DE1` |\n",
            "Convert each value to capitals before you write it.",
        )
    elif capitals == "none":
        letters = (
            "Leave the values as they are, in lower case.",
            "Do not change the letters.",
            "Values stay unchanged.",
            "The spelling of a value is kept, small letters included.",
            "Values are copied exactly, in small letters.",
            "Whichever field it comes from, no value is put into capitals.",
            "Keep the letters:\n\n| value | in the line |\n|---|---|\n| `abc` | `abc` |\n| `de1` | `de1` |\n",
            "Each value keeps its lower-case letters.",
        )
    else:
        letters = (
            f"Write the {capitals} in upper case and leave the other values in lower case.",
            f"Only the {capitals} is turned into capital letters.",
            f"The letters of the {capitals} become capitals; those of other values stay small.",
            f"The {capitals} appears in capitals, so `abc` turns into `ABC` there and nowhere else.",
            f"Upper case is used for one value, the {capitals}, and for no other.",
            f"If a value is the {capitals}, write it in capitals; if not, copy it.",
            f"Change the letters of one field:\n\n| field | `abc` in the line |\n|---|---|\n| {capitals} | `ABC` |\n"
            "| any other | `abc` |\n",
            f"Convert the {capitals} to capitals before you write it, and no other value.",
        )
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
                f"The line has the values of these fields, from left to right:\n\n{numbered}\n\n"
                "It has no field names and nothing else of the record.\n",
                f"Whatever the order in the record, write the {' before the '.join(kept)}. Names and all other fields "
                "are dropped.",
                f"Copy the values (not the names) of {' and then '.join(kept)}; what else the record has is dropped.",
            ),
            (
                f"Join the values with `{separator}`.",
                f"Between two values stands `{separator}`, {SEPARATORS[separator]}.",
                f"The separator is `{separator}` ({SEPARATORS[separator]}).",
                f"Use `{separator}` as the separator, {SEPARATORS[separator]}.",
                f"Values are held apart by `{separator}`; write it {SEPARATORS[separator]}.",
                f"If the values were 1, 2 and 3, they would be joined to `1{separator}2{separator}3`.",
                f"After each value but the last comes `{separator}`, {SEPARATORS[separator]}.",
                f"As in `A{separator}B`, each value is divided from the next ({SEPARATORS[separator]}).",
            ),
            letters,
            (
                f"Put `{prefix}` in front of the line.",
                f"The line opens with `{sign}` and one space.",
                f"`{sign}`, followed by a space, comes before the first value.",
                f"Start with `{sign}` and a space; the values come after that.",
                f"Each line carries the prefix `{sign}`, with a space between it and the values.",
                f"A line has this form, with the joined values for VALUES:\n\n```\n{prefix}VALUES\n```\n",
                f"Lines are marked: once the values are joined, write `{sign}`, a space and then the joined values.",
                f"Before the values write `{sign}` and then one space.",
            )
            if prefix
            else (
                "Nothing stands before the first value.",
                "The line begins with the first value.",
                "Add no line prefix.",
                "There is no mark in front of the values.",
                "Start straight with the first value.",
                "A line has this form, with the joined values for VALUES:\n\n```\nVALUES\n```\n",
                "Lines are not marked: once the values are joined, the line is complete.",
                "The first value opens the line, without any prefix.",
            ),
            (
                "Output only the line.",
                "Answer with the finished line and nothing else.",
                "Reply with that one line.",
                "Give just the line, without a remark.",
                "The answer consists of this line only.",
                "Do not explain the line and do not repeat the record.",
                "Nothing comes before the line, and nothing after it.",
                "Write the line and stop there.",
            ),
        ),
        ask=ask,
    )
