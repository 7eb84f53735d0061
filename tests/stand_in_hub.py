"""A local stand-in of the part of the Hub's HTTP API that sharing uses. Keeps everything in memory.

It knows people by their tokens, keeps every commit, stores large files through LFS, and fails as it is told to.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = (".safetensors", ".gguf")  # stored through LFS
_LARGE_FILE_ACTIONS = (("upload", "lfs"), ("verify", "lfs-verify"))  # what a client is told to do, and where

Files = dict[str, bytes]


@dataclass(frozen=True)
class Person:
    """Whom a token belongs to, and whether it may write."""

    name: str
    writes: bool = True


@dataclass
class Fault:
    """What goes wrong with the next requests of a method whose path holds a text.

    `status` is answered with `headers` and `message`; with 0 the connection is cut: before anything is done, or `late`,
    when all is done and (of a download) half of the answer is sent.
    """

    method: str
    path: str
    status: int = 0
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "as told"
    late: bool = False


@dataclass
class StandIn:
    """The state of the stand-in; tests read and change it while it serves.

    Without `people` everybody may do everything and is called `user`.
    """

    repositories: dict[str, Files]  # id -> file name -> content, as on main
    people: dict[str, Person] = field(default_factory=dict)  # by token
    faults: list[Fault] = field(default_factory=list)
    private: set[str] = field(default_factory=set)
    commits: dict[str, list[tuple[str, Files]]] = field(default_factory=dict)  # id -> (commit, its files), oldest first
    objects: dict[str, bytes] = field(default_factory=dict)  # LFS, by SHA-256
    pull_requests: list[tuple[str, Files]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)  # "POST /api/repos/create"
    tokens: set[str] = field(default_factory=set)  # that were sent
    url: str = ""
    before_commit: Callable[[str], None] = lambda _name: None  # lets a test have somebody else commit first

    def head(self, name: str) -> str:
        """The newest commit of a repository. What a test put into it by hand becomes one."""
        made = self.commits.setdefault(name, [])
        if not made or made[-1][1] != self.repositories[name]:
            sha = hashlib.sha1(f"{name} {len(made)}".encode()).hexdigest()
            made.append((sha, dict(self.repositories[name])))
        return made[-1][0]

    def at(self, name: str, revision: str) -> tuple[str, Files] | None:
        """The commit that a revision names, with its files."""
        head = self.head(name)
        wanted = head if revision in ("main", "HEAD", "") else revision
        return next((each for each in self.commits[name] if each[0] == wanted), None)


@contextmanager
def stand_in_hub(repositories: dict[str, Files]) -> Iterator[str]:
    """Serve `repositories` on loopback to everybody; what is pushed appears there. Gives the URL."""
    with serve(StandIn(repositories)) as hub:
        yield hub.url


@contextmanager
def serve(hub: StandIn) -> Iterator[StandIn]:
    """Serve a stand-in on loopback; its `url` is set."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Cut(Exception):
    """The connection ends here."""


class _Handler(BaseHTTPRequestHandler):
    hub: StandIn
    protocol_version = "HTTP/1.0"  # a connection for each request, so that one can be cut alone

    def log_message(self, *_args: object) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self.handle_one(self.get)

    def do_GET(self) -> None:
        self.handle_one(self.get)

    def do_POST(self) -> None:
        self.handle_one(self.post)

    def do_PUT(self) -> None:
        self.handle_one(self.put)

    def handle_one(self, act: Callable[[str, dict[str, list[str]], bytes], None]) -> None:
        self.hub.requests.append(f"{self.command} {self.path}")
        if token := (self.headers.get("Authorization") or "").removeprefix("Bearer "):
            self.hub.tokens.add(token)
        parts = urlsplit(self.path)
        self.fault = next((f for f in self.hub.faults if f.method == self.command and f.path in self.path), None)
        if self.fault:
            self.fault.times -= 1
            if not self.fault.times:
                self.hub.faults.remove(self.fault)
        sent = self.body()
        try:
            if self.fault and self.fault.status:
                return self.refuse(self.fault.status, self.fault.message, **self.fault.headers)
            if self.fault and not self.fault.late:
                raise _Cut
            act(unquote(parts.path).strip("/"), parse_qs(parts.query), sent)
        except _Cut:
            self.close_connection = True
            self.connection.close()

    # ---- who asks ----

    def person(self) -> Person | None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        return self.hub.people.get(token) if self.hub.people else Person("user")

    def is_known(self) -> bool:
        """Whether the request has no token or a right one; answers for a wrong one."""
        if self.headers.get("Authorization") and not self.person():
            self.refuse(401, "Invalid credentials in Authorization header")
            return False
        return True

    def may_write(self, name: str, pull_request: bool = False) -> bool:
        """Answers where it may not."""
        person = self.person()
        if person is None:
            self.refuse(401, "Invalid username or password.")
        elif not person.writes or not (pull_request or name.split("/")[0] == person.name):
            self.refuse(403, f"You don't have the rights to write to {name}")
        else:
            return True
        return False

    def sees(self, name: str) -> bool:
        """Answers where there is no such repository for the one who asks."""
        person = self.person()
        hidden = name in self.hub.private and not (person and name.split("/")[0] == person.name)
        if name in self.hub.repositories and not hidden:
            return True
        status = 404 if person else 401
        self.refuse(status, "Repository not found", **{"X-Error-Code": "RepoNotFound"})
        return False

    # ---- reading ----

    def get(self, path: str, query: dict[str, list[str]], _sent: bytes) -> None:
        if not self.is_known():
            return None
        if path == "api/whoami-v2":
            person = self.person()
            return self.answer_json({"type": "user", "name": person.name}) if person else self.refuse(401, "No token")
        if path == "api/models":
            return self.answer_json(self.listed(query))
        if path.startswith("api/models/"):
            name, rest = "/".join(path.split("/")[2:4]), path.split("/")[4:]
            if not self.sees(name):
                return None
            commit = self.hub.at(name, rest[1] if len(rest) > 1 else "main")
            if commit is None:
                return self.refuse(404, "Invalid rev id", **{"X-Error-Code": "RevisionNotFound"})
            files = [_listing(file, content) for file, content in commit[1].items()]
            return self.answer_json(files if rest[:1] == ["tree"] else self.info(name, commit[0]) | {"siblings": files})
        name, _, rest = path.partition("/resolve/")
        if not self.sees(name):
            return None
        revision, _, file = rest.partition("/")
        commit = self.hub.at(name, revision)
        if commit is None:
            return self.refuse(404, "Invalid rev id", **{"X-Error-Code": "RevisionNotFound"})
        if file not in commit[1]:
            return self.refuse(404, "Entry not found", **{"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit[0]})
        content, start = commit[1][file], 0
        if asked := self.headers.get("Range"):
            start = int(asked.removeprefix("bytes=").partition("-")[0])
        headers = {"ETag": f'"{etag(content)}"', "X-Repo-Commit": commit[0], "Accept-Ranges": "bytes"}
        return self.answer(206 if start else 200, content[start:], headers)

    def info(self, name: str, commit: str) -> dict:
        card = _card(self.hub.repositories[name].get("README.md", b""))
        counts = {"downloads": 3, "likes": 1, "lastModified": "2026-01-02T03:04:05.000Z"}
        private = name in self.hub.private
        return {"id": name, "author": name.split("/")[0], "sha": commit, "private": private, **card, **counts}

    def listed(self, query: dict[str, list[str]]) -> list[dict]:
        person, found = self.person(), []
        for name in self.hub.repositories:
            about, owner = self.info(name, self.hub.head(name)), name.split("/")[0]
            hidden = name in self.hub.private and not (person and owner == person.name)
            wanted = set(query.get("filter", [])) <= set(about["tags"]) and query.get("author", [owner]) == [owner]
            if wanted and not hidden and query.get("search", [""])[0] in name:
                found.append(about)
        return found[: int(query.get("limit", ["1000"])[0])]

    # ---- writing ----

    def post(self, path: str, query: dict[str, list[str]], sent: bytes) -> None:
        if not self.is_known():
            return None
        pull_request = query.get("create_pr") == ["1"]
        if path == "api/validate-yaml":
            return self.answer_json({"errors": [], "warnings": []})
        if path == "api/repos/create":
            return self.create(json.loads(sent))
        if path.endswith(".git/info/lfs/objects/batch"):
            name = path.removesuffix(".git/info/lfs/objects/batch")
            if self.sees(name) and self.may_write(name, pull_request=True):
                self.answer_json({"transfer": "basic", "objects": list(map(self.upload, json.loads(sent)["objects"]))})
            return None
        if path.startswith("lfs-verify/"):
            known = json.loads(sent)["oid"] in self.hub.objects
            return self.answer_json({}) if known else self.refuse(404, "No such object")
        name = "/".join(path.split("/")[2:4])
        if not self.sees(name) or not self.may_write(name, pull_request):
            return None
        if "/preupload/" in path:
            return self.answer_json({"files": [self.mode(name, file["path"]) for file in json.loads(sent)["files"]]})
        if "/commit/" in path:
            return self.commit(name, list(map(json.loads, sent.splitlines())), pull_request)
        return self.refuse(404, "No such endpoint")

    def put(self, path: str, _query: dict[str, list[str]], sent: bytes) -> None:
        oid = path.removeprefix("lfs/")
        if hashlib.sha256(sent).hexdigest() != oid:
            return self.refuse(400, "The content is not what was announced")
        self.hub.objects[oid] = sent
        return self.answer(200, b"", {})

    def create(self, asked: dict) -> None:
        person = self.person()
        name = f"{asked.get('organization') or (person.name if person else '')}/{asked['name']}"
        if not self.may_write(name):
            return None
        url = f"{self.hub.url}/{name}"
        if name in self.hub.repositories:
            content = json.dumps({"error": "You already created this model repo", "url": url}).encode()
            return self.answer(409, content, {"Content-Type": "application/json"})
        self.hub.repositories[name] = {}
        if asked.get("visibility") == "private":
            self.hub.private.add(name)
        return self.answer_json({"url": url, "name": name, "id": name})

    def mode(self, name: str, file: str) -> dict:
        content, large = self.hub.repositories[name].get(file), file.endswith(LARGE)
        known = {} if content is None else {"oid": hashlib.sha256(content).hexdigest() if large else etag(content)}
        return {"path": file, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False, **known}

    def upload(self, wanted: dict) -> dict:
        oid = wanted["oid"]
        links = {act: {"href": f"{self.hub.url}/{place}/{oid}"} for act, place in _LARGE_FILE_ACTIONS}
        return wanted if oid in self.hub.objects else wanted | {"actions": links}

    def commit(self, name: str, lines: list[dict], pull_request: bool) -> None:
        self.hub.before_commit(name)
        files, header = dict(self.hub.repositories[name]), lines[0]["value"]
        if header.get("parentCommit", self.hub.head(name)) != self.hub.head(name):
            return self.refuse(412, "A commit has happened since. Please refresh and try again.")
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.hub.objects:
                    return self.refuse(400, f"LFS object {value['oid']} was not uploaded")
                files[value["path"]] = self.hub.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        answer = {"success": True}
        if pull_request:
            self.hub.pull_requests.append((name, files))
            number = len(self.hub.pull_requests)
            commit = hashlib.sha1(f"{name} pull request {number}".encode()).hexdigest()
            answer["pullRequestUrl"] = f"{self.hub.url}/{name}/discussions/{number}"
        else:
            self.hub.repositories[name].clear()
            self.hub.repositories[name].update(files)
            commit = self.hub.head(name)
        return self.answer_json(answer | {"commitUrl": f"{self.hub.url}/{name}/commit/{commit}", "commitOid": commit})

    # ---- HTTP ----

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

    def refuse(self, status: int, message: str, **headers: str) -> None:
        """An error that says more than it should: it repeats the token that was sent."""
        content = json.dumps({"error": f"{message} ({self.headers.get('Authorization')})"}).encode()
        self.answer(status, content, {"Content-Type": "application/json", **headers})

    def answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        late = self.fault is not None and self.fault.late
        if late and self.command != "GET":
            raise _Cut
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if late else content)


def _listing(file: str, content: bytes) -> dict:
    sha256 = hashlib.sha256(content).hexdigest()  # the two listings name it differently
    large = {"lfs": {"oid": sha256, "sha256": sha256, "size": len(content), "pointerSize": 130}}
    about = {"type": "file", "path": file, "rfilename": file, "size": len(content)}
    return about | {"oid": etag(content), "blobId": etag(content)} | (large if file.endswith(LARGE) else {})


def _card(card: bytes) -> dict:
    """What is told of a card's metadata: its library, and its tags, one a line below `tags:`."""
    lines = card.decode("utf-8", "replace").split("---")[1].splitlines() if card.count(b"---") > 1 else []
    start = lines.index("tags:") + 1 if "tags:" in lines else len(lines)
    tags = [line.removeprefix("- ") for line in lines[start:] if line.startswith("- ")]
    library = [line.removeprefix("library_name: ") for line in lines if line.startswith("library_name: ")]
    return {"tags": tags, "cardData": {"library_name": library[0]} if library else {}}


def etag(content: bytes) -> str:
    """Git's hash of a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
