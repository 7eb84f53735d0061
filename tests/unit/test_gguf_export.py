"""The LoRA file for llama.cpp: its metadata, the order of its rows, and the same answers from llama.cpp itself."""

from pathlib import Path

import gguf
import pytest
import torch
from llamacpp import LlamaCpp
from tiny import VOCABULARY, load_base, make_gguf, make_hypernetwork, save_model
from torch import Tensor
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, Qwen2Config, Qwen2ForCausalLM
from transformers.modeling_gguf_pytorch_utils import LlamaTensorProcessor

from hypernet.adapter import Adapter, AdapterError, make_adapter
from hypernet.base import Base
from hypernet.gguf_export import GGUF_FILE, adapter_gguf
from hypernet.lora import apply_lora

# modules of two ranks: slots are in the last of them alone
OWN = {"modules": ("self_attn.o_proj", "mlp.down_proj"), "rank": 4, "shared_rank": 2, "slots": 3}
SHARED = ("self_attn.q_proj", "self_attn.k_proj", "mlp.up_proj")
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.o_proj": "attn_output",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
SMALL = {"vocab_size": VOCABULARY, "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4}
PROMPT = torch.randint(2, VOCABULARY, (20,), generator=torch.Generator().manual_seed(0)).tolist()


@pytest.fixture(scope="module")
def adapter(base: Base, skill_texts: list[str]) -> Adapter:
    made = make_adapter(make_hypernetwork(base, shared_modules=SHARED, **OWN), base, skill_texts[0], "route-reports")
    assert {a.shape[2] for a, _ in made.weights.modules.values()} == {6, 9}
    return made


def read(data: bytes, folder: Path) -> gguf.GGUFReader:
    (folder / GGUF_FILE).write_bytes(data)
    return gguf.GGUFReader(folder / GGUF_FILE)


def delta(reader: gguf.GGUFReader, name: str) -> Tensor:
    """The product that llama.cpp adds to a weight [d_out, d_in], with the factor that it puts on it."""
    tensors = {tensor.name: torch.from_numpy(tensor.data.copy()).float() for tensor in reader.tensors}
    a, b = tensors[f"{name}.weight.lora_a"], tensors[f"{name}.weight.lora_b"]
    return reader.fields["adapter.lora.alpha"].contents() / b.shape[1] * b @ a


def test_the_file_says_what_it_is(adapter: Adapter, base: Base, tmp_path: Path):
    reader = read(adapter_gguf(adapter, base), tmp_path)
    said = {name: reader.fields[name].contents() for name in reader.fields if "." in name and "GGUF" not in name}
    assert said == {
        "general.architecture": "llama",
        "general.type": "adapter",
        "general.name": "route-reports",
        "adapter.type": "lora",
        "adapter.lora.alpha": 9.0,
    }
    layers, modules = adapter.weights.layers, adapter.weights.modules
    wanted = {f"blk.{i}.{NAMES[m]}.weight.{ab}" for i in layers for m in modules for ab in ("lora_a", "lora_b")}
    assert {tensor.name for tensor in reader.tensors} == wanted


def test_what_llama_cpp_adds_is_the_delta_of_each_module(adapter: Adapter, base: Base, tmp_path: Path):
    reader = read(adapter_gguf(adapter, base), tmp_path)
    restore = LlamaTensorProcessor({})._reverse_permute_weights  # as transformers reads q and k out of a GGUF base
    config = base.model.config
    heads = {"self_attn.q_proj": config.num_attention_heads, "self_attn.k_proj": config.num_key_value_heads}
    for module, (a, b) in adapter.weights.modules.items():
        for position, layer in enumerate(adapter.weights.layers):
            found = delta(reader, f"blk.{layer}.{NAMES[module]}")
            if module in heads:
                found = torch.from_numpy(restore(found.numpy(), heads[module], heads[module]))
            torch.testing.assert_close(found, b[0, position].T @ a[0, position], rtol=5e-3, atol=5e-4)


def test_llama_cpp_gives_the_probabilities_of_the_live_adapter(adapter: Adapter, base: Base, tmp_path: Path):
    model = make_gguf(tmp_path / "base.gguf", base.model)
    (tmp_path / GGUF_FILE).write_bytes(adapter_gguf(adapter, base))

    def ours(weights) -> Tensor:
        with torch.no_grad(), apply_lora(base.model, weights):
            return base.model(torch.tensor([PROMPT])).logits[0, -1].log_softmax(-1)

    plain = LlamaCpp(model).log_probabilities(PROMPT, VOCABULARY)
    adapted = LlamaCpp(model, tmp_path / GGUF_FILE).log_probabilities(PROMPT, VOCABULARY)
    rounding = (plain - ours(None)).abs().max()  # llama.cpp keeps keys and values in float16
    assert rounding < 0.05
    assert (adapted - ours(adapter.weights)).abs().max() < 2 * rounding
    assert (adapted - plain).abs().max() > 20 * rounding


def test_the_same_adapter_gives_the_same_bytes(adapter: Adapter, base: Base):
    assert adapter_gguf(adapter, base) == adapter_gguf(adapter, base)


def test_rows_stay_in_order_where_the_architecture_turns_halves(tmp_path: Path, skill_texts: list[str]):
    config = Qwen2Config(**SMALL, intermediate_size=128, num_key_value_heads=2, max_position_embeddings=512)
    base = load_base(save_model(Qwen2ForCausalLM, config, tmp_path / "base"))
    hypernetwork = make_hypernetwork(base, ("self_attn.q_proj", "self_attn.k_proj"))
    made = make_adapter(hypernetwork, base, skill_texts[0], "a-skill")
    reader = read(adapter_gguf(made, base), tmp_path)
    assert reader.fields["general.architecture"].contents() == "qwen2"
    layer = made.weights.layers[0]
    for module, (a, b) in made.weights.modules.items():
        wanted = b[0, 0].T @ a[0, 0]
        torch.testing.assert_close(delta(reader, f"blk.{layer}.{NAMES[module]}"), wanted, rtol=5e-3, atol=5e-4)


def test_an_architecture_that_llama_cpp_has_otherwise_is_refused_by_name(tmp_path: Path, skill_texts: list[str]):
    config = GPTNeoXConfig(**SMALL, intermediate_size=128, max_position_embeddings=512)
    base = load_base(save_model(GPTNeoXForCausalLM, config, tmp_path / "neox"))
    made = make_adapter(make_hypernetwork(base, ("attention.dense",)), base, skill_texts[0], "a-skill")
    with pytest.raises(AdapterError, match=r"its architecture, gpt_neox, is none of llama, .*Use the PEFT adapter"):
        adapter_gguf(made, base)
