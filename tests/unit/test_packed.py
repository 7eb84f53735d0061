"""Packed layers: what a 4-bit base computes, faster, where a CPU has no bfloat16."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from tiny import load_base
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from hypernet.base import Base
from hypernet.packed import PackedLinear, can_pack, pack


def kinds_of(base: Base) -> set[str]:
    """Of its layers with a weight matrix, but for the embeddings."""
    return {type(module).__name__ for module in base.model.modules() if hasattr(module, "in_features")}


@pytest.mark.parametrize("shape", [(1,), (3, 1), (2, 7), (1, 300)])
@pytest.mark.parametrize("bias", [False, True])
def test_a_packed_layer_is_the_layer(shape: tuple[int, ...], bias: bool):
    torch.manual_seed(0)
    weight, b, x = torch.randn(24, 40), torch.randn(24) if bias else None, torch.randn(*shape, 40)
    with torch.inference_mode():
        torch.testing.assert_close(PackedLinear(weight, b)(x), F.linear(x, weight, b))


def test_a_4_bit_base_in_float32_has_packed_layers_and_gives_the_logits_of_its_values(tiny_folder: Path):
    packed, plain = load_base(tiny_folder, "nf4"), load_base(tiny_folder, "dequantized")
    assert kinds_of(packed) == {"PackedLinear"} and kinds_of(plain) == {"Linear"}
    assert (packed.dtype, packed.device) == (torch.float32, torch.device("cpu"))
    ids = torch.tensor([plain.encode("Latency was 120 ms.")] * 3)
    with torch.inference_mode():
        for rows in (ids, ids[:1, :1]):
            torch.testing.assert_close(packed.model(rows).logits, plain.model(rows).logits)


def test_layers_with_biases_and_a_head_that_is_not_tied_are_packed_too(tiny_folder: Path, tmp_path: Path):
    torch.manual_seed(0)
    vocabulary = load_base(tiny_folder).model.config.vocab_size
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = GPTNeoXForCausalLM(GPTNeoXConfig(vocab_size=vocabulary, **shape))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    model.save_pretrained(tmp_path)
    for file in tiny_folder.glob("*token*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    packed, plain = load_base(tmp_path, "nf4"), load_base(tmp_path, "dequantized")
    assert kinds_of(packed) == {"PackedLinear"}
    ids = torch.tensor([[3, 1, 4, 1, 5]])
    with torch.inference_mode():
        torch.testing.assert_close(packed.model(ids).logits, plain.model(ids).logits)


def test_a_base_in_bfloat16_or_on_a_machine_without_onednn_stays_as_bitsandbytes_has_it(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    assert kinds_of(load_base(tiny_folder, "nf4", torch.bfloat16)) == {"Linear4bit", "Linear"}
    with monkeypatch.context() as missing:
        missing.setattr(torch.backends.mkldnn, "is_available", lambda: False)
        assert kinds_of(load_base(tiny_folder, "nf4")) == {"Linear4bit", "Linear"}
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    assert kinds_of(load_base(tiny_folder, "nf4")) == {"Linear4bit", "Linear"}


def test_packing_again_changes_nothing(tiny_folder: Path):
    base = load_base(tiny_folder, "nf4")
    layers = [module for module in base.model.modules() if isinstance(module, PackedLinear)]
    assert can_pack(base.model)
    pack(base.model)
    assert layers == [module for module in base.model.modules() if isinstance(module, PackedLinear)]
