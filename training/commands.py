"""The command line of training; `python -m training --help` lists its commands."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import get_origin

import yaml

from hypernet.adapter import GGUF_FILE, check_target, make_adapter, text_sha256
from hypernet.base import Base
from hypernet.files import write_atomically
from hypernet.gguf_export import adapter_gguf
from hypernet.hypernetwork import default_checkpoint, load_hypernetwork
from skills.evals import load_evals
from skills.scan import text_of
from skills.skill import Skill
from training import probe, properties, refit_bench, synthesize
from training.evaluate import evaluate, find_reader
from training.fit import Fit, FitConfig, FitError
from training.kept import Kept
from training.lines import (
    SPLITS,
    DataError,
    Line,
    family_lines,
    library_lines,
    read_instructions,
    read_lines,
    spread_out,
)
from training.metrics import ENCODER
from training.progress import TRACKERS
from training.refine import refine
from training.refit import Refit, RefitConfig, RefitError, prepare, usual_minutes
from training.refit import read_config as read_refit
from training.report import card, picture, table
from training.trajectories import Trajectory, different, from_evals, read_examples, write_dataset, write_trajectories

INSTRUCTIONS = "instructions:"
HELD_OUT = "held-out"  # the split `families` by itself: `families` asks for all four


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
    if kind is dict:
        return isinstance(value, dict) and all(
            isinstance(n, str) and all(type(x) is int and x >= 0 for x in (v if isinstance(v, list) else [v]))
            for n, v in value.items()
        )
    if get_origin(kind) is tuple:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if isinstance(value, bool):  # which Python takes for an int
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit status is 2 where it can't start."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    fit = commands.add_parser("fit", help="train a hypernetwork; run it again to go on where it stopped")
    fit.add_argument("--config", type=Path, required=True, help="YAML file with the fields of FitConfig")
    fit.add_argument("--base", help="Hub name or folder of the base, instead of the config's")
    tried = commands.add_parser("probe", help="does a new hypernetwork of this shape learn to choose, within minutes?")
    probe.add_arguments(tried)
    score = commands.add_parser("evaluate", help="print the table: parametric against its rivals and the controls")
    score.add_argument(
        "--data",
        default="families",
        help=f"families (all four splits of generated skills), one of them (known, wordings, {HELD_OUT}, "
        f"combinations), library (the evals of the skills that ship), a JSONL file, or {INSTRUCTIONS}FILE.jsonl.gz",
    )
    score.add_argument("--base", help="Hub name or folder of the base")
    score.add_argument("--checkpoint", help="folder or user/name[@revision] of a hypernetwork, else the one that ships")
    score.add_argument("--skills", type=_positive, help="generated skills a family; else 500 questions or more a split")
    score.add_argument("--limit", type=_positive, help="at most so many questions of each split, evenly spread")
    score.add_argument(
        "--ceiling", type=_positive, default=0, help="train a LoRA of its own for so many skills of each split"
    )
    score.add_argument(
        "--exact-only", action="store_true", help="exact match alone, with nothing generated: many times faster"
    )
    score.add_argument("--bertscore", action="store_true", help="also BERTScore, on a local encoder")
    score.add_argument("--judge-url", help="also a judge: an OpenAI-compatible endpoint; the key is OPENAI_API_KEY")
    score.add_argument("--judge-model", help="the model that judges there")
    score.add_argument("--out", type=Path, help="also write the report as JSON")
    score.add_argument(
        "--kept", type=Path, help="JSONL of what was measured, column by column: the same command goes on from it"
    )
    score.add_argument(
        "--card",
        action="store_true",
        help="also write the card in the checkpoint's folder anew, with the figures",
    )
    score.add_argument("--picture", type=Path, help="also draw exact match by split and column, as PNG or SVG")
    measure = commands.add_parser("properties", help="neutral prompts, strength, stacks, accumulation, real skills")
    properties.add_arguments(measure)
    again = commands.add_parser("refit", help="continue a hypernetwork on own skills; run it again to go on")
    again.add_argument("skills", nargs="*", type=Path, help="SKILL.md files or their folders, whose evals are examples")
    again.add_argument(
        "--config", type=Path, help="the refit.json of a folder that was prepared, instead of all others"
    )
    again.add_argument("--out", type=Path, help="folder for everything")
    bench = commands.add_parser("refit-bench", help="refit on skills of kinds never trained on, and say what it gave")
    refit_bench.add_arguments(bench)
    for command, usual in ((again, usual_minutes()), (bench, RefitConfig.minutes)):
        command.add_argument("--minutes", type=float, help=f"bound in time ({usual:g}); 0: none")
        command.add_argument("--steps", type=int, help="bound in steps; 0: none")
    for command in (fit, again, bench):
        command.add_argument("--track", choices=TRACKERS, help="also log to this tracker")
    one = commands.add_parser("refine", help="gradient steps on the adapter of one skill; the hypernetwork stays")
    one.add_argument("skill", type=Path, help="a SKILL.md or its folder, whose evals are examples")
    one.add_argument("--out", type=Path, required=True, help="folder for the adapter")
    one.add_argument("--gguf", action="store_true", help=f"write it for llama.cpp, too: {GGUF_FILE}")
    kinds = "JSONL of trajectories, evals.json, CSV of prompt and answer, or an OpenCode export"
    for command in (again, one):
        command.add_argument("--examples", type=Path, help=f"further examples beside the evals: {kinds}")
    for command in (again, bench, one):
        command.add_argument("--base", help="Hub name or folder of the base")
        command.add_argument(
            "--checkpoint", help="folder or user/name[@revision] of a hypernetwork, else the one that ships"
        )
    made = commands.add_parser("synthesize", help="trajectories of skills in use, out of real OpenCode runs")
    synthesize.add_arguments(made)
    converted = commands.add_parser("convert", help="files of examples as one file of trajectories, or for `datasets`")
    converted.add_argument("files", nargs="+", type=Path, metavar="IN", help=kinds)
    converted.add_argument("--skill", type=Path, help="SKILL.md, or its folder, whose use those show that name none")
    converted.add_argument(
        "--out", type=Path, required=True, help="a file that ends in .jsonl, or a folder that `datasets` loads"
    )
    options = parser.parse_args(arguments)
    try:
        if options.command == "synthesize":
            return synthesize.run(options)
        if options.command == "refit":
            return run_refit(options)
        if options.command == "refit-bench":
            return refit_bench.run(options)
        if options.command == "refine":
            return run_refine(options)
        if options.command == "convert":
            return run_convert(options)
        if options.command == "fit":
            config = read_config(options.config)
            Fit(replace(config, base=options.base or config.base, track=options.track or config.track)).run()
        elif options.command == "probe":
            probe.run(options, read_config(options.config))
        elif options.command == "properties":
            properties.run(options)
        else:
            run_evaluate(options)
    except ValueError as error:  # every error of ours that a person can mend is one
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"A file can't be read or written: {error}. Mend that, or name another place, and give the command again; "
            "a run goes on from what it saved last.",
            file=sys.stderr,
        )
        return 2
    return 0


def run_refit(options: argparse.Namespace) -> int:
    """Prepare a folder, or take one that was, and refit in it; prints the report's figures and its sentence."""
    if options.config:
        config = read_refit(options.config)
    else:
        if not options.out or not options.skills:
            raise RefitError("A refit needs SKILL.md files and --out, or --config.")
        given = {name: getattr(options, name) for name in ("base", "checkpoint", "minutes", "steps", "track")}
        given = {"minutes": usual_minutes()} | {name: value for name, value in given.items() if value is not None}
        config = RefitConfig(out=str(options.out), **given)
        prepare(config, *_skills_in_use(options.skills, options.examples))
    refit = Refit(config)
    if refit.accelerator.is_main_process:
        print("".join(f"{note}\n" for note in refit.notes), end="", file=sys.stderr)
    report = refit.run()
    if report:
        for part in report["parts"]:
            figures = "  ".join(f"{name} {value} -> {part['after'][name]}" for name, value in part["before"].items())
            print(f"{part['name']} ({part['n']}): {figures}")
        print(f"{report['sentence']}\n{Path(config.out) / 'checkpoint'}")
    return 0


def run_refine(options: argparse.Namespace) -> int:
    """Generate one skill's adapter, refine it on its examples and write it as PEFT's files, and as llama.cpp's."""
    check_target(options.out)
    texts, trajectories = _skills_in_use([options.skill], options.examples)
    trajectories = [each for each in trajectories if each.split != "test"]
    text = next(iter(texts.values()))
    base = Base.load(options.base, quantization="dequantized")
    adapter = make_adapter(load_hypernetwork(base, options.checkpoint), base, text, Skill.parse(text).name)
    started = time.perf_counter()
    refined = refine(base, adapter, trajectories, lambda step, loss: print(f"step {step}: loss {loss:.4f}"))
    try:
        refined.save(options.out, adapter_gguf(refined, base) if options.gguf else None)
    except OSError as error:
        raise RefitError(f"{options.out} can't be written: {error.strerror or error}.") from error
    print(f"{options.out}: refined on {len(trajectories)} examples in {time.perf_counter() - started:.1f} s")
    return 0


def run_convert(options: argparse.Namespace) -> int:
    """Read files of examples and write them as one."""
    skill = text_sha256(_skill_text(options.skill)[1]) if options.skill else ""
    found = (
        replace(trajectory, skill=trajectory.skill or skill)
        for file in options.files
        for trajectory in read_examples(file)
    )
    write = write_trajectories if options.out.suffix.lower() == ".jsonl" else write_dataset
    print(f"{options.out}: {write(options.out, found)} trajectories")
    return 0


def _skill_text(path: Path) -> tuple[Path, str]:
    """A SKILL.md, or that of a folder, and its text. Raises RefitError."""
    file = path / "SKILL.md" if path.is_dir() else path
    try:
        return file, text_of(file.name, file.read_bytes()) or ""  # as `synthesize` reads it: its SHA-256 names it
    except OSError as error:
        raise RefitError(f"{file} can't be read: {error.strerror}.") from error


def _skills_in_use(paths: list[Path], examples: Path | None) -> tuple[dict[str, str], list[Trajectory]]:
    """Texts of skills by SHA-256, and the different examples of them: their evals, and those of a file.

    Raises RefitError.
    """
    texts, found = {}, []
    for path in paths:
        file, text = _skill_text(path)
        digest = text_sha256(text)
        texts[digest] = text
        evals = file.parent / "evals" / "evals.json"
        found += from_evals(digest, load_evals(evals)) if evals.exists() else []
    found += _of_skills(texts, examples) if examples else []
    # of two alike the one counts that is marked for training or test
    return texts, list(different(sorted(found, key=lambda each: not each.split)))


def _of_skills(texts: dict[str, str], file: Path) -> list[Trajectory]:
    """The examples of some skills in a file; those that name no skill are of the one, where there is one.

    Raises RefitError where there are none of these skills.
    """
    kept, others = [], 0
    for trajectory in read_examples(file):
        skill = trajectory.skill or (next(iter(texts)) if len(texts) == 1 else "")
        if not skill:
            raise RefitError(
                f"{file} does not say which of the {len(texts)} skills its examples are of. Write that into it, for "
                f"each skill's file: python -m training convert {file} --skill SKILL.md --out FILE.jsonl"
            )
        if skill in texts:
            kept.append(replace(trajectory, skill=skill))
        else:
            others += 1
    if not kept:
        raise RefitError(
            f"None of the {others} examples in {file} is of a skill given here. They name it by the SHA-256 of its "
            f"SKILL.md, which changes with the text; here: {', '.join(texts)}."
        )
    if others:
        print(f"{file}: {others} examples of other skills are left out.", file=sys.stderr)
    return kept


def run_evaluate(options: argparse.Namespace) -> None:
    """Load what is asked for, evaluate, print the tables and write the report."""
    if bool(options.judge_url) != bool(options.judge_model):
        raise DataError("A judge needs both --judge-url and --judge-model.")
    extras = {"--bertscore": ("bert_score", ENCODER), "--picture": ("matplotlib",), "--judge-url": ("openai",)}
    for option, modules in extras.items():
        missing = [module for module in modules if find_spec(module) is None]
        if missing and getattr(options, option[2:].replace("-", "_")):
            names = ", ".join(missing)
            raise DataError(f"{option} needs {names}. Install it: pip install -e '.[proof]'")
    if options.out and options.out.is_dir():
        raise DataError(f"--out is a file, and {options.out} is a folder. Name a file in it.")
    lines, kept = _lines(options), Kept(options.kept)
    judge = None
    if options.judge_url:
        from training.judge import Judge  # needs an extra

        judge = Judge(options.judge_url, options.judge_model)
    # the NF4 values as plain matrices are the same function: faster on CPUs, and a LoRA can be trained through them
    base = Base.load(options.base, quantization="dequantized")
    hypernetwork = load_hypernetwork(base, options.checkpoint)
    folder = Path(options.checkpoint or default_checkpoint(base))
    if options.card and not folder.is_dir():
        raise DataError(f"--card writes into a folder, and {folder} is none. Give a folder with --checkpoint.")
    report = evaluate(
        base,
        hypernetwork,
        lines,
        lambda message: print(message, file=sys.stderr, flush=True),
        reader=find_reader(base, options.checkpoint),
        ceiling=options.ceiling,
        bertscore=options.bertscore,
        judge=judge,
        exact_only=options.exact_only,
        kept=kept,
    )
    try:
        if options.out:
            write_atomically(options.out, lambda path: path.write_text(json.dumps(report, indent=2) + "\n"))
    finally:  # hours may stand behind it
        print(table(report))
    if options.card:
        write_atomically(folder / "README.md", lambda path: path.write_text(card(hypernetwork, report)))
    if options.picture:
        picture(report, options.picture)


def _lines(options: argparse.Namespace) -> list[Line]:
    """The lines that --data names, at most --limit of each split."""
    own: dict[str, Callable[[], list[Line]]] = {
        "families": lambda: [line for split in SPLITS for line in family_lines(split, options.skills)],
        "library": library_lines,
    }
    for split in SPLITS:
        name = HELD_OUT if split == "families" else split
        own[name] = lambda split=split: family_lines(split, options.skills)
    if options.data in own:
        lines = own[options.data]()
    elif options.data.startswith(INSTRUCTIONS):
        lines = read_instructions(Path(options.data.removeprefix(INSTRUCTIONS)))
    else:
        lines = read_lines(Path(options.data))
    if options.limit:
        splits = dict.fromkeys(line.split for line in lines)
        lines = [
            x for split in splits for x in spread_out([line for line in lines if line.split == split], options.limit)
        ]
    return lines


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"is {number}; it must be 1 or more")
    return number
