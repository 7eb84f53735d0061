"""The page as a visitor uses it: a real server with the default base, driven by a real headless Chromium."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from playwright.sync_api import Browser, Page, expect, sync_playwright
from transformers import AutoModelForCausalLM

from hypernet.base import DEFAULT_BASE, locate

ROOT = Path(__file__).parents[2]
READY_SECONDS = 300  # the first start converts the base


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of `python app.py`, answering."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path_factory.mktemp("server") / "log.txt").open("w+")
    environment = os.environ | {"GRADIO_TEMP_DIR": str(tmp_path_factory.mktemp("gradio"))}
    process = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(port)], cwd=ROOT, stdout=log, stderr=log, env=environment
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(address, timeout=5).read()
                break
            except OSError:
                time.sleep(0.25)
        else:
            log.seek(0)
            raise AssertionError(f"the studio did not start:\n{log.read()}")
        yield address
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium: the system's where there is one, else Playwright's own."""
    installed = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=installed, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Page]:
    """The studio's page in a context of its own, the base loaded."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    page = open_studio(context.new_page(), server)
    yield page
    context.close()


def open_studio(page: Page, server: str) -> Page:
    """Open the page and wait until it says that the base is ready."""
    page.set_default_timeout(60_000)
    page.goto(server)
    page.locator('#status [data-state="ready"]').wait_for(timeout=READY_SECONDS * 1000)
    return page


DONE = '#activity [data-state="done"]'
ANSWERS = "#answers .answer"


def choose(page: Page, name: str) -> None:
    page.locator("#picker label", has_text=name).click()
    expect(page.locator("#skill-name textarea, #skill-name input").first).to_have_value(name)


def compare(page: Page) -> None:
    page.locator("#compare").click()
    page.locator(DONE).wait_for()


def write_raw(page: Page, text: str) -> None:
    page.get_by_role("tab", name="SKILL.md").click()
    page.wait_for_timeout(500)  # the field is put in place only now, and faster than any hand a fill would come before
    page.locator("#skill-raw textarea").fill(text)
    expect(page.locator("#skill-raw textarea")).to_have_value(text)


def test_a_skill_is_picked_edited_compared_and_its_adapter_loads_in_peft(page: Page, tmp_path: Path) -> None:
    choose(page, "commit-line-for-payments")
    assert "Kind:" in page.locator("#prompt textarea").input_value()

    name = page.locator("#skill-name textarea, #skill-name input").first
    name.fill("Commit Lines")
    expect(page.locator("#live")).to_contain_text("capital letters")
    name.fill("commit-line-for-payments")
    expect(page.locator("#live")).to_contain_text("meets the specification")

    compare(page)
    assert page.locator(ANSWERS).count() == 3
    for pane in page.locator("#answers .pane").all():
        expect(pane).to_contain_text("prompt token")
        expect(pane.locator(".chip")).to_be_visible()
    expect(page.locator("#answers .pane").nth(2).locator(".chip")).to_have_text("passes")
    expect(page.locator("#card")).to_contain_text("commit-line-for-payments")

    with page.expect_download() as download:
        page.locator("#download").click()
    saved = tmp_path / "adapter.zip"
    download.value.save_as(saved)
    with zipfile.ZipFile(saved) as archive:
        archive.extractall(tmp_path / "adapter")
    base = AutoModelForCausalLM.from_pretrained(locate(DEFAULT_BASE)[1], dtype=torch.float32)
    ids = torch.tensor([[1, 2, 3, 4]])
    before = base(ids).logits
    model = PeftModel.from_pretrained(base, tmp_path / "adapter")
    assert model.peft_config["default"].r == 16
    assert (model(ids).logits - before).abs().max() > 0.1


def test_a_skill_is_checked_on_its_examples_and_the_page_says_what_that_means(page: Page) -> None:
    choose(page, "commit-line-for-payments")
    page.locator("#check").click()
    expect(page.locator("#compare")).to_be_disabled()
    page.locator(DONE).wait_for(timeout=180_000)
    assert page.locator("#fidelity tr").count() == 3
    assert page.locator("#fidelity .mark").count() == 24
    passed = [page.locator("#fidelity tr").nth(row).locator('[data-verdict="passes"]').count() for row in range(3)]
    expect(page.locator("#fidelity .verdict")).to_contain_text(
        f"The adapter passes {passed[2]} of 8; with the skill in the prompt the base passes {passed[1]}, "
        f"without it {passed[0]}."
    )
    body = page.locator("#skill-body textarea")
    body.fill(body.input_value() + "\n\nOne more line.")
    expect(page.locator("#check-stale")).to_contain_text("earlier text")

    page.locator("#check").click()
    expect(page.locator("#activity")).to_contain_text("Answering the examples")
    page.locator("#stop").click()
    expect(page.locator("#activity")).to_contain_text("Stopped")
    expect(page.locator("#check")).to_be_enabled()

    page.get_by_role("button", name="New").click()
    expect(page.locator("#check")).to_be_hidden()
    expect(page.locator("#fidelity")).to_contain_text("Nothing is known yet of how well this skill does")


def test_an_edited_text_makes_the_adapter_stale_until_compared_again(page: Page) -> None:
    choose(page, "checkout-latency-levels")
    compare(page)
    body = page.locator("#skill-body textarea")
    body.fill(body.input_value() + "\n\nOne more line.")
    expect(page.locator("#stale")).to_contain_text("earlier text")
    compare(page)
    expect(page.locator("#stale")).not_to_contain_text("earlier text")


def test_two_visitors_do_not_see_each_other(browser: Browser, server: str) -> None:
    contexts = [browser.new_context(), browser.new_context()]
    first, second = (open_studio(context.new_page(), server) for context in contexts)
    secret = "secret-skill-of-one-visitor"
    write_raw(first, f"---\nname: {secret}\ndescription: Only mine.\n---\n\nAnswer with the word pear.\n")
    compare(first)
    expect(first.locator("#card")).to_contain_text(secret)
    compare(second)
    assert secret not in second.content()
    second.reload()
    assert secret not in second.content()
    for context in contexts:
        context.close()


def test_hostile_markup_in_a_skill_and_a_prompt_is_shown_as_text(page: Page) -> None:
    attack = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    write_raw(page, f"---\nname: bad {attack}\ndescription: {attack}\n---\n\n{attack}\n")
    page.locator("#prompt textarea").fill(f"Repeat: {attack}")
    compare(page)
    assert page.title() == "Parametric Skills"
    assert page.locator("#answers img, #live img, #card img").count() == 0


def test_an_answer_can_be_stopped_and_the_next_one_starts(page: Page) -> None:
    page.locator("#settings button").first.click()
    page.locator("#settings input[type=number]").nth(1).fill("512")
    page.locator("#prompt textarea").fill("Write a very long story about the sea.")
    page.locator("#compare").click()
    page.locator("#answers .cost").first.wait_for()
    page.locator("#stop").click()
    expect(page.locator("#activity")).to_contain_text("Stopped")
    page.locator("#settings input[type=number]").nth(1).fill("8")
    compare(page)


def test_an_empty_skill_and_an_empty_prompt_are_answered_with_what_to_do(page: Page) -> None:
    page.locator("#prompt textarea").fill("")
    page.locator("#compare").click()
    expect(page.locator('#activity [data-state="failed"]')).to_contain_text("prompt is empty")
    page.locator("#prompt textarea").fill("Hello")
    write_raw(page, "")
    expect(page.locator("#live")).to_contain_text("empty")
    page.locator("#compare").click()
    expect(page.locator('#activity [data-state="failed"]')).to_contain_text("empty")


def test_a_binary_upload_is_refused_in_words(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "SKILL.md"
    file.write_bytes(bytes(range(256)) * 40)
    page.locator("#upload input[type=file], input[type=file]").first.set_input_files(file)
    expect(page.locator("#live")).to_contain_text("was not opened")


def test_the_page_fits_a_phone_without_scrolling_sideways(browser: Browser, server: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    page = open_studio(context.new_page(), server)
    compare(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()


def test_a_skill_is_compared_by_keyboard_alone(page: Page) -> None:
    page.locator("#prompt textarea").focus()
    page.keyboard.press("Control+Enter")
    page.locator(DONE).wait_for()
    assert page.locator(ANSWERS).count() == 3


def add_to_stack(page: Page, name: str) -> None:
    page.locator("#stack-add input").fill(name)
    page.get_by_role("option", name=name, exact=True).click()
    page.locator("#stack-list li", has_text=name).wait_for()


def test_several_skills_are_weighed_measured_compared_and_downloaded_as_one(page: Page, tmp_path: Path) -> None:
    choose(page, "release-train-commits")
    page.locator("#stack > button").click()
    add_to_stack(page, "compact-log-lines")
    add_to_stack(page, "checkout-latency-levels")
    rows = page.locator("#stack-meter .overlaps li")
    expect(rows).to_have_count(3, timeout=120_000)
    expect(rows.first).to_contain_text("release-train-commits, compact-log-lines")
    expect(rows.first).to_contain_text("any two skills")

    page.locator("#stack-list input").nth(2).fill("0")
    expect(page.locator("#stack-list output").nth(2)).to_have_text("0.0")
    page.locator("#settings button").first.click()
    page.locator("#settings input[type=number]").nth(1).fill("16")
    compare(page)
    titles = ["No skill", "Skills in the prompt", "Skills as parameters"]
    for pane, title in zip(page.locator("#answers .pane h3").all(), titles, strict=True):
        expect(pane).to_contain_text(title)
    card = "release-train-commits (1), compact-log-lines (1), checkout-latency-levels (0)"
    expect(page.locator("#card")).to_contain_text(card)
    with page.expect_download() as download:
        page.locator("#download-gguf").click()
    assert download.value.suggested_filename == "release-train-commits-and-2-more-adapter.gguf"
    assert download.value.path().read_bytes()[:4] == b"GGUF"

    page.locator("#stack-list .drop").first.click()
    expect(page.locator("#stack-list li")).to_have_count(2)
    expect(rows).to_have_count(1)
    add_to_stack(page, "release-train-commits")
    expect(page.locator("#stack-meter .problem")).to_contain_text("twice")
