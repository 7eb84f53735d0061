"""Commit messages: the type word, the scope, the separator and the ticket as one team writes them."""

import random
import re

from training.tasks.content import NOUNS
from training.tasks.wording import Draft, Task

SUBTASK = "Feature/Patch"
OPEN = False
HELD_OUT = False
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
LINE = re.compile(r"[a-z]+(\([a-z]+\)|\[[a-z]+\]|/[a-z]+|<[a-z]+>)(: | \| | => | :: )[A-Za-z]+( \S+)+")


def check(answer: str) -> bool:
    return LINE.fullmatch(answer) is not None


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
        prompt = rng.choice(
            (
                f"Kind: {kind}. Area: {area}. Change: {change}. Ticket: {number}",
                f"{change} in the {area} ({kind}), ticket {number}",
                f"Ticket {number}, {kind}, {area}: {change}",
                f"I want to commit ticket {number}: {change}. The area is {area}, the kind is {kind}.",
                f"What is the commit message of a {kind} change in {area}, ticket {number}? It is: {change}",
                f"kind={kind}; area={area}; ticket={number}; change={change}",
                f"area: {area}\nkind: {kind}\nticket: {number}\nchange: {change}",
                f"{change}\n\nThat is a {kind} change in {area} for ticket {number}. Write the commit line.",
                f"Please commit this for me: {change} ({area}, {kind}, ticket {number})",
            )
        )
        return Task(prompt, answer)

    listed = ", ".join(f"{kind} is `{word}`" for kind, word in types.items())
    arrows = ", ".join(f"{kind} -> {word}" for kind, word in types.items())
    shown_scope, shown_separator = scope.format("area"), separator.strip()
    case = "a capital letter" if capital else "a lower-case letter"
    end = ticket.strip().format("N")
    sample = "Mend broken links" if capital else "mend broken links"
    spaces = "a space on each side" if separator[0] == " " else "no space before it and one after it"
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
            (
                f"Start with the type: {listed}.",
                f"A line begins with one of these types: {arrows}.",
                f"The first word is the type ({arrows}).",
                "The line opens with "
                + ", ".join(f"`{word}` for a {kind} change" for kind, word in types.items())
                + ".",
                "Which type comes first depends on the kind of change:\n\n"
                + "\n".join(f"- {kind}: `{word}`" for kind, word in types.items())
                + "\n",
                "Put the type of the kind of change first, with nothing before it:\n\n| kind | type |\n|---|---|\n"
                + "\n".join(f"| {kind} | `{word}` |" for kind, word in types.items())
                + "\n",
                "By the kind of change, a line starts like this: "
                + "; ".join(f"{kind} lines with `{word}`" for kind, word in types.items())
                + ".",
                "Look up the type, which is the first word:\n\n```yaml\n"
                + "\n".join(f"{kind}: {word}" for kind, word in types.items())
                + "\n```\n",
                "At the very front we say "
                + ", ".join(f"`{word}` when it is {kind}" for kind, word in types.items())
                + ".",
            ),
            (
                f"Write the area as `{shown_scope}` right after the type.",
                f"Right behind the type comes the scope, written `{shown_scope}`.",
                f"The type is followed, without a space, by the area in the form `{shown_scope}`.",
                f"Attach the area to the type like this: `TYPE{shown_scope}`.",
                f"No space goes between the type and the area, which is put down as `{shown_scope}`.",
                f"Type and area are one piece, the real area in the place of `area`:\n\n```\nTYPE{shown_scope}\n```\n",
                f"For a change in `login` write `{scope.format('login')}` against the type, "
                "leaving no space between them.",
                f"Glue `{shown_scope}` onto the type, with the real area in it.",
            ),
            (
                f"Then put `{shown_separator}`, with {spaces}, and the summary, which starts with {case}.",
                f"`{shown_separator}` comes next, with {spaces}, then the summary. The summary begins with {case}.",
                f"After that, `{shown_separator}` ({spaces}) leads to the summary, whose first letter is {case}.",
                f"The change itself, beginning with {case}, is set off by `{shown_separator}` with {spaces}.",
                f"Use `{shown_separator}`, with {spaces}, before the summary; give the summary {case} at its start.",
                f"Behind the area come\n\n1. `{shown_separator}`, with {spaces},\n"
                f"2. the summary, its first letter being {case}.\n",
                f"A summary starts with {case}. In the line `TYPE{shown_scope}{separator}{sample}` it is "
                f"`{sample}`, and `{shown_separator}` has {spaces}.",
                f"What was changed comes behind `{shown_separator}`, which has {spaces}, and opens with {case}.",
            ),
            (
                (
                    f"End with a space and `{end}`, where N is the ticket.",
                    f"One space divides the summary from the ticket, which ends the line as `{end}` if it is N.",
                    f"One space after the summary, add `{end}` with the ticket number for N.",
                    f"Ticket N is named last, after a space, as `{end}`.",
                    f"Close the line with a space and the ticket: `{end}` for ticket N.",
                    f"A line for ticket 7 has, one space after its summary, `{ticket.strip().format(7)}` at the end.",
                    "Which ticket it was is told last:\n\n"
                    f"- one space after the summary\n- then `{end}`, the ticket number for N\n",
                    f"At the end, behind a space, `{end}` tells that the ticket is N.",
                )
                if ticket
                else (
                    "Leave the ticket out.",
                    "Do not mention the ticket.",
                    "The line ends after the summary, without the ticket number.",
                    "Ticket numbers have no place in the line, so nothing follows the summary.",
                    "The summary is the last part; drop the ticket.",
                    "A line for ticket 7 ends with its summary and shows no 7.",
                    "Which ticket it was is not told:\n\n- no ticket number in the line\n- nothing after the summary\n",
                    "Tickets are not named in our commits.",
                )
            ),
            (
                "Answer with the commit line only.",
                "Output one line and nothing else.",
                "Reply with the message alone.",
                "Give the commit message and no other text.",
                "Nothing but the one line of the message is wanted.",
                "One line comes back, which is the commit message itself; no command, no comment.",
                "Your whole reply can go to `git commit` as it is: the line, without quotes.",
                "Write that line, and add neither quotes nor remarks.",
            ),
        ),
        ask=ask,
    )
