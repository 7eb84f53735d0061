"""The command line over the service; `python -m studio --help` lists its commands.

A skill is named by its name in the library, a file, a folder or an address. One that is not of the library is scanned
first: what is grave is refused, what is doubtful is shown, and taken only with --yes.
"""

import argparse
import sys
from pathlib import Path

from skills.archive import EVALS, SKILL
from skills.evals import render_evals
from skills.library import SUBTASKS, SkillLibrary
from skills.skill import MAX_TEXT, validate
from studio import bundle, hub, intake, serve, survey
from studio.hub import Hub
from studio.intake import Arrival
from studio.links import Link, LinkError, link_to
from studio.service import PANES, STACK_PANES, AdapterInfo, Part, Settings, Source, Studio, StudioError
from studio.wording import counted

SESSION = "command-line"


def read_text(path: Path) -> str:
    """The text of a SKILL.md, or of the one in a folder, be it none of a skill. Raises StudioError."""
    file = path / SKILL if path.is_dir() else path
    try:
        if file.stat().st_size > 4 * MAX_TEXT:
            raise StudioError(
                f"{file} has {file.stat().st_size:,} bytes; a SKILL.md has at most {MAX_TEXT:,} characters."
            )
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise StudioError(f"{file} can't be read: {error.strerror}.") from error


def take_in(source: str, options: argparse.Namespace) -> Arrival:
    """The skill of this name, in this file or folder or at this address, once its findings let it in.

    Raises IntakeError, and BundleError for what the scan finds.
    """
    path = Path(source)
    if path.name == SKILL and path.is_file():  # alone: what else lies around it, as in a folder of downloads, is not in
        beside = path.parent / EVALS
        came = intake.take_files([path, beside] if beside.is_file() else [path])
    else:
        came = intake.take(source, options.token)
    bundle.let_in(came.source, came.findings, options.yes)
    return came


def source_of(options: argparse.Namespace) -> Source:
    """The text of the skill that was given, or the several of a stack with their weights.

    Raises StudioError, and as `take_in`.
    """
    weights = options.weights or [1.0] * len(options.skill)
    if len(weights) != len(options.skill):
        raise StudioError(f"There are {len(options.skill)} skills and {len(weights)} weights. Give one for each.")
    if options.weights and len(weights) == 1:
        raise StudioError("Weights say how several skills are mixed. Name another skill, or leave --weights out.")
    texts = [take_in(each, options).text for each in options.skill]
    return tuple(map(Part, texts, weights)) if len(texts) > 1 else texts[0]


def print_made_by(studio: Studio, info: AdapterInfo) -> None:
    """By what models an adapter was made, and of a stack how its skills meet: for a person, on the standard error."""
    print(studio.status().message, file=sys.stderr)
    for overlap in info.overlaps:
        print(f"{overlap.first}, {overlap.second}: {overlap.cosine:.2f}, {overlap.words}", file=sys.stderr)


def generate(options: argparse.Namespace) -> int:
    """Write the adapter of a skill, or of several as one, as a PEFT folder."""
    skill = source_of(options)
    from hypernet.adapter import GGUF_FILE, check_target, llama_cpp_snippet, peft_snippet

    check_target(options.out)
    studio = Studio(options.base, options.checkpoint)
    studio.start()
    info = studio.generate(SESSION, skill)
    print_made_by(studio, info)
    try:
        studio.save_adapter(SESSION, skill, options.out, options.gguf)
    except OSError as error:
        raise StudioError(f"{options.out} can't be written: {error.strerror or error}.") from error
    print(
        f"{options.out}: rank {info.rank}, {info.size_bytes / 1e6:.1f} MB, "
        f"from {info.tokens} tokens in {info.seconds:.2f} s"
    )
    base = options.base if options.base and Path(options.base).is_dir() else info.base_name
    snippets = [peft_snippet(base, str(options.out), info.base_revision)]
    snippets += [llama_cpp_snippet(base, str(options.out / GGUF_FILE))] if options.gguf else []
    print(f"skill text SHA-256 {info.sha256}", *snippets, sep="\n\n")
    return 0


def compare(options: argparse.Namespace) -> int:
    """Print what the base answers without the skill or skills, with all in the prompt, and with all as parameters."""
    studio = Studio(options.base, options.checkpoint)
    link = Link.read(options.link) if options.link else None
    if link:
        skill, prompt, settings = link.source(studio.library), link.prompt, link.settings
        if arrival := link.arrival():
            bundle.let_in("the link", arrival.findings, options.yes)
        if note := link.note(skill):
            print(note, file=sys.stderr)
    elif options.skill and options.prompt is not None:
        skill, prompt = source_of(options), options.prompt
        settings = Settings(options.temperature, options.max_new_tokens, options.seed, options.strength)
    else:
        raise StudioError("Give a skill and --prompt, or a --link that holds both.")
    comparisons = studio.compare(SESSION, skill, prompt, settings)
    studio.start()
    last, said = None, ""
    for last in comparisons:
        if last.message != said:
            print(f"{last.message} ...", file=sys.stderr)
            said = last.message
    print_made_by(studio, last.adapter)
    for title, pane in zip(PANES if isinstance(skill, str) else STACK_PANES, last.panes, strict=True):
        speed = f", {pane.tokens_per_second:.0f} tokens/s" if pane.tokens_per_second else ""
        first = f", first token in {pane.first_token_seconds:.2f} s" if pane.first_token_seconds else ""
        print(f"{title} ({pane.prompt_tokens} prompt tokens{first}{speed})\n{pane.text or pane.note}\n")
    answers = [pane.text for pane in last.panes]
    if link:
        print(link.judge(skill, last.adapter, answers).message)
    else:
        try:
            print(f"link: {link_to(studio.library, skill, prompt, settings, last.adapter, answers).fragment()}")
        except LinkError as error:
            print(error, file=sys.stderr)
    return 0


def _about(came: Arrival) -> str:
    examples, files = counted(len(came.evals), "example"), counted(1 + len(came.left), "file")
    return f"{came.name} from {came.source}: {examples}, {files}"


def scan(options: argparse.Namespace) -> int:
    """Print what a careful person would want to know of a skill; the exit status is 1 where it blocks or asks."""
    came = intake.take(options.source, options.token)
    print(_about(came))
    print(bundle.show(came.findings) or "The scan found nothing.")
    return int(came.gravest in ("block", "ask"))


def search(options: argparse.Namespace) -> int:
    """List the skills of the library, or those that people have shared on the Hugging Face Hub."""
    if options.hub:
        for each in Hub(options.token).browse(options.query, options.author, limit=options.limit):
            liked = f"{counted(each.downloads, 'download')}, {counted(each.likes, 'like')}"
            print(f"{each.repository}  {liked}, {each.updated[:10]}")
        return 0
    found = SkillLibrary().search(options.query, options.subtask)
    for entry in found[: options.limit]:
        print(f"{entry.skill.name}  {entry.subtask}, {counted(len(entry.evals), 'example')}: {entry.skill.description}")
    print(counted(len(found), "skill"), file=sys.stderr)
    return 0


def show(options: argparse.Namespace) -> int:
    """Print a skill's text, or its examples."""
    came = take_in(options.skill, options)
    print(_about(came), file=sys.stderr)
    print(render_evals(came.name, came.evals).decode() if options.evals else came.text, end="")
    return 0


def check(options: argparse.Namespace) -> int:
    """Print how many of a skill's own examples pass without it, with it in the prompt, and with it as parameters."""
    came = take_in(options.skill, options)
    studio = Studio(options.base, options.checkpoint)
    checks = studio.check(SESSION, came.text, came.evals)
    if came.evals:
        studio.start()
    last, said = None, ""
    for last in checks:
        if last.message != said:
            print(f"{last.message} ...", file=sys.stderr)
            said = last.message
    found = last.fidelity
    for column, passed in found.passed.items():
        marks = "".join("+" if right else "-" for right in passed)
        print(f"{column:<12} {marks}  {sum(passed)} of {found.n}")
    print("\n".join(part for part in (found.verdict, found.note) if part))
    return 0


def validate_text(options: argparse.Namespace) -> int:
    """Print every problem of a SKILL.md; the exit status is 1 where there is an error."""
    text = read_text(options.skill)
    folder = options.skill.resolve() if options.skill.is_dir() else options.skill.resolve().parent
    named = options.skill.is_dir() or options.skill.name == "SKILL.md"
    problems = validate(text, folder.name if named else None)
    for problem in problems:
        print(f"{options.skill}:{problem.line}: {problem.severity}: {problem.message} {problem.fix}")
    if not problems:
        print(f"{options.skill}: no problems")
    return int(any(problem.severity == "error" for problem in problems))


def survey_library(options: argparse.Namespace) -> int:
    """Measure the library for its tab: each skill on its own examples, and how alike the adapters are. Minutes.

    It is written after each skill, and what the file has already is not measured again.
    """
    studio = Studio(options.base, options.checkpoint)
    studio.start()
    try:
        for found in survey.measure(studio, survey.load(options.out)):
            survey.write(found, options.out)
    except OSError as error:
        raise StudioError(f"{options.out} can't be written: {error.strerror}.") from error
    print(f"{options.out}: {len(found.skills)} skills with the hypernetwork {found.hypernetwork[:12]}")
    return 0


def bench(options: argparse.Namespace) -> int:
    """Print the ratios of speed that the studio promises."""
    from studio.bench import run

    return run(options.base, options.checkpoint, options.runs)


def add_skills(command: argparse.ArgumentParser, count: str = "+") -> None:
    """One skill, or several with a weight each."""
    command.add_argument("skill", nargs=count, help=f"{bundle.SOURCE}; several are stacked")
    bundle.add_gate(command)
    command.add_argument("--weights", type=float, nargs="+", help="how much of each skill goes in (default: 1 each)")


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit status is 2 where it can't be done."""
    parser = argparse.ArgumentParser(prog="python -m studio", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    model = argparse.ArgumentParser(add_help=False)
    model.add_argument("--base", help="Hub name or folder of the base model")
    model.add_argument("--checkpoint", help="folder of a hypernetwork, or user/name[@revision] of one on the Hub")

    command = commands.add_parser("generate", parents=[model], help=generate.__doc__)
    add_skills(command)
    command.add_argument("--out", type=Path, required=True, help="folder for the adapter")
    command.add_argument("--gguf", action="store_true", help="write it for llama.cpp, too: adapter.gguf")
    command.set_defaults(run=generate)

    command = commands.add_parser("compare", parents=[model], help=compare.__doc__)
    add_skills(command, "*")
    command.add_argument("--prompt")
    command.add_argument("--link", help="a link to a comparison, in place of skill, prompt and settings")
    command.add_argument("--temperature", type=float, default=Settings.temperature)
    command.add_argument("--max-new-tokens", type=int, default=Settings.max_new_tokens)
    command.add_argument("--seed", type=int, default=Settings.seed)
    command.add_argument("--strength", type=float, default=Settings.strength)
    command.set_defaults(run=compare)

    command = commands.add_parser("check", parents=[model], help=check.__doc__)
    command.add_argument("skill", help=bundle.SOURCE)
    bundle.add_gate(command)
    command.set_defaults(run=check)

    command = commands.add_parser("search", help=search.__doc__)
    command.add_argument("query", nargs="?", default="", help="words that must all occur; on the Hub part of a name")
    command.add_argument("--limit", type=int, default=50, help="the most that are listed (default: %(default)s)")
    command.add_argument("--subtask", choices=SUBTASKS, help="of the library: only skills of this kind")
    command.add_argument("--hub", action="store_true", help="those on the Hugging Face Hub with the tags of a skill")
    command.add_argument("--author", default="", help="on the Hub: only theirs")
    command.add_argument("--token", help="for the Hub (default: HF_TOKEN, or that of `hf auth login`)")
    command.set_defaults(run=search)

    command = commands.add_parser("show", help=show.__doc__)
    command.add_argument("skill", help=bundle.SOURCE)
    command.add_argument("--evals", action="store_true", help="its examples, as evals.json has them")
    bundle.add_gate(command)
    command.set_defaults(run=show)

    command = commands.add_parser("validate", help=validate_text.__doc__)
    command.add_argument("skill", type=Path, help="a SKILL.md or its folder")
    command.set_defaults(run=validate_text)

    command = commands.add_parser("survey", parents=[model], help="measure the library for its tab")
    command.add_argument("--out", type=Path, default=survey.FILE, help="file to write (default: the one that ships)")
    command.set_defaults(run=survey_library)

    command = commands.add_parser("scan", help=scan.__doc__)
    command.add_argument("source", help=bundle.SOURCE)
    command.add_argument("--token", help="for the Hub (default: HF_TOKEN, or that of `hf auth login`)")
    command.set_defaults(run=scan)

    command = commands.add_parser("bench", parents=[model], help=bench.__doc__)
    command.add_argument("--runs", type=int, default=7, help="counted runs of each figure")
    command.set_defaults(run=bench)

    bundle.add_commands(commands, model)
    hub.add_commands(commands)

    command = commands.add_parser("serve", parents=[model], help="serve the base and its skills, OpenAI-compatible")
    serve.add_arguments(command)
    command.set_defaults(run=serve.run)

    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except (StudioError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
