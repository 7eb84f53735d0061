"""Evals: what each assertion holds of, what is wrong with a bad file, and how two texts differ."""

import json
import random
import time
from pathlib import Path

import pytest

from skills.evals import (
    KINDS,
    MAX_ASSERTIONS,
    MAX_EVALS,
    Assertion,
    Eval,
    EvalError,
    load_evals,
    renamed_evals,
    word_diff,
)

EVAL = {"id": "one", "prompt": "Say hi", "expected_output": "hi", "assertions": [{"kind": "equals", "value": "hi"}]}


def write(folder: Path, content: object) -> Path:
    path = folder / "evals.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def file_with(**changes: object) -> dict:
    return {"skill_name": "greet", "evals": [EVAL | changes]}


@pytest.mark.parametrize(
    ("kind", "value", "right", "wrong"),
    [
        ("equals", "a b", ["a b", " a b\n"], ["A b", "a  b", "a b.", ""]),
        ("equals", " a b\n", ["a b"], ["a"]),
        ("contains", "b c", ["a b c d", "b c"], ["b  c", "B C", ""]),
        ("not_contains", "sorry", ["done", ""], ["so sorry"]),
        ("starts_with", "feat:", ["feat: x", "\n feat:"], ["a feat: x", ""]),
        ("ends_with", "END", ["the END", "END\n"], ["END.", ""]),
        ("regex", r"^fix-\d{4}$", ["fix-2024", " fix-0001\n"], ["fix-1", "a fix-2024"]),
        ("regex", r"b\nc", ["a b\nc d"], ["b c"]),
        ("line_count", 1, ["a", "\na\n"], ["", "a\nb"]),
        ("line_count", 3, ["a\n\nb", "a\nb\nc"], ["a\nb"]),
        ("json", None, ['{"a": [1]}', " 1 ", "null"], ["", "{'a': 1}", '{"a": 1} ok']),
        ("python", None, ["def f():\n    return 1", "x = 1"], ["", "def f(:", "Here it is:"]),
    ],
)
def test_an_assertion_holds_of_right_answers_only(kind, value, right, wrong):
    assertion = Assertion(kind, value)
    assert [answer for answer in right if not assertion.holds(answer)] == []
    assert [answer for answer in wrong if assertion.holds(answer)] == []


def test_every_kind_has_a_sentence_for_a_person():
    values = {"line_count": 2, "json": None, "python": None}
    sentences = {Assertion(kind, values.get(kind, "x{}y")).text() for kind in KINDS}
    assert len(sentences) == len(KINDS)
    assert "The answer has 2 lines." in sentences
    assert "The answer is exactly 'x{}y'." in sentences
    assert Assertion("line_count", 1).text() == "The answer has 1 line."


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("equal", "a", "no assertion of the kind 'equal'"),
        (["equals"], "a", "no assertion of the kind"),
        ("equals", 5, "'equals' has the value 5"),
        ("contains", "", "not empty"),
        ("contains", None, "not empty"),
        ("line_count", "3", "whole number"),
        ("line_count", True, "whole number"),
        ("line_count", 0, "whole number"),
        ("json", "{}", "takes no value"),
        ("regex", "(a", "not a regular expression"),
        ("regex", "a{99999999999999999999}", "not a regular expression"),
        ("regex", "((a{1000}){1000}){1000}", "counts"),
        ("regex", "a" * 301, "at most 300"),
    ],
)
def test_an_assertion_that_can_not_be_checked_is_refused(kind, value, message):
    with pytest.raises(EvalError, match=message):
        Assertion(kind, value)


@pytest.mark.parametrize(
    ("pattern", "answer"),
    [
        (r"(a+)+$", "a" * 40 + "b"),
        (r"(a|aa)+$", "a" * 4000 + "b"),
        (r"^(\w+\s?)*$", "word " * 900 + "!"),
        (r"(x+x+)+y", "x" * 10_000_000),
    ],
)
def test_a_pattern_that_would_run_for_ever_is_given_up_within_a_second(pattern: str, answer: str):
    start = time.process_time()
    assert not Assertion("regex", pattern).holds(answer)
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    "answer", ["[" * 19_000, "-" * 19_000 + "1", "1" * 19_000, "a" + ".b" * 9000, "x\0y", "a" * 10**7]
)
def test_an_answer_that_breaks_a_parser_does_not_raise(answer: str):
    assert not Assertion("json").holds(answer)
    assert Assertion("python").holds(answer) in (True, False)


def test_a_file_is_read_in_its_order(tmp_path: Path):
    second = EVAL | {"id": 2, "assertions": [{"kind": "json"}, {"kind": "line_count", "value": 1}], "note": "ignored"}
    path = write(tmp_path, "\ufeff" + json.dumps({"skill_name": "greet", "evals": [EVAL, second]}))
    assert load_evals(path) == (
        Eval("one", "Say hi", "hi", (Assertion("equals", "hi"),)),
        Eval("2", "Say hi", "hi", (Assertion("json"), Assertion("line_count", 1))),
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{\n  "skill_name": ,\n}', "line 2, column 17"),
        ("", "line 1, column 1"),
        ("[" * 100_000, "can't be read"),
        ('{"evals": ' + "1" * 9000 + "}", "can't be read"),
        ("[]", "the file is an empty list"),
        ({"evals": [EVAL]}, "skill_name is missing"),
        ({"skill_name": "greet"}, "evals is missing"),
        ({"skill_name": "greet", "evals": []}, "evals is an empty list"),
        ({"skill_name": "greet", "evals": {"one": EVAL}}, "evals is an object"),
        ({"skill_name": "greet", "evals": [EVAL, "two"]}, r"evals\[1\] is a text"),
        ({"skill_name": "greet", "evals": [EVAL, EVAL]}, r"evals\[1\].id: 'one' is there twice"),
        ({"skill_name": "greet", "evals": [EVAL] * (MAX_EVALS + 1)}, "at most 200"),
        (file_with(id=None), r"evals\[0\].id is null"),
        (file_with(id=True), r"evals\[0\].id is true or false"),
        (file_with(prompt="  "), r"evals\[0\].prompt is a text"),
        (file_with(expected_output=5), r"evals\[0\].expected_output is a number"),
        (file_with(assertions=[]), r"evals\[0\].assertions is an empty list"),
        (file_with(assertions=["It is polite."]), r"evals\[0\].assertions\[0\] is a text"),
        (file_with(assertions=EVAL["assertions"] * (MAX_ASSERTIONS + 1)), "at most 20"),
        (file_with(assertions=[{"value": "hi"}]), r"evals\[0\].assertions\[0\]: there is no assertion of the kind ''"),
        (file_with(assertions=[{"kind": {}}]), r"evals\[0\].assertions\[0\]: there is no assertion of the kind"),
        (file_with(assertions=[{"kind": "regex", "value": "["}]), r"assertions\[0\]: '\[' is not a regular expression"),
    ],
)
def test_a_bad_file_is_told_with_its_name_the_place_and_the_fix(tmp_path: Path, content: object, message: str):
    path = write(tmp_path, content)
    with pytest.raises(EvalError, match=message) as raised:
        load_evals(path)
    said = str(raised.value)
    assert said.startswith(f"{path}: ")
    assert any(verb in said for verb in ("Write ", "Fix ", "Give ", "Delete "))


def test_a_file_that_is_missing_binary_or_large_is_told(tmp_path: Path):
    with pytest.raises(EvalError, match=r"gone\.json: the file can't be read \(No such file"):
        load_evals(tmp_path / "gone.json")
    with pytest.raises(EvalError, match="can't be read"):
        load_evals(tmp_path)
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EvalError, match="not UTF-8"):
        load_evals(tmp_path / "binary.json")
    with pytest.raises(EvalError, match="1,000,000 bytes"):
        load_evals(write(tmp_path, " " * 1_000_001))


def test_a_diff_shows_the_words_that_differ():
    assert word_diff("feat: add x now", "feat: add the x later on") == [
        ("same", "feat: add "),
        ("add", "the "),
        ("same", "x "),
        ("del", "now"),
        ("add", "later on"),
    ]
    assert word_diff("a b", "a b") == [("same", "a b")]
    assert word_diff("", "") == []
    assert word_diff("", "new") == [("add", "new")]
    assert word_diff("a\n\n b", "") == [("del", "a\n\n b")]


def test_a_diff_keeps_every_character_of_both_texts():
    rng = random.Random(3)
    for _ in range(300):
        expected, answer = (
            "".join(rng.choices(["a", "b", "cd", " ", "  ", "\n", "\t", "."], k=rng.randrange(40))) for _ in range(2)
        )
        pieces = word_diff(expected, answer)
        assert "".join(text for sign, text in pieces if sign != "add") == expected
        assert "".join(text for sign, text in pieces if sign != "del") == answer
        assert all(text for _, text in pieces)


@pytest.mark.parametrize(
    ("expected", "answer"), [("the " * 999, "the " * 900), ("a b " * 490, "b a " * 499), ("a " * 90_000, "b")]
)
def test_a_diff_of_an_answer_that_repeats_itself_is_quick(expected: str, answer: str):
    start = time.process_time()
    assert word_diff(expected, answer)
    assert time.process_time() - start < 5


def test_evals_are_renamed_and_otherwise_as_they_were():
    data = '{"skill_name": "old", "evals": [], "more": {"é": 1}}'.encode()
    assert json.loads(renamed_evals(data, "new")) == json.loads(data) | {"skill_name": "new"}
    for same in (data.replace(b"old", b"new"), b"no json", b"[1]", b"\xff", b"[" * 100_000):
        assert renamed_evals(same, "new") == same
