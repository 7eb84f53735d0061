"""The families: enough of them, drawn the same from the same seed, and asking what the text alone can tell."""

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from skills.library import SUBTASKS
from skills.skill import Skill, validate
from training.tasks import FAMILIES, GRAMMAR, HELD_OUT, KNOWN, Style, TaskSkill, grammar, sample_skill
from training.tasks.wording import kept_wordings, render, wordings_of

DRAWS = 60


@pytest.fixture(scope="module")
def drawn() -> dict[str, list[TaskSkill]]:
    """Many skills of every family with up to four questions each."""
    return {
        family: [sample_skill(family, random.Random(f"{family}/{i}"), 4) for i in range(DRAWS)] for family in FAMILIES
    }


def test_every_subtask_has_eight_families_and_two_of_them_are_held_out():
    counted = Counter(family.subtask for family in FAMILIES.values())
    assert counted == dict.fromkeys(SUBTASKS, 8)
    assert Counter(FAMILIES[name].subtask for name in HELD_OUT) == dict.fromkeys(SUBTASKS, 2)
    assert set(KNOWN) == set(FAMILIES) - set(HELD_OUT)


def test_at_least_half_of_the_families_of_a_subtask_have_open_literals():
    counted = Counter(family.subtask for family in FAMILIES.values() if family.open)
    assert min(counted[subtask] for subtask in SUBTASKS) >= 4


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
    asked = [(task, skill) for skill in drawn[family] for task in skill.tasks]
    assert all(task.prompt not in skill.text for task, skill in asked)


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


# ---- checkers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_a_familys_checker_takes_its_answers_and_no_small_talk(family: str, drawn: dict[str, list[TaskSkill]]):
    check = FAMILIES[family].check
    assert all(check(task.answer) for skill in drawn[family] for task in skill.tasks)
    assert not check("")
    assert not check("Sure! I would be happy to help you with that.\nHere it is:")


@pytest.mark.parametrize("family", FAMILIES)
def test_another_skill_of_the_family_gives_another_answer_to_the_same_question(family: str):
    same = asked = 0
    for i in range(150):
        first, second = (FAMILIES[family].draft(random.Random(f"{side}{i}")) for side in "ab")
        for j in range(4):
            a, b = first.ask(random.Random(j)), second.ask(random.Random(j))
            asked, same = asked + (a.prompt == b.prompt), same + (a.prompt == b.prompt and a.answer == b.answer)
    assert same <= 0.35 * max(asked, 1)


# ---- wordings, noise and conversations -------------------------------------------------------------------------------


@pytest.mark.parametrize("family", (*FAMILIES, GRAMMAR))
def test_wordings_and_layouts_kept_from_training_never_appear_in_it(family: str):
    draft_of = grammar.draft if family == GRAMMAR else FAMILIES[family].draft
    for i in range(25):
        draft = draft_of(random.Random(f"kept/{i}"))
        known = sample_skill(family, random.Random(f"kept/{i}"), 1).text
        new = sample_skill(family, random.Random(f"kept/{i}"), 1, Style(split="wordings")).text
        for wordings in draft.rules:
            assert len(wordings) >= 5
            trained, kept = wordings[: -kept_wordings(wordings)], wordings[-kept_wordings(wordings) :]
            assert not set(trained) & set(kept)
            assert any(w.strip() in known for w in trained)
            assert any(w.strip() in new for w in kept)


def test_a_map_is_said_in_ten_ways_with_every_pair_in_each():
    said = wordings_of({"crash": "QX-47", "login": "teal5"}, "category", "code", "send {key} reports to `{value}`")
    assert len(set(said)) == 10
    assert all(word in wording for wording in said for word in ("crash", "QX-47", "login", "teal5"))


def test_a_noisy_page_says_the_rules_among_talk_and_rules_of_other_kinds():
    noisy = [sample_skill("routing", random.Random(i), 2, Style(noisy=1.0, longest=3000)) for i in range(40)]
    plain = [sample_skill("routing", random.Random(i), 2) for i in range(40)]
    assert max(len(skill.text.split()) for skill in noisy) > 2000 > max(len(skill.text.split()) for skill in plain)
    assert sum("Not for this skill" in skill.text or "Another page" in skill.text for skill in noisy) > 10


def test_some_questions_come_after_an_exchange_and_keep_their_answer():
    skill = sample_skill("routing", random.Random(0), 4, Style(turns=1.0))
    for task in skill.tasks:
        assert [turn["role"] for turn in task.messages] == ["user", "assistant"]
        assert FAMILIES["routing"].check(task.answer)
    assert not any(task.messages for task in sample_skill("routing", random.Random(0), 4).tasks)


def test_rules_that_do_not_apply_stand_on_pages_of_training_in_wordings_of_training():
    for seed in range(40):
        rng = random.Random(seed)
        main, other = (FAMILIES[name].draft(rng) for name in rng.sample(KNOWN, 2))
        page = render(main, rng, "known", [other])
        kept = [wording for rule in other.rules for wording in rule[-kept_wordings(rule) :]]
        assert kept and not any(wording in page for wording in kept)
