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
    "Good. Go on with this: {q}",
    "One more: {q}",
    "Thanks. Then this: {q}",
    "What about this one? {q}",
)
MISTAKES = (
    "Sorry, that was the wrong one. I meant: {q}",
    "Forget that, this is the right one: {q}",
    "No, take this instead: {q}",
    "Correction: {q}",
    "I gave you the wrong one. Please do this one: {q}",
    "That was a mistake of mine, here is what I need: {q}",
    "Wait, not that one. This: {q}",
    "Ignore what I asked before: {q}",
)
FETCHES = (
    ("Read the next entry and do your part.", "I will read the entry."),
    ("Fetch the open item and handle it.", "Fetching the item."),
    ("Look up the newest one.", "Looking it up."),
    ("Take the next one from the queue.", "I call the queue."),
    ("Open what came in last and answer it.", "I will open it."),
    ("See what is waiting and do it.", "Let me see what is waiting."),
    ("Get the first of the list, please.", "I am getting the first of the list."),
    ("Do what the file asks for.", "Reading the file first."),
)
RESULTS = (
    "Tool result: {q}",
    "Result of the call:\n{q}",
    "The tool returned: {q}",
    "Output of the tool:\n\n{q}",
    "<result>\n{q}\n</result>",
    "Here is what was found: {q}",
    "The call gave this back:\n{q}",
    "Done. It says: {q}",
)


def in_conversation(task: Task, earlier: Task, rng: random.Random) -> Task:
    """The task asked after an earlier exchange over the same skill; its answer stays.

    A question of several lines begins on a line of its own.
    """
    kind = rng.randrange(3)
    if kind == 2:
        asked, said = rng.choice(FETCHES)
        frame = rng.choice(RESULTS)
    else:
        asked, said = earlier.prompt, earlier.answer
        frame = rng.choice(AGAIN if kind == 0 else MISTAKES)
    if "\n" in task.prompt:
        frame = frame.replace(" {q}", "\n{q}")
    prompt = frame.format(q=task.prompt)
    return Task(prompt, task.answer, ({"role": "user", "content": asked}, {"role": "assistant", "content": said}))
