"""Routing of reports: a short report goes to the code of the category that it falls into."""

import random
import re

from training.tasks.content import code
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Diagnosis/Search"
OPEN = True
HELD_OUT = False
REPORTS = {
    "login": (
        "my password is rejected",
        "I cannot sign in",
        "the reset link for my password fails",
        "my account is locked",
        "the sign-in code never comes",
        "it says unknown user name",
        "I am logged out every minute",
    ),
    "billing": (
        "I was charged twice",
        "the invoice is wrong",
        "my refund is missing",
        "my credit card was declined",
        "the price has the wrong tax",
        "I paid but got no receipt",
        "the monthly fee is too high",
    ),
    "shipping": (
        "the parcel is late",
        "my package was lost",
        "the courier went to the wrong address",
        "the box arrived damaged",
        "the delivery date keeps moving",
        "the tracking number does not work",
        "my order was never delivered",
    ),
    "crash": (
        "the app closes by itself",
        "the program freezes at start",
        "the screen goes black and the app quits",
        "the app stops with a fatal error",
        "the window hangs and dies",
        "the editor crashed again",
        "it crashes when I open a file",
    ),
    "search": (
        "the search box finds nothing",
        "no results for shoes",
        "the search results are in the wrong order",
        "the filter hides good matches",
        "my query returns old pages",
        "looking up a product name shows no matches",
        "search ignores the second word",
    ),
}
FORMS = (
    "Report: {said}",
    "New ticket: {said}",
    'A user writes "{said}"',
    "{said}. Where does this go?",
    "Customer says {said}",
    "Which queue takes this one? {said}",
    "{said}",
    "ticket={said} queue=?",
    "Hi, a customer told me this: {said}. What do I put on the ticket?",
    "Sort this report into its queue: {said}",
    "Someone called and complained: {said}. Name the queue.",
)
FORM = re.compile(r"[A-Z]{2}-\d\d|[a-z]+\d|[a-z]+-[a-z]+|\[[A-Z]{3}\]")


def check(answer: str) -> bool:
    """Whether this is the code of one queue."""
    return FORM.fullmatch(answer) is not None


def draft(rng: random.Random) -> Draft:
    codes: dict[str, str] = {}
    for category in rng.sample(list(REPORTS), 3):
        drawn = code(rng)
        while drawn in codes.values():
            drawn = code(rng)
        codes[category] = drawn

    def ask(rng: random.Random) -> Task:
        category = rng.choice(list(codes))
        return Task(rng.choice(FORMS).format(said=rng.choice(REPORTS[category])), codes[category])

    arrows = ", ".join(f"{category} -> `{value}`" for category, value in codes.items())
    goes = "; ".join(f"a {category} problem goes to `{value}`" for category, value in codes.items())
    sends = " ".join(f"Send {category} reports to `{value}`." for category, value in codes.items())
    return Draft(
        name=rng.choice(("report-routing", "route-reports", "triage-codes", "support-queues")),
        title=rng.choice(("Report routing", "Where reports go", "Queues of the support desk")),
        description=rng.choice(
            (
                "Sends a report to the code of its queue. Use it when a problem is reported.",
                "Gives the queue code of a user report. Use for every report.",
                "Triages short reports. Use when a user describes a problem.",
            )
        ),
        rules=(
            (
                f"Queues by category: {arrows}.",
                f"Routing works like this: {goes}.",
                sends,
                *wordings_of(codes, "category", "queue", "{key} reports go to `{value}`")[3:],
            ),
            (
                "Output only the code.",
                "Answer with the code of the queue and nothing else.",
                "Reply with the code alone.",
                "The answer is the code, without a sentence around it.",
                "Give no reason and no category, just the code.",
                "Don't greet and don't explain; write the code.",
                "One code makes the reply, with no word before or after it.",
                "Nothing but the queue's code is written.",
            ),
        ),
        ask=ask,
    )
