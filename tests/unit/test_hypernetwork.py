"""The hypernetwork: starts at the base, reads texts of any length, and comes back from its files the same."""

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import MODULES, count_hooks, full_disk, llama_config, load_base, make_hypernetwork, save_model
from transformers import LlamaForCausalLM

import hypernet.hypernetwork
from hypernet.base import Base
from hypernet.encoder import TOKENS_AT_ONCE, SkillTextError, read_skills, tokenize
from hypernet.hypernetwork import (
    Hypernetwork,
    HypernetworkError,
    config_for,
    default_checkpoint,
    load_hypernetwork,
)
from hypernet.lora import LoraWeights, apply_lora


def equal(first: LoraWeights, second: LoraWeights) -> bool:
    return all(
        torch.equal(x, y)
        for module, pair in first.modules.items()
        for x, y in zip(pair, second.modules[module], strict=True)
    )


def assert_close(first: LoraWeights, second: LoraWeights) -> None:
    """Of the deltas `B A`, since slots have no order."""
    for module, pair in first.modules.items():
        deltas = [torch.einsum("slrd,slre->slde", *factors) for factors in (pair, second.modules[module])]
        torch.testing.assert_close(*deltas, rtol=1e-3, atol=1e-5)


def text_of(base: Base, tokens: int) -> str:
    """A text of exactly so many tokens."""
    rng = random.Random(tokens)
    text = "".join(rng.choice("abcdefghij") + rng.choice(" .:-\n") for _ in range(2 * tokens))
    while (extra := base.count_tokens(text) - tokens) > 0:
        text = text[: -max(1, extra // 2)]
    assert base.count_tokens(text) == tokens
    return text


# ---- the start of training -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("slots", [0, 4])
def test_a_new_hypernetwork_leaves_the_logits_exactly_as_they_are(base: Base, skill_texts: list[str], slots: int):
    new = Hypernetwork(config_for(base, MODULES, width=32, slots=slots))
    weights = new.generate(base, skill_texts[:2])
    assert all(a.abs().max() > 0 for a, _ in weights.modules.values())
    ids = torch.tensor([base.chat_ids("prompt 1"), base.chat_ids("prompt 2")])
    with torch.no_grad():
        plain = base.model(ids).logits
        with apply_lora(base.model, weights):
            assert torch.equal(base.model(ids).logits, plain)


@pytest.mark.parametrize("slots", [0, 4])
def test_every_weight_of_a_new_hypernetwork_learns_by_the_second_step(base: Base, skill_texts: list[str], slots: int):
    torch.manual_seed(0)
    new = Hypernetwork(config_for(base, MODULES, ("self_attn.q_proj",), width=32, slots=slots))
    read = new.read(base, skill_texts[:2])
    ids = torch.tensor([base.chat_ids("prompt 1"), base.chat_ids("prompt 2")])
    optimizer = torch.optim.SGD(new.parameters(), lr=0.1)

    def moved_by_a_step() -> set[str]:
        with apply_lora(base.model, new(read).join(new.shared())):
            loss = base.model(ids).logits.flatten(0, 1)[:-1].logsumexp(-1).mean()
        optimizer.zero_grad()
        loss.backward()
        moved = {name for name, p in new.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
        optimizer.step()
        return moved

    first = moved_by_a_step()
    gates = {name for name, _ in new.named_parameters() if name.startswith("slots.gate_")}
    assert {name for name in first if not name.startswith("shared_b.")} - gates == {
        f"module_heads.{m}.scale" for m in new.module_heads
    }
    assert gates <= first
    assert {name for name in first if name.startswith("shared_b.")} == {f"shared_b.{m}" for m in new.shared_b}
    assert moved_by_a_step() == {name for name, _ in new.named_parameters()}


def test_modules_with_the_shared_part_alone_have_the_rank_of_the_others(base: Base, skill_texts: list[str]):
    made = make_hypernetwork(base, ("mlp.down_proj",), shared_modules=("self_attn.q_proj", "mlp.up_proj"))
    weights = made.generate(base, skill_texts[:2])
    assert list(weights.modules) == ["mlp.down_proj", "self_attn.q_proj", "mlp.up_proj"]
    assert {a.shape[:3] for a, _ in weights.modules.values()} == {(2, 2, made.config.rank + made.config.shared_rank)}
    first, second = (weights.rows([i]).modules["self_attn.q_proj"] for i in (0, 1))
    assert all(torch.equal(x, y) for x, y in zip(first, second, strict=True))


# ---- slots of single tokens ----------------------------------------------------------------------------------------


def test_slots_add_ranks_to_the_last_module_alone(base: Base, hypernetwork: Hypernetwork, skill_texts: list[str]):
    weights = hypernetwork.generate(base, skill_texts[:2])
    ranks = {module: a.shape[2] for module, (a, _) in weights.modules.items()}
    rank, shared = hypernetwork.config.rank, hypernetwork.config.shared_rank
    assert ranks == {"self_attn.o_proj": rank + shared, "mlp.down_proj": rank + 6 + shared}
    own = hypernetwork.own_part(weights)
    assert {module: a.shape[2] for module, (a, _) in own.modules.items()} == {
        "self_attn.o_proj": rank,
        "mlp.down_proj": rank + 6,
    }


def test_a_slot_answers_to_its_own_token_and_hardly_to_the_others(
    base: Base, hypernetwork: Hypernetwork, skill_texts: list[str]
):
    read = hypernetwork.read(base, skill_texts[:1])
    with torch.no_grad():
        a = hypernetwork(read).modules["mlp.down_proj"][0][:, :, hypernetwork.config.rank :]
    x = read.inputs["mlp.down_proj"].float()
    x = x - x[:, :, 1:].mean(2, keepdim=True)  # a text's first token never has a slot
    answers = torch.einsum("slrd,sltd->slrt", a, x)[..., 1:]
    assert (answers - 1).abs().min(-1).values.max() < 1e-4
    assert answers.abs().median() < 0.3


def test_a_text_with_fewer_tokens_than_slots_has_the_same_adapter_alone_and_among_others(
    base: Base, hypernetwork: Hypernetwork, skill_texts: list[str]
):
    assert base.count_tokens("Be.") < 6
    together = hypernetwork.generate(base, ["Be.", *skill_texts[:2]])
    assert all(t.isfinite().all() for pair in together.modules.values() for t in pair)
    for i, text in enumerate(["Be.", *skill_texts[:2]]):
        assert_close(together.rows([i]), hypernetwork.generate(base, [text]))


def test_slots_in_a_module_that_does_not_write_the_residual_stream_are_refused(base: Base):
    with pytest.raises(HypernetworkError, match=r"mlp\.up_proj doesn't write to.* set slots to 0"):
        config_for(base, ("mlp.down_proj", "mlp.up_proj"), slots=4)
    assert config_for(base, ("mlp.up_proj", "mlp.down_proj"), slots=4).slots == 4


# ---- reading -------------------------------------------------------------------------------------------------------


def test_the_adapter_has_the_shapes_that_the_config_says(base: Base, hypernetwork: Hypernetwork, skill_texts: list):
    weights, config = hypernetwork.generate(base, skill_texts[:3]), hypernetwork.config
    assert weights.layers == (2, 3) == config.layers
    assert config.module_dims == {"self_attn.o_proj": (64, 64), "mlp.down_proj": (128, 64)}
    for module, (d_in, d_out) in config.module_dims.items():
        a, b = weights.modules[module]
        rank = config.rank + config.shared_rank + (config.slots if module == "mlp.down_proj" else 0)
        assert a.shape == (3, 2, rank, d_in)
        assert b.shape == (3, 2, rank, d_out)
    assert weights.delta_norms().min() > 0


def test_the_same_text_gives_the_same_adapter_and_another_text_another(
    base: Base, checkpoint: Path, hypernetwork: Hypernetwork, skill_texts: list[str]
):
    first = load_hypernetwork(base, checkpoint).generate(base, skill_texts[:1])
    second = load_hypernetwork(base, checkpoint).generate(base, skill_texts[:1])
    assert equal(first, second)
    other = hypernetwork.generate(base, skill_texts[1:2])
    assert not equal(hypernetwork.generate(base, skill_texts[:1]), other)


def test_a_text_gives_the_same_adapter_alone_and_among_others(
    base: Base, hypernetwork: Hypernetwork, skill_texts: list[str]
):
    texts = ["Short.", *skill_texts]
    assert sum(map(base.count_tokens, texts)) > TOKENS_AT_ONCE  # so they are read in several batches
    together = hypernetwork.generate(base, texts)
    for i in (0, 1, len(texts) - 1):
        assert_close(together.rows([i]), hypernetwork.generate(base, [texts[i]]))


def test_a_text_that_fits_one_window_is_read_the_same_whatever_the_window(base: Base):
    text = text_of(base, 64)
    assert_close(
        make_hypernetwork(base, window=64).generate(base, [text]),
        make_hypernetwork(base, window=1024).generate(base, [text]),
    )


def test_a_text_of_several_windows_becomes_one_memory(base: Base):
    hypernetwork = make_hypernetwork(base, window=64)
    text = text_of(base, 150)  # 64 + 64 + 22
    read = hypernetwork.read(base, [text, "Short."])
    whole = make_hypernetwork(base, window=1024).read(base, [text])
    assert read.mask.sum(1).tolist() == [150, base.count_tokens("Short.")]
    torch.testing.assert_close(read.states[0, :64], whole.states[0, :64])
    assert not torch.allclose(read.states[0, 64:150], whole.states[0, 64:], atol=1e-2)
    alone = read_skills(base, [tokenize(base, [text], hypernetwork.config)[0][64:128]], hypernetwork.config)
    torch.testing.assert_close(read.states[0, 64:128], alone.states[0])
    for module, x in alone.inputs.items():
        torch.testing.assert_close(read.inputs[module][0, :, 64:128], x[0])


@pytest.mark.parametrize("place", [0, 100, 149])
def test_every_window_has_a_say_in_the_adapter(base: Base, place: int):
    hypernetwork = make_hypernetwork(base, window=64)
    ids = base.encode(text_of(base, 150))
    changed = [*ids[:place], (ids[place] + 7) % 300 + 20, *ids[place + 1 :]]
    read = [read_skills(base, [row], hypernetwork.config) for row in (ids, changed)]
    with torch.no_grad():
        first, second = (hypernetwork(states) for states in read)
    gap = [(x - y).abs().max() for m in MODULES for x, y in zip(first.modules[m], second.modules[m], strict=True)]
    assert max(gap) > 1e-4


def test_the_longest_text_allowed_is_read_and_one_token_more_is_refused(base: Base, hypernetwork: Hypernetwork):
    assert hypernetwork.config.max_tokens == 8192 > base.context_length
    text = text_of(base, 8192)
    weights = hypernetwork.generate(base, [text])
    assert all(t.isfinite().all() for pair in weights.modules.values() for t in pair)
    with pytest.raises(SkillTextError, match=r"The skill has 8,\d{3} tokens; the hypernetwork reads up to 8,192"):
        hypernetwork.generate(base, [text + " and more"])


@pytest.mark.parametrize("text", ["", "   ", "\n\t\n"])
def test_an_empty_text_is_refused(base: Base, hypernetwork: Hypernetwork, text: str):
    with pytest.raises(SkillTextError, match="The skill is empty"):
        hypernetwork.generate(base, ["Fine.", text])


def test_reading_leaves_the_base_as_it_was(base: Base, hypernetwork: Hypernetwork, skill_texts: list, untouched):
    hypernetwork.generate(base, skill_texts[:2])
    with pytest.raises(IndexError):  # a token that the base does not know
        read_skills(base, [[100_000]], hypernetwork.config)
    assert count_hooks(base) == 0
    assert untouched()


# ---- the base it belongs to ----------------------------------------------------------------------------------------


def test_a_hypernetwork_for_another_base_is_refused_by_name(base: Base, checkpoint: Path, tmp_path: Path):
    folder = save_model(LlamaForCausalLM, llama_config(intermediate_size=192), tmp_path / "wider-llama")
    other = load_base(folder)
    said = r"trained for tiny-llama \(\w{12}\), but the base is wider-llama \(\w{12}\)"
    with pytest.raises(HypernetworkError, match=said):
        load_hypernetwork(other, checkpoint)
    with pytest.raises(HypernetworkError, match=said):
        Hypernetwork.from_pretrained(checkpoint).generate(other, ["A skill."])


def test_another_copy_of_the_hub_s_model_is_accepted_but_not_a_folder_called_alike(base: Base, tmp_path: Path):
    published = replace(base, name="user/tiny")
    make_hypernetwork(published).save_pretrained(tmp_path / "checkpoint")
    copy = load_base(save_model(LlamaForCausalLM, llama_config(), tmp_path / "tiny-llama", seed=1))
    assert copy.fingerprint != base.fingerprint
    load_hypernetwork(replace(copy, name="user/tiny"), tmp_path / "checkpoint")
    for other in ("user/another", "tiny"):
        with pytest.raises(HypernetworkError, match=f"the base is {other}"):
            load_hypernetwork(replace(copy, name=other), tmp_path / "checkpoint")


@pytest.mark.parametrize("module", ["mlp.nowhere", "mlp", "input_layernorm"])
def test_a_module_that_is_not_linear_is_refused_with_those_that_are(base: Base, module: str):
    with pytest.raises(HypernetworkError, match=rf"no linear module {module}; it has: self_attn\.q_proj, .*down_proj"):
        config_for(base, (module,))


def test_a_module_that_some_layers_lack_or_have_in_another_size_is_refused(tmp_path: Path):
    base = load_base(save_model(LlamaForCausalLM, llama_config(), tmp_path / "hybrid"))
    layers = base.model.model.layers
    layers[2].mlp.down_proj = torch.nn.Linear(64, 64)
    with pytest.raises(HypernetworkError, match=r"mlp\.down_proj of hybrid differs in size .*2: \(64, 64\)"):
        config_for(base, MODULES)
    assert config_for(base, MODULES, layers=(1, 3)).module_dims["mlp.down_proj"] == (128, 64)
    del layers[2].mlp.down_proj
    with pytest.raises(HypernetworkError, match=r"Layer 2 of hybrid has no linear module mlp\.down_proj; it has: "):
        config_for(base, MODULES)


def test_a_window_fits_the_context_of_the_base(tmp_path: Path):
    folder = save_model(LlamaForCausalLM, llama_config(max_position_embeddings=200), tmp_path / "short")
    assert config_for(load_base(folder), MODULES).window == 192


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ({"layers": (1, 9)}, r"layers is \(1, 9\)\. For .* it must be of 0 to"),
        ({"layers": ()}, r"layers is \(\)"),
        ({"layers": (3, 1)}, r"layers is \(3, 1\).* in their order"),
        ({"encoder_layers": (1, 2)}, "it must be with the embeddings, 0, as the first"),
        ({"encoder_layers": (0, 9)}, r"encoder_layers is \(0, 9\)\. For .* it must be of 0 to"),
        ({"width": 30}, "width is 30.* in 4 equal heads"),
        ({"heads": 0}, "in 0 equal heads"),
        ({"width": 0}, r"width is 0\. For .* it must be 2 or more"),
        ({"rank": 0}, r"rank is 0\. For .* it must be 1 or more"),
        ({"slots": -1}, r"slots is -1\. For .* it must be 0 or more"),
        ({"max_tokens": 0}, "max_tokens is 0.* 1 or more"),
        ({"window": 0}, r"window is 0\. For .* it must be from 1 to 2048"),
        ({"window": 2049}, r"window is 2049\. For .* it must be from 1 to 2048"),
    ],
)
def test_a_shape_that_the_base_can_not_have_is_refused(base: Base, shape: dict, said: str):
    with pytest.raises(HypernetworkError, match=said):
        config_for(base, MODULES, **shape)


def test_without_a_shipped_checkpoint_the_message_says_how_to_get_one(
    base: Base, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(HypernetworkError, match=r"No hypernetwork ships for tiny-llama\. Train one .*--checkpoint"):
        default_checkpoint(base)
    shutil.copytree(checkpoint, tmp_path / "shipped" / "tiny")
    monkeypatch.setattr(hypernet.hypernetwork, "CHECKPOINTS", tmp_path / "shipped")
    assert default_checkpoint(base) == tmp_path / "shipped" / "tiny"
    assert load_hypernetwork(base).config.base_name == "tiny-llama"


# ---- files ---------------------------------------------------------------------------------------------------------


def test_saved_and_loaded_it_is_the_same(base: Base, hypernetwork: Hypernetwork, checkpoint: Path):
    loaded = load_hypernetwork(base, checkpoint)
    assert loaded.config == hypernetwork.config
    assert loaded.fingerprint == hypernetwork.fingerprint
    assert not loaded.training
    for name, tensor in hypernetwork.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor.bfloat16().float()), name


def test_a_checkpoint_is_json_safetensors_and_a_card(hypernetwork: Hypernetwork, tmp_path: Path):
    trained = Hypernetwork(replace(hypernetwork.config, trained={"steps": 123, "hours": 1.5}))
    trained.save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors", "README.md"}
    assert {tensor.dtype for tensor in load_file(tmp_path / "model.safetensors").values()} == {torch.bfloat16}
    card = (tmp_path / "README.md").read_text()
    assert "base_model: tiny-llama" in card
    assert "| steps | 123 |" in card
    assert "| hours | 1.5 |" in card
    assert trained.config.base_fingerprint in card


def test_weights_beyond_the_bound_are_split_and_a_second_save_leaves_only_its_own_files(
    base: Base, hypernetwork: Hypernetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    hypernetwork.save_pretrained(tmp_path)
    monkeypatch.setattr("hypernet.hypernetwork.SHARD_BYTES", 60_000)
    hypernetwork.save_pretrained(tmp_path)
    first = {path.name for path in tmp_path.glob("*.safetensors")}
    assert len(first) > 1 and "model.safetensors" not in first
    largest = max(tensor.nbytes // 2 for tensor in hypernetwork.state_dict().values())  # bf16
    assert all((tmp_path / name).stat().st_size <= max(60_000, largest) + 5_000 for name in first)
    assert load_hypernetwork(base, tmp_path).fingerprint == hypernetwork.fingerprint
    other = make_hypernetwork(base, seed=1)
    other.save_pretrained(tmp_path)
    assert not first & {path.name for path in tmp_path.glob("*.safetensors")}
    assert load_hypernetwork(base, tmp_path).fingerprint == other.fingerprint
    monkeypatch.undo()
    other.save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors", "README.md"}


def test_an_index_that_points_out_of_its_folder_is_refused(base: Base, checkpoint: Path, tmp_path: Path):
    folder = Path(shutil.copytree(checkpoint, tmp_path / "climbing"))
    (folder / "model.safetensors").rename(tmp_path / "other.safetensors")
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"latents": "../other.safetensors"}}')
    with pytest.raises(HypernetworkError, match="names files outside its folder"):
        load_hypernetwork(base, folder)


def test_the_fingerprint_is_over_shape_and_weights_but_not_over_the_story(hypernetwork: Hypernetwork):
    def rebuilt(**changes: object) -> Hypernetwork:
        made = Hypernetwork(replace(hypernetwork.config, **changes))
        made.load_state_dict(hypernetwork.state_dict())
        return made

    assert rebuilt(trained={"steps": 1}).fingerprint == hypernetwork.fingerprint
    assert rebuilt(window=64).fingerprint != hypernetwork.fingerprint
    other = rebuilt()
    with torch.no_grad():
        other.latents[0, 0] += 1
    assert other.fingerprint != hypernetwork.fingerprint


def drop_a_tensor(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors.pop("latents")
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize(
    "damage",
    [
        shutil.rmtree,
        lambda folder: (folder / "config.json").unlink(),
        lambda folder: (folder / "config.json").write_text("{"),
        lambda folder: (folder / "config.json").write_text('{"config": {"width": 3}}'),
        lambda folder: (folder / "model.safetensors").unlink(),
        lambda folder: (folder / "model.safetensors").write_bytes(b"not these"),
        drop_a_tensor,
    ],
    ids=["no-folder", "no-config", "no-json", "half-a-config", "no-weights", "other-bytes", "a-tensor-missing"],
)
def test_a_damaged_checkpoint_is_refused_with_the_way_out(
    base: Base, checkpoint: Path, tmp_path: Path, damage: Callable[[Path], object]
):
    folder = Path(shutil.copytree(checkpoint, tmp_path / "damaged"))
    damage(folder)
    with pytest.raises(HypernetworkError, match=r"damaged holds no hypernetwork that can be read .*training fit"):
        load_hypernetwork(base, folder)


def test_what_a_killed_process_left_is_removed_by_the_next_save(hypernetwork: Hypernetwork, tmp_path: Path):
    for name in ("model.safetensors", "model-6ddd40ed-00001-of-00002.safetensors", "config.json", "mine"):
        (tmp_path / f".{name}-abcd_123").touch()
    hypernetwork.save_pretrained(tmp_path)
    kept = {"config.json", "model.safetensors", "README.md", ".mine-abcd_123"}
    assert {path.name for path in tmp_path.iterdir()} == kept


def test_a_pickle_is_never_read(base: Base, checkpoint: Path, tmp_path: Path):
    folder = Path(shutil.copytree(checkpoint, tmp_path / "pickled"))
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(HypernetworkError, match="holds no hypernetwork"):
        load_hypernetwork(base, folder)


def test_a_full_disk_leaves_the_old_checkpoint_whole(hypernetwork: Hypernetwork, tmp_path: Path):
    hypernetwork.save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    other = Hypernetwork(hypernetwork.config)
    with pytest.raises(Exception, match="File too large"), full_disk(10_000):
        other.save_pretrained(tmp_path)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_a_config_survives_json(hypernetwork: Hypernetwork, checkpoint: Path):
    saved = json.loads((checkpoint / "config.json").read_text())["config"]
    assert type(hypernetwork.config)(**saved) == hypernetwork.config
