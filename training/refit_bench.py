"""The benchmark of refit: five skills of kinds that no checkpoint was trained on, twelve examples of each.

What it must reach on two cores: exact match up by 30 points or more, the families known before down by 2 at most, in
three minutes. What the refit keeps out also decides which state it keeps, so the gain is measured on further examples,
which no part of it has seen.
"""

import argparse
import random
from dataclasses import replace
from pathlib import Path

import torch

from hypernet.adapter import text_sha256
from hypernet.base import Base
from hypernet.hypernetwork import load_hypernetwork
from training.examples import answer_logits, to_example
from training.refit import Refit, RefitConfig, prepare
from training.tasks import HELD_OUT, TaskSkill, sample_skill
from training.trajectories import Trajectory

SKILLS, EXAMPLES, UNSEEN = 5, 12, 8  # the last two of each skill
GAIN, LOSS, SECONDS = 30.0, 2.0, 180.0  # points, points, seconds


def draw_skills(seed: int, skills: int = SKILLS, examples: int = EXAMPLES) -> list[TaskSkill]:
    """Skills of families that are held out, each of another; each with `examples`, and those that nothing sees."""
    rng = random.Random(f"refit/{seed}")
    return [sample_skill(family, rng, examples + UNSEEN) for family in rng.sample(HELD_OUT, skills)]


def draw(seed: int, skills: int = SKILLS, examples: int = EXAMPLES) -> tuple[dict[str, str], list[Trajectory]]:
    """What the refit gets of the skills: texts by SHA-256, and their examples."""
    texts, found = {}, []
    for drawn in draw_skills(seed, skills, examples):
        texts[text_sha256(drawn.text)] = drawn.text
        for task in drawn.tasks[:examples]:
            asked = (*task.messages, {"role": "user", "content": task.prompt})
            chat = (*asked, {"role": "assistant", "content": task.answer})
            found.append(Trajectory(chat, text_sha256(drawn.text), drawn.subtask, source=drawn.family))
    return texts, found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="folder for everything")
    parser.add_argument("--skills", type=int, default=SKILLS, help=f"skills, each of another kind ({SKILLS})")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help=f"examples of each ({EXAMPLES})")
    parser.add_argument("--seed", type=int, default=0, help="another one draws other skills")


def run(options: argparse.Namespace) -> int:
    """Refit in the folder and print figures and bars; the exit status is 1 where a bar is missed."""
    names = ("base", "checkpoint", "minutes", "steps", "track", "seed")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    config = replace(RefitConfig(out=str(options.out)), **given)
    prepare(config, *draw(options.seed, options.skills, options.examples))
    refit = Refit(config)
    report = refit.run()
    if report is None:  # stopped, or not the main process
        return 0
    families = report["parts"][1]
    skills = draw_skills(options.seed, options.skills, options.examples)
    checkpoints = (config.checkpoint, options.out / "checkpoint")
    before, after = (exact_on_unseen(refit.base, checkpoint, skills, options.examples) for checkpoint in checkpoints)
    print(f"unseen examples (n = {sum(len(skill.tasks) - options.examples for skill in skills)})")
    print(f"  {'exact':12} {before:8.2f} -> {after:8.2f}")
    loss = families["before"]["exact"] - families["after"]["exact"]
    for part in report["parts"]:
        print(f"{part['name']} (n = {part['n']})")
        for name, value in part["before"].items():
            print(f"  {name:12} {value:8.2f} -> {part['after'][name]:8.2f}")
    bars = [
        ("exact match, points", after - before, f">= {GAIN:g}", after - before >= GAIN),
        ("families lose, points", loss, f"<= {LOSS:g}", loss <= LOSS),
        ("seconds", report["seconds"], f"<= {SECONDS:g}", report["seconds"] <= SECONDS),
    ]
    print(f"{report['steps']} steps, the best after {report['best_step']}")
    for name, value, bar, met in bars:
        print(f"{name:30} {value:8.1f}  ({bar}) {'' if met else 'MISSED'}".rstrip())
    return 0 if all(met for *_, met in bars) else 1


@torch.no_grad()
def exact_on_unseen(base: Base, checkpoint: str | Path | None, skills: list[TaskSkill], examples: int) -> float:
    """Percent of the examples after the first `examples` that greedy decoding under the skills' adapters gets right."""
    weights = load_hypernetwork(base, checkpoint).generate(base, [skill.text for skill in skills])
    asked = [to_example(base, i, task) for i, skill in enumerate(skills) for task in skill.tasks[examples:]]
    return round(100 * answer_logits(base, asked, weights).exact(len(asked)).float().mean().item(), 2)
