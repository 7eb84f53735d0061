"""Synthesis without OpenCode: the teacher and its relay, tasks, the sandbox and its checks, and what can't start."""

import ast
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from scripted_model import Fail, Say, Stall, Step, scripted_model
from tiny import full_disk
from waiting import eventually, runs

from skills.archive import SkillFiles, read_folder
from skills.evals import Assertion, Eval, EvalError
from training import opencode, sandbox, synthesize, teacher
from training.commands import main
from training.opencode import OpenCodeError, environment, find_opencode, loaded_skills
from training.opencode_export import OPENCODE_VERSION
from training.sandbox import Check, TaskError, check_path, seeded_files
from training.synthesize import SynthesisError, ask_for_task, eval_tasks, read_skill, read_task
from training.teacher import Teacher, TeacherError, relay

ROOT = Path(__file__).parents[2]
TEXT = "---\nname: end-with-code\ndescription: Ends notes.\n---\n\nEnd with {skill} and {turns}: QX-47.\n"
CODE = Assertion("ends_with", "QX-47")
TASK = {"turns": ["Write a note."], "checks": [{"kind": "ends_with", "value": "QX-47"}]}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher, "DELAY", 0.01)


@pytest.fixture
def skill() -> SkillFiles:
    evals = {
        "skill_name": "end-with-code",
        "evals": [
            {"id": n, "prompt": f"Note {n}", "expected_output": "x QX-47", "assertions": [vars(CODE)]} for n in range(5)
        ],
    }
    return SkillFiles.of({"SKILL.md": TEXT.encode(), "evals/evals.json": json.dumps(evals).encode()})


def always(*steps: Step):
    """A script that plays these steps one after another, whatever is said."""
    left = iter(steps)
    last = steps[-1]
    return lambda _text: [next(left, last)]


# ---- the teacher ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "said", "tries"),
    [
        (Fail(500, '{"error": {"message": "out of memory"}}'), "status 500: out of memory", 3),
        (Fail(429, "slow down"), "status 429: slow down", 3),
        (Fail(401, '{"error": {"message": "no such key"}}'), "status 401: no such key", 1),
        (Fail(404, ""), "status 404: nothing", 1),
        (Fail(200, "<html>Welcome</html>"), "no whole chat completion: <html>Welcome</html>", 3),
        (Fail(200, '{"choices": []}'), "no whole chat completion", 3),
        (Fail(200, "[" * 100_000), "no whole chat completion", 3),
        (Say(" "), "answered with nothing", 1),
        (Stall(), "no answer within 0.5 seconds", 1),
    ],
)
def test_what_goes_wrong_at_the_endpoint_is_said_and_tried_again_where_that_may_help(step: Step, said: str, tries: int):
    with scripted_model(lambda _text: [step]) as model:
        with pytest.raises(TeacherError, match="(?s)" + said.replace("[", r"\[")):
            Teacher(model.url, "m", patience=0.5 if step == Stall() else 60).say("system", "user")
        assert len(model.requests) == tries


def test_a_failure_that_passes_costs_a_try_and_not_the_answer():
    with scripted_model(always(Fail(503, "later"), Say("Yes."))) as model:
        assert Teacher(f"{model.url}/", "m", "a-key").say("Be brief.", "Say yes.", temperature=0.5) == "Yes."
        assert model.keys == {"Bearer a-key"} and model.requests[-1]["temperature"] == 0.5
        assert [message["content"] for message in model.requests[-1]["messages"]] == ["Be brief.", "Say yes."]


def test_a_stream_that_was_cut_off_is_no_answer():
    whole = b'data: {"choices": [{"delta": {"content": "QX"}}]}\n\n'
    asked = {"messages": [{"role": "user", "content": "?"}], "stream": True}
    with (
        scripted_model(lambda _text: [Fail(200, whole.decode())]) as model,
        pytest.raises(TeacherError, match="no whole chat completion"),
    ):
        Teacher(model.url, "m").complete(asked)


def test_the_key_is_not_carried_to_where_an_endpoint_redirects():
    with scripted_model(lambda _text: [Say("Yes.")]) as other:

        class Redirecting(teacher.BaseHTTPRequestHandler):
            def log_message(self, *_args: object) -> None:
                """Quiet."""

            def do_POST(self) -> None:
                self.send_response(307)
                self.send_header("Location", f"{other.url}/chat/completions")
                self.end_headers()

        server = teacher.ThreadingHTTPServer(("127.0.0.1", 0), Redirecting)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(TeacherError, match="status 307"):
            Teacher(f"http://127.0.0.1:{server.server_port}/v1", "m", "a-key").say("a", "b")
        server.shutdown()
        server.server_close()
    assert other.requests == []


@pytest.mark.parametrize(("resets", "said", "tries"), [(True, "reset", 3), (False, "no answer within 0.5 seconds", 1)])
def test_an_error_whose_body_does_not_come_is_a_failure_like_others(resets: bool, said: str, tries: int):
    asked, closing = [], threading.Event()

    class Breaking(teacher.BaseHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            """Quiet."""

        def do_POST(self) -> None:
            asked.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(500)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            if resets:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            else:
                closing.wait()

    server = teacher.ThreadingHTTPServer(("127.0.0.1", 0), Breaking)
    server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with pytest.raises(TeacherError, match=said):
        Teacher(f"http://127.0.0.1:{server.server_port}/v1", "m", patience=0.5).say("a", "b")
    assert len(asked) == tries
    closing.set()
    server.shutdown()
    server.server_close()


def test_an_endpoint_that_is_not_there_is_named():
    with pytest.raises(TeacherError, match=r"127\.0\.0\.1:9.* can't be reached"):
        Teacher("http://127.0.0.1:9/v1", "m").say("a", "b")
    with pytest.raises(TeacherError, match="no address"):
        Teacher("127.0.0.1:9", "m")


# ---- the relay -----------------------------------------------------------------------------------------------------


def post(url: str, ticket: str, body: bytes = b'{"messages": [{"role": "user", "content": "Hi"}], "model": "x"}'):
    """Status and body of what the relay answers."""
    headers = {"Authorization": f"Bearer {ticket}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{url}/chat/completions", body, headers)) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_the_relay_asks_with_its_own_key_and_model_for_whoever_has_a_ticket_as_often_as_that_is_good_for():
    with scripted_model(lambda _text: [Say("Yes.")]) as model, relay(Teacher(model.url, "m", "a-key")) as made:
        with made.ticket(2) as ticket:
            assert [post(made.url, ticket)[0] for _ in range(3)] == [200, 200, 400]
            assert "too often" in post(made.url, ticket)[1]["error"]["message"]
        assert "is over" in post(made.url, ticket)[1]["error"]["message"]
        assert post(made.url, "another")[0] == 400
        assert len(model.requests) == 2 and model.keys == {"Bearer a-key"} and model.requests[0]["model"] == "m"


def test_the_relay_asks_without_the_length_that_opencode_wants_and_many_models_refuse():
    body = b'{"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 32000, "top_p": 0.9}'
    with scripted_model(lambda _text: [Say("Yes.")]) as model, relay(Teacher(model.url, "m")) as made:
        with made.ticket(1) as ticket:
            assert post(made.url, ticket, body)[0] == 200
        assert "max_tokens" not in model.requests[0] and model.requests[0]["top_p"] == 0.9


@pytest.mark.parametrize("step", [Fail(500, "oops"), Fail(200, "<html>"), Stall()])
def test_the_relay_answers_every_failure_with_a_status_that_ends_the_session(step: Step):
    with (
        scripted_model(lambda _text: [step]) as model,
        relay(Teacher(model.url, "m", patience=0.5)) as made,
        made.ticket(9) as ticket,
    ):
        status, body = post(made.url, ticket)
        assert status == 400 and body["error"]["message"].startswith(model.url)
        assert post(made.url, ticket, b"{")[0] == 400


# ---- tasks ---------------------------------------------------------------------------------------------------------


def test_evals_become_sessions_of_so_many_turns_each_of_them_checked():
    evals = [Eval(str(n), f"Note {n}", "x QX-47", (CODE,)) for n in range(5)]
    assert [task.turns for task in eval_tasks(evals, 1)] == [(f"Note {n}",) for n in range(5)]
    two = eval_tasks(evals, 2)  # the fifth is left over
    assert [task.turns for task in two] == [("Note 0", "Note 1"), ("Note 2", "Note 3")]
    assert two[0].checks == (Check(CODE, 0), Check(CODE, 1))
    assert eval_tasks(evals[:1], 2) == []


def test_a_task_is_read_out_of_whatever_stands_around_it():
    item = {**TASK, "files": {"a/b.txt": "x"}, "checks": [{"command": ["true"]}, {"file": "a/c.txt"}]}
    task = read_task(f"Here:\n```json\n{json.dumps(item, indent=1)}\n```\nGood luck!", 1)
    assert (task.turns, task.files, task.source) == (("Write a note.",), {"a/b.txt": "x"}, "teacher")
    assert task.checks == (Check(None, 0, "", ("true",)), Check(None, 0, "a/c.txt"))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"turns": []}, "turns must be 1 texts"),
        ({"turns": ["a", "b"]}, "turns must be 1 texts"),
        ({"turns": [""]}, "turns must be 1 texts"),
        ({"turns": [5]}, "turns must be 1 texts"),
        ({"turns": ["\ud800"]}, "turns must be 1 texts"),
        ({"files": {"a": "\udfff"}}, "files must be"),
        ({"files": ["a"]}, "files must be"),
        ({"files": {"a": 5}}, "files must be"),
        ({"files": {"../a": "x"}}, "no path inside"),
        ({"files": {"/etc/passwd": "x"}}, "no path inside"),
        ({"files": {".git/hooks/pre-commit": "x"}}, "no path inside"),
        ({"files": {".opencode/plugin/a.js": "x"}}, "no path inside"),
        ({"files": {"a\\b": "x"}}, "no path inside"),
        ({"files": {"": "x"}}, "no path inside"),
        ({"checks": []}, "checks must be a list of 1"),
        ({"checks": None}, "checks must be a list of 1"),
        ({"checks": ["x"]}, "a check is an object"),
        ({"checks": [{}]}, "needs an assertion"),
        ({"checks": [{"kind": "guess", "value": "x"}]}, "no assertion of the kind"),
        ({"checks": [{"kind": "equals", "value": "x", "turn": 2}]}, "from 1 to 1"),
        ({"checks": [{"kind": "equals", "value": "x", "turn": True}]}, "from 1 to 1"),
        ({"checks": [{"file": "../x"}]}, "no path inside"),
        ({"checks": [{"command": "rm -rf /"}]}, "its command a list"),
    ],
)
def test_a_task_that_can_t_be_run_is_refused_and_says_what_of_it(changed: dict, said: str):
    with pytest.raises((TaskError, EvalError), match=said):
        read_task(json.dumps({**TASK, **changed}), 1)


@pytest.mark.parametrize("reply", ["Roses are red.", "{", '{"turns": [}', "}{", "[" * 9 + "{" * 100_000 + "}"])
def test_a_reply_without_a_task_is_refused(reply: str):
    with pytest.raises(TaskError, match="no JSON object"):
        read_task(reply, 1)


def test_the_teacher_is_shown_the_skill_as_it_is_and_asked_once_more_after_garbage(skill: SkillFiles):
    with scripted_model(always(Say("Roses are red."), Say(json.dumps(TASK)))) as model:
        assert ask_for_task(Teacher(model.url, "m"), skill, 1, 0).turns == ("Write a note.",)
        asked = [request["messages"][1]["content"] for request in model.requests]
    assert len(asked) == 2 and TEXT in asked[0] and "exactly one turn" in asked[0]
    assert "Assistant: x QX-47" in asked[0]  # two of its evals show how it is used


def test_a_teacher_that_only_talks_gives_no_task(skill: SkillFiles):
    with scripted_model(lambda _text: [Say("Roses are red.")]) as model:
        with pytest.raises(TaskError, match="The teacher gave no task: its reply holds no JSON object"):
            ask_for_task(Teacher(model.url, "m"), skill, 3, 1)
        assert "exactly 3 turns, each of which" in model.requests[0]["messages"][1]["content"]


# ---- the sandbox ---------------------------------------------------------------------------------------------------


def test_the_repository_is_the_same_for_a_seed_and_another_for_another():
    files = seeded_files("a")
    assert files == seeded_files("a") != seeded_files("b")
    assert len(files) >= 15 and all(check_path(path) and text for path, text in files.items())
    for path, text in files.items():
        if path.endswith(".py"):
            ast.parse(text)


def test_checks_look_at_answers_files_and_commands(tmp_path: Path):
    (tmp_path / "note.md").write_text("cart QX-47\n")
    (tmp_path / "out").symlink_to("/etc/hostname")
    env, answers = {"PATH": os.environ["PATH"]}, ["first QX-47", "last"]

    def failure(check: Check) -> str:
        return check.failure(answers, tmp_path, env)

    for holding in (
        Check(CODE, 0),
        Check(CODE, file="note.md"),
        Check(file="note.md"),
        Check(CODE, command=("cat", "note.md")),
        Check(command=("test", "-f", "note.md")),
    ):
        assert failure(holding) == ""
    assert failure(Check(CODE)) == "Of the last answer this does not hold: The answer ends with 'QX-47'."
    assert failure(Check(CODE, 1)).startswith("Of answer 2 ")
    assert failure(Check(file="no.md")) == "There is no file no.md."
    assert failure(Check(file="out")) == "There is no file out."  # a link that leads out of the workspace
    assert failure(Check(Assertion("equals", "x"), file="note.md")).startswith("Of the file note.md ")
    assert failure(Check(command=("false",))) == "`false` ended with status 1."
    assert failure(Check(command=("no-such-program",))).startswith("`no-such-program` can't be run")
    assert failure(Check(CODE, command=("echo", "x"))).startswith("Of the output of `echo x` ")


def test_a_command_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sandbox, "COMMAND_SECONDS", 0.3)
    started = time.monotonic()
    command = ("sh", "-c", "sleep 87654 & sleep 87654")
    assert "more than 0.3 seconds" in Check(command=command).failure([""], tmp_path, {"PATH": os.environ["PATH"]})
    assert time.monotonic() - started < 20
    assert eventually(lambda: not runs("sleep", "87654"))


def test_of_a_long_output_only_so_much_is_held(tmp_path: Path):
    command = ("sh", "-c", "echo first; head -c 100000000 /dev/zero; echo last")
    env = {"PATH": os.environ["PATH"]}
    tracemalloc.start()
    try:
        assert Check(Assertion("contains", "first"), command=command).failure([""], tmp_path, env) == ""
        assert tracemalloc.get_traced_memory()[1] < 10 * sandbox.MAX_READ
    finally:
        tracemalloc.stop()
    assert "does not hold" in Check(Assertion("contains", "last"), command=command).failure([""], tmp_path, env)


def test_a_command_that_prints_without_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sandbox, "COMMAND_SECONDS", 0.3)
    failure = Check(command=("yes", "76512")).failure([""], tmp_path, {"PATH": os.environ["PATH"]})
    assert failure == "`yes 76512` took more than 0.3 seconds."
    assert eventually(lambda: not runs("yes", "76512"))


# ---- the program ---------------------------------------------------------------------------------------------------


def stand_in(folder: Path, script: str) -> Path:
    """A program that answers to --version as OpenCode does and else runs a script of the shell."""
    program = folder / "opencode"
    program.write_text(f'#!/bin/sh\nif [ "$1" = --version ]; then echo {OPENCODE_VERSION}; exit; fi\n{script}\n')
    program.chmod(0o755)
    return program


def test_opencode_is_found_in_a_folder_or_on_the_path_and_else_the_command_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OpenCodeError, match=f"npm install --prefix .tools opencode-ai@{OPENCODE_VERSION}"):
        find_opencode(tmp_path)
    installed = tmp_path / opencode.TOOLS / opencode.BINARY
    installed.parent.mkdir(parents=True)
    on_path = stand_in(tmp_path, "true")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert find_opencode() == on_path
    on_path.rename(installed)
    assert find_opencode() == find_opencode(tmp_path / opencode.TOOLS) == find_opencode(installed) == installed


@pytest.mark.parametrize("printed", ["echo 0.9.1", "echo", "exit 1"])
def test_another_version_is_refused(tmp_path: Path, printed: str):
    program = tmp_path / "opencode"
    program.write_text(f"#!/bin/sh\n{printed}\n")
    program.chmod(0o755)
    with pytest.raises(OpenCodeError, match=f"{OPENCODE_VERSION} is needed"):
        find_opencode(program)


def test_ripgrep_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OpenCodeError, match="apt-get install git ripgrep"):
        find_opencode()


def test_nothing_of_this_environment_but_the_path_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    monkeypatch.setenv("HF_TOKEN", "a-token")
    env = environment(tmp_path)
    assert env["HOME"] == str(tmp_path) and env["PATH"] == os.environ["PATH"]
    assert not {"a-key", "a-token"} & {*env.values()}


def test_only_a_completed_call_loads_a_skill():
    def part(status: str, tool: str = "skill") -> dict:
        return {"type": "tool", "tool": tool, "state": {"status": status, "input": {"name": "x"}}}

    for parts, loaded in (
        ([part("completed")], {"x"}),
        ([part("error")], set()),
        ([part("completed", "read"), {"type": "text", "text": "I loaded the skill x."}], set()),
    ):
        assert loaded_skills({"messages": [{"parts": parts}]}) == loaded


# ---- the command ---------------------------------------------------------------------------------------------------


def arguments(folder: Path, url: str, program: Path, *more: str) -> list[str]:
    made = folder / "end-with-code"
    made.mkdir(exist_ok=True)
    (made / "SKILL.md").write_text(TEXT)
    (made / "evals").mkdir(exist_ok=True)
    ev = {"id": 1, "prompt": "Note 1", "expected_output": "x QX-47", "assertions": [vars(CODE)]}
    (made / "evals" / "evals.json").write_text(json.dumps({"skill_name": "end-with-code", "evals": [ev]}))
    where = ["--base-url", url, "--model", "m", "--opencode", str(program), "--out", str(folder / "o" / "out.jsonl")]
    return ["synthesize", str(made), *where, "--tasks", "evals", "--per-skill", "1", *more]


def reason(folder: Path) -> str:
    [line] = (folder / "o" / "out.rejected.jsonl").read_text().splitlines()
    return json.loads(line)["reason"]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'no room on the disk' >&2; exit 3", "ended with status 3: no room on the disk"),
        ("exit 3", "ended with status 3: it said nothing"),
        ("echo hello", "told of no session"),
        ('echo \'{"sessionID": "s"}\'', "no session of OpenCode"),
        ('echo \'{"type": "error", "error": {"name": "Odd"}}\'; exit 1', "OpenCode stopped: Odd"),
    ],
)
def test_a_program_that_does_not_do_as_it_should_costs_the_run_and_says_why(tmp_path: Path, script: str, said: str):
    with scripted_model(lambda _text: [Say("Yes.")]) as model:
        assert main(arguments(tmp_path, model.url, stand_in(tmp_path, script))) == 1
    assert said in reason(tmp_path)


def test_a_task_whose_files_can_t_be_written_is_not_kept_for_the_next_time(tmp_path: Path):
    odd = {**TASK, "files": {"README.md/x": "under a file of the repository"}}
    tasks = always(Say("Yes."), Say(json.dumps(odd)), Say("Yes."), Say(json.dumps(TASK)))
    with scripted_model(tasks) as model:
        command = arguments(tmp_path, model.url, stand_in(tmp_path, "exit 3"), "--tasks", "teacher")
        assert main(command) == 1
        assert "README.md" in reason(tmp_path)
        assert main(command) == 1
    assert "status 3" in reason(tmp_path)


def test_a_run_s_file_that_is_damaged_is_named(tmp_path: Path, capsys: pytest.CaptureFixture):
    with scripted_model(lambda _text: [Say("Yes.")]) as model:
        command = arguments(tmp_path, model.url, stand_in(tmp_path, "exit 3"))
        assert main(command) == 1
        [run] = (tmp_path / "o" / "out.jsonl.runs").iterdir()
        run.write_text("{")
        assert main(command) == 2
    assert str(run) in capsys.readouterr().err


def test_no_more_sessions_run_at_once_than_are_allowed(tmp_path: Path):
    running, log, met = (tmp_path / name for name in ("running", "log", "met"))
    running.mkdir()
    # the first one waits for a second, however long that takes to start
    here = (
        f"mkdir {running}/$$; n=0\n"
        f"until [ -e {met} ] || [ $(ls {running} | wc -l) -gt 1 ] || [ $n -gt 600 ]; do sleep 0.1; n=$((n + 1)); done\n"
        f"touch {met}; ls {running} | wc -l >> {log}; sleep 0.7; rmdir {running}/$$; exit 3"
    )
    with scripted_model(lambda _text: [Say(json.dumps(TASK))]) as model:
        more = ["--tasks", "teacher", "--per-skill", "5", "--parallel", "2"]
        assert main(arguments(tmp_path, model.url, stand_in(tmp_path, here), *more)) == 1
    counted = [int(line) for line in log.read_text().split()]
    assert len(counted) == 5 and max(counted) == 2


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--per-skill", "0"], "--per-skill is 0; it must be from 1"),
        (["--turns", "99"], "--turns is 99; it must be from 1 to 10"),
        (["--parallel", "0"], "--parallel is 0"),
        (["--timeout", "-1"], "--timeout is -1"),
        (["--base-url", "ftp://x"], "no address of an endpoint"),
        (["--base-url", "http://127.0.0.1:9/v1"], "can't be reached"),
        (["--out", "/proc/none/out.jsonl"], "can't be made"),
        (["no-such-skill"], "The library has no skill 'no-such-skill'"),
    ],
)
def test_what_can_t_start_is_said_in_a_line(tmp_path: Path, more: list[str], said: str, capsys: pytest.CaptureFixture):
    with scripted_model(lambda _text: [Say("Yes.")]) as model:
        command = arguments(tmp_path, model.url, stand_in(tmp_path, "true"))
        command[2:2] = more if not more[0].startswith("--") else []
        assert main([*command, *(more if more[0].startswith("--") else [])]) == 2
    assert said in capsys.readouterr().err


def test_a_skill_that_must_not_be_imported_is_not_run(tmp_path: Path):
    folder = tmp_path / "end-with-code"
    folder.mkdir()
    (folder / "SKILL.md").write_text(TEXT + "Say \u202eti\u202c.\n")
    assert read_folder(folder).is_blocked
    with pytest.raises(SynthesisError, match="is not used"):
        read_skill(str(folder))


def test_a_full_disk_is_said(tmp_path: Path, capsys: pytest.CaptureFixture):
    with scripted_model(lambda _text: [Say("Yes.")]) as model:
        command = arguments(tmp_path, model.url, stand_in(tmp_path, "true"))
        with full_disk(32):
            assert main(command) == 2
    assert "out.jsonl can't be written" in capsys.readouterr().err


def test_a_file_that_was_made_otherwise_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture):
    out = tmp_path / "o" / "out.jsonl"
    with scripted_model(lambda _text: [Say("Yes.")]) as model:
        command = arguments(tmp_path, model.url, stand_in(tmp_path, "true"))
        out.parent.mkdir()
        out.write_text("mine")
        assert main(command) == 2
    assert "was made otherwise" in capsys.readouterr().err and out.read_text() == "mine" and not model.requests


def test_an_interrupted_command_ends_its_sessions_and_writes_what_there_is(tmp_path: Path):
    program = stand_in(tmp_path, "exec sleep 76543")
    with scripted_model(lambda _text: [Say("Yes.")]) as model:
        command = [sys.executable, "-m", "training", *arguments(tmp_path, model.url, program)]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        assert eventually(lambda: runs("sleep", "76543"), seconds=120)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert eventually(lambda: not runs("sleep", "76543"))
    assert (tmp_path / "o" / "out.jsonl").read_text() == ""


def test_an_interrupted_command_does_not_wait_for_the_teacher(tmp_path: Path):
    program = stand_in(tmp_path, "exit 3")
    with scripted_model(always(Say("Yes."), Stall())) as model:
        more = ("--tasks", "teacher")
        command = [sys.executable, "-m", "training", *arguments(tmp_path, model.url, program, *more)]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        assert eventually(lambda: len(model.requests) > 1, seconds=120)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert (tmp_path / "o" / "out.jsonl").read_text() == ""


def test_the_prompt_file_holds_all_that_is_put_in():
    prompt = synthesize.yaml.safe_load(synthesize.PROMPT.read_text())
    assert all(f"{{{name}}}" in prompt["user"] for name in ("skill", "kind", "turns", "examples"))
    assert len(prompt["kinds"]) >= 3 and prompt["system"]
