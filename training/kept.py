"""What a long measurement has found so far, in a JSONL file: the same command goes on from it.

Several processes may measure parts of the same into one file.
"""

import hashlib
import json
from pathlib import Path

from filelock import FileLock

from hypernet.files import write_atomically
from training.lines import DataError


class Kept:
    """Rows by their key; where no file is named they last as long as the command."""

    def __init__(self, file: Path | None = None) -> None:
        """Read what an earlier run found. Raises DataError for a file that holds anything else, and leaves it alone."""
        self._file = file
        self._rows: dict[str, dict] = self._read()

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def __getitem__(self, key: str) -> dict:
        return self._rows[key]

    def get(self, key: str) -> dict | None:
        """The row of a key, or None."""
        return self._rows.get(key)

    def add(self, rows: dict[str, dict]) -> None:
        """Keep further rows: all of them or, where the file can't be written (OSError), none."""
        together = self._rows | rows
        if self._file:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self._file}.lock"):
                together = self._read() | together  # another process may have added some
                text = "".join(json.dumps({"key": key, **row}) + "\n" for key, row in together.items())
                write_atomically(self._file, lambda path: path.write_text(text))
        self._rows = together

    def _read(self) -> dict[str, dict]:
        if not self._file or not self._file.exists():
            return {}
        try:
            return {row.pop("key"): row for row in map(json.loads, self._file.read_text().splitlines())}
        except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise DataError(
                f"{self._file} does not hold an earlier run's rows ({error}). Remove it, or name another."
            ) from error


def key_of(*parts: object) -> str:
    """SHA-256 of what a measurement depends on; equal parts have equal `repr`."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()
