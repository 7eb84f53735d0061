"""A local stand-in of the Hub's sign-in (OpenID Connect): whoever comes is signed in at once, as one person."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import OctKey

_KEY = OctKey.import_key("a key that only the stand-in has, of some length", {"kid": "one"})


@contextmanager
def sign_in(token: str, name: str, client: str, asked: list[str]) -> Iterator[str]:
    """Serve on loopback; `token` is what a sign-in gives. Gives the URL; `asked` gets the scopes that are asked for."""
    values = {"token": token, "name": name, "client": client, "asked": asked, "nonces": {}}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), values))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    token: str
    name: str
    client: str
    asked: list[str]
    nonces: dict[str, str]  # by the code that was given

    def log_message(self, *_args: object) -> None:
        """Quiet."""

    @property
    def url(self) -> str:
        return f"http://{self.headers['Host']}"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/.well-known/openid-configuration":
            self.answer(
                {
                    "issuer": self.url,
                    "authorization_endpoint": f"{self.url}/oauth/authorize",
                    "token_endpoint": f"{self.url}/oauth/token",
                    "jwks_uri": f"{self.url}/keys",
                    "id_token_signing_alg_values_supported": ["HS256"],
                }
            )
        elif parts.path == "/keys":
            self.answer({"keys": [_KEY.as_dict(private=True)]})
        else:
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            self.asked.extend(asked["scope"].split())
            code = f"code{len(self.nonces)}"
            self.nonces[code] = asked["nonce"]
            self.send_response(302)
            target = asked["redirect_uri"]
            also = urlencode({"code": code, "state": asked["state"]})
            self.send_header("Location", f"{target}{'&' if '?' in target else '?'}{also}")
            self.end_headers()

    def do_POST(self) -> None:
        sent = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        now = int(time.time())
        claims = {"iss": self.url, "sub": "1", "aud": self.client, "iat": now, "exp": now + 600}
        person = {"name": self.name, "preferred_username": self.name, "profile": self.url, "picture": self.url}
        claims |= person | {"nonce": self.nonces[sent["code"][0]]}
        signed = jwt.encode({"alg": "HS256", "kid": "one"}, claims, _KEY)
        given = {"access_token": self.token, "token_type": "bearer", "expires_in": 600, "id_token": signed}
        self.answer(given | {"scope": " ".join(self.asked)})

    def answer(self, value: object) -> None:
        content = json.dumps(value).encode()
        self.send_response(200)
        for name, said in {"Content-Type": "application/json", "Content-Length": str(len(content))}.items():
            self.send_header(name, said)
        self.end_headers()
        self.wfile.write(content)
