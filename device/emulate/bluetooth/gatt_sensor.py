"""A sensor for cycling as a Bluetooth peripheral, on a controller of our own."""

import time
from argparse import Namespace
from collections.abc import Iterator

from bumble.core import UUID, AdvertisingData
from bumble.device import Device, DeviceConfiguration
from bumble.gatt import Characteristic, Service
from bumble.hci import Address

from device.emulate import Emulation
from device.emulate.bluetooth.running import disconnect_all, is_due
from device.emulate.cycling_sensor import Delivery
from device.sources.bluetooth.bumble_host import open_host
from device.sources.decoders.cycling import Kind
from shared.console import tell

FEATURES = {
    Kind.CSC: (0x2A5C, bytes([3, 0])),  # wheel, crank
    Kind.POWER: (0x2A65, bytes([12, 0, 0, 0])),  # wheel, crank
    Kind.FTMS: (0x2ACC, bytes([2, 64, 0, 0, 0, 0, 0, 0])),  # cadence, power
}
"""The characteristic that says what a sensor can measure, and its value."""
COUNTER_BITS = {"wheel": 0b0101, "crank": 0b1010}
"""The bits of that value, for speed and cadence and for power, that announce a counter."""
FLAGS = bytes([6])  # general discoverable, no BR/EDR
ADVERTISING_MS = 100


async def pose(emulation: Emulation, kind: Kind, deliveries: Iterator[Delivery]) -> None:
    """Notify until the emulation is to stop. Raises :class:`RadioError`."""
    options = emulation.options
    async with open_host(options.transport, _configuration(options, kind)) as host:
        device = host.device
        device.gatt_server.max_mtu = options.mtu
        measurement = _add_service(device, kind, getattr(options, "only", None))
        await device.start_advertising(auto_restart=True)
        tell(f"{options.name} advertises at {device.random_address}\n")
        began_s = time.monotonic()
        for delivery in deliveries:
            if not await is_due(began_s + delivery.at_s, emulation, host):
                break
            if not delivery.notifications:
                await disconnect_all(device)
            elif any(device.gatt_server.subscribers.values()):
                emulation.truth.tell(delivery.at_s, delivery.truth)
                for data in delivery.notifications:
                    await device.notify_subscribers(measurement, data)
        await disconnect_all(device)


def _add_service(device: Device, kind: Kind, only: str | None) -> Characteristic[bytes]:
    uuid, features = FEATURES[kind]
    if only is not None:
        features = bytes([features[0] & COUNTER_BITS[only], *features[1:]])
    read, notify = Characteristic.Properties.READ, Characteristic.Properties.NOTIFY
    feature = Characteristic(UUID.from_16_bits(uuid), read, Characteristic.READABLE, features)
    measurement = Characteristic[bytes](
        UUID.from_16_bits(kind.characteristic), notify, Characteristic.Permissions(0), b""
    )
    device.add_service(Service(UUID.from_16_bits(kind.service), [feature, measurement]))
    return measurement


def _configuration(options: Namespace, kind: Kind) -> DeviceConfiguration:
    address = Address(options.address) if options.address else Address.generate_static_address()
    advertised = AdvertisingData(
        [
            (AdvertisingData.Type.FLAGS, FLAGS),
            (
                AdvertisingData.Type.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
                kind.service.to_bytes(2, "little"),
            ),
            (AdvertisingData.Type.COMPLETE_LOCAL_NAME, options.name.encode()),
        ]
    )
    return DeviceConfiguration(
        name=options.name,
        address=address,
        advertising_data=bytes(advertised),
        advertising_interval_min=ADVERTISING_MS,
        advertising_interval_max=ADVERTISING_MS,
    )
