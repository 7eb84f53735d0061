"""Writing files whole or not at all."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def write_atomically(target: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `target`, then put it in place in one step.

    Raises OSError where that fails; `target` is then as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    os.close(handle)
    try:
        write(Path(name))
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def remove_leftovers(folder: Path, *names: str) -> None:
    """Remove what `write_atomically` left of files of these names, or patterns of names, when its process was killed.

    Nobody else may be writing them: whoever calls this holds the folder's lock, or is its only writer.
    """
    for name in names:
        for file in folder.glob(f".{name}-{'?' * 8}"):  # as many characters as `mkstemp` puts there
            file.unlink(missing_ok=True)
