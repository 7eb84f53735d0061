"""What an adapter gives on conversations: loss, answers, figures, and what they mean for the person who refits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import torch
import torch.nn.functional as F

from hypernet.base import Base
from hypernet.decode import Row, Sampling, answer_all
from hypernet.lora import LoraWeights
from skills.evals import Assertion
from training.examples import Example, answer_logits
from training.metrics import exact_match, token_f1

LONGER = 4  # tokens by which an answer may be longer than the right one: then it is wrong anyway
CHECKED = 128  # tokens, at least, that an answer may have where checks decide: it may be right in other words
WRITTEN = 256  # tokens of an answer that are written, at most
CUT = "…"  # stands where an answer was cut
AT_ONCE = 64  # examples that are read together
WRITTEN_AT_ONCE = 16  # answers that are written together: those of like length
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


@dataclass(frozen=True)
class Reading:
    """What reading the right answers says: the loss a token, and how far greedy decoding would follow each last one."""

    loss: float
    followed: list[int]  # tokens of the last turn's answer that it would give before the first other one

    def exact(self, asked: Sequence[Asked]) -> float:
        """Percent whose whole answer greedy decoding would give."""
        ends = [len(item.turns[-1].answer_ids) for item in asked]
        return _percent([followed == end for followed, end in zip(self.followed, ends, strict=True)])


@torch.no_grad()
def read(base: Base, weights: LoraWeights, asked: Sequence[Asked]) -> Reading:
    """Run all right answers under the weights of their skills."""
    examples = [turn for item in asked for turn in item.turns]
    total, count, followed = 0.0, 0, []
    for start in range(0, len(examples), AT_ONCE):
        part = examples[start : start + AT_ONCE]
        scored = answer_logits(base, part, weights)
        total += F.cross_entropy(scored.logits.float(), scored.right, reduction="sum").item()
        count += len(scored.right)
        hits = (scored.logits.argmax(-1) == scored.right).split([len(example.answer_ids) for example in part])
        followed += [int(hit.long().cumprod(0).sum()) for hit in hits]
    last = accumulate(len(item.turns) for item in asked)
    return Reading(round(total / count, 4), [followed[end - 1] for end in last])


@torch.no_grad()
def answers_of(base: Base, weights: LoraWeights, asked: Sequence[Asked], reading: Reading) -> list[str]:
    """Greedy answers to the last turns; only what comes after the tokens that `reading` knows is written. One that goes
    on beyond what is written of it ends in CUT."""
    right = [item.turns[-1].answer_ids for item in asked]
    begun = [ids[:known] for ids, known in zip(right, reading.followed, strict=True)]
    ended = [len(ids) == len(whole) for ids, whole in zip(begun, right, strict=True)]
    room = [max(len(ids) + LONGER, CHECKED if item.checks else 0) for ids, item in zip(right, asked, strict=True)]
    left = {i: min(WRITTEN, room[i] - len(begun[i])) for i in range(len(asked)) if not ended[i]}
    order = sorted(left, key=left.__getitem__)
    for start in range(0, len(order), WRITTEN_AT_ONCE):
        part = order[start : start + WRITTEN_AT_ONCE]
        rows = [Row([*asked[i].turns[-1].prompt_ids, *begun[i]], weights.rows([asked[i].skill])) for i in part]
        written = answer_all(base, rows, Sampling(max_new_tokens=max(left[i] for i in part)))
        for i, answer in zip(part, written, strict=True):
            begun[i] = [*begun[i], *answer.ids[: left[i]]]
            ended[i] = answer.finished == "end" and len(answer.ids) <= left[i]
    return [base.decode(ids) + ("" if whole else CUT) for ids, whole in zip(begun, ended, strict=True)]


def figures_of(
    base: Base, weights: LoraWeights, wrong: LoraWeights, asked: Sequence[Asked]
) -> tuple[dict[str, float], list[str]]:
    """Exact match, token F1, checks passed (where there are any) and the control in percent, and the loss; beside them
    the answers. The control is the exact match under `wrong`: for each skill another one's adapter."""
    reading = read(base, weights, asked)
    answers = answers_of(base, weights, asked, reading)
    pairs = list(zip(answers, asked, strict=True))
    checked = [all(check.holds(answer) for check in item.checks) for answer, item in pairs if item.checks]
    figures = {
        "exact": _percent([exact_match(answer, item.expected) for answer, item in pairs]),
        "f1": _percent([token_f1(answer, item.expected) for answer, item in pairs]),
        "loss": reading.loss,
    }
    if checked:
        figures["checks"] = _percent(checked)
    last_turns = [replace(item, turns=item.turns[-1:]) for item in asked]
    figures["wrong_skill"] = read(base, wrong, last_turns).exact(asked)
    return figures, answers


def spread(items: Sequence, limit: int) -> list:
    """At most so many, from all over the list."""
    count = min(limit, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def others(weights: LoraWeights) -> LoraWeights:
    """For each of several skills the adapter of the next one."""
    return weights.rows([(i + 1) % weights.skills for i in range(weights.skills)])


def verdict(parts: list[dict]) -> str:
    """What the report's figures mean for the person, and what to do."""
    own, families = ({when: part[when]["exact"] for when in ("before", "after")} for part in parts[:2])
    n, wrong = parts[0]["n"], parts[0]["after"]["wrong_skill"]
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
