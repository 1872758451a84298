"""A source whose samples come from a thread, such as that of a Bluetooth or MQTT library.

How it works. The thread calls :meth:`HandoverSource.put`, which appends to a bounded queue and
writes a byte into a socket pair. The other end of the pair is the descriptor that wakes the
publisher. The publisher then empties the pair and takes one sample at a time.

The queue is full only if the publisher stands still. Then the oldest sample is dropped, because a
late speed is worth less than the present one; the number of dropped samples is logged.
"""

import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from loguru import logger

from device.sample import Sample
from device.sources import NoSample
from shared.errors import SourceError

QUEUE_MAX = 1_000
"""A minute and a half of the fastest sensors, which measure ten times a second."""
WAKE_UPS_READ_MAX = 4_096


class HandoverSource:
    """Takes samples from any thread. The subclass or the caller starts that thread."""

    def __init__(self, interval_ms: int, model: str | None = None) -> None:
        self.interval_ms = interval_ms
        self.model = model
        self.on_close: Callable[[], None] = lambda: None
        """Ends the thread; called once, before the descriptor is closed."""
        self._lock = threading.Lock()
        self._queue: deque[Sample] = deque()
        self._dropped = 0
        self._fault: str | None = None
        self._ended = False
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    # Called by the thread

    def put(self, sample: Sample) -> None:
        """Hand over a sample; any thread may call this, and it never blocks."""
        with self._lock:
            if len(self._queue) >= QUEUE_MAX:
                self._queue.popleft()
                self._dropped += 1
            self._queue.append(sample)
        self._wake()

    def end(self) -> None:
        """End the ride after the samples that were handed over."""
        self._ended = True
        self._wake()

    def fail(self, why: str) -> None:
        """Stop the device with an error, after the samples that were handed over."""
        self._fault = why
        self._wake()

    # Called by the publisher

    def poll(self, now_s: float) -> Sample | NoSample:
        with suppress(BlockingIOError):
            self._reader.recv(WAKE_UPS_READ_MAX)
        with self._lock:
            sample = self._queue.popleft() if self._queue else None
            dropped, self._dropped = self._dropped, 0
        if dropped:
            logger.warning("samples_dropped", samples=dropped, why="the publisher stood still")
        if sample is not None:
            return sample
        if self._fault is not None:
            raise SourceError(self._fault)
        return NoSample.ENDED if self._ended else NoSample.NOT_YET

    def fileno(self) -> int | None:
        return self._reader.fileno()

    def close(self) -> None:
        self.on_close()
        self._reader.close()
        self._writer.close()

    def _wake(self) -> None:
        with suppress(OSError):  # a full pair wakes the publisher anyway; a closed one needs not to
            self._writer.send(b"\0")
