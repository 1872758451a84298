"""The port by bleak, for the system's Bluetooth: BlueZ on Linux, and that of macOS and Windows."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial

from bleak import BleakClient, BleakScanner
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.exc import BleakBluetoothNotAvailableError, BleakError
from bleak.uuids import normalize_uuid_16

from device.sources.bluetooth import LinkError, Nearby, Radio, RadioError, useful
from device.sources.bluetooth.events import Events
from device.sources.decoders.cycling import Kind

CONNECT_S = 30.0


@asynccontextmanager
async def open_side(_transport: None) -> AsyncIterator[Radio]:
    """Search for a moment, because only that tells whether the system's Bluetooth can be used."""
    radio = BleakRadio()
    try:
        async with radio.scanner():
            pass
    except (BleakError, OSError, EOFError) as error:
        raise RadioError(_unusable(error)) from error
    yield radio


@dataclass(frozen=True, slots=True)
class BleakRadio:
    """Finds devices and connects to them with the system's Bluetooth."""

    scanner: Callable[..., BleakScanner] = BleakScanner
    client: Callable[..., BleakClient] = BleakClient

    async def find(self) -> AsyncGenerator[Nearby, None]:
        with _translated("the search failed"):
            async with self.scanner() as scanner:
                async for device, advertisement in scanner.advertisement_data():
                    uuids = set(advertisement.service_uuids)
                    kinds = (kind for kind in Kind if normalize_uuid_16(kind.service) in uuids)
                    name = advertisement.local_name or device.name
                    yield Nearby(device.address, name, frozenset(kinds), device)

    @asynccontextmanager
    async def link(self, nearby: Nearby) -> AsyncIterator[AsyncIterator[tuple[Kind, bytes]]]:
        heard = Events[tuple[Kind, bytes]]()
        with _translated("no connection"):
            connecting = self.client(nearby.handle, heard.end, timeout=CONNECT_S)
            async with connecting as client:
                await _subscribe(client, heard)
                yield heard
        raise LinkError("the link dropped")


async def _subscribe(client: BleakClient, heard: Events[tuple[Kind, bytes]]) -> None:
    offered = {
        kind: found
        for kind in Kind
        if (found := client.services.get_characteristic(normalize_uuid_16(kind.characteristic)))
    }
    for kind in useful(frozenset(offered)):
        await client.start_notify(offered[kind], partial(_hear, heard, kind))


def _hear(
    heard: Events[tuple[Kind, bytes]], kind: Kind, _from: BleakGATTCharacteristic, data: bytearray
) -> None:
    heard.put((kind, bytes(data)))


def _unusable(error: Exception) -> str:
    return (
        f"the system's Bluetooth cannot be used ({str(error) or type(error).__name__}): "
        "switch it on, or name a controller with SPOKE_BLE_TRANSPORT"
    )


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except BleakBluetoothNotAvailableError as error:
        raise RadioError(_unusable(error)) from error
    except (BleakError, OSError, EOFError) as error:
        raise LinkError(f"{what}: {str(error) or type(error).__name__}") from error
