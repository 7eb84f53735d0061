"""Error messages: how one product words a failure for its users and for its logs.

Labels, the phrase, the place of the cause, punctuation and what users are not told are drawn for each skill.
"""

import random
import re

from training.tasks.content import NOUNS
from training.tasks.robustness_fix import CODE, different_codes
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Robustness Fix"
OPEN = True
HELD_OUT = False
ACTIONS = "save load open send copy delete update print start close sync check".split()
CAUSES = "disk full,timeout,bad input,no access,network down,file missing,token expired,server busy,old version".split(
    ","
)
PHRASES = ("could not", "failed to", "cannot", "unable to", "did not", "no way to", "error, cannot")
CAUSE_LAST = ("{m} ({c})", "{m} - {c}", "{m}; cause={c}", "{m} [{c}]", "{m} <- {c}", "{m} / {c}")
CAUSE_FIRST = ("{c}: {m}", "({c}) {m}", "{c} -> {m}", "{c}, {m}", "<{c}> {m}")
PROMPTS = (
    "Reader: {r}. Action: {a}. Thing: {t}. Cause: {c}",
    "Word this for {r}: {a} {t}, cause {c}",
    "for {r} | {a} {t} | {c}",
    "{a} {t} failed, cause: {c}. Message for {r}?",
    "reader={r}; action={a}; thing={t}; cause={c}",
    "action: {a}\nthing: {t}\ncause: {c}\nreader: {r}",
    "{a} {t}\n\nThis went wrong, and the cause is {c}. Write the message for {r}.",
    "Please tell {r} that {a} {t} failed. Cause: {c}",
    "What do {r} see when we can't {a} the {t}? Cause: {c}",
)


def draft(rng: random.Random) -> Draft:
    """Draw how one product words its failures."""
    first, second = different_codes(rng, 2)
    labels = {"users": first, "logs": second if rng.random() < 0.5 else first}
    join, end = rng.choice((" ", ": ", " - ", " ~ ")), rng.choice(("", "", ".", "!"))
    phrase = rng.choice(PHRASES)
    placed = rng.choice(CAUSE_LAST + CAUSE_FIRST)
    bare = rng.random() < 0.4  # whether users are told no cause

    def message(label: str, action: str, thing: str, cause: str) -> str:
        core = f"{phrase} {action} {thing}"
        return label + join + (placed.format(m=core, c=cause) if cause else core) + end

    def ask(rng: random.Random) -> Task:
        reader, action, thing, cause = (rng.choice(list(x)) for x in (labels, ACTIONS, NOUNS, CAUSES))
        prompt = rng.choice(PROMPTS).format(r=reader, a=action, t=thing, c=cause)
        return Task(prompt, message(labels[reader], action, thing, "" if bare and reader == "users" else cause))

    if first == labels["logs"]:
        labelling = (
            f"The label of each message is `{first}`.",
            f"Users and logs get the same label, `{first}`.",
            f"Use the label `{first}`, whoever reads the message.",
            f"`{first}` is the LABEL of all messages.",
            f"There is one label for all readers: `{first}`.",
            f"Labels by reader:\n\n| reader | label |\n|---|---|\n| users | `{first}` |\n| logs | `{first}` |\n",
            f"Whether it goes to users or to logs, a message is labelled `{first}`.",
            f"As LABEL every message has `{first}`, for logs as for users.",
        )
    else:
        labelling = wordings_of(labels, "reader", "label", "a message for {key} has the label `{value}`")
    whole, short = message("LABEL", "ACTION", "THING", "CAUSE"), message("LABEL", "ACTION", "THING", "")
    example = message("LABEL", "find", "page", "typo")
    rules = [
        labelling,
        (
            f"Word a failure as `{whole}`.",
            f"Every message has the form `{whole}`; the words in capitals are filled in.",
            f"With action `find`, thing `page` and cause `typo` the message is `{example}`, with the label for LABEL.",
            f"Fill in label, action, thing and cause: `{whole}`.",
            f"`{example}` is what we write if a page could not be found and the cause is a typo (LABEL is the label).",
            f"Each message is one line like this, with the words in capitals filled in:\n\n```\n{whole}\n```\n",
            f"In `{whole}` replace\n\n- LABEL by the label,\n- ACTION by the action,\n- THING by the thing,\n"
            "- CAUSE by the cause.\n",
            f"The pattern of a message is `{whole}`, where each word in capitals gives way to what it names.",
        ),
        (
            "Output only the message.",
            "Answer with the message on one line and nothing else.",
            "Reply with the message alone.",
            "Add no word before or after the message.",
            "Give nothing but the finished message.",
            "Your whole answer can be shown as it is: one line, the message.",
            "One line comes back, which holds the message; quotes and remarks are left out.",
            "The reply is that message and no more.",
        ),
    ]
    if bare:
        untold = (
            f"Users are not told the cause; for them write `{short}`.",
            f"For users leave the cause out: `{short}`.",
            f"Only logs hold the cause. A message for users is just `{short}`.",
            f"If users read it, the form is `{short}`, without the cause.",
            f"Messages to users are shorter, `{short}`, since the cause is for logs only.",
            f"Who is told the cause?\n\n| reader | form |\n|---|---|\n| users | `{short}`, no cause |\n"
            "| logs | the full form |\n",
            f"Is the message for users? Then never name the cause in it; what remains is `{short}`.",
            f"`{short}` is the form for users, who never see a cause.",
        )
        rules.insert(2, untold)
    return Draft(
        name=rng.choice(("error-messages", "word-failures", "failure-messages", "message-style")),
        title=rng.choice(("Error messages", "How failures are worded", "Messages for users and logs")),
        description=rng.choice(
            (
                "Words a failure for users or logs. Use it when something went wrong and a message is needed.",
                "Writes the message of a failed action. Use for every error that is shown or logged.",
                "How our product says that something failed.",
            )
        ),
        rules=tuple(rules),
        ask=ask,
    )


def check(answer: str) -> bool:
    """One line: a code, a sign, then one of the phrases with two words behind it."""
    return bool(re.fullmatch(rf"{CODE}(?: |: | - | ~ )[^\n]*\b(?:{'|'.join(PHRASES)}) [a-z]+ [a-z]+[^\n]*", answer))
