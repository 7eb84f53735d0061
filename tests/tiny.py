"""A tiny random base with a real tokenizer, and a tiny hypernetwork for it; `tests/tiny.py FOLDER` saves the base.

Everything on them takes milliseconds and runs the same code as the real base. They compute in float32, whatever the
machine has, so that equal can mean equal.
"""

import json
import random
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import gguf
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

from hypernet.base import Base
from hypernet.hypernetwork import Hypernetwork, config_for
from training.tasks import FAMILIES, sample_skill

MODULES = ("self_attn.o_proj", "mlp.down_proj")
VOCABULARY = 400
# starts a program in two processes, of a machine without GPUs too: `accelerate launch --cpu` starts one
LAUNCH_TWO = (
    *(sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--multi_gpu", "--num_processes", "2"),
    *("--main_process_port", "0", "--no_python"),
)
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE, trained on generated skills."""
    rng = random.Random("tokenizer")
    corpus = [sample_skill(family, rng, 2).text for family in FAMILIES for _ in range(4)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        additional_special_tokens=["<|im_start|>"],
        chat_template=CHAT_TEMPLATE,
    )


def save_model(kind: type[PreTrainedModel], config: PretrainedConfig, folder: Path, seed: int = 0) -> Path:
    """A random model of a kind with the tests' tokenizer, saved in bf16."""
    torch.manual_seed(seed)
    tokenizer = make_tokenizer()
    config.eos_token_id, config.bos_token_id = tokenizer.eos_token_id, None
    # bf16 values, so that loading as float32 or as bf16 gives the same weights
    kind(config).to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def llama_config(**changes) -> LlamaConfig:
    """Four layers, wide enough for blocks of NF4; random weights large enough to tell tokens apart."""
    settings = {
        "vocab_size": VOCABULARY,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "initializer_range": 0.2,
        "tie_word_embeddings": True,
    }
    return LlamaConfig(**{**settings, **changes})


def make_gguf(file: Path, model: PreTrainedModel | None = None) -> Path:
    """A tiny Llama (default: a new one) with its tokenizer as llama.cpp would write it."""
    if model is None:
        torch.manual_seed(5)
        model = LlamaForCausalLM(llama_config())
    config, tokenizer = model.config, make_tokenizer()
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(VOCABULARY)
    bpe = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(sorted(bpe["vocab"], key=bpe["vocab"].get))
    writer.add_token_types([3, 3] + [1] * (VOCABULARY - 2))
    writer.add_token_merges([" ".join(pair) for pair in bpe["merges"]])
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_bos_token_id(tokenizer.eos_token_id)
    writer.add_chat_template(tokenizer.chat_template)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight":  # tied
            continue
        if "q_proj" in name or "k_proj" in name:  # llama.cpp wants the halves that rotary embeddings turn interleaved
            heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
            tensor = tensor.unflatten(0, (heads, 2, -1)).swapaxes(1, 2).flatten(0, 2).contiguous()
        writer.add_tensor(names.get_name(name, (".weight",)), tensor.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def load_base(folder: Path | str, quantization: str = "none", dtype: torch.dtype = torch.float32) -> Base:
    """A base that computes in `dtype`, whatever the machine would choose."""
    with patch("hypernet.base.compute_dtype", lambda _device: dtype):
        return Base.load(str(folder), quantization)


def make_hypernetwork(
    base: Base, modules: tuple[str, ...] = MODULES, seed: int = 0, shared_modules: tuple[str, ...] = (), **options
) -> Hypernetwork:
    """A hypernetwork as after some training: its scales, its gates and its shared part are no longer zero."""
    torch.manual_seed(seed)
    options = {"width": 32, "blocks": 1, "slots": 6 if modules == MODULES else 0, **options}
    hypernetwork = Hypernetwork(config_for(base, modules, shared_modules, **options)).eval()
    with torch.no_grad():
        hypernetwork.calibrate(hypernetwork.read(base, ["Write the label of a report.", "End with a full stop."]))
        for head in hypernetwork.module_heads.values():
            head.scale.normal_(std=0.02)
        if hypernetwork.slots is not None:
            for gate in (hypernetwork.slots.gate_say, hypernetwork.slots.gate_put):
                gate.weight.normal_(std=0.2)
        for shared_b in hypernetwork.shared_b.values():
            shared_b.normal_(std=0.05)
    return hypernetwork


def snapshot(base: Base) -> dict[str, torch.Tensor]:
    """A copy of everything that a base is made of."""
    return {name: tensor.clone() for name, tensor in base.model.state_dict().items()}


def count_hooks(base: Base) -> int:
    """How many hooks stand in a base's model, but for those with which transformers gives hidden states out."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    hooks = [hook for module in base.model.modules() for kind in kinds for hook in getattr(module, kind).values()]
    return sum(not hook.__module__.startswith("transformers.") for hook in hooks)


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Within the block no file of this process can grow over `size` bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


if __name__ == "__main__":
    print(save_model(LlamaForCausalLM, llama_config(), Path(sys.argv[1])))
