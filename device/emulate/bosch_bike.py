"""What a Bosch bike would notify during a ride, and its truth. Pure.

How it works. :func:`moments` takes the values of the ride as the bike's sensors measure them: power
and cadence every 3.0 to 4.8 s, all others each time. A :class:`Speaker` writes the messages of one
link. The first has all values. Each later one has what was measured anew or has changed, some
unchanged values by chance, and perhaps fields that Bosch does not describe.

The truth of a moment is what the sensors have measured so far. A sensor that is gone has no truth.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from device.noise import Stream, drift
from device.sample import Sample
from device.sources.decoders.bosch import FIELDS, Known, encode_field
from device.sources.decoders.protobuf import Wire, encode_tag, encode_varint

INTERVAL_S = 0.77
"""About 1.3 notifications a second."""
SLOW_S = (3.0, 4.8)
SLOW = ("power_w", "cadence_rpm")
GONE_S = 20.0
"""How long a sensor that vanishes is gone."""
VANISHING = ("power_w", "battery_pct")
BACKPEDALLED_RPM = 19
DUSK_LUX = 200.0
REPEATED = 0.3
OTHER_NUMBERS = (7, 13, 14, 15, 16, 18, 19, 20, 27)
"""Fields that real bikes send and Bosch does not describe."""


@dataclass(frozen=True, slots=True)
class Setup:
    """The peculiarities of the bike, each as a share of the cases."""

    repeated: float = REPEATED
    """The share of unchanged values that are sent nevertheless."""
    backpedalled: float = 0.0
    """The share of measurements without pedalling that find the crank turning backwards."""
    others: float = 0.0
    """The share of messages with fields that Bosch does not describe."""
    vanish_every_s: float | None = None
    """How often sensors vanish; the bike does not announce it."""


class Moment(NamedTuple):
    """What the bike knows ``at_s``, and the names of what it has just measured."""

    at_s: float
    values: dict[str, Known]
    measured: frozenset[str]


def moments(setup: Setup, ride: Iterable[Sample], stream: Stream, began_s: int) -> Iterator[Moment]:
    """Yield a moment for each sample of a ride whose samples are :data:`INTERVAL_S` apart.

    ``began_s`` is the bike's clock at the start, in seconds since 1970.
    """
    slow: dict[str, Known] = {}
    due_s, light = dict.fromkeys(SLOW, 0.0), 0.0
    for number, sample in enumerate(ride):
        at_s = number * INTERVAL_S
        light = drift(stream, light, 1.0, 300.0, INTERVAL_S)
        measured = frozenset(name for name in SLOW if at_s >= due_s[name])
        for name in sorted(measured):
            slow[name] = _measure(name, sample, setup, stream)
            due_s[name] = at_s + stream.uniform(SLOW_S[0], SLOW_S[1] - INTERVAL_S)
        values = {**_fast(sample, at_s, began_s, light), **slow}
        if setup.vanish_every_s is not None and at_s % setup.vanish_every_s > (
            setup.vanish_every_s - GONE_S
        ):
            values = {name: value for name, value in values.items() if name not in VANISHING}
        yield Moment(at_s, values, measured & values.keys())


def _fast(sample: Sample, at_s: float, began_s: int, light: float) -> dict[str, Known]:
    """Return the values that are measured each time, in the resolution of the message."""
    lux = round(DUSK_LUX * 10**light, 3)
    return {
        "speed_kmh": round(sample.speed_kmh, 2),
        "ambient_lux": lux,
        "battery_pct": int(_number(sample, "battery_pct")),
        "time_s": began_s + int(at_s),
        "odometer_km": round(_number(sample, "odometer_km"), 3),
        "light": "on" if lux < DUSK_LUX else "off",
        "locked": False,
        "charger_connected": False,
        "light_reserve": False,
        "diagnosis": False,
        "standing": sample.speed_kmh == 0,
    }


def _measure(name: str, sample: Sample, setup: Setup, stream: Stream) -> int:
    value = round(_number(sample, name))
    if name == "cadence_rpm" and value == 0 and stream.random() < setup.backpedalled:
        return -round(stream.uniform(1, BACKPEDALLED_RPM))
    return value


def _number(sample: Sample, key: str) -> float:
    value = sample.values[key]
    assert isinstance(value, int | float)
    return value


@dataclass(slots=True)
class Speaker:
    """Writes the messages of one link."""

    setup: Setup
    stream: Stream
    _said: dict[str, Known] = field(default_factory=dict)

    def say(self, moment: Moment) -> bytes:
        """Return the message of a moment."""
        names = [name for name in moment.values if self._is_sent(name, moment)]
        self._said = dict(moment.values)
        fields = [encode_field(name, moment.values[name]) for name in FIELDS if name in names]
        if self.stream.random() < self.setup.others:
            for other in _other_fields(self.stream):
                fields.insert(int(self.stream.uniform(0, len(fields) + 1)), other)
        return b"".join(fields)

    def _is_sent(self, name: str, moment: Moment) -> bool:
        return (
            name in moment.measured
            or moment.values[name] != self._said.get(name)
            or self.stream.random() < self.setup.repeated
        )


def _other_fields(stream: Stream) -> Iterator[bytes]:
    """Yield fields of every wire type, with numbers that mean nothing to Spoke."""
    numbers = iter(OTHER_NUMBERS)
    some = int(stream.uniform(0, 1 << 28))
    yield encode_tag(next(numbers), Wire.VARINT) + encode_varint(some)
    yield encode_tag(next(numbers), Wire.VARINT) + encode_varint(-some)
    yield encode_tag(next(numbers), Wire.FIXED_32) + some.to_bytes(4, "little")
    yield encode_tag(next(numbers), Wire.FIXED_64) + some.to_bytes(8, "little")
    text = encode_field("speed_kmh", 99.0) * int(stream.uniform(0, 3))
    yield encode_tag(next(numbers), Wire.BYTES) + encode_varint(len(text)) + text
    group = next(numbers)
    yield encode_tag(group, Wire.GROUP_BEGIN) + text + encode_tag(group, Wire.GROUP_END)
