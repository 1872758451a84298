"""A device that runs in a thread with sources of the test's own, and who listens and asks."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from typing import TypeAlias

import zmq

from device.__main__ import build_publisher
from device.fleet import Bike
from device.journal import MemoryJournal, capacity
from device.sample import Sample
from device.sockets import Socket, open_sockets
from device.sources import IteratorSource, Source
from shared.contexts import open_context
from shared.cursor import Cursor
from shared.reading import Reading, Status
from shared.settings import load_settings
from shared.wire import (
    ReplayAnswer,
    ReplayRefusal,
    ReplayRequest,
    decode_answer,
    decode_message,
    encode_request,
)
from tests.timing import scaled_s

WAIT_S = 10.0
EPOCH = 1_700_000_000_000

Message: TypeAlias = Reading | Status


class Peers:
    """The sockets on the other side, closed after the test."""

    def __init__(self) -> None:
        self._end = ExitStack()
        self.context = self._end.enter_context(open_context())

    def open(self, kind: int, endpoint: str, *, bind: bool = False, queue: int = 100_000) -> Socket:
        """Open a socket whose waits end."""
        opened = self._end.enter_context(self.context.socket(kind))
        opened.linger = 0
        opened.ipv6 = "[" in endpoint
        opened.rcvhwm, opened.sndhwm = queue, 100_000
        opened.rcvtimeo = opened.sndtimeo = int(scaled_s(WAIT_S) * 1000)
        if kind == zmq.SUB:
            opened.subscribe(b"")
        (opened.bind if bind else opened.connect)(endpoint)
        return opened

    def close(self) -> None:
        """Close them all; returns when their ports are free again."""
        self._end.close()


class RunningDevice:
    """A publisher in a thread."""

    def __init__(self, bikes: Sequence[Bike], flags: Sequence[str]) -> None:
        self.error: BaseException | None = None
        self._settings = load_settings(
            "device", [*flags, "--fleet-size", str(len(bikes))], {}, Path("/nonexistent")
        )
        self._bikes = list(bikes)
        self._stop, self._stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop it as a signal would; raises what it died of."""
        self._stop.close()
        self._thread.join(scaled_s(WAIT_S))
        assert not self._thread.is_alive(), "the publisher does not stop"
        self._stopped.close()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            with (
                open_context() as context,
                closing(open_sockets(context, self._settings)) as sockets,
            ):
                journal = MemoryJournal(capacity(len(self._bikes)))
                build_publisher(self._bikes, journal, sockets).run(self._stopped)
        except BaseException as error:
            self.error = error


StartDevice: TypeAlias = Callable[..., RunningDevice]


def make_bike(
    samples: Iterator[Sample], device_id: str = "ebike-001", interval_ms: int = 0
) -> Bike:
    """Make a bike with the samples of the test."""
    return make_live_bike(IteratorSource(samples, interval_ms, "test bike"), device_id)


def make_live_bike(source: Source, device_id: str = "ebike-001") -> Bike:
    """Make a bike with a source of the test's own."""
    return Bike(device_id, EPOCH, source)


def steady(interval_s: float = 0.01) -> Iterator[Sample]:
    """Measure for ever; the speed tells the number."""
    for number in count():
        yield Sample(number * interval_s, speed_of(number + 1))


def at_once(readings: int) -> Iterator[Sample]:
    """Measure so many times without pause, then end."""
    for number in range(readings):
        yield Sample(0.0, speed_of(number + 1))


def speed_of(seq: int) -> float:
    return float(seq % 200)


def hear(sub: Socket) -> Message:
    """Return the next message, checked."""
    message = decode_message(sub.recv_multipart())
    return message if isinstance(message, Status) else message.reading


def hear_until(sub: Socket, is_enough: Callable[[Message], bool]) -> list[Message]:
    """Return all messages up to the first one for which ``is_enough``."""
    heard = [hear(sub)]
    while not is_enough(heard[-1]):
        heard.append(hear(sub))
    return heard


def hear_readings(sub: Socket, least: int) -> list[Reading]:
    """Return so many readings, in the order they came."""
    readings: list[Reading] = []
    while len(readings) < least:
        message = hear(sub)
        if isinstance(message, Reading):
            readings.append(message)
    return readings


def hear_statuses(sub: Socket, least: int) -> list[Status]:
    """Return so many statuses, in the order they came."""
    statuses: list[Status] = []
    while len(statuses) < least:
        message = hear(sub)
        if isinstance(message, Status):
            statuses.append(message)
    return statuses


def is_stopping(message: Message) -> bool:
    return isinstance(message, Status) and message.state == "stopping"


def question(
    after: Cursor | None = None,
    limit: int = 1000,
    device_id: str = "ebike-001",
    request_id: str = "q",
) -> bytes:
    """Write a question that is right."""
    return encode_request(ReplayRequest(request_id, device_id, after, limit))


def send_question(
    dealer: Socket,
    after: Cursor | None = None,
    limit: int = 1000,
    device_id: str = "ebike-001",
    request_id: str = "q",
) -> None:
    dealer.send(question(after, limit, device_id, request_id))


def receive_page(dealer: Socket) -> ReplayAnswer:
    answer = decode_answer(dealer.recv_multipart())
    assert isinstance(answer, ReplayAnswer), answer
    return answer


def ask(
    dealer: Socket,
    after: Cursor | None = None,
    limit: int = 1000,
    device_id: str = "ebike-001",
) -> ReplayAnswer:
    """Ask and return the page."""
    send_question(dealer, after, limit, device_id)
    return receive_page(dealer)


def ask_on(dealer: Socket, limit: int = 1000, device_id: str = "ebike-001") -> list[Reading]:
    """Return all that is held, asking on until the newest."""
    readings: list[Reading] = []
    page = ask(dealer, None, limit, device_id)
    while page.readings:
        readings += page.readings
        page = ask(dealer, readings[-1].cursor, limit, device_id)
    return readings


def refusal_of(dealer: Socket, **changes: object) -> ReplayRefusal:
    """Ask what is wrong in a chosen place, and return how it was refused."""
    right = {"v": 1, "op": "replay", "id": "w", "device_id": "ebike-001", "after": None, "limit": 1}
    dealer.send(json.dumps({**right, **changes}).encode())
    answer = decode_answer(dealer.recv_multipart())
    assert isinstance(answer, ReplayRefusal), answer
    return answer
