"""Decoding a batch: each row as if it were alone, in time, within limits, and stopped when asked."""

import threading
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from tiny import VOCABULARY, count_hooks, llama_config, load_base, save_model
from transformers import MistralConfig, MistralForCausalLM, MptConfig, MptForCausalLM

from hypernet.base import Base
from hypernet.decode import Answer, PromptTooLong, Row, Sampling, answer_all, decode
from hypernet.hypernetwork import Hypernetwork

PROMPTS = (
    "hi",
    "Report: it crashed",
    "Latency was 120 ms",
    "Service: cart. Version: 1.2.3. " * 6,
    "Kind: bug. Area: login. Change: retry on timeout. Ticket: 12. " * 12,
)
LENGTH = 12


@pytest.fixture(scope="module")
def rows(base: Base, hypernetwork: Hypernetwork, skill_texts: list[str]) -> list[Row]:
    """Prompts of very different lengths, with and without adapters."""
    weights = hypernetwork.generate(base, skill_texts[:2])
    prompts = [base.chat_ids(prompt) for prompt in PROMPTS]
    return [
        Row(prompts[0]),
        Row(prompts[1], weights.rows([0])),
        Row(prompts[2], weights.rows([1]), 0.6),
        Row(prompts[3], weights.rows([1])),
        Row(prompts[4]),
        Row(prompts[0], weights.rows([0])),
        Row(prompts[1], weights.rows([0]), 0.0),
    ]


def ids(answers: list[Answer]) -> list[list[int]]:
    return [answer.ids for answer in answers]


def ending_with(folder: Path, token: int) -> Base:
    """The tiny base, for which `token` too ends an answer."""
    base = load_base(folder)
    base.model.generation_config.eos_token_id = [base.tokenizer.eos_token_id, token]
    return base


def test_rows_of_mixed_lengths_and_adapters_answer_as_each_alone(base: Base, rows: list[Row]):
    together = answer_all(base, rows, Sampling(max_new_tokens=LENGTH))
    alone = [answer_all(base, [row], Sampling(max_new_tokens=LENGTH))[0] for row in rows]
    assert ids(together) == ids(alone)
    assert len({tuple(answer.ids) for answer in together}) >= 5  # so that equal says something


def test_what_rows_under_one_adapter_begin_with_is_read_once_and_they_answer_as_each_alone(
    base: Base, rows: list[Row], monkeypatch: pytest.MonkeyPatch
):
    page = "Kind: bug. Area: login. Change: retry on timeout. Ticket: 12. " * 8
    asked = [base.chat_ids(question, page) for question in ("hi", "Report: it crashed", "Version: 1.2.3", "hi")]
    alike = [Row(prompt, weights) for weights in (None, rows[3].weights) for prompt in asked]
    mixed = [alike[0], rows[4], *alike[1:6], rows[0], *alike[6:]]
    alone = [answer_all(base, [row], Sampling(max_new_tokens=LENGTH))[0] for row in mixed]
    read = []
    embed = base.model.get_input_embeddings()
    monkeypatch.setattr(embed, "forward", lambda ids, forward=embed.forward: read.append(ids.numel()) or forward(ids))
    assert ids(answer_all(base, mixed, Sampling(max_new_tokens=LENGTH))) == ids(alone)
    shared = len(base.encode(page))
    assert shared > 100
    assert sum(count for count in read if count >= shared) < 3 * shared + len(rows[4].prompt_ids)


WIDE = {"vocab_size": VOCABULARY, "d_model": 64, "n_layers": 2, "n_heads": 4, "initializer_range": 0.2}


@pytest.mark.parametrize(
    ("kind", "config", "passes"),
    [
        (MistralForCausalLM, MistralConfig(**llama_config().to_dict(), sliding_window=32), 1),
        (MistralForCausalLM, MistralConfig(**llama_config().to_dict(), sliding_window=256), 2),  # the beginning has one
        (MptForCausalLM, MptConfig(**WIDE), 1),
    ],
    ids=["short-window", "long-window", "alibi"],
)
def test_where_padding_counts_rows_that_begin_alike_are_read_whole(
    kind: type, config: MistralConfig | MptConfig, passes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    base = load_base(save_model(kind, config, tmp_path / "other"))
    alike = [Row([*range(100, 180), *range(10, 10 + count)]) for count in (1, 20, 7)]
    alone = [answer_all(base, [row], Sampling(max_new_tokens=LENGTH))[0] for row in alike]
    read = []
    embed = base.model.get_input_embeddings()
    monkeypatch.setattr(embed, "forward", lambda ids, run=embed.forward: read.append(ids.shape[1]) or run(ids))
    assert ids(answer_all(base, alike, Sampling(max_new_tokens=LENGTH))) == ids(alone)
    assert sum(tokens > 1 for tokens in read) == passes
    assert len({tuple(answer.ids) for answer in alone}) == 3


def test_sampled_rows_too_answer_as_each_alone(base: Base, rows: list[Row]):
    sampling = Sampling(temperature=0.8, max_new_tokens=LENGTH, seed=3)
    together = answer_all(base, rows, sampling)
    assert ids(together) == [answer_all(base, [row], sampling)[0].ids for row in rows]


def test_greedy_answers_are_those_of_transformers(base: Base):
    prompt = torch.tensor([base.chat_ids("Report: it crashed")])
    theirs = base.model.generate(prompt, max_new_tokens=LENGTH, do_sample=False)[0, prompt.shape[1] :].tolist()
    mine = answer_all(base, [Row(prompt[0].tolist())], Sampling(max_new_tokens=LENGTH))
    assert ids(mine) == [[token for token in theirs if token not in base.end_ids]]


def test_a_row_at_strength_zero_answers_as_the_base(base: Base, rows: list[Row]):
    answers = answer_all(base, rows, Sampling(max_new_tokens=LENGTH))
    assert answers[6].ids == answer_all(base, [Row(rows[6].prompt_ids)], Sampling(max_new_tokens=LENGTH))[0].ids
    assert answers[6].ids != answers[1].ids


def test_an_end_token_ends_a_row_and_the_others_go_on(tiny_folder: Path, base: Base, rows: list[Row]):
    whole = answer_all(base, rows, Sampling(max_new_tokens=LENGTH))
    end = whole[0].ids[3]
    cut = [answer.ids[: answer.ids.index(end)] if end in answer.ids else answer.ids for answer in whole]
    answers = answer_all(ending_with(tiny_folder, end), rows, Sampling(max_new_tokens=LENGTH))
    assert ids(answers) == cut
    assert [answer.finished for answer in answers] == [
        "end" if end in answer.ids else answer.finished for answer in whole
    ]
    assert "end" in [answer.finished for answer in answers]
    assert "length" in [answer.finished for answer in answers]


def test_an_answer_may_end_before_its_first_token(tiny_folder: Path, base: Base, rows: list[Row]):
    first = answer_all(base, [rows[0]], Sampling(max_new_tokens=1))[0].ids[0]
    answer = answer_all(ending_with(tiny_folder, first), [rows[0]], Sampling(max_new_tokens=5))[0]
    assert (answer.ids, answer.finished) == ([], "end")


def test_the_length_limit_ends_a_row(base: Base, rows: list[Row]):
    for limit in (1, 4):
        answers = answer_all(base, rows, Sampling(max_new_tokens=limit))
        assert {len(answer.ids) for answer in answers} == {limit}
        assert {answer.finished for answer in answers} == {"length"}


def test_the_same_seed_repeats_and_another_does_not(base: Base, rows: list[Row]):
    def answer(seed: int) -> list[list[int]]:
        return ids(answer_all(base, rows, Sampling(temperature=1.0, max_new_tokens=LENGTH, seed=seed)))

    assert answer(1) == answer(1)
    assert answer(1) != answer(2)


def test_a_temperature_near_zero_is_greedy(base: Base, rows: list[Row]):
    greedy = ids(answer_all(base, rows, Sampling(max_new_tokens=LENGTH)))
    for temperature in (1e-6, 1e-45):
        assert ids(answer_all(base, rows, Sampling(temperature=temperature, max_new_tokens=LENGTH))) == greedy


def test_sampling_leaves_the_global_random_state_alone(base: Base, rows: list[Row]):
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    answer_all(base, rows, Sampling(temperature=1.0, max_new_tokens=4))
    assert torch.equal(torch.rand(1), expected)


def test_stop_ends_all_rows_with_what_they_have(base: Base, rows: list[Row]):
    stop, lists = threading.Event(), []
    for answers in decode(base, rows, Sampling(max_new_tokens=500), stop):
        lists.append(sum(len(answer.ids) for answer in answers))
        if lists[-1] >= 3 * len(rows):
            stop.set()
    assert {answer.finished for answer in answers} == {"stopped"}
    assert lists[-1] < 6 * len(rows)


def test_stop_before_the_start_answers_nothing(base: Base, rows: list[Row]):
    stop = threading.Event()
    stop.set()
    *_, answers = decode(base, rows, Sampling(), stop)
    assert ids(answers) == [[]] * len(rows)
    assert {answer.finished for answer in answers} == {"stopped"}


def test_closing_the_iterator_leaves_the_base_as_it_was(base: Base, rows: list[Row], untouched):
    answers = decode(base, rows, Sampling(max_new_tokens=500))
    for _ in range(8):
        next(answers)
    answers.close()
    assert count_hooks(base) == 0
    assert untouched()


def test_answers_grow_token_by_token_and_say_what_they_cost(base: Base, rows: list[Row]):
    seen = [[len(answer.ids) for answer in answers] for answers in decode(base, rows, Sampling(max_new_tokens=LENGTH))]
    assert all(after - before in (0, 1) for one, two in pairwise(seen) for before, after in zip(one, two, strict=True))
    for answer in answer_all(base, rows, Sampling(max_new_tokens=LENGTH)):
        assert answer.first_token_seconds > 0
        assert answer.tokens_per_second > 0


def test_a_prompt_over_the_context_is_refused_with_the_numbers(base: Base, rows: list[Row]):
    room = base.context_length - 8
    fitting = [5] * room
    assert len(answer_all(base, [Row(fitting)], Sampling(max_new_tokens=8))[0].ids) == 8
    with pytest.raises(
        PromptTooLong, match=r"The prompt has 2,041 tokens; with an answer of up to 8 .* tiny-llama's context of 2,048"
    ):
        answer_all(base, [rows[0], Row([*fitting, 5])], Sampling(max_new_tokens=8))


@pytest.mark.parametrize("quantization", ["nf4", "dequantized"])
def test_other_ways_of_loading_answer_too(tiny_folder: Path, quantization: str, rows: list[Row]):
    base = load_base(tiny_folder, quantization)
    answers = answer_all(base, rows, Sampling(max_new_tokens=LENGTH))
    assert ids(answers) == [answer_all(base, [row], Sampling(max_new_tokens=LENGTH))[0].ids for row in rows]
    assert {answer.finished for answer in answers} <= {"end", "length"}
    assert sum(map(bool, ids(answers))) >= 5  # a random base may also end at once
    assert count_hooks(base) == 0
