"""Redaction: before a text is logged or shared, some kinds of personal details give way to a code.

Which one or two of email address, number and person's name are replaced, and by what, is drawn for each skill.
"""

import random
import re

from training.tasks.content import code
from training.tasks.robustness_fix import CODE
from training.tasks.wording import Draft, Task

SUBTASK = "Robustness Fix"
OPEN = True
HELD_OUT = False
KINDS = {"email": "email address", "number": "number", "name": "name of a person"}
# Mailboxes hold no digit and no person's name, so that each text has each kind just once.
BOXES = ["help", "sales", "desk", "office", "support", "orders", "team", "info"]
HOSTS = ["mail.com", "acme.com", "shop.net", "post.org", "corp.net"]
PEOPLE = ["Ana", "Omar", "Lena", "Raj", "Mia", "Tom", "Yuki", "Nora", "Ivan", "Sara", "Paul", "Eva"]
TEXTS = (
    "Ask {name} at {email} about case {number}",
    "{name} wrote from {email} about order {number}",
    "Ticket {number} went from {email} to {name}",
    "Send bill {number} to {email} and tell {name}",
    "Mail to {email} failed {number} times for {name}",
    "User {name} in room {number} has the mailbox {email}",
    "Login of {name} with {email} took {number} seconds",
    "Call {name} on {number} or write to {email}",
)
PROMPTS = (
    "{t}",
    "Text: {t}",
    "Redact this line: {t}",
    "{t}\n\nMake it safe to share.",
    "text={t}",
    "{t}\n\nThis line shall go to the log.",
    "Could you redact this for me? {t}",
    "How does this read once it is redacted: {t}",
    'What do we log for "{t}"?',
)


def draft(rng: random.Random) -> Draft:
    """Draw the kinds of details that one team hides and the codes it writes for them."""
    hidden: dict[str, str] = {}
    for kind in rng.sample(list(KINDS), rng.choice((1, 2, 2))):
        mark = code(rng)
        while mark in hidden.values():
            mark = code(rng)
        hidden[kind] = mark

    def ask(rng: random.Random) -> Task:
        details = {
            "email": f"{rng.choice(BOXES)}@{rng.choice(HOSTS)}",
            "number": str(rng.randint(10, 999)),
            "name": rng.choice(PEOPLE),
        }
        text = rng.choice(TEXTS)
        prompt = rng.choice(PROMPTS).format(t=text.format(**details))
        return Task(prompt, text.format(**(details | hidden)))

    replacing = tuple(
        (
            f"Write `{mark}` in place of every {KINDS[kind]}.",
            f"Each {KINDS[kind]} in the text becomes `{mark}`.",
            f"If there is {'an' if kind == 'email' else 'a'} {KINDS[kind]}, take it out and put `{mark}` there.",
            f"`{mark}` replaces any {KINDS[kind]}.",
            f"Hide the {KINDS[kind]}: all that is left of it is `{mark}`.",
            f"What is hidden, and how:\n\n| in the text | written instead |\n|---|---|\n| {KINDS[kind]} | `{mark}` |\n",
            f"Does the text hold {'an' if kind == 'email' else 'a'} {KINDS[kind]}? We never show it; "
            f"readers see `{mark}` at its place.",
            f"Where the {KINDS[kind]} stood, the new text has `{mark}`.",
        )
        for kind, mark in hidden.items()
    )
    return Draft(
        name=rng.choice(("redact-text", "clean-logs", "mask-details", "share-safely")),
        title=rng.choice(("Redacting text", "Before a text is logged", "Masking details")),
        description=rng.choice(
            (
                "Hides details in a text before it is logged. Use it for every text that leaves the service.",
                "Replaces details by codes. Use when a message is shared.",
                "How we make a line safe to share.",
            )
        ),
        rules=(
            *replacing,
            (
                "Copy everything else without a change.",
                "All other words, names, numbers and addresses stay as they are.",
                "Leave the rest of the text alone.",
                "Nothing else is hidden or changed.",
                "Touch no other part of the line.",
                "What is not to be hidden appears in the new text exactly as it did in the old one.",
                "Keep all the rest, word by word and in the same order.",
                "Whatever these rules do not name is kept word for word.",
            ),
            (
                "Output only the new text.",
                "Answer with the changed text alone.",
                "Reply with the text and no remark.",
                "Give back the text, on one line, and nothing more.",
                "No remark goes before or after the new text.",
                "Your whole answer can go into the log as it is: the text, nothing around it.",
                "One line comes back, the text after the change; leave out quotes and labels.",
                "The reply consists of the new text only.",
            ),
        ),
        ask=ask,
    )


def check(answer: str) -> bool:
    """One line of six to twelve words without a full stop, with one or two codes in it."""
    return bool(re.fullmatch(r"[A-Z\[a-z][^\n]*[^\n.!?]", answer)) and (
        6 <= len(answer.split()) <= 12 and 1 <= len(re.findall(CODE, answer)) <= 2
    )
