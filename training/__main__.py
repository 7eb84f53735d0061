"""The command line of training: `python -m training fit --config FILE`, `python -m training evaluate --data FILE`."""

import argparse
import sys
from dataclasses import fields, replace
from pathlib import Path

import yaml

from hypernet.base import BaseError
from training.fit import Fit, FitConfig, FitError


def read_config(path: Path) -> FitConfig:
    """A run's settings from a YAML file.

    Raises FitError for a file that is no mapping or has a field that there is not.
    """
    try:
        settings = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise FitError(f"{path} can't be read as YAML: {error}") from error
    known = {field.name for field in fields(FitConfig)}
    if not isinstance(settings, dict) or settings.keys() - known:
        unknown = ", ".join(sorted(settings.keys() - known)) if isinstance(settings, dict) else "no mapping"
        raise FitError(f"{path}: unknown settings ({unknown}). There are: {', '.join(sorted(known))}.")
    lists = {name: tuple(value) for name, value in settings.items() if isinstance(value, list)}
    return FitConfig(**{**settings, **lists})


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit status is 2 where it can't start."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    fit = commands.add_parser("fit", help="train a hypernetwork; run it again to go on where it stopped")
    fit.add_argument("--config", type=Path, required=True, help="YAML file with the fields of FitConfig")
    fit.add_argument("--base", help="Hub name or folder of the base, instead of the config's")
    options = parser.parse_args(arguments)
    try:
        config = read_config(options.config)
        Fit(replace(config, base=options.base or config.base)).run()
    except (FitError, BaseError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
