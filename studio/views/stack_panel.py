"""Several skills at once: the one in the editor and others of the library, a weight each, and how far they overlap."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from studio.service import MAX_SHARE, MAX_STACK, Part, Source, Studio, StudioError
from studio.views import render
from studio.views.gpu import on_gpu
from studio.views.skill_panel import source_text
from studio.views.visitor import Training
from studio.views.wiring import ACTIONS, LIVE_REGION, QUICK

ALONE = (("", 1.0),)  # the skill in the editor and no other

# A slider's number follows it while it is drawn; the server hears of it when it is let go.
_SLIDERS = """
element.addEventListener("input", (event) => {
  const shown = event.target.nextElementSibling;
  if (shown?.tagName === "OUTPUT") shown.textContent = Number(event.target.value).toFixed(1);
});"""


class StackPanel:
    """The components of a stack; `parts` holds (name, share): '' for the skill in the editor, then the added ones."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.parts = gr.State(ALONE)
        names = [entry.skill.name for entry in studio.library.list()]
        with gr.Accordion("Several skills at once", open=False, elem_id="stack"):
            self.add = gr.Dropdown(names, value=None, label="Add a skill of the library", elem_id="stack-add")
            self.list = gr.HTML(render.stack(ALONE), elem_id="stack-list", js_on_load=ACTIONS + _SLIDERS)
            self.meter = gr.HTML("", elem_id="stack-meter", js_on_load=LIVE_REGION)
        self.drawn = [self.parts, self.add, self.list, self.meter]
        self._overlaps = on_gpu(self._overlaps)

    def skill(self, text: str, parts: tuple[tuple[str, float], ...]) -> Source:
        """What is compared: the text in the editor, or the stack of it and the added skills."""
        if len(parts) == 1:
            return text
        (_, share), *added = parts
        return (Part(text, share), *(Part(self.studio.library.get(name).text, weight) for name, weight in added))

    def added(self, parts: tuple[tuple[str, float], ...], name: str) -> list[Any]:
        """Values for `drawn` with one more skill."""
        known = {name for name, _ in parts}
        if name and name not in known and len(parts) < MAX_STACK:
            parts = (*parts, (name, 1.0))
        return self._draw(parts)

    def edited(self, parts: tuple[tuple[str, float], ...], event: gr.EventData) -> list[Any]:
        """Values for `drawn` after a click or an edit in the list."""
        what, id_, value = (event._data.get(key) for key in ("what", "id", "value"))
        if what == "remove":
            return self._draw(tuple(part for part in parts if not part[0] or part[0] != id_))
        try:
            share = min(MAX_SHARE, max(0.0, float(value)))
        except (TypeError, ValueError):
            return [gr.skip()] * len(self.drawn)
        parts = tuple((name, share if name == id_ else old) for name, old in parts)
        return [parts, *[gr.skip()] * (len(self.drawn) - 1)]  # drawn anew, the slider would lose the focus

    def _draw(self, parts: tuple[tuple[str, float], ...]) -> list[Any]:
        room = len(parts) < MAX_STACK
        label = "Add a skill of the library" if room else f"A stack has at most {MAX_STACK} skills"
        return [parts, gr.Dropdown(value=None, interactive=room, label=label), render.stack(parts), ""]

    def wire(
        self, source: list[Component], training: Training | None, identity: gr.BrowserState | None, model: dict
    ) -> list[Any]:
        """Let the list and the meter follow; gives the events after which the skills that are compared are others."""
        asked = {self.parts, *source, *({identity} if training else ())}

        def measure(values: dict, request: gr.Request) -> Iterator[str]:
            parts = values[self.parts]
            if len(parts) == 1 or self.studio.status().state != "ready":  # then Compare tells it
                yield ""
                return
            yield render.activity("Measuring how far they overlap", "busy")
            try:
                checkpoint = training.checkpoint_in_use(values[identity]) if training else None
                skill = self.skill(source_text(*(values[component] for component in source)), parts)
                yield render.overlaps(self._overlaps(request.session_hash, checkpoint, skill))
            except StudioError as error:
                yield render.notice(str(error))

        add = self.add.input(self.added, [self.parts, self.add], self.drawn, **QUICK)
        edit = self.list.edit(self.edited, self.parts, self.drawn, **QUICK | {"trigger_mode": "multiple"})
        last = {"trigger_mode": "always_last"}  # one that comes while another is measured would be dropped
        for event in (add, edit):
            event.then(measure, asked, self.meter, show_progress="hidden", api_visibility="private", **last, **model)
        return [add, edit]

    def _overlaps(self, session: str, checkpoint: Path | None, parts: tuple[Part, ...]) -> tuple:
        self.studio.use(session, checkpoint)
        return self.studio.overlaps(session, parts)
