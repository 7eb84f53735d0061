"""What one skill's LoRA can do at best: trained by gradient on solved questions of that skill, for each skill anew.

It has the layers, modules and ranks of the adapter that the hypernetwork makes in one forward pass, so it is the
ceiling for that adapter.
"""

import torch
import torch.nn.functional as F

from hypernet.base import Base
from hypernet.lora import LoraWeights
from training.examples import answer_logits, in_parts, to_example
from training.tasks import Task

STEPS = 50
LEARNING_RATE = 2e-3
TOKENS_AT_ONCE = 16_384  # that a gradient passes together


@torch.enable_grad()
def train_own_lora(base: Base, like: LoraWeights, questions: list[tuple[Task, ...]]) -> LoraWeights:
    """A LoRA for each skill's solved questions [skills, layers, rank, dim], shaped as the single skill's `like`.

    The skills are trained side by side and don't touch one another: each has parameters and a loss of its own.
    """
    torch.manual_seed(0)
    skills = len(questions)
    modules = {}
    for module, (a, b) in like.modules.items():
        down = torch.randn(skills, *a.shape[1:], device=base.device) / a.shape[-1] ** 0.5
        up = torch.zeros(skills, *b.shape[1:], device=base.device)  # so that training starts at the plain base
        modules[module] = (down.requires_grad_(), up.requires_grad_())
    weights = LoraWeights(like.layers, modules)
    optimizer = torch.optim.AdamW([factor for pair in modules.values() for factor in pair], lr=LEARNING_RATE)
    examples = [to_example(base, skill, task) for skill, tasks in enumerate(questions) for task in tasks]
    tokens = [sum(len(example.answer_ids) for example in examples if example.skill == skill) for skill in range(skills)]
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, 2 * (STEPS - step) / STEPS)  # falls over the second half
        optimizer.zero_grad()
        for part in in_parts(examples, TOKENS_AT_ONCE):
            scored = answer_logits(base, part, weights)
            losses = F.cross_entropy(scored.logits.float(), scored.right, reduction="none")
            shares = torch.tensor([1 / tokens[example.skill] for example in part], device=base.device)
            (losses * shares[scored.example]).sum().backward()
        optimizer.step()
    return LoraWeights(like.layers, {m: (a.detach(), b.detach()) for m, (a, b) in modules.items()}).to(base.dtype)
