"""SafeFetcher against servers on this machine's loopback only: what it refuses, it never connects to."""

import http.server
import ipaddress
import pickle
import shutil
import socket
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest

from docgraph import DocgraphError, parse_html
from docgraph.errors import FetchError
from docgraph.fetch import SafeFetcher, is_public


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    asked: list[str]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.server.asked.append(self.path)
        name, _, argument = self.path.lstrip("/").partition("?")
        getattr(self, "give_" + name.replace("%20", "_"), self.give_nothing)(argument)

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            if value is not None:
                self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def give_nothing(self, _):
        self.answer(404)

    def give_page(self, _):
        self.answer(200, b"body of the page")

    def give_a_b(self, _):
        self.answer(200, b"spaced")

    def give_whoami(self, _):
        self.answer(200, "\n".join(f"{k}: {v}" for k, v in sorted(self.headers.items())).encode())

    def give_to(self, target):
        self.answer(302, Location=target)

    def give_loop(self, count):
        self.answer(301, Location=f"/loop?{int(count or 0) + 1}")

    def give_big(self, _):
        self.answer(200, bytes(2_000))

    def give_endless(self, _):
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(bytes(10_000))
        except OSError:
            self.close_connection = True

    def give_chunked(self, _):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")

    def give_short(self, _):
        self.answer(200, b"abc", **{"Content-Length": "10"})
        self.close_connection = True

    def give_packed(self, _):
        self.answer(200, b"x", Content_Encoding="gzip")

    def drip(self, data):
        try:
            for byte in data:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(0.05)
            self.server.dripped_all = True
        except OSError:
            pass
        self.close_connection = True

    def give_slow_body(self, _):
        self.send_response(200)
        self.end_headers()
        self.drip(bytes(200))

    def give_slow_head(self, _):
        self.drip(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200)

    def give_rubbish(self, _):
        self.wfile.write(b"SSH-2.0-OpenSSH\r\n")
        self.close_connection = True


@contextmanager
def serving(context: ssl.SSLContext | None = None):
    server = Server(("127.0.0.1", 0), Handler)
    server.asked, server.dripped_all = [], False
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def server():
    with serving() as running:
        yield running


def loopback(address) -> bool:
    return address == ipaddress.ip_address("127.0.0.1")


def fetcher(server, **options) -> SafeFetcher:
    """A fetcher that may reach the test server, and it only."""
    names = {
        "example.org": ["127.0.0.1"],
        "127.0.0.1": ["127.0.0.1"],
        "inside.org": ["10.0.0.1"],
        "two.org": ["127.0.0.1", "10.0.0.1"],
    }
    return SafeFetcher(
        **{
            "permits": loopback,
            "resolver": lambda host, port: names[host],
            "ports": (server.server_port,),
            **options,
        }
    )


def address(server, path="page", host="example.org", scheme="http") -> str:
    return f"{scheme}://{host}:{server.server_port}/{path}"


def test_it_brings_the_body(server):
    fetch = fetcher(server)
    assert fetch(address(server)) == b"body of the page"
    assert fetch(address(server, "chunked")) == b"abcdefg"
    assert fetch(address(server, "a b")) == b"spaced"
    assert fetch(address(server, "page?x=1 2&é#top")) == b"body of the page"
    assert server.asked[-1] == "/page?x=1%202&%C3%A9"


def test_it_tells_the_server_nothing_but_its_name(server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://10.0.0.1:1/")
    headers = fetcher(server)(address(server, "whoami")).decode().splitlines()
    assert headers == [
        "Accept-Encoding: identity",
        "Connection: close",
        f"Host: example.org:{server.server_port}",
        "User-Agent: docgraph",
    ]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.1", "0.0.0.0", "0.1.2.3", "10.1.2.3", "172.16.0.1", "192.168.1.1",
        "169.254.169.254", "100.64.0.1",
        "192.0.0.1", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.5", "224.0.0.1",
        "239.1.1.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:7f00:1", "64:ff9b::7f00:1",
        "64:ff9b::808:808", "64:ff9b:1::1",
        "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "3fff::1", "5f00::1",
        "fc00::1", "fd12::1",
        "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
    ],
)  # fmt: skip
def test_no_address_of_a_private_or_special_network_is_public(address):
    assert not is_public(ipaddress.ip_address(address))
    with pytest.raises(FetchError, match="only public addresses"):
        SafeFetcher(resolver=lambda host, port: [address])("http://example.org/")


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "1.1.1.1", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"]
)
def test_addresses_of_the_public_internet_are(address):
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f000001",
        "127.1",
        "0177.0.0.1",
        "0",
    ],
)
def test_by_default_the_machine_itself_is_refused_and_never_connected_to(server, host):
    fetch = SafeFetcher(ports=(server.server_port,))
    with pytest.raises(FetchError, match=r"only public addresses|cannot be found"):
        fetch(f"http://{host}:{server.server_port}/page")
    assert server.asked == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("file:///etc/passwd", "only http and https"),
        ("ftp://example.org/", "only http and https"),
        ("gopher://example.org/", "only http and https"),
        ("//example.org/", "only http and https"),
        ("http:///x", "no host"),
        ("http://exa\nmple.org/", "control characters"),
        ("http://[::1/", "is no address"),
        ("http://example.org:99999/", "is no address"),
        ("http://user:secret@example.org/", "must hold no credentials, but the one at example.org"),
        ("http://example.org:22/", "only ports"),
        ("", "only http and https"),
    ],
)
def test_addresses_that_are_never_asked_for(url, message):
    def nobody(host, port):
        raise AssertionError("was looked up")

    with pytest.raises(FetchError, match=message):
        SafeFetcher(resolver=nobody)(url)


def test_one_private_address_among_public_ones_is_enough_to_refuse(server):
    with pytest.raises(FetchError, match=r"two\.org is at 10\.0\.0\.1"):
        fetcher(server)(address(server, host="two.org"))
    with pytest.raises(FetchError, match="no address"):
        fetcher(server, resolver=lambda host, port: [])(address(server))
    assert server.asked == []


def test_a_second_answer_of_the_name_server_changes_nothing(server):
    answers = iter([["127.0.0.1"], ["10.0.0.1"], ["10.0.0.1"]])
    assert fetcher(server, resolver=lambda host, port: next(answers))(address(server)) == b"body of the page"
    assert next(answers) == ["10.0.0.1"]  # it was asked once only


def test_the_peer_is_checked_again_once_connected(server, monkeypatch):
    real = socket.create_connection
    monkeypatch.setattr(
        socket, "create_connection", lambda where, timeout: real(("127.0.0.1", server.server_port), timeout)
    )
    with pytest.raises(FetchError, match=r"was reached at 127\.0\.0\.1"):
        SafeFetcher(resolver=lambda host, port: ["93.184.216.34"], ports=(server.server_port,))(address(server))
    assert server.asked == []


def test_redirects_are_followed_within_the_rules_and_checked_each_time(server):
    fetch = fetcher(server)
    assert fetch(address(server, "to?/page")) == b"body of the page"
    assert fetch(address(server, "to?" + address(server, "to?/page"))) == b"body of the page"
    for target, message in (
        (f"http://inside.org:{server.server_port}/", r"inside\.org is at 10\.0\.0\.1"),
        ("file:///etc/passwd", "only http and https"),
        ("http://example.org:22/", "only ports"),
        ("http://[::1", "no address"),
    ):
        with pytest.raises(FetchError, match=message):
            fetch(address(server, "to?" + target))


def test_five_redirects_and_no_more(server):
    with pytest.raises(FetchError, match="must redirect at most 5 times"):
        fetcher(server)(address(server, "loop"))
    assert len(server.asked) == 6


def test_bodies_are_counted_as_they_come_in(server):
    assert len(fetcher(server, max_bytes=2_000)(address(server, "big"))) == 2_000
    for path in ("big", "endless"):
        with pytest.raises(FetchError, match="at most max_bytes=1999 bytes"):
            fetcher(server, max_bytes=1_999)(address(server, path))


@pytest.mark.parametrize("path", ["slow_body", "slow_head"])
def test_a_server_that_drips_is_cut_off(server, path):
    with pytest.raises(FetchError, match=r"took longer than 0\.5 seconds"):
        fetcher(server, seconds=0.5)(address(server, path))
    assert not server.dripped_all


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gone", "answers with 404"),
        ("packed", "must answer unpacked"),
        ("short", "early|IncompleteRead"),
        ("rubbish", "cannot be fetched"),
    ],
)
def test_other_answers_are_errors(server, path, message):
    with pytest.raises(FetchError, match=message):
        fetcher(server)(address(server, path))


def test_a_server_that_is_not_there_is_an_error():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(FetchError, match="cannot be reached"):
        SafeFetcher(permits=loopback, ports=(port,), connect_seconds=1)(f"http://127.0.0.1:{port}/")


def test_a_silent_tls_server_is_cut_off_during_the_handshake():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        hang_up = threading.Timer(20, silent.close)  # another error, so that a fetcher that waits on fails
        hang_up.start()
        with pytest.raises(FetchError, match="took longer"):
            SafeFetcher(permits=loopback, ports=(port,), seconds=0.5)(f"https://127.0.0.1:{port}/")
        hang_up.cancel()


def test_tls_certificates_are_checked(server):
    with pytest.raises(FetchError, match="cannot be fetched"):
        fetcher(server)(address(server, scheme="https"))  # a plain server is no TLS server
    assert server.asked == []


def test_a_picture_of_a_page_comes_through_the_fetcher_or_says_why_not(server):
    page = parse_html(
        f"<img src='{address(server)}'><img src='{address(server, host='inside.org')}'>",
        images=fetcher(server),
    )
    first, second = (node.image for node in page.images())
    assert first.bytes() == b"body of the page"
    with pytest.raises(DocgraphError, match=r"inside\.org is at 10\.0\.0\.1"):
        second.open()
    assert second.status() == "missing"


def test_it_travels_to_other_processes():
    assert pickle.loads(pickle.dumps(SafeFetcher(max_bytes=5))) == SafeFetcher(max_bytes=5)


def test_tls_needs_a_certificate_of_the_host_that_was_named(tmp_path):
    openssl = shutil.which("openssl") or pytest.skip("openssl makes the test certificate")
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=example.org", "-addext",
         "subjectAltName=DNS:example.org", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    trusting = ssl.create_default_context(cafile=tmp_path / "cert.pem")
    with serving(own) as server:
        fetch = fetcher(server, tls=trusting)
        assert fetch(address(server, scheme="https")) == b"body of the page"
        with pytest.raises(FetchError, match="must not redirect from https to http"):
            fetch(address(server, "to?" + address(server), scheme="https"))
        with pytest.raises(FetchError, match=r"(?i)certificate"):
            fetch(address(server, scheme="https", host="127.0.0.1"))
        with pytest.raises(FetchError, match=r"(?i)certificate"):
            fetcher(server)(address(server, scheme="https"))
