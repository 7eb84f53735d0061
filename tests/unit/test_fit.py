"""Training: through the frozen base, from the seed alone, and resumed as if it had never stopped."""

import json
import os
import random
import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from filelock import FileLock
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import LAUNCH_TWO, VOCABULARY, full_disk, llama_config, load_base, make_tokenizer, save_model, snapshot
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, GraniteConfig, GraniteForCausalLM, LlamaForCausalLM

from hypernet.base import Base
from hypernet.hypernetwork import Hypernetwork, config_for, load_hypernetwork
from hypernet.lora import LoraWeights, apply_lora
from training.commands import main, read_config
from training.examples import Example, Scored, answer_logits, to_example
from training.fit import (
    HELD_OUT_SEED,
    LOCK_FILE,
    Fit,
    FitConfig,
    FitError,
    draw_batch,
    glance,
    learning_rate,
    neutral_material,
)
from training.lines import family_lines
from training.progress import PROJECT, TrackerError, read_curve, run_name
from training.tasks import GRAMMAR, HELD_OUT, KNOWN, Style, Task, TaskSkill, sample_skill

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def dequantized(tiny_folder: Path) -> Base:
    """The tiny base as training loads it, apart from the other tests': a run chooses its own attention."""
    return load_base(tiny_folder, "dequantized")


FEW = {kind: {part: of[:40] for part, of in parts.items()} for kind, parts in neutral_material().items()}


@pytest.fixture(autouse=True)
def _few_neutral_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny base never ends an answer, and all are answered before a run."""
    monkeypatch.setattr("training.fit.neutral_material", lambda: FEW)


def small(out: Path, **changes: object) -> FitConfig:
    """A run of seconds."""
    settings = {
        "families": ("limits",),
        "steps": 4,
        "skills_per_step": 2,
        "warmup": 2,
        "save_every": 100,
        "evaluate_every": 100,
        "held_out_skills": 1,
        "tasks_per_skill": 2,
        "neutral": 0.0,
    }
    return FitConfig(out=str(out), **{**settings, **changes})


def steps(fit: Fit, count: int) -> list[float]:
    """The losses of the run's next steps."""
    return [fit.train_step(draw_batch(fit.config, fit.step))["loss"] for _ in range(count)]


def state(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "state.safetensors")


# ---- a run ---------------------------------------------------------------------------------------------------------


def test_the_loss_falls(dequantized: Base, tmp_path: Path):
    fit = Fit(small(tmp_path, steps=24, skills_per_step=4, learning_rate=5e-3), dequantized)
    losses = steps(fit, 18)
    assert sum(losses[-3:]) / 3 < sum(losses[:3]) / 3 - 1


def test_a_run_leaves_a_checkpoint_a_curve_and_its_settings(dequantized: Base, tmp_path: Path):
    before = snapshot(dequantized)
    config = small(tmp_path, steps=2, evaluate_every=1, save_every=1)
    trained = Fit(config, dequantized).run()
    loaded = load_hypernetwork(dequantized, tmp_path / "checkpoint")
    assert loaded.fingerprint == trained.fingerprint
    assert loaded.config.trained["steps"] == 2
    assert loaded.config.trained["prompts seen"] == 8
    assert "limits" in (tmp_path / "checkpoint" / "README.md").read_text()
    assert json.loads((tmp_path / "fit.json").read_text())["families"] == ["limits"]
    curve = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    assert [line["step"] for line in curve] == [0, 1, 1, 2, 2]
    assert curve[0]["settings"]["steps"] == 2
    assert curve[0]["peak_tflops"] > 0
    parts, rates = {"answers", "loss", "exact", "tokens", "grad_norm"}, {"tokens_per_second", "tflops", "peak_share"}
    assert set(curve[1]) == {"step", *parts, "rate", "seconds", *rates}
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert set(curve[2]["held_out"]) == {"parametric", "wrong skill", "shared only", "loss", "limits"}
    assert set(curve[2]["held_out_families"]) == {"parametric", "wrong skill", "shared only", "loss", *HELD_OUT}
    after = snapshot(dequantized)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_resumed_run_ends_with_the_weights_of_an_unbroken_one(dequantized: Base, tmp_path: Path):
    Fit(small(tmp_path / "unbroken"), dequantized).run()
    first = Fit(small(tmp_path / "broken"), dequantized)
    write_settings(first)
    steps(first, 2)
    first.save()
    torch.manual_seed(99)  # another process would have another random state
    second = Fit(small(tmp_path / "broken"), dequantized)
    assert second.step == 2
    second.run()
    unbroken, broken = state(tmp_path / "unbroken"), state(tmp_path / "broken")
    assert unbroken.keys() == broken.keys()
    assert {name.split(".")[0] for name in unbroken} == {"model", "mean", "optimizer"}
    assert all(torch.equal(unbroken[name], broken[name]) for name in unbroken)


def write_settings(fit: Fit) -> None:
    """What `run` writes at its start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "step", fit.config.steps)
        patch.setattr(fit, "save", lambda: None)
        fit.run()


def test_an_interrupted_run_keeps_its_state(dequantized: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fit, step = Fit(small(tmp_path), dequantized), Fit.train_step

    def interrupted(self: Fit, skills: list[TaskSkill]) -> dict[str, float]:
        if self.step == 2:
            raise KeyboardInterrupt
        return step(self, skills)

    with monkeypatch.context() as patch:
        patch.setattr(Fit, "train_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fit.run()
    assert Fit(small(tmp_path), dequantized).step == 2


def test_what_an_interrupt_leaves_half_updated_is_not_saved(dequantized: Base, tmp_path: Path):
    fit = Fit(small(tmp_path, save_every=1), dequantized)
    update = fit.optimizer.step

    def interrupted(rate: float) -> None:
        update(rate)
        if fit.step == 1:
            raise KeyboardInterrupt

    fit.optimizer.step = interrupted
    with pytest.raises(KeyboardInterrupt):
        fit.run()
    whole = Fit(small(tmp_path / "unbroken"), dequantized)
    steps(whole, 1)
    whole.save()
    after, expected = state(tmp_path), state(tmp_path / "unbroken")
    assert all(torch.equal(after[name], expected[name]) for name in expected)


def test_a_full_disk_ends_a_run_with_the_way_out_and_the_state_before_it(dequantized: Base, tmp_path: Path):
    fit = Fit(small(tmp_path), dequantized)
    write_settings(fit)
    steps(fit, 1)
    fit.save()
    before = (tmp_path / "state.safetensors").read_bytes()
    steps(fit, 1)
    with full_disk(100_000), pytest.raises(FitError, match=r"Step 2 could not be stored in .*Make room and give the"):
        fit.save()
    assert (tmp_path / "state.safetensors").read_bytes() == before
    assert Fit(small(tmp_path), dequantized).step == 1


def test_a_run_is_tracked_where_that_is_asked_for(dequantized: Base, tmp_path: Path):
    Fit(small(tmp_path, steps=2, track="tensorboard"), dequantized).run()
    tracked = EventAccumulator(str(tmp_path / "tracked" / PROJECT)).Reload()
    curve = read_curve(tmp_path / "curve.jsonl")
    losses = [(line["step"], line["loss"]) for line in curve if "loss" in line]
    assert [(event.step, event.value) for event in tracked.Scalars("loss")] == [
        (step, pytest.approx(loss)) for step, loss in losses
    ]
    assert tracked.Scalars("held_out/loss")[0].value == pytest.approx(curve[-1]["held_out"]["loss"])
    with pytest.raises(TrackerError, match="There is no tracker wandb"):
        Fit(small(tmp_path, track="wandb"), dequantized)


def test_trackio_gets_the_numbers_by_a_flag_without_a_network(tiny_folder: Path, tmp_path: Path):
    settings = {"out": str(tmp_path / "run"), "families": ["limits"], "steps": 2, "skills_per_step": 2, "neutral": 0.0}
    (tmp_path / "fit.yaml").write_text(yaml.safe_dump(settings | {"held_out_skills": 1}))
    environment = os.environ | {"TRACKIO_DIR": str(tmp_path / "trackio"), "HF_HUB_OFFLINE": "1"}

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    command = ["fit", "--config", str(tmp_path / "fit.yaml"), "--base", str(tiny_folder)]
    run("training", *command, "--track", "trackio")
    losses = [(line["step"], line["loss"]) for line in read_curve(tmp_path / "run" / "curve.jsonl") if "loss" in line]
    asked = ["--project", PROJECT, "--run", run_name(tmp_path / "run"), "--metric", "loss", "--json"]
    told = json.loads(run("trackio.cli", "get", "metric", *asked))["values"]
    assert [(value["step"], value["value"]) for value in told] == losses and len(losses) == 2


def test_a_run_with_another_setting_is_refused_in_the_same_folder(dequantized: Base, tmp_path: Path):
    Fit(small(tmp_path, steps=1), dequantized).run()
    with pytest.raises(FitError, match=r"holds a run with another seed, skills_per_step\. Choose another folder"):
        Fit(small(tmp_path, steps=1, seed=1, skills_per_step=3), dequantized)
    assert Fit(small(tmp_path, steps=9, learning_rate=0.5), dequantized).step == 1  # more steps go on


def test_a_run_from_before_there_were_slots_goes_on_without_any(dequantized: Base, tmp_path: Path):
    first = Fit(small(tmp_path, slots=0), dequantized)
    steps(first, 1)
    first.save()
    settings = asdict(first.config)
    del settings["slots"]
    (tmp_path / "fit.json").write_text(json.dumps(settings))
    assert Fit(small(tmp_path, slots=0), dequantized).step == 1
    with pytest.raises(FitError, match="holds a run with another slots"):
        Fit(small(tmp_path), dequantized)


def test_a_run_on_another_base_is_refused_in_the_same_folder(dequantized: Base, tmp_path: Path):
    Fit(small(tmp_path, steps=1), dequantized).run()
    other = load_base(save_model(LlamaForCausalLM, llama_config(), tmp_path / "other-llama", seed=1), "dequantized")
    with pytest.raises(FitError, match="holds a run on another base than other-llama"):
        Fit(small(tmp_path, steps=1), other)


def test_an_nf4_base_is_refused_even_before_it_has_generated(tiny_folder: Path, tmp_path: Path):
    with pytest.raises(FitError, match="NF4 base can't be trained through"):
        Fit(small(tmp_path), load_base(tiny_folder, "nf4"))


def test_an_unknown_family_is_refused_with_those_there_are(dequantized: Base, tmp_path: Path):
    with pytest.raises(FitError, match=r"There are no families nonsense\. There are: alert_line, api_rename, "):
        Fit(small(tmp_path, families=("limits", "nonsense")), dequantized)


def test_the_same_seed_gives_the_same_run_and_another_seed_another(dequantized: Base, tmp_path: Path):
    def first_steps(seed: int) -> list[float]:
        fit = Fit(small(tmp_path / "never-saved", seed=seed), dequantized)
        return steps(fit, 2)

    assert first_steps(0) == first_steps(0)
    assert first_steps(0) != first_steps(1)


# ---- data and schedule ---------------------------------------------------------------------------------------------


def test_a_batch_depends_on_the_seed_and_the_step_alone(tmp_path: Path):
    config = FitConfig(out=str(tmp_path))
    assert draw_batch(config, 3) == draw_batch(replace(config, steps=7, out="elsewhere"), 3)
    assert draw_batch(config, 3) != draw_batch(config, 4)
    assert draw_batch(config, 3) != draw_batch(replace(config, seed=1), 3)


def test_every_known_family_comes_equally_often_and_no_held_out_one_ever(tmp_path: Path):
    config = FitConfig(out=str(tmp_path), skills_per_step=10, paired=0.0)
    assert set(config.families) == {*KNOWN, GRAMMAR}
    assert not set(config.families) & set(HELD_OUT)
    drawn = [skill.family for step in range(len(config.families)) for skill in draw_batch(config, step)]
    assert {drawn.count(family) for family in KNOWN} == {10}
    assert drawn.count(GRAMMAR) == 10 * config.families.count(GRAMMAR)


def test_skills_of_one_family_are_asked_the_same_in_a_step_and_answer_otherwise(tmp_path: Path):
    config = FitConfig(out=str(tmp_path), families=KNOWN, skills_per_step=8, paired=1.0, turns=0.0)
    batches = [draw_batch(config, step) for step in range(40)]
    pairs = [pair for batch in batches for pair in zip(batch[:4], batch[4:], strict=True)]
    assert all(one.family == other.family and one.text != other.text for one, other in pairs)
    asked = [{task.prompt: task.answer for task in skill.tasks} for skill, _ in pairs]
    same = [
        (answers[task.prompt], task.answer)
        for answers, (_, other) in zip(asked, pairs, strict=True)
        for task in other.tasks
        if task.prompt in answers
    ]
    assert len(same) > sum(map(len, asked)) / 3
    assert sum(one != other for one, other in same) > 0.8 * len(same)
    alone = [skill.family for skill in draw_batch(replace(config, paired=0.0), 3)]
    assert len(set(alone)) == 8
    # with so few all would stand beside one another, and act together in some steps
    assert len({skill.family for skill in draw_batch(replace(config, skills_per_step=5), 3)}) == 5


def test_pages_are_plain_and_short_at_first_and_long_and_noisy_in_the_end(tmp_path: Path):
    config = FitConfig(out=str(tmp_path), noisy=1.0, longest=3000, ramp=50)

    def words(step: int) -> list[int]:
        return sorted(len(skill.text.split()) for n in range(5) for skill in draw_batch(config, step + n))

    first, last = words(0), words(50)
    assert max(first) < 400
    assert last[-1] > 1500
    assert last[len(last) // 2] < 1000


def test_held_out_skills_are_never_trained_on(tmp_path: Path):
    config, rng = FitConfig(out=str(tmp_path)), random.Random(HELD_OUT_SEED)
    trained = {skill.text for step in range(100) for skill in draw_batch(config, step)}
    held_out = {sample_skill(f, rng, 4).text for f in config.families for _ in range(config.held_out_skills)}
    assert not trained & held_out
    assert not trained & {line.skill for line in family_lines()}


def test_the_rate_warms_up_stays_and_falls_to_zero():
    config = FitConfig(out="x", steps=100, warmup=10, decay=0.2, learning_rate=2.0)
    rates = [learning_rate(config, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[9:80] == [2.0] * 71
    assert rates[90] == pytest.approx(1.0)
    assert rates[99] == pytest.approx(0.1)


# ---- several processes ---------------------------------------------------------------------------------------------

# what accelerate starts: the command line, in float32 so that a curve can be compared closely. First each process looks
# for the run in a folder of its own, of which one alone holds a state; then both train in one folder
TWO_PROCESSES = """
import os, sys, torch, hypernet.base, training.fit
from training.commands import main
hypernet.base.compute_dtype = lambda _device: torch.float32
few = {kind: {part: of[:40] for part, of in parts.items()} for kind, parts in training.fit.neutral_material().items()}
training.fit.neutral_material = lambda: few
apart, together, base = sys.argv[1:]
os.chdir(os.environ["RANK"])
assert main(["fit", "--config", apart, "--base", base]) == 2
sys.exit(main(["fit", "--config", together, "--base", base]))
"""


def test_two_processes_give_the_curve_of_one(dequantized: Base, tiny_folder: Path, tmp_path: Path):
    def config(out: Path | str, count: int) -> FitConfig:  # three skills: shares of one and of two
        parts = {"families": ("limits", "grammar"), "neutral": 0.5, "stacked": 1.0, "ramp": 1, "decay": 0.0}
        return small(out, base=str(tiny_folder), steps=count, skills_per_step=3, **parts)

    Fit(config(tmp_path / "0" / "run", 1), dequantized).run()
    (tmp_path / "1").mkdir()
    for name, settings in (("apart", config("run", 1)), ("together", config(tmp_path / "two", 3))):
        plain = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items() if v is not None}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(plain))
    arguments = [str(tmp_path / "apart.yaml"), str(tmp_path / "together.yaml"), str(tiny_folder)]
    done = subprocess.run(
        [*LAUNCH_TWO, sys.executable, "-c", TWO_PROCESSES, *arguments],
        cwd=tmp_path,
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("found different states of the run in run (steps [1, 0]). Give a folder that all") == 2

    Fit(config(tmp_path / "one", 4), dequantized).run()
    Fit(config(tmp_path / "two", 4), dequantized).run()  # one process goes on with the run of two
    one, two = ([x for x in read_curve(tmp_path / out / "curve.jsonl") if "answers" in x] for out in ("one", "two"))
    assert any(line["kl"] > 0 for line in one if "kl" in line)
    assert [line["step"] for line in two] == [1, 2, 3, 4]
    for expected, line in zip(one, two, strict=True):
        # from the third step on, which of several tokens gets a slot may hang on a rounding
        near = 2e-3 if line["step"] < 3 else 2e-2
        for name in expected.keys() & {"answers", "kl", "loss", "exact", "tokens", "grad_norm"}:
            assert line[name] == pytest.approx(expected[name], rel=near, abs=2e-5), name
    expected, found = state(tmp_path / "one"), state(tmp_path / "two")
    for name in expected:
        if name.startswith("mean."):  # AdamW moves a weight whose gradient is next to none by a whole step
            torch.testing.assert_close(found[name], expected[name], rtol=1e-2, atol=2e-3)


def test_more_processes_than_skills_are_refused(dequantized: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("training.fit.make_accelerator", lambda *_: SimpleNamespace(num_processes=2))
    with pytest.raises(FitError, match=r"2 processes can't share 1 skills a step\. Start fewer, or raise"):
        Fit(small(tmp_path, skills_per_step=1), dequantized)


@pytest.mark.parametrize("name", ["skills_per_step", "ramp", "warmup", "save_every", "evaluate_every"])
def test_a_setting_that_must_not_be_zero_is_named_before_anything_is_loaded(name: str, tmp_path: Path):
    with pytest.raises(FitError, match=f"{name} is 0; it must be 1 or more"):
        Fit(small(tmp_path, **{name: 0}))


# ---- scoring -------------------------------------------------------------------------------------------------------


def test_answers_are_scored_as_a_full_pass_would(base: Base, hypernetwork: Hypernetwork, skill_texts: list[str]):
    weights = hypernetwork.generate(base, skill_texts[:2])
    tasks = [(0, Task("Latency was 120 ms", "slow")), (1, Task("Report: it crashed at start", "QX-47"))]
    examples = [to_example(base, skill, task) for skill, task in tasks]
    scored = answer_logits(base, examples, weights)
    assert scored.example.tolist() == [0] * len(examples[0].answer_ids) + [1] * len(examples[1].answer_ids)
    assert scored.right.tolist() == examples[0].answer_ids + examples[1].answer_ids
    assert scored.right[scored.example == 1][-1] == base.tokenizer.eos_token_id
    assert_like_full_passes(base, examples, weights, scored)


def test_what_a_model_does_behind_its_head_counts(tmp_path: Path):
    sizes = {"vocab_size": VOCABULARY, "hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4}
    config = GraniteConfig(**sizes, num_hidden_layers=2, num_key_value_heads=2, logits_scaling=4.0)
    base = load_base(save_model(GraniteForCausalLM, config, tmp_path / "granite"))
    example = to_example(base, 0, Task("Report: it crashed at start", "QX-47"))
    full = base.model(torch.tensor([example.prompt_ids + example.answer_ids])).logits[0]
    expected = full[len(example.prompt_ids) - 1 : -1]
    torch.testing.assert_close(answer_logits(base, [example], None).logits, expected, atol=1e-5, rtol=1e-5)


def test_an_answer_ends_as_the_chat_template_ends_it_whatever_the_tokenizer_s_own_end(base: Base):
    end = base.tokenizer.eos_token_id
    other = replace(base, tokenizer=make_tokenizer())
    other.tokenizer.eos_token = "<|im_start|>"
    assert to_example(other, 0, Task("p", "a")).answer_ids[-1] == end != other.tokenizer.eos_token_id


def test_questions_to_one_skill_share_a_row_and_do_not_see_one_another(base: Base, hypernetwork: Hypernetwork):
    skills = [
        sample_skill(family, random.Random(3), 4, Style(turns=0.5)) for family in ("limits", "routing", "grammar")
    ]
    weights = hypernetwork.generate(base, [skill.text for skill in skills])
    for skill_in_prompt in (False, True):
        examples = [
            to_example(base, i, task, skill.text if skill_in_prompt else None)
            for i, skill in enumerate(skills)
            for task in skill.tasks
        ]
        examples.insert(3, Example(1, [7], [8, 9, 10]))  # begins like none of the others
        with torch.no_grad():
            scored = answer_logits(base, examples, weights)
        assert_like_full_passes(base, examples, weights, scored)


def assert_like_full_passes(base: Base, examples: list[Example], weights: LoraWeights, scored: Scored) -> None:
    for i, example in enumerate(examples):
        ids = torch.tensor([example.prompt_ids + example.answer_ids])
        with torch.no_grad(), apply_lora(base.model, weights.rows([example.skill])):
            full = base.model(ids).logits[0, len(example.prompt_ids) - 1 : -1]
        torch.testing.assert_close(scored.logits[scored.example == i], full, rtol=1e-4, atol=1e-4)


def test_an_answer_is_exact_where_every_token_is_the_likeliest():
    logits = torch.nn.functional.one_hot(torch.tensor([1, 2, 0, 3]), 4).float()
    scored = Scored(logits, torch.tensor([1, 2, 0, 1]), torch.tensor([0, 0, 1, 1]))
    assert scored.exact(2).tolist() == [True, False]


# ---- neutral prompts, the running mean, a checkpoint to begin with -------------------------------------------------


def test_without_an_adapter_nothing_diverges_on_neutral_prompts_and_with_one_it_does(dequantized: Base, tmp_path: Path):
    fit = Fit(small(tmp_path, neutral=1.0), dequantized)
    skills = draw_batch(fit.config, 0)
    assert fit.loss_of(skills, random.Random(0))[1]["kl"].item() == pytest.approx(0, abs=1e-5)  # step 0 is the base
    steps(fit, 2)
    assert fit.loss_of(skills, random.Random(0))[1]["kl"].item() > 0


def test_the_checkpoint_is_the_running_mean_of_the_weights(dequantized: Base, tmp_path: Path):
    fit = Fit(small(tmp_path, ema=0.5), dequantized)
    before = {name: p.detach().clone() for name, p in fit.hypernetwork.named_parameters()}
    steps(fit, 1)
    averaged = dict(fit.averaged().named_parameters())
    keep = 1 / 11  # short runs forget their beginning faster
    for name, now in fit.hypernetwork.named_parameters():
        torch.testing.assert_close(averaged[name], keep * before[name] + (1 - keep) * now)


def test_a_run_can_begin_with_a_checkpoint_and_its_card_counts_both(dequantized: Base, tmp_path: Path):
    Fit(small(tmp_path / "first", steps=2), dequantized).run()
    checkpoint = tmp_path / "first" / "checkpoint"
    second = Fit(small(tmp_path / "second", start=str(checkpoint), steps=3), dequantized)
    saved = load_file(checkpoint / "model.safetensors")
    assert all(torch.equal(saved[name].float(), p) for name, p in second.hypernetwork.named_parameters())
    second.run()
    trained = load_hypernetwork(dequantized, tmp_path / "second" / "checkpoint").config.trained
    assert (trained["steps"], trained["prompts seen"]) == (5, 20)
    with pytest.raises(FitError, match=r"has a shape of its own\. Leave out slots, shape, or `start`\."):
        Fit(replace(second.config, slots=2, shape={"rank": 3}), dequantized)


def test_two_runs_do_not_train_in_one_folder(dequantized: Base, tmp_path: Path):
    fit = Fit(small(tmp_path), dequantized)
    with FileLock(tmp_path / LOCK_FILE), pytest.raises(FitError, match="Another process trains in"):
        fit.run()
    assert fit.step == 0
    fit.run()
    assert fit.step == 4


def test_a_stack_adds_the_next_skills_own_part_where_it_is_drawn(dequantized: Base, tmp_path: Path):
    fit = Fit(small(tmp_path, stacked=1.0, ramp=1), dequantized)
    steps(fit, 2)
    skills = draw_batch(fit.config, 9)
    alone = Fit(small(tmp_path / "alone", stacked=0.0), dequantized)
    alone.hypernetwork = fit.hypernetwork
    together, apart = (one.loss_of(skills, random.Random(0))[1]["answers"] for one in (fit, alone))
    assert together != apart


def test_texts_that_are_read_in_parts_give_the_adapters_of_a_single_reading(dequantized: Base, tmp_path: Path):
    fit = Fit(small(tmp_path, learning_rate=5e-3), dequantized)
    steps(fit, 2)
    rng = random.Random(0)
    styles = [Style(), Style(noisy=1.0, longest=600), Style(), Style(noisy=1.0, longest=600), Style()]
    skills = [sample_skill("limits", rng, 1, style) for style in styles]
    with torch.no_grad():
        parts = fit._weights(skills, range(5), 0)
    whole = fit.hypernetwork.generate(dequantized, [skill.text for skill in skills])
    for module, factors in whole.modules.items():
        for one, other in zip(factors, parts.modules[module], strict=True):
            assert torch.allclose(one, other, atol=1e-5)


def test_a_look_on_the_way_scores_every_family_and_both_controls(dequantized: Base):
    rng = random.Random(0)
    skills = [sample_skill(family, rng, 2) for family in ("limits", "routing") for _ in range(2)]
    new = Hypernetwork(config_for(dequantized, ("mlp.down_proj",), width=32))
    scores = glance(dequantized, new, skills)
    assert set(scores) == {"parametric", "wrong skill", "shared only", "loss", "limits", "routing"}
    assert all(0 <= scores[name] <= 1 for name in scores.keys() - {"loss"})
    examples = [to_example(dequantized, i, task) for i, skill in enumerate(skills) for task in skill.tasks]
    scored = answer_logits(dequantized, examples, None)  # a new hypernetwork changes nothing
    assert scores["loss"] == pytest.approx(
        torch.nn.functional.cross_entropy(scored.logits, scored.right).item(), abs=1e-3
    )


def test_a_look_at_a_reader_asks_it_with_the_skill_in_the_prompt(dequantized: Base):
    rng = random.Random(0)
    skills = [sample_skill("limits", rng, 2) for _ in range(2)]
    new = Hypernetwork(config_for(dequantized, ("mlp.down_proj",), width=32))
    scores = glance(dequantized, new, skills, reading=True)
    assert set(scores) == {"reading", "loss", "limits"}
    examples = [to_example(dequantized, i, task, skill.text) for i, skill in enumerate(skills) for task in skill.tasks]
    scored = answer_logits(dequantized, examples, None)  # a new shared part changes nothing
    assert scores["loss"] == pytest.approx(
        torch.nn.functional.cross_entropy(scored.logits, scored.right).item(), abs=1e-3
    )


def test_in_a_look_no_skill_is_its_own_control(dequantized: Base, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("training.fit.SKILLS_AT_ONCE", 4)
    rng, sizes, generate = random.Random(0), [], Hypernetwork.generate
    monkeypatch.setattr(
        Hypernetwork, "generate", lambda self, base, texts: sizes.append(len(texts)) or generate(self, base, texts)
    )
    glance(
        dequantized,
        Hypernetwork(config_for(dequantized, ("mlp.down_proj",), width=32)),
        [sample_skill("limits", rng, 2) for _ in range(5)],
    )
    assert sum(sizes) == 5 and min(sizes) > 1


# ---- settings and the command line ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["default", "gpu"])
def test_the_configurations_that_ship_can_be_read(name: str):
    config = read_config(ROOT / "training" / f"{name}.yaml")
    assert config.out == f"runs/{name}"
    assert set(config.families) == {*KNOWN, GRAMMAR}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("out: x\nstep: 3\n", r"unknown settings \(step\)\. There are: base, "),
        ("- out\n", r"unknown settings \(no mapping\)"),
        ("", r"unknown settings \(no mapping\)"),
        ("1: 2\n", r"unknown settings \(1\)"),
        ("out: [\n", "can't be read as YAML"),
        ("steps: 3\n", "has no `out`"),
        ("out: x\nlearning_rate: 1e-3\n", r"learning_rate is '1e-3', which is no float.*1\.0e-3"),
        ("out: x\nsteps: many\n", "steps is 'many', which is no int"),
        ("out: x\nsteps: true\n", "steps is True, which is no int"),
        ("out: x\nfamilies: limits\n", r"families is 'limits', which is no tuple"),
        ("out: x\nfamilies: [1]\n", r"families is \[1\]"),
        ("out: x\nshape: 8\n", "shape is 8, which is no dict"),
        ("out: x\nshape: {rank: many}\n", "shape is {'rank': 'many'}, which is no dict"),
        ("out: !!python/object/apply:os.getcwd []\n", "can't be read as YAML"),
    ],
)
def test_settings_that_can_not_be_meant_are_refused(text: str, said: str, tmp_path: Path):
    (tmp_path / "fit.yaml").write_text(text)
    with pytest.raises(FitError, match=said):
        read_config(tmp_path / "fit.yaml")


def test_a_run_may_have_another_shape_than_the_usual_one_if_there_is_such(dequantized: Base, tmp_path: Path):
    (tmp_path / "fit.yaml").write_text(
        f"out: {tmp_path / 'run'}\nmodules: [mlp.down_proj]\nslots: 2\nneutral: 0\n"
        "shape: {rank: 3, width: 24, blocks: 1, layers: [1], encoder_layers: [0, 1]}\n"
    )
    fit = Fit(read_config(tmp_path / "fit.yaml"), dequantized)
    shape = fit.hypernetwork.config
    assert (shape.rank, shape.width, shape.blocks, shape.layers, shape.encoder_layers) == (3, 24, 1, (1,), (0, 1))
    with pytest.raises(FitError, match=r"shape has no depth\. There are: layers, encoder_layers, rank"):
        Fit(replace(fit.config, shape={"depth": 3}), dequantized)
    fit.save()
    (tmp_path / "run" / "fit.json").write_text(json.dumps(asdict(fit.config)))
    with pytest.raises(FitError, match="holds a run with another shape"):
        Fit(replace(fit.config, shape={"rank": 3}), dequantized)


def test_settings_are_read_with_their_types(tmp_path: Path):
    (tmp_path / "fit.yaml").write_text("out: x\nlearning_rate: 1\nfamilies: [limits, routing]\nbase: null\n")
    config = read_config(tmp_path / "fit.yaml")
    assert config == FitConfig(out="x", learning_rate=1, families=("limits", "routing"))


def test_the_command_trains_and_refuses_with_status_two(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    settings = tmp_path / "fit.yaml"
    settings.write_text(
        f"out: {tmp_path / 'run'}\nfamilies: [limits]\nsteps: 1\nskills_per_step: 2\nheld_out_skills: 1\n"
    )
    assert main(["fit", "--config", str(settings), "--base", str(tiny_folder)]) == 0
    assert (tmp_path / "run" / "checkpoint" / "model.safetensors").is_file()
    assert [json.loads(line)["step"] for line in capsys.readouterr().out.splitlines()] == [0, 1, 1]
    assert main(["fit", "--config", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml can't be read" in capsys.readouterr().err
    assert main(["fit", "--config", str(settings), "--base", "/nowhere/at/all"]) == 2
    assert "neither a folder here" in capsys.readouterr().err


def test_with_no_disk_left_the_command_gives_one_line_and_status_two(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    settings = tmp_path / "fit.yaml"
    settings.write_text(f"out: {tmp_path / 'run'}\nfamilies: [limits]\nsteps: 1\nskills_per_step: 2\nneutral: 0.0\n")
    for size, message in ((100, "A file can't be read or written: [Errno 27] File too"), (5000, "could not be stored")):
        with full_disk(size):
            assert main(["fit", "--config", str(settings), "--base", str(tiny_folder)]) == 2
        said = capsys.readouterr().err.strip().splitlines()[-1]
        assert message in said and "give the command again" in said


def test_the_readme_s_page_on_another_base_runs_as_it_stands(tmp_path: Path):
    page = (ROOT / "README.md").read_text().split("## Another base")[1]
    (commands,) = (block for block in re.findall(r"```bash\n(.*?)```", page, re.DOTALL) if "tiny.py" in block)
    for room in ("hypernet", "skills", "training", "tests"):
        (tmp_path / room).symlink_to(ROOT / room)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs" / "tiny"
    assert read_curve(run / "curve.jsonl")[-1]["step"] == 20
    for name in re.findall(r"`([^`]+)`", page.split("and leaves ")[1].split(" in `runs/tiny`")[0]):
        assert (run / name).exists(), name
    assert "| all | 8 | 0.0 |" in done.stdout


def test_a_base_of_another_architecture_is_trained_resumed_and_evaluated_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    config = GPTNeoXConfig(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=4096,
        initializer_range=0.2,
    )
    base = str(save_model(GPTNeoXForCausalLM, config, tmp_path / "tiny-neox"))
    settings = {
        "out": str(tmp_path / "run"),
        "shared_modules": ["attention.query_key_value", "mlp.dense_h_to_4h"],
        "steps": 2,
        "skills_per_step": 4,
        "held_out_skills": 1,
    }

    def write(**more: object) -> list[str]:
        (tmp_path / "fit.yaml").write_text(yaml.safe_dump(settings | more))
        return ["fit", "--config", str(tmp_path / "fit.yaml"), "--base", base]

    assert main(write()) == 2  # the names of a Llama's modules
    assert "tiny-neox has no linear module self_attn.o_proj; it has: attention.query_key_value, attention.dense, " in (
        capsys.readouterr().err
    )
    modules = ["attention.dense", "mlp.dense_4h_to_h"]
    done = subprocess.run(
        [sys.executable, "-m", "training", *write(modules=modules)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["step"] for line in done.stdout.splitlines()] == [0, 1, 2, 2]
    assert main(write(modules=modules, steps=3)) == 0  # another process goes on
    assert [json.loads(line)["step"] for line in capsys.readouterr().out.splitlines()] == [2, 3, 3]
    checkpoint = str(tmp_path / "run" / "checkpoint")
    assert main(["evaluate", "--base", base, "--checkpoint", checkpoint, "--data", "known", "--limit", "2"]) == 0
    assert "### known: 2 questions to 2 skills" in capsys.readouterr().out
