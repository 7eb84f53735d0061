"""Changed signatures: the arguments of a call are reordered, its keywords renamed, and perhaps one is added.

The order, the new keywords, the added argument and when it is added are drawn for each skill.
"""

import random

from training.tasks.content import ANIMALS, COLOURS, NOUNS
from training.tasks.refactor_api import one_call
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Refactor/API Migration"
OPEN = True
HELD_OUT = False
VERBS = ["load", "save", "parse", "send", "open", "merge", "render", "check", "find", "split"]
ARGUMENTS = ["conn", "key", "path", "data", "name", "table", "rows", "text", "item", "page"]
KEYWORDS = {
    "timeout": ("5", "10", "30", "60"),
    "mode": ('"fast"', '"full"', '"dry"', "None"),
    "limit": ("20", "50", "100", "500"),
    "level": ("1", "2", "3", "4"),
}
MOVES = (
    "What becomes of the positional arguments:\n\n"
    "| old | new |\n|---|---|\n| `f(a, b)` | `{}` |\n| `f(a, b, c)` | `{}` |\n"
)
FIRST = "io job run row net task page hard soft base max raw".split()
LAST = "wait mode cap size tag zone kind span depth rank stop".split()
ORDERS = {
    "swap": (
        "Swap the first two positional arguments.",
        "The first and the second positional argument change places.",
        "What was the second positional argument now comes first, and the first comes second.",
        "A call `f(a, b)` becomes `f(b, a)`; a third positional argument stays third.",
        "Exchange the positional arguments one and two, so that `f(a, b, c)` reads `f(b, a, c)`.",
        MOVES.format("f(b, a)", "f(b, a, c)"),
        "Of the arguments without a keyword, the two at the front trade places; a third one stays where it is.",
        "Write the second positional argument before the first.",
    ),
    "front": (
        "Move the last positional argument to the front.",
        "The last positional argument now comes first; the others follow in their order.",
        "A call `f(a, b, c)` becomes `f(c, a, b)`, and `f(a, b)` becomes `f(b, a)`.",
        "Put the final positional argument before all other ones.",
        "Take the last argument that has no keyword and write it first; behind it comes the rest in the old order.",
        MOVES.format("f(b, a)", "f(c, a, b)"),
        "Whichever positional argument was the last is the first now, and the others keep their order behind it.",
        "Positional arguments start with the one that used to be last, then the rest as before.",
    ),
    "name": (
        "The last positional argument is passed as the keyword `NEW`, in the same place.",
        "Write `NEW=` directly before the last positional argument.",
        "A call `f(a, b)` becomes `f(a, NEW=b)`: the last positional argument gets the name `NEW`.",
        "Give the last of the positional arguments the keyword `NEW` and leave it where it is.",
        "The last argument without a keyword gets one: put `NEW=` in front of it, with no space, and do not move it.",
        MOVES.format("f(a, NEW=b)", "f(a, b, NEW=c)"),
        "No argument moves, but the last of the positional ones is now handed over as `NEW=...`.",
        "`NEW` is now the keyword of what was the last positional argument; its place stays the same.",
    ),
    "keep": (
        "Positional arguments keep their order.",
        "The order of the positional arguments does not change.",
        "Leave the positional arguments just where they are.",
        "Nothing moves among the positional arguments.",
        "First stays first and second stays second: arguments without a keyword are not reordered.",
        MOVES.format("f(a, b)", "f(a, b, c)"),
        "The new signature takes its positional arguments in the same places as the old one.",
        "Positional arguments are copied in the old order.",
    ),
}
FORMS = (
    "Update: {c}",
    "{c}",
    "Old call: {c}",
    "How is {c} written with the new signature?",
    "This call no longer works: {c}",
    "call: {c}",
    "{c} -- please adapt it to the new signature.",
    "I still have {c} in my file. What should I write?",
    "Change {c} to the new arguments",
)


def check(answer: str) -> bool:
    """Whether this is one call with arguments."""
    call = one_call(answer)
    return call is not None and bool(call.args or call.keywords)


def draft(rng: random.Random) -> Draft:
    """Draw one change of a signature."""
    order = rng.choice(("swap", "front", "name", "name", "keep"))
    names = [f"{a}_{b}" for a, b in zip(rng.sample(FIRST, 4), rng.sample(LAST, 4), strict=True)]
    renamed = dict(zip(rng.sample(list(KEYWORDS), 2), names, strict=False))
    word = rng.choice((*ANIMALS, *COLOURS))
    new_value = rng.choice((str(rng.randint(2, 99)), "True", "False", f'"{word}"'))
    added = f"{names[2]}={new_value}"
    adding = rng.choice(("always", "unless", "unless", "never" if order != "keep" else "always"))
    spared = rng.choice([key for key in KEYWORDS if key not in renamed])

    def ask(rng: random.Random) -> Task:
        function = f"{rng.choice(VERBS)}_{rng.choice(NOUNS)}"
        given = rng.sample(ARGUMENTS, rng.choice((2, 2, 3)))
        keyword = rng.choice((*KEYWORDS, *renamed, spared))
        value = rng.choice(KEYWORDS[keyword])
        call = f"{function}({', '.join(given)}, {keyword}={value})"
        if order == "swap":
            given[:2] = given[1::-1]
        elif order == "front":
            given = [given[-1], *given[:-1]]
        elif order == "name":
            given[-1] = f"{names[3]}={given[-1]}"
        more = [added] if adding == "always" or (adding == "unless" and keyword != spared) else []
        changed = ", ".join([*given, f"{renamed.get(keyword, keyword)}={value}", *more])
        return Task(rng.choice(FORMS).format(c=call), f"{function}({changed})")

    unless = f", unless the call has a `{spared}`" if adding == "unless" else ""
    but = f"; only a call with `{spared}` goes without it" if adding == "unless" else ""
    rules = [
        tuple(wording.replace("NEW", names[3]) for wording in ORDERS[order]),
        wordings_of(renamed, "old keyword", "new keyword", "the keyword {key} is now called `{value}`"),
        (
            f"Add `{added}` as the last argument{unless}.",
            f"Every call ends with the new argument `{added}`{but}.",
            f"`{added}` goes behind all other arguments{unless}.",
            f"Put the argument `{added}` at the very end of the call{unless}.",
            f"`f(...)` turns into `f(..., {added})`{unless}.",
            f"If the call has a `{spared}`, add no argument. If it has none, append `{added}` as the last one."
            if unless
            else f"Whatever the call, append `{added}` as the last argument.",
            f"Close each argument list with `, {added}` and the bracket{but}.",
            f"The new signature also wants `{added}`, written last{but}.",
        ),
        (
            "Output only the call; whatever no rule mentions stays as it is.",
            "Answer with the new call alone and leave everything else in it unchanged.",
            "Reply with one line of code, the call, in which all the rest is kept.",
            "Give just the call, and keep names and values that are not mentioned.",
            "Write one line, the call, and change no more of it than these rules say.",
            "No comment and no code fence: only the call, whose other parts are the same as before.",
            "Copy the function name, the values and all that no rule speaks of; the call is the whole output.",
            "The whole answer is the changed call; parts that are not named here remain.",
        ),
    ]
    if adding == "never":
        del rules[2]
    return Draft(
        name=rng.choice(("new-signature", "change-arguments", "call-arguments", "argument-migration")),
        title=rng.choice(("Changed arguments", "The new signature", "Arguments of our calls")),
        description=rng.choice(
            (
                "Rewrites the arguments of a call for the new signature. Use it when an old call is given.",
                "Our functions take other arguments now. Use for each call that is still in the old form.",
                "How the arguments of a call are changed for the next version.",
            )
        ),
        rules=tuple(rules),
        ask=ask,
    )
