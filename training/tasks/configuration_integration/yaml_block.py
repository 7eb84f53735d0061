"""YAML stanzas: what a service asks for becomes lines of YAML with the keys, order, units and defaults of a skill.

The head of the stanza, its keys, their order, the units, what a missing value becomes and a line for one environment
are drawn for each skill.
"""

import json
import random

import yaml

from training.tasks.content import ANIMALS, COLOURS, NOUNS
from training.tasks.wording import Draft, Task

SUBTASK = "Configuration/Integration"
OPEN = True
HELD_OUT = False
FIELDS = {  # keys, units, values, and how a request says one
    "replicas": ("pods copies count nodes twins", ("",), range(2, 10), "{n} replicas"),
    "memory": ("mem ram heap space store", ("Mi", "M", " MB", "m", ""), range(128, 1025, 64), "{n} MB of memory"),
    "timeout": ("wait limit patience stop-after until", ("s", " s", "sec", ""), range(5, 91, 5), "a timeout of {n} s"),
    "port": ("listen door bind gate entry", ("/tcp", "", ""), range(3000, 9001, 10), "port {n}"),
    "retries": ("tries again repeat attempts rounds", ("x", "", ""), range(2, 9), "{n} retries"),
}
UNITS = {"memory": " MB", "timeout": " s"}  # of requests
ENVIRONMENTS = "production staging testing".split()
HEADS = ("NAME:", "{a}-NAME:", "{a}.NAME:", "NAME-{a}:", "{a}_NAME:", "NAME_{a}:")
EXTRAS = "tier zone class pool lane ring".split()
SPACES = {2: "two", 3: "three", 4: "four"}


def check(answer: str) -> bool:
    """A YAML mapping of one key to several, each on a line of its own."""
    try:
        found = yaml.safe_load(answer)
    except (yaml.YAMLError, ValueError):
        return False
    if not isinstance(found, dict) or len(found) != 1:
        return False
    inner = next(iter(found.values()))
    return isinstance(inner, dict) and len(answer.split("\n")) == 1 + len(inner)


def _asked(name: str, environment: str, values: dict[str, int], rng: random.Random) -> str:
    """A request, in one of nine notations."""
    data = {"service": name, "environment": environment}
    data |= {field: f"{n}{UNITS.get(field, '')}" for field, n in values.items()}
    style = rng.randrange(9)
    if style == 0:
        return ", ".join(f"{field} {value}" for field, value in data.items())
    if style == 1:
        return json.dumps(data)
    if style == 2:
        return "\n".join(f"{field}: {value}" for field, value in data.items())
    if style == 3:
        return " | ".join(data) + "\n" + " | ".join(data.values())
    if style == 4:
        return "Request: " + "; ".join(f"{field} = {value}" for field, value in data.items())
    if style == 5:
        return " ".join(f'{field}="{value}"' for field, value in data.items())
    said = [FIELDS[field][3].format(n=n) for field, n in values.items()]
    listed = ", ".join(said[:-1]) + " and " + said[-1] if len(said) > 1 else said[0]
    if style == 6:
        return f"The service {name} in {environment} needs {listed}."
    if style == 7:
        return f"Which stanza gives {name} {listed} in {environment}?"
    return f"Set up {name} for {environment}, with {listed}."


def draft(rng: random.Random) -> Draft:
    """Draw one stanza: its head, keys, order, units and exceptions."""
    fields = rng.sample(list(FIELDS), rng.choice((2, 3, 3)))
    lines = {f: f"{rng.choice(FIELDS[f][0].split())}: N{rng.choice(FIELDS[f][1])}" for f in fields}
    head = rng.choice(HEADS).format(a=rng.choice((*ANIMALS, *COLOURS)))
    indent = rng.choice((2, 2, 3, 4))
    optional = rng.choice((*fields, "")) if len(fields) > 2 else ""
    default = str(rng.choice(FIELDS[optional][2])) if optional and rng.random() < 0.6 else ""
    extra = f"{rng.choice(EXTRAS)}: {rng.choice((*ANIMALS, *COLOURS))}{rng.randint(1, 9)}"
    special, first = rng.choice((*ENVIRONMENTS, "all", "all", "")), rng.random() < 0.5

    def ask(rng: random.Random) -> Task:
        name, environment = rng.choice(NOUNS), rng.choice(ENVIRONMENTS)
        given = [f for f in rng.sample(fields, len(fields)) if f != optional or rng.random() < 0.5]
        values = {f: rng.choice(FIELDS[f][2]) for f in given}
        numbers = {f: str(values.get(f, default)) for f in fields}
        below = [lines[f].replace("N", numbers[f]) for f in fields if numbers[f]]
        if special in ("all", environment):
            below.insert(0 if first else len(below), extra)
        stanza = "\n".join((head.replace("NAME", name), *(" " * indent + line for line in below)))
        return Task(_asked(name, environment, values, rng), stanza)

    spaces, pairs = SPACES[indent], list(lines.items())
    rules = [
        (
            f"The first line is `{head}`, where NAME is the name of the service.",
            f"Begin with `{head}`; NAME is the name of the service.",
            f"A stanza opens with `{head}`, the name of the service in the place of NAME.",
            f"`{head}` heads the stanza, with the service for NAME.",
            f"Start with the line `{head}`, in which NAME stands for the service.",
            f"The head of a stanza is `{head}`, NAME being the service.",
            f"Write `{head}` first and put the name of the service for NAME.",
            f"On top stands `{head}`, and the service's name takes the place of NAME.",
        ),
        (
            "The lines below it are, in this order, " + ", ".join(f"`{li}` for the {f}" for f, li in pairs) + ". "
            "N is the number that is given.",
            "One below the other come " + ", then ".join(f"the {f} as `{li}`" for f, li in pairs) + ", "
            "where N is the given number.",
            "Then follow in this order (N is the number that is given):\n\n"
            + "\n".join(f"- {f}: `{li}`" for f, li in pairs)
            + "\n",
            "Write " + ", then ".join(f"`{li}` for the {f}" for f, li in pairs) + ", each on a line of its own. "
            "For N put the number from the request.",
            "These lines follow from top to bottom, each with the given number for N:\n\n| of | line |\n|---|---|\n"
            + "\n".join(f"| {f} | `{li}` |" for f, li in pairs)
            + "\n",
            "Below it stand " + ", then ".join(f"the {f}" for f in fields) + ", in this way, with the number for N:\n\n"
            "```yaml\n" + "\n".join(lines.values()) + "\n```\n",
            "First comes " + ", then ".join(f"`{li}` ({f})" for f, li in pairs) + ". "
            "Each N is the number that the request gives, and each has its own line.",
            "The other lines, from the first to the last: "
            + "; ".join(f"{f} -> `{li}`" for f, li in pairs)
            + "; N stands for the number given.",
        ),
        (
            f"All lines but the first are indented by {spaces} spaces.",
            f"Indent every line below the first by {spaces} spaces.",
            f"The first line is not indented, the others are, by {spaces} spaces.",
            f"{spaces.capitalize()} spaces indent each line but the first.",
            f"Put {spaces} spaces in front of all the lines that follow the first.",
            f"The indentation is {spaces} spaces for every line except the first.",
            f"What stands below the first line is indented by {spaces} spaces.",
            f"Except for the first line, each begins with {spaces} spaces.",
        ),
    ]
    if default:
        line = lines[optional].replace("N", default)
        rules.append(
            (
                f"If no {optional} is given, write `{line}`.",
                f"A missing {optional} gives the line `{line}`.",
                f"Where the request has no {optional}, its line is `{line}`.",
                f"The default for the {optional} is `{line}`.",
                f"Without a given {optional} the line reads `{line}`.",
                f"`{line}` is written when the {optional} is missing.",
                f"Requests may lack the {optional}; then put `{line}` in its place.",
                f"Should there be no {optional} in the request, use `{line}` as its line.",
            )
        )
    elif optional:
        rules.append(
            (
                f"If no {optional} is given, leave its line out.",
                f"A missing {optional} has no line.",
                f"Where the request has no {optional}, its line is dropped.",
                f"The line of the {optional} is written only if there is one in the request.",
                f"Without a given {optional} there is no line for it.",
                f"Skip the line of the {optional} when the request does not say it.",
                f"Requests may lack the {optional}; then its line is missing too.",
                f"Should there be no {optional} in the request, write nothing for it.",
            )
        )
    where, place = ("first", "directly below the head") if first else ("last", "at the very end")
    if special == "all":
        rules.append(
            (
                f"One more line, `{extra}`, stands {place}.",
                f"Add the line `{extra}` {place}.",
                f"Every stanza has the line `{extra}` too, {place}.",
                f"`{extra}` is written {place}, whatever the request.",
                f"The {where} of the indented lines is always `{extra}`.",
                f"Whatever is asked for, the {where} of the indented lines reads `{extra}`.",
                f"In addition, put `{extra}` {place}.",
                f"No stanza goes without `{extra}`; this line has its place {place}.",
            )
        )
    elif special:
        rules.append(
            (
                f"For {special} one more line, `{extra}`, stands {place}; other environments don't have it.",
                f"If the environment is {special}, add the line `{extra}` {place}.",
                f"Only in {special} a stanza has the line `{extra}` too, {place}.",
                f"`{extra}` is written {place} when the environment is {special}, and not otherwise.",
                f"The {where} of the indented lines is `{extra}` in {special}, and only there.",
                f"In {special}, but in no other environment, put `{extra}` {place}.",
                f"Stanzas of {special} have an additional line, `{extra}`, {place}.",
                f"Add `{extra}` {place} for {special} alone.",
            )
        )
    rules.append(
        (
            "The environment is not written down; output only the stanza.",
            "Answer with the stanza and nothing else; no line names the environment.",
            "Reply with these lines alone, without the environment.",
            "Give just the stanza, without a fence; leave the environment out.",
            "Nothing but the stanza is wanted, and in it no word on the environment.",
            "No other line is written, and none for the environment.",
            "The answer is the stanza and only that. It does not say which environment it is for.",
            "The reply consists of the stanza alone, in which the environment does not appear.",
        )
    )
    return Draft(
        name=rng.choice(("yaml-stanzas", "service-stanza", "write-yaml", "stanza-for-services")),
        title=rng.choice(("YAML stanzas", "The stanza of a service", "How a service is set up")),
        description=rng.choice(
            (
                "Writes the YAML stanza of a service. Use it when a service and what it needs are given.",
                "Turns a request into a stanza of our configuration. Use for every service that is set up.",
                "The stanzas in our YAML files, one for each service.",
            )
        ),
        rules=tuple(rules),
        ask=ask,
    )
