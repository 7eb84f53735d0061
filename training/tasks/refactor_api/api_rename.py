"""Renamed calls: old calls of a library are rewritten to the names, receiver and extra argument of the new one.

The new names, the receiver and the extra argument are drawn for each skill; the old names come from a small set.
"""

import random

from training.tasks.content import ANIMALS, NOUNS
from training.tasks.refactor_api import one_call
from training.tasks.wording import Draft, Task

SUBTASK = "Refactor/API Migration"
OPEN = True
HELD_OUT = False
OLD = ("fetch_rows", "save_item", "run_query", "send_note")
VERBS = ["pull", "push", "read", "write", "make", "grab", "emit", "drop", "find", "apply", "post", "query"]
RECEIVERS = ["client", "api", "store", "session", "core", "hub", "db2", "remote"]
SWITCHES = ["strict", "safe", "eager", "raw", "sync", "lazy"]
AMOUNTS = ["timeout", "retries", "depth", "batch", "level", "wait"]
TEXTS = ["mode", "tag", "zone", "via"]
ARGUMENTS = ["conn", "limit", "key", "user", "path", "data", "name", "table", "5", "20", "100"]
FORMS = (
    "Rewrite: {c}",
    "{c}",
    "Port this call: {c}",
    "What does {c} look like in the new version?",
    "The file still says {c}; what should it say?",
    "old call: {c}",
    "Could you rewrite {c} for me, please?",
    "{c} fails since the update. What is right?",
    "Here is a line of old code.\n{c}\nMigrate it.",
    "Bring {c} up to date.",
)


def check(answer: str) -> bool:
    """Whether this is a single call on one line of Python."""
    return one_call(answer) is not None


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
        return Task(rng.choice(FORMS).format(c=call), answer)

    (old_a, new_a), (old_b, new_b) = new.items()
    if receiver:
        calling = (
            f"Put `{receiver}` in front of each renamed call.",
            f"The new functions are methods, so `new_name(a)` is written `{receiver}new_name(a)`.",
            f"A renamed call starts with `{receiver}` and then the new name.",
            f"Write `{receiver}` directly before the new name of a renamed function.",
            f"All renamed functions now belong to an object, so their calls open with `{receiver}`.",
            f"`new_name(a)` alone would fail: a renamed call is always `{receiver}new_name(a)`.",
            f"A renamed function is never called by its name alone; `{receiver}` comes first and the name right "
            "behind it.",
            f"Before each new name, without a space, belongs `{receiver}`.",
        )
    else:
        calling = (
            "Nothing stands in front of a renamed call.",
            "The new functions are called by their bare name.",
            "A renamed call starts with the new name.",
            "The new name is the very first thing in a renamed call.",
            "Renamed functions are plain functions, so write no object and no dot before them.",
            "`new_name(a)` is complete: a renamed call needs nothing before it.",
            "A renamed function is called by its name alone; no prefix comes first.",
            "No object is named before the new name of a renamed function.",
        )
    if extra:
        passing = (
            f"Keep the arguments of a renamed call and add `, {extra}` behind the last one.",
            f"Inside the brackets of a renamed call, `(a)` becomes `(a, {extra})`.",
            f"Renamed calls take one more argument at the end, after a comma and a space: `{extra}`.",
            f"`, {extra}` follows the last argument of every renamed call; the other arguments stay.",
            f"Close the argument list of a renamed call with `{extra}`, after all arguments it already has.",
            f"A renamed call with two arguments gets a third one: `(a, b)` turns into `(a, b, {extra})`.",
            f"Wherever you change a name, also write `, {extra}` just before the closing bracket.",
            f"To the given arguments of each renamed call, `{extra}` is appended as the last one.",
        )
    else:
        passing = (
            "Keep the arguments of a renamed call as they are.",
            "What stands inside the brackets does not change.",
            "The new functions take the same arguments in the same order.",
            "Copy the arguments of a renamed call without any change.",
            "Each argument stays where it is, and none is added to a renamed call.",
            "A renamed call with two arguments keeps just these two: `(a, b)` is still `(a, b)`.",
            "Wherever you change a name, copy what is between the brackets and add nothing to it.",
            "Only names change; the argument list of a renamed call is left alone.",
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
                f"What was `{old_a}` is `{new_a}` now, what was `{old_b}` is `{new_b}`; every other call is kept.",
                f"Old and new names:\n\n- {old_a}: `{new_a}`\n- {old_b}: `{new_b}`\n\nLeave any other call as it is.\n",
                f"Functions that were renamed:\n\n| old | new |\n|---|---|\n| `{old_a}` | `{new_a}` |\n| `{old_b}` | "
                f"`{new_b}` |\n\nA call of a function that is not in the table comes back unchanged.\n",
                f"Read each line as old = new:\n\n```\n{old_a} = {new_a}\n{old_b} = {new_b}\n```\n\n"
                "Calls of all other functions are repeated just as they were given.\n",
                f"If a call uses `{old_a}`, write `{new_a}` in its place; if it uses `{old_b}`, write `{new_b}`. "
                "If it uses neither, there is nothing to change.",
                f"Instead of `{old_a}` we call `{new_a}`, instead of `{old_b}` we call `{new_b}`. "
                "A call that uses neither is repeated unchanged.",
            ),
            calling,
            passing,
            (
                "Output only the call.",
                "Answer with the rewritten call alone.",
                "Reply with one line of code.",
                "Give the call and nothing around it.",
                "No words besides the call are wanted.",
                "Write the call on a single line, without a code fence or a comment.",
                "Nothing goes before or after the call.",
                "The whole answer is that one call.",
            ),
        ),
        ask=ask,
    )
