"""How a drafted skill becomes text: layouts, section names, noise and worked examples.

A family says what its rules are, in several wordings each; this module alone decides how the page looks, so that
every family appears in every layout.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """A question to a model that has the skill, and the one right answer."""

    prompt: str
    answer: str


@dataclass(frozen=True)
class Draft:
    """One skill before it is written down."""

    name: str  # lowercase with hyphens, as a SKILL.md wants it
    title: str
    description: str  # what it does and when to use it
    rules: tuple[tuple[str, ...], ...]  # each rule in several wordings; a full sentence without a bullet
    ask: Callable[[random.Random], Task]


NOISE = (
    "The platform team keeps this page up to date.",
    "These conventions were agreed on at the last review.",
    "Reviewers look at this first, so take care.",
    "If a value looks odd, keep it as it is.",
    "Other teams follow conventions of their own.",
    "Scripts read the result, so every character counts.",
    "No greeting and no explanation are needed.",
    "Questions go to the maintainers of the repository.",
    "Older pages may show another style; this one wins.",
    "The same rules hold in tests and in examples.",
    "Nothing here depends on the operating system.",
    "Consistency matters more than taste.",
)
WHEN = ("## When to use", "## Purpose", "## Scope", "## Context")
RULES = ("## Rules", "## Instructions", "## Steps", "## How", "## Conventions", "## What to do")
NOTES = ("## Notes", "## Background", "## Remarks", "## Maintenance")
EXAMPLE = ("## Example", "## Examples", "## Worked example")
JOINS = (" ", "\n", "\n\n")


def _frontmatter(draft: Draft, rng: random.Random) -> str:
    extra = rng.choice(("", "", "license: Apache-2.0\n", "metadata:\n  author: platform\n"))
    return f"---\nname: {draft.name}\ndescription: {draft.description}\n{extra}---\n\n"


def _rules(sentences: list[str], rng: random.Random) -> str:
    style = rng.randrange(5)
    if style == 0:
        return "\n".join(f"- {s}" for s in sentences)
    if style == 1:
        return "\n".join(f"{i}. {s}" for i, s in enumerate(sentences, 1))
    if style == 2:
        return "\n".join(f"* {s}" for s in sentences)
    return rng.choice(JOINS).join(sentences)


def _example(draft: Draft, rng: random.Random) -> str:
    task = draft.ask(rng)
    style = rng.randrange(4)
    if style == 0:
        return f"Input: {task.prompt}\nOutput: {task.answer}"
    if style == 1:
        return f"```\n{task.prompt}\n```\n\nbecomes\n\n```\n{task.answer}\n```"
    if style == 2:
        return f"Asked: {task.prompt}\nAnswer: {task.answer}"
    return f"`{task.prompt}` -> `{task.answer}`"


def render(draft: Draft, rng: random.Random) -> str:
    """Write a drafted skill down: a SKILL.md text in one of many layouts, with or without noise and an example."""
    body = _rules([rng.choice(wordings) for wordings in draft.rules], rng)
    noise = " ".join(rng.sample(NOISE, rng.choice((0, 0, 1, 2, 3))))
    parts = []
    if rng.random() < 0.75:
        parts.append(rng.choice((f"# {draft.title}", f"# {draft.title}", f"## {draft.title}", f"{draft.title}.")))
    if rng.random() < 0.35:
        parts.append(f"{rng.choice(WHEN)}\n\n{draft.description}")
    if noise and rng.random() < 0.4:
        parts.append(noise)
        noise = ""
    parts.append(f"{rng.choice(RULES)}\n\n{body}" if rng.random() < 0.6 else body)
    if rng.random() < 0.4:
        parts.append(f"{rng.choice(EXAMPLE)}\n\n{_example(draft, rng)}")
    if noise:
        parts.append(f"{rng.choice(NOTES)}\n\n{noise}" if rng.random() < 0.5 else noise)
    text = "\n\n".join(parts)
    return (_frontmatter(draft, rng) if rng.random() < 0.75 else "") + text + "\n"
