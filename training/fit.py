"""Train a hypernetwork through the frozen base: cross-entropy on the right answers of generated skills.

Skills are drawn anew at every step from the seed and the step's number, so a run that was stopped goes on at the exact
step with the same data. On a share of the skills a neutral prompt is answered as well, and the adapter is held to what
the base says there (KL). Everything is kept in the output folder; writes are atomic.
"""

import json
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
import yaml
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader

from hypernet.adapter import Adapter, Provenance, layers_path
from hypernet.base import Base
from hypernet.decode import Row, Sampling, answer_all
from hypernet.files import write_atomically
from hypernet.hypernetwork import Hypernetwork, config_for, load_hypernetwork
from hypernet.lora import LoraWeights
from training.examples import Example, answer_logits, to_example
from training.tasks import FAMILIES, GRAMMAR, KNOWN, Style, TaskSkill, sample_skill

HELD_OUT_SEED = "held-out"  # never the seed of a training step
NEUTRAL = Path(__file__).parent / "neutral.yaml"
NEUTRAL_TOKENS = 24  # of a base's answer to a neutral prompt, and twice as many of a plain text


@dataclass(frozen=True)
class FitConfig:
    """One training run; a YAML file has these fields."""

    out: str  # folder for the checkpoint, the training state and the curve
    base: str | None = None  # Hub name or folder; none: the default base
    start: str | None = None  # a checkpoint to begin with; none: a new hypernetwork
    modules: tuple[str, ...] = ("self_attn.o_proj", "mlp.down_proj")  # LoRA made from the skill
    shared_modules: tuple[str, ...] = ()  # LoRA that is the same for every skill, beside that on `modules`
    reading: bool = False  # train the shared part alone, with the skill in the prompt: the rival that reads
    families: tuple[str, ...] = (*KNOWN, *[GRAMMAR] * 4)  # in turn; one named twice comes twice as often
    steps: int = 1000
    skills_per_step: int = 16
    tasks_per_skill: int = 4
    noisy: float = 0.15  # share of the skills with talk and rules of other kinds on the page
    noisy_from: int = 300  # steps over which that share is reached: pages are plain at first
    longest: int = 120  # words of talk on a noisy page, at most
    turns: float = 0.1  # share of the questions that come after an earlier exchange
    stacked: float = 0.1  # share of the steps in which every skill acts together with another one's adapter
    neutral: float = 0.25  # share of the skills that also answer a neutral prompt
    kl: float = 1.0  # weight of the divergence from the base on neutral prompts, against the answers' cross-entropy
    learning_rate: float = 1e-3
    warmup: int = 30  # steps
    decay: float = 0.3  # share of the steps, at the end, over which the rate falls to zero
    weight_decay: float = 0.01
    clip: float = 1.0  # norm of the gradient
    ema: float = 0.98  # the checkpoint is the running mean of the weights; 0: the weights themselves
    seed: int = 0
    workers: int = 0  # processes that draw skills; on a GPU a few keep it busy
    save_every: int = 50
    evaluate_every: int = 200
    held_out_skills: int = 2  # a family, for the look on the way


class FitError(ValueError):
    """A run that can't start or go on; the message says what to do."""


def draw_batch(config: FitConfig, step: int) -> list[TaskSkill]:
    """The skills of a step, from the seed and the step alone; families in turn, so that each is seen equally often."""
    count, families = config.skills_per_step, list(config.families)
    rounds, names = {}, []
    for place in range(step * count, (step + 1) * count):
        turn = place // len(families)
        if turn not in rounds:
            rounds[turn] = random.Random(f"{config.seed}/order/{turn}").sample(families, len(families))
        names.append(rounds[turn][place % len(families)])
    rng = random.Random(f"{config.seed}/{step}")
    style = Style(noisy=config.noisy * min(1.0, step / config.noisy_from), longest=config.longest, turns=config.turns)
    return [sample_skill(name, rng, config.tasks_per_skill, style) for name in names]


def learning_rate(config: FitConfig, step: int) -> float:
    """Linear warm-up, constant, linear decay to zero."""
    decay_steps = max(1, round(config.steps * config.decay))
    return config.learning_rate * min(1.0, (step + 1) / config.warmup, (config.steps - step) / decay_steps)


class NeutralExamples:
    """Prompts that no skill is about with the base's own answers, and plain texts."""

    def __init__(self, base: Base, part: str = "train", limit: int | None = None) -> None:
        material = yaml.safe_load(NEUTRAL.read_text(encoding="utf-8"))
        prompts = [base.chat_ids(prompt) for prompt in material["prompts"][part][:limit]]
        self.examples: list[Example] = []
        for start in range(0, len(prompts), 32):
            rows = [Row(ids) for ids in prompts[start : start + 32]]
            for row, answer in zip(rows, answer_all(base, rows, Sampling(max_new_tokens=NEUTRAL_TOKENS)), strict=True):
                if answer.ids:
                    self.examples.append(Example(0, row.prompt_ids, answer.ids))
        for text in material["texts"][part][:limit]:
            ids = base.encode(text)[: 2 * NEUTRAL_TOKENS]
            self.examples.append(Example(0, ids[:1], ids[1:]))

    def draw(self, rng: random.Random, skill: int) -> Example:
        """Any of them, for a skill of the batch."""
        return replace(rng.choice(self.examples), skill=skill)


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
            scored = answer_logits(base, examples, lora)
            exact = scored.exact(len(examples)).float().tolist()
            hits.setdefault(mode, []).extend(exact)
            if mode == "parametric":
                hits.setdefault("loss", []).append(F.cross_entropy(scored.logits, scored.right).item())
                for example, hit in zip(examples, exact, strict=True):
                    hits.setdefault(part[example.skill].family, []).append(hit)
    return {name: round(sum(values) / len(values), 4) for name, values in hits.items()}


class Fit:
    """A run: the hypernetwork, its optimiser, the running mean of its weights and the step, kept in a folder."""

    def __init__(self, config: FitConfig, base: Base | None = None) -> None:
        """Start anew, or go on where the folder's state was saved.

        Raises FitError where a family is unknown, the folder holds a run with other settings, or no gradient passes the
        base; HypernetworkError where the checkpoint to start with can't be read or belongs to another base.
        """
        if unknown := set(config.families) - set(FAMILIES) - {GRAMMAR}:
            names = ", ".join((*FAMILIES, GRAMMAR))
            raise FitError(f"There are no families {', '.join(sorted(unknown))}. There are: {names}.")
        self.config, self.out = config, Path(config.out)
        self.base = base or Base.load(config.base, quantization="dequantized")
        if self.base.quantization == "nf4":
            raise FitError("An NF4 base can't be trained through. Load it with quantization='dequantized'.")
        if self.base.device.type == "cpu":  # with rows this short, plain matmuls beat the fused kernel's backward
            self.base.model.set_attn_implementation("eager")
        self.accelerator = Accelerator(cpu=self.base.device.type == "cpu")
        torch.manual_seed(config.seed)
        if config.start:
            self.hypernetwork = load_hypernetwork(self.base, config.start).float().train()
        else:
            shape = config_for(self.base, config.modules, config.shared_modules)
            self.hypernetwork = Hypernetwork(shape).to(self.base.device)
        if config.reading:
            for name, parameter in self.hypernetwork.named_parameters():
                parameter.requires_grad_(name.startswith("shared_"))
        named = [(name, p) for name, p in self.hypernetwork.named_parameters() if p.requires_grad]
        plain = {n for n, p in named if p.dim() < 2 or "gate" in n or "scale" in n or "gain" in n}
        groups = [
            {"params": [p for n, p in named if n not in plain], "weight_decay": config.weight_decay},
            {"params": [p for n, p in named if n in plain], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))
        self.step, self.seconds = 0, 0.0
        if not config.start:
            first = [skill.text for skill in draw_batch(config, 0)]
            self.hypernetwork.calibrate(self.hypernetwork.read(self.base, first))
        self.trained = dict(named)
        self.mean = {n: p.detach().clone() for n, p in named}
        self.neutral = NeutralExamples(self.base) if config.neutral and config.kl else None
        if (self.out / "state.safetensors").exists():
            self._resume()

    def run(self) -> Hypernetwork:
        """Train to the last step; saves on the way, on Ctrl-C, and the finished checkpoint at the end."""
        held_out = self._held_out()
        settings = json.dumps(asdict(self.config), indent=2)
        write_atomically(self.out / "fit.json", lambda path: path.write_text(settings))
        self._log({"step": self.step, "settings": asdict(self.config)})
        steps = range(self.step, self.config.steps)
        batches = DataLoader(_Steps(self.config), batch_size=None, sampler=steps, num_workers=self.config.workers)
        try:
            for skills in batches:
                self._log(self.train_step(skills))
                last = self.step == self.config.steps
                if self.step % self.config.save_every == 0 or last:
                    self.save()
                if (self.step % self.config.evaluate_every == 0 or last) and self.accelerator.is_main_process:
                    self._log({"step": self.step, "held_out": glance(self.base, self.averaged(), held_out)})
        finally:
            self.save()
        return self.averaged()

    def train_step(self, skills: list[TaskSkill]) -> dict[str, float]:
        """One step on the skills of a batch, of which every process takes its share; gives what is logged of it."""
        started, rate = time.perf_counter(), learning_rate(self.config, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        process, processes = self.accelerator.process_index, self.accelerator.num_processes
        parts = self.loss_of(
            skills[process::processes], random.Random(f"{self.config.seed}/neutral/{self.step}/{process}")
        )
        self.optimizer.zero_grad()
        parts["loss"].backward()
        parameters = list(self.trained.values())
        if processes > 1:
            flat = torch.cat([parameter.grad.flatten() for parameter in parameters])  # one message instead of a hundred
            for parameter, part in zip(
                parameters, self.accelerator.reduce(flat, "mean").split([p.numel() for p in parameters]), strict=True
            ):
                parameter.grad = part.view_as(parameter)
        norm = nn.utils.clip_grad_norm_(parameters, self.config.clip)
        self.optimizer.step()
        self.step += 1
        # as long as the run is short the mean must forget its beginning faster
        keep = min(self.config.ema, self.step / (self.step + 10)) if self.config.ema else 0.0
        with torch.no_grad():
            for name, parameter in self.trained.items():
                self.mean[name].lerp_(parameter, 1 - keep)
        spent = time.perf_counter() - started
        self.seconds += spent
        numbers = {name: value.item() for name, value in parts.items()}
        numbers |= {"grad_norm": norm.item(), "rate": rate, "seconds": spent}
        return {"step": self.step, **{name: round(value, 5) for name, value in numbers.items()}}

    def loss_of(self, skills: list[TaskSkill], rng: random.Random) -> dict[str, Tensor]:
        """Cross-entropy over answer tokens, the KL to the base on neutral prompts, their sum, and the share of answers
        that greedy decoding would get right."""
        base, config = self.base, self.config
        weights = self._weights(skills, rng)
        examples = [
            to_example(base, i, task, skill.text if config.reading else None)
            for i, skill in enumerate(skills)
            for task in skill.tasks
        ]
        asked = len(examples)
        if self.neutral:
            examples += [self.neutral.draw(rng, i) for i in range(len(skills)) if rng.random() < config.neutral]
        scored = answer_logits(base, examples, weights)
        on_task = scored.example < asked
        parts = {"answers": F.cross_entropy(scored.logits[on_task], scored.right[on_task])}
        if len(examples) > asked:
            with torch.no_grad():
                plain = answer_logits(base, examples[asked:], None).logits.float().log_softmax(-1)
            ours = scored.logits[~on_task].float().log_softmax(-1)
            parts["kl"] = F.kl_div(ours, plain, log_target=True, reduction="batchmean")
        parts["loss"] = parts["answers"] + config.kl * parts.get("kl", 0.0)
        parts["exact"] = scored.exact(len(examples))[:asked].float().mean()
        return {name: part if name == "loss" else part.detach() for name, part in parts.items()}

    def _weights(self, skills: list[TaskSkill], rng: random.Random) -> LoraWeights:
        """The adapter of each skill, for some of them together with another's."""
        base, config, shared = self.base, self.config, self.hypernetwork.shared()
        if config.reading:
            return shared.rows([0] * len(skills)).to(base.dtype)
        read = self.hypernetwork.read(base, [skill.text for skill in skills])
        with torch.autocast(base.device.type, dtype=base.dtype, enabled=base.dtype == torch.bfloat16):
            own = self.hypernetwork(read)
        if rng.random() < config.stacked:
            own = own.join(own.rows([(i + 1) % own.skills for i in range(own.skills)]))
        return own.join(shared).to(base.dtype)

    def averaged(self) -> Hypernetwork:
        """The hypernetwork with the running mean of its weights: what is evaluated and ships."""
        made = Hypernetwork(self.hypernetwork.config).to(self.base.device)
        made.load_state_dict({**self.hypernetwork.state_dict(), **self.mean})
        return made.eval()

    def save(self) -> None:
        """Keep the state to go on from, and the checkpoint that can be used, each whole or not at all."""
        if not self.accelerator.is_main_process:
            return
        tensors = {f"model.{name}": p.detach() for name, p in self.hypernetwork.state_dict().items()}
        tensors |= {f"mean.{name}": p for name, p in self.mean.items()}
        for i, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{name}": value for name, value in state.items()}
        about = {"step": str(self.step), "seconds": str(self.seconds), "base": self.base.fingerprint}
        contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
        write_atomically(self.out / "state.safetensors", lambda path: save_file(contiguous, path, metadata=about))
        averaged = self.averaged()
        if self.config.reading:
            self._reader(averaged).save(self.out / "reader")
        else:
            averaged.config = replace(averaged.config, trained=self._about())
            averaged.save_pretrained(self.out / "checkpoint")

    def _reader(self, averaged: Hypernetwork) -> Adapter:
        """The trained reader as an adapter: it is for every skill, given in the prompt."""
        came = Provenance("reader", "", 0, self.base.name, self.base.fingerprint, "", round(self.seconds, 1))
        with torch.no_grad():
            return Adapter(averaged.shared().to(torch.bfloat16), layers_path(self.base), came)

    def _about(self) -> dict[str, str | int | float]:
        """What the model card says of the run, and of the one it began with."""
        config, before = self.config, self.hypernetwork.config.trained
        skills = self.step * config.skills_per_step
        return {
            "families": ", ".join(dict.fromkeys(config.families)),
            "steps": self.step + before.get("steps", 0),
            "skills seen": skills + before.get("skills seen", 0),
            "prompts seen": skills * config.tasks_per_skill + before.get("prompts seen", 0),
            "hours": round(self.seconds / 3600 + before.get("hours", 0), 2),
            "hardware": f"{self.base.device.type}, {torch.get_num_threads()} threads",
            "base weights": f"NF4 values, {self.base.dtype}".replace("torch.", ""),
            "seed": config.seed,
        }

    def _resume(self) -> None:
        before = json.loads((self.out / "fit.json").read_text())
        now = json.loads(json.dumps(asdict(self.config)))
        # what belongs to the shape of the run; the rest may change for the steps to come, and the curve keeps it
        fixed = {
            "base",
            "start",
            "reading",
            "modules",
            "shared_modules",
            "seed",
            "skills_per_step",
            "tasks_per_skill",
            "ema",
        }
        changed = sorted(name for name in fixed if before.get(name) != now[name])
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
        self.mean = {name: state[f"mean.{name}"] for name in self.mean}
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
        if not self.accelerator.is_main_process:
            return
        line = json.dumps(numbers)
        print(line, flush=True)
        with (self.out / "curve.jsonl").open("a") as file:
            file.write(line + "\n")


class _Steps:
    """The batches of a run by step, for a loader's worker processes."""

    def __init__(self, config: FitConfig) -> None:
        self.config = config

    def __getitem__(self, step: int) -> list[TaskSkill]:
        return draw_batch(self.config, step)

    def __iter__(self) -> Iterator[list[TaskSkill]]:
        return (self[step] for step in range(self.config.steps))
