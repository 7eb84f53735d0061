"""The markup of the library tab, as pure functions: plain values in, HTML out.

Names, descriptions and texts are untrusted. Every text passes through `escape` here, so markup in it is shown, never
run. What a click means stands in `data-do` and `data-id`; `wiring.ACTIONS` sends it to the server.
"""

from collections.abc import Sequence
from html import escape

from skills.library import SUBTASKS
from studio.catalogue import NEAR, OWN, Card, Found
from studio.fidelity import Score
from studio.neighbours import Neighbours
from studio.shelf import ShelfSkill, Version
from studio.views.render import NBSP, when
from studio.wording import counted

MORE = 30  # cards that are shown at once, and that a click adds
MAX_ABOUT = 240  # characters of a description on a card
WIDE, HIGH = 1100, 520  # pixels of the map where labels are laid out; narrower ones show them when asked
LETTER, LINE = 6.7, 17  # pixels of a letter and a line of a label
EDGE = 3.0  # percent of the map that stay free at its sides

NOTHING = "No skill fits. Take a word away, or choose all subtasks."
NONE_OWN = "You have no skills of your own yet. Fork one, or save what stands in the editor of the Compare tab."
NONE_DELETED = "Nothing is deleted."
NONE_OWN_OF_IT = "None of your skills fits. Choose all subtasks."
NONE_DELETED_OF_IT = "No deleted skill fits. Choose all subtasks."
NO_VERSIONS = "Choose Versions on the card of a skill of yours: every text that you saved of it shows here."
NOT_KEPT = (
    "This server keeps no skills of your own. The text that you edit and its examples stay in your browser; the other "
    "files of a skill are gone when the page is reloaded. Download the bundle under Share to have all of it."
)
NO_MAP = (
    "The map shows which skills are alike by what their adapters do, whatever their words. It has not been drawn for "
    "this hypernetwork yet."
)
POINT = "Point at a skill to see its nearest ones; click to open it."


# ---- the cards ----


def cards(found: Found, keeps: bool, whose: str, query: str, subtask: str = "") -> str:
    """The cards of what was found; `keeps`: the server can keep a visitor's own; `subtask`: '' for all."""
    if not found.cards:
        return f'<p class="hint">{_nothing(whose, query, subtask)}</p>'
    items = "".join(_card(card, keeps) for card in found.cards)
    left = found.total - len(found.cards)
    more = f'<button type="button" class="act" data-do="more">Show {min(left, MORE):,} more</button>' if left else ""
    return f'<ul class="cards">{items}</ul>{more}'


def _nothing(whose: str, query: str, subtask: str) -> str:
    """Why there are no cards, and what to do."""
    if query.strip() or whose not in ("own", "bin"):
        return NOTHING
    if subtask:
        return NONE_OWN_OF_IT if whose == "own" else NONE_DELETED_OF_IT
    return NONE_OWN if whose == "own" else NONE_DELETED


def count(found: Found) -> str:
    """How many skills fit, for everybody to hear while they type."""
    shown = f", the first {len(found.cards):,} shown" if found.total > len(found.cards) else ""
    return f'<p class="quiet">{counted(found.total, "skill")}{shown}</p>'


def said(message: str, undo: str = "", what: str = "") -> str:
    """What was done, with a way back: the action `undo` on the skill `what`."""
    button = (
        f' <button type="button" class="act" data-do="{escape(undo)}" data-id="{escape(what)}">Undo</button>'
        if undo
        else ""
    )
    return f'<p class="line" data-state="done">{escape(message)}{button}</p>'


def _card(card: Card, keeps: bool) -> str:
    id_, name = escape(card.key), escape(card.name)
    about = card.description if len(card.description) <= MAX_ABOUT else card.description[: MAX_ABOUT - 1] + "…"
    facts = [card.subtask, f"by {card.author}", _length(card)]
    if card.own:
        facts += [f"version {card.version}, {when(card.changed)}", _files(card.files)]
    if card.origin:
        facts.append(f"from {card.origin}")
    told = " · ".join(f"<span>{escape(fact)}</span>" for fact in facts if fact)
    chip = '<span class="chip">yours</span>' if card.own and not card.deleted else ""
    title = (
        name if card.deleted else f'<button type="button" class="name" data-do="open" data-id="{id_}">{name}</button>'
    )
    return (
        f'<li class="card"><h3>{title}{chip}</h3><p class="about">{escape(about)}</p><p class="quiet">{told}</p>'
        f'{_score(card.score, card.has_examples)}{_near(card)}<div class="acts">{_acts(card, keeps)}</div></li>'
    )


def _acts(card: Card, keeps: bool) -> str:
    def act(do: str, label: str, sure: str = "") -> str:
        asks = f' data-sure="{sure}"' if sure else ""
        return (
            f'<button type="button" class="act" data-do="{do}" data-id="{escape(card.key)}"{asks} '
            f'aria-label="{label} {escape(card.name)}">{label}</button>'
        )

    if card.deleted:
        return act("restore", "Take back") + act("erase", "Delete for good", "This can't be undone. Delete?")
    acts = [act("open", "Open")]
    if keeps:
        acts.append(act("fork", "Fork"))
    if card.own:
        acts += [
            act("versions", "Versions"),
            f'<details><summary aria-label="Rename {escape(card.name)}">Rename</summary><span>'
            f'<input data-field="name" value="{escape(card.name)}" maxlength="64" '
            f'aria-label="New name of {escape(card.name)}">{act("rename", "Rename")}</span></details>',
            act("delete", "Delete"),
        ]
    return "".join(acts)


def _score(score: Score | None, has_examples: bool) -> str:
    """How much of what the skill in the prompt gives its adapter keeps, in words and as a bar with a mark for that."""
    if score is None:
        why = "Not checked with this hypernetwork yet" if has_examples else "Has no examples to be checked on"
        return f'<p class="kept quiet">{why}</p>'
    verdict = (
        f"Adapter keeps {100 * score.kept:.0f}{NBSP}% of what the skill in the prompt gives"
        if score.kept is not None
        else "Only the adapter helps"
        if score.gain > 0
        else "Adapter does not help"
    )
    share, read = (100 * passed / score.n for passed in (score.parametric, score.read))
    return (
        f'<div class="kept"><span class="meter" aria-hidden="true"><i style="width:{share:.0f}%"></i>'
        f'<b style="left:{read:.0f}%"></b></span><span>{verdict}:</span> '
        f'<span class="quiet">{score.counts}</span></div>'
    )


def _near(card: Card) -> str:
    if not card.near:
        return ""
    link = '<button type="button" class="link" data-do="open" data-id="{}">{}</button> {:.2f}'
    near = ", ".join(link.format(escape(key), escape(name), cosine) for key, name, cosine in card.near)
    return f'<p class="near quiet">Nearest by adapter: {near}</p>'


def _length(card: Card) -> str:
    return f"{card.tokens:,} tokens" if card.tokens is not None else f"{len(card.text):,} characters"


# ---- the versions ----


def no_versions(keeps: bool) -> str:
    """What stands in the place of versions before a skill was chosen, or where none are kept."""
    return f'<p class="hint">{NO_VERSIONS if keeps else NOT_KEPT}</p>'


def versions(skill: ShelfSkill, found: Sequence[Version], old: int, new: int) -> str:
    """The saved texts of a skill, the newest first, and which two are compared."""
    rows = "".join(_version(version, version.number == skill.newest.number) for version in found)

    def choice(do: str, chosen: int, label: str) -> str:
        options = "".join(
            f'<option value="{v.number}"{" selected" if v.number == chosen else ""}>{v.number}</option>' for v in found
        )
        return f'<select data-do="{do}" data-id="{escape(skill.id)}" aria-label="{label}">{options}</select>'

    pair = (
        f'<p class="between">What changed from version {choice("old", old, "From version")} to '
        f"{choice('new', new, 'To version')}</p>"
        if len(found) > 1
        else '<p class="hint">There is one version. Change the skill in the editor and save it for another.</p>'
    )
    return f'<h3>{escape(skill.name)}</h3><ul class="choices">{rows}</ul>{pair}'


def _version(version: Version, newest: bool) -> str:
    number = version.number
    about = (when(version.saved), f"{len(version.text):,} characters", _files(version.files))
    back = (
        '<span class="chip">current</span>'
        if newest
        else f'<button type="button" class="act" data-do="back" data-id="{number}" '
        f'aria-label="Restore version {number}">Restore</button>'
    )
    return (
        f'<li><b>{number}</b><span class="how">{escape(version.note)} '
        f'<span class="quiet">{", ".join(filter(None, about))}</span></span>'
        f'<button type="button" class="act" data-do="open-version" data-id="{number}" '
        f'aria-label="Open version {number}">Open</button>{back}</li>'
    )


def diff(lines: Sequence[tuple[str, str]] | None, files_differ: bool = False) -> str:
    """The lines that changed between two versions; None: too many to compare."""
    if lines is None:
        return '<p class="hint">These texts have too many lines to compare. Open either of them.</p>'
    if not lines:
        files = " Their files differ." if files_differ else ""
        return f'<p class="hint">The text is the same in both versions.{files}</p>'
    tags = {"+": "ins", "-": "del", " ": "span", "@": "i"}
    marks = {"@": "…", "-": "\u2212"}
    shown = "".join(f"<{tags[kind]}>{marks.get(kind, kind)} {escape(line)}</{tags[kind]}>" for kind, line in lines)
    return f'<pre class="lines" tabindex="0" aria-label="Lines that changed">{shown}</pre>'


# ---- the map ----


def atlas(neighbours: Neighbours | None, known: dict[str, tuple[str, str]]) -> str:
    """The map of skills by their adapters; `known` has (name, subtask) by key."""
    if neighbours is None or not neighbours.keys:
        return f'<p class="hint">{NO_MAP}</p>'
    shipped = [key for key in neighbours.keys if not key.startswith(OWN)]
    places = {key: place for key, place in neighbours.places(shipped).items() if key in known}
    numbers = {key: number for number, key in enumerate(places)}
    sides = _sides({key: (place, known[key][0]) for key, place in places.items()})
    lines, points = [], []
    for key, place in sorted(places.items(), key=lambda pair: known[pair[0]][0]):
        near = [(other, cosine) for other, cosine in neighbours.nearest(key, NEAR) if other in places]
        name, subtask = known[key]
        told = ", ".join(f"{known[other][0]} {cosine:.2f}" for other, cosine in near)
        for rank, (other, _) in enumerate(near):
            ends = "L".join(",".join(f"{at:.2f}" for at in _spot(each)) for each in (place, places[other]))
            first = ' class="first"' if rank == 0 else ""
            lines.append(f'<path{first} data-ends="{numbers[key]} {numbers[other]}" d="M{ends}"/>')
        left, top = _spot(place)
        marks = (' data-own=""' if key.startswith(OWN) else "") + (' data-right=""' if left > 50 else "")
        points.append(
            f'<li style="left:{left:.2f}%;top:{top:.2f}%" data-kind="{_kind(subtask)}" data-side="{sides[key]}"{marks}>'
            f'<button type="button" data-do="open" data-id="{escape(key)}" data-number="{numbers[key]}" '
            f'data-near="{" ".join(str(numbers[other]) for other, _ in near)}" '
            f'data-told="{escape(f"{name}: nearest are {told}" if told else name)}" '
            f'aria-label="{escape(f"Open {name}. Nearest: {told or chr(8211)}")}"><i></i><span>{escape(name)}</span>'
            "</button></li>"
        )
    kinds = sorted({_kind(known[key][1]) for key in places})
    legend = "".join(
        f'<span data-kind="{kind}">{escape(SUBTASKS[kind]) if kind < len(SUBTASKS) else "No subtask"}</span>'
        for kind in kinds
    )
    return (
        f'<div class="atlas"><svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">{"".join(lines)}'
        f'</svg><ul>{"".join(points)}</ul></div><p class="told">{POINT}</p><p class="legend quiet">{legend}</p>'
    )


def _spot(place: tuple[float, float]) -> tuple[float, float]:
    """Percent from the left and the top."""
    return tuple(EDGE + (100 - 2 * EDGE) * at for at in place)


def _kind(subtask: str) -> int:
    return SUBTASKS.index(subtask) if subtask in SUBTASKS else len(SUBTASKS)


def _sides(labels: dict[str, tuple[tuple[float, float], str]]) -> dict[str, str]:
    """On which side of its point each label stands; "" for those without room, which show when they are asked."""
    boxes = [(x * WIDE - 8, y * HIGH - 8, x * WIDE + 8, y * HIGH + 8) for (x, y), _ in labels.values()]
    sides = {}
    for number, (key, ((x, y), name)) in enumerate(labels.items()):
        wide = LETTER * len(name)
        starts = {"right": x * WIDE + 10, "left": x * WIDE - 10 - wide}
        for side, start in starts.items():
            box = (start, y * HIGH - LINE / 2, start + wide, y * HIGH + LINE / 2)
            free = start >= 0 and start + wide <= WIDE
            if free and not any(_meet(box, other) for n, other in enumerate(boxes) if n != number):
                boxes.append(box)
                sides[key] = side
                break
        else:
            sides[key] = ""
    return sides


def _meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


# ---- small things ----


def _files(number: int) -> str:
    """How many files a version has beside its text."""
    return f"with {counted(number, 'file')}" if number else ""
