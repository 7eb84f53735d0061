"""What the page takes on at once: events that wait, and pages whose state is kept."""

import threading
from collections.abc import Iterator

import gradio as gr
import httpx
import pytest

from studio.service import Studio
from studio.views import page
from studio.views.wiring import MAX_WAITING


@pytest.fixture
def gate() -> threading.Event:
    """Until it is set the model takes its time."""
    return threading.Event()


@pytest.fixture
def demo(gate: threading.Event, monkeypatch: pytest.MonkeyPatch) -> Iterator[gr.Blocks]:
    """The page, launched, which keeps the state of three pages."""
    monkeypatch.setattr(page, "MAX_PAGES", 3)
    studio = Studio()
    monkeypatch.setattr(studio, "wait", gate.wait)
    demo = page.build(studio)
    demo.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **page.launch_options())
    yield demo
    gate.set()
    demo.close()
    studio.close()


def test_a_loop_of_calls_is_refused_once_the_queue_is_full(demo: gr.Blocks):
    asked = {"skill": "release-train-commits", "prompt": "Say it."}
    api = f"{demo.local_url}gradio_api"
    codes = [httpx.post(f"{api}/call/v2/compare", json=asked).status_code for _ in range(MAX_WAITING + 5)]
    assert codes.count(200) in (MAX_WAITING, MAX_WAITING + 1)  # the first may be at work already
    assert codes[-1] == 503
    assert httpx.post(f"{api}/run/compare", json={"data": [*asked.values()]}).status_code == 404  # past the queue


def test_of_more_pages_than_memory_is_meant_for_the_oldest_are_forgotten(demo: gr.Blocks):
    for n in range(5):
        _ = demo.app.state_holder[f"page {n}"]
    assert [*demo.app.state_holder.session_data] == ["page 2", "page 3", "page 4"]
