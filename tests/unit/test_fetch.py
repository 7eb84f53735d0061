"""Fetching from the web and from Git: real servers on loopback, which only a test's own network may reach."""

import datetime
import io
import ipaddress
import os
import ssl
import subprocess
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from skills import fetch
from skills.archive import ArchiveError
from skills.fetch import FetchError, Limits, Network, fetch_skill, is_public

TEXT = "---\nname: greet\ndescription: Says hi.\n---\n\nAnswer with hi.\n"
HOST = "skills.example"
LOOPBACK = ipaddress.ip_address("127.0.0.1")


class Handler(BaseHTTPRequestHandler):
    """Answers with what the server's `pages` say of a path: (status, headers, content), or a function that writes."""

    def log_message(self, *_args: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self.server.asked.append((self.headers["Host"], self.path))
        page = self.server.pages.get(self.path, (404, {}, b"none"))
        if callable(page):
            return page(self)
        status, headers, content = page
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.server.pages["git"](self)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for the test's hosts, signed by itself, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in (HOST, "other.example", "github.com")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    plain = serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def server(certificate: Path) -> Iterator[ThreadingHTTPServer]:
    """An HTTPS server on loopback with `pages` to fill, `asked` to look at, and its `address`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.handle_error = lambda *_args: None  # whoever hangs up is part of the tests
    server.pages, server.asked = {}, []
    server.address = f"https://{HOST}:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def network(certificate: Path) -> Network:
    """Every name leads to loopback, and loopback, alone of what is private, may be reached."""
    return Network(lambda _host: ["127.0.0.1"], lambda each: each == LOOPBACK or is_public(each), certificate)


def page(content: bytes, **headers: str) -> tuple[int, dict[str, str], bytes]:
    return 200, {name.replace("_", "-"): value for name, value in headers.items()}, content


def leads_to(address: str, status: int = 302) -> tuple[int, dict[str, str], bytes]:
    return status, {"Location": address}, b""


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


# ---- what comes ----------------------------------------------------------------------------------------------------


def test_a_text_is_fetched_and_scanned(server: ThreadingHTTPServer, network: Network):
    server.pages["/a%20b/SKILL.md?x=1"] = page((TEXT + "<!-- x -->").encode())
    skill = fetch_skill(f" {server.address}/a b/SKILL.md?x=1#top ", network=network)
    assert skill.skill.name == "greet" and [found.kind for found in skill.findings] == ["comment"]
    assert server.asked == [(f"{HOST}:{server.server_port}", "/a%20b/SKILL.md?x=1")]


def test_a_zip_is_told_by_its_content(server: ThreadingHTTPServer, network: Network):
    server.pages["/download"] = page(zipped(**{"greet/SKILL.md": TEXT.encode(), "greet/a.txt": b"x"}))
    assert set(fetch_skill(f"{server.address}/download", network=network).files) == {"SKILL.md", "a.txt"}


def test_redirects_are_followed_to_other_hosts_and_relative_ones(server: ThreadingHTTPServer, network: Network):
    server.pages["/1"] = leads_to(f"https://other.example:{server.server_port}/2", 301)
    server.pages["/2"] = leads_to("3", 307)
    server.pages["/3"] = page(TEXT.encode())
    assert fetch_skill(f"{server.address}/1", network=network).text == TEXT
    assert [path for _, path in server.asked] == ["/1", "/2", "/3"]
    assert server.asked[1][0].startswith("other.example")


@pytest.mark.parametrize(
    ("address", "url", "folder"),
    [
        ("https://github.com/o/r", "https://github.com/o/r/archive/HEAD.zip", ""),
        ("https://github.com/o/r/tree/v1/a/b", "https://github.com/o/r/archive/v1.zip", "a/b"),
        ("https://GitHub.com/o/r/blob/main/a/SKILL.md", "https://github.com/o/r/archive/main.zip", "a"),
        ("https://github.com/o/r/tree/main/a%20b/", "https://github.com/o/r/archive/main.zip", "a b"),
        ("https://gitlab.com/g/s/r", "https://gitlab.com/g/s/r/-/archive/HEAD/skill.zip", ""),
        ("https://gitlab.com/g/r/-/tree/main/a", "https://gitlab.com/g/r/-/archive/main/skill.zip", "a"),
        ("https://codeberg.org/o/r/src/branch/main/a", "https://codeberg.org/o/r/archive/main.zip", "a"),
        (
            "https://github.com/o/r/releases/download/v1/a.skill",
            "https://github.com/o/r/releases/download/v1/a.skill",
            "",
        ),
        ("https://gitlab.com/g/r/-/raw/main/SKILL.md", "https://gitlab.com/g/r/-/raw/main/SKILL.md", ""),
        ("https://x.example/o/r/tree/main/a", "https://x.example/o/r/tree/main/a", ""),
    ],
)
def test_addresses_of_repositories_become_downloads(address: str, url: str, folder: str):
    source = fetch._source(address)
    assert (source.url, source.folder, source.is_git) == (url, folder, False)


def test_a_folder_of_a_repository_comes_alone(server: ThreadingHTTPServer, network: Network, monkeypatch):
    files = {f"r-main/{name}/SKILL.md": TEXT.replace("greet", name).encode() for name in ("one", "two")}
    server.pages["/o/r/archive/main.zip"] = leads_to("/codeload/main")
    server.pages["/codeload/main"] = page(zipped(**files))
    monkeypatch.setattr(fetch.http.client.HTTPSConnection, "default_port", server.server_port)
    source = fetch._source("https://github.com/o/r/tree/main/two")
    monkeypatch.setattr(
        fetch,
        "_source",
        lambda _address: fetch._Source(
            source.url.replace("github.com", f"github.com:{server.server_port}"), source.folder
        ),
    )
    assert fetch_skill("https://github.com/o/r/tree/main/two", network=network).skill.name == "two"


# ---- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://skills.example/a", "is neither an https:// address nor user/name"),
        ("file:///etc/passwd", "is neither an https:// address nor user/name"),
        ("git://skills.example/a.git", "is neither an https:// address nor user/name"),
        ("ssh://git@skills.example/a.git", "is neither an https:// address nor user/name"),
        ("ext::sh -c id", "is neither an https:// address nor user/name"),
        ("--upload-pack=id", "is neither an https:// address nor user/name"),
        ("", "is neither an https:// address nor user/name"),
        ("https://", "is not an address"),
        ("https://[::1", "is not an address"),
        ("https://a:b/", "is not an address"),
        ("https://a:99999/", "is not an address"),
        (f"https://{'a' * 70}.example/", "is not an address"),
        ("https://skills.example/" + "a" * 3000, "at most 2,000"),
        ("https://me:secret@skills.example/a", "name or a password"),
        ("https://skills.example/a.git#--upload-pack=id", "not a branch, tag or commit"),
        ("https://skills.example/a.git#a..b", "not a branch, tag or commit"),
    ],
)
def test_an_address_of_another_kind_is_refused_without_a_connection(address: str, said: str):
    def resolve(_host: str) -> list[str]:
        raise AssertionError("nobody is to be asked")

    with pytest.raises(FetchError, match=said) as caught:
        fetch_skill(address, network=Network(resolve))
    assert "secret" not in str(caught.value) and isinstance(caught.value, ArchiveError)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
        ),
        *("192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fc00::1"),
        *("fec0::1", "ff02::1", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::"),
        *("2001:0:7f00:1::", "2001:db8::1"),
    ],
)
def test_private_addresses_are_refused_as_numbers_and_behind_a_name(address: str):
    assert not is_public(ipaddress.ip_address(address))
    with pytest.raises(FetchError, match="not on the public internet"):
        fetch_skill(f"https://{HOST}/a", network=Network(lambda _host: ["93.184.215.14", address]))
    number = f"[{address}]" if ":" in address else address
    for place in (f"https://{number}/a", f"https://{number}/a.git"):
        with pytest.raises(FetchError, match="not on the public internet"):
            fetch_skill(place)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700:4700::1111"])
def test_public_addresses_are_allowed(address: str):
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f.1"])
def test_no_spelling_of_loopback_is_reached(host: str):
    with pytest.raises(FetchError, match="not on the public internet"):
        fetch_skill(f"https://{host}/a")


def test_a_name_without_addresses_is_told():
    with pytest.raises(FetchError, match=r"no computer named 'nobody\.invalid'"):
        fetch_skill("https://nobody.invalid/a")


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("http://skills.example/b", "is neither an https:// address nor user/name"),
        ("file:///etc/passwd", "is neither an https:// address nor user/name"),
        ("https://private.example/b", "not on the public internet"),
        ("https://169.254.169.254/latest/meta-data", "not on the public internet"),
        ("https://[::1]/b", "not on the public internet"),
        ("/a", "more than 5 times"),
    ],
)
def test_every_redirect_is_checked_and_counted(server: ThreadingHTTPServer, network: Network, location: str, said: str):
    def resolve(host: str) -> list[str]:
        return {HOST: ["127.0.0.1"], "private.example": ["10.0.0.1"]}.get(host) or fetch.resolve(host)

    server.pages["/a"] = leads_to(location)
    with pytest.raises(FetchError, match=said):
        fetch_skill(f"{server.address}/a", network=Network(resolve, network.allows, network.certificates))
    assert len(server.asked) == (6 if location == "/a" else 1)


def test_the_address_that_was_checked_is_the_one_that_is_reached(server: ThreadingHTTPServer, network: Network):
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])  # the second look would lead into a private network
    server.pages["/a"] = page(TEXT.encode())
    once = Network(lambda _host: next(answers), network.allows, network.certificates)
    assert fetch_skill(f"{server.address}/a", network=once).text == TEXT
    with pytest.raises(FetchError, match="not on the public internet"):
        fetch_skill(f"{server.address}/a", network=once)


def test_a_certificate_of_somebody_else_is_refused(server: ThreadingHTTPServer, network: Network):
    server.pages["/a"] = page(TEXT.encode())
    with pytest.raises(FetchError, match=r"could not be fetched .*CERTIFICATE_VERIFY_FAILED"):
        fetch_skill(f"{server.address}/a", network=Network(network.resolve, network.allows))
    with pytest.raises(FetchError, match="Hostname mismatch"):
        fetch_skill(f"https://wrong.example:{server.server_port}/a", network=network)
    assert server.asked == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((404, {}, b""), "answered 404"),
        ((500, {}, b""), "answered 500"),
        ((302, {}, b""), "answered 302"),
        (page(b"<!DOCTYPE html><html></html>"), "is a web page"),
        (page(b""), "The text is empty"),
        (page(bytes(1000)), "is not text"),
        (page(b"x" * 10, Content_Length="20"), "could not be fetched|broke off"),
        (page(b"x", Content_Encoding="gzip"), "sends packed"),
        (page(b"x" * 20_001), "sends more than"),
        (page(b"PK\x03\x04"), "not a zip that can be read"),
    ],
)
def test_an_answer_that_is_no_skill_is_refused(server: ThreadingHTTPServer, network: Network, answer, said: str):
    server.pages["/a"] = answer
    with pytest.raises(ArchiveError, match=said):
        fetch_skill(f"{server.address}/a", Limits(size=20_000), network)


def endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 65536)


def dripping(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    while True:
        handler.wfile.write(b"x")
        time.sleep(0.02)


def dripping_headers(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        handler.wfile.write(b"x")
        time.sleep(0.02)


def silent(_handler: Handler) -> None:
    time.sleep(60)


@pytest.mark.parametrize(
    ("answer", "said"),
    [(endless, "more than 1 MB"), (dripping, "0.5 s"), (dripping_headers, "0.5 s"), (silent, "0.5 s")],
)
def test_no_answer_goes_on_for_ever(server: ThreadingHTTPServer, network: Network, answer: Callable, said: str):
    server.pages["/a"] = answer
    start = time.monotonic()
    seconds = 20 if answer is endless else 0.5
    with pytest.raises(FetchError, match=said):
        fetch_skill(f"{server.address}/a", Limits(seconds, 1_000_000), network)
    assert time.monotonic() - start < 30


def test_a_server_that_never_shakes_hands_is_left(network: Network):
    with socket_that_says_nothing() as port, pytest.raises(FetchError, match=r"0\.5 s"):
        fetch_skill(f"https://{HOST}:{port}/a", Limits(0.5), network)


@contextmanager
def socket_that_says_nothing() -> Iterator[int]:
    with fetch.socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


# ---- Git -----------------------------------------------------------------------------------------------------------


def git(*words: str | Path, folder: Path) -> str:
    settings = ["-c", "user.name=a", "-c", "user.email=a@example", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", *settings, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path, server: ThreadingHTTPServer) -> Path:
    """A repository with two skills and a link, served at `/r.git` by git's own program for that."""
    folder = tmp_path / "work"
    for name in ("one", "two"):
        (folder / "skills" / name).mkdir(parents=True)
        (folder / "skills" / name / "SKILL.md").write_text(TEXT.replace("greet", name))
    (folder / "skills" / "two" / "passwords").symlink_to("/etc/passwd")
    git("init", "-q", folder=folder)
    git("add", ".", folder=folder)
    git("commit", "-qm", "first", folder=folder)
    git("clone", "-q", "--bare", folder, tmp_path / "r.git", folder=tmp_path)
    git("config", "http.receivepack", "false", folder=tmp_path / "r.git")
    git("config", "uploadpack.allowAnySHA1InWant", "true", folder=tmp_path / "r.git")

    def serve(handler: Handler) -> None:
        path, _, query = handler.path.partition("?")
        sent = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        environment = os.environ | {
            "GIT_PROJECT_ROOT": str(tmp_path),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": handler.command,
            "CONTENT_TYPE": handler.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": handler.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(["git", "http-backend"], input=sent, env=environment, capture_output=True)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        handler.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    server.pages["git"] = server.pages["/r.git/info/refs?service=git-upload-pack"] = serve
    return folder


def test_a_repository_is_fetched_with_nothing_checked_out(
    server: ThreadingHTTPServer, network: Network, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setattr(fetch.tempfile, "tempdir", str(kept))
    commit = git("rev-parse", "HEAD", folder=repository).strip()
    for ref in ("", "main", commit):
        skill = fetch_skill(f"{server.address}/r.git#{ref}:skills/two", network=network)
        assert skill.skill.name == "two" and set(skill.files) == {"SKILL.md"}
        assert [(found.path, found.kind, found.severity) for found in skill.findings] == [
            ("passwords", "symlink", "block")
        ]
    assert [*kept.iterdir()] == []


def test_the_users_git_settings_and_proxies_do_not_count(
    server: ThreadingHTTPServer, network: Network, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / ".gitconfig").write_text('[url "https://nobody.invalid/"]\n\tinsteadOf = https://\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert fetch_skill(f"{server.address}/r.git#:skills/one", network=network).skill.name == "one"


def test_git_follows_no_redirect(server: ThreadingHTTPServer, network: Network, repository: Path):
    server.pages["/moved.git/info/refs?service=git-upload-pack"] = leads_to("/r.git/info/refs?service=git-upload-pack")
    with pytest.raises(FetchError, match="git could not fetch it"):
        fetch_skill(f"{server.address}/moved.git", network=network)


def test_git_is_bounded_in_size_and_time(server: ThreadingHTTPServer, network: Network, repository: Path):
    with pytest.raises(FetchError, match="more than"):
        fetch_skill(f"{server.address}/r.git", Limits(size=100), network)
    server.pages["/slow.git/info/refs?service=git-upload-pack"] = silent
    start = time.monotonic()
    with pytest.raises(FetchError, match="more than 2 s"):
        fetch_skill(f"{server.address}/slow.git", Limits(seconds=2), network)
    assert time.monotonic() - start < 30


def test_what_git_can_not_find_is_told(server: ThreadingHTTPServer, network: Network, repository: Path):
    with pytest.raises(FetchError, match=r"git could not fetch it.*nowhere"):
        fetch_skill(f"{server.address}/r.git#nowhere", network=network)
    with pytest.raises(ArchiveError, match="There are 2 skills"):
        fetch_skill(f"{server.address}/r.git", network=network)
