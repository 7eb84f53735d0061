"""Try blocks: a call becomes a `try` of several lines, whose handler does what the skill prescribes.

The error by the kind of call, the lines of the handler, a `finally` and an argument that is handled in another way
are drawn for each skill.
"""

import ast
import random

from training.tasks.content import NOUNS, code
from training.tasks.refactor_api import statements
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Robustness Fix"
OPEN = True
HELD_OUT = False
VERBS = "load save parse send fetch merge".split()
ERRORS = "KeyError ValueError TypeError OSError TimeoutError IndexError EOFError LookupError RuntimeError".split()
PARAMETERS = "path user row key mode page".split()
NAMES = "e err exc ex bad oops".split()
OBJECTS = "log audit trace stats hub meter monitor journal".split()
METHODS = "note mark fail add warn put drop seen".split()
REPORTS = ('{g}("{c}")', '{g}("{c}", {v})', '{g}({v}, "{c}")', '{g}("{c}", ARG)', '{g}("CALL", "{c}")', "{g}({v}, ARG)")
ENDS = ("raise", "OUT = None", "OUT = []", 'OUT = "{c}"', "return", "OUT = {f}(ARG)", "{f}(ARG)", "exit({n})")
WORDS = {
    "CALL": "the name of the called function",
    "ARG": "the argument of the call",
    "OUT": "the variable that is assigned",
}
FORMS = (
    "Call: {c}",
    "{c}",
    "Make this safe: `{c}`",
    "{c}\n\nThis call may fail.",
    "Which block do we write for {c}?",
    "This line has no handler yet:\n{c}",
    "Wrap `{c}` as we do it.",
    "The code says\n\n    {c}\n\nand stops at the first error.",
)


def check(answer: str) -> bool:
    """A `try` of one line with one handler for one class, with or without a `finally` of one line."""
    body = statements(answer)
    if len(body) != 1 or not isinstance(body[0], ast.Try) or len(body[0].handlers) != 1:
        return False
    block, handler = body[0], body[0].handlers[0]
    lines = 3 + len(handler.body) + 2 * len(block.finalbody)
    return isinstance(handler.type, ast.Name) and not block.orelse and len(answer.split("\n")) == lines


def _where(*lines: str) -> str:
    """What the words in capitals of these lines stand for."""
    said = [f"{meaning} for {word}" for word, meaning in WORDS.items() if any(word in line for line in lines)]
    return f" (with {' and '.join(said)})" if said else ""


def draft(rng: random.Random) -> Draft:
    """Draw one code base's way to handle a call that fails."""
    verbs = rng.sample(VERBS, 3)
    errors = dict(zip(verbs, rng.sample(ERRORS, 3), strict=True)) if rng.random() < 0.5 else {}
    usual, name = rng.choice(ERRORS), rng.choice((*NAMES, "", ""))

    def call() -> str:
        return f"{rng.choice(OBJECTS)}.{rng.choice(METHODS)}"

    finish = f"{call()}()" if rng.random() < 0.25 else ""
    report = rng.choice([r for r in REPORTS if name or "{v}" not in r]).format(g=call(), c=code(rng), v=name)
    report = "" if finish else report
    last, other = (
        e.format(c=code(rng), f=f"{rng.choice(METHODS)}_{rng.choice(NOUNS)}", n=rng.randint(2, 9))
        for e in rng.sample(ENDS, 2)
    )
    special = rng.choice((*PARAMETERS, *[""] * len(PARAMETERS)))
    assigned = "OUT" in last or bool(special and "OUT" in other)

    def ask(rng: random.Random) -> Task:
        verb = rng.choice(verbs if errors else VERBS)
        argument = special if special and rng.random() < 0.4 else rng.choice(PARAMETERS)
        function, out = f"{verb}_{rng.choice(NOUNS)}", rng.choice(NOUNS)
        line = f"{out} = {function}({argument})" if assigned or rng.random() < 0.3 else f"{function}({argument})"
        block = ["try:", f"    {line}", f"except {errors.get(verb, usual)}" + (f" as {name}:" if name else ":")]
        block += [f"    {report}"] * bool(report) + [f"    {other if argument == special else last}"]
        block += ["finally:", f"    {finish}"] * bool(finish)
        text = "\n".join(block).replace("CALL", function).replace("ARG", argument).replace("OUT", out)
        return Task(rng.choice(FORMS).format(c=line), text)

    head = f"except {'ERROR' if errors else usual}" + (f" as {name}:" if name else ":")
    verb_of = ", with ERROR by the verb that the name of the called function begins with" if errors else ""
    nth, ends = "last" if report else "only", (last, other) if special else (last,)
    but = rng.choice(
        (
            f", but `{other}` if the argument of the call is `{special}`",
            f", except where `{special}` is the argument; there it is `{other}`",
            f"; only for the argument `{special}` it is `{other}` instead",
            f"; if the call has the argument `{special}`, it is `{other}` instead",
        )
    )
    but = but if special else ""
    rules = [
        (
            f"Put the line under `try:` and let `{head}` follow{verb_of}. "
            "Whatever is under either of them has four spaces in front.",
            f"The block is `try:`, the given line, `{head}` and the handler{verb_of}. "
            "Indent the line and the handler by four spaces.",
            f"Write `try:`, then the call indented by four spaces, then `{head}`{verb_of}. "
            "The lines of the handler are indented by four spaces too.",
            f"A `try:` comes first, below it the line as given, below that `{head}`{verb_of}. "
            "Four spaces indent whatever belongs to either of them.",
            f"Catch the error with `{head}`{verb_of}. Above it stand `try:` and the given line; the given line and "
            "all of the handler are indented by four spaces.",
            f"`{head}` catches the error{verb_of}. It follows `try:` and the line that was given, and each line "
            "under one of these two is indented by four spaces.",
            f"The given line goes between `try:` and `{head}`{verb_of}, and the handler below that; "
            "line and handler are indented by four spaces.",
            f"Around the line we write `try:` (above) and `{head}` (below){verb_of}. Both have their lines below them, "
            "four spaces further in.",
        ),
        *(
            [
                (
                    f"The handler begins with the line `{report}`{_where(report)}.",
                    f"In the handler, the first line is `{report}`{_where(report)}.",
                    f"First the handler does `{report}`{_where(report)}, on a line of its own.",
                    f"Line one of the handler: `{report}`{_where(report)}.",
                    f"`{report}` is the first line of the handler{_where(report)}.",
                    f"Directly below the `except` line stands `{report}`{_where(report)}.",
                    f"An error is reported at once: the handler opens with the line `{report}`{_where(report)}.",
                    f"Before anything else the handler has the line `{report}`{_where(report)}.",
                )
            ]
            if report
            else []
        ),
        (
            f"The {nth} line of the handler is `{last}`{but}{_where(*ends)}.",
            f"As its {nth} line the handler has `{last}`{but}{_where(*ends)}.",
            f"`{last}` is the {nth} line of the handler{but}{_where(*ends)}.",
            f"Let the handler have `{last}` for its {nth} line{but}{_where(*ends)}.",
            f"The {nth} line that the handler has reads `{last}`{but}{_where(*ends)}.",
            f"What is the {nth} line of the handler? It is `{last}`{but}{_where(*ends)}.",
            f"In the handler, make `{last}` the {nth} line{but}{_where(*ends)}.",
            f"For the {nth} line of the handler we use `{last}`{but}{_where(*ends)}.",
        ),
        (
            "Output only the block.",
            "Answer with these lines and nothing else.",
            "Reply with the block alone.",
            "Give the lines of the block, without a fence.",
            "Nothing but the block is wanted.",
            "No other code and no remark is written.",
            "The answer consists of the block and no word more.",
            "The reply is the code of this block, nothing else.",
        ),
    ]
    if errors:
        rules.insert(1, wordings_of(errors, "verb", "error", "for the verb {key} ERROR is `{value}`"))
    if finish:
        rules.insert(
            -1,
            (
                f"Close the block with `finally:` and below it, indented by four spaces, `{finish}`.",
                f"Behind the handler comes `finally:` with the one line `{finish}`, indented by four spaces.",
                f"`finally:` ends the block; it holds the line `{finish}`, four spaces in.",
                f"After the handler write `finally:` and in the next line, after four spaces, `{finish}`.",
                f"Below the handler there is a `finally:` too, and `{finish}` stands under it, four spaces further in.",
                f"The last two lines are `finally:` and, with four spaces in front, `{finish}`.",
                f"Whether it failed or not, `{finish}` is called: put it, four spaces in, under `finally:` at the end.",
                f"At the very end stand `finally:` and, four spaces further in on a line of its own, `{finish}`.",
            ),
        )
    return Draft(
        name=rng.choice(("try-blocks", "safe-calls", "wrap-calls", "handle-failures")),
        title=rng.choice(("Try blocks", "Calls that may fail", "How a call is made safe")),
        description=rng.choice(
            (
                "Puts a call into a try block. Use it when a line with a call is given.",
                "Makes a call safe, in the way of our code base. Use for every call that may fail.",
                "How we catch the errors of a call, in several lines of Python.",
            )
        ),
        rules=tuple(rules),
        ask=ask,
    )
