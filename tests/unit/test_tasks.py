"""The families: enough of them, drawn the same from the same seed, and asking what the text alone can tell."""

import calendar
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from skills.library import SUBTASKS
from skills.skill import Skill, validate
from training.tasks import FAMILIES, GRAMMAR, HELD_OUT, KNOWN, Style, TaskSkill, grammar, sample_skill
from training.tasks.conversation import in_conversation
from training.tasks.wording import ELSEWHERE, Draft, Task, kept_wordings, render, wordings_of

DRAWS = 60


@pytest.fixture(scope="module")
def drawn() -> dict[str, list[TaskSkill]]:
    """Many skills of every family with up to four questions each."""
    return {
        family: [sample_skill(family, random.Random(f"{family}/{i}"), 4) for i in range(DRAWS)] for family in FAMILIES
    }


def test_every_subtask_has_eight_families_or_more_and_two_of_them_are_held_out():
    counted = Counter(family.subtask for family in FAMILIES.values())
    assert set(counted) == set(SUBTASKS) and min(counted.values()) >= 8
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


class Remembering(random.Random):
    """A generator that remembers what was drawn from a choice of things."""

    def __init__(self, seed: str):
        super().__init__(seed)
        self.drawn: list = []

    def choice(self, seq):
        self.drawn.append(super().choice(seq))
        return self.drawn[-1]

    def choices(self, *args, **kwargs):
        self.drawn.append(super().choices(*args, **kwargs))
        return self.drawn[-1]

    def sample(self, *args, **kwargs):
        self.drawn.append(super().sample(*args, **kwargs))
        return self.drawn[-1]


def _strings(drawn) -> Iterator[str]:
    """All strings in what was drawn but the templates."""
    if isinstance(drawn, str):
        yield from () if "{" in drawn else (drawn.lower(),)
    elif isinstance(drawn, tuple | list):
        for part in drawn:
            yield from _strings(part)


def _forms(family: str, drafts: int = 120, questions: int = 6) -> int:
    """How many forms of question a family has: kinds of prompts, drawn words and numbers aside.

    A kind counts if one prompt in fifty or more is of it. A form with a part that is not always there counts more
    than once.
    """
    prompts, literals = [], set()
    for i in range(drafts):
        rng = Remembering(f"forms of {family}/{i}")
        draft = FAMILIES[family].draft(rng)
        literals |= {s for s in _strings(rng.drawn) if len(s.split()) < 3}  # the longer ones are titles and the like
        for j in range(questions):
            rng = Remembering(f"{i}/{j}")
            prompts.append(draft.ask(rng).prompt.lower())
            literals |= set(_strings(rng.drawn)) - {prompts[-1]}
    literals |= {month.lower() for month in calendar.month_name}
    words = {word for literal in literals for word in re.findall("[a-z]+", literal)}
    words |= {word + end for word in words for end in ("s", "es")}
    kinds = Counter(frozenset(re.findall(r"[a-z]+|[^\sa-z0-9]|\n", prompt)) - words for prompt in prompts)
    return sum(count >= len(prompts) / 50 for count in kinds.values())


@pytest.mark.parametrize("family", FAMILIES)
def test_questions_come_in_eight_forms_or_more(family: str):
    assert _forms(family) >= 8


@pytest.mark.parametrize("family", (*FAMILIES, GRAMMAR))
def test_every_rule_has_eight_wordings_or_more(family: str):
    draft_of = grammar.draft if family == GRAMMAR else FAMILIES[family].draft
    for i in range(100):
        for wordings in draft_of(random.Random(f"wordings/{i}")).rules:
            assert len(set(wordings)) == len(wordings) >= 8, wordings[0]


@pytest.mark.parametrize("family", (*FAMILIES, GRAMMAR))
def test_wordings_and_layouts_kept_from_training_never_appear_in_it(family: str):
    draft_of = grammar.draft if family == GRAMMAR else FAMILIES[family].draft
    for i in range(25):
        draft = draft_of(random.Random(f"kept/{i}"))
        known = sample_skill(family, random.Random(f"kept/{i}"), 1).text
        new = sample_skill(family, random.Random(f"kept/{i}"), 1, Style(split="wordings")).text
        for wordings in draft.rules:
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
    headed = [skill for skill in noisy if any(head.format(title="") in skill.text for head in ELSEWHERE)]
    assert len(headed) > 10


@pytest.mark.parametrize("split", ("known", "wordings"))
@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        *[("cart", "QX-47"), ("a | b", "QX-47"), ("cart", "QX | 47"), ("cart\nteal", "QX-47")],
        *[("`cart`", "QX|47"), ("```\ncart\n```", "QX\n  47")],
    ],
)
def test_an_example_is_in_a_layout_that_bears_it(prompt: str, answer: str, split: str):
    draft = Draft("name", "Title", "What it does.", (("A rule.",) * 8,) * 2, lambda rng: Task(prompt, answer))
    pages = {render(draft, random.Random(i), split) for i in range(200)}
    shown = [page for page in pages if answer in page]
    assert shown and all(prompt in page for page in shown)
    for page in shown:
        rows = [line for line in page.split("\n") if line.startswith("|")]
        assert not rows or (len(rows) == 3 and all(line.count("|") == 3 for line in rows))
        inline = [f"`{text}`" for text in (prompt, answer) if "\n" in text or "`" in text]
        assert not any(text in page for text in inline)


def test_some_questions_come_after_an_exchange_and_keep_their_answer():
    skill = sample_skill("routing", random.Random(0), 4, Style(turns=1.0))
    for task in skill.tasks:
        assert [turn["role"] for turn in task.messages] == ["user", "assistant"]
        assert FAMILIES["routing"].check(task.answer)
    assert not any(task.messages for task in sample_skill("routing", random.Random(0), 4).tasks)


def test_a_question_of_several_lines_begins_a_line_within_a_conversation():
    asked = {in_conversation(Task("a\nb", "c"), Task("d", "e"), random.Random(i)).prompt for i in range(200)}
    assert all(f"\n{prompt}".count("\na\nb") == 1 for prompt in asked) and len(asked) > 10


def test_rules_that_do_not_apply_stand_on_pages_of_training_in_wordings_of_training():
    for seed in range(40):
        rng = random.Random(seed)
        main, other = (FAMILIES[name].draft(rng) for name in rng.sample(KNOWN, 2))
        page = render(main, rng, "known", [other])
        kept = [wording for rule in other.rules for wording in rule[-kept_wordings(rule) :]]
        assert kept and not any(wording in page for wording in kept)
