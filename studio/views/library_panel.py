"""The library tab: cards to search and sort, a map of what is alike, and the versions of a visitor's own skills.

What opens a skill in the editor concerns the whole page and stands there; everything else is done here. As in the
training tab, the page remembers little but ids and asks for the rest each time.
"""

import hashlib
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from skills.library import SUBTASKS
from skills.skill import SkillError
from studio.catalogue import OWN, Catalogue, parsed
from studio.neighbours import Neighbours
from studio.service import Likeness, Studio, StudioError
from studio.shelf import Shelf, ShelfError, Version, diff
from studio.views import library_render, render
from studio.views.gpu import on_gpu
from studio.views.skill_panel import ALL
from studio.views.visitor import Training, checkpoint_used, owner_of
from studio.views.wiring import ACTIONS, LIVE_REGION, MAP, MODEL, QUICK, typing

TICK = 2  # seconds between two looks whether the base is there
MAX_MAPPED = 60  # skills on a map: each takes half a second to read the first time
MAX_MAPS = 32  # that are remembered, of all visitors
SHOWN = (StudioError, ShelfError, SkillError)  # their messages are for the visitor

WHOSE = {"All": "all", "Shipped": "shipped", "Yours": "own", "Deleted": "bin"}
ORDERS = {
    "Best match": "match",
    "Name": "name",
    "Shortest": "length",
    "Best as adapter": "gain",
    "Last saved": "changed",
}


class LibraryPanel:
    """The components of the tab and the handlers that belong to it alone."""

    def __init__(
        self, studio: Studio, catalogue: Catalogue, training: Training | None, identity: gr.BrowserState | None
    ) -> None:
        """Without an `identity` there are no skills of one's own; `training` says which hypernetwork a visitor uses."""
        self.studio, self.catalogue, self.training, self.identity = studio, catalogue, training, identity
        self._maps: OrderedDict[str, Neighbours] = OrderedDict()
        # Kept by the browser, so that they outlive the server.
        self.limit = gr.Number(library_render.MORE, visible=False, precision=0)
        self.shown = gr.Textbox("", visible=False)  # id of the skill whose versions are on show
        self.old, self.new = gr.Textbox("", visible=False), gr.Textbox("", visible=False)
        with gr.Column(elem_id="shelf"):
            self.said = gr.HTML("", elem_id="shelf-said", js_on_load=LIVE_REGION + ACTIONS)
            with gr.Tabs(elem_id="shelf-views") as self.views:
                with gr.Tab("Skills", id="cards"):
                    self._make_cards()
                with gr.Tab("Map", id="map"):
                    self._make_map()
                with gr.Tab("Versions", id="versions"):
                    self.versions = gr.HTML(library_render.no_versions(bool(self.shelf)), js_on_load=ACTIONS)
                    self.diff = gr.HTML("", elem_id="shelf-diff", js_on_load=LIVE_REGION)
        self.timer = gr.Timer(TICK, active=False)
        self.asked = {self.query, self.subtask, self.whose, self.order, self.limit, self.shown, self.old, self.new}
        self.asked |= {identity} if identity else set()
        self.found = [self.limit, self.count, self.cards]
        self.mapped = [self.map, self.draw]
        self.versioned = [self.shown, self.old, self.new, self.versions, self.diff]
        self.opened = [*self.found, *self.mapped, self.timer]
        self.edited = [*self.opened, *self.versioned, self.said, self.views]
        self._model_likeness = on_gpu(self._model_likeness)
        self._wire()

    @property
    def shelf(self) -> Shelf | None:
        """Where visitors' own skills are kept; None: nowhere."""
        return self.catalogue.shelf if self.identity else None

    def _make_cards(self) -> None:
        with gr.Row(elem_classes="tight", elem_id="sift"):
            self.query = gr.Textbox(
                label="Search", placeholder="commit, log …", max_lines=1, scale=2, min_width=200, elem_id="find"
            )
            self.subtask = gr.Dropdown([ALL, *SUBTASKS], value=ALL, label="Subtask", filterable=False, min_width=150)
            self.order = gr.Dropdown(
                list(ORDERS), value="Best match", label="Sort by", filterable=False, min_width=130, elem_id="order"
            )
            self.whose = gr.Radio(
                list(WHOSE),
                value="All",
                label="Show",
                elem_id="whose",
                min_width=370,
                visible=bool(self.shelf),
            )
        self.count = gr.HTML("", elem_id="shelf-count", js_on_load=LIVE_REGION)
        self.cards = gr.HTML("", elem_id="cards", js_on_load=ACTIONS)

    def _make_map(self) -> None:
        with gr.Row(elem_classes="tight buttons", elem_id="draw-row"):
            self.draw = gr.Button("Draw the map", size="sm", min_width=160, visible=False, elem_id="draw")
            self.drawing = gr.HTML("", elem_id="drawing", js_on_load=LIVE_REGION)
        self.map = gr.HTML(library_render.atlas(None, {}), elem_id="map", js_on_load=ACTIONS + MAP)

    # ---- what is shown ----

    def open(self, values: dict) -> dict[Component, Any]:
        """Updates for `opened`: the cards and the map as they are now."""
        try:
            found = self.find(values, int(values[self.limit]))
            return {**found, **self._map(values), self.timer: self._waiting()}
        except SHOWN as error:
            return {self.cards: render.notice(str(error)), self.timer: gr.Timer(active=False)}

    def find(self, values: dict, limit: int) -> dict[Component, Any]:
        """Updates for `found`: the first cards of what fits. Raises ShelfError."""
        owner, hypernetwork = self._owner(values), self._hypernetwork(values)
        subtask = "" if values[self.subtask] == ALL else values[self.subtask]
        whose = WHOSE.get(values[self.whose], "all")
        found = self.catalogue.find(
            owner,
            values[self.query],
            subtask,
            whose,
            ORDERS.get(values[self.order], "match"),
            limit,
            hypernetwork,
            self._neighbours(owner, hypernetwork),
            self.studio.count_tokens,
        )
        shown = library_render.cards(found, bool(self.shelf and owner), whose, values[self.query], subtask)
        return {self.limit: limit, self.count: library_render.count(found), self.cards: shown}

    def renew(self, values: dict) -> dict[Component, Any]:
        """Updates for `found`: as many cards as now, of what is asked for now."""
        return self._sift(values, int(values[self.limit]))

    def _sift(self, values: dict, limit: int = library_render.MORE) -> dict[Component, Any]:
        try:
            return self.find(values, limit)
        except SHOWN as error:
            return {self.cards: render.notice(str(error))}

    def _map(self, values: dict) -> dict[Component, Any]:
        owner, hypernetwork = self._owner(values), self._hypernetwork(values)
        neighbours, texts = self._neighbours(owner, hypernetwork), self.catalogue.texts(owner, MAX_MAPPED)
        skills = {key: parsed(text) for key, text in texts.items()}
        known = {key: (skill.name, skill.metadata.get("subtask", "")) for key, skill in skills.items()}
        on_it = set(neighbours.keys) if neighbours else set()
        left = [key for key in texts if key not in on_it]
        own = all(key.startswith(OWN) for key in left)
        label = "Draw the map" if neighbours is None else "Redraw with yours" if own else "Redraw"
        is_current = neighbours is not None and not left
        return {
            self.map: library_render.atlas(neighbours, known),
            self.draw: gr.Button(label, visible=not is_current, interactive=True),
        }

    def _versions(self, values: dict, id_: str) -> dict[Component, Any]:
        """Updates for `versioned`: a skill's versions and what changed between the last two."""
        owner = owner_of(values[self.identity])
        skill, found = self.shelf.get(owner, id_), self.shelf.versions(owner, id_)
        old, new = found[min(1, len(found) - 1)].number, found[0].number
        shown = library_render.versions(skill, found, old, new)
        return {self.versions: shown, **self._diff(values, id_, old, new), self.shown: id_}

    def _no_versions(self) -> dict[Component, Any]:
        """Updates for `versioned`: as before a skill was chosen."""
        return dict.fromkeys(self.versioned, "") | {self.versions: library_render.no_versions(bool(self.shelf))}

    def _diff(self, values: dict, id_: str, old: int, new: int) -> dict[Component, Any]:
        owner = owner_of(values[self.identity])
        one, other = (self.shelf.version(owner, id_, number) for number in (old, new))
        changed = diff(one.text, other.text)
        shown = library_render.diff(changed, one.beside != other.beside) if old != new else ""
        return {self.diff: shown, self.old: str(old), self.new: str(new)}

    def _owner(self, values: dict) -> str:
        """The visitor's token; '' for one without, who sees what ships."""
        try:
            return owner_of(values[self.identity]) if self.shelf else ""
        except StudioError:
            return ""

    def _hypernetwork(self, values: dict) -> str:
        """Fingerprint of the hypernetwork that the visitor uses; '' while none is there."""
        try:
            return self.studio.fingerprint(checkpoint_used(self.training, values.get(self.identity)))
        except StudioError:
            return ""

    def _waiting(self) -> gr.Timer:
        return gr.Timer(active=self.studio.status().state == "loading")

    # ---- what is done ----

    def _wire(self) -> None:
        typing("#find").input(self._sift, self.asked, self.found, **QUICK)
        gr.on([self.subtask.input, self.order.input, self.whose.input], self._sift, self.asked, self.found, **QUICK)
        self.timer.tick(self.open, self.asked, self.opened, **QUICK)
        self.draw.click(
            self._draw,
            self.asked,
            [*self.mapped, self.drawing],
            show_progress="hidden",
            api_visibility="private",
            **MODEL,
        ).then(self.renew, self.asked, self.found, **QUICK)  # what is asked for by then: drawing takes its time

    def edit(self, values: dict, what: str, id_: str, value: Any) -> dict[Component, Any]:
        """Updates for `edited`: what a click or an edit asks for, but for what opens a skill."""
        try:
            return {self.said: "", **self._edit(values, what, id_, value)}
        except SHOWN as error:
            return {self.said: render.notice(str(error))}

    def _edit(self, values: dict, what: str, id_: str, value: Any) -> dict[Component, Any]:
        if what == "more":
            return self.find(values, int(values[self.limit]) + library_render.MORE)
        if self.shelf is None:
            raise StudioError("This server keeps no skills. Download the skill instead.")
        if what in ("old", "new"):
            pair = {"old": values[self.old], "new": values[self.new], what: str(value)}
            return self._diff(values, id_, *(int(pair[end]) for end in ("old", "new")))
        if what == "versions":
            return {**self._versions(values, id_.removeprefix(OWN)), self.views: gr.Tabs(selected="versions")}
        owner, own = owner_of(values[self.identity]), id_.removeprefix(OWN)
        if what == "fork":
            text, origin = self.catalogue.text(owner, id_)
            made = self.shelf.fork(owner, text, origin, self.shelf.files(owner, own) if own != id_ else {})
            said = library_render.said(f"Forked as {made.name}.", "delete", OWN + made.id)
        elif what == "rename":
            old, new = self.shelf.get(owner, own), str((value or {}).get("name", ""))
            made = self.shelf.rename(owner, own, new)
            said = library_render.said(f"{old.name} is now {made.name}.", f"name-{old.newest.number}", id_)
        elif what.startswith("name-"):
            said = library_render.said(f"It is {self.shelf.go_back(owner, own, int(what[5:])).name} again.")
        elif what == "delete":
            made = self.shelf.delete(owner, own)
            said = library_render.said(f"Deleted {made.name}.", "restore", id_)
        elif what == "restore":
            said = library_render.said(f"{self.shelf.restore(owner, own).name} is back.")
        elif what == "erase":
            said = library_render.said(f"{self.shelf.erase(owner, own)} is deleted for good.")
        elif what == "back":
            own = values[self.shown]
            made = self.shelf.go_back(owner, own, int(id_))
            said = library_render.said(f"Restored version {id_} of {made.name} as version {made.newest.number}.")
        else:
            return {}
        shown = {}
        if own == values[self.shown]:
            shown = self._no_versions() if what == "erase" else self._versions(values, own)
        return {**self.open(values), **shown, self.said: said}

    def newest(self, values: dict, id_: str) -> Version | None:
        """The newest version of an own skill; None where there is none."""
        try:
            return self.shelf.get(self._owner(values), id_).newest if self.shelf and id_ else None
        except ShelfError:
            return None

    def text(self, values: dict, what: str, id_: str) -> tuple[str, str, str, dict[str, bytes]]:
        """(text, library's skill or '', own id or '', files of its own) of what a click opens.

        Raises ShelfError and SkillError.
        """
        owner, own, number = self._owner(values), id_.removeprefix(OWN) if id_.startswith(OWN) else "", None
        if what == "open-version":
            own, number = values[self.shown], int(id_)
        text, origin = self.catalogue.text(owner, OWN + own if own else id_, number)
        return text, origin, own, self.shelf.files(owner, own, number) if own else {}

    # ---- the map ----

    def _neighbours(self, owner: str, hypernetwork: str) -> Neighbours | None:
        """What is known of a visitor's skills and those that ship, or of those that ship alone."""
        if not hypernetwork:
            return None
        found = self._maps.get(_digest(hypernetwork, self.catalogue.texts(owner, MAX_MAPPED)))
        return found or self.catalogue.surveyed(hypernetwork)

    def _draw(self, values: dict, request: gr.Request) -> Iterator[dict]:
        """The map from the adapters themselves, made where they are not there."""
        yield {self.drawing: render.activity("Waiting for the model", "busy"), self.draw: gr.Button(interactive=False)}
        while self.studio.status().state == "loading":  # not seen to end in a process with a GPU
            time.sleep(0.5)
        owner, said, state = self._owner(values), "", "done"
        shown = {self.draw: gr.Button(interactive=True)}
        try:
            texts = self.catalogue.texts(owner, MAX_MAPPED)
            fitting = {key: text for key, text in texts.items() if not self.studio.examine(text).blocking}
            checkpoint = checkpoint_used(self.training, values.get(self.identity))
            with closing(self._model_likeness(request.session_hash, checkpoint, [*fitting.values()])) as work:
                for likeness in work:
                    said = f"Reading the skills: {likeness.made} of {likeness.total}"
                    yield {self.drawing: render.activity(said, "busy")}
            self._maps[_digest(self.studio.fingerprint(checkpoint), texts)] = Neighbours(
                tuple(fitting), likeness.cosines
            )
            if len(self._maps) > MAX_MAPS:
                self._maps.popitem(last=False)
            left = len(texts) - len(fitting)
            said = f"{left} left out: no adapter can be made of them." if left else ""
            shown = self._map(values)
        except SHOWN as error:
            said, state = str(error), "failed"
        except Exception:
            logging.exception("drawing the map failed")
            said, state = "Something went wrong in the studio. Draw the map once more.", "failed"
        yield {**shown, self.drawing: render.activity(said, state)}

    def _model_likeness(self, session: str, checkpoint: Path | None, texts: list[str]) -> Iterator[Likeness]:
        self.studio.use(session, checkpoint)
        with closing(self.studio.likeness(session, texts)) as work:
            yield from work


def _digest(hypernetwork: str, texts: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps([hypernetwork, texts], sort_keys=True).encode()).hexdigest()
