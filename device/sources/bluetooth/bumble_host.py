"""A Bluetooth controller that this process drives itself, by the library bumble."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bumble.core import BaseBumbleError
from bumble.device import Device, DeviceConfiguration
from bumble.hci import Address
from bumble.keys import KeyStore
from bumble.transport import open_transport
from bumble.transport.common import Transport

from device.sources.bluetooth import RadioError

START_S = 10.0
logging.getLogger("bumble").setLevel(logging.CRITICAL)  # its failures also come as exceptions


@dataclass(frozen=True, slots=True)
class Host:
    """A running controller. ``lost`` is done when its transport ends."""

    device: Device
    lost: asyncio.Future[None]


def is_stopping() -> bool:
    """Tell in a handler of CancelledError whether this task is being stopped.

    If not, bumble cancelled the request that the task waits for, because the link dropped.
    """
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


@asynccontextmanager
async def open_host(
    transport: str,
    configuration: DeviceConfiguration | None = None,
    keystore: KeyStore | None = None,
) -> AsyncIterator[Host]:
    """Open a controller by its bumble transport and start it, until the block ends.

    Without a configuration it is a client with a random address, and without a store it forgets
    its bonds at the end. Raises :class:`RadioError`.
    """
    opened = await _open(transport)
    try:
        settings = configuration or client_configuration()
        device = Device.from_config_with_hci(settings, opened.source, opened.sink)
        device.keystore = keystore
        await _start(device, transport)
        yield Host(device, opened.source.terminated)
    finally:
        await opened.close()


def client_configuration() -> DeviceConfiguration:
    """Configure a client: a name for peers that ask, and an address drawn at random."""
    return DeviceConfiguration(name="Spoke", address=Address.generate_static_address())


async def _open(transport: str) -> Transport:
    try:
        async with asyncio.timeout(START_S):
            return await open_transport(transport)
    except Exception as error:  # the library raises errors of all kinds, even AssertionError
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise RadioError(
            f"the Bluetooth transport {transport} cannot be opened ({reason}): "
            "connect the controller, or name another one"
        ) from error


async def _start(device: Device, transport: str) -> None:
    try:
        async with asyncio.timeout(START_S):
            await device.power_on()
    except TimeoutError as error:
        raise RadioError(f"the controller at {transport} does not answer") from error
    except (BaseBumbleError, OSError) as error:
        raise RadioError(f"the controller at {transport} cannot be started: {error}") from error
