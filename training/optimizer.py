"""The optimisers of a hypernetwork: Muon for the matrices of its linear layers, AdamW for everything else, and both for
the weights of the slots' gates.

Muon (Jordan et al. 2024; scaled as in Moonlight, arXiv 2502.16982, so that both take the same learning rate) steps with
the gradient's nearest orthogonal matrix. `HoldingMuon` does so in another metric, which keeps what was learned before.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from hypernet.base import compute_dtype

MOMENTUM = 0.95  # of Muon
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # the weights of X, X^3 and X^5 in an iteration
ITERATIONS = 5
RIDGE = 0.01  # of a layer's usual input: directions in which it moves less than that are all as free
BETAS = (0.9, 0.98)  # of AdamW
PLAIN = ("gate_", "scale", "input_gain")  # how the names of parameters begin that AdamW steps without weight decay


class Muon(torch.optim.Optimizer):
    """What `torch.optim.Muon` does with `adjust_lr_fn="match_rms_adamw"`, but orthogonalising in float32 where the
    hardware lacks bfloat16: there matmuls in bfloat16, the only kind that torch's own knows, take most of a step."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:
        """One step down the gradients [d_out, d_in] that the parameters hold."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(p.grad)
                momentum = state["momentum_buffer"].lerp_(p.grad, 1 - MOMENTUM)
                update = orthogonalized(p.grad.lerp(momentum, MOMENTUM), compute_dtype(p.device.type))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(update.to(p.dtype), alpha=-group["lr"] * 0.2 * max(p.shape) ** 0.5)


def orthogonalized(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Nearly U V^T of x = U S V^T [rows, columns], computed in `dtype`: singular values end at about 0.7 to 1.2
    (Newton-Schulz iteration of Jordan et al. 2024)."""
    wide = x.to(dtype) if x.shape[0] <= x.shape[1] else x.to(dtype).mT
    wide = wide / wide.norm().clamp_min(1e-7)
    a, b, c = NEWTON_SCHULZ
    for _ in range(ITERATIONS):
        gram = wide @ wide.mT
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return wide if x.shape[0] <= x.shape[1] else wide.mT


class MuonAdamW:
    """Steps all parameters of a module that want a gradient; AdamW has no weight decay for gates, scales, norms and
    biases.

    The weights of the slots' gates, which are linear layers, are stepped twice: by AdamW, then, from the same gradient
    and with its weight decay, by Muon.
    """

    def __init__(self, module: nn.Module, learning_rate: float, weight_decay: float) -> None:
        named = {name: p for name, p in module.named_parameters() if p.requires_grad}
        linear = {f"{name}.weight" for name in _linear_layers(module)} & named.keys()
        plain = {n for n, p in named.items() if p.dim() < 2 or n.rpartition(".")[2].startswith(PLAIN)}
        # the weights of the slots' gates begin at zero; both step them, as in all that was measured
        plain |= {n for n in linear if ".gate_" in n}
        rest = [n for n in named if n not in linear | plain]
        groups = [
            {"params": [named[n] for n in rest], "weight_decay": weight_decay},
            {"params": [named[n] for n in named if n in plain], "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        parts: dict[str, torch.optim.Optimizer] = {}
        if groups:
            parts["adamw"] = torch.optim.AdamW(groups, lr=learning_rate, betas=BETAS)
        if linear:
            parts["muon"] = Muon([named[n] for n in named if n in linear], learning_rate, weight_decay)
        self._parts = parts

    def step(self, learning_rate: float) -> None:
        """One step down the gradients that the parameters hold, which are then dropped."""
        for part in self._parts.values():
            for group in part.param_groups:
                group["lr"] = learning_rate
                for p in group["params"]:  # moments take a gradient's layout, which no file keeps
                    p.grad = None if p.grad is None else p.grad.contiguous()
            part.step()
        self.drop_gradients()

    def drop_gradients(self) -> None:
        """Forget the gradients that the parameters hold."""
        for part in self._parts.values():
            part.zero_grad()

    def state(self) -> dict[str, Tensor]:
        """All that the next step needs to know of those before it, by names without meaning of their own."""
        return {
            f"{name}.{i}.{key}": value
            for name, part in self._parts.items()
            for i, of_parameter in part.state_dict()["state"].items()
            for key, value in of_parameter.items()
        }

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Go on where `state` was taken."""
        for name, part in self._parts.items():
            saved: dict[int, dict[str, Tensor]] = {}
            for key, value in tensors.items():
                of, i, what = key.split(".")
                if of == name:  # AdamW counts its steps on the CPU: read from a GPU, each would be waited for
                    saved.setdefault(int(i), {})[what] = value.cpu() if what == "step" else value
            part.load_state_dict({**part.state_dict(), "state": saved})


class HoldingMuon(MuonAdamW):
    """Steps the linear layers of a module alone, as far as what they make of inputs that were shown to them stays.

    Every layer has the metric of its inputs' second moments: a step may change by so much what it makes of them, and
    goes furthest where they never were. A gradient projected out of their space (Adam-NSCL, arXiv 2103.07113) is the
    same taken to its end; here the inputs fill all of the space, some directions of it more than others.
    """

    def __init__(self, module: nn.Module, learning_rate: float, run: Callable[[], object]) -> None:
        """`run` lets the module see the inputs whose outputs are to stay; parameters that belong to no linear layer are
        frozen."""
        layers = _linear_layers(module)
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(name.removesuffix(".weight") in layers)
        super().__init__(module, learning_rate, weight_decay=0.0)
        self._roots = {layers[name].weight: root for name, root in _input_roots(layers, run).items()}

    def step(self, learning_rate: float) -> None:
        """One step down the gradients that the parameters hold, which are then dropped."""
        before = {p: p.detach().clone() for p in self._roots}
        for p, root in self._roots.items():
            p.grad = None if p.grad is None else p.grad @ root
        super().step(learning_rate)
        with torch.no_grad():
            for p, root in self._roots.items():
                p.copy_(before[p] + (p - before[p]) @ root.mT)


def _linear_layers(module: nn.Module) -> dict[str, nn.Linear]:
    return {name: part for name, part in module.named_modules() if isinstance(part, nn.Linear)}


@torch.no_grad()
def _input_roots(layers: dict[str, nn.Linear], run: Callable[[], object]) -> dict[str, Tensor]:
    """Of each layer that runs, R [d_in, d_in]; R R^T is the inverse of its inputs' second moments, 1 in the mean."""
    moments: dict[str, Tensor] = {}

    def watch(name: str) -> Callable:
        def hook(_layer: nn.Module, args: tuple[Tensor, ...]) -> None:
            x = args[0].float().flatten(0, -2)
            with torch.autocast(x.device.type, enabled=False):  # rounded, the moments would have no root
                moments[name] = moments.get(name, 0) + x.mT @ x

        return hook

    watching = [layer.register_forward_pre_hook(watch(name)) for name, layer in layers.items()]
    try:
        run()
    finally:
        for handle in watching:
            handle.remove()
    roots = {}
    for name, moment in moments.items():
        moment = moment.double() / moment.diagonal().mean().clamp_min(1e-12)
        nothing = torch.eye(len(moment), dtype=moment.dtype, device=moment.device)
        lower = torch.linalg.cholesky(moment + RIDGE * nothing)
        roots[name] = torch.linalg.solve_triangular(lower, nothing, upper=False).mT.float()
    return roots
