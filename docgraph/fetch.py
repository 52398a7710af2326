"""A fetcher for images and pages that may be handed to the parsers: public web addresses only, within bounds.

    parse_html(page, url=..., images=SafeFetcher())        nothing in docgraph fetches unless it is given one

    address ─ allowed? ─> host ─ resolve once ─> IP addresses, all public? ─ connect to one of them ─> peer public?
                                                         ^                                              │
                                                         └── each redirect, at most five <── answer ────┤
                                                                                          body, counted ┘

A page names addresses that its author chose, so a fetcher must not let it reach into the network it runs in. The
name is resolved once and the connection goes to the address that was checked, so a second DNS answer changes
nothing; the peer is checked again once connected. Credentials, cookies and proxies are never used. A slow server is
cut off at `seconds`, however it drips (the name server's own time is the system's).

Sources: RFC 6890 and the IANA special-purpose registries; RFC 3056 (6to4), 4380 (Teredo), 6052 and 8215 (NAT64).
"""

import http.client
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from docgraph.errors import FetchError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Sequence[str]]

_NEVER: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
        "::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23",
        "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip
"""Beside what `ipaddress` knows as not global, which differs between versions of Python: IPv4 within IPv6 (mapped,
translated, NAT64, 6to4, Teredo), shared, benchmark, documentation, segment-routing, multicast and reserved space."""

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_CHUNK: Final = 65_536
_IN_PATH: Final = "/%:@!$&'()*+,;=~-._"
_IN_QUERY: Final = _IN_PATH + '?[]{}|^`"<>\\'
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f]")


def is_public(address: Address) -> bool:
    """Whether an IP address is one of the public internet."""
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        return False
    if any(address.version == network.version and address in network for network in _NEVER):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def resolve(host: str, port: int) -> list[str]:
    """Return the IP addresses of a host, as the system resolves it."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


@dataclass(frozen=True, kw_only=True)
class SafeFetcher:
    """Fetches `http` and `https` addresses of the public internet; call it with an address.

    It holds no state, so one may be shared by threads and sent to other processes.
    """

    max_bytes: int = 20_000_000
    """Of one body. It is counted as it comes in, whatever the headers claim."""
    connect_seconds: float = 5.0
    seconds: float = 30.0
    """For one address with all of its redirects, from connecting to the last byte."""
    max_redirects: int = 5
    ports: tuple[int, ...] = (80, 443)
    user_agent: str = "docgraph"
    permits: Callable[[Address], bool] = is_public
    """Which addresses may be connected to. Another rule takes the responsibility for what pages may reach."""
    resolver: Resolver = resolve
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    """None for the system's certificates."""

    def __call__(self, url: str) -> bytes:
        """Return the body that an address answers with.

        Raises:
            FetchError: the address or one it redirects to is not allowed, the server cannot be reached or takes too
                long, or it answers with another status than 200, with packed content or with too many bytes.
        """
        deadline = time.monotonic() + self.seconds
        seen = url
        for _ in range(self.max_redirects + 1):
            parts = self._checked(seen)
            answer = self._get(parts, seen, deadline)
            if isinstance(answer, bytes):
                return answer
            try:
                following = urljoin(seen, answer)
            except ValueError as error:
                raise FetchError(f"{_short(seen)} redirects to what is no address: {error}.") from error
            if parts.scheme == "https" and urlsplit(following).scheme == "http":
                raise FetchError(f"{_short(seen)} must not redirect from https to http, but does.")
            seen = following
        raise FetchError(
            f"{_short(url)} must redirect at most {self.max_redirects} times, but goes on to {_short(seen)}."
        )

    def _checked(self, url: str) -> SplitResult:
        """Return the parts of an address that may be asked for, before its host is looked up."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise FetchError(f"{_short(url)} is no address: {error}.") from error
        if parts.scheme not in ("http", "https"):
            raise FetchError(f"only http and https are fetched, but {_short(url)} is neither.")
        if not parts.hostname or _UNSAFE.search(url):
            raise FetchError(f"{_short(url)} is no address: it has no host, or control characters in it.")
        if parts.username is not None or parts.password is not None:
            raise FetchError(f"an address must hold no credentials, but the one at {_short(parts.hostname)} does.")
        if (port or _default_port(parts)) not in self.ports:
            raise FetchError(f"only ports {self.ports} are fetched from, but {_short(url)} names port {port}.")
        return parts

    def _get(self, parts: SplitResult, url: str, deadline: float) -> bytes | str:
        """Return the body, or where the answer redirects to."""
        host, port = parts.hostname or "", parts.port or _default_port(parts)
        connection = http.client.HTTPConnection(host, port)
        # A timeout of a socket starts anew with every byte; the watch does not.
        line = _Line(self._connected(host, port, deadline))
        watch = threading.Timer(max(deadline - time.monotonic(), 0.001), line.shut)
        watch.daemon = True
        watch.start()
        try:
            if parts.scheme == "https":
                line.secure(self.tls or ssl.create_default_context(), host)
            connection.sock = line.socket
            path = quote(parts.path or "/", safe=_IN_PATH) + (f"?{parts.query}" if parts.query else "")
            connection.request("GET", quote(path, safe=_IN_QUERY), headers=self._headers())
            return self._answered(connection.getresponse(), url, deadline)
        except FetchError:
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            late = time.monotonic() >= deadline
            reason = f"it took longer than {self.seconds} seconds" if late else (str(error) or type(error).__name__)
            raise FetchError(f"{_short(url)} cannot be fetched: {reason}.") from error
        finally:
            watch.cancel()
            connection.close()
            line.socket.close()

    def _headers(self) -> dict[str, str]:
        return {"User-Agent": self.user_agent, "Accept-Encoding": "identity", "Connection": "close"}

    def _connected(self, host: str, port: int, deadline: float) -> socket.socket:
        """Return a connection to one of the host's addresses, all of which are permitted."""
        try:
            addresses = [ipaddress.ip_address(one) for one in self.resolver(host, port)]
        except (OSError, ValueError) as error:
            raise FetchError(f"the host {_short(host)} cannot be found: {error}.") from error
        refused = [address for address in addresses if not self.permits(address)]
        if refused or not addresses:
            # One private address among public ones is an attack or a mistake: neither should work by luck.
            where = ", ".join(map(str, refused)) or "no address"
            raise FetchError(f"only public addresses are fetched from, but {_short(host)} is at {where}.")
        reason = "no time is left"
        for address in addresses:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            try:
                raw = socket.create_connection((str(address), port), min(self.connect_seconds, left))
                self._check_peer(raw, host)
            except FetchError:
                raise
            except OSError as error:
                reason = str(error)
                continue
            raw.settimeout(max(deadline - time.monotonic(), 0.001))
            return raw
        raise FetchError(f"the host {_short(host)} cannot be reached: {reason}.")

    def _check_peer(self, raw: socket.socket, host: str) -> None:
        try:
            peer = ipaddress.ip_address(raw.getpeername()[0])
            if not self.permits(peer):
                raise FetchError(f"only public addresses are fetched from, but {_short(host)} was reached at {peer}.")
        except (OSError, ValueError):
            raw.close()
            raise

    def _answered(self, answer: http.client.HTTPResponse, url: str, deadline: float) -> bytes | str:
        location = answer.headers.get("Location")
        if answer.status in _REDIRECTS and location is not None:
            return "".join(location.split())
        if answer.status != 200:
            raise FetchError(f"{_short(url)} must answer with status 200, but answers with {answer.status}.")
        if (coding := answer.headers.get("Content-Encoding", "identity")) != "identity":
            raise FetchError(f"{_short(url)} must answer unpacked, as asked, but answers with {_short(coding)}.")
        body = bytearray()
        while chunk := answer.read1(_CHUNK):
            body += chunk
            if len(body) > self.max_bytes:
                raise FetchError(f"{_short(url)} must have at most max_bytes={self.max_bytes} bytes, but has more.")
        if time.monotonic() >= deadline:
            raise TimeoutError
        if answer.length:
            raise FetchError(f"{_short(url)} ended {answer.length} bytes early.")
        return bytes(body)


class _Line:
    """A connection that another thread may shut, before, during and after its TLS handshake."""

    def __init__(self, raw: socket.socket) -> None:
        self.socket = raw

    def secure(self, context: ssl.SSLContext, host: str) -> None:
        secured = context.wrap_socket(self.socket, server_hostname=host, do_handshake_on_connect=False)
        self.socket = secured
        secured.do_handshake()

    def shut(self) -> None:
        with suppress(OSError):
            # Past the TLS layer, which would wait for the thread that reads.
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)


def _default_port(parts: SplitResult) -> int:
    return 443 if parts.scheme == "https" else 80


def _short(text: str) -> str:
    return text if len(text) <= 120 else text[:100] + "…"
