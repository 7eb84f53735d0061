"""Sharing through the Hugging Face Hub: push and pull bundles and hypernetworks, and browse what others pushed.

A push is one commit, so it is there whole or not at all; what was uploaded before a failure is not sent again. A pull
takes the files that it expects, of one commit, and looks at them before they get their name. Only a person's own token
is used, and no message holds it.
"""

import argparse
import json
import math
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NoReturn

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    constants,
    get_token,
    set_client_factory,
)
from huggingface_hub.errors import HfHubHTTPError, HTTPError
from huggingface_hub.utils import hf_raise_for_status, parse_ratelimit_headers
from huggingface_hub.utils._http import default_client_factory

from skills.archive import ArchiveError, SkillFiles, check_paths, is_left_by_systems
from skills.fetch import Limits
from skills.scan import MAX_FILES, MAX_SIZE, Finding, fault_of_path
from skills.skill import MAX_TEXT, SkillError
from studio import bundle
from studio.bundle import CARD, ORIGIN, PROVENANCE, REQUIRED, SKILL, TAGS, BundleError, Mismatch

LIBRARY = "parametric-skills"  # that the card of every hypernetwork names
SKILL_TAGS = TAGS[:2]  # the first alone is also that of hypernetworks
SILENCE = 30.0  # seconds without a byte after which the Hub is given up
LONGEST_WAIT = 10  # seconds that the Hub may ask for and that are waited without a question
MAX_TEXT_FILE = 4 * MAX_TEXT  # bytes of a file that is not weights
MAX_SKILL = Limits.size  # bytes of a skill without its adapter: in memory, for anybody who types a name
MAX_SECONDS = Limits.seconds  # of all files of a skill, and of all that a visitor waits for: others wait behind it
MAX_CHECKPOINT = 2_000_000_000  # bytes of a hypernetwork
RUNNABLE = tuple(".bin .pt .pth .pkl .pickle .ckpt .joblib .npy .npz .h5 .keras .onnx .msgpack".split())  # when opened
SKILL_FOLDERS = ("evals/", "references/", "scripts/", "assets/")
HYPERNETWORK_WEIGHTS = re.compile(r"model(?:-[0-9a-f]{8}-\d{5}-of-\d{5})?\.safetensors")
HYPERNETWORK_INDEX = "model.safetensors.index.json"
OURS = (*SKILL_FOLDERS, "adapter/", "adapter.gguf", HYPERNETWORK_INDEX)  # what a new revision no longer has goes
TOKEN = re.compile(r"[A-Za-z0-9_.~+/=-]{1,4096}")
SPACE_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
SIGN_IN = ("OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "OPENID_PROVIDER_URL")  # what a Space has for it

Kind = Literal["bundle", "skill", "hypernetwork"]


class HubError(ValueError):
    """The Hub did not do it; the message says why and what to do. `status` is None where there was no answer."""

    def __init__(self, message: str, status: int | None = None, wait: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.wait = wait  # seconds that the Hub asks for


@dataclass(frozen=True)
class Pushed:
    """What a push made."""

    repository: str
    commit: str
    url: str  # of the commit, or of the pull request
    is_pull_request: bool
    is_new: bool  # the repository was made for it
    is_same: bool = False  # it was there already, as it is: no commit was made


@dataclass(frozen=True)
class Fetched:
    """What a repository holds as of one commit, in memory: nobody has said yes to it."""

    repository: str
    commit: str
    kind: Kind
    files: dict[str, bytes] = field(hash=False)
    skill: SkillFiles | None = None  # scanned; None of a hypernetwork
    mismatches: tuple[Mismatch, ...] = ()  # in which a bundle is not what its provenance says

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What a person should look at before using it."""
        return self.skill.findings if self.skill else ()


@dataclass(frozen=True)
class Shared:
    """A repository that somebody shared; every text in it is theirs."""

    repository: str
    commit: str
    tags: tuple[str, ...]
    downloads: int
    likes: int
    updated: str  # ISO date, '' where unknown
    private: bool


def _client():
    """The Hub's client with a limit on silence, and without hour-long sleeps while a person waits."""
    client = default_client_factory()
    hooks = client.event_hooks
    client.event_hooks = {"request": [*hooks["request"], _limit_silence], "response": [_refuse_long_wait]}
    return client


def _limit_silence(request) -> None:
    limits = request.extensions.get("timeout") or {}
    unlimited = dict.fromkeys(("connect", "read", "write", "pool"), SILENCE)
    request.extensions["timeout"] = {key: limits.get(key) or limit for key, limit in unlimited.items()}


def _refuse_long_wait(response) -> None:
    if response.status_code == 429 and (_asked_wait(response) or 0) > LONGEST_WAIT:
        hf_raise_for_status(response)


def _asked_wait(response) -> int | None:
    """Seconds that the Hub asks to wait, None where it does not say."""
    limit = parse_ratelimit_headers(response.headers)
    if limit and limit.remaining == 0:
        return limit.reset_in_seconds
    said = response.headers.get("Retry-After", "").strip()
    return int(said) if said.isdigit() and len(said) < 7 else None


constants.HF_HUB_DISABLE_XET = True  # a protocol of its own, which SILENCE would not bound
set_client_factory(_client)  # here, not on first use: that would close a client with which a base is being downloaded


def usable_token(given: str | None, is_visitor: bool) -> str | None:
    """The token to use: the one given, else that of the environment or of `hf auth login`.

    On a Space, and for a visitor of a page, only the one given: what the server has is not theirs.
    Raises HubError for a text that is no token, and for the Space's own.
    """
    token, on_space = (given or "").strip(), "SPACE_ID" in os.environ
    if not token:
        return None if on_space or is_visitor else get_token()
    if not TOKEN.fullmatch(token):
        raise HubError("This is not a token: it holds characters that no token has. Copy it again from your settings.")
    if on_space and token in {os.environ.get(name) for name in SPACE_TOKENS}:
        raise HubError("That is the token of this Space, not yours. Sign in, or give a token of your own.")
    return token


def can_sign_in() -> bool:
    """Whether this is a Space with `hf_oauth: true`; elsewhere a LoginButton keeps the page from starting."""
    return os.environ.get("SYSTEM") == "spaces" and all(os.environ.get(name) for name in ("SPACE_ID", *SIGN_IN))


def _ways_in(is_visitor: bool) -> tuple[str, str]:
    """How somebody without a token gets to write, and to see what is not for everybody."""
    if not is_visitor:
        return ("Set HF_TOKEN, or give a token with --token.",) * 2
    if can_sign_in():
        return ("Sign in, or type a token.",) * 2
    return (
        "Make one with write access at hf.co/settings/tokens, and paste it above.",
        "Type a token that may see it, under Share.",
    )


class Hub:
    """The Hub, as one person sees it: who has a shell here, or else a visitor of a page."""

    def __init__(self, token: str | None = None, endpoint: str | None = None, is_visitor: bool = False) -> None:
        self._token, self._is_visitor = usable_token(token, is_visitor), is_visitor
        self._way_to_write, self._way_to_see = _ways_in(is_visitor)
        self._api = HfApi(endpoint=endpoint, token=self._token or False, library_name=LIBRARY)

    def whoami(self) -> str:
        """The name of the account. Raises HubError."""
        if not self._token:
            raise HubError(f"There is no token. {self._way_to_write}", 401)
        with self._explained("Your account"):
            return self._api.whoami(token=self._token)["name"]

    def browse(self, search: str = "", author: str = "", limit: int = 50) -> list[Shared]:
        """Skills that people pushed, the most downloaded first. Raises HubError."""
        with self._explained("The list"):
            found = self._api.list_models(
                filter=list(SKILL_TAGS),
                search=search or None,
                author=author or None,
                sort="downloads",
                limit=limit,
                full=True,
            )
            return [
                Shared(
                    repository=info.id,
                    commit=info.sha or "",
                    tags=tuple(info.tags or ()),
                    downloads=info.downloads or 0,
                    likes=info.likes or 0,
                    updated=info.last_modified.isoformat() if info.last_modified else "",
                    private=bool(info.private),
                )
                for info in found
            ]

    # ---- push ----

    def push(
        self,
        path: Path,
        repository: str = "",
        private: bool | None = None,
        create_pr: bool = False,
        message: str = "",
        accept: bool = False,
    ) -> Pushed:
        """Push a bundle, or the folder of a hypernetwork, as one commit: a new repository or a new revision of one.

        `repository` is `user/name`, or a name in one's own account; by default the skill's. With `create_pr` it
        becomes a pull request, also to somebody else's. `private` None: a new one is public, an old one stays as it is.
        `accept` goes on in spite of what the scan asks about, such as a secret.
        Raises HubError; BundleError and SkillError where the files should not be pushed.
        """
        files, default = _to_push(path, accept)
        user = self.whoami()
        repository = repository or default
        name = repository if "/" in repository else f"{user}/{repository}"
        info = self._info(name, missing_ok=True)
        if info is None and create_pr:
            raise HubError(f"The Hub has no {name}, or it is private. A pull request needs a repository.", 404)
        is_new = info is None
        if is_new:
            with self._explained(name, is_writing=True):
                self._api.create_repo(name, private=bool(private))
            info = self._info(name)
        elif private is not None and not create_pr and bool(info.private) != private:
            now, wanted = ("private", "public") if info.private else ("public", "private")
            raise HubError(
                f"{name} is {now} already. Make it {wanted} in its settings on the Hub, or choose another name."
            )
        theirs = {each.rfilename for each in info.siblings or ()}
        kind, card = _kind(files), info.card_data or {}
        # the files of any other model are called as a hypernetwork's: only the card tells them apart
        is_alike = _kind(theirs) == kind and (kind != "hypernetwork" or card.get("library_name") == LIBRARY)
        if theirs - {".gitattributes", CARD} and not is_alike:
            raise HubError(f"{name} holds something else than a {kind}. Choose another name for the repository.")
        old = {each for each in theirs - files.keys() if each.startswith(OURS) or HYPERNETWORK_WEIGHTS.fullmatch(each)}
        operations = [CommitOperationAdd(each, files[each]) for each in sorted(files)]
        operations += [CommitOperationDelete(each) for each in sorted(old)]
        fate = f" {name} was made and is empty. Push again: it goes on there." if is_new else ""
        with self._explained(name, f"Nothing was changed there, or all of it: push again.{fate}", is_writing=True):
            done = self._api.create_commit(
                name,
                operations,
                commit_message=message or f"{'Add' if is_new else 'Update'} {name.rpartition('/')[2]}",
                parent_commit=info.sha,
                create_pr=create_pr,
            )
        is_same = done.oid == info.sha and not done.pr_url
        return Pushed(name, done.oid, done.pr_url or done.commit_url, bool(done.pr_url), is_new, is_same)

    # ---- pull ----

    def pull(self, repository: str, target: Path, revision: str | None = None, accept: bool = False) -> Fetched:
        """Bring a bundle, a skill or a hypernetwork into a new folder; its `hub.json` says of which commit.

        Only what is expected is downloaded, after a look at names and sizes. What the scan blocks never gets to
        `target`, and what it asks about only with `accept`. Raises HubError, BundleError, SkillError and OSError.
        """
        if os.path.lexists(target) and not (target.is_dir() and not any(target.iterdir())):
            raise HubError(f"{target} is there already. Choose another folder, or delete it.")
        found = self.fetch(repository, revision)
        bundle.check_findings(found.findings, accept)
        origin = {"repository": repository, "revision": revision or "main", "commit": found.commit}
        bundle.put_folder(target, found.files | {ORIGIN: (json.dumps(origin, indent=2) + "\n").encode()})
        return found

    def fetch(
        self,
        repository: str,
        revision: str | None = None,
        kinds: tuple[Kind, ...] = ("bundle", "skill", "hypernetwork"),
    ) -> Fetched:
        """What a repository of one of the `kinds` holds, with what a person should know of it before using it.

        Where only a skill is wanted, a bundle is one, and what it adds is left there. Only what is expected is
        downloaded, after a look at names and sizes. Raises HubError, BundleError, SkillError.
        """
        is_for_skill = kinds == ("skill",)
        deadline = time.monotonic() + (MAX_SECONDS if is_for_skill or self._is_visitor else math.inf)
        info = self._info(repository, revision)
        sizes = {each.rfilename: each.size for each in info.siblings or ()}
        kind = "skill" if is_for_skill and SKILL in sizes else _kind(sizes)
        if kind not in kinds or not info.sha:
            wanted = " and ".join(filter(None, [", ".join(f"no {each}" for each in kinds[:-1]), f"no {kinds[-1]}"]))
            raise HubError(f"{repository} holds {wanted}. Choose another repository.")
        files: dict[str, bytes] = {}
        if kind == "bundle":
            files = self._download(repository, info.sha, {PROVENANCE: sizes[PROVENANCE]}, kind, deadline)
            _, digests = bundle.read_provenance(files[PROVENANCE])
            wanted = {*REQUIRED, *digests} - {PROVENANCE}
        elif kind == "skill":
            wanted = _skill_files(sizes)
            if is_for_skill and sum(sizes[each] or 0 for each in wanted) > MAX_SKILL:
                raise HubError(
                    f"{repository} has more than {MAX_SKILL / 1e6:,.0f} MB beside its adapter. Pull it instead."
                )
        else:
            allowed = ("config.json", HYPERNETWORK_INDEX, CARD)
            wanted = {each for each in sizes if each in allowed or HYPERNETWORK_WEIGHTS.fullmatch(each)}
        listed = {each: sizes[each] for each in wanted & sizes.keys()}
        files |= self._download(repository, info.sha, listed, kind, deadline)
        skill = None if kind == "hypernetwork" else SkillFiles.of(files)
        mismatches = tuple(bundle.altered(skill)) if skill and kind == "bundle" else ()
        return Fetched(repository, info.sha, kind, files, skill, mismatches)

    def _download(
        self, name: str, commit: str, sizes: Mapping[str, int | None], kind: Kind, deadline: float
    ) -> dict[str, bytes]:
        """The files of a commit by their names; `sizes` are what the listing says of them."""
        _check_listing(name, sizes, kind)
        files = {}
        with tempfile.TemporaryDirectory(prefix="parametric-skills-pull-") as scratch:
            for each, size in sorted(sizes.items()):
                if time.monotonic() > deadline:
                    raise HubError(
                        f"{name} takes more than {MAX_SECONDS:g} seconds: {len(files):,} of {len(sizes):,} files came, "
                        f"and nothing was kept. Bring it with `python -m studio pull {name}`, which takes its time, "
                        "and use the folder."
                    )
                with self._explained(name, "Nothing was kept; pull again."):
                    file = Path(self._api.hf_hub_download(name, each, revision=commit, local_dir=scratch))
                if file.stat().st_size != size:
                    raise HubError(f"{each} of {name} has another size than the listing says. It was not used.")
                files[each] = file.read_bytes()
                if each.endswith(".safetensors"):
                    _check_weights(file, f"{each} of {name}")
        return files

    # ---- asking ----

    def _info(self, name: str, revision: str | None = None, missing_ok: bool = False):
        try:
            with self._explained(name):
                return self._api.model_info(name, revision=revision, files_metadata=True)
        except HubError as error:
            if missing_ok and error.status == 404:
                return None
            raise

    @contextmanager
    def _explained(self, name: str, after: str = "", is_writing: bool = False) -> Iterator[None]:
        """Turn what goes wrong into a HubError that says what to do; `after` is what became of the work."""
        try:
            yield
        except (HTTPError, OSError, ValueError, RuntimeError, LookupError) as error:
            self._explain(error, name, after, is_writing)

    def _explain(self, error: Exception, name: str, after: str, is_writing: bool) -> NoReturn:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, HTTPError):
            cause = cause.__cause__
        response = cause.response if isinstance(cause, HfHubHTTPError) else None
        status = response.status_code if response is not None else None
        wait = _asked_wait(response) if status == 429 else None
        if status is not None:
            said = (cause.server_message or "").splitlines()
            advice = self._advice(status, wait, name, said[0] if said else "", is_writing)
        elif cause is not None or isinstance(error, ConnectionError):
            advice = f"{name}: the connection to the Hub broke or it did not answer. Look at the network and try again."
        else:
            advice = f"{name}: {next(iter(str(error).strip().splitlines()), type(error).__name__)}"
        # without its cause: what the Hub or the client say may repeat the token
        raise HubError(self._without_token(f"{advice} {after}".strip()), status, wait) from None

    def _advice(self, status: int, wait: int | None, name: str, said: str, is_writing: bool) -> str:
        if status == 401:
            if self._token:
                return f"{name}: the Hub does not know the token (401). Make a new one at hf.co/settings/tokens."
            return f"{name} does not exist, or is private (401). {self._way_to_see}"
        if status == 403 and is_writing:
            way = "tick 'As a pull request' under Share" if self._is_visitor else "add --pull-request"
            return (
                f"{name}: the token may not do this (403). It needs write access. To somebody else's repository you "
                f"can only open a pull request: {way}, with a token from hf.co/settings/tokens. A sign-in only reaches "
                "repositories that this app made."
            )
        if status == 403:
            why = f": {said[:300]}" if said else ""
            return f"{name}: you don't have access (403){why}. Ask for access on its page."
        if status == 404:
            return (
                f"{name} is not on the Hub, or it is private and the token can't see it, or has no such revision "
                "(404). Check the name and the revision."
            )
        if status in (409, 412):
            return f"{name} was changed by somebody else in the meantime ({status}). Look at it and push again."
        if status == 429:
            until = f"wait {wait} s and try again" if wait else "wait some minutes and try again"
            return f"{name}: the Hub has had too many requests (429); {until}."
        if status >= 500:
            return f"{name}: the Hub has trouble of its own ({status}). Try again in a minute."
        return f"{name}: the Hub refused ({status}): {said[:300] or 'it gave no reason'}"

    def _without_token(self, text: str) -> str:
        return text.replace(self._token, "<token>") if self._token else text


def _kind(names: Iterable[str]) -> Kind | None:
    """What files of these names make up."""
    names = set(names)
    if PROVENANCE in names:
        return "bundle"
    if "config.json" in names and any(map(HYPERNETWORK_WEIGHTS.fullmatch, names)):
        return "hypernetwork"
    return "skill" if SKILL in names else None


def _to_push(path: Path, accept: bool) -> tuple[dict[str, bytes], str]:
    """The files of a bundle or a hypernetwork, and how its repository is called by default."""
    if path.is_dir() and not (path / SKILL).exists():
        names = {each.name for each in path.iterdir() if each.is_file()}
        if _kind(names) != "hypernetwork":
            raise BundleError(f"{path} holds no bundle and no hypernetwork. Make one with `python -m studio bundle`.")
        wanted = {each for each in names if each in ("config.json", HYPERNETWORK_INDEX, CARD)}
        wanted |= {each for each in names if HYPERNETWORK_WEIGHTS.fullmatch(each)}
        for each in wanted:
            if each.endswith(".safetensors"):
                _check_weights(path / each, str(path / each))
        return {each: (path / each).read_bytes() for each in wanted}, path.resolve().name
    source = bundle.read(path)
    if wrong := bundle.altered(source):
        raise BundleError("The bundle is not pushed:\n" + "\n".join(each.message for each in wrong))
    bundle.check_findings(source.findings, accept)
    return {each: data for each, data in source.files.items() if each != ORIGIN}, source.skill.name


def _skill_files(names: Iterable[str]) -> set[str]:
    """Those of the skill itself: not what a bundle adds, nothing hidden, no weights, nothing that runs when opened."""
    left = (".safetensors", ".gguf", *RUNNABLE)
    return {
        each
        for each in names
        if not (bundle.is_added(each) or each.startswith(".") or is_left_by_systems(each))
        and not each.lower().endswith(left)
    }


def _check_listing(name: str, sizes: Mapping[str, int | None], kind: Kind) -> None:
    """Raise HubError for names and sizes that no such repository has; nothing is downloaded before that."""
    for each, size in sizes.items():
        if fault := fault_of_path(each):
            raise HubError(f"{name} has a file whose path {fault}. It was not downloaded.")
        if each.lower().endswith(RUNNABLE):
            raise HubError(f"{name} has {each}, which may run code when it is opened. Only safetensors are taken.")
        most = MAX_TEXT_FILE if not each.endswith((".safetensors", ".gguf")) else MAX_CHECKPOINT
        if size is None or size > most:
            raise HubError(f"{each} of {name} has {size or 0:,} bytes; {most:,} is the most. It was not downloaded.")
    if kind != "hypernetwork":
        try:
            check_paths({each: size or 0 for each, size in sizes.items()})
        except ArchiveError as error:
            raise HubError(f"{name}: {error} It was not downloaded.") from error
    total, most = sum(size or 0 for size in sizes.values()), MAX_CHECKPOINT if kind == "hypernetwork" else MAX_SIZE
    if len(sizes) > MAX_FILES or total > most:
        raise HubError(
            f"{name} has {len(sizes):,} files of {total:,} bytes; {MAX_FILES:,} and {most:,} are the most. "
            "It was not downloaded."
        )


def _check_weights(file: Path, shown: str) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="np") as tensors:
            tensors.keys()
    except (SafetensorError, OSError) as error:
        raise HubError(f"{shown} is not a whole safetensors file. It was not used.") from error


# ---- the command line ----------------------------------------------------------------------------------------------


def add_commands(commands: "argparse._SubParsersAction") -> None:
    """Add `push` and `pull`."""
    account = argparse.ArgumentParser(add_help=False)
    account.add_argument("--token", help="of your account (default: HF_TOKEN, or that of `hf auth login`)")

    command = commands.add_parser("push", parents=[account], help=_push.__doc__)
    command.add_argument("path", type=Path, help="a bundle, or the folder of a hypernetwork")
    command.add_argument("--to", default="", help="user/name, or a name in your account (default: the skill's name)")
    visibility = command.add_mutually_exclusive_group()
    visibility.add_argument("--private", dest="private", action="store_const", const=True, help="only you see it")
    visibility.add_argument("--public", dest="private", action="store_const", const=False, help="everybody sees it")
    command.add_argument("--pull-request", action="store_true", help="propose it to the owner of the repository")
    command.add_argument("--message", default="", help="of the commit")
    command.add_argument("--yes", action="store_true", help=bundle.YES)
    command.set_defaults(run=_push)

    command = commands.add_parser("pull", parents=[account], help=_pull.__doc__)
    command.add_argument("repository", help="user/name")
    command.add_argument("--out", type=Path, help="folder that is made (default: the repository's name)")
    command.add_argument("--revision", help="branch, tag or commit (default: the newest)")
    command.add_argument("--yes", action="store_true", help=bundle.YES)
    command.set_defaults(run=_pull)


def _push(options: argparse.Namespace) -> int:
    """Push a bundle or a hypernetwork to the Hugging Face Hub."""
    done = Hub(options.token).push(
        options.path, options.to, options.private, options.pull_request, options.message, options.yes
    )
    what = "pull request" if done.is_pull_request else "unchanged, commit" if done.is_same else "commit"
    print(f"{done.repository}: {what} {done.commit}\n{done.url}")
    return 0


def _pull(options: argparse.Namespace) -> int:
    """Pull a bundle, a skill or a hypernetwork from the Hugging Face Hub."""
    target = options.out or Path(options.repository.rpartition("/")[2])
    try:
        done = Hub(options.token).pull(options.repository, target, options.revision, options.yes)
    except (SkillError, BundleError) as error:
        raise HubError(f"{options.repository} was not taken: {error}") from error
    except OSError as error:
        raise HubError(f"{target} can't be written: {error.strerror}.") from error
    print(f"{target}: {done.kind} {done.repository} at commit {done.commit}")
    if done.findings:
        print(bundle.show(done.findings))
    for mismatch in done.mismatches:
        print(f"{mismatch.kind}: {mismatch.message}")
    return 0
