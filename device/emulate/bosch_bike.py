"""The notifications of a Bosch bike during a ride, and their truth. Pure.

How it works. :func:`moments` takes the values of the ride as the bike's sensors measure them, each
with a spacing of its own. A :class:`Speaker` writes the messages of one link. The first has all
values. Each later one has what was measured anew or has changed, the states that real bikes always
send, some unchanged values by chance, and perhaps fields that Bosch does not describe.

The truth of a moment is what the sensors have measured so far. A sensor that is gone has no truth.
"""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

from device.noise import Stream, drift
from device.sample import Sample
from device.sources.decoders.bosch import FIELDS, Known, encode_field
from device.sources.decoders.protobuf import Wire, encode_tag, encode_varint

INTERVAL_S = 0.77
"""About 1.3 notifications a second. Up to 5 were seen as well."""
SPACING_S = {
    "speed_kmh": (0.6, 0.8),
    "time_s": (0.6, 0.8),
    "power_w": (3.0, 4.8),
    "cadence_rpm": (3.0, 4.8),
}
"""How long after a measurement the next one follows; all others are made each time."""
ALWAYS = ("odometer_km", "standing", "locked", "charger_connected", "light_reserve")
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
    """How often the bike notifies, and its peculiarities, each as a share of the cases."""

    interval_s: float = INTERVAL_S
    repeated: float = REPEATED
    """The share of unchanged values that are sent nevertheless."""
    backpedalled: float = 0.0
    """The share of measurements without pedalling that find the crank turning backwards."""
    others: float = 0.0
    """The share of messages with fields that Bosch does not describe."""
    vanish_every_s: float | None = None
    """How often sensors vanish; the bike does not announce it."""


class Moment(NamedTuple):
    """The values of the bike ``at_s``, and the names of those that it has just measured."""

    at_s: float
    values: dict[str, Known]
    measured: AbstractSet[str]


def moments(setup: Setup, ride: Iterable[Sample], stream: Stream, began_s: int) -> Iterator[Moment]:
    """Yield a moment for each sample of a ride whose samples are ``setup.interval_s`` apart.

    ``began_s`` is the bike's clock at the start, in seconds since 1970.
    """
    values: dict[str, Known] = {}
    due_s, light = dict.fromkeys(SPACING_S, 0.0), 0.0
    for number, sample in enumerate(ride):
        at_s = number * setup.interval_s
        light = drift(stream, light, 1.0, 300.0, setup.interval_s)
        fresh = _measure(sample, setup, stream, began_s + int(at_s), light)
        measured = [name for name in SPACING_S if at_s >= due_s[name]]
        for name in measured:
            least_s, most_s = SPACING_S[name]
            due_s[name] = at_s + stream.uniform(least_s, max(least_s, most_s - setup.interval_s))
        values |= {name: fresh[name] for name in fresh if name not in SPACING_S or name in measured}
        values["standing"] = values["speed_kmh"] == 0
        gone = VANISHING if _is_gone(at_s, setup.vanish_every_s) else ()
        present = {name: value for name, value in values.items() if name not in gone}
        yield Moment(at_s, present, present.keys() & measured)


def _measure(
    sample: Sample, setup: Setup, stream: Stream, clock_s: int, light: float
) -> dict[str, Known]:
    """Return the values of a sample, in the resolution of the message."""
    lux = round(DUSK_LUX * 10**light, 3)
    cadence_rpm = round(_number(sample, "cadence_rpm"))
    if cadence_rpm == 0 and stream.random() < setup.backpedalled:
        cadence_rpm = -round(stream.uniform(1, BACKPEDALLED_RPM))
    return {
        "speed_kmh": round(sample.speed_kmh, 2),
        "cadence_rpm": cadence_rpm,
        "power_w": round(_number(sample, "power_w")),
        "ambient_lux": lux,
        "battery_pct": int(_number(sample, "battery_pct")),
        "time_s": clock_s,
        "odometer_km": round(_number(sample, "odometer_km"), 3),
        "light": "on" if lux < DUSK_LUX else "off",
        "locked": False,
        "charger_connected": False,
        "light_reserve": False,
        "diagnosis": False,
    }


def _is_gone(at_s: float, vanish_every_s: float | None) -> bool:
    """Tell whether it is one of the last :data:`GONE_S` of each ``vanish_every_s``."""
    return vanish_every_s is not None and at_s % vanish_every_s > vanish_every_s - GONE_S


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
            name in ALWAYS
            or name in moment.measured
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
