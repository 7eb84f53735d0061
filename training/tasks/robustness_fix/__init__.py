"""Families about code that has to survive bad input and leaks."""

import random

from training.tasks.content import ANIMALS, COLOURS, code

# The form of `code()`, for the checks of answers.
CODE = rf"(?:[A-Z]{{2}}-\d\d|(?:{'|'.join(COLOURS)})\d|(?:{'|'.join(ANIMALS)})-(?:one|two|six|nine)|\[[A-Z]{{3}}\])"


def different_codes(rng: random.Random, count: int) -> list[str]:
    """Draw so many codes, no two of them alike."""
    codes: list[str] = []
    while len(codes) < count:
        drawn = code(rng)
        if drawn not in codes:
            codes.append(drawn)
    return codes
