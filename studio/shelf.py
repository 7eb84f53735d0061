"""A person's own skills: every version that was saved, text and files, in SQLite, each person's apart from the others'.

What is deleted lies in a bin and can be taken back until its room is needed.
"""

import difflib
import hashlib
import json
import re
import secrets
import sqlite3
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from skills.archive import EVALS, SKILL
from skills.scan import MAX_FILES, fault_of_path, shown
from skills.skill import MAX_NAME, Skill, SkillError, is_valid_name, safe_name, text_sha256
from studio import database
from studio.fidelity import Score
from studio.room import Room
from studio.wording import UNKNOWN_BROWSER

MAX_SKILLS = 200  # of a person, not counting the bin
MAX_SKILL_TEXT = 100_000  # characters; hypernetworks read fewer, and say so
MAX_STORED = 20_000_000  # characters of all versions of a person, the bin included
MAX_STORED_SIZE = 64_000_000  # bytes of all files of a person, the bin included: about as many as an upload may have
MAX_STORED_FILES = 20 * MAX_FILES
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
    beside TEXT NOT NULL DEFAULT '',  -- which files are its own, or '' for none
    PRIMARY KEY (skill, number)
);
CREATE TABLE IF NOT EXISTS files (
    skill TEXT NOT NULL REFERENCES skills (id),
    beside TEXT NOT NULL,      -- SHA-256 of all files of a version: those that have the same share them
    path TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (skill, beside, path)
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
CREATE TRIGGER IF NOT EXISTS erased AFTER DELETE ON skills BEGIN
    DELETE FROM files WHERE skill = old.id;
    DELETE FROM versions WHERE skill = old.id;
END;
"""

_OF_IT = "FROM files WHERE files.skill = versions.skill AND files.beside = versions.beside"
_VERSION = (
    f"versions.*, (SELECT COUNT(*) {_OF_IT}) AS files, (SELECT COUNT(*) {_OF_IT} AND path = '{EVALS}') AS has_evals"
)
_NEWEST = "number = (SELECT MAX(number) FROM versions WHERE skill = skills.id)"
_SKILLS = f"SELECT skills.*, {_VERSION} FROM skills JOIN versions ON skill = skills.id AND {_NEWEST} WHERE owner = ?"


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
    beside: str = ""  # the SHA-256 of its files; '' where it has none
    files: int = 0  # beside its SKILL.md
    has_evals: bool = False

    @property
    def sha256(self) -> str:
        """Of the text, as adapters know it."""
        return text_sha256(self.text)


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
        self._room = Room(self._path, _SCHEMA, ("skills", "scores"), ShelfError)
        with database.transaction(self._path, ShelfError) as db:  # a shelf from before files were kept
            if "beside" not in {row["name"] for row in db.execute("PRAGMA table_info(versions)")}:
                db.execute("ALTER TABLE versions ADD COLUMN beside TEXT NOT NULL DEFAULT ''")

    # ---- looking ----

    def skills(self, owner: str, deleted: bool = False) -> list[ShelfSkill]:
        """A person's skills by name; with `deleted` those in the bin, the last first."""
        self._room.visit(owner)
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
            rows = db.execute(f"SELECT {_VERSION} FROM versions WHERE skill = ? ORDER BY number DESC", (id,))
            return [_version(row) for row in rows]

    def version(self, owner: str, id: str, number: int) -> Version:
        """One version. Raises ShelfError where there is none of this person."""
        with database.transaction(self._path, ShelfError, write=False) as db:
            _skill(db, owner, id)
            query = f"SELECT {_VERSION} FROM versions WHERE skill = ? AND number = ?"
            row = db.execute(query, (id, number)).fetchone()
        if row is None:
            raise ShelfError(f"There is no version {number}. Choose another.")
        return _version(row)

    def files(self, owner: str, id: str, number: int | None = None) -> dict[str, bytes]:
        """The files beside the text of a version, by default the newest. Raises ShelfError as `get` and `version`."""
        version = self.get(owner, id).newest if number is None else self.version(owner, id, number)
        query = "SELECT path, data FROM files WHERE skill = ? AND beside = ?"
        return dict(map(tuple, database.rows(self._path, ShelfError, query, id, version.beside)))

    # ---- changing ----

    def save(
        self, owner: str, text: str, id: str = "", origin: str = "", files: Mapping[str, bytes] | None = None
    ) -> ShelfSkill:
        """Keep a text: as a new version of the skill with the id or else of the same name, or as a new skill.

        `files` are all that lie beside it, by their paths in the skill's folder. What is the newest already makes no
        version. Raises ShelfError for a text that is no skill, a name that another skill has, and over a limit.
        """
        (text, name), files = _checked(text), _checked_files(files or {})
        with self._room.adding(owner) as db:
            own = _skills(db, owner)
            same = next((skill for skill in own if skill.deleted is None and skill.name == name), None)
            if not id:
                if same is None:
                    return _new(db, owner, name, text, origin, f"forked from {origin}" if origin else "saved", files)
                return _add(db, owner, same, name, text, "saved", _put(db, same.id, files))
            skill = _skill(db, owner, id)
            if same is not None and same.id != id:
                raise ShelfError(f"Another skill of yours is named {name}. Choose another name, or delete that one.")
            if skill.deleted is not None:
                db.execute("UPDATE skills SET deleted = NULL WHERE id = ?", (id,))
            return _add(db, owner, skill, name, text, "saved", _put(db, id, files))

    def fork(self, owner: str, text: str, origin: str = "", files: Mapping[str, bytes] | None = None) -> ShelfSkill:
        """A new skill with this text and files, under its name or, where that is taken, one with a number.

        Raises ShelfError.
        """
        (text, name), files = _checked(text), _checked_files(files or {})
        with self._room.adding(owner) as db:
            free = _free_name(name, {skill.name for skill in _skills(db, owner) if skill.deleted is None})
            text = _renamed(text, free) if free != name else text
            return _new(db, owner, free, text, origin, f"forked from {name}", files)

    def rename(self, owner: str, id: str, name: str) -> ShelfSkill:
        """Give a skill another name, in its text too: a new version. Raises ShelfError for a name that can't be."""
        name = name.strip()
        if not is_valid_name(name):
            raise ShelfError(
                f"A name has up to {MAX_NAME} lowercase letters, digits and single hyphens. Try {safe_name(name)}."
            )
        with self._room.adding(owner) as db:
            skill = _skill(db, owner, id)
            if any(other.name == name and other.id != id and other.deleted is None for other in _skills(db, owner)):
                raise ShelfError(f"Another skill of yours is named {name}. Choose another name, or delete that one.")
            text, note = _renamed(skill.text, name), f"renamed from {skill.name}"
            return _add(db, owner, skill, name, text, note, skill.newest.beside)

    def go_back(self, owner: str, id: str, number: int) -> ShelfSkill:
        """Make an earlier version the newest again; what came between stays.

        Raises ShelfError as `save` and `version`.
        """
        version = self.version(owner, id, number)
        with self._room.adding(owner) as db:
            skill, name = _skill(db, owner, id), version.name
            if any(other.name == name and other.id != id and other.deleted is None for other in _skills(db, owner)):
                raise ShelfError(f"Another skill of yours is named {name} by now. Rename that one first.")
            return _add(db, owner, skill, name, version.text, f"back to version {version.number}", version.beside)

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
        with self._room.adding(owner) as db:
            skill = _skill(db, owner, id)
            if skill.deleted is None:
                return skill
            others = {other.name for other in _skills(db, owner) if other.deleted is None}
            _check_number(len(others))
            db.execute("UPDATE skills SET deleted = NULL WHERE id = ?", (id,))
            free = _free_name(skill.name, others)
            if free != skill.name:
                text, note = _renamed(skill.text, free), f"renamed from {skill.name}"
                _add(db, owner, skill, free, text, note, skill.newest.beside)
            return _skill(db, owner, id)

    def erase(self, owner: str, id: str) -> str:
        """Delete a skill that lies in the bin with all its versions, for good; returns its name.

        Raises ShelfError where there is none in the bin.
        """
        with database.transaction(self._path, ShelfError) as db:
            skill = _skill(db, owner, id)
            if skill.deleted is None:
                raise ShelfError(f"{skill.name} is not deleted. Delete it first.")
            db.execute("DELETE FROM skills WHERE id = ?", (id,))
            return skill.name

    # ---- how well they do ----

    def record(self, owner: str, sha256: str, hypernetwork: str, score: Score) -> None:
        """Remember what a check of a text found, with the fingerprint of the hypernetwork. Raises ShelfError."""
        values = (owner, sha256, hypernetwork, score.n, score.without, score.read, score.parametric, time.time())
        with self._room.adding(owner) as db:
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
        raise ShelfError(UNKNOWN_BROWSER)
    return [_row(row) for row in db.execute(_SKILLS, (owner,))]


def _skill(db: sqlite3.Connection, owner: str, id: str) -> ShelfSkill:
    if (row := db.execute(f"{_SKILLS} AND id = ?", (owner, id)).fetchone()) is None:
        raise ShelfError("This skill is no longer among yours. Reload the page.")
    return _row(row)


def _row(row: sqlite3.Row) -> ShelfSkill:
    return ShelfSkill(row["id"], row["origin"], row["deleted"], _version(row))


def _version(row: sqlite3.Row) -> Version:
    names = ("number", "name", "text", "note", "saved", "beside", "files")
    return Version(*(row[name] for name in names), bool(row["has_evals"]))


def _new(
    db: sqlite3.Connection, owner: str, name: str, text: str, origin: str, note: str, files: Mapping[str, bytes]
) -> ShelfSkill:
    _check_number(sum(skill.deleted is None for skill in _skills(db, owner)))
    id = secrets.token_hex(8)
    db.execute("INSERT INTO skills (id, owner, origin) VALUES (?, ?, ?)", (id, owner, origin))
    _write(db, owner, id, 1, name, text, note, _put(db, id, files))
    return _skill(db, owner, id)


def _add(
    db: sqlite3.Connection, owner: str, skill: ShelfSkill, name: str, text: str, note: str, beside: str
) -> ShelfSkill:
    """A new version, unless it is the same as the newest."""
    if (text, beside) != (skill.text, skill.newest.beside):
        _write(db, owner, skill.id, skill.newest.number + 1, name, text, note, beside)
    return _skill(db, owner, skill.id)


def _write(
    db: sqlite3.Connection, owner: str, id: str, number: int, name: str, text: str, note: str, beside: str
) -> None:
    values = (id, number, name, text, note, time.time(), beside)
    db.execute(
        "INSERT INTO versions (skill, number, name, text, note, saved, beside) VALUES (?, ?, ?, ?, ?, ?, ?)", values
    )
    _make_room(db, owner, id)


def _put(db: sqlite3.Connection, id: str, files: Mapping[str, bytes]) -> str:
    """Keep the files of a version unless an earlier one had the same; returns what they go by. Raises ShelfError."""
    if not files:
        return ""
    digests = [(path, hashlib.sha256(data).hexdigest()) for path, data in sorted(files.items())]
    beside = hashlib.sha256(json.dumps(digests).encode()).hexdigest()
    rows = ((id, beside, path, data) for path, data in files.items())
    db.executemany("INSERT OR IGNORE INTO files VALUES (?, ?, ?, ?)", rows)
    return beside


def _check_number(number: int) -> None:
    if number >= MAX_SKILLS:
        raise ShelfError(f"You have {number} skills, which is the limit. Delete some that you don't need.")


def _make_room(db: sqlite3.Connection, owner: str, kept: str) -> None:
    """Empty the bin from its oldest, as far as what was just written needs it.

    Raises ShelfError, which takes back what was written, where that is not enough.
    """
    taken = db.execute(
        "SELECT id, deleted, (SELECT SUM(LENGTH(text)) FROM versions WHERE skill = id), "
        "(SELECT IFNULL(SUM(LENGTH(data)), 0) FROM files WHERE skill = id), "
        "(SELECT COUNT(*) FROM files WHERE skill = id) FROM skills WHERE owner = ? ORDER BY deleted",
        (owner,),
    ).fetchall()
    limits = (MAX_STORED, MAX_STORED_SIZE, MAX_STORED_FILES)
    over = [
        sum(sizes) - most for sizes, most in zip(zip(*(row[2:] for row in taken), strict=True), limits, strict=True)
    ]
    for id, deleted, *sizes in taken:
        if max(over) > 0 and deleted is not None and id != kept:
            db.execute("DELETE FROM skills WHERE id = ?", (id,))
            over = [each - size for each, size in zip(over, sizes, strict=True)]
    said = (
        f"Your skills with all their versions have {MAX_STORED / 1e6:,.0f} million characters",
        f"The files beside your skills have {MAX_STORED_SIZE / 1e6:,.0f} MB with those of all versions",
        f"There are {MAX_STORED_FILES:,} files beside your skills with those of all versions",
    )
    for each, what in zip(over, said, strict=True):
        if each > 0:
            raise ShelfError(f"{what}, which is the limit. Download and delete some.")


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


def _checked_files(files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """Those that may be kept: within the limits of `skills.archive`. Raises ShelfError."""
    if len(files) >= MAX_FILES or sum(map(len, files.values())) > MAX_STORED_SIZE:
        raise ShelfError(
            f"A skill may have {MAX_FILES:,} files and {MAX_STORED_SIZE / 1e6:,.0f} MB, its {SKILL} included. Leave "
            "some out."
        )
    for path in files:
        if fault := fault_of_path(path):
            raise ShelfError(f"The path {shown(path)} {fault}. Give the file a plain name.")
    return files


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
