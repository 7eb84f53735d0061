"""Sharing from the page: the bundle of the skill that is open, and skills that others pushed to the Hub.

A visitor's token comes with each call and is kept nowhere; the server's own is never used for a visitor. What is pulled
is looked at before it is opened, and belongs to the session that pulled it until its page is closed.
"""

import contextlib
import secrets
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from huggingface_hub import constants

from skills.archive import EVALS, SkillFiles, read_folder, write_archive
from skills.evals import Eval, render_evals
from skills.scan import Finding
from skills.skill import Skill, SkillError
from studio import bundle
from studio.bundle import SKILL, BundleError, Mismatch
from studio.fidelity import Fidelity
from studio.hub import Hub, HubError, Kind, Pushed, Shared
from studio.service import MAX_SESSIONS, Studio, StudioError

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
    evals: tuple[Eval, ...]
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
class Ready:
    """What can be pushed, and downloaded if it is a file: a bundle that was made, or the folder of a hypernetwork."""

    path: Path
    name: str  # of its repository, where nothing else is said
    size: int = 0  # of the file, in bytes
    findings: tuple[Finding, ...] = ()  # in what is shared, the gravest first
    is_checked: bool = False  # a bundle's card holds an evaluation


@dataclass
class _Desk:
    """What a session has on the server's disk: the skill that it pulled last, and the one of them that it opened."""

    folder: Path
    pulled: Incoming | None = None
    opened: Incoming | None = None


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

    def forget(self, session: str) -> None:
        """Delete what a session has: its page was closed."""
        with self._registry:
            desk = self._desks.pop(session, None)
        if desk:
            shutil.rmtree(desk.folder, ignore_errors=True)

    # ---- the bundle ----

    def source(self, session: str, chosen: str, text: str, brought: Sequence[Eval] = ()) -> SkillFiles:
        """The files of the skill that is open: its text, and what stands beside it where it came from.

        `chosen` is its name in the library; without one, the skill that was pulled and opened counts while the text
        bears its name, and else the evals that it `brought` along. Raises SkillError for a text that is none of a
        skill, and StudioError.
        """
        beside: dict[str, bytes] = {}
        if chosen:
            beside = read_folder(self.studio.library.get(chosen).path.parent).files
        elif (opened := self._look(session).opened) and opened.skill.name == Skill.parse(text).name:
            with _disk("The files of the skill can't be read"):
                beside = bundle.skill_files(bundle.read(opened.path))
        elif brought:
            beside = {EVALS: render_evals(Skill.parse(text).name, brought)}
        return SkillFiles.of({**beside, SKILL: text.encode("utf-8", "replace")})

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
        return Ready(target, source.skill.name, size, bundle.read(target).findings, checked is not None)

    # ---- the Hub ----

    def whoami(self, token: str | None) -> str:
        """Whose token it is. Raises HubError."""
        return self._hub(token).whoami()

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
        return self._hub(token).push(path, repository.strip(), private, create_pr, message.strip(), accept)

    def home(self, repository: str) -> str:
        """The address of a repository's page."""
        return f"{self._endpoint or constants.ENDPOINT}/{repository}"

    def browse(self, token: str | None, search: str = "") -> list[Shared]:
        """Skills that people pushed, the most downloaded first. Raises HubError."""
        return self._hub(token).browse(search.strip(), limit=FOUND)

    def pull(self, session: str, token: str | None, repository: str, revision: str = "") -> Incoming:
        """Bring a skill of somebody else's to this session's desk and say what a careful person would want to know.

        Raises HubError, BundleError or SkillError; what was on the desk before is gone then, too.
        """
        self._keep(session, pulled=None)
        if not repository.strip():
            raise HubError("Name a repository, such as user/name, or choose one of the list.")
        found = self._hub(token).fetch(repository.strip(), revision.strip() or None, ("bundle", "skill"))
        source = found.skill
        with self._registry:
            path = self._desk(session).folder / "pulled" / secrets.token_hex(16) / "pulled.skill"
        sizes = {name: len(data) for name, data in found.files.items()}
        about = (found.repository, found.commit, found.kind, source.skill, source.text, source.evals, sizes)
        incoming = Incoming(*about, found.findings, found.mismatches, path)
        if not incoming.is_blocked:
            with _disk(f"{repository} could not be kept"):
                write_archive(source.files, path)
        self._keep(session, pulled=incoming)
        return incoming

    def pulled(self, session: str) -> Incoming:
        """What this session pulled last. Raises StudioError where it must not be used, or is there no more."""
        incoming = self._look(session).pulled
        if incoming is None:
            raise StudioError("What was pulled is there no more. Pull it again.")
        if incoming.is_blocked:
            raise StudioError(f"{incoming.repository} is not opened: the scan found what must not be used.")
        return incoming

    def open(self, session: str) -> Incoming:
        """What this session pulled last, which is now the skill that it works on. Raises StudioError as `pulled`."""
        incoming = self.pulled(session)
        self._keep(session, opened=incoming)
        return incoming

    def _hub(self, token: str | None) -> Hub:
        return Hub(token, self._endpoint, is_visitor=True)

    def _desk(self, session: str) -> _Desk:
        """A session's desk, new where there was none, now the last used; only while the registry is held."""
        desk = self._desks.setdefault(session, _Desk(Path(self._files.name, secrets.token_hex(16))))
        self._desks.move_to_end(session)
        if len(self._desks) > MAX_SESSIONS:
            shutil.rmtree(self._desks.popitem(last=False)[1].folder, ignore_errors=True)
        return desk

    def _look(self, session: str) -> _Desk:
        with self._registry:
            return replace(self._desks.get(session, _Desk(Path())))

    def _keep(self, session: str, **changes: Incoming | None) -> None:
        """Put something else on a session's desk; what is neither pulled nor opened any more is deleted."""
        with self._registry:
            desk = self._desk(session)
            before = [desk.pulled, desk.opened]
            for place, incoming in changes.items():
                setattr(desk, place, incoming)
            for incoming in before:
                if incoming and incoming not in (desk.pulled, desk.opened):
                    shutil.rmtree(incoming.path.parent, ignore_errors=True)


@contextlib.contextmanager
def _disk(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StudioError(f"{what}: {error.strerror}. Free some disk space.") from error
