"""What an adapter gives on conversations: loss, answers, figures, and what they mean for the person who refits."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import torch
import torch.nn.functional as F

from hypernet.base import Base
from hypernet.decode import Row, Sampling, answer_all
from hypernet.lora import LoraWeights
from skills.evals import Assertion
from training.examples import Example, answer_logits, in_parts
from training.metrics import exact_match, paired_interval, token_f1

LONGER = 4  # tokens by which an answer may be longer than the right one: then it is wrong anyway
CHECKED = 128  # tokens, at least, that an answer may have where checks decide: it may be right in other words
WRITTEN = 256  # tokens of an answer that are written, at most; where checks decide, as many as the right one has
CUT = "…"  # stands where an answer was cut
TOKENS_AT_ONCE = 16_000  # of the examples that are read together
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
    """What reading the right answers of some conversations says of each."""

    losses: list[float]  # summed over the tokens of all its right answers
    tokens: list[int]  # that these have
    followed: list[int]  # tokens of the last turn's answer that greedy decoding would give before the first other one

    @property
    def loss(self) -> float:
        """The loss a token."""
        return round(sum(self.losses) / sum(self.tokens), 4)

    def exact(self, asked: Sequence[Asked]) -> list[bool]:
        """Whether greedy decoding would give the whole last answer."""
        ends = [len(item.turns[-1].answer_ids) for item in asked]
        return [followed == end for followed, end in zip(self.followed, ends, strict=True)]


@torch.no_grad()
def read(base: Base, weights: LoraWeights, asked: Sequence[Asked]) -> Reading:
    """Run all right answers under the weights of their skills."""
    examples = [turn for item in asked for turn in item.turns]
    losses, followed = [], []
    for part in in_parts(examples, TOKENS_AT_ONCE):
        scored = answer_logits(base, part, weights)
        lengths = [len(example.answer_ids) for example in part]
        of_tokens = F.cross_entropy(scored.logits.float(), scored.right, reduction="none")
        losses += [each.sum().item() for each in of_tokens.split(lengths)]
        hits = (scored.logits.argmax(-1) == scored.right).split(lengths)
        followed += [int(hit.long().cumprod(0).sum()) for hit in hits]
    ends = list(accumulate(len(item.turns) for item in asked))
    spans = list(zip([0, *ends], ends, strict=False))
    return Reading(
        [sum(losses[start:end]) for start, end in spans],
        [sum(len(turn.answer_ids) for turn in item.turns) for item in asked],
        [followed[end - 1] for end in ends],
    )


@torch.no_grad()
def answers_of(base: Base, weights: LoraWeights, asked: Sequence[Asked], followed: Sequence[int]) -> list[str]:
    """Greedy answers to the last turns; of each, the tokens that are known to follow the right one are not written
    again. One that goes on beyond what is written of it ends in CUT."""
    right = [item.turns[-1].answer_ids for item in asked]
    begun = [ids[:known] for ids, known in zip(right, followed, strict=True)]
    ended = [len(ids) == len(whole) for ids, whole in zip(begun, right, strict=True)]
    room = [max(len(ids) + LONGER, CHECKED if item.checks else 0) for ids, item in zip(right, asked, strict=True)]
    most = [max(WRITTEN, len(ids)) if item.checks else WRITTEN for ids, item in zip(right, asked, strict=True)]
    left = {i: max(1, min(most[i], room[i] - len(begun[i]))) for i in range(len(asked)) if not ended[i]}
    prompts = {i: [*asked[i].turns[-1].prompt_ids, *begun[i]] for i in left}
    parts: list[list[int]] = []
    for i in sorted(left, key=left.__getitem__):  # the last of a part is written for the longest
        together = [*parts[-1], i] if parts else [i]
        fits = max(len(prompts[j]) for j in together) + left[i] <= base.context_length
        if parts and fits and len(together) <= WRITTEN_AT_ONCE:
            parts[-1] = together
        else:
            parts.append([i])
    for part in parts:
        rows = [Row(prompts[i], weights.rows([asked[i].skill])) for i in part]
        written = answer_all(base, rows, Sampling(max_new_tokens=left[part[-1]]))
        for i, answer in zip(part, written, strict=True):
            begun[i] = [*begun[i], *answer.ids[: left[i]]]
            ended[i] = answer.finished == "end" and len(answer.ids) <= left[i]
    return [base.decode(ids) + ("" if whole else CUT) for ids, whole in zip(begun, ended, strict=True)]


@dataclass(frozen=True)
class Judged:
    """What came of a conversation."""

    answer: str
    exact: bool
    f1: float
    passes: bool | None  # all checks hold of the answer; None where there are none
    wrong: bool  # right, by the checks where there are some, under another skill's adapter: the control
    loss: float  # summed over the tokens of all its right answers
    tokens: int

    @property
    def right(self) -> bool:
        return self.exact or bool(self.passes)


def judge(base: Base, weights: LoraWeights, wrong: LoraWeights, asked: Sequence[Asked]) -> list[Judged]:
    """Ask all of them under the weights of their skills; `wrong` has for each skill another one's adapter."""
    reading = read(base, weights, asked)
    answers = answers_of(base, weights, asked, reading.followed)
    last_turns = [replace(item, turns=item.turns[-1:]) for item in asked]
    followed = read(base, wrong, last_turns)
    by_wrong = followed.exact(asked)
    checked = [i for i, item in enumerate(asked) if item.checks]  # right in other words, too
    of_checked = answers_of(base, wrong, [last_turns[i] for i in checked], [followed.followed[i] for i in checked])
    for i, answer in zip(checked, of_checked, strict=True):
        by_wrong[i] = by_wrong[i] or _passes(asked[i], answer)
    return [
        Judged(
            answer,
            exact_match(answer, item.expected),
            token_f1(answer, item.expected),
            _passes(item, answer) if item.checks else None,
            wrong_one,
            loss,
            tokens,
        )
        for answer, item, wrong_one, loss, tokens in zip(
            answers, asked, by_wrong, reading.losses, reading.tokens, strict=True
        )
    ]


def _passes(item: Asked, answer: str) -> bool:
    return all(check.holds(answer) for check in item.checks)


def figures_of(judged: Sequence[Judged]) -> dict[str, float]:
    """Exact match, token F1 and the control in percent, and the loss a token; where there are checks, also how many
    pass them, and how many are right by either."""
    checked = [item.passes for item in judged if item.passes is not None]
    right = percent([item.right for item in judged])
    return {
        "exact": percent([item.exact for item in judged]),
        "f1": percent([item.f1 for item in judged]),
        "loss": round(sum(item.loss for item in judged) / sum(item.tokens for item in judged), 4),
        **({"checks": percent(checked), "right": right} if checked else {}),
        "wrong_skill": percent([item.wrong for item in judged]),
    }


def in_turns(asked: Sequence[Asked]) -> list[Asked]:
    """The first of each skill, then the second of each, and so on: the beginning of it is of all skills."""
    seen: Counter[int] = Counter()
    ranks = []
    for item in asked:
        ranks.append(seen[item.skill])
        seen[item.skill] += 1
    return [asked[i] for i in sorted(range(len(asked)), key=ranks.__getitem__)]


def others(weights: LoraWeights) -> LoraWeights:
    """For each of several skills the adapter of the next one."""
    return weights.rows([(i + 1) % weights.skills for i in range(weights.skills)])


def verdict(parts: list[dict], hits: list[tuple[list[bool], list[bool]]]) -> str:
    """What the report's figures mean for the person, and what to do.

    `hits` says of own skills and of families, before and after, which answers are right: a difference that chance may
    well make counts for nothing.
    """
    own, families = (
        {when: part[when].get("right", part[when]["exact"]) for when in ("before", "after")} for part in parts[:2]
    )
    n, wrong = parts[0]["n"], parts[0]["after"]["wrong_skill"]
    gained, lost = own["after"] - own["before"], families["before"] - families["after"]
    surely_gained, surely_lost = (_surely(after, before) for before, after in (hits[0], hits[1][::-1]))
    right = "exact or pass their checks" if "checks" in parts[0]["after"] else "exact"
    said = f"On {n} kept-out examples of your skills {own['after']:.0f} % are {right} now, {own['before']:.0f} % before"
    if gained <= 0 and parts[0]["after"]["loss"] >= parts[0]["before"]["loss"]:
        return f"{said}. Nothing was gained: add examples, or give it more time, and discard this one."
    if gained <= 0:
        return f"{said}. It comes nearer (the loss fell) but not there: give it more time, or add examples."
    if wrong > own["after"] / 2:
        return (
            f"{said}, but another skill's adapter gets {wrong:.0f} %: the answers are alike, so little of it is the "
            "skill's doing. Add examples that only the right skill can answer."
        )
    if not surely_gained > 0:
        return f"{said}: of so few that may be chance. Give it more time, or add examples, before you use it."
    if surely_lost > TOLERATED:
        return f"{said}; the kinds of skill known before lost {lost:.0f} points. Use it for these skills alone."
    stays = f"{families['before']:.0f} % before, {families['after']:.0f} % now"
    known = f"may have lost a little ({stays})" if lost > TOLERATED else f"stays ({stays})"
    return (
        f"{said}; what was known before {known}. Use it. Expect a little less on new questions: these examples also "
        "decided which state was kept."
    )


def _surely(more: list[bool], less: list[bool]) -> float:
    """By how many points more are right, but for 2.5 % of the draws; of a single answer nothing is sure."""
    interval = paired_interval([*map(float, more)], [*map(float, less)], [*map(str, range(len(more)))])
    return 100 * interval[0] if interval else -math.inf


def percent(values: Sequence[float]) -> float:
    """The mean of shares, in percent."""
    return round(100 * sum(values) / len(values), 2)
