"""Families of procedurally generated skills whose right answers are computed.

One folder a subtask, one small module a family. A family module states `SUBTASK` and has `draft(rng) -> Draft`: one
skill with arbitrary content (codes, orders, limits, names) and a way to ask it. `FAMILIES` finds them all.
"""

import importlib
import pkgutil
import random
from collections.abc import Callable
from dataclasses import dataclass

from training.tasks.wording import Draft, Task, render

__all__ = ["FAMILIES", "Draft", "Family", "Task", "TaskSkill", "sample_skill"]


@dataclass(frozen=True)
class Family:
    """A kind of skill: `draft` draws one with content of its own."""

    name: str
    subtask: str
    draft: Callable[[random.Random], Draft]


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
        found[name] = Family(name, module.SUBTASK, module.draft)
    return dict(sorted(found.items()))


FAMILIES: dict[str, Family] = _discover()


def sample_skill(family: str, rng: random.Random, tasks: int) -> TaskSkill:
    """Draw one skill of a family in one wording and layout, with up to `tasks` different questions.

    The same state of `rng` gives the same skill and questions.
    """
    kind = FAMILIES[family]
    draft = kind.draft(rng)
    text = render(draft, rng)
    asked: dict[str, Task] = {}
    for _ in range(tasks * 4):
        task = draft.ask(rng)
        if task.prompt not in text:  # a worked example on the page is no question
            asked.setdefault(task.prompt, task)
        if len(asked) == tasks:
            break
    return TaskSkill(kind.name, kind.subtask, text, tuple(asked.values()))
