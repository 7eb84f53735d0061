"""Short rankings: which items of a measured list are reported, in which order, and how they are joined.

One item may be left out whatever its value.
"""

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
    "reverse": (
        "whose name comes last in the alphabet",
        "whose names come last in the alphabet",
        "in reverse alphabetical order",
    ),
    "start": ("at the start of the list", "at the start of the list", "in the order of the list"),
    "end": ("at the end of the list", "at the end of the list", "the very last one first"),
}
COUNTS = {1: "one", 2: "two", 3: "three"}
SHOWN = ("K", "K", "K=V", "K (V)", "V K", "K:V", "V-K", "K@V", "K[V]", "V (K)", "K#V", "V:K", "K~V", "V@K", "V=K")
JOINS = (", ", " > ", " + ", "; ", "/", " then ", " & ", "|", " .. ", "+", " < ", " and ", " :: ", "//")
FRAMES = (
    "*",
    "*",
    "(*)",
    "<*>",
    "{*}",
    "top *",
    "-> *",
    "*.",
    "= *",
    "*!",
    "[*]",
    "# *",
    "* <-",
    "~*~",
    "list: *",
    "* ok",
)
ITEM = r"(?:[a-z]+(?:[=:@#~]\d\d| \(\d\d\)|\[\d\d\])?|\d\d(?:[ :@=-][a-z]+| \([a-z]+\)))"
JOIN = "|".join(re.escape(join) for join in JOINS)
FORM = re.compile(rf"(?:[(<{{~[]|top |-> |= |# |list: )?{ITEM}(?:({JOIN}){ITEM}(?:\1{ITEM})?)?(?:[)>}}.!~\]]| <-| ok)?")


def _items(rng: random.Random, wanted: str) -> dict[str, int]:
    """Four items, the wanted one among them, whose names begin, and whose values differ, clearly."""
    names: dict[str, str] = {wanted[0]: wanted} if wanted else {}
    for noun in rng.sample(NOUNS, len(NOUNS)):
        names.setdefault(noun[0], noun)
    tens = rng.sample(range(1, 10), 4)
    four = rng.sample(list(names.values())[:4], 4)
    return {name: 10 * ten + rng.randint(0, 9) for name, ten in zip(four, tens, strict=True)}


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
    skipped = rng.choice(NOUNS) if count == 1 or rng.random() < 0.4 else ""

    def ask(rng: random.Random) -> Task:
        items = _items(rng, skipped if rng.random() < 0.4 else "")
        plain = ", ".join(f"{name} {value}" for name, value in items.items())
        prompt = rng.choice(
            (
                plain,
                "Measured: " + ", ".join(f"{name}={value}" for name, value in items.items()),
                json.dumps(items),
                "\n".join(f"{name}: {value}" for name, value in items.items()),
                f"Please make the report: {plain}",
                " | ".join(f"{name} {value}" for name, value in items.items()),
                f"What is to be said of {plain}?",
                f"We got {plain}. What do we report?",
                "List: " + "; ".join(f"{name} ({value})" for name, value in items.items()),
            )
        )
        told = {name: value for name, value in items.items() if name != skipped}
        chosen = [shown.replace("V", str(told[name])).replace("K", name) for name in _chosen(pick, told)[:count]]
        return Task(prompt, frame.replace("*", join.join(chosen)))

    one, several, order = PICKS[pick]
    which = f"the one item {one}" if count == 1 else f"the {COUNTS[count]} items {several}, {order}"
    item, both = shown.replace("V", "VALUE").replace("K", "NAME"), join.join(("A", "B"))
    looks = f"`{item}`" if shown != "K" else "its name, without the value"
    sample = shown.replace("V", "42").replace("K", "fox")
    rules = [
        (
            f"Report {which}.",
            f"From the list take {which}; leave out the rest.",
            f"What we report is {which}.",
            f"Only {COUNTS[count]} of the list {'is' if count == 1 else 'are'} wanted, namely {which}.",
            f"Of all items keep just {which}.",
            f"You are given items with their values. Choose {which}.",
            f"Wanted: {which}.",
            f"The report names {which}, and no further item.",
        ),
        (
            f"An item is written as {looks}.",
            f"For each item write {looks}.",
            f"Items appear as follows: {looks}.",
            f"We show an item by {looks}.",
            f"The form of an item is {looks}.",
            f"An item `fox` with the value 42 would be written `{sample}`, and every other item likewise.",
            f"How an item is written:\n\n| item | value | written |\n|---|---|---|\n| fox | 42 | `{sample}` |\n"
            f"| hen | 17 | `{shown.replace('V', '17').replace('K', 'hen')}` |\n",
            f"Every reported item takes this form: {looks}.",
        ),
    ]
    if skipped:
        rules.insert(
            1,
            (
                f"`{skipped}` is never reported; choose as if it were not in the list.",
                f"Skip `{skipped}`: it does not count, whatever its value and its place.",
                f"Before you choose, strike `{skipped}` from the list if it is there.",
                f"Leave `{skipped}` aside and choose among the other items.",
                f"If the list has `{skipped}`, act as though it did not have it.",
                f"The report has no place for `{skipped}`: take what would be chosen without it.",
                f"Which items are considered:\n\n| item | considered |\n|---|---|\n| `{skipped}` | no |\n"
                "| any other | yes |\n",
                f"All items are considered but one, `{skipped}`, which is dropped before the choice.",
            ),
        )
    if count > 1:
        rules.append(
            (
                f"Join them with `{join}`, as in `{both}`.",
                f"Two items are joined like `{both}`.",
                f"Between items stands `{join}`, so A and B give `{both}`.",
                f"The separator is the one between A and B in `{both}`.",
                f"Link the items as in `{both}`.",
                f"After each item but the last comes `{join}`, with spaces just where `{both}` has them.",
                f"Items stand together on one line as A and B do here:\n\n```\n{both}\n```\n",
                f"Write `{join}` from one item to the next: `{both}`.",
            )
        )
    if frame != "*":
        noun = "ITEMS" if count > 1 else "ITEM"
        framed = frame.replace("*", noun)
        rules.append(
            (
                f"The whole result is written `{framed}`.",
                f"Put this into the form `{framed}`.",
                f"Around it goes what `{framed}` shows.",
                f"At last write it as `{framed}`.",
                f"The finished line has the form `{framed}`.",
                f"The report has this form, in which {noun} is what was chosen:\n\n```\n{framed}\n```\n",
                f"One step is left: replace {noun} in `{framed}` by what you have so far.",
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
            "Do not repeat the list; the finished line is enough.",
            "One line is wanted, and nothing before or after it.",
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
