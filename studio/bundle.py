"""The bundle: a skill and its adapter in one folder, which can be verified, installed and shared.

    SKILL.md, evals/, ...     the skill, as it was
    adapter/                  PEFT's two files
    adapter.gguf              the same for llama.cpp, where it was asked for
    README.md                 the model card
    provenance.json           what the adapter was made of, and the SHA-256 of every file but the card

What comes in is not trusted: it is read by `skills.archive`, which limits and scans it. Imports no torch before there
is an adapter to compare.
"""

import argparse
import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from skills.archive import SkillFiles, read_archive, read_folder, write_archive
from skills.scan import Finding, shown
from skills.skill import Skill, validate
from studio import fidelity
from studio.fidelity import Fidelity

if TYPE_CHECKING:
    from hypernet.adapter import Adapter, Provenance
    from hypernet.base import Base
    from hypernet.hypernetwork import Hypernetwork

SKILL, CARD, PROVENANCE, ORIGIN = "SKILL.md", "README.md", "provenance.json", "hub.json"
CONFIG, WEIGHTS = "adapter/adapter_config.json", "adapter/adapter_model.safetensors"
GGUF = "adapter.gguf"
REQUIRED = (SKILL, CARD, PROVENANCE, CONFIG, WEIGHTS)
TAGS = ("parametric-skills", "agent-skills", "lora")
LICENSE_FILES = ("LICENSE", "LICENSE.md", "LICENSE.txt")
YES = "use what the scan asks about; what it blocks is refused all the same"  # of the option --yes
FOLDERS = {"agents": ".agents/skills", "claude": ".claude/skills", "opencode": ".opencode/skills"}

# How far apart two machines' adapters of one text may be: the Frobenius norm of the difference of all B A over that of
# all B A. With the checkpoint that ships it is 0.018 between bf16 and float32; one word of a text makes 0.06 to 0.13,
# another skill 0.7 to 0.85.
TOLERANCE = 0.05

# What the Hub takes for `license:`; any other is `other` with its name.
LICENSES = frozenset(
    "apache-2.0 mit afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear cc cc0-1.0 cc-by-2.0 "
    "cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 "
    "cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 ecl-2.0 epl-1.0 epl-2.0 "
    "etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc lppl-1.3c ms-pl mpl-2.0 "
    "odc-by odbl osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl wtfpl openrail other unknown".split()
)


class BundleError(ValueError):
    """A bundle that can't be made, read or installed; the message says why and what to do."""


# ---- making --------------------------------------------------------------------------------------------------------


def contents(
    source: SkillFiles, adapter: "Adapter", checked: Fidelity | None = None, gguf: bytes | None = None
) -> dict[str, bytes]:
    """The files of a bundle by their paths in it; with `checked`, the card holds its evaluation.

    `gguf` is the adapter for llama.cpp, where it shall be in. A README.md of the skill's own gives way to the card.
    Raises BundleError where the adapter is of another text, or the check of another skill.
    """
    from hypernet.adapter import CONFIG_FILE, WEIGHTS_FILE, text_sha256

    came = adapter.provenance
    if came.skill_sha256 != text_sha256(source.text):
        raise BundleError(f"The adapter was not made of this text of {source.skill.name}. Generate it again.")
    if checked and checked.skill_name != source.skill.name:
        raise BundleError(f"The check is of {checked.skill_name}, not of {source.skill.name}. Check this skill.")
    made = adapter.files()
    files = skill_files(source) | {CONFIG: made[CONFIG_FILE], WEIGHTS: made[WEIGHTS_FILE]}
    files |= {GGUF: gguf} if gguf else {}
    digests = {path: _sha256(files[path]) for path in sorted(files)}
    provenance = json.dumps(asdict(came) | {"files": digests}, indent=2) + "\n"
    license_file = next((name for name in LICENSE_FILES if name in files), "")
    card = _card(source, adapter, checked, license_file, GGUF in files)
    return files | {CARD: card.encode("utf-8", "replace"), PROVENANCE: provenance.encode()}


def write(target: Path, files: Mapping[str, bytes]) -> None:
    """Write a bundle: a folder, or one file where the name ends in .skill or .zip. A bundle that is there is replaced.

    Raises BundleError where the folder holds something else, or something besides, and OSError; what was there is then
    as it was.
    """
    if target.suffix in (".skill", ".zip"):
        write_archive(files, target)
        return
    if os.path.lexists(target) and not target.is_dir():
        raise BundleError(f"{target} is a file. Choose another folder, or a name that ends in .skill.")
    if target.is_dir() and any(target.iterdir()) and not (target / PROVENANCE).is_file():
        raise BundleError(f"{target} holds something else than a bundle. Choose another folder, or empty it.")
    if target.is_dir() and (target / PROVENANCE).is_file():
        _, digests = read_provenance((target / PROVENANCE).read_bytes())
        there = {path.relative_to(target).as_posix() for path in target.rglob("*") if not path.is_dir()}
        if others := sorted(there - digests.keys() - {CARD, PROVENANCE, ORIGIN}):
            few = ", ".join(map(shown, others[:5])) + ", …" * (len(others) > 5)
            raise BundleError(f"{target} holds files that are not of the bundle: {few}. Choose another folder.")
    put_folder(target, files)


def skill_files(source: SkillFiles) -> dict[str, bytes]:
    """The files of the skill alone, without what a bundle adds to them; SKILL.md is the text in UTF-8."""
    kept = {path: data for path, data in source.files.items() if not is_added(path)}
    return kept | {SKILL: source.text.encode("utf-8", "replace")}


def read(path: Path) -> SkillFiles:
    """The files of a folder or of a .skill file, within the limits of `skills.archive`.

    A SKILL.md stands for its folder. Raises SkillError, or BundleError where there is nothing.
    """
    path = path.parent if path.name == SKILL else path
    if path.is_dir():
        return read_folder(path)
    if not path.is_file():
        raise BundleError(f"There is no bundle and no skill at {path}. Give a folder or a .skill file.")
    return read_archive(path)


def put_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Make `target` a folder of exactly these files, in one step; whatever was there goes. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    options = {"prefix": f".{target.name}-", "ignore_cleanup_errors": True}
    with tempfile.TemporaryDirectory(dir=target.parent, **options) as scratch:
        new, old = Path(scratch, "new"), Path(scratch, "old")
        new.mkdir()
        for name, data in files.items():
            file = new / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        was_there = os.path.lexists(target)
        if was_there:
            os.rename(target, old)
        try:
            os.rename(new, target)
        except OSError:
            if was_there:
                os.rename(old, target)
            raise


def is_added(path: str) -> bool:
    """Whether a file of a bundle is none of the skill's."""
    return path in (CARD, PROVENANCE, ORIGIN, GGUF) or path.startswith("adapter/")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# ---- the card ------------------------------------------------------------------------------------------------------


def _card(source: SkillFiles, adapter: "Adapter", checked: Fidelity | None, license_file: str, has_gguf: bool) -> str:
    from huggingface_hub import ModelCardData

    from hypernet.adapter import llama_cpp_snippet, peft_snippet, vllm_snippet

    skill, came, rank = source.skill, adapter.provenance, adapter.weights.rank
    base = {"base_model": came.base_name, "base_model_relation": "adapter"} if came.is_base_on_hub else {}
    revision = {"base_model_revision": came.base_revision} if base and came.base_revision else {}
    measured = bool(checked and checked.passed and all(checked.passed.values()))
    data = ModelCardData(
        library_name="peft",
        pipeline_tag="text-generation",
        tags=[*TAGS, "skill"],
        **base,
        **revision,
        **_license(skill, license_file),
        model_name=skill.name if measured else None,
        eval_results=_eval_results(checked) if measured else None,
    )
    at = f" at commit `{came.base_revision}`" if came.base_revision else ""
    rows = {
        "base": f"{came.base_name}{at}",
        "base fingerprint": f"`{came.base_fingerprint}`",
        "hypernetwork fingerprint": f"`{came.hypernetwork_fingerprint}`",
        "skill text SHA-256": f"`{came.skill_sha256}`",
        "skill text tokens": came.skill_tokens,
        "rank": rank,
        "recommended strength": came.alpha,
        "seed": came.seed,
        "version": came.version,
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    llama_cpp = (
        "llama.cpp, with the base in GGUF beside it as `base.gguf` (any program of llama.cpp will do: "
        f"`llama-cli -m base.gguf --lora {GGUF}`):\n\n```python\n{llama_cpp_snippet(came.base_name, GGUF)}\n```\n\n"
    )
    return (
        f"---\n{data.to_yaml()}\n---\n\n# {skill.name}\n\n{' '.join(skill.description.split())}\n\n"
        f"This is the agent skill `{skill.name}` (`SKILL.md`) and the same skill as a LoRA adapter (`adapter/`):\n"
        "with it the base follows the skill without the skill in its prompt. A hypernetwork made the adapter from the\n"
        "text in one forward pass.\n\n## Use\n\n"
        f"The recommended strength is {came.alpha} (PEFT's scaling as it is in the file). Run these in this folder;\n"
        "`hf download <user/name> --local-dir <folder>` brings it from the Hub.\n\n"
        f"PEFT:\n\n```python\n{peft_snippet(came.base_name, 'adapter', came.base_revision)}\n```\n\n"
        f"vLLM:\n\n```bash\n{vllm_snippet(came.base_name, rank, 'adapter', came.base_revision)}\n```\n\n"
        f"{llama_cpp if has_gguf else ''}"
        "As a skill of an agent, without the adapter:\n\n```bash\npython -m studio install . --to agents\n```\n\n"
        f"{_evaluation(checked) if measured else ''}"
        f"## Where it came from\n\n| | |\n|---|---|\n{table}\n\n"
        "`python -m studio verify .` makes the adapter again from the text and compares.\n"
    )


def _eval_results(checked: Fidelity) -> list:
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type="text-generation",
            task_name="The skill's own evals",
            dataset_type="skill-evals",
            dataset_name=f"evals/evals.json of {checked.skill_name}, n = {checked.n}",
            metric_type="accuracy",
            metric_name=f"passed, {column}",
            metric_value=round(sum(passed) / checked.n, 4),
        )
        for column, passed in checked.passed.items()
    ]


def _evaluation(checked: Fidelity) -> str:
    rows = "\n".join(
        f"| {column} | {sum(passed)} of {checked.n} | {100 * sum(passed) / checked.n:.1f} % |"
        for column, passed in checked.passed.items()
    )
    said = " ".join(part for part in (checked.verdict, checked.note) if part)
    return (
        "## Evaluation\n\nThe skill's own evals (`evals/evals.json`), answered greedily at strength 1.\n\n"
        f"| | passed | |\n|---|---:|---:|\n{rows}\n\n{said}\n\n"
    )


def _license(skill: Skill, license_file: str) -> dict[str, str]:
    """What the card says of the license: what the skill says, and nothing where it says nothing."""
    said = " ".join(skill.license.split())
    if not said:
        return {}
    if said.lower() in LICENSES:
        return {"license": said.lower()}
    name = re.sub(r"[^a-z0-9.]+", "-", said.lower()).strip("-.")[:64] or "other"
    return {"license": "other", "license_name": name, **({"license_link": license_file} if license_file else {})}


# ---- verifying -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mismatch:
    """One thing in which a bundle is not what it says, or can't be compared here."""

    kind: Literal["missing", "text", "base", "hypernetwork", "weights", "settings", "refined", "provenance", "file"]
    path: str  # of the file in the bundle that shows it
    message: str


@dataclass(frozen=True)
class Verification:
    """What came of making a bundle's adapter again."""

    skill_name: str
    mismatches: tuple[Mismatch, ...] = ()
    equal: bool = False  # bit for bit
    distance: float | None = None  # from the adapter made here, as TOLERANCE is measured; None: not compared

    @property
    def ok(self) -> bool:
        """Whether the adapter is the one of the text, and nothing else is amiss."""
        return not self.mismatches and (self.equal or (self.distance is not None and self.distance <= TOLERANCE))

    @property
    def sentence(self) -> str:
        """The outcome for a person."""
        name = self.skill_name or "The bundle"
        if self.ok and self.equal:
            return f"{name}: verified. The adapter made here from the text is the one in the bundle, bit for bit."
        if self.ok:
            return (
                f"{name}: verified within the tolerance. The adapter made here is at a distance of {self.distance:.4f} "
                f"from the one in the bundle (at most {TOLERANCE}; 0 on the same kind of machine)."
            )
        compared = "" if self.distance is None else f" Distance from the adapter made here: {self.distance:.4f}."
        return f"{name}: not verified.{compared}"


def verify(path: Path, hypernetwork: "Hypernetwork", base: "Base") -> Verification:
    """Make the adapter of a bundle's text again and compare, naming every mismatch.

    Raises SkillError or BundleError for a path where there is nothing, or no text of a skill.
    """
    from hypernet.adapter import make_adapter

    if path.is_dir() and not (path / SKILL).is_file():
        return Verification("", (_missing(SKILL),))
    source = read(path)
    found, name = altered(source), source.skill.name
    if any((each.kind == "missing" and each.path in REQUIRED) or each.kind == "provenance" for each in found):
        return Verification(name, tuple(found))
    files, (came, _) = source.files, read_provenance(source.files[PROVENANCE])
    text_is_same = not any(each.kind == "text" for each in found)
    if came.refined_on:
        message = f"The adapter was trained on {came.refined_on} examples later on: the text alone can't give it."
        found.append(Mismatch("refined", WEIGHTS, message))
    is_renamed = "/" in came.base_name and came.base_name != base.name  # a folder's name says nothing
    if came.base_fingerprint != base.fingerprint or is_renamed:
        found.append(
            Mismatch(
                "base",
                PROVENANCE,
                f"The adapter was made with {came.base_name} ({came.base_fingerprint[:12]}); the base here is "
                f"{base.name} ({base.fingerprint[:12]}). Verify it with that one: `python -m studio verify --base`.",
            )
        )
    if came.hypernetwork_fingerprint != hypernetwork.fingerprint:
        found.append(
            Mismatch(
                "hypernetwork",
                PROVENANCE,
                f"The adapter was made by the hypernetwork {came.hypernetwork_fingerprint[:12]}; the one here is "
                f"{hypernetwork.fingerprint[:12]}. Verify it with that one: `python -m studio verify --checkpoint`.",
            )
        )
    try:
        made = make_adapter(hypernetwork, base, source.text, name)
    except ValueError as error:
        return Verification(name, (*found, Mismatch("text", SKILL, f"No adapter can be made here: {error}")))
    made = replace(
        made, provenance=replace(made.provenance, base_name=came.base_name, base_revision=came.base_revision)
    )
    other = {each.kind for each in found}
    if GGUF in files and "base" not in other and not _is_of_adapter(files, replace(made, provenance=came), base):
        message = f"{GGUF} is not the adapter in adapter/ in llama.cpp's format. Don't use it; make the bundle again."
        found.append(Mismatch("weights", GGUF, message))
    same_maker = text_is_same and not {"base", "hypernetwork", "refined"} & other
    return _compare(Verification(name, tuple(found)), files, made, same_maker)


def _compare(so_far: Verification, files: Mapping[str, bytes], made: "Adapter", same_maker: bool) -> Verification:
    """Add to a verification what the adapter made here says; it should be alike where the maker is the same."""
    from hypernet.adapter import CONFIG_FILE, WEIGHTS_FILE

    found, own = list(so_far.mismatches), made.files()
    if same_maker and (changed := _changed_settings(files[CONFIG], own[CONFIG_FILE])):
        fix = "Make the bundle again."
        found.append(Mismatch("settings", CONFIG, f"{CONFIG} has other settings than it should: {changed}. {fix}"))
    if files[WEIGHTS] == own[WEIGHTS_FILE]:
        return replace(so_far, mismatches=tuple(found), equal=True, distance=0.0)
    distance = _distance(files, made)
    if distance is None:
        found.append(Mismatch("weights", WEIGHTS, f"{WEIGHTS} is damaged, or not of the shape that it should have."))
    elif same_maker and not distance <= TOLERANCE:
        message = (
            f"{WEIGHTS} is not the adapter of the text: its distance from the one made here is {distance:.4f}, and "
            f"{TOLERANCE} is the most that machines differ. Don't use it."
        )
        found.append(Mismatch("weights", WEIGHTS, message))
    return replace(so_far, mismatches=tuple(found), distance=distance)


def _distance(files: Mapping[str, bytes], made: "Adapter") -> float | None:
    """How far the weights of a bundle are from the ones made here; None where they can't be compared."""
    import torch
    from safetensors import SafetensorError

    from hypernet.adapter import read_weights

    own = made.weights.to("cpu", torch.float32)
    try:
        given = read_weights(files[CONFIG], files[WEIGHTS], made.layers_path).to(torch.float32)
        if given.layers != own.layers or given.modules.keys() != own.modules.keys():
            return None
        between = given.join(own.scaled(-1.0)).delta_norms().square().sum().sqrt()
    except (SafetensorError, ValueError, TypeError, LookupError, RuntimeError, RecursionError):
        return None
    return float(between / own.delta_norms().square().sum().sqrt())


def _is_of_adapter(files: Mapping[str, bytes], made: "Adapter", base: "Base") -> bool:
    """Whether a bundle's file for llama.cpp holds what its PEFT files hold; it is written anew, never parsed."""
    from safetensors import SafetensorError

    from hypernet.adapter import read_weights
    from hypernet.gguf_export import adapter_gguf

    try:
        weights = read_weights(files[CONFIG], files[WEIGHTS], made.layers_path)
        return adapter_gguf(replace(made, weights=weights), base) == files[GGUF]
    except (SafetensorError, ValueError, TypeError, LookupError, RuntimeError, RecursionError):
        return False


def _changed_settings(given: bytes, own: bytes) -> str:
    """The keys in which PEFT's settings differ, as one text."""
    try:
        values, wanted = json.loads(given), json.loads(own)
        differing = sorted(key for key in {*values, *wanted} if values.get(key) != wanted.get(key))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return "it can't be read"
    return ", ".join(differing)


def altered(source: SkillFiles) -> list[Mismatch]:
    """What of a bundle is missing, or is not as it was when it was made, after its own provenance.

    Needs no base. Whoever altered a file may have altered the provenance too: only `verify` finds that.
    """
    from hypernet.adapter import text_sha256

    files = source.files
    if missing := [each for each in REQUIRED if each not in files]:
        return list(map(_missing, missing))
    try:
        came, digests = read_provenance(files[PROVENANCE])
    except BundleError as error:
        return [Mismatch("provenance", PROVENANCE, str(error))]
    found = [_missing(path) for path in digests if path not in files]
    if text_sha256(source.text) != came.skill_sha256:
        message = (
            f"{SKILL} is not the text that the adapter was made of: SHA-256 {text_sha256(source.text)[:12]}, recorded "
            f"{came.skill_sha256[:12]}. Make the bundle again for this text."
        )
        found.append(Mismatch("text", SKILL, message))
    for path in sorted(files.keys() - {SKILL, CARD, PROVENANCE, ORIGIN}):
        if path not in digests:
            found.append(Mismatch("file", path, f"{path} was added after the bundle was made."))
        elif _sha256(files[path]) != digests[path]:
            kind = {WEIGHTS: "weights", CONFIG: "settings"}.get(path, "file")
            found.append(Mismatch(kind, path, f"{path} was altered after the bundle was made."))
    return found


def _missing(path: str) -> Mismatch:
    return Mismatch("missing", path, f"{path} is missing. Make or download the bundle again.")


def read_provenance(data: bytes) -> tuple["Provenance", dict[str, str]]:
    """What a bundle's provenance.json says, and the SHA-256 of its files by path. Raises BundleError."""
    from hypernet.adapter import Provenance

    try:
        values = json.loads(data)
        digests = values.pop("files")
        came = Provenance(**values)
        kinds = {field.name: (int, float) if field.type is float else field.type for field in fields(Provenance)}
        if not all(isinstance(getattr(came, name), kind) for name, kind in kinds.items()):
            raise TypeError("a value is of the wrong kind")
        if not all(isinstance(digest, str) for digest in digests.values()):
            raise TypeError("a digest is not a text")
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise BundleError(f"{PROVENANCE} can't be read ({error}). Make or download the bundle again.") from error
    return came, digests


# ---- installing ----------------------------------------------------------------------------------------------------


def check_findings(findings: Iterable[Finding], accept: bool, how: str = "--yes") -> None:
    """Raise BundleError for what must not be used, and, unless it was accepted, for what a person should look at.

    `how` is what says yes here.
    """
    findings = list(findings)
    if blocked := [each for each in findings if each.severity == "block"]:
        raise BundleError(f"This is not used, because:\n{show(blocked)}")
    if not accept and (asked := [each for each in findings if each.severity == "ask"]):
        raise BundleError(f"Look at this first, and say yes ({how}) if you want it all the same:\n{show(asked)}")


def let_in(what: str, findings: Iterable[Finding], accept: bool) -> None:
    """`check_findings` for who sits at a terminal: the findings that do not keep it out are printed, too."""
    findings = list(findings)
    try:
        check_findings(findings, accept)
    except BundleError as error:
        raise BundleError(f"{what}: {error}") from error
    if findings:
        print(f"{what}:\n{show(findings)}", file=sys.stderr)


def show(findings: Iterable[Finding]) -> str:
    """Findings for a terminal, one a line."""
    return "\n".join(
        f"{each.path if each.path.isprintable() else shown(each.path)}:{each.line}: {each.severity}: {each.message} "
        f"{each.fix}"
        for each in findings
    )


def install(
    source: SkillFiles, to: str = "agents", root: Path | None = None, force: bool = False, accept: bool = False
) -> Path:
    """Put a skill, of a bundle or not, where agents look for skills, and give its new folder.

    `to` is one of FOLDERS, below `root` (default: the current folder). The adapter stays behind. A skill that is there
    is replaced only with `force`. Raises OSError, and BundleError for what the scan finds.
    """
    if to not in FOLDERS:
        raise BundleError(f"'{to}' is not a place for skills. Choose one of: {', '.join(FOLDERS)}.")
    files = skill_files(source)
    check_findings(source.findings, accept)
    skill = source.skill
    if any(problem.severity == "error" for problem in validate(source.text, skill.name)):
        files[SKILL] = skill.render().encode()  # agents refuse what is not to the specification
    target = (root or Path.cwd()) / FOLDERS[to] / skill.name
    if os.path.lexists(target) and not force and not _holds(target, files):
        raise BundleError(f"{target} is there already and holds something else. Give --force to replace it.")
    put_folder(target, files)
    return target


def _holds(folder: Path, files: Mapping[str, bytes]) -> bool:
    """Whether a folder holds exactly these files."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    return found == files.keys() and all((folder / name).read_bytes() == data for name, data in files.items())


# ---- the command line ----------------------------------------------------------------------------------------------

SOURCE = (
    "a name of the library, a SKILL.md, its folder, a .skill file, an https or Git address, or user/name[@revision] of "
    "the Hub"
)


def add_commands(commands: "argparse._SubParsersAction", model: argparse.ArgumentParser) -> None:
    """Add `bundle`, `verify` and `install`; `model` holds the options --base and --checkpoint."""
    command = commands.add_parser("bundle", parents=[model], help=_bundle.__doc__)
    command.add_argument("skill", help=SOURCE)
    command.add_argument("--out", type=Path, required=True, help="folder for the bundle, or a file that ends in .skill")
    command.add_argument("--gguf", action="store_true", help="add the adapter for llama.cpp, adapter.gguf")
    command.add_argument("--no-check", action="store_true", help="leave out the evaluation on the skill's own evals")
    add_gate(command)
    command.set_defaults(run=_bundle)

    command = commands.add_parser("verify", parents=[model], help=_verify.__doc__)
    command.add_argument("path", type=Path, help="a bundle: its folder, or a .skill file")
    command.set_defaults(run=_verify)

    command = commands.add_parser("install", help=_install.__doc__)
    command.add_argument("skill", help=f"{SOURCE}; of a bundle, the skill alone")
    command.add_argument("--to", choices=list(FOLDERS), default="agents", help="whose skills it joins")
    command.add_argument("--root", type=Path, help="project or home folder (default: the current one)")
    command.add_argument("--force", action="store_true", help="replace a skill of this name")
    add_gate(command)
    command.set_defaults(run=_install)


def add_gate(command: argparse.ArgumentParser) -> None:
    """The options of a command that takes a skill in from anywhere."""
    command.add_argument("--yes", action="store_true", help=YES)
    command.add_argument("--token", help="for the Hub (default: HF_TOKEN, or that of `hf auth login`)")


def _load(options: argparse.Namespace) -> tuple["Hypernetwork", "Base"]:
    from hypernet.base import Base
    from hypernet.hypernetwork import load_hypernetwork

    base = Base.load(options.base)
    hypernetwork = load_hypernetwork(base, options.checkpoint)
    if hypernetwork.origin:
        print(f"hypernetwork {hypernetwork.origin}", file=sys.stderr)
    return hypernetwork, base


def _bundle(options: argparse.Namespace) -> int:
    """Write a skill, its adapter, a model card and the provenance as one folder or .skill file."""
    from hypernet.adapter import make_adapter
    from hypernet.gguf_export import adapter_gguf

    _, source = _taken(options)
    hypernetwork, base = _load(options)
    adapter = make_adapter(hypernetwork, base, source.text, source.skill.name)
    checked = None
    if source.evals and not options.no_check:
        *_, checked = fidelity.answer(base, source.skill.name, source.text, source.evals, adapter.weights)
        print(checked.verdict)
    files = contents(source, adapter, checked, adapter_gguf(adapter, base) if options.gguf else None)
    try:
        write(options.out, files)
    except OSError as error:
        raise BundleError(f"{options.out} can't be written: {error.strerror}.") from error
    print(f"{options.out}: {source.skill.name}, {len(files)} files, {sum(map(len, files.values())) / 1e6:.1f} MB")
    return 0


def _verify(options: argparse.Namespace) -> int:
    """Make a bundle's adapter again from its text and compare; the exit status is 1 where it is not the same."""
    outcome = verify(options.path, *_load(options))
    print(outcome.sentence)
    for mismatch in outcome.mismatches:
        print(f"{mismatch.kind}: {mismatch.message}")
    return 0 if outcome.ok else 1


def _install(options: argparse.Namespace) -> int:
    """Put the skill of a bundle, without the adapter, where agents look for skills."""
    came_from, source = _taken(options)
    try:
        target = install(source, options.to, options.root, options.force, options.yes)
    except OSError as error:
        raise BundleError(f"The skill can't be installed: {error.strerror} ({error.filename}).") from error
    print(f"{target}: installed from {came_from}")
    return 0


def _taken(options: argparse.Namespace) -> tuple[str, SkillFiles]:
    """(where it came from, the skill) that a command names, once its findings let it in."""
    from studio import intake  # which imports this module

    came_from, source = intake.find_skill(options.skill, options.token)
    let_in(came_from, source.findings, options.yes)
    return came_from, source
