"""How an answer is scored, and how sure a difference between two columns is."""

import random
from collections import Counter


def exact_match(answer: str, right: str) -> float:
    """1 where the answer is the right one, but for space around it; else 0."""
    return float(answer.strip() == right.strip())


def token_f1(answer: str, right: str) -> float:
    """Overlap of the two texts' words as F1 (SQuAD, arXiv 1606.05250, but with case: it is content here)."""
    got, wanted = answer.split(), right.split()
    common = sum((Counter(got) & Counter(wanted)).values())
    if not common:
        return float(got == wanted)
    precision, recall = common / len(got), common / len(wanted)
    return 2 * precision * recall / (precision + recall)


def paired_interval(first: list[float], second: list[float], draws: int = 2000, seed: int = 0) -> tuple[float, float]:
    """Bootstrap 95 % interval of the mean of `first - second`, pairs drawn together."""
    differences = [a - b for a, b in zip(first, second, strict=True)]
    rng = random.Random(seed)
    means = sorted(sum(rng.choices(differences, k=len(differences))) / len(differences) for _ in range(draws))
    return means[int(0.025 * draws)], means[int(0.975 * draws) - 1]
