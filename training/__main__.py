"""The command line of training: `python -m training fit --config FILE`, `python -m training evaluate --data FILE`."""

import argparse
import json
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import get_origin

import yaml

from hypernet.base import Base
from hypernet.files import write_atomically
from hypernet.hypernetwork import load_hypernetwork
from training.evaluate import evaluate, family_lines, library_lines, read_lines, table
from training.fit import Fit, FitConfig, FitError


def read_config(path: Path) -> FitConfig:
    """A run's settings from a YAML file.

    Raises FitError for a file that is no mapping, has a field that there is not, lacks one or gives it another type.
    """
    try:
        settings = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise FitError(f"{path} can't be read as YAML: {error}") from error
    known = {field.name: field.type for field in fields(FitConfig)}
    if not isinstance(settings, dict) or settings.keys() - known.keys():
        unknown = ", ".join(sorted(map(str, settings.keys() - known))) if isinstance(settings, dict) else "no mapping"
        raise FitError(f"{path}: unknown settings ({unknown}). There are: {', '.join(sorted(known))}.")
    if "out" not in settings:
        raise FitError(f"{path}: has no `out`. Name the folder for the checkpoint and the curve.")
    for name, value in settings.items():
        if not _is_of(known[name], value):
            kind = getattr(known[name], "__name__", known[name])
            raise FitError(
                f"{path}: {name} is {value!r}, which is no {kind}. (YAML takes 1e-3 for a text; 1.0e-3 is a number.)"
            )
    lists = {name: tuple(value) for name, value in settings.items() if isinstance(value, list)}
    return FitConfig(**{**settings, **lists})


def _is_of(kind: type, value: object) -> bool:
    """Whether a value from YAML can stand in a field of a type."""
    if get_origin(kind) is tuple:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit status is 2 where it can't start."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    fit = commands.add_parser("fit", help="train a hypernetwork; run it again to go on where it stopped")
    fit.add_argument("--config", type=Path, required=True, help="YAML file with the fields of FitConfig")
    fit.add_argument("--base", help="Hub name or folder of the base, instead of the config's")
    score = commands.add_parser("evaluate", help="print the table: parametric against in context and the controls")
    score.add_argument("--data", default="families", help="JSONL file, or families (new skills), or library (evals)")
    score.add_argument("--base", help="Hub name or folder of the base")
    score.add_argument("--checkpoint", help="folder or Hub name of a hypernetwork, instead of the one that ships")
    score.add_argument("--limit", type=int, help="at most so many lines, evenly spread")
    score.add_argument("--out", type=Path, help="also write the report as JSON")
    options = parser.parse_args(arguments)
    try:
        if options.command == "fit":
            config = read_config(options.config)
            Fit(replace(config, base=options.base or config.base)).run()
        else:
            run_evaluate(options)
    except ValueError as error:  # every error of ours that a person can mend is one
        print(error, file=sys.stderr)
        return 2
    return 0


def run_evaluate(options: argparse.Namespace) -> None:
    """Load what is asked for, evaluate, print the table and write the report."""
    own = {"families": family_lines, "library": library_lines}
    lines = own[options.data]() if options.data in own else read_lines(Path(options.data))
    if options.limit and options.limit < len(lines):
        lines = [lines[i * len(lines) // options.limit] for i in range(options.limit)]
    base = Base.load(options.base)
    report = evaluate(
        base, load_hypernetwork(base, options.checkpoint), lines, lambda message: print(message, file=sys.stderr)
    )
    print(table(report))
    if options.out:
        write_atomically(options.out, lambda path: path.write_text(json.dumps(report, indent=2) + "\n"))


if __name__ == "__main__":
    sys.exit(main())
