"""How a property is scored: exact match of the answers, what is kept of a score, and the spread of many numbers."""

import torch

from hypernet.base import Base
from hypernet.lora import LoraWeights
from training.examples import Example, answer_logits, in_parts, to_example
from training.tasks import TaskSkill

TOKENS_AT_ONCE = 8192  # of prompts and answers that are scored together


def questions(base: Base, skills: list[TaskSkill], adapter: list[int] | None = None) -> list[Example]:
    """Every question to the skills, in their order; `adapter` says under which one a skill's are asked."""
    numbers = adapter or range(len(skills))
    return [to_example(base, i, task) for i, skill in zip(numbers, skills, strict=True) for task in skill.tasks]


@torch.no_grad()
def hits(base: Base, examples: list[Example], weights: LoraWeights | None) -> list[float]:
    """1 for each example whose whole answer is the likeliest, token by token, else 0.

    A prompt that does not fit the base's context has no right answer.
    """
    fitting = [i for i, e in enumerate(examples) if len(e.prompt_ids) + len(e.answer_ids) <= base.context_length]
    parts = in_parts([examples[i] for i in fitting], TOKENS_AT_ONCE)
    found = [hit for part in parts for hit in answer_logits(base, part, weights).exact(len(part)).float().tolist()]
    scores = dict(zip(fitting, found, strict=True))
    return [scores.get(i, 0.0) for i in range(len(examples))]


def mean(values: list[float]) -> float:
    return round(sum(values) / len(values), 4)


def kept(scores: list[float], alone: list[float]) -> float | None:
    """What share of the score alone is left; None where there was none."""
    return round(sum(scores) / sum(alone), 4) if sum(alone) else None


def spread(values: list[float]) -> dict[str, float]:
    """Least, median, 95th percentile and greatest."""
    numbers = torch.tensor(values, dtype=torch.float64)
    marks = {"least": 0.0, "median": 0.5, "p95": 0.95, "greatest": 1.0}
    return {name: round(numbers.quantile(mark).item(), 5) for name, mark in marks.items()}


def percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def verdict(holds: bool, said: str) -> str:
    """The sentence at the end of a section."""
    return f"{'Holds' if holds else 'Does not hold'}: {said}"


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """A table; all columns but the first are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
