"""Sources that wait for input: a pipe, a library with a thread of its own, and a slow one."""

import os
import socket
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from device.sample import Sample
from device.sources import NoSample


class LineSource:
    """Reads speeds from a descriptor, one a line, as from a serial port or standard input."""

    interval_ms = 0
    model = "lines"

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self.polls = 0
        self._descriptor = descriptor
        self._text = b""

    def poll(self, now_s: float) -> Sample | NoSample:
        self.polls += 1
        if b"\n" not in self._text:
            try:
                data = os.read(self._descriptor, 4096)
            except BlockingIOError:
                return NoSample.NOT_YET
            if not data:
                return NoSample.ENDED
            self._text += data
        line, end, rest = self._text.partition(b"\n")
        if not end:
            return NoSample.NOT_YET
        self._text = rest
        return Sample(None, float(line))

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        os.close(self._descriptor)


class ThreadSource:
    """Measures in a thread of its own, as a Bluetooth or MQTT library does."""

    interval_ms = 0
    model = "thread"

    def __init__(self, speeds_kmh: Sequence[float]) -> None:
        self._samples: deque[Sample] = deque(maxlen=1000)
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._thread = threading.Thread(target=self._measure, args=(speeds_kmh,), daemon=True)
        self._thread.start()

    def poll(self, now_s: float) -> Sample | NoSample:
        with suppress(BlockingIOError):
            self._woken.recv(4096)  # before the queue is looked at: no wake-up is lost
        return self._samples.popleft() if self._samples else NoSample.NOT_YET

    def fileno(self) -> int:
        return self._woken.fileno()

    def close(self) -> None:
        self._thread.join()
        self._woken.close()
        self._wake.close()

    def _measure(self, speeds_kmh: Sequence[float]) -> None:
        for speed_kmh in speeds_kmh:
            self._samples.append(Sample(None, speed_kmh))
            self._wake.send(b"\0")


class SlowSource:
    """Has no descriptor, and a sample at every second poll."""

    interval_ms = 0
    model = "slow"

    def __init__(self) -> None:
        self.polled_s: list[float] = []

    def poll(self, now_s: float) -> Sample | NoSample:
        self.polled_s.append(now_s)
        return Sample(None, 20.0) if len(self.polled_s) % 2 == 0 else NoSample.NOT_YET

    def fileno(self) -> None:
        return None

    def close(self) -> None:
        """Do nothing."""
