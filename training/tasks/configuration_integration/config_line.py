"""Configuration lines: prefix, key case, assignment sign, quotes and line ending of one setting."""

import random
import re

from training.tasks.content import ANIMALS, NOUNS
from training.tasks.wording import Draft, Task

SUBTASK = "Configuration/Integration"
OPEN = True
HELD_OUT = False
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
FORMS = (
    "Setting: {s}. Value: {v}",
    "{s} {v}",
    "Set the {s} to {v}.",
    "The {s} shall be {v}. Write the line.",
    "Which line gives {s} the value {v}?",
    "{s} -> {v}",
    "We want {v} as the {s}.",
    "setting={s} value={v}",
    "Can you write this down for me? The {s} is {v} from today on",
    "Value {v}, setting {s}",
)
LINE = re.compile(r"""[A-Za-z]+[_.-][A-Za-z]+[_.-][A-Za-z]+(=|: | := | = )(["']?)\w+\2;?""")


def check(answer: str) -> bool:
    return LINE.fullmatch(answer) is not None


def draft(rng: random.Random) -> Draft:
    word = rng.choice(("app", "svc", "cfg", *ANIMALS, *NOUNS))
    prefix = (word.upper() if rng.random() < 0.4 else word) + rng.choice("_.-")
    case = rng.choice(list(CASES))
    assignment, quote, end = rng.choice(list(ASSIGNMENTS)), rng.choice(list(QUOTES)), rng.choice((";", "", ""))
    meaning, joint = CASES[case]

    def key_of(*words: str) -> str:
        return joint.join(words).upper() if case == "UPPER_SNAKE" else joint.join(words)

    def ask(rng: random.Random) -> Task:
        words = (rng.choice(FIRST), rng.choice(SECOND))
        value = str(rng.randint(2, 999)) if rng.random() < 0.7 else rng.choice(WORD_VALUES)
        answer = f"{prefix}{key_of(*words)}{assignment}{quote}{value}{quote}{end}"
        return Task(rng.choice(FORMS).format(s=" ".join(words), v=value), answer)

    rows = "".join(f"| {value} | `{quote}{value}{quote}` |\n" for value in ("12", "big"))
    table = f"Is the value quoted? See here:\n\n| value | in the line |\n|---|---|\n{rows}"
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
            (
                f"The key is the setting {meaning}.",
                f"Write the setting as {case}, that is, {meaning}.",
                f"To get the key, put the words of the setting {meaning}.",
                f"Keys are in {case}: the setting {meaning}.",
                f"{case} is the style of the key, so the setting appears {meaning}.",
                f"The setting some thing has the key `{key_of('some', 'thing')}`; form all keys like this, {meaning}.",
                "How the key follows from the setting:\n\n| setting | key |\n|---|---|\n"
                f"| some thing | `{key_of('some', 'thing')}` |\n| big deal | `{key_of('big', 'deal')}` |\n",
                f"A key holds the words of its setting {meaning}.",
            ),
            (
                f"Put `{prefix}` in front of the key, exactly as written here.",
                f"Every line starts with the literal `{prefix}`, then the key follows at once.",
                f"A key K becomes `{prefix}K`; the case of `{prefix}` never changes.",
                f"The key gets the prefix `{prefix}`, which keeps its spelling.",
                f"First comes `{prefix}`, unchanged, and without a space the key.",
                f"Glue `{prefix}` to the front of the key, letter for letter, whatever case the key has.",
                f"Each line begins like this, KEY being the key, the rest literal:\n\n```\n{prefix}KEY\n```\n",
                f"No key stands alone, since `{prefix}`, spelled just like this, is its front part.",
            ),
            (
                f"Between key and value stands `{assignment}`, {ASSIGNMENTS[assignment]}.",
                f"Assign the value with `{assignment}` ({ASSIGNMENTS[assignment]}).",
                f"`{assignment}` joins the key to its value, {ASSIGNMENTS[assignment]}.",
                f"After the key comes `{assignment}` {ASSIGNMENTS[assignment]}, then the value.",
                f"A key K and a value V are joined as `K{assignment}V`.",
                f"What parts the value from its key is `{assignment}`, {ASSIGNMENTS[assignment]}.",
                f"With K for the key and V for the value, the middle of a line is this:\n\n```\nK{assignment}V\n```\n",
                f"The sign of assignment is `{assignment}`, {ASSIGNMENTS[assignment]}.",
            ),
            (
                f"Wrap the value in {QUOTES[quote]}, as in `{quote}V{quote}`.",
                f"The value V is written `{quote}V{quote}`.",
                f"`{quote}` stands on both sides of the value.",
                f"Every value, a number too, is put into {QUOTES[quote]} (`{quote}`).",
                f"Values come in {QUOTES[quote]}: `{quote}V{quote}` for a value V.",
                f"Numbers and words alike are quoted: `{quote}12{quote}`, `{quote}big{quote}`.",
                table,
                f"Write `{quote}` right before the value and again right after it.",
            )
            if quote
            else (
                "Write the value without quotes.",
                "Values are never quoted.",
                "The value stays bare.",
                "No quotes stand around the value.",
                "Leave quotes out, also where the value is a word.",
                "Numbers and words alike appear without quotes: `12`, `big`.",
                table,
                "The value is written as given, with no quotes on either side.",
            ),
            (
                f"End the line with `{end}`.",
                f"`{end}` closes the line.",
                f"The last character is `{end}`.",
                f"Behind the value stands `{end}`, and there the line ends.",
                f"Each line is closed by `{end}` without a space.",
                f"Without `{end}` behind its value a line is not complete.",
                f"Do not forget the final `{end}`; it is the last sign on the line.",
                f"Put `{end}` at the very end of the line.",
            )
            if end
            else (
                "Nothing more follows.",
                "The line has no ending sign.",
                "Add no sign such as `;` at the end.",
                "Stop after the value, with no `;`.",
                "No `;` closes the line.",
                "A line is complete without a `;` behind its value.",
                "Do not write a final `;`; the value comes last on the line.",
                "The line ends with the value itself, without a closing sign.",
            ),
            (
                "Output only the line.",
                "Answer with one line and nothing else.",
                "Reply with the configuration line alone.",
                "Nothing but the line is wanted.",
                "Give the line and say no more.",
                "Write it as it would stand in the file, with no word around it.",
                "Don't say what the setting does.",
                "The whole answer is that one line.",
            ),
        ),
        ask=ask,
    )
