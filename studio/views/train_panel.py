"""The training tab: on the left what is trained on and the start, on the right the trainings and what came of them.

The page remembers nothing but ids: which skill and which training are on show. Everything else is asked of the queue
and of the book of examples each time, so that a reloaded page, another tab and a restarted server show the same.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component
from gradio.processing_utils import save_bytes_to_cache, save_file_to_cache

from skills.evals import WITHOUT_VALUE, Assertion, Eval
from skills.skill import Skill, SkillError
from studio import turns
from studio.catalogue import OWN, SHIPPED, Catalogue
from studio.examples import NO_EXAMPLE, Example, ExampleError, judged_by
from studio.jobs import Job, JobError
from studio.service import Studio, StudioError
from studio.sharing import Brought
from studio.shelf import ShelfError
from studio.views import render, train_render
from studio.views.compare_panel import evals_of_text, still_there
from studio.views.skill_panel import source_text
from studio.views.train_push import PushPart
from studio.views.visitor import Training, arrived, checkpoint_of, owner_of, repository_of
from studio.views.wiring import ACTIONS, LIVE_REGION, QUICK
from studio.wording import counted

TICK = 2  # seconds between two looks at a training that goes on
EACH = QUICK | {"trigger_mode": "multiple"}  # no click or edit may be lost
IMPORTS = [".jsonl", ".json", ".csv"]
MINUTES, KEPT_OUT = 3.0, 25  # where the form begins, before it is known what the machine needs: minutes, percent
# errors whose messages are for the visitor
SHOWN = (StudioError, JobError, ExampleError, SkillError, ShelfError, turns.TurnError)
ACTIVE = ("queued", "running", "stopping")

# Edits of an example's turns and checks, and all edits that happen in a field that has the focus.
DETAILS = ("detail", "system", "turn", "call", "remove turn", "exchange", "check", "uncheck")
FIELDS = ("prompt", "answer", "split", "choose", "system", "turn", "call")

# How much a training may change, in words -> learning rate
CHANGES = {"A little": 3e-4, "Normal": 7e-4, "A lot": 1.5e-3}
NORMAL = "Normal"

# The skills that are not ticked, as the page shows them now: what the server answers may be older than the last click.
_LEFT_OUT = """
  [...document.querySelectorAll("#own-skills input:not(:checked)")].map((box) => box.dataset.id).join(" ")"""
_TICKED = f"(identity, skill, _, ...rest) => [identity, skill, {_LEFT_OUT}, ...rest]"

# A file is made when it is asked for; then this clicks on the link to it.
_FETCH = """(problem) => { if (!problem) document.querySelector("#ID")?.click(); }"""

# What a look has found is shown only where the training that was on show then still is: another may have been chosen.
_SHOW = """(looked, job) => {
  const {of, values} = looked ? JSON.parse(looked) : {};
  return ["", ...(of === job ? values : Array(COUNT).fill({__type__: "update"}))];
}"""

# A question that comes up is read out: the focus goes to the harmless answer, which the question describes.
_ASK = """() => {
  const ask = (tries) => {
    const keep = document.querySelector("#keep-it");
    if (!keep?.offsetParent) return tries && setTimeout(ask, 50, tries - 1);
    keep.setAttribute("aria-describedby", "discard-question");
    keep.focus();
  };
  ask(40);
}"""
_KEEP = """() => document.querySelector("#job-discard")?.focus()"""
_TO_TRAININGS = """() => {
  if (window.innerWidth <= 860) document.querySelector("#trainings").scrollIntoView({behavior: "smooth"});
}"""


class TrainPanel:
    """The components of the tab and its handlers, but for those that change the whole page."""

    def __init__(
        self,
        studio: Studio,
        training: Training,
        catalogue: Catalogue,
        identity: gr.BrowserState,
        source: list[Component],
        chosen: Component,
        brought: Component,
        trace: Component,
    ) -> None:
        """`source`, `chosen`, `brought` and its `trace` are those of the skill that is open in the editor."""
        self.studio, self.training, self.catalogue, self.identity = studio, training, catalogue, identity
        self.source, self.chosen, self.brought, self.trace = source, chosen, brought, trace
        # Kept by the browser, so that they outlive the server: skill and training on show, and the skills left out.
        self.skill = gr.Textbox("", visible=False)
        self.job = gr.Textbox("", visible=False)
        self.left_out = gr.Textbox("", visible=False)
        self.seen = gr.Textbox("", visible=False)  # digest of what the right side shows
        self.looked = gr.Textbox("", visible=False)  # what a look at the trainings has found, for `_SHOW`
        with gr.Row(elem_id="train-layout"):
            with gr.Column(elem_id="prepare"):
                self._make_examples()
                self._make_form()
            with gr.Column(elem_id="trainings"):
                self._make_trainings()
        self.timer = gr.Timer(TICK, active=False)
        self.prepared = [
            self.skill,
            self.left_out,
            self.skills,
            self.table,
            self.detail,
            self.upload,
            self.save,
            self.form,
            self.faults,
            self.start,
        ]
        self.buttons = [self.stop, self.resume, self.finish, self.use, self.download, self.discard]
        self.watched = [
            self.job,
            self.seen,
            self.timer,
            self.jobs,
            self.state,
            *self.buttons,
            self.confirm,
            self.push.line,
            self.push.part,
            self.report,
            self.progress,
        ]
        self.opened = [*self.prepared, self.library, self.minutes, self.estimate, *self.watched]
        self._wire()

    def _make_examples(self) -> None:
        gr.HTML("<h2>Skills and examples</h2>", elem_classes="heading")
        self.skills = gr.HTML("", elem_id="own-skills", js_on_load=ACTIONS)
        with gr.Row(elem_classes="tight buttons", elem_id="add"):
            self.add_open = gr.Button("Add the skill in the editor", size="sm", min_width=150, elem_id="add-open")
            self.library = gr.Dropdown(
                self._offered(""), value=None, label="Add one of the library", min_width=150, elem_id="add-library"
            )
        self.table = gr.HTML("", elem_id="own-examples", js_on_load=ACTIONS)
        self.detail = gr.HTML("", elem_id="own-example", js_on_load=ACTIONS)
        with gr.Row(elem_classes="tight buttons"):
            self.upload = gr.UploadButton(
                "Import examples from files",
                size="sm",
                file_count="multiple",
                file_types=IMPORTS,
                visible=False,
                elem_id="import-examples",
            )
            self.save = gr.Button(
                "Download examples (JSONL)", size="sm", min_width=150, visible=False, elem_id="download-examples"
            )
            self.examples_file = gr.DownloadButton(visible="hidden", elem_id="examples-file")
        self.said = gr.HTML("", elem_id="prepare-line", js_on_load=LIVE_REGION)

    def _make_form(self) -> None:
        with gr.Column(visible=False, elem_id="train-form") as self.form:
            gr.HTML("<h2>Training</h2>", elem_classes="heading")
            with gr.Row(elem_classes="tight"):
                most = self.training.limits.minutes
                self.minutes = gr.Slider(
                    min(1, most), most, min(MINUTES, most), step=0.5, label="Minutes", min_width=220, elem_id="minutes"
                )
                self.kept_out = gr.Slider(
                    10, 50, KEPT_OUT, step=5, label="Examples kept out for testing (%)", min_width=220
                )
            self.change = gr.Radio(list(CHANGES), value=NORMAL, label="How much it may change", elem_id="change")
            with gr.Accordion("More settings", open=False, elem_classes="folded"):
                with gr.Row(elem_classes="tight"):
                    self.replay = gr.Slider(
                        0,
                        8,
                        4,
                        step=1,
                        label="Skills of the shipped kinds replayed in each step (limits forgetting)",
                        min_width=150,
                    )
                    self.texts = gr.Slider(1, 8, 3, step=1, label="Wordings of each skill's text", min_width=150)
                    self.patience = gr.Slider(
                        1, 20, 4, step=1, label="Evaluations without improvement before stopping", min_width=150
                    )
                    self.seed = gr.Number(0, precision=0, minimum=0, maximum=2**31 - 1, label="Seed", min_width=80)
                self.go_on = gr.Checkbox(False, label="Go on from the hypernetwork in use, not from the shipped one")
            self.faults = gr.HTML("", elem_id="faults", js_on_load=LIVE_REGION)
            with gr.Row(elem_classes="tight", elem_id="start-row"):
                self.start = gr.Button(
                    "Start training", variant="primary", size="md", min_width=130, interactive=False, elem_id="start"
                )
                self.estimate = gr.HTML("", elem_id="estimate")
            self.refused = gr.HTML("", elem_id="refused", js_on_load=LIVE_REGION)

    def _make_trainings(self) -> None:
        gr.HTML("<h2>Your trainings</h2>", elem_classes="heading")
        self.jobs = gr.HTML("", elem_id="jobs", js_on_load=ACTIONS)
        self.state = gr.HTML(train_render.state(None), elem_id="job-state", js_on_load=LIVE_REGION)
        with gr.Row(elem_classes="tight buttons", elem_id="job-buttons"):
            hidden = {"visible": False, "size": "sm", "min_width": 80}
            self.stop = gr.Button("Stop", elem_id="job-stop", **hidden)
            self.resume = gr.Button("Resume", elem_id="job-resume", **hidden)
            self.finish = gr.Button("Keep the best so far", elem_id="job-finish", **hidden)
            self.use = gr.Button("Use it", variant="primary", elem_id="job-use", **hidden)
            self.download = gr.Button("Download", elem_id="job-download", **hidden)
            self.discard = gr.Button("Discard", elem_id="job-discard", **hidden)
            self.file = gr.DownloadButton(visible="hidden", elem_id="job-file")
        with gr.Row(visible=False, elem_classes="tight buttons", elem_id="confirm") as self.confirm:
            question = "Delete this training and the hypernetwork that came of it?"
            gr.HTML(f'<p class="line" id="discard-question">{question}</p>')
            self.discard_it = gr.Button("Delete it", variant="stop", size="sm", min_width=80, elem_id="discard-it")
            self.keep_it = gr.Button("Keep it", size="sm", min_width=80, elem_id="keep-it")
        self.problem = gr.HTML("", elem_id="job-problem", js_on_load=LIVE_REGION)
        self.push = PushPart(self.training)
        self.report = gr.HTML("", elem_id="job-report")
        self.progress = gr.HTML("", elem_id="job-progress")

    # ---- what is shown ----

    def open(self, identity: Any, skill: str, left_out: str, minutes: float, kept_out: float, job: str) -> list[Any]:
        """Values for `opened`: the whole tab."""
        from training.refit import usual_minutes  # imports torch

        identity = arrived(identity)
        if not skill:  # the form was not on show yet, so that nobody has moved it
            minutes = min(usual_minutes(), self.training.limits.minutes)
        return [
            *self.prepare(identity, skill, left_out),
            gr.Dropdown(choices=self._offered(owner_of(identity))),
            minutes,
            self._estimate(identity, left_out, minutes, kept_out),
            *self.watch(identity, job, ""),
        ]

    def prepare(self, identity: Any, skill: str, left_out: str) -> list[Any]:
        """Values for `prepared`: this visitor's skills, the examples of one of them, and what is wrong with them."""
        owner, book = owner_of(identity), self.training.book
        own = book.skills(owner)
        digests = [each.sha256 for each in own]
        skill = skill if skill in digests else (digests or [""])[0]
        chosen = [sha256 for sha256 in digests if sha256 not in left_out.split()]
        found = {sha256: book.examples(owner, sha256) for sha256 in digests}
        rows = [
            train_render.SkillRow(each.sha256, each.name, len(found[each.sha256]), each.sha256 in chosen)
            for each in own
        ]
        name = next((each.name for each in own if each.sha256 == skill), "")
        faults = book.faults(owner, chosen, self.studio.reach()) if own else []
        numbers = {example.id: number for of_one in found.values() for number, example in enumerate(of_one, 1)}
        return [
            skill,
            " ".join(sha256 for sha256 in left_out.split() if sha256 in digests),
            train_render.skills(rows, skill),
            train_render.examples(name, found[skill]) if skill else "",
            "",
            gr.UploadButton(visible=bool(skill)),
            gr.Button(visible=bool(skill)),
            gr.Column(visible=bool(own)),
            train_render.faults(faults, numbers),
            gr.Button(interactive=all(fault.severity != "error" for fault in faults)),
        ]

    def watch(self, identity: Any, shown: str, seen: str) -> list[Any]:
        """Values for `watched`: this visitor's trainings and the one on show; no change where nothing has changed."""
        owner, jobs = owner_of(identity), self.training.jobs
        found = jobs.list(owner)
        job = next((job for job in found if job.id == shown), found[0] if found else None)
        curve = jobs.curve(owner, job.id) if job else []
        now = hashlib.sha256(repr((found, job, curve, identity)).encode()).hexdigest()
        if now == seen:
            return [gr.skip()] * len(self.watched)
        active = any(job.state in ACTIVE for job in found)
        report = jobs.report(owner, job.id) if job and job.state == "finished" else None
        return [
            job.id if job else "",
            now,
            gr.Timer(active=active),
            train_render.jobs(found, job.id if job else ""),
            train_render.state(job, self.training.limits.days, self.training.limits.gigabytes),
            *self._buttons(job, identity, any(line.get("step") for line in curve)),
            # nobody's question is taken away
            *([gr.skip()] * 2 if job and job.id == shown else [gr.Row(visible=False), ""]),
            gr.Accordion(visible=bool(report)),
            train_render.report(report) if report else "",
            train_render.progress(job, curve) if job else "",
        ]

    def _look(self, identity: Any, job: str, seen: str) -> Any:
        """`watch` as a text for `_SHOW`; no change where nothing has changed."""
        values = self.watch(identity, job, seen)
        if values[0] == gr.skip():
            return gr.skip()
        updates = [
            each.constructor_args | {"__type__": "update"} if isinstance(each, Block) else each for each in values
        ]
        return json.dumps({"of": job, "values": updates})

    def _offered(self, owner: str) -> list[tuple[str, str]]:
        """(name, key) of the skills that can be added: a visitor's own, then those that ship."""
        shelf = self.catalogue.shelf
        own = shelf.skills(owner) if shelf and owner else ()
        shipped = (entry.skill.name for entry in self.catalogue.library.list())
        return [*((f"{skill.name} (yours)", OWN + skill.id) for skill in own), *((n, SHIPPED + n) for n in shipped)]

    def _buttons(self, job: Job | None, identity: Any, learned: bool) -> list[gr.Button]:
        state = job.state if job else ""
        used = bool(job) and identity.get("using") == job.id
        return [
            gr.Button(visible=state in ("queued", "running"), value="Stop"),
            gr.Button(visible=state in ("stopped", "failed")),
            gr.Button(visible=learned and state in ("running", "stopped", "failed") and not job.finishing),
            gr.Button("In use" if used else "Use it", visible=state == "finished", interactive=not used),
            gr.Button(visible=state == "finished"),
            gr.Button(visible=state in ("queued", "stopped", "failed", "finished")),
        ]

    # ---- what is done ----

    def _wire(self) -> None:
        about = [self.identity, self.skill, self.left_out]
        about_time = [self.identity, self.left_out, self.minutes, self.kept_out]
        for part in (self.skills, self.table, self.detail):
            part.edit(self._edit, about, [*self.prepared, self.said], js=_TICKED, **EACH).then(
                self._estimate, about_time, self.estimate, **QUICK
            )
        self.jobs.edit(self._choose, self.identity, [*self.watched, self.problem], **EACH)
        added, editor = [*self.prepared, self.said], [self.chosen, self.brought, self.trace, *self.source]
        self.add_open.click(self._add_open, [*about, *editor], added, js=_TICKED, **EACH)
        self.library.input(self._add_library, [*about, self.library], [*added, self.library], js=_TICKED, **EACH)
        self.upload.upload(self._import, [*about, self.upload], added, js=_TICKED, **EACH)
        self._wire_download(self.save, self._save_examples, [self.identity, self.skill], self.examples_file, self.said)

        settings = {self.minutes, self.kept_out, self.change, self.replay, self.texts, self.patience, self.seed}
        asked = [self.identity, self.job]
        ticked = self.start.click(None, outputs=self.left_out, js=f"() => {_LEFT_OUT}", api_visibility="private")
        self.then_watch(
            ticked.then(
                self._start,
                {self.identity, self.left_out, self.go_on, *settings},
                [self.job, self.refused, self.confirm, self.problem, self.push.line],
                **QUICK,
            )
        ).then(self._estimate, about_time, self.estimate, **QUICK).then(
            None, js=_TO_TRAININGS, api_visibility="private"
        )
        gr.on(
            [self.minutes.change, self.kept_out.change, self.left_out.change, self.skills.change],
            self._estimate,
            about_time,
            self.estimate,
            **QUICK,
        )
        jobs = self.training.jobs
        for button, work in ((self.stop, jobs.stop), (self.resume, jobs.resume), (self.finish, jobs.finish)):
            self.then_watch(button.click(self._done(work), asked, self.problem, **QUICK))
        self._watching(self.timer.tick)
        self._wire_download(self.download, self._zip, asked, self.file, self.problem)
        self.push.wire(self.identity, self.job)
        self.discard.click(lambda: gr.Row(visible=True), outputs=self.confirm, **QUICK).then(
            None, js=_ASK, api_visibility="private"
        )
        self.keep_it.click(lambda: gr.Row(visible=False), outputs=self.confirm, **QUICK).then(
            None, js=_KEEP, api_visibility="private"
        )

    def _wire_download(
        self, button: gr.Button, work: Callable, about: list[Component], file: gr.DownloadButton, place: gr.HTML
    ) -> None:
        made = button.click(work, about, [file, place], **QUICK)
        made.success(None, place, js=_FETCH.replace("ID", file.elem_id), api_visibility="private")

    def then_watch(self, event: Any) -> Any:
        """After an event, the right side as it then stands."""
        return self._watching(event.then)

    def _watching(self, happens: Callable) -> Any:
        looked = happens(self._look, [self.identity, self.job, self.seen], self.looked, **QUICK)
        show = _SHOW.replace("COUNT", str(len(self.watched)))
        shown = [self.looked, *self.watched]
        return looked.then(None, [self.looked, self.job], shown, js=show, api_visibility="private")

    def _answer(self, work: Callable[[], dict[Component, Any]], place: Component) -> dict[Component, Any]:
        """The updates of a work and an empty `place`, or there what was wrong."""
        try:
            return {place: "", **work()}
        except SHOWN as error:
            return {place: render.notice(str(error))}

    def _edit(self, identity: Any, skill: str, left_out: str, event: gr.EventData) -> dict[Component, Any]:
        """What a click or an edit in the list of skills or the table of examples asks for."""
        what, id_, value = (event._data.get(key) for key in ("what", "id", "value"))
        return self._answer(lambda: self._edited(identity, skill, left_out, str(what), str(id_), value), self.said)

    def _edited(
        self, identity: Any, skill: str, left_out: str, what: str, id_: str, value: Any
    ) -> dict[Component, Any]:
        """What `_edit` shows; a click on a skill's box is in `left_out` already."""
        owner, book = owner_of(identity), self.training.book
        first, _, place = id_.partition(" ")
        number, opened, same_turns = int(first) if first.isdecimal() else -1, "", True
        if what in ("prompt", "answer", "split"):
            book.update(owner, number, **{what: str(value)})
        elif what == "remove":
            book.remove(owner, number)
        elif what == "add":
            fields = value if isinstance(value, dict) else {}
            book.add(owner, skill, str(fields.get("prompt", "")), str(fields.get("answer", "")))
        elif what in DETAILS:
            before = self._example(owner, skill, number)[1]
            book.update(owner, number, change=partial(_changes, what=what, place=place, value=value))
            number_shown, now = self._example(owner, skill, number)
            same_turns = len(now.chat) == len(before.chat)
            opened = train_render.detail(number_shown, now)
        elif what == "drop":
            book.remove_skill(owner, id_)
        elif what == "show":
            skill = id_
        if what in ("detail", "close"):
            return {self.detail: opened}
        shown = dict(zip(self.prepared, self.prepare(identity, skill, left_out), strict=True))
        shown[self.detail] = opened
        if what in FIELDS and same_turns:  # drawn anew, the field would lose the focus
            del shown[self.skills], shown[self.table], shown[self.detail]
        return shown

    def _example(self, owner: str, skill: str, id: int) -> tuple[int, Example]:
        """An example with its number in the table. Raises ExampleError where it is no longer there."""
        found = enumerate(self.training.book.examples(owner, skill), 1)
        if (numbered := next((pair for pair in found if pair[1].id == id), None)) is None:
            raise ExampleError(NO_EXAMPLE)
        return numbered

    def _choose(self, identity: Any, event: gr.EventData) -> dict[Component, Any]:
        shown = zip(self.watched, self.watch(identity, str(event._data.get("id")), ""), strict=True)
        return {**dict(shown), **self._calm()}

    def _calm(self) -> dict[Component, Any]:
        """Nothing is asked or said any more of the training that was on show."""
        return {self.confirm: gr.Row(visible=False), self.problem: "", self.push.line: ""}

    def _add_open(
        self, identity: Any, skill: str, left_out: str, chosen: str, brought: Brought, trace: str, *source: str
    ) -> dict[Component, Any]:
        def work() -> dict[Component, Any]:
            text = source_text(*source)
            evals = evals_of_text(self.studio.library, chosen, still_there(brought, trace), text)
            return self._added(identity, left_out, text, evals)

        return self._answer(work, self.said)

    def _add_library(self, identity: Any, skill: str, left_out: str, key: str | None) -> dict:
        def work() -> dict[Component, Any]:
            owner = owner_of(identity)
            text, _ = self.catalogue.text(owner, key)
            return self._added(identity, left_out, text, self.catalogue.evals(owner, key))

        if not key:  # the field was emptied
            return gr.skip()
        return {**self._answer(work, self.said), self.library: gr.Dropdown(value=None)}

    def _added(self, identity: Any, left_out: str, text: str, evals: Sequence[Eval]) -> dict[Component, Any]:
        """Adds a skill with its examples."""
        skill = self.training.add_skill(identity, text, evals)
        return dict(zip(self.prepared, self.prepare(identity, skill, left_out), strict=True))

    def _import(self, identity: Any, skill: str, left_out: str, paths: list[str] | None) -> dict[Component, Any]:
        def work() -> dict[Component, Any]:
            owner, count, wrong = owner_of(identity), 0, ""
            for path in paths or ():
                try:
                    count += self.training.book.import_file(owner, path, skill)
                except ExampleError as error:  # the other files are taken
                    wrong += render.notice(str(error))
            new = f"{counted(count, 'example')} imported." if count else "Nothing new was imported."
            said = render.activity(new, "done")
            shown = zip(self.prepared, self.prepare(identity, skill, left_out), strict=True)
            return {**dict(shown), self.said: (said if count or not wrong else "") + wrong}

        return self._answer(work, self.said)

    def _estimate(self, identity: Any, left_out: str, minutes: float, kept_out: float) -> str:
        owner, book = owner_of(identity), self.training.book
        chosen = [each.sha256 for each in book.skills(owner) if each.sha256 not in left_out.split()]
        count = judged_by([book.examples(owner, sha256) for sha256 in chosen], kept_out / 100)
        return train_render.estimate(minutes, count, self.training.jobs.active())

    def _start(self, values: dict[Component, Any]) -> dict[Component, Any]:
        def work() -> dict[Component, Any]:
            identity, left_out = values[self.identity], values[self.left_out].split()
            owner, book = owner_of(identity), self.training.book
            own = [each for each in book.skills(owner) if each.sha256 not in left_out]
            digests = [each.sha256 for each in own]
            faults = book.faults(owner, digests, self.studio.reach())
            if wrong := [fault for fault in faults if fault.severity == "error"]:
                raise StudioError(wrong[0].message)
            base, checkpoint = self.studio.origin
            if values[self.go_on] and (in_use := self.training.checkpoint_in_use(identity)):
                checkpoint = str(in_use)
            settings = {
                "base": base,
                "checkpoint": checkpoint,
                "minutes": values[self.minutes],
                "learning_rate": CHANGES.get(values[self.change], CHANGES[NORMAL]),
                "kept_out": values[self.kept_out] / 100,
                "replay": int(values[self.replay]),
                "texts": int(values[self.texts]),
                "patience": int(values[self.patience]),
                "seed": int(values[self.seed] or 0),
            }
            job = self.training.jobs.submit(
                owner, _title([each.name for each in own]), settings, *book.trajectories(owner, digests)
            )
            return {self.job: job.id, **self._calm()}

        return self._answer(work, self.refused)

    def _done(self, work: Callable[[str, str], Any]) -> Callable[[Any, str], str]:
        def done(identity: Any, job: str) -> str:
            try:
                work(owner_of(identity), job)
            except SHOWN as error:
                return render.notice(str(error))
            return ""

        return done

    def _zip(self, identity: Any, job: str, request: gr.Request) -> tuple[Any, str]:
        def work() -> str:
            found = self.training.jobs.get(owner_of(identity), job)
            path = self.studio.checkpoint_zip(request.session_hash, checkpoint_of(found), repository_of(found))
            return save_file_to_cache(path, self.file.GRADIO_CACHE)

        return self._file(work, "zip")

    def _save_examples(self, identity: Any, skill: str) -> tuple[Any, str]:
        """The examples of a skill as `_import`, and `python -m training refit --examples`, read them."""
        from training.trajectories import as_line  # imports torch

        def work() -> str:
            texts, examples = self.training.book.trajectories(owner_of(identity), [skill])
            name = Skill.parse(texts[skill]).name
            if not examples:
                raise ExampleError(f"{name} has no examples yet. Add one in the table, or import a file.")
            lines = b"".join(map(as_line, examples))
            return save_bytes_to_cache(lines, f"{name}-examples.jsonl", self.file.GRADIO_CACHE)

        return self._file(work, "file")

    def _file(self, work: Callable[[], str], called: str) -> tuple[Any, str]:
        """(the update of a hidden link to the file that a work makes, ''); no change, and what was wrong."""
        try:
            return gr.DownloadButton(value=work()), ""
        except SHOWN as error:
            return gr.skip(), render.notice(str(error))
        except OSError as error:  # in Gradio's cache, where it would write without a word of why it failed
            message = f"The {called} could not be written: {error.strerror}. Free some disk space."
            return gr.skip(), render.notice(message)


def _changes(example: Example, what: str, place: str, value: Any) -> dict[str, Any]:
    """What an edit of an example's turns or checks gives `ExampleBook.update`; `place` says of which turn or check.

    Raises TurnError, also where the turns have become more or fewer since they were shown, and EvalError.
    """
    chat, fields = example.chat, value if isinstance(value, dict) else {}
    prompt, answer, kind, text = (str(fields.get(name, "")) for name in ("prompt", "answer", "kind", "value"))
    match what:
        case "system":
            return {"chat": turns.with_system(chat, str(value))}
        case "exchange":
            return {"chat": turns.with_exchange(chat, prompt, answer)}
        case "turn" | "call" | "remove turn":
            numbers = [int(word) if word.isdecimal() else -1 for word in place.split()]
            shown, turn, call, *_ = [*numbers, -1, -1, -1]
            if shown != len(chat):
                raise turns.TurnError(turns.GONE)
            if what == "turn":
                return {"chat": turns.with_text(chat, turn, str(value))}
            if what == "call":
                return {"chat": turns.with_arguments(chat, turn, call, str(value))}
            return {"chat": turns.without(chat, turn)}
        case "check":
            return {"checks": [*example.checks, _check(kind, text)]}
        case "uncheck":
            return {"checks": [each for each in example.checks if each.text().split() != place.split()]}
    return {}


def _check(kind: str, value: str) -> Assertion:
    """A check as it was written into the form. Raises EvalError."""
    if kind in WITHOUT_VALUE:
        return Assertion(kind)
    return Assertion(kind, int(value) if kind == "line_count" and value.strip().isdecimal() else value)


def _title(names: list[str]) -> str:
    """What a training is called: after the skills that it is on."""
    if len(names) > 3:
        names = [*names[:2], f"{len(names) - 2} more"]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""
