"""Continue a hypernetwork on a person's own skills, from a few examples of each in use.

Every step asks the own skills, and some of the generated families: on these it is held to what it said before
(learning without forgetting, arXiv 1606.09282). Only the linear layers change, and in directions that the families'
skills use little (`HoldingMuon`). The examples that are kept out decide which state is kept (by exact
match, then by loss) and when to stop (when neither gets better). Everything lies in one folder, so that a run that was
stopped or killed goes on at the exact step; the hypernetwork that it began with is only read. Bounded in steps alone,
it then ends as an unbroken run does; bounded in minutes, the learning rate follows the clock, and no two runs are the
same. Several processes share a step and give what one alone would; the main one decides, looks and keeps.
"""

import json
import math
import random
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from accelerate.utils import broadcast
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from torch import Tensor, nn

from hypernet.base import Base, compute_dtype, usual_device
from hypernet.encoder import SkillStates, SkillTextError, tokenize
from hypernet.files import remove_leftovers, write_atomically
from hypernet.hypernetwork import load_hypernetwork
from hypernet.lora import LoraWeights, stack_skills
from skills.skill import Skill
from training.conversation import TrajectoryError
from training.examples import Example, answer_logits, in_parts, to_example
from training.fit import STATE, NeutralExamples, plain_texts
from training.lines import spread_out
from training.measure import (
    CHECKED,
    Asked,
    Judged,
    answers_of,
    figures_of,
    in_turns,
    judge,
    others,
    percent,
    read,
    verdict,
)
from training.optimizer import HoldingMuon
from training.progress import RunLog, make_accelerator, read_curve, sum_gradients
from training.state import load_state, read_about, save_state
from training.tasks import GRAMMAR, KNOWN, Style, sample_skill
from training.trajectories import (
    Trajectory,
    as_line,
    chat_tokens,
    different,
    examples_of,
    read_trajectories,
    write_trajectories,
)
from training.variation import vary

LEAST_EXAMPLES = 3  # of a skill: two to learn from, one to see whether it was learned
MAX_SKILLS = 64
KEPT_OUT = 64  # examples of a skill, at most: more of them are better learned from
READ_ONCE = 12_000  # tokens of skill texts in all wordings, padding counted, that are kept when read; 0.1 MB each
CONTEXT = 2_000  # tokens of a chat
ASKED_AT_ONCE = 6_000  # tokens of chats that a step asks, at most: by count, a gradient holds 1 to 2 MB for each
SAMPLES = 3  # answers shown at every look
SAVE_SECONDS = 30  # between two saves of the state
FINISH_FILE = "finish"  # in the run's folder: end now, with the best state so far
WARMUP = 3  # steps
MEAN = 0.8  # how much of the running mean of the weights a step leaves; the mean is what is looked at and kept
HOLD = 4.0  # weight of the KL to what was said before, a token
REPLAYED = 60  # skills of the families that are held to, read once
NEUTRAL = 8  # neutral prompts, and plain texts
LOOKED_AT = 48  # kept-out examples of a look, at most; of those to learn from as many at the first
MEASURED = 160  # kept-out examples of the report, at most
MINUTES_WITHOUT_BFLOAT16 = 8.0
MEASURING = 0.2  # of a bound in time, at most, for the figures before, and as much for those after
TOGETHER = 32  # conversations that are measured between two looks at the clock
AT_ONCE = 8  # skills of which adapters are made together
START = "start"  # in the run's folder: what it begins with, which elsewhere may be another by the time it goes on
REPORT = "report.json"  # in the run's folder, once it has ended
LOCK_FILE = ".lock"  # in the run's folder: held by the process that trains there


def usual_minutes() -> float:
    """How long a refit is bounded where nobody says: without bfloat16 in hardware a step takes three times as long."""
    return RefitConfig.minutes if compute_dtype(usual_device()) == torch.bfloat16 else MINUTES_WITHOUT_BFLOAT16


class RefitError(ValueError):
    """A refit that can't start or go on; the message says what to do."""


class _StoppedError(Exception):
    """It was told to stop while it measured."""


@dataclass(frozen=True)
class RefitConfig:
    """One refit; a JSON file has these fields."""

    out: str  # folder for everything
    base: str | None = None  # Hub name or folder; none: the default base
    checkpoint: str | None = None  # what to continue, folder or user/name[@revision]; none: the one that ships
    minutes: float = 3.0  # from start to report, the looks before and after included; 0: no bound in time
    steps: int = 0  # 0: no bound in steps
    kept_out: float = 0.25  # share of each skill's examples that nothing is learned from
    learning_rate: float = 7e-4  # falls to zero over the second half of the run
    replay: int = 4  # skills of the families that a step asks beside the own ones
    skills_per_step: int = 5  # own skills that a step asks
    tasks_per_skill: int = 4
    texts: int = 3  # ways in which a skill's text is written: as it is, and in other words
    look_every: int = 5  # steps between two looks at the kept-out examples
    patience: int = 4  # looks without a better kept-out loss or exact match after which it stops
    families: int = 12  # skills of the families that the report asks, four questions each
    context: int = CONTEXT  # tokens of a chat that are read: of a longer one its end
    seed: int = 0
    track: str = ""  # also log to `tensorboard` (files in the run's folder) or `trackio`

    def check(self) -> None:
        """Raise RefitError where a value is out of its range."""
        limits = {
            "minutes": (0, 24 * 60),
            "steps": (0, 100_000),
            "kept_out": (0.05, 0.8),
            "learning_rate": (1e-6, 1e-1),
            "replay": (0, 16),
            "skills_per_step": (1, 64),
            "tasks_per_skill": (1, 64),
            "texts": (1, 16),
            "look_every": (1, 1000),
            "patience": (1, 1000),
            "families": (2, 1000),
            "context": (64, 1_000_000),
            "seed": (0, 2**31 - 1),
        }
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise RefitError(f"{name} is {getattr(self, name)}; it must be from {low} to {high}.")
        if not self.minutes and not self.steps:
            raise RefitError("The refit has no end. Give minutes or steps.")


def sort_by_skill(texts: dict[str, str], trajectories: Iterable[Trajectory]) -> dict[str, list[Trajectory]]:
    """The examples of each skill, in the order of the skills' texts, which stand under their SHA-256.

    Raises RefitError where one is of another skill, or a skill has too few, or none to learn from or to judge by;
    SkillError for a text that is no skill.
    """
    by_skill: dict[str, list[Trajectory]] = {digest: [] for digest in texts}
    for trajectory in trajectories:
        if trajectory.skill not in by_skill:
            raise RefitError(f"An example belongs to no skill here ({trajectory.skill[:12]}). Add its SKILL.md.")
        by_skill[trajectory.skill].append(trajectory)
    for digest, own in by_skill.items():
        name = Skill.parse(texts[digest]).name
        if len(own) < LEAST_EXAMPLES:
            raise RefitError(
                f"{name} has {len(own)} examples; it takes {LEAST_EXAMPLES} or more: some to learn from, and some to "
                "see whether it was learned."
            )
        parts = {trajectory.split for trajectory in own}
        if parts == {"train"}:
            raise RefitError(
                f"All examples of {name} have the split train: mark one or more as test, to see what it does."
            )
        if parts == {"test"}:
            raise RefitError(f"All examples of {name} have the split test: there is nothing to learn from.")
    return by_skill


def split_examples(
    trajectories: Sequence[Trajectory], share: float, rng: random.Random
) -> tuple[list[Trajectory], list[Trajectory]]:
    """(to learn from, kept out) of one skill: as their `split` says, and else by lot, KEPT_OUT at most.

    Chats that ask the same go together, so that nothing is kept out that was learned; where that leaves nothing to
    learn from, or to keep out, each goes by itself.
    """
    wanted = min(KEPT_OUT, round(share * len(trajectories)))
    for groups in (_by_question(trajectories), [[trajectory] for trajectory in trajectories]):
        train, test = _by_lot(groups, wanted, rng)
        if train and test:
            break
    return train, test


def _by_question(trajectories: Sequence[Trajectory]) -> list[list[Trajectory]]:
    """Chats that have a user's turn in common, directly or through others; what most chats say connects none."""
    said = [{str(m["content"]) for m in t.messages if m["role"] == "user"} for t in trajectories]
    often = Counter(turn for turns in said for turn in turns)
    groups: list[tuple[set[str], list[int]]] = []
    for i, turns in enumerate(said):
        asked = {turn for turn in turns if often[turn] <= len(said) / 2}
        joined = [group for group in groups if group[0] & asked]
        groups = [group for group in groups if not group[0] & asked]
        groups.append((asked.union(*(turns for turns, _ in joined)), [*(j for _, of in joined for j in of), i]))
    return [[trajectories[i] for i in sorted(group)] for _, group in groups]


def _by_lot(
    groups: list[list[Trajectory]], wanted: int, rng: random.Random
) -> tuple[list[Trajectory], list[Trajectory]]:
    """(to learn from, kept out), whole groups of those that don't say themselves; of either one where there can be."""
    train, test = ([t for group in groups for t in group if t.split == name] for name in ("train", "test"))
    free: list[list[Trajectory]] = []
    for group in groups:
        of_group, splits = [t for t in group if not t.split], {t.split for t in group}
        if "test" in splits:
            test += of_group
        elif "train" in splits:
            train += of_group
        else:
            free.append(of_group)
    learned, kept, room = [], [], wanted - len(test)
    for group in rng.sample(free, len(free)):
        if len(group) <= room:
            kept.append(group)
            room -= len(group)
        else:
            learned.append(group)
    if not test and not kept and learned:
        kept.append(learned.pop(min(range(len(learned)), key=lambda i: len(learned[i]))))
    if not train and not learned and kept:
        learned.append(kept.pop())
    return [*train, *(t for group in learned for t in group)], [*test, *(t for group in kept for t in group)]


class _Held(NamedTuple):
    """Questions to a skill, or one to none, and what was said at their answers before anything was learned."""

    examples: list[Example]
    logits: Tensor  # [answer tokens of all, vocabulary]


@dataclass(frozen=True)
class _Progress:
    """How far a run is; saved with its state."""

    step: int = 0
    seconds: float = 0.0  # of the starts before this one
    step_seconds: float = 0.0  # of the last step
    measuring: float = 0.0  # seconds that the figures before took
    looking: float = 0.0  # seconds that the last look took
    best_exact: float = -1.0  # percent of the kept-out answers, of the state that is kept
    best_loss: float | None = None  # of the same
    best_step: int = 0
    least_loss: float | None = None  # of any look
    waited: int = 0  # looks without a gain
    looked: int = -1  # step of the last look
    before: dict = field(default_factory=dict)  # figures and answers before anything was learned


class Refit:
    """A run in its folder: what is asked, the hypernetwork, its optimiser, and the best state so far."""

    def __init__(self, config: RefitConfig, base: Base | None = None) -> None:
        """Read the folder that `prepare` filled, and go on where its state was saved.

        Where the refit has ended nothing is loaded: `run` gives its report. The base is then `base` alone.
        Raises RefitError where skills or examples can't be used, another process trains in the folder, or those of
        this run are too many or don't share it; TrackerError where the tracker is missing; HypernetworkError and
        BaseError for the models.
        """
        self.config, self.out, self.started = config, Path(config.out), time.perf_counter()
        self.notes: list[str] = []  # what is done otherwise than one might think, for who started it
        self.stop, self.stepped = threading.Event(), False  # asked to stop; has done a step since this start
        on_cpu = base.device.type == "cpu" if base else not torch.cuda.is_available()
        self.accelerator = make_accelerator(self.out, on_cpu, config.track)
        self.lock, self.base = FileLock(self.out / LOCK_FILE), base
        over = (self.out / REPORT).exists()
        self._check_alike(over)
        if over:
            return
        if self.accelerator.is_main_process:
            self._lock()
        # each process has a device of its own, which the accelerator knows
        self.base = base or Base.load(config.base, quantization="dequantized", device=str(self.accelerator.device))
        # where an answer has its checks, it may be longer than the right one
        self.context = min(config.context, self.base.context_length - CHECKED)
        torch.manual_seed(config.seed)
        start = self.out / START
        begins = start if (start / "config.json").is_file() else config.checkpoint
        self.hypernetwork = load_hypernetwork(self.base, begins).float().train()
        self.begun_with = self.hypernetwork.fingerprint
        self._own_skills()
        self._family_skills()
        self._to_hold()
        self.progress = _Progress()
        self.mean, self.best = self._weights(), self._weights()
        if (self.out / STATE).exists():
            self._resume()
        if self.accelerator.is_main_process and not (self.out / REPORT).exists():
            self._cut_curve()
        self._check_processes()

    def _lock(self) -> None:
        try:
            self.lock.acquire(timeout=0)
        except Timeout as error:
            raise RefitError(
                f"Another process trains in {self.out}. Wait until it ends, stop it, or choose another folder."
            ) from error
        remove_leftovers(self.out, STATE, REPORT, "curve.jsonl", "examples.jsonl", "skills.json")

    def _check_processes(self) -> None:
        rows = self.skills_per_step + self.config.replay
        if self.accelerator.num_processes > rows:
            raise RefitError(
                f"{self.accelerator.num_processes} processes can't share {rows} skills a step. Start fewer, or raise "
                "replay."
            )
        self._check_alike(self.progress.step)

    def _check_alike(self, found: int) -> None:
        """Raise RefitError unless all processes found this in the folder."""
        mine = torch.tensor([int(found)], device=self.accelerator.device)
        if len(set(self.accelerator.gather(mine).tolist())) > 1:
            raise RefitError(
                f"The processes found different states of the refit in {self.out}. Give a folder that all machines "
                "share."
            )

    # ---- what is asked ----

    def _own_skills(self) -> None:
        config, texts = self.config, json.loads((self.out / "skills.json").read_text(encoding="utf-8"))
        by_skill = sort_by_skill(texts, read_trajectories(self.out / "examples.jsonl"))
        self.names = [Skill.parse(text).name for text in texts.values()]
        self.learned: list[list[tuple[Example, ...]]] = []  # skill -> conversations to learn from
        self.kept: list[Asked] = []
        for i, (name, trajectories) in enumerate(zip(self.names, by_skill.values(), strict=True)):
            train, test = split_examples(trajectories, config.kept_out, random.Random(f"{config.seed}/{name}"))
            self.learned.append([self._turns(i, name, trajectory) for trajectory in train])
            self.kept += [self._asked(i, name, trajectory) for trajectory in test]
        self.measured = in_turns(spread_out(self.kept, MEASURED))
        self._note_cuts(by_skill)
        self._fit_memory()
        self._word_texts(list(texts.values()))

    def _fit_memory(self) -> None:
        """How many of the own skills a step asks, by the longest of the chats."""
        config, chats = self.config, [turns for learned in self.learned for turns in learned]
        longest = max(len(turns[-1].prompt_ids) + len(turns[-1].answer_ids) for turns in chats)
        self.skills_per_step = max(1, min(config.skills_per_step, len(self.names), ASKED_AT_ONCE // longest))

    def _note_cuts(self, by_skill: dict[str, list[Trajectory]]) -> None:
        limit = self.context
        for name, trajectories in zip(self.names, by_skill.values(), strict=True):
            long = sum(chat_tokens(self.base, trajectory.messages) > limit for trajectory in trajectories)
            if long:
                self.notes.append(f"{name}: of {long} chats, which have over {limit:,} tokens, the end alone is read.")

    def _turns(self, skill: int, name: str, trajectory: Trajectory) -> tuple[Example, ...]:
        """A chat as examples, one for each answer in it."""
        try:
            return tuple(examples_of(self.base, skill, trajectory, max_tokens=self.context))
        except TrajectoryError as error:
            raise RefitError(f"An example of {name} is too long: {error}") from error

    def _asked(self, skill: int, name: str, trajectory: Trajectory) -> Asked:
        turns = self._turns(skill, name, trajectory)
        said = [m["content"] for m in trajectory.messages if m["role"] == "user"]
        expected = self.base.decode(turns[-1].answer_ids)
        return Asked(skill, name, said[-1] if said else "", expected, turns, trajectory.checks)

    def _word_texts(self, texts: list[str]) -> None:
        """The texts as they are and in other words, read at once where they are not too much for the memory."""
        config, rng = self.config, random.Random(f"{self.config.seed}/texts")
        longest = self.hypernetwork.config.max_tokens
        self.wordings = [texts]
        for _ in range(config.texts - 1):
            told = [vary(text, rng) for text in texts]
            fits = [self.base.count_tokens(way) <= longest for way in told]
            self.wordings.append([way if fit else text for way, fit, text in zip(told, fits, texts, strict=True)])
        try:
            ids = [tokenize(self.base, way, self.hypernetwork.config) for way in self.wordings]
        except SkillTextError as error:
            raise RefitError(str(error)) from error
        few = sum(len(way) * max(map(len, way)) for way in ids) <= READ_ONCE
        self.reads = [self.hypernetwork.read(self.base, way) for way in self.wordings] if few else []

    def _read(self, wording: int, skills: list[int]) -> SkillStates:
        """Some of the own skills in one of their wordings."""
        if self.reads:
            return _rows_of(self.reads[wording], skills)
        return self.hypernetwork.read(self.base, [self.wordings[wording][i] for i in skills])

    def _family_skills(self) -> None:
        rng, families = random.Random("refit"), (*KNOWN, GRAMMAR)
        drawn = [sample_skill(rng.choice(families), rng, 4) for _ in range(self.config.families)]
        self.family_read = self.hypernetwork.read(self.base, [skill.text for skill in drawn])
        self.family_asked = [
            Asked(i, skill.family, task.prompt, task.answer, (to_example(self.base, i, task),))
            for i, skill in enumerate(drawn)
            for task in skill.tasks
        ]

    def _to_hold(self) -> None:
        """Skills of the families and neutral prompts, what is said there before anything is learned, and the optimiser,
        which watches as the skills' adapters are made."""
        rng, style, base = random.Random(f"{self.config.seed}/replay"), Style(noisy=0.15, longest=120), self.base
        drawn = [
            sample_skill(rng.choice((*KNOWN, GRAMMAR)), rng, self.config.tasks_per_skill, style)
            for _ in range(REPLAYED)
        ]
        examples = [[to_example(base, i, task) for task in skill.tasks] for i, skill in enumerate(drawn)]
        self.replay_read = self.hypernetwork.read(base, [skill.text for skill in drawn])
        by_length = self.replay_read.mask.sum(1).argsort(stable=True).tolist()
        parts: list[LoraWeights] = []

        def make_adapters() -> None:  # those of like length together: little of what is watched is padding
            for start in range(0, REPLAYED, AT_ONCE):
                parts.append(self._adapters(self._replayed(by_length[start : start + AT_ONCE])))

        self.optimizer = HoldingMuon(self.hypernetwork, self.config.learning_rate, make_adapters)
        back = sorted(range(REPLAYED), key=by_length.__getitem__)
        self.replayed = self._held(examples, stack_skills(parts).rows(back))
        self.neutral = self._held([[each] for each in NeutralExamples(base, limit=NEUTRAL).examples], None)

    @torch.no_grad()
    def _held(self, asked: list[list[Example]], weights: LoraWeights | None) -> list["_Held"]:
        logits = answer_logits(self.base, [each for examples in asked for each in examples], weights).logits
        tokens = [sum(len(each.answer_ids) for each in examples) for examples in asked]
        return [_Held(examples, said) for examples, said in zip(asked, logits.split(tokens), strict=True)]

    # ---- running ----

    def run(self) -> dict | None:
        """Train to the end and give the report; None where it was stopped before (its state is saved), and in all
        processes but the main one.

        SIGTERM and Ctrl-C stop it after the step. Raises RefitError where something can't be written.
        """
        if (self.out / REPORT).exists():
            self.lock.release()
            return json.loads((self.out / REPORT).read_text(encoding="utf-8"))
        log = RunLog(self.out, self.accelerator, self.config.steps or None, self.progress.step, asdict(self.config))
        with self._stoppable(), log as self.log, self._written():
            return self._run()

    @contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Within the block, signals stop the run after a step; the folder is free after it."""
        numbers = (signal.SIGTERM, signal.SIGINT) if threading.current_thread() is threading.main_thread() else ()
        before = {number: signal.signal(number, lambda *_: self.stop.set()) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            self.lock.release()

    def _run(self) -> dict | None:
        try:
            report = self._trained()
        except _StoppedError:
            report = None
        if self.accelerator.is_main_process and report is None:
            self.log.write({"stopped": True, "step": self.progress.step})
        return report

    def _trained(self) -> dict | None:
        """The report; None where it was stopped, and in all processes but the main one.

        Raises _StoppedError where it was stopped while it measured.
        """
        main = self.accelerator.is_main_process
        if main and not self.progress.before:
            self._look(self._loss_on_learned(), None)  # first: it is short, and someone may be watching
            began = time.perf_counter()
            before = self._measure(MEASURING * 60 * self.config.minutes or math.inf)
            self.progress = replace(self.progress, before=before, measuring=time.perf_counter() - began)
            self.hypernetwork.save_pretrained(self.out / START)
            self._save()
        saved = time.perf_counter()
        while (rate := self._next_rate()) > 0:
            began = time.perf_counter()
            loss, tokens = self._step(rate)
            if not main:
                continue
            speed = tokens / (time.perf_counter() - began)
            if self.progress.step % self.config.look_every == 0 or self._is_over():
                self._look(loss, speed)
            else:
                self._log({"loss": loss, "tokens_per_second": speed})
            if time.perf_counter() - saved > SAVE_SECONDS:
                self._save()
                saved = time.perf_counter()
        if not main:
            return None
        if not self.stop.is_set() and self.progress.looked < self.progress.step:
            self._look(None, None)  # it was stopped between two looks, and is to end now
        self._save()
        return None if self.stop.is_set() else self._finish()

    def _next_rate(self) -> float:
        """The learning rate of the next step; 0 where there is none. The main process decides for all."""
        rate = 0.0 if self.stop.is_set() or self._is_over() else self._rate()
        if self.accelerator.num_processes > 1:
            rate = broadcast(torch.tensor([rate], dtype=torch.float64, device=self.base.device)).item()
        return rate

    def _rate(self) -> float:
        """Warm-up, then constant, then falling as the bounds come nearer."""
        config, progress = self.config, self.progress
        gone = [progress.step / config.steps] if config.steps else []
        if config.minutes:
            gone.append(self._seconds() / max(1.0, 60 * config.minutes - self._last()))
        return config.learning_rate * max(0.02, min(1.0, (progress.step + 1) / WARMUP, 2 * (1 - max(gone))))

    def _is_over(self) -> bool:
        """Whether a bound is reached, it was asked to finish, or nothing has become better on what is kept out for long
        enough."""
        config, progress = self.config, self.progress
        if (config.steps and progress.step >= config.steps) or (self.out / FINISH_FILE).exists():
            return True
        left = 60 * config.minutes - self._seconds() - progress.step_seconds - self._last()
        return bool(config.minutes and progress.step and left < 0) or progress.waited >= config.patience

    def _last(self) -> float:
        """Seconds that the last look and the figures after it will take."""
        return 1.2 * (self.progress.looking + self.progress.measuring)

    def _seconds(self) -> float:
        """Of the whole run, the starts before this one included."""
        return self.progress.seconds + time.perf_counter() - self.started

    def _step(self, rate: float) -> tuple[float, int]:
        """One step, of which every process takes its share; gives the loss on the own skills' answers and how many
        tokens were run, of all processes."""
        began, rng = time.perf_counter(), random.Random(f"{self.config.seed}/{self.progress.step}")
        loss, (own_loss, tokens) = self._loss(rng)
        loss.backward()
        parameters = [p for p in self.hypernetwork.parameters() if p.grad is not None]
        sum_gradients(self.accelerator, parameters)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        self.optimizer.step(rate)
        keep = min(MEAN, self.progress.step / (self.progress.step + 2))
        for name, weights in self.hypernetwork.state_dict().items():
            self.mean[name].lerp_(weights, 1 - keep)
        seconds = time.perf_counter() - began
        self.progress = replace(self.progress, step=self.progress.step + 1, step_seconds=seconds)
        self.stepped = True
        return own_loss, tokens

    def _loss(self, rng: random.Random) -> tuple[Tensor, tuple[float, int]]:
        """What this process's share of a step adds to its loss, with its gradient: cross-entropy on answers to own
        skills, the KL to what it began with on answers to replayed ones, and the KL to the base on a neutral prompt.
        Beside it, of the whole step, the loss on the own skills' answers and the tokens that were run."""
        config, base = self.config, self.base
        # whatever is drawn is drawn for the whole step: it must not depend on who takes which share
        chosen = rng.sample(range(len(self.names)), self.skills_per_step)
        asked = [self._some_turns(i, rng) for i in chosen]
        again = rng.sample(range(len(self.replayed)), min(config.replay, len(self.replayed)))
        asked += [self.replayed[i].examples for i in again]
        neutral, beside, told = rng.choice(self.neutral), rng.randrange(len(chosen)), rng.randrange(len(self.wordings))

        process, processes = self.accelerator.process_index, self.accelerator.num_processes
        share = range(process * len(asked) // processes, (process + 1) * len(asked) // processes)
        own = [i for i in share if i < len(chosen)]
        others = [again[i - len(chosen)] for i in share if i >= len(chosen)]
        examples = [replace(example, skill=row) for row, i in enumerate(share) for example in asked[i]]
        of_own, on_task = sum(len(asked[i]) for i in own), len(examples)
        said = [self.replayed[i].logits for i in others]
        if beside in share:
            examples.append(replace(neutral.examples[0], skill=share.index(beside)))
            said.append(neutral.logits)
        shared = self.hypernetwork.shared()
        parts = [
            self.hypernetwork.own(base, read(rows))
            for read, rows in ((partial(self._read, told), [chosen[i] for i in own]), (self._replayed, others))
            if rows
        ]
        scored = answer_logits(base, examples, stack_skills(parts).join(shared).to(base.dtype))
        count = int((scored.example < of_own).sum())
        ours, held = scored.logits.float().split([count, len(scored.right) - count])
        entropy = F.cross_entropy(ours, scored.right[:count], reduction="sum")
        of_replay = scored.example[count:] < on_task
        divergence = held.new_zeros(len(held))
        if said:
            before = torch.cat(said).float().log_softmax(-1)
            divergence = F.kl_div(held.log_softmax(-1), before, log_target=True, reduction="none").sum(-1)
        tokens = sum(len(example.prompt_ids) + len(example.answer_ids) for example in examples)
        counts = entropy.new_tensor([entropy.item(), count, int(of_replay.sum()), tokens])
        own_sum, own_tokens, replay_tokens, run = self.accelerator.reduce(counts, "sum").unbind()
        loss = entropy / own_tokens + HOLD * divergence[of_replay].sum() / replay_tokens.clamp_min(1)
        loss = loss + divergence[~of_replay].sum() / len(neutral.logits)
        return loss, ((own_sum / own_tokens).item(), int(run))

    def _some_turns(self, skill: int, rng: random.Random) -> list[Example]:
        """Answers in some of a skill's chats, to learn from in one step: as many as there is memory for."""
        learned = self.learned[skill]
        chats = rng.sample(learned, min(self.config.tasks_per_skill, len(learned)))
        turns = [turn for chat in chats for turn in chat]
        most = ASKED_AT_ONCE // self.skills_per_step
        first, *others = list(in_parts(turns, most))
        return first if not others else next(in_parts(rng.sample(turns, len(turns)), most))

    def _replayed(self, skills: list[int]) -> SkillStates:
        return _rows_of(self.replay_read, skills)

    @torch.no_grad()
    def _adapters(self, read: SkillStates) -> LoraWeights:
        """Adapters that nothing is learned through, own and shared part."""
        return self.hypernetwork.own(self.base, read).join(self.hypernetwork.shared()).to(self.base.dtype)

    def _own_adapters(self) -> LoraWeights:
        """Those of the own skills, from their texts as they are."""
        skills = list(range(len(self.names)))
        starts = range(0, len(skills), AT_ONCE)
        return stack_skills([self._adapters(self._read(0, skills[start : start + AT_ONCE])) for start in starts])

    # ---- looking ----

    @torch.no_grad()
    def _look(self, loss: float | None, speed: float | None) -> None:
        """Loss and exact match on what is kept out, whether this is the best state so far, and some answers."""
        began = time.perf_counter()
        with self._averaged():
            weights = self._own_adapters()
        looked_at = spread_out(self.kept, LOOKED_AT)
        reading = read(self.base, weights, looked_at)
        kept_out, exact, progress = reading.loss, percent(reading.exact(looked_at)), self.progress
        # a loss may rise while answers become right: it grows with how sure the wrong ones are
        is_best = progress.best_loss is None or (-exact, kept_out) < (-progress.best_exact, progress.best_loss)
        falls = progress.least_loss is None or kept_out < progress.least_loss
        progress = replace(progress, waited=0 if is_best or falls else progress.waited + 1)
        if falls:
            progress = replace(progress, least_loss=kept_out)
        if is_best:
            self.best = {name: mean.clone() for name, mean in self.mean.items()}
            progress = replace(progress, best_exact=exact, best_loss=kept_out, best_step=progress.step)
        self.progress = progress
        known = spread_out(list(zip(looked_at, reading.followed, strict=True)), SAMPLES)
        shown = [item for item, _ in known]
        answers = answers_of(self.base, weights, shown, [followed for _, followed in known])
        samples = [
            {"skill": asked.name, "prompt": asked.prompt, "expected": asked.expected, "answer": answer}
            for asked, answer in zip(shown, answers, strict=True)
        ]
        self.progress = replace(self.progress, looking=time.perf_counter() - began, looked=self.progress.step)
        self._log({"loss": loss, "kept_out": kept_out, "exact": exact, "tokens_per_second": speed, "samples": samples})

    @torch.no_grad()
    def _measure(self, seconds: float, counts: dict[str, int] | None = None) -> dict:
        """Figures of the present state on own skills, families and neutral text, and the answers to the first.

        `counts` says of how many of each; without it, of as many as there is time for. Raises _StoppedError.
        """
        began, own = time.perf_counter(), self._own_adapters()
        families = self._adapters(self.family_read)
        asked = {
            "own skills": (own, others(own) if own.skills > 1 else families.rows([0]), self.measured),
            "families": (families, others(families), self.family_asked),
        }
        judged: dict[str, list[Judged]] = {name: [] for name in asked}
        for start in range(0, max(len(items) for _, _, items in asked.values()), TOGETHER):
            for name, (weights, wrong, items) in asked.items():
                part = items[: counts[name] if counts else None][start : start + TOGETHER]
                judged[name] += judge(self.base, weights, wrong, part) if part else []
            if self.stop.is_set() and self.accelerator.num_processes == 1:  # others would wait for this one
                raise _StoppedError
            if time.perf_counter() - began > seconds:
                break
        texts = [
            Asked(i % own.skills, "", "", "", (replace(example, skill=i % own.skills),))
            for i, example in enumerate(plain_texts(self.base, "test", NEUTRAL))  # the part that no training sees
        ]
        return {
            **{name: figures_of(items) for name, items in judged.items()},
            "neutral text": {"loss": read(self.base, own, texts).loss},
            "counts": {**{name: len(items) for name, items in judged.items()}, "neutral text": len(texts)},
            "right": {name: [item.right for item in items] for name, items in judged.items()},
            "answers": [item.answer for item in judged["own skills"]],
        }

    @torch.no_grad()
    def _loss_on_learned(self) -> float:
        """The loss on what is learned from, before anything is."""
        chats = [Asked(i, "", "", "", turns) for i, learned in enumerate(self.learned) for turns in learned]
        return read(self.base, self._own_adapters(), spread_out(chats, LOOKED_AT)).loss

    # ---- the end, and what is kept ----

    def _finish(self) -> dict:
        """The best state as a checkpoint, and the report."""
        self.hypernetwork.load_state_dict(self.best)
        before = self.progress.before
        counts = before["counts"]
        after, measured = self._measure(math.inf, counts), self.measured[: counts["own skills"]]
        parts = [{"name": name, "n": n, "before": before[name], "after": after[name]} for name, n in counts.items()]
        report = {
            "seconds": round(self._seconds(), 1),
            "steps": self.progress.step,
            "best_step": self.progress.best_step,
            "begun_with": self.begun_with,
            "sentence": verdict(parts, [(before["right"][name], after["right"][name]) for name in after["right"]]),
            "parts": parts,
            "answers": [
                {"skill": item.name, "prompt": item.prompt, "expected": item.expected, "before": was, "after": now}
                for item, was, now in zip(measured, before["answers"], after["answers"], strict=True)
            ],
        }
        refitted = self.hypernetwork.eval()
        came = refitted.config.trained  # of a hypernetwork that was refitted before, too: the card names all it is from
        trained = came | {
            "refitted on": ", ".join([*filter(None, [came.get("refitted on")]), *self.names]),
            "refit steps": came.get("refit steps", 0) + self.progress.best_step,
        }
        refitted.config = replace(refitted.config, trained=trained)
        refitted.save_pretrained(self.out / "checkpoint")
        text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
        write_atomically(self.out / REPORT, lambda path: path.write_text(text, encoding="utf-8"))
        (self.out / STATE).unlink(missing_ok=True)
        shutil.rmtree(self.out / START, ignore_errors=True)
        return report

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Within the block, the hypernetwork has the running mean of its weights."""
        weights = self._weights()
        self.hypernetwork.load_state_dict(self.mean)
        try:
            yield
        finally:
            self.hypernetwork.load_state_dict(weights)

    def _weights(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self.hypernetwork.state_dict().items()}

    def _save(self) -> None:
        progress = replace(self.progress, seconds=self._seconds())
        about = {"progress": json.dumps(asdict(progress)), "begun_with": self.begun_with}
        file = self.out / STATE
        save_state(file, self.hypernetwork, self.optimizer, about, mean=self.mean, best=self.best)

    def _resume(self) -> None:
        file = self.out / STATE
        about = read_about(file)
        if about["begun_with"] != self.begun_with:
            raise RefitError(f"{self.out} holds a refit of another hypernetwork. Choose another folder.")
        load_state(file, self.hypernetwork, self.optimizer, mean=self.mean, best=self.best)
        self.progress = _Progress(**json.loads(about["progress"]))
        self.started = time.perf_counter()  # to load all again takes nothing of the bound in time

    def _cut_curve(self) -> None:
        """Steps after the saved state are done again, so their lines go; without a state, all of them."""
        file, reached = self.out / "curve.jsonl", self.progress.step if self.progress.before else -1
        if not file.exists():
            return
        kept = [line for line in read_curve(file) if line["step"] <= reached and "stopped" not in line]
        text = "".join(json.dumps(line) + "\n" for line in kept)
        write_atomically(file, lambda path: path.write_text(text, encoding="utf-8"))

    def _log(self, numbers: dict) -> None:
        """Tell a line of the curve; what there is not, is left out."""
        progress, config = self.progress, self.config
        bounds = [60 * config.minutes - self._seconds()] if config.minutes else []
        if config.steps and progress.step:
            bounds.append((config.steps - progress.step) * progress.step_seconds + progress.measuring)
        left = max(0.0, min(bounds)) if bounds else None
        line = {"step": progress.step, "seconds": self._seconds(), "left_seconds": left, **numbers}
        told = {name: round(v, 4) if isinstance(v, float) else v for name, v in line.items() if v is not None}
        self.log.write(told)

    @contextmanager
    def _written(self) -> Iterator[None]:
        """Turns what keeps files from being written into a RefitError."""
        try:
            yield
        except (OSError, SafetensorError) as error:
            raise RefitError(
                f"{self.out} can't be written ({error}). Free some disk space and run it again: it goes on from the "
                "last state that was saved."
            ) from error


def prepare(config: RefitConfig, skills: dict[str, str], trajectories: Iterable[Trajectory]) -> None:
    """Fill a run's folder: settings, skill texts by SHA-256, and examples. A folder that is filled must be of this run.

    Raises RefitError, and SkillError for a text that is no skill; nothing is written then.
    """
    config.check()
    if not skills or len(skills) > MAX_SKILLS:
        raise RefitError(f"There are {len(skills)} skills; a refit takes 1 to {MAX_SKILLS}.")
    trajectories = list(different(trajectories))
    sort_by_skill(skills, trajectories)
    out = Path(config.out)
    settings = json.dumps(asdict(config), indent=2)
    texts = json.dumps(skills, indent=2, ensure_ascii=False)
    try:
        if (out / "refit.json").exists():
            before = read_config(out / "refit.json")
            free = {name: getattr(config, name) for name in ("out", "minutes", "steps", "patience", "track")}
            same = replace(before, **free) == config
            if not same or json.loads((out / "skills.json").read_text(encoding="utf-8")) != skills:
                raise RefitError(f"{out} holds another refit. Choose another folder for this one.")
            if (out / "examples.jsonl").read_bytes() != b"".join(map(as_line, trajectories)):
                raise RefitError(
                    f"{out} holds a refit on other examples. Choose another folder to train on these, or delete it to "
                    "begin anew."
                )
            bounds = "minutes", "steps"
            is_bound_alike = all(getattr(before, name) == getattr(config, name) for name in bounds)
            if (out / REPORT).exists() and not is_bound_alike:
                raise RefitError(
                    f"The refit in {out} has ended. Choose another folder; with --checkpoint {out}/checkpoint it goes "
                    "on from there."
                )
        else:
            write_trajectories(out / "examples.jsonl", trajectories)
            write_atomically(out / "skills.json", lambda path: path.write_text(texts, encoding="utf-8"))
        write_atomically(out / "refit.json", lambda path: path.write_text(settings))
    except OSError as error:
        raise RefitError(
            f"{out} can't be filled ({error}). Free some disk space, or choose another folder, and run it again."
        ) from error


def read_config(path: Path) -> RefitConfig:
    """The settings that `prepare` wrote. Raises RefitError."""
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        config = RefitConfig(**settings)
        config.check()
    except (OSError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        names = ", ".join(field.name for field in fields(RefitConfig))
        raise RefitError(f"{path} holds no settings of a refit ({error}). There are: {names}.") from error
    return config


def _rows_of(read: SkillStates, index: list[int]) -> SkillStates:
    """Some of the skills that were read, without the padding that only the others need."""
    longest = int(read.mask[index].sum(1).max())
    inputs = {module: x[index, :, :longest] for module, x in read.inputs.items()}
    left = read.left[index, :, :longest]
    return SkillStates(read.states[index, :longest], inputs, left, read.mask[index, :longest])
