"""SQLite files that several processes share: a connection of its own for each transaction, errors in plain words."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

BUSY_SECONDS = 10  # how long a transaction waits for another's


def create(path: Path, schema: str, failure: type[ValueError]) -> None:
    """Make the file and the tables that it lacks. Raises `failure` where that can't be done."""
    with _explained(path, failure), closing(_connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")  # readers wait for no writer
        connection.executescript(schema)


@contextmanager
def transaction(path: Path, failure: type[ValueError], write: bool = True) -> Iterator[sqlite3.Connection]:
    """A connection inside a transaction: what it reads is of one moment; what is done is kept whole, or not at all.

    Rows come as sqlite3.Row. Raises `failure` where the file can't be read or written.
    """
    with _explained(path, failure), closing(_connect(path)) as connection:
        connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def rows(path: Path, failure: type[ValueError], query: str, *values: object) -> list[sqlite3.Row]:
    """What a query finds. Raises `failure` where the file can't be read."""
    with _explained(path, failure), closing(_connect(path)) as connection:
        return connection.execute(query, values).fetchall()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


@contextmanager
def _explained(path: Path, failure: type[ValueError]) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise failure(
            f"{path} can't be read or written ({error}). Free some disk space, check who may write there, or name "
            "another folder in SKILL_STUDIO_DATA."
        ) from error
