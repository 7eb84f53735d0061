"""The queue of refits: processes of their own that outlive page and server, told truthfully and resumed."""

import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from tiny import full_disk

from hypernet.adapter import text_sha256
from studio import jobs as jobs_module
from studio import slices
from studio.jobs import Job, JobError, Jobs, Limits, data_folder, refit_command
from training.trajectories import Trajectory

WAIT = 300  # seconds for what should come at once, on a machine with other work
ME, OTHER = "owner-one", "owner-two"

# A trainer without a model: a step every 20 ms up to `steps`, 0 for no end; it stops and resumes as the real one does.
TRAINER = """
import json, pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
steps = json.loads((folder / "refit.json").read_text())["steps"]
curve, stop = folder / "curve.jsonl", []
signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
step = 1 + max(json.loads(line)["step"] for line in curve.read_text().splitlines()) if curve.exists() else 0
def tell(line):
    with curve.open("a") as file:
        file.write(json.dumps(line) + "\\n")
while not steps or step <= steps:
    tell({"step": step, "loss": 1.0})
    if stop:
        tell({"step": step, "stopped": True})
        sys.exit(0)
    if (folder / "finish").exists():
        break
    step += 1
    time.sleep(0.02)
(folder / "report.json").write_text(json.dumps({"steps": steps or step}))
"""
FAILS = "import sys\nfor i in range(40): print('line', i)\nprint('10%\\rThe base is not there.')\nsys.exit(3)"
DEAF = TRAINER.replace("lambda *_: stop.append(1)", "signal.SIG_IGN")


def trainer(script: str = TRAINER) -> Callable[[Path], list[str]]:
    return lambda folder: [sys.executable, "-c", script, str(folder)]


def skill_text(code: str) -> str:
    return f"---\nname: code-{code}\ndescription: How to answer.\n---\n\n- Always answer with `{code}`.\n"


TEXT = skill_text("aa")
DIGEST = text_sha256(TEXT)


def example(i: int, skill: str = DIGEST) -> Trajectory:
    return Trajectory(({"role": "user", "content": f"Case {i}?"}, {"role": "assistant", "content": "aa"}), skill)


EXAMPLES = [example(i) for i in range(4)]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "POLL_SECONDS", 0.02)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Jobs]]:
    """Makes queues over one folder; at the end they are closed, and what still runs is ended."""
    made: list[Jobs] = []

    def queue(
        command: Callable[[Path], list[str]] | None = None,
        started: bool = True,
        slices: Callable[[str, float], bool] | None = None,
    ) -> Jobs:
        jobs = Jobs(tmp_path / "data", command or trainer(), slices)
        made.append(jobs)
        if started:
            jobs.start()
        return jobs

    yield queue
    for jobs in made:
        jobs.close()
    for row in rows(tmp_path):
        if row["pid"] not in (None, os.getpid()) and psutil.pid_exists(row["pid"]):
            psutil.Process(row["pid"]).kill()


def rows(root: Path) -> list[sqlite3.Row]:
    connection = sqlite3.connect(root / "data" / "jobs.sqlite3")
    connection.row_factory = sqlite3.Row
    found = connection.execute("SELECT * FROM jobs ORDER BY turn").fetchall()
    connection.close()
    return found


def change(root: Path, query: str, *values: object) -> None:
    connection = sqlite3.connect(root / "data" / "jobs.sqlite3")
    with connection:
        connection.execute(query, values)
    connection.close()


def submit(jobs: Jobs, owner: str = ME, steps: int = 0, seed: int = 0, **settings) -> Job:
    return jobs.submit(owner, "code aa", {"steps": steps, "seed": seed, **settings}, {DIGEST: TEXT}, EXAMPLES)


def until(jobs: Jobs, job: Job, *states: str) -> Job:
    """The job once it is in one of the states; where it ends otherwise, the test fails with its message."""
    end = time.monotonic() + WAIT
    while (found := jobs.get(job.owner, job.id)).state not in states:
        assert time.monotonic() < end and found.state not in {"failed", "finished"} - {*states}, found
        time.sleep(0.02)
    return found


def steps_of(jobs: Jobs, job: Job, least: int = 0) -> list[int]:
    """The steps of the curve, once there are so many."""
    end = time.monotonic() + WAIT
    while len(found := [line["step"] for line in jobs.curve(job.owner, job.id) if "stopped" not in line]) < least:
        assert time.monotonic() < end, jobs.get(job.owner, job.id)
        time.sleep(0.02)
    return found


def pid_of(root: Path, job: Job) -> int:
    end = time.monotonic() + WAIT
    while not (pid := next(row["pid"] for row in rows(root) if row["id"] == job.id)):
        assert time.monotonic() < end
        time.sleep(0.02)
    return pid


# ---- the queue -----------------------------------------------------------------------------------------------------


def test_one_runs_at_a_time_and_the_others_wait_with_their_place(make):
    jobs = make()
    first = submit(jobs)
    until(jobs, first, "running")
    second, third = submit(jobs, OTHER, steps=1), submit(jobs, steps=1, seed=1)
    assert [jobs.get(job.owner, job.id).place for job in (first, second, third)] == [None, 1, 2]
    steps_of(jobs, first, 3)
    assert [jobs.get(job.owner, job.id).state for job in (second, third)] == ["queued", "queued"]
    jobs.stop(ME, first.id)
    until(jobs, first, "stopped")
    until(jobs, second, "finished")
    assert until(jobs, third, "finished").place is None
    assert jobs.report(ME, third.id) == {"steps": 1}


def test_who_leaves_the_queue_makes_the_next_one_move_up(make):
    jobs = make(started=False)
    first, second = submit(jobs), submit(jobs, OTHER)
    assert (first.place, second.place) == (1, 2)
    assert jobs.stop(ME, first.id).state == "stopped"
    assert jobs.get(OTHER, second.id).place == 1
    assert jobs.resume(ME, first.id).place == 2  # at the end


def test_two_servers_on_one_folder_start_it_once(make, tmp_path: Path):
    jobs, other = make(), make()
    job, waiting = submit(jobs), submit(other, OTHER)
    steps = steps_of(jobs, job, 5)
    assert steps == sorted(set(steps))
    assert other.get(OTHER, waiting.id).state == "queued"
    jobs.close()  # the other server takes over, process and queue
    other.stop(ME, job.id)
    until(other, job, "stopped")
    steps_of(other, waiting, 2)


def test_two_people_who_press_start_at_once_get_a_training_each(make):
    jobs, together = make(), threading.Barrier(2)

    def press(owner: str) -> Job:
        together.wait()
        return submit(jobs, owner, steps=2)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(press, (ME, OTHER))
    assert first.id != second.id
    for job in (first, second):
        until(jobs, job, "finished")
        assert steps_of(jobs, job) == [0, 1, 2]


def test_one_person_who_presses_start_twice_gets_one_training(make, tmp_path: Path):
    jobs, together = make(started=False), threading.Barrier(4)

    def press(_: int) -> Job:
        together.wait()
        return submit(jobs)

    with ThreadPoolExecutor(4) as pool:
        ids = {job.id for job in pool.map(press, range(4))}
    assert len(ids) == 1
    assert [folder.name for folder in (tmp_path / "data" / "jobs").iterdir()] == list(ids)
    assert submit(jobs, seed=1).id not in ids  # another setting is another training


# ---- what outlives what --------------------------------------------------------------------------------------------


def test_a_stopped_one_goes_on_where_it_was(make):
    jobs = make()
    job = submit(jobs)
    steps_of(jobs, job, 3)
    jobs.stop(ME, job.id)
    until(jobs, job, "stopped")
    before = steps_of(jobs, job)
    jobs.resume(ME, job.id)
    after = steps_of(jobs, job, len(before) + 2)
    assert after[: len(before)] == before and after == list(range(len(after)))


def test_a_running_one_and_a_stopped_one_are_finished_with_what_they_have(make):
    jobs = make()
    job, other = submit(jobs), submit(jobs, OTHER)
    steps_of(jobs, job, 3)
    with pytest.raises(JobError, match="no such training"):
        jobs.finish(OTHER, job.id)
    jobs.finish(ME, job.id)
    until(jobs, job, "finished")
    assert jobs.report(ME, job.id)["steps"] >= 2
    with pytest.raises(JobError, match="is finished"):
        jobs.finish(ME, job.id)
    steps_of(jobs, other, 3)
    jobs.stop(OTHER, other.id)
    until(jobs, other, "stopped")
    assert jobs.finish(OTHER, other.id).state in ("queued", "running", "finished")
    until(jobs, other, "finished")


def test_a_resumed_one_is_not_finished_though_it_once_was_to_be(make):
    jobs = make(started=False)
    job = submit(jobs, steps=3)
    jobs.finish(ME, job.id)
    jobs.stop(ME, job.id)
    jobs.resume(ME, job.id)
    jobs.start()
    until(jobs, job, "finished")
    assert steps_of(jobs, job) == [0, 1, 2, 3]


def test_one_that_goes_on_from_another_outlives_it(make):
    jobs = make(started=False)
    before = submit(jobs)
    checkpoint = before.folder / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "model.safetensors").write_bytes(b"weights")
    job = submit(jobs, checkpoint=str(checkpoint))
    assert submit(jobs, checkpoint=str(checkpoint)).id == job.id  # pressed twice
    jobs.stop(ME, before.id)
    jobs.discard(ME, before.id)
    kept = Path(json.loads((job.folder / "refit.json").read_text())["checkpoint"])
    assert kept.is_relative_to(job.folder) and (kept / "model.safetensors").read_bytes() == b"weights"
    with pytest.raises(JobError, match="Press Back to the shipped one"):
        submit(jobs, checkpoint=str(checkpoint), seed=1)
    assert [folder.name for folder in job.folder.parent.iterdir()] == [job.id]


def test_a_restarted_server_finds_the_running_one_and_tells_how_it_ended(make):
    jobs = make()
    job = submit(jobs, steps=250)  # seconds, so that it still runs when the next server looks
    steps_of(jobs, job, 1)
    jobs.close()
    again = make()
    assert again.get(ME, job.id).state == "running"
    assert [found.id for found in again.list(ME)] == [job.id]
    until(again, job, "finished")
    assert steps_of(again, job) == list(range(251))


def test_what_ended_while_no_server_ran_is_told(make, tmp_path: Path):
    jobs = make()
    done, killed = submit(jobs, steps=3), submit(jobs, OTHER)
    until(jobs, done, "finished")
    steps_of(jobs, killed, 1)
    jobs.close()
    os.kill(pid_of(tmp_path, killed), signal.SIGKILL)
    jobs._children[killed.id].wait()
    again = make()
    assert "ended without a report" in until(again, killed, "failed").message
    assert again.get(ME, done.id).state == "finished"


def test_a_killed_trainer_is_told_and_the_next_one_starts(make, tmp_path: Path):
    jobs = make()
    job, waiting = submit(jobs), submit(jobs, OTHER, steps=1)
    steps_of(jobs, job, 2)
    os.kill(pid_of(tmp_path, job), signal.SIGKILL)
    assert "ended from outside (SIGKILL), perhaps because memory ran out" in until(jobs, job, "failed").message
    until(jobs, waiting, "finished")


def test_a_server_that_was_killed_while_it_started_one_finds_it_or_starts_it_again(make, tmp_path: Path):
    jobs = make(started=False)
    started, lost = submit(jobs, steps=300), submit(jobs, OTHER, steps=1)
    child = subprocess.Popen(trainer()(started.folder))
    change(tmp_path, "UPDATE jobs SET state = 'running', pid = NULL")
    jobs.start()
    assert pid_of(tmp_path, started) == child.pid
    until(jobs, lost, "queued")
    threading.Thread(target=child.wait, daemon=True).start()  # else it stays a zombie of this process
    until(jobs, started, "finished")
    until(jobs, lost, "finished")
    assert steps_of(jobs, started) == list(range(301))


def test_a_trainer_is_known_though_the_clock_was_set_since_it_started(make, tmp_path: Path):
    jobs = make(started=False)
    job = submit(jobs, steps=300)
    child = subprocess.Popen(trainer()(job.folder))
    change(tmp_path, "UPDATE jobs SET state = 'running', pid = ?, born = 1.0", child.pid)
    jobs.start()
    threading.Thread(target=child.wait, daemon=True).start()  # else it stays a zombie of this process
    until(jobs, job, "finished")
    assert steps_of(jobs, job) == list(range(301))


def test_a_pid_that_another_process_got_is_not_taken_for_the_trainer(make, tmp_path: Path):
    jobs = make(started=False)
    job = submit(jobs)
    change(tmp_path, "UPDATE jobs SET state = 'running', pid = ?, born = 1.0", os.getpid())
    jobs.start()
    assert "without a report" in until(jobs, job, "failed").message


def test_a_failure_is_told_with_the_last_lines_of_this_runs_log(make):
    jobs = make(trainer(FAILS))
    job = submit(jobs)
    message = until(jobs, job, "failed").message.splitlines()
    assert message[0] == "It ended with exit code 3."
    assert message[-2:] == ["line 39", "The base is not there."] and len(message) == 16
    jobs.resume(ME, job.id)
    until(jobs, job, "failed")
    log = (job.folder / "log.txt").read_text()
    assert log.count("The base is not there.") == 2
    assert jobs.get(ME, job.id).message.count("The base is not there.") == 1


def test_a_trainer_that_can_not_be_started_fails_with_the_reason(make):
    jobs = make(lambda folder: [str(folder / "no-such-program")])
    assert "could not be started" in until(jobs, submit(jobs), "failed").message


def test_one_that_does_not_stop_is_ended_after_a_while(make, monkeypatch: pytest.MonkeyPatch):
    jobs = make(trainer(DEAF))
    job = submit(jobs)
    steps_of(jobs, job, 1)
    assert jobs.stop(ME, job.id).state == "stopping"
    with pytest.raises(JobError, match="still stopping"):
        jobs.resume(ME, job.id)
    monkeypatch.setattr(jobs_module, "GRACE_SECONDS", 0.2)
    assert "did not stop within" in until(jobs, job, "failed").message


# ---- whose they are ------------------------------------------------------------------------------------------------


def test_nobody_sees_or_changes_what_is_anothers(make):
    jobs = make(started=False)
    job = submit(jobs)
    assert jobs.list(OTHER) == []
    for act in (jobs.get, jobs.stop, jobs.resume, jobs.discard, jobs.curve, jobs.report):
        with pytest.raises(JobError, match="no such training"):
            act(OTHER, job.id)
    with pytest.raises(JobError, match="could not recognise this browser"):
        submit(jobs, "")
    assert jobs.get(ME, job.id).state == "queued"


def test_a_discarded_one_is_gone_with_its_folder(make):
    jobs = make()
    job = submit(jobs, steps=1)
    until(jobs, job, "finished")
    jobs.discard(ME, job.id)
    assert not job.folder.exists() and jobs.list(ME) == []
    with pytest.raises(JobError, match="discarded"):
        jobs.resume(ME, job.id)


def test_a_running_one_is_not_discarded(make):
    jobs = make()
    job = submit(jobs)
    steps_of(jobs, job, 1)
    with pytest.raises(JobError, match="Stop it, then discard it"):
        jobs.discard(ME, job.id)
    assert job.folder.exists()


# ---- limits --------------------------------------------------------------------------------------------------------


def ended(root: Path, jobs: Jobs, owner: str, seed: int, days: float) -> Job:
    """A job of a megabyte that ended so many days ago."""
    job = submit(jobs, owner, seed=seed)
    (job.folder / "weights").write_bytes(bytes(1_000_000))
    at = time.time() - 86_400 * days
    os.utime(job.folder, (at, at))
    change(root, "UPDATE jobs SET state = 'finished' WHERE id = ?", job.id)
    return job


def test_over_the_room_on_disk_the_oldest_that_ended_go_but_none_in_use(make, monkeypatch, tmp_path: Path):
    jobs = make(started=False)
    used, oldest, old, new = (ended(tmp_path, jobs, ME, seed, days) for seed, days in enumerate((9, 7, 5, 3)))
    jobs.use(ME, used.id)
    waiting = submit(jobs, OTHER)
    monkeypatch.setenv("SKILL_STUDIO_TRAINING_GB", "0.0025")
    jobs._sweep()
    assert {job.id for job in jobs.list(ME)} == {used.id, new.id}
    assert not oldest.folder.exists() and not old.folder.exists() and used.folder.exists()
    assert jobs.get(OTHER, waiting.id).state == "queued"
    jobs.use_none(ME)
    monkeypatch.setenv("SKILL_STUDIO_TRAINING_GB", "0.0001")
    jobs._sweep()
    assert jobs.list(ME) == [] and waiting.folder.exists()


def test_what_nobody_came_back_for_goes_after_the_days_that_are_set(make, monkeypatch, tmp_path: Path):
    jobs = make(started=False)
    used, old, new = (ended(tmp_path, jobs, ME, seed, days) for seed, days in enumerate((9, 9, 3)))
    jobs._sweep()
    assert len(jobs.list(ME)) == 3  # no limit where none is set
    jobs.use(ME, used.id)
    monkeypatch.setenv("SKILL_STUDIO_TRAINING_DAYS", "7")
    jobs._sweep()
    assert {job.id for job in jobs.list(ME)} == {used.id, new.id} and not old.folder.exists()
    change(tmp_path, "UPDATE uses SET seen = ?", time.time() - 8 * 86_400)
    jobs._sweep()
    assert [job.id for job in jobs.list(ME)] == [new.id]


def test_only_on_a_space_trainings_are_deleted_by_themselves(monkeypatch: pytest.MonkeyPatch):
    limits = Limits.from_environment()
    assert (limits.days, limits.gigabytes) == (math.inf, math.inf)
    monkeypatch.setenv("SPACE_ID", "ann/studio")
    limits = Limits.from_environment()
    assert (limits.days, limits.gigabytes) == (30, 10)


def test_the_whole_queue_has_a_limit(make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SKILL_STUDIO_TRAINING_QUEUE", "2")
    jobs = make(started=False)
    first = submit(jobs)
    submit(jobs, OTHER)
    assert jobs.active() == 2
    with pytest.raises(JobError, match="This server has 2 trainings waiting or running"):
        submit(jobs, "owner-three")
    jobs.stop(ME, first.id)
    submit(jobs, "owner-three")


def test_limits_come_from_the_environment(make, monkeypatch: pytest.MonkeyPatch):
    assert Limits.from_environment() == Limits(True, 60.0, 3)
    monkeypatch.setenv("SKILL_STUDIO_TRAINING_MINUTES", "2")
    monkeypatch.setenv("SKILL_STUDIO_TRAINING_JOBS", "2")
    jobs = make(started=False)
    job = submit(jobs, minutes=30)
    assert json.loads((job.folder / "refit.json").read_text())["minutes"] == 2.0
    submit(jobs, seed=1)
    with pytest.raises(JobError, match="allows 2 a person"):
        submit(jobs, seed=2)
    assert submit(jobs, OTHER).place == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "maybe"),
        ("_MINUTES", "-1"),
        ("_MINUTES", "nan"),
        ("_JOBS", "two"),
        ("_JOBS", "1.5"),
        ("_QUEUE", "0"),
        ("_DAYS", "x"),
    ],
)
def test_a_limit_that_is_none_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(f"SKILL_STUDIO_TRAINING{name}", value)
    with pytest.raises(JobError, match=f"SKILL_STUDIO_TRAINING{name} is"):
        Limits.from_environment()


def test_where_training_is_switched_off_what_runs_is_stopped_and_nothing_starts(make, monkeypatch: pytest.MonkeyPatch):
    jobs = make()
    job, waiting = submit(jobs), submit(jobs, OTHER)
    steps_of(jobs, job, 1)
    monkeypatch.setenv("SKILL_STUDIO_TRAINING", "off")
    until(jobs, job, "stopped")
    until(jobs, waiting, "stopped")
    with pytest.raises(JobError, match="switched off"):
        submit(jobs, seed=1)
    with pytest.raises(JobError, match="switched off"):
        jobs.resume(ME, job.id)


def test_a_person_keeps_so_many_trainings_and_no_more(make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jobs_module, "MAX_KEPT", 1)
    jobs = make(started=False)
    job = submit(jobs)
    with pytest.raises(JobError, match="Discard one"):
        submit(jobs, seed=1)
    jobs.discard(ME, job.id)
    submit(jobs, seed=1)


def test_the_data_folder_is_the_one_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SKILL_STUDIO_DATA", str(tmp_path / "a" / "b"))
    assert data_folder() == tmp_path / "a" / "b" and data_folder().is_dir()
    (tmp_path / "file").touch()
    monkeypatch.setenv("SKILL_STUDIO_DATA", str(tmp_path / "file" / "b"))
    with pytest.raises(JobError, match="SKILL_STUDIO_DATA"):
        data_folder()


# ---- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("skills", "examples", "said"),
    [
        ({}, EXAMPLES, "No skill is chosen"),
        ({DIGEST: TEXT}, [], "no examples"),
        ({DIGEST: TEXT}, [*EXAMPLES, example(9, "0" * 64)], "a skill that is not chosen"),
        ({DIGEST: TEXT}, [*EXAMPLES, example(9, "")], "no skill at all"),
        ({DIGEST: TEXT + "!"}, EXAMPLES, "not the text that it is named after"),
    ],
)
def test_what_does_not_belong_together_is_refused_and_leaves_nothing(make, tmp_path, skills, examples, said):
    jobs = make(started=False)
    with pytest.raises(JobError, match=said):
        jobs.submit(ME, "x", {}, skills, examples)
    assert jobs.list(ME) == [] and not any((tmp_path / "data" / "jobs").iterdir())


@pytest.mark.parametrize("minutes", ["3", -1, float("nan"), True])
def test_minutes_that_are_none_are_refused(make, minutes):
    with pytest.raises(JobError, match="Write a number over 0"):
        submit(make(started=False), minutes=minutes)


def test_with_no_disk_left_nothing_is_submitted_and_the_one_before_goes_on(make, tmp_path: Path):
    jobs = make()
    job = submit(jobs, steps=200)
    steps_of(jobs, job, 1)
    with full_disk(100), pytest.raises(JobError, match="Free some disk space"):
        submit(jobs, seed=1)
    assert [found.id for found in jobs.list(ME)] == [job.id]
    assert [folder.name for folder in (tmp_path / "data" / "jobs").iterdir()] == [job.id]
    until(jobs, job, "finished")


# ---- with the real trainer, on the tiny base -----------------------------------------------------------------------


def settings(tiny_folder: Path, checkpoint: Path, steps: int) -> dict:
    small = {"look_every": 1, "patience": 1000, "families": 2, "replay": 0, "texts": 1}
    return {"base": str(tiny_folder), "checkpoint": str(checkpoint), "steps": steps, **small}


@pytest.fixture
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.mark.usefixtures("_one_thread")
def test_a_refit_that_was_killed_goes_on_at_the_step_it_had_saved(make, tmp_path, tiny_folder, checkpoint):
    jobs = make(refit_command)
    job = submit(jobs, **settings(tiny_folder, checkpoint, 40))
    steps_of(jobs, job, 3)
    jobs.stop(ME, job.id)
    until(jobs, job, "stopped")
    saved = steps_of(jobs, job)
    jobs.resume(ME, job.id)
    steps_of(jobs, job, len(saved) + 2)
    os.kill(pid_of(tmp_path, job), signal.SIGKILL)
    assert "SIGKILL" in until(jobs, job, "failed").message
    jobs.resume(ME, job.id)
    until(jobs, job, "finished")
    assert steps_of(jobs, job) == list(range(41))
    report = jobs.report(ME, job.id)
    assert report["steps"] == 40 and report["sentence"]
    assert (job.folder / "checkpoint" / "config.json").exists()


@pytest.mark.usefixtures("_one_thread")
def test_a_stopped_refit_is_finished_with_its_best_state(make, tiny_folder, checkpoint):
    jobs = make(refit_command)
    job = submit(jobs, **settings(tiny_folder, checkpoint, 1000))
    steps_of(jobs, job, 3)
    jobs.stop(ME, job.id)
    until(jobs, job, "stopped")
    steps = steps_of(jobs, job)
    jobs.finish(ME, job.id)
    until(jobs, job, "finished")
    assert jobs.report(ME, job.id)["steps"] == steps[-1] and steps_of(jobs, job) == steps
    assert (job.folder / "checkpoint" / "config.json").exists()


@pytest.mark.usefixtures("_one_thread")
def test_a_refit_with_no_disk_left_fails_with_the_way_out_and_can_go_on(make, tmp_path, tiny_folder, checkpoint):
    full = tmp_path / "full"
    full.touch()

    def command(folder: Path) -> list[str]:
        limit = f"[ -e {full} ] && ulimit -f 20; " + 'exec "$@"'
        return ["bash", "-c", limit, "bash", *refit_command(folder)]

    jobs = make(command)
    job = submit(jobs, **settings(tiny_folder, checkpoint, 2))
    message = until(jobs, job, "failed").message
    assert "exit code 2" in message and "Free some disk space and run it again" in message
    full.unlink()
    jobs.resume(ME, job.id)
    until(jobs, job, "finished")
    assert steps_of(jobs, job) == [0, 1, 2]


# ---- in slices, as on a ZeroGPU Space ------------------------------------------------------------------------------


def test_a_training_in_slices_is_one_training(make, tmp_path, tiny_folder, checkpoint, monkeypatch):
    monkeypatch.setattr(slices, "SLICE_SECONDS", 0.0)  # of a step each
    monkeypatch.setattr(slices, "WATCH_SECONDS", 0.01)
    monkeypatch.setattr("training.refit.NEUTRAL", 2)
    lengths = []

    def run(folder: str, seconds: float) -> bool:
        lengths.append(seconds)
        return slices.run_slice(folder, seconds)

    jobs = make(slices=run)
    job = submit(jobs, **settings(tiny_folder, checkpoint, 3))
    until(jobs, job, "finished")
    assert len(lengths) > 1
    assert steps_of(jobs, job) == [0, 1, 2, 3]
    assert jobs.report(ME, job.id)["steps"] == 3


def test_a_training_in_slices_is_stopped_and_resumed_between_two(make, monkeypatch):
    def run(folder: str, _seconds: float) -> bool:
        with Path(folder, "curve.jsonl").open("a") as curve:
            curve.write('{"step": 0}\n{"step": 0, "stopped": true}\n')
        time.sleep(0.02)
        return False

    jobs = make(slices=run)
    job = submit(jobs)
    steps_of(jobs, job, 2)
    jobs.stop(ME, job.id)
    until(jobs, job, "stopped")
    ran = len(steps_of(jobs, job))
    jobs.resume(ME, job.id)
    steps_of(jobs, job, ran + 2)
    jobs.stop(ME, job.id)  # its thread would go on beside all later tests
    until(jobs, job, "stopped")


def test_a_slice_that_is_refused_ends_the_training_with_the_reason(make):
    def run(_folder: str, _seconds: float) -> bool:
        raise RuntimeError("You have exceeded your GPU quota.")

    jobs = make(slices=run)
    assert "exceeded your GPU quota" in until(jobs, submit(jobs), "failed").message


def test_what_ran_in_slices_when_the_server_ended_is_told_and_resumed(make, tmp_path: Path):
    jobs = make(started=False, slices=lambda _folder, _seconds: True)
    job = submit(jobs)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    change(tmp_path, "UPDATE jobs SET state = 'running', pid = ?, born = 1.0", gone.pid)
    jobs.start()
    until(jobs, job, "failed")
    assert jobs.resume(ME, job.id).state == "queued"
