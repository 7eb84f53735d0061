"""Where the studio asks for a GPU on a ZeroGPU Space; anywhere else nothing happens and `spaces` is not needed."""

import os
from collections.abc import Callable
from typing import TypeVar

F = TypeVar("F", bound=Callable)

ZERO_GPU = bool(os.environ.get("SPACES_ZERO_GPU"))


def on_gpu(function: F, seconds: int | None = None) -> F:
    """The function, on a ZeroGPU Space run in a process of its own that holds a GPU, for so long at most.

    Its arguments and results are pickled there, and what it leaves in memory is lost.
    """
    if not ZERO_GPU:
        return function
    import spaces  # must come before torch, which the studio imports when it starts

    return spaces.GPU(function, duration=seconds) if seconds else spaces.GPU(function)
