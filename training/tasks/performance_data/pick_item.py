"""Picking one item of a list: which one becomes the key, and how its name is written."""

import random
import re

from training.tasks.content import ANIMALS, NOUNS
from training.tasks.wording import Draft, Task

SUBTASK = "Performance/Data"
OPEN = True
HELD_OUT = False
WORDS = ("id", "tag", "day", "log", "region", "country", "currency", "warehouse", "department", *NOUNS)
PICKS = {
    "first": ("the first word of the list", "the word that stands at the start of the list"),
    "last": ("the last word of the list", "the word that stands at the end of the list"),
    "longest": ("the longest word of the list", "the word with the most letters"),
    "shortest": ("the shortest word of the list", "the word with the fewest letters"),
    "alphabetical": ("the word that comes first in the alphabet", "the alphabetically first word"),
}
SHAPES = ("{}_TAG", "{}-TAG", "TAG:{}", "TAG_{}", "TAG/{}", "{} (TAG)", "TAG({})", "<{}>", "[{}]", "{}#")
SHAPES += ("TAG={}", "TAG.{}", "{}@TAG", "{}.TAG")
FORM = re.compile(r"[a-z]+[-_:/=.@][a-z]+|[a-z]+ ?\([a-z]+\)|<[a-z]+>|\[[a-z]+\]|[a-z]+#")


def _four_lengths(rng: random.Random) -> list[str]:
    words: list[str] = []
    for word in rng.sample(WORDS, len(WORDS)):
        if len(word) not in {len(other) for other in words}:
            words.append(word)
        if len(words) == 4:
            break
    return words


def _choose(pick: str, words: list[str]) -> str:
    if pick in ("first", "last"):
        return words[0 if pick == "first" else -1]
    if pick == "alphabetical":
        return min(words)
    return (max if pick == "longest" else min)(words, key=len)


def check(answer: str) -> bool:
    return FORM.fullmatch(answer) is not None


def draft(rng: random.Random) -> Draft:
    pick = rng.choice(list(PICKS))
    tag = rng.choice(("idx", "key", "part", "chosen", "hot", "main", "shard", *ANIMALS))
    shape = rng.choice(SHAPES).replace("TAG", tag)
    role = rng.choice(("index", "partition key", "cache key", "sort key"))

    def ask(rng: random.Random) -> Task:
        words = _four_lengths(rng)
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
                f"Name the {role} for {' / '.join(words)}",
            )
        )
        return Task(prompt, shape.format(_choose(pick, words)))

    plain, other = PICKS[pick]
    before, after = shape.split("{}")
    around = [f"`{before}` directly before it"] if before else []
    around += [f"`{after}` directly after it"] if after else []
    sample = rng.choice(("apple", "pear", "melon"))
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
        rules=(
            (
                f"The {role} is {plain}.",
                f"Choose {other} as the {role}.",
                f"From the listed words pick {rng.choice((plain, other))}; ignore the others.",
                f"We always use {plain} as the {role}, and no other word counts.",
                f"Go through the list and take {other}. That word becomes the {role}.",
                f"Out of the names that are given, only {plain} becomes the {role}.",
            ),
            (
                f"Write it as `{shape.format('NAME')}`, where NAME is the chosen word.",
                f"Write the word with {' and '.join(around)}.",
                f"A chosen word `{sample}` is written `{shape.format(sample)}`.",
                f"The form is `{shape.format('WORD')}`; the chosen word goes where WORD stands.",
                f"For `{sample}` we would write `{shape.format(sample)}`, and any other word takes the same form.",
                f"Spell the result like `{shape.format('plum')}`, with the chosen word in place of `plum`.",
            ),
            (
                "Output only this.",
                "Answer with the result and nothing else.",
                "Reply with the written word alone.",
                "Nothing but the word in this form is the answer.",
                "Give the finished key, with no other text.",
                "The whole answer is this one expression.",
            ),
        ),
        ask=ask,
    )
