"""Environment variables: a setting becomes a line for a shell or a .env file.

The form of the line, how the name is built, what becomes of switches and units, and the quotes are drawn.
"""

import random
import re

from training.tasks.wording import Draft, Task

SUBTASK = "Configuration/Integration"
OPEN = False
HELD_OUT = False
LINES = (
    "export NAME=VALUE",
    "NAME=VALUE",
    "set NAME=VALUE",
    "setenv NAME VALUE",
    "set -x NAME VALUE",
    "declare -x NAME=VALUE",
    "ENV NAME=VALUE",
    "env NAME VALUE",
)
FIRST = "cache retry upload queue session worker debug mail index proxy login sync".split()
SWITCHES = "mode trace alerts checks cleanup mirror".split()
TIMES = "timeout delay pause lifetime interval wait".split()
NUMBERS = "size limit count depth level slots".split()
STATES = (("1", "0"), ("true", "false"), ("yes", "no"), ("enabled", "disabled"), ("Y", "N"), ("T", "F"), ("go", "stop"))
JOINTS = {"_": "with `_` between them", "__": "with `__` between them", "": "with nothing between them"}
QUOTES = {'"': "in double quotes", "'": "in single quotes", "": "without quotes"}
FORMS = (
    "Setting: {s}. Value: {v}",
    "{s}: {v}",
    "Set {s} to {v}.",
    "We need {s} at {v}. Which line?",
    "The {s} is {v}.",
    "Which line makes the {s} {v}?",
)
EXPORT = re.compile(r"""((export |set |declare -x |ENV )?[A-Za-z_]+=|(setenv|set -x|env) [A-Za-z_]+ )(["']?)\w+\4""")


def check(answer: str) -> bool:
    return EXPORT.fullmatch(answer) is not None


def draft(rng: random.Random) -> Draft:
    line, quote, joint = rng.choice(LINES), rng.choice(list(QUOTES)), rng.choice(list(JOINTS))
    upper, turned = rng.random() < 0.6, rng.random() < 0.4
    on, off = rng.choice(STATES)
    kept = rng.random() < 0.5
    kinds = rng.choice((("switch", "time"), ("switch",), ("time",)))

    def ask(rng: random.Random) -> Task:
        kind = rng.choice((*kinds, "number"))
        if kind == "switch":
            said = rng.choice(("on", "off"))
            second, value = rng.choice(SWITCHES), on if said == "on" else off
        elif kind == "time":
            number, unit = rng.randint(2, 90), rng.choice(("seconds", "minutes", "hours"))
            second, said, value = rng.choice(TIMES), f"{number} {unit}", f"{number}{unit[0] if kept else ''}"
        else:
            second, value = rng.choice(NUMBERS), str(rng.randint(2, 500))
            said = value
        words = [rng.choice(FIRST), second]
        name = joint.join(reversed(words) if turned else words)
        answer = line.replace("NAME", name.upper() if upper else name).replace("VALUE", f"{quote}{value}{quote}")
        return Task(rng.choice(FORMS).format(s=" ".join(words), v=said), answer)

    case, order = (
        ("upper" if upper else "lower"),
        ("the two words swapped" if turned else "the two words in their order"),
    )
    rules = [
        (
            f"Write `{line}`, with the variable for NAME and its value for VALUE.",
            f"A line has the form `{line}`, where NAME is the variable and VALUE what it holds.",
            f"In `{line}` replace NAME by the variable and VALUE by the value.",
            f"`{line}` is the pattern of each line; NAME and VALUE are filled in.",
            f"Fill the variable and its value into `{line}`, at NAME and VALUE.",
        ),
        (
            f"NAME is the setting in {case} case, {order}, {JOINTS[joint]}.",
            f"Build NAME from the setting: {order}, {JOINTS[joint]}, all in {case} case.",
            f"The setting becomes NAME in {case} case, {order} and {JOINTS[joint]}.",
            f"Take the setting as NAME, {order}, {JOINTS[joint]}; the letters are {case} case.",
            f"For NAME write the setting, {order}, {JOINTS[joint]}, and put it in {case} case.",
        ),
    ]
    if "switch" in kinds:
        rules.append(
            (
                f"A setting that is on gets `{on}`, one that is off gets `{off}`.",
                f"On is written `{on}` and off is written `{off}`.",
                f"Never write on or off: they become `{on}` and `{off}`.",
                f"Use `{on}` for on; use `{off}` for off.",
                f"The values on and off turn into `{on}` and `{off}`, respectively.",
            )
        )
    if "time" in kinds:
        short, what = ("7h", "the number and the first letter of the unit") if kept else ("7", "just the number")
        rules.append(
            (
                f"Of a time keep {what}: 7 hours is `{short}`.",
                f"A time such as 7 hours is written `{short}`, that is, {what}.",
                f"Times are shortened to {what}, as in `{short}` for 7 hours.",
                f"Write `{short}` for 7 hours, and any other time likewise: {what}.",
                f"From a time take {what}, so that 7 hours becomes `{short}`.",
            )
        )
    rules += [
        (
            f"Put VALUE {QUOTES[quote]}, as in `{quote}x{quote}`.",
            f"Each value, a number too, is written {QUOTES[quote]}: `{quote}x{quote}`.",
            f"A value x appears as `{quote}x{quote}`.",
            f"Values always stand {QUOTES[quote]}.",
            f"The value is given {QUOTES[quote]}, so x becomes `{quote}x{quote}`.",
        ),
        (
            "Output only the line.",
            "Answer with this one line and nothing else.",
            "Reply with the line alone.",
            "Give the finished line and no comment.",
            "The whole answer is that one line.",
        ),
    ]
    return Draft(
        name=rng.choice(("env-lines", "environment-variables", "shell-settings", "export-settings")),
        title=rng.choice(("Environment variables", "Settings in the environment", "How we export settings")),
        description=rng.choice(
            (
                "Writes a setting as a line for the environment. Use it when a setting and its value are given.",
                "Turns settings into environment variables. Use for every setting of a service.",
                "How a setting reaches the environment of our services.",
            )
        ),
        rules=tuple(rules),
        ask=ask,
    )
