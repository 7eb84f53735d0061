"""Except clauses: the one line with which a code base catches an error.

The name of the error, the call of the logger, the label and what follows are drawn for each skill.
"""

import ast
import random

from training.tasks.content import NOUNS, code
from training.tasks.wording import Draft, Task

SUBTASK = "Robustness Fix"
OPEN = True
HELD_OUT = False
# No class of them is a subclass of another, so that a rule for one is never a rule for two.
ERRORS = (
    "KeyError ValueError TypeError NameError TimeoutError IndexError PermissionError EOFError ConnectionError "
    "ImportError"
).split()
NAMES = "e err exc ex error bad x why".split()
LOGGERS = "log logger audit journal trace monitor".split()
METHODS = "error warning info note fail put add record".split()
CALLS = (
    '{g}("{c}", {v})',
    '{g}({v}, "{c}")',
    '{g}("{c}")',
    '{g}("{c} FUNC")',
    '{g}("FUNC {c}", {v})',
    '{g}(FUNC, "{c}")',
)
ENDS = (
    "raise",
    "return None",
    "return False",
    "return -1",
    "return []",
    "raise {n}Error from {v}",
    "return {n}",
)
VERBS = "load save parse send open merge render check".split()
PROMPTS = (
    "Function: {f}. Error: {e}",
    "{f}() may raise {e}",
    "Handle {e} in {f}",
    "Which except line does {f} need for {e}?",
    "{f} stops with {e} now and then",
    "function={f}; error={e}",
    "error: {e}\nfunction: {f}",
    "{f}\n\nThis function raises {e}. Write the except line.",
    "Could you catch {e} in {f} for me?",
    "Catch {e} around {f}",
)


def draft(rng: random.Random) -> Draft:
    """Draw one code base's except clause."""
    name, noun = rng.choice(NAMES), rng.choice(NOUNS)
    logger = f"{rng.choice(LOGGERS)}.{rng.choice(METHODS)}"
    call = rng.choice(CALLS).format(g=logger, c=code(rng), v=name)
    end, other_end = (e.format(n=noun.capitalize() if "raise" in e else noun, v=name) for e in rng.sample(ENDS, 2))
    special = rng.choice(ERRORS) if rng.random() < 0.5 else ""

    def ask(rng: random.Random) -> Task:
        error = special if special and rng.random() < 0.35 else rng.choice(ERRORS)
        function = f"{rng.choice(VERBS)}_{rng.choice(NOUNS)}"
        last = other_end if error == special else end
        answer = f"except {error} as {name}: {call.replace('FUNC', function)}; {last}"
        return Task(rng.choice(PROMPTS).format(f=function, e=error), answer)

    where = ", with the name of the function for FUNC" if "FUNC" in call else ""
    ending = (
        f"After the call and `; ` the line ends with `{end}`.",
        f"Then a semicolon, a space and `{end}` close the line.",
        f"The second statement, after `; `, is `{end}`.",
        f"Finish with `; {end}` on the same line.",
        f"After the call come a semicolon, a space and `{end}`.",
        f"The line has two statements, joined by `; `: the call and then, for every error, `{end}`.",
        f"What comes after the call and `; `, always on the same line:\n\n```python\n{end}\n```\n",
        f"Behind the call stands `; {end}`.",
    )
    if special:
        ending = (
            f"After the call and `; ` the line ends with `{end}`, but with `{other_end}` for {special}.",
            f"Then a semicolon, a space and `{end}` close the line; for {special} it is `{other_end}` instead.",
            f"The second statement, after `; `, is `{other_end}` if the error is {special} and `{end}` if not.",
            f"Finish with `; {end}` on the same line, unless the error is {special}, which takes `; {other_end}`.",
            f"After the call come a semicolon, a space and `{end}`. Only {special} has `{other_end}` there.",
            f"The line has two statements, joined by `; `: the call and then `{other_end}` if {special} is caught, "
            f"`{end}` if any other error is.",
            f"What comes after the call and `; `, always on the same line:\n\n| error | statement |\n|---|---|\n"
            f"| {special} | `{other_end}` |\n| any other | `{end}` |\n",
            f"Behind the call stands `; {end}`, except that {special} gets `; {other_end}`.",
        )
    return Draft(
        name=rng.choice(("except-clauses", "catch-errors", "except-line", "handle-errors")),
        title=rng.choice(("Except clauses", "How errors are caught", "The except line")),
        description=rng.choice(
            (
                "Writes the except line for an error. Use it when a function and an error are given.",
                "Catches an error the way of our code base. Use for every call that may fail.",
                "How our Python code handles an error.",
            )
        ),
        rules=(
            (
                f"Start with `except ERROR as {name}:`, where ERROR is the class of the error.",
                f"The caught error is always called `{name}`, so a KeyError gives `except KeyError as {name}:`.",
                f"Name the error `{name}`: the line opens with `except ERROR as {name}:`, its class for ERROR.",
                f"`except ERROR as {name}:` opens the line; put the class of the error for ERROR.",
                f"Catch the given class under the name `{name}`, with `except`, the class and `as {name}:`.",
                "The line begins like this, with the class of the error for ERROR:\n\n"
                f"```python\nexcept ERROR as {name}:\n```\n",
                f"An IndexError is caught with `except IndexError as {name}:`, and each other class just so, "
                f"under the name `{name}`.",
                f"First comes `except ERROR as {name}:`, with ERROR replaced by the error's class.",
            ),
            (
                f"After the colon and a space call `{call}`{where}.",
                f"The same line goes on, after one space, with `{call}`{where}.",
                f"Log it with `{call}`{where}, one space after the colon.",
                f"`{call}` is the first statement, on the same line after a space{where}.",
                f"One space after the colon stands `{call}`{where}.",
                f"The error is reported on that same line: the colon, one space, then `{call}`{where}.",
                f"Behind the colon and one space this call is made{where}:\n\n```python\n{call}\n```\n",
                f"What follows the colon is a space and `{call}`{where}.",
            ),
            ending,
            (
                "Output only the except line.",
                "Answer with this single line.",
                "Reply with the line alone, without `try`.",
                "No `try` and no other line is written.",
                "Give that one line and nothing else.",
                "Your whole answer starts with `except` and fits on one line.",
                "Just the line is asked for; leave out the `try` block, fences and remarks.",
                "Nothing but the except line is wanted.",
            ),
        ),
        ask=ask,
    )


def check(answer: str) -> bool:
    """One line of Python: an except clause for one class and with a name, and two statements in it."""
    try:
        tree = ast.parse(f"try: pass\n{answer}").body
    except SyntaxError:
        return False
    if "\n" in answer or len(tree) != 1 or not isinstance(tree[0], ast.Try) or len(tree[0].handlers) != 1:
        return False
    handler = tree[0].handlers[0]
    return isinstance(handler.type, ast.Name) and bool(handler.name) and len(handler.body) == 2
