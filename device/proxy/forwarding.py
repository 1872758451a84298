"""The proxy's four sockets, and the loop that forwards between them.

How it works. Each side has a socket for readings and one for replay. All four bind.

- A message of a bike (XSUB) goes to every gateway (XPUB). The XSUB always subscribes to all
  readings and statuses, so that a new gateway gets the next ones at once. The XPUB accepts only the
  subscriptions that gateways make (:mod:`device.subscriptions`).
- A replay question of a gateway (ROUTER) goes to the bike that claims the device (ROUTER), with the
  gateway's name in front. The bike returns that frame in front of its answer, so the proxy forwards
  the answer without remembering the question. A question for a device without a bike is refused.

The loop never waits for a peer: a message for a peer that is full or gone is dropped. Gateways see
a lost reading as a hole, and repeat a question. All queues are bounded (:mod:`shared.intake`).
"""

import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import zmq
from loguru import logger

from device.proxy.claims import Claims
from device.subscriptions import FRAME_BYTES_MAX, SUBSCRIBE, Subscriptions, allowance
from shared.contexts import FAREWELL_MAX_MS, Context
from shared.doorkeeper import Door, Doorkeeper, peers_allowed
from shared.errors import BadMessage, SettingsError
from shared.intake import Bounds, Frames, Intake
from shared.keepalive import limit_handshake, never_full
from shared.wire import (
    READING_BYTES_MAX,
    READING_TOPIC,
    REPLAY_LIMIT_MAX,
    REQUEST_BYTES_MAX,
    STATUS_TOPIC,
    ReplayCode,
    decode_request,
    decode_serve,
    encode_refusal,
)

Socket: TypeAlias = zmq.Socket[bytes]

LIVE_FRAMES = 2
LIVE_QUEUE_LEAST, LIVE_QUEUE_A_DEVICE = 10_000, 20
LIVE_QUEUE_BYTES, REPLAY_QUEUE_BYTES = 64 * 1024 * 1024, 32 * 1024 * 1024
REPLAY_QUEUE = 1_000
ANSWERS_QUEUED_MAX = 32
"""Answers that one gateway has not read: 4 MB at most."""
LIVE_FRAME_BYTES_MAX, ANSWER_FRAME_BYTES_MAX = 64 * 1024, 1024 * 1024
ENVELOPE_FRAMES_MAX = 10
ANSWER_FRAMES_MAX = ENVELOPE_FRAMES_MAX + 1 + REPLAY_LIMIT_MAX
ANSWER_BYTES_MAX = 2 * REQUEST_BYTES_MAX + REPLAY_LIMIT_MAX * READING_BYTES_MAX
BIKES_LEAST, BIKES_A_DEVICE, GATEWAYS_MAX = 256, 2, 256
READ_S = 0.005
"""A turn spends at most this long on reading one socket."""
TURN_MESSAGES = 500
IDLE_MS = 1_000
CLAIMS_WAIT_S = 5.0
"""After a start, bikes that run already come back within some 2 s and claim their devices."""
WHY: dict[ReplayCode, str] = {
    "unknown_device": "no bike of that id is connected to this proxy",
    "busy": "the bike cannot be reached now; ask again",
}


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the proxy listens."""

    bikes_live: str
    bikes_replay: str
    gateways_live: str
    gateways_replay: str


@dataclass(slots=True)
class Proxy:
    """The open sockets; see the module."""

    bikes: Intake
    gateways: Socket
    """An XPUB, whose subscriptions ``subscriptions`` reads."""
    subscriptions: Subscriptions
    bike_replay: Socket
    answers: Intake
    gateway_replay: Socket
    questions: Intake
    claims: Claims
    poller: zmq.Poller = field(default_factory=zmq.Poller)
    counts: Counter[str] = field(default_factory=Counter)
    """What was forwarded, refused and dropped."""
    claimed_by_s: float = field(default_factory=lambda: time.monotonic() + CLAIMS_WAIT_S)
    """When the bikes must have claimed their devices; until then an unknown one may yet come."""

    def run(self, stop: socket.socket) -> None:
        """Forward until ``stop`` becomes readable."""
        self.poller.register(stop, zmq.POLLIN)
        intakes = (self.bikes, self.answers, self.questions)
        while True:
            wait_ms = 0 if any(intakes) else IDLE_MS
            if stop.fileno() in dict(self.poller.poll(wait_ms)):
                return
            for intake in intakes:
                intake.read(READ_S)
            self.subscriptions.turn()
            now_s = time.monotonic()
            for frames in _some(self.bikes):
                self._forward_reading(frames)
            for frames in _some(self.answers):
                self._forward_answer(frames, now_s)
            for frames in _some(self.questions):
                self._forward_question(frames, now_s)

    def _forward_reading(self, frames: Frames) -> None:
        if len(frames) != LIVE_FRAMES:
            self.counts["bad_frames"] += 1
            return
        self.gateways.send_multipart(frames, zmq.NOBLOCK)  # drops it for a gateway that is full
        self.counts["readings_and_statuses"] += 1

    def _forward_answer(self, frames: Frames, now_s: float) -> None:
        """Forward an answer to its gateway, or note the devices that a bike claims."""
        bike, *rest = frames
        if len(rest) == 1:
            try:
                claimed = decode_serve(rest[0])
            except BadMessage:
                claimed = None
            if claimed is None:
                self.counts["bad_serve"] += 1
            else:
                self.claims.note(bike, claimed.devices, now_s)
        elif rest:
            is_sent = _send(self.gateway_replay, rest)
            self.counts["answers" if is_sent else "answers_dropped"] += 1

    def _forward_question(self, frames: Frames, now_s: float) -> None:
        """Forward a question to the bike that serves the device, or refuse it."""
        try:
            request = decode_request(frames[-1])
        except BadMessage:
            self.counts["bad_request"] += 1
            return
        bike = self.claims.peer(request.device_id, now_s)
        if bike is not None and _send(self.bike_replay, [bike, *frames]):
            self.counts["questions"] += 1
            return
        is_unknown = bike is None and now_s >= self.claimed_by_s
        code: ReplayCode = "unknown_device" if is_unknown else "busy"
        self.counts[code] += 1
        refusal = encode_refusal(request.id, request.device_id, code, WHY[code])
        _send(self.gateway_replay, [*frames[:-1], *refusal])


@contextmanager
def open_proxy(context: Context, endpoints: Endpoints, devices_max: int) -> Iterator[Proxy]:
    """Open all sockets. Raises SettingsError for an endpoint that cannot be used."""
    with ExitStack() as opened:
        sockets = opened.enter_context(ExitStack())
        doorkeeper = Doorkeeper(context, logger.warning)
        opened.callback(doorkeeper.close)  # called before the sockets are closed

        proxy = _Opening(context, doorkeeper, sockets, devices_max).proxy(endpoints)
        doorkeeper.start()
        yield proxy


@dataclass(frozen=True, slots=True)
class _Opening:
    """Opens the sockets one by one."""

    context: Context
    doorkeeper: Doorkeeper
    opened: ExitStack
    devices_max: int

    def proxy(self, endpoints: Endpoints) -> Proxy:
        queue = max(LIVE_QUEUE_LEAST, LIVE_QUEUE_A_DEVICE * self.devices_max)
        bikes_max = peers_allowed(max(BIKES_LEAST, BIKES_A_DEVICE * self.devices_max))
        bikes = self._socket(zmq.XSUB, LIVE_FRAME_BYTES_MAX)
        gateways = self._socket(zmq.XPUB, FRAME_BYTES_MAX)
        gateways.setsockopt(zmq.XPUB_MANUAL, 1)
        gateways.sndhwm, gateways.linger = queue, FAREWELL_MAX_MS
        bike_replay = self._router(ANSWER_FRAME_BYTES_MAX, REPLAY_QUEUE)
        gateway_replay = self._router(REQUEST_BYTES_MAX, ANSWERS_QUEUED_MAX)
        live = Bounds(
            queue,
            LIVE_QUEUE_BYTES,
            LIVE_FRAMES + 1,
            2 * LIVE_FRAME_BYTES_MAX,
            READING_BYTES_MAX,
        )
        answers = Bounds(
            REPLAY_QUEUE,
            REPLAY_QUEUE_BYTES,
            ANSWER_FRAMES_MAX,
            ANSWER_BYTES_MAX,
            ANSWER_FRAME_BYTES_MAX,
        )
        questions = Bounds(
            max(REPLAY_QUEUE, 4 * self.devices_max),
            REPLAY_QUEUE_BYTES,
            ENVELOPE_FRAMES_MAX,
            ENVELOPE_FRAMES_MAX * REQUEST_BYTES_MAX,
            REQUEST_BYTES_MAX,
        )
        doors = [
            self._bind(bikes, endpoints.bikes_live, bikes_max),
            self._bind(bike_replay, endpoints.bikes_replay, bikes_max),
            self._bind(gateway_replay, endpoints.gateways_replay, peers_allowed(GATEWAYS_MAX)),
        ]
        door = self._bind(gateways, endpoints.gateways_live, peers_allowed(GATEWAYS_MAX), 1)
        for topic in (READING_TOPIC, STATUS_TOPIC):
            bikes.send(SUBSCRIBE + topic.encode())
        proxy = Proxy(
            Intake(bikes, live, doors[0].cut),
            gateways,
            Subscriptions(gateways, (door,), ("",)),  # an empty id: only prefixes of all bikes
            bike_replay,
            Intake(bike_replay, answers, doors[1].cut),
            gateway_replay,
            Intake(gateway_replay, questions, doors[2].cut),
            Claims(self.devices_max),
        )
        for polled in (bikes, gateways, bike_replay, gateway_replay):
            proxy.poller.register(polled, zmq.POLLIN)
        return proxy

    def _router(self, frame_bytes: int, queue: int) -> Socket:
        router = self._socket(zmq.ROUTER, frame_bytes)
        router.sndhwm = queue
        router.router_mandatory = 1  # a peer that left or is full is an error, not a silent drop
        return router

    def _socket(self, kind: int, frame_bytes: int) -> Socket:
        opened = self.context.socket(kind)
        self.opened.callback(opened.close)
        opened.linger = opened.sndtimeo = 0
        opened.maxmsgsize = frame_bytes
        limit_handshake(opened)
        never_full(opened)
        opened.ipv6 = 1
        return opened

    def _bind(self, opened: Socket, endpoint: str, peers_max: int, bikes: int = 0) -> Door:
        """Bind a socket; ``bikes`` is above 0 for the one that receives subscriptions."""
        try:
            may_send = allowance(bikes) if bikes else None
            return self.doorkeeper.bind(opened, endpoint, peers_max, may_send)
        except zmq.ZMQError as error:
            raise SettingsError(f"cannot listen on {endpoint}: {error}") from error


def _some(intake: Intake) -> Iterator[Frames]:
    """Take a bounded number of messages."""
    for _ in range(TURN_MESSAGES):
        frames = intake.take()
        if frames is None:
            return
        yield frames


def _send(router: Socket, frames: Sequence[bytes]) -> bool:
    """Send without waiting; False if the peer is full or gone."""
    try:
        router.send_multipart(frames, zmq.NOBLOCK)
    except zmq.ZMQError as error:
        if error.errno not in (zmq.EAGAIN, zmq.EHOSTUNREACH):
            raise
        return False
    return True
