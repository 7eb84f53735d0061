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
    "SetEnv NAME VALUE",
    "setx NAME VALUE",
    "-e NAME=VALUE",
    "--env NAME=VALUE",
    "Environment=NAME=VALUE",
    "env.NAME = VALUE",
    "NAME: VALUE",
    "- NAME=VALUE",
)
FIRST = "cache retry upload queue session worker debug mail index proxy login sync".split()
SWITCHES = "mode trace alerts checks cleanup mirror".split()
TIMES = "timeout delay pause lifetime interval wait".split()
NUMBERS = "size limit count depth level slots".split()
STATES = tuple(
    pair.split()
    for pair in "1 0,true false,yes no,enabled disabled,Y N,T F,go stop,active idle,up down,open shut,TRUE FALSE,2 1,"
    "live dead,full none".split(",")
)
CASES = {"in upper case": str.upper, "in lower case": str.lower, "in capitalized words (`Abc`)": str.capitalize}
DURATIONS = {  # N is the number, UNIT the unit, U its first letter
    "NU": "the number and the first letter of the unit",
    "N": "just the number",
    "UN": "the first letter of the unit and, right behind it, the number",
    "NUNIT": "the number and the unit without a space",
    "N_UNIT": "the number and the unit with `_` in place of the space",
}
JOINTS = {"_": "with `_` between them", "__": "with `__` between them", "": "with nothing between them"}
QUOTES = {'"': "in double quotes", "'": "in single quotes", "": "without quotes"}
FORMS = (
    "Setting: {s}. Value: {v}",
    "{s}: {v}",
    "Set {s} to {v}.",
    "We need {s} at {v}. Which line?",
    "The {s} is {v}.",
    "Which line makes the {s} {v}?",
    "setting={s} value={v}",
    "{s} {v}",
    "Hi, can you give me the line for {s}? It should be {v}",
    "Write the line. The setting is {s}, and its value is {v}.",
)
VALUE = r"""(\w+|"\w+"|'\w+')"""
EXPORT = re.compile("|".join(line.replace("NAME", "[A-Za-z_]+").replace("VALUE", VALUE) for line in LINES))


def check(answer: str) -> bool:
    return EXPORT.fullmatch(answer) is not None


def draft(rng: random.Random) -> Draft:
    line, quote, joint = rng.choice(LINES), rng.choice(list(QUOTES)), rng.choice(list(JOINTS))
    case, turned = rng.choice(("in upper case", *CASES)), rng.random() < 0.4
    on, off = rng.choice(STATES)
    duration = rng.choice(list(DURATIONS))
    kinds = rng.choice((("switch", "time"), ("switch",), ("time",)))

    def named(*words: str) -> str:
        return joint.join(CASES[case](word) for word in (reversed(words) if turned else words))

    def lasting(number: int, unit: str) -> str:
        values = {"N": str(number), "UNIT": unit, "U": unit[0]}
        return re.sub("N|UNIT|U", lambda match: values[match.group()], duration)

    def ask(rng: random.Random) -> Task:
        kind = rng.choice((*kinds, "number"))
        if kind == "switch":
            said = rng.choice(("on", "off"))
            second, value = rng.choice(SWITCHES), on if said == "on" else off
        elif kind == "time":
            number, unit = rng.randint(2, 90), rng.choice(("seconds", "minutes", "hours"))
            second, said, value = rng.choice(TIMES), f"{number} {unit}", lasting(number, unit)
        else:
            second, value = rng.choice(NUMBERS), str(rng.randint(2, 500))
            said = value
        words = [rng.choice(FIRST), second]
        answer = line.replace("NAME", named(*words)).replace("VALUE", f"{quote}{value}{quote}")
        return Task(rng.choice(FORMS).format(s=" ".join(words), v=said), answer)

    order = "the two words swapped" if turned else "the two words in their order"
    rules = [
        (
            f"Write `{line}`, with the variable for NAME and its value for VALUE.",
            f"A line has the form `{line}`, where NAME is the variable and VALUE what it holds.",
            f"In `{line}` replace NAME by the variable and VALUE by the value.",
            f"`{line}` is the pattern of each line; NAME and VALUE are filled in.",
            f"Copy `{line}` and exchange two words, NAME for the variable and VALUE for its value.",
            f"This is the line, with the variable at NAME and its value at VALUE:\n\n```\n{line}\n```\n",
            f"All of `{line}` is literal except NAME, which is the variable, and VALUE, which is what it is set to.",
            f"Fill the variable and its value into `{line}`, at NAME and VALUE.",
        ),
        (
            f"NAME is the setting {case}, {order}, {JOINTS[joint]}.",
            f"Build NAME from the setting: {order}, {JOINTS[joint]}, and everything {case}.",
            f"The setting becomes NAME {case}, {order} and {JOINTS[joint]}.",
            f"Take the setting as NAME, {order}, {JOINTS[joint]}; it is written {case}.",
            f"The setting red fox has the NAME `{named('red', 'fox')}`: {order}, {JOINTS[joint]}, {case}.",
            "How NAME follows from the setting:\n\n| setting | NAME |\n|---|---|\n"
            f"| red fox | `{named('red', 'fox')}` |\n| big deal | `{named('big', 'deal')}` |\n",
            f"To make NAME of a setting:\n\n1. Take {order}.\n2. Write them {case}.\n3. Join them {JOINTS[joint]}.\n",
            f"For NAME write the setting, {order}, {JOINTS[joint]}, and put it {case}.",
        ),
    ]
    if "switch" in kinds:
        rules.append(
            (
                f"A setting that is on gets `{on}`, one that is off gets `{off}`.",
                f"On is written `{on}` and off is written `{off}`.",
                f"Never write on or off: they become `{on}` and `{off}`.",
                f"Use `{on}` for on; use `{off}` for off.",
                f"A setting can be on or off:\n\n| said | VALUE |\n|---|---|\n| on | `{on}` |\n| off | `{off}` |\n",
                f"If something is switched on, its value is `{on}`. If it is switched off, its value is `{off}`.",
                f"`{on}` is our word for on, `{off}` our word for off.",
                f"The values on and off turn into `{on}` and `{off}`, respectively.",
            )
        )
    if "time" in kinds:
        short, what = lasting(7, "hours"), DURATIONS[duration]
        rules.append(
            (
                f"Of a time keep {what}: 7 hours is `{short}`.",
                f"A time such as 7 hours is written `{short}`, that is, {what}.",
                f"Times become {what}, as in `{short}` for 7 hours.",
                f"Write `{short}` for 7 hours, and any other time likewise: {what}.",
                f"Where the value is a time, VALUE holds {what}; `{short}` stands for 7 hours.",
                f"How a time is written:\n\n| time | VALUE |\n|---|---|\n| 7 hours | `{short}` |\n"
                f"| 20 minutes | `{lasting(20, 'minutes')}` |\n| 5 seconds | `{lasting(5, 'seconds')}` |\n",
                f"7 hours -> `{short}`, 20 minutes -> `{lasting(20, 'minutes')}`. That is, of a time we write {what}.",
                f"From a time take {what}, so that 7 hours becomes `{short}`.",
            )
        )
    rules += [
        (
            f"Put VALUE {QUOTES[quote]}, as in `{quote}x{quote}`.",
            f"Each value, a number too, is written {QUOTES[quote]}: `{quote}x{quote}`.",
            f"A value x appears as `{quote}x{quote}`.",
            f"Values always stand {QUOTES[quote]}.",
            f"Whether it is a word or a number, the value stands {QUOTES[quote]}.",
            "Does the line quote its value? See here:\n\n| value | in the line |\n|---|---|\n"
            f"| 12 | `{quote}12{quote}` |\n| big | `{quote}big{quote}` |\n",
            f"In place of VALUE write `{quote}12{quote}` for 12 and `{quote}big{quote}` for big.",
            f"The value is given {QUOTES[quote]}, so x becomes `{quote}x{quote}`.",
        ),
        (
            "Output only the line.",
            "Answer with this one line and nothing else.",
            "Reply with the line alone.",
            "Give the finished line and no comment.",
            "Write it as it would stand in the file, with no word around it.",
            "Don't explain the setting.",
            "One line is wanted, which can be pasted as it is.",
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
