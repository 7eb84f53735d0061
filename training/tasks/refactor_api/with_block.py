"""With blocks: what is opened and closed by hand becomes a `with` block, by the names that the skill sets.

The context manager of each old call, the name behind `as`, one more argument and a mark are drawn for each skill.
"""

import ast
import random

from training.tasks.content import ANIMALS, NOUNS, code
from training.tasks.refactor_api import statements
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Refactor/API Migration"
OPEN = True
HELD_OUT = False
PAIRS = {  # how a thing is opened, and how it is closed
    "open": "close",
    "connect": "disconnect",
    "start": "stop",
    "mount": "unmount",
    "borrow": "give_back",
    "reserve": "release",
}
MODULES = "hub core safe pool tools api lib ctx".split()
MANAGERS = "session shelf held guard lease scope window span desk cell".split()
VARIABLES = "f conn lock item box slot".split()
ARGUMENTS = "path host key name port room".split()
ALIASES = "h it res cur obj dev x io".split()
USES = "read check fill scan send copy".split()
EXTRAS = ("{k}={n}", '{k}="{a}"', "{k}=True")
KEYS = "wait depth mode tag limit owner".split()
FORMS = (
    "{c}",
    "Rewrite:\n{c}",
    "```python\n{c}\n```",
    "{c}\n\nBring this up to date.",
    "What do these lines become?\n\n{c}",
    "Old code:\n\n{c}\n\nNew code?",
    "Found in a review:\n{c}\nHow is it written now?",
    "<old>\n{c}\n</old>",
)


def check(answer: str) -> bool:
    """A `with` block over one thing, of two lines or three."""
    body = statements(answer)
    if len(body) != 1 or not isinstance(body[0], ast.With) or len(body[0].items) != 1:
        return False
    return isinstance(body[0].items[0].context_expr, ast.Call) and len(answer.split("\n")) == 1 + len(body[0].body)


def draft(rng: random.Random) -> Draft:
    """Draw the managers of one code base and how they are used."""
    olds = rng.sample(list(PAIRS), rng.choice((2, 3, 3)))
    modules, managers = rng.sample(MODULES, 3), rng.sample(MANAGERS, 3)
    one_module = rng.random() < 0.5
    new = {
        old: f"{modules[0] if one_module else module}.{manager}"
        for old, module, manager in zip(olds, modules, managers, strict=False)
    }
    alias = rng.choice((*ALIASES, *ALIASES, "VAR_", "my_VAR", ""))
    extra = rng.choice(EXTRAS).format(k=rng.choice(KEYS), n=rng.randint(2, 60), a=rng.choice(ANIMALS))
    extra = f", {extra}" if rng.random() < 0.5 else ""
    mark = f"  # {code(rng)}" if rng.random() < 0.4 else ""
    special = rng.choice((*ARGUMENTS, *[""] * len(ARGUMENTS)))
    other = f"{rng.choice(MODULES)}.{rng.choice([m for m in MANAGERS if m not in managers])}"

    def ask(rng: random.Random) -> Task:
        old, variable = rng.choice(olds), rng.choice(VARIABLES)
        argument = special if special and rng.random() < 0.4 else rng.choice(ARGUMENTS)
        uses = [f"{use}({variable})" for use in rng.sample(USES, rng.choice((1, 1, 2)))]
        if rng.random() < 0.4:
            uses[-1] = f"{rng.choice(NOUNS)} = {uses[-1]}"
        lines = [f"{variable} = {old}({argument})", *uses, f"{PAIRS[old]}({variable})"]
        name = alias.replace("VAR", variable) or variable
        head = f"with {other if argument == special else new[old]}({argument}{extra}) as {name}:{mark}"
        block = [head, *("    " + use.replace(f"({variable})", f"({name})") for use in uses)]
        return Task(rng.choice(FORMS).format(c="\n".join(lines)), "\n".join(block))

    pattern = f"with MANAGER(ARG{extra}) as {alias or 'VAR'}:{mark}"
    said = "MANAGER goes by the old call and ARG is its argument"
    variable = ", VAR is the variable that the old code assigns first" if not alias or "VAR" in alias else ""
    rules = [
        (
            f"The block opens with `{pattern}`, where {said}{variable}.",
            f"Start with the line `{pattern}`; {said}{variable}.",
            f"`{pattern}` is the first line. In it, {said}{variable}.",
            f"The first line has the form `{pattern}`: {said}{variable}.",
            f"What was opened by hand is opened by `{pattern}` now; {said}{variable}.",
            f"Replace the line that opens something by `{pattern}` ({said}{variable}).",
            f"Write `{pattern}` for the call that opens, where {said}{variable}.",
            f"Instead of the old call the new code begins with `{pattern}`. There, {said}{variable}.",
        ),
        wordings_of(new, "call", "manager", "for `{key}` the manager is `{value}`"),
        (
            "Drop the line that closes it.",
            "The call that closes or gives back is left out.",
            "The last of the old lines goes away, since the block closes things by itself.",
            "No line for closing is needed any more, so leave it out.",
            "Do not keep the old line that ends the use.",
            "What closed the thing by hand, the last line, is deleted.",
            "The block ends without the closing call of the old code.",
            "Of the old closing call nothing remains.",
        ),
    ]
    rules += [
        (
            f"The lines in between stay, indented by four spaces, with `{alias}` in place of the old variable.",
            f"Indent the lines between the two calls by four spaces and write `{alias}` for the old variable in them.",
            f"Between the calls only a name changes, the old variable to `{alias}`; indent each line by four spaces.",
            f"Below it come the lines in between, four spaces further in, and `{alias}` is what they use now.",
            f"Every line in between is kept, gets four spaces in front and has `{alias}` for the old variable.",
            f"Move the lines in between into the block (four spaces) and rename the old variable in them to `{alias}`.",
            f"The body is what stood between the calls, indented by four spaces, its variable now called `{alias}`.",
            f"Four spaces go before each line in between; in those lines the old variable becomes `{alias}`.",
        )
        if alias
        else (
            "The lines in between stay as they are, indented by four spaces.",
            "Indent the lines between the two calls by four spaces and change nothing else in them.",
            "Between the calls nothing changes; indent each line by four spaces.",
            "Below it come the lines in between, four spaces further in, with the variable that they had.",
            "Every line in between is kept and gets four spaces in front.",
            "Move the lines in between into the block (four spaces); they keep their variable.",
            "The body is what stood between the calls, indented by four spaces.",
            "Four spaces go before each line in between, which is not changed otherwise.",
        )
    ]
    if special:
        rules.append(
            (
                f"Where the argument is `{special}`, the manager is `{other}`, whatever the call.",
                f"One exception: with the argument `{special}` MANAGER is always `{other}`.",
                f"For `{special}` as the argument we use the manager `{other}` instead of the one of the call.",
                f"If what stands in the brackets is `{special}`, take `{other}` for MANAGER, whichever call it is.",
                f"All calls with the argument `{special}` have the manager `{other}`; it wins over the others.",
                f"The argument `{special}` is special, since its manager is `{other}` for each of the calls.",
                f"Any call for `{special}`, no matter which, gets `{other}` as its manager.",
                f"When `{special}` is opened, by whatever call, `{other}` takes the place of the usual manager.",
            )
        )
    rules.append(
        (
            "Output only the new code.",
            "Answer with the new lines and nothing else.",
            "Reply with the block alone.",
            "Give the block without a fence.",
            "Nothing but the new lines is wanted.",
            "No remark stands around the new code.",
            "The answer is the block, and only that.",
            "The reply consists of the new code alone.",
        )
    )
    return Draft(
        name=rng.choice(("with-blocks", "use-with", "managers", "no-closing-by-hand")),
        title=rng.choice(("With blocks", "Managers instead of closing by hand", "How we open things")),
        description=rng.choice(
            (
                "Turns code that opens and closes something into a with block. Use it when such lines are given.",
                "Rewrites calls in pairs as a block. Use for every thing that is closed by hand.",
                "How our code base moves to context managers.",
            )
        ),
        rules=tuple(rules),
        ask=ask,
    )
