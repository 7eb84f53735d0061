"""`python -m studio serve`: the base with its adapters as an OpenAI-compatible server, each skill a model name.

    python -m studio serve --skills my-skills
    client = openai.OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="none")
    client.chat.completions.create(model="SmolLM2-135M-Instruct:release-train-commits", messages=[...])

`base:skill@0.8` sets the strength. Answers are greedy unless the client sets a temperature. `studio/endpoint.py` says
what of the protocol is served.
"""

import argparse
import os
import socket
import sys
from pathlib import Path

from skills.archive import SKILL
from skills.library import SkillLibrary
from skills.scan import in_order, scan_text
from skills.skill import SkillError
from studio import bundle
from studio.service import StudioError

KEY_VARIABLE = "SKILL_STUDIO_API_KEY"
SHUTDOWN_SECONDS = 3  # that open answers have when the server is told to end
LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `serve`, beside --base and --checkpoint, which the commands share."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--skills", type=Path, help="folder of <name>/SKILL.md to serve beside the library; its skills go first"
    )
    parser.add_argument("--yes", action="store_true", help=bundle.YES)
    parser.add_argument(
        "--api-key", help=f"that clients must send; better set {KEY_VARIABLE}, which no list of processes shows"
    )


def run(options: argparse.Namespace) -> int:
    """Serve until interrupted. Raises StudioError and ValueError for what can't be served, before anything is loaded
    where that is known."""
    skills = skill_texts(options.skills, options.yes)
    listening = listen(options.host, options.port)
    with listening:
        import uvicorn

        from hypernet.base import Base
        from hypernet.hypernetwork import load_hypernetwork
        from studio.answering import Models
        from studio.endpoint import make_app

        key = options.api_key or os.environ.get(KEY_VARIABLE, "")
        if not key and options.host not in LOCAL:
            print(f"Anyone who reaches {options.host} can use this server: set {KEY_VARIABLE}.", file=sys.stderr)
        base = Base.load(options.base, progress=lambda message, _share: print(f"{message} ...", file=sys.stderr))
        models = Models(base, load_hypernetwork(base, options.checkpoint), skills)
        app = make_app(models, key, LOCAL if options.host in LOCAL and not key else frozenset())
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=SHUTDOWN_SECONDS)
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        print(f"http://{shown}:{port}/v1 serves {models.base_name} and {len(skills)} skills", flush=True)
        try:
            uvicorn.Server(config).run(sockets=[listening])
        except KeyboardInterrupt:
            print("Stopped.", file=sys.stderr)
    return 0


def skill_texts(folder: Path | None, accept: bool = False) -> dict[str, str]:
    """The texts of the skills to serve by name: a folder's, and those of the library that it has no namesake of.

    Raises SkillError where the folder is none or a skill in it can't be read, and BundleError for what the scan finds
    in the folder's.
    """
    own = {entry.skill.name: entry.text for entry in SkillLibrary(folder).list()} if folder else {}
    if folder and not own:
        raise SkillError(f"There is no <name>/{SKILL} in {folder}. Give the folder that holds the skills' folders.")
    findings = in_order(each for name, text in own.items() for each in scan_text(text, f"{name}/{SKILL}"))
    bundle.let_in(str(folder), findings, accept)
    shipped = (entry for entry in SkillLibrary().list() if entry.skill.name not in own)
    return own | {entry.skill.name: entry.text for entry in shipped}


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on an address. Raises StudioError where it is taken or none of this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StudioError(
            f"{host}:{port} can't be listened on: {reason}. Choose others by --host and --port."
        ) from error
