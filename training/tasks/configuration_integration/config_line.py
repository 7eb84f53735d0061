"""Configuration lines: prefix, key case, assignment sign, quotes and line ending of one setting."""

import random

from training.tasks.content import ANIMALS, NOUNS
from training.tasks.wording import Draft, Task

SUBTASK = "Configuration/Integration"
FIRST = ["cache", "retry", "upload", "queue", "session", "worker", "log", "backup", "index", "mail"]
SECOND = ["size", "limit", "mode", "level", "delay", "timeout", "count", "depth"]
WORD_VALUES = ["on", "off", "auto", "fast", "safe", "full", "daily", "strict"]
CASES = {
    "UPPER_SNAKE": ("in upper case with `_` between the words", "_"),
    "snake_case": ("in lower case with `_` between the words", "_"),
    "kebab-case": ("in lower case with `-` between the words", "-"),
    "dotted.case": ("in lower case with `.` between the words", "."),
}
ASSIGNMENTS = {
    "=": "without spaces around it",
    ": ": "with one space after the colon and none before",
    " := ": "with one space on each side",
    " = ": "with one space on each side",
}
QUOTES = {'"': "double quotes", "'": "single quotes", "": ""}


def draft(rng: random.Random) -> Draft:
    word = rng.choice(("app", "svc", "cfg", *ANIMALS, *NOUNS))
    prefix = (word.upper() if rng.random() < 0.4 else word) + rng.choice("_.-")
    case = rng.choice(list(CASES))
    assignment, quote, end = rng.choice(list(ASSIGNMENTS)), rng.choice(list(QUOTES)), rng.choice((";", "", ""))
    meaning, joint = CASES[case]

    def ask(rng: random.Random) -> Task:
        words = (rng.choice(FIRST), rng.choice(SECOND))
        value = str(rng.randint(2, 999)) if rng.random() < 0.7 else rng.choice(WORD_VALUES)
        key = joint.join(words).upper() if case == "UPPER_SNAKE" else joint.join(words)
        answer = f"{prefix}{key}{assignment}{quote}{value}{quote}{end}"
        return Task(f"Setting: {' '.join(words)}. Value: {value}", answer)

    return Draft(
        name=rng.choice(("config-lines", "write-settings", "settings-style", "config-entries")),
        title=rng.choice(("Configuration lines", "How a setting is written", "Settings style")),
        description=rng.choice(
            (
                "Writes a setting as a line of our configuration. Use it when a setting and its value are given.",
                "Turns settings into configuration lines. Use for every new setting.",
            )
        ),
        rules=(
            (f"The key is the setting {meaning}.", f"Write the setting as {case}, that is, {meaning}."),
            (
                f"Put `{prefix}` in front of the key, exactly as written here.",
                f"Every line starts with the literal `{prefix}`, then the key follows at once.",
                f"A key K becomes `{prefix}K`; the case of `{prefix}` never changes.",
            ),
            (
                f"Between key and value stands `{assignment}`, {ASSIGNMENTS[assignment]}.",
                f"Assign the value with `{assignment}` ({ASSIGNMENTS[assignment]}).",
            ),
            (
                f"Wrap the value in {QUOTES[quote]}, as in `{quote}V{quote}`.",
                f"The value V is written `{quote}V{quote}`.",
                f"`{quote}` stands on both sides of the value.",
            )
            if quote
            else ("Write the value without quotes.", "Values are never quoted.", "The value stays bare."),
            (f"End the line with `{end}`.", f"`{end}` closes the line.", f"The last character is `{end}`.")
            if end
            else ("Nothing more follows.", "The line has no ending sign.", "Add no sign such as `;` at the end."),
            (
                "Output only the line.",
                "Answer with one line and nothing else.",
                "Reply with the configuration line alone.",
            ),
        ),
        ask=ask,
    )
