"""Poses as an accessory of a Bosch bike, on a controller of its own.

How it works. The roles are the reverse of a sensor's. This computer advertises that it *solicits*
the live data service. The bike connects to it as central, and this computer is the GATT client on
that connection. It asks the bike to encrypt the link: the first time they pair, without a code, and
later they use the bond. Then it asks for a large MTU and data length, because the bike does not,
and subscribes to the one characteristic that it knows, by its UUID.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

from bumble.core import UUID, AdvertisingData, BaseBumbleError
from bumble.device import Connection, DeviceConfiguration, Peer
from bumble.gatt_client import CharacteristicProxy

from device.sources.bluetooth import LinkError, RadioError
from device.sources.bluetooth.bonds import BondFile
from device.sources.bluetooth.bumble_host import Host, is_stopping, open_host
from device.sources.bluetooth.events import Events
from device.sources.decoders.bosch import CHARACTERISTIC_UUID, DATA_LENGTH_MIN, SERVICE_UUID

NAME = "Spoke"
FLAGS = bytes([6])  # general discoverable, no BR/EDR
CYCLING = 0x0484
"""The appearance of a cycling accessory, one of those that a bike shows an icon for."""
ADVERTISING_MS = 100
READY_S = 30.0
"""A bike may ask its rider before it pairs."""
DATA_LENGTH_WAIT_S = 2.0
DATA_LENGTH_TIME_US = 2120
GOODBYE_S = 1.0
MTU = 517


@dataclass(frozen=True, slots=True)
class Link:
    """A link to a bike that is encrypted and notifies. ``data_length`` is None if unknown."""

    connection: Connection
    heard: Events[bytes]
    mtu: int
    data_length: int | None
    is_newly_paired: bool

    @property
    def address(self) -> str:
        return str(self.connection.peer_address).partition("/")[0]  # without /P for a public one


class Accessory:
    """Waits for the bike, one link at a time; it advertises whenever it has none."""

    def __init__(self, host: Host, bonds: BondFile) -> None:
        self._host = host
        self._bonds = bonds
        self._connections = Events[Connection](host.lost)
        host.device.pairing_config_factory = lambda _connection: bonds.pairing()
        host.device.on(host.device.EVENT_CONNECTION, self._connections.put)

    @asynccontextmanager
    async def link(self) -> AsyncIterator[Link]:
        """Wait until a bike connects, and prepare the link. Raises :class:`LinkError`."""
        connection = await self._connected()
        heard = Events[bytes](self._host.lost)
        connection.on(connection.EVENT_DISCONNECTION, heard.end)
        try:
            with _translated("a bike connected, but"):
                async with asyncio.timeout(READY_S):
                    link = await self._prepare(connection, heard)
            yield link
        finally:
            if self._is_up(connection):
                with suppress(BaseBumbleError, TimeoutError):
                    async with asyncio.timeout(GOODBYE_S):
                        await connection.disconnect()

    def _is_up(self, connection: Connection) -> bool:
        return self._host.device.lookup_connection(connection.handle) is connection

    async def _connected(self) -> Connection:
        async for connection in self._connections:
            if self._is_up(connection):
                return connection
        raise RadioError("the Bluetooth controller is gone")

    async def _prepare(self, connection: Connection, heard: Events[bytes]) -> Link:
        is_bonded = await self._bonds.get(str(connection.peer_address)) is not None
        if self._bonds.has_bond and not is_bonded:
            raise LinkError(f"it is not the bike whose bond is in {self._bonds.path}")
        await self._secure(connection, is_bonded)
        peer = Peer(connection)
        mtu = await peer.request_mtu(MTU)
        data_length = await _lengthen(connection)
        await peer.subscribe(await _live_data(peer), heard.put)
        return Link(connection, heard, mtu, data_length, not is_bonded)

    async def _secure(self, connection: Connection, is_bonded: bool) -> None:
        """Wait until the link is encrypted by the bond, or the bond is made and kept."""
        secured = asyncio.get_running_loop().create_future()
        wanted, why = connection.EVENT_PAIRING, "pairing failed"
        if is_bonded:
            wanted = connection.EVENT_CONNECTION_ENCRYPTION_CHANGE
            why = f"it did not use its bond; to pair again, delete {self._bonds.path}"
        with _listening(connection, secured, wanted, why):
            if not (is_bonded and connection.is_encrypted):
                connection.request_pairing()
                await secured
        if not (connection.is_encrypted and connection.sc):
            raise LinkError("it offers no secure connection")


@asynccontextmanager
async def open_accessory(transport: str, bonds: BondFile) -> AsyncIterator[Accessory]:
    """Open a controller as an accessory. Raises :class:`RadioError`."""
    async with open_host(transport, _configuration(bonds), bonds) as host:
        accessory = Accessory(host, bonds)
        try:
            with _translated("advertising failed"):
                await host.device.start_advertising(auto_restart=True)
        except LinkError as error:
            raise RadioError(str(error)) from error
        yield accessory


async def _lengthen(connection: Connection) -> int | None:
    """Ask for long packets; return how long the bike's packets may be, None if nobody says."""
    changed = asyncio.Event()
    connection.on(connection.EVENT_CONNECTION_DATA_LENGTH_CHANGE, changed.set)
    try:
        await connection.set_data_length(DATA_LENGTH_MIN, DATA_LENGTH_TIME_US)
        async with asyncio.timeout(DATA_LENGTH_WAIT_S):
            while connection.data_length.max_rx_octets < DATA_LENGTH_MIN:
                changed.clear()
                await changed.wait()
    except (BaseBumbleError, TimeoutError):
        return None
    return connection.data_length.max_rx_octets


async def _live_data(peer: Peer) -> CharacteristicProxy[bytes]:
    for service in await peer.discover_service(UUID(SERVICE_UUID)):
        for found in await service.discover_characteristics([UUID(CHARACTERISTIC_UUID)]):
            return found
    raise LinkError("it offers no live data: does the bike have the live data interface?")


@contextmanager
def _listening(
    connection: Connection, done: asyncio.Future[None], wanted: str, why: str
) -> Iterator[None]:
    """Complete the future at the event ``wanted``; fail it if the link cannot be secured."""

    def succeed(*_: object) -> None:
        if not done.done():
            done.set_result(None)

    def fail(*_: object) -> None:
        if not done.done():
            done.set_exception(LinkError(why))

    listeners = {
        wanted: succeed,
        connection.EVENT_PAIRING_FAILURE: fail,
        connection.EVENT_CONNECTION_ENCRYPTION_FAILURE: fail,
        connection.EVENT_DISCONNECTION: fail,
    }
    for event, listener in listeners.items():
        connection.on(event, listener)
    try:
        yield
    finally:
        for event, listener in listeners.items():
            connection.remove_listener(event, listener)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except LinkError as error:
        raise LinkError(f"{what} {error}") from error
    except asyncio.CancelledError as error:
        if is_stopping():
            raise
        raise LinkError(f"{what} the link dropped") from error
    except (BaseBumbleError, OSError) as error:  # TimeoutError is an OSError
        reason = "no answer in time" if isinstance(error, TimeoutError) else str(error)
        raise LinkError(f"{what}: {reason or type(error).__name__}") from error


def _configuration(bonds: BondFile) -> DeviceConfiguration:
    solicited = AdvertisingData.Type.LIST_OF_128_BIT_SERVICE_SOLICITATION_UUIDS
    advertised = AdvertisingData(
        [
            (AdvertisingData.Type.FLAGS, FLAGS),
            (solicited, UUID(SERVICE_UUID).to_bytes()),
            (AdvertisingData.Type.APPEARANCE, CYCLING.to_bytes(2, "little")),
        ]
    )
    answer = AdvertisingData([(AdvertisingData.Type.COMPLETE_LOCAL_NAME, NAME.encode())])
    return DeviceConfiguration(
        name=NAME,
        address=bonds.address,
        irk=secrets.token_bytes(16),
        advertising_data=bytes(advertised),
        scan_response_data=bytes(answer),
        advertising_interval_min=ADVERTISING_MS,
        advertising_interval_max=ADVERTISING_MS,
    )
