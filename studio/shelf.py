"""A person's own skills: every version that was saved, in SQLite, each person's apart from the others'.

What is deleted lies in a bin and can be taken back until its room is needed.
"""

import difflib
import hashlib
import re
import secrets
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from skills.skill import MAX_NAME, Skill, SkillError, is_valid_name, safe_name
from studio import database
from studio.fidelity import Score

MAX_SKILLS = 200  # of a person, not counting the bin
MAX_SKILL_TEXT = 100_000  # characters; hypernetworks read fewer, and say so
MAX_STORED = 20_000_000  # characters of all versions of a person, the bin included
MAX_SCORES = 500  # of a person
MAX_DIFFED = 4_000  # lines of both texts: more take too long

_SCHEMA = """
CREATE TABLE IF NOT EXISTS skills (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    origin TEXT NOT NULL,      -- the library's skill that it came from, or ''
    deleted REAL               -- when it went into the bin
);
CREATE INDEX IF NOT EXISTS skills_of ON skills (owner);
CREATE TABLE IF NOT EXISTS versions (
    skill TEXT NOT NULL REFERENCES skills (id),
    number INTEGER NOT NULL,   -- from 1
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    note TEXT NOT NULL,        -- how it came about
    saved REAL NOT NULL,
    PRIMARY KEY (skill, number)
);
CREATE TABLE IF NOT EXISTS scores (
    owner TEXT NOT NULL,
    sha256 TEXT NOT NULL,      -- of the text
    hypernetwork TEXT NOT NULL,
    n INTEGER NOT NULL,
    without INTEGER NOT NULL,
    read INTEGER NOT NULL,
    parametric INTEGER NOT NULL,
    found REAL NOT NULL,
    PRIMARY KEY (owner, sha256, hypernetwork)
);
"""

_NEWEST = "number = (SELECT MAX(number) FROM versions WHERE skill = skills.id)"


class ShelfError(ValueError):
    """A skill can't be kept or found; the message is ready to be shown."""


@dataclass(frozen=True)
class Version:
    """One saved text of a skill."""

    number: int
    name: str
    text: str
    note: str
    saved: float  # seconds since 1970

    @property
    def sha256(self) -> str:
        """Of the text, as adapters know it."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class ShelfSkill:
    """A person's skill as it stands now."""

    id: str
    origin: str
    deleted: float | None
    newest: Version

    @property
    def name(self) -> str:
        return self.newest.name

    @property
    def text(self) -> str:
        return self.newest.text


class Shelf:
    """The own skills of everybody on a server."""

    def __init__(self, root: Path) -> None:
        """Make or open the shelf in a folder. Raises ShelfError where that can't be done."""
        self._path = Path(root).absolute() / "shelf.sqlite3"
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ShelfError(
                f"The folder {root} can't be made ({error.strerror}). Name another in SKILL_STUDIO_DATA."
            ) from error
        database.create(self._path, _SCHEMA, ShelfError)

    # ---- looking ----

    def skills(self, owner: str, deleted: bool = False) -> list[ShelfSkill]:
        """A person's skills by name; with `deleted` those in the bin, the last first."""
        with database.transaction(self._path, ShelfError, write=False) as db:
            found = [skill for skill in _skills(db, owner) if (skill.deleted is not None) == deleted]
        return sorted(found, key=lambda skill: (-(skill.deleted or 0), skill.name))

    def get(self, owner: str, id: str) -> ShelfSkill:
        """A skill, in the bin or not. Raises ShelfError where this person has none with the id."""
        with database.transaction(self._path, ShelfError, write=False) as db:
            return _skill(db, owner, id)

    def versions(self, owner: str, id: str) -> list[Version]:
        """Every version of a skill, the newest first. Raises ShelfError where this person has no such skill."""
        with database.transaction(self._path, ShelfError, write=False) as db:
            _skill(db, owner, id)
            rows = db.execute("SELECT * FROM versions WHERE skill = ? ORDER BY number DESC", (id,))
            return [_version(row) for row in rows]

    def version(self, owner: str, id: str, number: int) -> Version:
        """One version. Raises ShelfError where there is none of this person."""
        with database.transaction(self._path, ShelfError, write=False) as db:
            _skill(db, owner, id)
            row = db.execute("SELECT * FROM versions WHERE skill = ? AND number = ?", (id, number)).fetchone()
        if row is None:
            raise ShelfError(f"There is no version {number}. Choose another.")
        return _version(row)

    # ---- changing ----

    def save(self, owner: str, text: str, id: str = "", origin: str = "") -> ShelfSkill:
        """Keep a text: as a new version of the skill with the id or else of the same name, or as a new skill.

        A text that is the newest one already makes no version. Raises ShelfError for a text that is no skill, a name
        that another skill has, and over a limit.
        """
        text, name = _checked(text)
        with database.transaction(self._path, ShelfError) as db:
            own = _skills(db, owner)
            same = next((skill for skill in own if skill.deleted is None and skill.name == name), None)
            if not id:
                if same is None:
                    return _new(db, owner, name, text, origin, f"forked from {origin}" if origin else "saved")
                return _add(db, owner, same, name, text, "saved")
            skill = _skill(db, owner, id)
            if same is not None and same.id != id:
                raise ShelfError(f"Another skill of yours is named {name}. Choose another name, or delete that one.")
            if skill.deleted is not None:
                db.execute("UPDATE skills SET deleted = NULL WHERE id = ?", (id,))
            return _add(db, owner, skill, name, text, "saved")

    def fork(self, owner: str, text: str, origin: str = "") -> ShelfSkill:
        """A new skill with this text, under its name or, where that is taken, one with a number. Raises ShelfError."""
        text, name = _checked(text)
        with database.transaction(self._path, ShelfError) as db:
            free = _free_name(name, {skill.name for skill in _skills(db, owner) if skill.deleted is None})
            return _new(db, owner, free, _renamed(text, free) if free != name else text, origin, f"forked from {name}")

    def rename(self, owner: str, id: str, name: str) -> ShelfSkill:
        """Give a skill another name, in its text too: a new version. Raises ShelfError for a name that can't be."""
        name = name.strip()
        if not is_valid_name(name):
            raise ShelfError(
                f"A name has up to {MAX_NAME} small letters, digits and single hyphens. Try {safe_name(name)}."
            )
        with database.transaction(self._path, ShelfError) as db:
            skill = _skill(db, owner, id)
            if any(other.name == name and other.id != id and other.deleted is None for other in _skills(db, owner)):
                raise ShelfError(f"Another skill of yours is named {name}. Choose another name, or delete that one.")
            return _add(db, owner, skill, name, _renamed(skill.text, name), f"renamed from {skill.name}")

    def go_back(self, owner: str, id: str, number: int) -> ShelfSkill:
        """Make an earlier text the newest again; what came between stays. Raises ShelfError as `save` and `version`."""
        version = self.version(owner, id, number)
        with database.transaction(self._path, ShelfError) as db:
            skill, name = _skill(db, owner, id), version.name
            if any(other.name == name and other.id != id and other.deleted is None for other in _skills(db, owner)):
                raise ShelfError(f"Another skill of yours is named {name} by now. Rename that one first.")
            return _add(db, owner, skill, name, version.text, f"back to version {version.number}")

    def delete(self, owner: str, id: str) -> ShelfSkill:
        """Put a skill into the bin. Raises ShelfError where there is none."""
        with database.transaction(self._path, ShelfError) as db:
            skill = _skill(db, owner, id)
            db.execute("UPDATE skills SET deleted = ? WHERE id = ?", (time.time(), id))
            return replace(skill, deleted=time.time())

    def restore(self, owner: str, id: str) -> ShelfSkill:
        """Take a skill out of the bin; it gets a number behind its name where another has that by now.

        Raises ShelfError where there is none, and where there is no place for it.
        """
        with database.transaction(self._path, ShelfError) as db:
            skill = _skill(db, owner, id)
            if skill.deleted is None:
                return skill
            others = {other.name for other in _skills(db, owner) if other.deleted is None}
            _check_number(len(others))
            db.execute("UPDATE skills SET deleted = NULL WHERE id = ?", (id,))
            free = _free_name(skill.name, others)
            if free != skill.name:
                _add(db, owner, skill, free, _renamed(skill.text, free), f"renamed from {skill.name}")
            return _skill(db, owner, id)

    def erase(self, owner: str, id: str) -> str:
        """Delete a skill that lies in the bin with all its versions, for good; returns its name.

        Raises ShelfError where there is none in the bin.
        """
        with database.transaction(self._path, ShelfError) as db:
            skill = _skill(db, owner, id)
            if skill.deleted is None:
                raise ShelfError(f"{skill.name} is not deleted. Delete it first.")
            _erase(db, id)
            return skill.name

    # ---- how well they do ----

    def record(self, owner: str, sha256: str, hypernetwork: str, score: Score) -> None:
        """Remember what a check of a text found, with the fingerprint of the hypernetwork. Raises ShelfError."""
        values = (owner, sha256, hypernetwork, score.n, score.without, score.read, score.parametric, time.time())
        with database.transaction(self._path, ShelfError) as db:
            db.execute("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
            db.execute(
                "DELETE FROM scores WHERE rowid IN "
                "(SELECT rowid FROM scores WHERE owner = ? ORDER BY found DESC LIMIT -1 OFFSET ?)",
                (owner, MAX_SCORES),
            )

    def scores(self, owner: str, hypernetwork: str) -> dict[str, Score]:
        """What checks found with a hypernetwork, by the SHA-256 of the text."""
        query = "SELECT sha256, n, without, read, parametric FROM scores WHERE owner = ? AND hypernetwork = ?"
        return {row[0]: Score(*row[1:]) for row in database.rows(self._path, ShelfError, query, owner, hypernetwork)}


def diff(old: str, new: str) -> list[tuple[str, str]] | None:
    """The lines of both texts in order: (' ' same, '-' old, '+' new or '@' a gap, the line); None: too long to compare.

    Of what is the same, three lines around each change are told.
    """
    left, right = old.splitlines(), new.splitlines()
    if len(left) + len(right) > MAX_DIFFED:
        return None
    lines = list(difflib.unified_diff(left, right, lineterm="", n=3))[2:]
    return [("@", "") if line.startswith("@@") else (line[0], line[1:]) for line in lines]


# ---- the tables ----------------------------------------------------------------------------------------------------


def _skills(db: sqlite3.Connection, owner: str) -> list[ShelfSkill]:
    if not owner:  # all pages that don't know their owner yet would be one person
        raise ShelfError("This page does not know whose it is. Reload it, with cookies and site data allowed.")
    query = f"SELECT * FROM skills JOIN versions ON skill = skills.id AND {_NEWEST} WHERE owner = ?"
    return [_row(row) for row in db.execute(query, (owner,))]


def _skill(db: sqlite3.Connection, owner: str, id: str) -> ShelfSkill:
    query = f"SELECT * FROM skills JOIN versions ON skill = skills.id AND {_NEWEST} WHERE owner = ? AND id = ?"
    if (row := db.execute(query, (owner, id)).fetchone()) is None:
        raise ShelfError("This skill is no longer among yours. Reload the page.")
    return _row(row)


def _row(row: sqlite3.Row) -> ShelfSkill:
    return ShelfSkill(row["id"], row["origin"], row["deleted"], _version(row))


def _version(row: sqlite3.Row) -> Version:
    return Version(row["number"], row["name"], row["text"], row["note"], row["saved"])


def _new(db: sqlite3.Connection, owner: str, name: str, text: str, origin: str, note: str) -> ShelfSkill:
    _check_number(sum(skill.deleted is None for skill in _skills(db, owner)))
    id = secrets.token_hex(8)
    _make_room(db, owner, len(text), id)
    db.execute("INSERT INTO skills (id, owner, origin) VALUES (?, ?, ?)", (id, owner, origin))
    db.execute("INSERT INTO versions VALUES (?, 1, ?, ?, ?, ?)", (id, name, text, note, time.time()))
    return _skill(db, owner, id)


def _add(db: sqlite3.Connection, owner: str, skill: ShelfSkill, name: str, text: str, note: str) -> ShelfSkill:
    """A new version, unless it says the same as the newest."""
    if text != skill.text:
        _make_room(db, owner, len(text), skill.id)
        values = (skill.id, skill.newest.number + 1, name, text, note, time.time())
        db.execute("INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?)", values)
    return _skill(db, owner, skill.id)


def _check_number(number: int) -> None:
    if number >= MAX_SKILLS:
        raise ShelfError(f"You have {number} skills, which is the limit. Delete some that you don't need.")


def _make_room(db: sqlite3.Connection, owner: str, size: int, kept: str) -> None:
    """Empty the bin from its oldest, as far as a text needs it. Raises ShelfError where that is not enough."""
    sizes = db.execute(
        "SELECT id, deleted, SUM(LENGTH(text)) FROM skills JOIN versions ON skill = skills.id "
        "WHERE owner = ? GROUP BY id ORDER BY deleted",
        (owner,),
    ).fetchall()
    over = sum(row[2] for row in sizes) + size - MAX_STORED
    for id, deleted, taken in sizes:
        if over > 0 and deleted is not None and id != kept:
            _erase(db, id)
            over -= taken
    if over > 0:
        raise ShelfError(
            f"Your skills with all their versions have {MAX_STORED / 1e6:,.0f} million characters, which is the limit. "
            "Download and delete some."
        )


def _erase(db: sqlite3.Connection, id: str) -> None:
    db.execute("DELETE FROM versions WHERE skill = ?", (id,))
    db.execute("DELETE FROM skills WHERE id = ?", (id,))


# ---- texts and names -----------------------------------------------------------------------------------------------


def _checked(text: str) -> tuple[str, str]:
    """(text, name) of what may be kept. Raises ShelfError."""
    text = text.encode("utf-8", "replace").decode()  # halves of surrogate pairs can't be kept
    if len(text) > MAX_SKILL_TEXT:
        raise ShelfError(
            f"The skill has {len(text):,} characters; {MAX_SKILL_TEXT:,} can be kept. Move parts of it into skills of "
            "their own, or download it."
        )
    try:
        return text, Skill.parse(text).name
    except SkillError as error:
        raise ShelfError(str(error)) from error


def _renamed(text: str, name: str) -> str:
    return replace(Skill.parse(text), name=name).render()


def _free_name(name: str, taken: Iterable[str]) -> str:
    """The name, or where it is taken the name with the first free number."""
    stem, number, free = re.sub(r"-\d+$", "", name), 1, name
    while free in taken:
        number += 1
        end = f"-{number}"
        free = f"{stem[: MAX_NAME - len(end)].rstrip('-')}{end}"
    return free
