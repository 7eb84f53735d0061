"""The library as one looks through it: what ships and a person's own skills, searched, filtered and sorted, as cards.

Needs no model: what only a model can say is left out until it is known.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Literal

from skills.archive import EVALS
from skills.evals import Eval, parse_evals
from skills.library import LibraryEntry, SkillLibrary
from skills.search import holds, words_of
from skills.skill import Skill, SkillError, text_sha256
from studio.fidelity import Score
from studio.neighbours import Neighbours
from studio.shelf import Shelf, ShelfSkill
from studio.survey import Survey, Surveyed

Whose = Literal["all", "shipped", "own", "bin"]
Order = Literal["match", "name", "length", "gain", "changed"]

SHIPPED, OWN = "library:", "own:"  # what a key begins with; behind it comes a name or an id
AUTHOR = "Parametric Skills"  # of the skills that ship, where they name none
NEAR = 3  # neighbours on a card


@dataclass(frozen=True)
class Card:
    """A skill as it is shown."""

    key: str
    name: str
    description: str
    subtask: str
    author: str
    text: str
    origin: str = ""  # of an own skill: the one that it was forked from
    version: int = 0  # of an own skill
    changed: float | None = None  # when that was saved
    files: int = 0  # of an own skill, beside its text
    deleted: bool = False
    tokens: int | None = None
    score: Score | None = None
    has_examples: bool = False
    near: tuple[tuple[str, str, float], ...] = ()  # key, name and cosine of the nearest by their adapters

    @property
    def own(self) -> bool:
        return self.key.startswith(OWN)


@dataclass(frozen=True)
class Found:
    """What a search gives: the first cards, and how many fit in all."""

    cards: tuple[Card, ...]
    total: int


@dataclass(frozen=True)
class Catalogue:
    """The skills that ship, what was measured of them, and everybody's own."""

    library: SkillLibrary
    shelf: Shelf | None = None  # None: the server keeps nothing
    survey: Survey | None = None

    def find(
        self,
        owner: str = "",
        query: str = "",
        subtask: str = "",
        whose: Whose = "all",
        order: Order = "match",
        limit: int = 24,
        hypernetwork: str = "",
        neighbours: Neighbours | None = None,
        count_tokens: Callable[[str], int | None] = lambda text: None,
    ) -> Found:
        """The skills of one person and those that ship that a query fits, the first `limit` of them as cards.

        Without an `owner` those that ship. Scores are those that were found with the `hypernetwork`, a fingerprint.
        """
        own_scores = self.shelf.scores(owner, hypernetwork) if self.shelf and owner and hypernetwork else {}
        measured = self.measured(hypernetwork)
        items: list[LibraryEntry | ShelfSkill] = []
        if self.shelf and owner and whose != "shipped":
            words = words_of(query)
            items += [
                skill for skill in self.shelf.skills(owner, deleted=whose == "bin") if _fits(skill, words, subtask)
            ]
        if whose in ("all", "shipped"):
            items += self.library.search(query, subtask or None)

        def score_of(item: LibraryEntry | ShelfSkill) -> Score | None:
            if isinstance(item, ShelfSkill):
                return own_scores.get(item.newest.sha256)
            return measured[item.skill.name].score if item.skill.name in measured else None

        items = _sorted(items, order, score_of)
        names = dict(self._names(owner)) if neighbours else {}
        tokens = {SHIPPED + name: each.tokens for name, each in measured.items()}
        cards = (self._card(item, score_of(item), neighbours, names) for item in items[:limit])
        counted = (replace(card, tokens=tokens.get(card.key) or count_tokens(card.text)) for card in cards)
        return Found(tuple(counted), len(items))

    def text(self, owner: str, key: str, number: int | None = None) -> tuple[str, str]:
        """(text, name of the library's skill whose files are its own, or '') of a key.

        `number` is a version of an own skill; a fork goes by the files of its origin until it has others.
        Raises SkillError and ShelfError where there is none.
        """
        if key.startswith(OWN) and self.shelf:
            skill = self.shelf.get(owner, key.removeprefix(OWN))
            version = skill.newest if number is None else self.shelf.version(owner, skill.id, number)
            return version.text, skill.origin if self.has(skill.origin) and not version.files else ""
        entry = self.library.get(key.removeprefix(SHIPPED))
        return entry.text, entry.skill.name

    def evals(self, owner: str, key: str) -> tuple[Eval, ...]:
        """The examples that hold of a key's newest text: its own, or those of the library's skill that has this text.

        Raises SkillError and ShelfError where there is none, and EvalError for evals that can't be read.
        """
        text, name = self.text(owner, key)
        files = self.shelf.files(owner, key.removeprefix(OWN)) if key.startswith(OWN) and self.shelf else {}
        if EVALS in files:
            return parse_evals(files[EVALS], EVALS)
        entry = self.library.get(name) if name else None
        return entry.evals if entry and entry.text == text else ()

    def has(self, name: str) -> bool:
        """Whether the library has a skill of this name."""
        return name in self._shipped

    def texts(self, owner: str, limit: int) -> dict[str, str]:
        """The texts for a map, by key: first those that ship, then a person's own; at most so many."""
        found = {SHIPPED + entry.skill.name: entry.text for entry in self.library.list()[:limit]}
        for skill in self.shelf.skills(owner) if self.shelf and owner else ():
            if len(found) < limit:
                found[OWN + skill.id] = skill.text
        return found

    def surveyed(self, hypernetwork: str) -> Neighbours | None:
        """The neighbours that were measured, if it was with this hypernetwork and of these texts."""
        survey = self.survey
        if survey is None or survey.hypernetwork != hypernetwork or len(self._measured) < len(survey.skills):
            return None
        return Neighbours(tuple(SHIPPED + name for name in survey.skills), survey.cosines)

    def measured(self, hypernetwork: str) -> dict[str, Surveyed]:
        """What was measured of the skills that ship, by name, if it was with this hypernetwork and of this text."""
        return self._measured if self.survey and self.survey.hypernetwork == hypernetwork else {}

    @cached_property
    def _measured(self) -> dict[str, Surveyed]:
        found = self.survey.skills if self.survey else {}
        return {
            name: each
            for name, each in found.items()
            if name in self._shipped and each.sha256 == text_sha256(self._shipped[name].text)
        }

    @cached_property
    def _shipped(self) -> dict[str, LibraryEntry]:
        return {entry.skill.name: entry for entry in self.library.list()}

    def _names(self, owner: str) -> list[tuple[str, str]]:
        own = self.shelf.skills(owner) if self.shelf and owner else ()
        return [
            *((SHIPPED + name, name) for name in self._shipped),
            *((OWN + skill.id, skill.name) for skill in own),
        ]

    def _card(
        self,
        item: LibraryEntry | ShelfSkill,
        score: Score | None,
        neighbours: Neighbours | None,
        names: dict[str, str],
    ) -> Card:
        if isinstance(item, LibraryEntry):
            skill, text = item.skill, item.text
            known = {
                "key": SHIPPED + skill.name,
                "author": skill.metadata.get("author") or AUTHOR,
                "has_examples": bool(item.evals),
            }
        else:
            skill, text = parsed(item.text), item.text
            known = {
                "key": OWN + item.id,
                "author": skill.metadata.get("author") or "you",
                "has_examples": item.newest.has_evals if item.newest.files else self.has(item.origin),
                "files": item.newest.files,
                "origin": item.origin,
                "version": item.newest.number,
                "changed": item.newest.saved,
                "deleted": item.deleted is not None,
            }
        near = neighbours.nearest(known["key"], NEAR) if neighbours else ()
        return Card(
            name=skill.name,
            description=skill.description,
            subtask=skill.metadata.get("subtask", ""),
            text=text,
            score=score,
            near=tuple((key, names[key], cosine) for key, cosine in near if key in names),
            **known,
        )


@lru_cache(maxsize=1024)
def parsed(text: str) -> Skill:
    """The skill in a text; where nothing can be made of it, one that says so."""
    try:
        return Skill.parse(text)
    except SkillError as error:
        return Skill("unreadable", str(error), text)


def _sorted(items: list, order: Order, score_of: Callable[..., Score | None]) -> list:
    def loss(item: LibraryEntry | ShelfSkill) -> float:
        score = score_of(item)
        return -score.gain if score else 2  # those that nobody checked come last

    keys = {
        "name": lambda item: getattr(item, "skill", item).name,
        "length": lambda item: len(item.text),
        "gain": loss,
        "changed": lambda item: -item.newest.saved if isinstance(item, ShelfSkill) else 0,
    }
    return sorted(items, key=keys[order]) if order in keys else items


def _fits(skill: ShelfSkill, words: list[str], subtask: str) -> bool:
    found = parsed(skill.text)
    return subtask in ("", found.metadata.get("subtask", "")) and holds(
        f"{found.name}\n{found.description}\n{found.body}", words
    )
