"""Command lines: a wish becomes a command of one team's tool.

The tool, the order of its parts, the flag, the code of each environment and an exception are drawn.
"""

import random
import re

from training.tasks.content import ANIMALS, COLOURS, NOUNS
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Configuration/Integration"
OPEN = True
HELD_OUT = False
ACTIONS = "restart stop start deploy delete pause update inspect".split()
ENVIRONMENTS = "production staging testing development preview".split()
FLAGS = ("--{w} CODE", "--{w}=CODE", "-{i} CODE", "{w}:CODE", "{w}=CODE", "@CODE", "/{w} CODE")
ORDERS = ("ACTION SERVICE FLAG", "SERVICE ACTION FLAG", "FLAG ACTION SERVICE", "ACTION FLAG SERVICE")
ENDINGS = ("--yes", "--force", "--wait", "--quiet", "--safe", "-now", "--log", "--twice")
FORMS = (
    "Please {a} {s} in {e}",
    "Could you {a} the {s} service in {e} for me?",
    "Action: {a}. Service: {s}. Environment: {e}",
    "I want to {a} the {s} service. It runs in {e}.",
    "{e}: {a} {s}",
    "How do I {a} {s} in {e}?",
    "{a} {s} {e}",
    "service={s} action={a} environment={e}",
    "In {e} someone has to {a} {s}. What is the command?",
    "The {s} service in {e} is the one to {a}.",
    "Write the command to {a} {s}; the environment is {e}.",
)
COMMAND = re.compile(r"[a-z]+(ctl|-cli|ops|run|x)( [@/]?[a-z0-9:=-]+){3,5}")


def check(answer: str) -> bool:
    return COMMAND.fullmatch(answer) is not None and any(action in answer.split() for action in ACTIONS)


def _code(rng: random.Random) -> str:
    letters = "".join(rng.choices("bcdfghkmnprtvwxz", k=2))
    return rng.choice(
        (f"{letters}{rng.randint(1, 9)}", f"{rng.choice(COLOURS)}{rng.randint(1, 9)}", rng.choice(ANIMALS))
    )


def draft(rng: random.Random) -> Draft:
    tool = rng.choice((*ANIMALS, *COLOURS)) + rng.choice(("ctl", "-cli", "ops", "run", "x"))
    codes: dict[str, str] = {}
    for environment in rng.sample(ENVIRONMENTS, rng.choice((2, 3, 3))):
        drawn = _code(rng)
        while drawn in codes.values():
            drawn = _code(rng)
        codes[environment] = drawn
    word, order, ending = (
        rng.choice(("env", "stage", "zone", "site", "target")),
        rng.choice(ORDERS),
        rng.choice(ENDINGS),
    )
    flag = rng.choice(FLAGS).format(w=word, i=word[0])
    sample = flag.replace("CODE", "abc")
    special = rng.choice((rng.choice(ACTIONS), rng.choice(list(codes)), ""))
    actions = rng.sample([a for a in ACTIONS if a != special], 4) + [special] * (special in ACTIONS)

    def ask(rng: random.Random) -> Task:
        action, service, environment = rng.choice(actions), rng.choice(NOUNS), rng.choice(list(codes))
        parts = {"ACTION": action, "SERVICE": service, "FLAG": flag.replace("CODE", codes[environment])}
        answer = " ".join((tool, *(parts[part] for part in order.split())))
        answer += f" {ending}" if special and special in (action, environment) else ""
        prompt = rng.choice(FORMS).format(a=action, s=service, e=environment)
        return Task(prompt, answer)

    said = {"ACTION": "the action", "SERVICE": "the service", "FLAG": "the environment"}
    first, second, third = (said[part] for part in order.split())
    shape = order.replace("FLAG", "ENVIRONMENT")
    rules = [
        (
            f"A command is `{tool}`, then {first}, {second} and {third}, with spaces between.",
            f"Call `{tool}` and give it {first}, {second} and {third}, in this order.",
            f"Begin with `{tool}`. Then follow {first}, {second}, {third}.",
            f"Our tool is `{tool}`: {first} comes first behind it, {second} next, {third} after that.",
            f"One space stands between two parts of a command, which are:\n\n1. `{tool}`\n2. {first}\n3. {second}\n"
            f"4. {third}\n",
            f"A command looks like this, with the capital words replaced:\n\n```\n{tool} {shape}\n```\n",
            f"Every command calls `{tool}` and tells it three things, parted by spaces: {first}, {second}, {third}.",
            f"Behind `{tool}` stand, one space apart, {first}, {second} and {third}.",
        ),
        (
            f"Give the environment as `{flag}`, with its code for CODE.",
            f"The environment is written `{flag}`, where CODE is its code.",
            f"In `{flag}`, which names the environment, put its code for CODE.",
            f"An environment whose code is `abc` is given as `{sample}`.",
            f"Environments are never spelled out. Look the code up and put it into `{flag}` in place of CODE.",
            f"For the environment copy `{flag}` letter for letter and change only CODE, which becomes its code.",
            f"If `abc` were the code of an environment, the command would name it like this:\n\n```\n{sample}\n```\n",
            f"`{flag}` tells the tool the environment; CODE stands for its code.",
        ),
        wordings_of(codes, "environment", "code", "{key} has the code `{value}`"),
    ]
    if special:
        what = "action" if special in ACTIONS else "environment"
        when = f"the {what} is {special}"
        rules.append(
            (
                f"Only if {when}, add `{ending}` at the end.",
                f"When {when}, the command ends with `{ending}`; otherwise it does not.",
                f"`{ending}` is the last part wherever {when}, and is left out elsewhere.",
                f"Commands have no ending, except that `{ending}` closes them if {when}.",
                f"Check whether {when}: if so, `{ending}` comes last in the command; if not, nothing is added.",
                f"Does the command get a last part?\n\n| {what} | last part |\n|---|---|\n| {special} | `{ending}` |\n"
                "| any other | none |\n",
                f"To a command append `{ending}` if {when}. All other commands end without it.",
                f"Where {when}, put `{ending}` behind all the rest, and nowhere else.",
            )
        )
    rules.append(
        (
            "Output only the command.",
            "Answer with the command line and nothing else.",
            "Reply with the command alone.",
            "Give one command without any comment.",
            "Write it as it would be typed, with no word around it.",
            "Do not explain what the command does.",
            "One line is wanted, which someone can paste into a terminal.",
            "The whole answer is the command.",
        )
    )
    return Draft(
        name=rng.choice(("team-tool", "write-commands", "ops-commands", f"use-{tool}")),
        title=rng.choice(("Commands of our tool", "How to call the tool", "Service commands")),
        description=rng.choice(
            (
                "Writes the command for a wish about a service. Use it when a service has to be handled somewhere.",
                "Turns a request of operations into a command of our tool.",
                "The command line of our tool. Use whenever a service is to be changed.",
            )
        ),
        rules=tuple(rules),
        ask=ask,
    )
