"""The files of a skill: read from a folder or a `.skill` zip that nobody vouches for, and written as either.

A `.skill` is a zip with the skill's folder at its root. What would leave that folder, or unpack without end, is never
read: it becomes a finding that blocks (see `skills.scan`), and the rest can still be looked at.
"""

import io
import os
import posixpath
import shutil
import stat
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from skills.evals import Eval, EvalError, parse_evals
from skills.scan import (
    MAX_ENTRIES,
    MAX_FILES,
    MAX_RATIO,
    MAX_SIZE,
    RATIO_FROM,
    TOO_MUCH,
    ZIP_ENTRY,
    Finding,
    Report,
    fault_of_path,
    in_order,
    scan_files,
    shown,
    text_of,
)
from skills.skill import Skill, SkillError

SKILL, EVALS = "SKILL.md", "evals/evals.json"

_LEFT_BY_SYSTEMS = frozenset((".git", "__MACOSX", ".DS_Store", "Thumbs.db", "__pycache__"))
_UNPACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others may ask for gigabytes of memory before they unpack
_NEVER = (1980, 1, 1, 0, 0, 0)  # the first date that a zip can hold


class ArchiveError(SkillError):
    """There is no skill in a folder, an archive or at an address; the message is ready to be shown."""


@dataclass(frozen=True)
class SkillFiles:
    """A skill with all its files, and what a careful person would want to know of them."""

    skill: Skill
    text: str  # of the SKILL.md, as it stands there
    files: dict[str, bytes] = field(hash=False)  # by path inside the skill's folder, SKILL.md included
    evals: tuple[Eval, ...]
    findings: tuple[Finding, ...]  # the gravest first

    @classmethod
    def of(cls, files: Mapping[str, bytes], findings: Iterable[Finding] = ()) -> "SkillFiles":
        """The skill that the files make up; `findings` are those made while reading them.

        Raises ArchiveError where there is no SKILL.md or nothing can be made of it.
        """
        if SKILL not in files:
            raise ArchiveError(f"There is no {SKILL}. Give the folder or the .skill file of one skill.")
        text = text_of(SKILL, files[SKILL]) or ""
        try:
            skill = Skill.parse(text)
        except SkillError as error:
            raise ArchiveError(f"{SKILL}: {error}") from error
        evals: tuple[Eval, ...] = ()
        report = Report()
        if EVALS in files:
            try:
                evals = parse_evals(files[EVALS], EVALS)
            except EvalError as error:
                report.add(EVALS, 0, "evals", "note", str(error), "Fix it, or go on without evals.")
        found = in_order([*findings, *report.findings(), *scan_files(files)])
        return cls(skill, text, dict(files), evals, tuple(found))

    @property
    def is_blocked(self) -> bool:
        """Whether a finding says that the skill must not be imported."""
        return any(finding.severity == "block" for finding in self.findings)


def read_archive(source: str | Path | bytes, folder: str = "") -> SkillFiles:
    """The skill in a zip: the one with the SKILL.md that lies highest.

    `folder` is where to look below the top folder, in an archive of a whole repository.
    Raises ArchiveError for what is no zip, or holds no skill or several.
    """
    data = source if isinstance(source, bytes) else _read_file(Path(source))
    if data.count(ZIP_ENTRY) > MAX_ENTRIES:
        raise ArchiveError(f"The archive holds more than {MAX_ENTRIES:,} files. Give one of the skill alone.")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except _DAMAGES as error:
        raise ArchiveError(f"This is not a zip that can be read ({error}). Give a .skill file, or a folder.") from error
    collected = _Collected()
    with archive:
        # some programs on Windows write '\'
        entries = {info: _written_name(info).replace("\\", "/") for info in archive.infolist()}
        size = sum(info.file_size for info in entries if not _is_bomb(info))  # those are left out
        if size >= RATIO_FROM and size > MAX_RATIO * len(data):
            raise ArchiveError(f"The archive would unpack from {len(data):,} to {size:,} bytes. Give another.")
        top = _skill_folder(entries.values(), folder)
        for info, name in entries.items():
            path = name.removeprefix(top)
            is_inside = name.startswith(top)
            if not is_inside and not _climbs(name):
                continue
            if not is_inside or not name.endswith("/"):  # a folder that climbs is told, too
                _collect_entry(collected, archive, info, path if is_inside else name)
    return collected.skill()


def read_folder(path: str | Path) -> SkillFiles:
    """The skill in a folder on this computer; links in it are reported and not followed. Raises ArchiveError."""
    root = Path(path)
    if not (root / SKILL).is_file():
        raise ArchiveError(f"There is no {SKILL} in {root}. Give the folder that holds it.")
    collected = _Collected()
    for folder, names in _walk(root):
        for name in names:
            place = Path(folder, name)
            inside = place.relative_to(root).as_posix()
            if place.is_symlink():
                collected.link(inside, os.readlink(place))
            elif not place.is_dir() and collected.accepts(inside, place.lstat().st_size):
                try:
                    collected.files[inside] = _read_file(place)
                except ArchiveError as error:
                    collected.damaged(inside, str(error))
        if collected.is_full:
            break
    return collected.skill()


def write_archive(files: Mapping[str, bytes], target: Path) -> None:
    """Write a skill's files as a `.skill`, whole or not at all: the same files give the same bytes on every computer.

    Nothing is packed, as packers differ in their bytes; what is large in a skill are adapters, which don't pack.
    Raises ArchiveError for files that `read_archive` would block.
    """
    name = _checked_name(files)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(files):
            info = zipfile.ZipInfo(f"{name}/{path}", _NEVER)
            info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, files[path])
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(packed.getbuffer())
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_folder(files: Mapping[str, bytes], target: Path) -> None:
    """Write a skill's files into a new folder, whole or not at all; no file is one that can be run.

    Raises ArchiveError where something is at `target`, and for files that `read_archive` would block.
    """
    _checked_name(files)
    if target.is_symlink() or target.exists():
        raise ArchiveError(f"There is something at {target} already. Delete it, or choose another place.")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        for path, data in files.items():
            place = temporary / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        temporary.chmod(0o755)
        temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


# ---- what is taken and what is left --------------------------------------------------------------------------------

# All that `zipfile` raises for bytes that are no zip, or one of another kind.
_DAMAGES = (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError, ValueError, OverflowError)


class _Collected:
    """The files taken so far and what was found on the way."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.report = Report()
        self.size = 0
        self.is_full = False
        self._taken: dict[str, bool] = {}  # names as systems compare them -> whether it is a folder's

    def accepts(self, path: str, size: int) -> bool:
        """Whether a file of that many bytes is to be read; if not, the report says why."""
        parts = path.split("/")
        if self.is_full or is_left_by_systems(path):
            return False
        if fault := fault_of_path(path):
            fix = "Ask its author for plain names inside one folder."
            self.report.add(path, 0, "path", "block", f"The path {shown(path)} {fault}.", fix)
            return False
        names = [_compared("/".join(parts[: end + 1])) for end in range(len(parts))]
        if names[-1] in self._taken or any(self._taken.get(name) is False for name in names[:-1]):
            message = f"{shown(path)} is there twice, or differs from another in case only: which one counts is open."
            self.report.add(path, 0, "path", "block", message, "Ask its author which one is meant.")
            return False
        if len(self.files) == MAX_FILES or self.size + size > MAX_SIZE:
            self.report.add("", 0, "bomb", "block", TOO_MUCH, "Ask its author for a smaller one.")
            self.is_full = True
            return False
        self._taken |= dict.fromkeys(names[:-1], True) | {names[-1]: False}
        self.size += size
        return True

    def link(self, path: str, target: str) -> None:
        end = posixpath.normpath(posixpath.join(posixpath.dirname(path), target.replace("\\", "/")))
        leads_out = _climbs(end)
        message = f"It is a link to {shown(target)}{', outside of the skill' * leads_out}; it was left out."
        self.report.add(path, 0, "symlink", "block" if leads_out else "ask", message, "Put the file itself there.")

    def damaged(self, path: str, reason: str) -> None:
        self.report.add(path, 0, "damaged", "block", f"It can't be read: {reason}", "Ask its author for a whole one.")

    def skill(self) -> SkillFiles:
        return SkillFiles.of(self.files, self.report.findings())


def _collect_entry(collected: _Collected, archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: str) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if _is_bomb(info):
        message = f"It would unpack from {info.compress_size:,} to {info.file_size:,} bytes; it was left out."
        collected.report.add(path, 0, "bomb", "block", message, "Ask its author for a smaller one.")
    elif kind == stat.S_IFLNK and info.file_size <= 4096:
        try:
            collected.link(path, _unpack(archive, info).decode("utf-8", "replace"))
        except _DAMAGES as error:
            collected.damaged(path, f"{error}")
    elif kind not in (0, stat.S_IFREG):
        collected.report.add(path, 0, "symlink", "block", "It is a device or a link, not a file.", "Leave it out.")
    elif collected.accepts(path, info.file_size):
        try:
            collected.files[path] = _unpack(archive, info)
        except _DAMAGES as error:
            collected.damaged(path, f"{error}")


def _is_bomb(info: zipfile.ZipInfo) -> bool:
    return info.file_size >= RATIO_FROM and info.file_size > MAX_RATIO * info.compress_size


def _written_name(info: zipfile.ZipInfo) -> str:
    """The name of an entry as it stands there, with what follows a NUL."""
    name = info.orig_filename
    if not info.flag_bits & 0x800:  # "it is UTF-8", which the Finder of macOS and Linux's zip write without saying so
        with suppress(UnicodeError):
            return name.encode("cp437").decode()
    return name


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """The bytes of an entry: at most as many as it declares."""
    if info.flag_bits & 1:
        raise ValueError("it is encrypted")
    if info.compress_type not in _UNPACKED:
        raise ValueError(f"it is packed by method {info.compress_type}, not by deflate")
    with archive.open(info) as file:
        return file.read(info.file_size)


def _skill_folder(names: Iterable[str], folder: str) -> str:
    """The folder, '' or ending in '/', of the SKILL.md that lies highest, below the folder wanted if there is one."""
    wanted = [part for part in folder.split("/") if part]
    tops = []
    for name in names:
        *top, last = name.split("/")
        is_below = not wanted or top[1 : 1 + len(wanted)] == wanted
        if last == SKILL and is_below and not _climbs(name) and _LEFT_BY_SYSTEMS.isdisjoint(top):
            tops.append(top)
    place = f" in {shown(folder)}" if wanted else ""
    if not tops:
        raise ArchiveError(f"There is no {SKILL}{place}. Give the archive or the address of one skill.")
    depth = min(map(len, tops))
    highest = sorted({"/".join(top) for top in tops if len(top) == depth})
    if len(highest) > 1:
        few = ", ".join(shown(top) for top in highest[:10]) + " …" * (len(highest) > 10)
        raise ArchiveError(f"There are {len(highest):,} skills{place}: {few}. Give the address or the folder of one.")
    return f"{highest[0]}/" if highest[0] else ""


def _climbs(path: str) -> bool:
    return ".." in path.split("/") or path.startswith("/") or path[1:2] == ":"


def _compared(path: str) -> str:
    """The path as systems that don't tell cases or ways to write an accent apart see it."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _checked_name(files: Mapping[str, bytes]) -> str:
    """The name of the skill that the files make up. Raises ArchiveError where they can't be written safely."""
    check_paths({path: len(data) for path, data in files.items()})
    if SKILL not in files:
        raise ArchiveError(f"There is no {SKILL} among the files.")
    return Skill.parse(text_of(SKILL, files[SKILL]) or "").name


def is_left_by_systems(path: str) -> bool:
    """Whether a file is none of the skill's, but one that a system or a program left beside it."""
    return not _LEFT_BY_SYSTEMS.isdisjoint(path.split("/"))


def check_paths(sizes: Mapping[str, int]) -> None:
    """Raise ArchiveError where files of these paths and sizes in bytes are none that a skill can have together."""
    collected = _Collected()
    for path, size in sizes.items():
        if not collected.accepts(path, size):
            found = collected.report.findings()
            raise ArchiveError(found[0].message if found else f"{shown(path)} is not a file of a skill. Leave it out.")


# ---- the disk ------------------------------------------------------------------------------------------------------


def _walk(root: Path) -> Iterator[tuple[str, list[str]]]:
    """(folder, names in it) from the root down, in order; links are names, not folders."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - _LEFT_BY_SYSTEMS)
        yield folder, sorted([*folders, *names])


def _read_file(path: Path) -> bytes:
    """The bytes of an ordinary file. Raises ArchiveError for others, and for one that is too large."""
    try:
        # A pipe would keep the reader waiting for ever, and a link may be put there after the look.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(handle, "rb") as file:
            info = os.fstat(file.fileno())
            if not stat.S_ISREG(info.st_mode):
                raise ArchiveError(f"{path.name} is not an ordinary file.")
            if info.st_size > MAX_SIZE:
                raise ArchiveError(f"{path.name} has {info.st_size / 1e6:,.0f} MB, more than {MAX_SIZE / 1e6:,.0f}.")
            return file.read(info.st_size)  # a larger number would be set aside in memory at once
    except OSError as error:
        raise ArchiveError(f"{path} can't be read ({error.strerror}).") from error
