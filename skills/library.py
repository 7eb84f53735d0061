"""The library of skills: a folder of `<name>/SKILL.md`, each with its `evals/evals.json`, listed and searched.

The skills that ship lie in the folder `library` beside this module. It has no `__init__.py` and must get none:
`skills.library` is this module.
"""

import difflib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from skills.evals import Eval, load_evals
from skills.search import SearchIndex, words_of
from skills.skill import MAX_NAME, Skill, SkillError, is_valid_name

SHIPPED = Path(__file__).with_name("library")

SUBTASKS = (
    "Feature/Patch",
    "Robustness Fix",
    "Refactor/API Migration",
    "Performance/Data",
    "Diagnosis/Search",
    "Configuration/Integration",
)


@dataclass(frozen=True)
class LibraryEntry:
    """A skill of a library: parsed, as it stands in the file, its subtask ('' if it names none) and its evals."""

    skill: Skill
    text: str
    subtask: str
    evals: tuple[Eval, ...]
    path: Path  # of the SKILL.md


Entries = list[LibraryEntry]  # inside SkillLibrary, `list` is a method


@dataclass(frozen=True)
class SkillLibrary:
    """The skills of a folder, read once: a change on the disk shows in a new SkillLibrary only.

    Folders without a SKILL.md, folders whose name is no skill's name and files that a link leads out of the root
    are passed over. The first call raises SkillError where the root is no folder or a skill in it can't be read.
    """

    root: Path = SHIPPED

    def list(self) -> Entries:
        """All entries, sorted by name."""
        return [*self._entries.values()]

    def get(self, name: str) -> LibraryEntry:
        """The entry of a name. Raises SkillError that names near matches where there is none."""
        # Looked up among what was listed, so no name, however it is spelled, leads to another file.
        if entry := self._entries.get(name):
            return entry
        near = difflib.get_close_matches(name[:MAX_NAME].lower(), self._entries, cutoff=0.5)
        shown = name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…"
        fix = f"Did you mean {' or '.join(near)}?" if near else "Look for it with a search."
        raise SkillError(f"The library has no skill '{shown}'. {fix}")

    def search(self, query: str, subtask: str | None = None) -> Entries:
        """The entries, of one subtask if given, with words in name, description or body that begin as the query's do.

        Every word of the query has to be met; case does not count. Those with most of them in their name come first,
        then by name.
        """
        entries, found = self.list(), self._index.find(query)
        hits = entries if found is None else [entries[number] for number in found]
        words = words_of(query)
        fitting = hits if subtask is None else [entry for entry in hits if entry.subtask == subtask]
        if not words:
            return fitting
        return sorted(fitting, key=lambda entry: -sum(word in entry.skill.name for word in words))

    @cached_property
    def _index(self) -> SearchIndex:
        skills = (entry.skill for entry in self.list())
        return SearchIndex(f"{skill.name}\n{skill.description}\n{skill.body}" for skill in skills)

    @cached_property
    def _entries(self) -> dict[str, LibraryEntry]:
        root = Path(self.root).resolve()
        if not root.is_dir():
            raise SkillError(f"There is no folder of skills at {self.root}. Give a folder that holds <name>/SKILL.md.")
        names = sorted(path.name for path in root.iterdir() if is_valid_name(path.name))
        return {name: _read(root, name) for name in names if _is_within(root, root / name / "SKILL.md")}


def _read(root: Path, name: str) -> LibraryEntry:
    path, evals = root / name / "SKILL.md", root / name / "evals" / "evals.json"
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
        skill = Skill.parse(text)
    except (OSError, SkillError) as error:
        raise SkillError(f"{path}: {error}") from error
    if skill.name != name:
        raise SkillError(f"{path}: the skill is named '{skill.name}', its folder '{name}'. Give both the same name.")
    subtask = skill.metadata.get("subtask", "")
    return LibraryEntry(skill, text, subtask, load_evals(evals) if _is_within(root, evals) else (), path)


def _is_within(root: Path, path: Path) -> bool:
    """Whether the path is a file that lies under the root, links followed."""
    return path.is_file() and path.resolve().is_relative_to(root)
