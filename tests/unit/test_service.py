"""The service behind the page and the command line: sessions apart, limits, clear refusals, nothing left behind."""

import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from llamacpp import LlamaCpp
from peft import PeftModel
from tiny import VOCABULARY, count_hooks, full_disk, llama_config, load_base, make_gguf, make_hypernetwork, save_model
from transformers import AutoModelForCausalLM, LlamaForCausalLM

import studio.service
from hypernet.adapter import Adapter, text_sha256
from hypernet.base import Base
from hypernet.lora import cosines, stack_skills
from skills.evals import Assertion
from skills.skill import MAX_TEXT
from studio.service import (
    ADAPTERS_A_SESSION,
    CUT_OFF,
    MAX_PROMPT,
    Comparison,
    Overlap,
    Part,
    Settings,
    Studio,
    StudioError,
)
from training.properties.material import own_parts
from training.refit import CONTEXT

SKILL = "---\nname: end-with-stop\ndescription: Ends a line.\n---\n\nEnd every line with a full stop.\n"
OTHER = "---\nname: write-loud\ndescription: Writes loud.\n---\n\nWrite every word in capitals.\n"
SHORT = Settings(max_new_tokens=6)


@pytest.fixture
def service(studio: Studio) -> Iterator[Studio]:
    """The studio with no sessions."""
    yield studio
    for session in list(studio._sessions):
        studio.forget(session)


def files_of(service: Studio) -> list[Path]:
    return [path for path in Path(service._files.name).rglob("*") if path.is_file()]


def run(comparisons: Iterator[Comparison]) -> list[Comparison]:
    return list(comparisons)


# ---- loading -------------------------------------------------------------------------------------------------------


def test_how_much_a_training_reads_is_known_once_the_base_is_loaded(service: Studio):
    assert Studio().reach() is None
    reach, loaded = service.reach(), service._model()
    assert reach.skill == loaded.shipped.hypernetwork.config.max_tokens
    assert reach.chat == min(CONTEXT, loaded.base.context_length)
    chat = ({"role": "user", "content": "Which?"}, {"role": "assistant", "content": "aa"})
    assert reach.count_chat(chat) >= len(loaded.base.chat_ids("Which?")) + reach.count("aa")


def test_importing_and_making_a_studio_needs_no_heavy_library():
    script = (
        "import sys, studio.service as s; t = s.Studio(); t.status(); t.library.list(); t.examine('hello'); t.close()\n"
        "print([m for m in ('torch', 'transformers', 'gradio', 'hypernet') if m in sys.modules])"
    )
    root = Path(__file__).parents[2]
    said = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True).stdout
    assert said == "[]\n"


def test_the_status_says_what_is_loaded(service: Studio):
    assert service.status().state == "ready"
    assert service.status().message == "tiny-llama, 4-bit, on cpu"


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ("no-base", "neither a folder here nor a name on the Hub"),
        ("no-checkpoint", "holds no hypernetwork that can be read"),
        ("other-base", r"trained for tiny-llama \(\w+\), but the base is other-llama"),
        ("none-ships", "No hypernetwork ships for tiny-llama"),
    ],
)
def test_a_studio_that_can_not_load_says_why_whatever_is_asked(
    which: str, said: str, tiny_folder: Path, checkpoint: Path, tmp_path: Path
):
    base, hypernetwork = str(tiny_folder), str(checkpoint)
    if which == "no-base":
        base = str(tmp_path / "nowhere" / "at" / "all")
    elif which == "no-checkpoint":
        hypernetwork = str(tmp_path)
    elif which == "other-base":
        folder = tmp_path / "other-llama"
        base = str(save_model(LlamaForCausalLM, llama_config(intermediate_size=192), folder))
    else:
        hypernetwork = None
    failed = Studio(base, hypernetwork)
    assert failed.status().state == "loading"
    failed.start()
    with pytest.raises(StudioError, match=said):
        failed.wait()
    assert failed.status().state == "failed"
    with pytest.raises(StudioError, match=said):
        failed.generate("a", SKILL)
    with pytest.raises(StudioError, match=said):
        run(failed.compare("a", SKILL, "hello"))
    assert failed.examine(SKILL).tokens is None


def test_a_comparison_begun_while_the_base_loads_waits_and_says_so(tiny_folder: Path, checkpoint: Path):
    waiting = Studio(str(tiny_folder), str(checkpoint))
    comparisons = waiting.compare("a", SKILL, "hello", SHORT)
    first = next(comparisons)
    assert (first.phase, first.message, first.adapter) == ("loading", "Starting", None)
    waiting.start()
    rest = run(comparisons)
    assert rest[-1].phase == "done"
    waiting.close()


# ---- examining -----------------------------------------------------------------------------------------------------


def test_a_good_text_has_tokens_and_nothing_in_its_way(service: Studio):
    seen = service.examine(SKILL)
    assert (seen.problems, seen.blocking) == ((), "")
    assert seen.tokens == service._loaded.base.count_tokens(SKILL)
    assert seen.skill.name == "end-with-stop"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n",
        "x" * (MAX_TEXT + 1),
        "x" * 10_000_000,
        "\x00\x01\x02" * 50,
        "---\nname: [\n---\nbody",
        "---\nname: ../../etc\n---\nbody",
        "half a pair \ud800 of surrogates",
        "<script>alert(1)</script>",
        "---\n" * 1000,
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_examining_never_raises_and_says_what_generating_would(service: Studio, text: str):
    seen = service.examine(text)
    assert seen.problems or not seen.blocking
    if seen.blocking:
        with pytest.raises(StudioError) as refused:
            service.generate("a", text)
        assert str(refused.value) == seen.blocking
    else:
        assert service.generate("a", text).sha256 == text_sha256(text)


def test_a_text_that_is_too_long_to_be_read_is_not_scanned(service: Studio, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(studio.service, "scan_text", lambda _text: pytest.fail("scanned"))
    assert "reads up to" in service.examine(SKILL + "word " * 20_000).blocking


# ---- adapters ------------------------------------------------------------------------------------------------------


def test_an_adapter_is_made_once_for_a_text(service: Studio):
    assert service.adapter_info("a", SKILL) is None
    first = service.generate("a", SKILL)
    assert (first.fresh, first.skill_name, first.sha256) == (True, "end-with-stop", text_sha256(SKILL))
    assert first.size_bytes > 0
    assert (first.rank, first.base_name) == (22, "tiny-llama")
    assert "PeftModel" in first.snippet_peft
    assert "--max-lora-rank 32" in first.snippet_vllm
    again = service.generate("a", SKILL)
    assert (again.fresh, again.seconds) == (False, first.seconds)
    assert service.generate("a", SKILL + "And smile.\n").fresh


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        ("word and " * 9000, r"tokens; the hypernetwork reads up to 8,192"),
        ("x" * 10_000_000, "10,000,000 characters"),
        ("\x00" * 100, "This is not text"),
    ],
    ids=["empty", "blank", "over-the-limit", "ten-megabytes", "binary"],
)
def test_a_text_that_no_adapter_can_be_made_of_is_refused(service: Studio, text: str, said: str):
    for refused in (service.generate, service.adapter_zip):
        with pytest.raises(StudioError, match=said):
            refused("a", text)
    with pytest.raises(StudioError, match=said):
        run(service.compare("a", text, "hello", SHORT))
    assert service.adapter_info("a", text) is None
    assert files_of(service) == []


def test_a_session_sees_nothing_of_another(service: Studio):
    service.generate("alice", SKILL)
    assert service.adapter_info("bob", SKILL) is None
    assert service.generate("bob", SKILL).fresh
    hers, his = service.adapter_zip("alice", SKILL), service.adapter_zip("bob", SKILL)
    assert hers.parent != his.parent
    service.forget("alice")
    assert not hers.exists()
    assert his.exists()
    assert service.adapter_info("bob", SKILL)


@pytest.mark.parametrize(("one", "other"), [("a-b", "ab"), ("a", "a-"), ("x" * 50 + "1", "x" * 50 + "2"), ("*", "a")])
def test_sessions_with_like_names_are_apart(service: Studio, one: str, other: str):
    kept = service.adapter_zip(one, SKILL)
    service.adapter_zip(other, SKILL)
    service.forget(other)
    assert kept.exists()
    assert service.adapter_info(one, SKILL)


def test_a_session_name_that_climbs_out_of_a_folder_leads_nowhere(service: Studio):
    path = service.adapter_zip("../../../etc/passwd", "---\nname: ../../up\ndescription: Climbs.\n---\n\nClimb.\n")
    assert path.resolve().is_relative_to(Path(service._files.name).resolve())
    assert path.name == "up-adapter.zip"


def test_the_oldest_adapter_of_a_session_gives_way(service: Studio):
    texts = [f"{SKILL}{i}\n" for i in range(ADAPTERS_A_SESSION + 1)]
    zips = [service.adapter_zip("a", text) for text in texts[:ADAPTERS_A_SESSION]]
    service.generate("a", texts[0])  # used again, so no longer the oldest
    service.generate("a", texts[-1])
    assert service.adapter_info("a", texts[0])
    assert service.adapter_info("a", texts[1]) is None
    assert [path.exists() for path in zips] == [True, False] + [True] * (ADAPTERS_A_SESSION - 2)


def test_the_session_longest_unused_gives_way(service: Studio, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(studio.service, "MAX_SESSIONS", 3)
    zips = {name: service.adapter_zip(name, SKILL) for name in "abc"}
    service.generate("a", SKILL)
    service.generate("d", SKILL)
    assert {name: service.adapter_info(name, SKILL) is not None for name in "abcd"} == {
        "a": True,
        "b": False,
        "c": True,
        "d": True,
    }
    assert {name: path.exists() for name, path in zips.items()} == {"a": True, "b": False, "c": True}


def test_asking_again_for_a_zip_makes_no_second_file(service: Studio):
    assert service.adapter_zip("a", SKILL) == service.adapter_zip("a", SKILL)
    assert len(files_of(service)) == 1


def test_the_zip_opens_with_peft(service: Studio, tiny_folder: Path, tmp_path: Path):
    path = service.adapter_zip("a", SKILL)
    assert path.name == "end-with-stop-adapter.zip"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "adapter")
    plain = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32)
    ids = torch.randint(2, 400, (1, 12), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = plain(ids).logits
        after = PeftModel.from_pretrained(plain, tmp_path / "adapter")(ids).logits
    assert not torch.allclose(before, after, atol=1e-2)
    provenance = Adapter.load(tmp_path / "adapter", service._loaded.base).provenance
    assert provenance.skill_sha256 == text_sha256(SKILL)


def test_the_adapter_comes_as_a_file_for_llama_cpp_once(service: Studio, tiny_folder: Path, tmp_path: Path):
    file = service.adapter_gguf("me", SKILL)
    assert file.name == "end-with-stop-adapter.gguf"
    assert service.adapter_gguf("me", SKILL) == file and file in files_of(service)
    model = make_gguf(tmp_path / "base.gguf", load_base(tiny_folder).model)
    ids = list(range(2, 20))
    plain, adapted = (LlamaCpp(model, adapter).log_probabilities(ids, VOCABULARY) for adapter in (None, file))
    assert (plain - adapted).abs().max() > 0.1
    service.save_adapter("me", SKILL, tmp_path / "out", gguf=True)
    assert (tmp_path / "out" / "adapter.gguf").read_bytes() == file.read_bytes()
    service.save_adapter("me", SKILL, tmp_path / "plain")
    assert not (tmp_path / "plain" / "adapter.gguf").exists()


def test_forgetting_removes_all_of_a_session_and_a_second_time_is_no_trouble(service: Studio):
    service.adapter_zip("a", SKILL)
    service.adapter_zip("a", OTHER)
    assert len(files_of(service)) == 2
    service.forget("a")
    service.forget("a")
    service.forget("never-there")
    assert files_of(service) == []
    assert service.adapter_info("a", SKILL) is None


def test_a_full_disk_is_a_clear_message_and_the_adapter_stays(service: Studio):
    service.generate("a", SKILL)
    with full_disk(1000), pytest.raises(StudioError, match=r"could not be written: File too large\. Free some disk"):
        service.adapter_zip("a", SKILL)
    assert service.adapter_zip("a", SKILL).exists()


def test_closing_a_studio_deletes_its_files(tiny_folder: Path, checkpoint: Path):
    closed = Studio(str(tiny_folder), str(checkpoint))
    closed.start()
    path = closed.adapter_zip("a", SKILL)
    closed.close()
    assert not path.exists()
    assert not Path(closed._files.name).exists()


def test_many_visitors_at_once_each_get_their_own(service: Studio):
    texts = [f"{SKILL}Rule {i}.\n" for i in range(5)]
    alone = {}
    for text in texts:
        alone[text] = run(service.compare("alone", text, "hello", SHORT))[-1].panes[2].text
        service.forget("alone")
    got, meet = {}, threading.Barrier(len(texts))

    def visit(text: str) -> None:
        meet.wait()
        got[text] = run(service.compare(f"visitor of {text}", text, "hello", SHORT))[-1].panes[2].text

    threads = [threading.Thread(target=visit, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == alone
    assert count_hooks(service._loaded.base) == 0


# ---- visitors' own hypernetworks -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another hypernetwork for the tiny base, as a visitor's training leaves it."""
    folder = tmp_path_factory.mktemp("jobs") / "one" / "checkpoint"
    hypernetwork = make_hypernetwork(base, seed=7)
    for head in hypernetwork.module_heads.values():
        head.scale.data.mul_(20)  # seen in a few tokens
    hypernetwork.save_pretrained(folder)
    return folder


def adapter_of(service: Studio, session: str, text: str = SKILL) -> dict[str, bytes]:
    with zipfile.ZipFile(service.adapter_zip(session, text)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_session_generates_with_its_own_hypernetwork_and_goes_back(service: Studio, trained: Path):
    shipped = service.generate("a", SKILL)
    service.use("a", trained)
    assert service.adapter_info("a", SKILL) is None  # the one there is was made by another
    own = service.generate("a", SKILL)
    assert own.fresh
    assert own.hypernetwork_fingerprint != shipped.hypernetwork_fingerprint
    assert service.generate("b", SKILL).hypernetwork_fingerprint == shipped.hypernetwork_fingerprint
    service.use("a", None)
    again = service.generate("a", SKILL)
    assert (again.fresh, again.hypernetwork_fingerprint) == (False, shipped.hypernetwork_fingerprint)


def test_a_comparison_and_a_download_follow_the_hypernetwork_in_use(service: Studio, trained: Path):
    before = run(service.compare("a", SKILL, "Write a line.", SHORT))[-1]
    files = adapter_of(service, "a")
    service.use("a", trained)
    after = run(service.compare("a", SKILL, "Write a line.", SHORT))[-1]
    assert [pane.text for pane in after.panes[:2]] == [pane.text for pane in before.panes[:2]]
    assert after.panes[2].text != before.panes[2].text
    assert adapter_of(service, "a")["adapter_model.safetensors"] != files["adapter_model.safetensors"]


def test_a_session_that_was_forgotten_is_back_at_the_shipped_hypernetwork(service: Studio, trained: Path):
    service.use("a", trained)
    service.forget("a")
    shipped = service.generate("b", SKILL).hypernetwork_fingerprint
    assert service.generate("a", SKILL).hypernetwork_fingerprint == shipped


@pytest.mark.parametrize(
    ("which", "said"),
    [("missing", "holds no hypernetwork that can be read"), ("other-base", r"trained for other-llama \(\w+\), but")],
)
def test_a_hypernetwork_that_does_not_fit_is_refused_and_the_session_keeps_its_own(
    which: str, said: str, service: Studio, trained: Path, tmp_path: Path
):
    refused = tmp_path / "nothing"
    if which == "other-base":
        other = save_model(LlamaForCausalLM, llama_config(intermediate_size=192), tmp_path / "other-llama")
        refused = tmp_path / "checkpoint"
        make_hypernetwork(load_base(other)).save_pretrained(refused)
    service.use("a", trained)
    with pytest.raises(StudioError, match=said):
        service.use("a", refused)
    shipped = service.generate("b", SKILL).hypernetwork_fingerprint
    assert service.generate("a", SKILL).hypernetwork_fingerprint != shipped


def test_visitors_hypernetworks_do_not_fill_the_memory_and_come_back_from_disk(
    service: Studio, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(studio.service, "MAX_HYPERNETWORKS", 2)
    folders = {name: Path(shutil.copytree(trained, tmp_path / name)) for name in "abc"}
    for name, folder in folders.items():
        service.use(name, folder)
    assert list(service._own) == [folders["b"], folders["c"]]
    assert len({service.generate(name, SKILL).hypernetwork_fingerprint for name in "abc"}) == 1
    shutil.rmtree(folders["a"])  # out of memory since the last two
    with pytest.raises(StudioError, match="can be read"):
        service.generate("a", OTHER)


def test_a_hypernetwork_is_downloaded_as_a_zip_that_loads_again(service: Studio, trained: Path, tmp_path: Path):
    first = service.checkpoint_zip("a", trained, "my-skills")
    with zipfile.ZipFile(first) as archive:
        archive.extractall(tmp_path)
    service.use("a", tmp_path / "my-skills")
    own = service.generate("a", SKILL).hypernetwork_fingerprint
    service.use("a", trained)
    assert service.generate("a", SKILL).hypernetwork_fingerprint == own

    second = service.checkpoint_zip("a", trained, "my-skills")
    assert (first.exists(), second.exists()) == (False, True)
    service.forget("a")
    assert files_of(service) == []
    with full_disk(1000), pytest.raises(StudioError, match="Free some disk"):
        service.checkpoint_zip("a", trained, "my-skills")
    assert files_of(service) == []


# ---- several skills at once ------------------------------------------------------------------------------------------


THIRD = "---\nname: name-files\ndescription: Names files.\n---\n\nName every file after its date.\n"
STACK = (Part(SKILL), Part(OTHER, 0.5), Part(THIRD))


def test_several_skills_are_compared_as_one_adapter_and_all_in_the_prompt(service: Studio):
    states = run(service.compare("me", STACK, "Report: ok", SHORT))
    assert "Generating the adapters of 3 skills" in [state.message for state in states]
    last = states[-1]
    assert last.phase == "done" and all(pane.done for pane in last.panes)
    base = service._loaded.base
    assert last.panes[1].prompt_tokens == len(base.chat_ids("Report: ok", "\n\n".join((SKILL, OTHER, THIRD))))
    assert last.panes[2].prompt_tokens == last.panes[0].prompt_tokens
    assert last.adapter.shares == (("end-with-stop", 1.0), ("write-loud", 0.5), ("name-files", 1.0))
    pairs = [(overlap.first, overlap.second) for overlap in last.adapter.overlaps]
    assert pairs == [("end-with-stop", "write-loud"), ("end-with-stop", "name-files"), ("write-loud", "name-files")]
    assert service.adapter_info("me", STACK).sha256 == last.adapter.sha256


def test_a_skill_with_all_of_the_share_answers_as_it_does_alone(service: Studio):
    alone = run(service.compare("me", OTHER, "Report: ok", SHORT))[-1]
    stacked = run(service.compare("me", (Part(SKILL, 0.0), Part(OTHER)), "Report: ok", SHORT))[-1]
    assert stacked.panes[2].text == alone.panes[2].text
    single = run(service.compare("me", (Part(OTHER, 0.3),), "Report: ok", SHORT))[-1]
    assert single.adapter == replace(alone.adapter, fresh=False)


def test_overlaps_are_cosines_of_the_own_parts_known_before_mixing(service: Studio):
    (overlap,) = service.overlaps("me", (Part(SKILL), Part(OTHER)))
    hypernetwork = service._loaded.shipped.hypernetwork
    weights = stack_skills([service._adapter("me", text).adapter.weights for text in (SKILL, OTHER)])
    assert overlap.cosine == pytest.approx(cosines(hypernetwork.own_part(weights))[0, 1].item(), abs=1e-4)
    assert overlap.cosine != pytest.approx(cosines(weights)[0, 1].item(), abs=1e-3)  # the shared part is no overlap
    assert service.adapter_info("me", (Part(SKILL), Part(OTHER))) is None


@pytest.mark.parametrize(
    ("cosine", "words"),
    [(1.0, "nearly the same"), (0.3, "alike"), (0.1, "no more than any two"), (0.0, "hardly overlap"), (-1, "against")],
)
def test_an_overlap_is_said_in_words(cosine: float, words: str):
    assert words in Overlap("a", "b", cosine).words


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((), "2 to 4 skills; this one has 0"),
        (tuple(Part(f"{SKILL}{i}") for i in range(5)), "2 to 4 skills; this one has 5"),
        ((Part(SKILL), Part(SKILL, 0.5)), "is in the stack twice"),
        ((Part(SKILL), Part(OTHER, 2.5)), "a number from 0 to 2"),
        ((Part(SKILL), Part(OTHER, float("nan"))), "a number from 0 to 2"),
        ((Part(SKILL, 0), Part(OTHER, 0)), "Every skill of the stack has the weight 0"),
        ((Part(SKILL), Part("")), "Skill 2 of the stack: .*empty"),
    ],
)
def test_what_is_no_stack_is_refused(service: Studio, parts: tuple[Part, ...], said: str):
    with pytest.raises(StudioError, match=said):
        run(service.compare("me", parts, "Report: ok", SHORT))


def test_a_stack_is_downloaded_as_one_adapter(service: Studio, tiny_folder: Path, tmp_path: Path):
    with zipfile.ZipFile(service.adapter_zip("me", STACK)) as archive:
        assert Path(archive.filename).name == "end-with-stop-and-2-more-adapter.zip"
        archive.extractall(tmp_path)
    loaded = Adapter.load(tmp_path, load_base(tiny_folder))
    assert [part["skill_name"] for part in loaded.provenance.stack] == ["end-with-stop", "write-loud", "name-files"]
    assert service.adapter_gguf("me", STACK).name == "end-with-stop-and-2-more-adapter.gguf"


# ---- likeness ------------------------------------------------------------------------------------------------------


def test_likeness_is_the_cosine_of_the_skills_own_parts(service: Studio):
    texts = [SKILL, OTHER, SKILL]
    seen = list(service.likeness("a", texts))
    assert [(state.made, state.total) for state in seen] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert seen[0].cosines == ()
    own = own_parts(service._loaded.base, service._loaded.shipped.hypernetwork, texts[:2])
    wanted = cosines(own)[0, 1].item()
    first, second, third = seen[-1].cosines
    assert first == third == pytest.approx((1, wanted, 1), abs=5e-3)
    assert second == pytest.approx((wanted, 1, wanted), abs=5e-3)
    whole = [service._adapter("a", text).adapter.weights for text in texts[:2]]
    assert abs(cosines(stack_skills(whole))[0, 1].item() - wanted) > 1e-2  # the part that all share is left out


def test_likeness_follows_the_hypernetwork_in_use_and_keeps_so_many_parts(
    service: Studio, trained: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(studio.service, "MAX_PARTS", 2)
    shipped = [*service.likeness("a", [SKILL, OTHER])][-1].cosines
    service.use("a", trained)
    assert [*service.likeness("a", [SKILL, OTHER])][-1].cosines != shipped
    assert len(service._own_parts) == 2
    assert service.fingerprint(trained) != service.fingerprint()
    with pytest.raises(StudioError, match="empty"):
        list(service.likeness("a", [""]))
    assert [*service.likeness("a", [])] == [studio.service.Likeness(0, 0)]


# ---- comparing -----------------------------------------------------------------------------------------------------


def test_a_comparison_goes_through_its_phases_and_fills_three_panes(service: Studio):
    seen = run(service.compare("a", SKILL, "Write a line.", SHORT))
    assert list(dict.fromkeys(state.phase for state in seen)) == ["generating", "answering", "done"]
    assert seen[0].adapter is None
    last = seen[-1]
    assert last.message.startswith("Done in ")
    assert last.adapter.sha256 == text_sha256(SKILL)
    base = service._loaded.base
    plain, in_context = len(base.chat_ids("Write a line.")), len(base.chat_ids("Write a line.", SKILL))
    assert [pane.prompt_tokens for pane in last.panes] == [plain, in_context, plain]
    for pane in last.panes:
        assert pane.done
        assert 0 <= pane.tokens <= 6
        assert pane.first_token_seconds > 0
        assert pane.passed is None
        assert pane.diff == ()
        assert pane.note in ("", CUT_OFF)
    again = run(service.compare("a", SKILL, "Write a line.", SHORT))
    assert again[0].phase == "answering"  # the adapter was there
    assert [pane.text for pane in again[-1].panes] == [pane.text for pane in last.panes]


def test_a_quick_answer_is_told_now_and_then_and_whole_at_its_end(service: Studio, monkeypatch: pytest.MonkeyPatch):
    def tokens_told() -> list[int]:
        comparisons = run(service.compare("a", SKILL, "Write a line.", Settings(max_new_tokens=8)))
        return [state.panes[0].tokens for state in comparisons if state.phase != "generating"]

    monkeypatch.setattr(studio.service, "BETWEEN_VIEWS", 0.0)
    each = tokens_told()
    monkeypatch.setattr(studio.service, "BETWEEN_VIEWS", 60.0)
    assert tokens_told() == [each[0], each[-1]]
    assert len(each) > 3


def test_strength_zero_answers_as_without_a_skill(service: Studio):
    panes = run(service.compare("a", SKILL, "Write a line.", Settings(max_new_tokens=12, strength=0.0)))[-1].panes
    assert panes[2].text == panes[0].text
    strong = run(service.compare("a", SKILL, "Write a line.", Settings(max_new_tokens=12, strength=2.0)))[-1].panes
    assert strong[0].text == panes[0].text


def test_the_same_seed_repeats_and_another_does_not(service: Studio):
    def texts(seed: int) -> list[str]:
        settings = Settings(temperature=1.5, max_new_tokens=12, seed=seed)
        return [pane.text for pane in run(service.compare("a", SKILL, "Write.", settings))[-1].panes]

    assert texts(1) == texts(1)
    assert texts(1) != texts(2)


def test_finished_panes_say_whether_they_pass_and_how_they_differ(service: Studio):
    plain = run(service.compare("a", SKILL, "Write a line.", SHORT))[-1].panes
    expected = f"  {plain[0].text}  "
    judged = run(service.compare("a", SKILL, "Write a line.", SHORT, expected))
    assert all(pane.passed is None for state in judged for pane in state.panes if not pane.done)
    panes = judged[-1].panes
    assert [pane.passed for pane in panes] == [pane.text.strip() == expected.strip() for pane in plain]
    assert panes[0].passed
    for pane in panes:
        assert "".join(piece for kind, piece in pane.diff if kind != "add") == expected
        assert "".join(piece for kind, piece in pane.diff if kind != "del") == pane.text
    impossible = (Assertion("contains", plain[0].text[:1]), Assertion("line_count", 77))
    assert {
        p.passed for p in run(service.compare("a", SKILL, "Write a line.", SHORT, expected, impossible))[-1].panes
    } == {False}


def test_a_pane_is_judged_once(service: Studio, monkeypatch: pytest.MonkeyPatch):
    judged = []
    monkeypatch.setattr(studio.service.fidelity, "passes", lambda answer, *_: judged.append(answer) or True)
    last = run(service.compare("a", SKILL, "Write a line.", SHORT, "x"))[-1]
    assert judged == [pane.text for pane in last.panes]
    assert [pane.passed for pane in last.panes] == [True] * 3


def test_closing_a_comparison_ends_the_work_and_leaves_no_hooks(service: Studio):
    base = service._loaded.base
    comparisons = service.compare("a", SKILL, "Write a line.", Settings(max_new_tokens=1000))
    for state in comparisons:
        if state.phase == "answering" and state.panes[0].tokens >= 2:
            break
    comparisons.close()
    assert count_hooks(base) == 0
    assert run(service.compare("a", SKILL, "Write a line.", SHORT))[-1].phase == "done"


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("", "The prompt is empty"),
        (" \n\t", "The prompt is empty"),
        ("x" * (MAX_PROMPT + 1), r"The prompt has 20,001 characters; it may have at most 20,000"),
        ("12 " * 3000, r"The prompt has [\d,]+ tokens; .* tiny-llama's context of 2,048\. Shorten the prompt"),
    ],
    ids=["empty", "blank", "characters", "context"],
)
def test_a_prompt_that_can_not_be_answered_is_refused(service: Studio, prompt: str, said: str):
    with pytest.raises(StudioError, match=said):
        run(service.compare("a", SKILL, prompt, SHORT))


def test_a_skill_too_long_for_the_context_leaves_its_own_pane_empty_alone(service: Studio):
    text = SKILL + "word and " * 1100
    assert service._loaded.base.context_length < service.examine(text).tokens < 8192
    panes = run(service.compare("a", text, "hello", SHORT, expected="x"))[-1].panes
    assert "does not fit" in panes[1].note
    assert (panes[1].text, panes[1].done, panes[1].passed) == ("", True, None)
    assert panes[0].tokens or panes[0].done
    assert [panes[0].passed, panes[2].passed] == [False, False]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"temperature": -0.1}, "temperature is -0.1; it must be a number from 0 to 2"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"temperature": "hot"}, "temperature is hot"),
        ({"max_new_tokens": 0}, "max new tokens is 0; it must be a whole number from 1 to 1024"),
        ({"max_new_tokens": 1.5}, "max new tokens is 1.5; it must be a whole number"),
        ({"max_new_tokens": 100_000}, "max new tokens is 100000"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 0.5}, "seed is 0.5"),
        ({"strength": 3}, "strength is 3; it must be a number from 0 to 2"),
        ({"strength": None}, "strength is None"),
    ],
)
def test_settings_out_of_range_are_refused_with_the_range(service: Studio, changes: dict, said: str):
    with pytest.raises(StudioError, match=said):
        run(service.compare("a", SKILL, "hello", Settings(**changes)))


def test_hostile_text_and_broken_characters_are_plain_text(service: Studio):
    hostile = '</pre><script>alert(1)</script> {{7*7}} <|im_end|> \ud800 "; rm -rf'
    panes = run(service.compare("a", SKILL + hostile, hostile, SHORT, hostile))[-1].panes
    assert all(pane.done for pane in panes)


def test_the_base_is_the_same_after_all_of_this(service: Studio, tiny_folder: Path, checkpoint: Path):
    """Runs last in this file: what the worked studio answers is what a new one answers."""
    new = Studio(str(tiny_folder), str(checkpoint))
    new.start()
    answers = [run(s.compare("z", SKILL, "Write a line.", Settings(max_new_tokens=20)))[-1] for s in (service, new)]
    assert [pane.text for pane in answers[0].panes] == [pane.text for pane in answers[1].panes]
    new.close()
