"""Loading from the Hub and pushing to it, over HTTP against a local stand-in; each in a process of its own."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from stand_in_hub import StandIn, serve, stand_in_hub
from tiny import load_base, make_hypernetwork

from hypernet.base import HUB_SECONDS, Base
from hypernet.hypernetwork import Hypernetwork, config_for

MODULES = ("self_attn.o_proj", "mlp.down_proj")


def run(script: str, endpoint: str, home: Path) -> str:
    environment = os.environ | {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "SKILL_STUDIO_CACHE": str(home / "cache"),
        "HF_HUB_DISABLE_XET": "1",  # the stand-in has large files by LFS alone
    }
    environment.pop("HF_HUB_OFFLINE", None)
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_a_base_comes_from_the_hub_by_its_name(tiny_folder: Path, tmp_path: Path) -> None:
    files = {file.name: file.read_bytes() for file in tiny_folder.iterdir() if file.is_file()}
    script = "from hypernet.base import Base\nb = Base.load('user/tiny', 'none')\nprint(b.name, b.fingerprint)"
    with stand_in_hub({"user/tiny": files}) as endpoint:
        name, fingerprint = run(script, endpoint, tmp_path).split()
    assert name == "user/tiny"
    assert fingerprint == Base.load(str(tiny_folder), "none").fingerprint


def test_a_model_that_the_hub_does_not_have_is_named(tmp_path: Path) -> None:
    script = "from hypernet.base import *\ntry: locate('user/none')\nexcept BaseError as error: print(error)"
    with stand_in_hub({}) as endpoint:
        assert "user/none" in run(script, endpoint, tmp_path)


def test_a_silent_hub_is_given_up_within_seconds(tmp_path: Path) -> None:
    script = (
        "import time\nfrom hypernet.base import *\nstarted = time.perf_counter()\n"  # the imports take their time too
        "try: locate('user/model')\nexcept BaseError as error: print(error)\nprint(time.perf_counter() - started)"
    )
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        said, seconds = run(script, f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path).strip().split("\n")
    assert "the Hub does not give it" in said
    assert float(seconds) < 12 * HUB_SECONDS


@pytest.mark.parametrize("bound", [9_500_000, 100_000], ids=["one-file", "several-files"])
def test_a_hypernetwork_pushed_to_the_hub_comes_back_the_same(tiny_folder: Path, tmp_path: Path, bound: int) -> None:
    hypernetwork = Hypernetwork(config_for(Base.load(str(tiny_folder), "none"), MODULES, width=64))
    hypernetwork.save_pretrained(tmp_path / "local")
    script = (
        "import hypernet.hypernetwork\nfrom hypernet.hypernetwork import Hypernetwork\n"
        f"hypernet.hypernetwork.SHARD_BYTES = {bound}\n"
        f"Hypernetwork.from_pretrained({str(tmp_path / 'local')!r}).push_to_hub('user/hyper', token='hf_test')\n"
        "print('fingerprint', Hypernetwork.from_pretrained('user/hyper').fingerprint)"
    )
    repositories: dict[str, dict[str, bytes]] = {}
    with stand_in_hub(repositories) as endpoint:
        said = run(script, endpoint, tmp_path / "home")
    assert f"fingerprint {hypernetwork.fingerprint}" in said
    weights = {name for name in repositories["user/hyper"] if name.endswith(".safetensors")}
    assert (weights == {"model.safetensors"}) == (bound > 1_000_000)
    assert set(repositories["user/hyper"]) >= {"config.json", "README.md"}


def test_a_hypernetwork_is_loaded_at_the_revision_that_is_named_and_says_which_commit_it_is(
    tiny_folder: Path, tmp_path: Path
) -> None:
    base, there = load_base(tiny_folder), StandIn({"user/hyper": {}, "user/empty": {}})
    made = []
    for seed in (1, 2):
        hypernetwork = make_hypernetwork(base, seed=seed)
        hypernetwork.save_pretrained(tmp_path / "local")
        there.repositories["user/hyper"] = {file.name: file.read_bytes() for file in (tmp_path / "local").iterdir()}
        made.append((hypernetwork.fingerprint, there.head("user/hyper")))
    (old, first), (new, second) = made
    script = (
        "from hypernet.base import Base\nfrom hypernet.hypernetwork import HypernetworkError, load_hypernetwork\n"
        f"base = Base.load({str(tiny_folder)!r}, 'none')\n"
        f"for name in ('user/hyper@{first}', 'user/hyper@main', 'user/hyper'):\n"
        "    made = load_hypernetwork(base, name)\n    print(made.fingerprint, made.origin)\n"
        "for name in ('user/hyper@gone', 'user/none', 'user/empty'):\n"
        "    try: load_hypernetwork(base, name)\n    except HypernetworkError as error: print(error)\n"
    )
    options = ["--base", str(tiny_folder), "--checkpoint", f"user/hyper@{first}", "--out", str(tmp_path / "out")]
    command = (
        "import sys\nsys.stderr = sys.stdout\nfrom studio.__main__ import main\n"
        f"main(['generate', 'compact-log-lines', *{options}])"
    )
    with serve(there):
        told = run(command, there.url, tmp_path / "home")
        *loaded, no_revision, no_repository, no_files = run(script, there.url, tmp_path / "home").splitlines()
    assert f", hypernetwork user/hyper@{first[:12]}\n" in told
    assert loaded == [f"{old} user/hyper@{first}", *[f"{new} user/hyper@{second}"] * 2]
    assert no_revision.startswith("user/hyper@gone holds no hypernetwork that can be read (the repository has no such")
    assert "(the Hub has no such repository, or it is private). Give a folder" in no_repository
    assert "(the repository lacks its files)" in no_files and "user/name@revision" in no_files
