"""A source that reads a serial port: ``vesc:``, ``bafang:`` and ``nmea:`` stand on it.

How it works. The port is opened by pyserial and then read and written by the publisher's own loop,
only when that does not block. A pure decoder says what to send and decodes what arrives. Bytes that
do not fit into the port's buffer are dropped: the next request follows soon.

A port that cannot be opened at the start stops the device. A port that is lost later, because its
plug was pulled, is reported once and reopened after pauses that grow.
"""

import errno
import os
import select
from collections import Counter, deque
from contextlib import suppress
from typing import Any, Protocol

from loguru import logger

from device.sample import Sample
from device.sources import NoSample, PollAgain, Source
from shared.errors import SourceError
from shared.extras import need
from shared.log_once import LogOnce
from shared.settings import Settings

EXTRA = "serial"
READ_BYTES = 512
"""In one turn. At 115,200 baud a port gets 12 kB a second."""
PAUSES_S = (0.25, 0.5, 1.0, 2.0, 5.0)
"""Between the attempts to reopen a port; the last one repeats."""
SILENT_S = 10.0
"""A device that sends nothing for so long is reported once."""


class Decoder(Protocol):
    """Pure: says what to send, and turns bytes into samples. Times are arguments."""

    interval_s: float
    """The time between two requests; 0 for a device that speaks by itself."""
    samples: deque[Sample]
    faults: Counter[str]
    """How often each kind of fault occurred; the keys are words for the log."""

    def request(self, now_s: float) -> bytes: ...
    def take(self, data: bytes, now_s: float) -> None: ...
    def reset(self) -> None: ...


class PortSource:
    """Talks to the device at a serial port."""

    def __init__(self, name: str, baud: int, decoder: Decoder, model: str) -> None:
        self.interval_ms = 0
        self.model = model
        self._name = name
        self._baud = baud
        self._decoder = decoder
        self._once = LogOnce()
        self._failures = 0
        self._is_lost = False
        self._wake_s = 0.0  # of the next request, or of the next attempt to open
        self._heard_s: float | None = None
        self._port: Any = _open_port(name, baud)

    def poll(self, now_s: float) -> Sample | NoSample | PollAgain:
        samples = self._decoder.samples
        if not samples:
            if self._port is None and now_s >= self._wake_s:
                self._reopen(now_s)
            if self._port is not None:
                self._exchange(now_s)
            self._report(now_s)
        if samples:
            return samples.popleft()
        is_timed = self._port is None or self._decoder.interval_s > 0
        return PollAgain(self._wake_s) if is_timed else NoSample.NOT_YET

    def fileno(self) -> int | None:
        return None if self._port is None else int(self._port.fileno())

    def close(self) -> None:
        """Close the port, and log how much was left out."""
        self._close_port()
        faults = {kind: count for kind, count in self._decoder.faults.items() if count}
        logger.info("port_closed", port=self._name, left_out=faults or "nothing")

    def _exchange(self, now_s: float) -> None:
        """Read the bytes that are there, and send a request if it is time."""
        try:
            data = _read(self._port.fileno())
            if data:
                self._hear(now_s)
                self._decoder.take(data, now_s)
            if self._decoder.interval_s and now_s >= self._wake_s:
                self._wake_s = now_s + self._decoder.interval_s
                _write(self._port.fileno(), self._decoder.request(now_s))
        except OSError as error:
            self._lose(now_s, error.strerror or str(error))

    def _hear(self, now_s: float) -> None:
        """Note that the device speaks, and report it after a loss."""
        self._heard_s, self._failures = now_s, 0
        if self._is_lost:
            self._is_lost = False
            logger.info("port_back", port=self._name)

    def _lose(self, now_s: float, why: str) -> None:
        """Close the port; report it unless nothing arrived since the last report."""
        if not self._is_lost:
            self._is_lost = True
            logger.warning("port_lost", port=self._name, why=why, then="trying to open it again")
        self._close_port()
        self._decoder.reset()
        self._plan_attempt(now_s)

    def _reopen(self, now_s: float) -> None:
        try:
            self._port = _open_port(self._name, self._baud)
        except SourceError:
            self._plan_attempt(now_s)
            return
        self._wake_s, self._heard_s = now_s, None

    def _plan_attempt(self, now_s: float) -> None:
        """Wait longer after each failure; bytes that arrive end the series."""
        self._wake_s = now_s + PAUSES_S[min(self._failures, len(PAUSES_S) - 1)]
        self._failures += 1

    def _close_port(self) -> None:
        if self._port is None:
            return
        with suppress(Exception):  # a plug that was pulled; otherwise closing waits for old bytes
            self._port.reset_output_buffer()
        with suppress(OSError):
            self._port.close()
        self._port = None

    def _report(self, now_s: float) -> None:
        """Log each kind of fault once, and once that nothing arrives."""
        for kind in [kind for kind, count in self._decoder.faults.items() if count]:
            if self._once.is_first(kind):
                logger.warning("left_out_from_port", port=self._name, what=kind)
        self._heard_s = now_s if self._heard_s is None else self._heard_s
        is_silent = self._port is not None and now_s - self._heard_s > SILENT_S
        if is_silent and self._once.is_first("silence"):
            logger.warning("port_silent", port=self._name, check="the wires and SPOKE_SERIAL_BAUD")


def open_port_source(
    settings: Settings, kind: str, port: str, decoder: Decoder, baud: int, model: str
) -> Source:
    """Open the source ``kind`` at a port; it feeds one bike. Raises SourceError."""
    if not port:
        raise SourceError(f"name the serial port: {kind}:<port>, such as {kind}:/dev/ttyUSB0")
    if settings.fleet_size > 1:
        raise SourceError(f"the source {kind} feeds one bike: leave SPOKE_FLEET_SIZE out")
    return PortSource(port, settings.serial_baud or baud, decoder, model)


def wheel_of(settings: Settings, kind: str) -> float:
    """Return the circumference of the wheel; raises SourceError if it is not set."""
    if settings.wheel_m is None:
        raise SourceError(f"the source {kind} needs the wheel's circumference: set SPOKE_WHEEL_M")
    return settings.wheel_m


def _open_port(name: str, baud: int) -> Any:  # noqa: ANN401  # the library is optional
    """Open a port without blocking; raises SourceError with one sentence."""
    serial = need("serial", EXTRA)
    try:
        return serial.Serial(name, baud, timeout=0, write_timeout=0, exclusive=True)
    except (OSError, ValueError) as error:
        raise SourceError(_sentence(name, baud, error)) from error


def _sentence(name: str, baud: int, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
        return f"there is no serial port {name}: plug it in, or name another one"
    if number in (errno.EACCES, errno.EPERM):
        return (
            f"the serial port {name} may not be opened: add your user to its group, often dialout"
        )
    if number in (errno.EAGAIN, errno.EBUSY):
        return f"another program uses the serial port {name}: end it first"
    return f"{name} cannot be used as a serial port at {baud} baud: {error}"


def _read(descriptor: int) -> bytes:
    """Read the bytes that are there; raises OSError if the other side is gone."""
    ready = select.poll()
    ready.register(descriptor, select.POLLIN)
    if not ready.poll(0):
        return b""
    try:
        data = os.read(descriptor, READ_BYTES)
    except BlockingIOError:
        return b""
    if not data:
        raise OSError(errno.EIO, "the port is gone")
    return data


def _write(descriptor: int, data: bytes) -> None:
    with suppress(BlockingIOError):  # dropped; pyserial would try again and again
        os.write(descriptor, data)
