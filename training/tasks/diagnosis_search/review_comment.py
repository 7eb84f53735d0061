"""Review comments: a finding of a code review becomes a comment with the label, place and form that the skill sets.

Labels by category, the form and order of the parts, what is shown of the path, a second line for the remedy and files
with a label of their own are drawn for each skill.
"""

import json
import random
import re

from training.tasks.content import ANIMALS, NOUNS, code
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Diagnosis/Search"
OPEN = True
HELD_OUT = False
FINDINGS = {  # problems of a category, each with a remedy
    "security": {
        "password is logged": "mask it",
        "token never expires": "set a date",
        "input is not checked": "check it",
    },
    "bug": {
        "loop never ends": "count down",
        "wrong row is deleted": "use the key",
        "index starts at one": "start at zero",
    },
    "style": {"line is too long": "break it", "import is unused": "delete it", "blank line is missing": "add one"},
    "speed": {"file is read twice": "keep it", "query runs in a loop": "move it out", "list is copied": "pass it on"},
    "naming": {
        "name says nothing": "rename it",
        "name hides a builtin": "rename it",
        "two names for one thing": "pick one",
    },
    "typing": {"return type is missing": "add it", "any is too wide": "narrow it", "none is not allowed": "allow it"},
}
FOLDERS = "src lib app tests tools docs".split()
ENDINGS = (".py", ".ts", ".go", ".sql")
PLACES = ("PATH:LINE", "PATH#LINE", "PATH line LINE", "PATH (LINE)", "[PATH:LINE]", "PATH@LINE", "line LINE of PATH")
JOINTS = (" - ", " | ", ": ", " > ", ", ", " :: ", "; ", " ~ ")
LABELS = ("must", "stop", "nit", "later", "ask", "soon", "maybe", "now", "block", "skip")
PATHS = {
    "full": ("the path as given", lambda path: path),
    "name": ("the name of the file without its folders", lambda path: path.rsplit("/", 1)[1]),
    "inner": ("the path without its first folder", lambda path: path.split("/", 1)[1]),
}
TEXTS = {
    "given": ("the problem in the words given", lambda text: text),
    "capital": ("the problem with a capital first letter", str.capitalize),
    "stop": ("the problem with a capital first letter and a full stop", lambda text: f"{text.capitalize()}."),
    "upper": ("the problem in upper case", str.upper),
}
REMEDIES = ("fix: REMEDY", "-> REMEDY", "* REMEDY", "do: REMEDY", "(REMEDY)", "please REMEDY", "REMEDY!", "= REMEDY")
FORM = re.compile(r"(?=.*\d)\S[^\n]{8,90}\S(?:\n\S[^\n]{0,40}\S)?")


def check(answer: str) -> bool:
    """One line with a number and a file in it, and perhaps a short second one."""
    return FORM.fullmatch(answer) is not None and any(ending in answer for ending in ENDINGS)


def _shown(finding: dict[str, str], rng: random.Random) -> str:
    """A finding as it is given, in one of nine notations."""
    style = rng.randrange(9)
    path, line, category, problem = (finding[field] for field in ("file", "line", "category", "problem"))
    remedy = finding.get("remedy", "")
    if style == 0:
        return ". ".join(f"{field.capitalize()}: {value}" for field, value in finding.items())
    if style == 1:
        return json.dumps(finding)
    if style == 2:
        return "Finding\n" + "\n".join(f"- {field}: {value}" for field, value in finding.items())
    if style == 3:
        return " | ".join(f"{field} {value}" for field, value in finding.items())
    if style == 4:
        return " ".join(f'{field}="{value}"' for field, value in finding.items())
    if style == 5:
        return f"{path} has a {category} problem in line {line}: {problem}" + (f" (remedy: {remedy})" if remedy else "")
    if style == 6:
        end = f" The remedy is `{remedy}`." if remedy else ""
        return f"In line {line} of {path} we found `{problem}`, which is a matter of {category}.{end}"
    if style == 7:
        return f"How do we comment on `{problem}` ({path}, line {line}, {category})?" + (
            f" Remedy: {remedy}" if remedy else ""
        )
    return f"{category} / {problem} / {path} / line {line}" + (f" / remedy: {remedy}" if remedy else "")


def _meaning(word: str, meaning: str) -> tuple[str, ...]:
    return (
        f"{word} is {meaning}.",
        f"For {word} write {meaning}.",
        f"In the place of {word} stands {meaning}.",
        f"What {word} stands for is {meaning}.",
        f"Put {meaning} for {word}.",
        f"{meaning[0].upper()}{meaning[1:]} is written for {word}.",
        f"By {word} we mean {meaning}.",
        f"As to {word}, replace it by {meaning}.",
    )


def draft(rng: random.Random) -> Draft:
    """Draw one team's form of review comments."""
    categories = rng.sample(list(FINDINGS), rng.choice((3, 3, 4)))
    labels = [code(rng) for _ in range(5)] if rng.random() < 0.6 else rng.sample(LABELS, 5)
    if len(set(labels)) < 5:
        return draft(rng)
    by_category = dict(zip(categories, labels, strict=False))
    special = rng.choice(("tests", "docs", "tools", ".sql", ".ts", *[""] * 4))
    parts, joints = rng.sample(("LABEL", rng.choice(PLACES), "TEXT"), 3), (rng.choice(JOINTS), rng.choice(JOINTS))
    pattern = f"{parts[0]}{joints[0]}{parts[1]}{joints[1]}{parts[2]}"
    path_kind, text_kind = rng.choice(list(PATHS)), rng.choice(list(TEXTS))
    remedy = rng.choice((*REMEDIES, "", "", "", ""))
    signed = f"@{rng.choice(ANIMALS)}" if not remedy and rng.random() < 0.4 else ""
    for_whom = rng.choice(categories) if signed else ""

    def ask(rng: random.Random) -> Task:
        category = rng.choice(categories)
        problem, cure = rng.choice(list(FINDINGS[category].items()))
        folder = special if special in FOLDERS and rng.random() < 0.4 else rng.choice(FOLDERS)
        ending = special if special in ENDINGS and rng.random() < 0.4 else rng.choice(ENDINGS)
        path, line = f"{folder}/{rng.choice(NOUNS)}/{rng.choice(NOUNS)}{ending}", str(rng.randint(2, 299))
        finding = {"file": path, "line": line, "category": category, "problem": problem}
        if rng.random() < (0.7 if remedy else 0.2):
            finding["remedy"] = cure
        is_special = special and (folder == special or ending == special)
        values = {"LABEL": labels[-1] if is_special else by_category[category], "LINE": line}
        values |= {"PATH": PATHS[path_kind][1](path), "TEXT": TEXTS[text_kind][1](problem)}
        lines = [re.sub("LABEL|PATH|LINE|TEXT", lambda m: values[m[0]], pattern)]
        lines += [remedy.replace("REMEDY", cure)] * (remedy != "" and "remedy" in finding)
        lines += [signed] * (category == for_whom)
        return Task(_shown(finding, rng), "\n".join(lines))

    said = "LABEL goes by the category, and LINE is the number of the line"
    rules = [
        (
            f"The comment is `{pattern}`: {said}.",
            f"Write a comment as `{pattern}`, where {said}.",
            f"A comment has the form `{pattern}`. In it, {said}.",
            f"`{pattern}` is the form of a comment; {said}.",
            f"Fill in `{pattern}`: {said}.",
            f"Comments look like `{pattern}` ({said}).",
            f"Every finding becomes `{pattern}`; there, {said}.",
            f"Our comments follow the pattern `{pattern}`, in which {said}.",
        ),
        _meaning("PATH", PATHS[path_kind][0]),
        _meaning("TEXT", TEXTS[text_kind][0]),
        wordings_of(by_category, "category", "label", "{key} findings have the label `{value}`"),
    ]
    if special:
        where = f"whose name ends with `{special}`" if special in ENDINGS else f"in the folder `{special}`"
        rules.append(
            (
                f"Files {where} have the label `{labels[-1]}`, whatever the category.",
                f"For findings in files {where} LABEL is always `{labels[-1]}`.",
                f"One exception: in files {where} each category has the label `{labels[-1]}`.",
                f"If the finding is in a file {where}, its label is `{labels[-1]}` and not that of its category.",
                f"The label `{labels[-1]}` is for all findings in files {where}; it wins over the category.",
                f"No matter the category, label findings `{labels[-1]}` in files {where}.",
                f"With files {where} the category does not count, as their label is `{labels[-1]}`.",
                f"Files {where} are a case of their own: every finding there gets `{labels[-1]}` as its label.",
            )
        )
    if remedy:
        rules.append(
            (
                f"If a remedy is given, a second line `{remedy}` follows, with the remedy for REMEDY.",
                f"A given remedy stands for REMEDY in a second line, `{remedy}`; without one there is no such line.",
                f"Where the finding names a remedy, add the line `{remedy}`, REMEDY being that remedy.",
                f"Add `{remedy}` as line two when there is a remedy (for REMEDY); else the comment has one line.",
                f"The second line is `{remedy}`, with the remedy that is given for REMEDY. No remedy, no second line.",
                f"Only if a remedy is given, write `{remedy}` below, on a line of its own, with the remedy for REMEDY.",
                f"When a remedy is given, the comment has one more line, `{remedy}`, where REMEDY is the remedy.",
                f"Findings with a remedy get a line below, `{remedy}`, in which REMEDY stands for the remedy.",
            )
        )
    else:
        rules.append(
            (
                "A remedy, if one is given, is not mentioned.",
                "Leave out the remedy, also where the finding has one.",
                "Nothing is said about a remedy.",
                "Remedies are not part of a comment.",
                "Pass over a remedy that is given.",
                "Do not write down any remedy.",
                "The comment is silent on remedies.",
                "No remedy appears, be it given or not.",
            )
        )
    if signed:
        rules.append(
            (
                f"Comments on {for_whom} findings have a second line, `{signed}`.",
                f"For {for_whom} findings alone, add a second line with just `{signed}`.",
                f"If the category is {for_whom}, the line `{signed}` follows.",
                f"`{signed}` is written below the comment, on a line of its own, when it is about {for_whom}.",
                f"Put `{signed}` on a new line after a comment of the category {for_whom}; others don't have it.",
                f"Only with the category {for_whom} there is a second line, and it reads `{signed}`.",
                f"A {for_whom} finding is for somebody to see: its second line is `{signed}`.",
                f"Below comments of the category {for_whom}, and no others, stands one more line, `{signed}`.",
            )
        )
    rules.append(
        (
            "Output only the comment.",
            "Answer with the comment and nothing else.",
            "Reply with the comment alone.",
            "Give the comment without a greeting.",
            "Nothing but the comment is wanted.",
            "No other word is written.",
            "The answer is the comment, and only that.",
            "The reply consists of the comment alone.",
        )
    )
    return Draft(
        name=rng.choice(("review-comments", "comment-findings", "write-review", "findings-to-comments")),
        title=rng.choice(("Review comments", "How we comment on a finding", "Comments in reviews")),
        description=rng.choice(
            (
                "Turns a finding of a code review into our comment. Use it when a finding is described.",
                "Writes a review comment. Use for every problem that was found in a file.",
                "The form of comments in our code reviews.",
            )
        ),
        rules=tuple(rules),
        ask=ask,
    )
