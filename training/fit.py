"""Train a hypernetwork through the frozen base: cross-entropy on the right answers of generated skills.

Skills are drawn anew at every step from the seed and the step's number, so a run that was stopped goes on at the exact
step with the same data. On a share of the skills a neutral prompt is answered as well, and the adapter is held to what
the base says there (KL). Several processes share a step and give what one alone would. Everything is kept in the output
folder; writes are atomic.
"""

import json
import random
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from functools import cache, reduce
from pathlib import Path

import torch
import torch.nn.functional as F
import yaml
from accelerate import Accelerator
from accelerate.utils import gather_object
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.utils.data import DataLoader

from hypernet.adapter import Adapter, Provenance, layers_path
from hypernet.base import Base
from hypernet.decode import Row, Sampling, answer_all
from hypernet.files import remove_leftovers, write_atomically
from hypernet.hypernetwork import Hypernetwork, config_for, load_hypernetwork
from hypernet.lora import LoraWeights, stack_skills
from training.examples import Example, answer_logits, of_like_length, to_example
from training.optimizer import MuonAdamW
from training.progress import RunLog, Throughput, make_accelerator, sum_gradients
from training.state import load_state, read_about, save_state
from training.tasks import FAMILIES, GRAMMAR, HELD_OUT, KNOWN, Style, TaskSkill, sample_skill

HELD_OUT_SEED = "held-out"  # never the seed of a training step
STATE = "state.safetensors"  # in the run's folder
LOCK_FILE = ".lock"  # there: held by the process that trains
COUNTS = "steps skills_per_step tasks_per_skill ramp warmup save_every evaluate_every held_out_skills".split()
OF_A_NEW_ONE = "modules slots shared_modules shape".split()  # settings that a run which begins with another can't have
# fields of HypernetworkConfig that a run may set
SHAPE = "layers encoder_layers rank shared_rank width blocks heads window max_tokens".split()
NEUTRAL = Path(__file__).parent / "neutral.yaml"
SKILLS_AT_ONCE = 16  # that are looked at together
ANSWERED_AT_ONCE = 32  # neutral prompts
BESIDE = (1, 2)  # others that a skill acts together with, where it does
READ_FILLED = 0.4  # of the longest text's length, at least, for texts to be read together
NEUTRAL_TOKENS = 24  # of a base's answer to a neutral prompt, and twice as many of a plain text


class FitError(ValueError):
    """A run that can't start or go on; the message says what to do."""


@dataclass(frozen=True)
class FitConfig:
    """One training run; a YAML file has these fields."""

    out: str  # folder for the checkpoint, the training state and the curve
    base: str | None = None  # Hub name or folder; none: the default base
    start: str | None = None  # a checkpoint to begin with, folder or user/name[@revision]; none: a new hypernetwork
    modules: tuple[str, ...] = ("self_attn.o_proj", "mlp.down_proj")  # LoRA made from the skill
    slots: int = 24  # tokens of the text that get a rank each, in every layer of the last of `modules`
    shared_modules: tuple[str, ...] = ()  # LoRA that is the same for every skill, beside that on `modules`
    shape: dict = field(default_factory=dict)  # those of SHAPE that are to be otherwise than `config_for` has them
    reading: bool = False  # train the shared part alone, with the skill in the prompt: the rival that reads
    families: tuple[str, ...] = (*KNOWN, *[GRAMMAR] * 4)  # in turn; one named twice comes twice as often
    steps: int = 1000
    skills_per_step: int = 16
    tasks_per_skill: int = 4
    paired: float = 0.25  # share of the skills that are asked what another one of their family is asked in the step
    noisy: float = 0.15  # share of the skills with talk and rules of other kinds on the page
    longest: int = 120  # words of talk on a noisy page, at most; most pages have far fewer
    turns: float = 0.1  # share of the questions that come after an earlier exchange
    stacked: float = 0.2  # share of the steps in which every skill acts together with one or two others' adapters
    ramp: int = 300  # steps over which `noisy`, `longest` and `stacked` are reached: plain, short and alone at first
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
    held_out_skills: int = 2  # a family, trained or not, for the look on the way
    track: str = ""  # also log to `tensorboard` (files in the run's folder) or `trackio`

    def check(self) -> None:
        """Raise FitError for a family that there is not, or a number below its least."""
        if unknown := set(self.families) - set(FAMILIES) - {GRAMMAR}:
            names = ", ".join((*FAMILIES, GRAMMAR))
            raise FitError(f"There are no families {', '.join(sorted(unknown))}. There are: {names}.")
        if not self.families:
            raise FitError("families is empty. Name one or more, or leave it out.")
        if unknown := self.shape.keys() - set(SHAPE):
            raise FitError(f"shape has no {', '.join(sorted(unknown))}. There are: {', '.join(SHAPE)}.")
        for name in COUNTS:
            if getattr(self, name) < 1:
                raise FitError(f"{name} is {getattr(self, name)}; it must be 1 or more.")


def draw_batch(config: FitConfig, step: int) -> list[TaskSkill]:
    """The skills of a step, from the seed and the step alone; families in turn, so that each comes about as often.

    For some of the first half another skill of its family in the second half is asked the same questions, as far as
    its content lets them be the same: then only the text tells the answers apart.
    """
    count, families = config.skills_per_step, list(config.families)
    rounds, names = {}, []
    for place in range(step * count, (step + 1) * count):
        turn = place // len(families)
        if turn not in rounds:
            rounds[turn] = random.Random(f"{config.seed}/order/{turn}").sample(families, len(families))
        names.append(rounds[turn][place % len(families)])
    rng, grown = random.Random(f"{config.seed}/{step}"), ramped(config, step)
    asking = [f"{config.seed}/{step}/{place}" for place in range(count)]
    apart = count // 2
    for place in range(apart):
        # skills that act together stand side by side, three at most: they must not answer one question differently
        if apart > max(BESIDE) and rng.random() < config.paired:
            names[place + apart], asking[place + apart] = names[place], asking[place]
    skills = []
    for name, questions in zip(names, asking, strict=True):
        longest = round(config.longest * grown * rng.random() ** 2)  # long pages take long, so there are few
        style = Style(noisy=config.noisy * grown, longest=longest, turns=config.turns)
        skills.append(sample_skill(name, rng, config.tasks_per_skill, style, questions))
    return skills


def ramped(config: FitConfig, step: int) -> float:
    """How far pages are from plain, short and alone towards what the settings say, from 0 to 1."""
    return min(1.0, step / config.ramp)


def learning_rate(config: FitConfig, step: int) -> float:
    """Linear warm-up, constant, linear decay to zero."""
    decay_steps = max(1, round(config.steps * config.decay))
    return config.learning_rate * min(1.0, (step + 1) / config.warmup, (config.steps - step) / decay_steps)


@cache
def neutral_material() -> dict[str, dict[str, list[str]]]:
    """Prompts and texts that no skill is about, of either part."""
    return yaml.safe_load(NEUTRAL.read_text(encoding="utf-8"))


def plain_texts(base: Base, part: str, limit: int | None = None) -> list[Example]:
    """Texts that no skill is about, each to be read on from its first token."""
    texts = neutral_material()["texts"][part][:limit]
    ids = [base.encode(text)[: 2 * NEUTRAL_TOKENS] for text in texts]
    return [Example(0, text[:1], text[1:]) for text in ids]


class NeutralExamples:
    """Prompts that no skill is about with the base's own answers, and plain texts."""

    def __init__(
        self, base: Base, part: str = "train", limit: int | None = None, accelerator: Accelerator | None = None
    ) -> None:
        """Those of a part, at most so many of either kind. Processes share the answering, and have all answers."""
        rows = [Row(base.chat_ids(prompt)) for prompt in neutral_material()["prompts"][part][:limit]]
        batches = [rows[start : start + ANSWERED_AT_ONCE] for start in range(0, len(rows), ANSWERED_AT_ONCE)]
        process, processes = (accelerator.process_index, accelerator.num_processes) if accelerator else (0, 1)
        found: list[Example] = []
        for batch in batches[process * len(batches) // processes : (process + 1) * len(batches) // processes]:
            answers = answer_all(base, batch, Sampling(max_new_tokens=NEUTRAL_TOKENS))
            found += [Example(0, row.prompt_ids, a.ids) for row, a in zip(batch, answers, strict=True) if a.ids]
        self.examples = (gather_object(found) if processes > 1 else found) + plain_texts(base, part, limit)

    def draw(self, rng: random.Random, skill: int) -> Example:
        """Any of them, for a skill of the batch."""
        return replace(rng.choice(self.examples), skill=skill)


@torch.no_grad()
def glance(base: Base, hypernetwork: Hypernetwork, skills: list[TaskSkill], reading: bool = False) -> dict[str, float]:
    """Exact match on held-out skills, teacher-forced: in all, per family, and for the two controls; and the loss a
    token. Where a reader is trained (`reading`), the shared part alone with the skill in the prompt."""
    hits: dict[str, list[float]] = {}
    loss, tokens, parts = 0.0, 0, -(-len(skills) // SKILLS_AT_ONCE)
    for i in range(parts):  # of one size: a skill that is left alone would have no other one's adapter as control
        part = skills[i * len(skills) // parts : (i + 1) * len(skills) // parts]
        shared = hypernetwork.shared().to(base.dtype).rows([0] * len(part))
        modes = {"reading": shared} if reading else _adapters_and_controls(base, hypernetwork, part, shared)
        of = [(i, task, skill.text if reading else None) for i, skill in enumerate(part) for task in skill.tasks]
        examples = [to_example(base, *each) for each in of]
        for mode, lora in modes.items():
            scored = answer_logits(base, examples, lora)
            exact = scored.exact(len(examples)).float().tolist()
            hits.setdefault(mode, []).extend(exact)
            if mode in ("parametric", "reading"):
                loss += F.cross_entropy(scored.logits.float(), scored.right, reduction="sum").item()
                tokens += len(scored.right)
                for example, hit in zip(examples, exact, strict=True):
                    hits.setdefault(part[example.skill].family, []).append(hit)
    shares = {name: round(sum(values) / len(values), 4) for name, values in hits.items()}
    return shares | {"loss": round(loss / tokens, 4)}


def _adapters_and_controls(
    base: Base, hypernetwork: Hypernetwork, skills: list[TaskSkill], shared: LoraWeights
) -> dict[str, LoraWeights]:
    weights = hypernetwork.generate(base, [skill.text for skill in skills])
    wrong = weights.rows([(i + 1) % len(skills) for i in range(len(skills))])
    return {"parametric": weights, "wrong skill": wrong, "shared only": shared}


class Fit:
    """A run: the hypernetwork, its optimiser, the running mean of its weights and the step, kept in a folder."""

    def __init__(self, config: FitConfig, base: Base | None = None) -> None:
        """Start anew, or go on where the folder's state was saved.

        Raises FitError where a setting is out of range, a process would have no skill, the folder holds a run with
        other settings, or no gradient passes the base; TrackerError where the tracker is missing; HypernetworkError
        where the checkpoint to start with can't be read or belongs to another base.
        """
        config.check()
        self.config, self.out = config, Path(config.out)
        on_cpu = base.device.type == "cpu" if base else not torch.cuda.is_available()
        self.accelerator = make_accelerator(self.out, on_cpu, config.track)
        if config.skills_per_step < self.accelerator.num_processes:
            raise FitError(
                f"{self.accelerator.num_processes} processes can't share {config.skills_per_step} skills a step. "
                "Start fewer, or raise skills_per_step."
            )
        # each process has a device of its own, which the accelerator knows
        self.base = base or Base.load(config.base, quantization="dequantized", device=str(self.accelerator.device))
        if self.base.quantization == "nf4":
            raise FitError("An NF4 base can't be trained through. Load it with quantization='dequantized'.")
        torch.manual_seed(config.seed)
        if config.start:
            if own := [name for name in OF_A_NEW_ONE if getattr(config, name) != getattr(FitConfig, name, {})]:
                raise FitError(f"{config.start} has a shape of its own. Leave out {', '.join(own)}, or `start`.")
            self.hypernetwork = load_hypernetwork(self.base, config.start).float().train()
        else:
            shape = config_for(self.base, config.modules, config.shared_modules, slots=config.slots, **config.shape)
            self.hypernetwork = Hypernetwork(shape).to(self.base.device)
        if config.reading:
            for name, parameter in self.hypernetwork.named_parameters():
                parameter.requires_grad_(name.startswith("shared_"))
        named = [(name, p) for name, p in self.hypernetwork.named_parameters() if p.requires_grad]
        self.optimizer = MuonAdamW(self.hypernetwork, config.learning_rate, config.weight_decay)
        self.step, self.seconds = 0, 0.0
        self.whole = True  # weights, optimiser and running mean are all those of `step`
        if not config.start:
            first = [skill.text for skill in draw_batch(config, 0)]
            self.hypernetwork.calibrate(self.hypernetwork.read(self.base, first))
        self.trained = dict(named)
        self.mean = {n: p.detach().clone() for n, p in named}
        if (self.out / STATE).exists():
            self._resume()
        found = self.accelerator.gather(torch.tensor([self.step], device=self.base.device)).tolist()
        if len(set(found)) > 1:
            raise FitError(
                f"The processes found different states of the run in {self.out} (steps {found}). "
                "Give a folder that all machines share."
            )
        self.neutral = None
        if config.neutral and config.kl:
            self.neutral = NeutralExamples(self.base, accelerator=self.accelerator)

    def run(self) -> Hypernetwork:
        """Train to the last step; saves on the way, on Ctrl-C, and the finished checkpoint at the end.

        Raises FitError where the state can't be stored, or another process trains in the folder.
        """
        lock = FileLock(self.out / LOCK_FILE)
        if self.accelerator.is_main_process:
            try:
                lock.acquire(timeout=0)
            except Timeout as error:
                raise FitError(
                    f"Another process trains in {self.out}. Wait until it ends, stop it, or choose another folder."
                ) from error
            remove_leftovers(self.out, STATE, "fit.json")
        try:
            return self._run()
        finally:
            lock.release()

    def _run(self) -> Hypernetwork:
        config, settings = self.config, asdict(self.config)
        held_out, untrained = self._held_out(config.families), self._held_out(HELD_OUT)
        if self.accelerator.is_main_process:
            text = json.dumps(settings, indent=2)
            write_atomically(self.out / "fit.json", lambda path: path.write_text(text))
        throughput = Throughput(self.base.device, self.base.dtype)
        steps = range(self.step, config.steps)
        batches = DataLoader(_Steps(config), batch_size=None, sampler=steps, num_workers=config.workers)
        with RunLog(self.out, self.accelerator, config.steps, self.step, settings) as log:
            log.write({"step": self.step, "settings": settings, "peak_tflops": round(throughput.peak / 1e12, 4)})
            try:
                for skills in batches:
                    log.write(throughput.measure(self.train_step, self.rehearse, skills))
                    last = self.step == config.steps
                    if self.step % config.save_every == 0:
                        self.save()
                    if (self.step % config.evaluate_every == 0 or last) and self.accelerator.is_main_process:
                        looks = {"held_out": self._glance(held_out), "held_out_families": self._glance(untrained)}
                        log.write({"step": self.step, **looks})
                        log.draw()
            finally:
                self.save()
        return self.averaged()

    def rehearse(self, skills: list[TaskSkill]) -> None:
        """The work of `train_step` but for the update."""
        self._differentiate(skills)
        self.optimizer.drop_gradients()

    def _differentiate(self, skills: list[TaskSkill]) -> dict[str, Tensor]:
        loss, parts = self.loss_of(skills, random.Random(f"{self.config.seed}/neutral/{self.step}"))
        loss.backward()
        return parts

    def train_step(self, skills: list[TaskSkill]) -> dict[str, float]:
        """One step on the skills of a batch, of which every process takes its share; gives what is logged of it."""
        started, rate = time.perf_counter(), learning_rate(self.config, self.step)
        parts = self._differentiate(skills)
        parameters = list(self.trained.values())
        sum_gradients(self.accelerator, parameters)
        norm = nn.utils.clip_grad_norm_(parameters, self.config.clip)
        self.whole = False
        self.optimizer.step(rate)
        self.step += 1
        # as long as the run is short the mean must forget its beginning faster
        keep = min(self.config.ema, self.step / (self.step + 10)) if self.config.ema else 0.0
        with torch.no_grad():
            for name, parameter in self.trained.items():
                self.mean[name].lerp_(parameter, 1 - keep)
        self.whole = True
        numbers = {name: value.item() for name, value in {**parts, "grad_norm": norm}.items()}  # waits for a GPU
        spent = time.perf_counter() - started
        self.seconds += spent
        numbers |= {"rate": rate, "seconds": spent}
        return {"step": self.step, **{name: round(value, 5) for name, value in numbers.items()}}

    def loss_of(self, skills: list[TaskSkill], rng: random.Random) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch: cross-entropy over answer tokens, and the KL to the base on neutral prompts.

        Gives what this process's share of the skills adds to it, with its gradient, and the numbers of the whole batch:
        both parts, the loss, the share of answers that greedy decoding would get right, and the tokens that were read.
        """
        base, config = self.base, self.config
        process, processes = self.accelerator.process_index, self.accelerator.num_processes
        share = range(process * len(skills) // processes, (process + 1) * len(skills) // processes)
        stacked = config.stacked * ramped(config, self.step)
        # whatever is drawn is drawn for the whole batch: it must not depend on who takes which share
        beside = rng.choice(BESIDE) if rng.random() < stacked else 0  # others that each skill acts together with
        beside = min(beside, len(skills) - 1)
        drawn = [
            self.neutral.draw(rng, i) for i in range(len(skills)) if self.neutral and rng.random() < config.neutral
        ]
        examples = [
            to_example(base, place, task, skills[i].text if config.reading else None)
            for place, i in enumerate(share)
            for task in skills[i].tasks
        ]
        asked = len(examples)
        examples += [replace(example, skill=share.index(example.skill)) for example in drawn if example.skill in share]
        scored = answer_logits(base, examples, self._weights(skills, share, beside))
        count = int((scored.example < asked).sum())  # answer tokens; those of neutral prompts come after them
        ours, neutral = scored.logits.split([count, len(scored.right) - count])
        entropy = F.cross_entropy(ours.float(), scored.right[:count], reduction="sum")
        divergence = torch.zeros_like(entropy)
        if len(examples) > asked:
            with torch.no_grad():
                plain = answer_logits(base, examples[asked:], None).logits.float().log_softmax(-1)
            divergence = F.kl_div(neutral.float().log_softmax(-1), plain, log_target=True, reduction="sum")
        tokens = sum(len(example.prompt_ids) + len(example.answer_ids) for example in examples)
        if not config.reading:
            tokens += sum(base.count_tokens(skills[i].text) for i in share)
        right = scored.exact(len(examples))[:asked].sum()
        counts = entropy.new_tensor([count, len(neutral), asked, tokens])
        sums = torch.stack([entropy.detach(), divergence.detach(), right, *counts])
        # shares have answers of different lengths: a mean of their means would not be the mean
        whole = self.accelerator.reduce(sums, "sum")
        entropies, divergences, hits, answer_tokens, neutral_tokens, prompts, read = whole.unbind()
        neutral_tokens = neutral_tokens.clamp_min(1)
        parts = {"answers": entropies / answer_tokens}
        if drawn:
            parts["kl"] = divergences / neutral_tokens
        parts["loss"] = parts["answers"] + config.kl * parts.get("kl", 0.0)
        parts |= {"exact": hits / prompts, "tokens": read.long()}
        return entropy / answer_tokens + config.kl * divergence / neutral_tokens, parts

    def _weights(self, skills: list[TaskSkill], share: range, beside: int) -> LoraWeights:
        """The adapters of a share of the skills, each together with those of the skills after it."""
        base, shared = self.base, self.hypernetwork.shared()
        if self.config.reading:
            return shared.rows([0] * len(share)).to(base.dtype)
        stacks = [[(i + after) % len(skills) for i in share] for after in range(beside + 1)]
        wanted = list(dict.fromkeys(i for members in stacks for i in members))
        found, order = [], []
        for batch in of_like_length(wanted, lambda i: len(skills[i].text), READ_FILLED):
            read = self.hypernetwork.read(base, [skills[i].text for i in batch])
            found.append(self.hypernetwork.own(base, read))
            order += batch
        made = stack_skills(found)
        parts = [made.rows([order.index(i) for i in members]) for members in stacks]
        return reduce(LoraWeights.join, [*parts, shared]).to(base.dtype)

    def averaged(self) -> Hypernetwork:
        """The hypernetwork with the running mean of its weights: what is evaluated and ships."""
        made = Hypernetwork(self.hypernetwork.config).to(self.base.device)
        made.load_state_dict({**self.hypernetwork.state_dict(), **self.mean})
        return made.eval()

    def save(self) -> None:
        """Keep the state to go on from, and the checkpoint that can be used, each whole or not at all.

        Raises FitError where they can't be stored; what was stored before is as it was.
        """
        if not self.accelerator.is_main_process or not self.whole:  # interrupted within an update: the last save holds
            return
        try:
            self._store()
        except (OSError, SafetensorError) as error:
            raise FitError(
                f"Step {self.step} could not be stored in {self.out}: {error}. Make room and give the command again; "
                "it goes on from what was stored before."
            ) from error

    def _store(self) -> None:
        about = {"step": str(self.step), "seconds": str(self.seconds), "base": self.base.fingerprint}
        save_state(self.out / STATE, self.hypernetwork, self.optimizer, about, mean=self.mean)
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
        return before | {
            "families": ", ".join(dict.fromkeys(config.families)),
            "steps": self.step + before.get("steps", 0),
            "skills seen": skills + before.get("skills seen", 0),
            "prompts seen": skills * config.tasks_per_skill + before.get("prompts seen", 0),
            "hours": round(self.seconds / 3600 + before.get("hours", 0), 2),
            "hardware": f"{self.base.device.type}, processes {self.accelerator.num_processes}, "
            f"threads of each {torch.get_num_threads()}",
            "base weights": f"NF4 values, {self.base.dtype}".replace("torch.", ""),
            "seed": config.seed,
        }

    def _resume(self) -> None:
        unknown_then = {"slots": 0, "shape": {}}  # to the oldest runs
        before = unknown_then | json.loads((self.out / "fit.json").read_text())
        now = json.loads(json.dumps(asdict(self.config)))
        # what belongs to the shape of the run; the rest may change for the steps to come, and the curve keeps it
        fixed = "base start reading modules slots shape shared_modules seed skills_per_step tasks_per_skill ema".split()
        changed = sorted(name for name in fixed if before.get(name) != now[name])
        if changed:
            raise FitError(
                f"{self.out} holds a run with another {', '.join(changed)}. Choose another folder for this one."
            )
        about = read_about(self.out / STATE)
        if about.get("base", self.base.fingerprint) != self.base.fingerprint:
            raise FitError(f"{self.out} holds a run on another base than {self.base.name}. Choose another folder.")
        load_state(self.out / STATE, self.hypernetwork, self.optimizer, mean=self.mean)
        self.step, self.seconds = int(about["step"]), float(about["seconds"])

    def _glance(self, skills: list[TaskSkill]) -> dict[str, float]:
        return glance(self.base, self.averaged(), skills, self.config.reading)

    def _held_out(self, families: Iterable[str]) -> list[TaskSkill]:
        rng, count = random.Random(HELD_OUT_SEED), self.config.held_out_skills
        return [sample_skill(family, rng, 4) for family in dict.fromkeys(families) for _ in range(count)]


class _Steps:
    """The batches of a run by step, for a loader's worker processes."""

    def __init__(self, config: FitConfig) -> None:
        self.config = config

    def __getitem__(self, step: int) -> list[TaskSkill]:
        return draw_batch(self.config, step)
