"""``RedisQueue``: the message queue of several servers, on Redis, without monkey-patching.

It speaks python-socketio's format on Flask-SocketIO's channel: stock servers and external
processes can share the queue.

How it works. Two native threads wait for Redis, so the event loop never does:

- One listens. It parses each message and hands it over through ``ThreadCalls``; the event loop
  serves it. At most ``TAKEN_MAX`` messages are handed over and not served; then the thread waits.
- One publishes what ``_publish`` queued. At most ``QUEUED_MAX`` messages and ``QUEUED_BYTES_MAX``
  wait; beyond this ``_publish`` raises ``QueueFull``.

While Redis is away, local clients get everything. Messages to other servers are dropped and
counted, as a subscriber that is away from Redis misses them, too. Both threads try again every
``RETRY_S``. The log has one line when Redis is lost and one when it is back.

The threads are native ones and wait natively, also where an application has monkey-patched.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import monotonic
from typing import Any

import gevent
from gevent import getcurrent
from gevent.monkey import get_original
from redis import Redis
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry
from socketio import RedisManager

from gateway.transport.event_loop.timeslice import give_way
from gateway.transport.event_loop.wakeup import ThreadCalls, TooManyCalls, from_any_thread

logger = logging.getLogger(__name__)

QUEUED_MAX = 10_000
"""Messages that may wait for the thread that publishes."""
QUEUED_BYTES_MAX = 64_000_000
SENT_AT_ONCE = 100
TAKEN_MAX = 100
"""Messages of other servers that may wait for the event loop."""
RETRY_S = 1.0
PING_S = 5.0
"""How often an idle connection is checked, and how long Redis may take to answer."""
UNANSWERED_MAX = 1
"""Redis is lost when more pings than this have no answer."""

CALL_APPLICATION = ("disconnect", "callback")
"""These call functions of the application, which may wait: each runs in a greenlet of its own."""

_start_thread: Callable[..., int] = get_original("_thread", "start_new_thread")
_sleep: Callable[[float], None] = get_original("time", "sleep")
_SimpleQueue: Any = get_original("queue", "SimpleQueue")
_Empty: type[Exception] = get_original("queue", "Empty")


class QueueFull(RuntimeError):
    """The servers publish faster than Redis takes it."""


class RedisQueue(RedisManager):  # type: ignore[misc]  # socketio has no types
    """A ``socketio.RedisManager`` for a server on gevent; see the module."""

    def __init__(self, url: str, channel: str, **options: Any) -> None:
        super().__init__(url, channel, **options)
        self.dropped = 0
        """Messages that did not reach Redis because it was away."""
        self._failing: set[str] = set()  # the threads that do not reach Redis
        self._dropped_before = 0
        self._queued: Any = _SimpleQueue()
        self._bytes_in = self._bytes_out = 0  # each is written by one thread only
        self._room: Any = _SimpleQueue()  # one entry for each message that may be handed over
        self._taker: object = None
        self._methods: dict[str, Callable[[dict[str, Any]], None]] = {
            "emit": self._handle_emit,
            "disconnect": self._handle_disconnect,
            "enter_room": self._handle_enter_room,
            "leave_room": self._handle_leave_room,
            "close_room": self._handle_close_room,
            "callback": self._handle_callback,
        }
        self._is_publishing = False
        options = {"socket_timeout": PING_S, "socket_connect_timeout": PING_S}
        options |= {"health_check_interval": PING_S, "retry": Retry(NoBackoff(), 0)}
        self._clients = [Redis.from_url(url, **{**options, **self.redis_options}) for _ in "12"]
        for _ in range(TAKEN_MAX):
            self._room.put(None)

    @property
    def threads(self) -> ThreadCalls:
        """Takes the calls of the two threads."""
        calls: ThreadCalls = self.server.threads
        return calls

    @property
    def is_up(self) -> bool:
        """False while Redis is away."""
        return not self._failing

    def initialize(self) -> None:
        """Start to listen. The server calls this once."""
        _start_thread(self._listen_for_ever, ())
        self._start_publishing()

    # Out

    def _publish(self, data: dict[str, Any]) -> None:
        """Queue a message for the other servers. Raises QueueFull."""
        text = self.json.dumps(data)
        count, size = self._queued.qsize(), self._bytes_in - self._bytes_out
        if count >= QUEUED_MAX or size + len(text) > QUEUED_BYTES_MAX:
            raise QueueFull(
                f"{count} messages and {size} bytes wait for Redis: this message reaches local"
                " clients only"
            )
        self._bytes_in += len(text)
        self._queued.put(text)
        self._start_publishing()

    def _start_publishing(self) -> None:
        if not self._is_publishing:
            self._is_publishing = True
            _start_thread(self._publish_for_ever, ())

    def _publish_for_ever(self) -> None:
        redis, retry_s = self._clients[0], 0.0
        while True:
            texts = self._next_queued()
            if monotonic() < retry_s:
                self.dropped += len(texts)
            else:
                retry_s = self._try_to_send(redis, texts, retry_s)
            self._bytes_out += sum(map(len, texts))

    def _try_to_send(self, redis: Redis, texts: list[str], retry_s: float) -> float:
        """Publish messages; return the time before which Redis is not tried again, or 0."""
        try:
            self._send(redis, texts)
        except Exception as error:  # whatever it is, the next messages may succeed
            self.dropped += len(texts)
            self._insist(self._note, "publish", error)
            return monotonic() + RETRY_S
        if retry_s:
            self._insist(self._note, "publish")
        return 0.0

    def _next_queued(self) -> list[str]:
        """Return the next messages; none after a while without any."""
        texts: list[str] = []
        with suppress(_Empty):
            texts.append(self._queued.get(timeout=RETRY_S))
            while len(texts) < SENT_AT_ONCE:
                texts.append(self._queued.get_nowait())
        return texts

    def _send(self, redis: Redis, texts: list[str]) -> None:
        """Publish messages; without any, check that Redis is there."""
        if not texts:
            redis.ping()
            return
        with redis.pipeline(transaction=False) as together:
            for text in texts:
                together.publish(self.channel, text)
            together.execute()

    # In

    def _listen_for_ever(self) -> None:
        while True:
            try:
                with self._clients[1].pubsub() as subscription:  # type: ignore[no-untyped-call]
                    subscription.subscribe(self.channel)
                    self._listen_to(subscription)
            except Exception as error:  # whatever it is, the next connection may succeed
                self._insist(self._note, "listen", error)
                _sleep(RETRY_S)

    def _listen_to(self, subscription: PubSub) -> None:
        while subscription.health_check_response_counter <= UNANSWERED_MAX:
            message = subscription.get_message(timeout=PING_S)
            if message is None:
                continue
            if message["type"] == "subscribe":
                self._insist(self._note, "listen")
            elif message["type"] == "message":
                self._hand_over(message["data"])
        raise RedisConnectionError("Redis does not answer")

    def _hand_over(self, data: bytes) -> None:
        try:
            message = self.json.loads(data)
            method, is_own = message["method"], message.get("host_id") == self.host_id
            is_known = method in self._methods
        except (ValueError, TypeError, KeyError, AttributeError):
            return  # another program's message
        # A callback goes to the server that asked for it, everything else to the others.
        if is_known and is_own == (method == "callback"):
            self._room.get()
            self._insist(self._take, method, message)

    def _insist(self, call: Callable[..., None], *arguments: Any) -> None:
        """Have the event loop make a call, if need be later."""
        while True:
            try:
                return call(*arguments)
            except TooManyCalls:
                _sleep(RETRY_S)

    @from_any_thread
    def _take(self, method: str, message: dict[str, Any]) -> None:
        if method in CALL_APPLICATION:
            gevent.spawn(self._serve, method, message)
        else:
            self._taker = getcurrent()
            self._serve(method, message)
            self._taker = None

    def _serve(self, method: str, message: dict[str, Any]) -> None:
        try:
            self._methods[method](message)
        except Exception:
            logger.exception("a message of another server failed: %s", method)
        finally:
            self._room.put(None)

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        """Yield the members of a room; while a message is taken, the event loop turns between."""
        for member in super().get_participants(namespace, room):
            yield member
            if getcurrent() is self._taker:
                give_way()

    @from_any_thread
    def _note(self, thread: str, error: Exception | None = None) -> None:
        """Note that a thread does not reach Redis, or reaches it again."""
        was_up = self.is_up
        if error is None:
            self._failing.discard(thread)
        else:
            self._failing.add(thread)
        if was_up and not self.is_up:
            logger.warning("Redis is lost, local clients go on: %s", error)
        elif self.is_up and not was_up:
            dropped, self._dropped_before = self.dropped - self._dropped_before, self.dropped
            logger.warning("Redis is back; %d messages to other servers were lost", dropped)
