"""Skills on their way in: read from files or from an address, and scanned; nobody has said yes to them yet.

The page, the endpoints and the command line all take skills in here. Nothing is generated or kept on a disk.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from skills.archive import EVALS, SKILL, ArchiveError, SkillFiles, read_archive, read_folder
from skills.evals import Eval
from skills.fetch import Network, fetch_skill
from skills.library import SkillLibrary
from skills.scan import MAX_FILES, MAX_SIZE, Finding, Severity, shown
from skills.skill import MAX_TEXT, SkillError, is_valid_name
from studio import bundle
from studio.hub import Hub, HubError

_HUB = re.compile(
    r"(?:hf:|(?:https://)?(?:www\.)?(?:huggingface\.co|hf\.co)/)?(?:models/)?"
    r"(?P<name>[\w.-]{1,96}/[\w.-]{1,96})(?:@(?P<revision>[\w./-]{1,200})|/tree/(?P<tree>[\w.-]{1,200})/?)?/?",
    re.ASCII,
)
_ARCHIVES = (".skill", ".zip")
_DATA = (".json", ".jsonl", ".csv")  # any text is taken for a SKILL.md, but for these


class IntakeError(ValueError):
    """No skill came in; the message is ready to be shown."""


@dataclass(frozen=True)
class Arrival:
    """A skill that has come in, and what the scan found. Nobody has said yes to it so far."""

    source: str  # as a person calls it: a file's name, an address
    name: str
    text: str  # of the SKILL.md
    evals: tuple[Eval, ...]
    findings: tuple[Finding, ...]  # the gravest first
    left: tuple[str, ...] = ()  # the names of all files but the text and its evals
    files: dict[str, bytes] = field(default_factory=dict, hash=False)  # those that the studio keeps beside the text

    @classmethod
    def of(cls, source: str, skill: SkillFiles) -> "Arrival":
        """What the studio takes of a skill's files: not what it makes anew for every bundle."""
        left = tuple(sorted(skill.files.keys() - {SKILL, EVALS}))
        files = {path: data for path, data in bundle.skill_files(skill).items() if path != SKILL}
        return cls(source, skill.skill.name, skill.text, skill.evals, skill.findings, left, files)

    @property
    def not_taken(self) -> tuple[str, ...]:
        """The names of the files that the studio makes anew."""
        return tuple(filter(bundle.is_added, self.left))

    @property
    def gravest(self) -> Severity | None:
        """`block`: it is refused; `ask`: only after a deliberate yes; `note` or None: it may be opened."""
        return self.findings[0].severity if self.findings else None


def take(source: str, token: str | None = None) -> Arrival:
    """What `find_skill` gives, as the studio takes it. Raises IntakeError."""
    return Arrival.of(*find_skill(source, token))


def find_skill(source: str, token: str | None = None) -> tuple[str, SkillFiles]:
    """(where it came from, the skill) by a file, a folder, a name of the library or an address.

    For the one who sits at this computer: a SKILL.md stands for its folder, and the `token` for the Hub is by default
    that of the environment. Raises IntakeError.
    """
    path = Path(source)
    try:
        there = path.exists()
    except (OSError, ValueError):  # an address that is no name of a file
        there = False
    if there:
        if path.name == SKILL:
            path = path.parent
        return _folder(path) if path.is_dir() else _files([path])
    try:
        if is_valid_name(source):
            return "the library", read_folder(SkillLibrary().get(source).path.parent)
        return _address(source, Hub(token))
    except (IntakeError, SkillError) as error:
        nowhere = "" if "://" in source else f"There is no file or folder {shown(source)} here. "
        raise IntakeError(f"{nowhere}{error}") from error


def take_files(paths: Sequence[Path]) -> Arrival:
    """The skill in one file, a text or a .skill or .zip, or in several that lie in one folder: SKILL.md among them.

    Only their names count: an `evals.json` is taken for that of the skill. Raises IntakeError.
    """
    return Arrival.of(*_files(paths))


def take_text(source: str, text: str) -> Arrival:
    """The skill in a text that somebody sent along. Raises IntakeError."""
    try:
        return Arrival.of(source, SkillFiles.of({SKILL: text.encode("utf-8", "replace")}))
    except ArchiveError as error:
        raise IntakeError(f"{source} holds no skill. {error}") from error


def take_address(address: str, hub: Hub | None = None, network: Network | None = None) -> Arrival:
    """The skill at an address that anybody may have typed in.

    https://... of a SKILL.md, of a zip, of a repository on GitHub, GitLab or Codeberg or a folder in it, or ending in
    .git; `user/name` for a repository of the Hugging Face Hub, with `@revision` if wanted. `hub` is asked for those: by
    default as everybody sees it, so that no visitor gets at what only the studio's owner may see.
    Raises IntakeError.
    """
    return Arrival.of(*_address(address, hub or Hub(is_visitor=True), network))


def _folder(path: Path) -> tuple[str, SkillFiles]:
    try:
        return path.resolve().name, read_folder(path)
    except ArchiveError as error:
        raise IntakeError(str(error)) from error


def _files(paths: Sequence[Path]) -> tuple[str, SkillFiles]:
    if not paths:
        raise IntakeError(f"No file came. Choose a {SKILL}, a .skill or a .zip.")
    source = paths[0].name if len(paths) == 1 else f"{len(paths)} files"
    if pipe := next((path for path in paths if path.exists() and not path.is_file()), None):
        raise IntakeError(f"{pipe} is not an ordinary file. Save what comes out of it, and give that file.")
    try:
        return source, _read(paths)
    except OSError as error:
        raise IntakeError(f"{source} can't be read ({error.strerror}).") from error
    except ArchiveError as error:
        raise IntakeError(f"{source} {'was' if len(paths) == 1 else 'were'} not opened. {error}") from error


def _address(address: str, hub: Hub, network: Network | None = None) -> tuple[str, SkillFiles]:
    address = address.strip()
    if not address:
        raise IntakeError("The address is empty. Write https://... or, for the Hugging Face Hub, user/name.")
    try:
        if match := _HUB.fullmatch(address):
            name, revision = match["name"], match["revision"] or match["tree"]
            found = hub.fetch(name, revision, ("skill",))
            return f"{name} on the Hub, commit {found.commit[:12]}", found.skill
        return address, fetch_skill(address, network=network)
    except (ArchiveError, HubError) as error:
        raise IntakeError(str(error)) from error


def _read(paths: Sequence[Path]) -> SkillFiles:
    """The skill that uploaded files make up. Raises ArchiveError."""
    if len(paths) > MAX_FILES or sum(path.stat().st_size for path in paths) > MAX_SIZE:
        raise ArchiveError(f"A skill may have {MAX_FILES:,} files and {MAX_SIZE / 1e6:,.0f} MB. Give fewer.")
    if len(paths) == 1:
        path = paths[0]
        if _is_archive(path):
            return read_archive(path)
        if path.suffix.lower() in _DATA:
            raise ArchiveError(f"It holds data and no skill. Choose it together with the {SKILL} that it belongs to.")
        return SkillFiles.of({SKILL: _read_text(path)})
    files: dict[str, bytes] = {}
    for path in paths:
        if _is_archive(path):
            raise ArchiveError(f"{path.name} is an archive. Choose it alone, or the files without it.")
        name = {"evals.json": EVALS, "skill.md": SKILL}.get(path.name.lower(), path.name)
        if name in files:
            raise ArchiveError(f"Two of them are called {shown(path.name)}. Choose the folder, or a zip of it.")
        files[name] = _read_text(path) if name == SKILL else path.read_bytes()
    return SkillFiles.of(files)


def _is_archive(path: Path) -> bool:
    with path.open("rb") as file:
        return path.suffix.lower() in _ARCHIVES or file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def _read_text(path: Path) -> bytes:
    """The bytes of a SKILL.md. Raises ArchiveError for far too many."""
    size = path.stat().st_size
    if size > 4 * MAX_TEXT:  # bytes; a character takes at most four
        raise ArchiveError(f"It has {size / 1e6:.1f} MB; a {SKILL} may have at most {MAX_TEXT:,} characters.")
    return path.read_bytes()
