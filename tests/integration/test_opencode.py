"""The real OpenCode program, installed by the documented command, against a model on loopback that plays a script."""

import json
import os
import shlex
import subprocess
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from scripted_model import Call, Fail, Say, ScriptedModel, Stall, Step, scripted_model

from hypernet.adapter import text_sha256
from training import opencode, synthesize, teacher
from training.__main__ import main
from training.opencode import find_opencode
from training.trajectories import Trajectory, read_trajectories

ROOT = Path(__file__).parents[2]
SKILL = "---\nname: release-notes\ndescription: Writes release notes.\n---\n\nEvery note ends with the code QX-47.\n"
KEY = "a-key-that-stays-here"
LOAD = Call("skill", {"name": "release-notes"})
PATIENCE = "4"  # seconds, of the endpoint that stalls
TIMEOUT = "240"  # seconds, far more than a session takes on a busy machine
NOTE = "Note: cart fixed. QX-47"

# what the user says -> what the model does then; all of them are evals that want QX-47 at the end of the answer
SESSIONS: dict[str, list[Step]] = {
    "a plain note": [LOAD, Say(NOTE)],
    "a note with bad calls": [
        Call("skill", '{"name": release'),
        Call("no_such_tool", {"a": 1}),
        Call("read", {"filePath": "no/such/file.py"}),
        LOAD,
        Call("bash", {"command": "env; cat README.md", "description": "Look around"}),
        Say(NOTE),
    ],
    "a note without the skill": [Say(NOTE)],
    "a wrong note": [LOAD, Say("Note: cart fixed.")],
    "a failing endpoint": [LOAD, Fail(500, '{"error": {"message": "out of memory"}}')],
    "a garbled endpoint": [Fail(200, "<html>Welcome</html>")],
    "a silent endpoint": [Stall()],
    "a model in circles": [LOAD, *[Call("glob", {"pattern": f"{n}*"}) for n in range(50)]],
}
MENDED: dict[str, list[Step]] = {prompt: [LOAD, Say(f"Late. {NOTE}")] for prompt in SESSIONS}


@pytest.fixture(scope="session")
def program() -> Path:
    """OpenCode, as the documented command installs it."""
    if not (ROOT / opencode.TOOLS / opencode.BINARY).exists():
        subprocess.run(shlex.split(opencode.INSTALL), cwd=ROOT, check=True)
    return find_opencode(ROOT / opencode.TOOLS)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of the endpoint; tries that follow at once; and few answers for a model that goes in circles."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(teacher, "DELAY", 0.01)
    monkeypatch.setattr(synthesize, "ANSWERS", 8)


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What was asked of the world: a proxy on loopback that writes it down stands where none would."""
    asked: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            """Quiet."""

        def note(self) -> None:
            asked.append(self.requestline)
            self.send_error(502)

        do_GET = do_POST = do_HEAD = do_CONNECT = note

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(opencode, "NOWHERE", f"http://127.0.0.1:{server.server_port}")
    yield asked
    server.shutdown()
    server.server_close()


def skill_folder(folder: Path, prompts: Sequence[str]) -> Path:
    """A skill with an eval for each prompt."""
    made = folder / "release-notes"
    (made / "evals").mkdir(parents=True)
    (made / "SKILL.md").write_text(SKILL)
    ends = [{"kind": "ends_with", "value": "QX-47"}]
    evals = [
        {"id": str(n), "prompt": prompt, "expected_output": NOTE, "assertions": ends}
        for n, prompt in enumerate(prompts)
    ]
    (made / "evals" / "evals.json").write_text(json.dumps({"skill_name": "release-notes", "evals": evals}))
    return made


def played(sessions: dict[str, list[Step]]):
    return {"Say yes.": [Say("Yes.")], **sessions}.get


def command(skill: Path, model: ScriptedModel, program: Path, out: Path, *more: str) -> list[str]:
    where = ["--base-url", model.url, "--model", "a-model", "--opencode", str(program), "--out", str(out)]
    return ["synthesize", str(skill), *where, "--timeout", TIMEOUT, *more]


def prompts_of(model: ScriptedModel) -> list[str]:
    """The first words of the user in each request."""
    users = [[m["content"] for m in request["messages"] if m["role"] == "user"] for request in model.requests]
    return [said[0] for said in users if isinstance(said[0], str)]


def apart(out: Path) -> dict[str, tuple[str, str]]:
    """Outcome and reason of what was kept apart, by what the user said."""
    lines = map(json.loads, out.with_name(f"{out.stem}.rejected.jsonl").read_text().splitlines())
    return {line["task"]["turns"][0]: (line["outcome"], line["reason"]) for line in lines}


def words(trajectory: Trajectory) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in trajectory.messages]


def test_sessions_that_show_the_skill_become_trajectories_and_all_others_are_kept_apart_with_the_reason(
    program: Path, tmp_path: Path, outside: list[str], capfd: pytest.CaptureFixture
):
    out = tmp_path / "out" / "notes.jsonl"
    skill = skill_folder(tmp_path, [*SESSIONS])
    options = ["--per-skill", str(len(SESSIONS)), "--tasks", "evals", "--patience", PATIENCE]
    with scripted_model(played(SESSIONS)) as model:
        assert main(command(skill, model, program, out, *options)) == 0

    plain, bad_calls = read_trajectories(out)
    assert words(plain) == [("user", "a plain note"), ("assistant", NOTE)]
    assert (plain.skill, plain.source) == (text_sha256(SKILL), "opencode/evals")
    assert [check.value for check in plain.checks] == ["QX-47"]
    # the calls that can't be read are left out with that of the skill; one that failed stays with its error
    read, bash = (m for m in bad_calls.messages if m.get("tool_calls"))
    assert [c["function"]["name"] for m in (read, bash) for c in m["tool_calls"]] == ["read", "bash"]
    errors, printed = (m["content"] for m in bad_calls.messages if m["role"] == "tool")
    assert "not found" in errors and "PWD=/workspace\n" in printed and "\n# " in printed  # the repository's README
    assert words(bad_calls)[-1] == ("assistant", NOTE)

    assert {prompt: outcome for prompt, (outcome, _) in apart(out).items()} == {
        "a note without the skill": "rejected",
        "a wrong note": "rejected",
        "a failing endpoint": "failed",
        "a garbled endpoint": "failed",
        "a silent endpoint": "failed",
        "a model in circles": "failed",
    }
    reasons = {prompt: reason for prompt, (_, reason) in apart(out).items()}
    assert "was not loaded" in reasons["a note without the skill"]
    assert "The answer ends with 'QX-47'." in reasons["a wrong note"]
    assert "status 500: out of memory" in reasons["a failing endpoint"]
    assert "no whole chat completion: <html>Welcome</html>" in reasons["a garbled endpoint"]
    assert f"no answer within {PATIENCE} seconds" in reasons["a silent endpoint"]
    assert "asked too often" in reasons["a model in circles"]
    assert "notes.jsonl: 2 trajectories" in capfd.readouterr().out

    assert outside == []  # nothing was asked of the world
    assert model.keys == {f"Bearer {KEY}"}
    written = [path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not any(KEY in text for text in written)  # though a model printed its environment

    # again, with an endpoint that works: what is over stays as it is, what failed for no fault of its own is run
    with scripted_model(played(MENDED)) as model:
        assert main(command(skill, model, program, out, *options)) == 0
    assert {*prompts_of(model)} - {"Say yes."} == {
        "a failing endpoint",
        "a garbled endpoint",
        "a silent endpoint",
        "a model in circles",
    }
    assert [text for t in read_trajectories(out) for role, text in words(t) if role == "assistant" and text] == [
        NOTE,
        NOTE,
        *[f"Late. {NOTE}"] * 4,
    ]
    assert {*apart(out)} == {"a note without the skill", "a wrong note"}

    with scripted_model(played({})) as model:  # nothing is left to do, so nobody is asked
        assert main(command(skill, model, program, out, *options)) == 0
    assert model.requests == []
