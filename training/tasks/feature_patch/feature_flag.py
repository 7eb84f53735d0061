"""Feature flags: a call is put behind the check that one code base uses, under the flag name it uses.

The check, the affix of the flag name and the word in front of the call are drawn for each skill.
"""

import ast
import random

from training.tasks.content import NOUNS
from training.tasks.wording import Draft, Task

SUBTASK = "Feature/Patch"
OPEN = True
HELD_OUT = False
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


def check(answer: str) -> bool:
    try:
        lines = ast.parse(f"async def f():\n    {answer}").body[0].body
    except (SyntaxError, ValueError):
        return False
    return "\n" not in answer and len(lines) == 1 and isinstance(lines[0], ast.If | ast.With)


def draft(rng: random.Random) -> Draft:
    """Draw one code base's way to put a call behind a flag."""
    head = rng.choice(HEADS).format(o=rng.choice(OBJECTS), m=rng.choice(METHODS))
    affix = rng.choice(AFFIXES)
    name = rng.choice((f"{affix}_abc", f"{affix}_abc", f"abc_{affix}", "abc"))
    word = rng.choice(("", "", "return ", "await ", "yield "))

    def ask(rng: random.Random) -> Task:
        call = f"{rng.choice(VERBS)}_{rng.choice(NOUNS)}({rng.choice(ARGUMENTS)})"
        flag = f"{rng.choice(CHANGES)}_{rng.choice(NOUNS)}"
        test = head.replace("FLAG", name.replace("abc", flag))
        prompt = rng.choice(
            (
                f"Call: {call}. Flag: {flag}",
                f"Flag {flag}, call {call}",
                f"Put {call} behind the flag {flag}",
                f"{call} may only run while {flag} is switched on. Write the line.",
                f"Hide the call {call}; its flag is {flag}.",
                f"call={call}; flag={flag}",
                f"{call}\n\nThis call needs the flag {flag}. Rewrite it.",
                f"Which line runs {call} only with {flag} on?",
                f"Please let {flag} decide whether {call} runs.",
            )
        )
        return Task(prompt, f"{test} {word}{call}")

    table = "\n".join(f"| `{flag}` | `{name.replace('abc', flag)}` |" for flag in ("abc", "old_menu"))
    table = f"| given flag | full flag name |\n|---|---|\n{table}\n"
    if name == "abc":
        naming = (
            "The full flag name is the flag just as given.",
            "Flags are not renamed, so the given flag is the full flag name.",
            "Add nothing to the given flag to get the full flag name.",
            "The full flag name and the given flag are one and the same.",
            "Take the given flag, without any affix, as the full flag name.",
            f"How flags are named, nothing being added:\n\n{table}",
            "There is no prefix and no suffix, and thus the full flag name repeats the given flag letter by letter.",
            "A given flag `abc` keeps its name: the full flag name is `abc` too.",
        )
    else:
        part = name.replace("abc", "")
        place, kind = ("in front of", "prefix") if name.endswith("abc") else ("behind", "suffix")
        naming = (
            f"For the full flag name, put `{part}` directly {place} the given flag.",
            f"A given flag `abc` has the full flag name `{name}`.",
            f"Flags are renamed: with `{part}` {place} it, without a space, the given flag becomes the full flag name.",
            f"`{part}` goes directly {place} the given flag, and that makes the full flag name.",
            f"The full flag name of `abc` is written `{name}`, and likewise for every other flag.",
            f"How flags are named, the {kind} being `{part}`:\n\n{table}",
            f"There is one {kind}, `{part}`. Added to the given flag without a space, it makes the full flag name.",
            f"Directly {place} every given flag stands `{part}`; the two together are the full flag name.",
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
                f"First write `{head}`, but with the full flag name where FLAG stands.",
                f"A line begins with `{head}`; for FLAG the full flag name is put in.",
                f"A line starts like this, the full flag name put for FLAG:\n\n```python\n{head}\n```\n",
                f"We check a flag with `{head}`. Exchange FLAG for the full flag name; the result opens the line.",
                f"At the start of the line belongs `{head}`, in which the full flag name takes the place of FLAG.",
            ),
            naming,
            (
                f"After the check come a space and {said}.",
                f"On the same line, one space behind the colon, write {said}."
                if word
                else "The call follows on the same line, one space behind the colon, as it was given.",
                f"The check is followed by a space and `{word}CALL`, with the given call for CALL.",
                f"Continue on that line, after one space, with {said}.",
                f"What runs behind the flag stands on the same line: one space, then {said}.",
                "For the call `go(x)` the check would be followed, after one space and on the same line, "
                f"by `{word}go(x)`.",
                "The check, a space and this make one line, CALL being the given call:\n\n"
                f"```python\n{word}CALL\n```\n",
                f"Leave one space behind the colon, then put {said} there, without a line break.",
            ),
            (
                "Output only this one line.",
                "Answer with the line of code alone.",
                "Reply with the code, no fences.",
                "Give the finished line and nothing around it.",
                "No text besides the one line of code is wanted.",
                "The reply holds a single line of Python, no explanation and no fences.",
                "Send back the line itself; leave everything else out.",
                "Write just the line, without a word about it.",
            ),
        ),
        ask=ask,
    )
