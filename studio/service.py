"""Everything a view or the command line asks for: load, examine, generate, compare, download.

Imports no Gradio, and the heavy libraries only where the base is loaded, so that the page answers before them.
"""

import logging
import math
import secrets
import shutil
import tempfile
import threading
import time
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from skills.evals import Assertion, Eval, word_diff
from skills.library import SkillLibrary
from skills.scan import Finding, scan_text
from skills.skill import MAX_TEXT, Problem, Skill, SkillError, validate
from studio import bundle, fidelity
from studio.examples import Reach
from studio.fidelity import Check, Fidelity

if TYPE_CHECKING:
    from hypernet.adapter import Adapter
    from hypernet.base import Base
    from hypernet.hypernetwork import Hypernetwork
    from hypernet.lora import LoraWeights

PANES = ("No skill", "Skill in the prompt", "Skill as parameters")
STACK_PANES = ("No skill", "Skills in the prompt", "Skills as parameters")
CUT_OFF = "Cut off at the length limit."  # the note of a pane whose answer would have gone on
MAX_PROMPT = 20_000  # characters
BETWEEN_VIEWS = 0.25  # seconds, at least: a page that is drawn anew for every token takes time from the next one
MAX_STACK = 4  # skills at once: what stacks were measured for, and one more
MAX_SHARE = 2.0
# With the checkpoint that ships, most two skills of the library have 0.07 to 0.22, of one kind 0.2 to 0.34.
OVERLAPS = (
    (0.7, "nearly the same: one may speak for the other"),
    (0.23, "alike, as two skills of one kind: they may mix up each other's words"),
    (0.06, "they overlap no more than any two skills do"),
    (-0.1, "they hardly overlap"),
    (-1.1, "they pull against each other"),
)
MAX_SESSIONS, ADAPTERS_A_SESSION = 64, 6  # an adapter of the default base takes 6 MB
MAX_HYPERNETWORKS = 4  # visitors' own that are in memory at once; one for the default base takes 32 MB
MAX_PARTS = 64  # adapters' own parts that are kept for comparing; one of the default base takes 1 MB
LOAD_SECONDS = 600  # how long a caller without a page waits for the base

Source = str | tuple["Part", ...]  # what an adapter is made from: the text of a skill, or several at once

log = logging.getLogger(__name__)


class StudioError(ValueError):
    """Something that can't be done; the message is ready to be shown."""


@dataclass(frozen=True)
class Status:
    """How far the base is."""

    state: Literal["loading", "ready", "failed"]
    message: str


@dataclass(frozen=True)
class Settings:
    """How answers are drawn."""

    temperature: float = 0.0  # 0: always the most likely token
    max_new_tokens: int = 64
    seed: int = 0
    strength: float = 1.0  # of the adapter: 0 is the base, 1 what the hypernetwork meant

    def check(self) -> None:
        """Raise StudioError where a value is out of its range."""
        limits = {"temperature": (0, 2), "max_new_tokens": (1, 1024), "seed": (0, 2**31 - 1), "strength": (0, 2)}
        for name, (low, high) in limits.items():
            value, whole = getattr(self, name), name in ("max_new_tokens", "seed")
            if not isinstance(value, int if whole else (int, float)) or not low <= value <= high:
                kind = "a whole number" if whole else "a number"
                raise StudioError(f"{name.replace('_', ' ')} is {value}; it must be {kind} from {low} to {high}.")


@dataclass(frozen=True)
class Examination:
    """What is known of a skill's text while it is typed."""

    problems: tuple[Problem, ...]
    tokens: int | None  # None while the base loads
    skill: Skill | None
    blocking: str  # why no adapter can be made; empty where one can
    findings: tuple[Finding, ...] = ()  # of the scan, the gravest first


@dataclass(frozen=True)
class AdapterInfo:
    """An adapter, for people."""

    skill_name: str
    sha256: str  # of the text it was made from
    seconds: float
    tokens: int  # of that text
    size_bytes: int  # of its weights file
    rank: int
    fresh: bool  # made now, not found
    base_name: str
    base_revision: str  # commit of its repository on the Hub, '' where it did not come from there
    base_fingerprint: str
    hypernetwork_fingerprint: str
    snippet_peft: str
    snippet_vllm: str
    snippet_llama_cpp: str  # empty where llama.cpp does not have the base's architecture in a way that is known here
    shares: tuple[tuple[str, float], ...] = ()  # of a stack: each skill's name and how much of it goes in
    overlaps: tuple["Overlap", ...] = ()  # of a stack: each pair of skills


@dataclass(frozen=True)
class Part:
    """One skill of several at once."""

    text: str
    share: float = 1.0  # how much of it goes in beside the others; the strength of the whole is a setting


@dataclass(frozen=True)
class Overlap:
    """How far two skills' own deltas point the same way."""

    first: str
    second: str
    cosine: float  # 1: the same direction; 0: they do not meet; below 0: against each other

    @property
    def words(self) -> str:
        """What the number means for a stack of the two."""
        return next(words for least, words in OVERLAPS if self.cosine >= least)


@dataclass(frozen=True)
class PaneView:
    """One pane: the answer so far, what it cost, and how it does against an expected answer."""

    text: str = ""
    prompt_tokens: int = 0
    first_token_seconds: float | None = None  # from the start of reading this row's prompt
    tokens: int = 0  # answered so far
    tokens_per_second: float | None = None
    done: bool = False
    note: str = ""  # why the answer ended early, or was not started
    passed: bool | None = None  # None: nothing to compare with
    diff: tuple[tuple[Literal["same", "add", "del"], str], ...] = ()


@dataclass(frozen=True)
class Comparison:
    """The state of one comparison."""

    phase: Literal["loading", "generating", "answering", "done"]
    message: str
    adapter: AdapterInfo | None
    panes: tuple[PaneView, PaneView, PaneView] = (PaneView(), PaneView(), PaneView())


@dataclass(frozen=True)
class Likeness:
    """How far a comparison of adapters is; with the last one, the cosine of every two."""

    made: int
    total: int
    cosines: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class _Held:
    """An adapter that a session has."""

    adapter: "Adapter"
    info: AdapterInfo
    folder: Path  # for its zip, made when one is asked for; nobody can guess its name


@dataclass(frozen=True)
class _Maker:
    """A hypernetwork and its fingerprint, which takes a moment to find."""

    hypernetwork: "Hypernetwork"
    fingerprint: str


@dataclass(frozen=True)
class _Loaded:
    base: "Base"
    shipped: _Maker


@dataclass
class _Session:
    """What a visitor has."""

    # by the fingerprint of the hypernetwork and the text or texts that it was made from
    adapters: OrderedDict[tuple[str, Source], _Held] = field(default_factory=OrderedDict)
    own: tuple[Path, str] | None = None  # folder and fingerprint of the hypernetwork in use; None: the shipped one
    download: Path | None = None  # folder of the zip that was asked for last

    def delete_files(self) -> None:
        _delete(held.folder for held in self.adapters.values())
        _delete([self.download] if self.download else [])


class Studio:
    """The one object behind all pages of a server: the base, the hypernetwork, and each session's adapters."""

    def __init__(self, base: str | None = None, checkpoint: str | None = None) -> None:
        self.library = SkillLibrary()
        self._base_name, self._checkpoint = base, checkpoint
        self._status = Status("loading", "Starting")
        self._loaded: _Loaded | None = None
        self._over = threading.Event()  # loading has ended, one way or the other
        self._generating = threading.Lock()
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._own: OrderedDict[Path, _Maker] = OrderedDict()  # visitors' own hypernetworks, by folder
        self._own_parts: OrderedDict[tuple[str, str], LoraWeights] = OrderedDict()  # by hypernetwork and text
        self._registry = threading.Lock()
        self._files = tempfile.TemporaryDirectory(prefix="parametric-skills-", ignore_cleanup_errors=True)

    # ---- loading ----

    def start(self) -> None:
        """Load the base and the hypernetwork in the background; `status` tells how far it is."""
        threading.Thread(target=self._load, name="load-base", daemon=True).start()

    def status(self) -> Status:
        """How far the base is."""
        return self._status

    @property
    def origin(self) -> tuple[str | None, str | None]:
        """The base and the hypernetwork that were asked for at the start; None for the default."""
        return self._base_name, self._checkpoint

    def wait(self) -> None:
        """Return once the base is ready. Raises StudioError where it could not be loaded."""
        if not self._over.wait(LOAD_SECONDS):
            raise StudioError("The base is still loading. Try again in a minute.")
        if self._loaded is None:
            raise StudioError(self._status.message)

    def close(self) -> None:
        """Delete the files made for downloads; a process that ends does it too."""
        self._files.cleanup()

    def _load(self) -> None:
        self._status = Status("loading", "Importing torch and transformers")
        try:
            from hypernet.base import Base
            from hypernet.hypernetwork import load_hypernetwork

            base = Base.load(self._base_name, progress=self._progress)
            self._status = Status("loading", "Loading the hypernetwork")
            hypernetwork = load_hypernetwork(base, self._checkpoint)
            self._status = Status("loading", "Warming up")
            # the first call of each kernel compiles it: let no visitor wait for that
            hypernetwork.generate(base, [self.library.list()[0].text])
        except (ValueError, OSError) as error:
            log.warning("the base could not be loaded: %s", error)
            self._status = Status("failed", str(error))
        except Exception:
            log.exception("loading the base failed")
            self._status = Status("failed", "The base could not be loaded; the server's log says why.")
        else:
            self._loaded = _Loaded(base, _Maker(hypernetwork, hypernetwork.fingerprint))
            repository, _, commit = hypernetwork.origin.partition("@")
            made_by = f", hypernetwork {repository}@{commit[:12]}" if commit else ""
            self._status = Status("ready", f"{base.name}, 4-bit, on {base.device.type}{made_by}")
        finally:
            self._over.set()

    def _progress(self, message: str, _share: float | None) -> None:
        self._status = Status("loading", message)

    def _model(self) -> _Loaded:
        self.wait()
        assert self._loaded
        return self._loaded

    # ---- skills ----

    def examine(self, text: str) -> Examination:
        """What can be said of a text as it is typed; never raises."""
        problems, blocking, skill, tokens = tuple(validate(text)), "", None, None
        try:
            skill = Skill.parse(text)
        except SkillError as error:
            blocking = str(error)
        if self._loaded and len(text) <= MAX_TEXT:
            limit = self._loaded.shipped.hypernetwork.config.max_tokens
            tokens = self._loaded.base.count_tokens(text)
            if tokens > limit:
                blocking = (
                    f"The skill has {tokens:,} tokens; the hypernetwork reads up to {limit:,}. "
                    "Move details into separate skills."
                )
        # of what nothing can be made no finding matters, and a long text takes seconds
        findings = () if blocking or len(text) > MAX_TEXT else tuple(scan_text(text))
        return Examination(problems, tokens, skill, blocking, findings)

    def count_tokens(self, text: str) -> int | None:
        """Length of a text in tokens of the base; None while that loads."""
        return self._loaded.base.count_tokens(text) if self._loaded else None

    def reach(self) -> Reach | None:
        """How much the base and the shipped hypernetwork read; None while they load."""
        if self._loaded is None:
            return None
        from training.refit import CONTEXT
        from training.trajectories import chat_tokens

        base, config = self._loaded.base, self._loaded.shipped.hypernetwork.config
        chat = min(CONTEXT, base.context_length)
        return Reach(config.max_tokens, chat, base.count_tokens, partial(chat_tokens, base))

    # ---- adapters ----

    def generate(self, session: str, skill: Source) -> AdapterInfo:
        """The adapter of a text, or of several as one: made now, or found where this session has it already.

        Raises StudioError for a text that no adapter can be made of, or a base that did not load.
        """
        return self._adapter(session, skill).info

    def adapter_info(self, session: str, skill: Source) -> AdapterInfo | None:
        """What this session has for exactly this text, or these."""
        found = self._find(session, skill)
        return found.info if found else None

    def adapter_zip(self, session: str, skill: Source) -> Path:
        """The adapter as a zip of PEFT's files, in a folder that no one else can guess. Raises StudioError."""
        held = self._adapter(session, skill)
        return self._written(held, f"{held.info.skill_name}-adapter.zip", held.adapter.to_zip)

    def adapter_gguf(self, session: str, skill: Source) -> Path:
        """The adapter as a LoRA file of llama.cpp, in a folder that no one else can guess.

        Raises StudioError, also where llama.cpp does not have the base's architecture in a way that is known here.
        """
        from hypernet.files import write_atomically

        held = self._adapter(session, skill)
        data = self._gguf(held)
        name = f"{held.info.skill_name}-adapter.gguf"
        return self._written(held, name, lambda target: write_atomically(target, lambda path: path.write_bytes(data)))

    def save_adapter(self, session: str, skill: Source, folder: Path, gguf: bool = False) -> None:
        """Write the adapter's files into a folder, with `gguf` also that for llama.cpp.

        Raises StudioError, and OSError where it can't be written.
        """
        held = self._adapter(session, skill)
        data = self._gguf(held) if gguf else None
        try:
            held.adapter.save(folder, data)
        except ValueError as error:
            raise StudioError(str(error)) from error

    def overlaps(self, session: str, parts: tuple[Part, ...]) -> tuple[Overlap, ...]:
        """How far the skills of a stack point the same way, for each pair, before they are mixed.

        Raises StudioError.
        """
        from hypernet.lora import cosines, stack_skills

        held = self._parts(session, parts)
        own = self._maker(session).hypernetwork.own_part(stack_skills([each.adapter.weights for each in held]))
        found, names = cosines(own), [each.info.skill_name for each in held]
        pairs = combinations(range(len(held)), 2)
        return tuple(Overlap(names[i], names[j], round(found[i, j].item(), 4)) for i, j in pairs)

    def _gguf(self, held: _Held) -> bytes:
        from hypernet.gguf_export import adapter_gguf

        try:
            return adapter_gguf(held.adapter, self._model().base)
        except ValueError as error:
            raise StudioError(str(error)) from error

    def _written(self, held: _Held, name: str, write: Callable[[Path], object]) -> Path:
        target = held.folder / name
        try:
            if not target.exists():
                write(target)
        except OSError as error:
            raise StudioError(f"The adapter could not be written: {error.strerror}. Free some disk space.") from error
        return target

    def adapter(self, session: str, text: str) -> "Adapter":
        """The adapter itself, for what else is made of it. Raises StudioError."""
        return self._adapter(session, text).adapter

    def verify(self, session: str, path: Path) -> bundle.Verification:
        """Make the adapter of a bundle's text again and compare, by the session's hypernetwork or the shipped one.

        Raises StudioError, and SkillError or BundleError where there is no text of a skill.
        """
        loaded = self._model()
        with self._generating:
            for maker in (self._maker(session), loaded.shipped):
                outcome = bundle.verify(path, maker.hypernetwork, loaded.base)
                if maker is loaded.shipped or all(each.kind != "hypernetwork" for each in outcome.mismatches):
                    break
        return outcome

    def forget(self, session: str) -> None:
        """Drop what a session holds: its page was closed."""
        with self._registry:
            dropped = self._sessions.pop(session, _Session())
        dropped.delete_files()

    def _session(self, name: str) -> _Session:
        """The session of a name, new where there was none, now the last used; only while the registry is held."""
        session = self._sessions.setdefault(name, _Session())
        self._sessions.move_to_end(name)
        if len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)[1].delete_files()
        return session

    def _find(self, session: str, skill: Source) -> _Held | None:
        with self._registry:
            if session not in self._sessions or self._loaded is None:
                return None
            held = self._session(session)
            key = (held.own[1] if held.own else self._loaded.shipped.fingerprint, _source(skill))
            if key not in held.adapters:
                return None
            held.adapters.move_to_end(key)
            return held.adapters[key]

    def _adapter(self, session: str, skill: Source) -> _Held:
        skill = _source(skill)
        if (found := self._find(session, skill)) is not None:
            return replace(found, info=replace(found.info, fresh=False))
        if not isinstance(skill, str):
            return self._stack(session, skill)
        examined = self.examine(skill)
        if examined.blocking or examined.skill is None:
            raise StudioError(examined.blocking)
        loaded, maker = self._model(), self._maker(session)
        from hypernet.adapter import make_adapter

        try:
            with self._generating:
                adapter = make_adapter(maker.hypernetwork, loaded.base, skill, examined.skill.name, maker.fingerprint)
        except ValueError as error:
            raise StudioError(str(error)) from error
        return self._hold(session, maker, skill, adapter)

    def _stack(self, session: str, parts: tuple[Part, ...]) -> _Held:
        held, maker = self._parts(session, parts), self._maker(session)
        from hypernet.adapter import stack_adapters

        adapters, shares = [each.adapter for each in held], [part.share for part in parts]
        try:
            stacked = stack_adapters(maker.hypernetwork, self._model().base, adapters, shares, _prompt_text(parts))
        except ValueError as error:
            raise StudioError(str(error)) from error
        names = [each.info.skill_name for each in held]
        described = {"shares": tuple(zip(names, shares, strict=True)), "overlaps": self.overlaps(session, parts)}
        return self._hold(session, maker, parts, stacked, **described)

    def _parts(self, session: str, parts: tuple[Part, ...]) -> list[_Held]:
        """The adapter of each skill of a stack. Raises StudioError for what is no stack, naming the skill at fault."""
        check_stack(parts)
        held = []
        for number, part in enumerate(parts, 1):
            try:
                held.append(self._adapter(session, part.text))
            except StudioError as error:
                raise StudioError(f"Skill {number} of the stack: {error}") from error
        return held

    def _hold(self, session: str, maker: _Maker, skill: Source, adapter: "Adapter", **described: object) -> _Held:
        """Keep a new adapter for a session."""
        from hypernet.adapter import WEIGHTS_FILE, llama_cpp_snippet, peft_snippet, vllm_snippet
        from hypernet.gguf_export import is_known

        came = adapter.provenance
        info = AdapterInfo(
            skill_name=came.skill_name,
            sha256=came.skill_sha256,
            seconds=came.seconds,
            tokens=came.skill_tokens,
            size_bytes=len(adapter.files()[WEIGHTS_FILE]),
            rank=adapter.weights.rank,
            fresh=True,
            base_name=came.base_name,
            base_revision=came.base_revision,
            base_fingerprint=came.base_fingerprint,
            hypernetwork_fingerprint=came.hypernetwork_fingerprint,
            snippet_peft=peft_snippet(came.base_name, revision=came.base_revision),
            snippet_vllm=vllm_snippet(came.base_name, adapter.weights.rank, revision=came.base_revision),
            snippet_llama_cpp=llama_cpp_snippet(came.base_name) if is_known(self._model().base) else "",
            **described,
        )
        made = _Held(adapter, info, self._new_folder())
        with self._registry:
            held = self._session(session).adapters
            made = held.setdefault((maker.fingerprint, skill), made)  # another call may have been first
            if len(held) > ADAPTERS_A_SESSION:
                _delete([held.popitem(last=False)[1].folder])
        return made

    def _new_folder(self) -> Path:
        """Where a file for a download will lie; nobody can guess its name."""
        return Path(self._files.name, secrets.token_hex(16))

    # ---- visitors' own hypernetworks ----

    def use(self, session: str, folder: Path | None) -> None:
        """Let a session's adapters come from the hypernetwork in a folder; None: from the shipped one again.

        Which folder is the caller's decision and never a visitor's. A session that is forgotten forgets it too.
        Raises StudioError where the folder holds none that can be read, or one for another base: the session then keeps
        what it had.
        """
        own = None if folder is None else (folder, self._load_own(folder).fingerprint)
        with self._registry:
            if own or session in self._sessions:
                self._session(session).own = own

    def checkpoint_zip(self, session: str, folder: Path, name: str) -> Path:
        """The files of a hypernetwork as `name`.zip, in a folder that no one else can guess.

        A session has one at a time: the one before is deleted. Raises StudioError where it can't be read or written.
        """
        target = self._new_folder() / f"{name}.zip"
        try:
            files = [file for file in sorted(folder.iterdir()) if file.is_file() and not file.is_symlink()]
            target.parent.mkdir()
            with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:  # weights hardly shrink
                for file in files:
                    archive.write(file, f"{name}/{file.name}")
        except OSError as error:
            _delete([target.parent])
            raise StudioError(f"The zip could not be written: {error.strerror}. Free some disk space.") from error
        with self._registry:
            held = self._session(session)
            _delete([held.download] if held.download else [])
            held.download = target.parent
        return target

    def fingerprint(self, folder: Path | None = None) -> str:
        """Of the hypernetwork in a folder, None: of the shipped one; '' while the base loads. Raises StudioError."""
        if self._loaded is None:
            return ""
        return self._load_own(folder).fingerprint if folder else self._loaded.shipped.fingerprint

    def _maker(self, session: str) -> _Maker:
        """The hypernetwork that a session uses. Raises StudioError where its own can't be read any more."""
        shipped = self._model().shipped
        with self._registry:
            own = self._sessions[session].own if session in self._sessions else None
        return self._load_own(own[0]) if own else shipped

    def _load_own(self, folder: Path) -> _Maker:
        base = self._model().base
        with self._registry:
            if folder in self._own:
                self._own.move_to_end(folder)
                return self._own[folder]
        from hypernet.hypernetwork import load_hypernetwork

        try:
            hypernetwork = load_hypernetwork(base, folder)
        except ValueError as error:
            raise StudioError(str(error)) from error
        made = _Maker(hypernetwork, hypernetwork.fingerprint)
        with self._registry:
            self._own[folder] = made
            if len(self._own) > MAX_HYPERNETWORKS:
                self._own.popitem(last=False)
        return made

    # ---- likeness ----

    def likeness(self, session: str, texts: Sequence[str]) -> Iterator[Likeness]:
        """How alike the adapters of texts are: the cosine of every two, of what is each skill's own, unshared.

        Raises StudioError while iterating, for a text that no adapter can be made of. Closing it ends the work.
        """
        maker, parts = self._maker(session), []
        for made, text in enumerate(texts):
            yield Likeness(made, len(texts))
            parts.append(self._own_part(maker, text))
        from hypernet.lora import cosines, stack_skills

        found = cosines(stack_skills(parts)).tolist() if parts else []
        yield Likeness(len(parts), len(parts), tuple(tuple(round(value, 4) for value in row) for row in found))

    def _own_part(self, maker: _Maker, text: str) -> "LoraWeights":
        from training.properties.material import own_parts

        key, base = (maker.fingerprint, text), self._model().base
        with self._registry:
            if key in self._own_parts:
                self._own_parts.move_to_end(key)
                return self._own_parts[key]
        try:
            with self._generating:
                part = own_parts(base, maker.hypernetwork, [text]).to("cpu", base.dtype)
        except ValueError as error:
            raise StudioError(str(error)) from error
        with self._registry:
            self._own_parts[key] = part
            if len(self._own_parts) > MAX_PARTS:
                self._own_parts.popitem(last=False)
        return part

    # ---- comparing ----

    def compare(
        self,
        session: str,
        skill: Source,
        prompt: str,
        settings: Settings | None = None,
        expected: str | None = None,
        assertions: Sequence[Assertion] = (),
    ) -> Iterator[Comparison]:
        """Generate the adapter if this session has none for the text, then answer in three panes, token by token.

        Several skills at once are stacked in the last pane, and all stand in the prompt of the middle one. With
        `expected`, finished panes say whether they pass (all assertions, or else the same text) and how they differ.
        Closing the iterator ends the work. Raises StudioError: for settings or a prompt that can't be at the call, for
        the rest while iterating.
        """
        settings = settings or Settings()
        settings.check()
        if not prompt.strip():
            raise StudioError("The prompt is empty. Write one, or choose an example.")
        if len(prompt) > MAX_PROMPT:
            raise StudioError(f"The prompt has {len(prompt):,} characters; it may have at most {MAX_PROMPT:,}.")
        return self._compare(session, _source(skill), prompt, settings, expected, assertions)

    def _compare(
        self,
        session: str,
        skill: Source,
        prompt: str,
        settings: Settings,
        expected: str | None,
        assertions: Sequence[Assertion],
    ) -> Iterator[Comparison]:
        while not self._over.wait(0.5):
            yield Comparison("loading", self._status.message, None)
        loaded = self._model()
        if self.adapter_info(session, skill) is None:
            several = "" if isinstance(skill, str) else f"s of {len(skill)} skills"
            yield Comparison("generating", f"Generating the adapter{several}", None)
        held = self._adapter(session, skill)
        adapter, info = held.adapter, held.info

        from hypernet.decode import Sampling
        from studio.compare import compare

        def judged(pane: PaneView) -> PaneView:
            if expected is None or (not pane.tokens and pane.note):
                return pane
            passed = fidelity.passes(pane.text, expected, assertions)
            return replace(pane, passed=passed, diff=tuple(word_diff(expected, pane.text)))

        started = time.perf_counter()
        sampling = Sampling(settings.temperature, settings.max_new_tokens, settings.seed)
        views, shown = (PaneView(), PaneView(), PaneView()), -math.inf
        done: dict[int, PaneView] = {}  # by place: a check may take long, and the next token waits for it
        try:
            for panes in compare(
                loaded.base, prompt, _prompt_text(skill), adapter.weights, settings.strength, sampling
            ):
                for place, pane in enumerate(panes):
                    if pane.done and place not in done:
                        done[place] = judged(pane)
                views = tuple(done.get(place, pane) for place, pane in enumerate(panes))
                if time.perf_counter() - shown >= BETWEEN_VIEWS:
                    yield Comparison("answering", "Answering", info, views)
                    shown = time.perf_counter()
        except ValueError as error:
            raise StudioError(str(error)) from error
        yield Comparison("done", f"Done in {time.perf_counter() - started:.1f} s", info, views)

    # ---- checking ----

    def check(self, session: str, text: str, evals: Sequence[Eval]) -> Iterator[Check]:
        """Answer a skill's evals without it, with its text in the prompt and with its adapter, greedily; judge them.

        As in `evaluate`, whose code answers. The last state has the verdict; without evals it says what is missing.
        Closing the iterator ends the work. Raises StudioError: for a prompt that can't be at the call, for the rest
        while iterating.
        """
        for ev in evals:
            if len(ev.prompt) > MAX_PROMPT:
                raise StudioError(
                    f"The prompt of example {ev.id} has {len(ev.prompt):,} characters; it may have at most "
                    f"{MAX_PROMPT:,}."
                )
        return self._check(session, text, evals)

    def _check(self, session: str, text: str, evals: Sequence[Eval]) -> Iterator[Check]:
        examined = self.examine(text)
        name = examined.skill.name if examined.skill else ""
        if not evals:
            yield Check("done", "No examples", Fidelity(name, verdict=fidelity.UNKNOWN))
            return
        found = Fidelity(name, "")
        while not self._over.wait(0.5):
            yield Check("loading", self._status.message, found)
        base = self._model().base
        if self.adapter_info(session, text) is None:
            yield Check("generating", "Generating the adapter", found)
        weights = self._adapter(session, text).adapter.weights
        total = len(fidelity.COLUMNS) * min(len(evals), fidelity.MAX_CHECKED)
        try:
            for found in fidelity.answer(base, name, text, evals, weights):
                given = sum(map(len, found.passed.values()))
                yield Check("answering", f"Answering the examples in three ways: {given} of {total}", found)
        except ValueError as error:
            raise StudioError(str(error)) from error
        yield Check("done", f"Checked in {found.seconds:.1f} s", found)


def check_stack(parts: tuple[Part, ...]) -> None:
    """Raise StudioError for what is no stack, whatever its texts are."""
    if not 2 <= len(parts) <= MAX_STACK:
        raise StudioError(f"A stack has 2 to {MAX_STACK} skills; this one has {len(parts)}.")
    if len({part.text for part in parts}) < len(parts):
        raise StudioError("A skill is in the stack twice. Remove it once, and give it a larger weight instead.")
    if not all(isinstance(part.share, (int, float)) and 0 <= part.share <= MAX_SHARE for part in parts):
        raise StudioError(f"The weight of each skill in a stack must be a number from 0 to {MAX_SHARE:g}.")
    if not sum(part.share for part in parts):
        raise StudioError("Every skill of the stack has the weight 0. Give one of them more.")


def _source(skill: Source) -> Source:
    """A stack of one skill is that skill."""
    return skill[0].text if not isinstance(skill, str) and len(skill) == 1 else skill


def _prompt_text(skill: Source) -> str:
    """What stands in the prompt of the middle pane: the text, or all texts one after another."""
    return skill if isinstance(skill, str) else "\n\n".join(part.text for part in skill)


def _delete(folders: Iterable[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
