"""Identifiers: a phrase becomes a name in the style of one code base, often with one fixed word added.

The style, the added word and its place are drawn for each skill.
"""

import random
from collections.abc import Callable

from training.tasks.content import ANIMALS, COLOURS, NOUNS
from training.tasks.wording import Draft, Task

SUBTASK = "Refactor/API Migration"
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
        return Task(f"Phrase: {' '.join(words)}", build(words))

    if place:
        adding = (
            f"Add the word `{added}` as the {place} word before you apply the style.",
            f"Every identifier {'begins' if place == 'first' else 'ends'} with one more word, `{added}`, "
            "spelled in the same style as the others.",
            f"The words are those of the phrase, {'after' if place == 'first' else 'followed by'} the word `{added}`; "
            "all of them follow the style.",
        )
    else:
        adding = (
            "Use the words of the phrase in their order and add none.",
            "No prefix and no suffix is added to the phrase.",
            "The identifier holds just the words of the phrase.",
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
            ),
            adding,
            ("Output only the identifier.", "Answer with the name alone.", "Reply with one identifier, no quotes."),
        ),
        ask=ask,
    )
