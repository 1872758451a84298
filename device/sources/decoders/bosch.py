"""Decodes and encodes the messages of Bosch's Live Data Interface, and merges them. Pure.

The interface (1.0, May 2026) notifies a proto3 message 1 to 5 times a second. A message has only
some of the fields: one that is absent is *unchanged*, not zero. Fields that Bosch does not describe
do occur and are ignored. A bike does not announce that the source of a value is gone.

How it works. :class:`LiveBike` keeps the last value of each field and the time when it came. The
fields answer three questions, and each has its own rule:

- Is the bike there? It is while the last notification is younger than :data:`PRESENT_S`. After a
  longer silence all values are forgotten.
- Does it stand? Field 25 says so. Then the speed is 0, however long the bike leaves it out.
- Is a value current? It is for a time that is longer than the bike's own spacing, in
  :data:`AGE_MAX_S`. After that it is left out.

A message makes a sample if it has the speed or changes another value. While nothing changes, one
every :data:`STEADY_S` does.

A message that was cut may have lost a changed value. So it is refused, and all values are
forgotten: none of them is known to be unchanged. A link with the smallest MTU cuts messages to 20
bytes and does not report it. A cut between two fields leaves a message that looks whole. So a
message that fills the link is refused too. One of 20 bytes is refused until the link has carried a
longer one, which it does at once: the first message of a link has all fields.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple, TypeAlias

from device.sample import Sample
from device.sources.decoders.protobuf import (
    Wire,
    as_int,
    decode_varints,
    encode_tag,
    encode_varint,
)
from shared.errors import BadMessage
from shared.reading import NUMBER_RANGES, SPEED_RANGE_KMH, Value

SERVICE_UUID = "0000eb20-eaa2-11e9-81b4-2a2ae2dbcce4"
CHARACTERISTIC_UUID = "0000eb21-eaa2-11e9-81b4-2a2ae2dbcce4"
MTU_MIN = 247
DATA_LENGTH_MIN = 251
ATT_HEADER_BYTES = 3
CUT_BYTES = 20
"""What the smallest ATT MTU, 23 bytes, leaves of a notification."""

PRESENT_S = 8.0
DOUBLE_S = 0.1
"""Notifications are at least 0.2 s apart. One that comes sooner and says the same repeats it."""
STEADY_S = 0.7

Known: TypeAlias = bool | float | str


class Kind(NamedTuple):
    """How a field is written: whether it is signed, a yes or no, a choice, and its unit."""

    unit: float = 1
    signed_bits: int = 0
    is_bool: bool = False
    words: tuple[str, ...] = ()


BOOL = Kind(is_bool=True)
FIELDS: Mapping[str, tuple[int, Kind]] = {
    "speed_kmh": (1, Kind(100)),
    "cadence_rpm": (2, Kind(signed_bits=32)),
    "power_w": (5, Kind()),
    "ambient_lux": (9, Kind(1000)),
    "battery_pct": (10, Kind()),
    "time_s": (11, Kind(signed_bits=64)),
    "odometer_km": (12, Kind(1000)),
    "light": (17, Kind(words=("", "off", "on"))),
    "locked": (21, BOOL),
    "charger_connected": (22, BOOL),
    "light_reserve": (23, BOOL),
    "diagnosis": (24, BOOL),
    "standing": (25, BOOL),
}
"""Each field by the name that Spoke gives it: its number, and how it is written."""

AGE_MAX_S: Mapping[str, float] = {
    "speed_kmh": 5.0,
    "cadence_rpm": 10.0,
    "power_w": 10.0,
    "odometer_km": 60.0,
    "ambient_lux": 60.0,
    "battery_pct": 600.0,
}
"""For how long a value is current. The bike's own spacing is 0.8 s for the speed, and 3.0 to 4.8 s
for power and cadence, more while they are steady, because a change is what makes a bike send one.
What is not named here is a state of the bike: it is current while the bike is there."""

RANGES: Mapping[str, tuple[float, float]] = {
    **NUMBER_RANGES,
    "speed_kmh": SPEED_RANGE_KMH,
    "cadence_rpm": (-300, 300),
}
IN_EXTRA = ("ambient_lux", "light", "locked", "charger_connected", "light_reserve", "diagnosis")


def decode_message(data: bytes) -> dict[str, Known | None]:
    """Return the fields that a message has; None for one whose value means nothing.

    Raises :class:`BadMessage` for a message that is cut or malformed.
    """
    varints = decode_varints(data)
    return {
        name: _decode_value(name, kind, varints[number])
        for name, (number, kind) in FIELDS.items()
        if number in varints
    }


def encode_message(values: Mapping[str, Known], order: Iterable[str] | None = None) -> bytes:
    """Write the fields in ``values``, in the order of their numbers or in another one."""
    return b"".join(encode_field(name, values[name]) for name in order or FIELDS if name in values)


def encode_field(name: str, value: Known) -> bytes:
    number, kind = FIELDS[name]
    written = kind.words.index(value) if isinstance(value, str) else round(value * kind.unit)
    return encode_tag(number, Wire.VARINT) + encode_varint(written)


def _decode_value(name: str, kind: Kind, varint: int) -> Known | None:
    if kind.is_bool:
        return varint != 0
    if kind.words:
        return kind.words[varint] or None if varint < len(kind.words) else None
    if kind.signed_bits:
        number = as_int(varint, kind.signed_bits)
    elif varint >> 32:
        return None
    else:
        number = varint
    value = number / kind.unit if kind.unit != 1 else number
    least, most = RANGES.get(name, (-inf, inf))
    return value if least <= value <= most else None


class _Heard(NamedTuple):
    """A value, and when it came."""

    value: Known
    at_s: float


@dataclass(slots=True)
class LiveBike:
    """The values that came over one link to a bike.

    A new link needs a new one, because it begins with all values.

    ``room`` is how many bytes a notification of this link holds, if that is known.
    """

    room: int | None = None
    _known: dict[str, _Heard] = field(default_factory=dict)
    _last: tuple[bytes, float] | None = None
    _given: tuple[Sample, float] | None = None
    _cuts: bool = True
    """Whether a message of 20 bytes may have been longer."""

    def take(self, data: bytes, now_s: float) -> Sample | None:
        """Take a notification; return a sample, unless it says nothing new or no speed is known.

        Raises :class:`BadMessage` if the notification cannot be used: ``cut_to_20``, ``cut``,
        ``malformed``.
        """
        if self._is_double(data, now_s):
            return None
        if not self.is_there(now_s):
            self._known.clear()
        self._last = data, now_s
        try:
            message = self._decode(data)
        except BadMessage:
            self._known.clear()
            raise
        self._merge(message, now_s)
        return self._give(self._sample(now_s), now_s, is_new="speed_kmh" in message)

    def is_there(self, now_s: float) -> bool:
        """Tell whether the bike has notified lately."""
        return self._last is not None and now_s - self._last[1] <= PRESENT_S

    def _is_double(self, data: bytes, now_s: float) -> bool:
        return self._last is not None and data == self._last[0] and now_s - self._last[1] < DOUBLE_S

    def _decode(self, data: bytes) -> dict[str, Known | None]:
        try:
            message = decode_message(data)
        except BadMessage as error:
            if len(data) != CUT_BYTES:
                raise
            self._cuts = True
            raise _cut_to(len(data)) from error
        if len(data) == self.room or (self._cuts and len(data) == CUT_BYTES):
            raise _cut_to(len(data))
        self._cuts = self._cuts and len(data) < CUT_BYTES
        return message

    def _merge(self, message: Mapping[str, Known | None], now_s: float) -> None:
        for name, value in message.items():
            if value is None:
                self._known.pop(name, None)
            else:
                self._known[name] = _Heard(value, now_s)

    def _give(self, sample: Sample | None, now_s: float, *, is_new: bool) -> Sample | None:
        """Return the sample unless it repeats the last one too soon."""
        if sample is None:
            return None
        if self._given is not None and not is_new:
            last, at_s = self._given
            if sample == last and now_s - at_s < STEADY_S:
                return None
        self._given = sample, now_s
        return sample

    def _sample(self, now_s: float) -> Sample | None:
        current = {
            name: heard.value
            for name, heard in self._known.items()
            if now_s - heard.at_s <= AGE_MAX_S.get(name, inf)
        }
        speed_kmh = current.get("speed_kmh", 0.0 if current.get("standing") else None)
        if not isinstance(speed_kmh, int | float):
            return None
        return Sample(None, speed_kmh, _values(current))


def _values(current: Mapping[str, Known]) -> dict[str, Value]:
    """Return the optional keys of a reading.

    The cadence of a reading is never negative, so backpedalling has a key of its own in ``extra``.
    """
    values: dict[str, Value] = {
        key: value
        for key in NUMBER_RANGES
        if isinstance(value := current.get(key), int | float) and value >= 0
    }
    extra = {key: current[key] for key in IN_EXTRA if key in current}
    cadence_rpm = current.get("cadence_rpm")
    if isinstance(cadence_rpm, int | float) and cadence_rpm < 0:
        extra["backpedal_rpm"] = -cadence_rpm
    if extra:
        values["extra"] = extra
    return values


def _cut_to(size: int) -> BadMessage:
    reason = "cut_to_20" if size == CUT_BYTES else "cut"
    return BadMessage(
        reason,
        f"the notification was cut to {size} bytes, because the link's MTU is too small:"
        f" it must be at least {MTU_MIN}",
    )
