"""The Socket.IO events: what browsers may say, and how it is answered.

A handler is a function ``(session, request) -> answer`` entered in a table by a decorator; it
raises what cannot be served. One wrapper around all of them checks the rate and translates.
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
from gateway.transport import Connection, SocketIO
from gateway.transport.timeslice import give_way
from gateway.web.auth import Authenticate, Credentials
from gateway.web.error_handlers import translate
from gateway.web.limits import Allowance, cost_of
from gateway.web.sockets import ReadyJson, is_answer_awaited, serve_browser
from shared.decorators import registered
from shared.errors import NotFound, RateLimited, RequestError, describe


class ClientLeft(Exception):
    """The client of a request has left: nobody takes the answer."""


class Session(NamedTuple):
    """A client that says something, its connection, and the hub that it says it to."""

    client_id: str
    hub: Hub
    browser: Connection

    def pause(self) -> None:
        """Let others go on between two pieces of work; raises ClientLeft once that is in vain."""
        give_way()
        if self.browser.closed or self.client_id not in self.hub.connections:
            raise ClientLeft


Answer: TypeAlias = dict[str, object] | ReadyJson
Handler: TypeAlias = Callable[[Session, object], Answer]
EVENTS: dict[str, Handler] = {}
event = partial(registered, EVENTS)


@event("subscribe")
@validated(partial(parse_subscribe, pause=give_way))
def subscribe(session: Session, request: Subscribe) -> Answer:
    """Add to what a client watches."""
    return ReadyJson(session.hub.subscribe(session.client_id, request, session.pause))


@event("unsubscribe")
@validated(parse_unsubscribe)
def unsubscribe(session: Session, request: Unsubscribe) -> Answer:
    """Take from what a client watches."""
    return session.hub.unsubscribe(session.client_id, request, session.pause)


def register_events(
    server: SocketIO, hub: Hub, authenticate: Authenticate, *, automatic: bool
) -> None:
    """Enter every event, and connect and disconnect, at the server."""
    callers = Callers(server, hub, authenticate, automatic)
    # At the server below Flask-SocketIO: it makes a Flask request for each event, which nobody here
    # looks at and which is a third of what a connection costs.
    events = server.server
    events.on("connect", callers.connect)
    events.on("disconnect", callers.disconnect)
    for name in EVENTS:
        events.on(name, partial(callers.serve, name))
    events.on("*", callers.serve)


@dataclass(eq=False)
class Callers:
    """Everybody who is connected, and how much each may still ask for."""

    server: SocketIO
    hub: Hub
    authenticate: Authenticate
    automatic: bool
    _allowances: dict[str, Allowance] = field(default_factory=dict)
    # One for each connection, over which a client may come and go as often as it likes.
    _of_connections: WeakKeyDictionary[Connection, Allowance] = field(
        default_factory=WeakKeyDictionary
    )

    def connect(self, client_id: str, environ: Mapping[str, object], auth: object = None) -> None:
        """Let a client in, and serve what its ``auth`` asks for."""
        given = auth if isinstance(auth, dict) else {}
        browser = self.server.connection(client_id)
        if browser is None:  # it has ended already
            return
        allowance = self._of_connections.setdefault(browser, Allowance())
        with _refusing():
            _spend(
                allowance, self.hub, 1.0
            )  # first, so that nobody tries one password after the other
            self.authenticate(Credentials(_headers(environ), given))
        self._allowances[client_id] = allowance
        pull, go_on = partial(self.hub.pull, client_id), partial(self.hub.on_writable, client_id)
        serve_browser(browser, pull=pull, go_on=go_on)
        self.hub.connect(client_id, browser)
        if self.automatic or "subscribe" in given:
            # CONNECT goes out when this handler has returned, and must go first
            session = Session(client_id, self.hub, browser)
            gevent.spawn(_welcome, self.server, session, given, allowance)

    def disconnect(self, client_id: str, _reason: object = None) -> None:
        """Forget a client."""
        self._allowances.pop(client_id, None)
        self.hub.disconnect(client_id)

    def serve(self, name: str, client_id: str, *arguments: object) -> Answer | None:
        """Serve one event of a client."""
        allowance, browser = self._allowances.get(client_id), self.server.connection(client_id)
        if allowance is None or browser is None:  # it has left, and said this on the way
            return None
        session = Session(client_id, self.hub, browser)
        return _serve(self.server, session, name, arguments, allowance)


@contextmanager
def _refusing() -> Iterator[None]:
    """Refuse a CONNECT for what goes wrong, with the code of the error."""
    try:
        yield
    except RequestError as error:
        body, _status = describe(error)
        refusal = socketio_exceptions.ConnectionRefusedError
        raise refusal(body["message"], {"code": body["code"]}) from error


def _spend(allowance: Allowance, hub: Hub, cost: float) -> None:
    if not allowance.spend(hub.now().monotonic_s, cost):
        raise RateLimited("too many requests; ask again in a second")


def _headers(environ: Mapping[str, object]) -> dict[str, str]:
    """Give the request's headers, their names in lower case."""
    return {
        name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }


def _serve(
    server: SocketIO, session: Session, name: str, arguments: tuple[Any, ...], allowance: Allowance
) -> Answer | None:
    """Serve one event; an error is answered, or sent as an event when no answer is awaited."""
    try:
        return _call(session, name, arguments, allowance)
    except ClientLeft:
        return None
    except Exception as error:
        body, _status = translate(error, event=name)
    if not is_answer_awaited():
        server.emit("error", body, to=session.client_id)
    return {"ok": False, "error": body}


def _call(session: Session, name: str, arguments: tuple[Any, ...], allowance: Allowance) -> Answer:
    argument = arguments[0] if arguments else None
    _spend(allowance, session.hub, cost_of(name, argument, len(session.hub.devices)))
    handler = EVENTS.get(name)
    if handler is None:
        raise NotFound(f"there is no event {name[:80]!r}; there are {', '.join(EVENTS)}")
    return handler(session, argument)


def _welcome(
    server: SocketIO, session: Session, auth: dict[str, object], allowance: Allowance
) -> None:
    """Serve what a client asked for in its ``auth``, or everything, right after CONNECT."""
    if session.client_id not in session.hub.connections:
        return
    if "subscribe" not in auth:
        session.hub.subscribe_automatically(session.client_id)
        return
    try:
        answer = _call(session, "subscribe", (auth["subscribe"],), allowance)
    except ClientLeft:
        return
    except Exception as error:
        server.emit("error", translate(error, event="connect")[0], to=session.client_id)
        return
    server.emit("subscribed", answer, to=session.client_id)
    logger.debug("subscribed_at_connect", client=session.client_id)
