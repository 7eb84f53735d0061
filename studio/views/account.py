"""Work for whoever clicked: with whose token on the Hub, and what they are told when it fails.

The token comes from a field or the sign-in with each click, and is kept nowhere.
"""

import logging
import traceback
from collections.abc import Callable
from typing import TypeVar

import gradio as gr
from gradio.events import Dependency

from studio.intake import IntakeError
from studio.jobs import JobError
from studio.sharing import PROBLEMS
from studio.views import render
from studio.views.gpu import refusal
from studio.views.wiring import QUICK

TOKEN_LABEL = "Token with write access"
PRIVATE_LABEL = "Private, if the repository is new"

log = logging.getLogger(__name__)
T = TypeVar("T")


def token_of(typed: str | None, signed: gr.OAuthToken | None) -> str | None:
    """The token of this click: the one typed, else that of the sign-in."""
    return (typed or "").strip() or (signed.token if signed else None)


def forget_token(event: Dependency, token: gr.Textbox) -> None:
    """After an event that a token went along with. Gradio keeps what came last of each component; that is then ''."""
    for moment in (event.then, event.failure):
        moment(forgotten, token, js="() => ['']", **QUICK)


def forgotten(_token: str) -> None:
    """Nothing is done with it."""


def attempted(work: Callable[[], T], what: str) -> tuple[T | None, str]:
    """What a work gives, or what was wrong, for the visitor."""
    try:
        return work(), ""
    except (*PROBLEMS, JobError, IntakeError) as error:
        return None, str(error)
    except gr.Error as error:
        return None, refusal(error)
    except Exception as error:
        # Where it happened, but not what it says: a message may repeat what was sent, a token included.
        log.error("%s failed: %s\n%s", what, type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
        return None, "Something went wrong in the studio. Try it once more."


def tried(work: Callable[[], T], what: str) -> tuple[T | None, str]:
    """As `attempted`, what was wrong as the markup of a line."""
    result, problem = attempted(work, what)
    return result, render.activity(problem, "failed")
