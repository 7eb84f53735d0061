"""A refit on the tiny base: what it learns, keeps, reports, and how it goes on after it was stopped."""

import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tiny import LAUNCH_TWO, full_disk, load_base, make_hypernetwork, snapshot

from hypernet.adapter import Adapter, Provenance, layers_path, make_adapter, read_weights, text_sha256
from hypernet.base import Base
from hypernet.gguf_export import adapter_gguf
from hypernet.hypernetwork import load_hypernetwork
from hypernet.lora import LoraWeights
from skills.evals import Assertion, load_evals
from training import refine as refine_module
from training import refit as refit_module
from training.commands import main
from training.examples import Example, Scored
from training.measure import CHECKED, CUT, Asked, answers_of, figures_of, judge, others, percent, read, verdict
from training.progress import TrackerError
from training.refine import refine
from training.refit import KEPT_OUT, Refit, RefitConfig, RefitError, prepare, read_config, split_examples
from training.refit_bench import draw
from training.synthesize import Synthesis, collect, read_skill
from training.tasks import HELD_OUT
from training.trajectories import Trajectory, from_evals, read_trajectories, write_trajectories
from training.variation import vary


def skill_text(code: str) -> str:
    return f"---\nname: code-{code}\ndescription: How to answer.\n---\n\n# Codes\n\n- Always answer with `{code}`.\n"


ROOT = Path(__file__).parents[2]
SKILLS = {text_sha256(skill_text(code)): skill_text(code) for code in ("aa", "bb")}


def turn(prompt: str, answer: str) -> tuple[dict, ...]:
    return {"role": "user", "content": prompt}, {"role": "assistant", "content": answer}


def examples() -> list[Trajectory]:
    return [
        Trajectory(turn(f"Case {i}?", code), digest, checks=(Assertion("contains", code),))
        for digest, code in zip(SKILLS, ("aa", "bb"), strict=True)
        for i in range(6)
    ]


def marked(split: str) -> list[Trajectory]:
    """Those of the second skill all in one part."""
    return [*examples()[:6], *(replace(each, split=split) for each in examples()[6:])]


@pytest.fixture
def config(tiny_folder: Path, checkpoint: Path, tmp_path: Path) -> RefitConfig:
    return RefitConfig(
        out=str(tmp_path / "run"),
        base=str(tiny_folder),
        checkpoint=str(checkpoint),
        minutes=0,
        steps=6,
        look_every=2,
        families=2,
        learning_rate=3e-3,
        patience=100,
    )


@pytest.fixture(autouse=True)
def _little_to_hold_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refit_module, "NEUTRAL", 2)
    monkeypatch.setattr(refit_module, "REPLAYED", 8)
    # the tiny base never ends an answer
    monkeypatch.setattr("training.measure.CHECKED", 16)
    monkeypatch.setattr("training.measure.WRITTEN", 16)


def start(config: RefitConfig, skills: dict[str, str] | None = None, asked: list[Trajectory] | None = None) -> Refit:
    prepare(config, SKILLS if skills is None else skills, examples() if asked is None else asked)
    return Refit(config, load_base(config.base))


def skill_folder(parent: Path, code: str, evals: int = 0) -> Path:
    """A skill with so many evals."""
    folder = parent / f"code-{code}"
    folder.mkdir()
    (folder / "SKILL.md").write_text(skill_text(code))
    if evals:
        check = {"kind": "contains", "value": code}
        items = [
            {"id": str(i), "prompt": f"Case {i}?", "expected_output": code, "assertions": [check]} for i in range(evals)
        ]
        (folder / "evals").mkdir()
        (folder / "evals" / "evals.json").write_text(json.dumps({"skill_name": folder.name, "evals": items}))
    return folder


def curve(config: RefitConfig) -> list[dict]:
    return [json.loads(line) for line in (Path(config.out) / "curve.jsonl").read_text().splitlines()]


def test_the_kept_out_loss_falls_and_the_report_holds_what_was_measured(config: RefitConfig):
    report = start(replace(config, steps=40, look_every=5)).run()
    lines = curve(config)
    own, families, neutral = report["parts"]
    assert lines[0]["step"] == 0 and lines[0]["kept_out"] > 0 and lines[0]["loss"] > 0
    assert own["after"]["loss"] < 0.7 * own["before"]["loss"] == pytest.approx(0.7 * lines[0]["kept_out"], abs=1e-3)
    looks = [(-line["exact"], line["kept_out"]) for line in lines if "kept_out" in line]
    assert (-own["after"]["exact"], own["after"]["loss"]) == min(looks)
    assert {"exact", "f1", "checks", "wrong_skill"} <= own["after"].keys()
    assert (own["n"], families["n"], len(report["answers"])) == (4, 8, 4)
    assert families["name"] == "families" and neutral["after"].keys() == {"loss"}
    assert all(line["tokens_per_second"] > 0 for line in lines[1:])
    shown = [line["samples"] for line in lines if "samples" in line]
    assert shown and shown[0][0].keys() == {"skill", "prompt", "expected", "answer"}


def test_the_checkpoint_is_another_hypernetwork_and_the_start_is_untouched(config: RefitConfig, checkpoint: Path):
    before = {file.name: file.read_bytes() for file in checkpoint.iterdir()}
    base = load_base(config.base)
    began, weights = load_hypernetwork(base, checkpoint).fingerprint, snapshot(base)
    run = start(config)
    report = run.run()
    made = load_hypernetwork(base, Path(config.out) / "checkpoint")
    assert {file.name: file.read_bytes() for file in checkpoint.iterdir()} == before
    assert made.fingerprint != began == report["begun_with"]
    assert made.config.trained["refitted on"] == "code-aa, code-bb"
    assert all(torch.equal(tensor, weights[name]) for name, tensor in run.base.model.state_dict().items())


def test_on_replayed_skills_it_is_held_to_what_it_said_before(config: RefitConfig):
    digest, text = next(iter(SKILLS.items()))
    run = start(replace(config, texts=1), {digest: text}, [t for t in examples() if t.skill == digest])
    neutral = [run.neutral[0].examples]
    run.neutral = run._held(neutral, run._own_adapters())  # not the base's answer, so that it too is met
    loss, (own, _) = run._loss(random.Random(0))
    assert loss.item() == pytest.approx(own, abs=1e-3)  # it still says the same: nothing is added
    with torch.no_grad():
        for head in run.hypernetwork.module_heads.values():
            head.scale.add_(0.5)
    loss, (own, _) = run._loss(random.Random(0))
    assert loss.item() > own + 0.01


def test_a_stopped_run_goes_on_to_the_very_result_of_an_unbroken_one(config: RefitConfig, tmp_path: Path):
    whole = start(config).run()
    other = replace(config, out=str(tmp_path / "other"))
    first = start(other)
    first_step = first._step

    def stop_after_three(rate: float) -> tuple[float, int]:
        result = first_step(rate)
        if first.progress.step == 3:
            first.stop.set()
        return result

    first._step = stop_after_three
    assert first.run() is None
    assert curve(other)[-1] == {"stopped": True, "step": 3}
    report = start(other).run()
    base = load_base(config.base)
    made = [load_hypernetwork(base, Path(c.out) / "checkpoint").fingerprint for c in (config, other)]
    assert made[0] == made[1]
    assert report["parts"] == whole["parts"]
    assert [(x["step"], x.get("loss"), x.get("kept_out")) for x in curve(other)] == [
        (x["step"], x.get("loss"), x.get("kept_out")) for x in curve(config)
    ]


def test_a_stopped_run_goes_on_though_what_it_began_with_was_replaced(
    config: RefitConfig, checkpoint: Path, tmp_path: Path
):
    shipped = shutil.copytree(checkpoint, tmp_path / "shipped")
    config = replace(config, checkpoint=str(shipped))
    run = start(config)
    step = run._step
    run._step = lambda rate: run.stop.set() or step(rate)
    assert run.run() is None
    make_hypernetwork(run.base, seed=5).save_pretrained(shipped)
    report = start(config).run()
    assert report["begun_with"] == run.begun_with and report["steps"] == config.steps
    assert not (Path(config.out) / "start").exists()


def test_a_refit_that_has_ended_gives_its_report_with_nothing_loaded(
    config: RefitConfig, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shipped = shutil.copytree(checkpoint, tmp_path / "shipped")
    config = replace(config, checkpoint=str(shipped), steps=1)
    report = start(config).run()
    shutil.rmtree(shipped)
    monkeypatch.setattr(Base, "load", None)
    assert Refit(config).run() == Refit(config).run() == report


def test_what_a_killed_process_left_unfinished_is_removed_and_nothing_else(config: RefitConfig):
    prepare(config, SKILLS, examples())
    left = [Path(config.out) / name for name in (".state.safetensors-a_b1c2d3", ".mine-abcdefgh", "notes")]
    for file in left:
        file.touch()
    start(config)
    assert [file.exists() for file in left] == [False, True, True]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_that_is_stopped_while_it_measures_stops_soon_and_goes_on(
    config: RefitConfig, when: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(refit_module, "TOGETHER", 1)
    config, judged = replace(config, steps=1), []

    def stop_at_once(*asked: object) -> list:
        judged.append(run.progress.step)
        if when == "before" or run.progress.step == 1:
            run.stop.set()
        return judge(*asked)

    with monkeypatch.context() as patch:
        patch.setattr(refit_module, "judge", stop_at_once)
        run = start(config)
        assert run.run() is None
    assert judged.count(0 if when == "before" else 1) == 2  # of each kind one part
    assert curve(config)[-1] == {"stopped": True, "step": 0 if when == "before" else 1}
    assert start(config).run()["steps"] == 1


# the command line, with less to read before it starts
WITH_LITTLE_TO_HOLD_TO = """
import sys
from training import refit
from training.commands import main
refit.NEUTRAL, refit.REPLAYED = 2, 8
sys.exit(main(["refit", "--config", sys.argv[1]]))
"""


def command(config: RefitConfig) -> subprocess.Popen:
    arguments = [sys.executable, "-c", WITH_LITTLE_TO_HOLD_TO, str(Path(config.out) / "refit.json")]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def wait_for_step(config: RefitConfig, step: int) -> None:
    for _ in range(1200):
        file = Path(config.out) / "curve.jsonl"
        if file.exists() and any(f'"step": {n},' in file.read_text() for n in range(step, step + 50)):
            return
        time.sleep(0.1)
    raise AssertionError("the trainer did not get there")


def test_a_trainer_that_was_told_to_stop_saves_and_one_that_was_killed_can_go_on(config: RefitConfig):
    config = replace(config, steps=100_000)
    prepare(config, SKILLS, examples())
    process = command(config)
    wait_for_step(config, 2)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    stopped = curve(config)[-1]
    assert stopped["stopped"] and stopped["step"] >= 2
    process = command(config)
    wait_for_step(config, stopped["step"] + 1)
    process.kill()
    process.wait()
    config = replace(config, steps=stopped["step"] + 1)
    prepare(config, SKILLS, examples())
    process = command(config)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert json.loads((Path(config.out) / "report.json").read_text())["steps"] == config.steps
    steps = [line["step"] for line in curve(config) if "stopped" not in line]
    assert steps == sorted(set(steps))


def test_a_bound_in_time_holds_and_still_leaves_a_report(config: RefitConfig, monkeypatch: pytest.MonkeyPatch):
    now = [0.0]  # a clock that only what is run moves, at any machine's speed the same
    monkeypatch.setattr(refit_module, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    run = start(replace(config, minutes=1, steps=0, patience=1000))

    def taking(seconds: float, work: Callable) -> Callable:
        def timed(*arguments: object) -> object:
            now[0] += seconds
            return work(*arguments)

        return timed

    run._loss, run._measure = taking(5, run._loss), taking(8, run._measure)
    report = run.run()
    assert 60 - 8 < report["seconds"] <= 60
    assert report["steps"] == len(curve(run.config)) - 1 > 5


def test_in_little_time_as_much_is_measured_as_there_is_time_for_and_afterwards_the_same(
    config: RefitConfig, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(refit_module, "TOGETHER", 2)
    run = start(replace(config, kept_out=0.5))
    before = run._measure(0.0)
    assert before["counts"] == {"own skills": 2, "families": 2, "neutral text": 2}
    assert [item.name for item in run.measured[:2]] == ["code-aa", "code-bb"]  # of all skills, as far as it goes
    whole = run._measure(math.inf)
    assert whole["counts"] == {"own skills": 6, "families": 8, "neutral text": 2}
    assert whole["answers"][:2] == before["answers"]
    assert run._measure(math.inf, before["counts"]) == before
    run._measure = lambda seconds, counts=None: before  # what took so long before
    parts = run.run()["parts"]
    assert [part["n"] for part in parts] == [2, 2, 2]


def test_the_last_step_is_looked_at_too(config: RefitConfig):
    start(replace(config, steps=5)).run()
    assert [line["step"] for line in curve(config) if "kept_out" in line] == [0, 2, 4, 5]


def test_two_processes_do_not_train_in_one_folder(config: RefitConfig):
    first = start(config)
    with pytest.raises(RefitError, match=r"Another process trains in .*stop it, or choose another folder"):
        start(config)
    first.run()
    assert start(config).run()["steps"] == config.steps  # it is free again, and what it made is there


def test_texts_that_are_too_much_to_keep_are_read_at_every_step(config: RefitConfig, monkeypatch: pytest.MonkeyPatch):
    kept = start(config).run()
    monkeypatch.setattr(refit_module, "READ_ONCE", 0)
    monkeypatch.setattr(refit_module, "AT_ONCE", 1)
    run = start(replace(config, out=config.out + "-2"))
    assert not run.reads and len(run.wordings) == config.texts
    again = run.run()
    assert again["parts"][0]["after"]["loss"] == pytest.approx(kept["parts"][0]["after"]["loss"], rel=0.02)


def test_one_long_text_among_short_ones_is_too_much_to_keep_padded(
    config: RefitConfig, monkeypatch: pytest.MonkeyPatch
):
    base = load_base(config.base)
    long = skill_text("aa") + "w " * 300
    texts = {text_sha256(text): text for text in (long, skill_text("bb"))}
    asked = [replace(each, skill=digest) for digest, each in zip([*texts] * 6, examples(), strict=True)]
    tokens = [base.count_tokens(text) for text in texts.values()]
    monkeypatch.setattr(refit_module, "READ_ONCE", sum(tokens))
    assert not start(replace(config, texts=1), texts, asked).reads
    monkeypatch.setattr(refit_module, "READ_ONCE", 2 * max(tokens))
    assert start(replace(config, texts=1, out=config.out + "-2"), texts, asked).reads


def test_of_long_chats_a_step_asks_only_as_many_as_there_is_memory_for(
    config: RefitConfig, monkeypatch: pytest.MonkeyPatch
):
    asked = [replace(t, messages=turn(f"{'word ' * 60}{i}?", "aa")) for i, t in enumerate(examples())]
    whole = start(config, asked=asked)
    longest = max(len(e.prompt_ids) + len(e.answer_ids) for chats in whole.learned for (e,) in chats)
    assert whole.skills_per_step == 2 and len(whole._some_turns(0, random.Random(0))) == 4
    for most, skills in ((5 * longest, 2), (longest, 1)):
        monkeypatch.setattr(refit_module, "ASKED_AT_ONCE", most)
        run = start(replace(config, out=f"{config.out}-{skills}", replay=0, steps=1), asked=asked)
        assert run.skills_per_step == skills
        for seed in range(8):
            turns = run._some_turns(0, random.Random(seed))
            assert 0 < sum(len(e.prompt_ids) + len(e.answer_ids) for e in turns) <= most // skills
        assert run.run()["steps"] == 1


def test_a_chat_as_long_as_the_base_reads_leaves_room_for_an_answer_with_checks(config: RefitConfig):
    base = load_base(config.base)
    room = base.context_length - CHECKED
    prompt = "word " * room
    while len(base.chat_ids(prompt)) > room - 8:
        prompt = prompt[:-5]
    asked = [replace(each, messages=turn(prompt, "aa"), split="test") for each in examples()[:1]] + examples()[1:]
    run = start(replace(config, context=1_000_000), asked=asked)
    long = [item for item in run.kept if len(item.turns[-1].prompt_ids) > room - 20]
    assert len(long) == 1
    judged = judge(run.base, run._own_adapters(), others(run._own_adapters()), run.kept)
    assert len(judged) == len(run.kept)


def test_signals_are_those_of_before_when_a_run_has_ended(config: RefitConfig):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    start(replace(config, steps=1)).run()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_text_as_long_as_can_be_read_is_trained_on_without_words_that_make_it_longer(config: RefitConfig):
    base = load_base(config.base)
    longest = load_hypernetwork(base, config.checkpoint).config.max_tokens
    text = skill_text("aa")
    text += "w " * longest
    while base.count_tokens(text) > longest:
        text = text[:-1]
    texts = {text_sha256(text): text}
    asked = [replace(each, skill=next(iter(texts))) for each in examples()[:4]]
    run = start(replace(config, texts=8), texts, asked)
    assert any(way == [text] for way in run.wordings[1:])
    assert all(base.count_tokens(way[0]) <= longest for way in run.wordings)


def test_of_a_long_chat_the_end_is_read_and_a_long_question_is_refused(config: RefitConfig, tmp_path: Path, capsys):
    chat = tuple(message for i in range(20) for message in turn(f"Question {i} of many?", "an answer"))
    asked = [*examples(), replace(examples()[0], messages=(*chat, *turn("Case?", "aa")))]
    prepare(config := replace(config, context=100, steps=1), SKILLS, asked)
    assert main(["refit", "--config", str(Path(config.out) / "refit.json")]) == 0
    assert "code-aa: of 1 chats, which have over 100 tokens, the end alone is read.\n" in capsys.readouterr().err
    (Path(config.out) / "report.json").unlink()  # of a refit that has ended nothing is loaded
    assert max(len(each.prompt_ids + each.answer_ids) for each in Refit(config).learned[0][-1]) <= 100
    asked[-1] = replace(examples()[0], messages=turn("word " * 100, "aa"))
    with pytest.raises(RefitError, match=r"An example of code-aa is too long: .* 100 fit\. Shorten them"):
        start(replace(config, out=config.out + "-2"), asked=asked)


def test_it_ends_when_nothing_kept_out_gets_better(config: RefitConfig):
    report = start(replace(config, steps=1000, look_every=1, patience=2, learning_rate=0.1)).run()
    assert report["steps"] < 100
    assert report["best_step"] < report["steps"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"skills": {}}, "takes 1 to"),
        ({"asked": examples()[:2]}, "takes 3 or more"),
        ({"asked": [*examples(), Trajectory(turn("a", "b"), "0" * 64)]}, "no skill here"),
        ({"asked": marked("train")}, "All examples of code-bb have the split train: mark one or more as test"),
        ({"asked": marked("test")}, "All examples of code-bb have the split test: there is nothing to learn from"),
    ],
)
def test_what_cannot_be_learned_from_is_told_before_anything_is_written(
    config: RefitConfig, change: dict, message: str
):
    with pytest.raises(RefitError, match=message):
        start(config, **change)
    assert not Path(config.out).exists()


@pytest.mark.parametrize(
    "change", [{"minutes": -1}, {"steps": 0}, {"kept_out": 0.99}, {"learning_rate": 1.0}, {"seed": 10**20}]
)
def test_settings_out_of_range_are_refused_by_name(config: RefitConfig, change: dict):
    with pytest.raises(RefitError, match=next(iter(change))):
        prepare(replace(config, **change), SKILLS, examples())


def test_a_folder_of_another_refit_is_refused(config: RefitConfig):
    prepare(config, SKILLS, examples())
    with pytest.raises(RefitError, match="another refit"):
        prepare(replace(config, seed=1), SKILLS, examples())
    with pytest.raises(RefitError, match=r"other examples\. Choose another folder to train on these, or delete it"):
        prepare(config, SKILLS, [replace(examples()[0], messages=turn("Case 0?", "better")), *examples()[1:]])
    elsewhere = str(Path(config.out).parent / "." / Path(config.out).name)
    prepare(replace(config, out=elsewhere + "/"), SKILLS, examples())
    prepare(replace(config, steps=7, track="tensorboard"), SKILLS, [*examples(), examples()[0]])  # it may go on
    assert read_config(Path(config.out) / "refit.json").steps == 7
    assert list(read_trajectories(Path(config.out) / "examples.jsonl")) == examples()


def test_more_time_for_a_refit_that_has_ended_is_refused_with_the_way_out(config: RefitConfig):
    start(replace(config, steps=1)).run()
    prepare(replace(config, steps=1), SKILLS, examples())
    with pytest.raises(RefitError, match=r"has ended\. Choose another folder; with --checkpoint .*/checkpoint it goes"):
        prepare(replace(config, steps=7), SKILLS, examples())
    assert read_config(Path(config.out) / "refit.json").steps == 1


def test_with_no_disk_left_the_last_saved_state_stays(config: RefitConfig):
    run = start(config)
    run._save()
    kept = (Path(config.out) / "state.safetensors").read_bytes()
    with full_disk(1000), pytest.raises(RefitError, match="disk space"):
        run.run()
    assert (Path(config.out) / "state.safetensors").read_bytes() == kept
    with full_disk(100), pytest.raises(RefitError, match=r"other can't be filled .*Free some disk space"):
        prepare(replace(config, out=str(Path(config.out).with_name("other"))), SKILLS, examples())


def test_examples_are_split_as_they_say_and_else_by_lot():
    drawn = [Trajectory(turn(f"p{i}", "a"), "0" * 64) for i in range(8)]
    train, test = split_examples(drawn, 0.25, random.Random(0))
    assert (len(train), len(test)) == (6, 2)
    assert sorted(t.messages[0]["content"] for t in [*train, *test]) == sorted(t.messages[0]["content"] for t in drawn)
    told = [replace(t, split="test" if i < 5 else "train") for i, t in enumerate(drawn)]
    assert split_examples(told, 0.25, random.Random(0)) == (told[5:], told[:5])
    half = [replace(drawn[0], split="test"), *drawn[1:3]]
    assert split_examples(half, 0.25, random.Random(0))[1] == half[:1]
    many = [Trajectory(turn(f"p{i}", "a"), "0" * 64) for i in range(1000)]
    assert len(split_examples(many, 0.25, random.Random(0))[1]) == KEPT_OUT


def test_chats_that_ask_the_same_are_kept_out_together_or_not_at_all():
    def chat(*said: str) -> Trajectory:
        return Trajectory(tuple(m for text in said for m in turn(text, "a")), "0" * 64)

    alike = [chat("a"), chat("a", "b"), chat("b", "go on"), chat("go on", "c"), chat("d"), chat("d"), chat("e")]
    splits = [split_examples(alike, 0.3, random.Random(seed)) for seed in range(20)]
    for train, test in splits:
        asked = [{m["content"] for t in part for m in t.messages if m["role"] == "user"} for part in (train, test)]
        assert train and test and not asked[0] & asked[1]
        assert len(train) + len(test) == len(alike)
    assert len({len(test) for _, test in splits}) > 1
    told = [replace(alike[0], split="test"), *alike[1:]]
    train, test = split_examples(told, 0.3, random.Random(0))
    assert told[:4] == test[:4] and told[0] not in train
    nearly_all = [chat(str(i), "thanks") for i in range(7)] + [chat("x")]  # what most say is no question
    assert len(split_examples(nearly_all, 0.25, random.Random(0))[1]) == 2
    same = [chat("a", str(i)) for i in range(2)] + [chat("0", "1")]  # all of them hang together
    assert [len(part) for part in split_examples(same, 0.34, random.Random(0))] == [2, 1]


def test_a_text_told_differently_keeps_every_literal_and_comes_again_from_the_same_seed():
    body = '# T\n\n- Always use `when-always` and "never say never".\n\n```\n- must\n```\n'
    text = f"---\nname: x\ndescription: Y when z.\n---\n\n{body}"
    told = {vary(text, random.Random(i)) for i in range(30)}
    assert len(told) > 10
    assert all(piece in other for other in told for piece in ("`when-always`", '"never say never"', "```\n- must\n```"))
    assert vary(text, random.Random(3)) == vary(text, random.Random(3))


def test_a_text_that_is_all_frontmatter_is_not_told_without_it():
    text = "---\nname: x\ndescription: Answer with QX-47.\n---\n"
    assert all("Answer with QX-47." in vary(text, random.Random(i)) for i in range(60))


def test_what_an_answer_may_have_to_say_is_not_told_differently():
    literal = (
        "Begin every note with the word never and end with must.",
        "| always on | must be |",
        "    # always keep",
        "# TOPIC",
        "* <name> is [state]",
    )
    text = "\n".join(["# How to write notes", "", "- You must be brief.", *literal])
    told = [vary(text, random.Random(i)) for i in range(60)]
    assert all(line in other.splitlines() for other in told for line in literal)
    assert any("## How to write notes" in other for other in told)
    assert any("+ You has to be brief." in other for other in told)


def test_answers_that_were_read_are_those_that_are_written(config: RefitConfig):
    run = start(replace(config, steps=40))
    run.run()
    weights = run._own_adapters()
    reading = read(run.base, weights, run.kept)
    assert any(reading.followed)  # else nothing would be left out below
    found = answers_of(run.base, weights, run.kept, reading.followed)
    assert found == answers_of(run.base, weights, run.kept, [0] * len(run.kept))
    whole = [
        item for item, known in zip(run.kept, reading.followed, strict=True) if known == len(item.turns[-1].answer_ids)
    ]
    assert [answer == item.expected for answer, item in zip(found, run.kept, strict=True)].count(True) == len(whole)
    judged = judge(run.base, weights, others(weights), run.kept)
    assert [item.answer for item in judged] == found and figures_of(judged)["loss"] == reading.loss
    assert [item.exact for item in judged] == reading.exact(run.kept)


def test_an_answer_that_goes_on_is_shown_as_cut_and_one_with_checks_has_room_to_end(config: RefitConfig):
    run = start(config)
    weights = run._own_adapters()
    checked = [item for item in run.kept if item.checks]
    plain = [replace(item, checks=()) for item in checked]
    nothing_known = [0] * len(checked)
    long, short = (answers_of(run.base, weights, asked, nothing_known) for asked in (checked, plain))
    cut = [i for i, answer in enumerate(short) if answer.endswith(CUT)]
    assert cut  # a base of random weights does not end
    assert all(len(long[i]) > len(short[i]) and long[i].startswith(short[i].removesuffix(CUT)) for i in cut)


def test_a_right_answer_of_any_length_can_be_written_where_checks_decide(
    config: RefitConfig, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("training.measure.WRITTEN", 4)
    monkeypatch.setattr("training.measure.CHECKED", 4)
    long = [replace(each, messages=turn(each.messages[0]["content"], "aa " * 20)) for each in examples()[:6]]
    run = start(config, asked=[*long, *examples()[6:]])
    item = next(each for each in run.kept if each.skill == 0)
    weights = run._own_adapters()
    room = len(item.turns[-1].answer_ids)
    checked, plain = (answers_of(run.base, weights, [each], [0])[0] for each in (item, replace(item, checks=())))
    written = [len(run.base.encode(answer.removesuffix(CUT))) for answer in (checked, plain)]
    assert written[1] <= 8 < room / 2 < written[0]


def test_one_skill_alone_is_held_against_the_adapter_of_another(config: RefitConfig):
    digest, text = next(iter(SKILLS.items()))
    report = start(config, {digest: text}, [t for t in examples() if t.skill == digest]).run()
    (Path(config.out) / "report.json").unlink()  # of a refit that has ended nothing is loaded
    own = report["parts"][0]
    assert all(0 <= own[when]["wrong_skill"] <= 100 for when in ("before", "after"))
    run = Refit(replace(config, checkpoint=f"{config.out}/checkpoint", out=config.out), load_base(config.base))
    families = run._adapters(run.family_read)
    assert own["after"]["wrong_skill"] == percent(read(run.base, families.rows([0]), run.kept).exact(run.kept))


def test_neutral_text_of_the_report_is_none_that_training_saw(config: RefitConfig, monkeypatch: pytest.MonkeyPatch):
    asked: list[list[Asked]] = []
    monkeypatch.setattr(refit_module, "read", lambda base, weights, of: asked.append(of) or read(base, weights, of))
    run = start(config)
    run._measure(math.inf)
    measured = {tuple(turn.answer_ids) for item in asked[-1] for turn in item.turns}
    assert len(measured) == refit_module.NEUTRAL
    assert not measured & {tuple(example.answer_ids) for held in run.neutral for example in held.examples}


def test_many_kept_out_examples_are_looked_at_in_part(config: RefitConfig, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(refit_module, "LOOKED_AT", 3)
    monkeypatch.setattr(refit_module, "MEASURED", 2)
    report = start(replace(config, kept_out=0.5)).run()
    assert report["parts"][0]["n"] == len(report["answers"]) == 2
    assert {answer["skill"] for answer in report["answers"]} == {"code-aa", "code-bb"}


def test_the_control_is_right_where_its_answer_passes_the_checks(config: RefitConfig):
    loose, strict = Assertion("regex", ".*"), Assertion("contains", "no answer has this in it")
    run = start(config)
    weights = run._own_adapters()
    asked = [replace(item, checks=(check,)) for item, check in zip(run.kept, (loose, strict), strict=False)]
    judged = judge(run.base, weights, others(weights), asked)
    assert [item.wrong for item in judged] == [True, False]
    assert [item.right for item in judged] == [True, False]


def test_the_last_step_of_a_stopped_run_is_looked_at_before_it_ends(config: RefitConfig):
    config = replace(config, steps=100, look_every=50)
    run = start(config)
    step = run._step

    def stop_after_three(rate: float) -> tuple[float, int]:
        run.stop.set() if run.progress.step == 2 else None
        return step(rate)

    run._step = stop_after_three
    assert run.run() is None
    (Path(config.out) / "finish").touch()
    report = start(config).run()
    assert report["steps"] == 3
    assert [line["step"] for line in curve(config) if "kept_out" in line] == [0, 3]


def test_to_load_a_run_again_takes_nothing_of_its_time(config: RefitConfig):
    run = start(replace(config, minutes=5, steps=0))
    run.progress = replace(run.progress, step=1, before={"counts": {}})
    taken = run._seconds()
    run._save()
    run.lock.release()
    again = start(run.config)
    assert taken <= again.progress.seconds < again._seconds() < taken + 1


def test_the_card_of_a_refit_of_a_refit_names_the_skills_of_both(config: RefitConfig, tmp_path: Path):
    start(replace(config, steps=2)).run()
    first = str(Path(config.out) / "checkpoint")
    digest = list(SKILLS)[1]
    later = replace(config, steps=2, checkpoint=first, out=str(tmp_path / "later"))
    start(later, {digest: SKILLS[digest]}, [each for each in examples() if each.skill == digest]).run()
    trained = load_hypernetwork(load_base(config.base), Path(later.out) / "checkpoint").config.trained
    assert trained["refitted on"] == "code-aa, code-bb, code-bb"
    before = load_hypernetwork(load_base(config.base), first).config.trained
    assert trained["refit steps"] >= before["refit steps"]


def part(exact: float, wrong: float = 0.0, loss: float = 1.0) -> dict:
    return {"exact": exact, "wrong_skill": wrong, "loss": loss}


@pytest.mark.parametrize(
    ("own", "families", "said"),
    [
        ((part(0), part(60)), (part(20), part(20)), "Use it"),
        ((part(0), part(60)), (part(20), part(10)), "these skills alone"),
        ((part(0), part(60, wrong=50)), (part(20), part(20)), "answers are alike"),
        ((part(10), part(10, loss=0.5)), (part(20), part(20)), "comes nearer"),
        ((part(10), part(5, loss=2)), (part(20), part(20)), "discard"),
        (
            (part(0) | {"checks": 10, "right": 10}, part(0) | {"checks": 90, "right": 90}),
            (part(20), part(20)),
            "90 % are exact or pass their checks now, 10 % before; what was known before stays",
        ),
        ((part(0), part(5)), (part(20), part(20)), "that may be chance. Give it more time"),
        ((part(0), part(60)), (part(20), part(17)), "may have lost a little (20 % before, 17 % now). Use it. Expect"),
    ],
)
def test_the_sentence_says_what_to_do(own: tuple[dict, dict], families: tuple[dict, dict], said: str):
    parts = [{"n": 20, "before": before, "after": after} for before, after in (own, families)]

    def right(figures: dict) -> list[bool]:
        return [i < figures.get("right", figures["exact"]) / 100 * 60 for i in range(60)]

    assert said in verdict(parts, [(right(before), right(after)) for before, after in (own, families)])


def test_one_answer_more_of_a_few_is_no_gain_to_go_by():
    parts = [{"n": n, "before": part(was), "after": part(now)} for n, was, now in ((15, 0, 7), (48, 40, 40))]
    families = [i < 19 for i in range(48)]
    said = verdict(parts, [([False] * 15, [i == 0 for i in range(15)]), (families, families)])
    assert "before: of so few that may be chance" in said and "Use it" not in said
    said = verdict(parts, [([False] * 15, [i < 5 for i in range(15)]), (families, families)])
    assert "Use it" in said


def test_an_adapter_refined_on_examples_answers_them_and_says_so(config: RefitConfig, checkpoint: Path):
    base = load_base(config.base)
    hypernetwork = load_hypernetwork(base, checkpoint)
    began = hypernetwork.fingerprint
    text = skill_text("aa")
    adapter = make_adapter(hypernetwork, base, text, "code-aa")
    losses = []
    refined = refine(base, adapter, examples()[:4], lambda _, loss: losses.append(loss), steps=30)
    assert losses[-1] < 0.5 * losses[0]
    assert refined.provenance.refined_on == 4 and adapter.provenance.refined_on == 0
    assert hypernetwork.fingerprint == began
    assert not any(
        torch.equal(refined.weights.modules[m][1], adapter.weights.modules[m][1]) for m in refined.weights.modules
    )
    with pytest.raises(RefitError, match="no examples"):
        refine(base, adapter, [])


def test_examples_are_refined_on_in_parts_as_if_they_ran_together(
    config: RefitConfig, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
):
    base = load_base(config.base)
    adapter = make_adapter(load_hypernetwork(base, checkpoint), base, skill_text("aa"), "code-aa")
    long = Trajectory(3 * turn("word " * 900, "aa"), examples()[0].skill)
    chats, sizes, run = [*examples()[:4], long], [], refine_module.answer_logits

    def watched(base: Base, part: list[Example], weights: LoraWeights) -> Scored:
        sizes.append(sum(len(example.prompt_ids) + len(example.answer_ids) for example in part))
        return run(base, part, weights)

    monkeypatch.setattr(refine_module, "answer_logits", watched)
    losses: list[list[float]] = []
    for at_once in (1, 40, 10_000):
        monkeypatch.setattr(refine_module, "TOKENS_AT_ONCE", at_once)
        losses.append([])
        refine(base, adapter, chats, lambda _, loss: losses[-1].append(loss), steps=4)
    assert losses[0] == pytest.approx(losses[2], rel=1e-3) and losses[1] == pytest.approx(losses[2], rel=1e-3)
    assert len(sizes) > 3 * 4 and max(sizes[: 5 * 4]) <= refit_module.CONTEXT


def options_of(config: RefitConfig) -> list[str]:
    return ["--base", config.base, "--checkpoint", config.checkpoint, "--out", config.out]


def test_the_command_line_refits_a_folder_with_its_evals(config: RefitConfig, tmp_path: Path, capsys):
    folders = [str(skill_folder(tmp_path, code, evals=4)) for code in ("aa", "bb")]
    options = [*options_of(config), "--steps", "2"]
    assert main(["refit", *folders, *options]) == 0
    assert "kept-out examples" in capsys.readouterr().out
    assert main(["refit", str(tmp_path / "none"), *options]) == 2
    assert "can't be read" in capsys.readouterr().err


def test_one_of_two_skills_that_were_synthesized_together_is_refitted_and_refined(
    config: RefitConfig, tmp_path: Path, capsys
):
    plan = Synthesis(tmp_path / "use.jsonl")
    plan.runs.mkdir()
    for i, trajectory in enumerate(examples()):
        run = {"outcome": "kept", "reason": "", "trajectory": asdict(trajectory)}
        (plan.runs / f"{i:02}.json").write_text(json.dumps(run))
    assert collect(plan)[0] == 12
    folder, left_out = str(skill_folder(tmp_path, "bb")), f"{plan.out}: 6 examples of other skills are left out.\n"
    command = ["refit", folder, "--examples", str(plan.out), *options_of(config), "--steps", "1", "--minutes", "0"]
    assert main(command) == 0
    assert left_out in capsys.readouterr().err
    assert list(read_trajectories(Path(config.out) / "examples.jsonl")) == examples()[6:]
    assert main(command) == 0  # again: it is over
    corrected = [replace(each, messages=turn("Case?", "bb")) if i == 9 else each for i, each in enumerate(examples())]
    write_trajectories(plan.out, corrected)
    assert main(command) == 2
    assert "holds a refit on other examples" in capsys.readouterr().err
    assert main(["refine", folder, "--examples", str(plan.out), *command[4:8], "--out", str(tmp_path / "one")]) == 0
    said = capsys.readouterr()
    assert left_out in said.err and "refined on 6 examples" in said.out


def test_examples_that_name_no_skill_are_of_the_one_that_is_given(config: RefitConfig, tmp_path: Path, capsys):
    folders = [str(skill_folder(tmp_path, code)) for code in ("aa", "bb")]
    table, named = tmp_path / "use.csv", tmp_path / "use.jsonl"
    table.write_text("prompt,answer\n" + "".join(f"Case {i}?,aa\n" for i in range(4)))
    assert main(["refit", *folders, "--examples", str(table), *options_of(config)]) == 2
    said = capsys.readouterr().err
    assert "use.csv does not say which of the 2 skills its examples are of." in said
    assert f"python -m training convert {table} --skill SKILL.md --out FILE.jsonl" in said
    assert main(["convert", str(table), "--skill", folders[0], "--out", str(named)]) == 0
    for i, file in enumerate((table, named)):
        config = replace(config, out=str(tmp_path / f"run-{i}"))
        options = ["--examples", str(file), *options_of(config), "--steps", "1", "--minutes", "0"]
        assert main(["refit", folders[0], *options]) == 0
        assert {t.skill for t in read_trajectories(Path(config.out) / "examples.jsonl")} == {next(iter(SKILLS))}


def chat(*turns: dict, **fields: object) -> str:
    return json.dumps({"messages": list(turns), "skill": next(iter(SKILLS)), **fields}) + "\n"


ASKED, ANSWERED = turn("a", "b")
BAD_FILES = {
    "a skill that is missing": ("a.jsonl", json.dumps({"messages": [ASKED, ANSWERED]}), "a.jsonl:1: skill is missing"),
    "another skill": ("a.jsonl", chat(ASKED, ANSWERED, skill="0" * 64), "None of the 1 examples in "),
    "an empty turn": ("a.jsonl", chat(ASKED, {**ANSWERED, "content": " "}), "a.jsonl:1: messages[1]: the turn of 'ass"),
    "roles out of order": ("a.jsonl", chat(ASKED, ASKED, ANSWERED), "a.jsonl:1: messages[1]: a turn of 'user' can't"),
    "no JSON": ("a.jsonl", chat(ASKED, ANSWERED) + "{", "a.jsonl:2: this is not JSON"),
    "another OpenCode": (
        "a.json",
        json.dumps({"info": {"version": "0.15.3"}, "messages": []}),
        "a.json: this session is of OpenCode 0.15.3; those of 1.18.33 can be read",
    ),
    "evals that are none": ("a.json", "[]", "a.json: the file is "),
    "an empty table": ("a.csv", "prompt,answer\n", "a.csv holds no rows"),
    "another kind": ("a.txt", "hello", "a.txt is of no kind that is known. Choose .jsonl"),
}


@pytest.mark.parametrize("command", ["refit", "refine"])
@pytest.mark.parametrize(("name", "content", "message"), BAD_FILES.values(), ids=BAD_FILES)
def test_examples_that_can_not_be_used_give_one_line_and_status_two(
    command: str, name: str, content: str, message: str, config: RefitConfig, tmp_path: Path, capsys
):
    (tmp_path / name).write_text(content)
    folder = skill_folder(tmp_path, "aa", evals=4)
    assert main([command, str(folder), "--examples", str(tmp_path / name), *options_of(config)]) == 2
    said = capsys.readouterr()
    assert message in said.err and said.err.count("\n") == 1 and not said.out
    assert not Path(config.out).exists()


def test_a_skill_file_of_windows_is_the_one_that_its_examples_name(config: RefitConfig, tmp_path: Path):
    folder, named = tmp_path / "windows", tmp_path / "use.jsonl"
    folder.mkdir()
    file = folder / "SKILL.md"
    file.write_bytes(b"\xef\xbb\xbf" + skill_text("aa").replace("\n", "\r\n").encode())
    digest = text_sha256(read_skill(str(file)).text)
    write_trajectories(named, [replace(each, skill=digest) for each in examples()[:4]])
    options = ["--examples", str(named), *options_of(config), "--steps", "1", "--minutes", "0"]
    assert main(["refit", str(file), *options]) == 0


def test_what_is_kept_out_is_not_refined_on(config: RefitConfig, tmp_path: Path, capsys):
    named = tmp_path / "use.jsonl"
    parts = ("train", "", "train", "test", "test", "")
    write_trajectories(named, [replace(each, split=part) for each, part in zip(examples(), parts, strict=False)])
    command = ["refine", str(skill_folder(tmp_path, "aa")), "--examples", str(named), *options_of(config)[:4]]
    assert main([*command, "--out", str(tmp_path / "one")]) == 0
    assert "refined on 4 examples" in capsys.readouterr().out


def test_evals_that_a_file_marks_for_the_test_are_not_refined_on(config: RefitConfig, tmp_path: Path, capsys):
    folder = skill_folder(tmp_path, "aa", evals=4)
    text = (folder / "SKILL.md").read_text()
    evals = from_evals(text_sha256(text), load_evals(folder / "evals" / "evals.json"))
    write_trajectories(tmp_path / "use.jsonl", [replace(each, split="test") for each in evals[:3]])
    command = ["refine", str(folder), "--examples", str(tmp_path / "use.jsonl"), *options_of(config)[:4]]
    assert main([*command, "--out", str(tmp_path / "one")]) == 0
    assert "refined on 1 examples" in capsys.readouterr().out


def test_a_refined_adapter_is_written_for_peft_and_for_llama_cpp(config: RefitConfig, tmp_path: Path, capsys):
    out = tmp_path / "refined"
    folder = skill_folder(tmp_path, "aa", evals=4)
    command = ["refine", str(folder), *options_of(config)[:4], "--gguf", "--out"]
    assert main([*command, str(out)]) == 0
    came = Provenance(**json.loads((out / "provenance.json").read_text()))
    assert came.refined_on == 4
    base = load_base(config.base)
    files = [(out / name).read_bytes() for name in ("adapter_config.json", "adapter_model.safetensors")]
    weights = read_weights(*files, layers_path(base))
    assert (out / "adapter.gguf").read_bytes() == adapter_gguf(Adapter(weights, layers_path(base), came), base)
    made = make_adapter(load_hypernetwork(base, config.checkpoint), base, skill_text("aa"), "code-aa")
    assert (out / "adapter.gguf").read_bytes() != adapter_gguf(made, base)
    capsys.readouterr()
    with full_disk(1000):
        assert main([*command, str(tmp_path / "full")]) == 2
    assert "full can't be written: " in capsys.readouterr().err


# ---- several processes ---------------------------------------------------------------------------------------------

# what accelerate starts: the command line, in float32 so that a curve can be compared closely
TWO_PROCESSES = """
import sys, torch, hypernet.base
from training import refit
from training.commands import main
hypernet.base.compute_dtype = lambda _device: torch.float32
refit.NEUTRAL, refit.REPLAYED = 2, 8
sys.exit(main(["refit", "--config", sys.argv[1]]))
"""


def test_two_processes_give_the_curve_of_one(config: RefitConfig, tmp_path: Path):
    one, two = (replace(config, out=str(tmp_path / out), steps=4, look_every=1, replay=1) for out in ("one", "two"))
    for each in (one, two):
        prepare(each, SKILLS, examples())
    Refit(one, load_base(one.base, "dequantized")).run()
    done = subprocess.run(
        [*LAUNCH_TWO, sys.executable, "-c", TWO_PROCESSES, str(tmp_path / "two" / "refit.json")],
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("kept-out examples of your skills") == 1  # one process alone speaks
    assert [line["step"] for line in curve(two)] == [0, 1, 2, 3, 4]
    for expected, line in zip(curve(one), curve(two), strict=True):
        for name in {"loss", "kept_out"} & expected.keys():
            assert line[name] == pytest.approx(expected[name], rel=2e-3, abs=2e-4), name
    before, after = (json.loads((tmp_path / out / "report.json").read_text()) for out in ("one", "two"))
    assert before["best_step"] == after["best_step"]
    assert before["parts"][0]["before"] == pytest.approx(after["parts"][0]["before"], rel=2e-3)


def test_more_processes_than_skills_are_refused(config: RefitConfig, monkeypatch: pytest.MonkeyPatch):
    run = start(config)
    monkeypatch.setattr(type(run.accelerator), "num_processes", 7)
    with pytest.raises(RefitError, match=r"7 processes can't share 6 skills a step\. Start fewer, or raise replay"):
        run._check_processes()


def test_a_refit_is_tracked_where_that_is_asked_for(config: RefitConfig, tmp_path: Path):
    folder, bounds = skill_folder(tmp_path, "aa", evals=4), ["--steps", "1", "--minutes", "0"]
    assert main(["refit", str(folder), *options_of(config), *bounds, "--track", "tensorboard"]) == 0
    assert list(Path(config.out, "tracked").rglob("events.*"))
    with pytest.raises(TrackerError, match="no tracker wandb"):
        start(replace(config, track="wandb", out=config.out + "-2"))


# ---- the benchmark -------------------------------------------------------------------------------------------------


def test_the_benchmark_draws_skills_of_kinds_that_were_never_trained_on():
    texts, found = draw(0)
    assert len(texts) == 5 and len(found) == 60
    families = {trajectory.source for trajectory in found}
    assert len(families) == 5 and families <= set(HELD_OUT)
    assert draw(0) == (texts, found) and draw(1)[0] != texts


@pytest.mark.parametrize("skills", [0, len(HELD_OUT) + 1])
def test_more_skills_than_kinds_that_are_held_out_are_refused(tmp_path: Path, skills: int, capsys):
    assert main(["refit-bench", "--out", str(tmp_path / "out"), "--skills", str(skills)]) == 2
    assert capsys.readouterr().err.startswith(f"--skills is {skills}; it must be from 1 to {len(HELD_OUT)}")


def test_the_benchmark_prints_figures_and_says_which_bars_were_missed(
    config: RefitConfig, monkeypatch: pytest.MonkeyPatch, capsys
):
    monkeypatch.setattr("training.refit_bench.FAMILIES", 4)
    monkeypatch.setattr("training.refit_bench.READ_AT_ONCE", 3)
    options = ["--base", config.base, "--checkpoint", config.checkpoint, "--skills", "2", "--examples", "4"]
    assert main(["refit-bench", "--out", config.out, "--steps", "1", "--minutes", "0", *options]) == 1
    said = capsys.readouterr().out
    assert "unseen examples (n = 16)" in said and "skills of the families (n = 12)" in said
    assert "own skills (n = 2)" in said and "1 steps, the best after" in said
    assert [line.endswith("MISSED") for line in said.splitlines() if line.startswith("exact match")] == [True]
