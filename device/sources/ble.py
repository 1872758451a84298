"""``ble:<name or address>``: a Bluetooth sensor for speed and cadence, power, or fitness machines.

How it works. A thread of its own searches for the sensor, connects, and decodes what it notifies
(``decoders/cycling_sensor.py``). If the link drops, it tries again after a pause that grows. The
search has no end, because a sensor sleeps while the bike stands.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, aclosing

from loguru import logger

from device.sources import SOURCES, Source
from device.sources.bluetooth import LinkError, Nearby, Radio, RadioError, pauses_s, radio_of
from device.sources.bluetooth.loop_thread import run_beside
from device.sources.decoders.cycling import Kind
from device.sources.decoders.cycling_sensor import CyclingSensor
from device.sources.handover import HandoverSource
from shared.decorators import registered
from shared.errors import BadMessage, SourceError
from shared.log_once import LogOnce
from shared.reading import MODEL_MAX
from shared.settings import Settings

SEARCH_REPORTED_S = 15.0
"""A sensor that is awake advertises several times in this time."""
WITHOUT_SPEED_MAX = 20
"""After so many notifications without a speed, the log reports that there is none."""


@registered(SOURCES, "ble")
def open_ble(settings: Settings, argument: str, bike: int) -> Source:
    """Follow the sensor that has this name or address; it feeds one bike."""
    if not argument:
        raise SourceError("name the sensor: ble:<name or address>; device.scan lists what is near")
    if settings.fleet_size > 1:
        raise SourceError("the source ble feeds one bike: leave SPOKE_FLEET_SIZE out")
    source = HandoverSource(0)
    follower = Follower(argument, settings.wheel_m, source)
    open_radio = radio_of(settings.ble_transport)
    run_beside(source, "ble", lambda: follower.follow(open_radio))
    return source


class Follower:
    """Keeps a connection to one sensor, and hands over what it measures."""

    def __init__(self, wanted: str, wheel_m: float | None, source: HandoverSource) -> None:
        self._wanted = wanted
        self._wheel_m = wheel_m
        self._source = source
        self._has_opened = False
        self._is_reported = False
        self._pauses_s = pauses_s()
        self._without_speed = 0
        self._once = LogOnce()

    async def follow(self, open_radio: Callable[[], AbstractAsyncContextManager[Radio]]) -> None:
        """Follow the sensor until cancelled; reopen Bluetooth when it fails.

        Raises SourceError if Bluetooth cannot be used from the start.
        """
        while True:
            try:
                async with open_radio() as radio:
                    self._has_opened = True
                    await self._use(radio)
            except RadioError as error:
                if not self._has_opened:
                    raise SourceError(str(error)) from error
                await self._pause(error)

    async def _use(self, radio: Radio) -> None:
        """Connect again and again, until Bluetooth itself fails."""
        while True:
            try:
                await self._follow_link(radio, await self._find(radio))
            except RadioError:
                raise
            except LinkError as error:
                await self._pause(error)

    async def _find(self, radio: Radio) -> Nearby:
        """Search until the sensor is found."""
        report = asyncio.get_running_loop().call_later(SEARCH_REPORTED_S, self._report_search)
        try:
            async with aclosing(radio.find()) as found:
                async for nearby in found:
                    if is_wanted(nearby, self._wanted):
                        return nearby
            raise LinkError("the search ended")
        finally:
            report.cancel()

    async def _follow_link(self, radio: Radio, nearby: Nearby) -> None:
        """Take the notifications of the sensor until the link ends, which raises LinkError."""
        sensor, is_first = CyclingSensor(self._wheel_m), True
        async with aclosing(radio.notifications(nearby)) as notifications:
            async for kind, data in notifications:
                if is_first:
                    self._begin(nearby)
                    is_first = False
                self._take(sensor, kind, data)

    def _begin(self, nearby: Nearby) -> None:
        self._is_reported, self._pauses_s = False, pauses_s()
        self._source.model = (nearby.name or nearby.address)[:MODEL_MAX]
        logger.info("sensor_connected", sensor=nearby.name, address=nearby.address)

    def _take(self, sensor: CyclingSensor, kind: Kind, data: bytes) -> None:
        try:
            sample = sensor.take(kind, data, time.monotonic())
        except BadMessage as error:
            if self._once.is_first(error.reason):
                logger.warning("notification_left_out", sensor=self._wanted, why=str(error))
            return
        if sample is not None:
            self._source.put(sample)
        if sensor.is_cut and self._once.is_first("cut"):
            logger.warning("notifications_cut", sensor=self._wanted, why="the MTU is too small")
        self._without_speed = 0 if sample is not None else self._without_speed + 1
        if self._without_speed == WITHOUT_SPEED_MAX and self._once.is_first("no speed"):
            logger.warning("no_speed", sensor=self._wanted, why="the sensor notifies no speed")

    async def _pause(self, error: LinkError) -> None:
        """Report a failure, unless the last one has been, and wait."""
        if not self._is_reported:
            self._is_reported = True
            logger.warning("sensor_lost", sensor=self._wanted, why=str(error), then="trying again")
        await asyncio.sleep(next(self._pauses_s))

    def _report_search(self) -> None:
        if not self._is_reported:
            self._is_reported = True
            logger.warning("sensor_not_found", sensor=self._wanted, then="searching on")


def is_wanted(nearby: Nearby, wanted: str) -> bool:
    """Tell whether a device has this name or address, in any case of letters."""
    names = (nearby.address, nearby.name or "")
    return wanted.casefold() in (name.casefold() for name in names)
