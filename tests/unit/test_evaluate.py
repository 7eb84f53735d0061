"""The table: every column on every line, controls that are controls, and data that is refused by line."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny import make_hypernetwork

import training.evaluate
from hypernet.base import Base
from hypernet.decode import Row, Sampling, answer_all
from hypernet.hypernetwork import Hypernetwork
from skills.library import SUBTASKS
from training.__main__ import main
from training.evaluate import (
    COLUMNS,
    DataError,
    Line,
    _wrong_skills,
    evaluate,
    family_lines,
    library_lines,
    read_lines,
    table,
)
from training.tasks import FAMILIES


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    """Two families, two skills each, two questions a skill."""
    return [line for line in family_lines(skills=2, tasks=2) if line.family in ("limits", "routing")]


@pytest.fixture(scope="module")
def report(base: Base, hypernetwork: Hypernetwork, lines: list[Line]) -> dict:
    return evaluate(base, hypernetwork, lines)


@pytest.fixture(scope="module", autouse=True)
def short_answers() -> Iterator[None]:
    """The tiny base never stops by itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.evaluate, "MAX_NEW_TOKENS", 12)
        yield


# ---- the report ----------------------------------------------------------------------------------------------------


def test_the_report_has_every_column_for_all_lines_each_subtask_and_each_family(report: dict, base: Base):
    assert set(report["groups"]) == {"all", "Diagnosis/Search", "limits", "routing"}
    assert {name: group["n"] for name, group in report["groups"].items()} == {
        "all": 8,
        "Diagnosis/Search": 8,
        "limits": 4,
        "routing": 4,
    }
    for group in report["groups"].values():
        assert set(group["exact"]) == set(group["f1"]) == set(COLUMNS)
        assert all(0 <= score <= 1 for scores in (group["exact"], group["f1"]) for score in scores.values())
        low, high = group["interval"]
        assert low <= group["exact"]["parametric"] - group["exact"]["in context"] <= high
    assert report["base_fingerprint"] == base.fingerprint
    assert report["skills"] == 4


def test_only_the_in_context_column_has_the_skill_in_its_prompt(report: dict):
    tokens = report["prompt_tokens"]
    assert len({tokens[column] for column in COLUMNS if column != "in context"}) == 1
    assert tokens["in context"] > tokens["parametric"] + 100


def test_each_column_answers_by_its_own_means(base: Base, hypernetwork: Hypernetwork, lines: list[Line]):
    """What a column answers is the right answer of a second table: there that column, and no other, has 100 %."""
    wrong = _wrong_skills(lines)
    own = {line.skill: hypernetwork.generate(base, [line.skill]) for line in lines}
    means = {
        "no skill": lambda line: Row(base.chat_ids(line.prompt)),
        "in context": lambda line: Row(base.chat_ids(line.prompt, line.skill)),
        "parametric": lambda line: Row(base.chat_ids(line.prompt), own[line.skill]),
        "wrong skill": lambda line: Row(base.chat_ids(line.prompt), own[wrong[line.skill]]),
        "shared only": lambda line: Row(base.chat_ids(line.prompt), hypernetwork.shared()),
    }
    for column, row in means.items():
        given = []
        for line in lines:
            answer = answer_all(base, [row(line)], Sampling(max_new_tokens=training.evaluate.MAX_NEW_TOKENS))[0]
            given.append(Line(line.skill, line.prompt, base.decode(answer.ids), line.subtask, line.family))
        exact = evaluate(base, hypernetwork, given)["groups"]["all"]["exact"]
        assert exact[column] == 1, column
        assert sorted(exact.values())[-2] < 1, exact  # no other column says the same everywhere


def test_the_wrong_skill_is_another_one_of_the_same_family(lines: list[Line]):
    wrong, family_of = _wrong_skills(lines), {line.skill: line.family for line in lines}
    assert wrong.keys() == family_of.keys()
    assert all(skill != other and family_of[skill] == family_of[other] for skill, other in wrong.items())


def test_a_family_with_a_single_skill_takes_the_wrong_one_from_another():
    lines = [Line("a", "p", "x", family="one"), Line("b", "p", "x", family="two"), Line("b", "q", "x", family="three")]
    assert _wrong_skills(lines) == {"a": "b", "b": "a"}


def test_data_with_a_single_skill_is_refused(base: Base, hypernetwork: Hypernetwork):
    with pytest.raises(DataError, match=r"single skill.*Add lines of another"):
        evaluate(base, hypernetwork, [Line("Only one.", "p", "a")])


def test_a_prompt_over_the_context_counts_as_no_answer(base: Base, hypernetwork: Hypernetwork, lines: list[Line]):
    too_long = [Line(line.skill, "word and " * 2000, "x") for line in lines[:4]]
    exact = evaluate(base, hypernetwork, too_long)["groups"]["all"]["exact"]
    assert set(exact.values()) == {0.0}


def test_earlier_turns_stand_in_the_prompt(base: Base, hypernetwork: Hypernetwork, lines: list[Line], report: dict):
    turns = ({"role": "user", "content": "before"}, {"role": "assistant", "content": "yes"})
    with_turns = [Line(line.skill, line.prompt, line.answer, messages=turns) for line in lines]
    tokens = evaluate(base, hypernetwork, with_turns)["prompt_tokens"]
    added = len(base.chat_ids("p", None, turns)) - len(base.chat_ids("p"))
    for column in COLUMNS:
        assert tokens[column] == pytest.approx(report["prompt_tokens"][column] + added)


def test_the_table_shows_every_group_and_column(report: dict):
    shown = table(report).splitlines()
    assert all(column in shown[0] for column in COLUMNS)
    assert [row.split(" | ")[0] for row in shown[2:6]] == ["| all", "| Diagnosis/Search", "| limits", "| routing"]
    assert len({row.count("|") for row in shown[:6]}) == 1


def test_two_hypernetworks_give_two_reports(base: Base, lines: list[Line], report: dict):
    other = evaluate(base, make_hypernetwork(base, seed=5), lines)
    assert other["hypernetwork_fingerprint"] != report["hypernetwork_fingerprint"]
    for column in ("no skill", "in context"):
        assert other["groups"]["all"]["f1"][column] == report["groups"]["all"]["f1"][column]


# ---- the data ------------------------------------------------------------------------------------------------------


def test_there_are_at_least_four_hundred_lines_of_new_skills_over_all_families():
    lines = family_lines()
    assert len(lines) >= 400
    assert {line.family for line in lines} == set(FAMILIES)
    assert {line.subtask for line in lines} == set(SUBTASKS)
    assert lines == family_lines()


def test_the_library_gives_its_evals_as_lines():
    lines = library_lines()
    assert len(lines) >= 24 * 6
    assert {line.subtask for line in lines} == set(SUBTASKS)
    assert all(line.skill and line.prompt and line.answer for line in lines)


def test_lines_are_read_with_all_their_fields(tmp_path: Path):
    turns = [{"role": "user", "content": "é"}]
    full = {"skill": "s", "prompt": "p", "answer": "a", "subtask": "t", "family": "f", "messages": turns, "checks": []}
    least = {"skill": "s", "prompt": "p", "answer": "a"}
    (tmp_path / "data.jsonl").write_text(f"{json.dumps(full)}\n\n{json.dumps(least)}\n", encoding="utf-8")
    assert read_lines(tmp_path / "data.jsonl") == [Line("s", "p", "a", "t", "f", tuple(turns)), Line("s", "p", "a")]


GOOD = '{"skill": "s", "prompt": "p", "answer": "a"}\n'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GOOD + "{\n", r"data\.jsonl:2: is no JSON"),
        (GOOD + "\n[1]\n", r"data\.jsonl:3: needs the texts skill, prompt and answer"),
        (GOOD + '{"skill": "s", "prompt": "p"}\n', r"data\.jsonl:2: needs the texts"),
        (GOOD + '{"skill": "s", "prompt": "p", "answer": 3}\n', r"data\.jsonl:2: needs the texts"),
        (GOOD + '{"skill": "", "prompt": "p", "answer": "a"}\n', r"data\.jsonl:2: needs the texts"),
        (GOOD[:-2] + ', "family": 3}\n', r"data\.jsonl:1: subtask and family must be texts"),
        (GOOD[:-2] + ', "messages": "hi"}\n', r"data\.jsonl:1: messages must be a list"),
        (GOOD[:-2] + ', "messages": [{"role": "user"}]}\n', r"data\.jsonl:1: messages must be a list"),
        (GOOD[:-2] + ', "messages": null}\n', r"data\.jsonl:1: messages must be a list"),
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


# ---- the command line ----------------------------------------------------------------------------------------------


def test_the_command_prints_the_table_and_writes_the_report(
    tiny_folder: Path, checkpoint: Path, lines: list[Line], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    data, out = tmp_path / "data.jsonl", tmp_path / "report.json"
    data.write_text(
        "".join(json.dumps({"skill": x.skill, "prompt": x.prompt, "answer": x.answer}) + "\n" for x in lines)
    )
    which = ["--base", str(tiny_folder), "--checkpoint", str(checkpoint)]
    assert main(["evaluate", "--data", str(data), "--limit", "4", "--out", str(out), *which]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("| | n | no skill | in context | parametric | wrong skill | shared only |")
    report = json.loads(out.read_text())
    assert report["groups"]["all"]["n"] == 4
    assert report["skills"] == 4  # evenly spread over the data
    assert table(report) == printed.strip()


def test_the_command_refuses_with_status_two_and_a_message(
    tiny_folder: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "bad.jsonl").write_text("{")
    for arguments, said in (
        (["--data", str(tmp_path / "bad.jsonl")], r"bad.jsonl:1: is no JSON"),
        (["--data", str(tmp_path / "none.jsonl")], r"none.jsonl can't be read"),
        (["--base", str(tiny_folder)], "No hypernetwork ships for tiny-llama"),
        (["--base", str(tiny_folder), "--checkpoint", str(tmp_path)], "holds no hypernetwork that can be read"),
    ):
        assert main(["evaluate", *arguments]) == 2
        shown = capsys.readouterr()
        assert said in shown.err
        assert shown.out == ""
