"""The page: puts its tabs together, the two sides of the first, and wires what concerns more than one of them.

A skill is chosen and its first example filled in, so that the first click on Compare shows what this is about.
"""

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from skills.archive import EVALS
from skills.evals import EvalError, parse_evals
from skills.library import LibraryEntry, SkillLibrary
from studio import intake, registry, survey
from studio.catalogue import OWN, Catalogue
from studio.intake import Arrival, IntakeError
from studio.jobs import JobError
from studio.links import Link, LinkError
from studio.service import Source, Studio, StudioError
from studio.sharing import NOTHING, PROBLEMS, Brought, Sharing
from studio.views import api, render, train_render
from studio.views.account import attempted, forget_token, token_of
from studio.views.compare_panel import ComparePanel, digest, new_mark, still_there
from studio.views.import_panel import FETCH, UPLOAD
from studio.views.library_panel import SHOWN, LibraryPanel
from studio.views.share_panel import CAME_BACK, SharePanel
from studio.views.skill_panel import (
    LEFT,
    NEW,
    RECALL,
    RECALLED,
    SHOW_SAVED,
    SHOW_TYPED,
    SkillPanel,
    form_values,
    left_texts,
    recalled,
    set_aside,
    source_text,
    unsaved,
)
from studio.views.stack_panel import Stack
from studio.views.train_panel import TrainPanel
from studio.views.visitor import Keeping, Training, arrived, checkpoint_of, identity_kept_with, owner_of
from studio.views.wiring import FRAGMENT, HEAD, LIVE_REGION, MAX_WAITING, QUICK, SHOW_CHOSEN, START, when_full

STYLE = Path(__file__).parent.parent / "assets" / "style.css"
FIRST = "release-train-commits"  # the skill that a visitor meets first: short, and plain to see whether it was followed
MAX_PAGES = 300  # whose state is kept: half a megabyte each, and Gradio's own 10,000 are more than most machines have
MAX_UPLOAD = "64mb"  # far more than a skill or a file of examples may have: one too large gets a message of our own
KEEP_FILES = 6 * 3600  # seconds that an adapter's zip and an upload stay on disk

INTRO = """<h1>Parametric Skills</h1>
<p>A hypernetwork turns the text of a skill into an adapter: see what the model answers without it, with it in the
prompt, and with the adapter alone.</p>"""


def build(
    studio: Studio, training: Training | None = None, why_not: str = "", keeping: Keeping | None = None
) -> gr.Blocks:
    """The page over a studio, which may start later: until then the page says that the base model is loading.

    Without `training` its tab says `why_not`; without `keeping` visitors have no skills of their own in the library.
    """
    first = _first(studio.library)
    with gr.Blocks(
        title="Parametric Skills", analytics_enabled=False, fill_width=True, delete_cache=(3600, KEEP_FILES)
    ) as demo:
        known_by = keeping or training
        identity = identity_kept_with(known_by.secret) if known_by else None
        shelf = keeping.shelf if keeping else None
        gr.HTML(INTRO, elem_id="intro")
        with gr.Row(visible=False, elem_classes="tight", elem_id="in-use") as banner:
            in_use = gr.HTML("", js_on_load=LIVE_REGION)
            back = gr.Button("Back to the shipped one", size="sm", min_width=160, elem_id="back")
        with gr.Tabs(elem_id="rooms") as rooms:
            with gr.Tab("Compare", id="compare"), gr.Row(elem_id="layout"):
                with gr.Column(elem_id="skill"):
                    skill = SkillPanel(studio, first, shelf is not None)
                compare = ComparePanel(studio, first, skill.source, skill.chosen, training, identity, shelf)
            with gr.Tab("Library") as library_tab:
                catalogue = Catalogue(studio.library, shelf, survey.load())
                library = LibraryPanel(studio, catalogue, training, identity)
            with gr.Tab("Train", elem_id="train") as tab:
                if training:
                    editor = (skill.source, skill.chosen, compare.brought, compare.trace)
                    train = TrainPanel(studio, training, catalogue, identity, *editor)
                else:
                    gr.HTML(train_render.off(why_not, os.environ.get("SPACE_ID", "")), elem_id="train-off")
            with gr.Tab("Share", elem_id="sharing") as share_tab:
                share = SharePanel(Sharing(studio), skill, compare, training, identity)
        opening = _wire(demo, studio, skill, compare, share, rooms)
        _wire_library(studio, skill, compare, library, share.sharing, library_tab, rooms, opening)
        compare.renew(demo.load)
        if identity and not training:
            demo.load(arrived, identity, identity, **QUICK)
        share_tab.select(share.show, share.shown, share.subject, **QUICK)
        if training:
            _wire_training(demo, studio, training, compare, train, tab, (banner, in_use, back))
        api.register(studio)
    return demo.queue(max_size=MAX_WAITING, api_open=False)  # open, a call could pass by all who wait


def launch_options() -> dict[str, Any]:
    """What `launch` needs besides the address: look, limits, registry, and the MCP server if its package is there."""
    return {
        "theme": _theme(),
        "css_paths": STYLE,
        "head": HEAD,
        "max_file_size": MAX_UPLOAD,
        "state_session_capacity": MAX_PAGES,
        "mcp_server": find_spec("mcp") is not None,
        "run_history": False,
        "enable_monitoring": False,
        "footer_links": ["api"],
        "app_kwargs": {"routes": registry.routes()},
        "ssr_mode": False,  # Node, which renders pages then, would answer in place of the registry
    }


@dataclass(frozen=True)
class _Opening:
    """How a skill gets into the editor: `updates(text, chosen, *values of page, ...)` are values for `target`."""

    updates: Callable[..., list[Any]]
    page: list[Component]
    target: list[Component]
    brought: Component  # what is beside its text
    trace: Component


def _wire(
    demo: gr.Blocks, studio: Studio, skill: SkillPanel, compare: ComparePanel, share: SharePanel, rooms: gr.Tabs
) -> _Opening:
    imports = skill.imports

    def opened(
        text: str,
        chosen: str,
        left: str,
        prompt: str,
        made_from: str,
        brought_before: Brought,
        parts: Stack,
        *editor: str,
        brought: Brought = NOTHING,
        own: str = "",
        clean: str | None = None,
        version: str = "",
    ) -> list[Any]:
        stale = bool(made_from) and digest(text) != made_from
        picked = chosen if chosen and not own else None
        draft = json.dumps(editor)
        shown = [*skill.show(text), *skill.bring(text, brought, bool(own)), chosen, own, "", picked]
        # unchanged it is not sent: a page that opens does not know yet what its browser remembers
        shown += [text if clean is None else clean, set_aside(left, draft) if unsaved(draft) else gr.skip()]
        shown += [version, new_mark()]
        # The answers on show were given for another skill.
        panes = render.panes(None, len(parts) > 1)
        cleared = [panes, "", gr.Accordion(visible=False), render.activity(""), *compare.unlinked()]
        cleared.append(compare.stack.unmeasured(parts))
        offered = compare.offer(chosen, text, prompt, brought_before, brought, parts)
        return [*shown, *offered, render.stale_line(stale), *cleared, *imports.calm(), None]

    def choose(name: str, *page: str) -> list[Any]:
        return opened(studio.library.get(name).text, name, *page)

    def new(*page: str) -> list[Any]:
        return opened(NEW.render(), "", *page)

    def came(work: Callable[[], Arrival], session: str) -> dict:
        """What the page shows of a skill that has come in: it is opened next, waits for a yes, or was refused."""

        def taken() -> tuple[Arrival, Brought]:
            arrival = work()
            is_blocked, waits = arrival.gravest == "block", arrival.gravest == "ask"
            return arrival, NOTHING if is_blocked else share.sharing.bring(session, arrival.files, waits)

        found, problem = attempted(taken, "importing a skill")
        if found is None:
            return imports.refuse(problem)
        return imports.ask(*found) if found[0].gravest in ("block", "ask") else imports.let_in(*found)

    def enter(arrival: Arrival | None, brought: Brought, *page: Any) -> dict:
        """Open what has come in. What was typed until now, while it came, is in `page` and is set aside."""
        if arrival is None or arrival.gravest in ("block", "ask"):
            return {imports.said: gr.skip()}
        return entered(arrival, brought, page)

    def entered(arrival: Arrival, brought: Brought, page: Sequence) -> dict:
        values = opened(arrival.text, "", *page, brought=brought)
        return dict(zip(target, values, strict=True)) | imports.opened(arrival)

    def upload(paths: list[str], request: gr.Request) -> dict:
        return came(lambda: intake.take_files([Path(path) for path in paths or ()]), request.session_hash)

    def fetch(address: str, token: str, request: gr.Request, signed: gr.OAuthToken | None) -> dict:
        def work() -> Arrival:
            return intake.take_address(address, share.sharing.hub(token_of(token, signed)))

        return {imports.fetch: gr.Button(interactive=True)} | came(work, request.session_hash)

    def anyway(arrival: Arrival | None, brought: Brought, link: Link | None, request: gr.Request, *page: Any) -> dict:
        if arrival is None:  # answered in another tab, or the server was restarted
            return imports.refuse("Nothing waits to be opened any more. Import it again.")
        if link and arrival == link.arrival():  # a link's texts waited, and nothing that was imported since
            return followed(link, link.source(studio.library), page) | imports.opened(arrival)
        try:
            share.sharing.accept(request.session_hash, brought)
        except StudioError as error:
            return imports.refuse(str(error))
        return entered(arrival, brought, page)

    def follow(fragment: str, draft: str, *page: Any) -> dict:
        if not fragment.startswith("#link="):
            return {compare.run: ""}
        return linked(fragment, page) | ({skill.left: set_aside(page[0], draft)} if unsaved(draft) else {})

    def linked(fragment: str, page: Sequence) -> dict:
        try:
            link = Link.read(fragment)
            skill, arrival = link.source(studio.library), link.arrival()
        except (LinkError, IntakeError) as error:
            return {compare.verdict: render.notice(str(error))}
        if arrival and arrival.gravest in ("block", "ask"):
            return imports.ask(arrival) | {compare.linked: link}
        return followed(link, skill, page)

    def followed(link: Link, skill: Source, page: Sequence) -> dict:
        first = link.skills[0]
        text = first.here(studio.library)
        values = dict(zip(target, opened(text, first.name, *page), strict=True))
        return values | compare.follow(link, skill, text)

    def open_pulled(request: gr.Request, *page: str) -> list[Any] | dict:
        try:
            text, brought = share.sharing.open(request.session_hash)
        except PROBLEMS as error:
            return {share.pull_line: render.activity(str(error), "failed")}
        return [gr.Tabs(selected="compare"), "", *opened(text, "", *page, brought=brought)]

    def typed(
        made_from: str, checked: str, chosen: str, brought: Brought, parts: Stack, prompt: str, *source: str
    ) -> str:
        text, form = source_text(*source), source[1:4]
        followed = form if source[-1] == "form" else form_values(text)
        shown = [text, *followed, skill.live_line(text), *compare.stale_lines(made_from, checked, *source)]
        shown.append(compare.expected_line(chosen, prompt, brought, parts, text))
        return json.dumps({"typed": [prompt, *source], "shown": shown})

    page = [skill.left, compare.prompt, compare.made_from, compare.brought, compare.stack.parts]
    page += skill.remembered
    target = [
        *skill.shown,
        *skill.brought,
        skill.chosen,
        skill.own,
        skill.kept,
        skill.picker,
        skill.clean,
        skill.left,
        skill.version,
        skill.opening,
        *compare.offered,
        compare.stale,
        compare.panes,
        compare.asked,
        compare.keep,
        compare.activity,
        *compare.linking,
        compare.stack.meter,
        *imports.shown,
        compare.linked,
    ]
    skill.remember(skill.picker.input(choose, [skill.picker, *page], target, **QUICK))
    skill.remember(skill.new.click(new, page, target, **QUICK))
    skill.remember(share.open.click(open_pulled, page, [rooms, share.pull_line, *target], **QUICK))
    coming = [*target, *imports.panels]
    uploaded = imports.files.upload(upload, imports.files, imports.shown, **UPLOAD)
    fetches = [imports.fetch.click, imports.address.submit]
    fetched = gr.on(fetches, fetch, [imports.address, share.token], [*imports.shown, imports.fetch], **FETCH)
    forget_token(fetched, share.token)
    for came_in, button in ((uploaded, imports.files), (fetched, imports.fetch)):
        when_full(came_in, button, imports.said)
        skill.remember(came_in.success(enter, [imports.pending, imports.brought, *page], coming, **QUICK))
    asked = [*coming, *compare.followed]
    accepted = imports.anyway.click(anyway, [imports.pending, imports.brought, compare.linked, *page], asked, **QUICK)
    skill.remember(accepted.then(**compare.start))
    arrived_by = gr.Textbox("", visible=False)  # what stands behind the '#' of the page's address
    demo.load(follow, [arrived_by, skill.draft, *page], asked, js=FRAGMENT, **QUICK).then(**compare.start)

    names = {entry.skill.name for entry in studio.library.list()}
    first = studio.library.get(skill.chosen.value).text

    def recall(draft: str, request: gr.Request, *values: Any) -> list[Any]:
        text, _, own, *_ = recalled(draft) or (first, "", "")
        if text == first and not own:
            return [gr.skip()] * len(target)
        return restored(draft, request.session_hash, *values)

    def take_back(request: gr.Request, *values: Any) -> list[Any]:
        """What was left unsaved last is open again; what stood in its place, if that is unsaved too, comes after all
        others."""
        *others, last = left_texts(values[len(known)]) or [""]
        if not last:
            return [gr.skip()] * len(target)
        shown = restored(last, request.session_hash, *values)
        left, now = json.dumps(others) if others else "", json.dumps(values[-len(skill.remembered) :])
        shown[target.index(skill.left)] = set_aside(left, now, last=False)
        return shown

    def restored(draft: str, session: str, *values: Any) -> list[Any]:
        identity, page = (values[0], values[1:]) if compare.shelf else (None, values)
        text, chosen, own, evals, clean, version = recalled(draft)
        brought, own = recall_brought(session, identity, own, evals, version)
        library = chosen if chosen in names else ""
        return opened(text, library, *page, brought=brought, own=own, clean=clean, version=version if own else "")

    def recall_brought(session: str, identity: Any, own: str, evals: str, version: str) -> tuple[Brought, str]:
        """(what was saved beside a skill of one's own, its id); else the evals that the browser has, and ''."""
        with suppress(*SHOWN, ValueError):  # of a browser's number that is none
            if own and compare.shelf:
                number = int(version) if version else None
                saved = partial(compare.shelf.files, owner_of(identity), own, number)
                return share.sharing.bring(session, saved(), saved=saved), own
        with suppress(EvalError):
            return Brought(parse_evals(evals.encode("utf-8", "replace"), EVALS)), ""
        return NOTHING, ""

    known = [compare.identity] if compare.shelf else []
    recalling = demo.load(recall, [skill.draft, *known, *page], target, js=RECALL, **QUICK)
    recalling.then(None, skill.remembered, js=RECALLED, api_visibility="private")
    recalling.then(None, js=CAME_BACK, api_visibility="private")
    demo.load(None, None, skill.left, js=LEFT, api_visibility="private")
    skill.remember(skill.back.click(take_back, [*known, *page], target, **QUICK))

    seen = [compare.made_from, compare.checked, skill.chosen, compare.brought, compare.stack.parts]
    asked = [compare.prompt, *skill.source]
    told = [skill.raw, *skill.form, skill.live, compare.stale, compare.check_stale, compare.expected]
    for paused in (skill.form_typed.input, skill.raw_typed.input):
        said = paused(typed, [*seen, *asked], skill.said, **QUICK)
        said.success(None, [skill.said, *asked, *told], told, js=SHOW_TYPED, api_visibility="private")

    def watch() -> tuple[str, gr.Timer]:
        status = studio.status()
        return render.model_state(status), gr.Timer(active=status.state == "loading")

    timer = gr.Timer(1)
    for moment in (demo.load, timer.tick):
        moment(watch, outputs=[compare.state, timer], **QUICK)

    def recount(*source: str) -> str:
        return json.dumps({"typed": source, "shown": [skill.live_line(source_text(*source))]})

    # in tokens as soon as the base is there
    counted = gr.Textbox("", visible=False)  # of the text that stood there then, for `SHOW_TYPED`
    counting = compare.state.change(recount, skill.source, counted, **QUICK)
    counting.success(None, [counted, *skill.source, skill.live], skill.live, js=SHOW_TYPED, api_visibility="private")

    demo.load(None, js=START, api_visibility="private")

    def closed(request: gr.Request) -> None:
        studio.forget(request.session_hash)
        share.sharing.leave(request.session_hash)

    demo.unload(closed)
    return _Opening(opened, page, target, compare.brought, compare.trace)


def _wire_library(
    studio: Studio,
    skill: SkillPanel,
    compare: ComparePanel,
    library: LibraryPanel,
    sharing: Sharing,
    tab: gr.Tab,
    rooms: gr.Tabs,
    opening: _Opening,
) -> None:
    """What goes between the library and the editor: opening a skill there, and saving what stands in it."""
    shipped = {entry.skill.name for entry in studio.library.list()}

    def act(values: dict, event: gr.EventData, request: gr.Request) -> dict:
        what, id_, value = (event._data.get(key) for key in ("what", "id", "value"))
        session = request.session_hash
        if what not in ("open", "open-version"):
            return edited(values, session, str(what), str(id_), value)
        try:
            shown = opened(values, session, what, str(id_))
        except SHOWN as error:
            return {library.said: render.notice(str(error))}
        return {**shown, rooms: gr.Tabs(selected="compare"), library.said: ""}

    def edited(values: dict, session: str, what: str, id_: str, value: Any) -> dict:
        """A skill that is open as it was saved is shown as it was changed; one that is being edited stays."""
        own = values[skill.own]
        before = library.newest(values, own)
        updates = library.edit(values, what, id_, value)
        now = library.newest(values, own)
        typed = source_text(*(values[component] for component in skill.source))
        if now is None or before is None or now == before or before.text != typed:
            return updates
        try:
            return {**opened(values, session, "open", OWN + own), **updates}
        except SHOWN as error:
            return {**updates, library.said: render.notice(str(error))}

    def opened(values: dict, session: str, what: str, id_: str) -> dict:
        text, chosen, own, files = library.text(values, what, id_)
        page = (values[component] for component in opening.page)
        number = int(id_) if what == "open-version" else None
        saved = partial(library.shelf.files, owner_of(values[library.identity]), own, number) if own else None
        brought = sharing.bring(session, files, saved=saved)
        version = str(number or "")
        updates = opening.updates(text, chosen, *page, brought=brought, own=own, version=version)
        return dict(zip(opening.target, updates, strict=True))

    def keep(values: dict, request: gr.Request) -> dict:
        text, own = source_text(*(values[component] for component in skill.source)), values[skill.own]
        try:
            brought = still_there(values[opening.brought], values[opening.trace])
            owner, shelf = owner_of(values[library.identity]), library.shelf
            files = sharing.beside(request.session_hash, text, brought)
            known = {each.id: each.newest for bin in (False, True) for each in shelf.skills(owner, deleted=bin)}
            origin = values[skill.chosen] if values[skill.chosen] in shipped else ""
            kept = shelf.save(owner, text, own if own in known else "", origin, files)
        except SHOWN as error:
            return {skill.kept: render.notice(str(error)), skill.saved: ""}
        said = f"Saved as version {kept.newest.number} of {kept.name}. You find it in the Library tab under Yours."
        if kept.id in known and known[kept.id].files and not files:
            said += " The files of the version before stay with that one."
        shown = [kept.id, text, "", *skill.bring(text, brought, True)]  # for `kept_as`
        saved = json.dumps({"of": values[skill.opening], "values": shown})
        return {skill.kept: render.activity(said, "done"), skill.saved: saved}

    def hold(identity: Any, saved: str, mark: str, brought: Brought) -> Any:
        """What was saved beside the skill in the editor is found where it was saved."""
        said = json.loads(saved) if saved else {}
        if said.get("of") != mark:
            return gr.skip()
        return replace(brought, saved=partial(library.shelf.files, owner_of(identity), said["values"][0]))

    each = QUICK | {"trigger_mode": "multiple"}  # no click may be lost
    for part in (library.cards, library.said, library.map, library.versions):
        asked = {*library.asked, *opening.page, *skill.source, skill.own}
        acted = part.edit(act, asked, {*library.edited, *opening.target, rooms}, **each)
        skill.remember(acted).then(None, js=SHOW_CHOSEN, api_visibility="private")
        compare.renew(acted.then)
    # the first answer may come after one to a click that was made meanwhile, and show what was asked for before that
    tab.select(library.open, library.asked, library.opened, **QUICK).then(
        library.renew, library.asked, library.found, **QUICK
    )
    if library.identity:
        asked = {library.identity, *skill.source, skill.chosen, skill.own, opening.brought, opening.trace}
        kept = skill.keep.click(keep, asked | {skill.opening}, [skill.kept, skill.saved], **each)
        now = [skill.saved, skill.opening, *skill.kept_as]
        kept = kept.success(None, now, skill.kept_as, js=SHOW_SAVED, api_visibility="private")
        skill.remember(kept)
        held = [library.identity, skill.saved, skill.opening, opening.brought]
        kept = kept.then(hold, held, opening.brought, **QUICK)
        compare.renew(kept.then)


def _wire_training(
    demo: gr.Blocks,
    studio: Studio,
    training: Training,
    compare: ComparePanel,
    train: TrainPanel,
    tab: gr.Tab,
    line: tuple[gr.Row, gr.HTML, gr.Button],
) -> None:
    """What concerns both tabs: who the visitor is, and which hypernetwork makes their adapters."""
    identity, (banner, in_use, back) = train.identity, line

    def arrive(identity: Any) -> list[Any]:
        identity = arrived(identity)
        return [identity, *tell(identity)]

    def tell(identity: dict[str, str]) -> list[Any]:
        try:
            said = train_render.in_use(training.in_use(identity))
        except StudioError as error:
            said = train_render.in_use(None, str(error))
        return [gr.Row(visible=bool(said)), said]

    def use(identity: Any, id_: str, chosen: str, brought: Brought, parts: Stack, request: gr.Request) -> dict:
        try:
            job = training.jobs.get(owner_of(identity), id_)
            studio.use(request.session_hash, checkpoint_of(job))
        except (JobError, StudioError) as error:
            return {train.problem: render.notice(str(error))}
        return switched({**identity, "using": job.id}, chosen, brought, parts)

    def go_back(identity: Any, chosen: str, brought: Brought, parts: Stack, request: gr.Request) -> dict:
        studio.use(request.session_hash, None)
        identity = arrived(identity)
        with suppress(JobError):  # then it is only kept for longer
            training.jobs.use_none(owner_of(identity))
        return switched({**identity, "using": ""}, chosen, brought, parts)

    def switched(to: dict[str, str], chosen: str, brought: Brought, parts: Stack) -> dict:
        shown = zip(compare.made, compare.unmade(chosen, brought, parts), strict=True)
        values = dict(zip((identity, banner, in_use), [to, *tell(to)], strict=True)) | dict(shown)
        return values | {compare.stack.meter: "", compare.mark: new_mark(), train.problem: ""}

    def discard(identity: Any, id_: str, chosen: str, brought: Brought, parts: Stack, request: gr.Request) -> dict:
        try:
            training.jobs.discard(owner_of(identity), id_)
        except (JobError, StudioError) as error:
            return {train.problem: render.notice(str(error))}
        is_in_use = identity.get("using") == id_
        return go_back(identity, chosen, brought, parts, request) if is_in_use else {train.problem: ""}

    changed = [identity, banner, in_use, *compare.made, compare.stack.meter, compare.mark, train.problem]
    about = [compare.chosen, compare.brought, compare.stack.parts]
    demo.load(arrive, identity, [identity, banner, in_use], **QUICK)
    for button, work, asked in (
        (train.use, use, [identity, train.job, *about]),
        (train.discard_it, discard, [identity, train.job, *about]),
        (back, go_back, [identity, *about]),
    ):
        train.then_watch(button.click(work, asked, changed, **QUICK))
    prepared = [train.skill, train.left_out, train.minutes, train.kept_out]
    tab.select(train.open, [identity, *prepared, train.job], train.opened, **QUICK)


def _first(library: SkillLibrary) -> LibraryEntry:
    entries = library.list()
    return next((entry for entry in entries if entry.skill.name == FIRST), entries[0])


def _theme() -> gr.themes.Base:
    sizes, colors = gr.themes.sizes, gr.themes.colors
    return gr.themes.Base(
        primary_hue=colors.teal,
        secondary_hue=colors.teal,
        neutral_hue=colors.slate,
        text_size=sizes.text_sm,
        spacing_size=sizes.spacing_sm,
        radius_size=sizes.radius_sm,
        font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],
        font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "DejaVu Sans Mono", "monospace"],
    ).set(
        body_background_fill="*neutral_100",
        body_background_fill_dark="#060c17",
        body_text_color="#0f172a",
        body_text_color_dark="#e5ebf3",
        body_text_color_subdued="#475569",
        body_text_color_subdued_dark="#a7b4c7",
        block_info_text_color="#475569",
        block_info_text_color_dark="#a7b4c7",
        block_background_fill="white",
        block_background_fill_dark="#101a2b",
        block_border_width="1px",
        block_border_width_dark="1px",
        input_background_fill="white",
        input_background_fill_dark="#0a1220",
        input_border_width="1px",
        input_border_width_dark="1px",
        input_border_color="#b6c2d1",
        input_border_color_dark="#3a4b65",
        input_border_color_focus="*primary_700",
        input_border_color_focus_dark="*primary_300",
        input_placeholder_color="#64748b",
        input_placeholder_color_dark="#94a3b8",
        slider_color="*primary_700",
        slider_color_dark="*primary_400",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_800",
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        button_secondary_background_fill="*neutral_100",
        button_secondary_background_fill_hover="*neutral_200",
        button_secondary_background_fill_dark="#1c2940",
        button_secondary_background_fill_hover_dark="#26364f",
        button_secondary_text_color="#0f172a",
        button_secondary_text_color_dark="#e5ebf3",
        button_secondary_border_color="#b6c2d1",
        button_secondary_border_color_dark="#3a4b65",
        button_secondary_border_color_hover="#b6c2d1",
        button_secondary_border_color_hover_dark="#3a4b65",
        button_border_width="1px",
        button_border_width_dark="1px",
    )
