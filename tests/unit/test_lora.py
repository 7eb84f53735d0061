"""The one LoRA mechanism: equal to the base at strength 0, right at any other, and gone without a trace."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import MODULES, count_hooks, llama_config, load_base, make_hypernetwork, save_model
from torch import Tensor
from transformers import (
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from hypernet.base import Base
from hypernet.decode import Row, Sampling, answer_all
from hypernet.encoder import read_skills, tokenize
from hypernet.lora import LoraWeights, apply_lora, calibrated, cosines, decoder_layers, stack_skills

SMALL = {"vocab_size": 400, "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4}
OTHERS = {
    "gpt-neox": (
        GPTNeoXForCausalLM,
        GPTNeoXConfig(**SMALL, intermediate_size=128, max_position_embeddings=512),
        ("attention.dense", "mlp.dense_4h_to_h"),
    ),
    "qwen2": (
        Qwen2ForCausalLM,
        Qwen2Config(**SMALL, intermediate_size=128, num_key_value_heads=2, max_position_embeddings=512),
        MODULES,
    ),
    "phi": (
        PhiForCausalLM,
        PhiConfig(**SMALL, intermediate_size=128, max_position_embeddings=512),
        ("self_attn.dense", "mlp.fc2"),
    ),
    "opt": (
        OPTForCausalLM,
        OPTConfig(**SMALL, ffn_dim=128, word_embed_proj_dim=64, max_position_embeddings=200),
        ("self_attn.out_proj",),
    ),
}


@pytest.fixture(scope="module")
def ids(base: Base) -> Tensor:
    """Three rows of tokens [3, 24]."""
    return torch.randint(2, 400, (3, 24), generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def weights(base: Base, hypernetwork, skill_texts: list[str]) -> LoraWeights:
    """The adapters of three skills."""
    return hypernetwork.generate(base, skill_texts[:3])


@torch.no_grad()
def logits(base: Base, ids: Tensor, weights: LoraWeights | None = None, alpha: float | Tensor = 1.0) -> Tensor:
    with apply_lora(base.model, weights, alpha):
        return base.model(ids).logits


def test_strength_zero_equals_the_base_bit_for_bit(base: Base, ids: Tensor, weights: LoraWeights):
    plain = logits(base, ids)
    assert not torch.equal(logits(base, ids, weights), plain)
    assert torch.equal(logits(base, ids, weights, 0.0), plain)
    assert torch.equal(logits(base, ids, weights, 0), plain)
    assert torch.equal(logits(base, ids, weights, torch.zeros(3)), plain)
    assert torch.equal(logits(base, ids, None), plain)


def test_strength_zero_inside_another_adapter_is_still_the_base(base: Base, ids: Tensor, weights: LoraWeights):
    plain, adapted = logits(base, ids), logits(base, ids, weights)
    with apply_lora(base.model, weights):
        assert torch.equal(logits(base, ids, weights, 0.0), plain)
        assert torch.equal(logits(base, ids), plain)
        with torch.no_grad():
            assert torch.equal(base.model(ids).logits, adapted)


def test_the_adapter_is_what_the_formula_says(base: Base, weights: LoraWeights):
    module = decoder_layers(base.model)[weights.layers[0]].get_submodule("mlp.down_proj")
    x = torch.randn(3, 5, 128, generator=torch.Generator().manual_seed(2))
    a, b = (factor[:, 0] for factor in weights.modules["mlp.down_proj"])  # [3, rank, dim]
    with apply_lora(base.model, weights, 0.7), torch.no_grad():
        live = module(x)
    wanted = x @ module.weight.T + 0.7 * torch.einsum("rtd,rkd,rko->rto", x, a, b)
    torch.testing.assert_close(live, wanted)


def test_strength_scales_the_adapter_and_may_differ_by_row(base: Base, ids: Tensor, weights: LoraWeights):
    mixed = logits(base, ids, weights, torch.tensor([0.0, 0.5, 1.0]))
    for row, alpha in enumerate((0.0, 0.5, 1.0)):
        alone = logits(base, ids[row : row + 1], weights.rows([row]), alpha)
        torch.testing.assert_close(mixed[row : row + 1], alone, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(logits(base, ids, weights, 0.5), logits(base, ids, weights), atol=1e-2)


def test_rows_with_different_adapters_equal_rows_run_alone(base: Base, ids: Tensor, weights: LoraWeights):
    together = logits(base, ids, weights)
    for row in range(3):
        alone = logits(base, ids[row : row + 1], weights.rows([row]))
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-4, atol=1e-4)
    swapped = logits(base, ids, weights.rows([1, 0, 2]))
    assert not torch.allclose(together[:2], swapped[:2], atol=1e-2)


def test_the_base_is_unchanged_after_a_call(base: Base, ids: Tensor, weights: LoraWeights, untouched):
    for alpha in (1.0, 0.5, 0.0):
        logits(base, ids, weights, alpha)
    answer_all(base, [Row(base.chat_ids("hello"), weights.rows([0]))], Sampling(max_new_tokens=3))
    assert untouched()


def test_the_base_is_unchanged_after_an_error(base: Base, ids: Tensor, weights: LoraWeights, untouched):
    with pytest.raises(KeyError, match="on purpose"), apply_lora(base.model, weights):
        raise KeyError("on purpose")
    with pytest.raises(RuntimeError):  # three adapters do not fit two rows
        logits(base, ids[:2], weights)
    with pytest.raises(IndexError):
        logits(base, torch.tensor([[100_000]]), weights.rows([0]))
    elsewhere = LoraWeights(weights.layers, {**weights.modules, "mlp.nowhere": weights.modules["mlp.down_proj"]})
    with pytest.raises(AttributeError):
        logits(base, ids, elsewhere)
    assert count_hooks(base) == 0
    assert untouched()


def test_no_hooks_are_left(base: Base, ids: Tensor, weights: LoraWeights):
    assert count_hooks(base) == 0
    with apply_lora(base.model, weights):
        assert count_hooks(base) == len(weights.layers) * len(weights.modules)
    assert count_hooks(base) == 0


def test_two_threads_with_different_adapters_get_what_each_gets_alone(base: Base, ids: Tensor, weights: LoraWeights):
    jobs = [weights.rows([0, 0, 0]), weights.rows([1, 1, 1]), None]
    alone = [logits(base, ids, job) for job in jobs]
    meet, wrong = threading.Barrier(len(jobs)), []

    def work(number: int) -> None:
        for _ in range(30):
            meet.wait(timeout=30)
            if not torch.equal(logits(base, ids, jobs[number]), alone[number]):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert count_hooks(base) == 0


def test_another_thread_does_not_see_an_adapter_that_is_applied_meanwhile(
    base: Base, ids: Tensor, weights: LoraWeights
):
    plain, seen = logits(base, ids), []
    with apply_lora(base.model, weights):
        thread = threading.Thread(target=lambda: seen.append(logits(base, ids)))
        thread.start()
        thread.join()
    assert torch.equal(seen[0], plain)


def test_the_gradient_through_the_adapter_equals_a_float64_reference(tiny_folder: Path, ids: Tensor):
    live, by_hand = load_base(tiny_folder), load_base(tiny_folder)
    live.model.double()
    by_hand.model.double()
    alpha, layers = 0.8, (2, 3)
    draw = torch.Generator().manual_seed(3)
    dims = {"self_attn.o_proj": (64, 64), "mlp.down_proj": (128, 64)}
    factors = {
        module: [torch.randn(1, 2, 4, dim, generator=draw, dtype=torch.float64) * 0.2 for dim in pair]
        for module, pair in dims.items()
    }

    def loss(out: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy(out[:, :-1].flatten(0, 1), ids[:1, 1:].flatten())

    mine = {module: tuple(t.clone().requires_grad_() for t in pair) for module, pair in factors.items()}
    with apply_lora(live.model, LoraWeights(layers, mine), alpha):
        value = loss(live.model(ids[:1]).logits)
    value.backward()

    theirs = {module: tuple(t.clone().requires_grad_() for t in pair) for module, pair in factors.items()}
    replaced = {}
    for module, (a, b) in theirs.items():
        for position, layer in enumerate(layers):
            name = f"model.layers.{layer}.{module}.weight"
            weight = by_hand.model.get_parameter(name)
            replaced[name] = weight + alpha * b[0, position].T @ a[0, position]  # W + alpha B A
    reference = loss(torch.func.functional_call(by_hand.model, replaced, (ids[:1],)).logits)
    reference.backward()

    torch.testing.assert_close(value, reference, rtol=1e-10, atol=1e-12)
    for module in dims:
        for got, wanted in zip(mine[module], theirs[module], strict=True):
            assert wanted.grad.abs().max() > 1e-4
            torch.testing.assert_close(got.grad, wanted.grad, rtol=1e-8, atol=1e-12)


def test_float32_gradients_are_near_the_float64_ones(tiny_folder: Path, weights: LoraWeights, ids: Tensor):
    gradients = []
    for dtype in (torch.float32, torch.float64):
        base = load_base(tiny_folder)
        base.model.to(dtype)
        pairs = {m: tuple(t[:1].to(dtype).requires_grad_() for t in pair) for m, pair in weights.modules.items()}
        with apply_lora(base.model, LoraWeights(weights.layers, pairs)):
            base.model(ids[:1]).logits.logsumexp(-1).mean().backward()
        gradients.append([t.grad.double() for pair in pairs.values() for t in pair])
    for single, double in zip(*gradients, strict=True):
        assert torch.nn.functional.cosine_similarity(single.flatten(), double.flatten(), dim=0) > 0.99999


def test_joining_adds_the_deltas_and_repeats_a_single_skill(base: Base, ids: Tensor, weights: LoraWeights):
    shared = weights.rows([2])
    joined = weights.rows([0, 1]).join(shared)
    assert joined.skills == 2
    assert joined.rank == 2 * weights.rank
    module = "self_attn.o_proj"

    def delta(lora: LoraWeights) -> Tensor:
        a, b = lora.modules[module]
        return torch.einsum("slrd,slro->slod", a, b)

    torch.testing.assert_close(delta(joined), delta(weights.rows([0, 1])) + delta(shared))


def test_stacked_adapters_come_back_by_row(weights: LoraWeights):
    stacked = stack_skills([weights.rows([2]), weights.rows([0, 1])])
    for module, pair in weights.modules.items():
        for got, given in zip(stacked.modules[module], pair, strict=True):
            assert torch.equal(got, given[[2, 0, 1]])


def test_delta_norms_are_those_of_the_full_matrices(weights: LoraWeights):
    norms = weights.delta_norms()
    full = []
    for a, b in weights.modules.values():
        full.append(torch.linalg.matrix_norm(torch.einsum("slrd,slro->slod", a, b)))  # [skills, layers]
    torch.testing.assert_close(norms, torch.cat(full, dim=1))


@pytest.mark.parametrize("kind", OTHERS)
def test_other_architectures_read_adapt_and_answer_too(kind: str, tmp_path: Path, skill_texts: list[str]):
    model, config, modules = OTHERS[kind]
    base = load_base(save_model(model, config, tmp_path / kind), "nf4")
    hypernetwork = make_hypernetwork(base, modules)
    text = skill_texts[0] + skill_texts[1]
    assert base.count_tokens(text) > base.context_length // 2
    weights = hypernetwork.generate(base, [text])
    ids = torch.tensor([base.chat_ids("hello")])
    plain = logits(base, ids)
    assert not torch.allclose(logits(base, ids, weights), plain, atol=1e-3)
    assert torch.equal(logits(base, ids, weights, 0.0), plain)
    long, short = base.chat_ids("a much longer prompt than the other"), base.chat_ids("hello")
    answers = answer_all(base, [Row(long), Row(short, weights)], Sampling(max_new_tokens=4))
    assert all(answer.finished in ("end", "length") for answer in answers)
    assert count_hooks(base) == 0


def test_a_model_without_decoder_layers_is_refused():
    class Flat(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.config = llama_config()
            self.layer = torch.nn.Linear(2, 2)

    with pytest.raises(ValueError, match="Flat has no list of 4 decoder layers"):
        decoder_layers(Flat())


def test_reading_a_skill_while_an_adapter_is_applied_reads_with_the_base(
    base: Base, hypernetwork, weights: LoraWeights, skill_texts: list[str]
):
    tokens = tokenize(base, skill_texts[:1], hypernetwork.config)
    plain = read_skills(base, tokens, hypernetwork.config)
    seen = []

    def other_visitor() -> None:
        seen.append(read_skills(base, tokens, hypernetwork.config))

    with apply_lora(base.model, weights.rows([0])):
        thread = threading.Thread(target=other_visitor)
        thread.start()
        thread.join()
    assert torch.equal(seen[0].states, plain.states)
    assert all(torch.equal(seen[0].inputs[module], x) for module, x in plain.inputs.items())


def test_a_deeper_base_uses_its_own_layer_list(tmp_path: Path):
    base = load_base(save_model(LlamaForCausalLM, llama_config(num_hidden_layers=6), tmp_path / "deep"))
    assert len(decoder_layers(base.model)) == 6
    assert make_hypernetwork(base).config.layers == (3, 4, 5)
    assert replace(base, name="x").device.type == "cpu"


def deltas(lora: LoraWeights) -> dict[str, Tensor]:
    """Every `B A` in full [skills, layers, d_out, d_in]."""
    return {m: torch.einsum("slrd,slro->slod", a, b) for m, (a, b) in lora.modules.items()}


def test_scaling_an_adapter_is_strength_and_to_zero_it_is_the_base_bit_for_bit(
    base: Base, ids: Tensor, weights: LoraWeights
):
    torch.testing.assert_close(logits(base, ids, weights.scaled(0.7)), logits(base, ids, weights, 0.7))
    assert torch.equal(logits(base, ids, weights.scaled(0.0)), logits(base, ids))


def test_scaling_by_a_factor_for_each_delta_follows_the_order_of_the_norms(weights: LoraWeights):
    norms = weights.delta_norms()
    factors = torch.rand(norms.shape, generator=torch.Generator().manual_seed(4)) + 0.5
    torch.testing.assert_close(weights.scaled(factors).delta_norms(), factors * norms)


def test_the_sum_of_adapters_has_the_sum_of_their_deltas(weights: LoraWeights):
    summed = weights.summed()
    assert (summed.skills, summed.rank) == (1, 3 * weights.rank)
    for module, delta in deltas(summed).items():
        torch.testing.assert_close(delta, deltas(weights)[module].sum(0, keepdim=True))


def test_truncating_gives_the_best_adapter_of_a_rank(weights: LoraWeights):
    summed = weights.summed()
    assert summed.truncated(5).rank == 5
    for module, full in deltas(summed).items():
        u, s, v_t = torch.linalg.svd(full, full_matrices=False)
        best = u[..., :5] * s[..., None, :5] @ v_t[..., :5, :]
        torch.testing.assert_close(deltas(summed.truncated(5))[module], best, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(deltas(summed.truncated(summed.rank))[module], full, rtol=1e-4, atol=1e-5)


def test_cosines_are_those_of_the_whole_deltas(weights: LoraWeights):
    whole = torch.cat([delta.flatten(1) for delta in deltas(weights).values()], dim=1).double()  # [skills, all]
    wanted = torch.nn.functional.cosine_similarity(whole[:, None], whole[None], dim=-1)
    torch.testing.assert_close(cosines(weights), wanted, rtol=1e-4, atol=1e-5)
    opposed = stack_skills([weights.rows([0]), weights.rows([0]).scaled(-0.5)])
    assert cosines(opposed)[0].tolist() == pytest.approx([1.0, -1.0])


def test_a_calibrated_stack_has_the_direction_of_the_sum_and_the_norm_of_deltas_that_have_nothing_in_common(
    weights: LoraWeights,
):
    stack = calibrated(weights)
    expected = weights.delta_norms().square().sum(0, keepdim=True).sqrt()
    torch.testing.assert_close(stack.delta_norms(), expected, rtol=1e-4, atol=1e-6)
    for module, delta in deltas(stack).items():
        summed = deltas(weights)[module].sum(0, keepdim=True)
        cosine = torch.cosine_similarity(delta.flatten(2), summed.flatten(2), dim=-1)
        torch.testing.assert_close(cosine, torch.ones_like(cosine))
    once, twice = (deltas(calibrated(weights.rows(rows))) for rows in ([0], [0, 0]))
    for module, delta in twice.items():  # the same skill again is no double strength
        torch.testing.assert_close(delta, 2**0.5 * once[module], rtol=1e-4, atol=1e-6)


def test_shares_weigh_the_skills_of_a_stack_against_each_other(weights: LoraWeights):
    alone = deltas(calibrated(weights, [0.0, 1.0, 0.0]))
    for module, delta in deltas(weights.rows([1])).items():
        torch.testing.assert_close(alone[module], delta, rtol=1e-4, atol=1e-6)
    twice, once = (calibrated(weights.rows([0, 1]), shares) for shares in ([2.0, 1.0], [0.5, 0.25]))
    for module, delta in deltas(once).items():
        torch.testing.assert_close(deltas(twice)[module], delta, rtol=1e-4, atol=1e-6)
    first, even = deltas(weights.rows([0])), deltas(calibrated(weights.rows([0, 1])))
    for module, delta in deltas(twice).items():  # nearer to the skill of the larger share
        near, middle = (torch.cosine_similarity(x.flatten(), first[module].flatten(), 0) for x in (delta, even[module]))
        assert near > middle
