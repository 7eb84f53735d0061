"""Short rankings: which items of a measured list are reported, how many, in which order and how they are joined."""

import json
import random
import re

from training.tasks.content import NOUNS
from training.tasks.wording import Draft, Task

SUBTASK = "Performance/Data"
OPEN = False
HELD_OUT = False
PICKS = {  # one item, several items, their order
    "highest": ("with the highest value", "with the highest values", "the highest value first"),
    "lowest": ("with the lowest value", "with the lowest values", "the lowest value first"),
    "alphabet": (
        "whose name comes first in the alphabet",
        "whose names come first in the alphabet",
        "in alphabetical order",
    ),
    "start": ("at the start of the list", "at the start of the list", "in the order of the list"),
    "end": ("at the end of the list", "at the end of the list", "the very last one first"),
}
COUNTS = {1: "one", 2: "two", 3: "three"}
SHOWN = ("K", "K", "K", "K=V", "K (V)", "V K", "K:V", "V-K", "K@V", "K[V]")
JOINS = (", ", " > ", " + ", "; ", "/", " then ", " & ", "|", " .. ", "+")
FRAMES = ("*", "*", "*", "(*)", "<*>", "{*}", "top *", "-> *", "*.", "= *", "*!")
ITEM = r"(?:[a-z]+(?:[=:@]\d\d| \(\d\d\)|\[\d\d\])?|\d\d[ -][a-z]+)"
FORM = re.compile(
    rf"(?:\(|<|\{{|top |-> |= )?{ITEM}(?:(, | > | \+ |; |/| then | & |\|| \.\. |\+){ITEM}(?:\1{ITEM})?)?[)>}}.!]?"
)


def _items(rng: random.Random) -> dict[str, int]:
    """Four items whose names begin, and whose values differ, clearly."""
    names: dict[str, str] = {}
    for noun in rng.sample(NOUNS, len(NOUNS)):
        names.setdefault(noun[0], noun)
    tens = rng.sample(range(1, 10), 4)
    return {name: 10 * ten + rng.randint(0, 9) for name, ten in zip(list(names.values())[:4], tens, strict=True)}


def _chosen(pick: str, items: dict[str, int]) -> list[str]:
    if pick in ("highest", "lowest"):
        return sorted(items, key=lambda name: items[name], reverse=pick == "highest")
    if pick == "alphabet":
        return sorted(items)
    return list(items) if pick == "start" else list(items)[::-1]


def check(answer: str) -> bool:
    return FORM.fullmatch(answer) is not None


def draft(rng: random.Random) -> Draft:
    """Draw one team's way to report a measured list."""
    pick = rng.choice(list(PICKS))
    count, shown, join, frame = rng.choice((1, 2, 2, 3)), rng.choice(SHOWN), rng.choice(JOINS), rng.choice(FRAMES)
    while count == 1 and shown == "K" and frame == "*":
        frame = rng.choice(FRAMES)

    def ask(rng: random.Random) -> Task:
        items = _items(rng)
        plain = ", ".join(f"{name} {value}" for name, value in items.items())
        prompt = rng.choice(
            (
                plain,
                "Measured: " + ", ".join(f"{name}={value}" for name, value in items.items()),
                json.dumps(items),
                f"We got {plain}. What do we report?",
                "List: " + "; ".join(f"{name} ({value})" for name, value in items.items()),
            )
        )
        chosen = [shown.replace("V", str(items[name])).replace("K", name) for name in _chosen(pick, items)[:count]]
        return Task(prompt, frame.replace("*", join.join(chosen)))

    one, several, order = PICKS[pick]
    which = f"the one item {one}" if count == 1 else f"the {COUNTS[count]} items {several}, {order}"
    item, both = shown.replace("V", "VALUE").replace("K", "NAME"), join.join(("A", "B"))
    looks = f"`{item}`" if shown != "K" else "its name, without the value"
    rules = [
        (
            f"Report {which}.",
            f"From the list take {which}; leave out the rest.",
            f"What we report is {which}.",
            f"Only {COUNTS[count]} of the list {'is' if count == 1 else 'are'} wanted, namely {which}.",
            f"Of all items keep just {which}.",
            f"The report names {which}, and no further item.",
        ),
        (
            f"An item is written as {looks}.",
            f"For each item write {looks}.",
            f"Items appear as follows: {looks}.",
            f"We show an item by {looks}.",
            f"The form of an item is {looks}.",
            f"Every reported item takes this form: {looks}.",
        ),
    ]
    if count > 1:
        rules.append(
            (
                f"Join them with `{join}`, as in `{both}`.",
                f"Two items are joined like `{both}`.",
                f"Between items stands `{join}`, so A and B give `{both}`.",
                f"The separator is the one in `{both}`.",
                f"Link the items as in `{both}`.",
                f"Write `{join}` from one item to the next: `{both}`.",
            )
        )
    if frame != "*":
        framed = frame.replace("*", "ITEMS" if count > 1 else "ITEM")
        rules.append(
            (
                f"The whole result is written `{framed}`.",
                f"Put this into the form `{framed}`.",
                f"Around it goes what `{framed}` shows.",
                f"At last write it as `{framed}`.",
                f"The finished line has the form `{framed}`.",
                f"Everything together looks like `{framed}`.",
            )
        )
    rules.append(
        (
            "Output only this.",
            "Answer with the result and nothing else.",
            "Reply with this line alone.",
            "Give no explanation, just the line.",
            "The answer is the finished line only.",
            "Write the result without any comment.",
        )
    )
    return Draft(
        name=rng.choice(("top-items", "rank-list", "short-ranking", "report-extremes")),
        title=rng.choice(("What we report of a list", "Short rankings", "Items for the report")),
        description=rng.choice(
            (
                "Picks and orders items of a measured list. Use it when items with values are given.",
                "Says which items of a list are reported. Use for every list of measurements.",
                "Our short form of a list with values.",
            )
        ),
        rules=tuple(rules),
        ask=ask,
    )
