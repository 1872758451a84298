"""Opens the sockets of a device as its settings say, with limits that hostile peers cannot exceed.

The limits are those of ``docs/architecture.md``, "Bounds". An endpoint that cannot be used is a
:class:`~shared.errors.SettingsError` that names the setting and a remedy.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import zmq
from loguru import logger

from device.subscriptions import FRAME_BYTES_MAX, allowance
from shared.contexts import FAREWELL_MAX_MS, Context
from shared.doorkeeper import Allowance, Door, Doorkeeper, cut_off, peers_allowed
from shared.endpoints import why_not_bound, why_not_connected
from shared.errors import SettingsError
from shared.intake import Bounds, Intake
from shared.keepalive import keep_up, limit_handshake, never_full
from shared.replay_server.server import ReplayLink
from shared.settings import Settings
from shared.wire import REQUEST_BYTES_MAX

Socket: TypeAlias = zmq.Socket[bytes]

PUB_QUEUE_LEAST = 10_000
PUB_QUEUE_A_DEVICE = 20
"""A shorter queue drops messages of a fleet's bursts even on an idle line (measured)."""
ANSWERS_QUEUED_MAX = 32
"""Answers that one peer has not read: 4 MB at most. Further questions of the peer wait."""
QUESTIONS_QUEUED_LEAST, QUESTIONS_QUEUED_A_DEVICE = 1_000, 4
QUESTIONS_BYTES = 8 * 1024 * 1024
"""A starting gateway asks one question a device, so four gateways can start at the same time."""
ENVELOPE_FRAMES_KEPT = 10
"""More frames than a question may have, so that one with too many is still recognised."""
PEERS_MAX = 256
"""Of each bound endpoint: gateways and listening users. A gateway is one peer at each."""
USUAL_OCCUPANT = "a bike that still runs"
"""The program that usually has an endpoint that is in use, for the error message."""


@dataclass(frozen=True, slots=True)
class Sockets:
    """All sockets of a device."""

    pub: Socket
    pub_doors: tuple[Door, ...]
    links: tuple[ReplayLink, ...]
    _opened: ExitStack

    def close(self) -> None:
        """Close them; the last messages are still sent while the context ends."""
        self._opened.close()


def open_sockets(context: Context, settings: Settings) -> Sockets:
    """Open PUB and the replay sockets. Raises SettingsError, after closing all of them again."""
    with ExitStack() as opened:
        sockets = ExitStack()
        opened.callback(sockets.close)
        doorkeeper = Doorkeeper(context, logger.warning)
        opened.callback(doorkeeper.close)  # called before the sockets are closed
        opening = _Opening(context, settings, doorkeeper, sockets)
        pub, doors = opening.pub()
        links = [opening.dealer(endpoint) for endpoint in settings.replay_connect]
        if settings.replay_bind is not None:
            links.append(opening.router(settings.replay_bind))
        doorkeeper.start()
        return Sockets(pub, doors, tuple(links), opened.pop_all())


@dataclass(frozen=True, slots=True)
class _Opening:
    """Opens the sockets of a device one by one."""

    context: Context
    settings: Settings
    doorkeeper: Doorkeeper
    opened: ExitStack

    def pub(self) -> tuple[Socket, tuple[Door, ...]]:
        """Open the XPUB that publishes; :mod:`device.subscriptions` reads its subscriptions."""
        pub = self._socket(zmq.XPUB)
        pub.setsockopt(zmq.XPUB_MANUAL, 1)
        pub.maxmsgsize = FRAME_BYTES_MAX
        pub.sndhwm = max(PUB_QUEUE_LEAST, PUB_QUEUE_A_DEVICE * self.settings.fleet_size)
        pub.linger = FAREWELL_MAX_MS
        may_send = allowance(self.settings.fleet_size)
        if self.settings.pub_bind is not None:
            return pub, (self._bind(pub, self.settings.pub_bind, "SPOKE_PUB_BIND", may_send),)
        endpoints = self.settings.pub_connect
        door = self.doorkeeper.watch(pub, ",".join(endpoints), may_send)
        for endpoint in endpoints:
            _connect(pub, endpoint, "SPOKE_PUB_CONNECT")
        return pub, (door,)

    def router(self, endpoint: str) -> ReplayLink:
        """Open the ROUTER for the questions of gateways."""
        router = self._socket(zmq.ROUTER)
        router.sndhwm = ANSWERS_QUEUED_MAX
        router.router_mandatory = (
            1  # a peer that left or is full raises an error instead of a silent drop
        )
        door = self._bind(router, endpoint, "SPOKE_REPLAY_BIND")
        return ReplayLink(router, endpoint, Intake(router, self._bounds, door.cut, door.note_read))

    def dealer(self, endpoint: str) -> ReplayLink:
        """Open a DEALER to one gateway: each gateway gets its own announcement and answers."""
        dealer = self._socket(zmq.DEALER)
        dealer.sndhwm = ANSWERS_QUEUED_MAX
        monitor = dealer.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
        self.opened.callback(monitor.close)
        self.opened.callback(dealer.disable_monitor)
        _connect(dealer, endpoint, "SPOKE_REPLAY_CONNECT")
        cut = partial(cut_off, endpoint=endpoint, is_bound=False)
        return ReplayLink(dealer, endpoint, Intake(dealer, self._bounds, cut), monitor)

    @property
    def _bounds(self) -> Bounds:
        queue = QUESTIONS_QUEUED_A_DEVICE * self.settings.fleet_size
        return Bounds(
            max(QUESTIONS_QUEUED_LEAST, queue),
            QUESTIONS_BYTES,
            ENVELOPE_FRAMES_KEPT,
            ENVELOPE_FRAMES_KEPT * REQUEST_BYTES_MAX,
            REQUEST_BYTES_MAX,
        )

    def _socket(self, kind: int) -> Socket:
        socket = self.context.socket(kind)
        self.opened.callback(socket.close)
        socket.linger = 0
        socket.sndtimeo = 0
        socket.maxmsgsize = REQUEST_BYTES_MAX
        limit_handshake(socket)
        never_full(socket)
        socket.ipv6 = 1  # "localhost" and [::1] work; IPv4 still does
        return socket

    def _bind(
        self, socket: Socket, endpoint: str, setting: str, may_send: Allowance | None = None
    ) -> Door:
        try:
            return self.doorkeeper.bind(socket, endpoint, peers_allowed(PEERS_MAX), may_send)
        except zmq.ZMQError as error:
            number, reason = error.errno or 0, str(error)
            text = why_not_bound(setting, endpoint, number, reason, USUAL_OCCUPANT)
            raise SettingsError(text) from error


def _connect(socket: Socket, endpoint: str, setting: str) -> None:
    keep_up(socket)  # the side that connects keeps the connection alive
    try:
        socket.connect(endpoint)
    except zmq.ZMQError as error:
        raise SettingsError(why_not_connected(setting, endpoint, str(error))) from error
