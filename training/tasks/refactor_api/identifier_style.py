"""Identifiers: a phrase becomes a name in the style of one code base, often with one fixed word added.

The style, the added word and its place are drawn for each skill.
"""

import random
import re
from collections.abc import Callable

from training.tasks.content import ANIMALS, COLOURS, NOUNS
from training.tasks.wording import Draft, Task

SUBTASK = "Refactor/API Migration"
OPEN = False
HELD_OUT = False
# Each style with its name, what it does to the letters and what stands between the words.
STYLES: tuple[tuple[str, str, str, Callable[[list[str]], str]], ...] = (
    ("snake_case", "in lower case", "joined by `_`", "_".join),
    ("kebab-case", "in lower case", "joined by `-`", "-".join),
    ("dotted.case", "in lower case", "joined by `.`", ".".join),
    ("UPPER_SNAKE_CASE", "in capitals", "joined by `_`", lambda words: "_".join(words).upper()),
    ("Train-Case", "with a capital first letter each", "joined by `-`", lambda words: "-".join(words).title()),
    (
        "PascalCase",
        "with a capital first letter each",
        "put together without a separator",
        lambda words: _camel(0, words),
    ),
    (
        "camelCase",
        "with a capital first letter each, save for the first word, which is in lower case",
        "put together without a separator",
        lambda words: _camel(1, words),
    ),
)
MIDDLES = ["last", "next", "total", "first", "open", "daily", "empty", "main", "final", "local"]
ENDS = ["count", "name", "size", "date", "limit", "state", "list", "code", "price", "owner"]
ADDED = (*ANIMALS, *COLOURS, *["tmp", "ref", "core", "legacy", "raw", "my", "value", "ours"])
FORMS = (
    "Phrase: {p}",
    "{p}",
    "Name this: {p}",
    "We need an identifier for the {p}.",
    "What is the {p} called in our code?",
    'Spell "{p}" for the code base',
)
FORM = re.compile(
    r"[a-z]+(?P<sign>[_.-])[a-z]+((?P=sign)[a-z]+)*|[A-Z]+(_[A-Z]+)+|[A-Z][a-z]+(-[A-Z][a-z]+)+|[A-Za-z][a-z]+([A-Z][a-z]+)+"
)


def check(answer: str) -> bool:
    """Whether this is one identifier in any of the styles."""
    return FORM.fullmatch(answer) is not None


def _camel(small: int, words: list[str]) -> str:
    return "".join([*words[:small], *(word.capitalize() for word in words[small:])])


def draft(rng: random.Random) -> Draft:
    """Draw one code base's style of identifiers."""
    style, letters, joined, spell = rng.choice(STYLES)
    added = rng.choice(ADDED)
    place = rng.choice(("first", "last", ""))

    def build(words: list[str]) -> str:
        return spell([*([added] if place == "first" else []), *words, *([added] if place == "last" else [])])

    def ask(rng: random.Random) -> Task:
        words = [rng.choice(NOUNS), rng.choice(MIDDLES), rng.choice(ENDS)]
        if rng.random() < 0.3:
            del words[1]
        return Task(rng.choice(FORMS).format(p=" ".join(words)), build(words))

    if place:
        adding = (
            f"Add the word `{added}` as the {place} word before you apply the style.",
            f"Every identifier {'begins' if place == 'first' else 'ends'} with one more word, `{added}`, "
            "spelled in the same style as the others.",
            f"The words are those of the phrase, {'after' if place == 'first' else 'followed by'} the word `{added}`; "
            "all of them follow the style.",
            f"`{added}` is the {place} word of each identifier and is styled like the words of the phrase.",
            f"One word is added to the phrase before styling: `{added}`, which comes {place}.",
            f"Put `{added}` {'before' if place == 'first' else 'behind'} the words of the phrase, "
            "then style them all alike.",
        )
    else:
        adding = (
            "Use the words of the phrase in their order and add none.",
            "No prefix and no suffix is added to the phrase.",
            "The identifier holds just the words of the phrase.",
            "Take the phrase word by word; nothing is put before or behind it.",
            "No word is added, left out or moved.",
            "Just as many words as the phrase has, in the same order, make up the identifier.",
        )
    return Draft(
        name=rng.choice(("identifier-style", "naming-rules", "name-things", "spell-identifiers")),
        title=rng.choice(("Identifiers", "How we name things", "Naming rules")),
        description=rng.choice(
            (
                "Turns a phrase into an identifier. Use it when a name for something is needed.",
                "Spells names the way this code base does. Use for each new or renamed identifier.",
                "Our naming style for a given phrase.",
            )
        ),
        rules=(
            (
                f"Write names in {style}: the words `big`, `red`, `fox` give `{spell(['big', 'red', 'fox'])}`.",
                f"The words are {joined}; write them {letters}.",
                f"Use {style} for identifiers, so the words are {joined}.",
                f"Identifiers are in {style}; `big red fox` turns into `{spell(['big', 'red', 'fox'])}`.",
                f"All words of a name are {joined} and written {letters}.",
                f"The style is {style}: write the words {letters}, {joined}.",
            ),
            adding,
            (
                "Output only the identifier.",
                "Answer with the name alone.",
                "Reply with one identifier, no quotes.",
                "Give the identifier and no other word.",
                "Nothing but the finished name is wanted.",
                "The whole answer is that identifier, with no quotes around it.",
            ),
        ),
        ask=ask,
    )
