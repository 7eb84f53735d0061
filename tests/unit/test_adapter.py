"""An adapter: the same logits under PEFT, the same back from its files, and where it came from."""

import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from tiny import MODULES, VOCABULARY, full_disk, llama_config, load_base, make_hypernetwork, save_model
from transformers import AutoModelForCausalLM, GPTNeoXConfig, GPTNeoXForCausalLM, LlamaForCausalLM

from hypernet.adapter import (
    CARD_FILE,
    CONFIG_FILE,
    PROVENANCE_FILE,
    WEIGHTS_FILE,
    Adapter,
    AdapterError,
    make_adapter,
    peft_snippet,
    text_sha256,
    vllm_snippet,
)
from hypernet.base import Base
from hypernet.decode import Row, Sampling, answer_all
from hypernet.encoder import SkillTextError
from hypernet.hypernetwork import Hypernetwork, HypernetworkError, load_hypernetwork
from hypernet.lora import apply_lora


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


@pytest.mark.parametrize(
    ("kind", "config", "modules"),
    [
        (LlamaForCausalLM, llama_config(), MODULES),
        (LlamaForCausalLM, llama_config(), ("self_attn.q_proj", "self_attn.v_proj", "mlp.gate_proj")),
        (GPTNeoXForCausalLM, NEOX, ("attention.dense", "mlp.dense_4h_to_h")),
    ],
    ids=["llama", "llama-other-modules", "gpt-neox"],
)
def test_peft_gives_the_logits_of_the_live_adapter(
    kind: type, config: object, modules: tuple[str, ...], tmp_path: Path, skill_texts: list[str]
):
    base = load_base(save_model(kind, config, tmp_path / "base"))
    adapter = make_adapter(make_hypernetwork(base, modules), base, skill_texts[0], "a-skill")
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
    assert card.startswith("---\nlibrary_name: peft\nbase_model: tiny-llama\n")
    for fact in (came.base_fingerprint, came.hypernetwork_fingerprint, came.skill_sha256, "| rank | 16 |"):
        assert fact in card
    assert peft_snippet("tiny-llama") in card


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
    assert (config["r"], config["lora_alpha"]) == (16, 16)  # PEFT's scaling is one
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
