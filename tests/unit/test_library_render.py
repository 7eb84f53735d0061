"""The markup of the library tab: untrusted text stays text, and every part says what it is."""

import re

from studio.catalogue import Card, Found
from studio.fidelity import Score
from studio.neighbours import Neighbours
from studio.shelf import ShelfSkill, Version
from studio.views import library_render

ATTACK = "<img src=x onerror=alert(1)>\"'"


def card(**changes) -> Card:
    known = {"key": "library:cut-logs", "name": "cut-logs", "description": "Cuts.", "subtask": "", "author": "A"}
    return Card(**{**known, "text": "text", **changes})


def cards(*found: Card, keeps: bool = True, total: int | None = None) -> str:
    return library_render.cards(Found(found, len(found) if total is None else total), keeps, "all", "")


def assert_harmless(markup: str) -> None:
    assert "<img" not in markup
    for tag in re.findall(r"<[^>]*>", markup):
        assert "onerror=alert" not in re.sub(r'"[^"]*"', "", tag), tag


def test_hostile_texts_are_shown_as_texts():
    near = ((ATTACK, ATTACK, 0.5),)
    hostile = {name: ATTACK for name in ("key", "name", "description", "subtask", "author", "origin")}
    assert_harmless(cards(card(**hostile, near=near)))
    assert_harmless(cards(card(**{**hostile, "key": f"own:{ATTACK}"}, near=near, version=1, changed=1.0)))
    assert_harmless(cards(card(**{**hostile, "key": f"own:{ATTACK}"}, deleted=True, version=1)))
    assert_harmless(library_render.said(ATTACK, ATTACK, ATTACK))
    version = Version(1, ATTACK, ATTACK, ATTACK, 1.0)
    assert_harmless(library_render.versions(ShelfSkill(ATTACK, ATTACK, None, version), [version, version], 1, 1))
    assert_harmless(library_render.diff([("+", ATTACK), ("-", ATTACK), (" ", ATTACK)]))
    keys = (f"own:{ATTACK}", "library:b", "library:c")
    row = (1.0, 0.5, 0.2)
    assert_harmless(library_render.atlas(Neighbours(keys, (row, row, row)), {key: (ATTACK, ATTACK) for key in keys}))


def test_what_can_be_done_depends_on_whose_a_skill_is():
    def acts(markup: str) -> set[str]:
        return set(re.findall(r'data-do="([a-z-]+)"', markup))

    own = {"key": "own:1", "version": 2, "changed": 1.0}
    assert acts(cards(card())) == {"open", "fork"}
    assert acts(cards(card(), keeps=False)) == {"open"}
    assert acts(cards(card(**own))) == {"open", "fork", "versions", "rename", "delete"}
    assert acts(cards(card(**own, deleted=True))) == {"restore", "erase"}


def test_a_card_says_how_much_the_adapter_keeps():
    kept = cards(card(score=Score(8, 0, 4, 3)))
    assert "keeps 75\u00a0% of what the skill in the prompt gives" in kept
    assert "3 of 8 pass with the adapter, 4 with the skill in the prompt, 0 without" in kept
    assert "Only the adapter helps" in cards(card(score=Score(8, 0, 0, 5)))
    assert "Adapter does not help" in cards(card(score=Score(8, 1, 1, 1)))
    assert "Not checked" in cards(card(has_examples=True))
    assert "no examples" in cards(card())


def test_more_cards_are_offered_where_there_are_more():
    assert "more</button>" not in cards(card())
    assert "Show 30 more" in cards(card(), total=10_000)
    assert "Show 2 more" in cards(card(), total=3)
    assert "10,000 skills, the first 1 shown" in library_render.count(Found((card(),), 10_000))
    assert "1 skill<" in library_render.count(Found((card(),), 1))


def test_nothing_to_show_says_what_to_do():
    nothing = Found((), 0)
    assert "Take a word away" in library_render.cards(nothing, True, "all", "zzz")
    assert "no skills of your own yet" in library_render.cards(nothing, True, "own", "")
    assert "Take a word away" in library_render.cards(nothing, True, "own", "zzz")
    assert "Nothing is deleted" in library_render.cards(nothing, True, "bin", "")
    for whose, said in (("own", "None of your skills fits"), ("bin", "No deleted skill fits")):
        assert f"{said}. Choose all subtasks." in library_render.cards(nothing, True, whose, "", "Diagnosis/Search")
    assert "Choose Versions" in library_render.no_versions(True)
    assert "keeps no skills of your own" in library_render.no_versions(False)
    assert "The text is the same in both versions.<" in library_render.diff([])
    assert "Their files differ.<" in library_render.diff([], files_differ=True)
    assert "too many lines" in library_render.diff(None)
    assert "not been drawn" in library_render.atlas(None, {})


def test_the_map_has_a_button_for_each_skill_with_its_nearest_in_words():
    keys = ("library:a", "library:b", "own:1")
    cosines = ((1.0, 0.9, 0.1), (0.9, 1.0, 0.2), (0.1, 0.2, 1.0))
    known = {"library:a": ("alpha", "Feature/Patch"), "library:b": ("beta", "Robustness Fix"), "own:1": ("mine", "")}
    markup = library_render.atlas(Neighbours(keys, cosines), known)
    assert re.findall(r'<button[^>]*data-id="([^"]+)"', markup) == ["library:a", "library:b", "own:1"]
    assert 'aria-label="Open alpha. Nearest: beta 0.90, mine 0.10"' in markup
    assert markup.count("data-own") == 1
    assert "Feature/Patch</span>" in markup and "No subtask</span>" in markup
    without = library_render.atlas(Neighbours(keys, cosines), {key: known[key] for key in keys[:2]})
    assert "mine" not in without and "own:1" not in without


def test_labels_without_room_wait_until_they_are_asked():
    keys = tuple(f"library:{n}" for n in range(40))
    cosines = tuple(tuple(1.0 if i == j else 0.999 - abs(i - j) * 1e-4 for j in range(40)) for i in range(40))
    markup = library_render.atlas(Neighbours(keys, cosines), {key: ("a-rather-long-name-here", "") for key in keys})
    assert 'data-side=""' in markup
    assert 'data-side="right"' in markup
