"""The Socket.IO events that browsers send, and their answers.

How it works: the decorator ``@event(name)`` enters a handler ``(context, request) -> answer`` in
the table :data:`EVENTS`. :class:`EventDispatcher` receives every event, takes tokens from the
connection's quota, calls the handler, and translates what the handler raises into an error. "The
path of one subscribe" in docs/architecture.md shows the steps before and after.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

import gevent
from loguru import logger
from socketio import exceptions as socketio_exceptions

from gateway.decorators import validated
from gateway.fanout.subscription import Subscribe, Unsubscribe, parse_subscribe, parse_unsubscribe
from gateway.hub import Hub
from gateway.transport import Connection, SocketIO, TrustedProxies
from gateway.transport.event_loop.timeslice import give_way
from gateway.web.auth import Authenticate, Credentials
from gateway.web.error_handlers import translate
from gateway.web.limits import EventQuota, cost_of
from gateway.web.sockets import ReadyJson, is_answer_awaited, serve_browser
from gateway.web.visits import Visit, Visits
from shared.decorators import registered
from shared.errors import NotFound, RateLimited, RequestError, describe


class ClientLeft(Exception):
    """The client disconnected while the gateway served its event; nobody takes the answer."""


class EventContext(NamedTuple):
    """The client that sent an event, its connection, and the hub that serves the event."""

    client_id: str
    hub: Hub
    connection: Connection

    def pause(self) -> None:
        """Let other greenlets run; raises ClientLeft when the client has disconnected."""
        give_way()
        if self.connection.closed or self.client_id not in self.hub.connections:
            raise ClientLeft


SAID_GOODBYE = "client_disconnect"
Answer: TypeAlias = dict[str, object] | ReadyJson
Handler: TypeAlias = Callable[[EventContext, object], Answer]
EVENTS: dict[str, Handler] = {}
event = partial(registered, EVENTS)


@event("subscribe")
@validated(partial(parse_subscribe, pause=give_way))
def subscribe(context: EventContext, request: Subscribe) -> Answer:
    """Add devices to the client's subscription."""
    return ReadyJson(context.hub.subscribe(context.client_id, request, context.pause))


@event("unsubscribe")
@validated(parse_unsubscribe)
def unsubscribe(context: EventContext, request: Unsubscribe) -> Answer:
    """Remove devices from the client's subscription."""
    return context.hub.unsubscribe(context.client_id, request)


def register_events(
    socketio: SocketIO,
    hub: Hub,
    authenticate: Authenticate,
    proxies: TrustedProxies,
    *,
    automatic: bool,
) -> Visits:
    """Register the handlers of all events, and of connect and disconnect.

    ``automatic``: a client that connects without ``subscribe`` in its ``auth`` gets all devices.
    Returns the counters of the clients that come and go.
    """
    visits = Visits(logger.info)
    dispatcher = EventDispatcher(socketio, hub, authenticate, proxies, automatic, visits)
    # These are handlers of python-socketio (``BrowserServer``), not of Flask-SocketIO: the latter
    # makes a Flask request for each event. No handler here needs it, and it is a third of a
    # connection's cost.
    server = socketio.server
    server.on("connect", dispatcher.connect)
    server.on("disconnect", dispatcher.disconnect)
    # The catch-all handler, for all other events: it gets the name of the event first.
    server.on("*", dispatcher.serve)
    return visits


@dataclass(eq=False)
class EventDispatcher:
    """Calls the handlers of events, and holds the event quota of each connected client."""

    socketio: SocketIO
    hub: Hub
    authenticate: Authenticate
    proxies: TrustedProxies
    automatic: bool
    visits: Visits
    _quotas: dict[str, EventQuota] = field(default_factory=dict)
    _here: dict[str, tuple[Visit, Connection]] = field(default_factory=dict)
    # A client may connect to the namespace again and again over one connection: the quota belongs
    # to the connection, so that a new CONNECT does not fill it.
    _quotas_by_connection: WeakKeyDictionary[Connection, EventQuota] = field(
        default_factory=WeakKeyDictionary
    )

    def connect(self, client_id: str, environ: Mapping[str, object], auth: object = None) -> None:
        """Authenticate a client, attach it to the hub, and serve the ``subscribe`` of its auth."""
        given = auth if isinstance(auth, dict) else {}
        connection = self.socketio.connection(client_id)
        if connection is None:  # the connection has ended already
            return
        quota = self._quotas_by_connection.setdefault(connection, EventQuota())
        with _refusing(self.visits):
            # before authentication, so that the rate limit slows down guessing of passwords
            _spend(quota, self.hub, 1.0)
            self.authenticate(Credentials(_headers(environ), given))
        self._quotas[client_id] = quota
        address, now_s = self.proxies.client(environ), self.hub.now().monotonic_s
        self._here[client_id] = self.visits.come(connection.transport, address, now_s), connection
        pull, go_on = partial(self.hub.pull, client_id), partial(self.hub.on_writable, client_id)
        serve_browser(connection, pull=pull, go_on=go_on)
        self.hub.connect(client_id, connection)
        if self.automatic or "subscribe" in given:
            # in a greenlet: the server sends CONNECT, which must be first, after this returns
            context = EventContext(client_id, self.hub, connection)
            gevent.spawn(_subscribe_at_connect, self.socketio, context, given, quota)

    def disconnect(self, client_id: str, reason: object = None) -> None:
        """Remove a client from the hub."""
        self._quotas.pop(client_id, None)
        self.hub.disconnect(client_id)
        if client_id in self._here:
            visit, connection = self._here.pop(client_id)
            because = str(reason).replace(" ", "_")
            if because != SAID_GOODBYE:  # a client that does closes its connection right after
                because = connection.left_because or because
            now_s = self.hub.now().monotonic_s
            self.visits.leave(visit, client_id, connection.transport, because, now_s)

    def serve(self, name: str, client_id: str, *arguments: object) -> Answer | None:
        """Serve one event of a client; returns the acknowledgement's data.

        python-socketio passes the event's name first, because this is the catch-all handler.
        """
        quota, connection = self._quotas.get(client_id), self.socketio.connection(client_id)
        if quota is None or connection is None:  # the client sent this before it disconnected
            return None
        context = EventContext(client_id, self.hub, connection)
        return _answer(self.socketio, context, name, arguments, quota)


@contextmanager
def _refusing(visits: Visits) -> Iterator[None]:
    """Translate a RequestError into a CONNECT_ERROR that carries the error's code; count it."""
    try:
        yield
    except RequestError as error:
        visits.refused += 1
        body, _status = describe(error)
        refusal = socketio_exceptions.ConnectionRefusedError
        raise refusal(body["message"], {"code": body["code"]}) from error


def _spend(quota: EventQuota, hub: Hub, cost: float) -> None:
    if not quota.spend(hub.now().monotonic_s, cost):
        raise RateLimited("too many requests; ask again in a second")


def _headers(environ: Mapping[str, object]) -> dict[str, str]:
    """Return the headers of a WSGI environment; their names are in lower case."""
    return {
        name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }


def _answer(
    socketio: SocketIO,
    context: EventContext,
    name: str,
    arguments: tuple[Any, ...],
    quota: EventQuota,
) -> Answer | None:
    """Call a handler; an error is the answer, and also an ``error`` event if no ack was asked."""
    try:
        return _call(context, name, arguments, quota)
    except ClientLeft:
        return None
    except Exception as error:
        body, _status = translate(error, event=name)
    if not is_answer_awaited():
        socketio.emit("error", body, to=context.client_id, ignore_queue=True)
    return {"ok": False, "error": body}


def _call(
    context: EventContext, name: str, arguments: tuple[Any, ...], quota: EventQuota
) -> Answer:
    argument = arguments[0] if arguments else None
    _spend(quota, context.hub, cost_of(name, argument, len(context.hub.devices)))
    handler = EVENTS.get(name)
    if handler is None:
        raise NotFound(f"there is no event {name[:80]!r}; there are {', '.join(EVENTS)}")
    return handler(context, argument)


def _subscribe_at_connect(
    socketio: SocketIO, context: EventContext, auth: dict[str, object], quota: EventQuota
) -> None:
    """Serve the ``subscribe`` of a client's ``auth``; without one, subscribe it to all devices."""
    if context.client_id not in context.hub.connections:
        return
    if "subscribe" not in auth:
        context.hub.subscribe_automatically(context.client_id)
        return
    try:
        answer = _call(context, "subscribe", (auth["subscribe"],), quota)
    except ClientLeft:
        return
    except Exception as error:
        body = translate(error, event="connect")[0]
        socketio.emit("error", body, to=context.client_id, ignore_queue=True)
        return
    socketio.emit("subscribed", answer, to=context.client_id, ignore_queue=True)
    logger.debug("subscribed_at_connect", client=context.client_id)
