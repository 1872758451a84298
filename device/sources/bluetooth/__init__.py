"""Bluetooth LE for sources: a port, its two sides, and the thread that they run in.

:class:`Radio` is the port, with two methods. ``bleak_radio`` serves it with the system's Bluetooth,
``bumble_radio`` with a controller of Spoke's own, which ``SPOKE_BLE_TRANSPORT`` names.
``bumble_host`` opens such a controller for sources and emulators. ``loop_thread`` runs asyncio
beside the publisher.

The two libraries are optional and slow to import, so this module imports neither of them.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any, Protocol

from device.sources.decoders.cycling import Kind
from shared.extras import need

EXTRA = "ble"
PAUSE_MIN_S = 1.0
PAUSE_MAX_S = 30.0


@dataclass(frozen=True, slots=True)
class Nearby:
    """A device that advertises: its address, its name if it says one, and its usable services."""

    address: str
    name: str | None = None
    kinds: frozenset[Kind] = frozenset()
    handle: Any = field(default=None, compare=False)
    """What the library connects by."""

    @property
    def label(self) -> str:
        """The name without characters that cannot be printed, such as a NUL at its end.

        Without a name, the address.
        """
        return "".join(filter(str.isprintable, self.name or "")).strip() or self.address


class LinkError(Exception):
    """A connection could not be made, or it ended; try again after a pause."""


class RadioError(LinkError):
    """The controller or the system's Bluetooth cannot be used."""


class Radio(Protocol):
    """The Bluetooth of this computer. Both methods raise :class:`LinkError`."""

    def find(self) -> AsyncGenerator[Nearby, None]:
        """Yield the devices that are near, without end, and each one whenever it advertises."""

    def link(
        self, nearby: Nearby
    ) -> AbstractAsyncContextManager[AsyncIterator[tuple[Kind, bytes]]]:
        """Connect, subscribe to usable services, and give the notifications until the link ends.

        The end of the link ends the iteration, and then the block raises :class:`LinkError`.
        If the device offers the fitness machine service, nothing else is subscribed to: it gives
        the speed itself.
        """


def radio_of(transport: str | None) -> Callable[[], AbstractAsyncContextManager[Radio]]:
    """Return what opens the controller ``transport``, or the system's Bluetooth if it is None.

    Raises :class:`SourceError` if the library is missing. What it returns raises
    :class:`RadioError` if the controller cannot be used.
    """
    library = "bleak" if transport is None else "bumble"
    need(library, EXTRA)
    return partial(import_module(f"{__name__}.{library}_radio").open_side, transport)


def useful(offered: frozenset[Kind]) -> frozenset[Kind]:
    """Return what to subscribe to. Raises :class:`LinkError` if Spoke can use nothing."""
    if not offered:
        names = "speed and cadence, power, or fitness machine"
        raise LinkError(f"the device offers no service that Spoke can use ({names})")
    return frozenset({Kind.FTMS}) & offered or offered


def pauses_s() -> Iterator[float]:
    """Yield the pauses before trying again: each is twice the last, up to a limit."""
    pause_s = PAUSE_MIN_S
    while True:
        yield pause_s
        pause_s = min(2 * pause_s, PAUSE_MAX_S)
