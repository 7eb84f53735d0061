"""Trajectories: every bad line is named, files are streamed, and the loss falls on what the assistant said."""

import json
import random
import tracemalloc
from collections.abc import Iterator
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import replace
from itertools import islice
from pathlib import Path

import datasets
import pytest
import torch
from tiny import CHAT_TEMPLATE, full_disk

from hypernet.adapter import text_sha256
from hypernet.base import PLAIN_CHAT_TEMPLATE, Base
from skills.evals import Assertion
from skills.library import SkillLibrary
from training.commands import main
from training.conversation import as_printed, check_messages, cut, rough_tokens
from training.examples import answer_logits, to_example
from training.opencode_export import OPENCODE_VERSION
from training.tasks import Task
from training.trajectories import (
    MAX_FILE,
    MAX_LINE,
    MAX_SESSION,
    Trajectory,
    TrajectoryError,
    examples_of,
    from_csv,
    from_evals,
    from_opencode,
    read_trajectories,
    write_dataset,
    write_trajectories,
)

SKILL = text_sha256("Answer in capitals.\n")


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def assistant(text: str, *calls: dict) -> dict:
    return {"role": "assistant", "content": text, **({"tool_calls": list(calls)} if calls else {})}


def call(name: str, id_: str = "call00001", **arguments: object) -> dict:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def result(content: str, name: str, id_: str = "call00001") -> dict:
    return {"role": "tool", "content": content, "tool_call_id": id_, "name": name}


PLAIN = Trajectory((user("Write the label."), assistant("SLOW.")), SKILL)
TURNS = Trajectory(
    (
        {"role": "system", "content": "Be brief."},
        user("What is in a.txt?"),
        assistant("I look.", call("read", filePath="a.txt", limit=3)),
        result("hello\n", "read"),
        assistant("HELLO."),
        user("And is b.txt there? Äh…"),
        assistant("", call("glob", "call00002", pattern="b*"), call("bash", "call00003", command="ls")),
        result("", "glob", "call00002"),
        result("a.txt\n", "bash", "call00003"),
        assistant("NO.\n\n"),
    ),
    SKILL,
    subtask="diagnosis",
    split="test",
    source="opencode",
    checks=(Assertion("line_count", 1), Assertion("equals", "NO."), Assertion("python")),
)


def line(**changes: object) -> dict:
    return {"messages": [user("a"), assistant("b")], "skill": SKILL, **changes}


def write(path: Path, *items: object) -> Path:
    path.write_text("".join((item if isinstance(item, str) else json.dumps(item)) + "\n" for item in items))
    return path


def read_one(folder: Path, item: object) -> Trajectory:
    (trajectory,) = read_trajectories(write(folder / "one.jsonl", item))
    return trajectory


# ---- JSONL ---------------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_again(tmp_path: Path):
    assert write_trajectories(tmp_path / "a" / "all.jsonl", [PLAIN, TURNS]) == 2
    assert list(read_trajectories(tmp_path / "a" / "all.jsonl")) == [PLAIN, TURNS]
    assert "Äh…" in (tmp_path / "a" / "all.jsonl").read_text(encoding="utf-8")  # for people, too


BAD_LINES = {
    "no JSON": ('{"messages": [', "is not JSON"),
    "no object": ("[1]", "is no object"),
    "no number": ('{"messages": ' + "9" * 5000 + "}", "can't be read"),
    "nested": ("[" * 100_000, "can't be read"),
    "no messages": ({"skill": SKILL}, "messages is missing"),
    "no skill": ({"messages": [user("a"), assistant("b")]}, "skill is missing"),
    "a skill's name": (line(skill="end-with-stop"), "skill must be the SHA-256"),
    "a digest in capitals": (line(skill=SKILL.upper()), "skill must be the SHA-256"),
    "an unknown field": (line(chekcs=[]), "'chekcs' is no field of a trajectory"),
    "another split": (line(split="dev"), 'split must be "train", "test" or ""'),
    "a subtask that is none": (line(subtask=7), "subtask must be a text"),
    "a long source": (line(source="x" * 201), "at most 200 characters"),
    "messages of another kind": (line(messages={"role": "user"}), "messages must be a list"),
    "no turns": (line(messages=[]), "messages is empty"),
    "too many turns": (line(messages=[user("a"), assistant("b")] * 251), "502 messages; there may be 500"),
    "a turn of another kind": (line(messages=["a", assistant("b")]), "messages[0]: the role must be one of system"),
    "another role": (line(messages=[{"role": "human", "content": "a"}]), "messages[0]: the role must be one of"),
    "a field too many": (line(messages=[user("a") | {"audio": "x"}]), "messages[0]: 'audio' is no field of a turn of"),
    "parts": (line(messages=[user([{"type": "text", "text": "a"}])]), "messages[0]: content must be a text"),  # type: ignore[arg-type]
    "an empty question": (line(messages=[user(" \n"), assistant("b")]), "messages[0]: the turn of 'user' is empty"),
    "an empty answer": (line(messages=[user("a"), assistant("")]), "messages[1]: the turn of 'assistant' is empty"),
    "an answer first": (line(messages=[assistant("b")]), "messages[0]: a turn of 'assistant' can't stand at the beg"),
    "two questions": (
        line(messages=[user("a"), user("a")]),
        "messages[1]: a turn of 'user' can't stand directly after",
    ),
    "two answers": (line(messages=[user("a"), assistant("b"), assistant("b")]), "messages[2]: a turn of 'assistant'"),
    "system late": (line(messages=[user("a"), {"role": "system", "content": "s"}]), "messages[1]: a turn of 'system'"),
    "no answer": (line(messages=[user("a"), assistant("b"), user("c")]), "ends with a turn of 'user'"),
    "a result without a call": (
        line(messages=[user("a"), assistant("b"), result("r", "read"), assistant("c")]),
        "messages[2]: a turn of 'tool' can't stand",
    ),
    "a result of another call": (
        line(messages=[user("a"), assistant("", call("read")), result("r", "read", "x"), assistant("c")]),
        "messages[2]: no call before it has the id 'x'",
    ),
    "two results of one call": (
        line(messages=[user("a"), assistant("", call("read")), result("r", "read"), result("r", "read")]),
        "messages[3]: a turn of 'tool' can't stand",
    ),
    "a call without a result": (
        line(messages=[user("a"), assistant("", call("read"), call("read", "2")), result("r", "read"), assistant("c")]),
        "messages[3]: a call before it has no result",
    ),
    "a call and no result": (
        line(messages=[user("a"), assistant("", call("read")), user("b")]),
        "messages[2]: a call before it has no result",
    ),
    "no calls": (
        line(messages=[user("a"), assistant("b") | {"tool_calls": []}]),
        "messages[1]: tool_calls must be a list",
    ),
    "a call of another kind": (
        line(messages=[user("a"), assistant("", {"name": "read", "arguments": {}})]),
        "messages[1].tool_calls[0]: write a call as",
    ),
    "arguments that are a list": (
        line(messages=[user("a"), assistant("", {"type": "function", "function": {"name": "x", "arguments": [1]}})]),
        "messages[1].tool_calls[0]: write a call as",
    ),
    "arguments that are broken": (
        line(messages=[user("a"), assistant("", {"type": "function", "function": {"name": "x", "arguments": "{"}})]),
        "the arguments of a call are not JSON",
    ),
    "arguments that are no number": (
        line(messages=[user("a"), assistant("", call("x", y=float("nan")))]),
        "messages[1].tool_calls[0]: the arguments are not JSON",
    ),
    "checks of another kind": (line(checks={"kind": "json"}), "checks must be a list"),
    "an unknown check": (line(checks=[{"kind": "nice"}]), "no assertion of the kind 'nice'"),
    "a check without its value": (line(checks=[{"kind": "equals"}]), "'equals' has the value None"),
    "too many checks": (line(checks=[{"kind": "json"}] * 21), "there are 21 checks; there may be 20"),
}


@pytest.mark.parametrize(("bad", "message"), BAD_LINES.values(), ids=BAD_LINES)
def test_a_bad_line_is_named_with_file_and_line(tmp_path: Path, bad: object, message: str):
    path = write(tmp_path / "mine.jsonl", line(), "", bad, line(skill=""))
    read = read_trajectories(path)
    next(read)
    with pytest.raises(TrajectoryError) as error:
        next(read)
    assert str(error.value).startswith(f"{path}:3: ")
    assert message in str(error.value)


def test_a_trajectory_made_in_python_is_checked_too():
    with pytest.raises(TrajectoryError, match="ends with a turn of 'user'"):
        Trajectory((user("a"),), SKILL)


def test_what_other_programs_write_is_read(tmp_path: Path):
    asked = {"type": "function", "function": {"name": "read", "arguments": '{"n": 1}'}, "id": None}
    messages = [
        {"role": "user", "content": "a", "tool_calls": None, "name": None},
        {"role": "assistant", "content": None, "tool_calls": [asked]},
        {"role": "tool", "content": ""},
        {"role": "assistant", "content": "b"},
    ]
    trajectory = read_one(tmp_path, "\ufeff" + json.dumps({"messages": messages, "skill": "", "checks": None}))
    called = {"type": "function", "function": {"name": "read", "arguments": {"n": 1}}}
    assert trajectory.messages == (
        user("a"),
        assistant("", called),
        {"role": "tool", "content": ""},
        assistant("b"),
    )


def test_a_chat_may_end_with_a_call(tmp_path: Path):
    assert read_one(tmp_path, line(messages=[user("a"), assistant("", call("read"))])).messages[-1]["tool_calls"]


def test_the_same_chat_is_kept_once(tmp_path: Path):
    other_skill, other_words = replace(PLAIN, skill=""), replace(PLAIN, messages=(user("?"), assistant("SLOW.")))
    twice = [PLAIN, other_skill, replace(PLAIN, source="csv", split="test"), other_words, PLAIN]
    assert write_trajectories(tmp_path / "a.jsonl", twice) == 3
    item = {"messages": PLAIN.messages, "skill": SKILL}
    turned = {"skill": SKILL, "messages": [dict(reversed(message.items())) for message in PLAIN.messages]}
    assert list(read_trajectories(write(tmp_path / "b.jsonl", item, turned, item, line()))) == [
        PLAIN,
        Trajectory((user("a"), assistant("b")), SKILL),
    ]


def test_fifty_megabytes_are_read_line_by_line(tmp_path: Path):
    path = tmp_path / "large.jsonl"
    with path.open("w") as file:
        for i in range(100):
            file.write(json.dumps(line(messages=[user(f"{i} " + "word " * 100_000), assistant("b")])) + "\n")
        file.write("broken\n")
    assert path.stat().st_size > 50_000_000
    tracemalloc.start()
    read = read_trajectories(path)
    assert sum(1 for _ in islice(read, 100)) == 100
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
    with pytest.raises(TrajectoryError, match=r"large.jsonl:101: this is not JSON"):
        next(read)


def test_a_line_over_the_limit_is_never_held_whole(tmp_path: Path):
    path = write(tmp_path / "long.jsonl", line())
    with path.open("a") as file:
        file.write('{"messages": "' + "x" * 20 * MAX_LINE)
    tracemalloc.start()
    read = read_trajectories(path)
    next(read)
    with pytest.raises(TrajectoryError, match=r"long.jsonl:2: the line has over 1,000,000 bytes"):
        next(read)
    assert tracemalloc.get_traced_memory()[1] < 3 * MAX_LINE
    tracemalloc.stop()


def test_a_file_over_the_limit_is_refused_before_it_is_read(tmp_path: Path):
    path = write(tmp_path / "huge.jsonl", line())
    with path.open("r+b") as file:
        file.truncate(MAX_FILE + 1)  # takes no room on the disk
    with pytest.raises(TrajectoryError, match=r"huge.jsonl has 200,000,001 bytes; it may have 200,000,000"):
        next(read_trajectories(path))


def test_files_that_hold_nothing_are_named(tmp_path: Path):
    for content, message in ((b"\n\n", "holds no trajectories"), (b"\xff\xfea\n", ":1: this is no")):
        (tmp_path / "odd.jsonl").write_bytes(content)
        with pytest.raises(TrajectoryError, match=r"odd\.jsonl.*" + message):
            list(read_trajectories(tmp_path / "odd.jsonl"))
    with pytest.raises(TrajectoryError, match=r"none\.jsonl can't be read: No such file"):
        list(read_trajectories(tmp_path / "none.jsonl"))


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path):
    path = tmp_path / "kept.jsonl"
    write_trajectories(path, [PLAIN])
    before = path.read_bytes()

    def breaks_off() -> Iterator[Trajectory]:
        yield TURNS
        raise TrajectoryError("a bad one")

    with pytest.raises(TrajectoryError):
        write_trajectories(path, breaks_off())
    with pytest.raises(TrajectoryError, match="it may have 1,000,000"):  # such a line could not be read again
        write_trajectories(path, [TURNS, replace(PLAIN, messages=(user("x" * MAX_LINE), assistant("b")))])
    with pytest.raises(OSError), full_disk(1000):
        write_trajectories(path, (replace(PLAIN, messages=(user(f"{i}"), assistant("b"))) for i in range(1000)))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["kept.jsonl"]


def test_a_file_may_be_written_from_itself(tmp_path: Path):
    path = write(tmp_path / "own.jsonl", line(), line(), line(skill=""))
    assert write_trajectories(path, read_trajectories(path)) == 2
    assert len(list(read_trajectories(path))) == 2


def test_half_a_surrogate_pair_is_no_obstacle(base: Base, tmp_path: Path):
    broken = read_one(tmp_path, line(messages=[user("cut \ud83d"), assistant("ok \ude00")]))
    assert broken.messages[0]["content"] == "cut \ud83d"
    write_trajectories(tmp_path / "b.jsonl", [broken])
    (read,) = read_trajectories(tmp_path / "b.jsonl")
    assert [message["content"] for message in read.messages] == ["cut ?", "ok ?"]
    assert examples_of(base, 0, read) == examples_of(base, 0, broken)


# ---- evals and CSV -------------------------------------------------------------------------------------------------


def test_evals_become_trajectories_whose_checks_hold():
    entries = SkillLibrary().list()
    made = [t for entry in entries for t in from_evals(text_sha256(entry.text), entry.evals, entry.subtask)]
    assert len(made) == sum(len(entry.evals) for entry in entries) > 50
    assert all(check.holds(t.messages[-1]["content"]) for t in made for check in t.checks)
    first, entry = made[0], entries[0]
    assert first.messages == (user(entry.evals[0].prompt), assistant(entry.evals[0].expected_output))
    assert (first.skill, first.subtask, first.source) == (text_sha256(entry.text), entry.subtask, "evals")
    assert all(t.checks for t in made)


def test_csv_is_read_row_by_row(tmp_path: Path):
    path = tmp_path / "mine.csv"
    path.write_text('\ufeffanswer,note,prompt\nSLOW.,x,"Label it, please"\n"A\nB",,"two ""lines"""\n', "utf-8")
    assert [t.messages for t in from_csv(path, SKILL)] == [
        (user("Label it, please"), assistant("SLOW.")),
        (user('two "lines"'), assistant("A\nB")),
    ]
    assert {(t.skill, t.source) for t in from_csv(path, SKILL)} == {(SKILL, "csv")}
    path.write_text("prompt,answer\na,b\n,c\n")
    rows = from_csv(path, SKILL)
    assert next(rows).messages == (user("a"), assistant("b"))  # before the bad row is seen


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r":1: there is no column 'prompt'"),
        ("prompt;answer\na;b\n", r":1: there is no column 'prompt'"),
        ("a,b\n", r":1: there is no column 'prompt'"),
        ("prompt,answer\n", "holds no rows"),
        ("prompt,answer\na,b\nc\n", r":3: prompt or answer is empty"),
        ('prompt,answer\n"a\nb", \n', r":3: prompt or answer is empty"),
        ("prompt,answer\na,b,c\n", r":2: there are more cells than columns"),
        ('prompt,answer\na,"b\n', r":2: this is no CSV"),
        ("prompt,answer\n" + "x" * 140_000 + ",b\n", r":2: this is no CSV \(field larger"),
        ("prompt,answer\na,\xe4\n", "is no UTF-8"),
    ],
)
def test_bad_csv_is_named_with_file_and_line(tmp_path: Path, content: str, message: str):
    path = tmp_path / "mine.csv"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(TrajectoryError, match=r"mine\.csv" + (message if message[0] == ":" else ".*" + message)):
        list(from_csv(path, SKILL))


# ---- OpenCode ------------------------------------------------------------------------------------------------------

FOLDER = "/tmp/run-x7/repo"


def part(kind: str, **fields: object) -> dict:
    return {"type": kind, "id": "prt_1", "sessionID": "ses_1", "messageID": "msg_1", **fields}


def used(tool: str, output: str, status: str = "completed", /, **arguments: object) -> dict:
    written = {"completed": {"output": output}, "error": {"error": output}}.get(status, {})
    state = {"status": status, "input": arguments, "time": {"start": 1, "end": 2}, "metadata": {}, **written}
    return part("tool", tool=tool, callID=f"call_{tool}", state=state)


def step(*parts: dict) -> list[dict]:
    return [part("step-start"), *parts, part("step-finish", reason="stop", cost=0)]


def asked(text: str) -> dict:
    return {"info": {"role": "user", "agent": "build"}, "parts": [part("text", text=text)]}


def answered(*steps: list[dict], **info: object) -> dict:
    return {"info": {"role": "assistant", "finish": "stop", **info}, "parts": [part for each in steps for part in each]}


def export(*messages: dict, version: str = OPENCODE_VERSION) -> dict:
    """A session as `opencode export` prints it, but for fields that nothing here reads."""
    return {"info": {"id": "ses_1", "directory": FOLDER, "version": version}, "messages": list(messages)}


LOADED = used("skill", '<skill_content name="shout">\nAnswer in capitals.', name="shout")
SESSION = export(
    asked("What is in a.txt?"),
    answered(step(part("text", text="I load the skill."), LOADED)),
    answered(step(part("reasoning", text="hm"), used("read", f"{FOLDER}/a.txt: hello", filePath=f"{FOLDER}/a.txt"))),
    answered(step(part("text", text="HELLO"))),
    asked("And b?"),
    answered(step(part("text", text="I look."), used("read", "no such file", "error", filePath="b"), used("glob", ""))),
    answered(step(part("text", text="NO B. "))),
)


def test_an_export_becomes_messages_calls_and_results():
    trajectory = from_opencode(SESSION, SKILL)
    assert trajectory.messages == (
        user("What is in a.txt?"),
        assistant("", call("read", filePath="/workspace/a.txt")),
        result("/workspace/a.txt: hello", "read"),
        assistant("HELLO"),
        user("And b?"),
        assistant("I look.", call("read", "call00002", filePath="b"), call("glob", "call00003")),
        result("no such file", "read", "call00002"),
        result("", "glob", "call00003"),
        assistant("NO B. "),
    )
    assert (trajectory.skill, trajectory.source) == (SKILL, "opencode")


def test_the_text_of_the_skill_is_not_in_the_chat():
    assert "capitals" in json.dumps(SESSION)
    assert "capitals" not in json.dumps(from_opencode(SESSION, SKILL).messages)


def test_two_runs_that_differ_in_ids_and_folders_are_the_same(tmp_path: Path):
    other = json.loads(json.dumps(SESSION).replace(FOLDER, "/home/me/other").replace("call_", "toolu_"))
    same = [from_opencode(session, SKILL) for session in (SESSION, other)]
    assert write_trajectories(tmp_path / "a.jsonl", same) == 1


def test_turns_that_broke_off_are_left_out():
    failed = {"name": "APIError", "data": {"message": "boom"}}
    session = export(
        asked("never answered"),
        asked("broken"),
        answered(step(used("read", "x", filePath="a"))),
        answered(step(part("text", text="half an ans")), error=failed),
        asked("good"),
        answered(step(part("text", text="YES"))),
        asked("stopped in a call"),
        answered(step(used("read", "x", filePath="a"))),
    )
    assert from_opencode(session, SKILL).messages == (user("good"), assistant("YES"))
    with pytest.raises(TrajectoryError, match="no turn of the session was answered to the end"):
        from_opencode(export(*session["messages"][:4]), SKILL)


def test_steps_in_one_message_and_words_after_words_are_one_chat():
    two = answered(step(used("read", "x", filePath="a")), step(part("text", text="A")))
    session = export(asked("q"), two, answered(step(part("text", text="B"))), answered(step(LOADED)))
    assert from_opencode(session, SKILL).messages[1:] == (
        assistant("", call("read", filePath="a")),
        result("x", "read"),
        assistant("A\n\nB"),
    )


def test_calls_that_could_not_be_read_are_not_learned():
    garbled = used("invalid", "Model tried to call unavailable tool", tool="nosuch", error="unknown")
    session = export(asked("q"), answered(step(garbled)), answered(step(part("text", text="A"))))
    assert from_opencode(session, SKILL).messages == (user("q"), assistant("A"))


def test_parts_that_are_hidden_or_doubled_are_passed_over():
    question = asked("look at @a.txt")
    question["parts"] += [
        part("text", text="Contents of a.txt: hello", synthetic=True),
        part("text", text="not for the model", ignored=True),
        part("file", mime="text/plain", url="file:///a.txt"),
    ]
    session = export(question, answered(step(part("text", text="A"), part("patch", files=[]))))
    assert from_opencode(session, SKILL).messages[0] == user("look at @a.txt\n\nContents of a.txt: hello")


BAD_EXPORTS = {
    "a list": ([], "is no session of OpenCode"),
    "something else": ({"messages": []}, "is no session of OpenCode"),
    "no messages": ({"info": {"version": OPENCODE_VERSION}}, "is no session of OpenCode"),
    "no version": ({"info": {}, "messages": []}, "is no session of OpenCode"),
    "older": ({**SESSION, "info": {"version": "0.15.3"}}, "of OpenCode 0.15.3; those of 1.18.33 can be read"),
    "newer": ({**SESSION, "info": {"version": "2.0.0"}}, "npm install opencode-ai@1.18.33"),
    "from source": ({**SESSION, "info": {"version": "local"}}, "of OpenCode local"),
    "empty": (export(), "no turn of the session was answered"),
    "no parts": (export({"info": {"role": "user"}}), r"messages\[0\]: parts is not as OpenCode 1.18.33 writes it"),
    "an answer first": (export(answered(step())), r"messages\[0\]: the session begins with an answer"),
    "a running call": (
        export(asked("q"), answered(step(used("bash", "", "running")))),
        "the call of 'bash' has not end",
    ),
    "a call without a state": (export(asked("q"), answered([part("tool", tool="x")])), "state is not as OpenCode"),
    "a part that is none": (export(asked("q"), answered(["x"])), r"messages\[1\]: type is not as"),  # type: ignore[list-item]
    "a picture": (
        export({"info": {"role": "user"}, "parts": [part("file", mime="image/png")]}),
        "a part of the type 'file' is no text and no tool",
    ),
    "a summary": (
        export({"info": {"role": "user"}, "parts": [part("compaction", auto=True)]}),
        "a part of the type 'compaction'",
    ),
}


@pytest.mark.parametrize(("bad", "message"), BAD_EXPORTS.values(), ids=BAD_EXPORTS)
def test_what_is_no_export_of_this_version_is_refused(bad: dict, message: str):
    with pytest.raises(TrajectoryError, match=message):
        from_opencode(bad, SKILL)


# ---- cutting -------------------------------------------------------------------------------------------------------


def test_whole_turns_of_the_front_go_first_then_the_first_calls():
    messages = TURNS.messages
    without_turn = messages[:1] + messages[5:]
    without_calls = messages[:1] + messages[5:6] + messages[9:]
    whole, shorter, shortest = map(rough_tokens, (messages, without_turn, without_calls))
    assert cut(messages, whole) == messages
    assert cut(messages, whole - 1) == cut(messages, shorter) == without_turn
    assert cut(messages, shorter - 1) == cut(messages, shortest) == without_calls
    with pytest.raises(TrajectoryError, match=r"the last question with its answer has .* tokens; .* fit"):
        cut(messages, shortest - 1)


def test_every_cut_is_a_conversation_as_long_as_it_may_be():
    rng = random.Random(0)
    for _ in range(30):
        messages = [{"role": "system", "content": "s"}] * rng.randrange(2)
        for turn in range(rng.randint(1, 5)):
            messages.append(user(f"q{turn} " + "x" * rng.randrange(200)))
            for n in range(rng.randrange(4)):
                calls = [call("read", f"{turn}/{n}/{k}", n=n) for k in range(rng.randint(1, 3))]
                messages.append(assistant("", *calls))
                messages += [result("y" * rng.randrange(300), "read", each["id"]) for each in calls]
            messages.append(assistant(f"a{turn}"))
        check_messages(messages)
        lengths = []
        for limit in range(0, rough_tokens(messages) + 10, 7):
            try:
                kept = cut(messages, limit)
            except TrajectoryError:
                assert not lengths  # once it fits, it fits with more room
                continue
            check_messages(kept)
            assert rough_tokens(kept) <= limit
            assert kept[-1] == messages[-1]
            lengths.append(len(kept))
        assert lengths == sorted(lengths)
        assert lengths[-1] == len(messages)


# ---- a folder for `datasets` ---------------------------------------------------------------------------------------


def load(folder: Path, **options: object) -> datasets.DatasetDict:
    return datasets.load_dataset(str(folder), cache_dir=str(folder.parent / "cache"), **options)


def test_datasets_loads_the_folder(tmp_path: Path):
    write_dataset(tmp_path / "d", [PLAIN, TURNS, PLAIN])
    loaded = load(tmp_path / "d")
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 1, "test": 1}
    row = loaded["test"][0]
    assert [message["content"] for message in row["messages"]] == [m["content"] for m in TURNS.messages]
    asked = row["messages"][2]["tool_calls"][0]["function"]
    assert (asked["name"], json.loads(asked["arguments"])) == ("read", {"filePath": "a.txt", "limit": 3})
    assert (row["skill"], row["subtask"], row["source"]) == (SKILL, "diagnosis", "opencode")
    assert row["checks"][0] == {"kind": "line_count", "value": "1"}
    assert loaded["train"].features == loaded["test"].features  # though no message of train has calls


def test_columns_that_first_appear_late_do_not_matter(tmp_path: Path):
    plain = [replace(PLAIN, messages=(user(f"{i}"), assistant("b"))) for i in range(50)]
    write_dataset(tmp_path / "d", [*plain, replace(TURNS, split="train")])
    loaded = load(tmp_path / "d", chunksize=1000)["train"]
    assert len(loaded) == 51
    assert loaded[50]["messages"][3]["name"] == "read"


def test_what_datasets_writes_is_read_again(tmp_path: Path):
    write_dataset(tmp_path / "d", [TURNS])
    assert list(read_trajectories(tmp_path / "d" / "test.jsonl")) == [TURNS]
    load(tmp_path / "d")["test"].to_json(tmp_path / "back.jsonl")
    assert list(read_trajectories(tmp_path / "back.jsonl")) == [TURNS]


def test_writing_again_replaces_the_folder(tmp_path: Path):
    write_dataset(tmp_path / "d", [PLAIN, TURNS])
    with pytest.raises(TrajectoryError, match="no trajectories to write"):
        write_dataset(tmp_path / "d", [])
    assert (tmp_path / "d" / "test.jsonl").exists()
    write_dataset(tmp_path / "d", [PLAIN])
    assert sorted(file.name for file in (tmp_path / "d").iterdir()) == ["README.md", "train.jsonl"]


def test_a_folder_that_holds_other_things_is_left_alone(tmp_path: Path):
    (tmp_path / "README.md").write_text("# My project\n")
    (tmp_path / "test.jsonl").write_text("mine\n")
    with pytest.raises(TrajectoryError, match=r"was made otherwise\. Choose another --out"):
        write_dataset(tmp_path, [PLAIN])
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        "README.md": "# My project\n",
        "test.jsonl": "mine\n",
    }


# ---- the command ---------------------------------------------------------------------------------------------------


def test_files_of_every_kind_become_one_and_a_folder_for_datasets(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "SKILL.md").write_text("Answer in capitals.\n")
    evals = {
        "skill_name": "capitals",
        "evals": [
            {
                "id": "1",
                "prompt": "From evals?",
                "expected_output": "YES",
                "assertions": [{"kind": "equals", "value": "YES"}],
            }
        ],
    }
    (tmp_path / "evals.json").write_text(json.dumps(evals))
    (tmp_path / "session.json").write_text(json.dumps(SESSION))
    (tmp_path / "table.csv").write_text("prompt,answer\nFrom a table?,YES\n")
    other = replace(PLAIN, skill="0" * 64, split="test")
    write_trajectories(tmp_path / "chats.jsonl", [PLAIN, replace(PLAIN, skill=""), other])
    files = [str(tmp_path / name) for name in ("evals.json", "session.json", "table.csv", "chats.jsonl")]
    for out in ("all.jsonl", "all"):
        command = ["convert", *files, "--skill", str(tmp_path), "--out", str(tmp_path / out)]
        assert main(command) == 0
        assert capsys.readouterr().out == f"{tmp_path / out}: 5 trajectories\n"
    made = list(read_trajectories(tmp_path / "all.jsonl"))
    assert [t.source for t in made] == ["evals", "opencode", "csv", "", ""]
    assert [t.skill for t in made] == [SKILL] * 4 + ["0" * 64]
    assert {split: len(rows) for split, rows in load(tmp_path / "all").items()} == {"train": 4, "test": 1}
    assert main(["convert", files[2], "--out", str(tmp_path / "unnamed.jsonl")]) == 0
    assert [t.skill for t in read_trajectories(tmp_path / "unnamed.jsonl")] == [""]


def test_fifty_megabytes_are_converted_line_by_line(tmp_path: Path):
    path = tmp_path / "large.jsonl"
    with path.open("w") as file:
        for i in range(100):
            file.write(json.dumps(line(messages=[user(f"{i} " + "word " * 100_000), assistant("b")])) + "\n")
    tracemalloc.start()
    assert main(["convert", str(path), "--out", str(tmp_path / "made")]) == 0
    assert tracemalloc.get_traced_memory()[1] < 8_000_000
    tracemalloc.stop()
    assert (tmp_path / "made" / "train.jsonl").stat().st_size > 50_000_000


@pytest.mark.parametrize("out", ["made.jsonl", "made"])
def test_what_can_not_be_converted_gives_one_line_and_status_two(
    out: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    good, bad, large = (tmp_path / name for name in ("good.jsonl", "bad.jsonl", "large.json"))
    write_trajectories(good, [PLAIN])
    write(bad, line(), line(messages=[user("a")]))
    with large.open("wb") as file:
        file.truncate(MAX_SESSION + 1)  # takes no room on the disk
    for path, limit, message in (
        (bad, None, "bad.jsonl:2: messages ends with a turn of 'user'"),
        (large, None, "large.json has 20,000,001 bytes; it may have 20,000,000"),
        (good, 10, "A file can't be read or written: [Errno 27] File too large"),
    ):
        with full_disk(limit) if limit else nullcontext():
            assert main(["convert", str(path), "--out", str(tmp_path / out)]) == 2
        said = capsys.readouterr()
        assert message in said.err and said.err.count("\n") == 1 and not said.out
    made = tmp_path / out
    assert not made.exists() or not list(made.iterdir())


# ---- which tokens count --------------------------------------------------------------------------------------------

# the tests' template, with the assistant's turns marked for transformers' own mask
MARKED_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] }}<|im_end|>{% endgeneration %}"
    "{% else %}{{ m['content'] }}<|im_end|>{% endif %}{{ '\\n' }}{% endfor %}"
)
TOOLS_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}"
    "{% for c in m.tool_calls or [] %}[CALL]{{ c.function.name }} {{ c.function.arguments | tojson }}[/CALL]"
    "{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def with_template(base: Base, template: str) -> Base:
    tokenizer = deepcopy(base.tokenizer)
    tokenizer.chat_template = template
    return replace(base, tokenizer=tokenizer)


def counted(base: Base, trajectory: Trajectory) -> tuple[list[int], list[bool]]:
    """The tokens of the whole chat by the base's template, and which of them the loss falls on."""
    messages = list(as_printed(base, trajectory.messages))
    whole = base.tokenizer.apply_chat_template(messages, return_dict=False)
    mask = [False] * len(whole)
    for example in examples_of(base, 0, trajectory):
        start, end = len(example.prompt_ids), len(example.prompt_ids) + len(example.answer_ids)
        assert whole[:end] == example.prompt_ids + example.answer_ids
        mask[start:end] = [True] * len(example.answer_ids)
    return whole, mask


def runs(base: Base, whole: list[int], mask: list[bool]) -> list[str]:
    """The text of each run of tokens that count."""
    texts, before = [], False
    for token, counts in zip(whole, mask, strict=True):
        if counts:
            texts += [""] * (not before)
            texts[-1] += base.tokenizer.decode([token])
        before = counts
    return texts


def test_the_loss_falls_on_the_assistants_words_and_their_end(base: Base):
    chat = Trajectory((user("Is it slow?"), assistant("SLOW."), user("Sure?"), assistant("Y")), SKILL)
    whole, mask = counted(base, chat)
    text = "".join(base.tokenizer.decode([token]) for token in whole)
    assert text == (
        "<|im_start|>user\nIs it slow?<|im_end|>\n<|im_start|>assistant\nSLOW.<|im_end|>\n"
        "<|im_start|>user\nSure?<|im_end|>\n<|im_start|>assistant\nY<|im_end|>\n"
    )
    assert runs(base, whole, mask) == ["SLOW.<|im_end|>", "Y<|im_end|>"]


def test_calls_count_and_results_do_not(base: Base):
    whole, mask = counted(base, TURNS)
    assert runs(base, whole, mask) == [
        'I look.\n<tool_call>\n{"name": "read", "arguments": {"filePath": "a.txt", "limit": 3}}\n</tool_call>'
        "<|im_end|>",
        "HELLO.<|im_end|>",
        '<tool_call>\n{"name": "glob", "arguments": {"pattern": "b*"}}\n</tool_call>\n'
        '<tool_call>\n{"name": "bash", "arguments": {"command": "ls"}}\n</tool_call><|im_end|>',
        "NO.\n\n<|im_end|>",
    ]
    both = "<tool_response>\n\n</tool_response>\n<tool_response>\na.txt\n\n</tool_response>"
    assert f"<|im_start|>user\n{both}<|im_end|>" in base.tokenizer.decode(whole)


@pytest.mark.parametrize("trajectory", [PLAIN, TURNS], ids=["plain", "turns"])
def test_transformers_own_mask_says_the_same(base: Base, trajectory: Trajectory):
    marked = with_template(base, MARKED_TEMPLATE).tokenizer.apply_chat_template(
        list(as_printed(base, trajectory.messages)), return_dict=True, return_assistant_tokens_mask=True
    )
    whole, mask = counted(base, trajectory)
    assert marked["input_ids"] == whole
    assert [bool(counts) for counts in marked["assistant_masks"]] == mask
    assert 0 < sum(mask) < len(mask)


def test_the_scores_are_those_of_the_whole_chat_at_these_tokens(base: Base):
    whole, mask = counted(base, TURNS)
    scored = answer_logits(base, examples_of(base, 0, TURNS), None)
    places = [n for n, counts in enumerate(mask) if counts]
    assert scored.right.tolist() == [whole[n] for n in places]
    with torch.no_grad():
        logits = base.model(torch.tensor([whole])).logits[0, [n - 1 for n in places]]
    torch.testing.assert_close(scored.logits, logits, atol=1e-4, rtol=1e-4)


def test_where_the_template_prints_tools_it_does(base: Base):
    base = with_template(base, TOOLS_TEMPLATE)
    whole, mask = counted(base, TURNS)
    assert runs(base, whole, mask) == [
        'I look.[CALL]read {"filePath": "a.txt", "limit": 3}[/CALL]<|im_end|>',
        "HELLO.<|im_end|>",
        '[CALL]glob {"pattern": "b*"}[/CALL][CALL]bash {"command": "ls"}[/CALL]<|im_end|>',
        "NO.\n\n<|im_end|>",
    ]
    assert "<|im_start|>tool\nhello\n<|im_end|>" in base.tokenizer.decode(whole)


def test_a_template_that_refuses_these_calls_gets_them_as_text(base: Base):
    refuses = (
        "{% for m in messages %}{% if (m.tool_calls or []) | length > 1 %}{{ raise_exception('one call a turn') }}"
        "{% endif %}{% endfor %}" + TOOLS_TEMPLATE
    )
    one_call = replace(TURNS, messages=TURNS.messages[:5])
    base = with_template(base, refuses)
    assert "[CALL]read" in runs(base, *counted(base, one_call))[0]
    assert '<tool_call>\n{"name": "read"' in runs(base, *counted(base, TURNS))[0]


def test_a_template_without_an_end_of_turn_gets_one(base: Base):
    base = with_template(base, PLAIN_CHAT_TEMPLATE)
    example = examples_of(base, 0, PLAIN)[0]
    assert base.tokenizer.decode(example.prompt_ids) == "user: Write the label.\nassistant: "
    assert base.tokenizer.decode(example.answer_ids) == "SLOW.<|im_end|>"


def test_one_question_is_the_example_that_training_makes_of_it(base: Base):
    task = Task("And now?", "  SLOW.\n", (user("Write the label."), assistant("FAST.")))
    trajectory = Trajectory((*task.messages, user(task.prompt), assistant(task.answer)), SKILL)
    assert examples_of(base, 3, trajectory)[-1] == to_example(base, 3, task)


def test_a_template_without_a_system_role_reads_it_in_the_first_question(base: Base):
    refuses = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    base = with_template(base, refuses + CHAT_TEMPLATE)
    first = examples_of(base, 0, TURNS)[0]
    assert base.tokenizer.decode(first.prompt_ids).startswith("<|im_start|>user\nBe brief.\n\nWhat is in a.txt?")


def test_a_chat_over_the_context_loses_its_beginning(base: Base):
    filler = user("word " * 2500)
    long = replace(TURNS, messages=(filler, assistant("OK."), *TURNS.messages[5:]))
    examples = examples_of(base, 0, long)
    assert max(len(e.prompt_ids) + len(e.answer_ids) for e in examples) <= base.context_length
    assert examples == examples_of(base, 0, replace(TURNS, messages=TURNS.messages[5:]))
    with pytest.raises(TrajectoryError, match=r"the last question with its answer has .* tokens; 2,048 fit"):
        examples_of(base, 0, replace(TURNS, messages=(filler, assistant("OK."))))
