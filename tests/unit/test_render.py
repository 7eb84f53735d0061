"""What the page shows of texts that nobody vouches for, and what it says of results."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from skills.evals import Eval
from skills.scan import Finding
from skills.skill import validate
from studio.fidelity import Fidelity
from studio.intake import Arrival
from studio.service import CUT_OFF, STACK_PANES, AdapterInfo, Comparison, Examination, Overlap, PaneView, Status
from studio.sharing import NOTHING, Brought
from studio.views import render

HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=\"alert('2')\">${alert(3)}{{value}}&lt;b&gt;"

INFO = AdapterInfo(
    skill_name="tidy-log",
    sha256="0123456789abcdef" * 4,
    seconds=0.4242,
    tokens=1234,
    size_bytes=1_574_584,
    rank=16,
    fresh=True,
    base_name="base-model",
    base_revision="",
    base_fingerprint="fedcba9876543210" * 4,
    hypernetwork_fingerprint="f" * 64,
    snippet_peft="",
    snippet_vllm="",
    snippet_llama_cpp="",
)


class _Reader(HTMLParser):
    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def _text(markup: str) -> str:
    return _Reader(markup).text.replace("\u00a0", " ")


def _comparison(*views: PaneView, phase: str = "done") -> Comparison:
    return Comparison(phase, "", INFO, tuple(views) if views else (PaneView(done=True),) * 3)


def _arrival(text: str, *severities: str) -> Arrival:
    findings = tuple(Finding(text, 3, "orders", severity, text, text) for severity in severities)
    return Arrival(text, text, text, (), findings, (f"adapter/{text}",) * 20)


def _fidelity(text: str) -> Fidelity:
    passed = {"no skill": (False, False), "in context": (True, False)}
    answers = {column: (text, text) for column in passed}
    return Fidelity(text, text, (text, text), (text, text), answers, passed, 1.0, text, True, text)


def _hostile_parts() -> dict[str, str]:
    view = PaneView(text=HOSTILE, done=True, note=HOSTILE, passed=False, diff=(("same", HOSTILE), ("add", HOSTILE)))
    text = f"---\nname: {HOSTILE}\ndescription: [{HOSTILE}\n---\n"
    examination = Examination(tuple(validate(text)), None, None, HOSTILE)
    return {
        "panes": render.panes(_comparison(view, view, view)),
        "live line": render.live_line(examination, text),
        "expected line": render.expected_line(HOSTILE, True),
        "expected of another text": render.expected_line(HOSTILE, True, True),
        "activity": render.activity(HOSTILE, "failed"),
        "model state": render.model_state(Status("failed", HOSTILE)),
        "fidelity": render.fidelity(_fidelity(HOSTILE)),
        "notice": render.notice(HOSTILE),
        "from a link": render.from_link(HOSTILE, False),
        "asked": render.asked(_arrival(HOSTILE, "ask", "note")),
        "opened": render.opened(_arrival(HOSTILE, "note")),
        "beside": render.beside(Brought((), (HOSTILE,)), False, True),
        "card": render.adapter_card(replace(INFO, skill_name=HOSTILE, base_name=HOSTILE), 1),
        "stack": render.stack([("", "", 1.0), (HOSTILE, HOSTILE, 0.5)]),
        "overlaps": render.overlaps([Overlap(HOSTILE, HOSTILE, 0.4)]),
        "stack-card": render.adapter_card(replace(INFO, shares=((HOSTILE, 1.0), (HOSTILE, 0.5))), 3),
    }


@pytest.mark.parametrize("part", _hostile_parts())
def test_hostile_markup_is_shown_and_never_run(part: str) -> None:
    markup = _hostile_parts()[part]
    reader = _Reader(markup)
    assert not reader.tags & {"script", "img"}
    assert not any(name.startswith("on") or name == "src" for name in reader.attributes)
    assert "<script>alert(1)" in reader.text


def test_an_answer_is_shown_letter_by_letter() -> None:
    answer = "  a < b\n\n&amp; 'c'"
    assert answer in _Reader(render.panes(_comparison(*[PaneView(text=answer)] * 3))).text


def test_a_pane_says_what_it_cost_and_how_it_did() -> None:
    view = PaneView("chore: x", 1051, 0.904, 9, 14.87, True, "stopped", False, (("del", "fix:"), ("add", "chore:")))
    text = _text(render.panes(_comparison(view, view, view)))
    for part in ("1,051 prompt tokens", "first token in 0.90 s", "14.9 tokens/s", "differs", "stopped"):
        assert text.count(part) == 3


def test_a_pane_without_an_expected_answer_has_no_verdict() -> None:
    text = _text(render.panes(_comparison(*[PaneView(text="x", done=True)] * 3)))
    assert "passes" not in text and "differs" not in text


def test_an_answer_equal_to_the_expected_one_shows_no_diff() -> None:
    view = PaneView(text="x", done=True, passed=True, diff=(("same", "x"),))
    assert "<details" not in render.panes(_comparison(view, view, view))


def test_an_empty_answer_is_told_from_one_that_has_not_begun() -> None:
    assert "An empty answer." in render.panes(_comparison())
    assert "An empty answer." not in render.panes(_comparison(*[PaneView()] * 3, phase="answering"))


def test_a_check_shows_a_mark_for_each_example_and_no_count_for_a_column_that_is_not_answered() -> None:
    markup = render.fidelity(_fidelity("x"))
    assert [markup.count(f'class="mark" data-verdict="{kind}"') for kind in ("passes", "differs", "open")] == [1, 3, 2]
    for part in ("0 of 2", "1 of 2", "…"):
        assert part in _text(markup)
    assert "Nothing is known" in render.fidelity(None, False)
    assert render.fidelity(None, True) == ""


def test_a_problem_stands_with_its_line_and_the_way_to_mend_it() -> None:
    text = "---\nname: Bad Name\ndescription: d\n---\nbody\n"
    (problem,) = validate(text)
    shown = _text(render.live_line(Examination((problem,), 12, None, ""), text))
    for part in ("12 tokens", "1 error", "line 2", "name: Bad Name", problem.fix):
        assert part in shown


def test_an_answer_that_was_cut_off_says_what_to_do() -> None:
    cut = _text(render.panes(_comparison(*[PaneView(text="aa", note=CUT_OFF)] * 3)))
    assert cut.count("Cut off at the length limit. Raise Length under Settings.") == 3


def test_a_skill_that_is_too_long_is_an_error_beside_its_warnings() -> None:
    warning = replace(validate("---\nname: Bad Name\ndescription: d\n---\nbody\n")[0], severity="warning")
    markup = render.live_line(Examination((warning,), 9000, None, "The skill has 9,000 tokens."), "x")
    assert '<span data-severity="error">1 error, 1 warning</span>' in markup and "The skill has 9,000" in markup


def test_what_is_beside_the_text_is_named_with_how_long_it_stays() -> None:
    whole = Brought((), ("evals/evals.json", "scripts/run.sh"), "place")
    assert "evals/evals.json, scripts/run.sh, kept with it." in _text(render.beside(whole, True, True))
    unsaved, unkept = "not saved yet: press Save to keep them.", "not kept: this server keeps no skills."
    for keeps, where in ((True, unsaved), (False, unkept)):
        shown = _text(render.beside(whole, False, keeps))
        assert f"{where} A reload keeps only the text and its examples." in shown
        evals = Brought((Eval("1", "Which?", "aa", ()),))
        assert "reload" not in _text(render.beside(evals, False, keeps))  # the browser has them
    assert render.beside(NOTHING, True, True) == ""


def test_what_was_found_stands_with_its_line_and_reason_and_says_whether_it_can_be_opened() -> None:
    shown = _text(render.asked(_arrival("greet", "ask", "note")))
    for part in ("greet from greet is not open yet", "Check this, greet, line 3", "1 further note", "and 12 more"):
        assert part in shown
    assert "was not opened" in _text(render.asked(_arrival("greet", "block")))
    assert "The scan found nothing." in _text(render.opened(_arrival("greet")))
    assert "The scan found nothing." not in _text(render.opened(_arrival("greet", "note")))


def test_the_live_line_tells_what_the_scan_asks_about_and_no_notes() -> None:
    found = (Finding("SKILL.md", 7, "orders", "ask", "It keeps something.", "Delete it."),)
    shown = _text(render.live_line(Examination((), 12, None, "", found), "x"))
    assert "1 scan finding" in shown and "Check this, line 7 It keeps something." in shown
    notes = (replace(found[0], severity="note"),)
    assert "scan" not in _text(render.live_line(Examination((), 12, None, "", notes), "x"))


def test_the_length_is_counted_in_characters_until_the_base_is_there() -> None:
    assert "1,234 characters" in _text(render.live_line(Examination((), None, None, ""), "x" * 1234))


def test_what_keeps_an_adapter_from_being_made_is_said_once() -> None:
    text = ""
    problems = tuple(validate(text))
    blocking = f"{problems[0].message} {problems[0].fix}"
    shown = _text(render.live_line(Examination(problems, 0, None, blocking), text))
    assert shown.count(problems[0].message) == 1
    assert "too long" in _text(render.live_line(Examination((), 9000, None, "too long"), "x"))


def test_the_card_says_which_text_the_adapter_was_made_from() -> None:
    text = _text(render.adapter_card(INFO, 150))
    for part in ("tidy-log", "0123456789ab", "0.42 s", "1.6 MB", "rank 16", "150 prompt tokens", "base-model"):
        assert part in text
    assert "earlier text" in render.stale_line(True) and render.stale_line(False) == ""


def test_a_stack_has_a_weight_for_each_skill_and_only_the_added_ones_go():
    markup = render.stack([("", "", 1.0), ("own:7", "tidy-log", 0.5)])
    assert markup.count('type="range"') == 2 and markup.count('data-do="remove"') == 1
    assert "The skill in the editor1.0tidy-log0.5" in _text(markup)
    assert 'type="range"' not in render.stack([])


def test_overlaps_are_a_bar_a_number_and_words():
    markup = render.overlaps([Overlap("one", "two", 0.02), Overlap("one", "three", -0.5)])
    assert "one, two0.02: they hardly overlap" in _text(markup)
    assert "one, three-0.50: they pull against each other" in _text(markup)
    assert "--part: 2%" in markup and "--part: 0%" in markup
    assert render.overlaps([]) == ""


def test_the_panes_of_a_stack_and_its_card_say_what_happens():
    shown = _text(render.panes(None, stacked=True))
    assert all(title in shown for title in STACK_PANES) and "All skills are in one adapter" in shown
    card = _text(render.adapter_card(replace(INFO, shares=(("one", 1.0), ("two", 0.25))), None))
    assert "Stacked fromone (1), two (0.25)" in card
