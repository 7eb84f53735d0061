"""Where the studio asks for a GPU on a ZeroGPU Space; anywhere else nothing happens and `spaces` is not needed."""

import inspect
import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import wraps
from typing import Any, NamedTuple, TypeVar

import gradio as gr

F = TypeVar("F", bound=Callable)

ZERO_GPU = bool(os.environ.get("SPACES_ZERO_GPU"))


class _Failed(NamedTuple):
    """An error of ours on its way out of the GPU's process, which lets only Gradio's own pass with what they say."""

    error: ValueError


def on_gpu(function: F, seconds: int | None = None) -> F:
    """The function, on a ZeroGPU Space run in a process of its own that holds a GPU, for so long at most.

    Its arguments and results are pickled there, and what it leaves in memory is lost. A refused GPU is a `gr.Error`.
    """
    if not ZERO_GPU:
        return function
    import spaces  # must come before torch, which the studio imports when it starts

    options = {"duration": seconds} if seconds else {}
    if inspect.isgeneratorfunction(function):

        @wraps(function)
        def there(*args: Any) -> Iterator[Any]:
            try:
                yield from function(*args)
            except ValueError as error:
                yield _Failed(error)

        lent = spaces.GPU(there, **options)

        @wraps(function)
        def here(*args: Any) -> Iterator[Any]:
            with closing(lent(*args)) as results:
                for result in results:
                    yield _or_raise(result)

        return here

    @wraps(function)
    def there_at_once(*args: Any) -> Any:
        try:
            return function(*args)
        except ValueError as error:
            return _Failed(error)

    lent = spaces.GPU(there_at_once, **options)
    return wraps(function)(lambda *args: _or_raise(lent(*args)))


def refusal(error: gr.Error) -> str:
    """Why no GPU was lent, as a line of text."""
    return " ".join(re.sub("<[^>]*>", " ", str(error.message)).split())


def _or_raise(result: Any) -> Any:
    if isinstance(result, _Failed):
        raise result.error
    return result
