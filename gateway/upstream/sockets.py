"""The gateway's ZeroMQ sockets: opened as the settings say, read one message at a time.

The limits are those of ``docs/architecture.md``, "Bounds"; hostile peers cannot exceed them. An
endpoint that cannot be opened is a :class:`~shared.errors.SettingsError` that names the remedy.

Live messages are received by XSUB. A SUB is the same on the wire, but discards messages of other
topics inside ``recv``: a publisher that ignores subscriptions kept it there for 90 ms at a time.
"""

import errno
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple, TypeAlias

import zmq

from gateway.upstream.replay_routes import Route
from shared.doorkeeper import Door, Doorkeeper, cut_off, peers_allowed
from shared.endpoints import why_not_bound, why_not_connected
from shared.errors import SettingsError
from shared.intake import Bounds, Intake
from shared.keepalive import keep_up, limit_handshake, never_full
from shared.settings import Settings
from shared.wire import (
    READING_BYTES_MAX,
    READING_TOPIC,
    REPLAY_LIMIT_MAX,
    REQUEST_BYTES_MAX,
    SERVE_BYTES_MAX,
    STATUS_TOPIC,
)

LIVE_QUEUE_LEAST = 10_000
LIVE_QUEUE_A_DEVICE = 20
"""With a shorter queue, a burst of a fleet's messages is dropped on an idle line (measured). It is
also the limit of subscriptions under way: those beyond it are lost for good (libzmq #4064)."""
LIVE_QUEUE_BYTES = 64 * 1024 * 1024
REPLAY_QUEUE = 1_000
REPLAY_QUEUE_BYTES = 32 * 1024 * 1024
"""Bytes that are read and not handed out yet: 200,000 readings, 250 answers of usual size."""
PEERS_LEAST, PEERS_A_DEVICE = 256, 2
"""Each bike may connect by itself, and again before its old connection is known to be dead."""
LIVE_FRAME_BYTES_MAX = 64 * 1024
"""A peer that sends more is cut off; a shorter message that is too long is counted and dropped."""
REPLAY_FRAME_BYTES_MAX = 1024 * 1024
LIVE_FRAMES_KEPT = 3
"""Topic and payload; a third frame shows that there were too many."""
REPLAY_FRAMES_KEPT = 1 + 1 + REPLAY_LIMIT_MAX + 1
"""A peer's name, a header and the readings; one more frame shows that there were too many."""
REPLAY_BYTES_KEPT = REQUEST_BYTES_MAX + REPLAY_LIMIT_MAX * READING_BYTES_MAX
USUAL_OCCUPANT = "a gateway that still runs or a device that listens there itself"
"""The program that usually has an endpoint that is in use, for the error message."""

SUBSCRIBE = b"\x01"
"""An XSUB sends this byte in front of a topic to subscribe."""

Kind: TypeAlias = Literal["live", "replay"]
Frames: TypeAlias = list[bytes]


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """The endpoints of devices and their replays; see :func:`link_settings`."""

    device_connect: tuple[str, ...] = ()
    device_bind: str | None = None
    replay_connect: tuple[str, ...] = ()
    replay_bind: str | None = None
    devices_max: int = 1_000


class Incoming(NamedTuple):
    """A raw message: ``live`` is topic and payload, ``replay`` an answer or an offer."""

    kind: Kind
    route: Route
    frames: Frames


@dataclass(slots=True, eq=False)
class UpstreamLink:
    """One open socket, and the time since which it has been silent.

    A live link is silent since its last message or its start; a replay link since the oldest
    request without an answer, else never. ``is_silence_known``: its silence was logged already, or
    no message was heard yet, so that there is nothing to log.
    """

    kind: Kind
    endpoint: str
    setting: str
    socket: "zmq.Socket[bytes]"
    intake: Intake
    quiet_since_s: float | None = None
    is_silence_known: bool = False

    @property
    def binds(self) -> bool:
        """Whether peers connect to this socket, not it to them."""
        return self.setting.endswith("_BIND")


def link_settings(settings: Settings) -> LinkSettings:
    """Pick the links' settings out of all settings."""
    return LinkSettings(
        settings.device_connect,
        settings.device_bind,
        settings.replay_connect,
        settings.replay_bind,
        settings.max_devices,
    )


def open_links(
    context: "zmq.Context[zmq.Socket[bytes]]", doorkeeper: Doorkeeper, settings: LinkSettings
) -> Iterator[UpstreamLink]:
    """Open one socket after the other; raises SettingsError for one that cannot be opened."""
    for kind, setting, endpoint in _endpoints(settings):
        bounds = _bounds(kind, settings)
        if setting.endswith("_BIND"):
            socket, door = _bind(context, doorkeeper, setting, endpoint, settings)
            intake = Intake(socket, bounds, door.cut, door.note_read)
        else:
            socket = open_connected(context, setting, endpoint, settings)
            cut = partial(cut_off, endpoint=endpoint, is_bound=False)
            intake = Intake(socket, bounds, cut)
        yield UpstreamLink(kind, endpoint, setting, socket, intake)


def open_connected(
    context: "zmq.Context[zmq.Socket[bytes]]", setting: str, endpoint: str, settings: LinkSettings
) -> "zmq.Socket[bytes]":
    """Open the socket that connects to an endpoint of a setting; raises SettingsError."""
    socket = _configured(context, setting, endpoint, settings)
    keep_up(socket)
    try:
        socket.connect(endpoint)
    except zmq.ZMQError as error:
        socket.close()
        raise SettingsError(why_not_connected(setting, endpoint, str(error))) from error
    return socket


def take_message(link: UpstreamLink) -> Incoming | None:
    """Return the message of a link that waits longest; None if there is none.

    Only a part was kept of a message with too many frames or bytes; the decoder refuses it.
    """
    frames = link.intake.take()
    if frames is None:
        return None
    peer = frames.pop(0) if link.kind == "replay" and link.binds else b""
    return Incoming(link.kind, Route(link.endpoint, peer), frames)


def send_request(link: UpstreamLink, peer: bytes, payload: bytes) -> bool:
    """Send one request without waiting; False if no peer takes it."""
    frames = [peer, payload] if peer else [payload]
    try:
        link.socket.send_multipart(frames, zmq.NOBLOCK)
    except zmq.ZMQError as error:
        if error.errno in (errno.EAGAIN, errno.EHOSTUNREACH):
            return False
        raise
    return True


def subscribe(link: UpstreamLink) -> None:
    """Subscribe to every reading and every status on a link."""
    for topic in (READING_TOPIC, STATUS_TOPIC):
        link.socket.send(SUBSCRIBE + topic.encode())


_TYPES: Mapping[str, int] = {
    "SPOKE_DEVICE_CONNECT": zmq.XSUB,
    "SPOKE_DEVICE_BIND": zmq.XSUB,
    "SPOKE_REPLAY_CONNECT": zmq.DEALER,
    "SPOKE_REPLAY_BIND": zmq.ROUTER,
}


def _endpoints(settings: LinkSettings) -> list[tuple[Kind, str, str]]:
    """Return every link to open: kind, setting, endpoint."""
    live = [("SPOKE_DEVICE_CONNECT", endpoint) for endpoint in settings.device_connect]
    replay = [("SPOKE_REPLAY_CONNECT", endpoint) for endpoint in settings.replay_connect]
    if settings.device_bind is not None:
        live.append(("SPOKE_DEVICE_BIND", settings.device_bind))
    if settings.replay_bind is not None:
        replay.append(("SPOKE_REPLAY_BIND", settings.replay_bind))
    return [*(("live", *it) for it in live), *(("replay", *it) for it in replay)]


def _bounds(kind: Kind, settings: LinkSettings) -> Bounds:
    if kind == "live":
        queue = _live_queue(settings)
        kept = (LIVE_FRAMES_KEPT, LIVE_FRAME_BYTES_MAX * 2, READING_BYTES_MAX)
        return Bounds(queue, LIVE_QUEUE_BYTES, *kept)
    kept = (REPLAY_FRAMES_KEPT, REPLAY_BYTES_KEPT, SERVE_BYTES_MAX)
    return Bounds(REPLAY_QUEUE, REPLAY_QUEUE_BYTES, *kept)


def _live_queue(settings: LinkSettings) -> int:
    return max(LIVE_QUEUE_LEAST, LIVE_QUEUE_A_DEVICE * settings.devices_max)


def _configured(
    context: "zmq.Context[zmq.Socket[bytes]]", setting: str, endpoint: str, settings: LinkSettings
) -> "zmq.Socket[bytes]":
    """Make the socket for a setting, with limits that hostile peers cannot exceed."""
    socket = context.socket(_TYPES[setting])
    socket.linger = 0
    limit_handshake(socket)
    never_full(socket)
    if _TYPES[setting] == zmq.XSUB:
        socket.sndhwm = _live_queue(settings)
        socket.maxmsgsize = LIVE_FRAME_BYTES_MAX
    else:
        socket.sndhwm = REPLAY_QUEUE
        socket.maxmsgsize = REPLAY_FRAME_BYTES_MAX
        # Not IMMEDIATE: with it, a connection that ends while an answer is read takes the rest of
        # the answer away, and the next read aborts the process (fq.cpp, libzmq 4.3.5; measured).
    if _TYPES[setting] == zmq.ROUTER:
        socket.router_mandatory = 1  # a peer that is gone is an error, not a silent drop
    socket.ipv6 = "[" in endpoint
    return socket


def _bind(
    context: "zmq.Context[zmq.Socket[bytes]]",
    doorkeeper: Doorkeeper,
    setting: str,
    endpoint: str,
    settings: LinkSettings,
) -> tuple["zmq.Socket[bytes]", Door]:
    """Open a socket that peers connect to, and watch them. Raises SettingsError."""
    socket = _configured(context, setting, endpoint, settings)
    peers_max = peers_allowed(max(PEERS_LEAST, PEERS_A_DEVICE * settings.devices_max))
    try:
        return socket, doorkeeper.bind(socket, endpoint, peers_max)
    except zmq.ZMQError as error:
        socket.close()
        why = why_not_bound(setting, endpoint, error.errno or 0, str(error), USUAL_OCCUPANT)
        raise SettingsError(why) from error
