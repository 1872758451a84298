"""One connection to a gateway, and the next one when it is gone, until told to stop.

It stands on python-socketio's asyncio client: that one hands on messages in the order they came;
the other starts a thread for each.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import cycle
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import socketio

from gateway.watch.follow import Answered, Came, Connected, Cut, Event, Missed, Told

ANSWER_WAIT_S = 5.0
"""A gateway answers within milliseconds; after this it will not."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 5.0
PASSING = frozenset({"rate_limited", "unavailable", "internal"})
"""Refusals that asking again may end; all others say that the question is wrong."""
EVENTS: dict[str, Callable[[Any], Event]] = {
    "speed_change": lambda body: Came(body, time.time() * 1000),
    "gap": Missed,
    "device_status": Told,
}


class Refused(Exception):
    """The gateway says no, and will say so again; the text says why."""


class Lost(Exception):
    """There is no connection, or no more; the text says why."""


async def follow_for_ever(
    urls: Sequence[str],
    tell: Callable[[Event], None],
    question: Callable[[], object],
    *,
    once: bool,
) -> None:
    """Follow over connection after connection, to one gateway after the other.

    Raises :class:`Refused`; with ``once`` also :class:`Lost`, at the end of the first connection.
    """
    pause_s = FIRST_PAUSE_S
    for url in cycle(urls):
        began_s = time.monotonic()
        try:
            await Connection(url, tell, question).run()
        except Lost as lost:
            if once:
                raise
            tell(Cut(str(lost)))
        steady = time.monotonic() - began_s > LONGEST_PAUSE_S
        pause_s = FIRST_PAUSE_S if steady else min(2 * pause_s, LONGEST_PAUSE_S)
        await asyncio.sleep(pause_s)


class Connection:
    """One connection; what comes over it is told in its order."""

    def __init__(
        self, url: str, tell: Callable[[Event], None], question: Callable[[], object]
    ) -> None:
        self._url, self._tell, self._question = url, tell, question
        self._client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        self._client.on("connect_error", self._on_connect_error)
        self._client.on("disconnect", self._on_disconnect)
        for name, event in EVENTS.items():
            self._client.on(name, partial(self._take, event))
        loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = loop.create_future()

    async def run(self) -> None:
        """Connect, ask, and take in what comes; raises why it ended."""
        alarm = None
        try:
            await self._connect()
            self._tell(Connected(self._url))
            alarm = asyncio.get_running_loop().call_later(ANSWER_WAIT_S, self._on_silence)
            on_answer = partial(self._take, partial(self._judge, alarm))
            await self._client.emit("subscribe", self._question(), callback=on_answer)
            await self._ended
        finally:
            if alarm is not None:
                alarm.cancel()
            await self._client.disconnect()

    async def _connect(self) -> None:
        try:
            # the one transport that needs no stickiness of a proxy
            await self._client.connect(
                self._url, transports=["websocket"], wait_timeout=ANSWER_WAIT_S
            )
        except socketio.exceptions.ConnectionError as error:
            if self._ended.done():
                await self._ended
            raise Lost(await asyncio.to_thread(explain, self._url)) from error

    def _take(self, event: Callable[[Any], Event], body: object) -> None:
        """Tell what came; an error must end the connection, the client would log it and go on."""
        try:
            self._tell(event(body))
        except Exception as error:
            self._end(error)

    def _judge(self, alarm: asyncio.TimerHandle, answer: Mapping[str, Any]) -> Event:
        alarm.cancel()
        if answer["ok"]:
            return Answered(answer["devices"])
        error = answer["error"]
        kind = Lost if error["code"] in PASSING else Refused
        raise kind(f"{self._url} refuses: {error['message']} ({error['code']})")

    def _on_connect_error(self, reason: object) -> None:
        if isinstance(reason, dict):  # from the gateway, which says so of authentication only
            self._end(Refused(f"{self._url} lets nobody in: {reason.get('message')}"))

    def _on_disconnect(self, _reason: object) -> None:
        self._end(Lost(f"the connection to {self._url} is gone; trying again"))

    def _on_silence(self) -> None:
        self._end(Lost(f"{self._url} did not answer; trying again"))

    def _end(self, error: Exception) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)


def explain(url: str) -> str:
    """Find out why a gateway cannot be had: one sentence that says what to do."""
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
