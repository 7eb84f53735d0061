"""The teacher: a model behind an OpenAI-compatible endpoint, and the relay on loopback through which OpenCode asks it.

The relay keeps the key out of OpenCode's reach, where the model's own commands could read it, and turns what OpenCode
would repeat for ever (a failing endpoint, an answer that is none) into one error that ends the run.
"""

import json
import secrets
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATIENCE = 240.0  # seconds for an answer; OpenCode itself gives up after 300
TRIES = 3  # of a request that the endpoint fails to answer
DELAY = 1.0  # seconds before the second try, four times that before the third
MAX_REPLY = 16_000_000  # bytes of an answer
LIMITS = ("max_tokens", "max_completion_tokens")  # OpenCode asks for 32,000, which many models refuse; each has its own
MAX_SHOWN = 300  # characters of what an endpoint said


class TeacherError(ValueError):
    """The teacher can't be asked or gives no answer; the message says what it said."""


class _Passing(TeacherError):
    """An error that another try may mend."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The key goes to the address that was given and to no other."""

    def redirect_request(self, *_args: object) -> None:
        return None


class Teacher:
    """Asks one model of one endpoint. May be used by many threads at once."""

    def __init__(self, url: str, model: str, key: str = "", patience: float = PATIENCE) -> None:
        """`url` is what ends in /v1, `key` goes along where it is not empty, `patience` is in seconds an answer.

        Raises TeacherError for a URL that is none.
        """
        if not url.startswith(("http://", "https://")):
            raise TeacherError(f"{url!r} is no address of an endpoint. Give one such as http://127.0.0.1:8000/v1.")
        self.url, self.model, self.patience = url.rstrip("/"), model, patience
        self._headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        self._opener = urllib.request.build_opener(_NoRedirect)

    def say(self, system: str, user: str, **options: object) -> str:
        """The answer to a question. Raises TeacherError."""
        turns = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        _, content = self.complete({"messages": turns, **options})
        said = json.loads(content)["choices"][0]["message"].get("content")
        if not isinstance(said, str) or not said.strip():
            raise TeacherError(f"{self.model} answered with nothing. Try again, or another model.")
        return said

    def complete(self, body: dict) -> tuple[str, bytes]:
        """Content type and bytes of the chat completion that a request's body asks for, streamed or not.

        Raises TeacherError where there is none after TRIES.
        """
        data = json.dumps({**body, "model": self.model}).encode()
        for number in range(TRIES):
            try:
                return self._complete(data, bool(body.get("stream")))
            except _Passing as error:
                if number == TRIES - 1:
                    raise TeacherError(f"{error} It was asked {TRIES} times.") from error
                time.sleep(DELAY * 4**number)
        raise AssertionError("TRIES is at least 1")

    def _complete(self, data: bytes, streamed: bool) -> tuple[str, bytes]:
        request = urllib.request.Request(f"{self.url}/chat/completions", data, self._headers)
        until = time.monotonic() + self.patience
        try:
            with self._open(request) as reply:
                content = bytearray()
                while piece := reply.read1(65536):
                    content += piece
                    if time.monotonic() > until:
                        raise TimeoutError
                    if len(content) > MAX_REPLY:
                        raise TeacherError(f"{self.url} sent over {MAX_REPLY:,} bytes for one answer.")
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(error, TimeoutError) or isinstance(reason, TimeoutError):
                raise TeacherError(f"{self.url} gave no answer within {self.patience:g} seconds.") from error
            raise _Passing(f"{self.url} can't be reached: {reason}.") from error
        if reply.status >= 300:
            passing = reply.status == 429 or reply.status >= 500
            raise (_Passing if passing else TeacherError)(
                f"{self.url} answered with status {reply.status}: {_message(bytes(content))}"
            )
        if not (_is_stream if streamed else _is_completion)(bytes(content)):
            raise _Passing(f"{self.url} sent no whole chat completion: {_shown(bytes(content))}.")
        return reply.headers.get("Content-Type", ""), bytes(content)

    def _open(self, request: urllib.request.Request) -> HTTPResponse | urllib.error.HTTPError:
        """The reply, whatever its status: an error has a body to be read, too."""
        try:
            return self._opener.open(request, timeout=self.patience)
        except urllib.error.HTTPError as error:
            return error


def _is_completion(content: bytes) -> bool:
    try:
        return isinstance(json.loads(content)["choices"][0]["message"], dict)
    except (ValueError, LookupError, TypeError, RecursionError):
        return False


def _is_stream(content: bytes) -> bool:
    """Whether these are events that say something, and were not cut off."""
    says, ends = False, False
    for line in content.splitlines():
        event = line.removeprefix(b"data:").strip()
        ends = ends or event == b"[DONE]"
        try:
            choice = json.loads(event)["choices"][0]
            says = says or isinstance(choice["delta"], dict)
            ends = ends or choice.get("finish_reason") is not None
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            continue
    return says and ends


def _message(content: bytes) -> str:
    """What an error's body says."""
    try:
        return _shown(json.loads(content)["error"]["message"].encode())
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return _shown(content)


def _shown(content: bytes) -> str:
    return " ".join(content[: 4 * MAX_SHOWN].decode("utf-8", "replace").split())[:MAX_SHOWN] or "nothing"


class Relay:
    """Where OpenCode finds the teacher. A run asks with a ticket of its own, good for so many answers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._left: dict[str, int] = {}
        self._lock = threading.Lock()

    @contextmanager
    def ticket(self, answers: int) -> Iterator[str]:
        """A key to the relay, for as long as the block lasts."""
        ticket = secrets.token_hex(16)
        self._left[ticket] = answers
        try:
            yield ticket
        finally:
            del self._left[ticket]

    def take(self, ticket: str) -> str:
        """Count an answer; gives what speaks against it, or nothing."""
        with self._lock:
            if ticket not in self._left:
                return "This run is over."
            self._left[ticket] -= 1
            return "" if self._left[ticket] >= 0 else "The model went on and on: it was asked too often in this run."


@contextmanager
def relay(teacher: Teacher) -> Iterator[Relay]:
    """Serve the teacher on loopback. What goes wrong is answered with status 400, after which OpenCode stops."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            """Quiet."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            against = made.take(self.headers.get("Authorization", "").removeprefix("Bearer "))
            try:
                if against:
                    raise TeacherError(against)
                asked = {name: value for name, value in json.loads(body).items() if name not in LIMITS}
                status, (kind, content) = 200, teacher.complete(asked)
            except ValueError as error:
                status, kind = 400, "application/json"
                content = json.dumps({"error": {"message": str(error)}}).encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_args: object) -> None:
            """Quiet: the program that asked was ended."""

    server = Server(("127.0.0.1", 0), Handler)
    made = Relay(f"http://127.0.0.1:{server.server_port}/v1")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
