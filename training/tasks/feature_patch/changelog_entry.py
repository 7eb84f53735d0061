"""Changelog entries: the label of each kind of change, the shape of the line and what breaking changes get."""

import random

from training.tasks.content import NOUNS, code
from training.tasks.feature_patch import LABEL, change, distinct, lines_of, tag
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Feature/Patch"
OPEN = True
HELD_OUT = False
KINDS = ("feature", "fix", "removal", "security", "speed")
SHAPES = (
    "{bullet} {label} {area}: {text} ({ref})",
    "{bullet} {label} {text} in {area} {ref}",
    "{bullet} {area} | {label} | {text} | {ref}",
    "{bullet} {ref} {label}: {text} [{area}]",
    "{bullet} {text} ({area}, {label}, {ref})",
    "{bullet} {label}/{area} {text}, {ref}",
)
REFERENCES = ("#{}", "GH-{}", "!{}", "PR {}", "pr{}")
ENTRY = lines_of(
    SHAPES,
    bullet="[-*+>]",
    label=LABEL,
    area="[a-z]+",
    text="[A-Za-z][a-z]*( [a-z]+)+",
    ref=r"(#|GH-|!|PR |pr)\d+",
)


def check(answer: str) -> bool:
    return ENTRY.fullmatch(answer) is not None


def draft(rng: random.Random) -> Draft:
    """Draw one project's changelog style."""
    literal = rng.choice((lambda: code(rng), lambda: tag(rng).upper()))
    labels = distinct((*rng.sample(KINDS, rng.choice((2, 3, 3))), "breaking"), literal)
    breaking = labels.pop("breaking")
    with_breaking, capital = rng.random() < 0.5, rng.random() < 0.5
    bullet, reference = rng.choice("-*+>"), rng.choice(REFERENCES)
    shape = rng.choice(SHAPES)

    def ask(rng: random.Random) -> Task:
        kind, area, text, number = rng.choice(list(labels)), rng.choice(NOUNS), change(rng), rng.randint(10, 999)
        breaks = with_breaking and rng.random() < 0.4
        note = ", breaking" if breaks else ""
        prompt = rng.choice(
            (
                f"Pull request {number}: {text}. Area: {area}. Kind: {kind}{note}",
                f"{kind}{note}, {area}, {text}, pull request {number}",
                f"Add pull request {number} ({kind}{note}) to the changelog: {text}, in {area}.",
                f"We merged {number}, a change of kind {kind}{note}, area {area}. It is: {text}. Which entry?",
                f"pr={number}; area={area}; text={text}; kind={kind}{note}",
                f"pull request: {number}\narea: {area}\nkind: {kind}{note}\ntext: {text}",
                f"{text}\n\nThis was pull request {number} in {area}, kind {kind}{note}. Write its entry.",
                f"What does the changelog say of pull request {number}? Its aim was to {text} ({area}, {kind}{note}).",
                f"Please write the line for {area}, pull request {number}, {kind}{note}: {text}",
            )
        )
        said = text.capitalize() if capital else text
        label = breaking if breaks else labels[kind]
        return Task(
            prompt, shape.format(bullet=bullet, label=label, area=area, text=said, ref=reference.format(number))
        )

    shown = shape.format(bullet=bullet, label="LABEL", area="AREA", text="TEXT", ref=reference.format("N"))
    letters = shape.format(bullet=bullet, label="L", area="A", text="T", ref=reference.format("7"))
    shaping = (
        f"An entry has the shape `{shown}`, where N is the number of the pull request.",
        f"Fill in `{shown}`; TEXT is the change and N the pull request number.",
        f"With label L, area A, text T and pull request 7, the line is `{letters}`.",
        f"Each change becomes one line, `{shown}`, with its pull request number for N.",
        f"Use the pattern `{shown}` with the label, the area and the text put in; N is the pull request.",
        f"One line makes an entry, and this is its form:\n\n```\n{shown}\n```\n\n"
        "Fill in LABEL, AREA and TEXT (the change); N is the number of the pull request.",
        f"In `{shown}` put\n\n- for LABEL the label,\n- for AREA the area,\n- for TEXT the change,\n"
        "- for N the number of the pull request.\n",
        f"Copy `{shown}`, then exchange four things: LABEL, AREA, TEXT (what was changed), "
        "N (the pull request number).",
        f"Our lines look like `{letters}` when the label is L, the area A, the text T and the pull request 7.",
    )
    if capital:
        casing = (
            "The text begins with a capital letter.",
            "Write the first letter of the text as a capital.",
            "Turn the text's first letter into upper case and keep the rest.",
            "A capital letter opens the text; the other letters stay.",
            "Sentence case holds for the text: a capital comes first, and small letters follow.",
            "Given `mend broken links`, the text of the entry is `Mend broken links`.",
            "What was changed is told with one capital, at its very start, as in `Mend broken links`.",
            "Upper case is used for the first letter of the text only.",
        )
    else:
        casing = (
            "The text stays in lower case, also its first letter.",
            "Do not capitalise the text.",
            "Keep the first letter of the text small.",
            "Write the text with no capital letter, as it was given.",
            "Lower case holds for the text, from its first letter to its last.",
            "Given `mend broken links`, the text of the entry is `mend broken links`, not `Mend broken links`.",
            "What was changed is told with small letters alone, as in `mend broken links`.",
            "No upper case in the text, not even at its start.",
        )
    exception = (
        f"A breaking change gets the label `{breaking}`, whatever its kind.",
        f"If the change is breaking, `{breaking}` replaces the label of its kind.",
        f"Unless a change is breaking, its kind decides; for breaking ones the label is `{breaking}`.",
        f"`{breaking}` is the label of all breaking changes and wins over the kind.",
        f"Whenever something is marked breaking, ignore the kind and take `{breaking}` as the label.",
        f"Is the change breaking? Then its label is `{breaking}`. If not, the label is that of its kind.",
        f"Take the first label that fits:\n\n1. `{breaking}` if the change is breaking\n"
        "2. otherwise the label of its kind\n",
        f"For breaking changes the kind does not count, and their label reads `{breaking}`.",
    )
    return Draft(
        name=rng.choice(("changelog-entries", "changelog-style", "write-changelog", "release-notes-line")),
        title=rng.choice(("Changelog entries", "Our changelog", "Lines of the changelog")),
        description=rng.choice(
            (
                "Writes the changelog line of a merged pull request. Use it after every merge.",
                "Turns a merged change into an entry of our changelog.",
                "How entries of the changelog look. Use it when a pull request has been merged.",
            )
        ),
        rules=(
            wordings_of(labels, "kind", "label", "a change of kind {key} has the label `{value}`"),
            *((exception,) if with_breaking else ()),
            shaping,
            casing,
            (
                "Output only the entry.",
                "Answer with the one line and nothing else.",
                "Reply with the changelog line alone.",
                "Give the entry, without a heading or a remark.",
                "One line is wanted, and that is the entry; leave out comments and headings.",
                "Print the finished entry on its own.",
                "Your whole answer is what goes into the changelog, a single line.",
                "Nothing but the line itself belongs in the answer.",
            ),
        ),
        ask=ask,
    )
