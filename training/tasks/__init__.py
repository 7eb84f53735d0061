"""Families of procedurally generated skills whose right answers are computed.

One folder a subtask, one small module a family. A family module states `SUBTASK` and has `draft(rng) -> Draft`: one
skill with arbitrary content (codes, orders, limits, names) and a way to ask it. `FAMILIES` finds them all.
"""

import importlib
import pkgutil
import random
from collections.abc import Callable
from dataclasses import dataclass

from training.tasks import grammar
from training.tasks.conversation import in_conversation
from training.tasks.wording import Draft, Split, Task, render


@dataclass(frozen=True)
class Family:
    """A kind of skill: `draft` draws one with content of its own."""

    name: str
    subtask: str
    draft: Callable[[random.Random], Draft]
    check: Callable[[str], bool]  # whether an answer has the form that this family's answers have
    open: bool  # answers hold literals of the skill that nobody can guess, not only choices from a closed set
    held_out: bool  # never trained on


@dataclass(frozen=True)
class TaskSkill:
    """A generated skill: its SKILL.md text and questions with computed answers."""

    family: str
    subtask: str
    text: str
    tasks: tuple[Task, ...]


def _discover() -> dict[str, Family]:
    found = {}
    for module_info in pkgutil.walk_packages(__path__, prefix=f"{__name__}."):
        if module_info.ispkg or module_info.name.count(".") < 3:
            continue
        module = importlib.import_module(module_info.name)
        name = module_info.name.rsplit(".", 1)[1]
        found[name] = Family(name, module.SUBTASK, module.draft, module.check, module.OPEN, module.HELD_OUT)
    return dict(sorted(found.items()))


FAMILIES: dict[str, Family] = _discover()
GRAMMAR = "grammar"  # the family whose skills are composed from primitive steps, of every subtask
KNOWN = tuple(name for name, family in FAMILIES.items() if not family.held_out)
HELD_OUT = tuple(name for name, family in FAMILIES.items() if family.held_out)


@dataclass(frozen=True)
class Style:
    """How skills are written down and asked."""

    split: Split = "known"
    noisy: float = 0.0  # share of the skills with talk and rules of other kinds on the page
    longest: int = 0  # words of talk on a noisy page, at most
    turns: float = 0.0  # share of the questions that come after an earlier exchange


PLAIN = Style()


def sample_skill(
    family: str, rng: random.Random, tasks: int, style: Style = PLAIN, questions: str | None = None
) -> TaskSkill:
    """Draw one skill of a family in one wording and layout, with up to `tasks` different questions.

    `family` may be "grammar". The same state of `rng` gives the same skill and questions. `questions` seeds the latter
    alone: with the same seed two skills of a family are asked the same, as far as what they are about lets them.
    """
    if family == GRAMMAR:
        draft, subtask = grammar.draft(rng), ""
    else:
        draft, subtask = FAMILIES[family].draft(rng), FAMILIES[family].subtask
    others, padding = [], 0
    if rng.random() < style.noisy:
        names = rng.sample([name for name in KNOWN if name != family], rng.choice((0, 1, 1, 2)))
        others = [FAMILIES[name].draft(rng) for name in names]
        padding = rng.randint(0, style.longest)
    text = render(draft, rng, style.split, others, padding)
    asked: dict[str, Task] = {}
    for number in range((tasks + 1) * 4):
        task = draft.ask(rng if questions is None else random.Random(f"{questions}/{number}"))
        if task.prompt not in text:  # a worked example on the page is no question
            asked.setdefault(task.prompt, task)
        if len(asked) == tasks + 1:
            break
    *drawn, spare = asked.values()
    drawn = drawn or [spare]
    for i, task in enumerate(drawn):
        if rng.random() < style.turns:
            drawn[i] = in_conversation(task, spare, rng)
    return TaskSkill(family, subtask, text, tuple(drawn[:tasks]))
