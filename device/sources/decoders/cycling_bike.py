"""Merges what the sensors of one bike measure into samples. Pure.

How it works. Several sensors of a bike, and several services of a sensor, may give the same value.
The first that gives it owns it until it has been silent for :data:`VALUE_AGE_MAX_S`, and the values
of the others are ignored. But a sensor that the setting names earlier takes a value over at once.

A sample is made when the owner of the speed notifies. It has the speed and the other values that
are not older than :data:`VALUE_AGE_MAX_S`. Values of the sensor that gives the speed appear in one
sample. Other sensors notify at times of their own, so their last values stay for that time.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from device.sample import Sample
from device.sources.decoders.cycling import Kind
from device.sources.decoders.revolutions import Rate

VALUE_AGE_MAX_S = 5.0
"""Longer than the 3 to 4.8 s between the values of the slowest sensors."""


class Origin(NamedTuple):
    """A sensor, by its place in the setting, and the service that notifies."""

    sensor: int
    kind: Kind


class _Value(NamedTuple):
    """The last value of a key; ``is_new`` until a sample has it."""

    value: float
    at_s: float
    sensor: int
    is_new: bool = True


@dataclass(slots=True)
class CyclingBike:
    """The newest values of a bike, and where they come from."""

    _owners: dict[str, tuple[Origin, float]] = field(default_factory=dict)
    _values: dict[str, _Value] = field(default_factory=dict)

    def take(
        self,
        origin: Origin,
        speed: Rate | None,
        others: Iterable[tuple[str, float]],
        now_s: float,
    ) -> Sample | None:
        """Take the values of a notification; return the sample that it completes, if it does.

        ``speed`` is in km/h, and None if the notification is not about the speed.
        """
        for key, value in others:
            if self._owns(origin, key, now_s):
                self._values[key] = _Value(value, now_s, origin.sensor)
        if speed is None or not self._owns(origin, "speed_kmh", now_s):
            return None
        return self._sample(origin.sensor, speed, now_s)

    def _owns(self, origin: Origin, key: str, now_s: float) -> bool:
        owner, at_s = self._owners.get(key, (origin, now_s))
        is_current = now_s - at_s <= VALUE_AGE_MAX_S
        if owner != origin and is_current and origin.sensor >= owner.sensor:
            return False
        self._owners[key] = origin, now_s
        return True

    def _sample(self, sensor: int, speed: Rate, now_s: float) -> Sample | None:
        values = {
            key: last for key, last in self._values.items() if now_s - last.at_s <= VALUE_AGE_MAX_S
        }
        is_new = speed.is_new or any(last.is_new for last in values.values())
        if speed.hz is None or not is_new:
            return None
        self._values = {
            key: last._replace(is_new=False)
            for key, last in values.items()
            if last.sensor != sensor
        }
        return Sample(None, round(speed.hz, 2), {key: last.value for key, last in values.items()})
