"""The log of a run: where its lines go, the picture of its curve, trackers, and the speed of its steps."""

import fcntl
import json
import os
import random
import struct
import sys
import termios
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from training.progress import (
    COUNT_EVERY,
    PROJECT,
    RunLog,
    Throughput,
    TrackerError,
    make_accelerator,
    matmul_peak,
    picture,
    read_curve,
)

LAST_WORD = "that was all"
LOOK = {"parametric": 0.25, "wrong skill": 0.0, "shared only": 0.0, "loss": 3.5, "limits": 0.25}


@pytest.fixture
def accelerator(tmp_path: Path) -> Accelerator:
    """One process without a tracker."""
    return make_accelerator(tmp_path, cpu=True)


def a_curve(steps: int) -> list[dict]:
    """The lines of a run that looks at held-out skills at its end."""
    rng = random.Random(0)
    lines = [{"step": step, "answers": 4 * rng.random(), "loss": 5.0} for step in range(1, steps + 1)]
    return [{"step": 0, "settings": {"steps": steps}}, *lines, {"step": steps, "held_out": LOOK}]


# ---- where lines go ------------------------------------------------------------------------------------------------


def test_without_a_terminal_lines_are_plain_and_the_same_as_in_the_file(
    accelerator: Accelerator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with RunLog(tmp_path, accelerator, steps=3, step=0, settings={}) as log:
        for line in a_curve(3):
            log.write(line)
    said = capsys.readouterr()
    assert said.out == (tmp_path / "curve.jsonl").read_text()
    assert [json.loads(line) for line in said.out.splitlines()] == a_curve(3)
    assert not said.err


def test_on_a_terminal_a_bar_shows_the_numbers_and_other_lines_stand_above_it(
    accelerator: Accelerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    reading, writing = os.openpty()
    fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))  # a new one has no size
    with os.fdopen(writing, "w") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        with RunLog(tmp_path, accelerator, steps=4, step=2, settings={}) as log:
            log.write({"step": 3, "loss": 2.5})
            log.write({"step": 3, "held_out": LOOK})
            log.write({"step": 4, "loss": 2.25})
        print(LAST_WORD, file=terminal, flush=True)
        shown = ""
        while LAST_WORD not in shown:  # a terminal gives what was written in parts
            shown += os.read(reading, 100_000).decode()
    os.close(reading)
    at_the_end = shown.partition(LAST_WORD)[0].strip().split("\r")[-1]
    assert "4/4" in at_the_end
    assert "loss=2.25" in at_the_end
    assert json.dumps({"step": 3, "held_out": LOOK}) in shown
    assert '"loss": 2.25' not in shown  # the bar says it
    assert len(read_curve(tmp_path / "curve.jsonl")) == 3


def test_a_line_that_a_killed_run_left_unfinished_is_passed_over(tmp_path: Path):
    (tmp_path / "curve.jsonl").write_text('{"step": 1, "loss": 2}\n{"step": 2, "lo')
    assert read_curve(tmp_path / "curve.jsonl") == [{"step": 1, "loss": 2}]


# ---- trackers ------------------------------------------------------------------------------------------------------


def test_tensorboard_gets_the_numbers_by_step_and_after_a_resume_no_step_twice(tmp_path: Path):
    settings = {"families": ["limits"], "base": None, "steps": 4, "learning_rate": 1e-3}
    for start, loss in ((0, 5.0), (2, 7.0)):  # the first was killed after step 4, its state being that of step 2
        with RunLog(tmp_path, make_accelerator(tmp_path, True, "tensorboard"), 4, start, settings) as log:
            for step in range(start + 1, 5):
                log.write({"step": step, "loss": loss})
            log.write({"step": 4, "held_out": LOOK})
    events = EventAccumulator(str(tmp_path / "tracked" / PROJECT)).Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 5), (2, 5), (3, 7), (4, 7)]
    assert [(event.step, event.value) for event in events.Scalars("held_out/parametric")] == [(4, 0.25)]


def test_a_tracker_that_is_not_installed_or_does_not_exist_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(TrackerError, match=r"There is no tracker wandb\. There are: tensorboard, trackio\."):
        make_accelerator(tmp_path, True, "wandb")
    monkeypatch.setitem(sys.modules, "trackio", None)  # as if it were not installed
    with pytest.raises(TrackerError, match=r"needs trackio\. Install it: pip install -e '.\[track\]'"):
        make_accelerator(tmp_path, True, "trackio")


# ---- the picture ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "begins"), [("curve.png", b"\x89PNG"), ("curve.svg", b"<?xml")])
def test_the_picture_is_what_its_name_says_and_shows_the_numbers(name: str, begins: bytes, tmp_path: Path):
    picture(a_curve(3), tmp_path / name)
    first = (tmp_path / name).read_bytes()
    assert first.startswith(begins)
    picture(a_curve(9), tmp_path / name)
    assert (tmp_path / name).read_bytes() != first


def test_the_picture_shows_the_families_that_are_not_trained_too(tmp_path: Path):
    shares = (0.1, 0.2)
    for share in shares:
        picture([*a_curve(3), {"step": 3, "held_out_families": {"parametric": share}}], tmp_path / f"{share}.png")
    first, second = ((tmp_path / f"{share}.png").read_bytes() for share in shares)
    assert first != second


def test_of_a_step_that_was_done_again_the_picture_shows_the_last(tmp_path: Path):
    first, last = ({"step": 5, "answers": loss} for loss in (9.0, 2.0))
    look, other_look = ({"step": 5, "held_out": LOOK | {"parametric": share}} for share in (0.5, 1.0))
    picture([*a_curve(4), first, other_look, last, look], tmp_path / "again.png")
    picture([*a_curve(4), last, look], tmp_path / "unbroken.png")
    picture([*a_curve(4), first, look], tmp_path / "other.png")
    again, unbroken, other = ((tmp_path / f"{name}.png").read_bytes() for name in ("again", "unbroken", "other"))
    assert again == unbroken != other


def test_a_run_without_matplotlib_says_so_once(
    accelerator: Accelerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    with RunLog(tmp_path, accelerator, steps=2, step=0, settings={}) as log:
        for line in a_curve(2):
            log.write(line)
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "matplotlib", None)  # as if it were not installed
            log.draw()
            log.draw()
        assert capsys.readouterr().err.splitlines() == [
            "No picture of the curve, since matplotlib is missing: pip install -e '.[proof]'"
        ]
        assert not (tmp_path / "curve.png").exists()
        log.draw()
    assert (tmp_path / "curve.png").stat().st_size > 1000


# ---- speed ---------------------------------------------------------------------------------------------------------


def test_operations_are_counted_from_the_shapes_forward_and_backward():
    throughput = Throughput(torch.device("cpu"), torch.float32)

    def work(rows: int) -> None:
        weight = torch.ones(32, 8, requires_grad=True)
        (torch.ones(rows, 32) @ weight).sum().backward()

    def step(rows: int) -> dict:
        return {"step": 1, "tokens": rows, "seconds": 0.5}

    throughput.measure(step, work, 64)
    assert throughput.per_token * 64 == 2 * (2 * 64 * 32 * 8)  # once forward, once for the weight's gradient
    throughput.peak = 4 * throughput.per_token * 64  # a machine on which the step could take an eighth of a second
    for rows, share in ((64, 0.5), (32, 0.25)):  # half the tokens in the same time are half the speed
        line = throughput.measure(step, work, rows)
        assert (line["tokens_per_second"], line["peak_share"]) == (2 * rows, share)


def test_operations_are_counted_again_every_so_often():
    throughput, width = Throughput(torch.device("cpu"), torch.float32), 8

    def work() -> None:
        torch.ones(width, width) @ torch.ones(width, width)

    def step() -> dict:
        return {"tokens": 1, "seconds": 1.0}

    for _ in range(COUNT_EVERY):
        throughput.measure(step, work)
    width = 16
    before = throughput.per_token
    throughput.measure(step, work)
    assert throughput.per_token == 8 * before


def test_the_peak_is_a_speed_that_one_matmul_of_the_machine_reaches():
    peak = matmul_peak(torch.device("cpu"), torch.float32)
    assert 1e8 < peak < 1e15
