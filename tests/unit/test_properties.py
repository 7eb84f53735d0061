"""The properties: measured against a base in the same rows, combined as the deltas say, and refused with reasons."""

import argparse
import gzip
import json
from pathlib import Path

import pytest
import torch
from tiny import make_hypernetwork
from torch import Tensor

from hypernet.base import Base
from hypernet.hypernetwork import Hypernetwork
from hypernet.lora import LoraWeights, decoder_layers
from training import properties
from training.examples import Example
from training.kept import Kept
from training.lines import DataError
from training.properties import accumulation, neutral, real, stacks, strength
from training.properties.combine import averaged, ema, ema_in_order
from training.properties.material import (
    READ_AT_ONCE,
    SkillText,
    batches,
    new_skills,
    own_parts,
    read_texts,
    seeded,
    with_shared,
)
from training.properties.neutral import Quiz, effects, texts_by_kind
from training.properties.real import base_norms, pair_cosines, speaks
from training.properties.scoring import hits, kept, questions, spread

MATERIAL = 4  # neutral texts and prompts: a tiny base answers a few as well as all


def quiet(_message: str) -> None:
    """No progress wanted."""


@pytest.fixture(scope="module")
def own(base: Base, hypernetwork: Hypernetwork, skill_texts: list[str]) -> LoraWeights:
    """The own parts of three skills."""
    return own_parts(base, hypernetwork, skill_texts[:3])


@pytest.fixture(scope="module")
def quiz(base: Base) -> Quiz:
    return Quiz.load(base, MATERIAL)


@pytest.fixture(scope="module")
def real_report(base: Base, hypernetwork: Hypernetwork) -> dict:
    """Texts of five lengths that can be read, an empty one, and two that are too long."""
    texts = ["Write the label of a report. " * count for count in (9, 1, 3, 27, 81)]
    texts += [" \n", "word and " * 9000, "and word " * 9000]
    skills = [SkillText(line, text) for line, text in enumerate(texts, 1)]
    return real.measure(base, hypernetwork, None, skills, quiet, MATERIAL)


def deltas(lora: LoraWeights) -> dict[str, Tensor]:
    """Every `B A` in full [skills, layers, d_out, d_in]."""
    return {m: torch.einsum("slrd,slro->slod", a, b) for m, (a, b) in lora.modules.items()}


def assert_same_deltas(got: LoraWeights, wanted: dict[str, Tensor]) -> None:
    assert got.modules.keys() == wanted.keys()
    for module, delta in deltas(got).items():
        torch.testing.assert_close(delta, wanted[module], rtol=1e-4, atol=1e-5)


# ---- material ------------------------------------------------------------------------------------------------------


def test_own_parts_with_the_shared_part_are_what_generate_gives(base: Base, skill_texts: list[str]):
    hypernetwork = make_hypernetwork(base, shared_modules=("mlp.up_proj",))
    both = with_shared(base, hypernetwork, own_parts(base, hypernetwork, skill_texts[:3]))
    wanted = hypernetwork.generate(base, skill_texts[:3])
    assert both.modules.keys() == wanted.modules.keys()
    for module, delta in deltas(both).items():
        torch.testing.assert_close(delta, deltas(wanted)[module], rtol=1e-3, atol=1e-5)


def test_batches_hold_every_text_once_and_few_tokens(base: Base, skill_texts: list[str]):
    texts = [*skill_texts, "word and " * 3000, "word and " * 4000]
    found = list(batches(base, texts))
    assert sorted(i for batch in found for i in batch) == list(range(len(texts)))
    lengths = [[base.count_tokens(texts[i]) for i in batch] for batch in found]
    assert all(len(batch) == 1 or len(batch) * max(batch) <= READ_AT_ONCE for batch in lengths)
    assert [max(batch) for batch in lengths] == sorted(max(batch) for batch in lengths)


def test_the_skills_of_a_draw_are_of_different_families_and_come_again():
    skills = new_skills(seeded("x"), 3)
    assert len({skill.family for skill in skills}) == 3
    assert skills == new_skills(seeded("x"), 3)
    assert skills != new_skills(seeded("y"), 3)


@pytest.mark.parametrize("name", ["skills.jsonl", "skills.jsonl.gz"])
def test_texts_are_read_plain_or_gzipped(name: str, tmp_path: Path):
    lines = '{"text": "é", "repo": "r"}\n\n{"text": ""}\n'.encode()
    (tmp_path / name).write_bytes(gzip.compress(lines) if name.endswith("gz") else lines)
    assert read_texts(tmp_path / name) == [SkillText(1, "é"), SkillText(3, "")]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", b'{"text": "x"}\n{\n', r"a\.jsonl:2: is not JSON"),
        ("a.jsonl", b'{"skill": "x"}\n', r"a\.jsonl:1: has no text"),
        ("a.jsonl", b"[]\n", r"a\.jsonl:1: is no object"),
        ("a.jsonl", b"", r"a\.jsonl has no lines"),
        ("a.jsonl", b"\xff\xfe\x00", r"a\.jsonl can't be read"),
        ("a.jsonl.gz", b"no gzip", r"a\.jsonl\.gz can't be read"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "x"}\n', mtime=0)[:-9], r"a\.jsonl\.gz can't be read"),
    ],
)
def test_a_bad_file_of_texts_is_refused(name: str, content: bytes, said: str, tmp_path: Path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_texts(tmp_path / name)


# ---- scoring -------------------------------------------------------------------------------------------------------


def test_at_strength_zero_the_base_answers_and_at_others_it_does_not(base: Base, own: LoraWeights, quiz: Quiz):
    assert hits(base, list(quiz.answers), None) == [1.0] * len(quiz.answers)
    assert hits(base, list(quiz.answers), own.scaled(0.0)) == [1.0] * len(quiz.answers)
    assert sum(hits(base, list(quiz.answers), own.scaled(20.0))) < len(quiz.answers)


def test_scores_stay_in_order_over_several_batches(base: Base, own: LoraWeights, quiz: Quiz):
    wrong = [Example(0, e.prompt_ids, [(token + 1) % 300 for token in e.answer_ids]) for e in quiz.answers]
    mixed = [example for pair in zip(quiz.answers, wrong, strict=True) for example in pair] * 20
    assert hits(base, mixed, None) == [1.0, 0.0] * 20 * len(wrong)


def test_a_prompt_over_the_context_has_no_right_answer(base: Base, quiz: Quiz):
    fits = quiz.answers[0]
    long = Example(0, fits.prompt_ids * (base.context_length // len(fits.prompt_ids) + 1), fits.answer_ids)
    assert hits(base, [long, fits], None) == [0.0, 1.0]


def test_what_is_kept_is_a_share_and_of_nothing_there_is_none():
    assert kept([1.0, 0.0, 0.0], [1.0, 1.0, 0.0]) == 0.5
    assert kept([0.0], [0.0]) is None


def test_a_spread_names_its_marks():
    assert spread([float(i) for i in range(101)]) == {"least": 0, "median": 50, "p95": 95, "greatest": 100}


# ---- neutral -------------------------------------------------------------------------------------------------------


def test_an_adapter_of_zeros_leaves_perplexity_and_answers_exactly(base: Base, own: LoraWeights, quiz: Quiz):
    for effect in effects(base, own.scaled(0.0), quiz):
        assert (effect.text, effect.answers, effect.same) == (1.0, 1.0, 1.0)
        assert effect.within


def test_a_strong_adapter_is_not_neutral(base: Base, own: LoraWeights, quiz: Quiz):
    found = effects(base, own.scaled(20.0), quiz)
    assert len({effect.text for effect in found}) == own.skills
    assert not any(effect.within for effect in found)


def test_an_adapters_effect_does_not_depend_on_the_others(base: Base, own: LoraWeights, quiz: Quiz):
    together = effects(base, own, quiz)
    for i, effect in enumerate(together):
        assert effects(base, own.rows([i]), quiz)[0].text == pytest.approx(effect.text, abs=1e-4)


def test_the_quiz_holds_texts_and_the_bases_answers(base: Base, quiz: Quiz):
    assert len(quiz.texts) == MATERIAL
    assert 0 < len(quiz.answers) <= MATERIAL
    few = quiz.draw(seeded("quiz"))
    assert len(few.texts) == neutral.EACH
    assert few == quiz.draw(seeded("quiz"))


def test_adapters_of_every_kind_are_tried_and_no_more_than_asked(base: Base, hypernetwork: Hypernetwork):
    texts = [SkillText(1, "End with a full stop."), SkillText(2, "word and " * 9000), SkillText(3, " ")]
    drawn = texts_by_kind(hypernetwork, base, 20, texts)
    assert {kind for kind, _ in drawn} >= {"library", "known", "grammar", "real"}
    assert [text for kind, text in drawn if kind == "real"] == [texts[0].text]
    assert len(drawn) <= 20
    assert len(texts_by_kind(hypernetwork, base, 20, [])) == 20


def test_the_neutral_report_sums_up_each_kind(base: Base, hypernetwork: Hypernetwork):
    report = neutral.measure(base, hypernetwork, 6, [], quiet, MATERIAL)
    kinds = report["kinds"]
    assert kinds["all"]["adapters"] == sum(of["adapters"] for kind, of in kinds.items() if kind != "all") == 6
    assert all(0 <= of["within"] <= min(of["text"]["within"], of["answers"]["within"]) for of in kinds.values())
    assert neutral.section(report).splitlines()[-1].lstrip("*_ ").startswith(("Holds", "Does not hold"))


# ---- strength ------------------------------------------------------------------------------------------------------


def test_the_curve_begins_at_the_bases_score(base: Base, hypernetwork: Hypernetwork):
    report = strength.measure(base, hypernetwork, 2, quiet)
    assert report["skills"] == 2
    assert [point["alpha"] for point in report["curve"]] == list(strength.ALPHAS)
    assert report["curve"][0] == {"alpha": 0.0, "exact": report["base"]}


def test_the_section_says_how_far_strength_one_is_from_the_best():
    curve = [{"alpha": alpha, "exact": 0.8 if alpha == 0.75 else 0.7} for alpha in strength.ALPHAS]
    shown = strength.section({"questions": 9, "curve": curve, "best": 0.75})
    assert "Does not hold: the best strength is 0.75 with 80.0 %, and 1 is 10.0 points behind" in shown


# ---- stacks and accumulation ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [*stacks.WAYS.values(), *accumulation.ways((0.5,)).values()])
def test_a_stack_of_one_skill_is_that_skill(way, own: LoraWeights):
    assert_same_deltas(way(own.rows([1])), deltas(own.rows([1])))


def test_averaging_factors_is_not_averaging_deltas(own: LoraWeights):
    same = own.rows([0, 0])
    assert_same_deltas(averaged(same), deltas(own.rows([0])))
    module = "mlp.down_proj"
    mean_of_deltas = deltas(own)[module].mean(0, keepdim=True)
    assert not torch.allclose(deltas(averaged(own))[module], mean_of_deltas, rtol=1e-2, atol=1e-4)


def test_an_ema_with_beta_zero_is_the_incoming_one_and_with_beta_one_the_old(own: LoraWeights):
    old, incoming = own.rows([0]), own.rows([1])
    assert_same_deltas(ema(old, incoming, 0.0), deltas(incoming))
    assert_same_deltas(ema(old, incoming, 1.0), deltas(old))


def test_an_ema_is_the_mix_of_the_deltas_as_near_as_the_rank_of_one_comes(own: LoraWeights):
    mixed = ema(own.rows([0]), own.rows([1]), 0.8)
    for module, of_both in deltas(own).items():
        wanted = 0.8 * of_both[0] + 0.2 * of_both[1]  # [layers, d_out, d_in]
        rank = own.modules[module][0].shape[2]
        u, s, v_t = torch.linalg.svd(wanted, full_matrices=False)
        best = u[..., :rank] * s[..., None, :rank] @ v_t[..., :rank, :]
        torch.testing.assert_close(deltas(mixed)[module][0], best, rtol=1e-3, atol=1e-5)


def test_merging_in_order_keeps_each_modules_rank_and_more_of_the_last_at_a_low_beta(own: LoraWeights):
    merged = ema_in_order(own, 0.2)
    ranks = {module: a.shape[2] for module, (a, _) in own.modules.items()}
    assert len(set(ranks.values())) > 1
    assert (merged.skills, {module: a.shape[2] for module, (a, _) in merged.modules.items()}) == (1, ranks)
    for module, delta in deltas(merged).items():
        near = [torch.cosine_similarity(delta.flatten(), one.flatten(), dim=0) for one in deltas(own)[module]]
        assert max(near) == near[-1]


def test_the_stacks_report_has_every_way_for_every_size(base: Base, hypernetwork: Hypernetwork):
    report = stacks.measure(base, hypernetwork, 1, quiet)
    assert list(report) == ["2", "3"]
    for of_size in report.values():
        assert list(of_size["ways"]) == [*stacks.WAYS, stacks.IN_CONTEXT]
        assert all(0 <= way["exact"] <= 1 for way in of_size["ways"].values())
    assert report["3"]["questions"] > report["2"]["questions"]
    assert "3 skills in a calibrated stack keep" in stacks.section(report)


def test_the_accumulation_report_has_a_point_for_each_count(base: Base, hypernetwork: Hypernetwork):
    report = accumulation.measure(base, hypernetwork, 1, quiet, counts=(1, 2, 3), betas=(0.5,))
    assert list(report["ways"]) == [accumulation.CALIBRATED, "concatenated", "EMA 0.5"]
    for points in report["ways"].values():
        assert [point["merged"] for point in points] == [1, 2, 3]
        assert points[0]["mean"] in (None, 1.0)  # a skill merged with nothing is as it is alone
        assert [len(point["each"]) for point in points] == [1, 2, 3]
        assert points[0]["each"] == [points[0]["mean"]]
    assert "| 3 |" in accumulation.section(report)
    counted = [[point["right alone"] for point in points] for points in report["ways"].values()]
    assert counted[0] == counted[1] == sorted(counted[0])
    assert counted[0][-1] == round(report["alone"] * report["questions"])


# ---- real ----------------------------------------------------------------------------------------------------------


def test_texts_that_can_not_be_read_are_counted_and_the_others_measured(real_report: dict):
    assert real_report["texts"] == 8
    assert (real_report["too long"], real_report["empty"], real_report["measured"]) == (2, 1, 5)
    assert [row["line"] for row in real_report["rows"]] == [2, 3, 1, 4, 5]  # by length
    tokens = [row["tokens"] for row in real_report["rows"]]
    assert tokens == sorted(tokens)
    assert all(row["seconds"] > 0 and all(norm > 0 for norm in row["norms"].values()) for row in real_report["rows"])
    shown = real.section(real_report)
    assert "Of 8 texts 2 have more than 8,192 tokens and 1 are empty; 5 were measured." in shown


def test_a_limit_takes_texts_of_all_lengths(base: Base, hypernetwork: Hypernetwork):
    skills = [SkillText(line, "word and " * line) for line in range(1, 9)]
    report = real.measure(base, hypernetwork, 2, skills, quiet, MATERIAL)
    assert [row["line"] for row in report["rows"]] == [1, 5]


def test_what_was_measured_before_is_not_measured_again(
    base: Base, hypernetwork: Hypernetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "kept.jsonl"
    skills = [SkillText(line, "word and " * 3**line) for line in range(1, 5)]
    whole = real.measure(base, hypernetwork, None, skills, quiet, MATERIAL, Kept(file))
    lines = file.read_text().splitlines(keepends=True)
    assert len(lines) == 4
    file.write_text("".join(lines[:3]))
    tried: list[int] = []
    monkeypatch.setattr(real, "_speech", lambda base, weights, _: tried.append(weights.skills) or [True])
    again = real.measure(base, hypernetwork, None, skills, quiet, MATERIAL, Kept(file))
    assert tried == [1]
    assert again["rows"][:3] == whole["rows"][:3]
    assert file.read_text().splitlines(keepends=True)[:3] == lines[:3]
    monkeypatch.undo()
    other = real.measure(base, make_hypernetwork(base, seed=5), None, skills, quiet, MATERIAL, Kept(file))
    assert other["rows"][0]["norms"] != whole["rows"][0]["norms"]
    assert len(file.read_text().splitlines()) == 8


def test_adapters_whose_effect_is_known_are_not_made_again(
    base: Base, hypernetwork: Hypernetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "kept.jsonl"
    whole = neutral.measure(base, hypernetwork, 6, [], quiet, MATERIAL, Kept(file))
    monkeypatch.setattr(neutral, "effects", None)
    assert neutral.measure(base, hypernetwork, 6, [], quiet, MATERIAL, Kept(file)) == whole


def test_where_no_text_can_be_read_the_report_says_so(base: Base, hypernetwork: Hypernetwork):
    report = real.measure(base, hypernetwork, None, [SkillText(1, "")], quiet, MATERIAL)
    assert report["measured"] == 0
    assert "Does not hold: no text could be measured." in real.section(report)


def test_every_pair_of_skills_is_compared_once(own: LoraWeights):
    full = torch.cat([delta.flatten(1) for delta in deltas(own).values()], dim=1)
    wanted = [torch.cosine_similarity(full[i], full[j], dim=0).item() for i, j in ((0, 1), (0, 2), (1, 2))]
    assert pair_cosines(own) == pytest.approx(wanted, abs=1e-4)
    assert pair_cosines(own.rows([0])) == []


def test_norms_of_the_base_stand_in_the_order_of_the_deltas(base: Base, own: LoraWeights):
    module = list(own.modules)[1]
    first = decoder_layers(base.model)[own.layers[0]].get_submodule(module).weight.norm()
    norms = base_norms(base, own)
    assert norms.shape == (1, own.delta_norms().shape[1])
    torch.testing.assert_close(norms[0, len(own.layers)], first)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("The capital of Portugal is Lisbon.", True),
        ("Lisbon.", True),
        ("It's a well-known city; 3 rivers meet there.", True),
        ("", False),
        ("xqz krt 55 %% ## :: 9f", False),
        ("the the the the the the the the", False),
        ("a{b}c]d [[x]y 0x3f label", False),
    ],
)
def test_speech_is_mostly_words_and_not_the_same_again_and_again(text: str, spoken: bool):
    assert speaks(text) is spoken


# ---- the command ---------------------------------------------------------------------------------------------------


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    properties.add_arguments(parser)
    return parser.parse_args(arguments)


def test_without_a_choice_all_is_measured_that_can_be():
    assert properties.chosen("", True) == ["neutral", "strength", "stacks", "accumulation", "real"]
    assert properties.chosen("", False) == ["neutral", "strength", "stacks", "accumulation"]
    assert properties.chosen("stacks, neutral", False) == ["neutral", "stacks"]


def test_a_command_that_can_not_start_is_refused(tmp_path: Path):
    for arguments, said in (
        (["--only", "speed"], r"no properties speed\. There are: neutral"),
        (["--only", "real"], "Give a JSONL file of them with --skills-file"),
        (["--limit", "0"], "--limit is 0"),
        (["--skills-file", str(tmp_path / "none.jsonl")], r"none\.jsonl can't be read"),
    ):
        with pytest.raises(DataError, match=said):
            properties.run(options(*arguments))


def test_the_command_prints_a_section_a_property_and_writes_the_report(
    tiny_folder: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "report.json"
    which = ["--base", str(tiny_folder), "--checkpoint", str(checkpoint)]
    properties.run(options("--only", "strength,stacks", "--limit", "1", "--out", str(out), *which))
    shown = capsys.readouterr()
    assert shown.out.count("\n## ") + shown.out.startswith("## ") == 2
    assert "strength: " in shown.err
    report = json.loads(out.read_text())
    assert report["strength"]["skills"] == report["stacks"]["2"]["stacks"] == 1
    assert properties.table(report) == shown.out.strip()
    assert report["base"] == "tiny-llama"


def test_questions_follow_their_skills(base: Base):
    skills = new_skills(seeded("questions"), 2)
    examples = questions(base, skills, adapter=[7, 7])
    assert [e.skill for e in examples] == [7] * sum(len(skill.tasks) for skill in skills)
    assert [e.prompt_ids for e in examples] == [base.chat_ids(t.prompt) for s in skills for t in s.tasks]
