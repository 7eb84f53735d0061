"""The markup of the training tab: what is shown of an example, and what is said of a training before and after."""

import re
from pathlib import Path

import pytest

import training.refit
from skills.evals import Assertion
from studio.examples import Example
from studio.jobs import Job
from studio.views import train_render


def example(**changes) -> Example:
    return Example(7, "code-aa", "0" * 64, "Read <it>.", "aa", "", (), **changes)


def test_all_of_an_example_can_be_read_and_each_check_removed():
    call = {"type": "function", "function": {"name": "read", "arguments": {"path": "<a>"}}}
    shown = example(
        messages=({"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}),
        steps=(
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "x" * (train_render.MAX_TURN + 5)},
        ),
    )
    html = train_render.detail(3, shown)
    for part in ("Example 3", "Hello", "Hi", "Read &lt;it&gt;.", "&lt;a&gt;", "5 characters more"):
        assert part in html
    assert "<it>" not in html and "<a>" not in html
    checked = Example(7, "code-aa", "0" * 64, "Which?", "aa", "", (Assertion("contains", '"a"'),))
    html = train_render.detail(1, checked)
    assert 'data-do="uncheck" data-id="7 The answer contains &#x27;&quot;a&quot;&#x27;."' in html
    assert "1 check</button>" in train_render.examples("code-aa", [checked])


def test_where_nothing_can_be_trained_the_tab_says_how_to_do_it_elsewhere():
    here = train_render.off("Switched off <here>.")
    assert "Switched off &lt;here&gt;." in here and "in a copy of this repository" in here and "git clone" not in here
    there = train_render.off("", "ann/skills")
    assert "git clone https://huggingface.co/spaces/ann/skills parametric-skills\ncd parametric-skills\npyth" in there


def test_the_estimate_follows_what_is_measured_and_who_comes_before(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(training.refit, "usual_minutes", lambda: 3.0)
    assert "Takes at most 3" in train_render.estimate(3, 15, 0) and "15 kept-out examples" in train_render.estimate(
        3, 15, 0
    )
    assert "after the training already waiting or running on this server" in train_render.estimate(3, 15, 1)
    assert "4 trainings already waiting or running" in train_render.estimate(3, 15, 4)
    much = train_render.estimate(3, 400, 0)
    assert "Takes at most 3" in much and "as many of 400 kept-out examples as there is time for" in much
    assert "as there is time for" not in train_render.estimate(20, 400, 0)
    assert "give it 3 minutes or more" in train_render.estimate(1, 3, 0)
    assert "or more" not in train_render.estimate(2, 3, 0)
    monkeypatch.setattr(training.refit, "usual_minutes", lambda: 8.0)
    assert "give it 8 minutes or more" in train_render.estimate(3, 3, 0)
    assert "or more" not in train_render.estimate(8, 3, 0)


def test_a_report_tells_changes_in_points_and_calls_its_parts_alike_in_plot_and_table():
    def part(name: str, before: dict, after: dict) -> dict:
        return {"name": name, "n": 4, "before": before, "after": after}

    html = train_render.report(
        {
            "parts": [
                part("own skills", {"exact": 25.0, "loss": 2.0}, {"exact": 75.0, "loss": 1.5}),
                part("families", {"exact": 50.0, "wrong_skill": 3.0}, {"exact": 49.0, "wrong_skill": 3.0}),
            ]
        }
    )
    cells = re.sub(r"<[^>]+>", "|", html).replace("\N{NO-BREAK SPACE}", " ")
    for said in ("25 %||75 %||+50 points", "2.000||1.500||\u22120.500", "50 %||49 %||\u22121 point|", "||0 points"):
        assert said in cells
    for said in ("Your skills: exact match", "Shipped kinds: exact match", "another skill's adapter (should be low)"):
        assert said in cells
    assert "The kinds of skills that shipped" in cells and "amilies" not in cells


def test_how_long_it_is_kept_is_said_of_one_that_has_ended():
    job = Job("1", "owner", "code-aa", "finished", None, 0.0, Path(), "")
    assert "keeps it for 30 days" in train_render.state(job, 30.0)
    assert "keeps it" not in train_render.state(job)
    assert "measures the best" in train_render.state(Job("1", "o", "t", "running", None, 0.0, Path(), "", True))


def test_where_room_on_disk_is_limited_too_it_is_said_that_it_may_go_sooner():
    job = Job("1", "owner", "code-aa", "finished", None, 0.0, Path(), "")
    assert "keeps it for up to 30 days, less where room is short." in train_render.state(job, 30.0, 10.0)
