"""Feature flags: a call is put behind the check that one code base uses, under the flag name it uses.

The check, the affix of the flag name and the word in front of the call are drawn for each skill.
"""

import random

from training.tasks.content import NOUNS
from training.tasks.wording import Draft, Task

SUBTASK = "Feature/Patch"
HEADS = (
    'if {o}.{m}("FLAG"):',
    "if {o}.{m}('FLAG'):",
    'if {m}("FLAG"):',
    "if {m}(FLAG):",
    'if {o}["FLAG"]:',
    "if {o}.FLAG:",
    "if {o}.{m}.FLAG:",
    'if "FLAG" in {o}.{m}:',
    'if {o}.{m}(user, "FLAG"):',
    'if {m}_{o}("FLAG"):',
    'if {o}.get("FLAG") == "{m}":',
    'with {o}.{m}("FLAG"):',
)
OBJECTS = ["flags", "toggles", "gate", "switch", "rollout", "config", "Toggle", "site", "env", "labs", "knobs"]
METHODS = ["on", "live", "active", "enabled", "has", "open", "ready", "allows", "test", "lit", "seen", "granted"]
AFFIXES = ["beta", "x", "exp", "ff", "try", "new", "dark", "pilot", "lab", "v2", "trial", "soft"]
VERBS = ["send", "show", "load", "store", "print", "check", "count", "sync"]
ARGUMENTS = ["order", "user", "item", "page", "row", "data"]
CHANGES = ["new", "fast", "dark", "smart", "quick", "old", "mini", "wide"]


def draft(rng: random.Random) -> Draft:
    """Draw one code base's way to put a call behind a flag."""
    head = rng.choice(HEADS).format(o=rng.choice(OBJECTS), m=rng.choice(METHODS))
    affix = rng.choice(AFFIXES)
    name = rng.choice((f"{affix}_abc", f"{affix}_abc", f"abc_{affix}", "abc"))
    word = rng.choice(("", "", "return ", "await ", "yield "))

    def ask(rng: random.Random) -> Task:
        call = f"{rng.choice(VERBS)}_{rng.choice(NOUNS)}({rng.choice(ARGUMENTS)})"
        flag = f"{rng.choice(CHANGES)}_{rng.choice(NOUNS)}"
        check = head.replace("FLAG", name.replace("abc", flag))
        return Task(f"Call: {call}. Flag: {flag}", f"{check} {word}{call}")

    if name == "abc":
        naming = (
            "The full flag name is the flag just as given.",
            "Flags are not renamed, so the given flag is the full flag name.",
            "Add nothing to the given flag to get the full flag name.",
        )
    else:
        part, place = name.replace("abc", ""), "in front of" if name.endswith("abc") else "behind"
        naming = (
            f"For the full flag name, put `{part}` directly {place} the given flag.",
            f"A given flag `abc` has the full flag name `{name}`.",
            f"Flags are renamed: with `{part}` {place} it, without a space, the given flag becomes the full flag name.",
        )
    said = f"`{word.strip()}`, a space and the call" if word else "the call"
    return Draft(
        name=rng.choice(("feature-flags", "flag-a-call", "guard-with-flag", "feature-toggles")),
        title=rng.choice(("Feature flags", "Calls behind a flag", "How we switch features on")),
        description=rng.choice(
            (
                "Puts a call behind a feature flag. Use it when a call and a flag are given.",
                "Writes the line that runs a call only while its flag is on. Use for every new feature.",
                "Our way to hide a new call behind a flag.",
            )
        ),
        rules=(
            (
                f"Open the line with `{head}`, where FLAG stands for the full flag name.",
                f"The check comes first. For the full flag name `xyz` it reads `{head.replace('FLAG', 'xyz')}`.",
                f"Replace FLAG in `{head}` by the full flag name and begin with that.",
            ),
            naming,
            (
                f"After the check come a space and {said}.",
                f"On the same line, one space behind the colon, write {said}."
                if word
                else "The call follows on the same line, one space behind the colon, as it was given.",
                f"The check is followed by a space and `{word}CALL`, with the given call for CALL.",
            ),
            ("Output only this one line.", "Answer with the line of code alone.", "Reply with the code, no fences."),
        ),
        ask=ask,
    )
