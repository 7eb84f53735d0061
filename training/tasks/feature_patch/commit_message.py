"""Commit messages: the type word, the scope, the separator and the ticket as one team writes them."""

import random

from training.tasks.content import NOUNS
from training.tasks.wording import Draft, Task

SUBTASK = "Feature/Patch"
CHANGES = (
    "handle empty input",
    "support nested lists",
    "avoid double submit",
    "log slow calls",
    "check user rights",
    "keep sort order",
    "show the total",
    "retry on timeout",
)


def draft(rng: random.Random) -> Draft:
    types = {
        "feature": rng.choice(("feat", "add", "new", "feature", "minor")),
        "bug": rng.choice(("fix", "bugfix", "hotfix", "patch", "repair")),
        "docs": rng.choice(("docs", "doc", "chore", "text")),
    }
    scope = rng.choice(("({})", "[{}]", "/{}", "<{}>"))
    separator = rng.choice((": ", " | ", " => ", " :: "))
    ticket = rng.choice((" (#{})", " Refs: {}", " [T-{}]", " closes {}", ""))
    capital = rng.random() < 0.5

    def ask(rng: random.Random) -> Task:
        kind, area, change = rng.choice(list(types)), rng.choice(NOUNS), rng.choice(CHANGES)
        number = rng.randint(10, 999)
        summary = change.capitalize() if capital else change
        answer = types[kind] + scope.format(area) + separator + summary + ticket.format(number)
        return Task(f"Kind: {kind}. Area: {area}. Change: {change}. Ticket: {number}", answer)

    listed = ", ".join(f"{kind} is `{word}`" for kind, word in types.items())
    arrows = ", ".join(f"{kind} -> {word}" for kind, word in types.items())
    shown_scope, shown_separator = scope.format("area"), separator.strip()
    case = "a capital letter" if capital else "a lower-case letter"
    end = ticket.strip().format("N")
    return Draft(
        name=rng.choice(("commit-messages", "commit-style", "write-commits", "git-commit-line")),
        title=rng.choice(("Commit messages", "How we write commits", "Commit style")),
        description=rng.choice(
            (
                "Writes the commit message of a change. Use it when a change is described.",
                "Turns a described change into our commit line. Use for every commit.",
            )
        ),
        rules=(
            (f"Start with the type: {listed}.", f"Types: {arrows}.", f"The first word is the type ({arrows})."),
            (
                f"Write the area as `{shown_scope}` right after the type.",
                f"Right behind the type comes the scope, written `{shown_scope}`.",
            ),
            (
                f"Then put `{shown_separator}` and the summary, which starts with {case}.",
                f"`{shown_separator}` comes next, then the summary. The summary begins with {case}.",
            ),
            (
                (f"End with `{end}`, where N is the ticket.", f"The line ends with the ticket N as `{end}`.")
                if ticket
                else ("Leave the ticket out.", "Do not mention the ticket.")
            ),
            ("Answer with the commit line only.", "Output one line and nothing else.", "Reply with the message alone."),
        ),
        ask=ask,
    )
