"""The log of a run: a progress bar or plain lines, JSONL, a picture of the curve, and a tracker where one is asked for.

Beside it, how fast the steps are against what matmuls reach on the same machine.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import ProjectConfiguration
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from hypernet.files import write_atomically

TRACKERS = ("tensorboard", "trackio")
PROJECT = "parametric-skills"  # the runs' common name in a tracker
COUNT_EVERY = 100  # steps; counting takes a step more
PEAK_SECONDS = 0.15
SMOOTHING = 0.9  # of the drawn loss


class TrackerError(ValueError):
    """A tracker that there is not, or that is not installed; the message says what to do."""


def make_accelerator(out: Path, cpu: bool, track: str = "") -> Accelerator:
    """The processes of a run, its tracker named; a tracker's own files go under `out`.

    Raises TrackerError where there is no such tracker, or its package is missing.
    """
    if track and track not in TRACKERS:
        raise TrackerError(f"There is no tracker {track}. There are: {', '.join(TRACKERS)}.")
    if track and find_spec(track) is None:
        raise TrackerError(f"Tracking needs {track}. Install it: pip install -e '.[track]'")
    folders = ProjectConfiguration(project_dir=str(out), logging_dir=str(out / "tracked"))
    return Accelerator(cpu=cpu, log_with=track or None, project_config=folders)


def sum_gradients(accelerator: Accelerator, parameters: list[nn.Parameter]) -> None:
    """Give every process the sum of all processes' gradients."""
    if accelerator.num_processes > 1:
        flat = torch.cat([parameter.grad.flatten() for parameter in parameters])  # one message instead of a hundred
        whole = accelerator.reduce(flat, "sum").split([parameter.numel() for parameter in parameters])
        for parameter, part in zip(parameters, whole, strict=True):
            parameter.grad = part.view_as(parameter)


def run_name(out: Path) -> str:
    """What a tracker calls the run in a folder: two folders of one name are two runs."""
    return f"{out.name}-{hashlib.sha256(str(out.absolute()).encode()).hexdigest()[:6]}"


class RunLog:
    """What a run says of itself, a dict at a time; of several processes the main one alone speaks."""

    def __init__(self, out: Path, accelerator: Accelerator, steps: int | None, step: int, settings: dict) -> None:
        """A log that goes on in `out` after `step` of `steps`, which may be unknown."""
        self.out, self.accelerator = out, accelerator
        self.speaks = accelerator.is_main_process
        self.bar = tqdm(
            total=steps, initial=step, unit="step", file=sys.stdout, disable=not (self.speaks and sys.stdout.isatty())
        )
        self.told_of_picture = False
        if accelerator.log_with:
            plain = {k: v if isinstance(v, bool | int | float | str) else json.dumps(v) for k, v in settings.items()}
            # what a killed run had logged beyond its last saved state is done, and told, again
            options = {"tensorboard": {"purge_step": step + 1}, "trackio": {"name": run_name(out), "resume": "allow"}}
            accelerator.init_trackers(PROJECT, config=plain, init_kwargs=options)

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *_error: object) -> None:
        self.bar.close()
        self.accelerator.end_training()

    def write(self, line: dict) -> None:
        """Tell a line with its `step` everywhere. On a terminal, one of nothing but numbers moves the bar."""
        if not self.speaks:
            return
        text = json.dumps(line)
        with (self.out / "curve.jsonl").open("a") as file:
            file.write(text + "\n")
        numbers = _flat(line)
        if self.bar.disable:
            print(text, flush=True)
        elif numbers.keys() == line.keys():
            self.bar.set_postfix({name: value for name, value in numbers.items() if name != "step"}, refresh=False)
            self.bar.update(line["step"] - self.bar.n)
        else:
            self.bar.write(text)
        self.accelerator.log({name: value for name, value in numbers.items() if name != "step"}, step=line["step"])

    def draw(self) -> None:
        """Draw the curve so far as `curve.png`; without matplotlib, say once that there is none."""
        if not self.speaks:
            return
        if find_spec("matplotlib"):
            picture(read_curve(self.out / "curve.jsonl"), self.out / "curve.png")
        elif not self.told_of_picture:
            self.told_of_picture = True
            said = "No picture of the curve, since matplotlib is missing: pip install -e '.[proof]'"
            self.bar.write(said, file=sys.stderr)


def _flat(line: dict, before: str = "") -> dict[str, int | float]:
    """The numbers of a line, those within another dict under both names: `held_out/parametric`."""
    numbers = {}
    for name, value in line.items():
        if isinstance(value, dict):
            numbers |= _flat(value, f"{before}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            numbers[before + name] = value
    return numbers


def read_curve(path: Path) -> list[dict]:
    """The lines of a `curve.jsonl`, without one that a killed process left unfinished."""
    lines = []
    for text in path.read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return lines


def picture(curve: list[dict], target: Path) -> None:
    """Draw the loss of the steps, and of the held-out skills loss and exact match, into a PNG or SVG file.

    Of a step that was done again after a stop, the last line counts.
    """
    from matplotlib.figure import Figure  # slow to import, and an extra

    losses = {line["step"]: line["answers"] for line in curve if "answers" in line}
    looks = {line["step"]: line["held_out"] for line in curve if "held_out" in line}
    untrained = {line["step"]: line["held_out_families"] for line in curve if "held_out_families" in line}
    steps = sorted(losses)
    figure = Figure(figsize=(8, 3.2), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(steps, [losses[step] for step in steps], color="C0", alpha=0.3, linewidth=0.6)
    smooth = list(accumulate((losses[s] for s in steps), lambda mean, x: SMOOTHING * mean + (1 - SMOOTHING) * x))
    left.plot(steps, smooth, color="C0", label="skills of the steps")
    if looks:
        left.plot(sorted(looks), [looks[s]["loss"] for s in sorted(looks)], "o-", color="C1", label="held-out skills")
    left.set_ylabel("cross-entropy of answer tokens")
    left.set_ylim(bottom=0)
    named = ("parametric", "reading", "wrong skill", "shared only")
    series = [(name, looks, name) for name in named]
    series += [(name, untrained, f"{name}, held-out families") for name in named[:2]]
    for name, of_step, label in series:
        having = [step for step in sorted(of_step) if name in of_step[step]]
        if having:
            right.plot(having, [100 * of_step[step][name] for step in having], "o-", label=label)
    right.set_ylabel("exact match on held-out skills, %")
    right.set_ylim(0, 100)
    for axes in (left, right):
        axes.set_xlabel("step")
        axes.legend(fontsize="small", frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(linewidth=0.4)
    write_atomically(target, lambda path: figure.savefig(path, format=target.suffix.lstrip(".")))


def matmul_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations a second of this process's best large square matmul."""
    size = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best, until = 0.0, 0.0
    while not best or time.perf_counter() < until:
        _wait_for(device)
        started = time.perf_counter()
        a @ b
        _wait_for(device)
        seconds = time.perf_counter() - started
        if not until:  # the first one also chooses its kernel
            until = time.perf_counter() + PEAK_SECONDS
        else:
            best = max(best, 2 * size**3 / seconds)
    return best


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Throughput:
    """Tokens and operations a second of the steps, the latter as a share of the machine's matmul peak.

    The operations of some steps are counted with their real shapes, forward and backward; what they came to for a token
    stands for the steps until the next count. With several processes, operations and peak are those of one.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.peak = matmul_peak(device, dtype)
        self.steps, self.per_token = 0, 0.0

    def measure(self, step: Callable[..., dict], rehearse: Callable[..., None], *arguments: object) -> dict:
        """Run a step whose line has `tokens` and `seconds`; gives the line with the rates.

        `rehearse` does the step's work and changes nothing: a step that is counted may round differently, and what it
        gave would depend on where a run was stopped.
        """
        operations = 0
        if self.steps % COUNT_EVERY == 0:
            with FlopCounterMode(display=False) as counter:
                rehearse(*arguments)
            operations = counter.get_total_flops()
        line = step(*arguments)
        if operations:
            self.per_token = operations / line["tokens"]
        self.steps += 1
        tokens_per_second = line["tokens"] / line["seconds"]
        speed = self.per_token * tokens_per_second
        return {
            **line,
            "tokens_per_second": round(tokens_per_second, 1),
            "tflops": round(speed / 1e12, 4),
            "peak_share": round(speed / self.peak, 4),
        }
