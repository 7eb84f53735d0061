"""Stack frames: which frame of a short trace is reported, which parts of it, and in which form."""

import random
import re
from collections.abc import Sequence

from training.tasks.content import NOUNS
from training.tasks.wording import Draft, Task

SUBTASK = "Diagnosis/Search"
OPEN = False
HELD_OUT = False
PATTERNS = (  # two or three parts of a frame, A, B and C
    *"A:B,A::B,A#B,A@B,A(B),A[B],A (B),[A] B,<A> B,A/B,A|B,A~B,A <- B,A -> B,A in B,A at B,A of B,A; B".split(","),
    *"A:B:C,A:B C,A B C,A > B > C,A | B | C,A@B:C,A#B#C,A (B:C),[A] B:C,A/B (C),A in B at C,A - B - C".split(","),
)
LEADS = ("", "", "", "at ", "in ", "see ", "from ", "=> ", "! ", "place: ", "> ", "@ ")
FOLDERS = "app core lib vendor gen plugins shared tools compat hooks util wrap proxy legacy stubs glue".split()
VERBS = "load save parse send open merge render check fetch read".split()
FRAMES = (  # one frame, and what stands between two
    ("{path}:{line} {func}", "\n"),
    ("{func} ({path}:{line})", " > "),
    ('File "{path}", line {line}, in {func}', "\n"),
    ("at {func} in {path}, line {line}", "\n"),
    ("{path} line {line} {func}", "; "),
    ("at {func} ({path}:{line})", "\n"),
    ("func={func} file={path} line={line}", "\n"),
    ("{path}({line}): {func}", "\n"),
    ("- {path}, line {line}: {func}", "\n"),
    ("{func} at line {line} of {path}", ", "),
)
OPENINGS = (
    "{trace}",
    "{trace}",
    "Trace: {trace}",
    "Traceback:\n{trace}",
    "{trace}\n\nWhat do we report?",
    "Hi, one of our jobs stopped with this. Can you name the place?\n{trace}",
    "Name the place of the error. The trace is:\n{trace}",
    "How do we write down the place of this error?\n{trace}",
    "The log ends like this:\n{trace}",
)
FILES = {
    "path": ("with its folder and its ending", "x/y.py"),
    "name": ("without the folder but with `.py`", "y.py"),
    "stem": ("without the folder and without `.py`", "y"),
}


def _shape(pattern: str, parts: Sequence[str]) -> str:
    return re.sub("[ABC]", lambda match: parts["ABC".index(match.group())], pattern)


PART = r"(([a-z]+/)?[a-z]+(\.py)?|\d+)"
FORM = re.compile(
    f"({'|'.join(map(re.escape, LEADS))})({'|'.join(_shape(re.escape(p), [PART] * 3) for p in PATTERNS)})"
)


def check(answer: str) -> bool:
    """Whether this is two or three parts of one frame in one of the shapes."""
    return FORM.fullmatch(answer) is not None


def _write(shape: str, path: str, line: int, func: str, style: str) -> str:
    name = path if style == "path" else path.split("/")[1].removesuffix("" if style == "name" else ".py")
    values = {"FILE": name, "LINE": str(line), "FUNC": func}
    return re.sub("FILE|LINE|FUNC", lambda match: values[match.group()], shape)


def draft(rng: random.Random) -> Draft:
    """Draw one team's way to name the place of an error."""
    shape = rng.choice(LEADS) + _shape(rng.choice(PATTERNS), rng.sample(("FILE", "LINE", "FUNC"), 3))
    style = rng.choice(list(FILES))
    end = rng.choice(("first", "last"))
    skipped = rng.choice(FOLDERS) if rng.random() < 0.7 else ""

    def ask(rng: random.Random) -> Task:
        form, between = rng.choice(FRAMES)
        count = 2 if len(form) > 35 else rng.choice((2, 2, 3))
        folders = rng.sample([f for f in FOLDERS if f != skipped], count - bool(skipped))
        if skipped:
            near = rng.random() < 0.7  # at the end that would be reported otherwise
            folders.insert(0 if near == (end == "first") else len(folders), skipped)
        files, lines = rng.sample(NOUNS, len(folders)), rng.sample(range(2, 100), len(folders))
        verbs = rng.sample(VERBS, len(folders))
        frames = [
            {"path": f"{folder}/{file}.py", "line": line, "func": verb}
            for folder, file, line, verb in zip(folders, files, lines, verbs, strict=True)
        ]
        told = [frame for frame, folder in zip(frames, folders, strict=True) if folder != skipped]
        trace = between.join(form.format(**frame) for frame in frames)
        place = _write(shape, style=style, **told[0 if end == "first" else -1])
        return Task(rng.choice(OPENINGS).format(trace=trace), place)

    parts = [word for token, word in (("FUNC", "function"), ("FILE", "file"), ("LINE", "line")) if token in shape]
    listed = ", ".join(parts[:-1]) + f" and {parts[-1]}"
    sample = _write(shape, "x/y.py", 5, "go", style)
    side = "beginning" if end == "first" else "end"
    rules = [
        (
            f"Report the {end} frame of the trace.",
            f"Of all frames the {end} one counts.",
            f"Take the frame that is listed {end}.",
            f"It is always the {end} frame, as listed, that we name.",
            f"The place of an error is its {end} frame.",
            f"Read the trace from its {side} and report the frame that you meet first.",
            f"Which frame is reported? The {end} one in the trace, in the order of printing.",
            f"Go by the {end} frame and leave the others aside.",
        )
    ]
    if skipped:
        rules.append(
            (
                f"Frames in the folder `{skipped}` do not count; skip them.",
                f"Ignore every frame whose file lies in `{skipped}/`, as if it were not there.",
                f"A frame from `{skipped}/` is never reported: drop such frames before you choose.",
                f"First strike out whatever comes from the folder `{skipped}`.",
                f"`{skipped}/` holds no frames of interest, so choose among the remaining ones.",
                f"Pass over any frame whose path begins with `{skipped}/` and go by what is left of the trace.",
                f"If a frame is from `{skipped}/`, delete it from the trace, and only then see which one to report.",
                f"Choose only among frames outside the folder `{skipped}`.",
            )
        )
    rules.append(
        (
            f"Write it as `{shape}`, with the {listed} of the frame put in.",
            f"The form is `{shape}`; replace each capital word by that part of the frame.",
            f"A frame in function `go` at line 5 of `x/y.py` reads `{sample}`.",
            f"Give {listed} in the form `{shape}`.",
            f"Fill in `{shape}` from the frame.",
            f"Copy `{shape}` and put the {listed} of the frame where the capital words are.",
            f"For the function `go` in `x/y.py`, line 5, we write this and all else likewise:\n\n```\n{sample}\n```\n",
            f"`{shape}` is the pattern, where the capital words stand for the {listed}.",
        )
    )
    if "FILE" in shape:
        meaning, short = FILES[style]
        rules.append(
            (
                f"Name the file {meaning}.",
                f"The file is written {meaning}.",
                f"The file `x/y.py` becomes `{short}`.",
                f"A file appears {meaning}, so `x/y.py` is `{short}`.",
                f"As for the file, give it {meaning}.",
                f"Of `x/y.py` we keep `{short}`; this is what a file looks like {meaning}.",
                "How a file is written:\n\n| in the trace | in the answer |\n|---|---|\n"
                f"| x/y.py | `{short}` |\n| abc/xyz.py | `{_write('FILE', 'abc/xyz.py', 0, '', style)}` |\n",
                f"Where the trace has `x/y.py`, we write `{short}`.",
            )
        )
    rules.append(
        (
            "Output only that.",
            "Answer with this one line.",
            "Reply with the place alone.",
            "No other part of the trace is repeated.",
            "Add neither the error nor an explanation.",
            "One place on one line is all that is wanted.",
            "Write no word around it, and leave out the other frames.",
            "Say nothing else.",
        )
    )
    return Draft(
        name=rng.choice(("stack-frames", "name-the-frame", "trace-to-place", "error-place")),
        title=rng.choice(("Stack frames", "Where an error comes from", "Places of errors")),
        description=rng.choice(
            (
                "Names the place of an error. Use it when a stack trace is given.",
                "Reports one frame of a trace in our form. Use for every trace.",
                "Says which frame of a stack trace is reported and how.",
            )
        ),
        rules=tuple(rules),
        ask=ask,
    )
