"""Path layouts: where a file lies, by its kind, its service and its date or version. Never trained on."""

import random
import re

from training.tasks.content import ANIMALS, COLOURS, NOUNS
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Configuration/Integration"
OPEN = True
HELD_OUT = True
ROOTS = ("/srv", "/data", "/mnt", "/var", "/opt", "~")
KINDS = "log report backup dump trace picture draft contract".split()
DATES = ("YYYY/MM/DD", "YYYYMMDD", "YYYY-MM", "YYYY_MM_DD", "DD.MM.YYYY", "YYYY/MM", "MM-YYYY", "YYYY")
VERSIONS = ("vN", "rN", "N", "relN", "N-final", "bN")
ENDINGS = (".txt", ".gz", ".dat", ".log", ".tar", ".bin", ".csv", ".zip", ".pak", ".old", ".rec")
SERVICES = [noun for noun in NOUNS if noun not in KINDS]
FORMS = (
    "Kind: {k}. Service: {s}. {P}: {v}",
    "the {k} of {s}, {p} {v}",
    "Where does the {k} of {s} with the {p} {v} lie?",
    "{s} {k} {v}",
    "Save a {k} for {s}. Its {p} is {v}.",
    "{v}: {k}, {s}",
    "service={s} kind={k} {p}={v}",
    "Hi, I have a {k} of {s} here, {p} {v}. Where do I put it?",
    "Path of the {s} {k} ({p} {v})",
    "Give the path. The file is a {k}, it comes from {s}, and its {p} is {v}.",
)
PATH = re.compile(r"[/~][a-z]*(/[A-Za-z0-9_-]+){2,}([/._-][\w.-]+){1,3}\.[a-z]{2,3}")


def check(answer: str) -> bool:
    return PATH.fullmatch(answer) is not None


def _part(style: str, value: str) -> str:
    if "N" in style:
        return style.replace("N", value)
    year, month, day = value.split("-")
    return style.replace("YYYY", year).replace("MM", month).replace("DD", day)


def draft(rng: random.Random) -> Draft:
    root = f"{rng.choice(ROOTS)}/{rng.choice((*ANIMALS, *COLOURS))}"
    kinds = rng.sample(KINDS, 3)
    words = rng.sample((*ANIMALS, *COLOURS), 3)
    folders = {
        kind: f"{word}{rng.choice(('', '', rng.randint(1, 9)))}" for kind, word in zip(kinds, words, strict=True)
    }
    dated, folder_first = rng.random() < 0.6, rng.random() < 0.6
    style, sign, ending = rng.choice(DATES if dated else VERSIONS), rng.choice("/-_."), rng.choice(ENDINGS)
    special = rng.choice((*kinds, "", "", ""))
    other = rng.choice([e for e in ENDINGS if e != ending])

    def ask(rng: random.Random) -> Task:
        kind, service = rng.choice(kinds), rng.choice(SERVICES)
        if dated:
            value = f"{rng.randint(2015, 2029)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
        else:
            value = f"{rng.randint(1, 9)}.{rng.randint(0, 20)}"
        middle = f"{folders[kind]}/{service}" if folder_first else f"{service}/{folders[kind]}"
        answer = f"{root}/{middle}{sign}{_part(style, value)}{other if kind == special else ending}"
        name = "date" if dated else "version"
        return Task(rng.choice(FORMS).format(k=kind, s=service, p=name, P=name.capitalize(), v=value), answer)

    name, pattern = ("date" if dated else "version"), ("FOLDER/SERVICE" if folder_first else "SERVICE/FOLDER")
    pattern = f"{root}/{pattern}{sign}{name.upper()}"
    if dated:
        format_rule = (
            f"The date is written `{style}` (year, month, day as far as they occur in it).",
            f"Give the date as `{style}`, where YYYY is the year, MM the month and DD the day.",
            f"For DATE put the date in the form `{style}`, and only that.",
            f"Dates look like `{style}`: the letters stand for the digits of year, month and day.",
            f"From the date take only what `{style}` asks for: YYYY is the year, MM the month, DD the day.",
            f"In a path the date 2021-03-05 would be `{_part(style, '2021-03-05')}`, by the form `{style}`.",
            f"DATE is the date in this form (YYYY year, MM month, DD day):\n\n```\n{style}\n```\n",
            f"`{style}` is how a date appears in a path.",
        )
    else:
        format_rule = (
            f"The version N is written `{style}`.",
            f"Give a version N as `{style}`.",
            f"For VERSION put `{style}`, with the number of the version for N.",
            f"Versions look like `{style}`, where N is the number as given.",
            f"Turn the version into `{style}`, where N is its number and all the rest is literal.",
            f"In a path the version 1.4 would be `{_part(style, '1.4')}`, by the form `{style}`.",
            f"VERSION is the version in this form, with its number for N:\n\n```\n{style}\n```\n",
            f"`{style}` is how the version N appears in a path.",
        )
    rules = [
        (
            f"A file lies at `{pattern}`, with the folder of its kind for FOLDER.",
            f"Build the path as `{pattern}`; FOLDER goes by the kind of the file.",
            f"Paths have the form `{pattern}`, where FOLDER is the folder of the kind.",
            f"Fill in `{pattern}`; which FOLDER it is depends on the kind.",
            f"This is the path, whose FOLDER depends on the kind of the file:\n\n```\n{pattern}\n```\n",
            f"Each kind of file has a folder. In `{pattern}` it stands at FOLDER, next to service and {name}.",
            f"Any file belongs at `{pattern}`: look up FOLDER, which goes by kind, then fill in service and {name}.",
            f"In `{pattern}` replace the capital words, FOLDER by the folder of the kind.",
        ),
        wordings_of(folders, "kind", "folder", "a {key} lies in the folder `{value}`"),
        format_rule,
        (
            f"The path ends with `{ending}`" + (f", but for a {special} with `{other}`." if special else "."),
            f"Append `{ending}`" + (f"; only a {special} gets `{other}` instead." if special else " at the end."),
            f"Files have the extension `{ending}`"
            + (f", only those of the kind {special} have `{other}`." if special else "."),
            f"`{ending}` closes the path" + (f", or `{other}` if the kind is {special}." if special else "."),
            f"Each path gets the extension `{ending}`"
            + (f", except that of a {special}, which gets `{other}`." if special else ", whatever the kind."),
            "The kind tells how the path ends:\n\n| kind | extension |\n|---|---|\n"
            + (f"| {special} | `{other}` |\n| any other | `{ending}` |\n" if special else f"| any | `{ending}` |\n"),
            (f"Is the file a {special}? Then finish with `{other}`, or else" if special else "Always finish the path")
            + f" with `{ending}`.",
            f"As the last part write `{ending}`" + (f", and `{other}` for each {special}." if special else "."),
        ),
        (
            "Output only the path.",
            "Answer with the path and nothing else.",
            "Reply with the path alone.",
            "Give the full path and no comment.",
            "Write the path from its root to its end, with no word around it.",
            "Don't say why the file lies there.",
            "One path on one line is wanted.",
            "The whole answer is the path.",
        ),
    ]
    return Draft(
        name=rng.choice(("path-layout", "file-places", "where-files-lie", "storage-paths")),
        title=rng.choice(("Path layout", "Where files lie", "Places of our files")),
        description=rng.choice(
            (
                "Gives the path of a file. Use it when the kind of a file and its service are named.",
                "Tells where a file is stored. Use for every file that a service writes.",
                "How we lay out files on disk.",
            )
        ),
        rules=tuple(rules),
        ask=ask,
    )
