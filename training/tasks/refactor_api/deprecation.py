"""Deprecation marks: the decorator, call or comment that marks an old function, with its replacement and a label.

The mark, the message and the labels, one of them for functions of a certain kind, are drawn for each skill.
"""

import ast
import random
import re

from training.tasks.content import ANIMALS, COLOURS, NOUNS, code
from training.tasks.refactor_api import one_call, statements
from training.tasks.wording import Draft, Task

SUBTASK = "Refactor/API Migration"
OPEN = True
HELD_OUT = False
OLD_VERBS = ["load", "save", "parse", "send", "open", "merge", "render", "check"]
NEW_VERBS = ["read", "write", "scan", "post", "start", "join", "draw", "verify"]
MARKS = ("deprecated", "retired", "obsolete", "legacy", "moved", "sunset", "outdated", "phase_out")
MESSAGES = (
    "LABEL: use NEW",
    "use NEW (LABEL)",
    "LABEL OLD -> NEW",
    "OLD is now NEW, LABEL",
    "NEW replaces OLD LABEL",
    "LABEL, call NEW instead",
    "OLD: see NEW / LABEL",
)
SHAPES = (
    '@MARK("{m}")',
    "@MARK('{m}')",
    'MARK("{m}")',
    '@lib.MARK("{m}")',
    "# MARK {m}",
    "# MARK: {m}",
    'lib.MARK("{m}")',
)
CONDITIONS = {  # which functions get the second label
    "_": ("whose name begins with an underscore", "with an underscore in front"),
    ".": ("with a dot in its name", "that belongs to a class (its name has a dot)"),
}
FORMS = (
    "Old: {o}. New: {n}",
    "{o} -> {n}",
    "{o} gives way to {n}",
    "Mark {o} as old, its successor is {n}",
    "We now have {n}. What goes on {o}?",
    "old: {o}, new: {n}",
    "Please write the mark for {o}. Callers should take {n}.",
    "Deprecate {o} in favour of {n}",
    "{o}, to be replaced by {n}",
)
COMMENT = re.compile(r"# [A-Z_]+:? \S.*\S")


def check(answer: str) -> bool:
    """Whether this is a decorator with arguments, a call, or a comment, on one line."""
    if answer.startswith("@"):
        body = statements(f"{answer}\ndef f(): pass") if "\n" not in answer else []
        return (
            len(body) == 1 and isinstance(body[0], ast.FunctionDef) and isinstance(body[0].decorator_list[0], ast.Call)
        )
    return one_call(answer) is not None or COMMENT.fullmatch(answer) is not None


def draft(rng: random.Random) -> Draft:
    """Draw how one code base marks its old functions."""
    word = rng.choice((*ANIMALS, *COLOURS))
    mark = rng.choice((rng.choice(MARKS), f"{word}_{rng.choice(MARKS)}"))
    shape = rng.choice(SHAPES).replace("lib", word).replace("MARK", mark)
    if shape.startswith("#"):
        shape = shape.replace(mark, mark.upper())
    line = shape.format(m=rng.choice(MESSAGES))
    label, second = code(rng), code(rng)
    while second == label:
        second = code(rng)
    sign = rng.choice(("_", ".", ""))

    def ask(rng: random.Random) -> Task:
        nouns, which = rng.sample(NOUNS, 2), rng.choice(("", "", "_", "."))
        if sign and rng.random() < 0.3:
            which = sign
        old = f"{rng.choice(OLD_VERBS)}_{nouns[0]}"
        old = f"{nouns[1].capitalize()}.{old}" if which == "." else which + old
        new = f"{rng.choice(NEW_VERBS)}_{rng.choice(nouns)}"
        filled = {"LABEL": second if sign and which == sign else label, "OLD": old, "NEW": new}
        answer = re.sub(r"\b(LABEL|OLD|NEW)\b", lambda found: filled[found[0]], line)
        return Task(rng.choice(FORMS).format(o=old, n=new), answer)

    if sign:
        what, who = CONDITIONS[sign]
        labels = (
            f"The label is `{label}`, but `{second}` for a function {what}.",
            f"A function {who} has the label `{second}`; all others have `{label}`.",
            f"As LABEL take `{second}` if the old function is one {what}, else `{label}`.",
            f"Use `{label}` for LABEL. The exception is a function {what}, which gets `{second}`.",
            f"Two labels are in use:\n\n| old function | label |\n|---|---|\n| one {what} | `{second}` |\n| any other "
            f"| `{label}` |\n",
            f"LABEL depends on the old function: if it is one {what}, write `{second}`; if not, `{label}`.",
            f"Normally the label is `{label}`. Only for a function {who} it is `{second}`.",
            f"`{second}` is the label of an old function {who}, and `{label}` that of any other.",
        )
    else:
        labels = (
            f"The label is always `{label}`.",
            f"For LABEL put `{label}`.",
            f"Each mark carries the label `{label}`.",
            f"All old functions share one label, `{label}`.",
            f"One label is in use:\n\n| old function | label |\n|---|---|\n| any | `{label}` |\n",
            f"LABEL does not depend on the old function: write `{label}` every time.",
            f"There is just one label, `{label}`, and no exception to it.",
            f"`{label}` is the label, whatever the function.",
        )
    return Draft(
        name=rng.choice(("deprecation-marks", "mark-old-functions", "deprecate", "retire-functions")),
        title=rng.choice(("Deprecation marks", "How we mark old functions", "Old functions")),
        description=rng.choice(
            (
                "Writes the line that marks a function as old. Use it when a function has a successor.",
                "Marks functions that will go away. Use for every replaced function.",
                "The mark of an old function in our code.",
            )
        ),
        rules=(
            (
                f"Mark an old function with `{line}`, where OLD is its name and NEW the one that replaces it.",
                f"The line is `{line}`; fill in the label, the old name and the new name as far as they occur.",
                f"Write `{line}` and put the names of the old and the new function for OLD and NEW.",
                f"OLD is the function that goes, NEW its replacement, and the mark reads `{line}`.",
                f"The mark is a line like this:\n\n```python\n{line}\n```\n\nNEW is the function to use from now on, "
                "OLD the one that it replaces and LABEL the label.\n",
                f"Every old function gets `{line}`, with these words replaced where they occur:\n\n- LABEL: the label\n"
                "- OLD: the name of the old function, as given\n- NEW: the name of its successor\n",
                f"Take the line `{line}`. Replace LABEL by the label, OLD, if it is there, by the old function and "
                "NEW by the function that succeeds it.",
                f"Fill in the capital words LABEL, NEW and, if there, OLD in `{line}`; NEW is the successor of OLD.",
            ),
            labels,
            (
                "Output only this line.",
                "Answer with the mark and nothing else.",
                "Reply with one line of code.",
                "Give the line alone, without the function itself.",
                "Only the mark is wanted, on one line, with no code around it.",
                "Write the finished line and stop there.",
                "Nothing comes before the mark and nothing after it.",
                "The whole answer is the filled-in line.",
            ),
        ),
        ask=ask,
    )
