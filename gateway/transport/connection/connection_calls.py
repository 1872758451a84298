"""The calls that one client causes in the application: in order, counted and bounded.

How it works: events run in one ``SerialExecutor``, acknowledgements in a second one, because an
event handler may be waiting for an acknowledgement. An event begins only while the client has few
unsent bytes. When an executor is full, this module stops reading from the client: it pauses a
WebSocket and parks a POST, until there is room again. All bytes that wait for the application are
counted in the server's ``inbox``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import monotonic

from gevent.event import Event

from gateway.transport.connection.connection_output import ConnectionOutput
from gateway.transport.connection.connection_server import ConnectionServer
from gateway.transport.event_loop.loop_time import LoopTime, charge
from gateway.transport.event_loop.serial_executor import CallOnce, SerialExecutor
from gateway.transport.event_loop.timeslice import give_way


class ConnectionCalls(ConnectionOutput):
    """Everything that the application is called with for one client."""

    __slots__ = ("_acks", "_events", "_extra_bytes", "_loop_time", "_room")

    def __init__(self, server: ConnectionServer, sid: str) -> None:
        super().__init__(server, sid)
        self._events: SerialExecutor | None = None
        self._acks: SerialExecutor | None = None
        self._loop_time: LoopTime | None = None
        self._room: Event | None = None  # None while the client is read; set when reading resumes
        self._extra_bytes = 0  # held for the client outside of the executors

    @property
    def _executors(self) -> list[SerialExecutor]:
        return [executor for executor in (self._events, self._acks) if executor is not None]

    def run(
        self, call: Callable[..., object], *args: object, size: int = 0, is_alone: bool = True
    ) -> None:
        """Make a call into the application, after the client's earlier ones.

        The call holds ``size`` bytes. A call that is alone delays the next ones until it returns;
        any other call delays them until it waits for something.
        """
        if self._events is None:
            self._events = SerialExecutor(self, self.wait_until_taken)
        self._events.put(call, *args, size=size, is_alone=is_alone)
        self._pause_if_full(self._events)

    def run_ack(self, call: Callable[..., object], *args: object, size: int = 0) -> None:
        """Make a call after earlier calls of this method, but not after those of :meth:`run`."""
        if self._acks is None:
            self._acks = SerialExecutor(self)
        self._acks.put(call, *args, size=size)
        self._pause_if_full(self._acks)

    def run_in_time(self, call: Callable[..., object], *args: object) -> None:
        """Call as :meth:`run` does, but after 1 s (``DISCONNECT_WAIT_S``) at the latest.

        An earlier call may not return before this one tells it to stop.
        """
        once = CallOnce(call, args)
        self.run(once)
        self._server.timers.overdue.add(partial(self._run_overdue, once))

    def _run_overdue(self, call: CallOnce) -> None:
        if not call.began:
            SerialExecutor(self).put(call)  # its own executor: the client's is occupied

    def _drop_calls(self) -> None:
        for executor in self._executors:
            executor.drop()

    # Reading stops while too much waits

    def _pause_if_full(self, executor: SerialExecutor) -> None:
        if executor.full and self._room is None and not self.closed:
            self._room = Event()
            if self.link is not None:
                self.link.pause()

    @property
    def listening(self) -> bool:
        """True while the client is read; False while the application lags behind it."""
        return self._room is None

    def wait_for_room(self) -> None:
        """Park a POST until the client is read again and the POST has a time slice."""
        if self._room is not None:
            self._room.wait()
        give_way()

    def on_room(self) -> None:
        """Read from the client again once no executor is full; drop the executors that are idle."""
        if self._events is not None and self._events.idle:
            self._events = None
        if self._acks is not None and self._acks.idle:
            self._acks = None
        is_lagging = any(executor.full for executor in self._executors)
        if self._room is None or (is_lagging and not self.closed):
            return
        room, self._room = self._room, None
        room.set()
        if self.link is not None:
            self.link.resume()

    # Bytes and time are charged to the client

    def hold(self, more_bytes: int) -> None:
        """Count bytes that are held for the client outside of its calls; negative: fewer."""
        if not self.closed:  # a closed connection releases all of them at once
            self._extra_bytes += more_bytes
            self.on_size()

    @contextmanager
    def holding(self, size: int) -> Iterator[None]:
        """Count ``size`` bytes as held for the client until the block ends."""
        self.hold(size)
        try:
            yield
        finally:
            self.hold(-size)

    def on_size(self) -> None:
        """Count the bytes that the client sent and the application has not handled.

        The handlers of a closed client may still run. Their bytes do not count: closing others
        would not free them.
        """
        held = 0
        if not self.closed:
            held = self._extra_bytes
            held += self._events.held_bytes if self._events is not None else 0
            held += self._acks.held_bytes if self._acks is not None else 0
        self._server.inbox.note(self, held)

    @property
    def is_light(self) -> bool:
        """True when its calls took little of the loop lately (``loop_time``)."""
        return self._loop_time is None or self._loop_time.is_small(monotonic())

    def charge(self, began_s: float) -> None:
        """Charge the client for the time that its calls took since ``began_s``."""
        self._loop_time = charge(self._loop_time, began_s, monotonic())
