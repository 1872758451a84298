"""WebSocketLink on a socket, an event loop and time slices that the test drives by hand."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol

from gateway.transport.connection import multicast
from gateway.transport.connection.multicast import WebSocketMulticast
from gateway.transport.event_loop.loop_time import ALLOWED_S
from gateway.transport.event_loop.timers import Clock
from gateway.transport.limits.budget import Budget
from gateway.transport.limits.outbox_budget import OutboxBudget
from gateway.transport.limits.rate_quota import CAPACITY
from gateway.transport.websocket.frames import close_frame, frame, packet_frame
from gateway.transport.websocket.reader import Violation
from gateway.transport.websocket.websocket_link import READABLE, LinkContext, WebSocketLink
from tests.gateway.transport.clients import client_frame

MAX_OUTBOX_BYTES = 100_000
MAX_TOTAL_BYTES = 10**9
STALLED_S = 30.0


class FakeWatcher:
    def __init__(self) -> None:
        self.callback: Callable[[], None] | None = None

    @property
    def active(self) -> bool:
        return self.callback is not None

    def start(self, callback: Callable[[], None]) -> None:
        self.callback = callback

    def stop(self) -> None:
        self.callback = None

    def close(self) -> None:
        self.callback = None


class FakeLoop:
    """An event loop that runs when the test calls ``turn``."""

    def __init__(self) -> None:
        self.watchers: dict[int, FakeWatcher] = {}
        self.later: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()

    def io(self, fd: int, events: int) -> FakeWatcher:
        self.watchers[events] = FakeWatcher()
        return self.watchers[events]

    def run_callback(self, callback: Callable[..., object], *args: object) -> None:
        self.later.append((callback, args))

    def turn(self) -> None:
        while self.later:
            callback, args = self.later.popleft()
            callback(*args)
        for watcher in list(self.watchers.values()):
            if watcher.callback is not None:
                watcher.callback()


class FakeSlices:
    """Time slices that end and begin when the test says so."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.light: deque[Callable[[], object]] = deque()
        self.heavy: deque[Callable[[], object]] = deque()

    @property
    def is_over(self) -> bool:
        if self.left is None:
            return False
        self.left -= 1
        return self.left < 0

    def ends_piece(self, began_s: float) -> bool:
        return self.is_over

    def run_later(self, call: Callable[[], object], *, is_light: bool = False) -> None:
        (self.light if is_light else self.heavy).append(call)

    def grant(self, looks: int | None = None) -> None:
        """Resume one piece of work; its slice is over after ``looks`` checks."""
        self.left = looks
        (self.light or self.heavy).popleft()()


class FakeSocket:
    """Takes ``room`` bytes, then blocks; returns the bytes in ``incoming``."""

    def __init__(self) -> None:
        self.taken = bytearray()
        self.room = 0
        self.incoming = b""
        self.ended = False
        self.did: list[str] = []
        self.fail: OSError | None = None

    def fileno(self) -> int:
        return 7

    def send(self, data: bytes | memoryview) -> int:
        assert "close" not in self.did
        if self.fail is not None:
            raise self.fail
        if not self.room:
            raise BlockingIOError
        count = min(self.room, len(data))
        self.taken += bytes(data[:count])
        self.room -= count
        return count

    def sendmsg(self, chunks: list[memoryview]) -> int:
        return self.send(b"".join(chunks))

    def recv(self, limit: int) -> bytes:
        if not self.incoming and not self.ended:
            raise BlockingIOError
        data, self.incoming = self.incoming[:limit], self.incoming[limit:]
        return data

    def setsockopt(self, *args: object) -> None:
        self.did.append("reset")

    def shutdown(self, how: int) -> None:
        self.did.append("shut down")

    def close(self) -> None:
        self.did.append("close")


@pytest.fixture(autouse=True, scope="module")
def multicast_sends_on_fake_sockets() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multicast, "send_on", FakeSocket.send)
        yield


class RecordingOwner:
    def __init__(self) -> None:
        self.messages: list[str | bytes] = []
        self.drained = 0
        self.lost: list[str | None] = []

    def on_message(self, link: WebSocketLink, message: str | bytes) -> None:
        self.messages.append(message)

    def on_drained(self, link: WebSocketLink) -> None:
        self.drained += 1

    def on_lost(self, link: WebSocketLink, violated: str | None) -> None:
        self.lost.append(violated)


class Rig:
    def __init__(self) -> None:
        self.loop = FakeLoop()
        self.sock = FakeSocket()
        sock: Any = self.sock
        self.owner = RecordingOwner()
        self.slices = FakeSlices()
        later = self.loop.run_callback
        self.outbox_budget = OutboxBudget(MAX_TOTAL_BYTES, STALLED_S, Clock(), later)
        self.context = LinkContext(
            self.loop, self.slices, self.outbox_budget, Budget(10**6, later), 1000, MAX_OUTBOX_BYTES
        )
        self.link = WebSocketLink(sock, self.context, self.owner)
        self.link.start()

    def give(self, data: bytes) -> None:
        self.sock.incoming += data
        self.loop.turn()


def frames_of(stream: bytes) -> list[Any]:
    protocol = FrameProtocol(client=True, extensions=[])
    protocol.receive_bytes(stream)
    frames = list(protocol.received_frames())
    assert all(part.frame_finished and part.message_finished for part in frames)
    return [part.payload for part in frames]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.text(max_size=300)),
        st.tuples(st.just("multicast"), st.text(max_size=300)),
        st.tuples(st.just("batch"), st.lists(st.text(max_size=300), min_size=1, max_size=5)),
        st.tuples(st.just("ping"), st.binary(max_size=20)),
        st.tuples(st.just("room"), st.integers(0, 400)),
    ),
    max_size=60,
)


def do(rig: "Rig", together: WebSocketMulticast[str], kind: str, value: Any) -> list[str | bytes]:
    """Do one step; return the payloads that the client must get for it."""
    match kind:
        case "send":
            rig.link.send(packet_frame(value))
        case "multicast":
            member: Any = SimpleNamespace(link=rig.link)  # the only attribute it reads
            is_in = len(together) or together.add(member, "rig")
            together.send(packet_frame(value))
            return [value] if is_in else []
        case "batch":
            rig.link.send(b"".join(map(packet_frame, value)))
            return list(value)
        case "ping":
            rig.give(client_frame(9, value))
        case "room":
            rig.sock.room = value
            rig.loop.turn()
            return []
    return [value]


@settings(max_examples=300, deadline=None)
@given(steps)
def test_stream_is_whole_frames_in_order(
    script: list[tuple[str, Any]],
) -> None:
    rig, sent = Rig(), list[str | bytes]()
    together = WebSocketMulticast[str](lambda _: None)
    for kind, value in script:
        sent += do(rig, together, kind, value)
    rig.sock.room = 10**9
    rig.loop.turn()
    rig.loop.turn()
    got = frames_of(bytes(rig.sock.taken))
    rest = iter(sent)
    assert all(item in rest for item in got)  # in order, and nothing else
    # All but pongs that a later pong replaced.
    assert [item for item in got if isinstance(item, str)] == [
        item for item in sent if isinstance(item, str)
    ]
    assert got[-1:] == sent[-1:]
    assert rig.link.pending_bytes == 0
    assert rig.outbox_budget.total == 0


ahead_or_not = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.text(max_size=300)),
        st.tuples(st.just("ahead"), st.binary(max_size=20)),
        st.tuples(st.just("room"), st.integers(0, 400)),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(ahead_or_not)
def test_send_ahead_breaks_no_frame(
    script: list[tuple[str, Any]],
) -> None:
    rig = Rig()
    for kind, value in script:
        if kind == "send":
            rig.link.send(packet_frame(value))
        elif kind == "ahead":
            rig.link.send_ahead(packet_frame(value))
        else:
            rig.sock.room = value
            rig.loop.turn()
    rig.sock.room = 10**9
    rig.loop.turn()
    got = frames_of(bytes(rig.sock.taken))
    behind = [it for kind, it in script if kind == "send"]
    ahead = [it for kind, it in script if kind == "ahead"]
    assert [it for it in got if isinstance(it, str)] == behind
    assert sorted(it for it in got if isinstance(it, bytes)) == sorted(ahead)
    assert rig.link.pending_bytes == 0


def test_blocked_links_leave_multicast_once() -> None:
    left: list[str] = []
    together = WebSocketMulticast[str](left.append)
    rigs = {name: Rig() for name in ("full", "closed", "lost", "left out", "well")}
    for name, rig in rigs.items():
        rig.sock.room = 10**6
        assert together.add(SimpleNamespace(link=rig.link), name)  # type: ignore[arg-type]  # as in do
    rigs["full"].sock.room = 5
    rigs["closed"].link.close()
    rigs["lost"].sock.fail = ConnectionResetError()
    together.discard(SimpleNamespace(link=rigs["left out"].link))  # type: ignore[arg-type]  # as above
    together.send(packet_frame("everybody"))
    rigs["lost"].loop.turn()
    assert sorted(left) == ["closed", "full", "lost"]
    assert len(together) == 1
    rigs["full"].sock.room = 10**6
    rigs["full"].loop.turn()
    assert frames_of(bytes(rigs["full"].sock.taken)) == ["everybody"]
    assert frames_of(bytes(rigs["well"].sock.taken)) == ["everybody"]
    assert rigs["left out"].sock.taken == b""


def test_drained_after_last_byte() -> None:
    rig = Rig()
    rig.link.send(b"x" * 100)
    rig.sock.room = 60
    rig.loop.turn()
    assert (rig.owner.drained, rig.link.pending_bytes) == (0, 40)
    rig.sock.room = 60
    rig.loop.turn()
    assert (rig.owner.drained, rig.link.pending_bytes) == (1, 0)


def test_full_outbox_resets_connection() -> None:
    rig = Rig()
    largest = 0
    for _ in range(100):
        rig.link.send(b"x" * 10_000)
        largest = max(largest, rig.link.pending_bytes)
    rig.loop.turn()
    assert largest <= MAX_OUTBOX_BYTES + 10_000
    assert rig.sock.did == ["reset", "close"]
    assert len(rig.owner.lost) == 1


def test_close_follows_earlier_frames() -> None:
    rig = Rig()
    rig.link.send(packet_frame("last words"))
    rig.link.close(1000, "bye")
    rig.link.send(packet_frame("too late"))
    rig.sock.room = 1000
    rig.loop.turn()
    assert frames_of(bytes(rig.sock.taken)) == ["last words", (1000, "bye")]
    assert rig.sock.did == []
    rig.give(client_frame(1, b"ignored") + client_frame(8, b"\x03\xe8"))
    assert "close" in rig.sock.did
    assert not rig.owner.messages


def test_client_close_is_answered() -> None:
    rig = Rig()
    rig.sock.room = 1000
    rig.give(client_frame(8, b"\x0f\xa1see you"))
    assert frames_of(bytes(rig.sock.taken)) == [(4001, "")]
    assert "close" in rig.sock.did
    assert rig.owner.lost == [None]


def test_client_close_answered_behind_outbox() -> None:
    rig = Rig()
    rig.link.send(packet_frame("first"))
    rig.give(client_frame(8, b""))
    assert rig.sock.did == []
    rig.sock.room = 1000
    rig.loop.turn()
    assert bytes(rig.sock.taken) == packet_frame("first") + b"\x88\x00"
    assert "close" in rig.sock.did


def test_violation_half_closes() -> None:
    rig = Rig()
    rig.sock.room = 1000
    rig.give(client_frame(1, b"\xff"))
    assert frames_of(bytes(rig.sock.taken)) == [(1007, "text is not UTF-8")]
    assert rig.sock.did == ["shut down"]
    assert rig.owner.lost == ["text is not UTF-8"]
    rig.give(client_frame(1, b"never read"))
    rig.sock.ended = True
    rig.loop.turn()
    assert "close" in rig.sock.did
    assert not rig.owner.messages


def test_half_closed_connection_is_lost() -> None:
    rig = Rig()
    rig.sock.ended = True
    rig.loop.turn()
    assert "close" in rig.sock.did
    assert rig.owner.lost == [None]


def test_reset_while_sending_is_deferred() -> None:
    rig = Rig()

    def broken(data: bytes) -> int:
        raise ConnectionResetError

    rig.sock.send = broken  # type: ignore[assignment,method-assign]  # this one socket
    rig.link.send(b"x")
    assert rig.owner.lost == []
    rig.loop.turn()
    assert rig.owner.lost == [None]


def test_paused_link_resumes() -> None:
    rig = Rig()
    rig.link.pause()
    rig.give(client_frame(1, b"one"))
    assert rig.owner.messages == []
    rig.link.resume()
    rig.loop.turn()
    assert rig.owner.messages == ["one"]


def test_owner_fails_connection() -> None:
    rig = Rig()
    rig.sock.room = 1000
    rig.link.fail(Violation(1002, "no"))
    assert frames_of(bytes(rig.sock.taken)) == [(1002, "no")]
    assert rig.loop.watchers[READABLE].active


def test_fail_sends_prefix_and_reason_together() -> None:
    rig = Rig()
    calls: list[bytes] = []

    def take(data: bytes) -> int:
        calls.append(data)
        return len(data)

    rig.sock.send = take  # type: ignore[assignment,method-assign]  # this one socket
    rig.link.fail(Violation(1008, "no"), prefix=b"101")
    assert calls == [b"101" + close_frame(1008, "no")]


def test_links_share_idle_reader() -> None:
    rigs = [Rig() for _ in range(3)]
    for rig in rigs:
        rig.link._context = rigs[0].context
        rig.give(client_frame(1, b"whole"))
        assert rig.link._reader is None
    rigs[0].give(client_frame(1, b"half")[:3])
    rigs[1].give(client_frame(1, b"other"))
    rigs[0].give(client_frame(1, b"half")[3:])
    assert rigs[0].owner.messages == ["whole", "half"]
    assert rigs[1].owner.messages == ["whole", "other"]


# Time slices


def test_frames_wait_for_next_slice() -> None:
    rig = Rig()
    rig.slices.left = 2  # one look before the read, one behind the first frame
    rig.give(client_frame(1, b"one") + client_frame(1, b"two") + client_frame(1, b"three"))
    rig.slices.left = 0
    assert rig.owner.messages == ["one", "two"]
    rig.give(client_frame(1, b"four"))
    assert rig.owner.messages == ["one", "two"]  # nothing is read meanwhile
    rig.slices.grant()
    rig.loop.turn()
    assert rig.owner.messages == ["one", "two", "three", "four"]


def test_read_waits_for_next_slice() -> None:
    rig = Rig()
    rig.slices.left = 0
    rig.give(client_frame(1, b"one"))
    rig.loop.turn()
    assert rig.owner.messages == []
    assert (len(rig.slices.light), len(rig.slices.heavy)) == (1, 0)
    rig.slices.grant()
    assert rig.owner.messages == ["one"]
    rig.give(client_frame(1, b"two"))
    assert rig.owner.messages == ["one", "two"]


def test_greedy_client_is_heavy_work() -> None:
    rig = Rig()

    def take_long(link: WebSocketLink, message: str | bytes) -> None:
        time.sleep(ALLOWED_S)

    rig.owner.on_message = take_long  # type: ignore[method-assign]  # this one owner
    rig.give(client_frame(1, b"long"))
    rig.slices.left = 0
    rig.give(client_frame(1, b"next"))
    assert (len(rig.slices.light), len(rig.slices.heavy)) == (0, 1)


def test_pause_between_frames() -> None:
    rig = Rig()

    def take_one(link: WebSocketLink, message: str | bytes) -> None:
        rig.owner.messages.append(message)
        link.pause()

    rig.owner.on_message = take_one  # type: ignore[method-assign]  # this one owner
    rig.give(client_frame(1, b"one") + client_frame(1, b"two"))
    assert rig.owner.messages == ["one"]
    rig.link.read_now()
    assert rig.owner.messages == ["one"]
    rig.link.resume()
    rig.slices.grant()
    assert rig.owner.messages == ["one", "two"]


def test_owner_changes_between_slices() -> None:
    rig, second = Rig(), RecordingOwner()
    rig.slices.left = 1
    rig.give(client_frame(1, b"one") + client_frame(1, b"two"))
    rig.link.owner = second
    rig.slices.grant()
    assert (rig.owner.messages, second.messages) == (["one"], ["two"])


def test_close_frame_waits_for_its_slice() -> None:
    rig = Rig()
    rig.sock.room = 1000
    rig.slices.left = 1
    rig.give(client_frame(1, b"one") + client_frame(8, b"\x03\xe8"))
    assert rig.owner.lost == []
    rig.slices.grant()
    assert rig.owner.lost == [None]
    assert "close" in rig.sock.did


def test_abort_while_awaiting_slice() -> None:
    rig = Rig()
    rig.slices.left = 1
    rig.give(client_frame(1, b"one") + client_frame(1, b"two"))
    rig.link.abort()
    rig.slices.grant()
    assert rig.owner.messages == ["one"]


# Bounds


@pytest.mark.parametrize(
    "endless",
    [client_frame(9, b""), client_frame(10, b"x"), client_frame(0, b"", final=False)],
    ids=["pings", "pongs", "empty fragments"],
)
def test_frames_without_content_are_counted(endless: bytes) -> None:
    rig = Rig()
    rig.sock.room = 10**6
    if endless[0] == 0:
        rig.give(client_frame(1, b"", final=False))
    for _ in range(10):
        rig.give(endless * int(CAPACITY / 5))
    assert rig.owner.lost == ["too many frames without content"]
    assert frames_of(bytes(rig.sock.taken))[-1] == (1008, "too many frames without content")


def test_only_the_latest_pong_waits() -> None:
    rig = Rig()
    for number in range(500):
        rig.give(client_frame(9, b"%d" % number))
    assert rig.link.pending_bytes == len(frame(10, b"0") + frame(10, b"499"))
    rig.link.send(packet_frame("between"))
    rig.give(client_frame(9, b"last"))
    rig.sock.room = 10**6
    rig.loop.turn()
    assert frames_of(bytes(rig.sock.taken)) == [b"0", b"499", "between", b"last"]


def test_begun_pong_is_finished() -> None:
    rig = Rig()
    rig.sock.room = 1
    rig.give(client_frame(9, b"begun"))
    rig.give(client_frame(9, b"next"))
    rig.sock.room = 100
    rig.loop.turn()
    assert frames_of(bytes(rig.sock.taken)) == [b"begun", b"next"]


def test_closing_links_are_counted() -> None:
    rig = Rig()
    rig.sock.room = 1000
    rig.link.close()
    assert rig.context.closing == {rig.link}
    rig.give(client_frame(8, b"\x03\xe8"))
    assert not rig.context.closing
