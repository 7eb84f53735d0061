"""The studio as a registry: what an agent finds at the well-known address of a running studio, and what it does not."""

import hashlib
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator

import pytest

from skills.library import SkillLibrary
from skills.skill import Skill
from studio.registry import ROOT, SCHEMA
from studio.service import Studio
from studio.views import page


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Address of a page that is launched as `app.py` does it; its base model is not started."""
    demo = page.build(Studio())
    _, address, _ = demo.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **page.launch_options())
    yield address.rstrip("/")
    demo.close()


def get(address: str, method: str = "GET") -> tuple[bytes, dict[str, str]]:
    with urllib.request.urlopen(urllib.request.Request(address, method=method), timeout=30) as reply:
        return reply.read(), {name.lower(): value for name, value in reply.headers.items()}


def status(address: str) -> int:
    try:
        get(address)
    except urllib.error.HTTPError as error:
        return error.code
    return 200


def test_the_index_lists_the_skills_that_ship_with_digests_of_what_is_served(url: str):
    content, headers = get(f"{url}{ROOT}/index.json")
    index = json.loads(content)
    assert headers["content-type"] == "application/json" and index["$schema"] == SCHEMA
    assert [entry["name"] for entry in index["skills"]] == [entry.skill.name for entry in SkillLibrary().list()]
    for entry in index["skills"]:
        text, headers = get(urllib.parse.urljoin(f"{url}{ROOT}/index.json", entry["url"]))
        assert headers["content-type"].startswith("text/markdown")
        assert entry["digest"] == f"sha256:{hashlib.sha256(text).hexdigest()}"
        skill = Skill.parse(text.decode())
        assert (entry["name"], entry["description"]) == (skill.name, skill.description)
        assert entry["type"] == "skill-md"


def test_the_index_is_the_same_for_whoever_asks_packed_or_not(url: str):
    plain, _ = get(f"{url}{ROOT}/index.json")
    request = urllib.request.Request(f"{url}{ROOT}/index.json", headers={"Accept-Encoding": "br"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        assert reply.headers["Content-Encoding"] == "br" and len(reply.read()) < len(plain)
    again, headers = get(f"{url}{ROOT}/index.json")
    assert again == plain and "content-encoding" not in headers
    assert get(f"{url}{ROOT}/index.json", "HEAD")[0] == b""


@pytest.mark.parametrize(
    "path", ["no-such-skill/SKILL.md", "..%2Flibrary/SKILL.md", "release-train-commits/evals.json"]
)
def test_nothing_else_is_served(url: str, path: str):
    assert status(f"{url}{ROOT}/{path}") == 404


def test_the_page_the_api_and_mcp_are_served_beside_it(url: str):
    assert b"Parametric Skills" in get(f"{url}/")[0]
    assert b"generate" in get(f"{url}/gradio_api/info")[0] and b"generate" in get(f"{url}/gradio_api/mcp/schema")[0]
