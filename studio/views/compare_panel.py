"""The right side of the page: the prompt with its examples and settings, the three panes, and the adapter's card.

What the service says, errors included, becomes updates of the page as it comes.
"""

import json
import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from skills.evals import Eval
from skills.library import LibraryEntry, SkillLibrary
from skills.skill import text_sha256
from studio.fidelity import Check, Fidelity
from studio.links import Link, LinkError, link_to
from studio.service import PANES, Comparison, Settings, Source, Studio, StudioError
from studio.sharing import NOTHING, Brought
from studio.shelf import Shelf, ShelfError
from studio.views import render
from studio.views.gpu import on_gpu, refusal
from studio.views.skill_panel import source_text
from studio.views.stack_panel import ALONE, Stack, StackPanel, as_stack
from studio.views.visitor import Training, checkpoint_used, owner_of
from studio.views.wiring import FULL, LIVE_REGION, MODEL, QUICK, typing
from studio.wording import counted

MAX_LABEL = 36  # characters of an example's prompt on its button

# What the panes answer: the skill's text, the prompt, the answers, and the evals that hold of the text.
Given = tuple[str, str, tuple[str, ...], tuple[Eval, ...]]

# No language: the colours that Gradio gives to code are too pale to read on white.
_PLAIN = {"interactive": False, "show_line_numbers": False, "wrap_lines": True, "buttons": ["copy"]}

# Shown in the browser before the server has answered: the place in the queue may be a while away.
_BEGIN = """(mark) => [
  '<p class="line" data-state="busy">Waiting for the model</p>',
  {visible: true, __type__: "update"},
  {interactive: false, __type__: "update"},
  {interactive: false, __type__: "update"},
  mark,
]"""

_STOPPED = "stopped"  # stands in `ran` where the visitor ended the run
STOPPED = "Stopped. The answers are as far as they came."

# Where a run has ended and the line still says that it goes on: the server did not take it on, or lost it on the way;
# or it was stopped, and what it had sent until then came last.
_ENDED = """(activity, mark, ran, ...values) => {
  const update = (change) => ({...change, __type__: "update"});
  const isStopped = ran === "stopped";
  if (!(ran === mark || isStopped) || !activity.includes('data-state="busy"')) return Array(4).fill(update({}));
  const fits = (value, [, low, high]) => typeof value === "number" && low <= value && value <= high;
  const wrong = LIMITS.find((limit, at) => !fits(values[at], limit));
  let why = activity.includes(">Waiting for the model<") ? FULL : "The run broke off. Press the button again.";
  if (wrong) why = `${wrong[0]} must be a number from ${wrong[1]} to ${wrong[2]}. Set it, and press again.`;
  const line = isStopped ? STOPPED : `<p class="line" data-state="failed">${why}</p>`;
  return [line, update({visible: false}), update({interactive: true}), update({interactive: true})];
}""".replace("FULL", json.dumps(FULL)).replace("STOPPED", json.dumps(render.activity(STOPPED)))

_START = """(run) => {
  if (run) setTimeout(() => document.querySelector("#compare")?.click(), 100);
  return "";
}"""

_OTHER_PROMPT = """(asked, prompt) => asked && asked.trim() !== prompt.trim()
  ? '<p class="line">The answers below are to an earlier prompt.</p>' : ''"""

# Without the clipboard, which plain http pages don't get, the link goes where it can be copied from by hand.
_COPY = """async (fragment) => {
  const line = (state, text) => `<p class="line" data-state="${state}">${text}</p>`;
  const own = /&(text=|with=%3A)/.test(fragment);
  const holds = own ? " It holds the whole text of your skill and the prompt: whoever has it can read them." : "";
  try {
    await navigator.clipboard.writeText(location.origin + location.pathname + fragment);
    return line("done", "Copied." + holds);
  } catch {
    history.replaceState(null, "", fragment);
    const there = "The link is in the address bar now; copy it from there.";
    return line("failed", `Your browser did not let the page copy. ${there}${holds}`);
  }
}"""


def evals_of(library: SkillLibrary, chosen: str, brought: Brought = NOTHING) -> tuple[Eval, ...]:
    """The evals of the library skill that was chosen; those that a skill of one's own ('') brought along."""
    return library.get(chosen).evals if chosen else brought.evals


def is_edited(library: SkillLibrary, chosen: str, text: str) -> bool:
    """Whether a text is no longer that of the library skill that was chosen, so that its evals may not hold of it."""
    return bool(chosen) and library.get(chosen).text != text


def evals_of_text(library: SkillLibrary, chosen: str, brought: Brought, text: str) -> tuple[Eval, ...]:
    """As `evals_of`, to be trained on: none of an edited text."""
    return () if is_edited(library, chosen, text) else evals_of(library, chosen, brought)


def eval_of(library: SkillLibrary, chosen: str, prompt: str, brought: Brought = NOTHING) -> Eval | None:
    """The eval whose prompt this is, so that answers to an edited prompt are not compared with that to another one."""
    return next((ev for ev in evals_of(library, chosen, brought) if ev.prompt.strip() == prompt.strip()), None)


def trace_of(brought: Brought) -> str:
    """By this the page knows that something came with a skill, should the server forget what."""
    return brought.place or ("evals" if brought.evals else "")


def still_there(brought: Brought, trace: str) -> Brought:
    """What came with a skill, by the page's trace of it. Raises StudioError where the server has forgotten it.

    Gradio does that with a State of a page that fell silent once, though it is still open.
    """
    if trace_of(brought) != trace:
        raise StudioError(
            "What came with this skill is no longer available. Reload the page, which keeps your text, or import the "
            "skill again."
        )
    return brought


def digest(text: str) -> str:
    """By this the page knows whether the adapter on show was made from the text in the editor."""
    return text_sha256(text)


def new_mark() -> str:
    """A value for `mark` that it never had: what runs, or waits to, was asked for before it."""
    return secrets.token_hex(8)


class ComparePanel:
    """The components of the right side and the handlers that belong to them alone."""

    def __init__(
        self,
        studio: Studio,
        first: LibraryEntry,
        source: list[Component],
        chosen: Component,
        training: Training | None,
        identity: gr.BrowserState | None,
        shelf: Shelf | None,
    ) -> None:
        """`source` are the inputs of `source_text`, `chosen` the name of the library skill that was opened, or ''.

        With `training`, answers can be kept as examples, and adapters come from the hypernetwork that the visitor with
        an `identity` uses. What checks find is kept on the `shelf`.
        """
        self.studio, self.source, self.chosen = studio, source, chosen
        self.training, self.identity, self.shelf = training, identity, shelf
        self.made_from = gr.State("")  # digest of the text that the adapter on show was made from
        self.checked = gr.State("")  # digest of the text that the check on show is of
        self.found = gr.State(None)  # what that check found, once it is done
        self.brought = gr.State(NOTHING)  # what an imported skill or one of one's own has beside its text
        self.trace = gr.Textbox("", visible=False)  # of `brought`, as `trace_of`
        self.linked = gr.State(None)  # the link that was opened
        self.run = gr.Textbox("", visible=False)  # whether a link that was opened is still to be compared
        self.mark = gr.Textbox("", visible=False)  # another one as soon as skill, stack or hypernetwork is another
        self.ran = gr.Textbox("", visible=False)  # what the mark was when the last run was asked for
        prompt = first.evals[0].prompt if first.evals else ""
        with gr.Column(elem_id="work"):
            self.prompt = gr.Textbox(
                prompt,
                label="Prompt",
                placeholder="What to ask the model (Ctrl+Enter compares)",
                lines=2,
                max_lines=8,
                elem_id="prompt",
                elem_classes="mono",
            )
            self.examples = gr.Dataset(
                components=["textbox"], type="index", elem_id="examples", **self._samples(first.evals)
            )
            with gr.Row(elem_classes="tight", elem_id="go"):
                self.compare = gr.Button("Compare", variant="primary", size="md", min_width=110, elem_id="compare")
                self.check = gr.Button(
                    "Check on its examples", size="md", min_width=180, visible=bool(first.evals), elem_id="check"
                )
                self.stop = gr.Button("Stop", size="md", min_width=80, visible=False, elem_id="stop")
                with gr.Column(elem_id="status", min_width=160):
                    self.state = gr.HTML(render.model_state(studio.status()), js_on_load=LIVE_REGION)
                    self.activity = gr.HTML("", elem_id="activity", js_on_load=LIVE_REGION)
            with (
                gr.Accordion("Settings: temperature, length, seed, strength", open=False, elem_id="settings"),
                gr.Row(),
            ):
                defaults = Settings()
                self.temperature = gr.Slider(0, 2, defaults.temperature, step=0.1, label="Temperature")
                self.length = gr.Slider(1, 1024, defaults.max_new_tokens, step=1, label="Length (tokens)")
                self.seed = gr.Number(defaults.seed, precision=0, label="Seed")
                self.strength = gr.Slider(0, 2, defaults.strength, step=0.05, label="Strength")
            self.stack = StackPanel(studio, shelf, identity)
            self.expected = gr.HTML(self.expected_line(first.skill.name, prompt, NOTHING, ALONE, first.text))
            self.asked = gr.Textbox("", visible=False)  # the prompt that the panes answer; '' for none
            self.other_prompt = gr.HTML("", elem_id="other-prompt", js_on_load=LIVE_REGION)
            self.verdict = gr.HTML("", elem_id="from-link", js_on_load=LIVE_REGION)
            self.panes = gr.HTML(render.panes(None), elem_id="answers")
            with gr.Row(visible=False, elem_classes="tight buttons", elem_id="share") as self.share:
                self.link = gr.Textbox("", visible=False)  # from the '#' on
                self.copy = gr.Button("Copy link", size="sm", min_width=90, elem_id="copy-link")
                self.copied = gr.HTML("", elem_id="copied", js_on_load=LIVE_REGION)
            self.given = gr.State(("", "", ("", "", ""), ()))  # as `Given`
            with gr.Accordion(
                "Keep an answer as an example to train on", open=False, visible=False, elem_id="keep"
            ) as self.keep:
                self.pane = gr.Radio(PANES, value=PANES[-1], label="Answer", type="index", elem_id="kept-pane")
                self.answer = gr.Textbox(
                    label="What the answer should be", lines=2, max_lines=8, elem_id="kept", elem_classes="mono"
                )
                with gr.Row(elem_classes="tight buttons"):
                    self.keep_it = gr.Button("Keep this answer as an example", size="sm", elem_id="keep-answer")
                    self.kept = gr.HTML("", elem_id="kept-line", js_on_load=LIVE_REGION)
            self.check_stale = gr.HTML("", elem_id="check-stale", js_on_load=LIVE_REGION)
            self.fidelity = gr.HTML(
                render.fidelity(None, bool(first.evals)), elem_id="fidelity", js_on_load=LIVE_REGION
            )
            with gr.Column(elem_id="adapter"):
                gr.HTML("<h2>Adapter</h2>", elem_classes="heading")
                self.stale = gr.HTML("", elem_id="stale", js_on_load=LIVE_REGION)
                self.card = gr.HTML(render.adapter_card(None, None), elem_id="card")
                with gr.Row(elem_classes="tight buttons"):
                    self.download = gr.DownloadButton(
                        "Download adapter (PEFT)", size="sm", visible=False, elem_id="download"
                    )
                    self.gguf = gr.DownloadButton(
                        "Download for llama.cpp (GGUF)", size="sm", visible=False, elem_id="download-gguf"
                    )
                with gr.Accordion("Use the adapter elsewhere", open=False, visible=False) as self.use:
                    self.peft = gr.Code(label="PEFT", lines=2, **_PLAIN)
                    self.vllm = gr.Code(label="vLLM", lines=2, **_PLAIN)
                    self.llama_cpp = gr.Code(label="llama.cpp", lines=2, **_PLAIN)
        self.offered = [
            self.prompt,
            self.examples,
            self.expected,
            self.check,
            self.fidelity,
            self.check_stale,
            self.checked,
            self.brought,
            self.trace,
            self.mark,
        ]
        self.settings = [self.temperature, self.length, self.seed, self.strength]
        # what a link that was opened sets besides its skill and what belongs to that
        self.followed = [*self.settings, self.run, *self.stack.drawn, self.stack.panel]
        self.linking = [self.verdict, self.share]
        # what is on show of other skills once those of the stack have changed
        self.others = [self.examples, self.expected, self.panes, self.asked, self.keep, self.activity, *self.linking]
        self.others.append(self.mark)
        # What follows a link that was opened: a click, as soon as the page has what it was asked for.
        self.start = {"fn": None, "inputs": self.run, "outputs": self.run, "js": _START, "api_visibility": "private"}
        self.made = [
            self.panes,
            self.asked,
            self.keep,
            *self.linking,
            self.activity,
            self.stale,
            self.fidelity,
            self.check_stale,
            self.checked,
            self.card,
            self.download,
            self.gguf,
            self.use,
            self.made_from,
        ]
        self._shipped_prompts = {ev.prompt.strip() for entry in studio.library.list() for ev in entry.evals}
        self._model_work, self._model_check = on_gpu(self._model_work), on_gpu(self._model_check)
        self._wire()

    def offer(
        self, chosen: str, text: str, prompt: str, brought_before: Brought, brought: Brought, parts: Stack
    ) -> list[Any]:
        """Values for `offered`: the examples of a skill, and of the added ones of the stack that it is in now.

        A prompt that is an example of another skill makes room.
        """
        evals = evals_of(self.studio.library, chosen, brought)
        if prompt.strip() in self._shipped_prompts | {ev.prompt.strip() for ev in brought_before.evals}:
            prompt = ""
        prompt = prompt if prompt.strip() or not evals else evals[0].prompt
        check = [gr.Button(visible=bool(evals)), render.fidelity(None, bool(evals)), "", ""]
        examples = gr.Dataset(**self._samples(self._evals(chosen, brought, parts)))
        expected = self.expected_line(chosen, prompt, brought, parts, text)
        kept = NOTHING if chosen else brought
        return [prompt, examples, expected, *check, kept, trace_of(kept), new_mark()]

    def follow(self, link: Link, skill: Source, text: str) -> dict:
        """What a link that was opened sets besides its skill, whose texts are those here, and what is to say of it.

        `text` is that of the skill in the editor.
        """
        note, given, parts = link.note(skill), link.settings, self.stack.of_link(link)
        chosen, stacked = link.skills[0].name, len(parts) > 1
        values = dict(zip(self.stack.drawn, self.stack.draw(parts), strict=True)) | {
            self.stack.panel: gr.Accordion(open=stacked),
            self.panes: render.panes(None, stacked),
            self.asked: "",
            self.examples: gr.Dataset(**self._samples(self._evals(chosen, NOTHING, parts))),
            self.prompt: link.prompt,
            self.expected: self.expected_line(chosen, link.prompt, NOTHING, parts, text),
            self.temperature: given.temperature,
            self.length: given.max_new_tokens,
            self.seed: given.seed,
            self.strength: given.strength,
            self.linked: link,
            self.run: "1",
        }
        return values | {self.verdict: render.from_link(note or "Opened from a link.", False if note else None)}

    def unlinked(self) -> list[Any]:
        """Values for `linking`: no link is open, and none is offered."""
        return ["", gr.Row(visible=False)]

    def unmade(self, chosen: str, brought: Brought, parts: Stack) -> list[Any]:
        """Values for `made`: nothing is on show any more of what was made before."""
        found = render.fidelity(None, bool(evals_of(self.studio.library, chosen, brought)))
        hidden = [*[gr.DownloadButton(value=None, visible=False)] * 2, gr.Accordion(visible=False)]
        panes = [render.panes(None, len(parts) > 1), "", gr.Accordion(visible=False), *self.unlinked()]
        return [*panes, "", "", found, "", "", render.adapter_card(None, None), *hidden, ""]

    def stale_lines(self, made_from: str, checked: str, *source: str) -> tuple[str, str]:
        """The markup that says whether the adapter and the check on show are of another text than the editor's."""
        now = digest(source_text(*source))
        old, found_for_old = (bool(seen) and seen != now for seen in (made_from, checked))
        return render.stale_line(old), render.stale_check(found_for_old)

    def expected_line(self, chosen: str, prompt: str, brought: Brought, parts: Stack, text: str) -> str:
        """The markup of what the panes are compared with; `parts` are those of a stack."""
        ev = self._eval_of(chosen, prompt, brought, parts)
        has_examples = bool(self._evals(chosen, brought, parts))
        edited = is_edited(self.studio.library, chosen, text)
        return render.expected_line(ev.expected_output if ev else None, has_examples, edited)

    def _expected(self, chosen: str, prompt: str, brought: Brought, parts: Stack, *source: str) -> str:
        return self.expected_line(chosen, prompt, brought, parts, source_text(*source))

    def _evals(self, chosen: str, brought: Brought, parts: Stack) -> tuple[Eval, ...]:
        """The examples of the skill in the editor, and then those of the added ones of the library."""
        added = (ev for part in as_stack(parts) if part.is_shipped for ev in evals_of(self.studio.library, part.key))
        return (*evals_of(self.studio.library, chosen, brought), *added)

    def _eval_of(self, chosen: str, prompt: str, brought: Brought, parts: Stack) -> Eval | None:
        added = (eval_of(self.studio.library, part.key, prompt) for part in as_stack(parts) if part.is_shipped)
        return next(filter(None, (eval_of(self.studio.library, chosen, prompt, brought), *added)), None)

    def _restacked(self, parts: Stack, chosen: str, prompt: str, brought: Brought, *source: str) -> list[Any]:
        """The examples of all skills; the answers on show were given for others."""
        examples = gr.Dataset(**self._samples(self._evals(chosen, brought, parts)))
        expected = self._expected(chosen, prompt, brought, parts, *source)
        shown = [examples, expected, render.panes(None, len(parts) > 1)]
        return [*shown, "", gr.Accordion(visible=False), "", *self.unlinked(), new_mark()]

    def renew(self, event: Callable) -> None:
        """After an event, offer the visitor's own skills for the stack as they are now."""
        if self.stack.shelf:
            asked = [self.identity, self.stack.parts, self.chosen, self.prompt, self.brought, *self.source]
            event(self._renewed, asked, [*self.stack.drawn, self.stack.meter, *self.others], **QUICK)

    def _renewed(self, identity: Any, parts: Stack, *page: Any) -> list[Any]:
        renewed = self.stack.renewed(parts, identity)
        left = renewed[0]
        gone = isinstance(left, list) and len(left) < len(parts)
        return [*renewed, *(self._restacked(left, *page) if gone else [gr.skip()] * len(self.others))]

    def _samples(self, evals: tuple[Eval, ...]) -> dict[str, Any]:
        prompts = [" ".join(ev.prompt.split()) for ev in evals]
        labels = [text if len(text) <= MAX_LABEL else text[: MAX_LABEL - 1] + "…" for text in prompts]
        samples = [[ev.prompt] for ev in evals]
        return {"samples": samples, "sample_labels": labels, "label": "Examples", "visible": bool(evals)}

    def _take_example(self, index: int, chosen: str, brought: Brought, parts: Stack, *source: str) -> tuple[str, str]:
        prompt = self._evals(chosen, brought, parts)[index].prompt
        return prompt, self._expected(chosen, prompt, brought, parts, *source)

    def _wire(self) -> None:
        parts = self.stack.parts
        example = [self.examples, self.chosen, self.brought, parts, *self.source]
        self.examples.click(self._take_example, example, [self.prompt, self.expected], **QUICK)
        held = [self.chosen, self.prompt, self.brought, parts, *self.source]
        typing("#prompt").input(self._expected, held, self.expected, **QUICK)
        for changes in (self.asked.change, self.prompt.change):
            changes(None, [self.asked, self.prompt], self.other_prompt, js=_OTHER_PROMPT, api_visibility="private")
        self.copy.click(None, self.link, self.copied, js=_COPY, api_visibility="private")
        for event in self.stack.wire(self.source, self.training):
            event.then(
                self._restacked, [parts, self.chosen, self.prompt, self.brought, *self.source], self.others, **QUICK
            )

        ends = [self.activity, self.stop, self.compare, self.check]
        adapter = [self.card, self.download, self.gguf, self.use, self.peft, self.vllm, self.llama_cpp]
        adapter += [self.made_from, self.stack.meter]
        answers = [self.panes, self.asked, self.given, self.keep, self.pane, self.answer, self.kept]
        links = [*self.linking, self.link, self.copy, self.copied]
        identity = {self.identity} if self.identity else set()
        works = {
            self.compare: (
                self._answers,
                [*ends, *answers, *links, *adapter],
                {self.prompt, self.linked, parts, *self.settings, *identity},
            ),
            self.check: (self._check, [*ends, self.fidelity, self.checked, self.found], identity),
        }
        began = [self.mark, self.ran, self.chosen, self.brought, parts]
        sliders = [self.temperature, self.length, self.strength]
        ended = _ENDED.replace("LIMITS", json.dumps([[each.label, each.minimum, each.maximum] for each in sliders]))
        runs = []
        for button, (work, shown, asked) in works.items():
            button.click(None, self.mark, [*ends, self.ran], js=_BEGIN, api_visibility="private")
            run = button.click(
                work,
                {*self.source, self.chosen, self.brought, self.trace, *asked},
                shown,
                show_progress="minimal",
                show_progress_on=self.activity,
                trigger_mode="multiple",  # the button is disabled meanwhile; "once" would ignore it after a stop
                api_visibility="private",
                **MODEL,
            )
            run.then(self._overtaken, began, [*self.made, *ends[1:]], **QUICK)
            for event in (run.then, run.failure):
                event(None, [self.activity, self.mark, self.ran, *sliders], ends, js=ended, api_visibility="private")
            runs.append(run)
        # Only after the cancel: what was on its way until then would overwrite the message.
        stopped = self.stop.click(
            None, outputs=self.ran, cancels=runs, js=f"() => '{_STOPPED}'", api_visibility="private"
        )
        stopped.then(self._stopped, outputs=ends, **QUICK)
        self.mark.change(None, cancels=runs, api_visibility="private")
        # Asked anew each time: what is in the editor by then may be another text than the one that was run.
        seen = [self.made_from, self.checked]
        told = [self.stale, self.check_stale]
        gr.on([each.change for each in seen], self.stale_lines, [*seen, *self.source], told, **QUICK)
        if self.training:
            self.pane.input(self._take_answer, [self.given, self.pane], [self.answer, self.kept], **QUICK)
            self.keep_it.click(self._keep, [self.identity, self.given, self.answer], self.kept, **QUICK)

    def _take_answer(self, given: Given, pane: int) -> tuple[str, str]:
        return given[2][pane], ""

    def _keep(self, identity: dict, given: Given, answer: str) -> str:
        text, prompt, _, evals = given
        try:
            count = self.training.keep(identity, text, prompt, answer, evals)
        except ValueError as error:
            return render.activity(str(error), "failed")
        return render.activity(f"Kept. This skill now has {counted(count, 'example')} under Train.", "done")

    def _stopped(self) -> list[Any]:
        return [render.activity(STOPPED), gr.Button(visible=False), *[gr.Button(interactive=True)] * 2]

    def _overtaken(self, mark: str, ran: str, chosen: str, brought: Brought, parts: Stack) -> Any:
        """Values for `made` and the buttons after a run: none of it stays where the mark became another meanwhile.

        What the run had sent before it was cancelled may have come after the page was cleared.
        """
        if ran in (mark, _STOPPED):
            return gr.skip()
        return [*self.unmade(chosen, brought, parts), gr.Button(visible=False), *[gr.Button(interactive=True)] * 2]

    def _reported(self, work: Iterator[tuple[str, str, dict]], button: str, refused: dict) -> Iterator[dict]:
        """What a click on a button shows: the wait for the model, the (message, state, update) of the work, its end.

        `refused` are the updates where the work can't be done.
        """
        message, state, left = "", "busy", {}
        # Waited for here, not in the GPU's process, which would not see the loading end.
        while (status := self.studio.status()).state == "loading":
            yield {self.activity: render.activity(f"Waiting for the model. {status.message}", state)}
            time.sleep(0.5)
        try:
            with closing(work):
                for message, state, update in work:
                    yield {self.activity: render.activity(message, state), **update}
        except StudioError as error:
            message, state, left = str(error), "failed", refused
        except gr.Error as error:
            message, state, left = refusal(error), "failed", refused
        except Exception:
            logging.exception("%s failed", button)
            message, state = f"Something went wrong in the studio. Press {button} once more.", "failed"
        yield {
            **left,
            self.activity: render.activity(message, state),
            self.stop: gr.Button(visible=False),
            self.compare: gr.Button(interactive=True),
            self.check: gr.Button(interactive=True),
        }

    def _answers(self, values: dict, request: gr.Request) -> Iterator[dict]:
        yield {
            self.activity: render.activity("Reading the prompt", "busy"),
            self.panes: render.panes(None, len(values[self.stack.parts]) > 1),
            self.asked: values[self.prompt],
            self.keep: gr.Accordion(visible=False),
            self.share: gr.Row(visible=False),
            self.copied: "",
        }
        nothing = {self.panes: render.panes(None, len(values[self.stack.parts]) > 1), self.asked: ""}
        yield from self._reported(self._compared(values, request.session_hash), "Compare", nothing)

    def _compared(self, values: dict, session: str) -> Iterator[tuple[str, str, dict]]:
        text = source_text(*(values[component] for component in self.source))
        prompt, parts, shown = values[self.prompt], values[self.stack.parts], False
        skill = self.stack.skill(text, parts, values.get(self.identity))
        stacked = not isinstance(skill, str)
        brought = still_there(values[self.brought], values[self.trace])
        ev = self._eval_of(values[self.chosen], prompt, brought, parts)
        judged = ev and not is_edited(self.studio.library, values[self.chosen], text)
        expectation = (ev.expected_output, ev.assertions) if judged else (None, ())
        settings = Settings(
            values[self.temperature], int(values[self.length]), int(values[self.seed] or 0), values[self.strength]
        )
        checkpoint = checkpoint_used(self.training, values.get(self.identity))
        with closing(self._model_work(session, checkpoint, skill, prompt, settings, *expectation)) as work:
            for comparison, saved in work:
                update = {self.panes: render.panes(comparison, stacked)}
                if comparison.phase == "done":
                    update |= self._linked(comparison, values[self.linked], skill, prompt, settings)
                # an answer of several skills is an example of none of them
                if self.training and not stacked and comparison.phase == "done":
                    answers = tuple(pane.text for pane in comparison.panes)
                    evals = evals_of_text(self.studio.library, values[self.chosen], brought, text)
                    update |= {
                        self.given: (text, prompt, answers, evals),
                        self.keep: gr.Accordion(visible=True),
                        self.pane: None if expectation[0] else PANES[-1],  # the right one is known: none of the three
                        self.answer: expectation[0] or answers[-1],
                        self.kept: "",
                    }
                if comparison.adapter and not shown:
                    meter = render.overlaps(comparison.adapter.overlaps)
                    update |= {self.made_from: digest(text), self.stack.meter: meter}
                if comparison.adapter and (not shown or saved):
                    update |= self._adapter(comparison, saved)
                    shown = True
                yield comparison.message, "done" if comparison.phase == "done" else "busy", update

    def _check(self, values: dict, request: gr.Request) -> Iterator[dict]:
        yield {self.activity: render.activity("Reading the examples", "busy"), self.fidelity: "", self.checked: ""}
        yield from self._reported(self._checked(values, request.session_hash), self.check.value, {})

    def _checked(self, values: dict, session: str) -> Iterator[tuple[str, str, dict]]:
        text = source_text(*(values[component] for component in self.source))
        brought = still_there(values[self.brought], values[self.trace])
        evals = evals_of(self.studio.library, values[self.chosen], brought)
        checkpoint = checkpoint_used(self.training, values.get(self.identity))
        with closing(self._model_check(session, checkpoint, text, evals)) as work:
            for check in work:
                found = check.fidelity
                if check.phase == "done":
                    self._record(values, text, checkpoint, found)
                shown = render.fidelity(found, edited=is_edited(self.studio.library, values[self.chosen], text))
                update = {self.fidelity: shown, self.checked: digest(text)} if found.n else {}
                update[self.found] = found if found.n and check.phase == "done" else None
                yield check.message, "done" if check.phase == "done" else "busy", update

    def _record(self, values: dict, text: str, checkpoint: Path | None, found: Fidelity) -> None:
        """Keep what a check found for the visitor's library; it is on show in any case."""
        if self.shelf is None or found.score is None:
            return
        try:
            self.shelf.record(
                owner_of(values[self.identity]), digest(text), self.studio.fingerprint(checkpoint), found.score
            )
        except (ShelfError, StudioError) as error:
            logging.warning("a check was not kept: %s", error)

    def _linked(
        self, comparison: Comparison, opened: Link | None, skill: Source, prompt: str, settings: Settings
    ) -> dict:
        """The link to a comparison that is done, and whether it is what the link that was opened says of it."""
        info, answers = comparison.adapter, [pane.text for pane in comparison.panes]
        said = ""
        if opened and (opened.prompt, opened.settings) == (prompt, settings):
            with suppress(LinkError):
                if opened.source(self.studio.library) == skill:
                    verdict = opened.judge(skill, info, answers)
                    said = render.from_link(verdict.message, verdict.same)
        try:
            fragment = link_to(self.studio.library, skill, prompt, settings, info, answers).fragment()
            offered = {self.link: fragment, self.copy: gr.Button(visible=True), self.copied: ""}
        except LinkError as error:  # why there is none stands in its place
            why = render.activity(str(error))
            offered = {self.link: "", self.copy: gr.Button(visible=False), self.copied: why}
        return {self.verdict: said, self.share: gr.Row(visible=True), **offered}

    def _model_check(
        self, session: str, checkpoint: Path | None, text: str, evals: tuple[Eval, ...]
    ) -> Iterator[Check]:
        self.studio.use(session, checkpoint)
        with closing(self.studio.check(session, text, evals)) as checks:
            yield from checks

    def _model_work(
        self,
        session: str,
        checkpoint: Path | None,
        skill: Source,
        prompt: str,
        settings: Settings,
        expected: str | None,
        assertions: tuple,
    ) -> Iterator[tuple[Comparison, list[Path] | str | None]]:
        """The comparison as it grows; with the last one come the adapter's files, or why there are none.

        They are its zip and, where llama.cpp has the architecture, the file for that.

        Which hypernetwork is told each time: a restarted server, or a process with a GPU, knows nothing of before.
        """
        self.studio.use(session, checkpoint)
        with closing(self.studio.compare(session, skill, prompt, settings, expected, assertions)) as comparisons:
            for comparison in comparisons:
                saved = None
                if comparison.phase == "done":
                    try:
                        saved = [self.studio.adapter_zip(session, skill)]
                        if comparison.adapter.snippet_llama_cpp:
                            saved.append(self.studio.adapter_gguf(session, skill))
                    except StudioError as error:
                        saved = str(error)
                yield comparison, saved

    def _adapter(self, comparison: Comparison, saved: list[Path] | str | None) -> dict:
        """The card of a new adapter. Its download is offered once it is saved: before, it would be an older one's."""
        info = comparison.adapter
        _, in_prompt, in_parameters = comparison.panes
        known = in_prompt.prompt_tokens and in_parameters.prompt_tokens
        spared = in_prompt.prompt_tokens - in_parameters.prompt_tokens if known else None
        files = saved if isinstance(saved, list) else []
        offered = [gr.DownloadButton(value=file, visible=True) for file in files]
        offered += [gr.DownloadButton(value=None, visible=False)] * (2 - len(files))
        return {
            self.card: render.adapter_card(info, spared, saved if isinstance(saved, str) else ""),
            self.download: offered[0],
            self.gguf: offered[1],
            self.use: gr.Accordion(visible=bool(files)),
            self.peft: info.snippet_peft,
            self.vllm: info.snippet_vllm,
            self.llama_cpp: gr.Code(info.snippet_llama_cpp, visible=bool(info.snippet_llama_cpp)),
        }
