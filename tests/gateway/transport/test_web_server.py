"""pywsgi with deadlines: who is slow is refused, and everybody else notices nothing."""

import _socket
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import parse_headers
from io import BytesIO
from typing import Any

import gevent
import pytest
from gevent.pywsgi import OldMessage
from hypothesis import given
from hypothesis import strategies as st

from gateway.transport import WebHandler, WebServer, handover, web_server
from gateway.transport.handover import SEND_PIECE, give_back
from gateway.transport.heads import MAX_HEADERS, is_length_clear, plain_headers
from gateway.transport.takeover import HANDOVER
from tests.gateway.transport.clients import TcpClient, read_answer, request_bytes, until, within

PACE_S = 0.01
SLOW_S = 0.3


class AccessLog:
    """What a web server logs."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        self.lines.append(line)


@contextmanager
def serving(
    log: Any = None, error_log: Any = "default", at_most: int | None = None
) -> Iterator[tuple[int, list[Any]]]:
    """Serve an application that repeats the body; give the port, and the environments it got."""
    environs: list[Any] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        environs.append(environ)
        body = b"" if environ["PATH_INFO"] == "/unread" else environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    where = ("127.0.0.1", 0)
    server: Any = WebServer(where, app, log=log, error_log=error_log, at_most=at_most)
    server.start()
    try:
        yield int(server.address[1]), environs
    finally:
        server.stop(timeout=0.1)


def test_rubbish_is_refused_each_time_and_logged_once_and_shortly(
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


def dribble(client: TcpClient, data: bytes) -> None:
    """Send a byte at a time, for as long as the server lets one."""
    try:
        for byte in data:
            client.send(bytes([byte]))
            gevent.sleep(PACE_S)
    except OSError:
        return


@pytest.mark.parametrize("before", [b"", b"GET / HTTP/1.1\r\nX-Slow: "], ids=["line", "headers"])
def test_a_head_that_comes_byte_by_byte_is_refused_in_time(
    before: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "HEAD_TIMEOUT_S", SLOW_S)
    with serving() as (port, environs), within(5):
        client = TcpClient(port)
        client.send(before)
        sender = gevent.spawn(dribble, client, b"GET /" + b"a" * 1000)
        assert client.read_until(b"\r\n").startswith(b"HTTP/1.1 408")
        assert client.read_until(b"\r\n\r\n")
        assert client.receive() == b""
        assert environs == []
        sender.kill()


def test_a_head_that_comes_in_pieces_is_served_and_the_time_for_a_body_is_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(web_server, "HEAD_TIMEOUT_S", SLOW_S)
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


def test_a_connection_that_rests_too_long_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "IDLE_TIMEOUT_S", SLOW_S)
    with serving() as (port, _):
        silent, used = TcpClient(port), TcpClient(port)
        used.send(request_bytes("POST", "/", b"hello", {}))
        assert read_answer(used).body == "hello"
        with within(5):
            assert silent.receive() == b""
            assert used.receive() == b""


def test_head_and_body_of_an_answer_leave_in_one_piece() -> None:
    with serving() as (port, _):
        client = TcpClient(port)
        client.send(request_bytes("POST", "/", b"hello", {}))
        assert client.receive().endswith(b"\r\n\r\nhello")


def test_a_long_answer_arrives_whole_at_a_slow_reader() -> None:
    body = b"x" * 3_000_000
    with serving() as (port, _):
        client = TcpClient(port, receive_buffer=4096)
        client.send(request_bytes("POST", "/", body, {}))
        assert read_answer(client).body == body.decode()


def test_who_takes_nothing_of_a_long_answer_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handover, "SEND_TIMEOUT_S", SLOW_S)
    errors = AccessLog()
    with serving(error_log=errors, at_most=1) as (port, _), within(10):
        deaf = TcpClient(port, receive_buffer=4096)
        deaf.send(request_bytes("POST", "/", b"x" * 20_000_000, {}))
        other = TcpClient(port)
        other.send(request_bytes("POST", "/", b"hello", {}))
        assert read_answer(other).body == "hello"
    assert errors.lines == []


def ask(client: TcpClient, body: bytes = b"hello", path: str = "/") -> str:
    client.send(request_bytes("POST", path, body, {}))
    return read_answer(client).body


def test_while_somebody_waits_the_connection_that_rests_longest_gives_way() -> None:
    with serving(at_most=3) as (port, _), within(5):
        clients = [TcpClient(port) for _ in range(3)]
        for number in (1, 0, 2, 1):
            assert ask(clients[number]) == "hello"
        newcomer = TcpClient(port)
        assert ask(newcomer) == "hello"
        assert clients[0].receive() == b""
        for client in (clients[2], clients[1], newcomer):
            assert ask(client, b"again") == "again"


def test_while_nobody_waits_a_full_server_keeps_its_connections() -> None:
    with serving(at_most=3) as (port, _), within(5):
        clients = [TcpClient(port) for _ in range(3)]
        for _ in range(5):
            assert [ask(client) for client in clients] == ["hello"] * 3


def test_a_newcomer_has_to_wait_only_until_somebody_rests() -> None:
    with serving(at_most=1) as (port, environs), within(5):
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


def test_what_was_asked_already_is_answered_before_a_connection_gives_way() -> None:
    with serving(at_most=1) as (port, environs), within(5):
        client = TcpClient(port)
        client.send(b"".join(request_bytes("POST", "/", body, {}) for body in (b"1", b"2")))
        newcomer = TcpClient(port)
        assert [read_answer(client).body for _ in range(2)] == ["1", "2"]
        assert ask(newcomer) == "hello"
        assert len(environs) == 3


def test_a_body_that_nobody_asked_for_and_that_never_comes_ends_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(web_server, "BODY_TIMEOUT_S", SLOW_S)
    errors = AccessLog()
    with serving(error_log=errors, at_most=1) as (port, _), within(5):
        unfinished = TcpClient(port)
        unfinished.send(request_bytes("POST", "/unread", b"whole", {})[:-1])
        newcomer = TcpClient(port)
        assert read_answer(unfinished).status == 200
        assert ask(newcomer) == "hello"
        assert unfinished.receive() == b""
    assert errors.lines == []


def test_a_body_that_nobody_asked_for_is_passed_over() -> None:
    with serving() as (port, _):
        client = TcpClient(port)
        assert ask(client, b"x" * 100_000, "/unread") == ""
        assert ask(client) == "hello"


def test_a_slow_line_may_take_its_time_and_its_connection_is_kept(
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


def test_a_connection_given_back_has_to_take_the_rest_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handover, "SEND_TIMEOUT_S", SLOW_S)
    server: Any = WebServer(("127.0.0.1", 0), lambda *_: [b""], log=None, at_most=1)
    ends = [socket.socketpair() for _ in range(2)]
    with within(5):
        assert give_back(server, None, _plain(ends[0][0]), b"x" * 5_000_000, b"")
        assert not give_back(server, None, _plain(ends[1][0]), b"rest", b"")
        assert ends[1][1].recv(10) == b""
        until(lambda: not server.full())
    for _, end in ends:
        end.close()


def _plain(end: socket.socket) -> _socket.socket:
    plain = _socket.socket(fileno=end.detach())
    plain.setblocking(False)
    return plain


@pytest.mark.parametrize(
    ("headers", "is_clear"),
    [
        ([("Content-Length", "5")], True),
        ([("Transfer-Encoding", "Chunked")], True),
        ([("Host", "a")], True),
        ([("Content-Length", "5"), ("Transfer-Encoding", "chunked")], False),
        ([("Content-Length", "5"), ("content-length", "5")], False),
        *(([("Content-Length", value)], False) for value in ("+5", "0_5", "-1", "", "5, 5")),
        *(([("Transfer-Encoding", value)], False) for value in ("gzip, chunked", "x", "")),
    ],
)
def test_a_body_of_which_the_length_is_not_clear_is_told(
    headers: list[tuple[str, str]], is_clear: bool
) -> None:
    assert is_length_clear(headers) is is_clear


@pytest.mark.parametrize("folded", [b"", b"X: y\r\n z\r\n"], ids=["plain", "folded"])
def test_a_body_of_two_lengths_is_refused(folded: bytes) -> None:
    with serving() as (port, environs):
        client = TcpClient(port)
        client.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
            + folded
            + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        )
        assert read_answer(client).status == 400
        assert environs == []


def test_an_access_log_gets_every_request() -> None:
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
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: a\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", False),
    ],
)
def test_only_a_plain_get_with_nothing_behind_it_can_pass_its_connection_on(
    request_bytes_: bytes, is_offered: bool
) -> None:
    with serving() as (port, environs):
        client = TcpClient(port)
        client.send(request_bytes_)
        assert read_answer(client).status == 200
        assert (HANDOVER in environs[0]) is is_offered


NAMES = st.text("abcXYZ-_1", min_size=1, max_size=10)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


@given(st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=10))
def test_plain_headers_are_read_as_the_stock_server_reads_them(
    headers: list[tuple[str, str]],
) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n"
    stock = parse_headers(BytesIO(lines.encode()), OldMessage)
    assert plain_headers(b"GET / HTTP/1.1\r\n" + lines.encode()) == stock.items()


@pytest.mark.parametrize(
    "headers",
    [
        *(b"A: b\r\n folded\r\n", b"no colon\r\n", b"A : b\r\n", b": b\r\n", b"A: b\nC: d\r\n"),
        *(b"A: b\rC: d\r\n", b"A: \0\r\n", b"A B: c\r\n", b" A: b\r\n", b""),
        b"A: b\r\n" * (MAX_HEADERS + 1),
    ],
)
def test_unusual_headers_are_left_to_the_stock_server(headers: bytes) -> None:
    assert plain_headers(b"GET / HTTP/1.1\r\n" + headers + b"\r\n") is None
