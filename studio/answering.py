"""The base and its skills as models with names, each question answered piece by piece: the endpoint without its HTTP.

A name is `base`, `base:skill` or `base:skill@strength`. A skill acts through its adapter, with no text in the prompt.
"""

import difflib
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Literal

from jinja2 import TemplateError

from hypernet.base import Base
from hypernet.decode import Row, Sampling, check_length, decode
from hypernet.hypernetwork import Hypernetwork
from hypernet.lora import LoraWeights

MAX_ADAPTERS = 64  # that are kept; one of the default base takes a few MB
MAX_STRENGTH = 2.0
DEFAULT_TOKENS = 1024  # of an answer whose length the client leaves open: a small base may never end by itself
MAX_SHOWN = 100  # characters of a wrong name in the message about it
HALF = "\ufffd"  # what the bytes of an unfinished character decode to


class UnknownModel(ValueError):
    """No model has that name; the message names near ones."""


@dataclass(frozen=True)
class Question:
    """What a client asks."""

    messages: tuple[dict[str, str], ...]  # role (system, user or assistant) and content
    skill: str | None = None  # None: the plain base
    strength: float = 1.0
    temperature: float = 0.0  # 0: always the most likely token
    max_tokens: int | None = None  # None: DEFAULT_TOKENS; cut to what the context has room for
    seed: int | None = None  # None: another one each time
    stops: tuple[str, ...] = ()


@dataclass(frozen=True)
class Piece:
    """What one more token adds to an answer."""

    text: str  # new since the last piece; empty while a character or what may be a stop string is unfinished
    prompt_tokens: int
    tokens: int  # answered so far, without the end of the turn
    finished: Literal["", "stop", "length"]


class Models:
    """A base and a library of skills, by model name. Answering is for one thread at a time."""

    def __init__(self, base: Base, hypernetwork: Hypernetwork, skills: Mapping[str, str]) -> None:
        """`skills` maps names to texts; the adapter of one is made when it is first asked for, and kept."""
        self.base_name = base.name.rsplit("/", 1)[-1]
        self._base, self._hypernetwork, self._skills = base, hypernetwork, skills
        self._weights = lru_cache(MAX_ADAPTERS)(self._generate)

    def names(self) -> list[str]:
        """The plain base, then each skill at strength 1."""
        return [self.base_name, *(f"{self.base_name}:{skill}" for skill in self._skills)]

    def find(self, name: str) -> tuple[str | None, float]:
        """The skill (None: the plain base) and the strength that a model name stands for.

        Raises UnknownModel, and ValueError for a strength that is no number from 0 to 2.
        """
        if name == self.base_name:
            return None, 1.0
        skill, at, strength = name.removeprefix(f"{self.base_name}:").partition("@")
        if not name.startswith(f"{self.base_name}:") or skill not in self._skills:
            asked = skill.rpartition(":")[2].lower()[:MAX_SHOWN]
            near = difflib.get_close_matches(asked, [self.base_name, *self._skills], cutoff=0.5)
            near = [self.base_name if n == self.base_name else f"{self.base_name}:{n}" for n in near]
            fix = f"Did you mean {' or '.join(near)}?" if near else "GET /v1/models lists those that there are."
            shown = name if len(name) <= MAX_SHOWN else name[: MAX_SHOWN - 1] + "…"
            raise UnknownModel(f"There is no model '{shown}'. {fix}")
        try:
            value = float(strength) if at else 1.0
        except ValueError:
            value = -1.0
        if not 0 <= value <= MAX_STRENGTH:
            raise ValueError(
                f"The strength in '{name[:MAX_SHOWN]}' must be a number from 0 to {MAX_STRENGTH:g}, as in "
                f"{self.base_name}:{skill}@0.8."
            )
        return skill, value

    def answer(self, question: Question, stop: threading.Event) -> Iterator[Piece]:
        """Yield a piece for each token; the last one is marked as finished, unless `stop` was set.

        Raises PromptTooLong, and ValueError for a conversation that the base's chat template can't render or a
        skill that no adapter can be made of.
        """
        prompt = prompt_ids(self._base, question.messages)
        check_length(self._base, [Row(prompt)], 1)
        weights = self._weights(question.skill) if question.skill else None
        sampling = Sampling(
            question.temperature,
            min(question.max_tokens or DEFAULT_TOKENS, self._base.context_length - len(prompt)),
            secrets.randbits(31) if question.seed is None else question.seed,
        )
        speech = Speech(self._base.decode, question.stops)
        for (answer,) in decode(self._base, [Row(prompt, weights, question.strength)], sampling, stop):
            if answer.finished == "stopped":
                return
            text = speech.more(answer.ids, over=bool(answer.finished))
            finished = "stop" if speech.stopped or answer.finished == "end" else answer.finished
            yield Piece(text, len(prompt), len(answer.ids), finished)
            if finished:
                return

    def _generate(self, skill: str) -> LoraWeights:
        return self._hypernetwork.generate(self._base, [self._skills[skill]])


class Speech:
    """Turns a growing list of tokens into text that is never taken back: no half characters, no begun stop string."""

    def __init__(self, decode: Callable[[list[int]], str], stops: Sequence[str] = ()) -> None:
        self._decode, self._stops, self._sent = decode, stops, 0
        self.stopped = False  # a stop string was met

    def more(self, ids: list[int], over: bool) -> str:
        """What can be said now that has not been said; all of the rest once the answer is `over`."""
        text = self._decode(ids)
        if not over:
            text = text.rstrip(HALF)
        if met := [at for stop in self._stops if (at := text.find(stop)) >= 0]:
            self.stopped = True
            text = text[: min(met)]
        elif not over:
            begun = (n for stop in self._stops for n in range(1, len(stop)) if text.endswith(stop[:n]))
            text = text[: len(text) - max(begun, default=0)]
        said, self._sent = text[self._sent :], max(self._sent, len(text))
        return said


def prompt_ids(base: Base, messages: Sequence[dict[str, str]]) -> list[int]:
    """Token ids of a conversation up to where the answer starts; system messages that open it become one.

    Raises ValueError where the base's chat template refuses it.
    """
    first = next((i for i, message in enumerate(messages) if message["role"] != "system"), len(messages))
    system, turns = "\n\n".join(message["content"] for message in messages[:first]), messages[first:]
    try:
        return base.turn_ids(turns, system)
    except TemplateError:  # some want turns to alternate, and two tools may have answered
        turns = _alternating(turns)
    try:
        return base.turn_ids(turns, system)
    except TemplateError as error:
        raise ValueError(f"The chat template of {base.name} refuses these messages: {error}") from error


def _alternating(turns: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """The turns, those of one role in a row as one."""
    groups = ([*group] for _, group in groupby(turns, key=lambda turn: turn["role"]))
    return [{"role": group[0]["role"], "content": "\n\n".join(turn["content"] for turn in group)} for group in groups]
