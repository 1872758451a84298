"""Asking a device for what its ring no longer holds; only the wire is played by hand."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import gevent
import pytest
from flask.testing import FlaskClient

from gateway.hub import Hub
from gateway.upstream.replay_routes import Route
from gateway.upstream.sockets import Incoming
from gateway.web import journal_reader, reading_pages
from gateway.web.csv_rows import CSV_KEYS
from shared.cursor import Cursor
from shared.reading import Reading, Status
from shared.wire import ReplayRequest, decode_request, encode_answer, encode_reading, encode_refusal
from tests.gateway.apps import EPOCH, START_MS, gateway_of, make_app, publish
from tests.timing import scaled_s

RING, PUBLISHED = 200, 2_000
READINGS = "/api/v1/devices/a/readings"


@dataclass
class JournalLinks:
    """The links to a device that holds readings 1 to ``published``, one a second."""

    hub: Hub
    published: int = PUBLISHED
    answers: bool = True
    refuses: bool = False
    questions: list[ReplayRequest] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    open_now: int = 0
    open_most: int = 0

    def send(self, requests: Iterable[tuple[Route, bytes]]) -> None:
        for route, payload in requests:
            self.questions.append(decode_request(payload))
            self.routes.append(route)
            self.open_now += 1
            self.open_most = max(self.open_most, self.open_now)
            if self.answers:
                gevent.spawn(self._answer, route, self.questions[-1])

    def _answer(self, route: Route, request: ReplayRequest) -> None:
        gevent.sleep(0)
        self.open_now -= 1
        frames = self._refusal(request) if self.refuses else self._page(request)
        self.hub.receiver._receive(Incoming("replay", route, frames), self.hub.now())

    def _refusal(self, request: ReplayRequest) -> list[bytes]:
        return encode_refusal(request.id, "a", "busy", "ask again")

    def _page(self, request: ReplayRequest) -> list[bytes]:
        after = request.after or Cursor(EPOCH, 0)
        seqs = [s for s in range(1, self.published + 1) if Cursor(EPOCH, s) > after]
        page = [encode_reading(journal_reading(seq)) for seq in seqs[: request.limit]]
        ends = (Cursor(EPOCH, 1), Cursor(EPOCH, self.published)) if self.published else (None, None)
        return encode_answer(request, page, *ends)


def journal_reading(seq: int) -> Reading:
    return Reading("a", EPOCH, seq, START_MS + 1000 * seq, 20.0)


@pytest.fixture
def device() -> tuple[JournalLinks, FlaskClient]:
    """Give a device far ahead of its ring, and a client of the gateway."""
    app = make_app(SPOKE_HISTORY_READINGS=str(RING))
    hub = gateway_of(app).hub
    publish(hub, "a", range(1, PUBLISHED + 1))
    links = JournalLinks(hub)
    hub.receiver.subscriber = links  # type: ignore[assignment]  # as much of them as asking needs
    return links, app.test_client()


def read(client: FlaskClient, query: str) -> Any:
    answer = client.get(f"{READINGS}?{query}")
    assert answer.status_code == 200
    return answer.json


def seqs(page: Any) -> list[int]:
    return [reading["seq"] for reading in page["readings"]]


def test_page_joins_the_ring(
    device: tuple[JournalLinks, FlaskClient],
) -> None:
    links, client = device
    page = read(client, f"since={EPOCH}-1400&limit=5000")
    assert (seqs(page), page["gaps"]) == (list(range(1_401, 2_001)), [])
    assert [(q.after, q.limit) for q in links.questions] == [
        (Cursor(EPOCH, 1_400), 250),
        (Cursor(EPOCH, 1_650), 250),
    ]
    assert page["held_from"] == f"{EPOCH}-0"
    device_now = links.hub.devices.get("a")
    assert device_now is not None
    assert len(device_now.ring) == RING


def test_questions_limited_to_page(
    device: tuple[JournalLinks, FlaskClient],
) -> None:
    links, client = device
    page = read(client, "since=0-0&limit=3")
    assert (seqs(page), page["next"], page["gaps"]) == ([1, 2, 3], f"{EPOCH}-3", [])
    assert [(q.after, q.limit) for q in links.questions] == [(None, 3)]


def test_span_by_binary_search(
    device: tuple[JournalLinks, FlaskClient],
) -> None:
    links, client = device
    page = read(client, f"from_ms={START_MS + 1_500_000}&to_ms={START_MS + 1_509_000}")
    assert seqs(page) == list(range(1_500, 1_510))
    probes = [q for q in links.questions if q.limit == 1]
    assert len(probes) < 8
    assert len(links.questions) - len(probes) <= 2


def device_heard_by_status(at: Cursor, published: int) -> tuple[JournalLinks, FlaskClient]:
    """Give a device that sent only a status; its journal holds ``published`` readings."""
    app = make_app(SPOKE_HISTORY_READINGS=str(RING))
    hub = gateway_of(app).hub
    links = JournalLinks(hub, published)
    hub.receiver.subscriber = links  # type: ignore[assignment]  # as much of them as asking needs
    hub.devices.receive(Status("a", *at, START_MS, "online", 1_000), hub.now())
    return links, app.test_client()


@pytest.mark.parametrize("seq", [0, 40])
def test_span_in_empty_journal(seq: int) -> None:
    links, client = device_heard_by_status(Cursor(EPOCH, seq), 0)
    page = read(client, "from_ms=0")
    assert (page["readings"], page["next"]) == ([], f"{EPOCH}-{seq}")
    assert "incomplete" not in page
    assert client.get(f"{READINGS}?from_ms=0&format=csv").status_code == 200
    assert links.questions != []


@pytest.mark.parametrize("at", [Cursor(EPOCH + 1, 0), Cursor(EPOCH, 600)])
def test_span_before_first_status(at: Cursor) -> None:
    _, client = device_heard_by_status(at, 600)
    page = read(client, f"from_ms={START_MS + 500_000}&to_ms={START_MS + 509_000}")
    assert (seqs(page), page["gaps"]) == (list(range(500, 510)), [])
    assert "incomplete" not in page
    file = client.get(f"{READINGS}?from_ms={START_MS + 595_000}&format=csv")
    assert (file.status_code, file.text.count("\r\n")) == (200, 1 + 6)


def test_span_of_one_moment_before_first_status() -> None:
    _, client = device_heard_by_status(Cursor(EPOCH, 600), 600)
    moment_ms = START_MS + 5_000
    assert seqs(read(client, f"from_ms={moment_ms}&to_ms={moment_ms}")) == [5]


def test_span_before_the_oldest(
    device: tuple[JournalLinks, FlaskClient],
) -> None:
    page = read(device[1], f"from_ms=0&to_ms={START_MS + 4_000}")
    assert seqs(page) == [1, 2, 3, 4]
    thin = read(device[1], "max_points=20")
    assert (seqs(thin)[0], len(thin["readings"]) <= 20, thin["gaps"]) == (1, True, [])


def test_no_question_within_ring(device: tuple[JournalLinks, FlaskClient]) -> None:
    links, client = device
    assert len(read(client, f"since={EPOCH}-1900")["readings"]) == 100
    assert len(read(client, "limit=50")["readings"]) == 50
    assert links.questions == []


@pytest.mark.parametrize("form", ["", "&from_ms=0"])
def test_unknown_position(
    device: tuple[JournalLinks, FlaskClient], monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    links, client = device
    monkeypatch.setattr(journal_reader, "DEADLINE_S", scaled_s(60))
    page = read(client, f"since={EPOCH + 1}-5{form}")
    assert [gap["reason"] for gap in page["gaps"]] == ["unknown_cursor"]
    assert seqs(page) == list(range(PUBLISHED - RING + 1, PUBLISHED + 1))
    assert [(q.after, q.limit) for q in links.questions] == [(Cursor(EPOCH, PUBLISHED), 1)]


def only_the_ring(page: Any) -> bool:
    [gap] = page["gaps"]
    held = (seqs(page)[0], page["held_from"], gap["after"], gap["reason"])
    return held == (PUBLISHED - RING + 1, f"{EPOCH}-{PUBLISHED - RING}", f"{EPOCH}-5", "expired")


def test_busy_device(device: tuple[JournalLinks, FlaskClient]) -> None:
    links, client = device
    links.refuses = True
    page = read(client, f"since={EPOCH}-5")
    assert only_the_ring(page)
    assert page["incomplete"] is True


def test_silent_device_until_deadline(
    device: tuple[JournalLinks, FlaskClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    links, client = device
    links.answers = False
    monkeypatch.setattr(journal_reader, "DEADLINE_S", 0.05)
    page = read(client, f"since={EPOCH}-5")
    assert only_the_ring(page)
    assert page["incomplete"] is True
    assert links.hub.receiver._replay._single == {}


def test_slow_page_is_incomplete(
    device: tuple[JournalLinks, FlaskClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    links, client = device
    send = links.send

    def answer_first(requests: Iterable[tuple[Route, bytes]]) -> None:
        links.answers = not links.questions
        send(requests)

    monkeypatch.setattr(links, "send", answer_first)
    monkeypatch.setattr(journal_reader, "DEADLINE_S", 0.2)
    page = read(client, f"since={EPOCH}-5")
    assert (seqs(page), page["gaps"], page["next"]) == (list(range(6, 256)), [], f"{EPOCH}-255")
    assert page["incomplete"] is True


def test_file_after_a_slow_page_is_complete(
    device: tuple[JournalLinks, FlaskClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    links, client = device
    send = links.send

    def leave_third_unanswered(requests: Iterable[tuple[Route, bytes]]) -> None:
        links.answers = len(links.questions) != 2
        send(requests)

    monkeypatch.setattr(links, "send", leave_third_unanswered)
    monkeypatch.setattr(reading_pages, "FILE_PAGE", 500)  # an answer has 250 readings or fewer
    monkeypatch.setattr(journal_reader, "DEADLINE_S", 0.2)
    file = client.get(f"{READINGS}?from_ms=0&format=csv")
    assert file.text.count("\r\n") == PUBLISHED + 1
    assert "Spoke-Incomplete" not in file.headers


def answer_only(links: JournalLinks, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Let the device fall silent after so many answers."""
    send = links.send

    def answer_some(requests: Iterable[tuple[Route, bytes]]) -> None:
        links.answers = len(links.questions) < count
        send(requests)

    monkeypatch.setattr(links, "send", answer_some)
    monkeypatch.setattr(journal_reader, "DEADLINE_S", 0.2)


def test_file_breaks_off_without_answer(
    device: tuple[JournalLinks, FlaskClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    links, client = device
    answer_only(links, monkeypatch, 5)
    parts = client.get(f"{READINGS}?from_ms=0&format=csv").iter_encoded()
    read_so_far: list[bytes] = []
    with pytest.raises(ConnectionResetError, match="ask again"):
        read_so_far.extend(parts)
    last = b"".join(read_so_far).decode().splitlines()[-1].split(",")
    assert int(last[CSV_KEYS.index("seq")]) < PUBLISHED - RING


@pytest.mark.parametrize("form", ["", "&limit=10", "&max_points=9"])
def test_file_refused_with_leading_hole(
    device: tuple[JournalLinks, FlaskClient], monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    links, client = device
    answer_only(links, monkeypatch, 0)
    answer = client.get(f"{READINGS}?from_ms=0&format=csv{form}")
    assert (answer.status_code, answer.json["code"]) == (503, "unavailable")  # type: ignore[index]  # JSON
    assert answer.headers["Retry-After"] == "2"


@pytest.mark.parametrize("answers", [1, 2, 4])
def test_empty_page_is_incomplete(
    device: tuple[JournalLinks, FlaskClient], monkeypatch: pytest.MonkeyPatch, answers: int
) -> None:
    links, client = device
    send = links.send
    answer_only(links, monkeypatch, answers)
    page = read(client, f"since=0-0&from_ms={START_MS + 1_500_000}")
    assert (page["readings"], page["incomplete"]) == ([], True)
    links.answers = True
    monkeypatch.setattr(links, "send", send)
    monkeypatch.setattr(journal_reader, "DEADLINE_S", scaled_s(20))
    rest = read(client, f"since={page['next']}&from_ms={START_MS + 1_500_000}")
    assert (seqs(rest)[0], "incomplete" in rest) == (1_500, False)


def test_span_after_cursor(
    device: tuple[JournalLinks, FlaskClient],
) -> None:
    links, client = device
    page = read(client, f"since=0-0&from_ms={START_MS + 1_500_000}&to_ms={START_MS + 1_509_000}")
    assert (seqs(page), page["gaps"]) == (list(range(1_500, 1_510)), [])
    assert len(links.questions) < 15


@pytest.mark.parametrize("why", ["silent replay", "offline", "nobody to ask"])
def test_no_question_without_replay(device: tuple[JournalLinks, FlaskClient], why: str) -> None:
    links, client = device
    feed = links.hub.devices.get("a").feed  # type: ignore[union-attr]  # published above
    if why == "silent replay":
        for second in (0, 1, 2):
            now = links.hub.now()
            links.hub.devices.no_answer("a", "backfill", now)
            links.hub.devices.tick(
                now._replace(monotonic_s=now.monotonic_s + second), everyone=True
            )
    elif why == "offline":
        feed.online = False
    else:
        links.hub.receiver.subscriber = None
    links.questions.clear()
    assert only_the_ring(read(client, f"since={EPOCH}-5"))
    assert links.questions == []


@pytest.mark.parametrize("is_online", [True, False])
def test_unreachable_journal_is_incomplete(
    device: tuple[JournalLinks, FlaskClient], is_online: bool
) -> None:
    links, client = device
    feed = links.hub.devices.get("a").feed  # type: ignore[union-attr]  # published above
    feed.newest_s, feed.online = links.hub.now().monotonic_s, is_online
    links.hub.receiver.subscriber = None
    page = read(client, f"since={EPOCH}-5")
    assert only_the_ring(page)
    assert page["incomplete"] is True
    assert "incomplete" not in read(client, f"since={EPOCH}-{PUBLISHED - RING}")
    file = client.get(f"{READINGS}?since={EPOCH}-5&format=csv")
    if is_online:
        assert (file.status_code, file.headers["Retry-After"]) == (503, "2")
    else:
        assert (file.status_code, file.headers["Spoke-Incomplete"]) == (200, "true")
        assert file.text.count("\r\n") == RING + 1


def test_expected_backfill_is_incomplete(
    device: tuple[JournalLinks, FlaskClient],
) -> None:
    links, client = device
    links.hub.receiver.subscriber = None
    hub, now = links.hub, links.hub.now()
    hub._clock = lambda: now
    hub.devices.get("a").feed._backfill.progress_s = now.monotonic_s  # type: ignore[union-attr]  # published
    assert read(client, f"since={EPOCH}-5")["incomplete"] is True
    later = now._replace(monotonic_s=now.monotonic_s + 15)
    hub._clock = lambda: later
    assert "incomplete" not in read(client, f"since={EPOCH}-5")


def test_open_questions_are_limited(
    device: tuple[JournalLinks, FlaskClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_reader, "DEADLINE_S", scaled_s(20))
    links, client = device
    readers = [gevent.spawn(read, client.application.test_client(), "since=0-0") for _ in range(10)]
    gevent.joinall(readers, raise_error=True, timeout=scaled_s(20))
    assert all(seqs(reader.value) == list(range(1, 1_001)) for reader in readers)
    assert links.open_most == journal_reader.AT_ONCE_MAX


def test_turn_for_address_with_fewest(
    device: tuple[JournalLinks, FlaskClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    links, client = device
    links.answers = False
    monkeypatch.setattr(journal_reader, "DEADLINE_S", scaled_s(20))

    def spawn(address: str, seq: int) -> "gevent.Greenlet[..., Any]":
        own = client.application.test_client()
        url = f"{READINGS}?since={EPOCH}-{seq}&limit=1"
        return gevent.spawn(own.get, url, environ_base={"REMOTE_ADDR": address})

    readers = [spawn("192.0.2.1", seq) for seq in range(10)]
    gevent.idle()
    readers.append(spawn("192.0.2.2", 77))
    gevent.idle()
    assert len(links.questions) == journal_reader.AT_ONCE_MAX
    links._answer(links.routes[0], links.questions[0])
    gevent.idle()
    assert links.questions[-1].after == Cursor(EPOCH, 77)
    gevent.killall(readers)


def test_no_question_if_repair_begins_during_wait_for_slot(
    device: tuple[JournalLinks, FlaskClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_reader, "DEADLINE_S", scaled_s(20))
    links, client = device
    links.answers = False

    def spawn(seq: int) -> "gevent.Greenlet[..., Any]":
        own = client.application.test_client()
        return gevent.spawn(read, own, f"since={EPOCH}-{seq}&limit=1")

    holding = [spawn(seq) for seq in range(journal_reader.AT_ONCE_MAX)]
    gevent.idle()
    waiting = spawn(77)
    gevent.idle()
    publish(links.hub, "a", range(PUBLISHED + 3, PUBLISHED + 4))  # two readings are missing
    links.answers = True
    asked = len(links.questions)
    links._answer(links.routes[0], links.questions[0])
    assert seqs(holding[0].get(timeout=scaled_s(20))) == [1]
    gevent.idle()
    assert len(links.questions) == asked
    publish(links.hub, "a", range(PUBLISHED + 1, PUBLISHED + 3))
    assert seqs(waiting.get(timeout=scaled_s(20))) == [78]
    gevent.killall(holding)


def test_no_question_while_device_repairs(
    device: tuple[JournalLinks, FlaskClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    links, client = device
    publish(links.hub, "a", range(PUBLISHED + 3, PUBLISHED + 4))
    links.questions.clear()
    monkeypatch.setattr(journal_reader, "DEADLINE_S", 0.1)
    page = read(client, f"since={EPOCH}-5")
    assert only_the_ring(page)
    assert links.questions == []
