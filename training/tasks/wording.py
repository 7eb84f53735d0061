"""How a drafted skill becomes text: layouts, section names, noise, irrelevant rules and worked examples.

A family says what its rules are, in several wordings each; this module alone decides how the page looks, so that
every family appears in every layout. Some wordings and layouts never appear in training: they make the split that
tests new ones.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from training.tasks.content import NOUNS

Split = Literal["known", "wordings"]  # the wordings and layouts of training, or those kept from it


@dataclass(frozen=True)
class Task:
    """A question to a model that has the skill, and the one right answer."""

    prompt: str
    answer: str
    messages: tuple[dict[str, str], ...] = ()  # earlier turns, each with role and content


@dataclass(frozen=True)
class Draft:
    """One skill before it is written down."""

    name: str  # lowercase with hyphens, as a SKILL.md wants it
    title: str
    description: str  # what it does and when to use it
    rules: tuple[tuple[str, ...], ...]  # each in eight wordings or more: full sentences without a bullet, or a table
    ask: Callable[[random.Random], Task]


def kept_wordings(wordings: tuple[str, ...]) -> int:
    """How many wordings of a rule, the last ones, are kept from training."""
    return max(1, len(wordings) // 5)


def wordings_of(pairs: Mapping[str, str], key: str, value: str, sentence: str) -> tuple[str, ...]:
    """A map from keys to literals in ten wordings, the last two of them kept from training.

    `key` and `value` are what the columns are called ("category", "code"); `sentence` says one pair, with {key} and
    {value} in it and without a full stop: "send {key} reports to `{value}`".
    """
    said = [sentence.format(key=k, value=v) for k, v in pairs.items()]
    capital = [s[0].upper() + s[1:] for s in said]
    rows = "\n".join(f"| {k} | `{v}` |" for k, v in pairs.items())
    return (
        f"The {value} by {key}: " + ", ".join(f"{k} -> `{v}`" for k, v in pairs.items()) + ".",
        " ".join(f"{s}." for s in capital),
        "; ".join((capital[0], *said[1:])) + ".",
        f"Each {key} has its {value}:\n\n" + "\n".join(f"- {k}: `{v}`" for k, v in pairs.items()) + "\n",
        f"Look the {value} up:\n\n| {key} | {value} |\n|---|---|\n{rows}\n",
        f"This list gives each {key} its {value}: " + "; ".join(f"{k} = `{v}`" for k, v in pairs.items()) + ".",
        f"For every {key} there is one {value}:\n\n```yaml\n"
        + "\n".join(f"{k}: {v}" for k, v in pairs.items())
        + "\n```\n",
        "\n".join(f"- {s}." for s in capital) + "\n",
        f"Take the {value} from here. " + " ".join(f"`{v}` is for {k}." for k, v in pairs.items()),
        f"Which {value} belongs to which {key}:\n\n" + "\n".join(f"{k} :: {v}" for k, v in pairs.items()) + "\n",
    )


NOISE = (
    "The platform team keeps this page up to date.",
    "These conventions were agreed on at the last review.",
    "Reviewers look at this first, so take care.",
    "If a value looks odd, keep it as it is.",
    "Other teams follow conventions of their own.",
    "Scripts read the result, so every character counts.",
    "No greeting and no explanation are needed.",
    "Questions go to the maintainers of the repository.",
    "Older pages may show another style; this one wins.",
    "The same rules hold in tests and in examples.",
    "Nothing here depends on the operating system.",
    "Consistency matters more than taste.",
    "There is a test that compares the result letter by letter.",
    "Follow the page to the letter, also where it surprises you.",
    "Nobody has to like this style, but everybody keeps to it.",
    "A change of this page needs two approvals.",
    "New colleagues get this page on their first day.",
    "The page was shortened last year, and nothing is missing.",
    "A short page is read more often than a long one.",
    "Tools that were written for other teams may disagree.",
)
TALK = (  # says nothing that an answer depends on; fills long pages
    "The {noun} team asked for this page after the {noun} review in {month}.",
    "Before {month} the {noun} and the {noun} were kept by different people.",
    "Nobody has to know how the {noun} works to follow the page.",
    "A newcomer can read it in a few minutes, and the {noun} page goes deeper.",
    "When the {noun} moves to its own repository, the page moves along.",
    "We tried other ways with the {noun} and came back to this one.",
    "The meeting about the {noun} takes place once a month, mostly on {day}.",
    "Discussion of the {noun} belongs in the issue tracker, not on this page.",
    "In {month} an audit of the {noun} found nothing that needs a change here.",
    "The {noun} was written in a hurry, and the {noun} was not.",
    "Someone from the {noun} team reads every change of this page.",
    "A link to this page stands in the handbook, next to the {noun} chapter.",
    "The history of the {noun} is told elsewhere.",
    "People who work on the {noun} see the results every {day}.",
    "Two interns drew a picture of the {noun} for this page, but it was never added.",
    "The {noun} had three owners before {month}.",
    "On most {day}s somebody asks where this page is.",
    "There is a recording of the talk about the {noun}, given in {month}.",
    "The {noun} is older than the {noun}, which often surprises visitors.",
    "Translations of this page were planned in {month} and given up later.",
    "A survey in {month} showed that the {noun} team reads this page most.",
    "The {noun} runs on the same machines as the {noun}.",
    "Some of this was first written in a chat about the {noun}.",
    "Plans for a second {noun} were dropped in {month}.",
    "The {noun} chapter of the handbook is being rewritten and will say the same.",
    "Whoever looks after the {noun} also looks after this page.",
    "No {noun} was harmed when this page was written, as the {noun} team likes to say.",
    "For the {noun}, ask in the channel of that team, on {day} at the latest.",
)
ASIDES = ("About the {noun}", "More on the {noun}", "The {noun} team", "Story of the {noun}", "Who keeps the {noun}")
MONTHS = "January March April June August October November".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday".split()
WHEN = ("## When to use", "## Purpose", "## Scope", "## Context", "## Use", "## What this is for", "### When")
RULES = (
    *("## Rules", "## Instructions", "## Steps", "## How", "## Conventions", "## What to do", "## Format"),
    *("## Guidelines", "## Requirements", "### Rules", "## How to do it", "## The rules", "## Specification"),
)
LEADS = ("Do the following:", "Keep to these rules.", "The rules, in order:", "This is how it is done:", "Our rules:")
NOTES = ("## Notes", "## Background", "## Remarks", "## Maintenance", "## About this page", "### Notes", "## Also")
EXAMPLE = ("## Example", "## Examples", "## Worked example", "### Example", "## One case", "## For example", "Example:")
ELSEWHERE = (
    "## Another page: {title}",
    "## Not for this skill: {title}",
    "## Elsewhere: {title}",
    "## Of another skill: {title}",
    "## Does not apply here: {title}",
)
MARKS = ("- {s}", "- {s}", "{i}. {s}", "{i}. {s}", "* {s}", "{i}) {s}", "• {s}", "({i}) {s}", "", "", "", "")
JOINS = (" ", "\n", "\n\n")
# kept from training
KEPT_WHEN = ("## Applies to", "### Why this page")
KEPT_RULES = ("## Checklist", "## The way we do it", "### Procedure")
KEPT_NOTES = ("## History", "### Good to know")
KEPT_LEADS = ("What we agreed on:", "Tick off one after the other.")
KEPT_EXAMPLE = ("## In practice", "### Sample")
KEPT_MARKS = ("{letter}) {s}", "> {s}", "- [ ] {s}", "Rule {i}: {s}", "+ {s}")
KNOWN_LENGTHS = (0, 0, 1, 2, 3)  # sentences of noise


def _frontmatter(draft: Draft, rng: random.Random) -> str:
    extra = rng.choice(
        (
            *("", "", "", "license: Apache-2.0\n", "license: MIT\n", "metadata:\n  author: platform\n"),
            *('metadata:\n  version: "1.2"\n', "metadata:\n  team: tools\n  reviewed: yearly\n"),
        )
    )
    return f"---\nname: {draft.name}\ndescription: {draft.description}\n{extra}---\n\n"


def _rules(sentences: list[str], rng: random.Random, split: Split) -> str:
    """Sentences as a list or as prose; one that holds a list or a table of its own stands apart."""
    marks = rng.choice(MARKS if split == "known" else KEPT_MARKS)
    if not marks and not any("\n" in s for s in sentences):
        return rng.choice(JOINS).join(sentences)
    blocks = []
    for i, s in enumerate(sentences, 1):
        own_block = not marks or "\n" in s
        line = s if own_block else marks.format(s=s, i=i, letter=chr(96 + i))
        if blocks and not own_block and not blocks[-1][0]:
            blocks[-1] = (False, f"{blocks[-1][1]}\n{line}")
        else:
            blocks.append((own_block, line.strip("\n")))
    return "\n\n".join(block for _, block in blocks)


def _fenced(text: str, fence: str = "```") -> str:
    fence += fence[0] * (fence in text)
    return f"{fence}\n{text}\n{fence}"


def _example(draft: Draft, rng: random.Random, split: Split) -> str:
    """A question and its answer; what has several lines or a sign of the layout in it gets a layout that bears it."""
    task = draft.ask(rng)
    prompt, answer = task.prompt, task.answer
    if split == "wordings":
        if "\n" in prompt + answer:
            given, wanted = (_fenced(text, "~~~") for text in (prompt, answer))
            layouts = [f"given\n\n{given}\n\nwanted\n\n{wanted}"]
        else:
            layouts = [f"For `{prompt}` the answer is `{answer}`."] * ("`" not in prompt + answer)
            layouts += [f"| given | wanted |\n|---|---|\n| {prompt} | {answer} |"] * ("|" not in prompt + answer)
            layouts = layouts or [f"given\n: {prompt}\n\nwanted\n: {answer}"]
        return rng.choice(layouts)
    fenced = rng.choice(("becomes", "gives", "->", "The answer:", "is answered by"))
    fenced = f"{_fenced(prompt)}\n\n{fenced}\n\n{_fenced(answer)}"
    ask, say = rng.choice(
        (("Input", "Output"), ("Asked", "Answer"), ("Q", "A"), ("Question", "Answer"), ("User", "Reply"))
    )
    if "\n" in prompt + answer:
        labelled = f"{ask}:\n{prompt}\n\n{say}:\n{answer}"
        return rng.choice((fenced, labelled, f"{ask}:\n\n{_fenced(prompt)}\n\n{say}:\n\n{_fenced(answer)}"))
    layouts = [fenced, f"{ask}: {prompt}\n{say}: {answer}", f"**{ask}:** {prompt}\n\n**{say}:** {answer}"]
    if "`" not in prompt + answer:
        layouts += [f"`{prompt}` -> `{answer}`", f"- `{prompt}` gives `{answer}`", f"Asked `{prompt}`, say `{answer}`."]
    return rng.choice(layouts)


def _talk(words: int, rng: random.Random) -> str:
    """Paragraphs of about so many words that no answer depends on."""
    paragraphs, total = [], 0
    while total < words:
        said = [
            rng.choice(TALK)
            .replace("{noun}", rng.choice(NOUNS), 1)
            .format(noun=rng.choice(NOUNS), month=rng.choice(MONTHS), day=rng.choice(DAYS))
            for _ in range(rng.randint(2, 6))
        ]
        as_list = rng.random() < 0.15
        paragraphs.append("\n".join(f"- {s}" for s in said) if as_list else " ".join(said))
        if rng.random() < 0.15:
            paragraphs[-1] = f"## {rng.choice(ASIDES).format(noun=rng.choice(NOUNS))}\n\n{paragraphs[-1]}"
        total += len(paragraphs[-1].split())
    return "\n\n".join(paragraphs)


def _of_split(wordings: Sequence[str], split: Split) -> Sequence[str]:
    kept = kept_wordings(wordings)
    return wordings[:-kept] if split == "known" else wordings[-kept:]


def render(
    draft: Draft,
    rng: random.Random,
    split: Split = "known",
    others: Sequence[Draft] = (),
    padding: int = 0,
) -> str:
    """Write a drafted skill down: a SKILL.md text in one of many layouts, with or without noise and an example.

    `others` are skills of other kinds whose first rules stand on the page as ones that don't apply; `padding` is how
    many words of talk are added. `split` says whether wordings and layouts are those of training or those kept from it.
    """
    known = split == "known"
    sentences = [rng.choice(_of_split(wordings, split)) for wordings in draft.rules]
    body = _rules(sentences, rng, split)
    noise = " ".join(rng.sample(NOISE, rng.choice(KNOWN_LENGTHS)))
    parts = []
    if rng.random() < 0.75:
        titles = (f"# {draft.title}", f"# {draft.title}", f"## {draft.title}", f"{draft.title}.")
        parts.append(
            rng.choice(titles if known else (f"**{draft.title}**", f"{draft.title}\n" + "=" * len(draft.title)))
        )
    if rng.random() < 0.35:
        parts.append(f"{rng.choice(WHEN if known else KEPT_WHEN)}\n\n{draft.description}")
    if noise and rng.random() < 0.4:
        parts.append(noise)
        noise = ""
    before = rng.randint(0, padding)
    talk = _talk(before, rng)
    if talk:
        parts.append(talk)
    if rng.random() < 0.2:
        body = f"{rng.choice(LEADS if known else KEPT_LEADS)}\n\n{body}"
    headed = rng.random() < 0.6 or "## " in talk  # or the rules would stand under a heading of the talk
    parts.append(f"{rng.choice(RULES if known else KEPT_RULES)}\n\n{body}" if headed else body)
    if rng.random() < 0.4:
        parts.append(f"{rng.choice(EXAMPLE if known else KEPT_EXAMPLE)}\n\n{_example(draft, rng, split)}")
    for other in others:
        first = "\n\n".join(rng.choice(_of_split(wordings, split)).strip("\n") for wordings in other.rules[:2])
        parts.append(f"{rng.choice(ELSEWHERE).format(title=other.title)}\n\n{first}")
    if padding - before:
        parts.append(_talk(padding - before, rng))
    if noise:
        parts.append(f"{rng.choice(NOTES if known else KEPT_NOTES)}\n\n{noise}" if rng.random() < 0.5 else noise)
    text = "\n\n".join(parts)
    return (_frontmatter(draft, rng) if rng.random() < 0.75 else "") + text + "\n"
