"""The studio as a registry: what agents fetch to install the skills that ship, straight from a running studio.

`/.well-known/agent-skills/index.json` follows the Agent Skills Discovery draft 0.2.0: name, type, description, url and
a SHA-256 digest of each SKILL.md. The same entries carry `files` and `version`, which is what OpenCode reads at the
addresses in its `skills.urls`. Only the library that ships is served: nothing of any visitor.
"""

import hashlib

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from skills.archive import SKILL
from skills.library import SHIPPED, SkillLibrary

ROOT = "/.well-known/agent-skills"
SCHEMA = "https://schemas.agentskills.io/discovery/0.2.0/schema.json"
HEADERS = {"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}


def routes(library: SkillLibrary | None = None) -> list[Route]:
    """The routes of the registry, for the application that the page is served by.

    Raises SkillError where the library can't be read.
    """
    entries = (library or SkillLibrary(SHIPPED)).list()
    texts = {entry.skill.name: entry.path.read_bytes() for entry in entries}
    skills = [_entry(entry.skill.name, entry.skill.description, texts[entry.skill.name]) for entry in entries]

    async def index(_request: Request) -> Response:
        return JSONResponse({"$schema": SCHEMA, "skills": skills}, headers=HEADERS)

    async def text_of(request: Request) -> Response:
        text = texts.get(request.path_params["name"])  # looked up among what is served: no name leads to another file
        if text is None:
            return Response("There is no such skill.\n", 404, HEADERS, "text/plain")
        return Response(text, headers=HEADERS, media_type="text/markdown")

    return [Route(f"{ROOT}/index.json", index), Route(f"{ROOT}/{{name}}/{SKILL}", text_of)]


def _entry(name: str, description: str, text: bytes) -> dict:
    digest = f"sha256:{hashlib.sha256(text).hexdigest()}"
    # relative to the index, so that it holds behind a proxy that puts the studio under a path
    discovery = {"name": name, "type": "skill-md", "description": description, "url": f"{name}/{SKILL}"}
    return {**discovery, "digest": digest, "files": [SKILL], "version": digest}
