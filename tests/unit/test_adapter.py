"""An adapter: the same logits under PEFT, the same back from its files, and where it came from."""

import json
import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load, load_file, save_file
from tiny import MODULES, VOCABULARY, full_disk, llama_config, load_base, make_hypernetwork, save_model
from transformers import (
    AutoModelForCausalLM,
    GPTBigCodeConfig,
    GPTBigCodeForCausalLM,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaForCausalLM,
)

from hypernet.adapter import (
    CARD_FILE,
    CONFIG_FILE,
    GGUF_FILE,
    PROVENANCE_FILE,
    VLLM_RANKS,
    WEIGHTS_FILE,
    Adapter,
    AdapterError,
    make_adapter,
    peft_snippet,
    stack_adapters,
    text_sha256,
    vllm_snippet,
)
from hypernet.base import Base
from hypernet.decode import Row, Sampling, answer_all
from hypernet.encoder import SkillTextError
from hypernet.hypernetwork import Hypernetwork, HypernetworkError, load_hypernetwork
from hypernet.lora import apply_lora, calibrated, stack_skills
from training.refine import refine
from training.trajectories import Trajectory


@pytest.fixture(scope="module")
def adapter(base: Base, hypernetwork: Hypernetwork, skill_texts: list[str]) -> Adapter:
    return make_adapter(hypernetwork, base, skill_texts[0], "route-reports")


@pytest.fixture
def saved(adapter: Adapter, tmp_path: Path) -> Path:
    adapter.save(tmp_path / "adapter")
    return tmp_path / "adapter"


def same(first: Adapter, second: Adapter) -> bool:
    return first.weights.layers == second.weights.layers and all(
        torch.equal(x, y)
        for module, pair in first.weights.modules.items()
        for x, y in zip(pair, second.weights.modules[module], strict=True)
    )


def live_logits(base: Base, adapter: Adapter, ids: torch.Tensor) -> torch.Tensor:
    with torch.no_grad(), apply_lora(base.model, adapter.weights.rows([0] * len(ids))):
        return base.model(ids).logits


NEOX = GPTNeoXConfig(
    vocab_size=VOCABULARY,
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=4,
    num_attention_heads=4,
    max_position_embeddings=512,
    initializer_range=0.1,
)
BIG_CODE = GPTBigCodeConfig(
    vocab_size=VOCABULARY, n_embd=64, n_inner=128, n_layer=4, n_head=4, n_positions=512, initializer_range=0.1
)


@pytest.mark.parametrize(
    ("kind", "config", "modules"),
    [
        (LlamaForCausalLM, llama_config(), MODULES),
        (LlamaForCausalLM, llama_config(), ("self_attn.q_proj", "self_attn.v_proj", "mlp.gate_proj")),
        (GPTNeoXForCausalLM, NEOX, ("attention.dense", "mlp.dense_4h_to_h")),
        (GPTBigCodeForCausalLM, BIG_CODE, ("attn.c_proj", "mlp.c_proj")),
    ],
    ids=["llama", "llama-other-modules", "gpt-neox", "two-modules-of-one-name"],
)
def test_peft_gives_the_logits_of_the_live_adapter(
    kind: type, config: object, modules: tuple[str, ...], tmp_path: Path, skill_texts: list[str]
):
    base = load_base(save_model(kind, config, tmp_path / "base"))
    slots = 6 if modules[-1] in ("mlp.down_proj", "mlp.c_proj") else 0  # of another rank than the modules before
    adapter = make_adapter(make_hypernetwork(base, modules, slots=slots), base, skill_texts[0], "a-skill")
    adapter.save(tmp_path / "adapter")
    ids = torch.randint(2, VOCABULARY, (2, 30), generator=torch.Generator().manual_seed(0))
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32)
    with torch.no_grad():
        torch.testing.assert_close(plain(ids).logits, base.model(ids).logits)
        peft = PeftModel.from_pretrained(plain, tmp_path / "adapter").eval()
        exported = peft(ids).logits
    live = live_logits(base, adapter, ids)
    torch.testing.assert_close(exported, live, rtol=1e-4, atol=1e-4)
    assert (live - base.model(ids).logits).abs().max() > 0.1
    tuned = [name for name, _ in peft.named_parameters() if "lora_" in name]
    assert len(tuned) == 2 * len(modules) * len(adapter.weights.layers)  # nothing beside what was meant


def test_peft_merging_gives_the_logits_of_the_live_adapter(
    base: Base, adapter: Adapter, saved: Path, tiny_folder: Path
):
    ids = torch.randint(2, VOCABULARY, (1, 30), generator=torch.Generator().manual_seed(0))
    plain = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32)
    merged = PeftModel.from_pretrained(plain, saved).merge_and_unload()
    with torch.no_grad():
        torch.testing.assert_close(merged(ids).logits, live_logits(base, adapter, ids), rtol=1e-3, atol=1e-3)


SHARED = ("self_attn.q_proj", "self_attn.k_proj", "mlp.up_proj")


@pytest.fixture(scope="module")
def with_shared_modules(base: Base) -> Hypernetwork:
    return make_hypernetwork(base, MODULES, shared_modules=SHARED)


@pytest.fixture(scope="module")
def parts(base: Base, with_shared_modules: Hypernetwork, skill_texts: list[str]) -> list[Adapter]:
    names = ("route-reports", "mask-lines", "name-files")
    return [make_adapter(with_shared_modules, base, text, name) for text, name in zip(skill_texts, names, strict=False)]


@pytest.fixture(scope="module")
def stack(base: Base, with_shared_modules: Hypernetwork, parts: list[Adapter]) -> Adapter:
    return stack_adapters(with_shared_modules, base, parts, [1.0, 0.5, 1.0], "all texts")


def delta(adapter: Adapter, module: str) -> torch.Tensor:
    """[layers, d_out, d_in]"""
    a, b = adapter.weights.modules[module]
    return torch.einsum("lrd,lro->lod", a[0], b[0])


def test_a_stack_holds_the_shared_part_once_and_the_own_parts_calibrated(
    with_shared_modules: Hypernetwork, parts: list[Adapter], stack: Adapter
):
    config = with_shared_modules.config
    rank, shared = config.rank, config.shared_rank
    ranks = {module: a.shape[2] for module, (a, _) in stack.weights.modules.items()}
    assert ranks == {
        "self_attn.o_proj": 3 * rank + shared,
        "mlp.down_proj": 3 * (rank + config.slots) + shared,
        **dict.fromkeys(SHARED, rank + shared),
    }
    for module in SHARED:
        torch.testing.assert_close(delta(stack, module), delta(parts[0], module))
    own = [with_shared_modules.own_part(part.weights) for part in parts]
    mixed = calibrated(stack_skills(own), [1.0, 0.5, 1.0])
    both = mixed.join(with_shared_modules.shared())
    for module in MODULES:
        a, b = both.modules[module]
        torch.testing.assert_close(delta(stack, module), torch.einsum("lrd,lro->lod", a[0], b[0]))


def test_a_stack_says_what_it_was_made_of_and_comes_back(base: Base, stack: Adapter, parts: list[Adapter], tmp_path):
    stack.save(tmp_path)
    came = Adapter.load(tmp_path, base).provenance
    assert came == stack.provenance
    assert (came.skill_name, came.skill_sha256) == ("route-reports-and-2-more", text_sha256("all texts"))
    assert [part["share"] for part in came.stack] == [1.0, 0.5, 1.0]
    assert [part["skill_sha256"] for part in came.stack] == [part.provenance.skill_sha256 for part in parts]
    assert same(Adapter.load(tmp_path, base), stack)


def test_the_card_says_how_the_adapter_came(stack: Adapter, parts: list[Adapter]):
    made = parts[0]
    came = made.provenance
    assert "`route-reports`, `" in stack.card() and "this is their sum" in stack.card()
    assert made.card().count("in one forward pass.\n") == 1
    refined = replace(made, provenance=replace(came, refined_on=4))
    assert "in one forward pass;\nthen it was trained on 4 examples" in refined.card()
    reader = replace(made, provenance=replace(came, skill_sha256=""))
    assert "follows the skill that stands in its prompt" in reader.card() and "forward pass" not in reader.card()
    assert '{"role": "system", "content": "the text of the SKILL.md"}' in reader.card()
    assert "skill text" not in reader.card() and "``" not in reader.card().replace("```", "")


def test_adapters_of_two_hypernetworks_or_refined_ones_are_not_stacked(
    base: Base, hypernetwork: Hypernetwork, adapter: Adapter, parts: list[Adapter], with_shared_modules: Hypernetwork
):
    with pytest.raises(AdapterError, match="route-reports was made by another hypernetwork"):
        stack_adapters(with_shared_modules, base, [parts[1], adapter], [1, 1], "")
    refined = replace(parts[1], provenance=replace(parts[1].provenance, refined_on=4))
    with pytest.raises(AdapterError, match="mask-lines was trained on examples"):
        stack_adapters(with_shared_modules, base, [parts[0], refined], [1, 1], "")
    for adapters, shares in ((parts[:1], [1]), (parts[:2], [0, 0]), (parts[:2], [1, -1]), (parts[:2], [1])):
        with pytest.raises(AdapterError, match="needs two adapters or more and a share for each"):
            stack_adapters(with_shared_modules, base, adapters, shares, "")


@pytest.mark.parametrize("kind", ["stacked", "refined"])
def test_peft_gives_the_logits_of_stacked_and_refined_adapters(
    kind: str, base: Base, stack: Adapter, parts: list[Adapter], tiny_folder: Path, tmp_path: Path
):
    made = stack
    if kind == "refined":
        example = Trajectory(({"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Yes"}), "")
        made = refine(base, parts[0], [example], steps=2)
        assert not same(made, parts[0])
    made.save(tmp_path)
    ids = torch.randint(2, VOCABULARY, (2, 30), generator=torch.Generator().manual_seed(0))
    plain = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32)
    peft = PeftModel.from_pretrained(plain, tmp_path).eval()
    with torch.no_grad():
        torch.testing.assert_close(peft(ids).logits, live_logits(base, made, ids), rtol=1e-4, atol=1e-4)


# What vLLM's LoRA loader accepts (docs.vllm.ai: LoRA adapters; its peft_helper.py, lora_model.py and model classes):
# of adapter_config.json it reads these fields only, so one scaling, lora_alpha / r, holds for all modules.
VLLM_READS = {"r", "lora_alpha", "target_modules", "bias", "modules_to_save", "use_rslora", "use_dora"}
VLLM_LLAMA_MODULES = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


@pytest.mark.parametrize("kind", ["single", "stacked"])
def test_vllm_would_load_the_files(kind: str, stack: Adapter, parts: list[Adapter]):
    made = stack if kind == "stacked" else parts[0]
    files = made.files()
    assert {CONFIG_FILE, WEIGHTS_FILE} == {"adapter_config.json", "adapter_model.safetensors"}
    config = json.loads(files[CONFIG_FILE])
    read = {key: value for key, value in config.items() if key in VLLM_READS}
    assert read["bias"] == "none"
    assert not any(read.get(key) for key in ("modules_to_save", "use_rslora", "use_dora"))
    assert set(read["target_modules"]) <= VLLM_LLAMA_MODULES
    assert read["lora_alpha"] / read["r"] == 1
    assert config["alpha_pattern"] == config["rank_pattern"]  # not read: its scaling must be that of the rest
    for name, tensor in load(files[WEIGHTS_FILE]).items():
        named = re.fullmatch(r"base_model\.model\.model\.layers\.\d+\.\w+\.(\w+)\.lora_([AB])\.weight", name)
        assert named and named[1] in read["target_modules"]
        rank = tensor.shape[0 if named[2] == "A" else 1]
        assert rank == config["rank_pattern"].get(named[1], read["r"]) <= read["r"]
    room = int(vllm_snippet("base", read["r"]).split("--max-lora-rank ")[1].split()[0])
    assert room in VLLM_RANKS and read["r"] <= room


def test_the_vllm_snippet_names_a_rank_that_vllm_has():
    assert "--max-lora-rank 32 " in vllm_snippet("user/model", 24)
    assert "--max-lora-rank 512 " in vllm_snippet("user/model", 512)
    assert vllm_snippet("user/model", 513).startswith("# vLLM takes adapters of at most rank 512")


def test_an_adapter_comes_back_from_its_folder_the_same(base: Base, adapter: Adapter, saved: Path):
    loaded = Adapter.load(saved, base)
    assert same(loaded, adapter)
    assert loaded.provenance == adapter.provenance
    assert loaded.layers_path == adapter.layers_path == "model.layers"


def test_an_adapter_of_a_quantized_base_is_that_of_one_that_has_generated(
    tiny_folder: Path, checkpoint: Path, skill_texts: list[str]
):
    base = load_base(tiny_folder, "nf4")
    hypernetwork = load_hypernetwork(base, checkpoint)
    fresh = make_adapter(hypernetwork, base, skill_texts[0], "a-skill")
    answer_all(base, [Row(base.chat_ids("hello"))], Sampling(max_new_tokens=8))
    later = make_adapter(hypernetwork, base, skill_texts[0], "a-skill")
    assert same(fresh, later)
    assert fresh.files()[WEIGHTS_FILE] == later.files()[WEIGHTS_FILE]


def test_the_same_skill_checkpoint_and_base_give_the_same_files(
    tiny_folder: Path, checkpoint: Path, skill_texts: list[str]
):
    def make() -> dict[str, bytes]:
        base = load_base(tiny_folder)
        adapter = make_adapter(load_hypernetwork(base, checkpoint), base, skill_texts[3], "a-skill")
        return replace(adapter, provenance=replace(adapter.provenance, seconds=0.0)).files()

    assert make() == make()


def test_provenance_says_what_it_was_made_from(
    base: Base, hypernetwork: Hypernetwork, adapter: Adapter, saved: Path, skill_texts: list[str]
):
    came = adapter.provenance
    assert came.skill_name == "route-reports"
    assert came.skill_sha256 == text_sha256(skill_texts[0])
    assert came.skill_tokens == base.count_tokens(skill_texts[0])
    assert came.base_fingerprint == base.fingerprint
    assert came.hypernetwork_fingerprint == hypernetwork.fingerprint
    assert came.seconds > 0
    assert json.loads((saved / PROVENANCE_FILE).read_text()) == asdict(came)


def test_the_card_names_base_fingerprints_and_text_and_has_a_snippet(adapter: Adapter, saved: Path):
    card, came = (saved / CARD_FILE).read_text(), adapter.provenance
    assert card.startswith("---\nlibrary_name: peft\npipeline_tag: ")  # the base is a folder
    for fact in (came.base_fingerprint, came.hypernetwork_fingerprint, came.skill_sha256, "| rank | 22 |"):
        assert fact in card
    assert peft_snippet("tiny-llama", ".") in card


def test_the_card_names_a_base_of_the_hub_alone_as_one(adapter: Adapter):
    card = replace(adapter, provenance=replace(adapter.provenance, base_name="user/model")).files()[CARD_FILE]
    assert card.startswith(b"---\nlibrary_name: peft\nbase_model: user/model\n")


def test_an_adapter_replaces_an_adapter_and_the_file_for_llama_cpp_of_the_one_before(
    saved: Path, parts: list[Adapter], base: Base
):
    parts[0].save(saved, b"its file for llama.cpp")
    assert (saved / GGUF_FILE).read_bytes() == b"its file for llama.cpp"
    parts[1].save(saved)
    assert same(Adapter.load(saved, base), parts[1]) and not (saved / GGUF_FILE).exists()


@pytest.mark.parametrize("name", [CARD_FILE, "main.py"])
def test_a_folder_with_something_else_than_an_adapter_is_left_as_it_is(adapter: Adapter, tmp_path: Path, name: str):
    (tmp_path / name).write_text("mine")
    with pytest.raises(AdapterError, match="holds something else than an adapter"):
        adapter.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name] and (tmp_path / name).read_text() == "mine"


def test_a_folder_that_cannot_be_read_is_named(adapter: Adapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refused(_folder: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(AdapterError, match=r"can't be read: Permission denied\. Choose another folder"):
        adapter.save(tmp_path)


def test_the_peft_snippet_runs(saved: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]):
    exec(peft_snippet(str(tiny_folder), str(saved)), {})
    assert capsys.readouterr().out.endswith("\n")


def test_the_vllm_snippet_names_base_rank_and_folder():
    assert vllm_snippet("user/model", 16, "here") == (
        "vllm serve user/model --enable-lora --max-lora-rank 16 --lora-modules skill=./here"
    )


def test_the_files_are_json_safetensors_and_markdown(saved: Path):
    assert {path.name for path in saved.iterdir()} == {CONFIG_FILE, WEIGHTS_FILE, PROVENANCE_FILE, CARD_FILE}
    config = json.loads((saved / CONFIG_FILE).read_text())
    assert (config["r"], config["lora_alpha"]) == (22, 22)  # PEFT's scaling is one
    assert config["layers_to_transform"] == [2, 3]


def test_a_zip_holds_the_same_files(adapter: Adapter, saved: Path, tmp_path: Path):
    adapter.to_zip(tmp_path / "adapter.zip")
    with zipfile.ZipFile(tmp_path / "adapter.zip") as archive:
        assert archive.testzip() is None
        packed = {name: archive.read(name) for name in archive.namelist()}
    assert packed == {path.name: path.read_bytes() for path in saved.iterdir()}


def test_an_adapter_for_another_base_is_refused_by_name(saved: Path, tmp_path: Path):
    other = load_base(save_model(LlamaForCausalLM, llama_config(), tmp_path / "other-llama", seed=1))
    with pytest.raises(AdapterError, match=r"was made for tiny-llama \(.*the base here is other-llama"):
        Adapter.load(saved, other)


def drop_a_tensor(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS_FILE)
    del tensors[next(name for name in tensors if ".3." in name)]
    save_file(tensors, folder / WEIGHTS_FILE)


def reshape_a_tensor(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS_FILE)
    name = next(name for name in tensors if ".3." in name)
    save_file({**tensors, name: tensors[name][:-1].contiguous()}, folder / WEIGHTS_FILE)


def edit_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / CONFIG_FILE).read_text())
    (folder / CONFIG_FILE).write_text(json.dumps({**config, **changes}))


@pytest.mark.parametrize(
    "damage",
    [
        shutil.rmtree,
        lambda folder: (folder / PROVENANCE_FILE).unlink(),
        lambda folder: (folder / PROVENANCE_FILE).write_text("{}"),
        lambda folder: (folder / PROVENANCE_FILE).write_text("[]"),
        lambda folder: (folder / PROVENANCE_FILE).write_bytes(b"\xff\xfe\x00"),
        lambda folder: (folder / CONFIG_FILE).write_text("{"),
        lambda folder: edit_config(folder, layers_to_transform=[]),
        lambda folder: edit_config(folder, layers_to_transform=[77]),
        lambda folder: edit_config(folder, layers_to_transform=None),
        lambda folder: (folder / WEIGHTS_FILE).write_bytes(b"\x00" * 20),
        lambda folder: (folder / WEIGHTS_FILE).write_bytes((folder / WEIGHTS_FILE).read_bytes()[:-100]),
        lambda folder: save_file({}, folder / WEIGHTS_FILE),
        drop_a_tensor,
        reshape_a_tensor,
    ],
)
def test_a_damaged_adapter_is_refused_with_the_way_out(base: Base, saved: Path, damage: Callable[[Path], object]):
    damage(saved)
    with pytest.raises(AdapterError, match="Generate or download it again"):
        Adapter.load(saved, base)


def test_a_text_that_no_adapter_can_be_made_of_is_refused(base: Base, tmp_path: Path):
    hypernetwork = make_hypernetwork(base, max_tokens=32)
    with pytest.raises(SkillTextError, match="empty"):
        make_adapter(hypernetwork, base, " \n", "empty")
    with pytest.raises(SkillTextError, match="reads up to 32"):
        make_adapter(hypernetwork, base, "word and " * 40, "long")
    other = load_base(save_model(LlamaForCausalLM, llama_config(hidden_size=128), tmp_path / "other-llama"))
    with pytest.raises(HypernetworkError, match="the base is other-llama"):
        make_adapter(hypernetwork, other, "Fine.", "fine")


def test_a_full_disk_leaves_no_half_of_a_file(adapter: Adapter, saved: Path, tmp_path: Path):
    (saved / WEIGHTS_FILE).write_bytes(b"what was there before")
    with full_disk(5_000), pytest.raises(OSError, match="File too large"):
        adapter.save(saved)
    with full_disk(5_000), pytest.raises(OSError, match="File too large"):
        adapter.to_zip(tmp_path / "adapter.zip")
    assert (saved / WEIGHTS_FILE).read_bytes() == b"what was there before"
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]
    assert not [path for path in saved.iterdir() if path.name.startswith(".")]
