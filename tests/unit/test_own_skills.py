"""What belongs to a visitor: the draft that their browser remembers, and where the server keeps their skills."""

import json
from pathlib import Path

import pytest

from skills.skill import Skill
from studio.shelf import ShelfError
from studio.views.skill_panel import recalled
from studio.views.visitor import Keeping

RAW = Skill("cut-logs", "Cuts logs.", "Keep the level.").render()


def draft(*parts: object) -> str:
    return json.dumps(parts)


def test_a_draft_comes_back_with_what_it_belongs_to():
    parts = (RAW, "", "", "", "raw", "compact-log-lines", "id")
    assert recalled(draft(*parts, "{}")) == (RAW, "compact-log-lines", "id", "{}")
    assert recalled(draft(*parts)) == (RAW, "compact-log-lines", "id", "")  # from before evals were remembered


def test_of_a_draft_in_the_form_what_was_typed_last_comes_back():
    text, *_ = recalled(draft(RAW, "cut-logs", "Cuts logs.", "Keep the time.", "form", "", ""))
    assert Skill.parse(text).body == "Keep the time."


@pytest.mark.parametrize(
    "kept",
    ["", "null", "{}", "[]", "7", "[1, 2]", draft(RAW, 1, 2, 3, 4, 5, 6), draft(*[RAW] * 9), "[" * 100_000, "x"],
)
def test_what_is_no_draft_is_none(kept: str):
    assert recalled(kept) is None


def test_skills_are_kept_in_the_data_folder_and_the_browser_stays_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SKILL_STUDIO_DATA", str(tmp_path / "data"))
    first = Keeping.open()
    kept = first.shelf.save("me" * 20, RAW)
    again = Keeping.open()
    assert again.secret == first.secret
    assert again.shelf.skills("me" * 20) == [kept]


def test_without_a_folder_that_can_be_written_the_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SKILL_STUDIO_DATA", str(tmp_path / "file" / "data"))
    with pytest.raises(ShelfError, match="Name another in SKILL_STUDIO_DATA"):
        Keeping.open()
