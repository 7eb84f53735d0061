"""The table: every column on every line, controls that are controls, and data that is refused by line."""

import gzip
import json
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import torch
from tiny import load_base, make_hypernetwork

import training.evaluate
import training.own_lora
from hypernet.adapter import Adapter, Provenance, layers_path
from hypernet.base import Base
from hypernet.decode import Row, Sampling, answer_all
from hypernet.hypernetwork import Hypernetwork
from hypernet.lora import LoraWeights
from skills.evals import Assertion
from skills.library import SUBTASKS
from training.commands import main
from training.evaluate import (
    Column,
    _answers,
    _batches,
    _parts,
    _seconds,
    _wrong_skills,
    evaluate,
    find_reader,
)
from training.examples import answer_logits, to_example
from training.kept import Kept
from training.lines import (
    LEAST,
    SPLITS,
    DataError,
    Line,
    family_lines,
    library_lines,
    read_instructions,
    read_lines,
    spread_out,
)
from training.own_lora import train_own_lora
from training.report import OWN, READER, overview, picture, summary, table
from training.tasks import GRAMMAR, HELD_OUT, KNOWN, Task

COLUMNS = ("no skill", "in context", "in context with three examples", "parametric", "wrong skill", "shared only")


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    """Two families, two skills each, two questions a skill."""
    drawn = family_lines("known", skills=2, questions=2)
    return [line for line in drawn if line.family in ("limits", "routing")]


@pytest.fixture(scope="module")
def reader(hypernetwork: Hypernetwork) -> LoraWeights:
    """A LoRA for every skill, unlike the shared part."""
    shared = hypernetwork.shared()
    with torch.no_grad():
        return LoraWeights(
            shared.layers, {m: (a.flip(2).clone(), b.flip(2).clone().neg()) for m, (a, b) in shared.modules.items()}
        )


@pytest.fixture(scope="module")
def report(base: Base, hypernetwork: Hypernetwork, lines: list[Line], reader: LoraWeights) -> dict:
    """Every column, on the tiny base."""
    return evaluate(base, hypernetwork, lines, reader=reader, ceiling=2)


@pytest.fixture(scope="module")
def split(report: dict) -> dict:
    return report["splits"]["known"]


@pytest.fixture(scope="module", autouse=True)
def short_work() -> Iterator[None]:
    """The tiny base never stops by itself, and a few steps show that something is trained."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.evaluate, "MAX_NEW_TOKENS", 12)
        patch.setattr(training.evaluate, "TIMED", 1)
        patch.setattr(training.own_lora, "STEPS", 3)
        yield


def greedy(base: Base, prompt_ids: list[int], weights: LoraWeights | None = None) -> str:
    """The answer as it is generated."""
    sampling = Sampling(max_new_tokens=training.evaluate.MAX_NEW_TOKENS)
    return base.decode(answer_all(base, [Row(prompt_ids, weights)], sampling)[0].ids)


def with_examples(line: Line) -> tuple[dict, ...]:
    """Three solved questions as earlier turns."""
    return tuple(
        turn
        for task in line.others[:3]
        for turn in ({"role": "user", "content": task.prompt}, {"role": "assistant", "content": task.answer})
    )


# ---- the report ----------------------------------------------------------------------------------------------------


def test_the_report_has_every_column_for_all_lines_each_subtask_and_each_family(report: dict, split: dict, base: Base):
    groups = {"all": split["all"], **split["subtasks"], **split["families"]}
    counts = {"all": 8, "Diagnosis/Search": 8, "limits": 4, "routing": 4}
    assert {name: group["n"] for name, group in groups.items()} == counts
    for group in groups.values():
        assert {*COLUMNS, READER} <= set(group["exact"]) == set(group["f1"]) == set(group["exact_interval"])
        assert all(0 <= score <= 1 for scores in (group["exact"], group["f1"]) for score in scores.values())
        for measure, rival in product(("exact", "f1"), ("in context", READER)):
            low, high = group["difference"][measure][rival]
            assert low - 1e-4 <= group[measure]["parametric"] - group[measure][rival] <= high + 1e-4
    assert set(split["prompt_tokens"]) == set(split["seconds"]) == {*COLUMNS, READER, OWN}
    assert all(seconds > 0 for seconds in split["seconds"].values())
    assert report["base_fingerprint"] == base.fingerprint
    assert split["skills"] == 4


def test_prompts_hold_what_their_column_says_and_nothing_else(split: dict, base: Base, lines: list[Line]):
    tokens = split["prompt_tokens"]
    bare = sum(len(base.chat_ids(line.prompt)) for line in lines) / len(lines)
    reading = sum(len(base.chat_ids(line.prompt, line.skill)) for line in lines) / len(lines)
    full = sum(len(base.chat_ids(line.prompt, line.skill, with_examples(line))) for line in lines) / len(lines)
    for column in ("no skill", "parametric", "wrong skill", "shared only"):
        assert tokens[column] == pytest.approx(bare, abs=0.1)
    assert tokens["in context"] == tokens[READER] == pytest.approx(reading, abs=0.1)
    assert tokens["in context with three examples"] == pytest.approx(full, abs=0.1)
    assert bare + 50 < reading < full


def test_each_column_answers_by_its_own_means(
    base: Base, hypernetwork: Hypernetwork, lines: list[Line], reader: LoraWeights
):
    """What a column answers is the right answer of a second table: there that column, and no other, has 100 %."""
    wrong = _wrong_skills(lines)
    own = {line.skill: hypernetwork.generate(base, [line.skill]) for line in lines}
    means = {
        "no skill": lambda line: (base.chat_ids(line.prompt), None),
        "in context": lambda line: (base.chat_ids(line.prompt, line.skill), None),
        "in context with three examples": lambda line: (
            base.chat_ids(line.prompt, line.skill, with_examples(line)),
            None,
        ),
        "parametric": lambda line: (base.chat_ids(line.prompt), own[line.skill]),
        "wrong skill": lambda line: (base.chat_ids(line.prompt), own[wrong[line.skill]]),
        "shared only": lambda line: (base.chat_ids(line.prompt), hypernetwork.shared()),
        READER: lambda line: (base.chat_ids(line.prompt, line.skill), reader),
    }
    for column, row in means.items():
        given = [replace(line, answer=greedy(base, *row(line))) for line in lines]
        exact = evaluate(base, hypernetwork, given, reader=reader)["splits"]["known"]["all"]["exact"]
        assert exact[column] == 1, column
        assert sorted(exact.values())[-2] < 1, exact  # no other column says the same everywhere


def test_the_wrong_skill_is_another_one_of_the_same_family(lines: list[Line]):
    wrong, family_of = _wrong_skills(lines), {line.skill: line.family for line in lines}
    assert wrong.keys() == family_of.keys()
    assert all(skill != other and family_of[skill] == family_of[other] for skill, other in wrong.items())


def test_a_skill_alone_in_its_family_takes_the_wrong_one_from_its_subtask_or_else_from_all():
    lines = [
        Line("a", "p", "x", "patch", "one"),
        Line("b", "p", "x", "search", "two"),
        Line("c", "p", "x", "patch", "three"),
        Line("c", "q", "x", "patch", "three"),
    ]
    assert _wrong_skills(lines) == {"a": "c", "b": "c", "c": "a"}
    no_family = [replace(line, family="") for line in lines]
    assert _wrong_skills(no_family) == {"a": "c", "b": "c", "c": "a"}


def test_data_with_a_single_skill_is_refused(base: Base, hypernetwork: Hypernetwork):
    with pytest.raises(DataError, match=r"single skill.*Add lines of another"):
        evaluate(base, hypernetwork, [Line("Only one.", "p", "a")])


def test_a_prompt_over_the_context_counts_as_no_answer(base: Base, hypernetwork: Hypernetwork, lines: list[Line]):
    too_long = [Line(line.skill, "word and " * 2000, "x") for line in lines[:4]]
    exact = evaluate(base, hypernetwork, too_long)["splits"]["lines"]["all"]["exact"]
    assert set(exact.values()) == {0.0}


def test_earlier_turns_stand_in_the_prompt(base: Base, hypernetwork: Hypernetwork, lines: list[Line], split: dict):
    turns = ({"role": "user", "content": "before"}, {"role": "assistant", "content": "yes"})
    with_turns = [replace(line, messages=turns) for line in lines]
    tokens = evaluate(base, hypernetwork, with_turns)["splits"]["known"]["prompt_tokens"]
    added = len(base.chat_ids("p", None, turns)) - len(base.chat_ids("p"))
    for column in COLUMNS:
        assert tokens[column] == pytest.approx(split["prompt_tokens"][column] + added, abs=0.11)


def test_without_a_reader_and_a_ceiling_their_columns_are_left_out(
    base: Base, hypernetwork: Hypernetwork, lines: list[Line]
):
    left = evaluate(base, hypernetwork, lines[:4])
    everything = left["splits"]["known"]["all"]
    assert set(everything["exact"]) == set(COLUMNS)
    assert set(everything["difference"]["exact"]) == {"in context", "in context with three examples"}
    assert "ceiling" not in everything
    assert "*tuned reader* is left out: there is no folder `reader`" in table(left)
    assert READER not in overview(left)


def test_any_of_several_right_answers_is_right(base: Base, hypernetwork: Hypernetwork, lines: list[Line]):
    said = greedy(base, base.chat_ids(lines[0].prompt))
    given = [replace(lines[0], answer="no such answer", also=("nor this", said)), lines[2]]
    plain = [replace(line, also=()) for line in given]
    for asked, hits in ((given, 0.5), (plain, 0.0)):
        assert evaluate(base, hypernetwork, asked)["splits"]["known"]["all"]["exact"]["no skill"] == hits


def test_checks_passed_is_the_share_of_answers_that_keep_all_of_them(
    base: Base, hypernetwork: Hypernetwork, lines: list[Line]
):
    said = greedy(base, base.chat_ids(lines[0].prompt))
    kept, broken = Assertion("starts_with", said.strip()[:3]), Assertion("contains", "no answer has this in it")
    given = [replace(lines[0], checks=(kept,)), replace(lines[0], checks=(kept, broken)), *lines[2:4]]
    made = evaluate(base, hypernetwork, given)
    assert made["splits"]["known"]["all"]["checks"]["no skill"] == 0.5
    assert "| checks passed | 50.0 |" in table(made)
    assert "checks passed" not in table(evaluate(base, hypernetwork, lines[2:4] + lines[:1]))


def test_bertscore_is_reported_on_request(base: Base, hypernetwork: Hypernetwork, lines: list[Line]):
    made = evaluate(base, hypernetwork, lines[::2], bertscore=True)
    scores = made["splits"]["known"]["all"]["bertscore"]
    assert set(scores) == set(COLUMNS)
    assert all(-1 <= score <= 1 for score in scores.values())
    assert "| BERTScore |" in table(made)


# ---- one pass instead of many steps --------------------------------------------------------------------------------


def test_every_answer_is_the_greedy_one_and_exact_match_alone_finds_the_right_ones(
    base: Base, hypernetwork: Hypernetwork, lines: list[Line], monkeypatch: pytest.MonkeyPatch
):
    """On a base that was taught some answers by heart, and gives others to other questions."""
    monkeypatch.setattr(training.own_lora, "STEPS", 120)
    monkeypatch.setattr(training.own_lora, "LEARNING_RATE", 1e-2)
    taught = [replace(line, answer=f"{word} it") for line, word in zip(lines, ("keep", "drop"), strict=False)]
    asked = [*taught, *lines[4:6]]
    tasks = tuple(Task(line.prompt, line.answer) for line in taught)
    weights = train_own_lora(base, hypernetwork.generate(base, [lines[0].skill]), [tasks])
    generated: list[list[int]] = []

    def noting(base: Base, rows: list[Row], sampling: Sampling):
        generated.extend(row.prompt_ids for row in rows)
        return answer_all(base, rows, sampling)

    monkeypatch.setattr(training.evaluate, "answer_all", noting)
    column = Column(adapters=lambda skills: weights.rows([0] * len(skills)))
    answers, tokens = _answers(base, column, asked)
    prompts = [base.chat_ids(line.prompt) for line in asked]
    assert answers[:2] == [line.answer for line in taught]
    assert answers == [greedy(base, prompt, weights) for prompt in prompts]
    assert sorted(generated) == sorted(prompts)
    assert len({id(row.weights) for row in column.rows(base, asked)}) == len({line.skill for line in asked})
    generated.clear()
    monkeypatch.setattr(training.evaluate, "TIMED", 4)
    assert _seconds(base, column, asked) > 0
    assert generated == [prompts[i * len(asked) // 4] for i in range(4)]
    assert tokens == sum(map(len, prompts))

    # without generating, any of the right answers is found
    monkeypatch.setattr(training.evaluate, "answer_all", None)
    asked[1] = replace(asked[1], answer="never", also=("nor that", asked[1].answer))
    assert _answers(base, column, asked, exact_only=True) == ([*answers[:2], "", ""], tokens)


def test_exact_match_alone_generates_nothing(
    base: Base, hypernetwork: Hypernetwork, lines: list[Line], split: dict, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(training.evaluate, "answer_all", None)
    fast = evaluate(base, hypernetwork, lines, exact_only=True)
    made = fast["splits"]["known"]
    assert set(made["all"]["exact"]) == set(COLUMNS) and "f1" not in made["all"]
    assert made["prompt_tokens"] == {column: split["prompt_tokens"][column] for column in COLUMNS}
    assert "seconds an answer" not in table(fast) and "Nothing was generated" in table(fast)
    with pytest.raises(DataError, match="Leave --exact-only out"):
        evaluate(base, hypernetwork, lines, bertscore=True, exact_only=True)


# ---- the rivals ----------------------------------------------------------------------------------------------------


def test_the_reader_lies_in_or_beside_the_checkpoint(base: Base, checkpoint: Path, reader: LoraWeights, tmp_path: Path):
    assert find_reader(base, checkpoint) is None
    saved = Adapter(reader, layers_path(base), Provenance("reader", "", 0, base.name, base.fingerprint, "", 1.0))
    for folder in (tmp_path / "inside" / "checkpoint" / "reader", tmp_path / "beside" / "reader"):
        saved.save(folder)
        found = find_reader(base, tmp_path / folder.relative_to(tmp_path).parts[0] / "checkpoint")
        assert all(torch.equal(a, found.modules[m][0]) for m, (a, _) in reader.modules.items())


def test_own_lora_have_the_shape_of_the_adapter_and_learn_their_own_skill_alone(
    base: Base, hypernetwork: Hypernetwork, lines: list[Line], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(training.own_lora, "STEPS", 40)
    monkeypatch.setattr(training.own_lora, "LEARNING_RATE", 1e-2)
    like = hypernetwork.generate(base, [lines[0].skill])
    first, second = lines[0].others[:4], lines[-1].others[:4]
    both = train_own_lora(base, like, [first, second])
    assert {m: (a.shape[1:], b.shape[1:]) for m, (a, b) in both.modules.items()} == {
        m: (a.shape[1:], b.shape[1:]) for m, (a, b) in like.modules.items()
    }
    examples = [to_example(base, skill, task) for skill, tasks in enumerate((first, second)) for task in tasks]

    def loss(weights: LoraWeights | None) -> float:
        scored = answer_logits(base, examples, weights)
        return torch.nn.functional.cross_entropy(scored.logits, scored.right).item()

    with torch.no_grad():
        assert loss(both) < 0.8 * loss(None)
        assert loss(both) < loss(both.rows([1, 0]))


def test_the_ceiling_is_compared_on_the_lines_of_its_skills(split: dict, report: dict, lines: list[Line]):
    everything = split["all"]
    assert everything["ceiling"]["n"] == 4  # two skills, two questions each
    assert 0 <= everything["exact"][OWN] <= 1
    assert "on the same ones *parametric* has" in table(report)
    assert f"{100 * everything['exact'][OWN]:.1f} (4)" in table(report)


def test_a_lora_of_its_own_is_not_trained_on_lines_that_are_asked(
    base: Base, hypernetwork: Hypernetwork, tmp_path: Path
):
    data = [{"skill": f"Skill {i}.", "prompt": f"p{j}", "answer": "a"} for i in range(2) for j in range(3)]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(item) + "\n" for item in data))
    given = read_lines(tmp_path / "data.jsonl")
    with pytest.raises(DataError, match=r"No skill of this data has solved questions.*Leave --ceiling out"):
        evaluate(base, hypernetwork, given, ceiling=1)
    asked = [line for line in given if line.prompt == "p0"]  # the others are free to train on
    assert evaluate(base, hypernetwork, asked, ceiling=1)["splits"]["lines"]["all"]["ceiling"]["n"] == 1


def test_no_lora_is_trained_through_four_bits(tiny_folder: Path, hypernetwork: Hypernetwork, lines: list[Line]):
    with pytest.raises(DataError, match="can be trained through an NF4 base"):
        evaluate(load_base(tiny_folder, "nf4"), hypernetwork, lines, ceiling=1)


# ---- tables and picture --------------------------------------------------------------------------------------------


def test_the_table_shows_every_group_and_column(report: dict):
    shown = table(report).splitlines()
    assert shown[0] == "### known: 8 questions to 4 skills"
    assert all(column in shown[2] for column in (*COLUMNS, READER, OWN))
    rivals = ("in context", "in context with three examples", READER)
    leads = "".join(f" parametric - {rival} (95 %) |" for rival in rivals)
    assert overview(report).splitlines()[0].endswith(leads)
    first = [row.split(" | ")[0] for row in shown[4:8]]
    assert first == ["| all", "| Diagnosis/Search", "| limits", "| routing, open"]
    assert len({row.count("|") for row in shown[2:8]}) == 1
    labels = [row.split(" | ")[0] for row in shown]
    assert {"| token F1", "| token F1: Diagnosis/Search"} <= set(labels)
    assert shown[labels.index("| token F1") - 2].endswith(leads)


def test_a_table_of_very_many_families_leaves_their_rows_to_the_report(split: dict):
    many = {**split, "families": {f"task {i}": split["all"] for i in range(200)}}
    shown = table({"splits": {"instructions": many}})
    assert "The 200 families are in the report" in shown
    assert "task 7" not in shown


def test_a_column_none_of_whose_prompts_fits_the_base_takes_no_time_and_is_shown_empty(
    base: Base, hypernetwork: Hypernetwork, lines: list[Line], monkeypatch: pytest.MonkeyPatch
):
    fits = training.evaluate._fits
    monkeypatch.setattr(training.evaluate, "_fits", lambda base, ids: len(ids) < 60 and fits(base, ids))
    assert any(len(base.chat_ids(line.prompt)) < 60 for line in lines)
    assert all(len(base.chat_ids(line.prompt, line.skill)) >= 60 for line in lines)
    report = evaluate(base, hypernetwork, lines)
    assert "in context" not in report["splits"]["known"]["seconds"] and "seconds an answer" in table(report)


@pytest.mark.parametrize(("name", "start"), [("proof.png", b"\x89PNG"), ("proof.svg", b"<?xml")])
def test_the_picture_shows_every_split_and_column(report: dict, name: str, start: bytes, tmp_path: Path):
    two = {"splits": {"known": report["splits"]["known"], "wordings": report["splits"]["known"]}}
    picture(two, tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


def test_a_column_that_is_kept_is_not_asked_again(
    base: Base,
    hypernetwork: Hypernetwork,
    lines: list[Line],
    reader: LoraWeights,
    report: dict,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    file = tmp_path / "kept.jsonl"
    whole = evaluate(base, hypernetwork, lines, reader=reader, ceiling=2, kept=Kept(file))
    rows = file.read_text().splitlines(keepends=True)
    assert len(rows) == len(COLUMNS) + 2  # each its own, the reader's, and both skills of the ceiling at once

    def refuse(*_):
        raise AssertionError("asked again")

    monkeypatch.setattr(training.evaluate, "_answers", refuse)
    monkeypatch.setattr(training.evaluate, "train_own_lora", refuse)
    assert evaluate(base, hypernetwork, lines, reader=reader, ceiling=2, kept=Kept(file)) == whole
    for other in ({"lines": lines[:4]}, {"hypernetwork": make_hypernetwork(base, seed=5)}, {"exact_only": True}):
        asked = {"base": base, "hypernetwork": hypernetwork, "lines": lines, "reader": reader, "kept": Kept(file)}
        with pytest.raises(AssertionError, match="asked again"):
            evaluate(**asked | other)
    file.write_text("".join(rows[:-1]))
    with pytest.raises(AssertionError, match="asked again"):
        evaluate(base, hypernetwork, lines, reader=reader, ceiling=2, kept=Kept(file))


def test_another_hypernetwork_or_reader_is_asked_in_its_own_columns_alone(
    base: Base,
    hypernetwork: Hypernetwork,
    lines: list[Line],
    reader: LoraWeights,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    kept, measured, measure = Kept(tmp_path / "kept.jsonl"), [], training.evaluate._measure
    evaluate(base, hypernetwork, lines, reader=reader, kept=kept)

    def spy(base: Base, column: Column, *rest: object) -> dict:
        measured.append((column.skill_in_prompt, column.adapters is not None))
        return measure(base, column, *rest)

    monkeypatch.setattr(training.evaluate, "_measure", spy)
    other = make_hypernetwork(base, seed=5)
    with torch.no_grad():
        other_reader = other.shared().to(base.dtype)
    evaluate(base, other, lines, reader=reader, kept=kept)
    assert measured == [(False, True)] * 3  # parametric, wrong skill, shared only
    measured.clear()
    evaluate(base, other, lines, reader=other_reader, kept=kept)
    assert measured == [(True, True)]


def test_what_two_processes_keep_in_one_file_is_all_there(tmp_path: Path):
    first, second = (Kept(tmp_path / "new" / "kept.jsonl") for _ in range(2))
    first.add({"a": {"exact": 1}})
    second.add({"b": {"exact": 0}})
    assert "a" in second and Kept(tmp_path / "new" / "kept.jsonl")["b"] == {"exact": 0}


@pytest.mark.parametrize("held", ["word\n", "[]\n", '{"exact": 1}\n'])
def test_a_file_that_holds_no_rows_is_refused_and_stays(held: str, tmp_path: Path):
    (tmp_path / "kept.jsonl").write_text(held)
    with pytest.raises(DataError, match="does not hold an earlier run's rows"):
        Kept(tmp_path / "kept.jsonl")
    assert (tmp_path / "kept.jsonl").read_text() == held


def test_what_is_scored_or_generated_together_is_bounded_in_tokens(monkeypatch: pytest.MonkeyPatch):
    lines = [Line(str(i // 50), "p", "a") for i in range(100)]
    prompts = [[0] * (100 + i) for i in range(100)]
    monkeypatch.setattr(training.evaluate, "TOKENS_AT_ONCE", 1000)
    for parts in (_batches([*range(100)], prompts, lines), _parts([*range(100)], prompts)):
        parts = list(parts)
        assert sorted(i for part in parts for i in part) == [*range(100)]
        assert all(len(part) * (max(len(prompts[i]) for i in part) + 12) <= 1000 for part in parts)
        assert any(len(part) > 1 for part in parts)


def test_the_first_row_of_whole_families_draws_families_and_the_others_draw_skills():
    lines = [Line(f"{f}{s}", f"{q}", "a", "t", f, split="families") for f in "ab" for s in "123" for q in range(4)]
    right = [float(line.family == "a") for line in lines]
    scores = {"parametric": {"exact": right}, "in context": {"exact": [0.0] * len(lines)}}
    whole, known = (summary([replace(line, split=split) for line in lines], scores) for split in ("families", "known"))
    leads = whole["all"]["difference"]["exact"]
    assert leads["in context"] == [0.0, 1.0]  # one family of two, and both may be drawn twice
    assert whole["subtasks"] == known["subtasks"]
    low, high = known["all"]["difference"]["exact"]["in context"]
    assert 0 < low < 0.5 < high < 1
    one = [i for i, line in enumerate(lines) if line.skill == "a1"]
    alone = summary([lines[i] for i in one], {c: {"exact": [m["exact"][i] for i in one]} for c, m in scores.items()})
    assert alone["families"]["a"]["difference"]["exact"] == {"in context": None}


def test_two_hypernetworks_give_two_reports(base: Base, lines: list[Line], report: dict):
    other = evaluate(base, make_hypernetwork(base, seed=5), lines)
    assert other["hypernetwork_fingerprint"] != report["hypernetwork_fingerprint"]
    for column in ("no skill", "in context"):
        scores = [made["splits"]["known"]["all"]["f1"][column] for made in (other, report)]
        assert scores[0] == scores[1]


# ---- the data ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", SPLITS)
def test_every_split_has_at_least_five_hundred_questions_to_new_skills(split: str):
    drawn = family_lines(split)
    assert len(drawn) >= LEAST == 500
    families = {"families": HELD_OUT, "combinations": (GRAMMAR,)}.get(split, (*KNOWN, GRAMMAR))
    skills = Counter(line.family for line in {line.skill: line for line in drawn}.values())
    assert set(skills) == set(families)
    assert max(skills.values()) - min(skills.values()) <= 1  # the same skill may be drawn twice
    assert {line.split for line in drawn} == {split}
    for line in drawn:
        assert len({task.prompt for task in line.others}) == len(line.others) >= 3
        assert line.prompt not in {task.prompt for task in line.others}


def test_the_splits_are_what_their_names_say():
    drawn = {split: family_lines(split, skills=3) for split in SPLITS}
    assert not {line.family for line in drawn["families"]} & {line.family for line in drawn["known"]}
    assert {line.family for line in drawn["combinations"]} == {GRAMMAR}
    texts = {split: {line.skill for line in of_split} for split, of_split in drawn.items()}
    assert sum(map(len, texts.values())) == len(set().union(*texts.values()))
    kept = re.compile(r"^(### Procedure|## Checklist|## The way we do it|Rule 1: |> |a\) |- \[ \] )", re.MULTILINE)
    assert any(kept.search(text) for text in texts["wordings"])
    assert not any(kept.search(text) for text in texts["known"])
    assert family_lines("combinations", skills=3) == drawn["combinations"]


def test_the_library_gives_its_evals_as_lines():
    lines = library_lines()
    assert len(lines) >= 24 * 6
    assert {line.subtask for line in lines} == set(SUBTASKS)
    assert all(line.skill and line.prompt and line.answer and line.checks for line in lines)
    assert all(len(line.others) >= 3 for line in lines)


def test_lines_are_read_with_all_their_fields(tmp_path: Path):
    turns = [{"role": "user", "content": "é"}]
    checks = [{"kind": "contains", "value": "a"}, {"kind": "json"}]
    full = {"skill": "s", "prompt": "p", "answer": "a", "subtask": "t", "family": "f", "messages": turns}
    least = {"skill": "s", "prompt": "q", "answer": "b"}
    text = f"{json.dumps(full | {'checks': checks})}\n\n{json.dumps(least)}\n"
    (tmp_path / "data.jsonl").write_text(text, encoding="utf-8")
    asserted = (Assertion("contains", "a"), Assertion("json"))
    assert read_lines(tmp_path / "data.jsonl") == [
        Line("s", "p", "a", "t", "f", tuple(turns), asserted, others=(Task("q", "b"),)),
        Line("s", "q", "b", others=(Task("p", "a", tuple(turns)),)),
    ]


def test_tasks_that_others_wrote_are_skills_with_several_right_answers(tmp_path: Path):
    instances = [{"input": f"in {i}", "output": [f"out {i}", f"also {i}"]} for i in range(5)]
    text = json.dumps({"task": "one", "definition": "Do it.", "instances": instances}) + "\n"
    with gzip.open(tmp_path / "tasks.jsonl.gz", "wt") as file:
        file.write(text + json.dumps({"definition": "Do that.", "instances": instances[:1]}))
    drawn = read_instructions(tmp_path / "tasks.jsonl.gz")
    assert [(line.skill, line.prompt, line.family) for line in drawn] == [
        ("Do it.", "in 0", "one"),
        ("Do it.", "in 1", "one"),
        ("Do it.", "in 2", "one"),
        ("Do that.", "in 0", "task 2"),
    ]
    assert (drawn[1].answer, drawn[1].also) == ("out 1", ("also 1",))
    assert drawn[0].others == (Task("in 3", "out 3"), Task("in 4", "out 4"))


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"instances": [{"input": "i", "output": ["o"]}]}, r"tasks\.jsonl:1: needs the text definition"),
        ({"definition": " ", "instances": [{"input": "i", "output": ["o"]}]}, r":1: needs the text definition"),
        ({"definition": "d"}, r":1: instances must be a list"),
        ({"definition": "d", "instances": []}, r":1: instances must be a list"),
        ({"definition": "d", "instances": [{"input": "i", "output": "o"}]}, r":1: instances must be a list"),
        ({"definition": "d", "instances": [{"input": "i", "output": []}]}, r":1: instances must be a list"),
        ({"definition": "d", "instances": [{"output": ["o"]}]}, r":1: instances must be a list"),
    ],
)
def test_bad_tasks_are_refused_by_their_line(item: dict, said: str, tmp_path: Path):
    (tmp_path / "tasks.jsonl").write_text(json.dumps(item))
    with pytest.raises(DataError, match=said):
        read_instructions(tmp_path / "tasks.jsonl")


GOOD = '{"skill": "s", "prompt": "p", "answer": "a"}\n'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GOOD + "{\n", r"data\.jsonl:2: is not JSON"),
        (GOOD + "\n[1]\n", r"data\.jsonl:3: is no object"),
        (GOOD + '{"skill": "s", "prompt": "p"}\n', r"data\.jsonl:2: needs the texts"),
        (GOOD + '{"skill": "s", "prompt": "p", "answer": 3}\n', r"data\.jsonl:2: needs the texts"),
        (GOOD + '{"skill": "", "prompt": "p", "answer": "a"}\n', r"data\.jsonl:2: needs the texts"),
        (GOOD[:-2] + ', "family": 3}\n', r"data\.jsonl:1: subtask and family must be texts"),
        (GOOD[:-2] + ', "messages": "hi"}\n', r"data\.jsonl:1: messages must be a list"),
        (GOOD[:-2] + ', "messages": [{"role": "user"}]}\n', r"data\.jsonl:1: messages must be a list"),
        (GOOD[:-2] + ', "messages": null}\n', r"data\.jsonl:1: messages must be a list"),
        (
            GOOD[:-2] + ', "messages": [{"role": "human", "content": "hi"}]}\n',
            r"data\.jsonl:1: messages must be a list of turns with the texts role \(system, user, assistant, tool\)",
        ),
        (GOOD[:-2] + ', "checks": {}}\n', r"data\.jsonl:1: checks must be a list of assertions"),
        (GOOD[:-2] + ', "checks": [{"kind": "like"}]}\n', r"data\.jsonl:1: there is no assertion of the kind 'like'"),
        ("", r"data\.jsonl has no lines"),
        (b"\xff\xfe\x00", r"data\.jsonl can't be read as a text file"),
    ],
)
def test_bad_data_is_refused_by_its_line(content: str | bytes, said: str, tmp_path: Path):
    file = tmp_path / "data.jsonl"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=said):
        read_lines(file)


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match=r"none\.jsonl can't be read"):
        read_lines(tmp_path / "none.jsonl")


def test_a_file_that_is_no_whole_gzip_is_refused(tmp_path: Path):
    whole = gzip.compress(b'{"definition": "d", "instances": [{"input": "i", "output": ["o"]}]}\n' * 9)
    for content in (b"{}", whole[:10] + b"\xff" * 8 + whole[18:], whole[:-9]):  # none at all, damaged, cut
        (tmp_path / "tasks.jsonl.gz").write_bytes(content)
        with pytest.raises(DataError, match=r"tasks\.jsonl\.gz can't be read"):
            read_instructions(tmp_path / "tasks.jsonl.gz")


def test_a_limit_spreads_evenly():
    assert spread_out(list(range(10)), 4) == [0, 2, 5, 7]
    assert spread_out([1, 2], 4) == spread_out([1, 2], None) == [1, 2]


# ---- the command line ----------------------------------------------------------------------------------------------


def test_the_command_prints_the_tables_and_writes_the_report_and_the_picture(
    tiny_folder: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out, drawn = tmp_path / "report.json", tmp_path / "picture.png"
    own = shutil.copytree(checkpoint, tmp_path / "own")
    which = ["--base", str(tiny_folder), "--checkpoint", str(own), "--skills", "2", "--limit", "2"]
    options = ["--ceiling", "1", "--card", "--out", str(out), "--picture", str(drawn)]
    assert main(["evaluate", *options, *which]) == 0
    printed = capsys.readouterr().out
    report = json.loads(out.read_text())
    assert list(report["splits"]) == list(SPLITS)
    assert all(split["all"]["n"] == 2 for split in report["splits"].values())
    assert table(report) == printed.strip()
    assert drawn.stat().st_size > 1000
    assert printed.startswith(overview(report)) and overview(report).count("\n") == 1 + len(SPLITS)
    said = (own / "README.md").read_text()
    assert said.startswith("---\nlibrary_name: parametric-skills") and overview(report) in said and "## Limits" in said
    assert main(["evaluate", "--out", str(tmp_path), *which]) == 2  # before hours of work
    assert "is a folder. Name a file in it." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "split"), [("held-out", "families"), ("wordings", "wordings"), ("library", "library")]
)
def test_the_command_takes_one_split_by_name(
    data: str, split: str, tiny_folder: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
):
    which = ["--base", str(tiny_folder), "--checkpoint", str(checkpoint), "--limit", "2", "--skills", "1"]
    assert main(["evaluate", "--data", data, *which]) == 0
    assert re.findall(r"^### (\w+): 2 questions", capsys.readouterr().out, re.MULTILINE) == [split]


def test_the_command_refuses_with_status_two_and_a_message(
    tiny_folder: Path,
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    (tmp_path / "bad.jsonl").write_text("{")
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as where the extra is not installed
    for arguments, said in (
        (["--data", str(tmp_path / "bad.jsonl")], r"bad.jsonl:1: is not JSON"),
        (["--data", str(tmp_path / "none.jsonl")], r"none.jsonl can't be read"),
        (["--data", "library", "--base", str(tiny_folder)], "No hypernetwork ships for tiny-llama"),
        (
            ["--data", "library", "--base", str(tiny_folder), "--checkpoint", str(tmp_path)],
            "holds no hypernetwork that can be read",
        ),
        (["--judge-url", "http://localhost"], "needs both --judge-url and --judge-model"),
        (["--picture", "x.png"], "--picture needs matplotlib. Install it: pip install -e '.[proof]'"),
    ):
        assert main(["evaluate", *arguments]) == 2
        shown = capsys.readouterr()
        assert said in shown.err
        assert shown.out == ""
