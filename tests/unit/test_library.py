"""The library: listing, looking up and searching a folder, what is kept out of it, and the shipped skills."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import skills.library
from skills.evals import EvalError
from skills.library import SHIPPED, SUBTASKS, LibraryEntry, SkillLibrary
from skills.skill import Skill, SkillError, validate
from studio.fidelity import passes


def add(
    root: Path, name: str, description: str = "Fine.", body: str = "Do it.", subtask: str = "", evals: str = ""
) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    skill = Skill(name, description, body, metadata={"subtask": subtask} if subtask else {})
    (folder / "SKILL.md").write_text(skill.render(), encoding="utf-8")
    if evals:
        (folder / "evals").mkdir()
        (folder / "evals" / "evals.json").write_text(evals, encoding="utf-8")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "library"
    add(root, "write-commits", "Writes commit lines.", "Start with a TICKET.", "Feature/Patch")
    add(root, "cut-logs", "Shortens log lines before a commit.", "Keep the Level.", "Performance/Data")
    add(root, "name-things", "Names settings.", "UPPER_CASE, never for logs.")
    return root


def names(entries: list[LibraryEntry]) -> list[str]:
    return [entry.skill.name for entry in entries]


def test_the_module_wins_over_the_folder_of_the_same_name():
    # In a fresh interpreter and from the root of the repository, where the folder could be taken for a package.
    repository = SHIPPED.parents[1]
    command = [sys.executable, "-c", "import skills.library as module; print(module.__file__, module.SkillLibrary)"]
    said = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True).stdout
    assert said.startswith(str(repository / "skills" / "library.py"))
    assert SHIPPED.is_dir()
    assert not list(SHIPPED.rglob("__init__.py"))
    assert skills.library.SkillLibrary().root == SHIPPED


def test_entries_are_sorted_and_hold_what_the_files_hold(root: Path):
    evals = {"id": "1", "prompt": "p", "expected_output": "e", "assertions": [{"kind": "equals", "value": "e"}]}
    add(root, "a-first", subtask="Robustness Fix", evals=json.dumps({"skill_name": "a-first", "evals": [evals]}))
    first, *others = SkillLibrary(root).list()
    assert names(others) == ["cut-logs", "name-things", "write-commits"]
    assert [entry.subtask for entry in others] == ["Performance/Data", "", "Feature/Patch"]
    assert others[0].evals == ()
    assert first.skill == Skill.parse(first.text)
    assert first.text == first.path.read_text(encoding="utf-8")
    assert (first.subtask, first.evals[0].prompt) == ("Robustness Fix", "p")


def test_a_search_wants_every_word_in_name_description_or_body_and_case_does_not_count(root: Path):
    library = SkillLibrary(root)
    assert names(library.search("ticket COMMIT")) == ["write-commits"]
    assert names(library.search("level shortens")) == ["cut-logs"]
    assert names(library.search("ticket level")) == []
    assert library.search("  ") == library.list()


def test_a_search_puts_hits_in_the_name_first(root: Path):
    library = SkillLibrary(root)
    assert names(library.search("commit")) == ["write-commits", "cut-logs"]
    assert names(library.search("Name")) == ["name-things"]
    assert names(library.search("logs")) == ["cut-logs", "name-things"]


def test_a_search_can_be_kept_to_a_subtask(root: Path):
    library = SkillLibrary(root)
    assert names(library.search("", "Feature/Patch")) == ["write-commits"]
    assert names(library.search("commit", "Performance/Data")) == ["cut-logs"]
    assert library.search("commit", "Diagnosis/Search") == []


def test_an_unknown_name_is_answered_with_near_ones(root: Path):
    library = SkillLibrary(root)
    assert library.get("cut-logs") is library.list()[0]
    with pytest.raises(SkillError, match=r"no skill 'Write-Commit'. Did you mean write-commits\?"):
        library.get("Write-Commit")
    with pytest.raises(SkillError, match="no skill 'zzz'"):
        library.get("zzz")


@pytest.mark.parametrize(
    "name", ["../outside", "..", ".", "", "/etc", "a/../cut-logs", "cut-logs/", "\0", "a" * 10_000_000]
)
def test_a_name_never_climbs_out_of_the_folder(root: Path, name: str):
    add(root.parent, "outside")
    with pytest.raises(SkillError) as raised:
        SkillLibrary(root).get(name)
    assert len(str(raised.value)) < 300


def test_a_link_that_leads_out_of_the_folder_is_passed_over(root: Path):
    outside = add(root.parent, "outside", evals="not even JSON")
    (root / "outside").symlink_to(outside)
    (root / "by-file").mkdir()
    (root / "by-file" / "SKILL.md").symlink_to(outside / "SKILL.md")
    (root / "cut-logs" / "evals").symlink_to(outside / "evals")
    library = SkillLibrary(root)
    assert names(library.list()) == ["cut-logs", "name-things", "write-commits"]
    assert library.get("cut-logs").evals == ()


def test_what_is_no_skill_is_passed_over(root: Path):
    (root / "half-written").mkdir()
    (root / "README.md").write_text("# Skills")
    add(root, "__pycache__")
    assert len(SkillLibrary(root).list()) == 3


def test_files_are_read_once(root: Path):
    library = SkillLibrary(root)
    first = library.get("cut-logs")
    (root / "cut-logs" / "SKILL.md").unlink()
    assert library.get("cut-logs") is first
    assert names(SkillLibrary(root).list()) == ["name-things", "write-commits"]


def test_a_skill_that_can_not_be_read_is_told_with_its_file(root: Path):
    (add(root, "broken") / "SKILL.md").write_bytes(bytes(range(256)) * 9)
    with pytest.raises(SkillError, match=r"broken/SKILL\.md: This is not text"):
        SkillLibrary(root).list()


def test_a_skill_with_another_name_than_its_folder_is_told(root: Path):
    (root / "cut-logs").rename(root / "cut-lines")
    with pytest.raises(SkillError, match=r"cut-lines/SKILL\.md: the skill is named 'cut-logs'"):
        SkillLibrary(root).list()


def test_bad_evals_are_told_with_their_file(root: Path):
    add(root, "bad-evals", evals="{")
    with pytest.raises(EvalError, match=r"bad-evals/evals/evals\.json: line 1"):
        SkillLibrary(root).list()


def test_a_root_that_is_no_folder_is_told(tmp_path: Path):
    with pytest.raises(SkillError, match=r"no folder of skills at .*gone"):
        SkillLibrary(tmp_path / "gone").list()


# ---- the skills that ship ------------------------------------------------------------------------------------------


def test_the_shipped_library_has_four_skills_or_more_for_each_subtask():
    entries = SkillLibrary().list()
    assert len(entries) >= 24
    assert {entry.subtask for entry in entries} == set(SUBTASKS)
    assert [task for task in SUBTASKS if sum(entry.subtask == task for entry in entries) < 4] == []


def test_no_folder_of_the_shipped_library_is_left_out():
    assert {path.name for path in SHIPPED.iterdir()} == set(names(SkillLibrary().list()))


def test_every_shipped_skill_is_to_the_specification():
    problems = {entry.skill.name: validate(entry.text, entry.path.parent.name) for entry in SkillLibrary().list()}
    assert {name: found for name, found in problems.items() if found} == {}


def test_every_shipped_skill_has_six_evals_or_more_with_prompts_of_their_own():
    for entry in SkillLibrary().list():
        assert len(entry.evals) >= 6, entry.skill.name
        assert len({ev.prompt.strip() for ev in entry.evals}) == len(entry.evals), entry.skill.name
        data = json.loads((entry.path.parent / "evals" / "evals.json").read_text(encoding="utf-8"))
        assert data["skill_name"] == entry.skill.name


def test_every_expected_output_passes_its_own_assertions_and_an_empty_answer_does_not():
    for entry in SkillLibrary().list():
        for ev in entry.evals:
            judged = [passes(answer, ev.expected_output, ev.assertions) for answer in (ev.expected_output, "")]
            assert judged == [True, False], (entry.skill.name, ev.id)
