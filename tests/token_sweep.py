"""That a server has left no token behind: in what its page shows, in its log, or in any file that it writes."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import Page


def server_folders(room: Path) -> dict[str, str]:
    """Settings of a server's environment with which it writes everything below one folder."""
    folders = {"HF_HOME": "hub", "SKILL_STUDIO_DATA": "data", "GRADIO_TEMP_DIR": "gradio", "TMPDIR": "tmp"}
    for name in folders.values():
        (room / name).mkdir(exist_ok=True)
    return {variable: str(room / name) for variable, name in folders.items()}


def assert_no_token(tokens: Iterable[str], room: Path, page: Page | None = None) -> None:
    """None of the tokens stands in a file or the name of a file below `room`, nor in the page.

    A field shows what is typed into it, but its text is in no source of the page.
    """
    tokens = [*tokens]
    for folder, _, names in os.walk(room):
        for path in (Path(folder, name) for name in names):
            with suppress(FileNotFoundError):  # a page that was just closed takes its files along
                content = path.read_bytes() if path.is_file() else b""
                assert not [token for token in tokens if token.encode() in content or token in path.name], path
    shown = page.content() if page else ""
    assert not [token for token in tokens if token in shown]
