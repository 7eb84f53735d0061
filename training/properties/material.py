"""What the properties are measured on: new skills, real skill texts, and their adapters in bounded memory."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from hypernet.base import Base
from hypernet.hypernetwork import Hypernetwork
from hypernet.lora import LoraWeights, stack_skills
from training.lines import DataError, objects
from training.tasks import KNOWN, TaskSkill, sample_skill

QUESTIONS = 4  # to a skill
ADAPTERS_AT_ONCE = 8
READ_AT_ONCE = 8192  # padded tokens of skill text in a batch, as many as one text may have


@dataclass(frozen=True)
class SkillText:
    """A real skill, and where it stands."""

    line: int  # in its file, from 1
    text: str


def seeded(name: str) -> random.Random:
    """The draws of a property; no step of a training run has such a seed."""
    return random.Random(f"properties/{name}")


def read_texts(path: Path) -> list[SkillText]:
    """Skill texts of a JSONL file, gzipped or not, whose lines have a `text`.

    Raises DataError for a file that can't be read and for a line without a text.
    """
    texts = []
    for number, item in objects(path):
        if not isinstance(item.get("text"), str):
            raise DataError(f"{path}:{number}: has no text. Write one object with the field text a line.")
        texts.append(SkillText(number, item["text"]))
    return texts


def new_skills(rng: random.Random, count: int) -> list[TaskSkill]:
    """So many skills; a family comes again only when all have come."""
    names = [name for _ in range(-(-count // len(KNOWN))) for name in rng.sample(KNOWN, len(KNOWN))]
    return [sample_skill(name, rng, QUESTIONS) for name in names[:count]]


def batches(base: Base, texts: list[str]) -> Iterator[list[int]]:
    """Numbers of the texts, the shortest first, in batches whose padded tokens are bounded."""
    lengths = [base.count_tokens(text) for text in texts]
    batch: list[int] = []
    for number in sorted(range(len(texts)), key=lengths.__getitem__):
        if batch and (len(batch) == ADAPTERS_AT_ONCE or (len(batch) + 1) * lengths[number] > READ_AT_ONCE):
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


@torch.no_grad()
def own_parts(base: Base, hypernetwork: Hypernetwork, texts: list[str]) -> LoraWeights:
    """The skills' own LoRA in float32, without the shared part [texts, layers, rank, dim]; `generate` in two halves.

    Raises SkillTextError (empty, too long).
    """
    made: dict[int, LoraWeights] = {}
    for batch in batches(base, texts):
        read = hypernetwork.read(base, [texts[i] for i in batch])
        own = hypernetwork.own(base, read).to(torch.float32)
        made |= {i: own.rows([position]) for position, i in enumerate(batch)}
    return stack_skills([made[i] for i in range(len(texts))])


@torch.no_grad()
def with_shared(base: Base, hypernetwork: Hypernetwork, own: LoraWeights) -> LoraWeights:
    """Adapters as they are applied: own parts with the shared part, once."""
    return own.join(hypernetwork.shared()).to(base.dtype)
