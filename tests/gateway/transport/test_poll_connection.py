"""Polling over one kept connection, which the web server hands over after the second poll."""

import gc
import gzip
import json
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import engineio
import pytest
from greenlet import greenlet

from gateway.transport import EngineServer
from gateway.transport.connection import session_timers
from gateway.transport.server.poll_connection import (
    PollConnection,
    answer_head,
    own_headers,
    split_stamp,
)
from tests.gateway.transport.clients import (
    Answer,
    Polls,
    TcpClient,
    WebSocketClient,
    read_answer,
    request_bytes,
    until,
    within,
)
from tests.gateway.transport.servers import close_transports, end, serve

ENGINE = "/engine.io/"
ORIGIN = {"Origin": "http://localhost", "Accept-Encoding": "gzip", "Cookie": "a=b"}


class Service:
    """An ``EngineServer``, and the requests that its application is asked."""

    def __init__(self, **options: Any) -> None:
        self.engine = EngineServer(**options)
        self.asked: list[str] = []
        self.told: list[Any] = []
        self.engine.on("message", lambda sid, data: self.told.append(data))
        self.engine.on("disconnect", lambda sid, reason: self.told.append(reason))
        self._app = engineio.WSGIApp(self.engine)

    def __call__(self, environ: Any, start_response: Any) -> Any:
        self.asked.append(environ["REQUEST_METHOD"])
        return self._app(environ, start_response)


class KeptPolls:
    """A client that polls over one connection, as browsers do."""

    def __init__(self, service: Service, port: int, headers: dict[str, str] | None = None) -> None:
        self.service, self.port, self.headers = service, port, headers or {}
        self.sid = Polls(port, ENGINE).open()
        self.client = TcpClient(port)

    def ask(self, more: str = "", headers: dict[str, str] | None = None) -> None:
        target = Polls(self.port, ENGINE).target(sid=self.sid) + more
        self.client.send(request_bytes("GET", target, None, self.headers | (headers or {})))

    def post(self, body: str) -> None:
        target = Polls(self.port, ENGINE).target(sid=self.sid)
        self.client.send(request_bytes("POST", target, body.encode(), self.headers))

    def get(self, word: str, more: str = "", headers: dict[str, str] | None = None) -> Answer:
        self.service.engine.send(self.sid, word)
        self.ask(more, headers)
        return read_answer(self.client)

    def reset(self, client: TcpClient | None = None) -> None:
        """Close a connection as one that has broken."""
        sock = (client or self.client).sock
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    def rest(self) -> "KeptPolls":
        """Poll until the connection is out of the web server's hands."""
        for word in ("1", "2"):
            assert self.get(word).body == f"4{word}"
        self.service.asked.clear()
        return self

    def park(self) -> "KeptPolls":
        """Have a GET wait for something to be sent."""
        self.ask()
        connection = self.service.engine.connection(self.sid)
        assert connection is not None
        until(lambda: connection.poll_waiting)
        return self


@contextmanager
def serving(**options: Any) -> Iterator[tuple[Service, int]]:
    service = Service(**options)
    with serve(service) as port:
        try:
            yield service, port
        finally:
            end(service.engine)


def test_same_get_is_answered_without_application() -> None:
    with serving(cors_allowed_origins=["http://localhost"]) as (service, port):
        polls = KeptPolls(service, port, ORIGIN)
        answers = [polls.get(word) for word in "abcd"]
        assert [answer.body for answer in answers] == ["4a", "4b", "4c", "4d"]
        assert all(answer.headers.pop("date").endswith(" GMT") for answer in answers)
        assert all(answer.headers == answers[0].headers for answer in answers)
        assert answers[0].headers["access-control-allow-origin"] == "http://localhost"
        assert service.asked == ["GET"] * 3  # it opened the session, and polled twice


def test_a_stamp_against_caches_makes_no_difference() -> None:
    with serving() as (service, port):
        polls = KeptPolls(service, port)
        for number in range(5):
            assert polls.get("x", f"&t=Pq{number}{'z' * number}").body == "4x"
        assert service.asked == ["GET"] * 3


@pytest.mark.parametrize("words", ["a", "abcd"], ids=["by the web server", "without it"])
def test_repeated_get_ends_the_session(words: str) -> None:
    with serving() as (service, port):
        polls = KeptPolls(service, port)
        for word in words:
            assert polls.get(word, f"&t={word}").body == f"4{word}"
        again = polls.get("more", f"&t={words[-1]}")
        assert again.status == 400
        assert "sent before" in again.body
        assert service.engine.connection(polls.sid) is None


def test_repeated_post_is_taken_once() -> None:
    with serving() as (service, port):
        polls = Polls(port, ENGINE)
        sid = polls.open()
        for stamp in ("p1", "p1", "p2"):
            target = f"{polls.target(sid=sid)}&t={stamp}"
            assert polls.request("POST", target, f"4{stamp}".encode()).body == "ok"
        until(lambda: service.told == ["p1", "p2"])


@pytest.mark.parametrize("stamp", ["1796000000", "1796000000500", ""])
def test_coarse_clock_requests_are_taken(stamp: str) -> None:
    with serving() as (service, port):
        polls = KeptPolls(service, port)
        target = f"{Polls(port, ENGINE).target(sid=polls.sid)}&t={stamp}"
        for word in "abcd":
            assert polls.get(word, f"&t={stamp}").body == f"4{word}"
            for body in (b"4equal", b"4equal"):
                assert Polls(port).request("POST", target, body).body == "ok"
        until(lambda: service.told == ["equal"] * 8)


def test_clock_that_stands_still() -> None:
    with serving() as (service, port):
        polls = KeptPolls(service, port)
        opened = Polls(port).request("GET", Polls(port, ENGINE).target() + "&t=same")
        polls.sid = json.loads(opened.body[1:])["sid"]
        for word in "abcd":
            assert polls.get(word, "&t=same").body == f"4{word}"


def test_reset_means_answer_unread() -> None:
    with serving() as (service, port):
        polls = KeptPolls(service, port).rest()
        connection = service.engine.connection(polls.sid)
        assert connection is not None
        polls.reset()
        until(lambda: connection.closed)


def test_reset_after_asking_elsewhere() -> None:
    with serving() as (service, port):
        polls = KeptPolls(service, port).rest()
        first, polls.client = polls.client, TcpClient(port)
        polls.park()
        polls.reset(first)
        until(lambda: len(service.engine.resting) == 0)
        service.engine.send(polls.sid, "on")
        assert read_answer(polls.client).body == "4on"


@pytest.mark.parametrize("more", ["", "&t=1796000000"], ids=["none", "seconds"])
def test_reset_after_answer_elsewhere(
    more: str,
) -> None:
    with serving() as (service, port):
        polls = KeptPolls(service, port)
        for word in "ab":
            assert polls.get(word, more).body == f"4{word}"
        until(lambda: resting(service) == 1)
        first, polls.client = polls.client, TcpClient(port)
        assert polls.get("c", more).body == "4c"
        polls.reset(first)
        until(lambda: resting(service) == 0)
        assert polls.get("d", more).body == "4d"


def test_a_get_waits_without_a_greenlet() -> None:
    with serving() as (service, port):
        waiting = [KeptPolls(service, port).rest() for _ in range(20)]
        until(lambda: not service.asked)
        before = living_greenlets()
        for polls in waiting:
            polls.park()
        assert living_greenlets() <= before
        for polls in waiting:
            service.engine.send(polls.sid, "now")
            assert read_answer(polls.client).body == "4now"
        assert service.asked == []


def living_greenlets() -> int:
    gc.collect()
    return sum(isinstance(it, greenlet) and not it.dead for it in gc.get_objects())


def test_what_is_sent_together_is_answered_together() -> None:
    with serving() as (service, port):
        polls = KeptPolls(service, port).rest().park()
        for word in "abc":
            service.engine.send(polls.sid, word)
        assert read_answer(polls.client).body == "4a\x1e4b\x1e4c"


@pytest.mark.parametrize(
    ("more", "headers"),
    [("&x=1", {}), ("", {"X-New": "1"}), ("", {"Host": "other.example"})],
    ids=["query", "header", "host"],
)
def test_different_get_goes_to_the_application(more: str, headers: dict[str, str]) -> None:
    with serving() as (service, port):
        polls = KeptPolls(service, port).rest()
        assert polls.get("x", more, headers).body == "4x"
        assert service.asked == ["GET"]


def test_a_foreign_origin_is_refused_on_a_connection_that_rests() -> None:
    with serving() as (service, port):
        polls = KeptPolls(service, port).rest()
        assert polls.get("x", headers={"Origin": "http://evil.example"}).status == 400


def test_posts_and_gets_in_turn() -> None:
    with serving() as (service, port):
        polls = KeptPolls(service, port).rest()
        words = ["a", "b" * 200_000, "c"]
        for word in words:
            polls.post(f"4{word}")
            assert read_answer(polls.client).body == "ok"
            assert [polls.get(word).body for _ in range(3)] == [f"4{word}"] * 3
        assert service.told == words


def test_request_behind_waiting_get() -> None:
    with serving() as (service, port):
        polls = KeptPolls(service, port).rest().park()
        polls.post("4behind")
        service.engine.send(polls.sid, "first")
        assert [read_answer(polls.client).body for _ in range(2)] == ["4first", "ok"]
        assert service.told == ["behind"]


def test_two_gets_in_one_piece() -> None:
    with serving() as (service, port):
        polls = KeptPolls(service, port).rest()
        service.engine.send(polls.sid, "a")
        target = Polls(port, ENGINE).target(sid=polls.sid)
        polls.client.send(request_bytes("GET", target, None, {}) * 2)
        assert read_answer(polls.client).body == "4a"
        service.engine.send(polls.sid, "b")
        assert read_answer(polls.client).body == "4b"


def test_get_in_pieces() -> None:
    with serving() as (service, port):
        polls = KeptPolls(service, port).rest()
        service.engine.send(polls.sid, "a")
        request = request_bytes("GET", Polls(port, ENGINE).target(sid=polls.sid), None, {})
        polls.client.send(request[:20])
        until(lambda: resting(service) == 0)
        polls.client.send(request[20:])
        assert read_answer(polls.client).body == "4a"


def resting(service: Service) -> int:
    """Count the connections that the web server does not have."""
    return len(service.engine.resting)


def test_other_page_on_resting_connection() -> None:
    with serving() as (service, port):
        polls = KeptPolls(service, port).rest()
        polls.client.send(request_bytes("GET", "/elsewhere", None, {}))
        assert b"404" in polls.client.read_until(b"\r\n\r\n")
        assert service.asked == ["GET"]


def test_abandoned_waiting_get_ends_the_session() -> None:
    with serving() as (service, port):
        KeptPolls(service, port).rest().park().client.close()
        until(lambda: service.told == ["transport close"])
        assert resting(service) == 0


def test_second_get_ends_the_session() -> None:
    with serving() as (service, port):
        polls = KeptPolls(service, port).rest().park()
        assert Polls(port, ENGINE).get(polls.sid).status == 400
        assert read_answer(polls.client).body == "1"
        until(lambda: service.told == ["transport error"])


def test_session_end_answers_waiting_get() -> None:
    with serving() as (service, port):
        polls = KeptPolls(service, port).rest().park()
        close_transports(service.engine)
        assert read_answer(polls.client).body == "1"
        polls.ask()
        assert read_answer(polls.client).status == 400


def test_long_answer_to_slow_reader() -> None:
    size = 3_000_000
    with serving() as (service, port):
        polls = KeptPolls(service, port)
        polls.client = TcpClient(port, receive_buffer=4096)
        polls.rest().park()
        service.engine.send(polls.sid, "x" * size)
        assert len(read_answer(polls.client).body) == size + 1
        assert polls.get("after").body == "4after"


def test_long_answer_is_compressed() -> None:
    with serving() as (service, port):
        polls = KeptPolls(service, port, {"Accept-Encoding": "gzip"}).rest()
        answer = polls.get("y" * 5000)
        assert answer.headers["content-encoding"] == "gzip"
        assert gzip.decompress(answer.body.encode("latin-1")) == b"4" + b"y" * 5000
        assert "content-encoding" not in polls.get("short").headers
        assert service.asked == []


def test_upgrade_loses_nothing() -> None:
    with serving() as (service, port):
        polls = KeptPolls(service, port).rest().park()
        client = WebSocketClient(port, polls.sid, ENGINE)
        client.text("2probe")
        assert client.next_message() == "3probe"
        assert read_answer(polls.client).body == "6"
        service.engine.send(polls.sid, "between")
        client.text("5")
        assert client.next_message() == "4between"
        client.close()


def test_idle_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_timers, "IDLE_TIMEOUT_S", 0.2)
    with serving() as (service, port):
        polls = KeptPolls(service, port).rest()
        with within(5):
            assert polls.client.receive() == b""
        assert resting(service) == 0


def test_get_waits_longer_than_idle_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_timers, "IDLE_TIMEOUT_S", 0.1)
    with serving(ping_interval=0.7) as (service, port):
        polls = KeptPolls(service, port).rest().park()
        assert read_answer(polls.client).body == "2"
        assert service.asked == []


@pytest.mark.parametrize(
    ("request_line", "without", "stamp"),
    [
        (b"GET /?a=1&t=xyz&b=2 HTTP/1.1", b"GET /?a=1&&b=2 HTTP/1.1", "xyz"),
        (b"GET /?t=1732.25 HTTP/1.1", b"GET /? HTTP/1.1", "1732.25"),
        (b"GET /?t= HTTP/1.1", b"GET /? HTTP/1.1", ""),
        (b"GET /?t=a%20b HTTP/1.1", b"GET /?t=a%20b HTTP/1.1", ""),
        (b"GET /?start=1&at=2 HTTP/1.1", b"GET /?start=1&at=2 HTTP/1.1", ""),
    ],
)
def test_stamp_is_a_query_field(request_line: bytes, without: bytes, stamp: str) -> None:
    headers = b"\r\nReferer: http://a/?t=1\r\n\r\n"
    assert split_stamp(request_line + headers) == (without + headers, stamp)


def test_own_headers_of_an_answer() -> None:
    headers = [(b"Vary", b"Origin"), (b"Content-Length", b"5"), (b"Date", b"then")]
    head = answer_head(b"200 OK", headers) + own_headers([("Content-Encoding", "gzip")], 7)
    lines = head.split(b"\r\n")
    assert lines[:4] == [
        *(b"HTTP/1.1 200 OK", b"Vary: Origin", b"Content-Encoding: gzip", b"Content-Length: 7")
    ]
    assert lines[4].startswith(b"Date: ")
    assert lines[4].endswith(b" GMT")
    assert lines[5:] == [b"", b""]


def test_session_keeps_one_resting_connection_and_gives_back_the_others() -> None:
    with serving() as (service, port), within(10):
        polls = KeptPolls(service, port)
        made = []
        for _ in range(5):
            polls.rest()
            made.append(polls.client)
            polls.client = TcpClient(port)
        assert len(service.engine.resting) == 1
        for client in made:
            polls.client = client
            assert polls.get("more").body == "4more"


def test_give_back_to_full_server() -> None:
    with serving() as (service, port), within(10):
        polls = KeptPolls(service, port).rest()
        [kept] = service.engine.resting
        assert isinstance(kept, PollConnection)
        exchange = kept._exchange
        assert exchange is not None
        server = exchange.give_back.args[0]  # type: ignore[attr-defined]  # is a partial
        server.serve_again = lambda *_: False
        polls.post("4hello")
        assert polls.client.receive() == b""
        until(lambda: service.engine.connection(polls.sid) is None)
        del server.serve_again
