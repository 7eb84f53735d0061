"""The benchmark of refit: five skills of kinds that no checkpoint was trained on, twelve examples of each.

What it must reach on two cores: exact match up by 30 points or more, the families known before down by 2 at most, in
three minutes. What the refit keeps out also decides which state it keeps, so the gain is measured on further examples,
which no part of it has seen; and fifty questions say little of a loss of some points, so the families are asked more.
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
from training.refit import Refit, RefitConfig, RefitError, prepare
from training.tasks import GRAMMAR, HELD_OUT, KNOWN, TaskSkill, sample_skill
from training.trajectories import Trajectory

SKILLS, EXAMPLES, UNSEEN = 5, 12, 8  # the last two of each skill
FAMILIES, QUESTIONS = 100, 3  # skills of the families, and questions to each
READ_AT_ONCE = 25  # skills
GAIN, LOSS, SECONDS = 30.0, 2.0, 180.0  # points, points, seconds


def draw_skills(seed: int, skills: int = SKILLS, examples: int = EXAMPLES) -> list[TaskSkill]:
    """Skills of families that are held out, each of another; each with `examples`, and those that nothing sees.

    Raises RefitError where there are not so many families.
    """
    if not 1 <= skills <= len(HELD_OUT):
        raise RefitError(
            f"--skills is {skills}; it must be from 1 to {len(HELD_OUT)}, one of each kind that is held out."
        )
    rng = random.Random(f"refit/{seed}")
    return [sample_skill(family, rng, examples + UNSEEN) for family in rng.sample(HELD_OUT, skills)]


def draw_families() -> list[TaskSkill]:
    """New skills of the families that the checkpoint was trained on."""
    rng = random.Random("refit/families")
    return [sample_skill(rng.choice((*KNOWN, GRAMMAR)), rng, QUESTIONS) for _ in range(FAMILIES)]


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
    base = refit.base or Base.load(config.base, quantization="dequantized")  # where it had ended before: nothing loaded
    drawn = draw_skills(options.seed, options.skills, options.examples)
    unseen = [replace(skill, tasks=skill.tasks[options.examples :]) for skill in drawn]
    gains = []
    for name, skills in (("unseen examples", unseen), ("skills of the families", draw_families())):
        checkpoints = (config.checkpoint, options.out / "checkpoint")
        before, after = (exact_on(base, checkpoint, skills) for checkpoint in checkpoints)
        gains.append(after - before)
        print(f"{name} (n = {sum(len(skill.tasks) for skill in skills)})")
        print(f"  {'exact':12} {before:8.2f} -> {after:8.2f}")
    gain, loss = gains[0], -gains[1]
    print("as the report has it")
    for part in report["parts"]:
        print(f"{part['name']} (n = {part['n']})")
        for name, value in part["before"].items():
            print(f"  {name:12} {value:8.2f} -> {part['after'][name]:8.2f}")
    bars = [
        ("exact match, points", gain, f">= {GAIN:g}", gain >= GAIN),
        ("families lose, points", loss, f"<= {LOSS:g}", loss <= LOSS),
        ("seconds", report["seconds"], f"<= {SECONDS:g}", report["seconds"] <= SECONDS),
    ]
    print(f"{report['steps']} steps, the best after {report['best_step']}")
    for name, value, bar, met in bars:
        print(f"{name:30} {value:8.1f}  ({bar}) {'' if met else 'MISSED'}".rstrip())
    return 0 if all(met for *_, met in bars) else 1


@torch.no_grad()
def exact_on(base: Base, checkpoint: str | Path | None, skills: list[TaskSkill]) -> float:
    """Percent of the skills' tasks that greedy decoding under their adapters gets right."""
    hypernetwork, hits = load_hypernetwork(base, checkpoint), []
    for start in range(0, len(skills), READ_AT_ONCE):
        part = skills[start : start + READ_AT_ONCE]
        weights = hypernetwork.generate(base, [skill.text for skill in part])
        asked = [to_example(base, i, task) for i, skill in enumerate(part) for task in skill.tasks]
        hits += answer_logits(base, asked, weights).exact(len(asked)).tolist()
    return round(100 * sum(hits) / len(hits), 2)
