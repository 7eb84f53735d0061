"""The left side of the page: the library of skills and the editor with its two ways to write one.

The form and the raw SKILL.md are kept in step: the form is rendered into the text, the text is parsed into the form.
"""

import json
from dataclasses import replace
from typing import Any

import gradio as gr

from skills.evals import render_evals
from skills.library import SUBTASKS, LibraryEntry, SkillLibrary
from skills.skill import Skill, SkillError
from studio.service import Studio
from studio.sharing import Brought
from studio.views import render
from studio.views.import_panel import ImportPanel
from studio.views.wiring import LIVE_REGION, QUICK, typing

ALL = "All subtasks"
MAX_LEFT = 5  # texts that were left unsaved and can be taken back: a browser keeps a few MB
NEW = Skill("my-skill", "What the skill does, and when to use it.", "# My skill\n\nSay here how to answer.")

# Tokens and problems change at every pause of typing: what they come to is read out, and only where that has changed.
_HEARD = """
const heard = element.parentElement.appendChild(document.createElement("p"));
heard.className = "unseen";
heard.setAttribute("role", "status");
const tell = () => {
  const parts = [...element.querySelectorAll(".length [data-severity], p.problem")].map((part) => part.textContent);
  if (heard.textContent !== parts.join(". ")) heard.textContent = parts.join(". ");
};
new MutationObserver(tell).observe(element, {subtree: true, childList: true, characterData: true});"""

# The browser has the text already, so it writes the file: nothing of it stays on the server.
_SAVE = """(...source) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([source[0]], {type: "text/markdown"}));
  link.download = "SKILL.md";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}"""

# What is being edited stays in the browser, so that a reload or a restart of the server takes nothing away. Then a link
# in the address bar goes: a reload would open that.
_REMEMBER = """(...edited) => {
  store("draft", JSON.stringify(edited));
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
}"""
# A link says itself what is to be opened. What was typed before the rest was recalled is not to stay instead of it.
RECALLED = f"""(...edited) => {{
  if (stored("draft") && !location.hash.startsWith("#link=")) ({_REMEMBER})(...edited);
}}"""
RECALL = """(_, ...page) => [location.hash.startsWith("#link=") ? "" : stored("draft"), ...page]"""

# The texts that were left unsaved as others were opened have a place of their own, and a button that brings them back.
_SET_ASIDE = """(left) => {
  store("left", left);
  return {visible: Boolean(left), __type__: "update"};
}"""
LEFT = """() => stored("left")"""

# What a save comes to for the editor counts only while no other skill was opened.
SHOW_SAVED = """(saved, opening, ...now) => {
  const {of, values} = saved ? JSON.parse(saved) : {};
  return of === opening ? values : now;
}"""

# What the server has to say of a typed text is shown only if that text still stands in the editor.
SHOW_TYPED = """(said, ...page) => {
  const {typed, shown} = JSON.parse(said);
  const same = JSON.stringify(typed) === JSON.stringify(page.slice(0, typed.length));
  return same ? shown : page.slice(typed.length);
}"""


def recalled(draft: str) -> tuple[str, str, str, str, str, str] | None:
    """What a browser remembers: (text, library's skill, own id, evals, the text as it was opened or saved, the version
    that was opened where that is not the newest).

    None where that is nothing.
    """
    try:
        parts = list(json.loads(draft))
    except (ValueError, TypeError, RecursionError):
        return None
    if len(parts) not in (7, 8, 9, 10) or not all(isinstance(part, str) for part in parts):
        return None
    # a browser may remember from before evals were, the text as it was opened, or versions
    chosen, own, evals, clean, version = (*parts[5:], "", "", "")[:5]
    return source_text(*parts[:5]), chosen, own, evals, clean, version


def unsaved(draft: str) -> bool:
    """Whether the text that a browser remembers is neither the one that was opened nor one that was saved."""
    text, *_, clean, _ = recalled(draft) or ("", "", "")
    return bool(text.strip()) and text.splitlines() != clean.splitlines()


def set_aside(left: str, draft: str, last: bool = True) -> str:
    """What a browser remembers of texts that were left, with one more if that is unsaved: as the last, or the first.

    Beyond MAX_LEFT the first goes.
    """
    if not unsaved(draft):
        return left
    texts = [text for text in left_texts(left) if text != draft]
    return json.dumps(([*texts, draft] if last else [draft, *texts])[-MAX_LEFT:])


def left_texts(left: str) -> list[str]:
    """The texts that were left, each as a browser remembers the one that is being edited; the newest last."""
    try:
        texts = list(json.loads(left))
    except (ValueError, TypeError, RecursionError):
        return []
    if recalled(left):  # from before there were several
        return [left]
    return [text for text in texts if isinstance(text, str) and recalled(text)]


def source_text(raw: str, name: str, description: str, body: str, edited: str) -> str:
    """The text of the skill: the raw one, or the form's where the form was edited last.

    The raw text follows the form a moment later; a click that comes sooner still means what the form shows.
    """
    if edited != "form":
        return raw
    try:
        return replace(Skill.parse(raw), name=name, description=description, body=body).render()
    except SkillError:  # nothing in the raw text to keep
        return Skill(name, description, body).render()


def form_values(text: str) -> tuple[str, str, str]:
    """(name, description, body) of a text; the whole text as body where nothing can be made of it."""
    try:
        skill = Skill.parse(text)
    except SkillError:
        return "", "", text
    return skill.name, skill.description, skill.body


def matches(library: SkillLibrary, query: str, subtask: str) -> list[str]:
    """Names of the library's skills that fit the search box and the filter."""
    return [entry.skill.name for entry in library.search(query, None if subtask == ALL else subtask)]


class SkillPanel:
    """The components of the left side; `source` are the inputs of `source_text`, `shown` what opening a skill sets."""

    def __init__(self, studio: Studio, first: LibraryEntry, keeps: bool) -> None:
        """`keeps`: the server can keep a visitor's own skills."""
        self.studio, self.keeps = studio, keeps
        # All are the browser's to remember: the library skill that was opened or forked, or '', and the own one's id.
        self.chosen = gr.Textbox(first.skill.name, visible=False)
        self.own = gr.Textbox("", visible=False)
        self.evals = gr.Textbox("", visible=False)  # those of a skill that is not the library's, as an evals.json
        self.clean = gr.Textbox(first.text, visible=False)  # the text as it was opened, or saved last
        self.version = gr.Textbox("", visible=False)  # of the own skill, the number of an older one that was opened
        self.opening = gr.Textbox("", visible=False)  # another one as soon as another skill is opened
        self.saved = gr.Textbox("", visible=False)  # what the server says of a save, for `SHOW_SAVED`
        self.draft = gr.Textbox("", visible=False)  # what the browser remembers, when the page opens
        self.left = gr.Textbox("", visible=False)  # of the texts that were left unsaved; '' for none
        name, description, body = form_values(first.text)
        with gr.Column(elem_id="library"):
            with gr.Row(elem_classes="tight"):
                self.query = gr.Textbox(
                    label="Search the library", placeholder="commit, log …", max_lines=1, min_width=120, elem_id="query"
                )
                self.subtask = gr.Dropdown(
                    [ALL, *SUBTASKS], value=ALL, label="Subtask", filterable=False, min_width=120
                )
            names = matches(studio.library, "", ALL)
            self.picker = gr.Radio(names, value=first.skill.name, label="Library", elem_id="picker", container=False)
            self.nothing = gr.HTML("", elem_id="nothing")
            with gr.Row(elem_classes="tight buttons"):
                self.new = gr.Button("New", size="sm", min_width=60)
                self.open_import = gr.Button("Import", size="sm", min_width=60, elem_id="open-import")
                self.save = gr.Button("Download", size="sm", min_width=60, elem_id="save")
                self.keep = gr.Button("Save", size="sm", min_width=60, visible=keeps, elem_id="keep-skill")
                self.back = gr.Button("Back to my text", size="sm", min_width=60, visible=False, elem_id="back-to-text")
            self.kept = gr.HTML("", elem_id="kept-skill", js_on_load=LIVE_REGION)
            self.imports = ImportPanel(self.open_import)
        with gr.Column(elem_id="editor"):
            with gr.Tabs():
                with gr.Tab("Form", elem_id="skill-form"):
                    self.name = gr.Textbox(name, label="Name", max_lines=1, elem_id="skill-name")
                    self.description = gr.Textbox(
                        description, label="Description", lines=2, max_lines=4, elem_id="skill-description"
                    )
                    self.body = gr.Textbox(
                        body, label="Body", lines=9, max_lines=9, elem_id="skill-body", elem_classes="mono"
                    )
                with gr.Tab("SKILL.md"):
                    self.raw = gr.Textbox(
                        first.text,
                        label="The whole text",
                        lines=15,
                        max_lines=15,
                        elem_id="skill-raw",
                        elem_classes="mono",
                    )
            self.edited = gr.Textbox("raw", visible=False)  # which of the two was edited last: "raw" or "form"
            self.said = gr.Textbox("", visible=False)  # what the server says of a typed text, for `SHOW_TYPED`
            self.beside = gr.HTML("", elem_id="beside", js_on_load=LIVE_REGION)
            self.live = gr.HTML(self.live_line(first.text), elem_id="live", js_on_load=_HEARD)
        self.query_typed, self.form_typed, self.raw_typed = map(typing, ("#query", "#skill-form", "#skill-raw"))
        self.form = [self.name, self.description, self.body]
        self.source = [self.raw, *self.form, self.edited]
        self.shown = [*self.source, self.live]
        self.remembered = [*self.source, self.chosen, self.own, self.evals, self.clean, self.version]
        self.brought = [self.evals, self.beside]
        self.kept_as = [self.own, self.clean, self.version, *self.brought]
        self._wire()

    def live_line(self, text: str) -> str:
        """The markup of tokens and problems of a text."""
        return render.live_line(self.studio.examine(text), text)

    def bring(self, text: str, brought: Brought, kept: bool) -> list[str]:
        """Values for `brought`: the evals that the browser remembers, and what is to say of the files beside a text."""
        evals = render_evals(form_values(text)[0] or NEW.name, brought.evals).decode() if brought.evals else ""
        return [evals, render.beside(brought, kept, self.keeps)]

    def show(self, text: str) -> list[str]:
        """Values for `shown`: the text, the form it fills, and what is to say of it."""
        return [text, *form_values(text), "raw", self.live_line(text)]

    def remember(self, event: Any) -> Any:
        """After an event, let the browser remember what is in the editor."""
        return event.then(None, self.remembered, js=_REMEMBER, api_visibility="private")

    def _find(self, query: str, subtask: str, chosen: str) -> tuple[gr.Radio, str]:
        names = matches(self.studio.library, query, subtask)
        nothing = (
            "No shipped skill fits. Your own are in the tab Library."
            if self.keeps
            else "No skill fits. Clear the search, or write a new one."
        )
        empty = "" if names else f'<p class="hint">{nothing}</p>'
        return gr.Radio(names, value=chosen if chosen in names else None, visible=bool(names)), empty

    def _wire(self) -> None:
        self.left.change(None, self.left, self.back, js=_SET_ASIDE, api_visibility="private")
        self.save.click(None, self.source, js=_SAVE, api_visibility="private")
        for typed in (self.form_typed, self.raw_typed):
            for moment in (typed.edit, typed.input):
                moment(None, self.remembered, js=_REMEMBER, api_visibility="private")
        # before anything else that is clicked: what is said of a save comes after it
        at_once = [self.edited, self.kept]
        self.form_typed.edit(None, outputs=at_once, js="() => ['form', '']", api_visibility="private")
        self.raw_typed.edit(None, outputs=at_once, js="() => ['raw', '']", api_visibility="private")
        gr.on(
            [self.query_typed.input, self.subtask.input],
            self._find,
            [self.query, self.subtask, self.chosen],
            [self.picker, self.nothing],
            **QUICK,
        )
