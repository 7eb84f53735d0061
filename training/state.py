"""The state of a run in one safetensors file: the weights, their running mean, the optimiser, and where the run stands.

Whoever loads it goes on as if the run had never stopped.
"""

import json
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hypernet.files import write_atomically
from training.optimizer import MuonAdamW


def save_state(
    path: Path, model: nn.Module, mean: dict[str, Tensor], optimizer: MuonAdamW, about: dict[str, str]
) -> None:
    """Write the state, whole or not at all; `about` is what `read_about` gives back.

    Raises OSError or SafetensorError where it can't be stored.
    """
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"mean.{name}": tensor for name, tensor in mean.items()}
    tensors |= {f"optimizer.{name}": tensor for name, tensor in optimizer.state().items()}
    contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    write_atomically(path, lambda file: save_file(contiguous, file, metadata=about))


def read_about(path: Path) -> dict[str, str]:
    """What was said of a state when it was saved, without reading its tensors."""
    with path.open("rb") as file:
        return json.loads(file.read(int.from_bytes(file.read(8), "little")))["__metadata__"]


def load_state(path: Path, model: nn.Module, mean: dict[str, Tensor], optimizer: MuonAdamW) -> None:
    """Put a saved state into a model, a running mean with the same names, and an optimiser of the same parameters."""
    state = load_file(path, device=str(next(model.parameters()).device))

    def part(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}

    model.load_state_dict(part("model."))
    mean |= {name: state[f"mean.{name}"] for name in mean}
    optimizer.load_state(part("optimizer."))
