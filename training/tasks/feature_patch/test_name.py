"""Names of tests: the first word, the order of the parts, the word before the case and the case style."""

import random
import re

from training.tasks.content import NOUNS
from training.tasks.wording import Draft, Task

SUBTASK = "Feature/Patch"
OPEN = False
HELD_OUT = False
VERBS = "load save parse send merge render count close open sort".split()
CASES = (
    "empty file",
    "missing key",
    "wrong type",
    "long name",
    "late order",
    "two users",
    "double click",
    "closed session",
    "expired token",
    "negative count",
)
RESULTS = ("error", "none", "zero", "true", "empty list", "warning", "same order", "no change", "false", "two rows")
ORDERS = (
    ("function", "case", "result"),
    ("function", "result", "case"),
    ("case", "function", "result"),
    ("result", "function", "case"),
    ("function", "case"),
    ("case", "function"),
    ("case", "result"),
)
STYLES = {
    "snake_case": ("in snake_case, all words joined by one `_`", "in lower case with `_` for every space and joint"),
    "double": (
        "in snake_case, but with `__` from part to part, the first word being a part",
        "with `__` between the parts, the first word being one of them, and `_` inside a part",
    ),
    "camelCase": (
        "in camelCase, without any `_`",
        "in one piece without `_`, each word after the first opening with a capital",
    ),
    "PascalCase": ("in PascalCase, without any `_`", "in one piece without `_`, each word opening with a capital"),
}
NAME = re.compile(r"[A-Za-z]+(_{0,2}[A-Za-z]+)*")


def check(answer: str) -> bool:
    """One identifier of several words."""
    return NAME.fullmatch(answer) is not None and re.search(r"_|[a-z][A-Z]", answer) is not None


def spell(parts: list[list[str]], style: str) -> str:
    """Words, part by part, as one name."""
    if style in ("snake_case", "double"):
        return ("_" if style == "snake_case" else "__").join("_".join(words) for words in parts)
    words = [word for part in parts for word in part]
    joined = "".join(word.capitalize() for word in words)
    return joined if style == "PascalCase" else words[0] + joined[len(words[0]) :]


def draft(rng: random.Random) -> Draft:
    """Draw one team's names of tests."""
    first = rng.choice(("test", "it", "check", "spec", "should", "verify", "case", "ensure"))
    joint = rng.choice(("", "", "when", "with", "given", "if", "on"))
    order, style = rng.choice(ORDERS), rng.choice(list(STYLES))

    def ask(rng: random.Random) -> Task:
        said = {"function": f"{rng.choice(VERBS)}_{rng.choice(NOUNS)}"}
        said["case"], said["result"] = rng.choice(CASES), rng.choice(RESULTS)
        function, case, result = said.values()
        prompt = rng.choice(
            (
                f"Function: {function}. Case: {case}. Result: {result}",
                f"{function}, case {case}, result {result}",
                f"Name the test of {function}: the case is {case}, the result {result}.",
                f"We test {function}. Result: {result}. Case: {case}. What is the test called?",
                f"For the case {case}, {function} has the result {result}",
                f"function={function}; case={case}; result={result}",
                f"result: {result}\nfunction: {function}\ncase: {case}",
                f"{function}\n\nI want to test it. The result is {result}, the case is {case}. Name the test.",
                f"Can you name a test for me? Case: {case}, function: {function}, result: {result}",
            )
        )
        parts = [[first]]
        for part in order:
            words = re.split("[ _]", said[part])
            parts.append([joint, *words] if joint and part == "case" else words)
        return Task(prompt, spell(parts, style))

    spelling, described = STYLES[style]
    sample = spell([["go"], ["ab", "cd"], ["ef"]], style)
    other = spell([["on"], ["xy"], ["uv", "w"]], style)
    listed = ", then the ".join(order)
    left = [part for part in ("function", "result") if part not in order]
    out = f" and leave the {left[0]} out" if left else ""
    without = f", without the {left[0]}" if left else ""
    adding = (
        (
            f"Make `{joint}` the first word of the case.",
            f"Right before the case, as its first word, put `{joint}`.",
            f"Add the word `{joint}` directly before the case; it belongs to that part.",
            f"`{joint}` introduces the case and counts as its first word.",
            f"A case `no rights` is written as if it were `{joint} no rights`.",
            f"Every case has one more word than was given: `{joint}`, at its front.",
            f"Words of the part that tells the case:\n\n1. `{joint}`\n2. the case as given\n",
            f"Begin the part of the case with the word `{joint}`.",
        ),
    )
    return Draft(
        name=rng.choice(("test-names", "name-a-test", "naming-tests", "test-naming-style")),
        title=rng.choice(("Names of tests", "How tests are named", "Naming tests")),
        description=rng.choice(
            (
                "Names a test. Use it when a function, a case and a result are given.",
                "Gives the name of a new test in our style.",
                "How tests are called in this repository. Use it for every new test.",
            )
        ),
        rules=(
            (
                f"A name starts with the word `{first}`.",
                f"Every name has `{first}` as its first part.",
                f"Open the name with `{first}`.",
                f"Put the word `{first}` at the front of the name.",
                f"Ahead of all other parts comes `{first}`, a part of its own.",
                f"Whatever is tested, the first part of the name is `{first}`.",
                f"No name does without `{first}`, which is its very first word.",
                f"`{first}` is the word that each name begins with.",
            ),
            (
                f"Next come the {listed}{without}.",
                f"After the first word write the {listed}{out}.",
                f"The further parts are the {listed}{without}.",
                f"Behind it give the {listed}, in this order{out}.",
                "Behind the first word stand, in this order:\n\n"
                + "\n".join(f"{i}. the {part}" for i, part in enumerate(order, 1))
                + (f"\n\nThe {left[0]} is left out.\n" if left else "\n"),
                f"Once the first word is there, add the {listed}{out}.",
                f"What follows the first word is `{' + '.join(order)}`, from left to right{without}.",
                f"Then it goes on with the {listed}{without}.",
            ),
            *(adding if joint else ()),
            (
                f"Write the whole name {spelling}.",
                f"Join everything {described}.",
                f"The parts `go`, `ab cd` and `ef` become `{sample}`.",
                f"Names are spelled {described}, such as `{sample}`.",
                f"For the parts `go`, `ab cd` and `ef` we write `{sample}`, that is, {spelling}.",
                f"The name is put {spelling}:\n\n| parts | name |\n|---|---|\n| `go`, `ab cd`, `ef` | `{sample}` |\n"
                f"| `on`, `xy`, `uv w` | `{other}` |\n",
                f"When all words are there, they are put {described}; `on`, `xy` and `uv w`, for example, "
                f"give `{other}`.",
                f"Like `{sample}`, made of the parts `go`, `ab cd` and `ef`, every name is put {spelling}.",
            ),
            (
                "Output only the name.",
                "Answer with the name of the test and nothing else.",
                "Reply with the name alone, without parentheses.",
                "Give just the name, no code around it.",
                "Your reply is one identifier, without `def` and without a body.",
                "Write down what the test is called, and stop there.",
                "One word comes back, the name; leave out quotes and remarks.",
                "The answer is the bare name.",
            ),
        ),
        ask=ask,
    )
