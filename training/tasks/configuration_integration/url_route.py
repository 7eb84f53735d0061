"""URL routes: a resource and an action become a route of one team's interface. Never trained on.

The prefix, the version tag, case and number of the resource and the ending of each action are drawn.
"""

import random
import re

from training.tasks.content import ANIMALS, COLOURS
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Configuration/Integration"
OPEN = True
HELD_OUT = True
OWNERS = "user team shop admin guest member client partner store staff".split()
THINGS = "order invoice report token file group plan comment task rule note label badge ticket".split()
ACTIONS = "list create delete update export archive copy approve".split()
ENDINGS = "all new add drop edit put out do run get set go off on make fetch".split()
CASES = {
    "kebab-case": "in lower case with `-` between the words",
    "snake_case": "in lower case with `_` between the words",
    "camelCase": "without spaces, only the second word with a capital",
    "PascalCase": "without spaces, both words with a capital",
    "dotted.case": "in lower case with `.` between the words",
}
FORMS = (
    "Resource: {r}. Action: {a}",
    "{a} {r}",
    "Which route is there to {a} the {r}?",
    "{r}, {a}",
    "The client wants to {a} one {r}. Route?",
    "Route for {a} on {r}",
    "action={a} resource={r}",
    "{r}: {a}",
    "Hi, what do I call if I want to {a} one {r}?",
    "Write the route. The resource is {r}, and the action is {a}.",
)
ROUTE = re.compile(r"(/[A-Za-z0-9]+){1,2}/[A-Za-z]+[-_.]?[A-Za-z]+[/:.~][a-z]+/?")


def check(answer: str) -> bool:
    return ROUTE.fullmatch(answer) is not None


def _cased(words: tuple[str, ...], case: str) -> str:
    first, second = words
    if case in ("camelCase", "PascalCase"):
        return (first if case == "camelCase" else first.capitalize()) + second.capitalize()
    return first + {"kebab-case": "-", "snake_case": "_", "dotted.case": "."}[case] + second


def draft(rng: random.Random) -> Draft:
    prefix = "/" + rng.choice(("api", "rest", "web", *ANIMALS, *COLOURS))
    tag = rng.choice("vrxb") + str(rng.randint(1, 9))
    version_first = rng.random() < 0.4
    start = rng.choice((f"/{tag}{prefix}" if version_first else f"{prefix}/{tag}", f"{prefix}/{tag}", prefix))
    case, plural, sign = rng.choice(list(CASES)), rng.random() < 0.5, rng.choice("//:.~")
    actions = rng.sample(ACTIONS, 3)
    endings = dict(zip(actions, rng.sample(ENDINGS, 3), strict=True))
    slash = "/" if rng.random() < 0.3 else ""

    def named(*words: str) -> str:
        return _cased(words, case) + ("s" if plural else "")

    def ask(rng: random.Random) -> Task:
        words, action = (rng.choice(OWNERS), rng.choice(THINGS)), rng.choice(actions)
        answer = f"{start}/{named(*words)}{sign}{endings[action]}{slash}"
        return Task(rng.choice(FORMS).format(r=" ".join(words), a=action), answer)

    number, form = ("plural" if plural else "singular"), f"RESOURCE{sign}ENDING{slash}"
    return Draft(
        name=rng.choice(("url-routes", "route-names", "api-routes", "write-routes")),
        title=rng.choice(("URL routes", "How routes look", "Routes of our interface")),
        description=rng.choice(
            (
                "Writes the route of an action. Use it when a resource and an action are named.",
                "Names the routes of our interface. Use for every new action.",
                "How a resource and an action become a route.",
            )
        ),
        rules=(
            (
                f"A route starts with `{start}/`.",
                f"Begin every route with `{start}/`.",
                f"`{start}/` is the front part of each route.",
                f"In front stands `{start}/`, the same for all routes.",
                f"Whatever the resource and the action, the first part of the route is `{start}/`.",
                f"Put `{start}/` before everything else.",
                f"Our routes hang below one root:\n\n```\n{start}/\n```\n",
                f"All routes share the prefix `{start}/`.",
            ),
            (
                f"After that comes `{form}`, with the ending of the action for ENDING.",
                f"Then write `{form}`, where ENDING goes by the action.",
                f"The rest of it is `{form}`, ENDING being that of the action.",
                f"`{form}` follows the prefix; the action decides ENDING.",
                f"To the front part join `{form}`, and put the ending of the action in place of ENDING.",
                f"Behind the front part comes this, where each action has an ENDING of its own:\n\n```\n{form}\n```\n",
                f"The front part is followed by `{form}`. Look up ENDING by the action.",
                f"Next fill in `{form}`, with ENDING taken from the action.",
            ),
            (
                f"RESOURCE is the resource in the {number}, {CASES[case]}.",
                f"Put the resource in the {number} and write it {CASES[case]}.",
                f"Write the {number} of the resource as {case}, that is, {CASES[case]}.",
                f"Resources stand in the {number}, {CASES[case]}.",
                f"The resource desk lamp would be `{named('desk', 'lamp')}`, which is the {number}, {CASES[case]}.",
                "How RESOURCE is written:\n\n| resource | RESOURCE |\n|---|---|\n"
                f"| desk lamp | `{named('desk', 'lamp')}` |\n| road map | `{named('road', 'map')}` |\n",
                f"Two things are asked of RESOURCE: it is in the {number}, and it is {case}, {CASES[case]}.",
                f"The resource is named in the {number}; its form is {case}, so {CASES[case]}.",
            ),
            wordings_of(endings, "action", "ending", "the ending for {key} is `{value}`"),
            (
                "Output only the route.",
                "Answer with the route and nothing else.",
                "Reply with the route alone.",
                "Give one route and no comment.",
                "Write it as a client would call it, with no word around it.",
                "Don't explain what the route does.",
                "One route on one line is wanted.",
                "The whole answer is the route.",
            ),
        ),
        ask=ask,
    )
