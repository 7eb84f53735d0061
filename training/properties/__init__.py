"""The properties that a hypernetwork should have beside right answers: `python -m training properties`.

Neutral, strength, stacks, accumulation and real: each module measures one and says whether its goal holds.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from hypernet.base import Base
from hypernet.files import write_atomically
from hypernet.hypernetwork import Hypernetwork, load_hypernetwork
from training.kept import Kept
from training.lines import DataError
from training.properties import accumulation, neutral, real, stacks, strength
from training.properties.material import SkillText, read_texts

PROPERTIES = {"neutral": neutral, "strength": strength, "stacks": stacks, "accumulation": accumulation, "real": real}
WITH_TEXTS = ("neutral", "real")  # measured on real skill texts too
REAL = "real"  # the one that can't be measured without


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--only", default="", help=f"some of {','.join(PROPERTIES)}, with commas between them")
    parser.add_argument("--base", help="Hub name or folder of the base")
    parser.add_argument(
        "--checkpoint", help="folder or user/name[@revision] of a hypernetwork, else the one that ships"
    )
    parser.add_argument("--skills-file", type=Path, help="JSONL (or .jsonl.gz) of real skills with the field text")
    parser.add_argument(
        "--limit", type=int, help="at most so many adapters, skills, stacks, series or texts a property"
    )
    parser.add_argument("--out", type=Path, help="also write the report as JSON, anew after each property")
    parser.add_argument(
        "--kept",
        type=Path,
        help="JSONL of what `neutral` and `real` have measured, adapter by adapter: the same command goes on from it",
    )


def run(options: argparse.Namespace) -> None:
    """Load what is asked for, measure, print the sections and write the report.

    Raises DataError, BaseError and HypernetworkError.
    """
    names = chosen(options.only, bool(options.skills_file))
    if options.limit is not None and options.limit < 1:
        raise DataError(f"--limit is {options.limit}. Give at least 1, or leave it out.")
    if options.out and options.out.is_dir():
        raise DataError(f"--out is a file, and {options.out} is a folder. Name a file in it.")
    texts = read_texts(options.skills_file) if options.skills_file else []
    kept = Kept(options.kept)
    base = Base.load(options.base, quantization="dequantized")  # the weights' norms are wanted, not their packing
    hypernetwork = load_hypernetwork(base, options.checkpoint)
    report = about(base, hypernetwork)
    for name in names:
        report[name] = measure(name, base, hypernetwork, options.limit, texts, kept=kept)
        if options.out:
            text = json.dumps(report, indent=2) + "\n"
            write_atomically(options.out, lambda path, text=text: path.write_text(text))
    print(table(report))


def chosen(only: str, with_texts: bool) -> list[str]:
    """The properties to measure, in their order; without a choice all that can be.

    Raises DataError for an unknown one, and for `real` without texts.
    """
    wanted = {name.strip() for name in only.split(",") if name.strip()}
    if unknown := wanted - PROPERTIES.keys():
        raise DataError(f"There are no properties {', '.join(sorted(unknown))}. There are: {', '.join(PROPERTIES)}.")
    if REAL in wanted and not with_texts:
        raise DataError("The property real needs real skills. Give a JSONL file of them with --skills-file.")
    return [name for name in PROPERTIES if name in wanted or (not wanted and (name != REAL or with_texts))]


def measure(
    name: str,
    base: Base,
    hypernetwork: Hypernetwork,
    limit: int | None = None,
    texts: list[SkillText] | None = None,
    say: Callable[[str], None] = lambda message: print(message, file=sys.stderr, flush=True),
    kept: Kept | None = None,
) -> dict:
    """The report of one property."""
    if name in WITH_TEXTS:
        return PROPERTIES[name].measure(base, hypernetwork, limit, texts or [], say, kept=kept)
    return PROPERTIES[name].measure(base, hypernetwork, limit, say)


def about(base: Base, hypernetwork: Hypernetwork) -> dict:
    """What was measured."""
    return {
        "base": base.name,
        "base_fingerprint": base.fingerprint,
        "hypernetwork_fingerprint": hypernetwork.fingerprint,
    }


def table(report: dict) -> str:
    """Each property that the report holds as a short section in Markdown."""
    sections = [
        f"## {name.capitalize()}\n\n{PROPERTIES[name].section(report[name])}" for name in report if name in PROPERTIES
    ]
    return "\n\n".join(sections)
