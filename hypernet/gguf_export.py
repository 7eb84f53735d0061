"""An adapter as a LoRA file of llama.cpp (GGUF), written with the `gguf` package, to run beside a base in GGUF."""

import tempfile
from pathlib import Path

import gguf
import numpy as np
import torch
from torch import Tensor

from hypernet.adapter import GGUF_FILE, Adapter, AdapterError
from hypernet.base import Base

# model_type of transformers -> llama.cpp's architecture, and whether llama.cpp keeps the rows of q and k in another
# order: its rotary embedding turns neighbours where transformers turns the two halves of a head.
ARCHITECTURES = {
    "llama": (gguf.MODEL_ARCH.LLAMA, True),
    "mistral": (gguf.MODEL_ARCH.LLAMA, True),
    "qwen2": (gguf.MODEL_ARCH.QWEN2, False),
    "qwen3": (gguf.MODEL_ARCH.QWEN3, False),
}


def is_known(base: Base) -> bool:
    """Whether the architecture of a base is one that adapters can be written for."""
    return base.model.config.get_text_config().model_type in ARCHITECTURES


def adapter_gguf(adapter: Adapter, base: Base) -> bytes:
    """The adapter in the format that llama.cpp loads with --lora; the same adapter gives the same bytes.

    float16, which holds more of a bf16 factor than it has and which every backend of llama.cpp multiplies.
    Raises AdapterError for an architecture or a module that can't be written.
    """
    config = base.model.config.get_text_config()
    if not is_known(base):
        raise AdapterError(
            f"No file for llama.cpp can be written for {base.name}: its architecture, {config.model_type}, is none of "
            f"{', '.join(ARCHITECTURES)}. Use the PEFT adapter, or merge it into the base and convert that."
        )
    architecture, interleaved = ARCHITECTURES[config.model_type]
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    heads = {"self_attn.q_proj": config.num_attention_heads, "self_attn.k_proj": config.num_key_value_heads}
    rank = adapter.weights.rank
    with tempfile.TemporaryDirectory(prefix="parametric-skills-") as scratch:
        file = Path(scratch, GGUF_FILE)
        writer = gguf.GGUFWriter(file, gguf.MODEL_ARCH_NAMES[architecture])
        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_name(adapter.provenance.skill_name)
        writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(rank))
        for module, (a, b) in sorted(adapter.weights.modules.items()):
            b = b.float() * (a.shape[2] / rank)  # llama.cpp multiplies each module by alpha / its own rank
            for position, layer in enumerate(adapter.weights.layers):
                name = names.get_name(f"model.layers.{layer}.{module}")
                if name is None:
                    raise AdapterError(
                        f"No file for llama.cpp can be written: it has no name for {module}. Use the PEFT adapter."
                    )
                rows = b[0, position].T  # [d_out, rank]
                if interleaved and module in heads:
                    rows = _interleaved(rows, heads[module])
                writer.add_tensor(f"{name}.weight.lora_a", _half(a[0, position]))  # [rank, d_in]
                writer.add_tensor(f"{name}.weight.lora_b", _half(rows))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return file.read_bytes()


def _interleaved(rows: Tensor, heads: int) -> Tensor:
    """Rows [heads x (2 x half), rank] of a projection in the order that llama.cpp has for the architecture."""
    return rows.unflatten(0, (heads, 2, -1)).transpose(1, 2).flatten(0, 2)


def _half(factor: Tensor) -> np.ndarray:
    return factor.detach().to("cpu", torch.float16).contiguous().numpy()
