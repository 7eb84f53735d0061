"""Renamed files: the new path of an old file, by case style, added beginning or end, and folder. Never trained on."""

import random
import re
from collections.abc import Callable

from training.tasks.content import ANIMALS, COLOURS, NOUNS
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Refactor/API Migration"
OPEN = True
HELD_OUT = True
EXTENSIONS = ("py", "md", "json", "sql", "css")
LASTS = ("view", "test", "notes", "table", "draft", "client", "form", "plan")
OLD_STYLES: tuple[Callable[[list[str]], str], ...] = (
    "_".join,
    "-".join,
    lambda words: "".join(word.capitalize() for word in words),
)
STYLES: dict[str, tuple[str, Callable[[list[str]], str]]] = {
    "snake_case": ("small letters, `_` between the words", "_".join),
    "kebab-case": ("small letters, `-` between the words", "-".join),
    "dotted.case": ("small letters, `.` between the words", ".".join),
    "PascalCase": ("each word with a capital, no sign between", lambda w: "".join(x.capitalize() for x in w)),
    "UPPER_SNAKE": ("capitals, `_` between the words", lambda w: "_".join(w).upper()),
}
ENDS = ("_v2", "-new", ".core", "_x", "-lib", "_main", ".next", "_impl")
FORMS = (
    "Old file: {f}",
    "{f}",
    "Rename {f}",
    "Where does {f} go and what is it called?",
    "{f} still has its old name",
    "file: {f}",
    "Please move {f} to the new layout. What is its path?",
    "I have {f} here. New path?",
    "git mv {f} to what?",
)
PATH = re.compile(r"[a-z]+[0-9]?(/[a-z]+)?/[A-Za-z0-9_.-]+\.(py|md|json|sql|css)")


def check(answer: str) -> bool:
    """Whether this is the path of a file in a folder."""
    return PATH.fullmatch(answer) is not None


def draft(rng: random.Random) -> Draft:
    """Draw where the files of one code base go and how they are called."""
    words = rng.sample((*ANIMALS, *COLOURS), 5)
    folders = [f"{w}{rng.choice(('', rng.randint(1, 9), '/' + rng.choice(NOUNS)))}" for w in words[:4]]
    known = dict(zip(rng.sample(EXTENSIONS, rng.choice((2, 3))), folders, strict=False))
    default = folders[3]
    special = rng.choice((*LASTS, *[""] * 8))
    style = rng.choice(list(STYLES))
    meaning, spell = STYLES[style]
    front, end = rng.choice(((f"{words[4]}_", ""), (f"{words[4]}-", ""), ("", rng.choice(ENDS)), ("", "")))

    def ask(rng: random.Random) -> Task:
        name = [rng.choice(NOUNS), special if special and rng.random() < 0.3 else rng.choice(LASTS)]
        extension = rng.choice((*EXTENSIONS, *known))
        folder = default if name[1] == special else known.get(extension, default)
        old = f"{rng.choice(OLD_STYLES)(name)}.{extension}"
        return Task(rng.choice(FORMS).format(f=old), f"{folder}/{front}{spell(name)}{end}.{extension}")

    shown = spell(["red", "fox"])
    also = f", and so does each file with the word {special} in its name, whatever its ending" if special else ""
    new = f"{front}NAME{end}"
    row = f"| with the word {special} in its name, whatever the ending | `{default}` |\n" if special else ""
    first = f"If the word {special} is in the name, the folder is `{default}`, whatever the ending. " if special else ""
    before, after = f"`{front}`, " if front else "", f"`{end}`, " if end else ""
    return Draft(
        name=rng.choice(("rename-files", "file-names", "move-files", "new-layout")),
        title=rng.choice(("Renamed files", "The new layout", "How files are called now")),
        description=rng.choice(
            (
                "Gives the new path of a file. Use it when an old file name is given.",
                "Renames files for the new layout. Use for every file that is moved.",
                "Where our files went and how they are named.",
            )
        ),
        rules=(
            wordings_of(known, "file ending", "folder", "files that end in {key} go to the folder `{value}`"),
            (
                f"Every other file goes to `{default}`{also}.",
                f"The folder `{default}` takes all other files{also.replace('so does', 'also')}.",
                f"Any file with another ending goes to `{default}`{also}.",
                f"Whatever has no folder yet goes to `{default}`{also}.",
                f"Where else files go:\n\n| file | folder |\n|---|---|\n{row}| with an ending that has no folder | "
                f"`{default}` |\n",
                f"{first}If the ending has no folder of its own, `{default}` is the one to take.",
                f"A file whose ending is not listed belongs in `{default}`{also}.",
                f"A file that ends differently goes to `{default}`{also}.",
            ),
            (
                f"Write the name in {style}: {meaning}.",
                f"The words of the name, as in red fox, become `{shown}`.",
                f"Names are in {style}, so red fox is `{shown}`.",
                f"For the words of the name use {meaning} ({style}).",
                f"Whether the old file has `red_fox`, `red-fox` or `RedFox`, the new one has `{shown}`.",
                f"However the old name is spelled, write its words anew, with {meaning}.",
                f"The name gets a new spelling:\n\n| old | new |\n|---|---|\n| `red_fox` | `{shown}` |\n| `red-fox` | "
                f"`{shown}` |\n| `RedFox` | `{shown}` |\n",
                f"Spell the name like `{shown}`, that is, in {style}.",
            ),
            (
                f"The new path is the folder, `/`, then `{new}` and the old ending; NAME is the name so written.",
                f"A file ends up as `FOLDER/{new}.ENDING`, with the styled name for NAME and the old ending.",
                f"Join the parts to `FOLDER/{new}.ENDING`; the ending never changes.",
                f"`FOLDER/{new}.ENDING` is the pattern, in which the ending is the old one and NAME the styled name.",
                "The new path looks like this, with the name in its new spelling for NAME and the old ending for "
                f"ENDING:\n\n```\nFOLDER/{new}.ENDING\n```\n",
                f"A path has, from left to right and without spaces: the folder, `/`, {before}the name in its new "
                f"spelling, {after}a dot and the old ending.",
                "For the folder `a`, the newly spelled name `b` and the old ending `py` the path would be "
                f"`a/{front}b{end}.py`.",
                f"Put folder, name and unchanged ending together as `FOLDER/{new}.ENDING`.",
            ),
            (
                "Output only the new path.",
                "Answer with the path and nothing else.",
                "Reply with the path alone.",
                "Give the new path without a remark.",
                "Write the path on one line, without quotes.",
                "Nothing but the path is wanted: no command and no old name.",
                "Say where the file is now, as a path, and no more.",
                "The whole answer is the new path.",
            ),
        ),
        ask=ask,
    )
