"""What a long measurement has found so far, in a JSONL file: the same command goes on from it."""

import hashlib
import json
from pathlib import Path

from hypernet.files import write_atomically
from training.lines import DataError


class Kept:
    """Rows by their key; where no file is named they last as long as the command."""

    def __init__(self, file: Path | None = None) -> None:
        """Read what an earlier run found. Raises DataError for a file that holds anything else, and leaves it alone."""
        self._file = file
        self._rows: dict[str, dict] = {}
        if not file or not file.exists():
            return
        try:
            self._rows = {row.pop("key"): row for row in map(json.loads, file.read_text().splitlines())}
        except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise DataError(
                f"{file} does not hold an earlier run's rows ({error}). Remove it, or name another."
            ) from error

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def __getitem__(self, key: str) -> dict:
        return self._rows[key]

    def add(self, rows: dict[str, dict]) -> None:
        """Keep further rows: all of them or, where the file can't be written (OSError), none."""
        if self._file:
            together = self._rows | rows
            text = "".join(json.dumps({"key": key, **row}) + "\n" for key, row in together.items())
            write_atomically(self._file, lambda path: path.write_text(text))
        self._rows |= rows


def key_of(*parts: object) -> str:
    """SHA-256 of what a measurement depends on; equal parts have equal `repr`."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()
