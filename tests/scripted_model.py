"""A model that plays a script behind a real OpenAI-compatible endpoint on loopback: streamed or not, well or badly.

A script names, for each text of a user, what the model does step by step in that turn: it answers, calls tools, or
fails in one of the ways that endpoints fail. Which step is due is read from the request alone, so many may ask at once.
"""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Say:
    """An answer, which ends the turn."""

    text: str


@dataclass(frozen=True)
class Call:
    """A call of a tool; arguments that are a text are sent as they are, JSON or not."""

    tool: str
    arguments: dict | str


@dataclass(frozen=True)
class Fail:
    """A status of HTTP with a body: an error, or with 200 something that is no chat completion."""

    status: int
    body: str


@dataclass(frozen=True)
class Stall:
    """A connection that is kept open and silent until the server closes."""


Step = Say | Call | Fail | Stall
Script = Callable[[str], Sequence[Step] | None]  # a user's text -> the steps of that turn, None where it is unknown


@dataclass
class ScriptedModel:
    """The running server: where it listens and what it was asked."""

    url: str
    requests: list[dict] = field(default_factory=list)  # bodies, in the order of their arrival
    keys: set[str] = field(default_factory=set)  # what the header Authorization held
    closing: threading.Event = field(default_factory=threading.Event)


@contextmanager
def scripted_model(script: Script) -> Iterator[ScriptedModel]:
    """Serve `script` on loopback. A turn that the script does not know is answered with status 400."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            """Quiet."""

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            model.requests.append(asked)
            model.keys.add(self.headers.get("Authorization", ""))
            step = due(script, asked["messages"])
            if isinstance(step, Stall):
                model.closing.wait()
            elif isinstance(step, Fail):
                self.answer(step.status, "application/json", step.body)
            elif asked.get("stream"):
                events = [*stream_of(step), "[DONE]"]
                self.answer(200, "text/event-stream", "".join(f"data: {event}\n\n" for event in events))
            else:
                self.answer(200, "application/json", json.dumps(whole(step)))

        def answer(self, status: int, kind: str, body: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    model = ScriptedModel(f"http://127.0.0.1:{server.server_port}/v1")
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield model
    finally:
        model.closing.set()
        server.shutdown()
        server.server_close()


def due(script: Script, messages: list[dict]) -> Step:
    """The step that comes next: as many are done as the assistant has spoken since the user last did."""
    last = max(i for i, message in enumerate(messages) if message["role"] == "user")
    steps = script(text_of(messages[last]))
    done = sum(message["role"] == "assistant" for message in messages[last:])
    if steps is None or done >= len(steps):
        return Fail(400, json.dumps({"error": {"message": "This is not in the script."}}))
    return steps[done]


def text_of(message: dict) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def message_of(step: Say | Call) -> dict:
    if isinstance(step, Say):
        return {"role": "assistant", "content": step.text}
    arguments = step.arguments if isinstance(step.arguments, str) else json.dumps(step.arguments)
    call = {"index": 0, "id": f"call_{step.tool}", "type": "function"}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [call | {"function": {"name": step.tool, "arguments": arguments}}],
    }


USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def whole(step: Say | Call) -> dict:
    """A step as a chat completion."""
    reason = "stop" if isinstance(step, Say) else "tool_calls"
    choice = {"index": 0, "message": message_of(step), "finish_reason": reason}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": USAGE}


def stream_of(step: Say | Call) -> Iterator[str]:
    """A step as the events of a stream: a text comes in two pieces."""
    deltas = [message_of(step)]
    if isinstance(step, Say):
        half = len(step.text) // 2
        deltas = [{"role": "assistant", "content": step.text[:half]}, {"content": step.text[half:]}]
    reason = "stop" if isinstance(step, Say) else "tool_calls"
    for delta, finish in [*((delta, None) for delta in deltas), ({}, reason)]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        yield json.dumps(chunk | ({"usage": USAGE} if finish else {}))
