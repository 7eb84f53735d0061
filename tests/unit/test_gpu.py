"""What comes out of a process that has the GPU: results as they are, errors with what they say."""

import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import gradio as gr
import pytest

from studio.service import StudioError
from studio.views import gpu
from studio.views.account import attempted


def lend(task: Callable, **_: object) -> Callable:
    """As the package `spaces` lends a GPU: errors that are not Gradio's come back as their class's name alone."""

    def run(*args: object) -> object:
        try:
            return task(*args)
        except gr.Error:
            raise
        except Exception as error:
            raise gr.Error(type(error).__name__) from None

    def stream(*args: object) -> Iterator[object]:
        try:
            yield from task(*args)
        except gr.Error:
            raise
        except Exception as error:
            raise gr.Error(type(error).__name__) from None

    return stream if gpu.inspect.isgeneratorfunction(task) else run


@pytest.fixture(autouse=True)
def space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "ZERO_GPU", True)
    monkeypatch.setitem(sys.modules, "spaces", SimpleNamespace(GPU=lend))


def test_what_is_wrong_is_told_as_without_a_gpu():
    def refuse(name: str) -> str:
        raise StudioError(f"{name} is too long.")

    def begin(name: str) -> Iterator[str]:
        yield name
        raise StudioError(f"{name} is too long.")

    with pytest.raises(StudioError, match="It is too long"):
        gpu.on_gpu(refuse)("It")
    said = gpu.on_gpu(begin, 60)("It")
    assert next(said) == "It"
    with pytest.raises(StudioError, match="It is too long"):
        next(said)


def test_results_pass_as_they_are():
    assert gpu.on_gpu(str.upper)("a") == "A"
    assert list(gpu.on_gpu(lambda count: (yield from range(count)))(3)) == [0, 1, 2]


def test_why_a_gpu_was_refused_is_told_without_markup():
    def refuse() -> None:
        raise gr.Error("You have exceeded your quota. <a href='x'>Log in</a>  or try again in 1:00.")

    said = attempted(gpu.on_gpu(refuse), "asking")
    assert said == (None, "You have exceeded your quota. Log in or try again in 1:00.")
