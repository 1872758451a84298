"""The port by bumble, for a controller of our own (``SPOKE_BLE_TRANSPORT``)."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial

from bumble.core import UUID, AdvertisingData, BaseBumbleError
from bumble.device import Advertisement, Connection, Peer

from device.sources.bluetooth import LinkError, Nearby, Radio, RadioError, useful
from device.sources.bluetooth.bumble_host import Host, is_stopping, open_host
from device.sources.bluetooth.events import Events
from device.sources.decoders.cycling import Kind

CONNECT_S = 15.0
GOODBYE_S = 1.0
MTU = 247
GONE = "the Bluetooth controller is gone"
NAMES = (
    AdvertisingData.Type.COMPLETE_LOCAL_NAME,
    AdvertisingData.Type.SHORTENED_LOCAL_NAME,
)
SERVICES = (
    AdvertisingData.Type.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.Type.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
)


@asynccontextmanager
async def open_side(transport: str) -> AsyncIterator[Radio]:
    async with open_host(transport) as host:
        yield BumbleRadio(host)


class BumbleRadio:
    """Finds devices and connects to them with one controller."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def find(self) -> AsyncGenerator[Nearby, None]:
        device, heard = self._host.device, Events[Nearby](self._host.lost)

        def hear(advertisement: Advertisement) -> None:
            heard.put(nearby_of(advertisement))

        device.on(device.EVENT_ADVERTISEMENT, hear)
        try:
            if self._host.lost.done():
                raise RadioError(GONE)
            with _translated("the search failed"):
                async with asyncio.timeout(CONNECT_S):  # a lost controller answers nothing
                    await device.start_scanning()
            async for nearby in heard:
                yield nearby
            raise RadioError(GONE)
        finally:
            device.remove_listener(device.EVENT_ADVERTISEMENT, hear)
            with suppress(BaseBumbleError, TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await device.stop_scanning()

    @asynccontextmanager
    async def link(self, nearby: Nearby) -> AsyncIterator[AsyncIterator[tuple[Kind, bytes]]]:
        device, heard = self._host.device, Events[tuple[Kind, bytes]](self._host.lost)
        connection: Connection | None = None
        try:
            with _translated("no connection"):
                async with asyncio.timeout(CONNECT_S):
                    connection = await device.connect(nearby.handle)
                    connection.on(connection.EVENT_DISCONNECTION, heard.end)
                    await _subscribe(Peer(connection), heard)
            yield heard
            raise RadioError(GONE) if self._host.lost.done() else LinkError("the link dropped")
        finally:
            if connection is not None:
                with suppress(BaseBumbleError, TimeoutError):
                    async with asyncio.timeout(GOODBYE_S):
                        await connection.disconnect()


async def _subscribe(peer: Peer, heard: Events[tuple[Kind, bytes]]) -> None:
    with suppress(BaseBumbleError):  # a device may refuse; then its notifications are short
        await peer.request_mtu(MTU)
    await peer.discover_services([UUID.from_16_bits(kind.service) for kind in Kind])
    for service in peer.services:
        await service.discover_characteristics()
    offered = {
        kind: found[0]
        for kind in Kind
        if (found := peer.get_characteristics_by_uuid(UUID.from_16_bits(kind.characteristic)))
    }
    for kind in useful(frozenset(offered)):
        await peer.subscribe(offered[kind], partial(_hear, heard, kind))


def _hear(heard: Events[tuple[Kind, bytes]], kind: Kind, data: bytes) -> None:
    heard.put((kind, bytes(data)))


def nearby_of(advertisement: Advertisement) -> Nearby:
    data = advertisement.data
    names = [name for type_id in NAMES for name in data.get_all(type_id, raw=True)]
    listed = b"".join(part for type_id in SERVICES for part in data.get_all(type_id, raw=True))
    uuids = {listed[at : at + 2] for at in range(0, len(listed), 2)}
    kinds = frozenset(kind for kind in Kind if kind.service.to_bytes(2, "little") in uuids)
    name = names[0].decode(errors="replace") if names else None
    address = str(advertisement.address).partition("/")[0]  # without /P, which marks public ones
    return Nearby(address, name, kinds, advertisement.address)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except asyncio.CancelledError as error:
        if is_stopping():
            raise
        raise LinkError(f"{what}: the link dropped") from error
    except (BaseBumbleError, OSError) as error:  # TimeoutError is an OSError
        raise LinkError(f"{what}: {str(error) or type(error).__name__}") from error
