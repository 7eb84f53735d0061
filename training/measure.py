"""What an adapter gives on conversations: loss, answers, figures, and what they mean for the person who refits."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from hypernet.base import Base
from hypernet.decode import Row, Sampling, answer_all
from hypernet.lora import LoraWeights
from skills.evals import Assertion
from training.examples import Example, answer_logits
from training.metrics import exact_match, token_f1

LENGTH = 64  # tokens of an answer, at most
LONGER = 4  # tokens by which an answer may be longer than the longest right one: then it is wrong anyway
AT_ONCE = 64  # examples that are run together
TOLERATED = 2.0  # points that the families may lose


@dataclass(frozen=True)
class Asked:
    """A conversation that is measured: of an answer, its text counts; of the ones before, the loss alone."""

    skill: int  # row of the weights that it is asked under
    name: str
    prompt: str
    expected: str
    turns: tuple[Example, ...]  # of all answers; the last is the one that is generated
    checks: tuple[Assertion, ...] = ()


@torch.no_grad()
def loss_of(base: Base, weights: LoraWeights, asked: Sequence[Asked]) -> float:
    """Cross-entropy a token over all answers."""
    examples = [turn for item in asked for turn in item.turns]
    total, count = 0.0, 0
    for start in range(0, len(examples), AT_ONCE):
        scored = answer_logits(base, examples[start : start + AT_ONCE], weights)
        total += F.cross_entropy(scored.logits.float(), scored.right, reduction="sum").item()
        count += len(scored.right)
    return round(total / count, 4)


@torch.no_grad()
def answers_of(base: Base, weights: LoraWeights, asked: Sequence[Asked]) -> list[str]:
    """Greedy answers to the last turns."""
    longest = max(len(item.turns[-1].answer_ids) for item in asked)
    sampling = Sampling(max_new_tokens=min(LENGTH, longest + LONGER))
    answers = []
    for start in range(0, len(asked), AT_ONCE):
        rows = [Row(item.turns[-1].prompt_ids, weights.rows([item.skill])) for item in asked[start : start + AT_ONCE]]
        answers += answer_all(base, rows, sampling)
    return [base.decode(answer.ids) for answer in answers]


@torch.no_grad()
def figures_of(base: Base, weights: LoraWeights, asked: Sequence[Asked], answers: list[str]) -> dict[str, float]:
    """Exact match, token F1, checks passed (where there are any) and the control of another skill's adapter in percent,
    and the loss."""
    pairs = list(zip(answers, asked, strict=True))
    checked = [all(check.holds(answer) for check in item.checks) for answer, item in pairs if item.checks]
    figures = {
        "exact": _percent([exact_match(answer, item.expected) for answer, item in pairs]),
        "f1": _percent([token_f1(answer, item.expected) for answer, item in pairs]),
        "loss": loss_of(base, weights, asked),
    }
    if checked:
        figures["checks"] = _percent(checked)
    if weights.skills > 1:
        wrong = weights.rows([(i + 1) % weights.skills for i in range(weights.skills)])
        exact: list[bool] = []
        for start in range(0, len(asked), AT_ONCE):
            part = [item.turns[-1] for item in asked[start : start + AT_ONCE]]
            exact += answer_logits(base, part, wrong).exact(len(part)).tolist()
        figures["wrong_skill"] = _percent(exact)
    return figures


def verdict(parts: list[dict]) -> str:
    """What the report's figures mean for the person, and what to do."""
    own, families = ({when: part[when]["exact"] for when in ("before", "after")} for part in parts[:2])
    n, wrong = parts[0]["n"], parts[0]["after"].get("wrong_skill", 0.0)
    gained, lost = own["after"] - own["before"], families["before"] - families["after"]
    said = f"On {n} kept-out examples of your skills {own['after']:.0f} % are exact now, {own['before']:.0f} % before"
    if gained <= 0 and parts[0]["after"]["loss"] >= parts[0]["before"]["loss"]:
        return f"{said}. Nothing was gained: add examples, or give it more time, and discard this one."
    if gained <= 0:
        return f"{said}. It comes nearer (the loss fell) but not there: give it more time, or add examples."
    if wrong > own["after"] / 2:
        return (
            f"{said}, but another skill's adapter gets {wrong:.0f} %: the answers are alike, so little of it is the "
            "skill's doing. Add examples that only the right skill can answer."
        )
    if lost > TOLERATED:
        return f"{said}; the kinds of skill known before lost {lost:.0f} points. Use it for these skills alone."
    stays = f"({families['before']:.0f} % before, {families['after']:.0f} % now)"
    return f"{said}; what was known before stays {stays}. Use it."


def _percent(values: Sequence[float]) -> float:
    return round(100 * sum(values) / len(values), 2)
