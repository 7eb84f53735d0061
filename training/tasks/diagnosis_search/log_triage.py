"""Log triage: the level and the component of a log line decide its label.

One of the two has labels of its own; one value of the other goes before it, sometimes with an exception to that.
"""

import random
import re

from training.tasks.content import NOUNS, code
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Diagnosis/Search"
OPEN = True
HELD_OUT = False
LEVELS = "DEBUG INFO NOTICE WARN ERROR FATAL".split()
ACTIONS = "page file drop hold wake mute ask keep".split()
TARGETS = "ops desk night core infra week duty lead".split()
MESSAGES = (
    "connection refused,disk almost full,took 3 tries,wrong password,certificate expired,started again,no answer,"
    "out of memory,bad header,slow reply,lock not free,config reloaded,permission denied,address in use"
).split(",")
FORMS = (
    "{level} {component}: {message}",
    "[{component}] {level} {message}",
    "level={level} component={component} msg={message}",
    "Log line: {level} | {component} | {message}",
    "{component} logged at {level}: {message}",
    "Triage this: {level} in {component}, {message}",
    "message: {message}, component: {component}, level: {level}",
    "{message} ({component}, {level})",
    "Which label does this line get? {component} says at level {level}: {message}",
    "Hi, I found this in our log: {level} from {component}, {message}. How do I label it?",
    "Give the label of this line. It comes from {component}, its level is {level}, and it reads: {message}.",
)
FORM = re.compile(r"(\[[A-Z]{3}\]|[A-Za-z]+-?[a-z0-9]+)([/:@+.]([A-Z]+|[a-z]+))?")


def check(answer: str) -> bool:
    """Whether this is one label, alone or with a level or a component after a sign."""
    return FORM.fullmatch(answer) is not None


def draft(rng: random.Random) -> Draft:
    """Draw the labels of one team's logs."""
    drawn = (rng.choice((code(rng), f"{rng.choice(ACTIONS)}-{rng.choice(TARGETS)}")) for _ in range(20))
    labels = list(dict.fromkeys(drawn))
    by_level = rng.random() < 0.5
    what, other = ("level", "component") if by_level else ("component", "level")
    values = {"level": LEVELS, "component": NOUNS}
    keys = dict(zip(rng.sample(values[what], rng.choice((2, 3))), labels, strict=False))
    rest, ruling = labels[4], labels[5]
    winner = rng.choice(values[other])
    firm = rng.choice(list(keys)) if rng.random() < 0.4 else ""
    joint = rng.choice("/:@+.") if rng.random() < 0.35 else ""

    def ask(rng: random.Random) -> Task:
        key = rng.choice([k for k in values[what] if k not in keys]) if rng.random() < 0.2 else rng.choice(list(keys))
        second = winner if rng.random() < 0.35 else rng.choice(values[other])
        label = ruling if second == winner and key != firm else keys.get(key, rest)
        level, component = (key, second) if by_level else (second, key)
        prompt = rng.choice(FORMS).format(level=level, component=component, message=rng.choice(MESSAGES))
        return Task(prompt, f"{label}{joint}{second}" if joint else label)

    rules = [
        wordings_of(keys, what, "label", "lines with the " + what + " {key} get `{value}`"),
        (
            f"Any other {what} gets `{rest}`.",
            f"Use `{rest}` for each {what} that is not listed.",
            f"`{rest}` is the label where the {what} has none of its own.",
            f"For a {what} that does not appear here, write `{rest}`.",
            f"If no label is given for the {what}, it is `{rest}`.",
            f"The default label is `{rest}`, for each {what} that has no entry.",
            f"The list of {what}s has gaps: a line whose {what} is missing there is labelled `{rest}`.",
            f"All remaining {what}s share `{rest}`.",
        ),
        (
            f"Lines with the {other} {winner} get `{ruling}` whatever their {what}.",
            f"If the {other} is {winner}, the label is `{ruling}` and the {what} does not count.",
            f"`{ruling}` goes before all that and is for every line whose {other} is {winner}.",
            f"The {other} {winner} wins over the {what}: such a line is `{ruling}`.",
            f"Look at the {other} first: {winner} means `{ruling}`, and only otherwise does the {what} decide.",
            f"Before you look the {what} up, check the {other}. If that is {winner}, the label is `{ruling}` at once.",
            f"One {other} has a label of its own, which beats that of the {what}:\n\n| {other} | label |\n|---|---|\n"
            f"| {winner} | `{ruling}` |\n| any other | that of the {what} |\n",
            f"No matter which {what}, a line whose {other} is {winner} is labelled `{ruling}`.",
        ),
    ]
    if firm:
        kept = f"`{keys[firm]}`"
        rules.append(
            (
                f"Only the {what} {firm} is stronger still and keeps {kept} even with {winner}.",
                f"Exception: with the {what} {firm} the label stays {kept}, also for {winner}.",
                f"A line with {firm} and {winner} both gets {kept}.",
                f"This does not touch {firm}, which remains {kept} in any case, {winner} or not.",
                f"Should {firm} and {winner} meet in one line, {kept} wins.",
                f"{winner} changes nothing for the {what} {firm}, whose label is {kept} with it and without it.",
                f"One combination is an exception:\n\n| {what} | {other} | label |\n|---|---|---|\n"
                f"| {firm} | {winner} | {kept} |\n",
                f"{kept} is right for {firm} always, so {winner} changes nothing there.",
            )
        )
    if joint:
        rules.append(
            (
                f"After the label write `{joint}` and the {other}, without spaces.",
                f"The {other} of the line follows the label, joined by `{joint}`.",
                f"Append `{joint}` and then the {other} as it stands in the line.",
                f"A label X for a line whose {other} is Y is written `X{joint}Y`.",
                f"Put the {other} behind the label with a `{joint}` between them and no space.",
                f"The label `abc` on a line with the {other} {winner} would be written `abc{joint}{winner}`.",
                f"Write the {other} too, as it stands in the line:\n\n```\nLABEL{joint}{other.upper()}\n```\n",
                f"Each label is completed with `{joint}`, directly followed by the {other}.",
            )
        )
    rules.append(
        (
            "Output only this.",
            "Answer with that and nothing else.",
            "Reply without repeating the message.",
            "No explanation and no copy of the log line.",
            "Nothing more belongs in the answer.",
            "Write no sentence around it and no reason.",
            "A script reads your reply, so don't comment on the line.",
            "Leave out all other words.",
        )
    )
    return Draft(
        name=rng.choice(("log-triage", "label-log-lines", "triage-logs", "log-labels")),
        title=rng.choice(("Log triage", "Labels for log lines", "How we sort log lines")),
        description=rng.choice(
            (
                "Gives a log line its triage label. Use it when a line of a log is given.",
                "Labels log lines by level and component. Use for every line that has to be sorted.",
                "Sorts lines of our logs. Use when a log line comes in.",
            )
        ),
        rules=tuple(rules),
        ask=ask,
    )
