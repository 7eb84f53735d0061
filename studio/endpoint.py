"""An OpenAI-compatible server of the base and its skills: `/v1/models` and `/v1/chat/completions`, whole or streamed.

The model answers one question at a time, in the order they come, on a thread of its own; it never waits for a client.
What the base can't do is either refused (`n` above 1, images, `tool_choice` that demands a call) or, where agents send
it always, accepted and left aside: `tools`, `response_format`, `top_p` and fields unknown here. A base of 135 million
parameters calls no tools; the calls and results in a conversation are shown to it as text.
"""

import asyncio
import hmac
import json
import logging
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from hypernet.decode import PromptTooLong
from studio.answering import Models, Piece, Question, UnknownModel

MAX_BODY = 4_000_000  # bytes of a request, far more than any context holds
BODY_SECONDS = 30  # within which it must have come
MAX_PENDING = 32  # questions that wait or are being answered
MAX_STOPS, MAX_STOP = 4, 1000  # stop strings, and characters of one
MAX_SEED, MAX_TOKENS = 2**63, 2**31  # more tokens than fit are cut to what does
MAX_SHOWN = 80  # characters of a wrong value in the message about it
CLIENT_GONE = 499  # a status that nobody will read

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "user",  # chat templates differ in what they make of a tool's message; a user's they all know
    "function": "user",
}

log = logging.getLogger(__name__)


class Json(JSONResponse):
    """JSON in ASCII: a name with half a surrogate pair, which JSON can carry, could not be sent back in UTF-8."""

    def render(self, content: object) -> bytes:
        return json.dumps(content).encode()


class ApiError(Exception):
    """An answer that is an error: its status and what OpenAI's error object says."""

    def __init__(self, status: int, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param

    def body(self) -> dict:
        """The error object."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


def _host(origin: str) -> str | None:
    """The host of an Origin; None for one that has none."""
    try:
        return urlsplit(origin).hostname
    except ValueError:
        return None


def make_app(models: Models, api_key: str = "", hosts: Set[str] = frozenset()) -> FastAPI:
    """The server's application; with `api_key`, clients have to give it.

    With `hosts` it answers under these names alone, and no web page of another's: where there is no key, a page that
    someone visits could otherwise ask it, by a name that leads here.
    """
    thread = ThreadPoolExecutor(1, "model")
    turns: set[Turn] = set()  # that wait or are being answered
    created = int(time.time())

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        for turn in [*turns]:
            turn.end()
        thread.shutdown(wait=False)

    async def allowed(request: Request) -> None:
        asked = [request.url.hostname, *map(_host, request.headers.getlist("origin"))]
        if hosts and not hosts >= {*asked}:
            message = f"Without an API key this server answers {', '.join(sorted(hosts))} alone. Give it a key."
            raise ApiError(403, message, "forbidden_host")
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if api_key and not hmac.compare_digest(given.encode(), api_key.encode()):
            what = "A wrong API key was given." if given else "No API key was given."
            raise ApiError(401, f"{what} Send the server's as 'Authorization: Bearer KEY'.", "invalid_api_key")

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan, dependencies=[Depends(allowed)])

    def described(name: str) -> dict:
        return {"id": name, "object": "model", "created": created, "owned_by": "parametric-skills"}

    @app.get("/v1/models")
    async def list_models() -> dict:
        return {"object": "list", "data": [described(name) for name in models.names()]}

    @app.get("/v1/models/{name}")
    async def get_model(name: str) -> dict:
        find_model(models, name)
        return described(name)

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        body = await read_body(request)
        question = read_question(body, models)
        streamed = choice(body, "stream", (False, True))
        with_usage = wants_usage(body)
        if len(turns) >= MAX_PENDING:
            raise ApiError(429, f"{MAX_PENDING} requests are waiting already. Try again later.", "rate_limit_exceeded")
        turn = Turn(thread, models, question, request.receive)
        turns.add(turn)
        turn.work.add_done_callback(lambda _work: turns.discard(turn))
        writer = Writer(body["model"], with_usage)
        if not streamed:
            return await whole(turn, writer)
        # what is wrong with the question shows with the first piece, while a status can still be sent
        pieces = aiter(turn)
        try:
            first = await anext(pieces, None)
        except Exception as error:
            raise as_api_error(error) from error
        if first is None:
            return Response(status_code=CLIENT_GONE)
        return StreamingResponse(writer.events(first, pieces, turn), media_type="text/event-stream")

    @app.exception_handler(ApiError)
    async def refuse(_request: Request, error: ApiError) -> Response:
        return Json(error.body(), error.status)

    @app.exception_handler(HTTPException)
    async def no_such_route(request: Request, error: HTTPException) -> Response:
        said = ApiError(
            error.status_code,
            f"{request.method} {request.url.path}: {error.detail}. Served are /v1/models and /v1/chat/completions.",
        )
        return Json(said.body(), error.status_code, headers=error.headers)

    @app.exception_handler(Exception)
    async def failed(_request: Request, _error: Exception) -> Response:  # which the server logs
        return Json(failure().body(), 500)

    @app.exception_handler(ClientDisconnect)
    async def gone(_request: Request, _error: ClientDisconnect) -> Response:
        return Response(status_code=CLIENT_GONE)

    return app


# ---- what is asked -------------------------------------------------------------------------------------------------


async def read_body(request: Request) -> dict:
    """The JSON object of a request. Raises ApiError for one that is none, too large or too slow."""

    async def read() -> bytes:
        content = bytearray()
        async for chunk in request.stream():
            content += chunk
            if len(content) > MAX_BODY:
                raise ApiError(413, f"The request has more than {MAX_BODY:,} bytes. Shorten it.", "request_too_large")
        return bytes(content)

    try:
        body = json.loads(await asyncio.wait_for(read(), BODY_SECONDS))
    except asyncio.TimeoutError as error:
        raise ApiError(408, f"The request had not come within {BODY_SECONDS} seconds. Send it again.") from error
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"The request is not valid JSON: {error}.", "invalid_json") from error
    if not isinstance(body, dict):
        raise ApiError(400, "The request must be a JSON object with model and messages.", "invalid_json")
    return body


def find_model(models: Models, name: str) -> tuple[str | None, float]:
    """`Models.find`, its errors as ApiError."""
    try:
        return models.find(name)
    except UnknownModel as error:
        raise ApiError(404, str(error), "model_not_found", "model") from error
    except ValueError as error:
        raise ApiError(400, str(error), "invalid_value", "model") from error


def read_question(body: dict, models: Models) -> Question:
    """The question in a request's body. Raises ApiError that names the field, its value and what it must be."""
    if not isinstance(body.get("model"), str):
        raise wrong("model", body.get("model"), "a name out of /v1/models")
    skill, strength = find_model(models, body["model"])
    turns = body.get("messages")
    if not isinstance(turns, list) or not turns:
        raise wrong("messages", turns, "a list with at least one message")
    choice(body, "n", (1,))
    if body.get("tool_choice") not in (None, "none", "auto"):
        raise wrong("tool_choice", body["tool_choice"], "'auto' or 'none': this base can't be made to call a tool")
    stops = body.get("stop") or ()
    stops = (stops,) if isinstance(stops, str) else stops
    if (
        not isinstance(stops, (list, tuple))
        or len(stops) > MAX_STOPS
        or not all(isinstance(stop, str) and 0 < len(stop) <= MAX_STOP for stop in stops)
    ):
        raise wrong("stop", stops, f"one to {MAX_STOPS} strings of 1 to {MAX_STOP:,} characters")
    limits = [number(body, name, int, 1, MAX_TOKENS) for name in ("max_completion_tokens", "max_tokens")]
    return Question(
        messages=tuple(read_message(turn, f"messages[{i}]") for i, turn in enumerate(turns)),
        skill=skill,
        strength=strength,
        temperature=number(body, "temperature", (int, float), 0, 2) or 0.0,
        max_tokens=next((limit for limit in limits if limit), None),
        seed=number(body, "seed", int, -MAX_SEED, MAX_SEED - 1),
        stops=tuple(stops),
    )


def read_message(message: object, where: str) -> dict[str, str]:
    """Role and content of a message, tool calls written out in the content. Raises ApiError."""
    if not isinstance(message, dict) or not isinstance(message.get("role"), str) or message["role"] not in ROLES:
        raise wrong(where, message, f"an object whose role is one of {', '.join(ROLES)}")
    content = message.get("content")
    calls = message.get("tool_calls") or []
    if content is None and message["role"] == "assistant":
        content = ""
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        if len(texts) < len(content) or not all(isinstance(text, str) for text in texts):
            raise wrong(
                f"{where}.content", content, "text, or a list of parts of type text: the base reads nothing else"
            )
        content = "".join(texts)
    if not isinstance(content, str):
        raise wrong(f"{where}.content", content, "text, or a list of parts of type text")
    try:
        written = [write_call(call["function"]["name"], call["function"]["arguments"]) for call in calls]
    except (LookupError, TypeError) as error:
        raise wrong(f"{where}.tool_calls", calls, "a list of calls, each with function.name and .arguments") from error
    return {"role": ROLES[message["role"]], "content": "\n".join(part for part in (content, *written) if part)}


def write_call(name: object, arguments: object) -> str:
    """A tool call as text, in the form that most open models are taught."""
    with suppress(TypeError, ValueError, RecursionError):
        arguments = json.loads(arguments)  # a string that holds JSON, by the protocol
    call = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{call}\n</tool_call>"


def wants_usage(body: dict) -> bool:
    """Whether a stream is to tell what it cost. Raises ApiError."""
    options = body.get("stream_options") or {}
    if not isinstance(options, dict):
        raise wrong("stream_options", options, "an object")
    return choice(options, "include_usage", (False, True))


def number(body: dict, name: str, kind: type | tuple[type, ...], low: float, high: float) -> float | None:
    """A number of a request; None where it is left out. Raises ApiError."""
    value = body.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high):
        what = "a whole number" if kind is int else "a number"
        raise wrong(name, value, f"{what} from {low} to {high}")
    return value


def choice(body: dict, name: str, values: tuple) -> object:
    """A field that has one of few values, the first where it is left out. Raises ApiError."""
    value = body.get(name)
    if value is not None and (type(value) is not type(values[0]) or value not in values):
        raise wrong(name, value, " or ".join(json.dumps(value) for value in values))
    return values[0] if value is None else value


def wrong(name: str, value: object, wanted: str) -> ApiError:
    """What is said of a field with a wrong value."""
    shown = {dict: "an object", list: "a list"}.get(type(value)) or json.dumps(value)
    shown = shown if len(shown) <= MAX_SHOWN else shown[: MAX_SHOWN - 1] + "…"
    return ApiError(400, f"{name} is {shown}; it must be {wanted}.", "invalid_value", name)


# ---- what is answered ----------------------------------------------------------------------------------------------


class Turn:
    """A question on its way through the model's thread; iterating gives its pieces as they come.

    Ends, its decoding with it, when its client hangs up.
    """

    def __init__(self, thread: ThreadPoolExecutor, models: Models, question: Question, receive: Callable) -> None:
        self._loop = asyncio.get_running_loop()
        # as long as the answer at most, so a client that reads slowly holds up nobody
        self._arrived: asyncio.Queue[Piece | Exception | None] = asyncio.Queue()
        self._stop = threading.Event()
        self._watch = asyncio.create_task(self._end_with_client(receive))
        self.work = thread.submit(self._run, models, question)

    def end(self) -> None:
        """Stop decoding, or give up the place in the queue."""
        self._stop.set()
        self.work.cancel()
        self._watch.cancel()
        self._arrived.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[Piece]:
        while (item := await self._arrived.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item

    async def _end_with_client(self, receive: Callable) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.end()

    def _run(self, models: Models, question: Question) -> None:
        try:
            for piece in models.answer(question, self._stop):
                self._tell(piece)
            self._tell(None)
        except Exception as error:
            self._tell(error)

    def _tell(self, item: Piece | Exception | None) -> None:
        with suppress(RuntimeError):  # the server has ended
            self._loop.call_soon_threadsafe(self._arrived.put_nowait, item)


class Writer:
    """Writes one answer in OpenAI's shapes."""

    def __init__(self, model: str, with_usage: bool) -> None:
        """`with_usage`: a stream tells it, too."""
        self._head = {"id": f"chatcmpl-{secrets.token_hex(12)}", "created": int(time.time()), "model": model}
        self._with_usage = with_usage

    def completion(self, pieces: list[Piece]) -> dict:
        """A whole answer."""
        message = {"role": "assistant", "content": "".join(piece.text for piece in pieces), "refusal": None}
        done = {"index": 0, "message": message, "logprobs": None, "finish_reason": pieces[-1].finished}
        return {**self._head, "object": "chat.completion", "choices": [done], "usage": usage(pieces[-1])}

    async def events(self, first: Piece, rest: AsyncIterator[Piece], turn: Turn) -> AsyncIterator[str]:
        """The answer as server-sent events, one for each piece that says something."""
        piece = first
        try:
            yield self._event({"role": "assistant", "content": ""})
            while piece:
                if piece.text:
                    yield self._event({"content": piece.text})
                if piece.finished:
                    yield self._event({}, piece.finished)
                    if self._with_usage:
                        yield self._line({"choices": [], "usage": usage(piece)})
                    yield "data: [DONE]\n\n"
                piece = await anext(rest, None)
        except Exception as error:
            yield f"data: {json.dumps(as_api_error(error).body())}\n\n"
        finally:
            turn.end()

    def _event(self, delta: dict, finished: str | None = None) -> str:
        chunk = {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finished}]}
        return self._line({**chunk, "usage": None} if self._with_usage else chunk)

    def _line(self, chunk: dict) -> str:
        # in ASCII: a client may take U+2028 and its like for the end of a line
        return f"data: {json.dumps({**self._head, 'object': 'chat.completion.chunk', **chunk})}\n\n"


async def whole(turn: Turn, writer: Writer) -> Response:
    """A turn's answer at once."""
    try:
        pieces = [piece async for piece in turn]
    except Exception as error:
        raise as_api_error(error) from error
    finally:
        turn.end()
    if not pieces or not pieces[-1].finished:
        return Response(status_code=CLIENT_GONE)
    return Json(writer.completion(pieces))


def usage(piece: Piece) -> dict[str, int]:
    """What an answer cost up to its last piece, in tokens."""
    total = piece.prompt_tokens + piece.tokens
    return {"prompt_tokens": piece.prompt_tokens, "completion_tokens": piece.tokens, "total_tokens": total}


def as_api_error(error: Exception) -> ApiError:
    """What a client is told of an error while answering."""
    if isinstance(error, PromptTooLong):
        return ApiError(400, str(error), "context_length_exceeded", "messages")
    if isinstance(error, ValueError):
        return ApiError(400, str(error), "invalid_value", "messages")
    log.error("answering failed", exc_info=error)
    return failure()


def failure() -> ApiError:
    """What a client is told where the fault is not its own."""
    return ApiError(500, "Answering failed; the server's log says why.", "internal_error")
