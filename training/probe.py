"""The shape of a hypernetwork put to the test within minutes: does a new one learn to choose?

Three kinds of tiny skills, drawn anew at every step: a table of which a prompt names a key, a field of a record, two
fields in an order. A shape that stays at chance here (of the table: a third) won't learn the families' tables in hours.
"""

import argparse
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from hypernet.base import Base
from hypernet.hypernetwork import Hypernetwork, config_for
from training.examples import answer_logits, to_example
from training.fit import FitConfig
from training.optimizer import MuonAdamW
from training.tasks import Task, TaskSkill

DEFAULT = Path(__file__).parent / "default.yaml"
KINDS = ("by key", "a field", "two fields")
QUESTIONS = 3  # to a skill
LOOK = 25  # steps from row to row

_VALUES = (
    "apple river stone cloud tiger green falcon copper maple silver harbor violet north desk lamp clock window paper "
    "bridge forest garden kitchen engine rocket planet signal market school doctor pilot sailor winter summer orange "
    "purple yellow crystal diamond valley mountain island castle temple palace station tunnel ladder bucket hammer "
    "needle basket blanket pillow candle mirror carpet curtain"
).split()
_KEYS = (
    "login billing shipping search database metrics staging production payment report editor upload export session "
    "cache queue worker mailer gateway parser"
).split()
_FIELDS = "item colour store price host level code service owner size region status".split()
_LAYOUTS = (
    ("The names by kind: ", "{key} = `{value}`", "; ", "."),
    ("Look it up:\n\n| kind | name |\n|---|---|\n", "| {key} | `{value}` |", "\n", ""),
    ("", "- For {key} write {value}.", "\n", ""),
    ("", "{key} goes to {value}.", " ", ""),
    ("Names:\n", "* {value}: {key}", "\n", ""),
)
_PROMPTS = (
    "Which one for {}?",
    "Connect to {} please",
    "A user writes about {} here",
    "kind={} state=open",
    "from {} import merge",
    "The {} is broken",
)
_ONE = ("Give only the value of {}.", "Keep the {} and drop the rest.", "Answer with the {} alone.")
_TWO = ("Keep {}, then {}, joined by `{}`.", "Write {}, then {} with `{}` between them.")
_RECORDS = (("{}: {}", ", "), ("{}={}", " "), ("{} {}", ", "))


@dataclass(frozen=True)
class ProbeConfig:
    """One probe."""

    minutes: float = 10.0  # of processor time, so that what else a machine does counts little
    skills_per_step: int = 8
    learning_rate: float = 2e-3
    warmup: int = 20  # steps
    seed: int = 0


def draw_skill(rng: random.Random) -> TaskSkill:
    """A skill of one of KINDS, with QUESTIONS."""
    kind = rng.choice(KINDS)
    if kind == "by key":
        count = rng.choice([2, 3, 4])
        table = dict(zip(rng.sample(_KEYS, count), rng.sample(_VALUES, count), strict=True))
        start, row, between, end = rng.choice(_LAYOUTS)
        text = start + between.join(row.format(key=key, value=value) for key, value in table.items()) + end
        asked = rng.sample([*table] * 2, QUESTIONS)
        tasks = tuple(Task(rng.choice(_PROMPTS).format(key), table[key]) for key in asked)
        return TaskSkill(kind, "", text, tasks)
    fields = rng.sample(_FIELDS, 4)
    picked, joint = (fields[:1], "") if kind == "a field" else (fields[:2], rng.choice([";", "|", " / ", ", "]))
    text = rng.choice(_TWO).format(*picked, joint) if joint else rng.choice(_ONE).format(*picked)
    return TaskSkill(kind, "", text, tuple(_record(rng, fields, picked, joint) for _ in range(QUESTIONS)))


def _record(rng: random.Random, fields: list[str], picked: list[str], joint: str) -> Task:
    record = dict(zip(rng.sample(fields, len(fields)), rng.sample(_VALUES, len(fields)), strict=True))
    pair, between = rng.choice(_RECORDS)
    prompt = between.join(pair.format(field, value) for field, value in record.items())
    return Task(prompt, joint.join(record[field] for field in picked))


def probe(base: Base, hypernetwork: Hypernetwork, config: ProbeConfig) -> Iterator[dict[str, float]]:
    """Train on new skills at every step; gives a row every LOOK steps.

    A row has the step, the minutes of processor time, and since the last row the mean loss and by kind the exact match,
    teacher-forced on skills before they are trained on.
    """
    optimizer, started = MuonAdamW(hypernetwork, config.learning_rate, 0.01), time.process_time()
    losses, hits, step = [], {kind: [] for kind in KINDS}, 0
    while time.process_time() - started < 60 * config.minutes:
        rng = random.Random(f"probe/{config.seed}/{step}")
        skills = [draw_skill(rng) for _ in range(config.skills_per_step)]
        read = hypernetwork.read(base, [skill.text for skill in skills])
        examples = [to_example(base, i, task) for i, skill in enumerate(skills) for task in skill.tasks]
        weights = hypernetwork.own(base, read).join(hypernetwork.shared()).to(base.dtype)
        scored = answer_logits(base, examples, weights)
        loss = F.cross_entropy(scored.logits.float(), scored.right)
        loss.backward()
        nn.utils.clip_grad_norm_(hypernetwork.parameters(), 1.0)
        optimizer.step(config.learning_rate * min(1.0, (step + 1) / config.warmup))
        losses.append(loss.item())
        for example, hit in zip(examples, scored.exact(len(examples)).tolist(), strict=True):
            hits[skills[example.skill].family].append(hit)
        step += 1
        if step % LOOK == 0:
            exact = {kind: sum(found) / max(1, len(found)) for kind, found in hits.items()}
            minutes = (time.process_time() - started) / 60
            yield {"step": step, "minutes": minutes, "loss": sum(losses) / len(losses), **exact}
            losses, hits = [], {kind: [] for kind in KINDS}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, default=DEFAULT, help=f"whose modules, slots and shape to try ({DEFAULT.name})"
    )
    parser.add_argument("--base", help="Hub name or folder of the base, instead of the config's")
    parser.add_argument("--slots", type=int, help="instead of the config's")
    parser.add_argument("--minutes", type=float, default=ProbeConfig.minutes, help="of processor time")
    parser.add_argument("--seed", type=int, default=ProbeConfig.seed, help="another one draws other skills")


def run(options: argparse.Namespace, shape: FitConfig) -> None:
    """Train a new hypernetwork on tiny skills and print a row for every look."""
    config = ProbeConfig(options.minutes, seed=options.seed)
    base = Base.load(options.base or shape.base, quantization="dequantized")
    torch.manual_seed(config.seed)
    slots = shape.slots if options.slots is None else options.slots
    hypernetwork = Hypernetwork(config_for(base, shape.modules, shape.shared_modules, slots=slots, **shape.shape)).to(
        base.device
    )
    rng = random.Random(f"probe/{config.seed}/first")
    hypernetwork.calibrate(hypernetwork.read(base, [draw_skill(rng).text for _ in range(32)]))
    print("| step | minutes | loss | " + " | ".join(f"{kind}, exact %" for kind in KINDS) + " |")
    print("|---:" * (3 + len(KINDS)) + "|")
    for row in probe(base, hypernetwork, config):
        exact = " | ".join(f"{100 * row[kind]:.0f}" for kind in KINDS)
        print(f"| {row['step']} | {row['minutes']:.1f} | {row['loss']:.2f} | {exact} |", flush=True)
