"""The training tab as a visitor uses it: a real server over a tiny base, real trainings, a real Chromium."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Page, Route, expect
from stand_in_hub import Fault, Person, StandIn, serve
from studios import Studios, free_port
from token_sweep import assert_no_token, server_folders

from studio.jobs import Jobs

TOKEN = "hf_annSecret0123456789"
WAIT = 300_000  # milliseconds, of what takes seconds on a machine without other work
SKILL = "checkout-latency-levels"


@pytest.fixture(scope="module")
def there() -> Iterator[StandIn]:
    with serve(StandIn({}, {TOKEN: Person("ann")})) as hub:
        yield hub


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server writes everything that it writes."""
    return tmp_path_factory.mktemp("room")


@pytest.fixture(scope="module")
def data(room: Path) -> Path:
    """The folder for what outlives the server."""
    return room / "data"


@pytest.fixture(scope="module")
def server(start_studio: Studios, there: StandIn, room: Path, tiny_folder: Path, checkpoint: Path) -> str:
    settings = {"HF_ENDPOINT": there.url, "OMP_NUM_THREADS": "1", **server_folders(room)}
    model = ("--base", tiny_folder, "--checkpoint", checkpoint)
    return start_studio(*model, log=room / "log.txt", **settings)


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1400, "height": 900}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(WAIT)
    expect.set_options(timeout=WAIT)
    page.goto(server)
    page.locator('#status [data-state="ready"]').wait_for()
    yield page
    context.close()


def tab(page: Page, name: str) -> None:
    page.locator("#rooms").get_by_role("tab", name=name, exact=True).click()


def add_from_library(page: Page, option: str, name: str = "") -> None:
    field = page.locator("#add-library input")
    field.click()
    field.fill(option)
    page.get_by_role("option", name=option, exact=True).click()
    expect(page.locator("#own-skills")).to_contain_text(name or option)


def state(page: Page, said: str) -> None:
    expect(page.locator("#job-state .chip")).to_have_text(said)


def set_number(page: Page, label: str, value: str) -> None:
    field = page.get_by_label(f"number input for {label}")
    field.fill(value)
    field.press("Tab")


def last_step(data: Path) -> int:
    (curve,) = (data / "jobs").glob("*/curve.jsonl")
    return max(json.loads(line)["step"] for line in curve.read_text().splitlines() if line.endswith("}"))


def running_trainer(data: Path) -> int:
    """The process of the training that runs."""
    with sqlite3.connect(data / "jobs.sqlite3") as db:
        (pid,) = db.execute("SELECT pid FROM jobs WHERE state = 'running'").fetchone()
    return pid


def test_examples_are_added_trained_on_and_the_result_is_used_and_given_back(
    page: Page, data: Path, room: Path, there: StandIn, tmp_path: Path
) -> None:
    tab(page, "Train")
    expect(page.locator("#own-skills")).to_contain_text("Add the skill that is open")
    add_from_library(page, SKILL)
    rows = page.locator("#own-examples tbody tr")
    new = page.locator("#own-examples tr.new")
    new.wait_for()
    brought = rows.count() - 1
    assert brought >= 8

    # an answer of the comparison, mended, becomes an example of the skill in the editor
    tab(page, "Compare")
    first, expected = (page.locator("#own-examples textarea").nth(n).input_value() for n in range(2))
    page.locator("#picker label", has_text=SKILL).click()
    expect(page.locator("#prompt textarea")).to_have_value(first)  # typed over before it came, both would be mixed
    page.locator("#compare").click()
    page.locator("#keep").get_by_text("Keep an answer as an example").click()
    expect(page.locator("#kept textarea")).to_have_value(expected)  # the right answer is known
    expect(page.locator("#kept-pane input:checked")).to_have_count(0)
    page.locator("#prompt textarea").fill("service=cart latency=31 ms")
    page.locator("#compare").click()
    expect(page.locator("#kept-pane input:checked")).to_have_count(1)
    page.locator("#kept textarea").fill("kept by hand")
    page.locator("#keep-answer").click()
    expect(page.locator("#kept-line")).to_contain_text(f"This skill now has {brought + 1} examples under Train")
    tab(page, "Train")
    expect(rows).to_have_count(brought + 2)

    # one written into the table; a contradiction keeps the training from starting until it is mended
    new.locator('[data-field="prompt"]').fill("service=cart latency=31 ms")
    new.locator('[data-field="answer"]').fill("another answer")
    new.locator("button.add").click()
    expect(page.locator("#faults")).to_contain_text("The same prompt is there with another answer")
    expect(page.locator("#start")).to_be_disabled()
    page.locator(f"#own-examples tbody tr:nth-child({brought + 2}) button.drop").click()
    page.locator(f"#own-examples tbody tr:nth-child({brought + 2}) button.drop").click()
    expect(page.locator("#start")).to_be_enabled()

    # it runs, with the loss from step 0; it is stopped, and goes on where it was
    expect(page.locator("#estimate")).to_contain_text("Takes at most")
    page.get_by_role("button", name="More settings").click()
    set_number(page, "Evaluations without improvement before stopping", "20")
    set_number(page, "Minutes", "20")  # so that it does not end by itself before it is stopped
    expect(page.locator("#estimate")).to_contain_text("20\N{NO-BREAK SPACE}min")
    page.locator("#start").click()
    state(page, "running")
    expect(page.locator("#job-progress .steps")).to_contain_text("step 0")
    expect(page.locator("#job-progress figcaption")).to_contain_text("Loss, kept out")
    expect(page.locator("#job-progress")).to_contain_text("tokens/s")
    expect(page.locator("#job-progress")).to_contain_text("Time left")
    expect(page.locator("#job-progress .sample").first).to_contain_text("Expected")
    page.locator("#job-stop").click()
    state(page, "stopped")
    stopped = last_step(data)
    (settings,) = (data / "jobs").glob("*/refit.json")
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"steps": stopped + 5}))  # some more are enough
    page.reload()
    tab(page, "Train")
    state(page, "stopped")
    page.locator("#job-resume").click()
    state(page, "finished")
    assert last_step(data) > stopped

    report = page.locator("#job-report")
    expect(report.locator(".verdict")).to_contain_text("kept-out examples of your skills")
    for part in (
        "Your skills, on prompts that were kept out",
        "The kinds of skills that shipped",
        "nothing to do with",
    ):
        expect(report).to_contain_text(part)
    expect(report.locator(".spans .row").first).to_be_visible()
    expect(report.locator(".sample").first).to_contain_text("Before")

    # it is downloaded, and pushed to the Hub
    with page.expect_download() as download:
        page.locator("#job-download").click()
    download.value.save_as(tmp_path / "own.zip")
    assert any(name.endswith(".safetensors") for name in zipfile.ZipFile(tmp_path / "own.zip").namelist())
    page.get_by_role("button", name="Push it to the Hugging Face Hub").click()
    page.locator("#job-push-it").click()
    expect(page.locator("#job-push-line")).to_contain_text("Give a token")
    page.locator("#job-push-token input").fill(TOKEN)
    page.locator("#job-push-to textarea, #job-push-to input").first.fill("mine")
    page.locator("#job-push-it").click()
    expect(page.locator("#job-push-line")).to_contain_text("Pushed in a new repository: ann/mine")
    assert {"config.json", "README.md"} <= there.repositories["ann/mine"].keys() and "ann/mine" in there.private

    # the token is kept nowhere, and a push that fails does not tell it either
    there.faults.append(Fault("POST", "/preupload/", 403))
    page.locator("#job-push-it").click()
    expect(page.locator("#job-push-line")).to_contain_text("the token may not do this (403)")
    assert there.tokens == {TOKEN}
    assert_no_token([TOKEN], room, page)

    # it is used, which the top of the page says, and one click goes back
    page.locator("#job-use").click()
    expect(page.locator("#in-use")).to_contain_text("your hypernetwork")
    expect(page.locator("#job-use")).to_have_text("In use")
    page.reload()
    expect(page.locator("#in-use")).to_contain_text(SKILL)
    page.locator("#compare").click()
    page.locator('#activity [data-state="done"]').wait_for()
    page.locator("#back").click()
    expect(page.locator("#in-use")).to_be_hidden()

    # and thrown away
    tab(page, "Train")
    page.locator("#job-discard").click()
    page.locator("#discard-it").click()
    expect(page.locator("#job-state")).to_contain_text("A training shows here how it goes")
    assert not list((data / "jobs").iterdir())


def test_an_own_skill_is_trained_on_with_files_and_stopped_with_the_best_so_far(page: Page, tmp_path: Path) -> None:
    page.locator("#picker label", has_text=SKILL).click()
    expect(page.locator("#skill-name textarea, #skill-name input").first).to_have_value(SKILL)
    page.locator("#keep-skill").click()
    expect(page.locator("#kept-skill")).to_contain_text(f"version 1 of {SKILL}")
    tab(page, "Train")
    add_from_library(page, f"{SKILL} (yours)", SKILL)

    # several files at once: what is good of them is kept, what is wrong is named
    (tmp_path / "good.csv").write_text("prompt,answer\nservice=one latency=2 ms,none\n")
    (tmp_path / "bad.jsonl").write_text("{")
    with (tmp_path / "big.jsonl").open("wb") as big:
        big.truncate(50_000_000)
    with page.expect_file_chooser() as chooser:
        page.locator("#import-examples").click()
    chooser.value.set_files([tmp_path / name for name in ("good.csv", "bad.jsonl", "big.jsonl")])
    too_large = "big.jsonl has 50.0 MB; a file may have 10 MB"
    for said in ("1 example imported.", "bad.jsonl:1: this is not JSON", too_large):
        expect(page.locator("#prepare-line")).to_contain_text(said)

    # all of them are there to be taken along
    with page.expect_download() as download:
        page.locator("#download-examples").click()
    assert download.value.suggested_filename == f"{SKILL}-examples.jsonl"
    lines = Path(download.value.path()).read_text().splitlines()
    assert len(lines) == page.locator("#own-examples tbody tr").count() - 1 and "latency=2 ms" in lines[-1]

    # a row that was edited goes, and the next one in its place shows what is its own
    prompts = page.locator('#own-examples [data-do="prompt"]')
    next_prompt, count = prompts.nth(1).input_value(), prompts.count()
    prompts.first.fill("typed over")
    prompts.first.blur()
    drop = page.locator("#own-examples button.drop").first
    drop.click()
    drop.click()
    expect(prompts).to_have_count(count - 1)
    expect(prompts.first).to_have_value(next_prompt)

    # the checks of an example are read, one is removed and another added
    page.locator("#own-examples .more").first.click()
    detail = page.locator("#own-example")
    checks = detail.locator("li")
    expect(detail).to_contain_text("Checks of the answer")
    count = checks.count()
    checks.first.locator("button").click()
    checks.first.locator("button").click()
    expect(checks).to_have_count(count - 1)
    detail.get_by_label("Kind of check").select_option("not_contains")
    detail.get_by_label("Text, pattern or number that is meant").fill("never this")
    detail.get_by_label("Text, pattern or number that is meant").press("Enter")
    expect(checks).to_have_count(count)
    expect(checks.last).to_contain_text("does not contain 'never this'")

    # so are turns before the prompt
    detail.get_by_label("An earlier prompt").fill("What do you label?")
    detail.get_by_label("What was answered to it").fill("Latencies.")
    detail.get_by_role("button", name="Add turns").click()
    earlier = detail.get_by_label("Assistant, turn 2")
    expect(earlier).to_have_value("Latencies.")
    earlier.fill("Latencies of services.")
    earlier.blur()
    detail.get_by_label("System message").fill("Answer in one word.")
    detail.get_by_label("System message").blur()
    expect(page.locator("#own-examples .more").first).to_contain_text("3 earlier turns")
    expect(detail.get_by_label("Assistant, turn 3")).to_have_value("Latencies of services.")
    detail.get_by_label("Remove turn 2 and what follows it").click()
    detail.get_by_label("Remove turn 2 and what follows it").click()
    expect(page.locator("#own-examples .more").first).to_contain_text("1 earlier turn")
    expect(detail.get_by_label("System message")).to_have_value("Answer in one word.")
    page.locator("#own-example").get_by_label("Close", exact=True).click()
    expect(page.locator("#own-example")).to_be_hidden()

    page.get_by_role("button", name="More settings").click()
    set_number(page, "Evaluations without improvement before stopping", "20")
    set_number(page, "Minutes", "20")
    page.locator("#start").click()
    page.locator("#job-finish").click()
    state(page, "finished")
    expect(page.locator("#job-report .verdict")).to_be_visible()

    # whether it is meant is asked for keyboards and screen readers too
    page.locator("#job-discard").press("Enter")
    expect(page.locator("#keep-it")).to_be_focused()
    expect(page.locator("#keep-it")).to_have_accessible_description(re.compile("^Delete this training"))
    page.locator("#keep-it").press("Enter")
    expect(page.locator("#job-discard")).to_be_focused()
    expect(page.locator("#confirm")).to_be_hidden()
    page.locator("#job-discard").click()
    page.locator("#discard-it").click()
    expect(page.locator("#job-state")).to_contain_text("A training shows here how it goes")


def test_two_skills_that_are_unticked_at_once_are_both_left_out(page: Page) -> None:
    tab(page, "Train")
    add_from_library(page, SKILL)
    page.locator("#add-open").click()
    boxes = page.locator("#own-skills input")
    expect(boxes).to_have_count(2)
    expect(page.locator("#start")).to_be_enabled()
    boxes.evaluate_all("(boxes) => boxes.forEach((box) => box.click())")  # before the first is answered
    expect(page.locator("#faults")).to_contain_text("No skill is chosen")
    expect(page.locator("#start")).to_be_disabled()


def test_a_training_that_is_chosen_stays_though_a_look_at_another_is_answered_later(page: Page) -> None:
    tab(page, "Train")
    add_from_library(page, SKILL)
    trainings, late = page.locator("#jobs .name"), []
    for minutes, count in (("20", 0), ("21", 2)):  # one alone needs no list
        set_number(page, "Minutes", minutes)
        page.locator("#start").click()
        expect(trainings).to_have_count(count)
        expect(page.locator("#job-state .chip")).to_have_text(re.compile("waiting" if count else "running"))
    runs, waits = (trainings.nth(n).get_attribute("data-id") for n in (1, 0))
    page.locator(f'#jobs [data-id="{runs}"]').click()
    state(page, "running")

    def hold(route: Route) -> None:
        response = route.fetch()
        if not late and runs in (route.request.post_data or "") and runs in response.text():
            late.append((route, response))
        else:
            route.fulfill(response=response)

    page.route("**/gradio_api/run/**", hold)
    while not late:
        page.wait_for_timeout(100)
    page.locator(f'#jobs [data-id="{waits}"]').click()
    expect(page.locator("#job-state .chip")).to_contain_text("waiting")
    route, response = late[0]
    route.fulfill(response=response)
    page.wait_for_timeout(300)
    expect(page.locator('#jobs [aria-current="true"] .name')).to_have_attribute("data-id", waits)
    expect(page.locator("#job-state .chip")).to_contain_text("waiting")
    page.unroute_all()

    page.locator("#job-discard").click()  # it is the one that was chosen
    page.locator("#discard-it").click()
    state(page, "running")
    page.locator("#job-stop").click()
    state(page, "stopped")
    page.locator("#job-discard").click()
    page.locator("#discard-it").click()
    expect(page.locator("#job-state")).to_contain_text("A training shows here how it goes")


def test_a_killed_trainer_is_told_with_its_log_and_another_visitor_sees_nothing(
    page: Page, data: Path, browser: Browser, server: str
) -> None:
    tab(page, "Train")
    add_from_library(page, SKILL)
    page.locator("#start").click()
    state(page, "running")
    expect(page.locator("#job-progress .steps")).to_be_visible()
    os.kill(running_trainer(data), signal.SIGKILL)
    state(page, "failed")
    expect(page.locator("#job-progress .log")).to_contain_text("SIGKILL")
    expect(page.locator("#job-resume")).to_be_visible()

    context = browser.new_context()
    other = context.new_page()
    other.goto(server)
    tab(other, "Train")
    expect(other.locator("#own-skills")).to_contain_text("Add the skill that is open")
    expect(other.locator("#job-state .chip")).to_have_count(0)
    assert not re.search(SKILL + r"</h3>", other.content())
    context.close()


def test_another_tab_and_a_server_that_was_killed_and_came_back_show_the_training_as_it_stands(
    browser: Browser, start_studio: Studios, tiny_folder: Path, checkpoint: Path, tmp_path: Path
) -> None:
    arguments, port = ("--base", tiny_folder, "--checkpoint", checkpoint), free_port()
    settings = {"SKILL_STUDIO_DATA": str(tmp_path / "data"), "OMP_NUM_THREADS": "1"}
    address = start_studio(*arguments, port=port, **settings)
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.set_default_timeout(WAIT)

    def another_tab() -> Page:
        opened = context.new_page()
        opened.goto(address)
        opened.locator('#status [data-state="ready"]').wait_for()
        tab(opened, "Train")
        return opened

    first = another_tab()
    add_from_library(first, SKILL)
    first.locator("#start").click()
    state(first, "running")
    second = another_tab()
    state(second, "running")
    expect(second.locator("#job-progress .steps")).to_be_visible()

    trainer = running_trainer(tmp_path / "data")
    os.kill(trainer, signal.SIGSTOP)  # so that it does not end meanwhile
    first.close()
    second.close()  # a page that is open loads itself anew once its server is back
    start_studio.kill(address)
    start_studio(*arguments, port=port, **settings)
    third = another_tab()
    state(third, "running")
    expect(third.locator("#job-progress .steps")).to_be_visible()
    os.kill(trainer, signal.SIGCONT)
    third.locator("#job-stop").click()
    state(third, "stopped")
    fourth = another_tab()
    state(fourth, "stopped")
    expect(fourth.locator("#job-resume")).to_be_visible()
    context.close()


def test_where_training_is_off_what_runs_is_stopped_the_tab_says_so_and_the_rest_works(
    browser: Browser, start_studio: Studios, tiny_folder: Path, checkpoint: Path, tmp_path: Path
) -> None:
    Jobs(tmp_path)  # makes the queue
    running = subprocess.Popen(["sleep", "600"])
    with sqlite3.connect(tmp_path / "jobs.sqlite3") as db:
        db.execute(
            "INSERT INTO jobs (id, owner, title, content, state, created, turn, pid, born) "
            "VALUES ('1', 'owner', 'code-aa', '', 'running', 0, 1, ?, ?)",
            (running.pid, psutil.Process(running.pid).create_time()),
        )
    model = ("--base", tiny_folder, "--checkpoint", checkpoint)
    settings = {"SKILL_STUDIO_DATA": str(tmp_path), "OMP_NUM_THREADS": "1"}
    page = browser.new_page()
    page.set_default_timeout(WAIT)
    page.goto(start_studio(*model, SKILL_STUDIO_TRAINING="off", **settings))
    assert running.wait(WAIT / 1000) == -signal.SIGTERM
    tab(page, "Train")
    expect(page.locator("#train-off")).to_contain_text("Training is switched off on this server")
    tab(page, "Compare")
    page.locator("#compare").click()
    page.locator('#activity [data-state="done"]').wait_for()
    assert page.locator("#keep").count() == 0
    page.close()
