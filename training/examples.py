"""Examples as token rows, and the one way to score answers under an adapter: logits at the answer's positions only."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hypernet.base import Base
from hypernet.lora import LoraWeights, apply_lora
from training.tasks import Task

PAD_TO = 8  # few distinct shapes: CPU kernels are compiled anew for each


@dataclass(frozen=True)
class Example:
    """A prompt and its right answer in tokens; `skill` says which adapter of the batch is meant."""

    skill: int
    prompt_ids: list[int]
    answer_ids: list[int]  # ends with the end-of-turn token


def to_example(base: Base, skill: int, task: Task) -> Example:
    """Token rows of a task, without the skill's text."""
    return Example(skill, base.chat_ids(task.prompt), [*base.encode(task.answer), base.tokenizer.eos_token_id])


def answer_logits(base: Base, examples: list[Example], weights: LoraWeights | None) -> tuple[Tensor, Tensor, Tensor]:
    """Run prompts with their answers under each example's adapter.

    Gives logits [answer tokens of all rows, vocabulary], the right tokens [answer tokens] and the row of
    each [answer tokens]. A prompt's own tokens are not scored: the head is a fifth of a small model's work.
    """
    rows = [example.prompt_ids + example.answer_ids for example in examples]
    longest = -(-max(map(len, rows)) // PAD_TO) * PAD_TO
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=base.device)  # [rows, tokens]
    answered = torch.zeros_like(ids, dtype=torch.bool)
    for i, example in enumerate(examples):
        answered[i, len(example.prompt_ids) : len(rows[i])] = True
    per_row = weights.rows([example.skill for example in examples]) if weights else None
    with apply_lora(base.model, per_row):
        hidden = base.model.base_model(ids, use_cache=False).last_hidden_state  # causal: padding at the end is harmless
    logits = base.model.get_output_embeddings()(hidden[:, :-1][answered[:, 1:]])
    row_of = torch.arange(len(rows), device=base.device)[:, None].expand_as(ids)[answered]
    return logits, ids[answered], row_of


def exact_rows(logits: Tensor, right: Tensor, row_of: Tensor, rows: int) -> Tensor:
    """Whether greedy decoding would give the whole answer [rows]: each token is the likeliest after the right ones."""
    wrong = torch.zeros(rows, device=logits.device)
    return wrong.index_add(0, row_of, (logits.argmax(-1) != right).float()) == 0
