"""Who a visitor is: a token that only their browser knows, and the training whose result they use.

Whoever has the token has the trainings and the skills, so no handler acts on an id without it.
"""

import hashlib
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from skills.evals import Eval
from studio.examples import ExampleBook, ExampleError
from studio.jobs import Job, JobError, Jobs, Limits, data_folder
from studio.service import StudioError
from studio.shelf import Shelf, ShelfError
from studio.slices import GPU_SECONDS, run_slice
from studio.views.gpu import ZERO_GPU, on_gpu
from studio.wording import UNKNOWN_BROWSER

SECRET_FILE = "browser.key"
TOKEN_BYTES = 32
OFF = (
    "Training is switched off on this server. To train, run the studio on your own machine: two cores are enough. "
    "The README says how to start it."
)


@dataclass(frozen=True)
class Keeping:
    """Where the server keeps visitors' own skills."""

    shelf: Shelf
    secret: str  # the browser's entry is read with it: the same after a restart

    @classmethod
    def open(cls) -> "Keeping":
        """In the data folder. Raises ShelfError where that can't be."""
        try:
            folder = data_folder()
            return cls(Shelf(folder), _secret(folder / SECRET_FILE))
        except JobError as error:
            raise ShelfError(str(error)) from error


def identity_kept_with(secret: str) -> gr.BrowserState:
    """What the browser keeps: its token, and the id of the training in use.

    Under a name for each secret: an entry that can't be read is written over, and with it a token would be gone for
    ever where one address has several data folders in turn.
    """
    key = f"parametric-skills-{hashlib.sha256(secret.encode()).hexdigest()[:12]}"
    return gr.BrowserState({"owner": "", "using": ""}, storage_key=key, secret=secret)


def open_jobs() -> Jobs:
    """The queue in the data folder. Raises JobError where that can't be."""
    return Jobs(data_folder(), slices=on_gpu(run_slice, GPU_SECONDS) if ZERO_GPU else None)


@dataclass(frozen=True)
class Training:
    """What the page needs for training: the queue, people's examples, and what the server allows."""

    jobs: Jobs
    book: ExampleBook
    limits: Limits
    secret: str  # the browser's entry is read with it: the same after a restart

    @classmethod
    def open(cls) -> "Training":
        """From the environment's settings and the data folder. Raises JobError, also where training is off."""
        limits = Limits.from_environment()
        if not limits.enabled:
            raise JobError(OFF)
        folder = data_folder()
        try:
            return cls(open_jobs(), ExampleBook(folder), limits, _secret(folder / SECRET_FILE))
        except ExampleError as error:
            raise JobError(str(error)) from error

    def in_use(self, identity: Any) -> Job | None:
        """The training whose hypernetwork a visitor uses; None for the shipped one.

        Raises StudioError where it is not theirs, or no longer there.
        """
        using = identity.get("using") if isinstance(identity, dict) else ""
        if not using:
            return None
        try:
            job = self.jobs.use(owner_of(identity), str(using))
        except JobError:
            job = None
        if job is None or job.state != "finished":
            raise StudioError("The hypernetwork you used is no longer available. Press Back to the shipped one.")
        return job

    def add_skill(self, identity: Any, text: str, evals: Sequence[Eval] = ()) -> str:
        """Put a skill into the visitor's book, with its evals as examples beside those it has; returns its digest."""
        owner = owner_of(identity)
        skill = self.book.put_skill(owner, text)
        self.book.bring(owner, skill, evals)
        return skill

    def keep(self, identity: Any, text: str, prompt: str, answer: str, evals: Sequence[Eval] = ()) -> int:
        """Add an example of a skill, beside its evals but in place of the one that asks the same; returns how many the
        skill has now."""
        owner, skill = owner_of(identity), self.add_skill(identity, text)
        said = (prompt.strip(), answer.strip())
        checks = next((ev.assertions for ev in evals if (ev.prompt.strip(), ev.expected_output.strip()) == said), ())
        self.book.add(owner, skill, prompt, answer, checks=checks)
        try:
            self.book.bring(owner, skill, evals, kept=prompt)
        except ExampleError as error:
            raise ExampleError(f"The answer is kept, but not the skill's own examples. {error}") from error
        return len(self.book.examples(owner, skill))

    def checkpoint_in_use(self, identity: Any) -> Path | None:
        """Its folder; None for the shipped one. Raises StudioError as `in_use` does."""
        job = self.in_use(identity)
        return checkpoint_of(job) if job else None


def checkpoint_of(job: Job) -> Path:
    """Where a finished training has its hypernetwork."""
    return job.folder / "checkpoint"


def repository_of(job: Job) -> str:
    """What its hypernetwork is called, on the Hub and in a zip, where nobody says."""
    return f"hypernetwork-{job.id[:8]}"


def checkpoint_used(training: Training | None, identity: Any) -> Path | None:
    """The folder of the hypernetwork that a visitor uses; None for the shipped one. Raises StudioError."""
    return training.checkpoint_in_use(identity) if training else None


def arrived(identity: Any) -> dict[str, str]:
    """The identity of a visitor whose page has just opened: a new one unless the browser kept one."""
    try:
        return {"owner": owner_of(identity), "using": str(identity.get("using", ""))}
    except StudioError:
        return {"owner": secrets.token_urlsafe(TOKEN_BYTES), "using": ""}


def owner_of(identity: Any) -> str:
    """The visitor's token. Raises StudioError for none, so that those without are not one person."""
    owner = identity.get("owner") if isinstance(identity, dict) else None
    if not isinstance(owner, str) or len(owner) < TOKEN_BYTES:
        raise StudioError(UNKNOWN_BROWSER)
    return owner


def _secret(path: Path) -> str:
    """The secret in a file that only this user reads; made where there is none. Raises JobError."""
    try:
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(TOKEN_BYTES))
        except FileExistsError:
            pass
        if secret := path.read_text(encoding="ascii").strip():
            return secret
    except (OSError, UnicodeDecodeError) as error:
        raise JobError(
            f"{path} can't be read or written ({error}). Name another folder in SKILL_STUDIO_DATA."
        ) from error
    raise JobError(f"{path} is empty. Delete it and start the studio again.")
