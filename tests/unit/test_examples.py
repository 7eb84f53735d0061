"""The book of a person's skills and examples: what is kept, read from files, refused, and found wrong."""

import csv
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny import full_disk

from hypernet.adapter import text_sha256
from skills.evals import Assertion
from studio import examples as examples_module
from studio.examples import ExampleBook, ExampleError, Reach, judged_by
from training.opencode_export import OPENCODE_VERSION
from training.trajectories import Trajectory, write_trajectories

ME, OTHER = "owner-one", "owner-two"


def skill_text(code: str, rule: str = "") -> str:
    return f"---\nname: code-{code}\ndescription: How to answer.\n---\n\n- Always answer with `{code}`.\n{rule}"


TEXT = skill_text("aa")


@pytest.fixture
def book(tmp_path: Path) -> ExampleBook:
    return ExampleBook(tmp_path / "data")


@pytest.fixture
def skill(book: ExampleBook) -> str:
    """A skill in the book, by its digest."""
    return book.put_skill(ME, TEXT)


def fill(book: ExampleBook, skill: str, count: int = 8) -> None:
    for i in range(count):
        book.add(ME, skill, f"Case {i}?", f"aa {i}")


def said(book: ExampleBook, *skills: str) -> Iterator[tuple[str, str]]:
    return ((fault.severity, fault.message) for fault in book.faults(ME, skills))


# ---- skills and examples -------------------------------------------------------------------------------------------


def test_a_skill_with_its_examples_is_there_after_a_restart_and_for_its_owner_alone(
    book: ExampleBook, skill: str, tmp_path: Path
):
    made = book.add(ME, skill, "Which code?", "aa", checks=[Assertion("contains", "aa")])
    again = ExampleBook(tmp_path / "data")
    assert [own.sha256 for own in again.skills(ME)] == [skill] == [text_sha256(TEXT)]
    assert again.examples(ME, skill) == [made]
    assert (made.prompt, made.answer, made.skill_name) == ("Which code?", "aa", "code-aa")
    assert again.skills(OTHER) == []
    for act in (
        lambda: again.examples(OTHER, skill),
        lambda: again.add(OTHER, skill, "a", "b"),
        lambda: again.update(OTHER, made.id, answer="b"),
        lambda: again.remove(OTHER, made.id),
        lambda: again.remove_skill(OTHER, skill),
        lambda: again.trajectories(OTHER, [skill]),
    ):
        with pytest.raises(ExampleError, match=r"no longer (in your list|exists)"):
            act()
    with pytest.raises(ExampleError, match="could not recognise this browser"):
        book.put_skill("", TEXT)


def test_an_edited_skill_keeps_its_examples(book: ExampleBook, skill: str):
    fill(book, skill, 2)
    edited = book.put_skill(ME, skill_text("aa", "- And nothing else.\n"))
    assert edited != skill and [own.sha256 for own in book.skills(ME)] == [edited]
    assert [example.skill_sha256 for example in book.examples(ME, edited)] == [edited] * 2
    texts, trajectories = book.trajectories(ME, [edited])
    assert list(texts) == [edited] == list({trajectory.skill for trajectory in trajectories})


def test_an_example_is_kept_once_changed_and_removed(book: ExampleBook, skill: str):
    first, second = (book.add(ME, skill, "Which?", answer) for answer in ("aa", "bb"))
    assert book.add(ME, skill, "Which?", "aa").id == first.id
    changed = book.update(ME, first.id, answer="cc", split="test")
    assert (changed.prompt, changed.answer, changed.split) == ("Which?", "cc", "test")
    with pytest.raises(ExampleError, match="says the same"):
        book.update(ME, first.id, answer="bb")
    book.remove(ME, second.id)
    assert [example.id for example in book.examples(ME, skill)] == [first.id]
    book.remove_skill(ME, skill)
    assert book.skills(ME) == []


def test_turns_and_tools_before_the_answer_stay_with_an_example(book: ExampleBook, skill: str, tmp_path: Path):
    chat = (
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "Read it."},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "call00001", "type": "function", "function": {"name": "read", "arguments": {}}}],
        },
        {"role": "tool", "content": "text", "tool_call_id": "call00001", "name": "read"},
        {"role": "assistant", "content": "aa"},
    )
    write_trajectories(tmp_path / "chats.jsonl", [Trajectory(chat, skill)])
    assert book.import_file(ME, tmp_path / "chats.jsonl", skill) == 1
    (example,) = book.examples(ME, skill)
    assert (example.prompt, example.answer) == ("Read it.", "aa")
    assert example.messages == chat[:2] and example.steps == chat[3:5]
    book.update(ME, example.id, prompt="Read that.", answer="bb")
    _, (trajectory,) = book.trajectories(ME, [skill])
    assert trajectory.messages == (
        *chat[:2],
        {**chat[2], "content": "Read that."},
        *chat[3:5],
        {**chat[5], "content": "bb"},
    )


@pytest.mark.parametrize(
    ("prompt", "answer", "message"),
    [
        (" ", "aa", "prompt is empty"),
        ("Which?", "\n", "answer is empty"),
        ("x" * 20_001, "aa", "20,001 characters; it may have 20,000"),
        ("Which?", "x" * 8_001, "8,001 characters; it may have 8,000"),
    ],
)
def test_empty_and_endless_turns_are_refused(book: ExampleBook, skill: str, prompt: str, answer: str, message: str):
    with pytest.raises(ExampleError, match=message):
        book.add(ME, skill, prompt, answer)
    kept = book.add(ME, skill, "Which?", "aa")
    with pytest.raises(ExampleError, match=message):
        book.update(ME, kept.id, prompt=prompt, answer=answer)
    assert book.examples(ME, skill) == [kept]


def test_a_role_out_of_order_is_refused(book: ExampleBook, skill: str):
    kept = book.add(ME, skill, "Which?", "aa")
    for before in ({"role": "assistant", "content": "Hi"}, {"role": "user", "content": "Hello"}):
        with pytest.raises(ExampleError, match="can't stand"):
            book.update(ME, kept.id, chat=(before, *kept.chat))
    assert book.examples(ME, skill) == [kept]


def test_limits_are_told_with_the_way_out(book: ExampleBook, skill: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(examples_module, "MAX_SKILLS", 1)
    monkeypatch.setattr(examples_module, "MAX_EXAMPLES", 2)
    with pytest.raises(ExampleError, match="Remove one that you don't train"):
        book.put_skill(ME, skill_text("bb"))
    book.put_skill(OTHER, skill_text("bb"))
    fill(book, skill, 2)
    with pytest.raises(ExampleError, match="Remove some"):
        book.add(ME, skill, "One more?", "aa")
    with pytest.raises(ExampleError, match="100,001 characters"):
        book.put_skill(ME, TEXT + "x" * (100_001 - len(TEXT)))


def test_an_empty_text_is_no_skill(book: ExampleBook):
    with pytest.raises(ExampleError, match="text is empty"):
        book.put_skill(ME, " ")
    assert book.skills(ME) == []


def test_halves_of_surrogate_pairs_are_no_obstacle(book: ExampleBook):
    skill = book.put_skill(ME, TEXT + "\ud83d")
    example = book.add(ME, skill, "Which\ud83d?", "a\r\na")
    assert (example.prompt, example.answer) == ("Which??", "a\na")
    assert text_sha256(book.skills(ME)[0].text) == skill


def test_with_no_disk_left_an_example_is_not_half_kept(book: ExampleBook, skill: str):
    kept = book.add(ME, skill, "Which?", "aa")
    with full_disk(100), pytest.raises(ExampleError, match="Free some disk space"):
        book.add(ME, skill, "Another?", "x" * 8_000)
    assert book.examples(ME, skill) == [kept]


# ---- files ---------------------------------------------------------------------------------------------------------


def evals(*answers: str) -> dict:
    return {
        "skill_name": "code-aa",
        "evals": [
            {
                "id": str(i),
                "prompt": f"Case {i}?",
                "expected_output": answer,
                "assertions": [{"kind": "contains", "value": "a"}],
            }
            for i, answer in enumerate(answers)
        ],
    }


def export(version: str = OPENCODE_VERSION) -> dict:
    def message(role: str, text: str) -> dict:
        return {"info": {"role": role}, "parts": [{"type": "text", "text": text}]}

    return {"info": {"version": version}, "messages": [message("user", "Which code?"), message("assistant", "aa")]}


def test_every_kind_of_file_is_read_once(book: ExampleBook, skill: str, tmp_path: Path):
    (tmp_path / "evals.json").write_text(json.dumps(evals("aa", "aa")))
    (tmp_path / "session.json").write_text(json.dumps(export()))
    with (tmp_path / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("prompt", "answer"), ("From a table?", "aa, aa")])
    chat = ({"role": "user", "content": "From a chat?"}, {"role": "assistant", "content": "aa"})
    write_trajectories(tmp_path / "chats.jsonl", [Trajectory(chat, ""), Trajectory(chat, skill)])
    counts = [
        book.import_file(ME, tmp_path / name, skill)
        for name in ("evals.json", "session.json", "table.csv", "chats.jsonl", "chats.jsonl")
    ]
    assert counts == [2, 1, 1, 1, 0]
    assert len(book.examples(ME, skill)) == 5


def test_an_example_of_another_own_skill_goes_there(book: ExampleBook, skill: str, tmp_path: Path):
    other = book.put_skill(ME, skill_text("bb"))
    chat = ({"role": "user", "content": "Which?"}, {"role": "assistant", "content": "bb"})
    write_trajectories(tmp_path / "chats.jsonl", [Trajectory(chat, other)])
    assert book.import_file(ME, tmp_path / "chats.jsonl", skill) == 1
    assert book.examples(ME, skill) == [] and len(book.examples(ME, other)) == 1


def line(*roles: str, skill: str = "") -> str:
    return json.dumps({"messages": [{"role": role, "content": "x"} for role in roles], "skill": skill}) + "\n"


GOOD = line("user", "assistant")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", GOOD + line("user", "assistant", skill="0" * 64), "example 2 is of a skill that you don't have"),
        ("a.jsonl", GOOD + line("assistant", "user"), r"^a\.jsonl:2: "),
        ("a.jsonl", GOOD + line("user", "user", "assistant"), r"^a\.jsonl:2: "),
        ("a.jsonl", GOOD + line("user"), r"^a\.jsonl:2: "),
        ("a.jsonl", GOOD + line("user", "assistant").replace('"x"', '""', 1), r"^a\.jsonl:2: "),
        ("a.jsonl", GOOD + "{", r"^a\.jsonl:2: .*not JSON"),
        ("a.jsonl", "", "holds no trajectories"),
        ("a.csv", "question,answer\na,b\n", "prompt"),
        ("a.csv", "prompt,answer\na,\n", r"^a\.csv:2"),
        ("a.json", "[1", "JSON"),
        ("a.json", json.dumps(evals("aa", "aa")).replace("expected_output", "expected"), "expected"),
        ("a.json", json.dumps(export("0.9.1")), "is of OpenCode 0.9.1"),
        ("a.json", json.dumps({"messages": []}), "no session of OpenCode"),
        ("a.txt", "x", "of no kind that is known"),
    ],
)
def test_of_a_bad_file_nothing_is_kept_and_the_place_is_told(
    book: ExampleBook, skill: str, tmp_path: Path, name: str, content: str, message: str
):
    (tmp_path / name).write_text(content)
    with pytest.raises(ExampleError, match=message) as caught:
        book.import_file(ME, tmp_path / name, skill)
    assert str(tmp_path) not in str(caught.value)
    assert book.examples(ME, skill) == []


def test_fifty_megabytes_are_refused_before_they_are_read(book: ExampleBook, skill: str, tmp_path: Path):
    with (tmp_path / "big.jsonl").open("wb") as file:
        file.truncate(50_000_000)
    with pytest.raises(ExampleError, match=r"big.jsonl has 50\.0 MB; a file may have 10 MB"):
        book.import_file(ME, tmp_path / "big.jsonl", skill)
    with pytest.raises(ExampleError, match="can't be read"):
        book.import_file(ME, tmp_path / "none.jsonl", skill)


# ---- what is wrong with them ---------------------------------------------------------------------------------------


def test_examples_that_can_be_learned_from_have_no_fault(book: ExampleBook, skill: str):
    fill(book, skill)
    assert book.faults(ME, [skill]) == []


def test_what_keeps_a_training_from_starting_is_told_with_the_way_out(book: ExampleBook, skill: str):
    assert list(said(book)) == [("error", "No skill is chosen. Choose one to train on.")]
    assert "no longer in your list" in next(said(book, "0" * 64))[1]
    assert "has no examples; it takes 3 or more. Add 3" in next(said(book, skill))[1]
    fill(book, skill, 2)
    assert "has 2 examples; it takes 3 or more. Add 1" in next(said(book, skill))[1]
    fill(book, skill, 3)
    for split, message in (("train", "All examples of code-aa are to be learned from"), ("test", "are kept out")):
        for example in book.examples(ME, skill):
            book.update(ME, example.id, split=split)
        assert ("error", message) in [(severity, message) for severity, text in said(book, skill) if message in text]


def test_few_alike_and_long_answers_are_warned_of(book: ExampleBook, skill: str):
    for i in range(3):
        book.add(ME, skill, f"Case {i}?", "x" * 2_001)
    faults = list(said(book, skill))
    assert {severity for severity, _ in faults} == {"warning"}
    for part in ("has 3 examples. It can start", "have the same answer", "about 500 tokens"):
        assert any(part in message for _, message in faults)


def test_a_contradiction_and_a_failed_check_are_told_of_the_example(book: ExampleBook, skill: str):
    fill(book, skill)
    twice = [book.add(ME, skill, "Which?", answer).id for answer in ("aa", "bb")]
    wrong = book.add(ME, skill, "What?", "bb", checks=[Assertion("contains", "aa")]).id
    found = {fault.example: fault.message for fault in book.faults(ME, [skill]) if fault.severity == "error"}
    assert found.keys() == {*twice, wrong}
    assert "another answer" in found[twice[0]] and "does not pass its own check" in found[wrong]


def test_a_check_is_tried_once_for_an_answer_and_none_after_one_that_fails(
    book: ExampleBook, skill: str, monkeypatch: pytest.MonkeyPatch
):
    tried, holds = [], Assertion.holds
    monkeypatch.setattr(Assertion, "holds", lambda check, answer: tried.append(check.value) or holds(check, answer))
    fill(book, skill)
    checks = [Assertion("contains", value) for value in ("b", "aa", "not tried")]
    wrong = book.add(ME, skill, "What?", "bb", checks=checks)
    first, second = list(said(book, skill)), list(said(book, skill))
    assert first == second and "contains 'aa'" in first[0][1]
    assert tried == ["b", "aa"]
    book.update(ME, wrong.id, answer="b aa")
    assert "contains 'not tried'" in next(said(book, skill))[1]


def test_a_look_takes_so_long_and_says_what_it_left_to_the_next(
    book: ExampleBook, skill: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(examples_module, "CHECKING_SECONDS", 0.1)
    monkeypatch.setattr(Assertion, "holds", lambda *_: threading.Event().wait(0.04))  # as a pattern that times out
    for i in range(12):
        book.add(ME, skill, f"Case {i}?", f"aa {i}", checks=[Assertion("regex", "(a+)+$")])
    looks = [list(said(book, skill)) for _ in range(36)]
    (warning,) = [message for severity, message in looks[0] if severity == "warning"]
    assert "of code-aa were not tried: those before took 0.1 seconds. Write simpler patterns" in warning
    assert 0 < sum(severity == "error" for severity, _ in looks[0]) < 12
    assert [severity for severity, _ in looks[-1]] == ["error"] * 12


def test_what_is_too_long_to_be_read_is_told_with_the_limit_and_the_way_out(
    book: ExampleBook, skill: str, tmp_path: Path
):
    fill(book, skill)
    reach = Reach(4_000, 5_000, len, lambda messages: sum(len(message["content"]) for message in messages))
    assert book.faults(ME, [skill], reach) == []
    long = book.put_skill(ME, skill_text("bb") + "x" * 4_000)
    turns = [{"role": role, "content": "x" * 900} for role in ("user", "assistant") * 3]
    chats = [(*turns[:2], *turns[:2]), tuple(turns), ({"role": "user", "content": "x" * 5_000}, turns[1])]
    write_trajectories(tmp_path / "chats.jsonl", [Trajectory(chat, "") for chat in chats])
    book.import_file(ME, tmp_path / "chats.jsonl", skill)
    faults = book.faults(ME, [skill, long], reach)
    short, cut, over = (example.id for example in book.examples(ME, skill)[-3:])
    of_chats = {fault.example: (fault.severity, fault.message) for fault in faults if fault.example}
    assert short not in of_chats
    assert of_chats[cut][0] == "warning" and "a training reads 5,000. Its first 2 messages" in of_chats[cut][1]
    assert of_chats[over][0] == "error" and "5,900 tokens; 5,000 fit. Shorten them." in of_chats[over][1]
    assert any("the hypernetwork reads up to 4,000. Move" in f.message for f in faults if f.severity == "error")
    together = [fault for fault in faults if not fault.skill_name]
    assert "tokens each. Above 2,000 they are read anew" in together[0].message
    assert together[0].severity == "warning"
    assert book.faults(ME, [skill]) == book.faults(ME, [skill], Reach(10**6, 10**6, len, lambda messages: 0))


def test_how_many_are_kept_out_follows_the_share_and_what_is_marked(book: ExampleBook, skill: str):
    fill(book, skill, 12)
    examples = book.examples(ME, skill)
    assert [judged_by([examples], share) for share in (0.25, 0.5)] == [3, 6]
    for example in examples[:5]:
        book.update(ME, example.id, split="test")
    assert judged_by([book.examples(ME, skill)], 0.25) == 5
