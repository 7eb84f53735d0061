"""Scoring answers on bases whose layers don't see a whole row, or see places in it: each as a plain pass would."""

import pytest
import torch
from tiny import VOCABULARY, llama_config, load_base, save_model
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    FalconConfig,
    FalconForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPTNeoConfig,
    GPTNeoForCausalLM,
    Llama4ForCausalLM,
    Llama4TextConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    MptConfig,
    MptForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
)

from hypernet.base import Base
from training.examples import ROW_TOKENS, Example, answer_logits

WINDOW = 24
PAGE = list(range(20, 26))
EXAMPLES = [  # several of skill 0 fit into the window together, the last three don't
    *(Example(0, [*PAGE, i, i + 1, i + 2, i + 3], [i + 4, i + 5, 1]) for i in (30, 40, 50, 60)),
    Example(1, [7], [8, 9, 10]),
    *(Example(1, [*PAGE, *range(100, 140), i], [i + 1, 1]) for i in (30, 40, 50)),
]

SHAPE = {"vocab_size": VOCABULARY, "hidden_size": 64, "initializer_range": 0.2, "max_position_embeddings": 512}
LAYERS = {"intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
MIXED = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": WINDOW, "head_dim": 16}
CHUNKED = {"layer_types": ["chunked_attention", "full_attention"], "attention_chunk_size": WINDOW, "head_dim": 16}
EXPERTS = {"intermediate_size_mlp": 128, "num_local_experts": 2, "pad_token_id": None}
OLD = {"vocab_size": VOCABULARY, "initializer_range": 0.2}
KINDS: dict[str, tuple[type[PreTrainedModel], PretrainedConfig, int]] = {  # with how many tokens may be joined
    "window": (MistralForCausalLM, MistralConfig(**SHAPE, **LAYERS, sliding_window=WINDOW), WINDOW),
    "mixed": (Gemma3ForCausalLM, Gemma3TextConfig(**SHAPE, **LAYERS, **MIXED, pad_token_id=None), WINDOW),
    "chunks": (Llama4ForCausalLM, Llama4TextConfig(**SHAPE, **LAYERS, **CHUNKED, **EXPERTS), WINDOW),
    "local": (
        GPTNeoForCausalLM,
        GPTNeoConfig(
            **SHAPE, num_layers=2, num_heads=4, attention_types=[[["global", "local"], 1]], window_size=WINDOW
        ),
        WINDOW,
    ),
    "bloom": (BloomForCausalLM, BloomConfig(**OLD, hidden_size=64, n_layer=2, n_head=4), 0),
    "mpt": (MptForCausalLM, MptConfig(**OLD, d_model=64, n_layers=2, n_heads=4), 0),
    "alibi": (
        FalconForCausalLM,
        FalconConfig(**OLD, hidden_size=64, num_attention_heads=4, num_hidden_layers=2, alibi=True),
        0,
    ),
    "own-head": (
        OPTForCausalLM,
        OPTConfig(
            **{"vocab_size": VOCABULARY, "init_std": 0.2, "hidden_size": 64, "word_embed_proj_dim": 32, "ffn_dim": 128},
            **{"num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 512},
        ),
        512,
    ),
    "plain": (LlamaForCausalLM, llama_config(), 2048),
}


@pytest.fixture(scope="module", params=KINDS)
def other(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Base, int]:
    """A base of each kind, and how many tokens it may be given together."""
    kind, config, joined = KINDS[request.param]
    return load_base(save_model(kind, config, tmp_path_factory.mktemp("other") / request.param)), joined


def test_answers_are_scored_as_a_plain_pass_over_each_would(other: tuple[Base, int]):
    base, joined = other
    assert base.joined_tokens == joined
    with torch.no_grad():
        scored = answer_logits(base, EXAMPLES, None)
        for i, example in enumerate(EXAMPLES):
            full = base.model(torch.tensor([example.prompt_ids + example.answer_ids])).logits
            expected = full[0, len(example.prompt_ids) - 1 : -1]
            torch.testing.assert_close(scored.logits[scored.example == i], expected, rtol=1e-4, atol=1e-4)
    assert scored.right.tolist() == [token for example in EXAMPLES for token in example.answer_ids]


def test_as_many_questions_share_a_row_as_the_base_can_tell_apart(
    other: tuple[Base, int], monkeypatch: pytest.MonkeyPatch
):
    base, joined = other
    read: list[int] = []
    embed = base.model.get_input_embeddings()
    monkeypatch.setattr(embed, "forward", lambda ids, run=embed.forward: read.append(len(ids)) or run(ids))
    answer_logits(base, EXAMPLES, None)
    rows = {0: 8, WINDOW: 6}  # within the window two and two questions of skill 0 share a row
    assert sum(read) == rows.get(joined, 3)


def test_logits_of_a_head_that_is_not_called_are_taken_from_all(base: Base, monkeypatch: pytest.MonkeyPatch):
    expected = answer_logits(base, EXAMPLES, None)
    head = base.model.get_output_embeddings()

    def forward(*args, **options):
        out = base.model.base_model(*args, **options)
        out.logits = torch.nn.functional.linear(out.last_hidden_state, head.weight)
        return out

    monkeypatch.setattr(base.model, "forward", forward)
    torch.testing.assert_close(answer_logits(base, EXAMPLES, None).logits, expected.logits)


def test_only_short_rows_with_gradients_are_attended_to_by_plain_matmuls(base: Base, monkeypatch: pytest.MonkeyPatch):
    seen, forward = [], base.model.forward

    def watched(*args, **options):
        seen.append(base.model.config._attn_implementation)
        return forward(*args, **options)

    monkeypatch.setattr(base.model, "forward", watched)
    long = [Example(0, [*range(20, 30)] * (ROW_TOKENS // 10 + 1), [1])]
    before = base.model.config._attn_implementation
    for examples in (EXAMPLES[:1], long):
        answer_logits(base, examples, None)
        with torch.no_grad():
            answer_logits(base, examples, None)
    assert before == "sdpa" == base.model.config._attn_implementation
    assert seen == ["eager", "sdpa", "sdpa", "sdpa"]
