"""Decodes the notifications of a sensor for cycling, for the bike that it is on. Pure.

How it works. A sensor may offer several services, each with its own notifications and counters.
The bike (``cycling_bike``) merges their values into samples.

Some systems deliver a notification twice, so one that repeats the last proves nothing. It counts
only if the sensor has repeated it for :data:`REPEATED_S`; then the bike stands, or rides steadily.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from device.sample import Sample
from device.sources.decoders.cycling import Counter, Kind, Measurement, decode
from device.sources.decoders.cycling_bike import CyclingBike, Origin
from device.sources.decoders.revolutions import Rate, Revolutions
from shared.errors import SourceError

SPEED_MAX_MPS = 30.0
CADENCE_MAX_HZ = 5.0
KMH_PER_MPS = 3.6
WHEEL_TICKS_PER_S = {Kind.CSC: 1024, Kind.POWER: 2048}
CRANK_TICKS_PER_S = 1024
DOUBLE_S = 0.1
REPEATED_S = 0.5
NO_WHEEL = (
    "the sensor counts turns of the wheel: set SPOKE_WHEEL_M to the wheel's circumference in m, "
    "such as 2.105"
)


class _Heard(NamedTuple):
    """The last notification of a kind, its time, and since when it repeats."""

    data: bytes
    at_s: float
    repeats_since_s: float | None = None


@dataclass(slots=True)
class CyclingSensor:
    """One connection to a sensor. A new connection needs a new one: counters may have changed.

    ``number`` is the sensor's place among those of the ``bike``.
    """

    wheel_m: float | None
    bike: CyclingBike = field(default_factory=CyclingBike)
    number: int = 0
    is_cut: bool = False
    """A notification was cut off: it was longer than the link's MTU allows."""
    _heard: dict[Kind, _Heard] = field(default_factory=dict)
    _wheels: dict[Kind, Revolutions] = field(default_factory=dict)
    _cranks: dict[Kind, Revolutions] = field(default_factory=dict)

    def take(self, kind: Kind, data: bytes, now_s: float) -> Sample | None:
        """Take a notification; return the sample that it completes, if it does.

        Raises :class:`BadMessage` for an unusable notification, and :class:`SourceError` if the
        size of the wheel is needed and not known.
        """
        if not self._is_news(kind, data, now_s):
            return None
        measurement = decode(kind, data)
        self.is_cut = self.is_cut or measurement.is_cut
        speed = self._speed(kind, measurement, now_s)
        others = self._others(kind, measurement, now_s)
        return self.bike.take(Origin(self.number, kind), speed, others, now_s)

    def _is_news(self, kind: Kind, data: bytes, now_s: float) -> bool:
        last = self._heard.get(kind)
        if last is None or last.data != data:
            self._heard[kind] = _Heard(data, now_s)
            return True
        if now_s - last.at_s < DOUBLE_S:
            return False
        since_s = now_s if last.repeats_since_s is None else last.repeats_since_s
        self._heard[kind] = _Heard(data, now_s, since_s)
        return now_s - since_s >= REPEATED_S

    def _others(self, kind: Kind, got: Measurement, now_s: float) -> Iterator[tuple[str, float]]:
        """Yield the values that were measured beside the speed."""
        cadence = got.cadence_rpm
        if got.crank is not None:
            cadence = self._cadence(kind, got.crank, now_s)
        if cadence is not None:
            yield "cadence_rpm", cadence
        if got.power_w is not None:
            yield "power_w", got.power_w
        if got.heart_rate_bpm is not None:
            yield "heart_rate_bpm", got.heart_rate_bpm

    def _cadence(self, kind: Kind, crank: Counter, now_s: float) -> float | None:
        if kind not in self._cranks:
            self._cranks[kind] = Revolutions(16, CRANK_TICKS_PER_S, CADENCE_MAX_HZ)
        rate = self._cranks[kind].take(crank, now_s)
        return round(rate.hz * 60, 1) if rate.is_new and rate.hz is not None else None

    def _speed(self, kind: Kind, got: Measurement, now_s: float) -> Rate | None:
        """Return the speed in km/h, if this notification is about the speed."""
        if got.speed_kmh is not None:
            return Rate(got.speed_kmh, is_new=True)
        if got.wheel is None:
            return None
        if self.wheel_m is None:
            raise SourceError(NO_WHEEL)
        if kind not in self._wheels:
            hz_max = SPEED_MAX_MPS / self.wheel_m
            self._wheels[kind] = Revolutions(32, WHEEL_TICKS_PER_S[kind], hz_max)
        rate = self._wheels[kind].take(got.wheel, now_s)
        if rate.hz is None:
            return rate
        return rate._replace(hz=rate.hz * self.wheel_m * KMH_PER_MPS)
