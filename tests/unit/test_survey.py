"""What was measured of the library: by the code of the check, written after each skill, and read with suspicion."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hypernet.hypernetwork import CHECKPOINTS, INDEX_FILE
from skills.library import SHIPPED, SkillLibrary
from skills.skill import text_sha256
from studio import survey
from studio.__main__ import main
from studio.service import Studio
from studio.survey import Survey

NAMES = ("clean-audit-log", "compact-log-lines", "shop-report-triage")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> SkillLibrary:
    """Three skills that ship, one without its evals."""
    root = tmp_path_factory.mktemp("library")
    for name in NAMES:
        shutil.copytree(SHIPPED / name, root / name)
        evals = root / name / "evals" / "evals.json"
        few = json.loads(evals.read_text(encoding="utf-8"))
        few["evals"] = few["evals"][:2]
        evals.write_text(json.dumps(few), encoding="utf-8")
    shutil.rmtree(root / NAMES[2] / "evals")
    return SkillLibrary(root)


@pytest.fixture(scope="module")
def ready(tiny_folder: Path, checkpoint: Path, library: SkillLibrary) -> Iterator[Studio]:
    """A studio on the tiny base with that library, loaded."""
    made = Studio(str(tiny_folder), str(checkpoint))
    made.library = library
    made.start()
    made.wait()
    yield made
    made.close()


def quiet(_message: str) -> None:
    """No progress wanted."""


@pytest.fixture(scope="module")
def steps(ready: Studio) -> list[Survey]:
    return list(survey.measure(ready, say=quiet))


def test_a_survey_says_what_the_check_and_the_adapters_say(ready: Studio, steps: list[Survey]):
    found = steps[-1]
    assert (found.measured_on, found.hypernetwork) == (ready.status().message, ready.fingerprint())
    assert [*found.skills] == [*NAMES]
    for entry in ready.library.list():
        surveyed = found.skills[entry.skill.name]
        assert (surveyed.sha256, surveyed.tokens) == (text_sha256(entry.text), ready.count_tokens(entry.text))
        checked = [check.fidelity.score for check in ready.check("x", entry.text, entry.evals)][-1]
        assert surveyed.score == checked
    assert found.skills[NAMES[0]].score.n == 2
    assert found.skills[NAMES[2]].score is None
    texts = [entry.text for entry in ready.library.list()]
    assert found.cosines == [*ready.likeness("x", texts)][-1].cosines


def test_what_is_found_so_far_comes_after_each_skill_and_is_not_measured_again(ready: Studio, steps: list[Survey]):
    assert [sum(found.score is not None for found in step.skills.values()) for step in steps] == [1, 2, 2, 2]
    messages: list[str] = []
    again = list(survey.measure(ready, steps[0], messages.append))
    assert again[-1] == steps[-1]
    assert not any(NAMES[0] in message for message in messages)
    assert any(NAMES[1] in message for message in messages)
    other = Survey("tiny", "another hypernetwork", steps[-1].skills, steps[-1].cosines)
    messages.clear()
    list(survey.measure(ready, other, messages.append))
    assert any(NAMES[0] in message for message in messages)


def test_a_survey_comes_back_from_its_file(steps: list[Survey], tmp_path: Path):
    survey.write(steps[-1], tmp_path / "library.json")
    assert survey.load(tmp_path / "library.json") == steps[-1]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"measured_on": "x", "hypernetwork": "y", "skills": {"a": {}}, "cosines": [[1]]}',
        '{"measured_on": "x", "hypernetwork": "y", "skills": {}, "cosines": [[1]]}',
        '{"measured_on": "x", "hypernetwork": "y", "skills": [], "cosines": []}',
        "\udcff",
    ],
)
def test_a_damaged_file_is_as_none_and_the_log_says_how_to_mend_it(
    content: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    file = tmp_path / "library.json"
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert survey.load(file) is None
    assert "python -m studio survey" in caplog.text
    assert survey.load(tmp_path / "missing.json") is None


def test_the_command_writes_the_file(
    tiny_folder: Path,
    checkpoint: Path,
    library: SkillLibrary,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setattr("studio.service.SkillLibrary", lambda: library)
    out, model = tmp_path / "library.json", ["--base", str(tiny_folder), "--checkpoint", str(checkpoint)]
    assert main(["survey", "--out", str(out), *model]) == 0
    assert "3 skills with the hypernetwork" in capsys.readouterr().out
    assert [*survey.load(out).skills] == [*NAMES]
    assert main(["survey", "--out", str(tmp_path), *model]) == 2
    assert "can't be written" in capsys.readouterr().err


def test_the_survey_that_ships_is_of_the_checkpoint_and_the_skills_that_ship() -> None:
    found, texts = survey.load(), {entry.skill.name: entry.text for entry in SkillLibrary().list()}
    assert {name: each.sha256 for name, each in found.skills.items()} == {n: text_sha256(t) for n, t in texts.items()}
    assert all(each.score and each.score.n for each in found.skills.values())
    (index,) = CHECKPOINTS.glob(f"*/{INDEX_FILE}")
    assert all(f"-{found.hypernetwork[:8]}-" in name for name in json.loads(index.read_text())["weight_map"].values())
