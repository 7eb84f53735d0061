"""A skill's files in and out: what comes back whole, what is left out with a reason, and what is refused."""

import io
import os
import stat
import zipfile
from contextlib import nullcontext
from pathlib import Path

import pytest

from skills.archive import ArchiveError, SkillFiles, read_archive, read_folder, write_archive, write_folder
from skills.library import SHIPPED
from skills.scan import MAX_FILES, MAX_SIZE, RATIO_FROM, Finding
from skills.skill import SkillError

TEXT = "---\nname: greet\ndescription: Says hi.\n---\n\nAnswer with hi.\n"
SKILL = {"SKILL.md": TEXT.encode()}


def zipped(entries: dict[str, bytes] | list[tuple[str | zipfile.ZipInfo, bytes]], packed: bool = True) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        for name, data in entries.items() if isinstance(entries, dict) else entries:
            archive.writestr(name, data)
    return out.getvalue()


def entry(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


def graver(skill: SkillFiles, kind: str) -> list[Finding]:
    """The findings of a kind that are more than a note."""
    return [finding for finding in skill.findings if finding.kind == kind and finding.severity != "note"]


# ---- in and out ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(path.name for path in SHIPPED.iterdir() if path.is_dir()))
def test_a_skill_of_the_library_goes_out_and_comes_back_whole_and_without_a_finding(name: str, tmp_path: Path):
    skill = read_folder(SHIPPED / name)
    assert skill.skill.name == name and skill.evals and skill.findings == ()
    write_archive(skill.files, tmp_path / "x.skill")
    write_folder(skill.files, tmp_path / "folder" / name)
    assert read_archive(tmp_path / "x.skill") == read_folder(tmp_path / "folder" / name) == skill


def test_a_skill_file_has_the_skills_folder_at_its_root_and_the_same_bytes_each_time(tmp_path: Path):
    files = SKILL | {"scripts/b.py": b"1", "a.txt": b"2"}
    write_archive(files, tmp_path / "one.skill")
    write_archive(dict(reversed(files.items())), tmp_path / "two" / "two.skill")
    assert (tmp_path / "one.skill").read_bytes() == (tmp_path / "two" / "two.skill").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.skill") as archive:
        assert archive.namelist() == ["greet/SKILL.md", "greet/a.txt", "greet/scripts/b.py"]
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.skill", "two"]


def test_a_failed_writing_leaves_what_was_there(tmp_path: Path):
    target = tmp_path / "x.skill"
    target.write_text("before")
    for files in (SKILL | {"../up": b""}, SKILL | {"A": b"", "a": b""}, {"a": b""}):
        with pytest.raises(ArchiveError):
            write_archive(files, target)
        with pytest.raises(ArchiveError):
            write_folder(files, tmp_path / "folder")
    assert target.read_text() == "before" and [*tmp_path.iterdir()] == [target]


def test_a_folder_is_never_written_over_another_or_through_a_link(tmp_path: Path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("there", "link"):
        with pytest.raises(ArchiveError, match="already"):
            write_folder(SKILL, tmp_path / name)
    write_folder(SKILL | {"scripts/run.sh": b"#!/bin/sh\n"}, tmp_path / "new")
    assert not (tmp_path / "new" / "scripts" / "run.sh").stat().st_mode & stat.S_IXUSR


@pytest.mark.parametrize("top", ["", "greet/", "a/b/c/"])
def test_the_skill_is_found_wherever_its_folder_lies(top: str):
    skill = read_archive(zipped({f"{top}SKILL.md": TEXT.encode(), f"{top}a/b.txt": b"x", "__MACOSX/._SKILL.md": b"?"}))
    assert skill.text == TEXT and set(skill.files) == {"SKILL.md", "a/b.txt"} and not skill.findings


def test_of_a_repository_the_folder_that_was_asked_for_is_read():
    data = zipped(
        {f"repo-main/skills/{name}/SKILL.md": TEXT.replace("greet", name).encode() for name in ("one", "two")}
    )
    assert read_archive(data, "skills/two").skill.name == "two"
    with pytest.raises(ArchiveError, match=r"There are 2 skills.*skills/one.*skills/two"):
        read_archive(data)
    with pytest.raises(ArchiveError, match=r"no SKILL\.md in 'skills/three'"):
        read_archive(data, "skills/three")


def test_a_zip_from_windows_and_a_text_in_utf_16_are_read():
    info = zipfile.ZipInfo("x")
    info.filename = "greet\\a\\b.txt"
    data = zipped([("greet/SKILL.md", TEXT.encode("utf-16")), (info, b"x")])
    skill = read_archive(data)
    assert skill.text == TEXT and skill.files["a/b.txt"] == b"x"


def test_names_in_utf_8_that_do_not_say_so_are_read():
    name = "références/né.md"
    plain = "r__f__rences/n__.md"
    data = zipped({"greet/SKILL.md": TEXT.encode(), f"greet/{plain}": b"x"}).replace(plain.encode(), name.encode())
    assert set(read_archive(data).files) == {"SKILL.md", name}


def test_bad_evals_are_noted_and_the_skill_still_comes():
    skill = SkillFiles.of(SKILL | {"evals/evals.json": b'{"skill_name": "greet", "evals": []}'})
    assert skill.evals == ()
    assert [(found.kind, found.severity, found.path) for found in skill.findings] == [
        ("evals", "note", "evals/evals.json")
    ]


# ---- what is left out ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "../up",
        "greet/../../up",
        "/etc/x",
        "C:/x",
        "greet/C:x",
        "..\\up",
        "greet\\..\\..\\up",
        "greet/a\0b",
        "greet/con",
    ],
)
def test_a_path_that_climbs_or_is_none_everywhere_is_left_out_and_blocks(name: str):
    info = zipfile.ZipInfo("x")
    info.filename = info.orig_filename = name
    skill = read_archive(zipped([("greet/SKILL.md", TEXT.encode()), (info, b"x")]))
    assert set(skill.files) == {"SKILL.md"} and skill.is_blocked
    assert [found.severity for found in graver(skill, "path")] == ["block"]


@pytest.mark.parametrize("second", ["greet/a.txt", "greet/A.TXT", "greet/a.txt/b", "greet/SKILL.MD"])
def test_what_is_there_twice_blocks(second: str):
    with pytest.warns(UserWarning) if second == "greet/a.txt" else nullcontext():
        data = zipped([("greet/SKILL.md", TEXT.encode()), ("greet/a.txt", b"1"), (second, b"2")])
    skill = read_archive(data)
    assert skill.files == SKILL | {"a.txt": b"1"} and [found.severity for found in graver(skill, "path")] == ["block"]


@pytest.mark.parametrize(("target", "severity"), [("a.txt", "ask"), ("../../x", "block"), ("/etc/passwd", "block")])
def test_links_are_reported_and_not_followed(target: str, severity: str, tmp_path: Path):
    write_folder(SKILL | {"b/a.txt": b"x"}, tmp_path / "greet")
    (tmp_path / "greet" / "b" / "link").symlink_to(target)
    (tmp_path / "greet" / "folder").symlink_to("b")
    entries = [("greet/SKILL.md", TEXT.encode()), ("greet/b/a.txt", b"x")]
    links = [
        (entry("greet/b/link", stat.S_IFLNK | 0o777), target.encode()),
        (entry("greet/folder", stat.S_IFLNK), b"b"),
    ]
    for skill in (read_folder(tmp_path / "greet"), read_archive(zipped([*entries, *links]))):
        assert set(skill.files) == {"SKILL.md", "b/a.txt"}
        assert {found.path: found.severity for found in graver(skill, "symlink")} == {
            "b/link": severity,
            "folder": "ask",
        }


def test_a_pipe_in_a_folder_keeps_nobody_waiting(tmp_path: Path):
    write_folder(SKILL, tmp_path / "greet")
    os.mkfifo(tmp_path / "greet" / "pipe")
    skill = read_folder(tmp_path / "greet")
    assert set(skill.files) == {"SKILL.md"} and [found.path for found in graver(skill, "damaged")] == ["pipe"]


def test_a_device_in_a_zip_blocks():
    skill = read_archive(zipped([("SKILL.md", TEXT.encode()), (entry("dev", stat.S_IFBLK), b"")]))
    assert skill.is_blocked and set(skill.files) == {"SKILL.md"}


def test_a_bomb_is_left_out_by_its_ratio_before_it_is_unpacked():
    skill = read_archive(zipped({"SKILL.md": TEXT.encode(), "zeros": bytes(20_000_000)}))
    assert set(skill.files) == {"SKILL.md"} and [found.path for found in graver(skill, "bomb")] == ["zeros"]


def test_the_ratio_counts_from_a_file_of_just_the_size_from_which_it_does():
    skill = read_archive(zipped({"SKILL.md": TEXT.encode(), "zeros": bytes(RATIO_FROM)}))
    assert set(skill.files) == {"SKILL.md"} and [found.path for found in graver(skill, "bomb")] == ["zeros"]


def test_many_small_bombs_are_one():
    zeros = {f"{number}": bytes(RATIO_FROM - 1) for number in range(5)}
    with pytest.raises(ArchiveError, match=r"would unpack from .* to 5,000,0"):
        read_archive(zipped({"SKILL.md": TEXT.encode()} | zeros))


def test_too_many_files_end_the_reading():
    skill = read_archive(zipped({"SKILL.md": TEXT.encode()} | {f"{number}": b"" for number in range(MAX_FILES + 5)}))
    assert len(skill.files) == MAX_FILES and [found.severity for found in graver(skill, "bomb")] == ["block"]


def test_a_file_that_says_it_is_far_larger_than_it_is_costs_nothing():
    data = bytearray(zipped({"SKILL.md": TEXT.encode(), "big": b"x" * 100}, packed=False))
    place = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    data[place + 20 : place + 28] = (MAX_SIZE - 1000).to_bytes(4, "little") * 2  # both sizes
    with pytest.raises(ArchiveError, match="would unpack from"):
        read_archive(bytes(data))


def test_a_place_beyond_all_numbers_is_damage():
    info = entry("far", stat.S_IFREG)
    info.extra = (1).to_bytes(2, "little") + (8).to_bytes(2, "little") + (2**64 - 1).to_bytes(8, "little")
    data = bytearray(zipped([("SKILL.md", TEXT.encode()), (info, b"x")]))
    place = data.rindex(b"PK\x01\x02")
    data[place + 42 : place + 46] = b"\xff" * 4  # look into `extra`
    skill = read_archive(bytes(data))
    assert set(skill.files) == {"SKILL.md"} and graver(skill, "damaged")


def test_an_encrypted_file_and_a_rare_packing_are_left_out():
    data = bytearray(zipped({"SKILL.md": TEXT.encode(), "a": b"x", "b": b"x"}))
    first = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    second = data.index(b"PK\x01\x02", first + 1)
    data[first + 8] |= 1  # encrypted
    data[second + 10] = 14  # LZMA, whose header may ask for 4 GB
    skill = read_archive(bytes(data))
    assert set(skill.files) == {"SKILL.md"} and {found.path for found in graver(skill, "damaged")} == {"a", "b"}


# ---- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not a zip"),
        (b"PK\x03\x04 and no more", "not a zip"),
        (zipped({}), r"no SKILL\.md"),
        (zipped({"greet/README.md": b"x"}), r"no SKILL\.md"),
        (zipped({"../SKILL.md": TEXT.encode()}), r"no SKILL\.md"),
        (zipped({"SKILL.md": b""}), r"SKILL\.md: The text is empty"),
        (zipped({"SKILL.md": bytes(range(256))}), r"SKILL\.md: This is not text"),
        (zipped({f"{number}": b"" for number in range(100)}) + b"PK\x01\x02" * 60_000, "more than 50,000 files"),
    ],
)
def test_what_holds_no_skill_is_refused_with_a_reason(data: bytes, said: str):
    with pytest.raises(ArchiveError, match=said):
        read_archive(data)


def test_a_missing_file_or_folder_is_refused(tmp_path: Path):
    with pytest.raises(ArchiveError, match="can't be read"):
        read_archive(tmp_path / "none.skill")
    with pytest.raises(ArchiveError, match=r"no SKILL\.md"):
        read_folder(tmp_path)
    assert issubclass(ArchiveError, SkillError)
