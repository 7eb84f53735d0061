"""Greedy or sampled answers for a batch of rows, each with a prompt and an adapter of its own, token by token.

Rows of like length are read together and their caches joined, so that a short prompt need not wait for a long one and
all rows are then decoded in one batch. What rows under one adapter begin with alike (a skill, mostly) is read once.
The studio and the evaluation both answer through here.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers import DynamicCache

from hypernet.base import Base
from hypernet.lora import LoraWeights, apply_lora, stack_skills

PREFILL_SPREAD = 48  # prompts that differ by at most so many tokens are read together
LEAST_COMMON = 64  # tokens of a beginning that are worth a pass of their own
LEAST_TEMPERATURE = 1e-4  # below it the likeliest token is taken: logits would overflow, and nothing else is drawn


@dataclass(frozen=True)
class Row:
    """A prompt and the adapter it runs under; no adapter, or alpha 0, is the base."""

    prompt_ids: list[int]
    weights: LoraWeights | None = None  # of one skill
    alpha: float = 1.0


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen."""

    temperature: float = 0.0  # 0: always the most likely token
    max_new_tokens: int = 64
    seed: int = 0  # each row draws from a generator of its own with this seed


@dataclass
class Answer:
    """What a row has answered so far."""

    ids: list[int] = field(default_factory=list)  # without the end-of-turn token
    first_token_seconds: float | None = None  # from the start of reading the row's prompt
    tokens_per_second: float | None = None  # while decoding, after the first token
    finished: str = ""  # "", "end", "length" or "stopped"


class PromptTooLong(ValueError):
    """A prompt that leaves no room for an answer."""


@dataclass
class _Batch:
    """Rows being decoded together: their cache, mask and the token to feed next."""

    rows: list[int]
    adapters: tuple[LoraWeights | None, Tensor | float]  # of the rows, put together once and not for every token
    cache: DynamicCache
    mask: Tensor  # [rows, tokens so far], 0 where a prompt is padded
    last: Tensor  # [rows]


def check_length(base: Base, rows: list[Row], max_new_tokens: int) -> None:
    """Raise PromptTooLong for the first row whose prompt and answer would not fit the base's context."""
    for row in rows:
        if len(row.prompt_ids) + max_new_tokens > base.context_length:
            raise PromptTooLong(
                f"The prompt has {len(row.prompt_ids):,} tokens; with an answer of up to {max_new_tokens} it does not "
                f"fit {base.name}'s context of {base.context_length:,}. Shorten the prompt."
            )


def decode(
    base: Base, rows: list[Row], sampling: Sampling, stop: threading.Event | None = None
) -> Iterator[list[Answer]]:
    """Yield all rows' answers after each token; the last list is complete. The lists are the same object, growing.

    Ends early, rows marked as stopped, once `stop` is set. Raises PromptTooLong.
    """
    check_length(base, rows, sampling.max_new_tokens)
    answers = [Answer() for _ in rows]
    draws = [torch.Generator(base.device).manual_seed(sampling.seed) for _ in rows]
    decoding_since = [0.0] * len(rows)

    def take(batch: _Batch, logits: Tensor) -> _Batch | None:
        """Choose a token a row; gives the batch of the rows that go on."""
        chosen = _choose(logits, sampling.temperature, [draws[row] for row in batch.rows])
        kept = []
        for position, (row, token) in enumerate(zip(batch.rows, chosen.tolist(), strict=True)):
            answer = answers[row]
            if answer.ids:
                answer.tokens_per_second = len(answer.ids) / max(1e-9, time.perf_counter() - decoding_since[row])
            if token in base.end_ids:
                answer.finished = "end"
                continue
            answer.ids.append(token)
            if len(answer.ids) == sampling.max_new_tokens:
                answer.finished = "length"
            else:
                kept.append(position)
        return _select(rows, batch, kept, chosen)

    batches = []
    for group, common in _groups(rows, base.joined_tokens - sampling.max_new_tokens):
        if stop and stop.is_set():
            break
        started = time.perf_counter()
        batch, logits = _prefill(base, rows, group, common)
        for row in group:
            answers[row].first_token_seconds = time.perf_counter() - started
            decoding_since[row] = time.perf_counter()
        if (going_on := take(batch, logits)) is not None:
            batches.append(going_on)
        yield answers
    batch = _merge(batches, rows) if batches else None
    for row in batch.rows if batch else ():
        decoding_since[row] = time.perf_counter()
    while batch and not (stop and stop.is_set()):
        batch = take(batch, _step(base, batch))
        yield answers
    for answer in answers:
        answer.finished = answer.finished or "stopped"
    yield answers


def answer_all(base: Base, rows: list[Row], sampling: Sampling) -> list[Answer]:
    """All rows' complete answers. Raises PromptTooLong."""
    answers: list[Answer] = []
    for answers in decode(base, rows, sampling):  # noqa: B007 - the last list is wanted
        pass
    return answers


def _groups(rows: list[Row], most: int) -> list[tuple[list[int], int]]:
    """Row numbers that are read together, with the tokens of a beginning that they share; short prompts first.

    Prompts of up to `most` tokens may share one.
    """
    groups: list[tuple[list[int], int]] = []
    alone = []
    for group, common in _alike(rows, most):
        if common:
            groups.append((group, common))
        else:
            alone += group
    like: list[int] = []
    for row in sorted(alone, key=lambda row: len(rows[row].prompt_ids)):
        if like and len(rows[row].prompt_ids) - len(rows[like[0]].prompt_ids) > PREFILL_SPREAD:
            groups.append((like, 0))
            like = []
        like.append(row)
    if like:
        groups.append((like, 0))
    return sorted(groups, key=lambda group: len(rows[group[0][0]].prompt_ids))


def _alike(rows: list[Row], most: int) -> Iterator[tuple[list[int], int]]:
    """Row numbers under one adapter whose prompts agree in the better part of them, with the tokens that they share.

    A token of each prompt stays behind, so that every row is left something to read.
    """
    group: list[int] = []
    common = 0
    for row in sorted(range(len(rows)), key=lambda row: (_under(rows[row]), rows[row].prompt_ids)):
        if group and _under(rows[row]) == _under(rows[group[-1]]):
            before, prompt = rows[group[-1]].prompt_ids, rows[row].prompt_ids
            shorter = min(len(before), len(prompt))
            shared = next((i for i in range(shorter - 1) if before[i] != prompt[i]), shorter - 1)
            if shared >= max(LEAST_COMMON, shorter // 2) and max(len(before), len(prompt)) <= most:
                group, common = [*group, row], min(common or shared, shared)
                continue
        if group:
            yield group, common
        group, common = [row], 0
    if group:
        yield group, common


def _under(row: Row) -> tuple[int, float]:
    """Equal for rows that run under the same adapter."""
    return (id(row.weights), row.alpha) if row.weights and row.alpha else (0, 0.0)


def _adapters(rows: list[Row]) -> tuple[LoraWeights | None, Tensor | float]:
    """The rows' adapters behind one another and their strengths [rows]; rows without one run at strength 0."""
    some = next((row.weights for row in rows if row.weights and row.alpha), None)
    if some is None:
        return None, 0.0
    strengths = [row.alpha if row.weights else 0.0 for row in rows]
    same = len(set(strengths)) == 1
    return stack_skills([row.weights or some for row in rows]), strengths[0] if same else torch.tensor(strengths)


@torch.inference_mode()
def _prefill(base: Base, rows: list[Row], group: list[int], common: int) -> tuple[_Batch, Tensor]:
    """Read the prompts of a group, their `common` first tokens once for all.

    Gives the batch and the logits [rows, vocabulary] of the first answer token.
    """
    prompts = [rows[row].prompt_ids for row in group]
    longest = max(map(len, prompts))
    cache = DynamicCache()
    if common:
        beginning = torch.tensor([prompts[0][:common]], device=base.device)
        with apply_lora(base.model, *_adapters([rows[group[0]]])):
            base.model.base_model(beginning, cache=cache, use_cache=True)
        cache.batch_repeat_interleave(len(group))
    padding = [[0] * (longest - len(p)) for p in prompts]
    ids = torch.tensor([pad + p[common:] for pad, p in zip(padding, prompts, strict=True)], device=base.device)
    mask = torch.tensor(
        [[1] * common + pad + [1] * (len(p) - common) for pad, p in zip(padding, prompts, strict=True)],
        device=base.device,
    )
    # by its number: a slice would keep the strides of all positions, for which torch copies the whole output head
    last = torch.tensor([longest - common - 1], device=base.device)
    adapters = _adapters([rows[row] for row in group])
    with apply_lora(base.model, *adapters):
        out = base.model(
            ids,
            attention_mask=mask if len(set(map(len, prompts))) > 1 else None,
            position_ids=(mask.cumsum(1) - 1).clamp_min(0)[:, common:],
            cache=cache,
            use_cache=True,
            logits_to_keep=last,
        )
    return _Batch(list(group), adapters, cache, mask, ids[:, -1]), out.logits[:, -1].float()


@torch.inference_mode()
def _step(base: Base, batch: _Batch) -> Tensor:
    """Feed each row's last token; gives logits [rows, vocabulary] of the next."""
    batch.mask = torch.cat([batch.mask, batch.mask.new_ones(len(batch.rows), 1)], dim=1)
    with apply_lora(base.model, *batch.adapters):
        out = base.model(
            batch.last[:, None],
            attention_mask=batch.mask,
            position_ids=batch.mask.sum(1, keepdim=True) - 1,
            cache=batch.cache,
            use_cache=True,
        )
    return out.logits[:, -1].float()


def _choose(logits: Tensor, temperature: float, draws: list[torch.Generator]) -> Tensor:
    """A token for each row [rows]."""
    if temperature < LEAST_TEMPERATURE:
        return logits.argmax(-1)
    shares = (logits / temperature).softmax(-1)
    return torch.cat([torch.multinomial(share, 1, generator=draw) for share, draw in zip(shares, draws, strict=True)])


def _select(rows: list[Row], batch: _Batch, kept: list[int], chosen: Tensor) -> _Batch | None:
    """The batch of the rows at the positions `kept`, with the tokens they chose."""
    if not kept:
        return None
    if len(kept) < len(batch.rows):
        index = torch.tensor(kept, device=chosen.device)
        batch.cache.batch_select_indices(index)
        going_on = [batch.rows[i] for i in kept]
        adapters = _adapters([rows[row] for row in going_on])
        return _Batch(going_on, adapters, batch.cache, batch.mask[index], chosen[index])
    batch.last = chosen
    return batch


@torch.inference_mode()
def _merge(batches: list[_Batch], rows: list[Row]) -> _Batch:
    """One batch out of several, shorter ones padded on the left."""
    if len(batches) == 1:
        return batches[0]
    longest = max(batch.mask.shape[1] for batch in batches)

    def padded(x: Tensor, dim: int) -> Tensor:
        missing = list(x.shape)
        missing[dim] = longest - x.shape[dim]
        return torch.cat([x.new_zeros(missing), x], dim=dim)

    cache = DynamicCache()
    for layer in range(len(batches[0].cache.layers)):
        of_layer = [batch.cache.layers[layer] for batch in batches]
        keys = torch.cat([padded(kv.keys, 2) for kv in of_layer])  # [rows, heads, tokens, head width]
        cache.update(keys, torch.cat([padded(kv.values, 2) for kv in of_layer]), layer)
    merged = [row for batch in batches for row in batch.rows]
    mask = torch.cat([padded(batch.mask, 1) for batch in batches])
    last = torch.cat([batch.last for batch in batches])
    return _Batch(merged, _adapters([rows[row] for row in merged]), cache, mask, last)
