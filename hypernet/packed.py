"""Linear layers of a quantized base on CPUs without bfloat16: its values in float32, in the order that oneDNN wants.

There bitsandbytes unpacks every 4-bit matrix anew for every token, and what PyTorch multiplies a few rows with reads a
matrix several times as slowly as the memory gives it. So they are unpacked once: the same function, for more memory.
"""

import torch
from torch import Tensor, nn

INSTRUCTIONS = ("AVX2", "AVX512")  # of CPUs, for which oneDNN has kernels of its own
FEW_ROWS = 4  # that are multiplied at once, as a hint: those that are decoded together


class PackedLinear(nn.Module):
    """A linear layer of a weight [out, in] that stays as it is; for inference, no gradient passes it."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.bias = bias
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), FEW_ROWS)

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in] -> [..., out]."""
        return torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")


def can_pack(model: nn.Module) -> bool:
    """Whether the model's layers can be packed, and gain by it (measured with AVX2)."""
    has_kernels = torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability() in INSTRUCTIONS
    return has_kernels and next(model.parameters()).device.type == "cpu" and model.dtype == torch.float32


def pack(model: nn.Module) -> None:
    """Replace the 4-bit layers and the output head, in place."""
    from bitsandbytes.functional import dequantize_4bit  # slow to import
    from bitsandbytes.nn import Linear4bit

    head = model.get_output_embeddings()
    for name, module in list(model.named_modules()):
        if isinstance(module, Linear4bit):
            weight = dequantize_4bit(module.weight.data, module.weight.quant_state)
        elif module is head and type(module) is nn.Linear:
            weight = module.weight
        else:
            continue
        model.set_submodule(name, PackedLinear(weight, module.bias))
