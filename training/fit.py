"""Train a hypernetwork through the frozen base: cross-entropy on the right answers of generated skills.

Skills are drawn anew at every step from the seed and the step's number, so a run that was stopped goes on at the exact
step with the same data. Everything is kept in the output folder; writes are atomic.
"""

import json
import random
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hypernet.base import Base
from hypernet.files import write_atomically
from hypernet.hypernetwork import Hypernetwork, config_for
from hypernet.lora import LoraWeights
from training.examples import answer_logits, exact_rows, to_example
from training.tasks import FAMILIES, TaskSkill, sample_skill

HELD_OUT_SEED = "held-out"  # never the seed of a training step


@dataclass(frozen=True)
class FitConfig:
    """One training run; a YAML file has these fields."""

    out: str  # folder for the checkpoint, the training state and the curve
    base: str | None = None  # Hub name or folder; none: the default base
    modules: tuple[str, ...] = ("self_attn.o_proj", "mlp.down_proj")  # what gets LoRA
    families: tuple[str, ...] = tuple(FAMILIES)  # drawn in turn; one that is named twice comes twice as often
    steps: int = 1000
    skills_per_step: int = 24
    tasks_per_skill: int = 2
    learning_rate: float = 1e-3
    warmup: int = 30  # steps
    decay: float = 0.3  # share of the steps, at the end, over which the rate falls to zero
    weight_decay: float = 0.01
    clip: float = 1.0  # norm of the gradient
    seed: int = 0
    save_every: int = 50
    evaluate_every: int = 200
    held_out_skills: int = 4  # a family, for the look on the way


class FitError(ValueError):
    """A run that can't start or go on; the message says what to do."""


def draw_batch(config: FitConfig, step: int) -> list[TaskSkill]:
    """The skills of a step, from the seed and the step alone; families in turn, so that each is seen equally often."""
    rng = random.Random(f"{config.seed}/{step}")
    order = rng.sample(config.families, len(config.families))
    names = [order[i % len(order)] for i in range(config.skills_per_step)]
    return [sample_skill(name, rng, config.tasks_per_skill) for name in names]


def learning_rate(config: FitConfig, step: int) -> float:
    """Linear warm-up, constant, linear decay to zero."""
    decay_steps = max(1, round(config.steps * config.decay))
    return config.learning_rate * min(1.0, (step + 1) / config.warmup, (config.steps - step) / decay_steps)


def loss_of(base: Base, hypernetwork: Hypernetwork, skills: list[TaskSkill]) -> tuple[Tensor, Tensor]:
    """Cross-entropy over answer tokens, and the share of rows that greedy decoding would get right."""
    read = hypernetwork.read(base, [skill.text for skill in skills])
    with torch.autocast(base.device.type, dtype=base.dtype, enabled=base.dtype == torch.bfloat16):
        own = hypernetwork(read)
    examples = [to_example(base, i, task) for i, skill in enumerate(skills) for task in skill.tasks]
    logits, right, row_of = answer_logits(base, examples, own.join(hypernetwork.shared()).to(base.dtype))
    return F.cross_entropy(logits, right), exact_rows(logits.detach(), right, row_of, len(examples)).float().mean()


@torch.no_grad()
def glance(base: Base, hypernetwork: Hypernetwork, skills: list[TaskSkill]) -> dict[str, float]:
    """Exact match on held-out skills, teacher-forced: in all, per family, and for the two controls."""
    hits: dict[str, list[float]] = {}
    for start in range(0, len(skills), 16):
        part = skills[start : start + 16]
        weights = hypernetwork.generate(base, [skill.text for skill in part])
        shared = hypernetwork.shared().to(base.dtype)
        modes: dict[str, LoraWeights] = {
            "parametric": weights,
            "wrong skill": weights.rows([(i + 1) % len(part) for i in range(len(part))]),
            "shared only": shared.rows([0] * len(part)),
        }
        examples = [to_example(base, i, task) for i, skill in enumerate(part) for task in skill.tasks]
        for mode, lora in modes.items():
            exact = exact_rows(*answer_logits(base, examples, lora), len(examples)).float().tolist()
            hits.setdefault(mode, []).extend(exact)
            if mode == "parametric":
                for example, hit in zip(examples, exact, strict=True):
                    hits.setdefault(part[example.skill].family, []).append(hit)
    return {name: round(sum(values) / len(values), 4) for name, values in hits.items()}


class Fit:
    """A run: the hypernetwork, its optimiser and the step, kept in a folder."""

    def __init__(self, config: FitConfig, base: Base | None = None) -> None:
        """Start anew, or go on where the folder's state was saved.

        Raises FitError where a family is unknown, the folder holds a run with other settings, or no gradient passes the
        base.
        """
        if unknown := set(config.families) - set(FAMILIES):
            raise FitError(f"There are no families {', '.join(sorted(unknown))}. There are: {', '.join(FAMILIES)}.")
        self.config, self.out = config, Path(config.out)
        self.base = base or Base.load(config.base, quantization="dequantized")
        if self.base.quantization == "nf4":
            raise FitError("An NF4 base can't be trained through. Load it with quantization='dequantized'.")
        if self.base.device.type == "cpu":  # with rows this short, plain matmuls beat the fused kernel's backward
            self.base.model.set_attn_implementation("eager")
        torch.manual_seed(config.seed)
        self.hypernetwork = Hypernetwork(config_for(self.base, config.modules)).to(self.base.device)
        plain = [p for n, p in self.hypernetwork.named_parameters() if p.dim() < 2 or "gate" in n or "scale" in n]
        kept = {id(p) for p in plain}
        decayed = [p for p in self.hypernetwork.parameters() if id(p) not in kept]
        groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))
        self.step, self.seconds = 0, 0.0
        first = [skill.text for skill in draw_batch(config, 0)]
        self.hypernetwork.calibrate(self.hypernetwork.read(self.base, first))
        if (self.out / "state.safetensors").exists():
            self._resume()

    def run(self) -> Hypernetwork:
        """Train to the last step; saves on the way, on Ctrl-C, and the finished checkpoint at the end."""
        held_out = self._held_out()
        write_atomically(self.out / "fit.json", lambda path: path.write_text(json.dumps(asdict(self.config), indent=2)))
        self._log({"step": self.step, "settings": asdict(self.config)})
        try:
            while self.step < self.config.steps:
                self._log(self.train_step())
                if self.step % self.config.save_every == 0:
                    self.save()
                if self.step % self.config.evaluate_every == 0 or self.step == self.config.steps:
                    self._log({"step": self.step, "held_out": glance(self.base, self.hypernetwork, held_out)})
        finally:
            self.save()
        return self.hypernetwork

    def train_step(self) -> dict[str, float]:
        """One step; gives what is logged of it."""
        started, rate = time.perf_counter(), learning_rate(self.config, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss, exact = loss_of(self.base, self.hypernetwork, draw_batch(self.config, self.step))
        self.optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.hypernetwork.parameters(), self.config.clip)
        self.optimizer.step()
        self.step += 1
        spent = time.perf_counter() - started
        self.seconds += spent
        numbers = {"loss": loss.item(), "exact": exact.item(), "grad_norm": norm.item(), "rate": rate, "seconds": spent}
        return {"step": self.step, **{name: round(value, 5) for name, value in numbers.items()}}

    def save(self) -> None:
        """Keep the state to go on from, and the checkpoint that can be used, each whole or not at all."""
        tensors = {f"model.{name}": p.detach() for name, p in self.hypernetwork.state_dict().items()}
        for i, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{name}": value for name, value in state.items()}
        about = {"step": str(self.step), "seconds": str(self.seconds), "base": self.base.fingerprint}
        contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
        write_atomically(self.out / "state.safetensors", lambda path: save_file(contiguous, path, metadata=about))
        trained = {
            "families": ", ".join(dict.fromkeys(self.config.families)),
            "steps": self.step,
            "skills seen": self.step * self.config.skills_per_step,
            "prompts seen": self.step * self.config.skills_per_step * self.config.tasks_per_skill,
            "hours": round(self.seconds / 3600, 2),
            "hardware": f"{self.base.device.type}, {torch.get_num_threads()} threads",
            "base weights": f"NF4 values, {self.base.dtype}".replace("torch.", ""),
            "seed": self.config.seed,
        }
        self.hypernetwork.config = replace(self.hypernetwork.config, trained=trained)
        self.hypernetwork.save_pretrained(self.out / "checkpoint")

    def _resume(self) -> None:
        before = json.loads((self.out / "fit.json").read_text())
        now = json.loads(json.dumps(asdict(self.config)))
        # what may change for the steps to come; the curve keeps the settings of every start
        free = {"out", "families", "steps", "decay", "save_every", "evaluate_every", "held_out_skills"}
        changed = sorted(name for name in now if name not in free and before[name] != now[name])
        if changed:
            raise FitError(
                f"{self.out} holds a run with another {', '.join(changed)}. Choose another folder for this one."
            )
        with (self.out / "state.safetensors").open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))["__metadata__"]
        if header.get("base", self.base.fingerprint) != self.base.fingerprint:
            raise FitError(f"{self.out} holds a run on another base than {self.base.name}. Choose another folder.")
        state = load_file(self.out / "state.safetensors", device=str(self.base.device))
        self.hypernetwork.load_state_dict({k[6:]: v for k, v in state.items() if k.startswith("model.")})
        saved: dict[int, dict[str, Tensor]] = {}
        for key, value in state.items():
            if key.startswith("optimizer."):
                _, index, name = key.split(".")
                saved.setdefault(int(index), {})[name] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": saved})
        self.step, self.seconds = int(header["step"]), float(header["seconds"])

    def _held_out(self) -> list[TaskSkill]:
        rng = random.Random(HELD_OUT_SEED)
        families = dict.fromkeys(self.config.families)
        return [sample_skill(family, rng, 4) for family in families for _ in range(self.config.held_out_skills)]

    def _log(self, numbers: dict) -> None:
        line = json.dumps(numbers)
        print(line, flush=True)
        with (self.out / "curve.jsonl").open("a") as file:
            file.write(line + "\n")
