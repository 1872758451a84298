"""Connect to a gateway, and reconnect when the connection is lost.

This uses python-socketio's asyncio client, which handles messages in the order received. Its other
client starts a thread for each message.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import cycle
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import socketio

from gateway.watch.follow import (
    Connected,
    Disconnected,
    Event,
    GapReceived,
    ReadingReceived,
    StatusReceived,
    Subscribed,
)

ANSWER_WAIT_S = 5.0
"""A gateway usually answers within milliseconds."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 5.0
PASSING = frozenset({"rate_limited", "unavailable", "internal"})
"""Error codes after which a retry may succeed; other codes mean that the request is wrong."""
EVENTS: dict[str, Callable[[Any], Event]] = {
    "speed_change": lambda body: ReadingReceived(body, time.time() * 1000),
    "gap": GapReceived,
    "device_status": StatusReceived,
}


class GatewayRefused(Exception):
    """The gateway refuses the request, and would refuse it again; the text says why."""


class ConnectionLost(Exception):
    """There is no connection to the gateway; the text says why."""


async def follow_for_ever(
    urls: Sequence[str],
    on_event: Callable[[Event], None],
    subscribe_request: Callable[[], object],
    *,
    once: bool,
) -> None:
    """Connect to the gateways in turn, for ever, and pass each event to ``on_event``.

    Raises :class:`GatewayRefused`. With ``once`` it does not reconnect and raises
    :class:`ConnectionLost`.
    """
    pause_s = FIRST_PAUSE_S
    for url in cycle(urls):
        began_s = time.monotonic()
        try:
            await GatewayConnection(url, on_event, subscribe_request).run()
        except ConnectionLost as lost:
            if once:
                raise
            on_event(Disconnected(str(lost)))
        steady = time.monotonic() - began_s > LONGEST_PAUSE_S
        pause_s = FIRST_PAUSE_S if steady else min(2 * pause_s, LONGEST_PAUSE_S)
        await asyncio.sleep(pause_s)


class GatewayConnection:
    """One connection; it passes events on in the order received."""

    def __init__(
        self,
        url: str,
        on_event: Callable[[Event], None],
        subscribe_request: Callable[[], object],
    ) -> None:
        self._url, self._on_event, self._subscribe_request = url, on_event, subscribe_request
        self._client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        self._client.on("connect_error", self._on_connect_error)
        self._client.on("disconnect", self._on_disconnect)
        for name, event in EVENTS.items():
            self._client.on(name, partial(self._receive, event))
        loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = loop.create_future()

    async def run(self) -> None:
        """Connect, subscribe, and receive events; raises the reason why the connection ended."""
        alarm = None
        try:
            await self._connect()
            self._on_event(Connected(self._url))
            alarm = asyncio.get_running_loop().call_later(ANSWER_WAIT_S, self._on_silence)
            on_answer = partial(self._receive, partial(self._check_answer, alarm))
            await self._client.emit("subscribe", self._subscribe_request(), callback=on_answer)
            await self._ended
        finally:
            if alarm is not None:
                alarm.cancel()
            await self._client.disconnect()

    async def _connect(self) -> None:
        try:
            # WebSocket needs no sticky sessions at a proxy
            await self._client.connect(
                self._url,
                socketio_path=f"{urlsplit(self._url).path}/socket.io",
                transports=["websocket"],
                wait_timeout=ANSWER_WAIT_S,
            )
        except socketio.exceptions.ConnectionError as error:
            if self._ended.done():
                await self._ended
            raise ConnectionLost(await asyncio.to_thread(explain, self._url)) from error

    def _receive(self, make_event: Callable[[Any], Event], body: object) -> None:
        """Pass an event on; an error ends the connection: the client would only log it."""
        try:
            self._on_event(make_event(body))
        except Exception as error:
            self._end(error)

    def _check_answer(self, alarm: asyncio.TimerHandle, answer: Mapping[str, Any]) -> Event:
        alarm.cancel()
        if answer["ok"]:
            return Subscribed(answer["devices"])
        error = answer["error"]
        kind = ConnectionLost if error["code"] in PASSING else GatewayRefused
        raise kind(f"{self._url} refuses: {error['message']} ({error['code']})")

    def _on_connect_error(self, reason: object) -> None:
        if isinstance(reason, dict):  # sent by the gateway, for failed authentication only
            self._end(GatewayRefused(f"{self._url} lets nobody in: {reason.get('message')}"))

    def _on_disconnect(self, _reason: object) -> None:
        self._end(ConnectionLost(f"the connection to {self._url} is gone; trying again"))

    def _on_silence(self) -> None:
        self._end(ConnectionLost(f"{self._url} did not answer; trying again"))

    def _end(self, error: Exception) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)


def explain(url: str) -> str:
    """Return why there is no connection to a gateway: one sentence that says what to do."""
    try:
        with urlopen(f"{url}/socket.io/?EIO=4&transport=polling", timeout=ANSWER_WAIT_S):  # noqa: S310  # the user's own address
            return f"{url} answers, but a WebSocket to it fails: does a proxy stand between?"
    except HTTPError as error:
        with error:
            return f"{url} says {error.code}: {_detail(error.read())}"
    except (URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        reason = getattr(reason, "strerror", None) or reason
        return (
            f"nothing answers at {url} ({reason}): start a gateway there with scripts/start, "
            "or name another address"
        )


def _detail(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return "it does not seem to be a gateway of Spoke"
