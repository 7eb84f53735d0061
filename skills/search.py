"""Finding texts by the beginnings of their words, fast enough for every key that is pressed.

SQLite's full-text index in memory: ten thousand skills answer within milliseconds, whatever was typed.
"""

import re
import sqlite3
import threading
import unicodedata
from collections.abc import Iterable

_PREFIXES = "1 2 3"  # letters of a word that are indexed as a word of their own: what is typed first matches the most


class SearchIndex:
    """Texts by number, in the order in which they were given; built once, asked from any thread."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(":memory:", check_same_thread=False)
        # content='': the index alone, without a second copy of the texts
        self._db.execute(
            "CREATE VIRTUAL TABLE texts USING "
            f"fts5(text, content='', tokenize='unicode61 remove_diacritics 2', prefix='{_PREFIXES}')"
        )
        self._db.executemany("INSERT INTO texts (rowid, text) VALUES (?, ?)", enumerate(texts))

    def find(self, query: str) -> list[int] | None:
        """Numbers of the texts in which every word of the query begins a word; None for a query without any.

        Case and accents do not count. Of a word with a hyphen or a dot the parts must stand behind one another.
        """
        words = words_of(query)
        if not words:
            return None
        asked = " ".join(f'"{word}"*' for word in words)
        with self._lock:
            return [number for (number,) in self._db.execute("SELECT rowid FROM texts WHERE texts MATCH ?", (asked,))]


def words_of(query: str) -> list[str]:
    """What of a query is searched for: its words, without those that have no letter and no digit."""
    words = unicodedata.normalize("NFC", query).casefold().replace('"', " ").replace("\0", " ").split()
    return [word for word in words if any(letter.isalnum() for letter in word)]


def holds(text: str, words: Iterable[str]) -> bool:
    """Whether each of the words begins a word of a text, for the few that are not worth an index."""
    text = text.casefold()
    return all(re.search(rf"(?<![^\W_]){re.escape(word)}", text) for word in words)
