"""The speeds that the studio promises, as ratios of one run: adapter against prefill, panes against one, first tokens.

Medians of several rounds in which everything is timed in turn, so that a slow moment of the machine hits all alike.
"""

import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import torch

from hypernet.base import Base
from hypernet.decode import Row, Sampling, answer_all
from hypernet.hypernetwork import load_hypernetwork
from skills.library import SkillLibrary

SKILL_TOKENS = 500
PROMPT = "Write a long story about a lighthouse keeper and a storm."
ANSWER = Sampling(max_new_tokens=48)
PAGE_SECONDS = 60  # when to give up on the page


def run(base_name: str | None, checkpoint: str | None, rounds: int) -> int:
    """Print each figure with its limit; the exit status is 1 where one is missed."""
    page = page_seconds(base_name, checkpoint)
    base = Base.load(base_name)
    hypernetwork = load_hypernetwork(base, checkpoint)
    text = skill_of(base, SKILL_TOKENS)
    weights = hypernetwork.generate(base, [text])
    alone, with_text = Row(base.chat_ids(PROMPT)), Row(base.chat_ids(PROMPT, text))
    adapted = Row(base.chat_ids(PROMPT), weights)
    ids = torch.tensor([base.encode(text)], device=base.device)
    last = torch.tensor([ids.shape[1] - 1], device=base.device)  # as `decode` asks for it
    one = Sampling(max_new_tokens=1)

    @torch.inference_mode()
    def prefill() -> None:
        base.model(ids, use_cache=True, logits_to_keep=last)

    times = medians(
        {
            "generate": lambda: hypernetwork.generate(base, [text]),
            "prefill": prefill,
            "three panes": lambda: answer_all(base, [alone, with_text, adapted], ANSWER),
            "in context alone": lambda: answer_all(base, [with_text], ANSWER),
            "parametric alone": lambda: answer_all(base, [adapted], ANSWER),
            "first token, no skill": lambda: answer_all(base, [alone], one),
            "first token, in context": lambda: answer_all(base, [with_text], one),
            "first token, parametric": lambda: answer_all(base, [adapted], one),
        },
        rounds,
    )
    tokens = len(base.encode(text))
    threads = torch.get_num_threads()
    print(f"{base.name}, 4-bit, {base.device.type}, {threads} threads; skill of {tokens} tokens; medians of {rounds}\n")
    for name, seconds in times.items():
        print(f"  {name:<26}{seconds:8.3f} s")
    first = {name: times[f"first token, {name}"] for name in ("no skill", "in context", "parametric")}
    figures = (
        ("adapter / prefill of its text", times["generate"] / times["prefill"], "<=", 1.5),
        ("three panes / in-context pane alone", times["three panes"] / times["in context alone"], "<=", 1.5),
        ("first token: parametric / no skill", first["parametric"] / first["no skill"], "<=", 1.2),
        ("first token: in context / parametric", first["in context"] / first["parametric"], ">=", 2.0),
        ("first page after the command, s", page, "<=", 10.0),
    )
    print()
    missed = 0
    for name, value, sign, limit in figures:
        holds = value <= limit if sign == "<=" else value >= limit
        missed += not holds
        print(f"  {name:<40}{value:6.2f}  ({sign} {limit}) {'' if holds else 'MISSED'}")
    return int(missed > 0)


def medians(timed: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each call over the rounds, after one round that is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in timed}
    for counted in [False] + [True] * rounds:
        for name, call in timed.items():
            started = time.perf_counter()
            call()
            if counted:
                taken[name].append(time.perf_counter() - started)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def skill_of(base: Base, tokens: int) -> str:
    """A skill text of about so many tokens, out of the texts that ship."""
    ids = base.encode("\n".join(entry.text for entry in SkillLibrary().list()))
    return base.decode(ids[:tokens])


def page_seconds(base_name: str | None, checkpoint: str | None) -> float:
    """Seconds from `python app.py` to the first page that it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [*(["--base", base_name] if base_name else []), *(["--checkpoint", checkpoint] if checkpoint else [])]
    app = Path(__file__).parent.parent / "app.py"
    started = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, str(app), "--port", str(port), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while time.perf_counter() - started < PAGE_SECONDS:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PAGE_SECONDS) as page:
                    page.read()
                return time.perf_counter() - started
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        return float("inf")
    finally:
        server.terminate()
        server.wait(20)
