"""Who a visitor is to the training, and whose hypernetwork makes their adapters."""

import json
import sqlite3
from pathlib import Path

import pytest

from skills.evals import Assertion, Eval
from studio.examples import ExampleError
from studio.jobs import JobError
from studio.service import StudioError
from studio.views.visitor import Training, arrived, checkpoint_of, owner_of

TEXT = "---\nname: code-aa\ndescription: How to answer.\n---\n\n- Always answer with `aa`.\n"


@pytest.fixture
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Training:
    monkeypatch.setenv("SKILL_STUDIO_DATA", str(tmp_path))
    return Training.open()


def finished(training: Training, identity: dict, root: Path) -> str:
    """The id of a training of a visitor that has finished."""
    texts, examples = training.book.trajectories(owner_of(identity), [training.add_skill(identity, TEXT)])
    job = training.jobs.submit(owner_of(identity), "code-aa", {"minutes": 1}, texts, examples)
    with sqlite3.connect(root / "jobs.sqlite3") as db:
        db.execute("UPDATE jobs SET state = 'finished' WHERE id = ?", (job.id,))
    return job.id


def test_a_visitor_who_comes_again_is_the_same_and_a_new_one_another():
    first, second = arrived({"owner": "", "using": ""}), arrived(None)
    assert owner_of(first) != owner_of(second)
    assert arrived(first) == first
    for nobody in (None, {}, {"owner": ""}, {"owner": "short"}, {"owner": 7}, "text"):
        with pytest.raises(StudioError, match="could not recognise this browser"):
            owner_of(nobody)


def test_the_secret_is_the_same_after_a_restart_and_for_this_user_alone(training: Training, tmp_path: Path):
    assert Training.open().secret == training.secret
    assert (tmp_path / "browser.key").stat().st_mode & 0o077 == 0


def test_where_training_is_off_or_there_is_no_folder_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SKILL_STUDIO_DATA", str(tmp_path / "file"))
    with pytest.raises(JobError, match="SKILL_STUDIO_DATA"):
        Training.open()
    monkeypatch.setenv("SKILL_STUDIO_TRAINING", "off")
    with pytest.raises(JobError, match="switched off on this server"):
        Training.open()


def test_a_new_skill_brings_its_evals_once(training: Training):
    identity = arrived(None)
    evals = [Eval(str(i), f"Case {i}?", "aa", ()) for i in range(3)]
    skill = training.add_skill(identity, TEXT, evals)
    assert [example.prompt for example in training.book.examples(owner_of(identity), skill)] == [
        ev.prompt for ev in evals
    ]
    assert training.keep(identity, TEXT, "One more?", "aa") == 4
    training.add_skill(identity, TEXT, evals[:1])
    assert len(training.book.examples(owner_of(identity), skill)) == 4


def test_a_skill_s_evals_come_beside_what_was_kept_before_each_once(training: Training):
    identity = arrived(None)
    owner, book = owner_of(identity), training.book
    evals = [Eval(str(i), f"Case {i}?", "aa", ()) for i in range(3)]
    training.keep(identity, TEXT, "Case 0?", "aa")  # what an eval says too
    training.keep(identity, TEXT, "Mine?", "aa")
    skill = training.add_skill(identity, TEXT, evals[:2])
    assert [each.prompt for each in book.examples(owner, skill)] == ["Case 0?", "Mine?", "Case 1?"]
    assert training.keep(identity, TEXT, "More?", "aa", evals) == 5

    one = book.examples(owner, skill)
    book.update(owner, one[0].id, answer="better")
    book.remove(owner, one[2].id)
    training.add_skill(identity, TEXT + "- Be short.\n", evals)  # nothing that was changed or removed comes back
    (own,) = book.skills(owner)
    assert [(each.prompt, each.answer) for each in book.examples(owner, own.sha256)] == [
        ("Case 0?", "better"),
        ("Mine?", "aa"),
        ("More?", "aa"),
        ("Case 2?", "aa"),
    ]
    book.remove_skill(owner, own.sha256)
    assert len(book.examples(owner, training.add_skill(identity, TEXT, evals))) == 3  # as new


def test_an_answer_that_is_kept_takes_the_place_of_the_eval_that_asks_the_same(training: Training):
    identity = arrived(None)
    owner, book = owner_of(identity), training.book
    evals = [Eval(str(i), f"Case {i}?", "aa", (Assertion("contains", "a"),)) for i in range(3)]
    assert training.keep(identity, TEXT, "Case 0?\n", "better aa", evals) == 3
    assert training.keep(identity, TEXT, "Case 1?", "aa", evals) == 3  # the expected answer: with its checks
    skill = training.add_skill(identity, TEXT, evals)  # nor does it come back later
    assert [(each.prompt, each.answer, each.checks) for each in book.examples(owner, skill)] == [
        ("Case 0?\n", "better aa", ()),
        ("Case 1?", "aa", evals[1].assertions),
        ("Case 2?", "aa", evals[2].assertions),
    ]
    assert not [fault for fault in book.faults(owner, [skill]) if fault.severity == "error"]


def test_an_answer_is_kept_though_the_evals_are_too_many(training: Training, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("studio.examples.MAX_EXAMPLES", 2)
    identity = arrived(None)
    evals = [Eval(str(i), f"Case {i}?", "aa", ()) for i in range(2)]
    with pytest.raises(ExampleError, match=r"The answer is kept, but not the skill's own examples.*2 examples"):
        training.keep(identity, TEXT, "Mine?", "aa", evals)
    owner = owner_of(identity)
    assert [each.prompt for each in training.book.examples(owner, training.add_skill(identity, TEXT))] == ["Mine?"]


def test_what_a_visitor_uses_is_their_own_finished_training(training: Training, tmp_path: Path):
    identity = arrived(None)
    assert training.checkpoint_in_use(identity) is None
    for i in range(3):
        training.keep(identity, TEXT, f"Case {i}?", "aa")
    id_ = finished(training, identity, tmp_path)
    using = {**identity, "using": id_}
    assert (
        training.checkpoint_in_use(using)
        == checkpoint_of(training.in_use(using))
        == tmp_path / "jobs" / id_ / "checkpoint"
    )
    assert json.loads((tmp_path / "jobs" / id_ / "refit.json").read_text())["out"] == str(tmp_path / "jobs" / id_)
    with pytest.raises(StudioError, match="no longer available"):
        training.in_use({**arrived(None), "using": id_})  # another's
    training.jobs.discard(owner_of(identity), id_)
    with pytest.raises(StudioError, match="Press Back to the shipped one"):
        training.in_use(using)
