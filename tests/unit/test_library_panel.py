"""The handlers of the library tab, without a browser: versions of what is gone, and what a drawn map leaves alone."""

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest

from skills.skill import Skill
from studio.catalogue import OWN, Catalogue
from studio.service import Likeness, Status, Studio, StudioError
from studio.shelf import Shelf
from studio.views import library_render
from studio.views.library_panel import LibraryPanel

ME = {"owner": "m" * 43, "using": ""}


@pytest.fixture
def page() -> gr.Blocks:
    return gr.Blocks()


@pytest.fixture
def panel(page: gr.Blocks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LibraryPanel:
    """The tab on a page, with skills of one's own, as if a base were there."""
    studio = Studio()
    monkeypatch.setattr(studio, "status", lambda: Status("ready", "tiny"))
    monkeypatch.setattr(studio, "fingerprint", lambda _checkpoint: "a hypernetwork")
    with page:
        return LibraryPanel(studio, Catalogue(studio.library, Shelf(tmp_path)), None, gr.BrowserState({}))


def asked(panel: LibraryPanel) -> dict:
    """What the page asks for at first."""
    return dict.fromkeys(panel.asked, "") | {panel.limit: library_render.MORE, panel.identity: ME}


def test_versions_of_a_skill_that_is_deleted_for_good_are_no_longer_on_show(panel: LibraryPanel):
    one, other = (panel.shelf.save(ME["owner"], Skill(name, "Cuts.", "Cut.").render()) for name in ("cut", "trim"))
    for each in (one, other):
        panel.shelf.delete(ME["owner"], each.id)
    values = asked(panel) | {panel.whose: "Deleted"}
    shown = panel.edit(values, "versions", OWN + one.id, None)
    values |= {each: shown[each] for each in (panel.shown, panel.old, panel.new)}
    assert not panel.edit(values, "erase", OWN + other.id, None).keys() & set(panel.versioned)
    gone = panel.edit(values, "erase", OWN + one.id, None)
    assert "cut is deleted for good" in gone[panel.said] and "Nothing is deleted" in gone[panel.cards]
    assert [gone[each] for each in (panel.shown, panel.old, panel.new, panel.diff)] == [""] * 4
    assert "Choose Versions" in gone[panel.versions]


def test_a_map_that_is_drawn_leaves_the_cards_to_what_is_asked_for_by_then(
    page: gr.Blocks, panel: LibraryPanel, monkeypatch: pytest.MonkeyPatch
):
    def likeness(_session: str, _checkpoint: None, texts: list[str]) -> Iterator[Likeness]:
        count = len(texts)
        yield Likeness(count, count, tuple(tuple(float(i == k) for k in range(count)) for i in range(count)))

    monkeypatch.setattr(panel, "_model_likeness", likeness)
    *_, last = panel._draw(asked(panel), gr.Request(session_hash="me"))
    assert set(last) == {panel.map, panel.draw, panel.drawing} and 'class="atlas"' in last[panel.map]
    draw = next(each for each in page.fns.values() if each.name == "_draw")
    (after,) = (each for each in page.fns.values() if each.trigger_after == draw._id)
    assert set(draw.outputs) == set(last)
    assert (after.name, set(after.inputs), set(after.outputs)) == ("renew", panel.asked, set(panel.found))


def test_a_map_that_could_not_be_drawn_can_be_tried_again(panel: LibraryPanel, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_asked: object) -> None:
        raise StudioError("Not now.")

    monkeypatch.setattr(panel.studio, "use", refuse)
    first, last = panel._draw(asked(panel), gr.Request(session_hash="me"))
    assert (first[panel.draw].interactive, last[panel.draw].interactive) == (False, True)
    assert "Not now." in last[panel.drawing]
