"""The simulator as hardware: one module for each kind of device that it poses as.

How it works. An emulator takes the samples of the same ride as the source ``simulator`` and speaks
them as the real device would, over the same transport. So every source is tested from end to end
without hardware, and an app for e-bikes has a virtual one. Beside it, the emulator writes the
truth: the values that it sent, as JSON lines.

To add one, add a module here that registers an :class:`Emulator` in :data:`EMULATORS`. Encoders are
pure and live beside the decoders of the source, in :mod:`device.sources.decoders`.
"""

import importlib
import json
import pkgutil
import threading
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from device.sample import Sample
from device.sources.simulator import simulate


class Truth:
    """The values that the emulator sent, as JSON lines: one object for each measurement."""

    def __init__(self, file: IO[str] | None) -> None:
        self._file = file

    def tell(self, at_s: float, values: Mapping[str, Any]) -> None:
        """Write the values that were sent ``at_s`` seconds after the start of the ride.

        ``sent_ms`` is the time of now, in ms since 1970.
        """
        if self._file is None:
            return
        line = {"at_s": round(at_s, 3), "sent_ms": time.time_ns() // 1_000_000, **values}
        print(json.dumps(line), file=self._file, flush=True)


@dataclass(frozen=True, slots=True)
class Emulation:
    """A run of an emulator: its options, the ride, the truth, and the wish to stop."""

    options: Namespace
    truth: Truth
    stop: threading.Event
    """Set when a signal came or the time is over. Emulators look at it at least once a second."""

    def ride(self, interval_s: float) -> Iterator[Sample]:
        """Yield the samples of the ride, one every ``interval_s`` of the ride's time."""
        return simulate(f"{self.options.seed}/0", interval_s)


@dataclass(frozen=True, slots=True)
class Emulator:
    """A kind of device that the simulator can pose as."""

    summary: str
    add_options: Callable[[ArgumentParser], None]
    run: Callable[[Emulation], None]
    """Speaks as the device until ``stop`` is set. Raises SourceError if it cannot."""


EMULATORS: dict[str, Emulator] = {}


def import_emulators() -> dict[str, Emulator]:
    """Import every module of this package once, so that each registers its emulators."""
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return EMULATORS


def open_truth(path: Path | None) -> IO[str] | None:
    """Open the file of the truth for writing, or return None without one."""
    return None if path is None else path.open("w", encoding="utf-8")
