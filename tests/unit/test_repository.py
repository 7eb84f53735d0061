"""What stands in the repository: the Space header, the two commands, and what ships."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def header() -> dict:
    return yaml.safe_load(README.split("---\n")[1])


def requirements() -> list[str]:
    return (ROOT / "requirements.txt").read_text().splitlines()


def test_the_readme_opens_with_a_space_header_that_the_hub_accepts() -> None:
    space = header()
    assert space["sdk"] == "gradio" and re.fullmatch(r"\d+\.\d+\.\d+", space["sdk_version"])
    assert (ROOT / space["app_file"]).is_file()
    assert isinstance(space["python_version"], str)
    assert space["hf_oauth"] is True and space["hf_oauth_scopes"] == ["contribute-repos"]
    assert len(space["short_description"]) <= 60
    assert {space["colorFrom"], space["colorTo"]} <= set("red yellow green blue indigo purple pink gray".split())
    assert space["models"] == space["preload_from_hub"]


def test_the_base_that_a_space_preloads_is_the_default_base() -> None:
    from hypernet.base import DEFAULT_BASE

    assert header()["preload_from_hub"] == [DEFAULT_BASE]


def test_ci_runs_the_readme_s_test_command() -> None:
    command = "bash tests/run.sh"
    assert f"```bash\n{command}\n```" in README
    assert command in (ROOT / ".ci" / "run").read_text().splitlines()


def test_the_tests_install_the_opencode_that_exports_are_read_of() -> None:
    from training.opencode import INSTALL, TOOLS

    assert INSTALL in (ROOT / "tests" / "run.sh").read_text()
    assert f"{TOOLS}/" in (ROOT / ".gitignore").read_text().splitlines()


def test_torch_is_bounded_on_both_sides() -> None:
    assert "torch>=2.9,<2.14" in requirements()


def test_every_file_that_ships_is_under_ten_megabytes() -> None:
    shipped = [p for room in ("hypernet", "skills", "studio", "training") for p in (ROOT / room).rglob("*")]
    assert not [p for p in shipped if p.is_file() and p.stat().st_size >= 10_000_000]


def test_pictures_and_files_that_the_readme_names_exist() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
