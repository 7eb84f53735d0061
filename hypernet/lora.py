"""LoRA weights of several skills at once, and the one function that applies them.

Training, comparing and evaluating all go through `apply_lora`: each row of a batch gets an adapter of its own, and
nothing is left in the model after the call.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class LoraWeights:
    """LoRA of `skills` adapters over the same layers and modules; `y = W x + alpha * B (A x)` with rank-major factors.

    `modules` maps a module's path inside a decoder layer (`mlp.down_proj`) to
    A [skills, layers, rank, d_in] and B [skills, layers, rank, d_out].
    """

    layers: tuple[int, ...]
    modules: dict[str, tuple[Tensor, Tensor]]

    @property
    def skills(self) -> int:
        return next(iter(self.modules.values()))[0].shape[0]

    @property
    def rank(self) -> int:
        """Of the modules, the highest: a part of its own for each module need not be of one rank."""
        return max(a.shape[2] for a, _ in self.modules.values())

    def rows(self, index: list[int] | Tensor) -> "LoraWeights":
        """The adapters that `index` names, one for each row of a batch; a skill may come several times."""
        return LoraWeights(self.layers, {m: (a[index], b[index]) for m, (a, b) in self.modules.items()})

    def to(self, *args, **kwargs) -> "LoraWeights":
        """Move or cast both factors as `Tensor.to` does."""
        moved = {m: (a.to(*args, **kwargs), b.to(*args, **kwargs)) for m, (a, b) in self.modules.items()}
        return LoraWeights(self.layers, moved)

    def join(self, other: "LoraWeights") -> "LoraWeights":
        """Both LoRA at once: ranks side by side, so the deltas add up. A single skill is repeated to fit.

        A module that only one of them has keeps that one's factors.
        """
        joined = dict(self.modules)
        for module, pair in other.modules.items():
            fitting = tuple(y.expand(self.skills, -1, -1, -1) for y in pair)
            factors = zip(self.modules[module], fitting, strict=True) if module in self.modules else ()
            joined[module] = tuple(torch.cat(both, dim=2) for both in factors) or fitting
        return LoraWeights(self.layers, joined)

    def scaled(self, factor: float | Tensor) -> "LoraWeights":
        """Every `B A` times a factor: one number, or [skills, layers x modules] in the order of `delta_norms`."""
        count = len(self.modules)
        by_module = (
            factor.unflatten(1, (count, len(self.layers)))[..., None, None].unbind(1)  # each [skills, layers, 1, 1]
            if isinstance(factor, Tensor)
            else [factor] * count
        )
        pairs = zip(self.modules.items(), by_module, strict=True)
        return LoraWeights(self.layers, {m: (a, (b * by).to(b.dtype)) for (m, (a, b)), by in pairs})

    def summed(self) -> "LoraWeights":
        """All adapters as one: their ranks side by side [1, layers, skills x rank, dim], so the deltas add up."""
        joined = {m: tuple(x.transpose(0, 1).flatten(1, 2)[None] for x in pair) for m, pair in self.modules.items()}
        return LoraWeights(self.layers, joined)

    def truncated(self, rank: int) -> "LoraWeights":
        """The nearest LoRA of at most `rank` (truncated SVD of every `B A`), from the small factors alone."""
        modules = {}
        for module, (a, b) in self.modules.items():
            q_a, r_a = torch.linalg.qr(a.double().mT)  # [skills, layers, d_in, k], [skills, layers, k, old rank]
            q_b, r_b = torch.linalg.qr(b.double().mT)
            u, s, v_t = torch.linalg.svd(r_b @ r_a.mT, full_matrices=False)
            root = s[..., None, :rank].sqrt()  # half of each strength to either factor
            factors = (q_a @ v_t.mT[..., :rank] * root, q_b @ u[..., :rank] * root)
            modules[module] = tuple(new.mT.to(old.dtype) for new, old in zip(factors, (a, b), strict=True))
        return LoraWeights(self.layers, modules)

    def delta_norms(self) -> Tensor:
        """Frobenius norm of every `B A` [skills, layers x modules], from the small factors alone."""
        norms = []
        for a, b in self.modules.values():
            a, b = a.double(), b.double()
            gram = (a @ a.transpose(-1, -2)) * (b @ b.transpose(-1, -2))  # [skills, layers, rank, rank]
            norms.append(gram.sum((-1, -2)).clamp_min(0).sqrt())
        return torch.cat(norms, dim=1).float()


def stack_skills(weights: list[LoraWeights]) -> LoraWeights:
    """Put adapters of equal shape behind one another: [sum of skills, layers, rank, dim]."""
    first = weights[0]
    modules = {m: tuple(torch.cat([w.modules[m][i] for w in weights]) for i in (0, 1)) for m in first.modules}
    return LoraWeights(first.layers, modules)


def calibrated(own: LoraWeights, shares: Sequence[float] | None = None) -> LoraWeights:
    """Own parts of several skills as one [1, layers, skills x rank, dim]: side by side, each delta at its own norm.

    `shares` says how much of each skill goes in beside the one with the largest share, which acts as it does alone
    (default: all alike); at least one is above 0.
    In every layer and module the sum gets the norm that deltas with nothing in common would add up to, so that skills
    that are alike don't drive the base twice as far (norm calibration of rank concatenation, arXiv 2606.30015).
    """
    norms = own.delta_norms()  # [skills, layers x modules]
    weights = norms.new_tensor([1.0] * own.skills if shares is None else [*shares])[:, None]
    weights = weights / weights.max()
    summed = own.scaled(weights.expand_as(norms)).summed()
    wanted = (weights * norms).norm(dim=0, keepdim=True)  # [1, layers x modules]
    return summed.scaled(wanted / summed.delta_norms().clamp_min(1e-12))


def cosines(weights: LoraWeights) -> Tensor:
    """Cosine similarity of every two skills' deltas [skills, skills], each one vector over all layers and modules.

    By traces of the small factors, so that no delta is ever made; float64, on the CPU.
    """
    inner = torch.zeros(weights.skills, weights.skills, dtype=torch.float64)
    for a, b in weights.modules.values():
        # <B1 A1, B2 A2> is the sum over both ranks of (A1 A2^T) (B1 B2^T)
        grams = [torch.einsum("slrd,tlqd->ltsrq", x.double(), x.double()) for x in (a, b)]
        inner += (grams[0] * grams[1]).sum((0, 3, 4)).cpu()
    norms = inner.diagonal().clamp_min(1e-24).sqrt()
    return inner / norms[:, None] / norms


def decoder_layers(model: nn.Module) -> nn.ModuleList:
    """The decoder layers of any causal LM: the module list as long as the config says it has layers."""
    wanted = model.config.get_text_config().num_hidden_layers
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == wanted:
            return module
    raise ValueError(f"{type(model).__name__} has no list of {wanted} decoder layers, so LoRA cannot be applied to it.")


_ACTIVE: ContextVar[object] = ContextVar("active_lora", default=None)


@contextmanager
def apply_lora(model: nn.Module, weights: LoraWeights | None, alpha: float | Tensor = 1.0) -> Iterator[None]:
    """Within the block, row i of a batch runs with adapter i at strength alpha (one number, or [rows]).

    The hooks act only for the thread or task that entered the block and are gone when it ends, also on an error, so
    two people's adapters can't meet. With alpha 0 the outputs are the base's bit for bit.
    """
    nothing = weights is None or (isinstance(alpha, (int, float)) and alpha == 0)
    layers, token, handles = decoder_layers(model), object(), []

    def hook_for(a: Tensor, b: Tensor):  # a [rows, rank, d_in], b [rows, rank, d_out]
        def hook(_module: nn.Module, args: tuple, out: Tensor) -> Tensor | None:
            if _ACTIVE.get() is not token:
                return None
            x = args[0]  # [rows, tokens, d_in]
            delta = torch.bmm(torch.bmm(x, a.to(x.dtype).transpose(1, 2)), b.to(x.dtype))  # [rows, tokens, d_out]
            if isinstance(alpha, Tensor):
                delta = alpha.to(delta)[:, None, None] * delta
            elif alpha != 1:
                delta = alpha * delta
            return out + delta

        return hook

    previous = _ACTIVE.set(token)  # also where there is nothing to apply: that silences a block around this one
    try:
        for module, (a, b) in () if nothing else weights.modules.items():
            for layer, a_l, b_l in zip(weights.layers, a.unbind(1), b.unbind(1), strict=True):
                handles.append(layers[layer].get_submodule(module).register_forward_hook(hook_for(a_l, b_l)))
        yield
    finally:
        _ACTIVE.reset(previous)
        for handle in handles:
            handle.remove()
