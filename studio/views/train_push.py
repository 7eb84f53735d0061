"""The folded part of the training tab from which a finished hypernetwork goes to the Hugging Face Hub.

The token comes from the field, or from the sign-in, with each click, and is kept nowhere.
"""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from studio.hub import Hub, HubError
from studio.jobs import JobError
from studio.views import render, train_render
from studio.views.account import PRIVATE_LABEL, TOKEN_LABEL, forget_token, token_of, tried
from studio.views.visitor import Training, checkpoint_of, owner_of, repository_of
from studio.views.wiring import HUB, LIVE_REGION, NO_MEMORY

NO_TOKEN = "Give a token with write access, from hf.co/settings/tokens."


class PushPart:
    """Repository, token and button; `part` is shown where there is something to push."""

    def __init__(self, training: Training) -> None:
        self.training = training
        with gr.Accordion(
            "Push it to the Hugging Face Hub", open=False, visible=False, elem_id="job-push"
        ) as self.part:
            with gr.Row(elem_classes="tight"):
                self.target = gr.Textbox(
                    label="Repository",
                    placeholder="a name in your account",
                    max_lines=1,
                    min_width=160,
                    html_attributes=NO_MEMORY,
                    elem_id="job-push-to",
                )
                self.token = gr.Textbox(
                    label=TOKEN_LABEL,
                    type="password",
                    placeholder="hf_…",
                    max_lines=1,
                    min_width=160,
                    html_attributes=NO_MEMORY,
                    elem_id="job-push-token",
                )
            with gr.Row(elem_classes="tight buttons"):
                self.push = gr.Button("Push", size="sm", min_width=80, elem_id="job-push-it")
                self.private = gr.Checkbox(True, label=PRIVATE_LABEL, min_width=160)
            self.line = gr.HTML("", elem_id="job-push-line", js_on_load=LIVE_REGION)

    def wire(self, identity: gr.BrowserState, job: gr.Textbox) -> None:
        """`job` holds the id of the training that is on show."""
        asked = [identity, job, self.target, self.token, self.private]
        forget_token(self.push.click(self._push, asked, [self.push, self.line], **HUB), self.token)

    def _push(
        self, identity: Any, id_: str, target: str, token: str, private: bool, signed: gr.OAuthToken | None
    ) -> Iterator[list[Any]]:
        yield [gr.Button(interactive=False), render.activity("Pushing", "busy")]
        said, problem = tried(
            lambda: self._pushed(identity, id_, target, token_of(token, signed), private), "pushing a hypernetwork"
        )
        yield [gr.Button(interactive=True), said or problem]

    def _pushed(self, identity: Any, id_: str, target: str, token: str | None, private: bool) -> str:
        job = self.training.jobs.get(owner_of(identity), id_)
        if job.state != "finished":
            raise JobError("This training is not finished, so there is nothing to push yet.")
        if not token:
            raise HubError(NO_TOKEN)
        hub = Hub(token, is_visitor=True)
        done = hub.push(checkpoint_of(job), target.strip() or repository_of(job), private or None)
        return train_render.pushed(done)
