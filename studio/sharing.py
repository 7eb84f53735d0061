"""Sharing from the page: the bundle of the skill that is open, and skills that others pushed to the Hub.

A visitor's token comes with each call and is kept nowhere; the server's own is never used for a visitor. What is pulled
is looked at before it is opened, and belongs to the session that pulled it.
"""

import contextlib
import secrets
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from huggingface_hub import constants

from skills.archive import EVALS, SkillFiles, read_archive, read_folder, write_archive
from skills.evals import Eval, EvalError, parse_evals, renamed_evals, render_evals
from skills.scan import Finding
from skills.skill import Skill, SkillError
from studio import bundle
from studio.bundle import SKILL, BundleError, Mismatch
from studio.fidelity import Fidelity
from studio.hub import Hub, HubError, Kind, Pushed, Shared
from studio.service import MAX_SESSIONS, Studio, StudioError
from studio.shelf import MAX_STORED_SIZE, ShelfError

OPEN, WAITING = "open", "waiting"  # folders of a desk

# Stands in an archive on a desk for the SKILL.md, which is in the editor; the name of that may be none of a file.
_COVER = Skill("brought", "What came with a skill.", "").render().encode()

LEFT_SECONDS = 3600  # that a desk outlives its page, as Gradio's States do
FOUND = 40  # repositories that a search shows
PROBLEMS = (StudioError, HubError, BundleError, SkillError)  # their messages are for the visitor


@dataclass(frozen=True)
class Incoming:
    """A skill that was pulled and not opened yet; every text in it is its author's."""

    repository: str
    commit: str
    kind: Kind
    skill: Skill
    text: str
    sizes: dict[str, int] = field(hash=False)  # of its files, in bytes
    findings: tuple[Finding, ...]  # the gravest first
    mismatches: tuple[Mismatch, ...]  # in which a bundle is not what its provenance says
    path: Path  # of its .skill file; there is none where it is blocked

    @property
    def is_blocked(self) -> bool:
        """Whether it must not be opened."""
        return any(finding.severity == "block" for finding in self.findings)

    @property
    def is_asked(self) -> bool:
        """Whether it is opened only after a yes."""
        return bool(self.mismatches) or any(finding.severity == "ask" for finding in self.findings)


@dataclass(frozen=True)
class Brought:
    """What a skill in the editor has beside its text: its evals, and on the desk of the session its files."""

    evals: tuple[Eval, ...] = ()
    files: tuple[str, ...] = ()  # their paths in the skill's folder, the evals' among them
    place: str = ""  # of the files on the desk; '' where the evals are all there is
    saved: Callable[[], dict[str, bytes]] | None = None  # gives the files of a skill that is saved; raises ShelfError


NOTHING = Brought()


@dataclass(frozen=True)
class Ready:
    """What can be pushed, and downloaded if it is a file: a bundle that was made, or the folder of a hypernetwork."""

    path: Path
    name: str  # of its repository, where nothing else is said
    size: int = 0  # of the file, in bytes
    findings: tuple[Finding, ...] = ()  # in what is shared, the gravest first


@dataclass
class _Desk:
    """What a session has on the server's disk: the skill that it pulled last, and what was brought with others."""

    folder: Path
    pulled: Incoming | None = None
    left: float | None = None  # when its page fell silent


class Sharing:
    """What the tab does, for all visitors of a studio."""

    def __init__(self, studio: Studio, endpoint: str | None = None) -> None:
        """`endpoint` is the Hub's address; without it HF_ENDPOINT counts, as for everything else."""
        self.studio = studio
        self._endpoint = endpoint
        self._desks: OrderedDict[str, _Desk] = OrderedDict()
        self._registry = threading.Lock()
        self._files = tempfile.TemporaryDirectory(prefix="parametric-skills-share-", ignore_cleanup_errors=True)

    def close(self) -> None:
        """Delete all files; a process that ends does it too."""
        self._files.cleanup()

    def leave(self, session: str) -> None:
        """Let go in an hour what a session has: its page was closed, or only lost the network and comes back."""
        with self._registry:
            if session in self._desks:
                self._desks[session].left = time.monotonic()

    # ---- the bundle ----

    def source(self, session: str, chosen: str, text: str, brought: Brought = NOTHING) -> SkillFiles:
        """The files of the skill that is open: its text, and what stands beside it where it came from.

        `chosen` is its name in the library, or that of the one that it was forked from; without one, what it `brought`
        along counts. Its evals bear its name, whatever it was called before. Raises SkillError for a text that is none
        of a skill, and StudioError.
        """
        if chosen:
            beside = read_folder(self.studio.library.get(chosen).path.parent).files
        else:
            beside = self.beside(session, text, brought)
        if EVALS in beside:
            beside = beside | {EVALS: renamed_evals(beside[EVALS], Skill.parse(text).name)}
        return SkillFiles.of({**beside, SKILL: text.encode("utf-8", "replace")})

    # ---- what comes with a skill ----

    def bring(
        self,
        session: str,
        files: Mapping[str, bytes],
        waits: bool = False,
        saved: Callable[[], dict[str, bytes]] | None = None,
    ) -> Brought:
        """Lay the files beside a text on the session's desk, in place of those of the skill that was open before.

        With `waits` they lie apart from these until they are `accept`ed. `saved` is where they come from once the desk
        is gone. Raises StudioError, and SkillError for paths that no archive may hold.
        """
        kept = {path: data for path, data in files.items() if path != SKILL and not bundle.is_added(path)}
        evals: tuple[Eval, ...] = ()
        if EVALS in kept:
            with contextlib.suppress(EvalError):  # the scan told of it
                evals = parse_evals(kept[EVALS], EVALS)
        if not kept:
            return NOTHING
        if (size := sum(map(len, kept.values()))) > MAX_STORED_SIZE:
            raise StudioError(
                f"There are {size / 1e6:,.0f} MB beside the text; the studio keeps {MAX_STORED_SIZE / 1e6:,.0f}. Leave "
                f"some files out, or choose its {SKILL} alone."
            )
        brought = Brought(evals, tuple(sorted(kept)), secrets.token_hex(16), saved)
        with self._registry:
            folder = self._desk(session).folder
        target = _place(folder, WAITING if waits else OPEN, brought)
        shutil.rmtree(target.parent, ignore_errors=True)
        with _disk("The files of the skill could not be kept"):
            write_archive(kept | {SKILL: _COVER}, target)
        return brought

    def accept(self, session: str, brought: Brought) -> None:
        """What waited is now beside the skill that is open. Raises StudioError where it is no longer there."""
        if not brought.place:
            return
        with self._registry:
            folder = self._desk(session).folder
        if not _place(folder, WAITING, brought).is_file():
            raise StudioError("What waited to be opened is no longer available. Import it again.")
        shutil.rmtree(folder / OPEN, ignore_errors=True)
        with _disk("The files of the skill could not be kept"):
            (folder / WAITING).rename(folder / OPEN)

    def beside(self, session: str, text: str, brought: Brought) -> dict[str, bytes]:
        """The files that the skill with this text brought along, by their paths in its folder.

        A desk is cleared an hour after its page fell silent, or for newer visitors: then they are those that were
        saved. Raises SkillError for a text that is none of a skill, and StudioError.
        """
        if not brought.place:
            return {EVALS: render_evals(Skill.parse(text).name, brought.evals)} if brought.evals else {}
        with self._registry:
            path = _place(self._desk(session).folder, OPEN, brought)
        if not path.is_file():
            if brought.saved is None:
                raise StudioError(
                    "The files that came with this skill are no longer available. Reload the page, which keeps your "
                    "text, or import the skill again."
                )
            try:
                return brought.saved()
            except ShelfError as error:
                raise StudioError(str(error)) from error
        with _disk("The files of the skill can't be read"):
            files = read_archive(path).files
        return {name: data for name, data in files.items() if name != SKILL}

    def new_file(self, session: str, purpose: str, name: str) -> Path:
        """Where a session's next bundle for a purpose goes, where nobody can guess it; the last one is deleted."""
        with self._registry:
            folder = self._desk(session).folder / purpose
        shutil.rmtree(folder, ignore_errors=True)
        return folder / secrets.token_hex(16) / f"{name}.skill"

    def make(
        self,
        session: str,
        source: SkillFiles,
        target: Path,
        checked: Fidelity | None = None,
        gguf: bool = False,
    ) -> Ready:
        """Write the bundle of a skill as one .skill file; with `checked`, its card holds the evaluation.

        With `gguf` the adapter is in it for llama.cpp, too. Raises StudioError, SkillError or BundleError.
        """
        adapter = self.studio.adapter(session, source.text)
        with _disk(f"The bundle of {source.skill.name} could not be written"):
            llama_cpp = self.studio.adapter_gguf(session, source.text).read_bytes() if gguf else None
            files = bundle.contents(source, adapter, checked, llama_cpp)
            write_archive(files, target)
            size = target.stat().st_size
        return Ready(target, source.skill.name, size, bundle.read(target).findings)

    # ---- the Hub ----

    def whoami(self, token: str | None) -> str:
        """Whose token it is. Raises HubError."""
        return self.hub(token).whoami()

    def push(
        self,
        token: str | None,
        path: Path,
        repository: str = "",
        private: bool | None = None,
        create_pr: bool = False,
        message: str = "",
        accept: bool = False,
    ) -> Pushed:
        """Push a bundle, or the folder of a hypernetwork, with a visitor's token; see `Hub.push`.

        Raises HubError, BundleError or SkillError.
        """
        return self.hub(token).push(path, repository.strip(), private, create_pr, message.strip(), accept)

    def home(self, repository: str) -> str:
        """The address of a repository's page."""
        return f"{self._endpoint or constants.ENDPOINT}/{repository}"

    def browse(self, token: str | None, search: str = "") -> list[Shared]:
        """Skills that people pushed, the most downloaded first. Raises HubError."""
        return self.hub(token).browse(search.strip(), limit=FOUND)

    def pull(self, session: str, token: str | None, repository: str, revision: str = "") -> Incoming:
        """Bring a skill of somebody else's to this session's desk and say what a careful person would want to know.

        Raises HubError, BundleError or SkillError; what was on the desk before is gone then, too.
        """
        self._keep(session, None)
        if not repository.strip():
            raise HubError("Name a repository, such as user/name, or choose one of the list.")
        found = self.hub(token).fetch(repository.strip(), revision.strip() or None, ("bundle", "skill"))
        source = found.skill
        with self._registry:
            path = self._desk(session).folder / "pulled" / secrets.token_hex(16) / "pulled.skill"
        sizes = {name: len(data) for name, data in found.files.items()}
        about = (found.repository, found.commit, found.kind, source.skill, source.text, sizes)
        incoming = Incoming(*about, found.findings, found.mismatches, path)
        if not incoming.is_blocked:
            with _disk(f"{repository} could not be kept"):
                write_archive(source.files, path)
        self._keep(session, incoming)
        return incoming

    def pulled(self, session: str) -> Incoming:
        """What this session pulled last. Raises StudioError where it must not be used, or is no longer there."""
        with self._registry:
            incoming = self._desk(session).pulled
        if incoming is None:
            raise StudioError("What was pulled is no longer available. Pull it again.")
        if incoming.is_blocked:
            raise StudioError(f"{incoming.repository} is not opened: the scan found what must not be used.")
        return incoming

    def open(self, session: str) -> tuple[str, Brought]:
        """(text, what came with it) of what this session pulled last, to work on. Raises StudioError as `pulled`."""
        incoming = self.pulled(session)
        with _disk(f"{incoming.repository} can't be read"):
            return incoming.text, self.bring(session, bundle.read(incoming.path).files)

    def hub(self, token: str | None) -> Hub:
        """The Hub as the visitor with this token sees it. Raises HubError for a text that is no token of theirs."""
        return Hub(token, self._endpoint, is_visitor=True)

    def _desk(self, session: str) -> _Desk:
        """A session's desk, new where there was none, now the last used; only while the registry is held."""
        desk = self._desks.setdefault(session, _Desk(Path(self._files.name, secrets.token_hex(16))))
        desk.left = None
        self._desks.move_to_end(session)
        until = time.monotonic() - LEFT_SECONDS
        gone = [each for each, of in self._desks.items() if of.left is not None and of.left < until]
        gone = gone or [*self._desks][: max(0, len(self._desks) - MAX_SESSIONS)]
        for each in gone:
            shutil.rmtree(self._desks.pop(each).folder, ignore_errors=True)
        return desk

    def _keep(self, session: str, incoming: Incoming | None) -> None:
        """Put another skill that was pulled on a session's desk; the one before is deleted."""
        with self._registry:
            desk = self._desk(session)
            before, desk.pulled = desk.pulled, incoming
        if before:
            shutil.rmtree(before.path.parent, ignore_errors=True)


def _place(folder: Path, which: str, brought: Brought) -> Path:
    """Where on a desk the files lie that were brought."""
    return folder / which / f"{brought.place}.skill"


@contextlib.contextmanager
def _disk(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StudioError(f"{what}: {error.strerror}. Free some disk space.") from error
