"""The optimiser of a hypernetwork: Muon for the matrices of its linear layers, AdamW for everything else.

Muon (Jordan et al. 2024; scaled as in Moonlight, arXiv 2502.16982, so that both take the same learning rate) steps with
the gradient's nearest orthogonal matrix.
"""

import torch
from torch import Tensor, nn

MOMENTUM = 0.95  # of Muon
BETAS = (0.9, 0.98)  # of AdamW


class MuonAdamW:
    """Steps all parameters of a module that want a gradient; gates, scales, norms and biases without weight decay."""

    def __init__(self, module: nn.Module, learning_rate: float, weight_decay: float) -> None:
        named = {name: p for name, p in module.named_parameters() if p.requires_grad}
        linear = {
            f"{name}.weight" for name, part in module.named_modules() if isinstance(part, nn.Linear)
        } & named.keys()
        plain = {n for n, p in named.items() if p.dim() < 2 or "gate" in n or "scale" in n or "gain" in n}
        rest = [n for n in named if n not in linear | plain]
        groups = [
            {"params": [named[n] for n in rest], "weight_decay": weight_decay},
            {"params": [named[n] for n in named if n in plain], "weight_decay": 0.0},
        ]
        parts: dict[str, torch.optim.Optimizer] = {
            "adamw": torch.optim.AdamW([g for g in groups if g["params"]], lr=learning_rate, betas=BETAS)
        }
        if linear:
            parts["muon"] = torch.optim.Muon(
                [named[n] for n in named if n in linear],
                lr=learning_rate,
                weight_decay=weight_decay,
                momentum=MOMENTUM,
                adjust_lr_fn="match_rms_adamw",
            )
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
                if of == name:
                    saved.setdefault(int(i), {})[what] = value
            part.load_state_dict({**part.state_dict(), "state": saved})
