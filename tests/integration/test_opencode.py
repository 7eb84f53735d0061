"""The real OpenCode program, installed by the documented command, against a model on loopback that plays a script."""

import asyncio
import json
import re
import shlex
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
import uvicorn
from scripted_model import Call, Fail, Say, ScriptedModel, Stall, Step, scripted_model
from starlette.applications import Starlette
from starlette.types import ASGIApp
from waiting import eventually, runs

from hypernet.adapter import make_adapter, text_sha256
from hypernet.base import Base
from hypernet.decode import Row, Sampling, answer_all
from hypernet.hypernetwork import Hypernetwork
from skills.archive import read_folder
from skills.library import SkillLibrary
from studio import bundle, registry
from studio.__main__ import main as studio_command
from studio.answering import Models, Piece, Question, prompt_ids
from studio.endpoint import make_app
from studio.serve import listen
from studio.service import Studio
from studio.views import page
from training import opencode, synthesize, teacher
from training.commands import main
from training.opencode import Workspace, find_opencode, run_session, workspace
from training.opencode_export import messages_of
from training.trajectories import Trajectory, examples_of, read_trajectories

ROOT = Path(__file__).parents[2]
SKILL = "---\nname: release-notes\ndescription: Writes release notes.\n---\n\nEvery note ends with the code QX-47.\n"
KEY = "a-key-that-stays-here"
LOAD = Call("skill", {"name": "release-notes"})
PATIENCE = "8"  # seconds, of the endpoint that stalls
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
    "a failing endpoint": [LOAD, Fail(500, '{"error": {"message": "out of memory"}}')],
    "a wrong note": [LOAD, Say("Note: cart fixed.")],
    "a garbled endpoint": [Fail(200, "<html>Welcome</html>")],
    "a silent endpoint": [Stall()],
    "a model in circles": [LOAD, *[Call("glob", {"pattern": f"{n}*"}) for n in range(50)]],
}
MENDED: dict[str, list[Step]] = {prompt: [LOAD, Say(f"Late. {NOTE}")] for prompt in SESSIONS}
FIRST = 4  # sessions that the second command is about


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
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
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
    options = ["--tasks", "evals", "--patience", PATIENCE]
    with scripted_model(played(SESSIONS)) as model:
        assert main(command(skill, model, program, out, *options, "--per-skill", str(len(SESSIONS)))) == 0

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
    options += ["--per-skill", str(FIRST)]
    with scripted_model(played(MENDED)) as model:
        assert main(command(skill, model, program, out, *options)) == 0
    assert {*prompts_of(model)} == {"Say yes.", "a failing endpoint"}
    assert [words(t)[-1][1] for t in read_trajectories(out)] == [NOTE, NOTE, f"Late. {NOTE}"]
    assert "a failing endpoint" not in apart(out) and "a note without the skill" in apart(out)

    with scripted_model(played({})) as model:  # nothing is left to do, so nobody is asked
        assert main(command(skill, model, program, out, *options)) == 0
    assert model.requests == []


TASK = {
    "turns": ["Write the note for the cart into notes/next.md.", "Which code did you put there?"],
    "files": {"notes/last.md": "Note: list fixed. QX-47\n"},
    "checks": [
        {"turn": 1, "kind": "contains", "value": "Written"},
        {"kind": "equals", "value": "QX-47"},
        {"file": "notes/next.md", "kind": "ends_with", "value": "QX-47"},
        {"command": ["cat", "notes/next.md", "notes/last.md"], "kind": "line_count", "value": 2},
    ],
}
# what a model starts and leaves running
LEFT_RUNNING = Call("bash", {"command": "nohup sleep 98765 > /dev/null 2>&1 &", "description": "Start a server"})


def test_the_teacher_s_task_is_a_session_of_several_turns_whose_files_and_commands_are_checked(
    program: Path, tmp_path: Path, base: Base
):
    replies = iter(["Roses are red.", f"Here it is:\n```json\n{json.dumps(TASK)}\n```"])
    write = Call("write", {"filePath": "notes/next.md", "content": f"{NOTE}\n"})
    first, second = TASK["turns"]
    sessions = {first: [LOAD, write, LEFT_RUNNING, Say("Written.")], second: [Say("QX-47")]}

    def script(text: str) -> Sequence[Step] | None:
        asked = "exactly 2 turns" in text and SKILL in text
        return [Say(next(replies))] if asked else played(sessions)(text)

    out = tmp_path / "notes.jsonl"
    options = ["--per-skill", "1", "--tasks", "teacher", "--turns", "2"]
    with scripted_model(script) as model:
        skill = skill_folder(tmp_path, ["a plain note"])
        assert main(command(skill, model, program, out, *options)) == 0
    [made] = read_trajectories(out)
    roles = "user assistant tool assistant tool assistant user assistant"
    assert [message["role"] for message in made.messages] == roles.split()
    assert (made.messages[0]["content"], made.messages[-2]["content"]) == (first, second)
    assert (made.messages[-1]["content"], made.source) == ("QX-47", "opencode/teacher")
    assert [check.kind for check in made.checks] == ["equals"]  # the trajectory's are about its last answer
    assert len(examples_of(base, 0, made)) == 4  # each turn of the assistant is something to learn
    assert eventually(lambda: not runs("sleep", "98765"))


def test_a_session_that_takes_too_long_is_ended_with_all_that_belongs_to_it(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    out = tmp_path / "notes.jsonl"
    with scripted_model(played({"a plain note": [Stall()]})) as model:
        skill = skill_folder(tmp_path, ["a plain note"])
        options = ["--per-skill", "1", "--tasks", "evals", "--timeout", "3"]
        assert main([*command(skill, model, program, out), *options]) == 1
    outcome, reason = apart(out)["a plain note"]
    assert outcome == "failed" and re.search(r"was not over after \d+ seconds", reason)  # 3, and what starting took

    def lives() -> bool:
        homes = [process.info["environ"] or {} for process in psutil.process_iter(["environ"])]
        return any(str(tmp_path) in env.get("HOME", "") for env in homes)

    assert eventually(lambda: not lives())
    assert not [*tmp_path.glob("opencode-*")]


# ---- OpenCode and the studio ---------------------------------------------------------------------------------------


def skills_listed(program: Path, place: Workspace) -> dict[str, dict]:
    """The skills that OpenCode finds in a workspace, by name."""
    command = [program, "debug", "skill"]
    done = subprocess.run(command, cwd=place.folder, env=place.env, stdin=subprocess.DEVNULL, capture_output=True)
    return {skill["name"]: skill for skill in json.loads(done.stdout)}


def test_a_bundle_that_is_installed_for_opencode_is_listed_by_it(
    program: Path, tmp_path: Path, base: Base, hypernetwork: Hypernetwork
):
    source = read_folder(skill_folder(tmp_path, ["a plain note"]))
    adapter = make_adapter(hypernetwork, base, source.text, source.skill.name)
    bundle.write(tmp_path / "notes.skill", bundle.contents(source, adapter))
    with workspace({}, {}) as place:
        where = ["--to", "opencode", "--root", str(place.folder)]
        assert studio_command(["install", str(tmp_path / "notes.skill"), *where]) == 0
        listed = skills_listed(program, place)["release-notes"]
        assert Path(listed["location"]) == place.folder / ".opencode/skills/release-notes/SKILL.md"
    assert listed["description"] == "Writes release notes." and "code QX-47" in listed["content"]


def test_opencode_installs_the_library_straight_from_a_running_studio(program: Path):
    demo = page.build(Studio())
    options = {"server_name": "127.0.0.1", "prevent_thread_lock": True, "quiet": True}
    _, address, _ = demo.launch(**options, **page.launch_options())
    try:
        with workspace({}, {"skills": {"urls": [f"{address.rstrip('/')}{registry.ROOT}/"]}}) as place:
            listed = skills_listed(program, place)
            for entry in SkillLibrary().list():
                found = listed[entry.skill.name]
                assert found["description"] == entry.skill.description
                assert Path(found["location"]).read_text() == entry.text
                assert Path(found["location"]).is_relative_to(place.home)
    finally:
        demo.close()


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Address of a server of an application."""
    with listen("127.0.0.1", 0) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def test_opencode_fetches_a_skill_again_when_its_digest_has_changed(program: Path, tmp_path: Path):
    file = skill_folder(tmp_path, ["a plain note"]) / "SKILL.md"
    app = Starlette(routes=registry.routes(SkillLibrary(tmp_path)))
    with served(app) as url, workspace({}, {"skills": {"urls": [url + registry.ROOT]}}) as place:
        assert "QX-47" in skills_listed(program, place)["release-notes"]["content"]
        file.write_text(SKILL.replace("QX-47", "ZB-12"))
        app.router.routes[:] = registry.routes(SkillLibrary(tmp_path))
        assert "ZB-12" in skills_listed(program, place)["release-notes"]["content"]


class Heard(Models):
    """Models that remember what they were asked."""

    questions: tuple[Question, ...] = ()

    def answer(self, question: Question, stop: threading.Event) -> Iterator[Piece]:
        self.questions += (question,)
        return super().answer(question, stop)


def test_opencode_runs_on_a_parametric_skill_that_is_not_in_its_prompt(
    program: Path, base: Base, hypernetwork: Hypernetwork
):
    """OpenCode as the client of what `python -m studio serve` serves: the skill is the model's name."""
    heard, length = Heard(base, hypernetwork, {"release-notes": SKILL}), 24
    model = f"{heard.base_name}:release-notes"
    with served(make_app(heard, KEY)) as url:
        config = opencode.settings(f"{url}/v1", model, KEY)
        config["provider"][opencode.PROVIDER]["models"][model]["limit"] = {"context": 8192, "output": length}
        config["agent"] = {"build": {"prompt": "Answer.", "permission": {"*": "deny"}}}  # a small base calls no tools
        with workspace({}, config) as place:
            session = run_session(program, place, model, ["Write the note for the cart."], float(TIMEOUT))
            said = messages_of(asyncio.run(session))

    [question] = heard.questions
    assert (question.skill, question.messages[-1]["content"]) == ("release-notes", "Write the note for the cart.")
    assert not any("QX-47" in message["content"] for message in question.messages)
    row = Row(prompt_ids(base, question.messages), hypernetwork.generate(base, [SKILL]))
    [expected] = answer_all(base, [row], Sampling(max_new_tokens=length))
    assert said[-1]["content"].strip() == base.decode(expected.ids).strip()
