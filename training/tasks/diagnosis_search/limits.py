"""Limits: two thresholds split a measured latency into three labels."""

import random
import re

from training.tasks.content import NOUNS
from training.tasks.wording import Draft, Task

SUBTASK = "Diagnosis/Search"
OPEN = False
HELD_OUT = False
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
FORMS = (
    "Latency was {ms} ms",
    "The {noun} call took {ms} ms",
    "Measured for {noun}: {ms} ms",
    "{noun} answered in {ms} ms. How is that rated?",
    "Rate {ms} ms on the {noun} path",
    "service={noun} latency_ms={ms}",
    "{ms} ms, {noun}",
    "Which label does a latency of {ms} ms get?",
    "Can you label this for me? {noun} needed {ms} ms",
    "Today {noun} took {ms} ms to answer. Give the label.",
)
FORM = re.compile(rf"({'|'.join(re.escape(p) for p in PREFIXES if p)}|)({'|'.join(LABELS)})")


def check(answer: str) -> bool:
    """Whether this is one label, with a prefix or without."""
    return FORM.fullmatch(answer) is not None


def draft(rng: random.Random) -> Draft:
    lower, upper = sorted(rng.sample(range(100, 900, 100), 2))
    below, between, above = rng.sample(LABELS, 3)
    prefix = rng.choice(PREFIXES)

    def ask(rng: random.Random) -> Task:
        start, end, label = rng.choice(((0, lower, below), (lower, upper, between), (upper, 1000, above)))
        prompt = rng.choice(FORMS).format(noun=rng.choice(NOUNS), ms=rng.randrange(start + 10, end, 10))
        return Task(prompt, prefix + label)

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
                f"{lower} ms and {upper} ms are the two limits: faster than the first is `{below}`, "
                f"slower than the second is `{above}`, between them lies `{between}`.",
                f"The label by latency:\n\n| latency | label |\n|---|---|\n| under {lower} ms | `{below}` |\n"
                f"| {lower} to {upper} ms | `{between}` |\n| over {upper} ms | `{above}` |\n",
                f"A latency counts as `{between}` as soon as it reaches {lower} ms and as `{above}` once it passes "
                f"{upper} ms; before {lower} ms it is `{below}`.",
                f"Labels go by the latency in ms:\n\n- less than {lower}: `{below}`\n"
                f"- {lower} to {upper}: `{between}`\n- more than {upper}: `{above}`\n",
                f"With `ms` for the latency, the label is chosen like this:\n\n```\nif ms < {lower}: {below}\n"
                f"elif ms <= {upper}: {between}\nelse: {above}\n```\n",
                f"Anything slower than {upper} ms is labelled `{above}`, anything quicker than {lower} ms `{below}`, "
                f"and the rest `{between}`.",
            ),
            (
                f"Write `{prefix}` directly before the label.",
                f"The answer opens with `{prefix.strip()}`, {link} the label.",
                f"A label X is written `{prefix}X`.",
                f"`{prefix}` comes first, with the label attached to it.",
                f"All labels carry `{prefix}` in front, so that `{below}` reads `{prefix}{below}`.",
                f"So there are three answers: `{prefix}{below}`, `{prefix}{between}` and `{prefix}{above}`.",
                "Every label has a fixed prefix:\n\n| label | answer |\n|---|---|\n"
                f"| {below} | `{prefix}{below}` |\n| {above} | `{prefix}{above}` |\n",
                f"In the answer `{prefix}` precedes the label, as in `{prefix}{between}`.",
            )
            if prefix
            else (
                "Write the label without any addition.",
                "The bare label is the answer.",
                "Add nothing to the label.",
                "The label stands by itself, with no sign around it.",
                "Nothing precedes or follows the label.",
                f"So there are three answers: `{below}`, `{between}` and `{above}`.",
                "The label has no prefix:\n\n| label | answer |\n|---|---|\n"
                f"| {below} | `{below}` |\n| {above} | `{above}` |\n",
                "No prefix and no mark: the label as it is.",
            ),
            (
                "Output only that.",
                "Answer with this and no other words.",
                "Reply in one short line without the number.",
                "This alone is the reply.",
                "Don't repeat the measurement and don't explain.",
                "Say nothing beyond that: no figure, no reason.",
                "Your reply holds what these rules give, and no comment.",
                "Leave out everything else, the number included.",
            ),
        ),
        ask=ask,
    )
