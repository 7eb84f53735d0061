"""The families: enough of them, drawn the same from the same seed, and asking what the text alone can tell."""

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from skills.library import SUBTASKS
from skills.skill import Skill, validate
from training.tasks import FAMILIES, TaskSkill, sample_skill

DRAWS = 60


@pytest.fixture(scope="module")
def drawn() -> dict[str, list[TaskSkill]]:
    """Many skills of every family with up to four questions each."""
    return {
        family: [sample_skill(family, random.Random(f"{family}/{i}"), 4) for i in range(DRAWS)] for family in FAMILIES
    }


def test_there_are_ten_families_and_two_for_every_subtask():
    assert len(FAMILIES) >= 10
    counted = Counter(family.subtask for family in FAMILIES.values())
    assert set(counted) == set(SUBTASKS)
    assert min(counted.values()) >= 2


def test_the_same_seed_gives_the_same_skill_and_another_seed_another():
    for family in FAMILIES:
        first, second = (sample_skill(family, random.Random("a"), 4) for _ in range(2))
        assert first == second
        assert first.text != sample_skill(family, random.Random("b"), 4).text


def test_a_skill_does_not_depend_on_the_process_that_draws_it():
    script = (
        "import random, hashlib; from training.tasks import FAMILIES, sample_skill\n"
        "drawn = [sample_skill(f, random.Random(1), 4) for f in FAMILIES]\n"
        "print(hashlib.sha256(repr(drawn).encode()).hexdigest())"
    )
    root = Path(__file__).parents[2]
    said = {
        subprocess.run(
            [sys.executable, "-c", script], cwd=root, env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_a_worked_example_on_the_page_is_not_asked(family: str, drawn: dict[str, list[TaskSkill]]):
    assert all(task.prompt not in skill.text for skill in drawn[family] for task in skill.tasks)


@pytest.mark.parametrize("family", FAMILIES)
def test_questions_differ_and_have_an_answer(family: str, drawn: dict[str, list[TaskSkill]]):
    for skill in drawn[family]:
        assert (skill.family, skill.subtask) == (family, FAMILIES[family].subtask)
        assert 2 <= len(skill.tasks) <= 4
        assert len({task.prompt for task in skill.tasks}) == len(skill.tasks)
        for task in skill.tasks:
            assert task.prompt == task.prompt.strip() != ""
            assert task.answer == task.answer.strip() != ""


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_differ_and_so_do_the_answers(family: str, drawn: dict[str, list[TaskSkill]]):
    texts = {skill.text for skill in drawn[family]}
    assert len(texts) == DRAWS
    assert len({task.answer for skill in drawn[family] for task in skill.tasks}) > DRAWS / 2


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_come_in_many_layouts(family: str, drawn: dict[str, list[TaskSkill]]):
    texts = [skill.text for skill in drawn[family]]
    for mark in ("---\nname: ", "\n- ", "\n1. ", "\n# "):
        share = sum(mark in text for text in texts) / len(texts)
        assert 0 < share < 1, mark
    assert len({len(text) for text in texts}) > DRAWS / 2


@pytest.mark.parametrize("family", FAMILIES)
def test_a_text_with_frontmatter_is_to_the_specification(family: str, drawn: dict[str, list[TaskSkill]]):
    with_frontmatter = [skill.text for skill in drawn[family] if skill.text.startswith("---\n")]
    assert with_frontmatter
    for text in with_frontmatter:
        assert validate(text) == []
        assert Skill.parse(text).description


def test_fewer_questions_can_be_asked_for():
    for family in FAMILIES:
        assert len(sample_skill(family, random.Random(0), 1).tasks) == 1
