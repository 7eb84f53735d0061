"""TODO comments: the marker of each urgency, the comment sign, the owner and who stands in for a missing owner."""

import random

from training.tasks.content import ANIMALS, code
from training.tasks.feature_patch import LABEL, change, distinct, lines_of, tag
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Feature/Patch"
OPEN = True
HELD_OUT = False
URGENCIES = ("urgent", "soon", "someday", "unclear")
OWNERS = "ana ben cleo dan eva finn gita hugo ines jon kira leo mia nils omar pia raj sara tom uma vera".split()
SHAPES = (
    "{sign} {marker}({owner}): {text}",
    "{sign} {marker} @{owner} {text}",
    "{sign} {marker} - {text} <{owner}>",
    "{sign} {owner} | {marker} | {text}",
    "{sign} {marker}: {text} ({owner})",
    "{sign} {marker}/{owner} => {text}",
    "{sign}{marker} {text}, {owner}",
)
COMMENT = lines_of(SHAPES, sign="(#|//|--|;;|%)", marker=LABEL, owner="[a-z]+(-[a-z]+)?", text="[a-z]+( [a-z]+)+")


def check(answer: str) -> bool:
    return COMMENT.fullmatch(answer) is not None


def draft(rng: random.Random) -> Draft:
    """Draw one team's TODO comments."""
    literal = rng.choice((lambda: code(rng), lambda: tag(rng).upper(), lambda: tag(rng)))
    markers = distinct(rng.sample(URGENCIES, rng.choice((2, 3, 3))), literal)
    sign, shape = rng.choice(("#", "//", "--", ";;", "%")), rng.choice(SHAPES)
    stand_in = rng.choice((tag(rng), f"{rng.choice(ANIMALS)}-team", f"team-{tag(rng)}")) if rng.random() < 0.6 else ""

    def ask(rng: random.Random) -> Task:
        text, urgency = change(rng), rng.choice(list(markers))
        owner = "" if stand_in and rng.random() < 0.4 else rng.choice(OWNERS)
        who = f"owner {owner}" if owner else "no owner"
        prompt = rng.choice(
            (
                f"To do: {text}. Urgency: {urgency}. Owner: {owner or 'none'}",
                f"{text}, {urgency}, {who}",
                f"Leave a note in the code to {text}. It is {urgency}; "
                + (f"{owner} owns it." if owner else "nobody owns it."),
                f"{owner.capitalize() or 'Somebody'} should {text} ({urgency}"
                + (f", owner {owner})" if owner else ", without an owner)"),
                f"urgency={urgency}; owner={owner or 'none'}; text={text}",
                f"owner: {owner or 'none'}\nurgency: {urgency}\nto do: {text}",
                f"{text}\n\nPlease note this in the code. Urgency {urgency}, {who}.",
                f"What does the comment look like? Urgency {urgency}, {who}, and the task is to {text}.",
            )
        )
        answer = shape.format(sign=sign, marker=markers[urgency], owner=owner or stand_in, text=text)
        return Task(prompt, answer)

    shown = shape.format(sign=sign, marker="MARK", owner="OWNER", text="TEXT")
    letters = shape.format(sign=sign, marker="M", owner="O", text="T")
    missing = (
        f"Without an owner, write `{stand_in}` as the owner.",
        f"If nobody owns it, `{stand_in}` stands where the owner would.",
        f"`{stand_in}` takes the owner's place when there is no owner.",
        f"The owner is `{stand_in}` unless one is named.",
        f"Where no owner is given, put `{stand_in}` instead.",
        "Whom to name:\n\n| owner | named in the comment |\n|---|---|\n| given | that one |\n"
        f"| none | `{stand_in}` |\n",
        f"Is someone named as the owner? Then write that name. If not, write `{stand_in}` at the owner's place.",
        f"Notes that belong to nobody belong to `{stand_in}`, so name that as the owner.",
    )
    return Draft(
        name=rng.choice(("todo-comments", "todo-style", "leave-a-note", "code-notes")),
        title=rng.choice(("TODO comments", "Notes in the code", "How we leave a note")),
        description=rng.choice(
            (
                "Writes the comment that leaves work for later. Use it when something to do is described.",
                "Turns a thing to do into a comment in our style.",
                "How open work is noted in the code. Use it for every such note.",
            )
        ),
        rules=(
            wordings_of(markers, "urgency", "mark", "what is {key} gets the mark `{value}`"),
            (
                f"The comment has the form `{shown}`, with what is to do for TEXT, as given.",
                f"Write `{shown}` and fill in the mark, the owner and, unchanged, the text.",
                f"With mark M, owner O and text T the comment reads `{letters}`.",
                f"Fill in the pattern `{shown}`; TEXT is what has to be done.",
                f"A note looks like `{shown}`, with its own mark, owner and text put in.",
                "A note is one line, with MARK, OWNER and TEXT (what is to do, unchanged) filled in:\n\n"
                f"```\n{shown}\n```\n",
                f"In `{shown}` replace\n\n- MARK by the mark,\n- OWNER by the owner,\n"
                "- TEXT by what is to do, word for word.\n",
                f"Mark M, owner O, text T: these three make `{letters}`, and other notes likewise.",
            ),
            *((missing,) if stand_in else ()),
            (
                "Output only the comment.",
                "Answer with the comment line and nothing else.",
                "Reply with this one line alone.",
                "Give the line of comment, without code or remarks.",
                "Your reply is one line that could be pasted into the code: the comment.",
                "Write the comment and stop; the code around it is not asked for.",
                "The comment alone comes back, with no fence around it and no explanation.",
                "Nothing besides the comment belongs in the answer.",
            ),
        ),
        ask=ask,
    )
