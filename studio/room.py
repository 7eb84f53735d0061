"""What all people together may keep in a SQLite file; who was not here for long gives way to others.

Each person has limits of their own, but whoever comes without a token is a new person.
"""

import math
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from studio import database

GIGABYTES = 4.0  # of a file: two of them and the trainings' ten leave some of the 20 GB that a small Space has
DAYS_ON_A_SPACE = 180.0
VISIT_SECONDS = 86_400  # a visit is written down at most so often

_SCHEMA = """
CREATE TABLE IF NOT EXISTS owners (
    owner TEXT PRIMARY KEY,
    seen REAL NOT NULL         -- when they last looked at what they keep, or added to it
);
"""


class Room:
    """The limits of a file that holds what people keep."""

    def __init__(self, path: Path, schema: str, owned: Sequence[str], failure: type[ValueError]) -> None:
        """Make or open the file and its folder, without what is too old; `owned` are its tables that have an owner.

        Raises `failure` where that can't be done, or the environment sets no number.
        """
        self._path, self._owned, self._failure = path, owned, failure
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise failure(
                f"The folder {path.parent} can't be made ({error.strerror}). Name another in SKILL_STUDIO_DATA."
            ) from error
        days = DAYS_ON_A_SPACE if os.environ.get("SPACE_ID") else math.inf
        self._days = number_set("SKILL_STUDIO_SKILLS_DAYS", days, failure)
        self._gigabytes = number_set("SKILL_STUDIO_SKILLS_GB", GIGABYTES, failure)
        database.create(path, schema + _SCHEMA, failure)
        with database.transaction(path, failure) as db:
            for table in owned:  # of a file from before visits were written down
                db.execute(f"INSERT OR IGNORE INTO owners SELECT DISTINCT owner, ? FROM {table}", (time.time(),))
            self._expire(db)

    def visit(self, owner: str) -> None:
        """Write down that a person who keeps something is here."""
        now, due = time.time(), "SELECT 1 FROM owners WHERE owner = ? AND seen < ?"
        with suppress(self._failure):  # on a full disk they see what is theirs, too
            if database.rows(self._path, self._failure, due, owner, now - VISIT_SECONDS):
                with database.transaction(self._path, self._failure) as db:
                    db.execute("UPDATE owners SET seen = ? WHERE owner = ?", (now, owner))

    @contextmanager
    def adding(self, owner: str) -> Iterator[sqlite3.Connection]:
        """A transaction in which a person adds something. Raises `failure`, also where all people then have too much.

        What is too old is deleted only as the room is needed.
        """
        with database.transaction(self._path, self._failure) as db:
            yield db
            db.execute("INSERT OR REPLACE INTO owners VALUES (?, ?)", (owner, time.time()))
            if self._is_over(db):
                self._expire(db)
            if self._is_over(db):
                raise self._failure(
                    f"What all visitors keep here has reached this server's limit of {self._gigabytes:g} GB. Delete "
                    "for good what you no longer need, or download this. Whoever runs the server sets "
                    "SKILL_STUDIO_SKILLS_GB."
                )

    def _is_over(self, db: sqlite3.Connection) -> bool:
        names = ("page_count", "freelist_count", "page_size")
        pages, free, size = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
        return (pages - free) * size > 1e9 * self._gigabytes  # free pages are filled before the file grows

    def _expire(self, db: sqlite3.Connection) -> None:
        """Delete all of those who were not here for so many days."""
        last = time.time() - 86_400 * self._days
        for table in self._owned:
            db.execute(f"DELETE FROM {table} WHERE owner IN (SELECT owner FROM owners WHERE seen < ?)", (last,))
        db.execute("DELETE FROM owners WHERE seen < ?", (last,))


def number_set(name: str, default: float, failure: type[ValueError]) -> float:
    """A number over 0 that the environment sets. Raises `failure` for anything else that it sets."""
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise failure(f"{name} is {text!r}. Write a number over 0.")
    return number
