"""Several skills at once: the one in the editor and others, a weight each, and how far they overlap.

The others are of the library, the visitor's own, or came with a link; what is somebody else's can't be added.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component

from studio.catalogue import OWN
from studio.links import Link
from studio.service import MAX_STACK, Part, Source, Studio, StudioError
from studio.shelf import Shelf, ShelfError, ShelfSkill
from studio.views import render
from studio.views.gpu import on_gpu
from studio.views.skill_panel import form_values, source_text
from studio.views.visitor import Training, checkpoint_used, owner_of
from studio.views.wiring import ACTIONS, LIVE_REGION, MODEL, QUICK

FROM_LINK = "link:"  # what the key of a text begins with that came with a link; behind it comes a number


class Chosen(NamedTuple):
    """One skill of a stack as the page holds it."""

    key: str = ""  # '' for the one in the editor; a name of the library; OWN or FROM_LINK and what tells it apart
    share: float = 1.0
    name: str = ""  # as it is shown; '' for the one in the editor
    text: str = ""  # of one that came with a link: the others are read anew each time

    @property
    def is_shipped(self) -> bool:
        """Whether it is one of the library, by its name."""
        return bool(self.key) and not self.key.startswith((OWN, FROM_LINK))


Stack = tuple[Chosen, ...]
ALONE: Stack = (Chosen(),)  # the skill in the editor and no other


# A slider's number follows it while it is drawn; the server hears of it when it is let go.
_SLIDERS = """
element.addEventListener("input", (event) => {
  const shown = event.target.nextElementSibling;
  if (shown?.tagName === "OUTPUT") shown.textContent = Number(event.target.value).toFixed(1);
});"""


# The weights that the sliders show now: what the server answers may be older than the last one that was moved.
_WEIGHTS = """(parts) => {
  const sliders = [...document.querySelectorAll("#stack-list input[type=range]")];
  const weights = new Map(sliders.map((each) => [each.dataset.id, Number(each.value)]));
  return [parts.map(([key, share, ...more]) => [key, weights.get(key) ?? share, ...more])];
}"""


def as_stack(parts: Sequence[Sequence]) -> Stack:
    """A stack as the browser holds it, or as it is."""
    return tuple(Chosen(*part) for part in parts)


def as_lists(parts: Stack) -> list[list]:
    """A stack as the browser holds it."""
    return [list(part) for part in parts]


class StackPanel:
    """The components of a stack; `parts` holds the skill in the editor, then the added ones."""

    def __init__(self, studio: Studio, shelf: Shelf | None, identity: gr.BrowserState | None) -> None:
        """On the `shelf` are the own skills of the visitor with an `identity`; None: the server keeps none."""
        self.studio, self.shelf, self.identity = studio, shelf if identity else None, identity
        # The browser's to remember: Gradio forgets a State of a page that fell silent once, though it is still open.
        self.parts = gr.JSON(as_lists(ALONE), visible=False)
        self.names = [entry.skill.name for entry in studio.library.list()]
        with gr.Accordion("Several skills at once", open=False, elem_id="stack") as self.panel:
            self.add = gr.Dropdown(self.names, value=None, label=self._label(True), elem_id="stack-add")
            self.list = gr.HTML(render.stack(()), elem_id="stack-list", js_on_load=ACTIONS + _SLIDERS)
            self.meter = gr.HTML("", elem_id="stack-meter", js_on_load=LIVE_REGION)
        self.drawn = [self.parts, self.add, self.list]
        self._overlaps = on_gpu(self._overlaps)

    def skill(self, text: str, parts: Stack, identity: Any = None) -> Source:
        """What is compared: the text in the editor, or the stack of it and the added skills.

        Raises StudioError for a skill that is not the visitor's, or no longer there.
        """
        if len(parts) == 1:
            return text
        first, *added = as_stack(parts)
        return (Part(text, first.share), *(Part(self._text(part, identity), part.share) for part in added))

    def added(self, parts: Stack, key: str | None, identity: Any = None) -> list[Any]:
        """Values for `drawn` and the meter with one more skill."""
        parts = as_stack(parts)
        if not key or any(part.key == key for part in parts) or len(parts) >= MAX_STACK:
            return [*self.draw(parts), ""]
        try:
            name = f"{self._own(key, identity).name} (yours)" if key.startswith(OWN) else key
        except StudioError as error:
            return [*self.draw(parts), render.notice(str(error))]
        return [*self.draw((*parts, Chosen(key, 1.0, name))), ""]

    @staticmethod
    def of_link(link: Link) -> Stack:
        """The parts of what a link is to; its first skill is for the editor."""
        if len(link.skills) == 1:
            return ALONE
        first, *added = link.skills
        return (
            Chosen(share=first.share),
            *(
                Chosen(each.name, each.share, each.name)
                if each.name
                else Chosen(
                    f"{FROM_LINK}{number}", each.share, f"{form_values(each.text)[0]} (from the link)", each.text
                )
                for number, each in enumerate(added)
            ),
        )

    def renewed(self, parts: Stack, identity: Any) -> list[Any]:
        """Values for `drawn` and the meter with the visitor's skills as they are now; those that are gone go."""
        parts = as_stack(parts)
        try:
            own = {OWN + skill.id: f"{skill.name} (yours)" for skill in self.shelf.skills(owner_of(identity))}
        except (StudioError, ShelfError):  # a browser that is not known yet has none
            return [gr.skip()] * (len(self.drawn) + 1)
        choices = [*((name, key) for key, name in own.items()), *self.names]
        if not any(part.key.startswith(OWN) for part in parts):
            # not the parts as they were: a link that is followed meanwhile sets others
            return [gr.skip(), gr.Dropdown(choices), gr.skip(), gr.skip()]
        there = (part for part in parts if not part.key.startswith(OWN) or part.key in own)
        return [*self.draw(tuple(part._replace(name=own.get(part.key, part.name)) for part in there), choices), ""]

    def edited(self, parts: Stack, event: gr.EventData) -> list[Any]:
        """Values for `drawn` and the meter after a click or an edit in the list; a weight is in `parts` already."""
        what, id_ = event._data.get("what"), event._data.get("id")
        if what != "remove":  # drawn anew, the slider would lose the focus
            return [gr.skip()] * (len(self.drawn) + 1)
        return [*self.draw(tuple(part for part in as_stack(parts) if not part.key or part.key != id_)), ""]

    def draw(self, parts: Stack, choices: list | None = None) -> list[Any]:
        """Values for `drawn`; with `choices` other skills are offered than before."""
        room = len(parts) < MAX_STACK
        offered = {} if choices is None else {"choices": choices}
        shown = render.stack([(part.key, part.name, part.share) for part in parts[len(parts) == 1 :]])
        return [as_lists(parts), gr.Dropdown(value=None, interactive=room, label=self._label(room), **offered), shown]

    @staticmethod
    def unmeasured(parts: Stack) -> str:
        """What the meter says of a stack with another skill in the editor than before."""
        return render.activity("Compare, or move a weight, to see how far they overlap.") if len(parts) > 1 else ""

    def _label(self, room: bool) -> str:
        what = "Add a skill of the library, or one of yours" if self.shelf else "Add a skill of the library"
        return what if room else f"A stack has at most {MAX_STACK} skills"

    def _text(self, part: Chosen, identity: Any) -> str:
        if part.key.startswith(OWN):
            return self._own(part.key, identity).text
        return part.text or self.studio.library.get(part.key).text

    def _own(self, key: str, identity: Any) -> ShelfSkill:
        """Raises StudioError for one that is not this visitor's, or no longer there."""
        try:
            skill = self.shelf.get(owner_of(identity), key.removeprefix(OWN))
        except ShelfError as error:
            raise StudioError(str(error)) from error
        if skill.deleted is not None:
            raise StudioError(f"You deleted {skill.name}. Remove it from the stack, or take it back in the library.")
        return skill

    def wire(self, source: list[Component], training: Training | None) -> list[Any]:
        """Let the list and the meter follow; gives the events after which the skills that are compared are others."""
        known = [self.identity] if self.identity else []
        asked = {self.parts, *source, *known}

        def measure(values: dict, request: gr.Request) -> Iterator[str]:
            parts = values[self.parts]
            if len(parts) == 1 or self.studio.status().state != "ready":  # then Compare tells it
                yield ""
                return
            yield render.activity("Measuring how far they overlap", "busy")
            try:
                checkpoint = checkpoint_used(training, values.get(self.identity))
                text = source_text(*(values[component] for component in source))
                skill = self.skill(text, parts, values.get(self.identity))
                yield render.overlaps(self._overlaps(request.session_hash, checkpoint, skill))
            except StudioError as error:
                yield render.notice(str(error))

        shown = [*self.drawn, self.meter]
        add = self.add.input(self.added, [self.parts, self.add, *known], shown, **QUICK)
        self.list.edit(None, self.parts, self.parts, js=_WEIGHTS, api_visibility="private")
        edit = self.list.edit(self.edited, self.parts, shown, js=_WEIGHTS, **QUICK | {"trigger_mode": "multiple"})
        last = {"trigger_mode": "always_last"}  # one that comes while another is measured would be dropped
        for event in (add, edit):
            event.then(measure, asked, self.meter, show_progress="hidden", api_visibility="private", **last, **MODEL)
        return [add, edit]

    def _overlaps(self, session: str, checkpoint: Path | None, parts: tuple[Part, ...]) -> tuple:
        self.studio.use(session, checkpoint)
        return self.studio.overlaps(session, parts)
