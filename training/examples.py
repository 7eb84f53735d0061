"""Examples as token rows, and the one way to score answers under an adapter: logits at the answer's positions only.

The questions to one skill share a row: what their prompts begin with is read once, and each question sees that
beginning and itself alone. So an adapter is applied to one long row instead of many short ones. Where the base can't
do that (`Base.joined_tokens`), each has a row of its own.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from typing import TypeVar

import torch
from torch import Tensor, nn

from hypernet.base import Base
from hypernet.lora import LoraWeights, apply_lora
from training.tasks import Task

PAD_TO = 16  # few distinct shapes: CPU kernels are compiled anew for each
SAME_START = 4  # prompts of one skill that agree in so many tokens share a row
ROW_TOKENS = 768  # a row takes no further question beyond so many tokens
FILLED = 0.8  # of the longest row's length, at least, for rows to be run together: padding costs as much as tokens

Item = TypeVar("Item")
_Row = tuple[int, list[tuple[int, list[int]]]]  # length of a common beginning; of each example, index and tokens after


@dataclass(frozen=True)
class Example:
    """A prompt and its right answer in tokens; `skill` says which adapter of the batch is meant."""

    skill: int
    prompt_ids: list[int]
    answer_ids: list[int]  # ends with the end-of-turn token


def in_parts(examples: Sequence[Example], tokens: int) -> Iterator[list[Example]]:
    """The examples in parts to run at once, of so many tokens at most, or a single one."""
    part, size = [], 0
    for example in examples:
        length = len(example.prompt_ids) + len(example.answer_ids)
        if part and size + length > tokens:
            yield part
            part, size = [], 0
        part, size = [*part, example], size + length
    if part:
        yield part


@dataclass(frozen=True)
class Scored:
    """What the base under the adapters says at the answers' positions, in the order of the examples."""

    logits: Tensor  # [answer tokens of all examples, vocabulary]
    right: Tensor  # [answer tokens], the right token of each
    example: Tensor  # [answer tokens], which example it belongs to

    def exact(self, examples: int) -> Tensor:
        """Whether greedy decoding gives the whole answer [examples]: every token is the likeliest one."""
        wrong = torch.zeros(examples, device=self.logits.device)
        return wrong.index_add(0, self.example, (self.logits.argmax(-1) != self.right).float()) == 0


def to_example(base: Base, skill: int, task: Task, skill_text: str | None = None) -> Example:
    """Token rows of a task; with `skill_text`, the skill is in the prompt."""
    prompt_ids = base.chat_ids(task.prompt, skill_text, task.messages)
    return Example(skill, prompt_ids, [*base.encode(task.answer), base.end_id])


def answer_logits(base: Base, examples: list[Example], weights: LoraWeights | None) -> Scored:
    """Run prompts with their answers under each example's adapter; `weights` None is the plain base."""
    joined, alone = [], []
    for row in _rows(examples, min(ROW_TOKENS, base.joined_tokens)):
        (joined if _length(row) <= base.joined_tokens else alone).append(row)
    batches = [batch for kind in (joined, alone) for batch in of_like_length(kind, _length, FILLED)]
    parts = [_answer_logits(base, examples, rows, weights) for rows in batches]
    owner = torch.cat([part.example for part in parts])
    order = owner.argsort(stable=True)
    logits, right = (torch.cat(of_parts)[order] for of_parts in zip(*((p.logits, p.right) for p in parts), strict=True))
    return Scored(logits, right, owner[order])


def _answer_logits(base: Base, examples: list[Example], rows: list[_Row], weights: LoraWeights | None) -> Scored:
    """The same for some of the rows in one batch, in the rows' order; all are within `joined_tokens`, or none is."""
    longest = -(-max(map(_length, rows)) // PAD_TO) * PAD_TO
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    segment = torch.full_like(ids, -1)  # 0: the shared beginning; 1, 2, ...: a question; -1: padding
    position = torch.zeros_like(ids)
    places: list[int] = []  # flat positions whose logits give the answers
    for row, (prefix, tails) in enumerate(rows):
        ids[row, :prefix] = torch.tensor(examples[tails[0][0]].prompt_ids[:prefix])
        segment[row, :prefix], position[row, :prefix] = 0, torch.arange(prefix)
        start = prefix
        for number, (i, tail) in enumerate(tails, 1):
            end = start + len(tail)
            ids[row, start:end], segment[row, start:end] = torch.tensor(tail), number
            position[row, start:end] = torch.arange(prefix, prefix + len(tail))
            places += [row * longest + p - 1 for p in range(end - len(examples[i].answer_ids), end)]
            start = end
    ids, segment, position = (tensor.to(base.device) for tensor in (ids, segment, position))
    if _length(rows[0]) <= base.joined_tokens:
        seen = (segment[:, None] == 0) | (segment[:, None] == segment[:, :, None])  # [rows, tokens, tokens]
        mask = torch.zeros(seen.shape, dtype=base.dtype, device=base.device)
        mask = mask.masked_fill_(~seen.tril(), torch.finfo(base.dtype).min)[:, None]
    else:
        mask = (segment >= 0).long()  # [rows, tokens], from which the base makes what each layer sees
    per_row = weights.rows([examples[tails[0][0]].skill for _, tails in rows]) if weights else None
    asked_at = torch.tensor(places, device=base.device)
    with apply_lora(base.model, per_row), _alone(base, asked_at), _attention(base, longest):
        out = base.model(ids, attention_mask=mask, position_ids=position, use_cache=False)
    logits = out.logits.flatten(0, 1)
    if len(logits) != len(places):  # the head was not called as a module
        logits = logits[asked_at]
    asked = [i for _, tails in rows for i, _ in tails]
    right = torch.tensor([token for i in asked for token in examples[i].answer_ids], device=base.device)
    owner = torch.tensor([i for i in asked for _ in examples[i].answer_ids], device=base.device)
    return Scored(logits, right, owner)


@contextmanager
def _alone(base: Base, places: Tensor) -> Iterator[None]:
    """Within the block the base says its logits at flat positions of a batch alone [1, places, vocabulary].

    What its own head reads is cut to them; some models scale or cap the logits behind it.
    """

    def hook(_head: nn.Module, args: tuple[Tensor]) -> Tensor:
        return args[0].flatten(0, 1)[places][None]

    handle = base.model.get_output_embeddings().register_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _attention(base: Base, tokens: int) -> Iterator[None]:
    """Within the block a base on a CPU attends by plain matmuls where gradients are on and rows are short: that beats
    the fused kernel's backward. For long rows it would keep gigabytes."""
    before = base.model.config._attn_implementation
    if base.device.type == "cpu" and torch.is_grad_enabled() and tokens <= ROW_TOKENS:
        base.model.set_attn_implementation("eager")
    try:
        yield
    finally:
        base.model.set_attn_implementation(before)


def _length(row: _Row) -> int:
    prefix, tails = row
    return prefix + sum(len(tail) for _, tail in tails)


def of_like_length(items: Iterable[Item], length: Callable[[Item], int], filled: float) -> Iterator[list[Item]]:
    """The items in batches, the longest first, each at least `filled` times as long as its batch's longest: what is
    run together is padded to one length."""
    batch: list[Item] = []
    for item in sorted(items, key=length, reverse=True):
        if batch and length(item) < filled * length(batch[0]):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


def _rows(examples: list[Example], most: int) -> Iterator[_Row]:
    """The examples in rows, several in one of up to `most` tokens."""
    groups: dict[tuple, list[tuple[list[int], list[int]]]] = {}  # of each row, the common beginning and its examples
    for i, example in enumerate(examples):
        rows = groups.setdefault((example.skill, *example.prompt_ids[:SAME_START]), [])
        # a token of each prompt stays behind, so that every answer has a position before it in its own segment
        common, members = example.prompt_ids[:-1], []
        if rows:
            shared = [a for a, b in takewhile(lambda pair: pair[0] == pair[1], zip(rows[-1][0], common, strict=False))]
            joined = [*rows[-1][1], i]
            tails = (len(examples[j].prompt_ids) + len(examples[j].answer_ids) - len(shared) for j in joined)
            if len(shared) + sum(tails) <= most:
                common, members = shared, rows.pop()[1]
        rows.append((common, [*members, i]))
    for common, members in (row for rows in groups.values() for row in rows):
        start = len(common)
        yield start, [(i, (examples[i].prompt_ids + examples[i].answer_ids)[start:]) for i in members]
