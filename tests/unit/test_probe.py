"""The probe of a shape: its skills can be answered from their texts, and it trains and tells."""

import random

import pytest
import torch
from tiny import MODULES, load_base

from hypernet.base import Base
from hypernet.hypernetwork import Hypernetwork, config_for
from training import probe
from training.commands import main
from training.probe import KINDS, ProbeConfig, draw_skill


def test_every_answer_follows_from_the_skill_and_the_prompt():
    rng, seen = random.Random(0), set()
    for _ in range(300):
        skill = draw_skill(rng)
        seen.add(skill.family)
        for task in skill.tasks:
            if skill.family == "by key":
                assert task.answer in skill.text and task.answer not in task.prompt
            elif skill.family == "a field":
                assert task.answer in task.prompt and task.answer not in skill.text
            else:
                assert len(set(task.answer.replace("|", ";").replace(" / ", ";").replace(", ", ";").split(";"))) == 2
    assert seen == set(KINDS)


def test_the_same_prompt_has_another_answer_under_another_skill():
    rng, answers = random.Random(1), {}
    for _ in range(2000):
        skill = draw_skill(rng)
        for task in skill.tasks:
            answers.setdefault(task.prompt, set()).add(task.answer)
    assert max(map(len, answers.values())) > 10


@pytest.mark.parametrize("slots", [0, 4])
def test_training_lowers_the_loss_and_gives_a_row_a_look(tiny_folder, slots: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(probe, "LOOK", 4)
    base: Base = load_base(tiny_folder, "dequantized")
    torch.manual_seed(0)
    hypernetwork = Hypernetwork(config_for(base, MODULES, width=32, slots=slots))
    rows = probe.probe(base, hypernetwork, ProbeConfig(minutes=10.0, skills_per_step=2, warmup=2, learning_rate=5e-3))
    found = [next(rows) for _ in range(8)]
    assert [row["step"] for row in found] == list(range(4, 33, 4))
    assert all(0 <= row[kind] <= 1 for row in found for kind in KINDS)
    assert sum(row["loss"] for row in found[-2:]) < 0.9 * sum(row["loss"] for row in found[:2])


def test_the_command_prints_a_table_within_its_time(tiny_folder, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(probe, "LOOK", 1)
    assert main(["probe", "--base", str(tiny_folder), "--minutes", "0.02", "--slots", "4"]) == 0
    head, rule, first, *_ = capsys.readouterr().out.splitlines()
    assert head == "| step | minutes | loss | by key, exact % | a field, exact % | two fields, exact % |"
    assert rule.count("|") == first.count("|") == head.count("|") and first.startswith("| 1 | 0.")
