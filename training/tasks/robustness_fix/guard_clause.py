"""Guard clauses: the first line of a function, which refuses a bad argument the way one code base does.

Which parameter is tested, the test, what happens then and the label of the failure are drawn for each skill.
"""

import ast
import random

from training.tasks.content import NOUNS, code
from training.tasks.wording import Draft, Task

SUBTASK = "Robustness Fix"
OPEN = True
HELD_OUT = False
TESTS = (
    "PARAM is None",
    'PARAM == ""',
    "not PARAM",
    "len(PARAM) == 0",
    "is_blank(PARAM)",
    "PARAM is MISSING",
    'PARAM in (None, "")',
    "PARAM == EMPTY",
    "bool(PARAM) is False",
)
ACTIONS = ('raise {e}("{m}")', 'raise {e}("{m}")', 'return "{m}"', 'abort("{m}")', 'return fail("{m}")', 'stop("{m}")')
MESSAGES = ("{c}", "{c} PARAM", "PARAM {c}", "{c}: PARAM")
VERBS = ["load", "save", "parse", "send", "open", "merge", "render", "check"]
PARAMETERS = ["path", "name", "text", "key", "mode", "user", "rows", "value", "label", "page", "source", "target"]
PROMPTS = (
    "Function: def {f}({p}):",
    "def {f}({p}):",
    "Write the guard for `def {f}({p}):`",
    "A new function, {f}({p}), has no guard yet",
    "Which guard does {f}({p}) need?",
    "function={f}; parameters={p}",
    "function: {f}\nparameters: {p}",
    "def {f}({p}):\n\nPlease add the guard.",
    "Could you guard {f} for me? Its parameters are {a}, in this order.",
    "{f} takes {a}. How does it refuse a bad argument?",
)


def draft(rng: random.Random) -> Draft:
    """Draw one code base's guard clause."""
    test = rng.choice(TESTS)
    error = rng.choice(NOUNS).capitalize() + rng.choice(("Error", "Fault", "Problem", "Refused"))
    label = rng.choice((code(rng), f"{rng.choice('EFGHKRT')}{rng.randint(10, 99)}"))
    action = rng.choice(ACTIONS).format(e=error, m=rng.choice(MESSAGES).format(c=label))
    first = rng.random() < 0.5

    def ask(rng: random.Random) -> Task:
        parameters = rng.sample(PARAMETERS, rng.choice((1, 2, 2)))
        chosen = parameters[0 if first else -1]
        function = rng.choice(VERBS) + rng.choice(("", f"_{rng.choice(NOUNS)}"))
        answer = f"if {test}: {action}".replace("PARAM", chosen)
        prompt = rng.choice(PROMPTS).format(f=function, p=", ".join(parameters), a=" and ".join(parameters))
        return Task(prompt, answer)

    place, tested = ("first", "abc") if first else ("last", "xyz")
    if "PARAM" in action:
        acting = (
            f"After the colon and a space write `{action}`, with the name of the tested parameter for PARAM.",
            f"For a parameter `abc` the same line goes on, after one space, with `{action.replace('PARAM', 'abc')}`.",
            f"What follows the condition is a space and `{action}`; PARAM stands for the parameter that was tested.",
            f"On a bad argument do this, on the same line after a space: `{action}` (PARAM: the tested one).",
            f"`{action}` comes next, one space after the colon, the name of the tested parameter for PARAM.",
            "When `abc` is the bad one, the line ends, after the colon and a space, in "
            f"`{action.replace('PARAM', 'abc')}`; any other name stands there likewise.",
            "One space behind the colon we react like this, with the name of the tested parameter for PARAM:\n\n"
            f"```python\n{action}\n```\n",
            f"Behind the colon stand a space and `{action}`; replace PARAM in it by the name of the tested parameter.",
        )
    else:
        acting = (
            f"After the colon and a space write `{action}`, without the name of the parameter.",
            f"The same line goes on, after one space, with `{action}` for every parameter.",
            f"What follows the condition is a space and `{action}`, always just so.",
            f"On a bad argument do this, on the same line after a space: `{action}`.",
            f"`{action}` comes next, one space after the colon, whatever the parameter is called.",
            f"Whichever parameter is the bad one, the line ends, after the colon and a space, in `{action}`.",
            f"One space behind the colon we react like this, whatever the parameter:\n\n```python\n{action}\n```\n",
            f"Behind the colon stand a space and `{action}`, the same for all functions.",
        )
    return Draft(
        name=rng.choice(("guard-clauses", "check-arguments", "guard-line", "refuse-bad-input")),
        title=rng.choice(("Guard clauses", "Checking arguments", "The guard of a function")),
        description=rng.choice(
            (
                "Writes the guard line of a function. Use it when the head of a function is given.",
                "Adds the check that refuses a bad argument. Use for every function that takes input.",
                "How our functions refuse a missing argument.",
            )
        ),
        rules=(
            (
                f"Test the {place} parameter only.",
                f"Where a function has several parameters, the guard looks at the {place} one.",
                f"The tested parameter is always the {place} in the list.",
                f"Of all parameters take the {place}; the others are not looked at.",
                f"Only the {place} parameter of a function is guarded.",
                f"In `def f(abc, xyz):` it is `{tested}` that gets tested, because it is the {place} parameter.",
                f"One parameter is enough for the guard: if there is more than one, take the {place}.",
                f"Which parameter is tested? The {place} one in the brackets, no other.",
            ),
            (
                f"Begin with `if {test}:`, where PARAM is the name of the tested parameter.",
                f"When the tested parameter is called `abc`, the condition reads `if {test.replace('PARAM', 'abc')}:`.",
                f"Put the name of the tested parameter for PARAM in `if {test}:` and start the line with it.",
                f"The line opens with `if {test}:`; PARAM is replaced by the name of the tested parameter.",
                f"A bad argument is found with `if {test}:`, the name of the tested parameter in the place of PARAM.",
                "The line starts like this, the name of the tested parameter put for PARAM:\n\n"
                f"```python\nif {test}:\n```\n",
                f"How is a bad argument found? By `if {test}:` at the start of the line; "
                "write the name of the tested parameter wherever it says PARAM.",
                f"`if {test}:` comes first, with PARAM changed to what the tested parameter is called.",
            ),
            acting,
            (
                "Output only the guard, on one line.",
                "Answer with this single line.",
                "Reply with the guard line alone.",
                "No other line of the function is written.",
                "Give the guard and nothing else, all on one line.",
                "Your answer starts with `if`, ends on the same line and has nothing around it.",
                "Just the guard is asked for; leave out the `def` line, the body and any remark.",
                "Nothing but that one line of Python is wanted.",
            ),
        ),
        ask=ask,
    )


def check(answer: str) -> bool:
    """One line of Python: an `if` with a single statement behind the colon."""
    try:
        body = ast.parse(answer).body
    except SyntaxError:
        return False
    return "\n" not in answer and len(body) == 1 and isinstance(body[0], ast.If) and len(body[0].body) == 1
