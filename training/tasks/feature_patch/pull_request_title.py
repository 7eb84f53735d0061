"""Titles of pull requests: the tag of each kind, the shape, the case, and what drafts or large ones get."""

import random

from training.tasks.content import NOUNS, code
from training.tasks.feature_patch import LABEL, change, distinct, lines_of, tag
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Feature/Patch"
OPEN = True
HELD_OUT = True
KINDS = ("feature", "bug", "docs", "refactoring", "test")
SHAPES = (
    "{tag} {area}: {text}",
    "{tag}({area}) {text}",
    "{area}/{tag} - {text}",
    "{tag} | {text} | {area}",
    "{text} [{area}, {tag}]",
    "{area}: {text} ({tag})",
)
CASES = {
    "lower": "in lower case throughout",
    "first": "with a capital first letter and the rest in lower case",
    "title": "with a capital letter at the start of every word",
    "upper": "in capital letters throughout",
}
TITLES = lines_of(
    [form.replace("SHAPE", shape) for shape in SHAPES for form in ("SHAPE", "{extra} SHAPE", "SHAPE {extra}")],
    tag=LABEL,
    extra=LABEL,
    area="[a-z]+",
    text="[A-Za-z]+( [A-Za-z]+)+",
)


def check(answer: str) -> bool:
    return TITLES.fullmatch(answer) is not None


def draft(rng: random.Random) -> Draft:
    """Draw one team's titles of pull requests."""
    literal = rng.choice((lambda: code(rng), lambda: tag(rng).upper(), lambda: tag(rng)))
    tags = distinct((*rng.sample(KINDS, rng.choice((2, 3, 3))), "extra"), literal)
    extra = tags.pop("extra")
    case, shape = rng.choice(list(CASES)), rng.choice(SHAPES)
    special = rng.choice(("", "draft", "draft", "files"))
    limit, front = rng.randint(3, 9), rng.random() < 0.5

    def spell(text: str) -> str:
        return {"lower": text, "first": text.capitalize(), "title": text.title(), "upper": text.upper()}[case]

    def ask(rng: random.Random) -> Task:
        kind, area, text = rng.choice(list(tags)), rng.choice(NOUNS), change(rng)
        marked, note = rng.random() < 0.45, ""
        if special == "draft":
            note = ", draft" if marked else ", ready"
        elif special == "files":
            note = f", {rng.randint(limit + 1, limit + 9) if marked else rng.randint(2, limit)} files"
        prompt = rng.choice(
            (
                f"Change: {text}. Area: {area}. Kind: {kind}{note}",
                f"{kind}, {area}{note}, {text}",
                f"I open a pull request of kind {kind} for {area}{note}. It should {text}. Its title?",
                f"Title a pull request ({kind}{note}) for {area}: {text}",
                f"area={area}; change={text}; kind={kind}{note}",
                f"area: {area}\nkind: {kind}{note}\nchange: {text}",
                f"{text}\n\nKind {kind}, area {area}{note}. What title does this pull request get?",
                f"Please give me a title: the aim is to {text} ({area}, {kind}{note}).",
            )
        )
        title = shape.format(tag=tags[kind], area=area, text=spell(text))
        if special and marked:
            title = f"{extra} {title}" if front else f"{title} {extra}"
        return Task(prompt, title)

    shown, letters = shape.format(tag="TAG", area="AREA", text="TEXT"), shape.format(tag="G", area="A", text="T")
    what = "drafts" if special == "draft" else f"pull requests with more than {limit} files"
    one = "is a draft" if special == "draft" else f"has more than {limit} files"
    where = "starts" if front else "ends"
    side, space = ("in front of", "before") if front else ("behind", "after")
    marked_title = f"{extra} TITLE" if front else f"TITLE {extra}"
    marking = (
        f"The title of {what} {where} with `{extra}`, one space apart from the rest.",
        f"If the pull request {one}, put `{extra}` and a space {side} the title."
        if front
        else f"If the pull request {one}, put a space and `{extra}` {side} the title.",
        f"Only {what} have `{extra}` {side} the whole title, set off by a space.",
        f"When it {one}, add `{extra}` {space} everything else, with one space between.",
        f"`{extra}` {where} the title of {what} and of no others; a space separates it.",
        f"Titles get a mark like this:\n\n| pull request | title |\n|---|---|\n| {one} | `{marked_title}` |\n"
        "| any other | `TITLE` |\n",
        f"Ask whether the pull request {one}. If so, its title {where} with `{extra}`, a space apart from the rest; "
        f"if not, `{extra}` is left out.",
        f"For {what}, one more mark, `{extra}`, stands {side} all the rest, a space apart.",
    )
    return Draft(
        name=rng.choice(("pull-request-titles", "pr-titles", "title-a-pull-request", "pr-title-style")),
        title=rng.choice(("Titles of pull requests", "Pull request titles", "How we title pull requests")),
        description=rng.choice(
            (
                "Writes the title of a pull request. Use it when a change is ready for review.",
                "Gives a pull request the title that our team expects.",
                "How pull requests are titled here. Use it whenever one is opened.",
            )
        ),
        rules=(
            wordings_of(tags, "kind", "tag", "a pull request of kind {key} is tagged `{value}`"),
            (
                f"A title reads `{shown}`, with the change for TEXT.",
                f"Use the form `{shown}`, in which TEXT is what the change does.",
                f"With tag G, area A and text T the title is `{letters}`.",
                f"Titles are built as `{shown}`; put in the tag, the area and the text.",
                "Each title is one line of this form, with TAG, AREA and TEXT (the change) filled in:\n\n"
                f"```\n{shown}\n```\n",
                f"In `{shown}` replace\n\n- TAG by the tag,\n- AREA by the area,\n- TEXT by the change.\n",
                f"Suppose the text is T, the area A and the tag G: we would title it `{letters}`, and others likewise.",
                f"Tag G, area A and text T are combined to `{letters}`.",
            ),
            (
                f"The text is written {CASES[case]}.",
                f"Write the text {CASES[case]}; tag and area stay as they are.",
                f"What the change does is spelled {CASES[case]}.",
                f"Spell the text, and nothing but the text, {CASES[case]}.",
                f"The text `mend broken links` would stand in the title as `{spell('mend broken links')}`, "
                f"that is, {CASES[case]}.",
                f"Case is changed in the text alone:\n\n- text: {CASES[case]}\n- tag and area: as they are\n",
                f"How do we spell the text? Always {CASES[case]}: `{spell('mend links')}`, for instance.",
                f"Whatever the case in the question, the text appears {CASES[case]}.",
            ),
            *((marking,) if special else ()),
            (
                "Output only the title.",
                "Answer with the title and nothing else.",
                "Reply with the title alone, without quotes.",
                "Give the one line of the title.",
                "Your reply is the finished title, with no remark before or after it.",
                "One line, the title, is the whole answer.",
                "Print the title as it should appear, and leave out everything else.",
                "No text besides the title is wanted.",
            ),
        ),
        ask=ask,
    )
