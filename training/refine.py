"""Refine one adapter: gradient steps on a generated adapter itself, from a handful of examples of its skill in use.

The hypernetwork stays as it is. Minutes of a refit buy every skill; seconds here buy this one.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F

from hypernet.adapter import Adapter
from hypernet.base import Base
from hypernet.lora import LoraWeights
from training.examples import answer_logits, in_parts
from training.refit import CONTEXT, RefitError
from training.trajectories import Trajectory, examples_of

SECONDS = 40.0  # ten examples are well learned by then on two cores
STEPS = 60
LEARNING_RATE = 2e-3
LEARNED = 0.02  # loss a token below which nothing is left to learn
TOKENS_AT_ONCE = 4_000  # of the examples that are run together: a gradient holds what every one of them made


def refine(
    base: Base,
    adapter: Adapter,
    trajectories: Sequence[Trajectory],
    say: Callable[[int, float], None] = lambda _step, _loss: None,
    *,
    seconds: float = SECONDS,
    steps: int = STEPS,
) -> Adapter:
    """The adapter after gradient steps on the examples' answers; its provenance says on how many it was refined.

    Ends at the first of the two bounds, or when nothing is left to learn. A chat over CONTEXT tokens loses its start.
    Raises RefitError for no examples, or a base in NF4, through which no gradient passes; TrajectoryError for a chat
    whose last question and answer alone are longer.
    """
    if not trajectories:
        raise RefitError("There are no examples to refine the adapter with. Add some of the skill in use.")
    if base.quantization == "nf4":
        raise RefitError("No gradient passes an NF4 base. Load it with quantization='dequantized'.")
    chats = [examples_of(base, 0, trajectory, max_tokens=CONTEXT) for trajectory in trajectories]
    parts = list(in_parts([example for chat in chats for example in chat], TOKENS_AT_ONCE))
    tokens = sum(len(example.answer_ids) for part in parts for example in part)
    # copies: in float32 the shared part of an adapter is the hypernetwork's own
    given = adapter.weights.modules
    factors = {m: tuple(x.detach().float().clone().requires_grad_() for x in ab) for m, ab in given.items()}
    weights = LoraWeights(adapter.weights.layers, factors)
    optimizer = torch.optim.AdamW([x for pair in factors.values() for x in pair], lr=LEARNING_RATE, weight_decay=0.0)
    started = time.perf_counter()
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        loss = 0.0
        for part in parts:
            scored = answer_logits(base, part, weights)
            of_part = F.cross_entropy(scored.logits.float(), scored.right, reduction="sum") / tokens
            of_part.backward()
            loss += of_part.item()
        optimizer.step()
        say(step, loss)
        if loss < LEARNED or time.perf_counter() - started > seconds:
            break
    detached = {m: tuple(x.detach().to(given[m][0].dtype) for x in pair) for m, pair in factors.items()}
    return replace(
        adapter,
        weights=LoraWeights(weights.layers, detached),
        provenance=replace(adapter.provenance, refined_on=len(trajectories)),
    )
