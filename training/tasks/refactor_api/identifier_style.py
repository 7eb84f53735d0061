"""Identifiers: a phrase becomes a name in the style of one code base, often with a fixed word added or replaced.

The style, the added words, their places and the word that is replaced are drawn for each skill.
"""

import random
import re

from training.tasks.content import ANIMALS, COLOURS, NOUNS
from training.tasks.wording import Draft, Task

SUBTASK = "Refactor/API Migration"
OPEN = False
HELD_OUT = False
LETTERS = {
    "lower": "in lower case",
    "upper": "in capitals",
    "title": "with a capital first letter each",
    "camel": "with a capital first letter each, save for the first word, which is in lower case",
}
# What stands between the words, and the first word of the style's name; the name is spelled in the style itself.
SIGNS = {"_": "snake", "-": "kebab", ".": "dotted", "/": "path", ":": "colon", "::": "scoped", "__": "dunder", "": ""}
MIDDLES = ["last", "next", "total", "first", "open", "daily", "empty", "main", "final", "local"]
ENDS = ["count", "name", "size", "date", "limit", "state", "list", "code", "price", "owner"]
ADDED = (*ANIMALS, *COLOURS, *["tmp", "ref", "core", "legacy", "raw", "my", "value", "ours"])
INSTEAD = "amount label title extent day moment bound status mode series items mark cost fee holder keeper".split()
FORMS = (
    "Phrase: {p}",
    "{p}",
    "Name this: {p}",
    "We need an identifier for the {p}.",
    "What is the {p} called in our code?",
    'Spell "{p}" for the code base',
    "phrase = {p}",
    "Please give me an identifier. It stands for: {p}",
    "The {p} has no name yet. How do we write it?",
    "{p}, as an identifier",
)
WORD = "(?:[a-z]+|[A-Z]+|[A-Z][a-z]+)"
FORM = re.compile(rf"{WORD}(__|::|[_./:-]){WORD}(?:\1{WORD})*|[A-Za-z][a-z]+(?:[A-Z][a-z]+)+")


def check(answer: str) -> bool:
    """Whether this is one identifier in any of the styles."""
    return FORM.fullmatch(answer) is not None


def _spell(words: list[str], letters: str, sign: str) -> str:
    if letters in ("lower", "upper"):
        return getattr(sign.join(words), letters)()
    small = letters == "camel"
    return sign.join([*words[:small], *(word.capitalize() for word in words[small:])])


def draft(rng: random.Random) -> Draft:
    """Draw one code base's style of identifiers."""
    sign = rng.choice(list(SIGNS))
    letters = rng.choice(list(LETTERS) if sign else ["title", "camel"])
    places = rng.choice((["first"], ["first"], ["last"], ["last"], ["first", "last"], []))
    added = dict(zip(places, rng.sample(ADDED, 2), strict=False))
    replaced = rng.choice((*MIDDLES, *ENDS, *ENDS)) if not added or rng.random() < 0.5 else ""
    instead = rng.choice((*INSTEAD, *ADDED))
    while instead in added.values():
        instead = rng.choice(INSTEAD)

    def spell(*words: str) -> str:
        return _spell(list(words), letters, sign)

    def extended(*words: str) -> list[str]:
        return [*([added["first"]] if "first" in added else []), *words, *([added["last"]] if "last" in added else [])]

    def ask(rng: random.Random) -> Task:
        words = [rng.choice(NOUNS), rng.choice(MIDDLES), rng.choice(ENDS)]
        if rng.random() < 0.3:
            del words[1]
        if replaced and rng.random() < 0.4:
            words[1 if replaced in MIDDLES else -1 :] = [replaced] if replaced in ENDS else [replaced, *words[-1:]]
        said = [instead if word == replaced else word for word in words]
        return Task(rng.choice(FORMS).format(p=" ".join(words)), spell(*extended(*said)))

    how, joined = LETTERS[letters], f"joined by `{sign}`" if sign else "put together without a separator"
    style = spell(SIGNS[sign] or ("pascal" if letters == "title" else "camel"), "case")
    if added:
        places = [f"`{word}` as the {place} word" for place, word in added.items()]
        does = [f"{'begins' if place == 'first' else 'ends'} with `{word}`" for place, word in added.items()]
        which = [f"`{word}` is the {place} word" for place, word in added.items()]
        put = [f"`{word}` {'before' if place == 'first' else 'behind'}" for place, word in added.items()]
        order = ", ".join(
            f"`{word}`" if word in added.values() else word for word in extended("the words of the phrase")
        )
        rows = "\n".join(f"- new {place} word: `{word}`" for place, word in added.items())
        adding = (
            f"Add {' and '.join(places)} before you apply the style.",
            f"Every identifier {' and '.join(does)}, spelled in the same style as the other words.",
            f"The words of an identifier are, in this order: {order}. All of them follow the style.",
            f"{' and '.join(which)} of each identifier, styled like the words of the phrase.",
            f"Before styling the phrase is made longer, so that {' and '.join(which)}.",
            f"Treat a phrase `big fox` as if it said `{' '.join(extended('big', 'fox'))}`, and any other phrase "
            "likewise.",
            f"Every identifier gets this, in the style of the rest:\n\n{rows}\n",
            f"Put {' and '.join(put)} the words of the phrase, then style them all alike.",
        )
    else:
        adding = (
            "Use the words of the phrase in their order and add none.",
            "No prefix and no suffix is added to the phrase.",
            "The identifier has one word for each word of the phrase and no further one.",
            "Take the phrase word by word; nothing is put before or behind it.",
            "No word is added, left out or moved.",
            "A phrase of two words gives an identifier of two words, and one of three gives three, in the same order.",
            "Whatever the phrase, its identifier gets no word on top.",
            "Just as many words as the phrase has, in the same order, make up the identifier.",
        )
    rules = [
        (
            f"Write names in `{style}`: the words `big`, `red`, `fox` give `{spell('big', 'red', 'fox')}`.",
            f"The words are {joined}; write them {how}.",
            f"Use `{style}` for identifiers, that is, the words {how}, {joined}.",
            f"Identifiers are in `{style}`; `big`, `red` and `fox` together are `{spell('big', 'red', 'fox')}`.",
            f"All words of a name are {joined} and written {how}.",
            f"Two words `big`, `fox` make `{spell('big', 'fox')}`, three words `old`, `red`, `hen` make "
            f"`{spell('old', 'red', 'hen')}`, and so on.",
            f"Our spelling of identifiers:\n\n| words | identifier |\n|---|---|\n| big, fox | `{spell('big', 'fox')}` "
            f"|\n| old, red, hen | `{spell('old', 'red', 'hen')}` |\n",
            f"An identifier is a single unit. Its words are {joined}, and their letters are written like this: {how}.",
            f"The style is `{style}`: write the words {how}, {joined}.",
        ),
        adding,
        (
            "Output only the identifier.",
            "Answer with the name alone.",
            "Reply with one identifier, no quotes.",
            "Give the identifier and no other word.",
            "Nothing but the finished name is wanted.",
            "Write the identifier on one line and stop there.",
            "The phrase is not repeated and nothing is explained; the name is all.",
            "The whole answer is that identifier, with no quotes around it.",
        ),
    ]
    if replaced:
        rules.insert(
            2,
            (
                f"Instead of the word `{replaced}` write `{instead}`, styled like any other word.",
                f"If the phrase has the word `{replaced}`, put `{instead}` in its place.",
                f"`{instead}` replaces `{replaced}` wherever a phrase has it.",
                f"No identifier says `{replaced}`: there the word is `{instead}`.",
                f"One word is exchanged before the style is applied: `{replaced}` becomes `{instead}`.",
                f"Where the phrase says `{replaced}`, the identifier says `{instead}`, in the same style.",
                f"Words that change:\n\n| phrase | identifier |\n|---|---|\n| {replaced} | {instead} |\n"
                "| any other word | the same word |\n",
                f"A phrase with `{replaced}` in it is treated as if it had `{instead}` there.",
            ),
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
        rules=tuple(rules),
        ask=ask,
    )
