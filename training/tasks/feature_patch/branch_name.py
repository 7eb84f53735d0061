"""Names of git branches: the prefix of each kind of work, the ticket, the signs between and what is cut."""

import random
import re

from training.tasks.content import ANIMALS, COLOURS
from training.tasks.feature_patch import change, distinct, tag
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Feature/Patch"
OPEN = True
HELD_OUT = True
KINDS = ("feature", "bug", "docs", "cleanup", "test")
SHAPES = (
    "{prefix}/{ticket}{joint}{words}",
    "{prefix}/{words}{joint}{ticket}",
    "{ticket}/{prefix}{joint}{words}",
    "{prefix}{joint}{ticket}/{words}",
    "{words}/{prefix}{joint}{ticket}",
    "{prefix}/{ticket}/{words}",
)
TICKETS = ("{}", "t{}", "T-{}", "no{}", "{}x")
BRANCH = re.compile(r"[A-Za-z0-9]+([-_./][A-Za-z0-9]+)+")
SIGNS = {"-": "a hyphen (`-`)", "_": "an underscore (`_`)", ".": "a dot (`.`)"}


def check(answer: str) -> bool:
    return BRANCH.fullmatch(answer) is not None and "/" in answer


def draft(rng: random.Random) -> Draft:
    """Draw one repository's names of branches."""
    literal = rng.choice(
        (lambda: tag(rng), lambda: rng.choice(COLOURS) + str(rng.randint(1, 9)), lambda: tag(rng).upper())
    )
    prefixes = distinct((*rng.sample(KINDS, rng.choice((2, 3, 3))), "none"), literal)
    prefixes.pop("none")
    joint, shape, ticket = rng.choice(list(SIGNS)), rng.choice(SHAPES), rng.choice(TICKETS)
    no_ticket = rng.choice((rng.choice(ANIMALS), tag(rng))) if rng.random() < 0.5 else ""
    cut = rng.random() < 0.4

    def fill(prefix: str, number: str, words: str) -> str:
        return shape.format(prefix=prefix, ticket=number, joint=joint, words=words)

    def ask(rng: random.Random) -> Task:
        text, kind, number = change(rng), rng.choice(list(prefixes)), rng.randint(10, 999)
        bare = bool(no_ticket) and rng.random() < 0.3
        said, given = ("no ticket", "none") if bare else (f"ticket {number}", str(number))
        prompt = rng.choice(
            (
                f"Kind: {kind}. Work: {text}. Ticket: {given}",
                f"{kind}, {text}, {said}",
                f"I start to work on this: {text} ({kind}, {said}). Which branch?",
                f"Name the branch of a {kind} change with {said}: {text}",
                f"kind={kind}; ticket={given}; work={text}",
                f"ticket: {given}\nkind: {kind}\nwork: {text}",
                f"What is the branch called when I {text}? There is {said}, and the kind is {kind}.",
                f"Please open a branch for me, {said}, kind {kind}. The plan is to {text}.",
                f"{text}\n\nThis is {kind} work with {said}. Give me the branch.",
            )
        )
        words = joint.join(text.split()[: 2 if cut else None])
        return Task(prompt, fill(prefixes[kind], no_ticket if bare else ticket.format(number), words))

    shown, letters = fill("PREFIX", ticket.format("N"), "WORDS"), fill("P", ticket.format("7"), "W")
    numbered = ticket.format("N")
    which = "the first two words of the work" if cut else "all words of the work"
    sample = joint.join(("mend", "broken", "links")[: 2 if cut else None])
    missing = (
        f"If there is no ticket N, `{no_ticket}` replaces `{numbered}`.",
        f"Without a ticket N, write `{no_ticket}` in place of `{numbered}`.",
        f"Work that has no ticket N gets `{no_ticket}` where `{numbered}` would stand.",
        f"Put `{no_ticket}` instead of `{numbered}` when no ticket N is given.",
        f"The ticket in the name:\n\n| ticket | written as |\n|---|---|\n| N | `{numbered}` |\n"
        f"| none | `{no_ticket}` |\n",
        f"Is there no ticket N? Then `{no_ticket}` takes the place of `{numbered}`, and the rest of the name stays.",
        f"`{numbered}` is for work with a ticket N; all other work has `{no_ticket}` at that spot.",
        f"`{numbered}` turns into `{no_ticket}` for work without a ticket N.",
    )
    return Draft(
        name=rng.choice(("branch-names", "name-a-branch", "git-branches", "branch-naming")),
        title=rng.choice(("Names of branches", "How branches are called", "Git branches")),
        description=rng.choice(
            (
                "Names the git branch of a piece of work. Use it before work begins.",
                "Gives the name of a new branch in our style.",
                "How branches are named in this repository. Use it whenever one is opened.",
            )
        ),
        rules=(
            wordings_of(prefixes, "kind", "prefix", "branches of kind {key} have the prefix `{value}`"),
            (
                f"A branch is called `{shown}`, where N is the ticket.",
                f"Fill in `{shown}`: the prefix, the words, and for N the ticket number.",
                f"With prefix P, words W and ticket 7 the branch is `{letters}`.",
                f"Names follow the pattern `{shown}`; N stands for the ticket.",
                "All names are built alike; PREFIX, WORDS and the ticket number N are filled in:\n\n"
                f"```\n{shown}\n```\n",
                f"In `{shown}` replace\n\n- PREFIX by the prefix,\n- WORDS by the words,\n"
                "- N by the number of the ticket.\n",
                f"Suppose the words are W, the prefix is P and the ticket is 7: we call that branch `{letters}`, "
                "others likewise.",
                f"Prefix P, ticket 7 and words W together give `{letters}`.",
            ),
            (
                f"The words in the name are {which}, with {SIGNS[joint]} between them.",
                f"For the words take {which} and join them by {SIGNS[joint]}.",
                f"Put {SIGNS[joint]} between the words, which are {which}.",
                f"The part with the words holds {which}, separated by {SIGNS[joint]}.",
                f"To get the words of the name, take {which} and write {SIGNS[joint]} wherever two of them meet.",
                f"Work such as `mend broken links` shows as `{sample}`: {which}, held together by {SIGNS[joint]}.",
                f"A name has no spaces. It says {which}, and each space among them turns into {SIGNS[joint]}.",
                f"Of words, use {which}; {SIGNS[joint]} takes the place of the spaces.",
            ),
            *((missing,) if no_ticket else ()),
            (
                "Output only the name.",
                "Answer with the name of the branch and nothing else.",
                "Reply with the branch alone, no git command.",
                "Give just the name, in one line.",
                "Your reply is one line, which holds the name and no `git` command.",
                "Write the name, with nothing before it and nothing after it.",
                "What I expect back: the name of the branch. No remark, no quotes.",
                "The bare name is the whole answer.",
            ),
        ),
        ask=ask,
    )
