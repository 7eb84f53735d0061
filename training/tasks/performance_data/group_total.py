"""Totals by name: a few rows become one line a name, with what is computed, its order and its form set by the skill.

What is computed, the order, the form of a line, a literal before or around the lines and what is left out are drawn.
"""

import json
import random
import re

from training.tasks.content import ANIMALS, COLOURS, NOUNS, code
from training.tasks.wording import Draft, Task

SUBTASK = "Performance/Data"
OPEN = True
HELD_OUT = False
COMPUTED = {
    "sum": ("the sum of its values", sum),
    "count": ("the number of its rows", len),
    "highest": ("its highest value", max),
    "lowest": ("its lowest value", min),
    "last": ("the value of the last of its rows", lambda values: values[-1]),
    "spread": ("its highest value minus its lowest value", lambda values: max(values) - min(values)),
}
ORDERS = {
    "alphabet": "by name, from a to z",
    "backwards": "by name, from z to a",
    "up": "by result, the smallest first",
    "down": "by result, the largest first",
    "given": "as the names first come up in the rows",
}
SHAPES = (
    "{l}NAME: N",
    "{l}NAME=N",
    "N {l}NAME",
    "{l}NAME (N)",
    "{l}NAME|N",
    "{l}NAME -> N",
    "N x {l}NAME",
    "{l}NAME,N",
)
LEADS = ("- ", "* ", "> ", "", "", "")
LINE = re.compile(r"(?:[-*>] )?(?:[^\s=|,()]+(?:: |=| \(|\||,| -> )\d{1,2}\)?|\d{1,2} (?:x )?\S+)")


def _rows(rows: list[tuple[str, int]], rng: random.Random) -> str:
    """Rows as they are given, in one of nine notations."""
    style = rng.randrange(9)
    if style == 0:
        return ", ".join(f"{name} {value}" for name, value in rows)
    if style == 1:
        return "\n".join(f"{name},{value}" for name, value in rows)
    if style == 2:
        return json.dumps(rows)
    if style == 3:
        return "| name | value |\n|---|---|\n" + "\n".join(f"| {name} | {value} |" for name, value in rows)
    if style == 4:
        return "Rows: " + "; ".join(f"{name}={value}" for name, value in rows)
    if style == 5:
        return "We measured, in this order, " + ", ".join(f"{value} for {name}" for name, value in rows) + "."
    if style == 6:
        return "\n".join(f"name={name} value={value}" for name, value in rows)
    if style == 7:
        return "Report on these:\n" + "\n".join(f"- {name}: {value}" for name, value in rows)
    return "What do we write for " + ", ".join(f"{name} ({value})" for name, value in rows) + "?"


def check(answer: str) -> bool:
    """Lines of one form with a number each, and perhaps one line above them and one below that look different."""
    lines = answer.split("\n")
    of_form = [LINE.fullmatch(line) is not None for line in lines]
    return len(lines) <= 5 and any(of_form) and all(of_form[1:-1]) and all(lines)


def draft(rng: random.Random) -> Draft:
    """Draw one team's report of grouped rows."""
    computed, order = rng.choice(list(COMPUTED)), rng.choice(list(ORDERS))
    where, literal = rng.choice(("name", "top", "bottom", "both")), rng.choice((*ANIMALS, *COLOURS))
    lead = f"{literal}{rng.choice('/.#-')}" if where == "name" else ""
    shape = rng.choice(LEADS) + rng.choice(SHAPES).format(l=lead)
    top = code(rng) if where in ("top", "both") else ""
    bottom = rng.choice((f"{literal}: M", f"M {literal}", f"{literal}=M")) if where in ("bottom", "both") else ""
    skipped = rng.choice(NOUNS) if rng.random() < 0.35 else ""
    limit = rng.randint(3, 6) if not skipped and computed in ("sum", "highest") and rng.random() < 0.5 else 0
    what, compute = COMPUTED[computed]

    def results(rows: list[tuple[str, int]]) -> dict[str, int]:
        """What is reported of each name, in the order of the report."""
        groups: dict[str, list[int]] = {}
        for name, value in rows:
            groups.setdefault(name, []).append(value)
        found = {name: compute(values) for name, values in groups.items() if name != skipped}
        found = {name: result for name, result in found.items() if result >= limit}
        key = {"up": lambda n: found[n], "down": lambda n: -found[n], "given": lambda n: 0}.get(order, str)
        return {name: found[name] for name in sorted(found, key=key, reverse=order == "backwards")}

    def ask(rng: random.Random) -> Task:
        found: dict[str, int] = {}
        while not found or len(set(found.values())) < len(found):
            names = rng.sample([noun for noun in NOUNS if noun != skipped], rng.choice((2, 2, 3)))
            if skipped and rng.random() < 0.6:
                names[-1] = skipped
            drawn = [*names, *rng.choices(names, k=rng.choice((4, 5)) - len(names))]
            rows = [(name, rng.randint(1, 9)) for name in rng.sample(drawn, len(drawn))]
            found = results(rows)
        lines = [shape.replace("NAME", name).replace("N", str(result)) for name, result in found.items()]
        lines = [top] * bool(top) + lines + [bottom.replace("M", str(len(found)))] * bool(bottom)
        return Task(_rows(rows, rng), "\n".join(lines))

    ordered, number = ORDERS[order], "NAME is the name and N its result"
    rules = [
        (
            f"Several rows may have one name; the result of a name is {what}.",
            f"Group the rows by their name. Of each name report {what}.",
            f"For every name that comes up, the result is {what}.",
            f"What counts of a name is {what}; that is its result.",
            f"Rows of the same name belong together and have one result, {what}.",
            f"Each name has one result: {what}.",
            f"Compute for each name {what}; this is the result.",
            f"As the result of a name we take {what}.",
        ),
        (
            f"Write one line a name, in the form `{shape}`, where {number}.",
            f"Each name gets a line `{shape}`; {number}.",
            f"A line looks like `{shape}`: {number}.",
            f"`{shape}` is the form of a line, and there is one for each name ({number}).",
            f"The lines, one a name, have the form `{shape}`; {number}.",
            f"Put every name on a line of its own, as `{shape}`. There, {number}.",
            f"There are as many lines as names, each like `{shape}`, in which {number}.",
            f"Our lines have the pattern `{shape}`, one for a name; {number}.",
        ),
        (
            f"Order these lines {ordered}.",
            f"Sort the lines {ordered}." if order != "given" else "Keep the lines in the order in which names come up.",
            f"These lines are ordered {ordered}.",
            f"Bring these lines into order {ordered}.",
            f"Which line comes first? They go {ordered}.",
            f"Names are listed {ordered}.",
            f"List the lines {ordered}.",
            f"For the order of these lines, go {ordered}.",
        ),
    ]
    if skipped:
        rules.append(
            (
                f"Rows of `{skipped}` are ignored.",
                f"Leave out every row with the name `{skipped}`.",
                f"`{skipped}` is never reported, whatever its values.",
                f"Act as if the rows of `{skipped}` were not there.",
                f"There is no line for `{skipped}`; skip its rows.",
                f"Drop `{skipped}` and all its rows.",
                f"No report has `{skipped}` in it, so pass over its rows.",
                f"One name does not appear, namely `{skipped}`; its rows don't count.",
            )
        )
    if limit:
        rules.append(
            (
                f"Names with a result below {limit} are left out.",
                f"Leave out each name whose result is less than {limit}.",
                f"Only names with a result of {limit} or more get a line.",
                f"A result has to be at least {limit}, or its name is not listed.",
                f"Drop the names whose result is under {limit}.",
                f"There is no line for a result below {limit}.",
                f"Report a name only if its result is {limit} or higher.",
                f"Results smaller than {limit} are not reported, nor are their names.",
            )
        )
    if top:
        rules.append(
            (
                f"Above them stands the line `{top}`.",
                f"The very first line is `{top}`.",
                f"Begin the report with `{top}` on a line of its own.",
                f"`{top}` is written above all lines.",
                f"A line with just `{top}` comes before the lines of the names.",
                f"Head the report with the line `{top}`.",
                f"Before the first name there is a line `{top}`.",
                f"Every report is opened by `{top}`, alone on its line.",
            )
        )
    if bottom:
        rules.append(
            (
                f"Below them stands the line `{bottom}`, where M says how many names are reported.",
                f"The very last line is `{bottom}`; M is how many names have a line.",
                f"End the report with the line `{bottom}`, with the number of names in it for M.",
                f"`{bottom}` is written below all lines, M being the number of lines with names.",
                f"A line `{bottom}` comes after the lines of the names; for M put how many of them there are.",
                f"Close the report with the line `{bottom}` (M: how many names it lists).",
                f"After the last name there is a line `{bottom}`, in which M counts the names above.",
                f"Every report is closed by `{bottom}`, where M tells how many names it has.",
            )
        )
    rules.append(
        (
            "Output only these lines.",
            "Answer with the report and nothing else.",
            "Reply with the lines alone.",
            "Give the lines without a fence and without a comment.",
            "Nothing but the lines is wanted.",
            "No other word and no blank line is written.",
            "The answer is the report, and only that.",
            "The reply consists of these lines alone.",
        )
    )
    return Draft(
        name=rng.choice(("group-rows", "totals-by-name", "report-rows", "group-totals")),
        title=rng.choice(("Totals by name", "Grouped rows", "Our report of rows")),
        description=rng.choice(
            (
                "Groups rows by their name and reports each group. Use it when rows with values are given.",
                "Turns rows into our report, one line a name. Use for every list of measured rows.",
                "How rows of the same name are reported.",
            )
        ),
        rules=tuple(rules),
        ask=ask,
    )
