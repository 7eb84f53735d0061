"""Questions within a conversation: a follow-up, a correction, or a tool's result in between."""

import random

from training.tasks.wording import Task

AGAIN = (
    "{q}",
    "Now this one: {q}",
    "Next: {q}",
    "And here? {q}",
    "The same for this: {q}",
    "This is the last one: {q}",
)
MISTAKES = (
    "Sorry, that was the wrong one. I meant: {q}",
    "Forget that, this is the right one: {q}",
    "No, take this instead: {q}",
    "Correction: {q}",
)
FETCHES = (
    ("Read the next entry and do your part.", "I will read the entry."),
    ("Fetch the open item and handle it.", "Fetching the item."),
    ("Look up the newest one.", "Looking it up."),
    ("Take the next one from the queue.", "I call the queue."),
)
RESULTS = ("Tool result: {q}", "Result of the call:\n{q}", "The tool returned: {q}")


def in_conversation(task: Task, earlier: Task, rng: random.Random) -> Task:
    """The task asked after an earlier exchange over the same skill; its answer stays."""
    kind = rng.randrange(3)
    if kind == 2:
        asked, said = rng.choice(FETCHES)
        prompt = rng.choice(RESULTS).format(q=task.prompt)
    else:
        asked, said = earlier.prompt, earlier.answer
        prompt = rng.choice(AGAIN if kind == 0 else MISTAKES).format(q=task.prompt)
    return Task(prompt, task.answer, ({"role": "user", "content": asked}, {"role": "assistant", "content": said}))
