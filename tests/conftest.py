"""The fixtures that the tests share: the tiny base and hypernetwork of `tiny.py`, made once and saved to folders."""

import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from tiny import count_hooks, llama_config, load_base, make_hypernetwork, save_model, snapshot
from transformers import LlamaForCausalLM

from hypernet.base import Base
from hypernet.hypernetwork import Hypernetwork
from studio.service import Studio
from training.tasks import FAMILIES, sample_skill

# A shell that starts the tests in the background has Ctrl-C ignored, by what they start too.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Llama, saved."""
    return save_model(LlamaForCausalLM, llama_config(), tmp_path_factory.mktemp("bases") / "tiny-llama")


@pytest.fixture(scope="session")
def base(tiny_folder: Path) -> Base:
    """The tiny base with the weights as published."""
    return load_base(tiny_folder)


@pytest.fixture(scope="session")
def hypernetwork(base: Base) -> Hypernetwork:
    """A hypernetwork for the tiny base."""
    return make_hypernetwork(base)


@pytest.fixture(scope="session")
def checkpoint(hypernetwork: Hypernetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hypernetwork, saved."""
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    hypernetwork.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def studio(tiny_folder: Path, checkpoint: Path) -> Iterator[Studio]:
    """A studio on the tiny base, loaded."""
    made = Studio(str(tiny_folder), str(checkpoint))
    made.start()
    made.wait()
    yield made
    made.close()


@pytest.fixture(scope="session")
def skill_texts() -> list[str]:
    """One generated skill of each family."""
    rng = random.Random("skills")
    return [sample_skill(family, rng, 2).text for family in FAMILIES]


@pytest.fixture
def untouched(base: Base) -> Callable[[], bool]:
    """Says whether the tiny base is as it was when the test began: weights, hooks, and outputs bit for bit."""
    probe = torch.tensor([base.encode("Latency was 120 ms, write the label of that.")])
    hooks, weights = count_hooks(base), snapshot(base)
    with torch.no_grad():
        logits = base.model(probe).logits

    def check() -> bool:
        same = all(torch.equal(weights[name], tensor) for name, tensor in base.model.state_dict().items())
        with torch.no_grad():
            return same and count_hooks(base) == hooks and torch.equal(base.model(probe).logits, logits)

    return check
