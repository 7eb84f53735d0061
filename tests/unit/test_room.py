"""What all people together may keep: a limit that holds whoever comes, and who gives way to others."""

import sqlite3
import time
from pathlib import Path

import pytest
from tiny import full_disk

from skills.skill import Skill
from studio.examples import ExampleBook, ExampleError
from studio.fidelity import Score
from studio.shelf import Shelf, ShelfError

Keeper = Shelf | ExampleBook
KEEPERS = {Shelf: "shelf.sqlite3", ExampleBook: "examples.sqlite3"}


@pytest.fixture(params=KEEPERS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[Keeper]:
    """What keeps skills, with room for three large ones and for a month."""
    monkeypatch.setenv("SKILL_STUDIO_SKILLS_GB", "0.0004")
    monkeypatch.setenv("SKILL_STUDIO_SKILLS_DAYS", "30")
    return request.param


def save(keeper: Keeper, owner: str, size: int = 90_000) -> None:
    text = Skill("cut-logs", "Cuts logs.", "x" * size).render()
    keeper.save(owner, text) if isinstance(keeper, Shelf) else keeper.put_skill(owner, text)


def fill(keeper: Keeper, *owners: str) -> None:
    for owner in owners:
        save(keeper, owner)


def age(kind: type[Keeper], folder: Path, **days: float) -> None:
    """Let owners have been here so many days ago."""
    with sqlite3.connect(folder / KEEPERS[kind]) as db:
        for owner, ago in days.items():
            then = time.time() - 86_400 * ago
            assert db.execute("UPDATE owners SET seen = ? WHERE owner = ?", (then, owner)).rowcount


def seen(kind: type[Keeper], folder: Path, owner: str) -> float:
    with sqlite3.connect(folder / KEEPERS[kind]) as db:
        return db.execute("SELECT seen FROM owners WHERE owner = ?", (owner,)).fetchone()[0]


def rows(kind: type[Keeper], folder: Path, owner: str) -> dict[str, int]:
    """How many rows there are of an owner, and of skills of nobody, by the table."""
    with sqlite3.connect(folder / KEEPERS[kind]) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {}
        for table in filter(lambda name: not name.startswith("sqlite_"), tables):
            columns = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
            which = "owner = ?" if "owner" in columns else "? NOT NULL AND skill NOT IN (SELECT id FROM skills)"
            found[table] = db.execute(f"SELECT COUNT(*) FROM {table} WHERE {which}", (owner,)).fetchone()[0]
    return found


def test_one_more_person_than_there_is_room_for_is_refused_and_nothing_of_theirs_is_kept(
    kind: type[Keeper], tmp_path: Path
):
    keeper = kind(tmp_path)
    fill(keeper, "one", "two", "three")
    with pytest.raises((ShelfError, ExampleError), match=r"this server's limit of 0\.0004 GB.*SKILL_STUDIO_SKILLS_GB"):
        save(keeper, "four")
    assert not any(rows(kind, tmp_path, "four").values())
    assert all(keeper.skills(owner) for owner in ("one", "two", "three"))
    save(keeper, "one", 100)  # what fits is kept


def test_what_is_deleted_for_good_makes_room(kind: type[Keeper], tmp_path: Path):
    keeper = kind(tmp_path)
    fill(keeper, "one", "two", "three")
    if isinstance(keeper, Shelf):
        (skill,) = keeper.skills("one")
        keeper.delete("one", skill.id)
        keeper.erase("one", skill.id)
    else:
        keeper.remove_skill("one", keeper.skills("one")[0].sha256)
    save(keeper, "four")


def test_where_room_is_needed_who_was_not_here_for_so_long_gives_way_and_nobody_else(
    kind: type[Keeper], tmp_path: Path
):
    keeper = kind(tmp_path)
    fill(keeper, "long", "lately")
    if isinstance(keeper, Shelf):
        keeper.record("long", "0" * 64, "net", Score(8, 0, 0, 0))
        keeper.save("long", Skill("with-files", "Has files.", "x").render(), files={"a": b"a"})
    else:
        keeper.add("long", keeper.skills("long")[0].sha256, "Which?", "aa")
    age(kind, tmp_path, long=31, lately=29)
    save(keeper, "third", 100)
    assert rows(kind, tmp_path, "long")["skills"]  # no room was needed so far
    fill(keeper, "fourth", "fifth")
    assert not any(rows(kind, tmp_path, "long").values())
    assert all(keeper.skills(owner) for owner in ("lately", "third", "fourth", "fifth"))


def test_at_the_start_what_is_too_old_is_deleted(kind: type[Keeper], tmp_path: Path):
    fill(kind(tmp_path), "long", "lately")
    age(kind, tmp_path, long=31, lately=29)
    keeper = kind(tmp_path)
    assert not any(rows(kind, tmp_path, "long").values())
    assert keeper.skills("lately")


def test_without_a_limit_in_days_a_space_keeps_half_a_year_and_others_all(
    kind: type[Keeper], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("SKILL_STUDIO_SKILLS_DAYS")
    fill(kind(tmp_path), "long", "lately")
    age(kind, tmp_path, long=181, lately=179)
    kind(tmp_path)
    assert rows(kind, tmp_path, "long")["skills"]
    monkeypatch.setenv("SPACE_ID", "owner/space")
    kind(tmp_path)
    assert not any(rows(kind, tmp_path, "long").values()) and rows(kind, tmp_path, "lately")["skills"]


def test_who_looks_at_what_is_theirs_was_here_even_with_no_disk_left(kind: type[Keeper], tmp_path: Path):
    keeper = kind(tmp_path)
    fill(keeper, "one", "two")
    age(kind, tmp_path, one=29, two=29)
    with full_disk(100):
        assert keeper.skills("two")
    assert keeper.skills("one")
    age(kind, tmp_path, two=31)
    again = kind(tmp_path)
    assert (len(again.skills("one")), len(again.skills("two"))) == (1, 0)
    assert seen(kind, tmp_path, "one") > time.time() - 60


def test_what_was_kept_before_visits_were_written_down_counts_as_seen_now(kind: type[Keeper], tmp_path: Path):
    fill(kind(tmp_path), "one")
    with sqlite3.connect(tmp_path / KEEPERS[kind]) as db:
        db.execute("DROP TABLE owners")
    assert kind(tmp_path).skills("one")
    assert seen(kind, tmp_path, "one") > time.time() - 60


@pytest.mark.parametrize("name", ["SKILL_STUDIO_SKILLS_GB", "SKILL_STUDIO_SKILLS_DAYS"])
@pytest.mark.parametrize("value", ["much", "0", "-1", "inf"])
def test_a_limit_that_is_no_number_is_told(
    kind: type[Keeper], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
):
    monkeypatch.setenv(name, value)
    with pytest.raises((ShelfError, ExampleError), match=f"{name} is '{value}'. Write a number over 0"):
        kind(tmp_path)
