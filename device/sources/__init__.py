"""Where readings come from: one module a source, found by the name it registers.

How it works. The publisher is one loop in one thread, so a source must never block it. The loop
asks a source for one sample at a time, with :meth:`Source.poll`:

- A :class:`Sample` is published when it is due. Then the loop polls again.
- ``NOT_YET`` means that nothing was measured so far. The loop polls again as soon as the source's
  descriptor is readable, and once a second in any case.
- :class:`PollAgain` means the same, and the loop polls again at its time at the latest. A source
  that asks a device for its values several times a second needs it.
- ``ENDED`` ends the ride. The loop never polls again.

Kinds of input. A serial port and standard input give their own descriptor and read it without
blocking. A library with a thread of its own (Bluetooth, MQTT) puts samples into a bounded queue and
writes a byte into a socket pair; the other end is the descriptor, and ``poll`` empties both. The
poll once a second is for keepalives and timeouts. A simulation or a file is an
:class:`IteratorSource`, which always has a next sample.

To add a source, add a module here with an opener under ``@registered(SOURCES, "<name>")``; the
setting ``SPOKE_SOURCE=<name>:<argument>`` then finds it. Code that decodes bytes is pure and lives
in ``decoders``.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum, auto
from typing import Protocol, TypeAlias

from device.sample import Sample
from shared.errors import SourceError
from shared.settings import Settings


class NoSample(Enum):
    """Why a source gives no sample."""

    NOT_YET = auto()
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class PollAgain:
    """Nothing was measured so far: poll again at ``at_s`` of ``time.monotonic`` at the latest."""

    at_s: float


class Source(Protocol):
    """An open source of one bike's samples."""

    @property
    def interval_ms(self) -> int:
        """The usual time between two samples; 0 means irregular."""

    @property
    def model(self) -> str | None:
        """The name of the bike or the recording, shown in its status."""

    def poll(self, now_s: float) -> Sample | NoSample | PollAgain:
        """Return the next sample if there is one, without blocking.

        ``now_s`` is the time of ``time.monotonic``. Raises :class:`SourceError` when the source
        can give no more samples because of a fault; that stops the device with exit code 2.
        """

    def fileno(self) -> int | None:
        """Return a descriptor that is readable when ``poll`` has something to read, or None.

        No other source uses the same descriptor, and it changes only within ``poll``.
        """

    def close(self) -> None:
        """Give back the descriptor and end the threads; called once, when the device stops."""


@dataclass(frozen=True, slots=True)
class IteratorSource:
    """A source that always has its next sample ready, such as a simulation or a file."""

    samples: Iterator[Sample]
    interval_ms: int
    model: str | None = None

    def poll(self, now_s: float) -> Sample | NoSample:
        return next(self.samples, NoSample.ENDED)

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        """Do nothing: there is no descriptor and no thread."""


Opener: TypeAlias = Callable[[Settings, str, int], Source]
"""Opens a source for ``(settings, argument, bike)``; ``argument`` is the text after the colon."""

SOURCES: dict[str, Opener] = {}


def open_source(settings: Settings, bike: int) -> Source:
    """Open ``settings.source`` for bike number ``bike`` of the fleet, from 0.

    Raises :class:`SourceError` when there is no such source or it cannot be used.
    """
    return find_opener(settings)(settings, settings.source.partition(":")[2], bike)


def find_opener(settings: Settings) -> Opener:
    """Return the opener of ``settings.source``. Raises :class:`SourceError` for an unknown kind."""
    kind = settings.source.partition(":")[0]
    _import_sources()
    if kind not in SOURCES:
        raise SourceError(_unknown(kind))
    return SOURCES[kind]


def _import_sources() -> None:
    """Import every module of this package once, so that each registers its opener."""
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        importlib.import_module(module.name)


def _unknown(kind: str) -> str:
    near = get_close_matches(kind, SOURCES, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"there is no source {kind!r}, only {', '.join(sorted(SOURCES))}{hint}"
