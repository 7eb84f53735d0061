"""Cache keys: the parts of an object joined behind a namespace, with a version tag and a case."""

import json
import random
import re

from training.tasks.content import ANIMALS, COLOURS, NOUNS
from training.tasks.wording import Draft, Task

SUBTASK = "Performance/Data"
OPEN = True
HELD_OUT = True
PARTS = ("kind", "id", "locale")
LOCALES = "de fr es it pl nl sv en".split()
SEPARATORS = (":", "/", ".", "-", "_", "|", "::", "#", "~")
FORM = re.compile(r"[A-Za-z0-9]+(::|[:/.\-_|#~])[A-Za-z0-9]+(?:\1[A-Za-z0-9]+){1,3}")


def check(answer: str) -> bool:
    return FORM.fullmatch(answer) is not None


def draft(rng: random.Random) -> Draft:
    """Draw the key scheme of one cache."""
    letters = "".join(rng.choices("bcdfghkmnprstvwxz", k=rng.choice((2, 3))))
    namespace = rng.choice(
        (letters, letters.upper(), rng.choice(ANIMALS), rng.choice(COLOURS) + str(rng.randint(2, 9)))
    )
    tag = rng.choice("vrgxV") + str(rng.randint(2, 40))
    kept = rng.sample(PARTS, rng.choice((2, 2, 3)))
    separator, upper, tag_last = rng.choice(SEPARATORS), rng.random() < 0.4, rng.random() < 0.5
    default = rng.choice(LOCALES) if "locale" in kept and rng.random() < 0.5 else ""

    def ask(rng: random.Random) -> Task:
        thing = {"kind": rng.choice(NOUNS), "id": str(rng.randint(10, 999)), "locale": rng.choice(LOCALES)}
        if default and rng.random() < 0.3:
            thing["locale"] = default
        parts = [thing[part] for part in kept if part != "locale" or thing[part] != default]
        parts = [part.upper() if upper else part for part in parts]
        kind, number, locale = thing.values()
        prompt = rng.choice(
            (
                f"Kind: {kind}. Id: {number}. Locale: {locale}",
                f"{kind} {number}, locale {locale}",
                f"Locale {locale}, {kind} with id {number}",
                json.dumps(thing),
                f"kind={kind} id={number} locale={locale}",
                f"Please give me the cache key of this {kind}: id {number}, locale {locale}.",
                f"Which key has the {kind} with id {number} in locale {locale}?",
                f"Make a key.\nid: {number}\nlocale: {locale}\nkind: {kind}",
                f"We cache {kind} {number} for locale {locale}. Under which key?",
            )
        )
        return Task(prompt, separator.join((namespace, *parts, tag) if tag_last else (namespace, tag, *parts)))

    listed = ", ".join(kept)
    unused = [part for part in PARTS if part not in kept]
    dropped = f"; the {unused[0]} is left out" if unused else ""
    steps = "\n".join(f"{i}. {part}" for i, part in enumerate(kept, 1))
    place = "at the very end" if tag_last else f"right after `{namespace}`"
    rules = [
        (
            f"A key begins with the namespace `{namespace}`.",
            f"The first part of every key is `{namespace}`.",
            f"Put the namespace `{namespace}` in front.",
            f"All keys live in the namespace `{namespace}`, which is written first.",
            f"Start the key with `{namespace}`, exactly so.",
            f"In front of everything else a key has its namespace, `{namespace}`.",
            f"The namespace is the part that comes first:\n\n```\n{namespace}\n```\n",
            f"`{namespace}` is our namespace and opens each key.",
        ),
        (
            f"The parts of the object are {listed}, in this order{dropped}.",
            f"Use {' and then '.join(kept)} as parts{dropped}.",
            f"From the object take {' -> '.join(kept)}{dropped}.",
            f"A key names the {', then the '.join(kept)}{dropped}.",
            f"Object parts come in the order {listed}{dropped}.",
            f"Parts that come from the object, in the order of the key:\n\n{steps}\n"
            + (f"\nThere is no part for the {unused[0]}.\n" if unused else ""),
            f"The parts of the object keep to this order: {' before '.join(kept)}{dropped}.",
            f"What a key says of the object, from left to right, is {listed}{dropped}.",
        ),
        (
            f"The version tag `{tag}` stands {place} of the key."
            if tag_last
            else f"The version tag `{tag}` stands {place}.",
            f"Write the tag `{tag}` as a part of its own {place}.",
            f"`{tag}` is the version and comes {place}.",
            f"Every key has the version `{tag}` {place}.",
            f"Add `{tag}`, the version tag, {place}.",
            f"A key closes with its version, `{tag}`."
            if tag_last
            else f"Behind `{namespace}` comes the version, `{tag}`.",
            f"Keys of another version must not match, so each has `{tag}` as a part {place}.",
            f"There is also a version part, `{tag}`, {place}.",
        ),
        (
            f"All parts are joined by `{separator}` without spaces.",
            f"Between any two parts stands `{separator}`, and no space.",
            f"The separator of all parts is `{separator}`, without spaces.",
            f"Join everything with `{separator}`.",
            f"Parts are divided by `{separator}` and by nothing else.",
            f"If A, B and C are the parts, the key reads `A{separator}B{separator}C`.",
            f"Write one `{separator}` between neighbours, namespace and tag included, and no space anywhere.",
            f"`{separator}` goes between each part and the next, with no space around it.",
        ),
        (
            "The parts of the object are in upper case; namespace and tag stay as they are.",
            "Write object parts in capitals, but namespace and tag exactly as given here.",
            "Turn letters of the object's parts into capitals, never those of namespace or tag.",
            "What comes from the object is put in upper case. Namespace and tag don't change.",
            "Object parts are upper-cased; the case of namespace and tag is fixed.",
            "Which letters are changed:\n\n| part | case |\n|---|---|\n| taken from the object | capitals |\n"
            "| namespace, tag | as given here |\n",
            "An object's `cart` is written `CART` and its `de` becomes `DE`; only namespace and tag keep their "
            "letters.",
            "Capital letters for the object's parts, no change for namespace and tag.",
        )
        if upper
        else (
            "Letters keep their case.",
            "No part changes its case.",
            "Write every part in the case in which it is given.",
            "The case of the letters stays as it is.",
            "Parts are not upper-cased or changed otherwise.",
            "Which letters are changed:\n\n| part | case |\n|---|---|\n| taken from the object | as given there |\n"
            "| namespace, tag | as given here |\n",
            "An object's `cart` is written `cart` and its `de` stays `de`; namespace and tag keep their letters, too.",
            "Leave the case of all parts alone.",
        ),
    ]
    if default:
        rules.append(
            (
                f"The locale `{default}` is left out of the key.",
                f"If the locale is `{default}`, the key has no locale part.",
                f"Skip the locale part for `{default}`, our default.",
                f"Keys name the locale unless it is `{default}`; then that part is missing.",
                f"With locale `{default}` drop this part and its separator.",
                f"A key with a locale is for other locales than `{default}`; objects in `{default}` have one part "
                "less.",
                f"Whether there is a part for the locale:\n\n| locale | part |\n|---|---|\n| `{default}` | none |\n"
                "| any other | the locale |\n",
                f"Our default locale, `{default}`, does not appear in keys.",
            )
        )
    rules.append(
        (
            "Output only the key.",
            "Answer with the key and nothing else.",
            "Reply with the cache key alone.",
            "Give just the key.",
            "The answer is the bare key.",
            "One line is wanted, and on it the key.",
            "Nothing comes before the key and nothing after it.",
            "Write the key without quotes or comments.",
        )
    )
    return Draft(
        name=rng.choice(("cache-key", "cache-keys", "key-scheme", "build-cache-key")),
        title=rng.choice(("Cache keys", "The key scheme", "Keys of the cache")),
        description=rng.choice(
            (
                "Builds the cache key of an object. Use it when an object with id and locale is given.",
                "Says under which key an object is cached. Use for everything that goes into the cache.",
                "How the keys of our cache are put together.",
            )
        ),
        rules=tuple(rules),
        ask=ask,
    )
