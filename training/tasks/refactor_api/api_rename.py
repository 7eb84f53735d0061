"""Renamed calls: old calls of a library are rewritten to the names, receiver and extra argument of the new one.

The new names, the receiver and the extra argument are drawn for each skill; the old names come from a small set.
"""

import random

from training.tasks.content import ANIMALS, NOUNS
from training.tasks.wording import Draft, Task

SUBTASK = "Refactor/API Migration"
OLD = ("fetch_rows", "save_item", "run_query", "send_note")
VERBS = ["pull", "push", "read", "write", "make", "grab", "emit", "drop", "find", "apply", "post", "query"]
RECEIVERS = ["client", "api", "store", "session", "core", "hub", "db2", "remote"]
SWITCHES = ["strict", "safe", "eager", "raw", "sync", "lazy"]
AMOUNTS = ["timeout", "retries", "depth", "batch", "level", "wait"]
TEXTS = ["mode", "tag", "zone", "via"]
ARGUMENTS = ["conn", "limit", "key", "user", "path", "data", "name", "table", "5", "20", "100"]


def _extra(rng: random.Random) -> str:
    return rng.choice(
        (
            f"{rng.choice(SWITCHES)}={rng.choice((True, False))}",
            f"{rng.choice(AMOUNTS)}={rng.randint(2, 99)}",
            f'{rng.choice(TEXTS)}="{rng.choice(ANIMALS)}"',
        )
    )


def draft(rng: random.Random) -> Draft:
    """Draw one migration: two renamed functions, perhaps a receiver and perhaps one more argument."""
    verbs, nouns = rng.sample(VERBS, 2), rng.sample(NOUNS, 2)
    new = {old: f"{verbs[i]}_{nouns[i]}" for i, old in enumerate(rng.sample(OLD, 2))}
    receiver = rng.choice((f"{rng.choice(RECEIVERS)}.", ""))
    extra = rng.choice((_extra(rng), _extra(rng), ""))

    def ask(rng: random.Random) -> Task:
        # Now and then a function that is not renamed, so that any prompt has an answer under any skill.
        old = rng.choice(list(new) if rng.random() < 0.85 else OLD)
        arguments = ", ".join(rng.sample(ARGUMENTS, rng.choice((1, 2, 2, 3))))
        call = f"{old}({arguments})"
        added = f", {extra}" if extra else ""
        answer = f"{receiver}{new[old]}({arguments}{added})" if old in new else call
        return Task(f"Rewrite: {call}", answer)

    (old_a, new_a), (old_b, new_b) = new.items()
    if receiver:
        calling = (
            f"Put `{receiver}` in front of each renamed call.",
            f"The new functions are methods, so `new_name(a)` is written `{receiver}new_name(a)`.",
            f"A renamed call starts with `{receiver}` and then the new name.",
        )
    else:
        calling = (
            "Nothing stands in front of a renamed call.",
            "The new functions are called by their bare name.",
            "A renamed call starts with the new name.",
        )
    if extra:
        passing = (
            f"Keep the arguments of a renamed call and add `, {extra}` behind the last one.",
            f"Inside the brackets of a renamed call, `(a)` becomes `(a, {extra})`.",
            f"Renamed calls take one more argument at the end, after a comma and a space: `{extra}`.",
        )
    else:
        passing = (
            "Keep the arguments of a renamed call as they are.",
            "What stands inside the brackets does not change.",
            "The new functions take the same arguments in the same order.",
        )
    return Draft(
        name=rng.choice(("api-migration", "rename-calls", "new-api", "port-old-calls")),
        title=rng.choice(("Moving to the new API", "Renamed calls", "API migration")),
        description=rng.choice(
            (
                "Rewrites old calls for the new version. Use it when a call is to be rewritten.",
                "Moves a call to the new API. Use for code that still has the old names.",
                "Which functions were renamed and how they are called now.",
            )
        ),
        rules=(
            (
                f"Rename `{old_a}` to `{new_a}` and `{old_b}` to `{new_b}`; calls of other functions stay as they are.",
                f"Two functions have new names: {old_a} -> {new_a}, {old_b} -> {new_b}. Copy other calls unchanged.",
                f"`{new_a}` replaces `{old_a}`, and `{new_b}` replaces `{old_b}`. Do not touch other calls.",
            ),
            calling,
            passing,
            ("Output only the call.", "Answer with the rewritten call alone.", "Reply with one line of code."),
        ),
        ask=ask,
    )
