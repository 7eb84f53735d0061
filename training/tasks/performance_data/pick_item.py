"""Picking one item of a list: which one becomes the key, which word goes before all, and how the name is written."""

import random
import re

from training.tasks.content import ANIMALS, COLOURS, NOUNS
from training.tasks.wording import Draft, Task

SUBTASK = "Performance/Data"
OPEN = True
HELD_OUT = False
WORDS = ("id", "tag", "day", "log", "region", "country", "currency", "warehouse", "department", *NOUNS)
PICKS = {
    "first": ("the first word of the list", "the word that stands at the start of the list"),
    "second": ("the second word of the list", "the word that stands right behind the first one"),
    "last but one": ("the last word but one", "the word that stands right before the last one"),
    "last": ("the last word of the list", "the word that stands at the end of the list"),
    "longest": ("the longest word of the list", "the word with the most letters"),
    "shortest": ("the shortest word of the list", "the word with the fewest letters"),
    "alphabetical": ("the word that comes first in the alphabet", "the alphabetically first word"),
    "reverse": ("the word that comes last in the alphabet", "the alphabetically last word"),
}
PLACES = {"first": 0, "second": 1, "last but one": -2, "last": -1}
SHAPES = ("{}_TAG", "{}-TAG", "TAG:{}", "TAG_{}", "TAG/{}", "{} (TAG)", "TAG({})", "<TAG {}>", "[{} TAG]", "{}#TAG")
SHAPES += ("TAG={}", "TAG.{}", "{}@TAG", "{}.TAG", "TAG-{}", "{}:TAG", "TAG > {}", "{}+TAG", "TAG[{}]", "{}/TAG")
FORM = re.compile(
    r"[a-z]+(?:[-_:/=.@#+]| > )[a-z]+|[a-z]+ ?\([a-z]+\)|<[a-z]+ [a-z]+>|\[[a-z]+ [a-z]+\]|[a-z]+\[[a-z]+\]"
)


def _four_lengths(rng: random.Random) -> list[str]:
    words: list[str] = []
    for word in rng.sample(WORDS, len(WORDS)):
        if len(word) not in {len(other) for other in words}:
            words.append(word)
        if len(words) == 4:
            break
    return words


def _choose(pick: str, words: list[str]) -> str:
    if pick in PLACES:
        return words[PLACES[pick]]
    if pick in ("alphabetical", "reverse"):
        return (min if pick == "alphabetical" else max)(words)
    return (max if pick == "longest" else min)(words, key=len)


def check(answer: str) -> bool:
    return FORM.fullmatch(answer) is not None


def draft(rng: random.Random) -> Draft:
    """Draw how one team picks its key, perhaps with a word that goes before all others."""
    pick = rng.choice(list(PICKS))
    tag = rng.choice(("idx", "key", "part", "chosen", "hot", "main", "shard", *ANIMALS, *COLOURS))
    shape = rng.choice(SHAPES).replace("TAG", tag)
    role = rng.choice(("index", "partition key", "cache key", "sort key"))
    preferred = rng.choice(WORDS) if rng.random() < 0.5 else ""

    def ask(rng: random.Random) -> Task:
        words = _four_lengths(rng)
        if preferred and preferred not in words and rng.random() < 0.35:
            same = [i for i, word in enumerate(words) if len(word) == len(preferred)]
            words[same[0] if same else rng.randrange(4)] = preferred
        label = rng.choice(("Columns", "Columns", "Fields", "Words"))
        listed = ", ".join(words)
        prompt = rng.choice(
            (
                f"{label}: {listed}",
                f"{label}: {listed}",
                listed,
                f"Which one of {listed}?",
                f"The table has {listed}. Which {role} do we use?",
                f"List of names: [{listed}]",
                f"Please choose: {listed}",
                f"{', '.join(words[:-1])} and {words[-1]}: which of them?",
                f"names = {listed}",
                "Take one of these.\n" + "\n".join(words),
                f"Name the {role} for {' / '.join(words)}",
            )
        )
        return Task(prompt, shape.format(preferred if preferred in words else _choose(pick, words)))

    plain, other = PICKS[pick]
    before, after = shape.split("{}")
    around = [f"`{before}` directly before it"] if before else []
    around += [f"`{after}` directly after it"] if after else []
    sample = rng.choice(("apple", "pear", "melon"))
    rules = [
        (
            f"The {role} is {plain}.",
            f"Choose {other} as the {role}.",
            f"From the listed words pick {rng.choice((plain, other))}; ignore the others.",
            f"What we use as the {role} is {plain}, and the other words do not matter.",
            f"Go through the list and take {other}. That word becomes the {role}.",
            f"Which word becomes the {role}? It is {plain}.",
            f"To find the {role}, look for {other}.",
            f"{other[0].upper()}{other[1:]} is to be the {role}; the rest of the list is left out.",
            f"Out of the names that are given, only {plain} becomes the {role}.",
        ),
        (
            f"Write it as `{shape.format('NAME')}`, where NAME is the chosen word.",
            f"Write the word with {' and '.join(around)}.",
            f"A chosen word `{sample}` is written `{shape.format(sample)}`.",
            f"The form is `{shape.format('WORD')}`; the chosen word goes where WORD stands.",
            f"For `{sample}` we would write `{shape.format(sample)}`, and any other word takes the same form.",
            f"Fill the chosen word in for WORD:\n\n```\n{shape.format('WORD')}\n```\n",
            f"The chosen word is never written bare: `{sample}` turns into `{shape.format(sample)}`, others likewise.",
            f"Spell the result like `{shape.format('plum')}`, with the chosen word in place of `plum`.",
        ),
        (
            "Output only this.",
            "Answer with the result and nothing else.",
            "Reply with the written word alone.",
            "Nothing but the word in this form is the answer.",
            "Give the finished key, with no other text.",
            "Write one line, the result, and stop there.",
            "Do not repeat the list and do not say why; the result is enough.",
            "The whole answer is this one expression.",
        ),
    ]
    if preferred:
        rules.insert(
            1,
            (
                f"If `{preferred}` is in the list, choose it instead, whatever else is listed.",
                f"There is one exception: out of a list that has `{preferred}`, take `{preferred}`.",
                f"`{preferred}` wins over every other word as soon as it is listed.",
                f"Before that, look for `{preferred}`. If it is listed, it is the {role}; only if not, the rule "
                "counts.",
                f"When `{preferred}` is among the words, do not choose in this way: take `{preferred}`.",
                f"That is for lists without `{preferred}`; from any other list `{preferred}` is chosen.",
                f"The rule has an exception:\n\n| list | {role} |\n|---|---|\n| has `{preferred}` | `{preferred}` |\n"
                f"| does not have `{preferred}` | by the rule |\n",
                f"Should the list contain `{preferred}`, then `{preferred}` is taken, even against that rule.",
            ),
        )
    return Draft(
        name=rng.choice(("pick-item", "choose-key", "key-choice", "select-column")),
        title=rng.choice(("Choosing the key", "Which column we pick", f"Picking the {role}")),
        description=rng.choice(
            (
                f"Picks the {role} from a list of names. Use it when a list is given.",
                f"Says which name of a list becomes the {role}. Use for every list of columns.",
                "Chooses one item of a list. Use when names are listed.",
            )
        ),
        rules=tuple(rules),
        ask=ask,
    )
