"""The server as a process: what it leaves behind when it is told to end."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from studios import Studios

from skills.evals import Eval
from studio.views.visitor import Training, arrived, owner_of

TEXT = "---\nname: code-aa\ndescription: How to answer.\n---\n\n- Always answer with `aa`.\n"


def trainer_of(training: Training, owner: str, id_: str) -> psutil.Process:
    """The process of a training, once there is one."""
    folder = str(training.jobs.get(owner, id_).folder)
    for _ in range(480):
        for process in psutil.process_iter(["cmdline"]):
            if any(folder in part for part in process.info["cmdline"] or ()):
                return process
        time.sleep(0.25)
    raise AssertionError("no training was started")


def test_a_server_that_is_told_to_end_leaves_no_files_and_its_training_goes_on(
    start_studio: Studios, tiny_folder: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, scratch = tmp_path / "data", tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("SKILL_STUDIO_DATA", str(data))
    training, me = Training.open(), arrived(None)
    skill = training.add_skill(me, TEXT, [Eval(str(n), f"Say {n}.", "aa", ()) for n in range(8)])
    settings = {"base": str(tiny_folder), "checkpoint": str(checkpoint), "minutes": 1}
    job = training.jobs.submit(owner_of(me), "code-aa", settings, *training.book.trajectories(owner_of(me), [skill]))

    folders = {"SKILL_STUDIO_DATA": str(data), "TMPDIR": str(scratch)}
    address = start_studio("--base", tiny_folder, "--checkpoint", checkpoint, **folders)
    trainer = trainer_of(training, owner_of(me), job.id)
    os.kill(trainer.pid, signal.SIGSTOP)  # so that it does not end meanwhile
    try:
        assert list(scratch.glob("parametric-skills-*"))
        assert start_studio.stop(address) == 0
        assert not list(scratch.glob("parametric-skills-*"))
        assert trainer.status() == psutil.STATUS_STOPPED
    finally:
        os.killpg(trainer.pid, signal.SIGKILL)
