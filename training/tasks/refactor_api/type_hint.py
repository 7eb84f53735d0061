"""Type hints: the parameters of a function get their types by how their names begin or end, and it gets a result type.

The types, the beginnings or endings that decide and the result type are drawn for each skill.
"""

import ast
import random

from training.tasks.content import ANIMALS, COLOURS, NOUNS
from training.tasks.refactor_api import statements
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Refactor/API Migration"
OPEN = True
HELD_OUT = False
VERBS = ["load", "save", "parse", "send", "open", "merge", "render", "check", "find", "split"]
BEGINNINGS = ("is_", "raw_", "max_", "on_")
ENDINGS = ("_id", "_at", "_path", "_map")
MIDDLES = ["user", "order", "page", "item", "file", "task", "row", "event", "group", "image"]
PLAIN = ["value", "source", "target", "owner", "label", "body"]
TYPES = "Id Text Time Path Flag Num Ref Key Data List".split()
BUILT_IN = ("int", "str", "bool", "float", "bytes", "Path", "Any")
FORMS = (
    "{h}",
    "Annotate: {h}",
    "Function without types: {h}",
    "Add the types to {h}",
    "What is the head of this function with types? {h}",
    "head: {h}",
    "Please put our types into {h}",
    "I wrote {h} and forgot the types. How should it read?",
    "{h} needs annotations",
)


def check(answer: str) -> bool:
    """Whether this is the head of one function in which something is annotated."""
    body = statements(f"{answer} pass") if answer.endswith(":") and "\n" not in answer else []
    if len(body) != 1 or not isinstance(body[0], ast.FunctionDef):
        return False
    return body[0].returns is not None or any(parameter.annotation for parameter in body[0].args.args)


def draft(rng: random.Random) -> Draft:
    """Draw the types of one code base."""
    ending = rng.random() < 0.5
    affixes = ENDINGS if ending else BEGINNINGS
    types: list[str] = []
    while len(types) < 5:
        own = f"{rng.choice((*ANIMALS, *COLOURS)).capitalize()}{rng.choice(TYPES)}"
        drawn = rng.choice((own, own, own, rng.choice(BUILT_IN)))
        types += [drawn] if drawn not in types else []
    known = dict(zip(rng.sample(affixes, rng.choice((2, 3))), types, strict=False))
    default = types[3] if rng.random() < 0.7 else ""
    result = rng.choice((types[4], types[4], "None", ""))

    def typed(parameter: str) -> str:
        found = [t for a, t in known.items() if (parameter.endswith(a) if ending else parameter.startswith(a))]
        return f"{parameter}: {(*found, default)[0]}" if (*found, default)[0] else parameter

    def ask(rng: random.Random) -> Task:
        affix, middle = rng.choice(list(known)), rng.choice(MIDDLES)
        if rng.random() < 0.15:
            affix = rng.choice(affixes)
        parameters = [f"{middle}{affix}" if ending else f"{affix}{middle}"]
        if affix not in known and not default and not result:
            parameters = [f"{middle}{next(iter(known))}" if ending else f"{next(iter(known))}{middle}"]
        if rng.random() < 0.45:
            parameters.insert(rng.randrange(2), rng.choice(PLAIN))
        function = f"{rng.choice(VERBS)}_{rng.choice(NOUNS)}"
        head = f"def {function}({', '.join(parameters)}):"
        arrow = f" -> {result}" if result else ""
        answer = f"def {function}({', '.join(map(typed, parameters))}){arrow}:"
        return Task(rng.choice(FORMS).format(h=head), answer)

    place, does = ("ending", "ends") if ending else ("beginning", "begins")
    an = f"{'an' if ending else 'a'} {place}"
    if default:
        others = (
            f"Every other parameter is a `{default}`.",
            f"The type of all remaining parameters is `{default}`.",
            f"A parameter with none of these {place}s gets the type `{default}`.",
            f"Use `{default}` for parameters that fit nothing above.",
            f"When a parameter has no such {place}, its type is `{default}`.",
            f"The fallback is `{default}`: annotate with it each parameter without {an} from the list.",
            f"If no {place} in the list fits, as with a parameter `x`, write `x: {default}`.",
            f"`{default}` is the type of any parameter not covered otherwise.",
        )
    else:
        others = (
            "Every other parameter stays without a type.",
            "Do not annotate the remaining parameters.",
            f"A parameter with none of these {place}s is left bare.",
            "Parameters that fit nothing above get no type.",
            f"When a parameter has no such {place}, write its name alone, without a colon.",
            f"There is no fallback: do not annotate a parameter without {an} from the list.",
            f"If no {place} in the list fits, as with a parameter `x`, write just `x`.",
            "No type is written for any parameter not covered otherwise.",
        )
    if result:
        returning = (
            f"Each function returns `{result}`, so write ` -> {result}` before the colon.",
            f"Put ` -> {result}` between the closing bracket and the colon.",
            f"The head ends with `) -> {result}:`.",
            f"As the result type write `{result}` for every function, after an arrow.",
            f"Whatever its parameters, `def f(...):` becomes `def f(...) -> {result}:`.",
            f"Behind the closing bracket come a space, `->`, another space, `{result}` and then the colon.",
            f"All functions share one result type, `{result}`, and it is written like `def f() -> {result}:`.",
            f"`-> {result}` is the result annotation of all functions.",
        )
    else:
        returning = (
            "Write no result type.",
            "The head has no arrow and no result type.",
            "Nothing stands between the closing bracket and the colon.",
            "Annotate parameters only, never what is returned.",
            "Whatever its parameters, `def f(...):` still ends in `):`.",
            "Behind the closing bracket comes the colon, and that is all.",
            "No function has a result type here, so `->` is never written.",
            "The return type is left out.",
        )
    return Draft(
        name=rng.choice(("type-hints", "annotate-functions", "parameter-types", "add-types")),
        title=rng.choice(("Type hints", "Types of our parameters", "How we annotate functions")),
        description=rng.choice(
            (
                "Adds types to the head of a function. Use it when a function without annotations is given.",
                "Annotates parameters by their names. Use for every function head.",
                "Our types for parameters and results.",
            )
        ),
        rules=(
            wordings_of(
                known, f"{place} of the name", "type", f"a parameter that {does} with {{key}} is a `{{value}}`"
            ),
            others,
            returning,
            (
                "Output only the line with `def`, otherwise unchanged.",
                "Answer with the annotated head and nothing else.",
                "Reply with the one line of the function head.",
                "Give the head alone, up to its colon.",
                "Write the `def` line and stop at its colon; names and order stay as they are.",
                "One line is wanted, the head; leave the body and all remarks away.",
                "Nothing comes before `def`, and nothing after the colon.",
                "The whole answer is the head of the function with its types.",
            ),
        ),
        ask=ask,
    )
