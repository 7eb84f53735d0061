"""A local stand-in of the part of the Hub's HTTP API that loading and pushing models use. Keeps files in memory."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def stand_in_hub(repositories: dict[str, dict[str, bytes]]) -> Iterator[str]:
    """Serve `repositories` (id -> file name -> content) on loopback; what is pushed appears there. Gives the URL."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            """Quiet."""

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = self.path.split("?")[0].strip("/")
            if path.startswith("api/models/"):
                name = "/".join(path.split("/")[2:4])
                if name not in repositories:
                    return self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
                files = [
                    {"type": "file", "path": file, "rfilename": file, "size": len(content), "oid": etag(content)}
                    for file, content in repositories[name].items()
                ]
                if "/tree/" in path:
                    return self.answer_json(files)
                return self.answer_json({"id": name, "sha": COMMIT, "siblings": files, "tags": [], "private": False})
            name, _, rest = path.partition("/resolve/")
            file = rest.partition("/")[2]
            if file not in repositories.get(name, {}):
                return self.answer(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
            content = repositories[name][file]
            self.answer(200, content, {"ETag": f'"{etag(content)}"', "X-Repo-Commit": COMMIT})

        def do_POST(self) -> None:
            sent = self.body()
            path = self.path.split("?")[0].strip("/")
            if path == "api/repos/create":
                asked = json.loads(sent)
                name = f"{asked.get('organization') or 'user'}/{asked['name']}"
                repositories.setdefault(name, {})
                self.answer_json({"url": f"http://{self.headers['Host']}/{name}", "name": name, "id": name})
            elif path == "api/validate-yaml":
                self.answer_json({"errors": [], "warnings": []})
            elif "/preupload/" in path:
                files = [
                    {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for file in json.loads(sent)["files"]
                ]
                self.answer_json({"files": files})
            elif "/commit/" in path:
                name = "/".join(path.split("/")[2:4])
                for line in map(json.loads, sent.splitlines()):
                    if line["key"] == "file":
                        repositories[name][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                url = f"http://{self.headers['Host']}/{name}/commit/{COMMIT}"
                self.answer_json({"success": True, "commitUrl": url, "commitOid": COMMIT})
            else:
                self.answer(404, b"{}", {})

        def body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def answer_json(self, value: object) -> None:
            self.answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

        def answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def etag(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
