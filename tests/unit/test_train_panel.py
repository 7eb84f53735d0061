"""The handlers of the training tab, without a browser: the skills offered, files, checks of an example, downloads."""

import json
import sqlite3
from pathlib import Path
from threading import Thread

import gradio as gr
import pytest
from tiny import full_disk

import training.refit
from skills.archive import EVALS
from skills.evals import Assertion, Eval, EvalError, render_evals
from studio.catalogue import OWN, SHIPPED, Catalogue
from studio.examples import Example, ExampleError
from studio.service import Studio
from studio.shelf import Shelf
from studio.turns import TurnError
from studio.views import train_panel
from studio.views.train_panel import TrainPanel
from studio.views.visitor import Training, arrived, checkpoint_of, identity_kept_with, owner_of


@pytest.fixture
def panel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainPanel:
    """The tab of a server whose base has not loaded."""
    monkeypatch.setenv("SKILL_STUDIO_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    studio, training = Studio(), Training.open()
    with gr.Blocks():
        source, editor = [gr.Textbox() for _ in range(4)], (gr.Textbox(), gr.State(), gr.Textbox())
        catalogue = Catalogue(studio.library, Shelf(tmp_path / "data"))
        return TrainPanel(studio, training, catalogue, identity_kept_with("secret"), source, *editor)


def added(panel: TrainPanel, identity: dict, key: str) -> str:
    """The digest of a skill once it is added to the book."""
    return panel._add_library(identity, "", "", key)[panel.skill]


def test_a_visitor_is_offered_what_ships_and_their_own_saved_skills_alone(panel: TrainPanel):
    me, other = arrived(None), arrived(None)
    entry, shelf = panel.studio.library.list()[0], panel.catalogue.shelf
    kept = shelf.fork(owner_of(me), entry.text.replace("description: ", "description: Mine. ", 1), entry.skill.name)
    offered = panel._offered(owner_of(me))
    assert offered[0] == (f"{entry.skill.name} (yours)", OWN + kept.id)
    assert offered[1:] == panel._offered(owner_of(other)) == panel._offered("")
    assert len(panel.open(me, "", "", 3, 25, "")) == len(panel.opened)
    assert added(panel, me, OWN + kept.id) == kept.newest.sha256
    assert "no longer among yours" in panel._add_library(other, "", "", OWN + kept.id)[panel.said]
    assert panel._add_library(me, "", "", None) == gr.skip()  # the field was emptied; {} would be an error on the page


def test_a_saved_skill_is_trained_on_with_the_evals_that_lie_beside_it(panel: TrainPanel):
    me, entry = arrived(None), panel.studio.library.list()[0]
    name, shelf, book = entry.skill.name, panel.catalogue.shelf, panel.training.book
    text = entry.text.replace("description: ", "description: Mine. ", 1)
    ev = Eval("1", "Which?", "This.", (Assertion("contains", "This"),))
    own = shelf.save(owner_of(me), text, origin=name, files={EVALS: render_evals(name, (ev,))})
    brought = book.examples(owner_of(me), added(panel, me, OWN + own.id))
    assert [(each.prompt, each.answer, each.checks) for each in brought] == [("Which?", "This.", ev.assertions)]
    other = panel.studio.library.list()[1]
    edited = other.text.replace("description: ", "description: Mine. ", 1)
    unlike = shelf.save(owner_of(me), edited, origin=other.skill.name)
    assert panel.catalogue.evals(owner_of(me), OWN + unlike.id) == ()  # those that ship are of another text
    assert panel.catalogue.evals(owner_of(me), SHIPPED + other.skill.name) == other.evals


def test_of_several_files_the_good_are_kept_and_the_others_named(panel: TrainPanel, tmp_path: Path):
    me = arrived(None)
    skill = added(panel, me, SHIPPED + panel.studio.library.list()[0].skill.name)
    before = len(panel.training.book.examples(owner_of(me), skill))
    contents = {"a.csv": "prompt,answer\nOne?,1\n", "b.jsonl": "{", "c.csv": "prompt,answer\nTwo?,2\n"}
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    said = panel._import(me, skill, "", [str(tmp_path / name) for name in contents])[panel.said]
    assert "2 examples imported." in said and "b.jsonl:1: this is not JSON" in said
    assert len(panel.training.book.examples(owner_of(me), skill)) == before + 2


def test_a_check_is_removed_and_the_others_stay(panel: TrainPanel):
    me = arrived(None)
    entry = next(entry for entry in panel.studio.library.list() if len(entry.evals[0].assertions) > 1)
    skill = added(panel, me, SHIPPED + entry.skill.name)
    example = panel.training.book.examples(owner_of(me), skill)[0]
    gone = example.checks[0].text()
    shown = panel._edited(me, skill, "", "uncheck", f"{example.id} {gone}", None)
    assert panel.training.book.examples(owner_of(me), skill)[0].checks == example.checks[1:]
    assert shown[panel.detail].count("<li>") == len(example.checks) - 1
    assert panel._edited(me, skill, "", "close", "", None) == {panel.detail: ""}


def test_turns_and_checks_are_written_edited_and_taken_out(panel: TrainPanel):
    me = arrived(None)
    skill = added(panel, me, SHIPPED + panel.studio.library.list()[0].skill.name)
    book = panel.training.book
    id_ = book.add(owner_of(me), skill, "Last?", "done").id

    def do(what: str, place: str = "", value: object = None) -> tuple[Example, dict]:
        shown = panel._edited(me, skill, "", what, f"{id_} {place}".strip(), value)
        return panel._example(owner_of(me), skill, id_)[1], shown

    now, shown = do("exchange", value={"prompt": "First?", "answer": "Begun."})
    assert [turn["content"] for turn in now.messages] == ["First?", "Begun."]
    assert "Begun." in shown[panel.detail] and "2 earlier turns" in shown[panel.table]
    now, shown = do("system", value="Be brief.")
    assert [turn["role"] for turn in now.messages] == ["system", "user", "assistant"]
    assert "3 earlier turns" in shown[panel.table]
    now, shown = do("turn", "5 2", "Started.")
    assert panel.detail not in shown and panel.table not in shown  # drawn anew, the field would lose the focus
    assert now.messages[2]["content"] == "Started." and (now.prompt, now.answer) == ("Last?", "done")
    with pytest.raises(TurnError, match="can't be empty"):
        do("turn", "5 2", " ")
    for place in ("5 9", "4 2"):  # no such turn; shown before the chat became longer
        with pytest.raises(TurnError, match="no longer there"):
            do("turn", place, "text")
    now, _ = do("remove turn", "5 1")
    assert [turn["role"] for turn in now.messages] == ["system"]
    now, _ = do("system", value="")
    assert now.messages == ()

    now, shown = do("check", value={"kind": "contains", "value": "do"})
    now, _ = do("check", value={"kind": "line_count", "value": "1"})
    now, shown = do("check", value={"kind": "json", "value": "passed over"})
    assert now.checks == (Assertion("contains", "do"), Assertion("line_count", 1), Assertion("json"))
    assert "does not pass its own check" in shown[panel.faults]  # the answer is not JSON
    now, shown = do("uncheck", now.checks[2].text())
    assert len(now.checks) == 2 and "does not pass" not in shown[panel.faults]
    with pytest.raises(ExampleError, match="is empty"):
        do("exchange", value={"prompt": "What?", "answer": ""})
    with pytest.raises(EvalError, match="Write a whole number"):
        do("check", value={"kind": "line_count", "value": "some"})
    with pytest.raises(EvalError, match="not a regular expression"):
        do("check", value={"kind": "regex", "value": "("})


def test_arguments_of_a_call_are_edited_as_json_and_a_call_goes_with_its_results(panel: TrainPanel, tmp_path: Path):
    me = arrived(None)
    skill = added(panel, me, SHIPPED + panel.studio.library.list()[0].skill.name)
    call = {"id": "c1", "type": "function", "function": {"name": "read", "arguments": {"path": "a"}}}
    chat = [
        {"role": "user", "content": "Read."},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "text", "tool_call_id": "c1"},
        {"role": "assistant", "content": "text"},
    ]
    (tmp_path / "a.jsonl").write_text(json.dumps({"messages": chat, "skill": ""}) + "\n")
    panel._import(me, skill, "", [str(tmp_path / "a.jsonl")])
    id_ = panel.training.book.examples(owner_of(me), skill)[-1].id
    panel._edited(me, skill, "", "call", f"{id_} 4 1 0", '{"path": "b"}')
    now = panel._example(owner_of(me), skill, id_)[1]
    assert now.steps[0]["tool_calls"][0] == {**call, "function": {"name": "read", "arguments": {"path": "b"}}}
    for text, said in (("{", "this is not JSON"), ("[]", "are a JSON object")):
        with pytest.raises(TurnError, match=said):
            panel._edited(me, skill, "", "call", f"{id_} 4 1 0", text)
    panel._edited(me, skill, "", "remove turn", f"{id_} 4 1", None)
    assert panel._example(owner_of(me), skill, id_)[1].steps == ()


def test_of_two_edits_of_one_example_s_turns_at_once_both_stay(panel: TrainPanel, monkeypatch: pytest.MonkeyPatch):
    me = arrived(None)
    skill = added(panel, me, SHIPPED + panel.studio.library.list()[0].skill.name)
    id_ = panel.training.book.add(owner_of(me), skill, "Last?", "done").id
    panel._edited(me, skill, "", "exchange", str(id_), {"prompt": "First?", "answer": "Begun."})
    changes, second = (
        train_panel._changes,
        Thread(target=panel._edited, args=(me, skill, "", "turn", f"{id_} 4 1", "B")),
    )

    def during(*given, **names) -> dict:
        if not second.ident:
            second.start()
            second.join(0.5)
        return changes(*given, **names)

    monkeypatch.setattr(train_panel, "_changes", during)
    panel._edited(me, skill, "", "turn", f"{id_} 4 0", "A")
    second.join()
    example = panel._example(owner_of(me), skill, id_)[1]
    assert [turn["content"] for turn in example.messages] == ["A", "B"]


def test_examples_that_are_downloaded_are_the_same_in_another_visitor_s_book(panel: TrainPanel, tmp_path: Path):
    me, other = arrived(None), arrived(None)
    book, entry = panel.training.book, panel.studio.library.list()[0]
    skill = added(panel, me, SHIPPED + entry.skill.name)
    first, second, *_ = book.examples(owner_of(me), skill)
    book.update(owner_of(me), first.id, split="test", answer="Größer \u2192 besser")
    panel._edited(me, skill, "", "exchange", str(second.id), {"prompt": "First?", "answer": "Begun."})
    update, said = panel._save_examples(me, skill)
    file = Path(update.value["path"])
    assert said == "" and file.name == f"{entry.skill.name}-examples.jsonl"
    assert file.is_relative_to(tmp_path / "gradio")  # where what is old is deleted

    assert book.put_skill(owner_of(other), entry.text) == skill
    said = panel._import(other, skill, "", [str(file)])[panel.said]
    texts, examples = book.trajectories(owner_of(me), [skill])
    assert f"{len(examples)} examples imported." in said
    assert book.trajectories(owner_of(other), [skill]) == (texts, examples)

    assert "no longer in your list" in panel._save_examples(arrived(None), skill)[1]
    book.remove_skill(owner_of(me), skill)
    update, said = panel._save_examples(me, book.put_skill(owner_of(me), entry.text))
    assert update == gr.skip() and "has no examples yet. Add one in the table, or import a file." in said


def test_what_a_look_finds_says_which_training_it_was_asked_of_and_nothing_where_nothing_changed(panel: TrainPanel):
    me = arrived(None)
    skill = added(panel, me, SHIPPED + panel.studio.library.list()[0].skill.name)
    texts, examples = panel.training.book.trajectories(owner_of(me), [skill])
    job = panel.training.jobs.submit(owner_of(me), "mine", {"minutes": 1}, texts, examples)
    for asked in ("", job.id):
        looked = json.loads(panel._look(me, asked, ""))
        found = dict(zip(panel.watched, looked["values"], strict=True))
        assert looked["of"] == asked and found[panel.job] == job.id and "mine" in found[panel.state]
        assert found[panel.discard] == {"visible": True, "__type__": "update"}
    assert panel._look(me, job.id, found[panel.seen]) == gr.skip()


def test_the_form_begins_with_the_minutes_that_the_machine_needs_unless_others_were_chosen(
    panel: TrainPanel, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(training.refit, "usual_minutes", lambda: 8.0)
    me, begun = arrived(None), panel.minutes.value
    skill = added(panel, me, SHIPPED + panel.studio.library.list()[0].skill.name)
    for known, minutes, shown in (("", begun, 8.0), (skill, begun, begun), (skill, 5.0, 5.0)):
        values = dict(zip(panel.opened, panel.open(me, known, "", minutes, 25, ""), strict=True))
        assert values[panel.minutes] == shown and f"at most {shown:.0f}" in values[panel.estimate]


def test_what_was_asked_and_said_of_one_training_goes_when_another_is_chosen_or_started(panel: TrainPanel):
    me = arrived(None)
    skill = added(panel, me, SHIPPED + panel.studio.library.list()[0].skill.name)
    texts, examples = panel.training.book.trajectories(owner_of(me), [skill])
    first = panel.training.jobs.submit(owner_of(me), "mine", {"minutes": 1}, texts, examples)
    settings = [panel.go_on, panel.minutes, panel.kept_out, panel.change]
    settings += [panel.replay, panel.texts, panel.patience, panel.seed]
    values = {component: component.value for component in settings}
    started = panel._start({panel.identity: me, panel.left_out: "", **values})
    chosen = panel._choose(me, gr.EventData(None, {"id": first.id}))
    assert started[panel.job] != first.id == chosen[panel.job]
    for shown in (started, chosen):
        assert shown[panel.confirm].visible is False
        assert shown[panel.problem] == shown[panel.push.line] == ""


def test_with_no_disk_left_a_download_says_so_and_later_succeeds(panel: TrainPanel, tmp_path: Path):
    me, page = arrived(None), gr.Request(session_hash="page")
    skill = added(panel, me, SHIPPED + panel.studio.library.list()[0].skill.name)
    texts, examples = panel.training.book.trajectories(owner_of(me), [skill])
    job = panel.training.jobs.submit(owner_of(me), "mine", {"minutes": 1}, texts, examples)
    checkpoint_of(job).mkdir()
    (checkpoint_of(job) / "model.safetensors").write_bytes(bytes(10_000))
    with sqlite3.connect(tmp_path / "data" / "jobs.sqlite3") as db:
        db.execute("UPDATE jobs SET state = 'finished'")
    with full_disk(100):
        _, said = panel._zip(me, job.id, page)
    assert "could not be written" in said and "Free some disk space" in said
    update, said = panel._zip(me, job.id, page)
    assert said == "" and Path(update.value["path"]).stat().st_size > 10_000
    assert "no such training" in panel._zip(arrived(None), job.id, page)[1]
