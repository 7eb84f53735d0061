"""Reads skill texts with the frozen base: its hidden states, and what enters the modules that will get LoRA.

Long texts are read in windows whose states are joined, so that any length up to the limit becomes one memory.
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hypernet.base import Base
from hypernet.config import HypernetworkConfig
from hypernet.lora import decoder_layers

TOKENS_AT_ONCE = 2048  # padded tokens of a batch of windows: bounds memory, and rows of like length share a batch
PAD_TO = 32  # few distinct shapes: CPU kernels are compiled anew for each

_READING: ContextVar[object] = ContextVar("reading", default=None)  # hooks act for the call that set them alone


class SkillTextError(ValueError):
    """A skill text that can't be read; the message names the limit."""


@dataclass(frozen=True)
class SkillStates:
    """What the base made of the skill texts; padded at the end."""

    states: Tensor  # [skills, tokens, encoder_layers * hidden], RMS-normed per layer
    inputs: dict[str, Tensor]  # module -> [skills, layers, tokens, d_in]: its input while the base read the text
    left: Tensor  # [skills, layers, tokens, hidden]: the residual stream behind each layer; of no layer without slots
    mask: Tensor  # [skills, tokens], True where there is a token


def tokenize(base: Base, texts: list[str], config: HypernetworkConfig) -> list[list[int]]:
    """Token ids of each text.

    Raises SkillTextError for an empty text and for one over `config.max_tokens`.
    """
    tokenized = []
    for text in texts:
        ids = base.encode(text)
        if not ids or not text.strip():
            raise SkillTextError("The skill is empty. Write what the model should do.")
        if len(ids) > config.max_tokens:
            raise SkillTextError(
                f"The skill has {len(ids):,} tokens; the hypernetwork reads up to {config.max_tokens:,}. "
                "Move details into separate skills."
            )
        tokenized.append(ids)
    return tokenized


@torch.no_grad()
def read_skills(base: Base, tokenized: list[list[int]], config: HypernetworkConfig) -> SkillStates:
    """Run the base over the texts' tokens, once, without a gradient."""
    longest = max(map(len, tokenized))
    device, count = base.device, len(tokenized)
    new = {"dtype": base.dtype, "device": device}
    states = torch.zeros(count, longest, len(config.encoder_layers) * config.hidden_size, **new)
    inputs = {
        module: torch.zeros(count, len(config.layers), longest, d_in, **new)
        for module, (d_in, _) in config.module_dims.items()
    }
    left = torch.zeros(count, len(config.layers) if config.slots else 0, longest, config.hidden_size, **new)
    windows = [
        (skill, start, ids[start : start + config.window])
        for skill, ids in enumerate(tokenized)
        for start in range(0, len(ids), config.window)
    ]
    windows.sort(key=lambda window: len(window[2]))
    while windows:
        fit = max(1, TOKENS_AT_ONCE // len(windows[-1][2]))
        batch, windows = windows[-fit:], windows[:-fit]
        hidden, behind, seen = _read_windows(base, [ids for _, _, ids in batch], config)
        for row, (skill, start, ids) in enumerate(batch):
            n = len(ids)
            states[skill, start : start + n] = hidden[row, :n]
            for position, x in enumerate(behind):
                left[skill, position, start : start + n] = x[row, :n]
            for module, layers in seen.items():
                for position, x in enumerate(layers):
                    inputs[module][skill, position, start : start + n] = x[row, :n]
    lengths = torch.tensor([len(ids) for ids in tokenized], device=device)
    return SkillStates(states, inputs, left, torch.arange(longest, device=device)[None] < lengths[:, None])


def _keep_input(kept: list[Tensor], token: object) -> Callable:
    def hook(_module: nn.Module, args: tuple) -> None:
        if _READING.get() is token:
            kept.append(args[0])

    return hook


def _keep_output(kept: list[Tensor], token: object) -> Callable:
    def hook(_module: nn.Module, _args: tuple, out: Tensor | tuple) -> None:
        if _READING.get() is token:
            kept.append(out if isinstance(out, Tensor) else out[0])

    return hook


def _read_windows(base: Base, ids: list[list[int]], config: HypernetworkConfig) -> tuple[Tensor, list, dict]:
    """States [windows, tokens, encoder_layers * hidden], what left each layer [windows, tokens, hidden] where there are
    slots, and module inputs {module: [windows, tokens, d_in] a layer}."""
    longest = -(-max(map(len, ids)) // PAD_TO) * PAD_TO
    padded = torch.tensor([row + [0] * (longest - len(row)) for row in ids], device=base.device)
    seen: dict[str, list[Tensor]] = {module: [] for module in config.module_dims}
    layers, token, handles, left = decoder_layers(base.model), object(), [], []
    previous = _READING.set(token)
    try:
        # not the model's own list of states: its last one is normed
        for layer in config.layers if config.slots else ():
            handles.append(layers[layer].register_forward_hook(_keep_output(left, token)))
        for module in config.module_dims:
            for layer in config.layers:
                target = layers[layer].get_submodule(module)
                handles.append(target.register_forward_pre_hook(_keep_input(seen[module], token)))
        # causal: padding at the end changes nothing before it, so no mask is needed
        out = base.model.base_model(padded, output_hidden_states=True, use_cache=False)
    finally:
        _READING.reset(previous)
        for handle in handles:
            handle.remove()
    kept = [F.rms_norm(out.hidden_states[i].float(), (config.hidden_size,)) for i in config.encoder_layers]
    return torch.cat(kept, dim=-1).to(base.dtype), left, seen
