"""A skill from a Git or web address that anybody may have typed in: https only, from public computers only, in bounds.

Every name is resolved once, its addresses are checked, and the connection goes to the address that was checked: at
every redirect anew. So no answer of a name server leads into the network that the studio runs in.
"""

import http.client
import ipaddress
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urljoin, urlsplit

from skills.archive import SKILL, ArchiveError, SkillFiles, read_archive
from skills.scan import shown
from skills.skill import MAX_TEXT

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_GIT_MEMORY = 2_000_000  # KiB: a small pack of deltas could unfold into a huge object
_REDIRECTS = (301, 302, 303, 307, 308)
# Networks that `ipaddress` calls global and that lead on to others, or did when they were in use.
_TUNNELS = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2001::/23", "2002::/16", "fec0::/10")))


class FetchError(ArchiveError):
    """An address is refused or gives no skill; the message is ready to be shown."""


@dataclass(frozen=True)
class Limits:
    """What one skill may cost."""

    seconds: float = 60  # from the first connection to the last byte
    size: int = 64_000_000  # bytes that are transferred
    redirects: int = 5


def is_public(address: IPAddress) -> bool:
    """Whether an address belongs to a computer on the public internet: none of this computer's or network's own."""
    return (
        address.is_global
        and not (address.is_multicast or address.is_reserved)
        and not any(address in network for network in _TUNNELS if network.version == address.version)
    )


def resolve(host: str) -> list[str]:
    """The numeric addresses of a host. Raises OSError."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


@dataclass(frozen=True)
class Network:
    """How other computers are found and trusted."""

    resolve: Callable[[str], list[str]] = resolve
    allows: Callable[[IPAddress], bool] = is_public
    certificates: Path | None = None  # of authorities, PEM; the system's own where None


def fetch_skill(address: str, limits: Limits | None = None, network: Network | None = None) -> SkillFiles:
    """The skill at an https address, read and scanned; nothing of it is kept on the disk.

    The address is that of a SKILL.md, of a zip, of a repository or a folder in it on GitHub, GitLab or Codeberg, or of
    any Git repository, written `https://host/name.git`, with `#ref:folder` behind it if wanted.
    Raises FetchError where an address is refused or can't be reached, ArchiveError where no skill is there.
    """
    limits, network = limits or Limits(), network or Network()
    deadline = time.monotonic() + limits.seconds
    source = _source(address)
    if source.is_git:
        return read_archive(_clone(source, limits, network, deadline), source.folder)
    data = _download(source.url, limits, network, deadline)
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return read_archive(data, source.folder)
    if re.match(rb"(?i)\s*(?:<\?xml[^>]*>\s*)?<(?:!doctype\s+html|html|head|body)\b", data[:1000]):
        raise FetchError(
            f"{shown(address)} is a web page, not a skill. Give the address of the raw {SKILL} or of a zip."
        )
    if len(data) > 4 * MAX_TEXT:
        raise FetchError(f"{shown(address)} has {len(data):,} bytes, too many for a {SKILL}, and is not a zip.")
    return SkillFiles.of({SKILL: data})


# ---- addresses -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Source:
    """Where a skill is: at an address, in a folder of what is there."""

    url: str
    folder: str = ""
    is_git: bool = False
    ref: str = "HEAD"


def _source(address: str) -> _Source:
    url = _checked(address)
    parts = urlsplit(url)
    host, path = parts.hostname, [unquote(part) for part in parts.path.split("/") if part]
    if path and path[-1].endswith(".git"):
        ref, _, folder = unquote(parts.fragment).partition(":")
        if not re.fullmatch(r"(?!-)(?!.*\.\.)[\w./-]{0,200}", ref, re.ASCII):
            raise FetchError(f"{shown(ref)} is not a branch, tag or commit.")
        return _Source(parts._replace(fragment="").geturl(), folder, True, ref or "HEAD")
    if len(path) < 2 or host not in _FORGES:
        return _Source(url)
    # owner/name of a repository, then what says "a folder", a ref and the folder, all but the first two optional.
    mark, archive = _FORGES[host]
    rest = "/".join(path)
    match = re.fullmatch(rf"(?P<name>[^/]+(?:/(?!-/)[^/]+)+?)(?:/{mark}/(?P<ref>[^/]+)(?P<folder>(?:/[^/]+)*))?", rest)
    if not match or (not match["ref"] and host != "gitlab.com" and len(path) > 2):
        return _Source(url)  # another page: a raw file, say
    name, ref = quote(match["name"]), quote(match["ref"] or "HEAD")
    folder = (match["folder"] or "").strip("/").removesuffix(SKILL).strip("/")
    return _Source(f"https://{host}/{archive.format(name=name, ref=ref)}", folder)


# host -> (what stands between a repository's name and a ref, where its archive is)
_FORGES = {
    "github.com": ("(?:tree|blob)", "{name}/archive/{ref}.zip"),
    "gitlab.com": ("-/(?:tree|blob)", "{name}/-/archive/{ref}/skill.zip"),
    "codeberg.org": ("src/(?:branch|tag|commit)", "{name}/archive/{ref}.zip"),
}


def _checked(address: str) -> str:
    """The address in its plain ASCII form. Raises FetchError for one that is not to be asked at all."""
    address = address.strip()
    try:
        parts = urlsplit(address)
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except (ValueError, UnicodeError) as error:
        raise FetchError(f"{shown(address)} is not an address. Write https://host/path.") from error
    if parts.scheme.lower() != "https":
        raise FetchError(f"{shown(address)} is neither an https:// address nor user/name on the Hub.")
    if not host or len(address) > 2000:
        raise FetchError(f"{shown(address)} is not an address. Write https://host/path, in at most 2,000 characters.")
    if "@" in parts.netloc:
        raise FetchError(
            "The address holds a name or a password before '@'. Leave it out: only public skills are fetched."
        )
    netloc = (f"[{host}]" if ":" in host else host) + (f":{port}" if port not in (None, 443) else "")
    path, query = (quote(part, safe="/%:@!$&'()*+,;=~?") for part in (parts.path, parts.query))
    return parts._replace(scheme="https", netloc=netloc, path=path or "/", query=query).geturl()


def _public_addresses(host: str, network: Network) -> list[str]:
    """The addresses of a host, all of them allowed. Raises FetchError."""
    try:
        found = list(dict.fromkeys(network.resolve(host)))
    except (OSError, UnicodeError) as error:
        raise FetchError(f"There is no computer named {shown(host)}. Check the address.") from error
    # One private address among public ones is a trap, not an oversight.
    if not found or not all(network.allows(ipaddress.ip_address(each.partition("%")[0])) for each in found):
        raise FetchError(f"{shown(host)} is not on the public internet. Only what everybody can reach is fetched.")
    return found


# ---- the web -------------------------------------------------------------------------------------------------------


class _Connection(http.client.HTTPSConnection):
    """A connection to the addresses that were checked, whatever the name leads to by now."""

    def __init__(self, host: str, port: int, addresses: list[str], context: ssl.SSLContext, deadline: float) -> None:
        super().__init__(host, port, context=context)
        self.addresses, self.context, self.deadline = addresses, context, deadline
        self.wire: socket.socket | None = None  # http.client lets go of `sock` while an answer is still being read

    def connect(self) -> None:
        for number, address in enumerate(self.addresses, 1):
            try:
                self.sock = socket.create_connection(
                    (address, self.port), max(0.1, self.deadline - time.monotonic()) / 2
                )
                break
            except OSError:
                if number == len(self.addresses):
                    raise
        self.sock.settimeout(None)  # who hangs up at the deadline ends every wait
        self.sock = self.context.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
        self.wire = self.sock
        self.sock.do_handshake()


@contextmanager
def _ended_by(deadline: float, end: Callable[[], None]) -> Iterator[None]:
    """Calls `end` at the deadline unless the block is over: a byte now and then must not keep anybody waiting."""
    timer = threading.Timer(max(0.0, deadline - time.monotonic()), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _download(url: str, limits: Limits, network: Network, deadline: float) -> bytes:
    """What an address gives, redirects followed. Raises FetchError."""
    context = ssl.create_default_context(cafile=network.certificates)
    for _ in range(limits.redirects + 1):
        answer = _ask(url, limits, network, context, deadline)
        if isinstance(answer, bytes):
            return answer
        url = _checked(urljoin(url, answer))
    raise FetchError(f"The address leads on more than {limits.redirects} times. Give the last one.")


def _ask(url: str, limits: Limits, network: Network, context: ssl.SSLContext, deadline: float) -> bytes | str:
    """What an address gives, or the address that it leads on to."""
    parts = urlsplit(url)
    host, place = parts.hostname or "", shown(url)
    addresses = _public_addresses(host, network)
    if time.monotonic() >= deadline:
        raise FetchError(f"{place} took more than {limits.seconds:g} s. Try again later.")
    connection = _Connection(host, parts.port or 443, addresses[:4], context, deadline)

    def hang_up() -> None:
        if connection.wire:
            with suppress(OSError):  # SSLSocket's own would take the state away that the reader stands in
                socket.socket.shutdown(connection.wire, socket.SHUT_RDWR)

    try:
        with _ended_by(deadline, hang_up):
            asked = parts.path + (f"?{parts.query}" if parts.query else "")
            headers = {"User-Agent": "parametric-skills", "Accept-Encoding": "identity"}
            connection.request("GET", asked, headers=headers)
            response = connection.getresponse()
            if response.status in _REDIRECTS and response.headers["Location"]:
                return response.headers["Location"]
            if response.status != 200:
                hint = " A branch with '/' in its name is not found; give the commit." * (response.status == 404)
                raise FetchError(f"{place} answered {response.status} {response.reason[:60]}.{hint}")
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise FetchError(f"{place} sends packed what was asked for plain.")
            data = bytearray()
            while chunk := response.read1(65536):
                data += chunk
                if len(data) > limits.size:
                    raise FetchError(f"{place} sends more than {limits.size / 1e6:,.0f} MB. Give the skill alone.")
            if time.monotonic() >= deadline:  # what was hung up may look like an end
                raise TimeoutError
            if response.length:
                raise FetchError(f"{place} broke off after {len(data):,} bytes. Try again later.")
            return bytes(data)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, FetchError):
            raise
        if time.monotonic() >= deadline:
            raise FetchError(f"{place} took more than {limits.seconds:g} s. Try again later.") from error
        raise FetchError(f"{place} could not be fetched ({error}).") from error
    finally:
        connection.close()


# ---- Git -----------------------------------------------------------------------------------------------------------


def _clone(source: _Source, limits: Limits, network: Network, deadline: float) -> bytes:
    """A commit's files as a zip with one top folder. Nothing is checked out: no link, hook or filter comes to life."""
    parts = urlsplit(source.url)
    address = _public_addresses(parts.hostname or "", network)[0]
    pinned = f"{parts.hostname}:{parts.port or 443}:{f'[{address}]' if ':' in address else address}"
    with tempfile.TemporaryDirectory(prefix="skill-") as folder:
        settings = [
            *("protocol.allow=never", "protocol.https.allow=always", "http.followRedirects=false", "http.proxy="),
            *(f"http.curloptResolve={pinned}", "credential.helper=", "core.hooksPath=/dev/null", "pack.threads=1"),
            *((f"http.sslCAInfo={network.certificates}",) if network.certificates else ()),
        ]
        git = ["git", *(word for setting in settings for word in ("-c", setting)), "-C", folder]

        def run(*words: str) -> bytes:
            return _run_git([*git, *words], folder, limits, deadline)

        version = re.search(rb"(\d+)\.(\d+)", run("version"))
        if not version or (int(version[1]), int(version[2])) < (2, 37):  # the first that can be told the address
            raise FetchError("Fetching from a Git address takes git 2.37 or later. Give the address of a zip.")
        run("init", "--quiet", "--bare", "--template=")
        run("fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", source.url, source.ref)
        return run("archive", "--format=zip", "--prefix=repository/", "FETCH_HEAD")


def _run_git(command: list[str], folder: str, limits: Limits, deadline: float) -> bytes:
    """What a git command prints. Raises FetchError where it fails or goes over a limit."""
    # Without the user's settings, which may name other programs to run, and with no way to ask for a password.
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": folder,
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
    }
    environment |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_ASKPASS": "true"}
    if not shutil.which("git"):
        raise FetchError("Fetching from a Git address takes git. Install it, or give the address of a zip.")
    bounded = ["sh", "-c", f'ulimit -v {_GIT_MEMORY} 2>/dev/null; exec "$@"', "sh", *command]
    too_large = f"The repository has more than {limits.size / 1e6:,.0f} MB. Give the address of a smaller one."
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            bounded, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment, start_new_session=True
        )
        try:
            while process.poll() is None:
                if time.monotonic() > deadline:
                    raise FetchError(f"The Git address took more than {limits.seconds:g} s. Give that of a zip.")
                if os.fstat(out.fileno()).st_size + _size(folder) > limits.size:
                    raise FetchError(too_large)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.05)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process.returncode:
            err.seek(0)
            said = err.read(2000).decode("utf-8", "replace")
            raise FetchError(f"git could not fetch it: {shown(said, 200)}")
        out.seek(0)
        data = out.read(limits.size + 1)
        if len(data) > limits.size:
            raise FetchError(too_large)
        return data


def _size(folder: str) -> int:
    """Bytes of all files below a folder; those that vanish meanwhile count nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total
