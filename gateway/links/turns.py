"""A native thread that waits on ZeroMQ sockets and gives the event loop the turn to use them.

ZeroMQ offers no descriptor that an event loop could wait on as on others, so a thread waits. It
does not read: every ``recv`` gives up the interpreter lock, which a busy loop need not hand back
before its switch interval (docs/decisions/the-thread-waits.md has what was measured). A ZeroMQ
socket may move between threads with a full memory fence between them, and the hand-over of a turn
is one: whoever has the turn owns all sockets.
"""

import socket
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

import zmq

from shared.decorators import stops_process_on_error

WAIT_MAX_MS = 1_000
"""The loop gets a turn this often even when nothing came, so that it can notice silence."""
STOP_MAX_S = 2.0
"""The thread ends within a ms when told; honcho kills the process after 5 s."""


class Turns:
    """The turn: first the thread's, until something came; then the loop's, until it gives it back.

    ``wake`` is called in the thread each time the turn becomes the loop's, and when the thread
    dies; everything else here is called in the loop.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self.is_loops = False
        """Whether the loop has the turn."""
        self.failed: BaseException | None = None
        """What the thread died of."""
        self._wake = wake
        self._poller = zmq.Poller()
        self._given_back: SimpleQueue[None] = SimpleQueue()
        self._poke_in, self._poke_out = socket.socketpair()
        self._is_poked = False
        self._is_stopping = False
        wait = stops_process_on_error(self._fail)(self._wait)
        self._thread = Thread(target=wait, name="links", daemon=True)  # outlives no crash

    @property
    def is_alive(self) -> bool:
        """Tell whether the thread runs."""
        return self._thread.is_alive()

    def add(self, watched: "zmq.Socket[bytes]") -> None:
        """Wait on a socket too; only in the loop's turn, or before the start."""
        self._poller.register(watched, zmq.POLLIN)

    def remove(self, watched: "zmq.Socket[bytes]") -> None:
        """Wait on a socket no more; only in the loop's turn."""
        self._poller.unregister(watched)

    def start(self) -> None:
        """Let the thread wait."""
        self._poller.register(self._poke_in, zmq.POLLIN)
        self._thread.start()

    def ask_for(self) -> None:
        """Let the thread give the turn soon, though nothing came."""
        if not self._is_poked:
            self._is_poked = True
            self._poke_out.send(b"\0")

    def begin(self) -> bool:
        """Tell whether the loop has the turn, and note that it was heard if it asked for it."""
        if self.is_loops and self._is_poked:
            self._poke_in.recv(1)
            self._is_poked = False
        return self.is_loops

    def give_back(self) -> None:
        """Let the thread wait again; the loop may use no socket until its next turn."""
        self.is_loops = False
        self._given_back.put(None)

    def stop(self) -> bool:
        """End the thread; tell whether the sockets are the loop's from now on."""
        self._is_stopping = True
        self.ask_for()
        self._given_back.put(None)
        if self._thread.ident is not None:
            self._thread.join(STOP_MAX_S)
        if self.is_alive:
            return False
        self.is_loops = False
        self._poke_in.close()
        self._poke_out.close()
        return True

    def _wait(self) -> None:
        while True:
            self._poller.poll(WAIT_MAX_MS)
            if self._is_stopping:
                return
            self.is_loops = True
            self._wake()
            self._given_back.get()

    def _fail(self, error: BaseException) -> None:
        self.failed = error
        self._wake()
