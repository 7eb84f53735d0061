"""Record lines: which fields of a log record are kept, in which order, and how the line is joined."""

import random

from training.tasks.content import NOUNS
from training.tasks.wording import Draft, Task

SUBTASK = "Performance/Data"
FIELDS = ("level", "code", "host", "service")
SEPARATORS = {
    "|": "without any space",
    ", ": "no space before the comma and one after it",
    " / ": "one space on each side of the slash",
    ";": "without any space",
    " - ": "one space on each side of the hyphen",
}
PREFIXES = ("LOG ", "> ", "## ", "- ", "REC ", "@@ ", "", "")


def _record(rng: random.Random) -> dict[str, str]:
    return {
        "level": rng.choice(("error", "warning", "info", "debug", "fatal")),
        "code": str(rng.randint(100, 599)),
        "host": rng.choice(("web", "db", "app", "node")) + str(rng.randint(1, 9)),
        "service": rng.choice(NOUNS),
    }


def draft(rng: random.Random) -> Draft:
    kept = rng.sample(FIELDS, rng.choice((2, 3)))
    separator = rng.choice(list(SEPARATORS))
    upper = rng.random() < 0.4
    prefix = rng.choice(PREFIXES)

    def ask(rng: random.Random) -> Task:
        record = _record(rng)
        line = separator.join(record[field] for field in kept)
        shown = rng.sample(FIELDS, len(FIELDS))
        prompt = " ".join(f"{field}={record[field]}" for field in shown)
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
            ),
            (
                f"Join the values with `{separator}`.",
                f"Between two values stands `{separator}`, {SEPARATORS[separator]}.",
                f"The separator is `{separator}` ({SEPARATORS[separator]}).",
            ),
            (
                "Write the values in upper case.",
                "Every value is turned into capital letters.",
                "All letters become capitals.",
            )
            if upper
            else (
                "Leave the values as they are, in lower case.",
                "Do not change the letters.",
                "Values stay unchanged.",
            ),
            (
                f"Put `{prefix}` in front of the line.",
                f"The line opens with `{prefix.strip()}` and one space.",
                f"`{prefix.strip()}`, followed by a space, comes before the first value.",
            )
            if prefix
            else (
                "Nothing stands before the first value.",
                "The line begins with the first value.",
                "Add no line prefix.",
            ),
            ("Output only the line.", "Answer with the finished line and nothing else.", "Reply with that one line."),
        ),
        ask=ask,
    )
