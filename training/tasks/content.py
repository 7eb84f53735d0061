"""Words and codes that families draw from: content that nobody can guess without reading the skill."""

import random
import string

NOUNS = (
    "login cart invoice parser cache search export upload payment session token report worker queue index editor panel "
    "mailer backup router order user profile ledger billing catalog webhook gateway"
).split()
ANIMALS = "falcon otter lynx heron bison raven panda tiger badger crane gecko moose".split()
COLOURS = "red blue green amber violet teal coral ivory".split()


def code(rng: random.Random) -> str:
    """A short label such as QX-47, teal5, lynx-six or [KDR]."""
    kind = rng.randrange(4)
    if kind == 0:
        return "".join(rng.choices(string.ascii_uppercase, k=2)) + "-" + str(rng.randint(10, 99))
    if kind == 1:
        return rng.choice(COLOURS) + str(rng.randint(1, 9))
    if kind == 2:
        return rng.choice(ANIMALS) + "-" + rng.choice("one two six nine".split())
    return "[" + "".join(rng.choices(string.ascii_uppercase, k=3)) + "]"
