"""A bundle: what is in it, what its card says, what verifying finds, and where installing puts the skill."""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard
from peft import PeftModel
from safetensors.torch import load_file, save_file
from tiny import llama_config, load_base, make_gguf, make_hypernetwork, save_model
from transformers import AutoModelForCausalLM, LlamaForCausalLM

from hypernet.adapter import VERSION, Adapter, make_adapter, text_sha256
from hypernet.base import Base
from hypernet.gguf_export import adapter_gguf
from hypernet.hypernetwork import Hypernetwork
from hypernet.lora import apply_lora
from skills.archive import SkillFiles, read_folder
from skills.scan import Finding
from studio import bundle
from studio.bundle import CARD, CONFIG, GGUF, PROVENANCE, REQUIRED, SKILL, TOLERANCE, WEIGHTS, BundleError, Verification
from studio.fidelity import COLUMNS, Fidelity

ROOT = Path(__file__).parents[2]
TEXT = "---\nname: end-with-stop\ndescription: Ends a line.\nlicense: Apache-2.0\n---\n\nEnd lines with a full stop.\n"
EVALS = {
    "skill_name": "end-with-stop",
    "evals": [{"id": "1", "prompt": "Say it.", "expected_output": "x.", "assertions": [{"kind": "json"}]}],
}
CHECKED = Fidelity(
    "end-with-stop",
    "tiny-llama",
    ("a", "b", "c", "d"),
    ("a", "b", "c", "d"),
    passed=dict(zip(COLUMNS, [(False,) * 4, (True, False, False, False), (True, True, True, False)], strict=True)),
    verdict="The adapter does better.",
)


@pytest.fixture(scope="module")
def source() -> SkillFiles:
    return SkillFiles.of(
        {
            SKILL: TEXT.encode(),
            "evals/evals.json": json.dumps(EVALS).encode(),
            "references/more.md": b"More of it.\n",
            CARD: b"The skill's own.\n",
        }
    )


@pytest.fixture(scope="module")
def adapter(base: Base, hypernetwork: Hypernetwork) -> Adapter:
    return make_adapter(hypernetwork, base, TEXT, "end-with-stop")


@pytest.fixture
def made(source: SkillFiles, adapter: Adapter, tmp_path: Path) -> Path:
    """A bundle in its folder."""
    bundle.write(tmp_path / "end-with-stop", bundle.contents(source, adapter, CHECKED))
    return tmp_path / "end-with-stop"


def kinds(outcome: Verification) -> list[str]:
    return [each.kind for each in outcome.mismatches]


# ---- what is in it -------------------------------------------------------------------------------------------------


def test_a_bundle_holds_the_skill_the_adapter_a_card_and_the_provenance(made: Path, source: SkillFiles):
    found = {path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()}
    assert found == {*REQUIRED, "evals/evals.json", "references/more.md"}
    assert (made / SKILL).read_text() == TEXT
    assert json.loads((made / "evals/evals.json").read_text()) == EVALS


def test_the_provenance_is_enough_to_make_the_adapter_again(made: Path, base: Base, hypernetwork: Hypernetwork):
    came = json.loads((made / PROVENANCE).read_text())
    assert came["skill_sha256"] == text_sha256(TEXT)
    assert came["base_fingerprint"] == base.fingerprint
    assert came["hypernetwork_fingerprint"] == hypernetwork.fingerprint
    assert (came["alpha"], came["seed"], came["version"]) == (1.0, 0, VERSION)
    assert set(came["files"]) == {SKILL, CONFIG, WEIGHTS, "evals/evals.json", "references/more.md"}


def test_the_version_is_that_of_the_project():
    assert f'version = "{VERSION}"' in (ROOT / "pyproject.toml").read_text().splitlines()


def test_peft_gives_the_logits_of_the_live_adapter_from_a_bundle(
    made: Path, base: Base, adapter: Adapter, tiny_folder: Path
):
    ids = torch.tensor([base.encode("Latency was 120 ms, write the label of that.")])
    plain = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32)
    with torch.no_grad(), apply_lora(base.model, adapter.weights):
        live = base.model(ids).logits
    with torch.no_grad():
        exported = PeftModel.from_pretrained(plain, made / "adapter").eval()(ids).logits
    torch.testing.assert_close(exported, live, rtol=1e-4, atol=1e-4)


def test_an_adapter_or_a_check_of_another_skill_is_refused(source: SkillFiles, adapter: Adapter):
    with pytest.raises(BundleError, match="was not made of this text"):
        bundle.contents(replace(source, text=TEXT + "And more.\n"), adapter)
    with pytest.raises(BundleError, match="The check is of another"):
        bundle.contents(source, adapter, replace(CHECKED, skill_name="another"))


def test_a_new_bundle_replaces_an_old_one_whole_and_nothing_else(made: Path, source: SkillFiles, adapter: Adapter):
    lean = replace(source, files={SKILL: source.files[SKILL]})
    bundle.write(made, bundle.contents(lean, adapter))
    assert not (made / "references").exists() and "model-index" not in (made / CARD).read_text()
    (made / ".git").mkdir()
    (made / ".git" / "HEAD").write_text("mine")
    with pytest.raises(BundleError, match=r"files that are not of the bundle: '\.git/HEAD'\. Choose another folder"):
        bundle.write(made, bundle.contents(source, adapter))
    assert (made / ".git" / "HEAD").read_text() == "mine"
    (note := made.parent / "notes.md").write_text("mine")
    with pytest.raises(BundleError, match="is a file"):
        bundle.write(note, bundle.contents(source, adapter))
    assert note.read_text() == "mine"
    (other := made.parent / "other").mkdir()
    (other / "notes.txt").write_text("mine")
    with pytest.raises(BundleError, match="holds something else than a bundle"):
        bundle.write(other, bundle.contents(source, adapter))
    assert [path.name for path in other.iterdir()] == ["notes.txt"]
    assert sorted(path.name for path in made.parent.iterdir()) == ["end-with-stop", "notes.md", "other"]


# ---- the card ------------------------------------------------------------------------------------------------------


def test_the_card_has_the_hub_s_metadata_and_the_evaluation(source: SkillFiles, adapter: Adapter):
    known = replace(adapter, provenance=replace(adapter.provenance, base_name="org/tiny-llama"))
    data = ModelCard(bundle.contents(source, known, CHECKED)[CARD].decode()).data
    assert (data.library_name, data.base_model, data.license) == ("peft", "org/tiny-llama", "apache-2.0")
    assert data.get("base_model_relation") == "adapter"
    assert {"parametric-skills", "agent-skills"} <= set(data.tags)
    values = {result.metric_name: result.metric_value for result in data.eval_results}
    assert values == {"passed, no skill": 0.0, "passed, in context": 0.25, "passed, parametric": 0.75}
    assert data.model_name == "end-with-stop"


def test_the_card_names_strength_base_and_a_vllm_command(made: Path, base: Base):
    card = (made / CARD).read_text()
    assert "The recommended strength is 1.0" in card and base.fingerprint in card
    assert "| parametric | 3 of 4 | 75.0 % |" in card and "The adapter does better." in card
    assert "vllm serve tiny-llama --enable-lora --max-lora-rank 32 --lora-modules skill=./adapter" in card


def test_the_card_s_peft_snippet_runs_in_the_bundle(
    made: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    snippet = re.search(r"```python\n(.*?)```", (made / CARD).read_text(), re.DOTALL)[1]
    monkeypatch.chdir(made)
    exec(snippet.replace('"tiny-llama"', repr(str(tiny_folder))), {})
    assert capsys.readouterr().out.endswith("\n")


def test_a_known_revision_of_the_base_is_in_card_settings_and_snippets(source: SkillFiles, adapter: Adapter):
    commit = "a" * 40
    pinned = replace(adapter, provenance=replace(adapter.provenance, base_name="org/model", base_revision=commit))
    files = bundle.contents(source, pinned)
    card = files[CARD].decode()
    assert ModelCard(card).data.get("base_model_revision") == commit
    assert json.loads(files[CONFIG])["revision"] == commit
    assert f'from_pretrained(name, revision="{commit}")' in card and f"--revision {commit}" in card


def test_a_base_from_the_hub_s_cache_brings_its_revision(tiny_folder: Path, tmp_path: Path):
    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = tmp_path / "models--user--tiny" / "snapshots" / commit
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(tiny_folder, target_is_directory=True)
    base = load_base(snapshot)
    assert make_adapter(make_hypernetwork(base), base, TEXT, "x").provenance.base_revision == commit


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("", {}),
        ("MIT", {"license": "mit"}),
        ("Proprietary. Ask us!", {"license": "other", "license_name": "proprietary.-ask-us"}),
    ],
)
def test_the_license_is_what_the_skill_says(source: SkillFiles, adapter: Adapter, said: str, wanted: dict):
    card = bundle.contents(replace(source, skill=replace(source.skill, license=said)), adapter)[CARD].decode()
    data = ModelCard(card).data.to_dict()
    assert {key: value for key, value in data.items() if key.startswith("license")} == wanted


@pytest.mark.parametrize("name", ["my model", "tiny-llama"])
def test_a_base_from_a_folder_is_not_claimed_to_be_on_the_hub(source: SkillFiles, adapter: Adapter, name: str):
    local = replace(adapter, provenance=replace(adapter.provenance, base_name=name))
    data = ModelCard(bundle.contents(source, local)[CARD].decode()).data
    assert data.base_model is None and data.get("base_model_relation") is None


@pytest.mark.parametrize("name", ["LICENSE", "LICENSE.md", "LICENSE.txt"])
def test_the_card_links_to_the_text_of_a_license_of_one_s_own(source: SkillFiles, adapter: Adapter, name: str):
    own = replace(source, skill=replace(source.skill, license="Ours"), files=source.files | {name: b"Ask us."})
    data = ModelCard(bundle.contents(own, adapter)[CARD].decode()).data
    assert (data.license, data.get("license_name"), data.get("license_link")) == ("other", "ours", name)


# ---- verifying -----------------------------------------------------------------------------------------------------


def test_a_bundle_is_verified_bit_for_bit_where_it_was_made(made: Path, base: Base, hypernetwork: Hypernetwork):
    outcome = bundle.verify(made, hypernetwork, base)
    assert outcome.ok and outcome.equal and outcome.distance == 0
    assert "bit for bit" in outcome.sentence


def test_a_skill_file_of_a_bundle_is_verified_too(
    source: SkillFiles, adapter: Adapter, base: Base, hypernetwork: Hypernetwork, tmp_path: Path
):
    bundle.write(tmp_path / "x.skill", bundle.contents(source, adapter))
    assert bundle.verify(tmp_path / "x.skill", hypernetwork, base).equal


def test_a_base_in_a_folder_of_another_name_is_the_same_base(made: Path, base: Base, hypernetwork: Hypernetwork):
    rewrite(made, lambda values: values.update(base_name="another-name"))
    assert bundle.verify(made, hypernetwork, base).equal


def rewrite(folder: Path, change: Callable[[dict], object]) -> None:
    """Change the provenance."""
    values = json.loads((folder / PROVENANCE).read_text())
    change(values)
    (folder / PROVENANCE).write_text(json.dumps(values))


def scale_weights(folder: Path, factor: float) -> None:
    """Multiply every B, and hide it from the recorded digest."""
    tensors = load_file(folder / WEIGHTS)
    save_file({name: t * factor if ".lora_B." in name else t for name, t in tensors.items()}, folder / WEIGHTS)
    digest = bundle._sha256((folder / WEIGHTS).read_bytes())
    rewrite(folder, lambda values: values["files"].update({WEIGHTS: digest}))


def test_another_machine_s_adapter_is_within_the_tolerance_and_that_is_said(
    made: Path, base: Base, hypernetwork: Hypernetwork
):
    scale_weights(made, 1 + TOLERANCE / 2)
    outcome = bundle.verify(made, hypernetwork, base)
    assert outcome.ok and not outcome.equal
    assert outcome.distance == pytest.approx(TOLERANCE / 2, rel=0.01)
    assert "within the tolerance" in outcome.sentence and "bit for bit" not in outcome.sentence


def test_weights_beyond_the_tolerance_are_found_though_the_digests_agree(
    made: Path, base: Base, hypernetwork: Hypernetwork
):
    scale_weights(made, 1.5)
    outcome = bundle.verify(made, hypernetwork, base)
    assert not outcome.ok and kinds(outcome) == ["weights"]
    assert outcome.distance == pytest.approx(0.5, rel=0.01) and "not verified" in outcome.sentence


def damage(path: str, data: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / path).write_bytes(data)


def edit_settings(folder: Path) -> None:
    settings = json.loads((folder / CONFIG).read_text()) | {"lora_alpha": 64}
    (folder / CONFIG).write_text(json.dumps(settings))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (damage(SKILL, TEXT.replace("full stop", "comma").encode()), ["text"]),
        (damage("references/more.md", b"Less."), ["file"]),
        (damage("scripts-added.md", b"New."), ["file"]),
        (damage(WEIGHTS, b"\0" * 40), ["weights", "weights"]),
        (edit_settings, ["settings", "settings"]),
        (damage(PROVENANCE, b"[]"), ["provenance"]),
        (damage(PROVENANCE, b"[" * 100_000), ["provenance"]),
        (lambda folder: rewrite(folder, lambda v: v.update(skill_sha256=3)), ["provenance"]),
        (lambda folder: rewrite(folder, lambda v: v.update(hypernetwork_fingerprint="0" * 64)), ["hypernetwork"]),
        (lambda folder: rewrite(folder, lambda v: v.update(base_fingerprint="0" * 64)), ["base"]),
        (lambda folder: rewrite(folder, lambda v: v.update(base_name="evil/model")), ["base"]),
        (lambda folder: rewrite(folder, lambda v: v.update(refined_on=10)), ["refined"]),
        (lambda folder: (folder / WEIGHTS).unlink(), ["missing"]),
        (lambda folder: (folder / "references/more.md").unlink(), ["missing"]),
        (lambda folder: (folder / SKILL).unlink(), ["missing"]),
    ],
)
def test_every_mismatch_is_named(
    made: Path, base: Base, hypernetwork: Hypernetwork, change: Callable[[Path], object], found: list[str]
):
    change(made)
    outcome = bundle.verify(made, hypernetwork, base)
    assert not outcome.ok and kinds(outcome) == found
    assert all(each.message.endswith(".") and each.path for each in outcome.mismatches)


def test_another_base_or_hypernetwork_is_named(made: Path, base: Base, tmp_path: Path):
    outcome = bundle.verify(made, make_hypernetwork(base, seed=5), base)
    assert kinds(outcome) == ["hypernetwork"] and outcome.distance > TOLERANCE
    other = load_base(save_model(LlamaForCausalLM, llama_config(), tmp_path / "other-llama", seed=1))
    outcome = bundle.verify(made, make_hypernetwork(other), other)
    assert kinds(outcome) == ["base", "hypernetwork"]
    assert "tiny-llama" in outcome.mismatches[0].message and "other-llama" in outcome.mismatches[0].message


# ---- for llama.cpp -------------------------------------------------------------------------------------------------


@pytest.fixture
def with_gguf(source: SkillFiles, adapter: Adapter, base: Base, tmp_path: Path) -> Path:
    target = tmp_path / "for-llama-cpp"
    bundle.write(target, bundle.contents(source, adapter, CHECKED, adapter_gguf(adapter, base)))
    return target


def test_a_bundle_for_llama_cpp_is_verified_and_another_adapter_in_it_is_found(
    with_gguf: Path, made: Path, base: Base, hypernetwork: Hypernetwork
):
    outcome = bundle.verify(with_gguf, hypernetwork, base)
    assert outcome.ok and outcome.equal
    assert GGUF in json.loads((with_gguf / PROVENANCE).read_text())["files"]
    assert GGUF not in (made / CARD).read_text()
    other = make_adapter(hypernetwork, base, TEXT + "And more.\n", "end-with-stop")
    (with_gguf / GGUF).write_bytes(adapter_gguf(other, base))
    rewrite(with_gguf, lambda v: v["files"].update({GGUF: sha256((with_gguf / GGUF).read_bytes()).hexdigest()}))
    outcome = bundle.verify(with_gguf, hypernetwork, base)
    assert not outcome.ok and [(each.kind, each.path) for each in outcome.mismatches] == [("weights", GGUF)]


def test_the_card_s_llama_cpp_snippet_runs_in_the_bundle(with_gguf: Path, base: Base):
    make_gguf(with_gguf / "base.gguf", base.model)
    snippet = re.search(r"```python\n(import xllamacpp.*?)```", (with_gguf / CARD).read_text(), re.DOTALL)[1]
    done = subprocess.run([sys.executable, "-c", snippet], cwd=with_gguf, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("\n")


# ---- installing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["agents", "claude", "opencode"])
def test_install_puts_the_skill_without_the_adapter_where_each_agent_looks(made: Path, tmp_path: Path, to: str):
    target = bundle.install(bundle.read(made), to, tmp_path / "project")
    assert target == tmp_path / "project" / f".{to}" / "skills" / "end-with-stop"
    found = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert found == {SKILL, "evals/evals.json", "references/more.md"}
    assert (target / SKILL).read_text() == TEXT
    assert [path.name for path in target.parent.iterdir()] == ["end-with-stop"]


def test_install_takes_a_skill_file_and_a_plain_folder(made: Path, source: SkillFiles, tmp_path: Path):
    bundle.write(made.parent / "x.skill", bundle.skill_files(source))
    plain = bundle.install(bundle.read(made.parent / "x.skill"), root=tmp_path / "a")
    assert (plain / SKILL).read_text() == TEXT
    again = bundle.install(bundle.read(plain), root=tmp_path / "b")
    assert read_folder(again).files == read_folder(plain).files


def test_install_replaces_another_skill_only_when_told_to(made: Path, tmp_path: Path):
    target = bundle.install(bundle.read(made), root=tmp_path)
    assert bundle.install(bundle.read(made), root=tmp_path) == target  # the same: nothing to lose
    (target / SKILL).write_text("mine")
    with pytest.raises(BundleError, match="Give --force"):
        bundle.install(bundle.read(made), root=tmp_path)
    assert (target / SKILL).read_text() == "mine"
    bundle.install(bundle.read(made), root=tmp_path, force=True)
    assert (target / SKILL).read_text() == TEXT


def test_install_with_force_replaces_a_link_and_not_what_it_leads_to(made: Path, tmp_path: Path):
    (home := tmp_path / "home").mkdir()
    (home / SKILL).write_text("mine")
    place = tmp_path / ".agents" / "skills" / "end-with-stop"
    place.parent.mkdir(parents=True)
    place.symlink_to(home)
    bundle.install(bundle.read(made), root=tmp_path, force=True)
    assert not place.is_symlink() and (home / SKILL).read_text() == "mine"


def test_install_refuses_what_the_scan_blocks_and_asks_about_the_rest(made: Path, tmp_path: Path):
    (tmp_path / "secret").write_text("mine")
    (made / "evals" / "link.json").symlink_to(tmp_path / "secret")
    with pytest.raises(BundleError, match=r"This is not used, because:\nevals/link\.json"):
        bundle.install(bundle.read(made), root=tmp_path / "project", accept=True)
    (made / "evals" / "link.json").unlink()
    (made / "tool.exe").write_bytes(b"MZ\x90")
    with pytest.raises(BundleError, match=r"say yes \(--yes\).*\ntool.exe"):
        bundle.install(bundle.read(made), root=tmp_path / "project")
    assert not (tmp_path / "project").exists()
    assert (bundle.install(bundle.read(made), root=tmp_path / "project", accept=True) / "tool.exe").is_file()


def test_a_finding_s_path_can_not_write_to_the_terminal():
    shown = bundle.show([Finding("a\x1b[2Jb", 0, "path", "block", "It leads out.", "Ask.")])
    assert shown == r"'a\x1b[2Jb':0: block: It leads out. Ask."


def test_what_is_installed_is_to_the_specification(tmp_path: Path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / SKILL).write_text("---\nname: Bad Name\ndescription: It does.\n---\n\nDo it.\n")
    target = bundle.install(bundle.read(tmp_path / "in"), root=tmp_path)
    assert target.name == "bad-name" and "name: bad-name\n" in (target / SKILL).read_text()


def test_install_names_the_places_that_there_are(made: Path):
    with pytest.raises(BundleError, match="Choose one of: agents, claude, opencode"):
        bundle.install(bundle.read(made), "emacs")
    with pytest.raises(BundleError, match="no bundle and no skill"):
        bundle.install(bundle.read(made / "nowhere"))


def test_an_install_that_fails_leaves_what_was_there(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    target = bundle.install(bundle.read(made), root=tmp_path)
    (target / "mine.md").write_text("mine")
    rename = os.rename

    def full(old: Path, new: Path) -> None:
        if Path(old).name == "new":
            raise OSError(28, "No space left on device")
        rename(old, new)

    monkeypatch.setattr(bundle.os, "rename", full)
    with pytest.raises(OSError, match="No space"):
        bundle.install(bundle.read(made), root=tmp_path, force=True)
    assert (target / "mine.md").read_text() == "mine"
    assert [path.name for path in target.parent.iterdir()] == ["end-with-stop"]


# ---- the command line ----------------------------------------------------------------------------------------------


def run(*arguments: object) -> int:
    """The commands, as `python -m studio` has them."""
    parser = argparse.ArgumentParser()
    model = argparse.ArgumentParser(add_help=False)
    model.add_argument("--base")
    model.add_argument("--checkpoint")
    bundle.add_commands(parser.add_subparsers(), model)
    options = parser.parse_args([str(each) for each in arguments])
    return options.run(options)


def test_the_commands_make_verify_and_install_a_bundle(
    tiny_folder: Path,
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setattr("training.evaluate.MAX_NEW_TOKENS", 4)
    model = ["--base", tiny_folder, "--checkpoint", checkpoint]
    (skill := tmp_path / "end-with-stop" / SKILL).parent.mkdir()
    skill.write_text(TEXT)
    (skill.parent / "evals").mkdir()
    (skill.parent / "evals" / "evals.json").write_text(json.dumps(EVALS))
    out = tmp_path / "out"
    assert run("bundle", skill, "--out", out, *model) == 0
    assert f"{out}: end-with-stop, 6 files" in capsys.readouterr().out
    assert len(ModelCard((out / CARD).read_text()).data.eval_results) == 3
    assert run("verify", out, *model) == 0
    assert "bit for bit" in capsys.readouterr().out
    (out / SKILL).write_text(TEXT + "Or not.\n")
    assert run("verify", out, *model) == 1
    assert "text: SKILL.md is not the text" in capsys.readouterr().out
    assert run("install", out, "--to", "opencode", "--root", tmp_path) == 0
    assert (tmp_path / ".opencode" / "skills" / "end-with-stop" / SKILL).is_file()
