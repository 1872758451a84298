"""A Bosch bike as a Bluetooth central, on a controller of our own.

How it works. The bike looks for an accessory that solicits the live data service and connects to
it. When the accessory asks for encryption, the bike uses the bond of an earlier link, or pairs. It
notifies while the link is encrypted and the accessory has subscribed.
"""

import asyncio
import secrets
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import suppress
from itertools import cycle
from random import Random

from bumble.core import UUID, AdvertisingData, BaseBumbleError
from bumble.device import Advertisement, Connection, Device, DeviceConfiguration
from bumble.gatt import Characteristic, Service
from bumble.hci import Address
from bumble.keys import MemoryKeyStore
from bumble.pairing import PairingConfig, PairingDelegate

from device.emulate import Emulation, Truth
from device.emulate.bluetooth.running import disconnect_all, is_due
from device.emulate.bosch_bike import Moment, Setup, Speaker
from device.sources.bluetooth.bumble_host import open_host
from device.sources.bluetooth.events import Events
from device.sources.decoders.bosch import CHARACTERISTIC_UUID, SERVICE_UUID

NAME = "smart system eBike"
OTHER_SERVICE, OTHER_CHARACTERISTIC = (
    uuid.replace("0000eb2", "0000001", 1) for uuid in (SERVICE_UUID, CHARACTERISTIC_UUID)
)
"""A service that speaks another protocol, with a characteristic that notifies too."""
SOLICITED = AdvertisingData.Type.LIST_OF_128_BIT_SERVICE_SOLICITATION_UUIDS
CONNECT_S = 15.0


async def pose(emulation: Emulation, setup: Setup, ride: Iterator[Moment], stream: Random) -> None:
    """Notify until the emulation is to stop. Raises :class:`RadioError`."""
    options = emulation.options
    async with open_host(options.transport, _configuration(), MemoryKeyStore()) as host:
        bike = Bike(host.device, emulation.truth, options, setup, stream)
        linking = asyncio.create_task(bike.keep_linked())
        try:
            for moment in ride:
                if not await is_due(bike.began_s + moment.at_s, emulation, host):
                    break
                await bike.notify(moment)
        finally:
            linking.cancel()
            await disconnect_all(host.device)


class Bike:
    """The bike's side of one link after the other."""

    def __init__(
        self, device: Device, truth: Truth, options: Namespace, setup: Setup, stream: Random
    ) -> None:
        self._device, self._truth, self._options = device, truth, options
        self._setup, self._stream = setup, stream
        self._link: Connection | None = None
        self._speaker: Speaker | None = None
        self._since_s = 0.0
        self.began_s = time.monotonic()
        self._mtus = cycle(options.mtu)
        self._asked = Events[int]()
        device.on(device.EVENT_CONNECTION, self._listen)
        device.pairing_config_factory = lambda _connection: _pairing()
        self._live = _characteristic(CHARACTERISTIC_UUID)
        other = _characteristic(OTHER_CHARACTERISTIC)
        device.add_service(Service(UUID(OTHER_SERVICE), [other]))
        device.add_service(Service(UUID(SERVICE_UUID), [self._live]))

    async def keep_linked(self) -> None:
        """Look for the accessory and stay connected to it, again and again."""
        while True:
            address = await self._find()
            with suppress(BaseBumbleError, TimeoutError):
                await self._stay(await self._device.connect(address, timeout=CONNECT_S))

    async def notify(self, moment: Moment) -> None:
        """Send a moment if somebody has subscribed, or drop the link if it is time to."""
        link = self._link
        if link is None or not (link.is_encrypted and self._is_subscribed(link)):
            return
        if self._speaker is None:
            self._speaker, self._since_s = Speaker(self._setup, self._stream), moment.at_s
        if self._options.drop and moment.at_s - self._since_s >= self._options.drop:
            self._link = None
            await disconnect_all(self._device)
            return
        message = self._speaker.say(moment)
        self._truth.tell(moment.at_s, moment.values)
        for _ in range(2 if self._stream.random() < self._options.doubled else 1):
            await self._device.notify_subscribers(self._live, message)

    async def _find(self) -> Address:
        heard, device = Events[Advertisement](), self._device
        device.on(device.EVENT_ADVERTISEMENT, heard.put)
        try:
            await device.start_scanning()
            async for advertisement in heard:
                if UUID(SERVICE_UUID).to_bytes() in advertisement.data.get_all(SOLICITED, raw=True):
                    return advertisement.address
            raise AssertionError("advertisements do not end")
        finally:
            device.remove_listener(device.EVENT_ADVERTISEMENT, heard.put)
            await device.stop_scanning()

    def _listen(self, link: Connection) -> None:
        """Listen to the accessory at once: it may ask before anybody waits for the link."""
        self._asked = Events[int]()
        link.on(link.EVENT_SECURITY_REQUEST, self._asked.put)
        link.on(link.EVENT_DISCONNECTION, self._asked.end)

    async def _stay(self, link: Connection) -> None:
        """Secure the link whenever the accessory asks, until the link ends."""
        self._speaker, self._link = None, link
        self._device.gatt_server.max_mtu = next(self._mtus)
        try:
            async for _ in self._asked:
                await self._secure(link)
        finally:
            self._link = None

    async def _secure(self, link: Connection) -> None:
        assert self._device.keystore is not None
        if await self._device.keystore.get(str(link.peer_address)) is not None:
            await link.encrypt()
            told = "bonded"
        else:
            await link.pair()
            told = "paired"
        self._truth.tell(
            time.monotonic() - self.began_s, {"link": told, "mtu": self._device.gatt_server.max_mtu}
        )

    def _is_subscribed(self, link: Connection) -> bool:
        return any(self._device.gatt_server.subscribers.get(link, {}).values())


def _pairing() -> PairingConfig:
    """Pair without a code. The accessory's address stays, so no key to resolve it is asked for."""
    wanted = PairingDelegate.KeyDistribution.DISTRIBUTE_ENCRYPTION_KEY
    return PairingConfig(
        mitm=False,
        delegate=PairingDelegate(local_responder_key_distribution=wanted),
        identity_address_type=PairingConfig.AddressType.RANDOM,
    )


def _characteristic(uuid: str) -> Characteristic[bytes]:
    read, notify = Characteristic.Properties.READ, Characteristic.Properties.NOTIFY
    secured = Characteristic.READABLE | Characteristic.READ_REQUIRES_ENCRYPTION
    return Characteristic[bytes](UUID(uuid), read | notify, secured, b"")


def _configuration() -> DeviceConfiguration:
    return DeviceConfiguration(
        name=NAME, address=Address.generate_static_address(), irk=secrets.token_bytes(16)
    )
