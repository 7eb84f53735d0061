"""The benchmark of refit: five skills of kinds that no checkpoint was trained on, twelve examples of each.

What it must reach on two cores: kept-out exact match up by 30 points or more, the families known before down by 2 at
most, in three minutes.
"""

import argparse
import random
from dataclasses import replace
from pathlib import Path

from hypernet.adapter import text_sha256
from training.refit import Refit, RefitConfig, prepare
from training.tasks import HELD_OUT, sample_skill
from training.trajectories import Trajectory

SKILLS, EXAMPLES = 5, 12
GAIN, LOSS, SECONDS = 30.0, 2.0, 180.0  # points, points, seconds


def draw(seed: int, skills: int = SKILLS, examples: int = EXAMPLES) -> tuple[dict[str, str], list[Trajectory]]:
    """Skills of families that are held out, each of another: texts by SHA-256, and examples of them."""
    rng = random.Random(f"refit/{seed}")
    texts, found = {}, []
    for family in rng.sample(HELD_OUT, skills):
        drawn = sample_skill(family, rng, examples)
        texts[text_sha256(drawn.text)] = drawn.text
        for task in drawn.tasks:
            asked = (*task.messages, {"role": "user", "content": task.prompt})
            chat = (*asked, {"role": "assistant", "content": task.answer})
            found.append(Trajectory(chat, text_sha256(drawn.text), drawn.subtask, source=family))
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
    report = Refit(config).run()
    if report is None:  # stopped, or not the main process
        return 0
    own, families = report["parts"][:2]
    gain = own["after"]["exact"] - own["before"]["exact"]
    loss = families["before"]["exact"] - families["after"]["exact"]
    for part in report["parts"]:
        print(f"{part['name']} (n = {part['n']})")
        for name, before in part["before"].items():
            print(f"  {name:12} {before:8.2f} -> {part['after'][name]:8.2f}")
    bars = [
        ("kept-out exact match, points", gain, f">= {GAIN:g}", gain >= GAIN),
        ("families lose, points", loss, f"<= {LOSS:g}", loss <= LOSS),
        ("seconds", report["seconds"], f"<= {SECONDS:g}", report["seconds"] <= SECONDS),
    ]
    print(f"{report['steps']} steps, the best after {report['best_step']}")
    for name, value, bar, met in bars:
        print(f"{name:30} {value:8.1f}  ({bar}) {'' if met else 'MISSED'}".rstrip())
    return 0 if all(met for *_, met in bars) else 1
