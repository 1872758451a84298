"""The sockets of a device, opened as its settings say, with limits that hostile peers do not move.

The figures are those of ``docs/protocol.md``, section 2. An endpoint that cannot be had is a
:class:`~shared.errors.SettingsError` that names the setting and says what to do.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeAlias

import zmq

from shared.contexts import FAREWELL_MAX_MS, Context
from shared.endpoints import why_not_bound, why_not_connected
from shared.errors import SettingsError
from shared.lines import keep_up, limit_handshake
from shared.settings import Settings
from shared.wire import REQUEST_BYTES_MAX

Socket: TypeAlias = zmq.Socket[bytes]

PUB_QUEUE_LEAST = 10_000
PUB_QUEUE_A_DEVICE = 20
"""With fewer, a burst of a fleet's messages is dropped on an idle line (measured)."""
ANSWERS_QUEUED_MAX = 32
"""Answers one peer may leave lying here: 4 MB at most. What does not fit waits as a question."""
HOLDER = "a bike that still runs"
"""Who has an endpoint that is in use, most often."""


@dataclass(frozen=True, slots=True)
class Link:
    """A socket that brings questions: a ROUTER that gateways ask, or a DEALER to one gateway."""

    socket: Socket
    endpoint: str
    monitor: Socket | None = None
    """Tells when a DEALER is connected; a ROUTER has none."""


@dataclass(frozen=True, slots=True)
class Sockets:
    """All sockets of a device."""

    pub: Socket
    links: tuple[Link, ...]
    _opened: ExitStack

    def close(self) -> None:
        """Close them; what was published last still leaves while the context ends."""
        self._opened.close()


def open_sockets(context: Context, settings: Settings) -> Sockets:
    """Open PUB and the replay sockets; raises SettingsError, with nothing left open."""
    with ExitStack() as opened:
        pub = _open_pub(context, settings, opened)
        links = [_open_dealer(context, endpoint, opened) for endpoint in settings.replay_connect]
        if settings.replay_bind is not None:
            links.append(_open_router(context, settings.replay_bind, opened))
        return Sockets(pub, tuple(links), opened.pop_all())


def _open_pub(context: Context, settings: Settings, opened: ExitStack) -> Socket:
    pub = _socket(context, zmq.PUB, opened)
    pub.sndhwm = max(PUB_QUEUE_LEAST, PUB_QUEUE_A_DEVICE * settings.fleet_size)
    pub.linger = FAREWELL_MAX_MS
    for endpoint in settings.pub_connect:
        _connect(pub, endpoint, "SPOKE_PUB_CONNECT")
    if settings.pub_bind is not None:
        _bind(pub, settings.pub_bind, "SPOKE_PUB_BIND")
    return pub


def _open_router(context: Context, endpoint: str, opened: ExitStack) -> Link:
    router = _socket(context, zmq.ROUTER, opened)
    router.sndhwm = ANSWERS_QUEUED_MAX
    router.router_mandatory = 1  # a peer that is gone or full is an error, not a silent drop
    _bind(router, endpoint, "SPOKE_REPLAY_BIND")
    return Link(router, endpoint)


def _open_dealer(context: Context, endpoint: str, opened: ExitStack) -> Link:
    """Open one to each gateway, so that each hears of us and gets its own answers."""
    dealer = _socket(context, zmq.DEALER, opened)
    dealer.sndhwm = ANSWERS_QUEUED_MAX
    dealer.immediate = 1  # nothing is queued for a gateway that is not there
    monitor = dealer.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
    opened.callback(monitor.close)
    opened.callback(dealer.disable_monitor)
    _connect(dealer, endpoint, "SPOKE_REPLAY_CONNECT")
    return Link(dealer, endpoint, monitor)


def _socket(context: Context, kind: int, opened: ExitStack) -> Socket:
    socket = context.socket(kind)
    opened.callback(socket.close)
    socket.linger = 0
    socket.sndtimeo = 0
    socket.maxmsgsize = REQUEST_BYTES_MAX
    limit_handshake(socket)
    socket.ipv6 = 1  # "localhost" and [::1] work; IPv4 still does
    return socket


def _bind(socket: Socket, endpoint: str, setting: str) -> None:
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        number, reason = error.errno or 0, str(error)
        text = why_not_bound(setting, endpoint, number, reason, HOLDER)
        raise SettingsError(text) from error


def _connect(socket: Socket, endpoint: str, setting: str) -> None:
    keep_up(socket)  # where this side binds, the other one does
    try:
        socket.connect(endpoint)
    except zmq.ZMQError as error:
        raise SettingsError(why_not_connected(setting, endpoint, str(error))) from error
