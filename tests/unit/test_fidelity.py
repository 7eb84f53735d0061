"""The check of a skill on its own evals: the table's numbers, and a verdict that says plainly what they mean."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import training.evaluate
from skills.evals import Assertion, Eval
from studio import fidelity
from studio.fidelity import COLUMNS, Fidelity
from studio.service import MAX_PROMPT, Studio, StudioError
from studio.views.api import _with_evals
from training.evaluate import MEANS, evaluate
from training.lines import Line
from training.tasks import sample_skill

OTHER = "---\nname: write-loud\ndescription: Writes loud.\n---\n\nWrite every word in capitals.\n"


@pytest.fixture(scope="module")
def ready(tiny_folder: Path, checkpoint: Path) -> Iterator[Studio]:
    """A studio on the tiny base, loaded; it never ends an answer by itself, so answers are short."""
    made = Studio(str(tiny_folder), str(checkpoint))
    made.start()
    made.wait()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.evaluate, "MAX_NEW_TOKENS", 12)
        yield made
    made.close()


@pytest.fixture(scope="module")
def skill() -> str:
    return sample_skill("limits", random.Random("check"), 4).text


def check(studio: Studio, text: str, evals: list[Eval]) -> Fidelity:
    return list(studio.check("a", text, evals))[-1].fidelity


def evals_for(answers: list[str]) -> list[Eval]:
    return [Eval(str(i), f"Latency was {i} ms.", answer, ()) for i, answer in enumerate(answers, 1)]


def found(without: int, read: int, parametric: int, n: int = 8, expected: tuple[str, ...] = ()) -> Fidelity:
    """A check with so many passes."""
    passed = {c: (True,) * k + (False,) * (n - k) for c, k in zip(COLUMNS, (without, read, parametric), strict=True)}
    return Fidelity("s", "org/small-base", ("p",) * n, expected or tuple(map(str, range(n))), {}, passed)


# ---- the numbers ---------------------------------------------------------------------------------------------------


def test_the_numbers_are_those_of_the_table(ready: Studio, skill: str):
    """Of three evals each column's own answers are the right ones for one: that one it passes, here and there."""
    blind = check(ready, skill, evals_for(["?"] * 3))
    expected = [blind.answers[column][i] for i, column in enumerate(COLUMNS)]
    evals = evals_for(expected)
    evals[1] = replace(evals[1], assertions=(Assertion("contains", expected[1].strip()[:3]),))
    here = check(ready, skill, evals)
    lines = [Line(skill, ev.prompt, ev.expected_output, checks=ev.assertions) for ev in evals]
    other = Line(OTHER, "Say it.", "x", split="lines")  # the table's controls need a second skill
    loaded = ready._loaded
    table = evaluate(loaded.base, loaded.shipped.hypernetwork, [*lines, other])["splits"]["lines"]["all"]
    exact_only = check(ready, skill, [replace(ev, assertions=()) for ev in evals])
    for i, column in enumerate(COLUMNS):
        assert here.passed[column][i]
        assert exact_only.passes[column] / 4 == table["exact"][column]
        assert float(here.passed[column][1]) == table["checks"][column]
    assert (here.n, exact_only.n) == (3, 3)
    assert here.seconds > 0
    assert COLUMNS == MEANS


def test_the_states_show_the_columns_as_they_are_answered(ready: Studio, skill: str):
    states = list(ready.check("new session", skill, evals_for(["x", "y"])))
    assert [state.phase for state in states] == ["generating", *["answering"] * 5, "done"]
    assert [len(state.fidelity.passed) for state in states[1:]] == [0, 1, 2, 3, 3, 3]
    assert [bool(state.fidelity.verdict) for state in states[-3:]] == [False, True, True]
    assert states[-1].message.startswith("Checked in ")
    assert next(ready.check("new session", skill, evals_for(["x"]))).phase == "answering"  # the adapter was there
    assert ready.adapter_info("another session", skill) is None


def test_each_answer_is_judged_once(ready: Studio, skill: str, monkeypatch: pytest.MonkeyPatch):
    judged = []
    monkeypatch.setattr(fidelity, "passes", lambda answer, expected, _: judged.append(answer) or expected == "1")
    seen = check(ready, skill, evals_for([str(i) for i in range(fidelity.AT_ONCE + 2)]))
    assert judged == [answer for column in COLUMNS for answer in seen.answers[column]]
    assert seen.passed["parametric"] == (False, True, *[False] * fidelity.AT_ONCE)


def test_a_check_that_is_closed_leaves_the_studio_at_work(ready: Studio, skill: str):
    checks = ready.check("a", skill, evals_for(["x"] * 9))
    while not next(checks).fidelity.passed:
        pass
    checks.close()
    assert check(ready, skill, evals_for(["x"])).n == 1


def test_at_most_so_many_evals_are_answered_and_the_note_says_so(
    ready: Studio, skill: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fidelity, "MAX_CHECKED", 4)
    seen = check(ready, skill, evals_for(["x"] * 8))
    assert seen.n == 4
    assert "4 of the 8 examples were answered" in seen.note


def test_a_skill_over_the_context_passes_nothing_in_the_prompt_and_the_note_says_so(ready: Studio):
    long = OTHER + "word and " * 1100
    anything = [replace(ev, assertions=(Assertion("not_contains", "@@@"),)) for ev in evals_for(["x"] * 4)]
    seen = check(ready, long, anything)
    assert seen.passes == {"no skill": 4, "in context": 0, "parametric": 4}
    assert "4 prompts left no room for an answer" in seen.note


def test_a_text_or_a_prompt_that_can_not_be_is_refused(ready: Studio, skill: str):
    with pytest.raises(StudioError, match="empty"):
        check(ready, "", evals_for(["x"]))
    with pytest.raises(StudioError, match=r"prompt of example 1 has 20,001 characters"):
        check(ready, skill, [Eval("1", "x" * (MAX_PROMPT + 1), "x", ())])


# ---- the verdict ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("passes", "said"),
    [
        (
            (0, 0, 6),
            "6 of 8 pass with the adapter, 0 with the skill in the prompt, 0 without. The adap",
        ),
        ((0, 0, 6), "does better than the skill in the prompt"),
        ((1, 4, 7), "does better than the skill in the prompt"),
        ((0, 6, 6), "keeps all of what the skill in the prompt"),
        ((1, 5, 3), "keeps 50 % of what the skill in the prompt"),
        ((1, 5, 1), "keeps nothing of what the skill in the prompt"),
        ((2, 5, 0), "keeps nothing of what the skill in the prompt"),
        ((3, 3, 3), "changes nothing"),
        ((4, 2, 4), "Neither helps"),
        ((8, 8, 2), "needs no skill"),
    ],
)
def test_the_verdict_says_what_the_counts_mean(passes: tuple[int, int, int], said: str):
    assert said in fidelity._verdict(found(*passes))
    assert not fidelity._is_beyond(found(*passes))


@pytest.mark.parametrize("passes", [(0, 0, 0), (0, 1, 0), (1, 0, 1)])
def test_a_skill_beyond_the_base_is_called_so(passes: tuple[int, int, int]):
    assert fidelity._verdict(found(*passes)).endswith(
        "This skill is beyond small-base: neither its adapter nor the skill in the prompt passes more than chance "
        "(1 of 8). Try a bigger base, or add examples and train."
    )


def test_chance_is_what_one_answer_to_all_would_pass():
    labels = ("ok", "ok", "ok", "slow", "slow", "bad", "bad", "bad ")
    assert fidelity._is_beyond(found(0, 3, 2, expected=labels))
    assert not fidelity._is_beyond(found(0, 4, 2, expected=labels))
    assert not fidelity._is_beyond(found(0, 0, 1, n=1))
    assert fidelity._is_beyond(found(0, 0, 0, n=1))


def test_the_share_that_is_kept_needs_an_effect_of_reading():
    assert found(1, 5, 3).kept == 0.5
    assert found(0, 2, 6).kept == 3
    assert found(2, 2, 6).kept is None
    assert Fidelity("s").kept is None


def test_of_the_tiny_base_the_studio_says_that_the_skill_is_beyond_it(ready: Studio):
    entry = ready.library.get("release-train-commits")
    seen = check(ready, entry.text, list(entry.evals))
    assert seen.beyond
    assert "beyond tiny-llama" in seen.verdict


def test_without_evals_nothing_is_known_and_no_model_is_asked():
    (state,) = Studio().check("a", OTHER, ())  # never started
    assert (state.phase, state.fidelity.n, state.fidelity.beyond) == ("done", 0, False)
    assert "Nothing is known yet" in state.fidelity.verdict
    assert "evals/evals.json" in state.fidelity.verdict


# ---- the endpoint's arguments --------------------------------------------------------------------------------------


def test_a_skill_is_named_or_given_and_an_eval_needs_only_prompt_and_answer():
    studio = Studio()
    entry = studio.library.get("release-train-commits")
    assert _with_evals(studio, "release-train-commits", None, False) == (entry.text, entry.evals)
    text, (ev,) = _with_evals(studio, OTHER, [{"prompt": "p", "expected_output": "a"}], False)
    assert text == OTHER
    assert ev == Eval("1", "p", "a", (Assertion("equals", "a"),))
    assert _with_evals(studio, OTHER, None, False) == (OTHER, ())
    for skill, evals, said in (
        ("release-train-comits", None, "Did you mean release-train-commits"),
        (OTHER, [{"prompt": "p"}], "expected_output is missing"),
        (OTHER, ["p"], "is a text"),
    ):
        with pytest.raises(ValueError, match=said):
            _with_evals(studio, skill, evals, False)
