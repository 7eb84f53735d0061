"""The sharing tab: on the left the skill in the editor goes out, on the right skills of others come in.

A token comes from the field or the sign-in with each click, goes to the Hub, and is kept nowhere: not in a state of the
page, not in a message, not on disk. What was pulled is named by the session that pulled it.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from skills.archive import SkillFiles
from studio.bundle import Verification
from studio.fidelity import Fidelity
from studio.hub import Pushed, can_sign_in
from studio.service import StudioError
from studio.sharing import PROBLEMS, Brought, Ready, Sharing
from studio.views import render, share_render
from studio.views.account import PRIVATE_LABEL, TOKEN_LABEL, attempted, forget_token, token_of, tried
from studio.views.compare_panel import ComparePanel, digest, still_there
from studio.views.gpu import on_gpu
from studio.views.skill_panel import SkillPanel, source_text
from studio.views.visitor import Training, checkpoint_of, checkpoint_used, repository_of
from studio.views.wiring import ACTIONS, HUB, LIVE_REGION, MODEL, NO_MEMORY, QUICK, when_full

ON_MODEL = MODEL | {"show_progress": "hidden", "api_visibility": "private"}
BUNDLES = [".skill", ".zip"]
GOODS = BUNDLE, HYPERNETWORK = "The bundle of the skill", "The hypernetwork in use"
PUSH_ASKED = "The scan found something. Read it below, then press Push anyway if you still want to push."
PUSH_BLOCKED = "Not pushed: the scan blocked it. Fix what is listed below and push again."
OPEN_BLOCKED = "This skill can't be opened: the scan blocked it, for the reasons below."

# The bundle is made when it is asked for; then this clicks on the link to it.
_FETCH = """() => { document.querySelector("#bundle-file")?.click(); }"""

# Signing in leads away from the page; who comes back finds this tab again.
_COME_BACK = """() => { sessionStorage.setItem("signing-in", "1"); }"""
CAME_BACK = """() => {
  if (!sessionStorage.getItem("signing-in")) return;
  sessionStorage.removeItem("signing-in");
  const tabs = [...document.querySelectorAll('#rooms button[role="tab"]')];
  tabs.find((tab) => tab.textContent.trim() === "Share")?.click();
}"""


class SharePanel:
    """The components of the tab and its handlers, but for the one that opens a skill in the editor."""

    def __init__(
        self,
        sharing: Sharing,
        skill: SkillPanel,
        compare: ComparePanel,
        training: Training | None,
        identity: gr.BrowserState | None,
    ) -> None:
        self.sharing, self.studio = sharing, sharing.studio
        self.skill, self.compare = skill, compare
        self.training, self.identity = training, identity
        self.ready = gr.State(None)  # the bundle that the next step takes; None: there is none to take
        self.accepted = gr.State("")  # digest of the text whose findings were shown, so that a yes is a yes to them
        with gr.Row(elem_id="share-layout"):
            with gr.Column(elem_id="give"):
                self._make_bundle()
                self._make_push()
            with gr.Column(elem_id="take"):
                self._make_browse()
                self._make_verify()
        self._model_bundle, self._model_verify = on_gpu(self._model_bundle), on_gpu(self._model_verify)
        self._wire()

    def _make_bundle(self) -> None:
        gr.HTML("<h2>The skill in the editor</h2>", elem_classes="heading")
        self.subject = gr.HTML("", elem_id="share-skill")
        self.gguf = gr.Checkbox(False, label="With the adapter for llama.cpp (adapter.gguf)", elem_id="with-gguf")
        with gr.Row(elem_classes="tight buttons"):
            self.download = gr.Button("Download the bundle (.skill)", size="sm", min_width=170, elem_id="bundle")
            self.file = gr.DownloadButton(visible="hidden", elem_id="bundle-file")
        self.bundled = gr.HTML("", elem_id="bundle-line", js_on_load=LIVE_REGION)

    def _make_push(self) -> None:
        gr.HTML("<h2>Push to the Hugging Face Hub</h2>", elem_classes="heading part")
        gr.HTML(f'<p class="hint">{share_render.NOT_SIGNED_IN}</p>')
        if can_sign_in():
            with gr.Row(elem_classes="tight buttons"):
                sign_in = gr.LoginButton(size="sm", min_width=200, elem_id="sign-in")
            sign_in.click(None, js=_COME_BACK, api_visibility="private")
        with gr.Row(elem_classes="tight ask"):
            self.token = gr.Textbox(
                label=f"Or a {TOKEN_LABEL.lower()}" if can_sign_in() else TOKEN_LABEL,
                type="password",
                max_lines=1,
                placeholder="hf_…",
                min_width=180,
                html_attributes=NO_MEMORY,
                elem_id="token",
            )
            self.who = gr.Button("Check account", size="sm", min_width=110, elem_id="who")
        self.account = gr.HTML("", elem_id="account", js_on_load=LIVE_REGION)
        self.what = gr.Radio(
            list(GOODS),
            value=BUNDLE,
            label="What",
            visible=bool(self.training),
            elem_id="push-what",
        )
        with gr.Row(elem_classes="tight"):
            self.target = gr.Textbox(
                label="Repository",
                placeholder="default: its own name, in your account",
                max_lines=1,
                min_width=180,
                html_attributes=NO_MEMORY,
                elem_id="push-to",
            )
            self.message = gr.Textbox(
                label="What changed (optional)", placeholder="Add …", max_lines=1, min_width=180, elem_id="push-message"
            )
        with gr.Row(elem_classes="tight"):
            self.private = gr.Checkbox(False, label=PRIVATE_LABEL, min_width=150, elem_id="push-private")
            takes = " (needs a token)" if can_sign_in() else ""  # a sign-in reaches what this app made alone
            self.proposal = gr.Checkbox(
                False,
                label=f"As a pull request to somebody else's repository{takes}",
                min_width=230,
                elem_id="push-request",
            )
        with gr.Row(elem_classes="tight buttons"):
            self.push = gr.Button("Push", variant="primary", size="md", min_width=110, elem_id="push")
            self.anyway = gr.Button("Push anyway", size="sm", min_width=110, visible=False, elem_id="push-anyway")
        self.line = gr.HTML("", elem_id="push-line", js_on_load=LIVE_REGION)
        self.objections = gr.HTML("", elem_id="push-findings")

    def _make_browse(self) -> None:
        gr.HTML("<h2>Skills that others shared</h2>", elem_classes="heading")
        with gr.Row(elem_classes="tight ask"):
            self.query = gr.Textbox(
                label="Search the Hub", placeholder="commit, log …", max_lines=1, min_width=160, elem_id="hub-query"
            )
            self.browse = gr.Button("Search", size="sm", min_width=90, elem_id="browse")
        self.found = gr.HTML(share_render.found(None), elem_id="hub-list", js_on_load=ACTIONS)
        with gr.Row(elem_classes="tight ask"):
            self.repository = gr.Textbox(
                label="Repository", placeholder="user/name", max_lines=1, min_width=150, elem_id="pull-name"
            )
            self.revision = gr.Textbox(
                label="Revision", placeholder="the newest", max_lines=1, min_width=100, elem_id="pull-revision"
            )
            self.pull = gr.Button("Pull", size="sm", min_width=90, elem_id="pull")
        self.pull_line = gr.HTML("", elem_id="pull-line", js_on_load=LIVE_REGION)
        self.incoming = gr.HTML(share_render.incoming(None), elem_id="pulled")
        with gr.Row(elem_classes="tight buttons"):
            hidden = {"visible": False, "size": "sm", "min_width": 130}
            self.open = gr.Button("Open in the editor", variant="primary", elem_id="open-pulled", **hidden)
            self.verify_pulled = gr.Button("Verify its adapter", elem_id="verify-pulled", **hidden)

    def _make_verify(self) -> None:
        gr.HTML("<h2>Verify a bundle</h2>", elem_classes="heading part")
        gr.HTML('<p class="hint">The adapter is made again from the text and compared with the one in the bundle.</p>')
        with gr.Row(elem_classes="tight buttons"):
            self.verify = gr.UploadButton(
                "Choose a bundle (.skill)", size="sm", min_width=150, file_types=BUNDLES, elem_id="verify"
            )
        self.verified = gr.HTML("", elem_id="verified", js_on_load=LIVE_REGION)

    # ---- what is shown ----

    def show(
        self,
        request: gr.Request,
        found: Fidelity | None,
        checked: str,
        brought: Brought,
        trace: str,
        chosen: str,
        *source: str,
    ) -> str:
        """The line on the skill in the editor, as the tab is opened."""
        text = source_text(*source)
        try:
            files = self.sharing.source(request.session_hash, chosen, text, still_there(brought, trace))
            return share_render.open_skill(files, _is_of(found, checked, text))
        except PROBLEMS as error:
            return share_render.open_skill(None, False, str(error))

    # ---- what is done ----

    def _wire(self) -> None:
        about = {*self.skill.source, self.skill.chosen, self.compare.found, self.compare.checked, self.gguf}
        about |= {self.compare.brought, self.compare.trace, *([self.identity] if self.training else [])}
        self.shown = [
            self.compare.found,
            self.compare.checked,
            self.compare.brought,
            self.compare.trace,
            self.skill.chosen,
            *self.skill.source,
        ]

        self.download.click(self._bundle, about, [self.download, self.bundled, self.file], **ON_MODEL).then(
            None, js=_FETCH, api_visibility="private"
        )
        prepared = [self.push, self.anyway, self.line, self.objections, self.ready, self.accepted]
        asked = {self.token, self.target, self.private, self.proposal, self.message, self.ready}
        for button, work in ((self.push, self._prepare), (self.anyway, self._prepare_accepted)):
            prepare = button.click(work, {*about, self.what, self.accepted}, prepared, **ON_MODEL)
            when_full(prepare, self.push, self.line)
            push = prepare.then(self._push, asked, [self.push, self.line, self.ready], **HUB)
            when_full(push, self.push, self.line)
            forget_token(push, self.token)
        forget_token(self.who.click(self._whose, self.token, self.account, **HUB), self.token)

        for happens in (self.browse.click, self.query.submit):
            browsed = happens(self._browse, [self.token, self.query], [self.browse, self.found], **HUB)
            forget_token(browsed, self.token)
        pulled = [self.pull, self.pull_line, self.incoming, self.open, self.verify_pulled, self.verified]
        for happens in (self.pull.click, self.repository.submit, self.revision.submit):
            pull = happens(self._pull, [self.token, self.repository, self.revision], pulled, **HUB)
            forget_token(pull, self.token)
        # the last click counts, also one that comes while another skill is pulled
        chosen = self.found.edit(
            self._choose, outputs=[self.repository, self.revision], **QUICK | {"trigger_mode": "multiple"}
        )
        asked = [self.token, self.repository, self.revision]
        forget_token(chosen.then(self._pull, asked, pulled, trigger_mode="always_last", **HUB), self.token)

        whose = {self.verify, *([self.identity] if self.training else [])}
        self.verify.upload(self._verify, whose, self.verified, **ON_MODEL)
        self.verify_pulled.click(self._verify_pulled, whose, self.verified, **ON_MODEL)

    def _bundle(self, values: dict, request: gr.Request) -> Iterator[dict]:
        yield {self.download: gr.Button(interactive=False), self.file: gr.DownloadButton(value=None)}
        for message, state, ready in self._made(values, request.session_hash, "download"):
            said = {
                self.bundled: render.activity(message, state),
                self.download: gr.Button(interactive=state != "busy"),
            }
            yield said | ({self.file: gr.DownloadButton(value=ready.path)} if ready else {})

    def _prepare(self, values: dict, request: gr.Request) -> Iterator[dict]:
        yield from self._prepared(values, request.session_hash, accepted="")

    def _prepare_accepted(self, values: dict, request: gr.Request) -> Iterator[dict]:
        yield from self._prepared(values, request.session_hash, values[self.accepted])

    def _prepared(self, values: dict, session: str, accepted: str) -> Iterator[dict]:
        """The first step of a push: the bundle, and what the scan says of it; a yes counts for this text only."""
        shown = {self.anyway: gr.Button(visible=False), self.objections: "", self.ready: None, self.accepted: ""}
        yield {self.push: gr.Button(interactive=False), **shown}
        text = source_text(*(values[component] for component in self.skill.source))
        goods = self._trained(values) if values[self.what] == HYPERNETWORK else self._made(values, session, "push")
        for message, state, ready in goods:
            severities = {finding.severity for finding in ready.findings} if ready else set()
            if "block" in severities:
                shown[self.objections] = share_render.findings(ready.findings)
                message, state, ready = PUSH_BLOCKED, "failed", None
            elif "ask" in severities and accepted != digest(text):
                shown |= {self.objections: share_render.findings(ready.findings), self.anyway: gr.Button(visible=True)}
                shown[self.accepted] = digest(text)
                message, state, ready = PUSH_ASKED, "failed", None
            waits = gr.Button(interactive=state == "failed")  # otherwise the second step goes on
            yield {**shown, self.push: waits, self.line: render.activity(message, state), self.ready: ready}

    def _push(self, values: dict, request: gr.Request, signed: gr.OAuthToken | None) -> Iterator[dict]:
        """The second step: what was made goes to the Hub."""
        ready: Ready | None = values[self.ready]
        if ready is None:
            yield gr.skip()  # a generator that ends without a word empties what it could have changed
            return
        yield {self.line: render.activity("Pushing to the Hub", "busy")}
        hidden = bool(values[self.private])

        def work() -> Pushed:
            return self.sharing.push(
                token_of(values[self.token], signed),
                ready.path,
                values[self.target].strip() or ready.name,
                True if hidden else None,
                bool(values[self.proposal]),
                values[self.message],
                accept=True,  # was asked for in the first step
            )

        done, problem = tried(work, "pushing")
        said = share_render.pushed(done, self.sharing.home(done.repository)) if done else problem
        yield {self.line: said, self.push: gr.Button(interactive=True), self.ready: None}

    def _whose(self, token: str, signed: gr.OAuthToken | None) -> str:
        name, problem = tried(lambda: self.sharing.whoami(token_of(token, signed)), "asking for the account")
        return share_render.account(name) if name else problem

    def _browse(self, token: str, query: str, signed: gr.OAuthToken | None) -> Iterator[list[Any]]:
        yield [gr.Button(interactive=False), render.activity("Asking the Hub", "busy")]
        found, problem = tried(lambda: self.sharing.browse(token_of(token, signed), query), "searching")
        yield [gr.Button(interactive=True), problem or share_render.found(found)]

    def _choose(self, event: gr.EventData) -> list[str]:
        """A skill of the list, at the commit that the list was of."""
        repository, _, commit = str(event._data.get("id")).partition("@")
        return [repository, commit]

    def _pull(
        self, token: str, repository: str, revision: str, request: gr.Request, signed: gr.OAuthToken | None
    ) -> Iterator[list[Any]]:
        off, session = gr.Button(visible=False), request.session_hash
        begin = render.activity(f"Pulling {repository}", "busy")
        yield [gr.Button(interactive=False), begin, share_render.incoming(None), off, off, ""]
        pulled, problem = tried(
            lambda: self.sharing.pull(session, token_of(token, signed), repository, revision), "pulling"
        )
        usable = pulled is not None and not pulled.is_blocked
        if pulled and pulled.is_blocked:
            problem = render.activity(OPEN_BLOCKED, "failed")
        opens = "Open anyway" if pulled and pulled.is_asked else "Open in the editor"
        yield [
            gr.Button(interactive=True),
            problem,
            share_render.incoming(pulled),
            gr.Button(opens, visible=usable),
            gr.Button(visible=usable and pulled.kind == "bundle"),
            "",
        ]

    def _verify(self, values: dict, request: gr.Request) -> Iterator[str]:
        yield from self._held_against(lambda: Path(values[self.verify]), values, request.session_hash)

    def _verify_pulled(self, values: dict, request: gr.Request) -> Iterator[str]:
        session = request.session_hash
        yield from self._held_against(lambda: self.sharing.pulled(session).path, values, session)

    # ---- with the model ----

    def _made(self, values: dict, session: str, purpose: str) -> Iterator[tuple[str, str, Ready | None]]:
        """(message, state, bundle) while the bundle of the skill in the editor is made."""
        text = source_text(*(values[component] for component in self.skill.source))
        found = values[self.compare.found]
        checked = found if _is_of(found, values[self.compare.checked], text) else None
        for said in self._waited():
            yield said, "busy", None
        yield "Making the bundle", "busy", None

        def work() -> Ready:
            brought = still_there(values[self.compare.brought], values[self.compare.trace])
            source = self.sharing.source(session, values[self.skill.chosen], text, brought)
            target = self.sharing.new_file(session, purpose, source.skill.name)
            gguf = bool(values[self.gguf])
            checkpoint = checkpoint_used(self.training, values.get(self.identity))
            return self._model_bundle(session, checkpoint, source, target, checked, gguf)

        ready, problem = attempted(work, "making the bundle")
        said = f"{ready.path.name}, {render.size(ready.size)}" if ready else problem
        yield said, "done" if ready else "failed", ready

    def _trained(self, values: dict) -> Iterator[tuple[str, str, Ready | None]]:
        """As `_made`, the hypernetwork that this visitor uses."""

        def work() -> Ready:
            job = self.training.in_use(values[self.identity])
            if job is None:
                raise StudioError(
                    "You are using the shipped hypernetwork. Train one and press Use it; then you can push it here."
                )
            return Ready(checkpoint_of(job), repository_of(job))

        ready, problem = attempted(work, "finding the hypernetwork")
        yield problem, "failed" if problem else "busy", ready

    def _held_against(self, path: Callable[[], Path], values: dict, session: str) -> Iterator[str]:
        """A bundle's adapter is made again and compared."""
        for said in self._waited():
            yield render.activity(said, "busy")
        yield render.activity("Making the adapter of its text", "busy")

        def work() -> Verification:
            checkpoint = checkpoint_used(self.training, values.get(self.identity))
            return self._model_verify(session, checkpoint, path())

        outcome, problem = tried(work, "verifying")
        yield share_render.verification(outcome) if outcome else problem

    def _waited(self) -> Iterator[str]:
        """What is going on until the model is there; here, as a GPU's own process would not see the loading end."""
        while (status := self.studio.status()).state == "loading":
            yield f"Waiting for the model. {status.message}"
            time.sleep(0.5)

    def _model_bundle(
        self,
        session: str,
        checkpoint: Path | None,
        source: SkillFiles,
        target: Path,
        checked: Fidelity | None,
        gguf: bool,
    ) -> Ready:
        self.studio.use(session, checkpoint)
        return self.sharing.make(session, source, target, checked, gguf)

    def _model_verify(self, session: str, checkpoint: Path | None, path: Path) -> Verification:
        self.studio.use(session, checkpoint)
        return self.studio.verify(session, path)


def _is_of(found: Fidelity | None, checked: str, text: str) -> bool:
    """Whether a check is of this text; `checked` is the digest of the text that the check on show is of."""
    return found is not None and checked == digest(text)
