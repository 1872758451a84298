"""``ble:<name or address>``: Bluetooth sensors for speed and cadence, power, or fitness machines.

How it works. A thread of its own searches for the sensor, connects, and decodes what it notifies
(``decoders/cycling_sensor.py``). If the link drops, it tries again after a pause that grows. The
search has no end, because a sensor sleeps while the bike stands.

``ble:<one>,<other>`` follows several sensors of one bike, and ``decoders/cycling_bike.py`` merges
their values. They take turns to search and connect, because many controllers cannot do both at the
same time. A turn is short, so that a sensor that sleeps does not keep the others out.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, suppress
from typing import Any

from loguru import logger

from device.sample import Sample
from device.sources import SOURCES, Source
from device.sources.bluetooth import LinkError, Nearby, Radio, RadioError, pauses_s, radio_of
from device.sources.bluetooth.loop_thread import run_beside
from device.sources.decoders.cycling import Kind
from device.sources.decoders.cycling_bike import CyclingBike
from device.sources.decoders.cycling_sensor import CyclingSensor
from device.sources.handover import HandoverSource
from shared.decorators import registered
from shared.errors import BadMessage, SourceError
from shared.log_once import LogOnce
from shared.reading import MODEL_MAX
from shared.settings import Settings

SEARCH_REPORTED_S = 15.0
"""A sensor that is awake advertises several times in this time."""
TURN_S = 5.0
"""How long one of several sensors is searched for, before the others have their turns."""
WITHOUT_SPEED_MAX = 20
"""After so many notifications without a speed, the log reports that there is none."""


@registered(SOURCES, "ble")
def open_ble(settings: Settings, argument: str, bike: int) -> Source:
    """Follow the sensors that have these names or addresses; they feed one bike."""
    sensors = [name.strip() for name in argument.split(",")]
    if not all(sensors):
        raise SourceError(
            "name the sensor: ble:<name or address>, or several, separated by commas; "
            "device.scan lists what is near"
        )
    if settings.fleet_size > 1:
        raise SourceError("the source ble feeds one bike: leave SPOKE_FLEET_SIZE out")
    source = HandoverSource(0, " + ".join(sensors)[:MODEL_MAX] if len(sensors) > 1 else None)
    merged = MergedBike(settings.wheel_m, source)
    followers = [Follower(number, name, merged) for number, name in enumerate(sensors)]
    open_radio = radio_of(settings.ble_transport)
    run_beside(source, "ble", lambda: follow_all(followers, merged, open_radio))
    return source


class MergedBike:
    """The bike that the sensors are on: hands over what they measure together."""

    def __init__(self, wheel_m: float | None, source: HandoverSource) -> None:
        self.turn = asyncio.Lock()
        """Held by the sensor that is searched for or connected."""
        self.pauses_s = pauses_s()
        """The pauses before Bluetooth is opened again."""
        self._wheel_m = wheel_m
        self._source = source
        self._values = CyclingBike()
        self._without_speed = 0
        self._once = LogOnce()

    def begin(self, number: int, name: str) -> CyclingSensor:
        """Return the decoder of a link that notifies."""
        self.pauses_s = pauses_s()
        self._source.model = self._source.model or name[:MODEL_MAX]
        return CyclingSensor(self._wheel_m, self._values, number)

    def put(self, sample: Sample | None) -> None:
        """Hand over the sample of a notification; report when none has come for long."""
        self._without_speed = 0 if sample is not None else self._without_speed + 1
        if sample is not None:
            self._source.put(sample)
        elif self._without_speed == WITHOUT_SPEED_MAX and self._once.is_first("no speed"):
            logger.warning("no_speed", bike=self._source.model, why="no sensor notifies a speed")


class Follower:
    """Keeps a connection to one sensor, and hands over what it measures."""

    def __init__(self, number: int, wanted: str, merged: MergedBike) -> None:
        self._number = number
        self._wanted = wanted
        self._merged = merged
        self._is_reported = False
        self._pauses_s = pauses_s()
        self._once = LogOnce()

    async def follow(self, radio: Radio) -> None:
        """Connect again and again, until Bluetooth itself fails, which raises RadioError."""
        while True:
            try:
                async with AsyncExitStack() as stack:
                    nearby, heard = await self._connect(radio, stack)
                    await self._listen(nearby, heard)
            except LinkError as error:
                self._report("sensor_lost", why=str(error), then="trying again")
                if isinstance(error, RadioError):
                    raise
                await asyncio.sleep(next(self._pauses_s))

    async def _connect(
        self, radio: Radio, stack: AsyncExitStack
    ) -> tuple[Nearby, AsyncIterator[tuple[Kind, bytes]]]:
        """Search until the sensor is found, and open a link to it that lasts as the stack."""
        report = asyncio.get_running_loop().call_later(
            SEARCH_REPORTED_S, lambda: self._report("sensor_not_found", then="searching on")
        )
        try:
            while True:
                async with self._merged.turn:
                    nearby = await self._find(radio)
                    if nearby is not None:
                        report.cancel()
                        return nearby, await stack.enter_async_context(radio.link(nearby))
        finally:
            report.cancel()

    async def _find(self, radio: Radio) -> Nearby | None:
        """Search until the sensor is found, or its turn is over."""
        with suppress(TimeoutError):
            async with aclosing(radio.find()) as found, asyncio.timeout(TURN_S):
                async for nearby in found:
                    if is_wanted(nearby, self._wanted):
                        return nearby
                raise LinkError("the search ended")
        return None

    async def _listen(self, nearby: Nearby, heard: AsyncIterator[tuple[Kind, bytes]]) -> None:
        """Take the notifications of the sensor until the link ends."""
        sensor = None
        async for kind, data in heard:
            sensor = sensor or self._begin(nearby)
            self._take(sensor, kind, data)

    def _begin(self, nearby: Nearby) -> CyclingSensor:
        self._is_reported, self._pauses_s = False, pauses_s()
        logger.info("sensor_connected", sensor=nearby.name, address=nearby.address)
        return self._merged.begin(self._number, nearby.label)

    def _take(self, sensor: CyclingSensor, kind: Kind, data: bytes) -> None:
        try:
            self._merged.put(sensor.take(kind, data, time.monotonic()))
        except BadMessage as error:
            if self._once.is_first(error.reason):
                logger.warning("notification_left_out", sensor=self._wanted, why=str(error))
            return
        if sensor.is_cut and self._once.is_first("cut"):
            logger.warning("notifications_cut", sensor=self._wanted, why="the MTU is too small")

    def _report(self, event: str, **details: str) -> None:
        """Log a failure, unless one has been logged since the sensor was connected."""
        if not self._is_reported:
            self._is_reported = True
            logger.warning(event, sensor=self._wanted, **details)


async def follow_all(
    followers: Sequence[Follower],
    merged: MergedBike,
    open_radio: Callable[[], AbstractAsyncContextManager[Radio]],
) -> None:
    """Follow the sensors until cancelled; reopen Bluetooth when it fails.

    Raises SourceError if Bluetooth cannot be used from the start.
    """
    has_opened = False
    while True:
        try:
            async with open_radio() as radio:
                has_opened = True
                await _until_one_fails([follower.follow(radio) for follower in followers])
        except RadioError as error:
            if not has_opened:
                raise SourceError(str(error)) from error
            await asyncio.sleep(next(merged.pauses_s))


async def _until_one_fails(works: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run all at the same time; if one fails, end the others and raise its error."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def is_wanted(nearby: Nearby, wanted: str) -> bool:
    """Tell whether a device has this name or address, in any case of letters."""
    names = (nearby.address, nearby.label)
    return wanted.casefold() in (name.casefold() for name in names)
