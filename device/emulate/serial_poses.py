"""The simulator as hardware at a serial port: its answers and its messages."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol

from device.ride import PACK_EMPTY_V, PACK_FULL_V
from device.sample import Sample
from device.sources.decoders import bafang, nmea, vesc

CONTROLLER_C = 41.3
MOTOR_C = 48.7
START = datetime(2026, 6, 1, 23, 50, tzinfo=UTC)
"""The receiver's clock at the start of the ride: soon a new day begins."""
HOME = (52.0, -0.1)
"""The ride leads to the north along a meridian, across no special place."""
METRES_PER_DEGREE = 111_320.0


class Spoken(NamedTuple):
    """A frame, and the values in it: the truth."""

    frame: bytes
    values: Mapping[str, Any]


class Pose(Protocol):
    """Speaks as one kind of device. Times are seconds since the start of the ride."""

    interval_s: float
    """The time between two speeches of its own; 0 for a device that only answers."""

    def answer(self, data: bytes, ride: Sample) -> list[Spoken]:
        """Return the answers to bytes that arrived."""

    def speak(self, at_s: float, ride: Sample) -> list[Spoken]:
        """Return what the device sends by itself."""


@dataclass(slots=True)
class VescPose:
    """A VESC controller with a hub motor."""

    drive: vesc.Drive
    interval_s: float = 0.0
    _buffer: bytes = b""

    def answer(self, data: bytes, ride: Sample) -> list[Spoken]:
        payloads, self._buffer = vesc.split(self._buffer + data, Counter())
        return [self._values(ride) for payload in payloads if payload == vesc.REQUEST]

    def speak(self, at_s: float, ride: Sample) -> list[Spoken]:
        return []

    def _values(self, ride: Sample) -> Spoken:
        power_w, charge = _number(ride, "motor_power_w"), _number(ride, "battery_pct") / 100
        voltage_v = PACK_EMPTY_V + (PACK_FULL_V - PACK_EMPTY_V) * charge
        celsius = {"controller_c": CONTROLLER_C, "motor_c": MOTOR_C}
        frame = vesc.encode_values(self.drive, ride.speed_kmh, power_w, voltage_v, celsius)
        extra = {"battery_v": voltage_v, **celsius}
        return Spoken(
            frame, {"speed_kmh": ride.speed_kmh, "motor_power_w": power_w, "extra": extra}
        )


@dataclass(slots=True)
class BafangPose:
    """A Bafang controller."""

    wheel_m: float
    interval_s: float = 0.0
    _buffer: bytes = b""

    def answer(self, data: bytes, ride: Sample) -> list[Spoken]:
        self._buffer += data
        spoken: list[Spoken] = []
        while len(self._buffer) > 1:
            question, self._buffer = self._buffer[:2], self._buffer[2:]
            if question == bafang.Question.SPEED.request:
                frame = bafang.encode_speed(self.wheel_m, ride.speed_kmh)
                spoken.append(Spoken(frame, {"speed_kmh": ride.speed_kmh}))
            elif question == bafang.Question.CHARGE.request:
                percent = _number(ride, "battery_pct")
                spoken.append(Spoken(bafang.encode_charge(percent), {"battery_pct": percent}))
            else:
                self._buffer = question[1:] + self._buffer
        return spoken

    def speak(self, at_s: float, ride: Sample) -> list[Spoken]:
        return []


@dataclass(slots=True)
class NmeaPose:
    """A GPS receiver; ``no_fix_s`` holds when it has no fix, as a begin and an end."""

    interval_s: float = 1.0
    no_fix_s: tuple[float, float] = (0.0, 0.0)
    _position: tuple[float, float] = HOME
    _at_s: float = field(default=0.0)

    def answer(self, data: bytes, ride: Sample) -> list[Spoken]:
        return []

    def speak(self, at_s: float, ride: Sample) -> list[Spoken]:
        """Return GGA, RMC and VTG of a moment."""
        north_m = ride.speed_kmh / 3.6 * (at_s - self._at_s)
        self._position = (self._position[0] + north_m / METRES_PER_DEGREE, self._position[1])
        self._at_s = at_s
        now = START + timedelta(seconds=at_s)
        clock, date = f"{now:%H%M%S}.{now.microsecond // 10_000:02d}", f"{now:%d%m%y}"
        if self.no_fix_s[0] <= at_s < self.no_fix_s[1]:
            return [Spoken(nmea.encode_no_fix(clock, date), {})]
        speed_kmh, altitude_m = ride.speed_kmh, _number(ride, "altitude_m")
        latitude, longitude = self._position
        fix = {"speed_kmh": speed_kmh, "latitude_deg": latitude, "longitude_deg": longitude}
        return [
            Spoken(nmea.encode_gga(clock, altitude_m, self._position), {"altitude_m": altitude_m}),
            Spoken(nmea.encode_rmc(clock, date, speed_kmh, self._position), fix),
            Spoken(nmea.encode_vtg(speed_kmh), {}),
        ]


def _number(ride: Sample, key: str) -> float:
    value = ride.values[key]
    assert isinstance(value, int | float)
    return value
