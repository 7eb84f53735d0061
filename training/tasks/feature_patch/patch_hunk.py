"""Patch hunks: a short function gets the line that a skill prescribes, written as a hunk of a unified diff.

The line, its place, the head of the hunk and the functions that get another line are drawn for each skill.
"""

import random
import re

from training.tasks.content import NOUNS, code
from training.tasks.feature_patch import tag
from training.tasks.refactor_api import statements
from training.tasks.wording import Draft, Task

SUBTASK = "Feature/Patch"
OPEN = True
HELD_OUT = False
VERBS = "load save parse send merge check".split()
HELPERS = "read clean build pick wrap find".split()
PARAMETERS = "path user rows key mode page".split()
OBJECTS = "log audit trace stats hub meter probe journal".split()
METHODS = "note mark count add hit seen step put".split()
PLACES = ("above", "below", "below", "return", "return")
INSIDE = (
    *('{g}("{c}")', '{g}("{c}", ARG)', '{g}(ARG, "{c}")', '{g}(ARG, tag="{c}")', '{g}("{c}", "NAME")'),
    *('assert ARG, "{c}"', 'ARG = {g}(ARG, "{c}")', "# {c}: NAME", "{g}(ARG)  # {c}"),
)
ABOVE = ('@{g}("{c}")', "@{g}  # {c}", '@{g}("NAME", "{c}")', "# {c}: NAME", '@{g}(ARG="{c}")')
TAILS = ("", " NAME", " {c}")
SPECIAL = {
    "_": "functions whose name starts with an underscore",
    **{verb: f"functions whose name starts with `{verb}`" for verb in VERBS[:3]},
    **{parameter: f"functions whose parameter is `{parameter}`" for parameter in PARAMETERS[:3]},
}
FORMS = (
    "From line {s}:\n{c}",
    "{c}\n\nThis starts in line {s}.",
    "First line: {s}\n```python\n{c}\n```",
    "Patch these lines, of which the first is line {s}:\n\n{c}",
    "Which hunk does this need? It begins in line {s}.\n\n{c}",
    "start={s}\n---\n{c}\n---",
    "The file says, from line {s} on:\n\n{c}\n\nWrite the hunk.",
    '<code first_line="{s}">\n{c}\n</code>',
)
HEAD = re.compile(r"@@ (?:-(\d+),(\d) \+(\d+),(\d)|\w+) @@(?: \S+)?")


def check(answer: str) -> bool:
    """A hunk that adds one line, with true numbers in its head, to what is Python before and after."""
    head, *lines = answer.split("\n")
    match = HEAD.fullmatch(head)
    if match is None or not all(line[:1] in (" ", "+") for line in lines):
        return False
    kept = [line[1:] for line in lines if line[0] == " "]
    numbers = match[1] is None or (match[1] == match[3] and (int(match[2]), int(match[4])) == (len(kept), len(lines)))
    both = statements("\n".join(kept)), statements("\n".join(line[1:] for line in lines))
    return numbers and len(lines) == len(kept) + 1 and all(both)


def _where(text: str) -> str:
    """What the words in capitals of a line stand for."""
    said = ["the name of the function for NAME"] * ("NAME" in text) + ["its parameter for ARG"] * ("ARG" in text)
    return f" (with {' and '.join(said)})" if said else ""


def draft(rng: random.Random) -> Draft:
    """Draw one code base's line and the form of its hunks."""
    place = rng.choice(PLACES)
    line, other = (
        shape.format(g=f"{rng.choice(OBJECTS)}.{rng.choice(METHODS)}", c=rng.choice((code(rng), tag(rng))))
        for shape in rng.sample(ABOVE if place == "above" else INSIDE, 2)
    )
    special = rng.choice((*SPECIAL, *[""] * len(SPECIAL)))
    numbered = rng.random() < 0.5
    head = ("@@ -S,N +S,M @@" if numbered else "@@ NAME @@") + rng.choice(TAILS if numbered else TAILS[::2]).format(
        c=rng.choice((code(rng), tag(rng)))
    )

    def ask(rng: random.Random) -> Task:
        asks_special = special and rng.random() < 0.4
        verb = special if asks_special and special in VERBS else rng.choice(VERBS)
        parameter = special if asks_special and special in PARAMETERS else rng.choice(PARAMETERS)
        private = "_" * (asks_special if special == "_" else special not in VERBS and rng.random() < 0.15)
        name, helper, noun = f"{private}{verb}_{rng.choice(NOUNS)}", rng.choice(HELPERS), rng.choice(NOUNS)
        body = [f"    return {helper}({parameter})"]
        if rng.random() < 0.25:
            body = [f"    {noun} = {helper}({parameter})", f"    return {noun}"]
        given = [f"def {name}({parameter}):", *body]
        is_special = special and (name.startswith(special) or parameter == special)
        added = (other if is_special else line).replace("NAME", name).replace("ARG", parameter)
        start, count = rng.randint(2, 99), len(given)
        hunk = [f" {old}" for old in given]
        at = {"above": 0, "below": 1, "return": count - 1}[place]
        hunk.insert(at, f"+{added}" if place == "above" else f"+    {added}")
        counts = {"S": str(start), "N": str(count), "M": str(count + 1)}
        top = re.sub(r"(?<=[-+,])[SNM]\b", lambda m: counts[m[0]], head).replace("NAME", name)
        return Task(rng.choice(FORMS).format(s=start, c="\n".join(given)), "\n".join((top, *hunk)))

    where = {"above": "directly above the `def` line", "below": "directly below the `def` line"}.get(
        place, "directly above the `return` line"
    )
    indent = "without any indentation" if place == "above" else "indented by four spaces"
    meaning = "S is the number of the first given line, N says how many lines are given, M is one more than N"
    meaning = ", and ".join([meaning] * numbered + ["NAME is the name of the function"] * ("NAME" in head))
    rules = [
        (
            f"Every function gets this line: `{line}`{_where(line)}.",
            f"Add the line `{line}`{_where(line)} to a function.",
            f"The new line is `{line}`{_where(line)}.",
            f"`{line}` is the line that a function has to have{_where(line)}.",
            f"What each function lacks is `{line}`{_where(line)}, so add it.",
            f"The one line to be added reads `{line}`{_where(line)}.",
            f"Give the function `{line}` as a line of its own{_where(line)}.",
            f"A function without the line `{line}` is not complete{_where(line)}; the hunk adds it.",
        ),
        (
            f"The new line stands {where}, {indent}.",
            f"It is added {where}, {indent}.",
            f"Its place is {where}; it is written {indent}.",
            f"Where does it go? It goes {where}, {indent}.",
            f"Insert it {where} and write it {indent}.",
            f"{where[0].upper()}{where[1:]}, and {indent}, is where it belongs.",
            f"{indent[0].upper()}{indent[1:]}, the new line comes {where}.",
            f"No other place is allowed for it than {where}; there it stands {indent}.",
        ),
        (
            "The hunk shows all given lines, each with one space put in front, and the new line with `+` in front.",
            "Write every given line with one more space at its start; the new line starts with `+`.",
            "One space goes before each given line and `+` before the new one; the indentation stays behind it.",
            "Put `+` before the new line, its indentation included, and one space before each line that was given.",
            "As in any unified diff, `+` opens the new line and one space opens each line that was there before.",
            "A line that was given is repeated after one extra space, and the line that is new follows a `+`.",
            "No given line is left out: each begins with an extra space, while the new line begins with `+`.",
            "Of the lines in the hunk only the new one starts with `+`; to all the given ones add one space in front.",
        ),
        (
            f"The first line of the hunk is `{head}`; {meaning}.",
            f"Open the hunk with `{head}`, where {meaning}.",
            f"`{head}` heads the hunk: {meaning}.",
            f"Above these lines write `{head}`. In this head, {meaning}.",
            f"Each hunk has the head `{head}` ({meaning}).",
            f"The head comes first and has the form `{head}`; {meaning}.",
            f"Start with a line of the form `{head}`. There, {meaning}.",
            f"A hunk of ours begins with the line `{head}`, and in it {meaning}.",
        ),
        (
            "Output only the hunk.",
            "Answer with the hunk and nothing else.",
            "Reply with the hunk alone, without names of files.",
            "Write no `---` and no `+++` line, just the hunk.",
            "Nothing but the hunk is wanted.",
            "Give the hunk without a fence and without a comment.",
            "The whole answer is that hunk.",
            "The reply consists of the hunk, and no word stands around it.",
        ),
    ]
    if special:
        which = SPECIAL[special]
        rules.insert(
            1,
            (
                f"Only {which} get `{other}`{_where(other)} instead.",
                f"For {which} the line is not this one but `{other}`{_where(other)}.",
                f"One exception: {which} have the line `{other}`{_where(other)} in its place.",
                f"With {which} the new line is `{other}`{_where(other)}, and not the usual one.",
                f"But in {which} add `{other}`{_where(other)} rather than that line.",
                f"This is different in {which}, where `{other}`{_where(other)} is the line to add.",
                f"Replace it by `{other}`{_where(other)} in {which}.",
                f"Among all functions, {which} take another line, namely `{other}`{_where(other)}.",
            ),
        )
    return Draft(
        name=rng.choice(("patch-hunks", "add-line-hunk", "write-hunks", "unified-hunk")),
        title=rng.choice(("Patch hunks", "How we patch a function", "Hunks that add a line")),
        description=rng.choice(
            (
                "Adds a line to a function as a diff hunk. Use it when the lines of a function are given.",
                "Writes the hunk that brings a function up to our standard. Use for every function without it.",
                "How our functions are patched, as a unified diff.",
            )
        ),
        rules=tuple(rules),
        ask=ask,
    )
