"""A backend of bleak over a bumble controller, where there is no system's Bluetooth."""

from collections.abc import Callable
from typing import Any, ClassVar

from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.uuids import normalize_uuid_16, normalize_uuid_str
from bumble.device import Advertisement, Connection, Device, Peer

from device.sources.bluetooth.bumble_radio import nearby_of


def backends(device: Device) -> tuple[type["Scanner"], type["Client"]]:
    """Return a scanner and a client that use this controller."""
    attributes = {"device": device}
    return type("Scanner", (Scanner,), attributes), type("Client", (Client,), attributes)


class Scanner(BaseBleakScanner):
    device: ClassVar[Device]

    def __init__(self, callback: Any, uuids: Any, _mode: Any, **_options: Any) -> None:
        super().__init__(callback, uuids)

    async def start(self) -> None:
        self.device.on(self.device.EVENT_ADVERTISEMENT, self._hear)
        await self.device.start_scanning()

    async def stop(self) -> None:
        self.device.remove_listener(self.device.EVENT_ADVERTISEMENT, self._hear)
        await self.device.stop_scanning()

    def _hear(self, heard: Advertisement) -> None:
        found = nearby_of(heard)
        uuids = [normalize_uuid_16(kind.service) for kind in found.kinds]
        data = AdvertisementData(found.name, {}, {}, uuids, None, heard.rssi, ())
        address = found.address
        one = self.create_or_update_device(address, address, found.name, found.handle, data)
        self.call_detection_callbacks(one, data)


class Client(BaseBleakClient):
    device: ClassVar[Device]
    mtu_size = 23
    is_connected = False
    _connection: Connection
    _peer: Peer

    def __init__(self, address_or_ble_device: Any, **options: Any) -> None:
        super().__init__(address_or_ble_device, **options)
        self._handle = address_or_ble_device.details

    async def connect(self, pair: bool, **_options: Any) -> None:
        self._connection = await self.device.connect(self._handle)
        self._connection.on("disconnection", self._lose)
        self._peer = Peer(self._connection)
        await self._peer.discover_services()
        self.is_connected, self.services = True, BleakGATTServiceCollection()
        for found in self._peer.services:
            service = BleakGATTService(found, found.handle, uuid_of(found))
            self.services.add_service(service)
            for one in await found.discover_characteristics():
                self.services.add_characteristic(
                    BleakGATTCharacteristic(
                        one, one.handle, uuid_of(one), ["notify"], lambda: 20, service
                    )
                )

    async def disconnect(self) -> None:
        if self.is_connected:
            await self._connection.disconnect()

    async def start_notify(
        self,
        characteristic: BleakGATTCharacteristic,
        callback: Callable[[bytearray], None],
        **_options: Any,
    ) -> None:
        await self._peer.subscribe(characteristic.obj, lambda data: callback(bytearray(data)))

    def _lose(self, _reason: object) -> None:
        self.is_connected = False
        if self._disconnected_callback:
            self._disconnected_callback()

    async def refuse(self, *_arguments: Any, **_options: Any) -> Any:
        raise NotImplementedError

    pair = unpair = stop_notify = refuse
    read_gatt_char = read_gatt_descriptor = write_gatt_char = write_gatt_descriptor = refuse


def uuid_of(one: Any) -> str:
    return normalize_uuid_str(one.uuid.to_hex_str("-"))
