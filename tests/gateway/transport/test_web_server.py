"""WebHandler and WebServer: deadlines, refusals, slots and bodies, with real connections."""

import _socket
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import DEFAULT_BUFFER_SIZE
from itertools import pairwise
from struct import pack
from typing import Any

import gevent
import pytest

from gateway.transport import WebHandler, WebServer
from gateway.transport.http import handover, web_handler
from gateway.transport.http.handover import SEND_PIECE, give_back
from gateway.transport.http.socket_handoff import HANDOVER
from gateway.transport.http.web_server import SEND_BUFFER_BYTES
from tests.gateway.transport.clients import TcpClient, read_answer, request_bytes, until, within

PACE_S = 0.01
SLOW_S = 0.3


class AccessLog:
    """Keeps the lines that a web server logs."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        self.lines.append(line)


@contextmanager
def serving(
    log: Any = None, error_log: Any = "default", max_connections: int | None = None, **options: Any
) -> Iterator[tuple[int, list[Any]]]:
    """Serve an application that echoes the body; yield the port and the environments it got."""
    environs: list[Any] = []

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        environs.append(environ)
        body = b"" if environ["PATH_INFO"] == "/unread" else environ["wsgi.input"].read()
        if environ["PATH_INFO"] == "/parts":
            start_response("200 OK", [])
            return iter([b"one", b"two"])
        if environ["PATH_INFO"] == "/no-bytes":
            start_response("200 OK", [])
            return [1]  # type: ignore[list-item]  # a fault of the application
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    where = ("127.0.0.1", 0)
    server: Any = WebServer(
        where, app, log=log, error_log=error_log, max_connections=max_connections, **options
    )
    server.start()
    try:
        yield int(server.address[1]), environs
    finally:
        server.stop(timeout=0.1)


def test_refusals_are_logged_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(WebHandler, "_quiet_until_s", 0.0)
    errors = AccessLog()
    with serving(error_log=errors) as (port, environs):
        for _ in range(3):
            client = TcpClient(port)
            client.send(b"\xff" * 5000 + b" / HTTP/9\r\n\r\n")
            assert b"400 Bad Request" in client.read_until(b"\r\n")
            client.close()
    assert environs == []
    [line] = errors.lines
    assert line.startswith("a request was refused")
    assert len(line) < 300


@pytest.mark.parametrize(
    ("head", "status", "reason"),
    [
        (b"\xff\x00 / HTTP/9\r\n\r\n", 400, "no request line of HTTP/1.0 or 1.1"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "a request of HTTP/1.1 has one Host header"),
        (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400, "Invalid characters in url"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 17_000, 431, "16384 bytes and 100 lines"),
    ],
)
def test_refusal_says_the_reason(head: bytes, status: int, reason: str) -> None:
    with serving() as (port, environs):
        client = TcpClient(port)
        client.send(head)
        answer = read_answer(client)
        assert answer.status == status
        assert reason in answer.body
        assert client.receive() == b""
    assert environs == []


def dribble(client: TcpClient, data: bytes) -> None:
    """Send one byte at a time until the server closes."""
    try:
        for byte in data:
            client.send(bytes([byte]))
            gevent.sleep(PACE_S)
    except OSError:
        return


@pytest.mark.parametrize("before", [b"", b"GET / HTTP/1.1\r\nX-Slow: "], ids=["line", "headers"])
def test_slow_head_is_refused(before: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_handler, "HEAD_TIMEOUT_S", SLOW_S)
    with serving() as (port, environs), within(5):
        client = TcpClient(port)
        client.send(before)
        sender = gevent.spawn(dribble, client, b"GET /" + b"a" * 1000)
        assert client.read_until(b"\r\n").startswith(b"HTTP/1.1 408")
        assert client.read_until(b"\r\n\r\n")
        assert client.receive() == b""
        assert environs == []
        sender.kill()


def test_head_deadline_spares_body(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(web_handler, "HEAD_TIMEOUT_S", SLOW_S)
    body = b"x" * int(2 * SLOW_S / PACE_S)
    request = request_bytes("POST", "/", body, {})
    head = len(request) - len(body)
    with serving() as (port, _):
        client = TcpClient(port)
        for _ in range(2):
            client.send(request[:10])
            gevent.sleep(PACE_S)
            client.send(request[10:head])
            dribble(client, body)
            assert read_answer(client).body == body.decode()


def test_idle_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_handler, "IDLE_TIMEOUT_S", SLOW_S)
    with serving() as (port, _):
        silent, used = TcpClient(port), TcpClient(port)
        used.send(request_bytes("POST", "/", b"hello", {}))
        assert read_answer(used).body == "hello"
        with within(5):
            assert silent.receive() == b""
            assert used.receive() == b""


def test_answer_leaves_in_one_send() -> None:
    with serving() as (port, _):
        client = TcpClient(port)
        client.send(request_bytes("POST", "/", b"hello", {}))
        assert client.receive().endswith(b"\r\n\r\nhello")


def test_answer_without_bytes_is_500() -> None:
    with serving() as (port, _), within(5):
        client = TcpClient(port)
        client.send(request_bytes("GET", "/no-bytes", None, {}))
        assert read_answer(client).status == 500
        assert client.receive() == b""


def test_kernel_keeps_little_for_a_client_that_does_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept: list[int] = []

    def note(handler: WebHandler) -> bool:
        kept.append(handler.socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF))
        return False

    monkeypatch.setattr(WebHandler, "_serve_one", note)
    with serving() as (port, _environs):
        assert TcpClient(port).receive() == b""
    assert 0 < kept[0] <= 2 * SEND_BUFFER_BYTES


def test_long_answer_to_slow_reader() -> None:
    body = b"x" * 3_000_000
    with serving() as (port, _):
        client = TcpClient(port, receive_buffer=4096)
        client.send(request_bytes("POST", "/", body, {}))
        assert read_answer(client).body == body.decode()


def test_stalled_reader_loses_its_slot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handover, "SEND_TIMEOUT_S", SLOW_S)
    errors = AccessLog()
    with serving(error_log=errors, max_connections=1) as (port, _), within(10):
        deaf = TcpClient(port, receive_buffer=4096)
        deaf.send(request_bytes("POST", "/", b"x" * 20_000_000, {}))
        other = TcpClient(port)
        other.send(request_bytes("POST", "/", b"hello", {}))
        assert read_answer(other).body == "hello"
    assert errors.lines == []


def ask(client: TcpClient, body: bytes = b"hello", path: str = "/") -> str:
    client.send(request_bytes("POST", path, body, {}))
    return read_answer(client).body


def test_longest_idle_closes_for_newcomer() -> None:
    with serving(max_connections=3) as (port, _), within(5):
        clients = [TcpClient(port) for _ in range(3)]
        for number in (1, 0, 2, 1):
            assert ask(clients[number]) == "hello"
        newcomer = TcpClient(port)
        assert ask(newcomer) == "hello"
        assert clients[0].receive() == b""
        for client in (clients[2], clients[1], newcomer):
            assert ask(client, b"again") == "again"


def test_full_server_keeps_connections() -> None:
    with serving(max_connections=3) as (port, _), within(5):
        clients = [TcpClient(port) for _ in range(3)]
        for _ in range(5):
            assert [ask(client) for client in clients] == ["hello"] * 3


def test_newcomer_waits_for_idle_connection() -> None:
    with serving(max_connections=1) as (port, environs), within(5):
        whole = request_bytes("POST", "/", b"hello", {})
        busy = TcpClient(port)
        busy.send(whole[:-1])
        until(lambda: len(environs) == 1)
        newcomer = TcpClient(port)
        newcomer.send(whole)
        gevent.sleep(PACE_S)
        busy.send(whole[-1:])
        assert read_answer(busy).body == "hello"
        assert read_answer(newcomer).body == "hello"
        assert busy.receive() == b""


def test_pipelined_requests_precede_newcomer() -> None:
    with serving(max_connections=1) as (port, environs), within(5):
        client = TcpClient(port)
        client.send(b"".join(request_bytes("POST", "/", body, {}) for body in (b"1", b"2")))
        newcomer = TcpClient(port)
        assert [read_answer(client).body for _ in range(2)] == ["1", "2"]
        assert ask(newcomer) == "hello"
        assert len(environs) == 3


def test_unread_body_never_arrives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(web_handler, "BODY_TIMEOUT_S", SLOW_S)
    errors = AccessLog()
    with serving(error_log=errors, max_connections=1) as (port, _), within(5):
        unfinished = TcpClient(port)
        unfinished.send(request_bytes("POST", "/unread", b"whole", {})[:-1])
        newcomer = TcpClient(port)
        assert read_answer(unfinished).status == 200
        assert ask(newcomer) == "hello"
        assert unfinished.receive() == b""
    assert errors.lines == []


def test_unread_body_is_discarded() -> None:
    with serving() as (port, _):
        client = TcpClient(port)
        assert ask(client, b"x" * 100_000, "/unread") == ""
        assert ask(client) == "hello"


def test_slow_line_keeps_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handover, "SEND_TIMEOUT_S", SLOW_S)
    size = 40 * SEND_PIECE
    with serving() as (port, _), within(20):
        client = TcpClient(port, receive_buffer=4096)
        client.send(request_bytes("POST", "/", b"x" * size, {}))
        client.read_until(b"\r\n\r\n")
        for _ in range(40):
            client.read_exactly(SEND_PIECE)
            gevent.sleep(SLOW_S / 10)
        gevent.sleep(2 * SLOW_S)
        assert ask(client) == "hello"


def test_connection_given_back_stalls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handover, "SEND_TIMEOUT_S", SLOW_S)
    server: Any = WebServer(("127.0.0.1", 0), lambda *_: [b""], log=None, max_connections=1)
    ends = [socket.socketpair() for _ in range(2)]
    with within(5):
        assert give_back(server, None, _plain(ends[0][0]), b"x" * 5_000_000, b"")
        assert not give_back(server, None, _plain(ends[1][0]), b"rest", b"")
        assert ends[1][1].recv(10) == b""
        until(lambda: not server.full())
    for _, end in ends:
        end.close()


def test_no_error_page_follows_half_an_answer() -> None:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "5000000")])
        gevent.Timeout.start_new(SLOW_S)  # the application's own; it goes off during the send
        return [b"x" * 5_000_000]

    server: Any = WebServer(("127.0.0.1", 0), app, log=None, error_log=None)
    server.start()
    with within(20):
        client = TcpClient(int(server.address[1]), receive_buffer=4096)
        client.send(request_bytes("GET", "/", b"", {}))
        client.read_until(b"\r\n\r\n")
        gevent.sleep(2 * SLOW_S)
        came = client.buffer
        while data := client.receive():
            came += data
    server.stop(timeout=0.1)
    assert len(came) < 5_000_000
    assert came == b"x" * len(came)


def test_bytes_behind_a_head_in_a_connection_given_back() -> None:
    seen: list[bool] = []

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        seen.append(HANDOVER in environ)
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

    server: Any = WebServer(("127.0.0.1", 0), app, log=None)
    ours, theirs = socket.socketpair()
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n"
    head = head.replace(b"X: ", b"X: " + b"x" * (DEFAULT_BUFFER_SIZE - len(head)))
    with within(5):
        assert give_back(
            server, None, _plain(theirs), b"", head + request_bytes("GET", "/", b"", {})
        )
        until(lambda: len(seen) == 2)
    assert seen == [False, True]
    ours.close()


def _plain(end: socket.socket) -> _socket.socket:
    plain = _socket.socket(fileno=end.detach())
    plain.setblocking(False)
    return plain


@pytest.mark.parametrize("folded", [b"", b"X: y\r\n z\r\n"], ids=["plain", "folded"])
def test_body_of_two_lengths_is_refused(folded: bytes) -> None:
    with serving() as (port, environs):
        client = TcpClient(port)
        client.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
            + folded
            + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        )
        assert read_answer(client).status == 400
        assert environs == []


def test_access_log_gets_every_request() -> None:
    log = AccessLog()
    with serving(log) as (port, environs):
        client = TcpClient(port)
        for number in range(3):
            client.send(request_bytes("GET", f"/{number}", None, {}))
            assert read_answer(client).status == 200
        until(lambda: len(log.lines) == 3)
        assert not any(HANDOVER in environ for environ in environs)


@pytest.mark.parametrize(
    ("request_bytes_", "is_offered"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", False),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", False),
    ],
)
def test_handover_offered_to_plain_get(request_bytes_: bytes, is_offered: bool) -> None:
    with serving() as (port, environs):
        client = TcpClient(port)
        client.send(request_bytes_)
        assert read_answer(client).status == 200
        assert (HANDOVER in environs[0]) is is_offered


def raw(client: TcpClient, *lines: str, body: bytes = b"") -> None:
    client.send("\r\n".join([*lines, "", ""]).encode() + body)


@pytest.mark.parametrize("path", ["/", "/parts", "/unread"])
@pytest.mark.parametrize(
    ("version", "asked", "said"),
    [("1.1", "close", "close"), ("1.1", "TE, close", "close"), ("1.0", "", "close")],
)
def test_answer_announces_close(path: str, version: str, asked: str, said: str) -> None:
    with serving() as (port, _), within(5):
        client = TcpClient(port)
        raw(
            client,
            f"GET {path} HTTP/{version}",
            "Host: a",
            *([f"Connection: {asked}"] * bool(asked)),
        )
        assert read_answer(client).headers["connection"] == said
        while client.receive():
            pass


def test_http_1_0_answer_without_length() -> None:
    with serving() as (port, _), within(5):
        client = TcpClient(port)
        raw(client, "GET /parts HTTP/1.0", "Connection: keep-alive")
        assert read_answer(client).headers["connection"] == "close"
        assert client.buffer + client.receive() + client.receive() == b"onetwo"


@pytest.mark.parametrize("path", ["/", "/parts"])
def test_head_request_sends_no_body(path: str) -> None:
    with serving() as (port, _), within(5):
        client = TcpClient(port)
        for _ in range(2):
            raw(client, f"HEAD {path} HTTP/1.1", "Host: a")
            client.read_until(b"\r\n\r\n")
            assert ask(client) == "hello"


def test_upgrade_with_body() -> None:
    with serving() as (port, _), within(5):
        client = TcpClient(port)
        lines = "Host: a", "Connection: upgrade", "Upgrade: x", "Content-Length: 2"
        raw(client, "POST / HTTP/1.1", *lines, body=b"ab")
        assert read_answer(client).body == "ab"
        assert ask(client) == "hello"


def test_chunked_body_is_read() -> None:
    with serving() as (port, _), within(5):
        client = TcpClient(port)
        lines = "POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"
        raw(client, *lines, body=b"3\r\nabc\r\n0\r\n\r\n")
        assert read_answer(client).body == "abc"
        assert ask(client) == "hello"


def test_bad_chunk_is_refused() -> None:
    with serving() as (port, _), within(5):
        client = TcpClient(port)
        lines = "POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"
        raw(client, *lines, body=b"x\r\nabc\r\n0\r\n\r\n")
        assert read_answer(client).status == 400
        assert client.receive() == b""


def test_chunked_body_where_chunks_are_refused() -> None:
    with serving(takes_chunks=False) as (port, environs), within(5):
        client = TcpClient(port)
        raw(client, "POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked")
        assert read_answer(client).status == 411
        assert client.receive() == b""
        assert environs == []


def test_unread_body_awaiting_continue() -> None:
    with serving() as (port, _), within(3):
        client = TcpClient(port)
        raw(client, "POST /unread HTTP/1.1", "Host: a", "Content-Length: 9", "Expect: 100-continue")
        answer = read_answer(client)
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert client.receive() == b""


def test_continue_precedes_body() -> None:
    with serving() as (port, _), within(5):
        client = TcpClient(port)
        raw(client, "POST / HTTP/1.1", "Host: a", "Content-Length: 3", "Expect: 100-Continue")
        assert client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue"
        client.send(b"abc")
        assert read_answer(client).body == "abc"


def test_too_large_head_is_answered() -> None:
    with serving() as (port, environs), within(5):
        client = TcpClient(port)
        raw(client, "GET / HTTP/1.1", "Host: a", *["X: " + "y" * 1000] * 200)
        assert read_answer(client).status == 431
        assert client.receive() == b""
        assert environs == []


def reset(client: TcpClient) -> None:
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))
    client.close()


def test_departed_clients_are_not_logged(capfd: pytest.CaptureFixture[str]) -> None:
    errors = AccessLog()
    whole = request_bytes("POST", "/", b"x" * 100, {})
    with serving(error_log=errors) as (port, environs), within(10):
        for cut in (10, len(whole) - 50):
            for leave in (reset, TcpClient.close):
                client = TcpClient(port)
                client.send(whole[:cut])
                until(lambda cut=cut: cut == 10 or len(environs) > 0)  # type: ignore[misc]
                leave(client)
        assert ask(TcpClient(port)) == "hello"
    assert errors.lines == []
    assert "Traceback" not in capfd.readouterr().err


def test_pipelined_requests_yield() -> None:
    served_by_turn: list[int] = []
    check = gevent.get_hub().loop.check(ref=False)
    with serving() as (port, environs), within(20):
        check.start(lambda: served_by_turn.append(len(environs)))
        client = TcpClient(port)
        sender = gevent.spawn(client.send, request_bytes("GET", "/", None, {}) * 3000)
        for _ in range(3000):
            client.read_until(b"\r\n\r\n")
        sender.join()
    check.stop()
    check.close()
    assert max(after - before for before, after in pairwise(served_by_turn)) < 1000


def other_address(port: int) -> TcpClient:
    try:
        return TcpClient(port, source="127.0.0.2")
    except OSError:
        pytest.skip("this system has one loopback address only")


def test_one_address_does_not_keep_others_out() -> None:
    with serving(max_connections=4) as (port, _), within(10):
        for _ in range(40):
            raw(TcpClient(port), "GET / HTTP/1.1", body=b"unfinished")
        assert ask(other_address(port)) == "hello"
