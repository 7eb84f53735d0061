"""A person's own skills: versions, names, the bin, limits, and that nobody sees another's."""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import studio.shelf
from skills.skill import Skill
from studio.fidelity import Score
from studio.shelf import MAX_SKILL_TEXT, Shelf, ShelfError, ShelfSkill, diff

ME, OTHER = "me" * 20, "other" * 10
FILES = {"evals/evals.json": b"{}", "scripts/run.sh": b"#!/bin/sh\n", "assets/logo.png": bytes(range(256))}


def text(name: str = "cut-logs", body: str = "Keep the level.") -> str:
    return Skill(name, "Cuts logs.", body).render()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def names(shelf: Shelf, owner: str = ME, **which: bool) -> list[str]:
    return [skill.name for skill in shelf.skills(owner, **which)]


def test_every_saved_text_is_a_version_and_the_same_one_again_is_none(shelf: Shelf):
    first = shelf.save(ME, text())
    second = shelf.save(ME, text(body="Keep the time."), first.id)
    assert shelf.save(ME, text(body="Keep the time."), first.id) == second
    assert second.id == first.id
    assert [(v.number, v.text) for v in shelf.versions(ME, first.id)] == [
        (2, text(body="Keep the time.")),
        (1, text()),
    ]
    assert shelf.version(ME, first.id, 1) == first.newest
    with pytest.raises(ShelfError, match="no version 3"):
        shelf.version(ME, first.id, 3)


def test_saving_without_an_id_goes_to_the_skill_of_that_name(shelf: Shelf):
    first = shelf.save(ME, text(), origin="compact-log-lines")
    assert (first.origin, first.newest.note) == ("compact-log-lines", "forked from compact-log-lines")
    again = shelf.save(ME, text(body="Otherwise."))
    assert (again.id, again.newest.number, again.origin) == (first.id, 2, "compact-log-lines")


def test_going_back_makes_the_old_text_the_newest_and_keeps_what_came_between(shelf: Shelf):
    skill = shelf.save(ME, text())
    shelf.save(ME, text(body="Worse."), skill.id)
    back = shelf.go_back(ME, skill.id, 1)
    assert (back.text, back.newest.number, back.newest.note) == (text(), 3, "back to version 1")
    assert [v.text for v in shelf.versions(ME, skill.id)] == [text(), text(body="Worse."), text()]


def test_what_is_there_survives_a_new_server(shelf: Shelf, tmp_path: Path):
    kept = shelf.save(ME, text())
    assert Shelf(tmp_path).skills(ME) == [kept]


def test_another_person_sees_and_changes_nothing(shelf: Shelf):
    skill = shelf.save(ME, text())
    assert shelf.skills(OTHER) == []
    for forbidden in (
        lambda: shelf.get(OTHER, skill.id),
        lambda: shelf.versions(OTHER, skill.id),
        lambda: shelf.version(OTHER, skill.id, 1),
        lambda: shelf.files(OTHER, skill.id),
        lambda: shelf.save(OTHER, text(body="Mine now."), skill.id),
        lambda: shelf.rename(OTHER, skill.id, "mine"),
        lambda: shelf.go_back(OTHER, skill.id, 1),
        lambda: shelf.delete(OTHER, skill.id),
        lambda: shelf.restore(OTHER, skill.id),
        lambda: shelf.erase(OTHER, skill.id),
    ):
        with pytest.raises(ShelfError, match="no longer among yours"):
            forbidden()
    assert shelf.skills(ME) == [skill]
    assert shelf.save(OTHER, text()).id != skill.id  # the same name is no conflict


def test_those_without_a_token_are_not_one_person(shelf: Shelf):
    for work in (lambda: shelf.save("", text()), lambda: shelf.fork("", text()), lambda: shelf.skills("")):
        with pytest.raises(ShelfError, match="could not recognise this browser"):
            work()


def test_a_rename_changes_the_text_and_is_a_version(shelf: Shelf):
    skill = shelf.save(ME, text())
    renamed = shelf.rename(ME, skill.id, " cut-lines ")
    assert (renamed.name, renamed.newest.note) == ("cut-lines", "renamed from cut-logs")
    assert Skill.parse(renamed.text).name == "cut-lines"
    assert shelf.go_back(ME, skill.id, 1).name == "cut-logs"


def test_names_that_can_not_be_are_refused_with_the_way_out(shelf: Shelf):
    first, second = shelf.save(ME, text("one")), shelf.save(ME, text("two"))
    with pytest.raises(ShelfError, match="Try fix-it"):
        shelf.rename(ME, first.id, "Fix It!")
    with pytest.raises(ShelfError, match="Another skill of yours is named two"):
        shelf.rename(ME, first.id, "two")
    with pytest.raises(ShelfError, match="Another skill of yours is named one"):
        shelf.save(ME, text("one", "Elsewhere."), second.id)
    assert names(shelf) == ["one", "two"]


def test_forks_get_free_names(shelf: Shelf):
    made = [shelf.fork(ME, text(), "compact-log-lines").name for _ in range(3)]
    assert made == ["cut-logs", "cut-logs-2", "cut-logs-3"]
    assert shelf.fork(ME, text("cut-logs-2")).name == "cut-logs-4"
    long = "a" * 63
    assert [shelf.fork(ME, text(long)).name for _ in range(2)] == [long, "a" * 62 + "-2"]
    assert all(Skill.parse(skill.text).name == skill.name for skill in shelf.skills(ME))


def test_a_deleted_skill_comes_back_with_its_versions(shelf: Shelf):
    skill = shelf.save(ME, text())
    shelf.save(ME, text(body="Two."), skill.id)
    shelf.delete(ME, skill.id)
    assert (names(shelf), names(shelf, deleted=True)) == ([], ["cut-logs"])
    assert shelf.restore(ME, skill.id).text == text(body="Two.")
    assert (names(shelf), names(shelf, deleted=True)) == (["cut-logs"], [])
    assert len(shelf.versions(ME, skill.id)) == 2


def test_what_is_erased_from_the_bin_is_gone(shelf: Shelf):
    skill, other = shelf.save(ME, text()), shelf.save(ME, text("other"))
    with pytest.raises(ShelfError, match="cut-logs is not deleted"):
        shelf.erase(ME, skill.id)
    shelf.delete(ME, skill.id)
    with pytest.raises(ShelfError, match="no longer among yours"):
        shelf.erase(OTHER, skill.id)
    assert shelf.erase(ME, skill.id) == "cut-logs"
    assert shelf.skills(ME, deleted=True) == []
    assert shelf.skills(ME) == [other]
    with pytest.raises(ShelfError, match="no longer among yours"):
        shelf.versions(ME, skill.id)


def test_a_skill_whose_name_was_taken_meanwhile_comes_back_under_another(shelf: Shelf):
    skill = shelf.save(ME, text())
    shelf.delete(ME, skill.id)
    shelf.save(ME, text(body="The new one."))
    back = shelf.restore(ME, skill.id)
    assert (back.name, names(shelf)) == ("cut-logs-2", ["cut-logs", "cut-logs-2"])


def test_saving_a_deleted_skill_that_is_still_open_takes_it_back(shelf: Shelf):
    skill = shelf.save(ME, text())
    shelf.delete(ME, skill.id)
    assert shelf.save(ME, text(body="More."), skill.id).deleted is None


def test_limits_are_told_and_the_bin_makes_room(shelf: Shelf, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ShelfError, match=r"100,\d+ characters; 100,000 can be kept"):
        shelf.save(ME, text(body="x" * MAX_SKILL_TEXT))
    with pytest.raises(ShelfError, match="The text is empty"):
        shelf.save(ME, "")
    monkeypatch.setattr(studio.shelf, "MAX_SKILLS", 2)
    one, _ = shelf.save(ME, text("one")), shelf.save(ME, text("two"))
    for work in (lambda: shelf.save(ME, text("three")), lambda: shelf.fork(ME, text())):
        with pytest.raises(ShelfError, match="You have 2 skills, which is the limit"):
            work()
    shelf.delete(ME, one.id)
    shelf.save(ME, text("three"))
    with pytest.raises(ShelfError, match="You have 2 skills"):
        shelf.restore(ME, one.id)

    monkeypatch.setattr(studio.shelf, "MAX_STORED", 260)
    shelf.save(ME, text("two", "x" * 60))
    assert names(shelf, deleted=True) == []  # its room was needed
    with pytest.raises(ShelfError, match="which is the limit"):
        shelf.save(ME, text("two", "y" * 60))
    assert Skill.parse(next(s for s in shelf.skills(ME) if s.name == "two").text).body == "x" * 60


@pytest.mark.parametrize(
    "work",
    [
        lambda shelf, id: shelf.save(ME, text(body="Otherwise."), id, files=FILES),
        lambda shelf, id: shelf.rename(ME, id, "cut-lines"),
        lambda shelf, id: shelf.go_back(ME, id, 1),
        lambda shelf, id: (shelf.delete(ME, id), shelf.restore(ME, id))[1],
        lambda shelf, id: (shelf.delete(ME, id), shelf.save(ME, text()), shelf.restore(ME, id))[2],
        lambda shelf, id: shelf.fork(ME, text(), files=shelf.files(ME, id)),
    ],
    ids=["saved", "renamed", "back", "restored", "restored under another name", "forked"],
)
def test_a_skill_keeps_its_files_whatever_is_done_to_it(
    work: Callable[[Shelf, str], ShelfSkill], shelf: Shelf, tmp_path: Path
):
    first = shelf.save(ME, text(), files=FILES)
    after = work(shelf, first.id)
    assert (after.newest.files, after.newest.has_evals) == (3, True)
    assert Shelf(tmp_path).files(ME, after.id) == FILES


def test_each_version_has_the_files_that_it_was_saved_with(shelf: Shelf, tmp_path: Path):
    skill = shelf.save(ME, text(), files=FILES)
    assert shelf.save(ME, text(), skill.id, files=dict(reversed(FILES.items()))) == skill  # the same: no version
    shelf.save(ME, text(), skill.id, files={"scripts/run.sh": b"rm x\n"})
    bare = shelf.save(ME, text(), skill.id)
    assert [(each.number, each.files, each.has_evals) for each in shelf.versions(ME, skill.id)] == [
        (3, 0, False),
        (2, 1, False),
        (1, 3, True),
    ]
    assert shelf.files(ME, skill.id) == {} and bare.newest.beside == ""
    assert shelf.files(ME, skill.id, 1) == FILES
    assert shelf.files(ME, skill.id, 2) == {"scripts/run.sh": b"rm x\n"}
    shelf.go_back(ME, skill.id, 1)
    assert shelf.files(ME, skill.id) == FILES
    with sqlite3.connect(tmp_path / "shelf.sqlite3") as db:  # versions share what is the same
        assert db.execute("SELECT COUNT(*) FROM files").fetchone() == (4,)
    shelf.delete(ME, skill.id)
    shelf.erase(ME, skill.id)
    with sqlite3.connect(tmp_path / "shelf.sqlite3") as db:
        assert db.execute("SELECT COUNT(*) FROM files").fetchone() == (0,)


def test_files_have_limits_of_a_skill_and_of_a_person(shelf: Shelf, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ShelfError, match=r"1,000 files and 64 MB, its SKILL\.md included"):
        shelf.save(ME, text(), files={f"{n}.txt": b"" for n in range(1000)})
    with pytest.raises(ShelfError, match="leads out of the folder"):
        shelf.save(ME, text(), files={"../run.sh": b""})
    assert shelf.skills(ME) == []

    monkeypatch.setattr(studio.shelf, "MAX_STORED_SIZE", 500)
    monkeypatch.setattr(studio.shelf, "MAX_STORED_FILES", 3)
    one = shelf.save(ME, text("one"), files={"a": b"x" * 300, "b": b""})
    for files, limit in (
        ({"a": b"x" * 201}, "0 MB with those of all versions"),
        ({"a": b"", "b": b"x"}, "are 3 files"),
    ):
        with pytest.raises(ShelfError, match=f"{limit}.*which is the limit"):
            shelf.save(ME, text("two"), files=files)
    assert names(shelf) == ["one"]
    shelf.delete(ME, one.id)
    assert shelf.save(ME, text("two"), files={"a": b"x" * 201}).newest.files == 1
    assert names(shelf, deleted=True) == []  # its room was needed
    assert shelf.save(OTHER, text("two"), files={"a": b"x" * 500}).newest.files == 1  # each person has their own


def test_a_shelf_from_before_files_were_kept_is_read_and_goes_on(shelf: Shelf, tmp_path: Path):
    skill = shelf.save(ME, text())
    with sqlite3.connect(tmp_path / "shelf.sqlite3") as db:
        db.execute("ALTER TABLE versions DROP COLUMN beside")
        db.execute("DROP TABLE files")
    again = Shelf(tmp_path)
    assert again.skills(ME) == [skill] and again.files(ME, skill.id) == {}
    again.save(ME, text(), skill.id, files=FILES)
    assert again.files(ME, skill.id) == FILES


def test_broken_characters_can_be_kept(shelf: Shelf):
    assert shelf.save(ME, text(body="half \ud800 pair")).text == shelf.skills(ME)[0].text


def test_many_saves_at_once_are_all_kept(shelf: Shelf):
    skill = shelf.save(ME, text())
    threads = [threading.Thread(target=shelf.save, args=(ME, text(body=f"Body {n}."), skill.id)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [v.number for v in shelf.versions(ME, skill.id)] == list(range(9, 0, -1))


def test_scores_belong_to_a_text_a_person_and_a_hypernetwork(shelf: Shelf, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(studio.shelf, "MAX_SCORES", 2)
    score = Score(8, 0, 4, 6)
    shelf.record(ME, "a", "net", Score(8, 0, 0, 0))
    shelf.record(ME, "a", "net", score)
    assert shelf.scores(ME, "net") == {"a": score}
    assert shelf.scores(ME, "other net") == shelf.scores(OTHER, "net") == {}
    for sha256 in "bc":
        shelf.record(ME, sha256, "net", score)
    assert set(shelf.scores(ME, "net")) == {"b", "c"}


def test_a_score_says_what_is_kept_of_the_effect_of_reading():
    assert Score(8, 1, 5, 3).kept == 0.5
    assert Score(8, 0, 0, 6).kept is None
    assert Score(8, 1, 5, 3).gain == 0.25


def test_a_diff_tells_changed_lines_with_what_stands_around_them():
    old = "\n".join(f"line {n}" for n in range(20))
    new = old.replace("line 5", "line five") + "\nline 20"
    assert diff(old, new) == [
        ("@", ""),
        *[(" ", f"line {n}") for n in (2, 3, 4)],
        ("-", "line 5"),
        ("+", "line five"),
        *[(" ", f"line {n}") for n in (6, 7, 8)],
        ("@", ""),
        *[(" ", f"line {n}") for n in (17, 18, 19)],
        ("+", "line 20"),
    ]
    assert diff(old, old) == []
    assert diff("--- a\n", "+++ b\n") == [("@", ""), ("-", "--- a"), ("+", "+++ b")]
    assert diff("a\n" * 3000, "b\n" * 3000) is None


def test_a_folder_that_can_not_be_written_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ShelfError, match="SKILL_STUDIO_DATA"):
        Shelf(tmp_path / "file")
