"""Limits: two thresholds split a measured latency into three labels."""

import random

from training.tasks.wording import Draft, Task

SUBTASK = "Diagnosis/Search"
LABELS = [
    "ok",
    "slow",
    "stop",
    "green",
    "amber",
    "red",
    "low",
    "mid",
    "high",
    "fine",
    "watch",
    "page",
    "calm",
    "urgent",
]
PREFIXES = ("level:", "=> ", "state=", "! ", "", "", "")


def draft(rng: random.Random) -> Draft:
    lower, upper = sorted(rng.sample(range(100, 900, 100), 2))
    below, between, above = rng.sample(LABELS, 3)
    prefix = rng.choice(PREFIXES)

    def ask(rng: random.Random) -> Task:
        start, end, label = rng.choice(((0, lower, below), (lower, upper, between), (upper, 1000, above)))
        return Task(f"Latency was {rng.randrange(start + 10, end, 10)} ms", prefix + label)

    link = "then one space and" if prefix.endswith(" ") else "directly followed by"
    return Draft(
        name=rng.choice(("latency-limits", "latency-labels", "rate-latency", "slow-call-levels")),
        title=rng.choice(("Latency limits", "How we rate latency", "Levels of latency")),
        description=rng.choice(
            (
                "Labels a measured latency. Use it when a latency in ms is given.",
                "Says how bad a latency is by our limits. Use for every measurement.",
                "Rates response times. Use when a latency was measured.",
            )
        ),
        rules=(
            (
                f"Below {lower} ms the label is `{below}`. From {lower} to {upper} ms it is `{between}`. "
                f"Above {upper} ms it is `{above}`.",
                f"Labels: under {lower} -> `{below}`, {lower}-{upper} -> `{between}`, over {upper} -> `{above}` (ms).",
                f"Use `{above}` above {upper} ms, `{below}` for less than {lower} ms and `{between}` otherwise.",
            ),
            (
                f"Write `{prefix}` directly before the label.",
                f"The answer opens with `{prefix.strip()}`, {link} the label.",
                f"A label X is written `{prefix}X`.",
            )
            if prefix
            else (
                "Write the label without any addition.",
                "The bare label is the answer.",
                "Add nothing to the label.",
            ),
            (
                "Output only that.",
                "Answer with this and no other words.",
                "Reply in one short line without the number.",
            ),
        ),
        ask=ask,
    )
