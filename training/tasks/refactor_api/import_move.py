"""Moved modules: an old import becomes the import line of today, by the kind of the name or by its old module.

The new modules and the alias or comment of a moved import are drawn for each skill.
"""

import ast
import random

from training.tasks.content import ANIMALS, COLOURS, NOUNS, code
from training.tasks.refactor_api import statements
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Refactor/API Migration"
OPEN = True
HELD_OUT = False
OLD = ("shop.utils", "shop.models", "core.helpers", "lib.common")
KINDS = ("class", "function", "constant")
VERBS = ["load", "save", "parse", "send", "open", "merge", "render", "check", "find", "split"]
CLASSES = ["Parser", "Client", "Error", "Store", "View", "Config", "Form", "Entry"]
CONSTANTS = ["LIMIT", "SIZE", "PATH", "NAMES", "DEFAULT", "DELAY"]
TOPS = (*ANIMALS, *COLOURS, *[f"{word}_{end}" for word in (*ANIMALS, *COLOURS) for end in ("kit", "lib")])
FORMS = (
    "Old import: from {m} import {n}",
    "from {m} import {n}",
    "Move this import: from {m} import {n}",
    "{n}, so far in {m}",
    "How is {n} imported today? It used to be in {m}.",
    "old module: {m}, name: {n}",
    "Please give me the import of {n}, which used to be in {m}.",
    "I have from {m} import {n} here. What is the line now?",
    "This line no longer works: from {m} import {n}",
)


def check(answer: str) -> bool:
    """Whether this is one line that imports one name from a module."""
    body = statements(answer)
    return "\n" not in answer and len(body) == 1 and isinstance(body[0], ast.ImportFrom) and len(body[0].names) == 1


def _name(kind: str, rng: random.Random) -> str:
    noun = rng.choice(NOUNS)
    if kind == "class":
        return noun.capitalize() + rng.choice(CLASSES)
    return f"{rng.choice(VERBS)}_{noun}" if kind == "function" else f"{noun.upper()}_{rng.choice(CONSTANTS)}"


def draft(rng: random.Random) -> Draft:
    """Draw where the names of one code base have moved."""
    by_kind = rng.random() < 0.5
    keys = KINDS if by_kind else rng.sample(OLD, rng.choice((2, 3)))
    tops, ends = rng.sample(TOPS, len(keys)), rng.sample(NOUNS, len(keys))
    new = {key: f"{top}.{end}" for key, top, end in zip(keys, tops, ends, strict=True)}
    word = rng.choice((*ANIMALS, *COLOURS))
    extra = rng.choice(("", "", f" as {word}_NAME", f" as NAME_{word}", f"  # {code(rng)}"))

    def ask(rng: random.Random) -> Task:
        kind = rng.choice(KINDS)
        name, old = _name(kind, rng), rng.choice(OLD)
        if not by_kind and old not in new and rng.random() < 0.5:
            old = rng.choice(list(new))
        key = kind if by_kind else old
        answer = (
            f"from {new[key]} import {name}{extra.replace('NAME', name)}" if key in new else f"from {old} import {name}"
        )
        return Task(rng.choice(FORMS).format(m=old, n=name), answer)

    if by_kind:
        moved = wordings_of(new, "kind", "module", "we import a {key} from `{value}`")
        others = (
            "A name in capitals is a constant, one that opens with a capital letter a class, any other a function.",
            "Classes look like `BigFox`, functions like `big_fox` and constants like `BIG_FOX`; ignore the old module.",
            "The spelling tells the kind: `BigFox` is a class, `big_fox` a function, `BIG_FOX` a constant.",
            "Where a name was before plays no role, only whether it is written `BigFox` (class), `big_fox` (function) "
            "or `BIG_FOX` (constant).",
            "The kind of a name shows in its spelling:\n\n| like | kind |\n|---|---|\n| `BigFox` | class |\n"
            "| `big_fox` | function |\n| `BIG_FOX` | constant |\n\nIts old module does not matter.\n",
            "If no letter of the name is small, it is a constant. If only some are capitals, it is a class. "
            "A name without capitals is a function.",
            "Do not go by the old module. A name such as `BIG_FOX` counts as a constant, `big_fox` as a function and "
            "`BigFox` as a class.",
            "Tell the kind by the letters: all small is a function, all capitals a constant, a mix a class.",
        )
    else:
        moved = wordings_of(new, "old module", "new module", "what was in {key} is in `{value}` now")
        others = (
            "Names of any other module did not move: write the old `from MODULE import NAME` with nothing added.",
            "An import from a module that is not listed stays a bare `from MODULE import NAME`.",
            "If the old module is not among these, the import keeps that module and gets no addition.",
            "Imports from other modules remain as they were, bare and unchanged.",
            "What is imported from any other module is still imported like this, with the old module and no "
            "addition:\n\n```python\nfrom MODULE import NAME\n```\n",
            "Is the old module missing from the list? Then the answer is the plain old import, with nothing added to "
            "it.",
            "Only the listed modules have changed; for another one repeat `from MODULE import NAME` and stop after "
            "the name.",
            "Every module not mentioned here stays in use, so its imports are written as before, without additions.",
        )
    line = f"from MODULE import NAME{extra}"
    shown = f"from here import Fox{extra.replace('NAME', 'Fox')}"
    return Draft(
        name=rng.choice(("moved-imports", "import-paths", "new-modules", "fix-imports")),
        title=rng.choice(("Moved modules", "Where names are imported from", "New import paths")),
        description=rng.choice(
            (
                "Writes the import of a name that has moved. Use it when an old import is to be replaced.",
                "Tells where a name is imported from now. Use for code with old imports.",
                "Our modules were split, and this is how names are imported since.",
            )
        ),
        rules=(
            moved,
            others,
            (
                f"The new line has the form `{line}`.",
                f"Write `{line}` with the new module and the name filled in.",
                f"With a name `Fox` and the new module `here` the line reads `{shown}`.",
                f"`{line}` is the pattern of a moved import; put the new module and the name in.",
                f"A moved name is imported like this:\n\n```python\n{line}\n```\n\nMODULE is its new module, NAME the "
                "name itself.\n",
                f"If `Fox` has moved to `here`, the right import is `{shown}`. Do the same with any other name that "
                "has moved.",
                f"For a name that has moved fill in `{line}`: the new module for MODULE and the name wherever NAME "
                "stands.",
                f"A moved name `Fox` whose new module is `here` is imported with `{shown}`, and others likewise.",
            ),
            (
                "Output only the import line.",
                "Answer with the import and nothing else.",
                "Reply with one line of code.",
                "Give the line alone, without a remark.",
                "Write the import on a single line, with no code fence.",
                "Nothing is wanted but the line with `from` and `import`.",
                "Say no more than this one line.",
                "The whole answer is the import line.",
            ),
        ),
        ask=ask,
    )
