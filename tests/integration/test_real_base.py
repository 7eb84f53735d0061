"""The default base in NF4 with the checkpoint that ships: the whole chain, and that the skill acts as parameters."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
import torch
from llamacpp import LlamaCpp
from peft import PeftModel
from tiny import count_hooks
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from hypernet.adapter import Adapter, make_adapter
from hypernet.base import DEFAULT_BASE, Base, download_gguf, locate
from hypernet.decode import Row, Sampling, answer_all
from hypernet.gguf_export import adapter_gguf
from hypernet.hypernetwork import Hypernetwork
from hypernet.lora import LoraWeights, apply_lora
from skills.library import SkillLibrary
from studio.fidelity import passes
from studio.service import Settings, Studio
from training.evaluate import evaluate
from training.lines import family_lines, library_lines, spread_out
from training.properties.neutral import Quiz, effects
from training.report import table

SAMPLE = 48  # lines, evenly spread
# what the shipped checkpoint reaches on these lines (23, 23 and 18 of 48), less five, which other rounding may cost
LEAST = {"library": 18 / 48, "known": 18 / 48, "wordings": 13 / 48}
# median perplexity under an adapter as a ratio to the base's: 1.00, and 1.06 in bfloat16
FURTHEST_ON_TEXTS, MOST_ON_ANSWERS = 0.06, 1.15
ASKED, TOKENS = 2, 32  # examples of each skill, and the most tokens of an answer
LEAST_ALIKE = 0.4  # answers under an adapter that are the same in llama.cpp to the letter
PROMPTS = ("What is the capital of France?", "Name three colours.", "Write a line of Python that prints hello.")


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    """A studio as `python app.py` starts it."""
    made = Studio()
    made.start()
    made.wait()
    yield made
    made.close()


@pytest.fixture(scope="module")
def base(studio: Studio) -> Base:
    return studio._loaded.base


@pytest.fixture(scope="module")
def dequantized() -> Base:
    """The same function, and faster where nothing is generated."""
    return Base.load(quantization="dequantized")


@pytest.fixture(scope="module")
def hypernetwork(studio: Studio) -> Hypernetwork:
    return studio._loaded.shipped.hypernetwork


@pytest.fixture(scope="module")
def skill(studio: Studio) -> str:
    return studio.library.list()[0].text


@pytest.fixture(scope="module")
def adapter(base: Base, hypernetwork: Hypernetwork, skill: str) -> Adapter:
    return make_adapter(hypernetwork, base, skill, "a-skill")


@torch.no_grad()
def logits(base: Base, prompt: str, weights: LoraWeights | None = None, alpha: float = 1.0) -> torch.Tensor:
    with apply_lora(base.model, weights, alpha):
        return base.model(torch.tensor([base.chat_ids(prompt)])).logits[0].float()  # [tokens, vocabulary]


def assert_alike(first: torch.Tensor, second: torch.Tensor, cosine: float, agreement: float) -> None:
    """Two ways to compute the same logits, each rounded to bf16 at every step."""
    assert torch.nn.functional.cosine_similarity(first, second, dim=-1).min() > cosine
    assert (first.argmax(-1) == second.argmax(-1)).float().mean() >= agreement


def test_the_default_base_is_the_instruct_model_in_four_bits(base: Base):
    assert (base.name, base.quantization) == (DEFAULT_BASE, "nf4")
    assert base.context_length == 8192
    answer = answer_all(base, [Row(base.chat_ids(PROMPTS[0]))], Sampling(max_new_tokens=24))[0]
    assert "Paris" in base.decode(answer.ids)


def test_strength_zero_equals_the_base_bit_for_bit(base: Base, adapter: Adapter):
    plain = logits(base, PROMPTS[0])
    assert torch.equal(logits(base, PROMPTS[0], adapter.weights, 0.0), plain)
    assert not torch.equal(logits(base, PROMPTS[0], adapter.weights), plain)
    assert torch.equal(logits(base, PROMPTS[0]), plain)  # and it is unchanged by the call
    assert count_hooks(base) == 0


def test_dequantized_values_answer_as_nf4_does(base: Base, dequantized: Base):
    assert dequantized.fingerprint == base.fingerprint
    for prompt in PROMPTS:
        assert_alike(logits(dequantized, prompt), logits(base, prompt), cosine=0.98, agreement=0.9)


def test_peft_gives_the_logits_of_the_live_adapter(base: Base, adapter: Adapter, tmp_path: Path):
    adapter.save(tmp_path)
    dtype = base.dtype
    quantization = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
    plain = AutoModelForCausalLM.from_pretrained(locate(DEFAULT_BASE)[1], dtype=dtype, quantization_config=quantization)
    peft = PeftModel.from_pretrained(plain, tmp_path).eval()
    loaded = Adapter.load(tmp_path, base)
    for prompt in PROMPTS:
        live = logits(base, prompt, adapter.weights)
        assert torch.equal(logits(base, prompt, loaded.weights), live)
        with torch.no_grad():
            exported = peft(torch.tensor([base.chat_ids(prompt)])).logits[0].float()
        assert_alike(exported, live, cosine=0.98, agreement=0.9)
        # what noise there is, is small beside what the adapter does
        assert (exported - live).norm() < 0.2 * (logits(base, prompt) - live).norm()


def test_llama_cpp_answers_under_an_adapter_as_often_alike_as_without(
    base: Base, hypernetwork: Hypernetwork, tmp_path: Path
):
    """The base there is the GGUF that ours was made of: in Q4_1, so that even the base alone answers otherwise."""
    model = download_gguf(tmp_path)
    plain, alike, passed = LlamaCpp(model), {"base": [], "adapter": [], "mixed up": []}, {"ours": 0, "theirs": 0}
    for entry in SkillLibrary().list():
        adapter = make_adapter(hypernetwork, base, entry.text, entry.skill.name)
        (tmp_path / "adapter.gguf").write_bytes(adapter_gguf(adapter, base))
        adapted = LlamaCpp(model, tmp_path / "adapter.gguf")
        prompts = [base.chat_ids(ev.prompt) for ev in entry.evals[:ASKED]]
        rows = [Row(ids, weights) for weights in (None, adapter.weights) for ids in prompts]
        ours = [base.decode(answer.ids) for answer in answer_all(base, rows, Sampling(max_new_tokens=TOKENS))]
        for ev, ids, alone, ours_adapted in zip(entry.evals, prompts, ours, ours[len(prompts) :], strict=False):
            theirs, theirs_adapted = plain.answer(ids, TOKENS), adapted.answer(ids, TOKENS)
            alike["base"].append(theirs == alone)
            alike["adapter"].append(theirs_adapted == ours_adapted)
            alike["mixed up"].append(theirs == ours_adapted)
            for whose, answer in (("ours", ours_adapted), ("theirs", theirs_adapted)):
                passed[whose] += passes(answer, ev.expected_output, ev.assertions)
    rates = {name: sum(found) / len(found) for name, found in alike.items()}
    print(rates, passed)
    assert rates["adapter"] >= max(rates["base"], LEAST_ALIKE)
    assert rates["mixed up"] <= rates["adapter"] / 4
    assert passed["theirs"] >= 0.6 * passed["ours"] > 0


def test_a_comparison_shows_three_answers(studio: Studio):
    entry = studio.library.list()[0]
    first = entry.evals[0]
    *_, last = studio.compare("me", entry.text, first.prompt, Settings(), first.expected_output, first.assertions)
    assert last.phase == "done"
    assert last.adapter.skill_name == entry.skill.name
    assert all(pane.done and pane.text and pane.passed is not None for pane in last.panes)
    plain, in_context, parametric = (pane.prompt_tokens for pane in last.panes)
    assert plain == parametric < in_context


@pytest.mark.parametrize("split", LEAST)
def test_the_shipped_adapters_beat_reading_and_every_control(dequantized: Base, hypernetwork: Hypernetwork, split: str):
    lines = library_lines() if split == "library" else family_lines(split, 1)
    # without solved examples, another help than the skill's text
    asked = [replace(line, others=()) for line in spread_out(lines, SAMPLE)]
    report = evaluate(dequantized, hypernetwork, asked, exact_only=True)
    print(table(report))
    exact = report["splits"][split]["all"]["exact"]
    assert exact["parametric"] >= LEAST[split]
    for column in ("no skill", "in context", "wrong skill", "shared only"):
        assert exact[column] <= exact["parametric"] / 2, column


def test_unrelated_text_reads_about_as_before_under_an_adapter_and_answers_not_much_worse(
    base: Base, hypernetwork: Hypernetwork
):
    texts = [entry.text for entry in SkillLibrary().list()[:8]]
    found = effects(base, hypernetwork.generate(base, texts), Quiz.load(base, 12).draw(random.Random(0)))
    assert abs(median(effect.text for effect in found) - 1) < FURTHEST_ON_TEXTS
    assert median(effect.answers for effect in found) < MOST_ON_ANSWERS
