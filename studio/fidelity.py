"""How well a skill does on its own evals: without it, with its text in the prompt, and as an adapter.

The answers come from the evaluation's own code, so that the studio and the table can't differ. Imports no torch before
there is something to answer.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from skills.evals import Assertion, Eval
from studio.wording import counted

if TYPE_CHECKING:
    from hypernet.base import Base
    from hypernet.lora import LoraWeights

COLUMNS = ("no skill", "in context", "parametric")  # the evaluation's names
MAX_CHECKED = 32  # evals that are answered: the model has one queue, and others wait in it
AT_ONCE = 8  # evals that are answered before a stop is heard: all of a library skill's
FEW = 4  # with fewer evals one more or less changes the verdict

UNKNOWN = (
    "Nothing is known yet of how well this skill does: it has no examples. Put some into evals/evals.json beside its "
    "SKILL.md, or import that file together with it: prompts, each with the answer that the skill asks for."
)


@dataclass(frozen=True)
class Score:
    """How many of a skill's evals pass in each column: what is left to tell once the answers are gone."""

    n: int
    without: int
    read: int
    parametric: int

    @property
    def kept(self) -> float | None:
        """The share of the in-context effect that the adapter keeps; None where there is no such effect."""
        return (self.parametric - self.without) / (self.read - self.without) if self.read > self.without else None

    @property
    def gain(self) -> float:
        """The share of the evals that pass with the adapter and did not without it."""
        return (self.parametric - self.without) / self.n

    @property
    def counts(self) -> str:
        """All of it in words, without a full stop."""
        return (
            f"{self.parametric} of {self.n} pass with the adapter, {self.read} with the skill in the prompt, "
            f"{self.without} without"
        )


@dataclass(frozen=True)
class Fidelity:
    """What a skill's evals say of it; while they are answered, what they have said so far."""

    skill_name: str
    base_name: str = ""
    prompts: tuple[str, ...] = ()  # of the evals that are answered
    expected: tuple[str, ...] = ()
    answers: dict[str, tuple[str, ...]] = field(default_factory=dict)  # column -> an answer for each eval
    passed: dict[str, tuple[bool, ...]] = field(default_factory=dict)
    seconds: float = 0.0  # that answering took
    verdict: str = ""  # once every column is answered
    beyond: bool = False  # neither the adapter nor the text in the prompt passes more than chance
    note: str = ""  # what the numbers leave out

    @property
    def n(self) -> int:
        """How many evals are answered."""
        return len(self.prompts)

    @property
    def passes(self) -> dict[str, int]:
        """How many evals each column passes."""
        return {column: sum(passed) for column, passed in self.passed.items()}

    @property
    def score(self) -> Score | None:
        """What the columns pass; None until all are answered."""
        if not self.n or any(len(self.passed.get(column, ())) < self.n for column in COLUMNS):
            return None
        return Score(self.n, *(self.passes[column] for column in COLUMNS))

    @property
    def kept(self) -> float | None:
        """The share of the in-context effect that the adapter keeps; None where there is no such effect."""
        return self.score.kept if self.score else None


@dataclass(frozen=True)
class Check:
    """The state of one check."""

    phase: Literal["loading", "generating", "answering", "done"]
    message: str
    fidelity: Fidelity


def passes(answer: str, expected: str, assertions: Sequence[Assertion]) -> bool:
    """Whether an answer is right: all assertions hold, or without any it is the expected text."""
    if assertions:
        return all(assertion.holds(answer) for assertion in assertions)
    return answer.strip() == expected.strip()


def answer(
    base: "Base", skill_name: str, text: str, evals: Sequence[Eval], weights: "LoraWeights"
) -> Iterator[Fidelity]:
    """Answer the evals column by column, with the weights of the skill's adapter; the last state has the verdict."""
    from training.evaluate import MAX_NEW_TOKENS, answer_column
    from training.lines import Line, spread_out

    asked = spread_out(list(evals), MAX_CHECKED)
    lines = [Line(text, ev.prompt, ev.expected_output, checks=ev.assertions) for ev in asked]
    weights, started, unread = weights.to(base.dtype), time.perf_counter(), 0
    found = Fidelity(skill_name, base.name, tuple(ev.prompt for ev in asked), tuple(ev.expected_output for ev in asked))
    yield found
    for column in COLUMNS:
        given: list[str | None] = []
        judged: tuple[bool, ...] = ()
        for start in range(0, len(lines), AT_ONCE):
            batch = slice(start, start + AT_ONCE)
            # of one skill, so the adapter is always the same
            given += answer_column(base, lines[batch], lambda _: weights, column)
            judged += tuple(
                text is not None and passes(text, ev.expected_output, ev.assertions)
                for ev, text in zip(asked[batch], given[batch], strict=True)
            )
            found = replace(
                found,
                answers=found.answers | {column: tuple(text or "" for text in given)},
                passed=found.passed | {column: judged},
                seconds=round(time.perf_counter() - started, 2),
            )
            yield found
        unread += given.count(None)
    long = sum(base.count_tokens(ev.expected_output) > MAX_NEW_TOKENS for ev in asked)
    remarks = {
        f"{len(asked)} of the {len(evals)} examples were answered, evenly spread.": len(asked) < len(evals),
        f"{counted(unread, 'prompt')} left no room for an answer in the base's context and did not pass.": unread,
        f"{counted(long, 'expected answer')} cannot pass: answers here end after {MAX_NEW_TOKENS} tokens.": long,
        f"{counted(found.n, 'example')} can only hint at it: add some.": found.n < FEW,
    }
    note = " ".join(remark for remark, holds in remarks.items() if holds)
    yield replace(found, verdict=_verdict(found), beyond=_is_beyond(found), note=note)


def _chance(found: Fidelity) -> int:
    """How many evals one and the same answer to all of them would pass, the luckiest one taken."""
    most = Counter(expected.strip() for expected in found.expected).most_common(1)[0][1]
    return most if most < found.n else 0  # where all expect the same, nothing can be said of chance


def _is_beyond(found: Fidelity) -> bool:
    return max(found.passes.values()) <= _chance(found)


def _verdict(found: Fidelity) -> str:
    without, read, parametric = (found.passes[column] for column in COLUMNS)
    return f"{found.score.counts}. {_meaning(found, without, read, parametric)}"


def _meaning(found: Fidelity, without: int, read: int, parametric: int) -> str:
    if _is_beyond(found):
        return (
            f"This skill is beyond {found.base_name.rsplit('/', 1)[-1]}: neither its adapter nor the skill in the "
            f"prompt passes more than chance ({_chance(found)} of {found.n}). "
            "Try a bigger base, or add examples and train."
        )
    if without == found.n:
        return "The base needs no skill for these examples, so they tell nothing of it. Add some that do need it."
    if parametric > max(read, without):
        return "The adapter does better than the skill in the prompt."
    if parametric == read == without:
        return "The skill changes nothing that these examples show."
    if read <= without:
        return "Neither helps here: the base does as well or better without the skill."
    if parametric == read:
        return "The adapter keeps all of what the skill in the prompt gives."
    if parametric > without:
        return f"The adapter keeps {100 * found.kept:.0f} % of what the skill in the prompt gives; the rest is lost."
    return "The adapter keeps nothing of what the skill in the prompt gives. Put the skill in the prompt instead."
