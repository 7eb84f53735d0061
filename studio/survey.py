"""What was measured of the library that ships: how each skill does on its own evals, and how alike the adapters are.

`python -m studio survey` writes the file. It counts only for the hypernetwork, and of each skill only for the text,
that it was measured with; otherwise it is as if there were none.
"""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from hypernet.files import write_atomically
from skills.skill import text_sha256
from studio.fidelity import Score
from studio.service import Studio

FILE = Path(__file__).parent / "assets" / "library.json"
SESSION = "survey"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Surveyed:
    """What was found of one skill."""

    sha256: str  # of its text
    tokens: int
    score: Score | None  # None: it has no evals


@dataclass(frozen=True)
class Survey:
    """What was found of a library with one hypernetwork."""

    measured_on: str  # the base, in words
    hypernetwork: str  # its fingerprint
    skills: dict[str, Surveyed]  # by name
    cosines: tuple[tuple[float, ...], ...]  # of their adapters' own parts, in the same order


def measure(studio: Studio, known: Survey | None = None, say: Callable[[str], None] = print) -> Iterator[Survey]:
    """Compare the adapters of the library and check every skill: minutes. After each skill what is found so far.

    What is `known` of the same text with the same hypernetwork is not measured again. Raises StudioError.
    """
    studio.wait()
    entries = studio.library.list()
    for likeness in studio.likeness(SESSION, [entry.text for entry in entries]):
        say(f"Comparing the adapters: {likeness.made} of {likeness.total}")
    hypernetwork = studio.fingerprint()
    same = known.skills if known and known.hypernetwork == hypernetwork else {}
    found = {
        entry.skill.name: Surveyed(text_sha256(entry.text), studio.count_tokens(entry.text), None) for entry in entries
    }
    for number, entry in enumerate(entries, 1):
        name = entry.skill.name
        before = same.get(name)
        if before and before.sha256 == found[name].sha256 and before.score:
            found[name] = before
            continue
        score = None
        for check in studio.check(SESSION, entry.text, entry.evals):
            score = check.fidelity.score
        found[name] = replace(found[name], score=score)
        passed = score.counts if score else "no evals"
        say(f"{number} of {len(entries)}: {name}: {passed}")
        yield Survey(studio.status().message, hypernetwork, dict(found), likeness.cosines)
    yield Survey(studio.status().message, hypernetwork, found, likeness.cosines)


def write(survey: Survey, path: Path = FILE) -> None:
    """Write a survey, a skill and a row of cosines a line. Raises OSError."""

    def block(lines: list[str]) -> str:
        return ",\n    ".join(lines)

    head = json.dumps({"measured_on": survey.measured_on, "hypernetwork": survey.hypernetwork}, indent=2)[:-2]
    skills = block([f"{json.dumps(name)}: {json.dumps(asdict(found))}" for name, found in survey.skills.items()])
    cosines = block([json.dumps(row) for row in survey.cosines])
    text = f'{head},\n  "skills": {{\n    {skills}\n  }},\n  "cosines": [\n    {cosines}\n  ]\n}}\n'
    write_atomically(path, lambda target: target.write_text(text, encoding="utf-8"))


def load(path: Path = FILE) -> Survey | None:
    """The survey in a file; None where there is none that can be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        skills = {
            name: Surveyed(found["sha256"], int(found["tokens"]), Score(**found["score"]) if found["score"] else None)
            for name, found in data["skills"].items()
        }
        cosines = tuple(tuple(map(float, row)) for row in data["cosines"])
        if {len(row) for row in (*cosines, cosines)} - {len(skills)}:
            raise ValueError("the cosines are not those of its skills")
        return Survey(data["measured_on"], data["hypernetwork"], skills, cosines)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s is left out: %r. Write it anew with `python -m studio survey`.", path, error)
        return None
