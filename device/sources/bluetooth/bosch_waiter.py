"""Waits for a Bosch bike, link after link, and hands over what it says.

If a link drops that gave samples, the waiter waits for the bike again at once. After a link that
gave none, it pauses first, longer each time.
"""

import asyncio
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from loguru import logger

from device.sources.bluetooth import LinkError, RadioError, pauses_s
from device.sources.bluetooth.bonds import BondFile
from device.sources.bluetooth.bosch_accessory import Accessory, Link, open_accessory
from device.sources.decoders.bosch import (
    ATT_HEADER_BYTES,
    DATA_LENGTH_MIN,
    MTU_MIN,
    PRESENT_S,
    LiveBike,
)
from device.sources.handover import HandoverSource
from shared.errors import BadMessage, SourceError
from shared.log_once import LogOnce


class Waiter:
    """Waits for one bike again and again, and hands over what it says."""

    def __init__(self, transport: str, bond_path: Path, source: HandoverSource) -> None:
        self._transport = transport
        self._bonds = BondFile(bond_path)
        self._source = source
        self._has_opened = False
        self._is_reported = False
        self._pauses_s: Iterator[float] = pauses_s()

    async def follow(self) -> None:
        """Wait for the bike until cancelled; reopen the controller when it fails.

        Raises SourceError if the controller cannot be used from the start.
        """
        while True:
            try:
                async with open_accessory(self._transport, self._bonds) as accessory:
                    self._has_opened = True
                    logger.info("waiting_for_bike", bonded=self._bonds.has_bond)
                    await self._use(accessory)
            except RadioError as error:
                if not self._has_opened:
                    raise SourceError(str(error)) from error
                await self._pause(error)

    async def _use(self, accessory: Accessory) -> None:
        """Take one link after the other, until the controller itself fails."""
        while True:
            try:
                async with accessory.link() as link:
                    await self._listen(link)
            except RadioError:
                raise
            except LinkError as error:
                await self._pause(error)

    async def _listen(self, link: Link) -> None:
        """Take the notifications of the bike until the link ends, which raises LinkError."""
        self._report(link)
        bike, once, is_silent = LiveBike(link.mtu - ATT_HEADER_BYTES), LogOnce(), False
        while True:
            try:
                async with asyncio.timeout(PRESENT_S):
                    data = await anext(link.heard)
            except TimeoutError:
                if not is_silent:
                    logger.info("bike_silent", why=f"nothing heard for {PRESENT_S:.0f} s")
                is_silent = True
                continue
            except StopAsyncIteration:
                raise LinkError("the link dropped") from None
            is_silent = False
            self._take(bike, once, data)

    def _take(self, bike: LiveBike, once: LogOnce, data: bytes) -> None:
        try:
            sample = bike.take(data, time.monotonic())
        except BadMessage as error:
            if once.is_first(error.reason):
                logger.warning("notification_left_out", why=str(error))
            return
        if sample is not None:
            self._is_reported, self._pauses_s = False, chain([0.0], pauses_s())
            self._source.put(sample)

    def _report(self, link: Link) -> None:
        logger.info(
            "bike_connected",
            address=link.address,
            bond="new" if link.is_newly_paired else "kept",
            mtu=link.mtu,
            data_length=link.data_length or "unknown",
        )
        if link.mtu < MTU_MIN:
            logger.warning("link_too_small", mtu=link.mtu, needed=MTU_MIN)
        if link.data_length is None:
            logger.warning("data_length_not_confirmed", needed=DATA_LENGTH_MIN)

    async def _pause(self, error: LinkError) -> None:
        """Report a failure, unless the last one has been, and wait."""
        if not self._is_reported:
            self._is_reported = True
            logger.warning("bike_lost", why=str(error), then="waiting for it again")
        await asyncio.sleep(next(self._pauses_s))
