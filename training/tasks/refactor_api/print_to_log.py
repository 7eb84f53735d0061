"""Prints that become log calls: which logging call, what is put before the message and what after. Never trained on."""

import ast
import random

from training.tasks.content import ANIMALS, COLOURS, NOUNS, code
from training.tasks.refactor_api import one_call
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Refactor/API Migration"
OPEN = True
HELD_OUT = True
STATES = ("failed", "slow", "done", "empty", "started", "missing", "full", "closed")
VALUES = ["total", "user", "path", "count", "size", "key", "rows", "page"]
OBJECTS = ("log", "logger", "trace", "audit", "journal")
METHODS = "note say tell warn err emit mark flag cry low high put".split()
FIELDS = ["area", "team", "zone", "part", "origin"]
FORMS = (
    "{c}",
    "Replace {c}",
    "Print: {c}",
    "What do we write instead of {c}?",
    "Turn {c} into a log call",
    "code: {c}",
    "Please convert this one: {c}",
    "We still have {c} here. Log it instead.",
    "A reviewer found {c} in the code.",
)


def check(answer: str) -> bool:
    """Whether this is a call, but not of print, whose first argument is a text."""
    call = one_call(answer)
    if call is None or not call.args or (isinstance(call.func, ast.Name) and call.func.id == "print"):
        return False
    return isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)


def draft(rng: random.Random) -> Draft:
    """Draw one code base's logging."""
    logger = rng.choice((rng.choice(OBJECTS), f"{rng.choice((*ANIMALS, *COLOURS))}_{rng.choice(OBJECTS)}"))
    methods = rng.sample(METHODS, 3)
    usual, *special = (f"{logger}.{method}" for method in methods)
    calls = dict(zip(rng.sample(STATES, 2), special, strict=True)) if rng.random() < 0.6 else {}
    front = rng.choice((f"{code(rng)} ", f"{code(rng)}: ", f"{rng.choice((*ANIMALS, *COLOURS))}/", ""))
    extra = f'{rng.choice(FIELDS)}="{rng.choice((*ANIMALS, *COLOURS))}"' if rng.random() < 0.5 or not front else ""

    def ask(rng: random.Random) -> Task:
        noun, state = rng.choice(NOUNS), rng.choice(STATES)
        if calls and rng.random() < 0.5:
            state = rng.choice(list(calls))
        value = [rng.choice(VALUES)] if rng.random() < 0.35 else []
        printed = ", ".join([f'"{noun} {state}"', *value])
        logged = ", ".join([f'"{front}{noun} {state}"', *value, *([extra] if extra else [])])
        return Task(rng.choice(FORMS).format(c=f"print({printed})"), f"{calls.get(state, usual)}({logged})")

    which = "Any other print" if calls else "A print"
    rules = [
        (
            f"{which} becomes a call of `{usual}`.",
            f"{which} is replaced by `{usual}(...)`.",
            f"Write `{usual}` in place of `print`{' for all other messages' if calls else ''}.",
            f"`{usual}` takes over {'every remaining' if calls else 'every'} `print`.",
            f"{'Whenever no other call is named for a message' if calls else 'Whatever the message'}, `print(...)` "
            f"turns into `{usual}(...)`.",
            f"The call to use {'for the remaining messages' if calls else 'for every message'} is `{usual}`, not "
            "`print`.",
            f"{'Prints that no other rule is about' if calls else 'All prints'} are written like this:\n\n"
            f"```python\n{usual}(...)\n```\n",
            f"{'In all other cases call' if calls else 'Call'} `{usual}` where the code says `print`.",
        ),
        (
            f"The message begins with `{front}`" + (" including the space at the end." if front[-1:] == " " else "."),
            f"Inside the quotes, `{front}` comes first and the old message follows.",
            f'A message `"abc"` becomes `"{front}abc"`.',
            f"Put `{front}` at the start of the message, so that `abc` turns into `{front}abc`.",
            f'Where the code printed the first message, we log the second:\n\n```python\n"abc"\n"{front}abc"\n```\n',
            f"Right after the opening quote write `{front}`, then the message as it was.",
            f"No message goes without `{front}` before its first word: `abc` is logged as `{front}abc`.",
            f'The text is `"{front}abc"` where it was `"abc"`.',
        ),
        (
            f"Add `{extra}` as the last argument and keep the others.",
            f"All arguments stay, and `{extra}` follows them.",
            f"Every call ends with the keyword argument `{extra}`, after whatever was printed.",
            f"Behind the old arguments put one more, `{extra}`.",
            f"What was printed as `(a, b)` is logged as `(a, b, {extra})`.",
            f"Just before the closing bracket of the log call belongs `, {extra}`; no argument is dropped.",
            f"After the message and the value behind it, if there is one, write `{extra}` and close the bracket.",
            f"`{extra}` is the final argument of each log call; what was printed comes before it.",
        )
        if extra
        else (
            "Further arguments stay as they are.",
            "Keep any argument that follows the message.",
            "What comes after the message does not change.",
            "Values printed behind the message are passed on unchanged.",
            "What was printed as `(a, b)` is logged with two arguments, too, in the same order.",
            "The closing bracket of the log call comes after the last thing that was printed.",
            "After the message write the value behind it, if there is one, and close the bracket.",
            "No argument is added or dropped.",
        ),
        (
            "Output only the new call.",
            "Answer with the log call and nothing else.",
            "Reply with one line of code.",
            "Give the call alone, without a remark.",
            "Write one line, the call, and no code fence.",
            "Only what stands in the place of the print is wanted.",
            "Nothing comes before or after the new call.",
            "The whole answer is the call that replaces the print.",
        ),
    ]
    if not front:
        del rules[1]
    if calls:
        rules.insert(
            0, wordings_of(calls, "last word of the message", "call", "a message that ends in {key} goes to `{value}`")
        )
    return Draft(
        name=rng.choice(("print-to-log", "no-more-prints", "log-calls", "replace-prints")),
        title=rng.choice(("Logging instead of printing", "From print to log", "Our log calls")),
        description=rng.choice(
            (
                "Turns a print into our log call. Use it when code prints something.",
                "Replaces prints by logging. Use for every print that is left in the code.",
                "How messages are logged here.",
            )
        ),
        rules=tuple(rules),
        ask=ask,
    )
