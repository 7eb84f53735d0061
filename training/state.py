"""The state of a run in one safetensors file: the weights, those kept beside them, the optimiser, where the run stands.

Whoever loads it goes on as if the run had never stopped.
"""

from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hypernet.files import write_atomically
from training.optimizer import MuonAdamW


def save_state(
    path: Path, model: nn.Module, optimizer: MuonAdamW, about: dict[str, str], **beside: dict[str, Tensor]
) -> None:
    """Write the state, whole or not at all, with weights that are kept beside the model's, such as their running mean.

    `about` is what `read_about` gives back. Raises OSError or SafetensorError where it can't be stored.
    """
    parts = {"model": model.state_dict(), "optimizer": optimizer.state(), **beside}
    tensors = {f"{part}.{name}": tensor.contiguous() for part, named in parts.items() for name, tensor in named.items()}
    write_atomically(path, lambda file: save_file(tensors, file, metadata=about))


def read_about(path: Path) -> dict[str, str]:
    """What was said of a state when it was saved, without reading its tensors."""
    with safe_open(path, framework="pt") as file:
        return file.metadata()


def load_state(path: Path, model: nn.Module, optimizer: MuonAdamW, **beside: dict[str, Tensor]) -> None:
    """Put a saved state into a model, an optimiser of the same parameters, and weights of the same names beside it."""
    state = load_file(path, device=str(next(model.parameters()).device))

    def part(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}

    model.load_state_dict(part("model."))
    optimizer.load_state(part("optimizer."))
    for kind, weights in beside.items():
        weights |= {name: state[f"{kind}.{name}"] for name in weights}
