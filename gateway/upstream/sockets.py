"""The gateway's ZeroMQ sockets: opened as the settings say, read one message at a time.

The limits are those of ``docs/protocol.md``, section 2; hostile peers do not move them. An
endpoint that cannot be had is a :class:`~shared.errors.SettingsError` that says what to do.

Devices are heard by XSUB. A SUB is the same on the wire, but throws away what it did not subscribe
to inside ``recv``: a publisher that ignores subscriptions kept it there for 90 ms at a time.
"""

import errno
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple, TypeAlias

import zmq

from gateway.upstream.replay_routes import Route
from shared.doorkeeper import Doorkeeper, cut_off, peers_allowed
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
    STATUS_TOPIC,
)

LIVE_QUEUE_LEAST = 10_000
LIVE_QUEUE_A_DEVICE = 20
"""With fewer, a burst of a fleet's messages is dropped on an idle line (measured). As many
subscriptions can be under way: those beyond it are lost for good (libzmq #4064)."""
LIVE_QUEUE_BYTES = 64 * 1024 * 1024
REPLAY_QUEUE = 1_000
REPLAY_QUEUE_BYTES = 32 * 1024 * 1024
"""What is read and waits for its turn: 200,000 readings, 250 of the answers that devices send."""
PEERS_LEAST, PEERS_A_DEVICE = 256, 2
"""Each bike may connect by itself, and again before its former connection is known to be dead."""
LIVE_FRAME_BYTES_MAX = 64 * 1024
"""A peer that sends more is cut off; what is too long but shorter is counted and dropped."""
REPLAY_FRAME_BYTES_MAX = 1024 * 1024
LIVE_FRAMES_KEPT = 3
"""Topic and payload; a third one shows that there were too many."""
REPLAY_FRAMES_KEPT = 1 + 1 + REPLAY_LIMIT_MAX + 1
"""A peer's name, a header and the readings; one more shows that there were too many."""
REPLAY_BYTES_KEPT = REQUEST_BYTES_MAX + REPLAY_LIMIT_MAX * READING_BYTES_MAX
HOLDER = "a gateway that still runs or a device that listens there itself"
"""Who has an endpoint that is in use, most often."""

SUBSCRIBE = b"\x01"
"""What an XSUB sends in front of a topic."""

Kind: TypeAlias = Literal["live", "replay"]
Frames: TypeAlias = list[bytes]


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Where devices are heard and asked; see :func:`link_settings`."""

    device_connect: tuple[str, ...] = ()
    device_bind: str | None = None
    replay_connect: tuple[str, ...] = ()
    replay_bind: str | None = None
    devices_max: int = 1_000


class Incoming(NamedTuple):
    """A message as it came: ``live`` is topic and payload, ``replay`` an answer or an offer."""

    kind: Kind
    route: Route
    frames: Frames


@dataclass(slots=True, eq=False)
class UpstreamLink:
    """One open socket, and since when it is quiet: after the start, something heard, or asked.

    ``is_renewed`` while there is nothing to say of its silence: it was said, or none was heard yet.
    """

    kind: Kind
    endpoint: str
    setting: str
    socket: "zmq.Socket[bytes]"
    intake: Intake
    quiet_since_s: float | None = None
    is_renewed: bool = False

    @property
    def binds(self) -> bool:
        """Whether peers connect to this socket, not it to them."""
        return self.setting.endswith("_BIND")


def link_settings(settings: Settings) -> LinkSettings:
    """Pick what the links need out of the settings."""
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
    """Open one socket after the other; raises SettingsError at one that cannot be had."""
    for kind, setting, endpoint in _endpoints(settings):
        cut: Callable[[int], bool]
        if setting.endswith("_BIND"):
            socket, cut = _bind(context, doorkeeper, setting, endpoint, settings)
        else:
            socket = open_connected(context, setting, endpoint, settings)
            cut = partial(cut_off, endpoint=endpoint, is_bound=False)
        intake = Intake(socket, _bounds(kind, settings), cut)
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


def take(link: UpstreamLink) -> Incoming | None:
    """Hand out the message of a link that waits longest; None when there is none.

    Of one with too many frames or bytes a part was kept that the decoder will refuse.
    """
    frames = link.intake.take()
    if frames is None:
        return None
    peer = frames.pop(0) if link.kind == "replay" and link.binds else b""
    return Incoming(link.kind, Route(link.endpoint, peer), frames)


def send(link: UpstreamLink, peer: bytes, payload: bytes) -> bool:
    """Send one request without waiting; False when nobody is there to take it."""
    frames = [peer, payload] if peer else [payload]
    try:
        link.socket.send_multipart(frames, zmq.NOBLOCK)
    except zmq.ZMQError as error:
        if error.errno in (errno.EAGAIN, errno.EHOSTUNREACH):
            return False
        raise
    return True


def subscribe(link: UpstreamLink) -> None:
    """Hear every reading and every status on a link."""
    for topic in (READING_TOPIC, STATUS_TOPIC):
        link.socket.send(SUBSCRIBE + topic.encode())


_TYPES: Mapping[str, int] = {
    "SPOKE_DEVICE_CONNECT": zmq.XSUB,
    "SPOKE_DEVICE_BIND": zmq.XSUB,
    "SPOKE_REPLAY_CONNECT": zmq.DEALER,
    "SPOKE_REPLAY_BIND": zmq.ROUTER,
}


def _endpoints(settings: LinkSettings) -> list[tuple[Kind, str, str]]:
    """List every link to open: kind, setting, endpoint."""
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
        return Bounds(queue, LIVE_QUEUE_BYTES, LIVE_FRAMES_KEPT, LIVE_FRAME_BYTES_MAX * 2)
    return Bounds(REPLAY_QUEUE, REPLAY_QUEUE_BYTES, REPLAY_FRAMES_KEPT, REPLAY_BYTES_KEPT)


def _live_queue(settings: LinkSettings) -> int:
    return max(LIVE_QUEUE_LEAST, LIVE_QUEUE_A_DEVICE * settings.devices_max)


def _configured(
    context: "zmq.Context[zmq.Socket[bytes]]", setting: str, endpoint: str, settings: LinkSettings
) -> "zmq.Socket[bytes]":
    """Make the socket that a setting asks for, with the limits that hostile peers do not move."""
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
        # not IMMEDIATE: with it, a connection that ends while an answer is read takes the rest of
        # the answer away, and the next read aborts the process (fq.cpp, libzmq 4.3.5; measured)
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
) -> tuple["zmq.Socket[bytes]", Callable[[int], bool]]:
    """Open the socket that peers connect to; gives what cuts one off, too. Raises SettingsError."""
    socket = _configured(context, setting, endpoint, settings)
    peers_max = peers_allowed(max(PEERS_LEAST, PEERS_A_DEVICE * settings.devices_max))
    try:
        return socket, doorkeeper.bind(socket, endpoint, peers_max).cut
    except zmq.ZMQError as error:
        socket.close()
        why = why_not_bound(setting, endpoint, error.errno or 0, str(error), HOLDER)
        raise SettingsError(why) from error
