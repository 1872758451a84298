"""Encodes and decodes what Bluetooth sensors for cycling notify. Pure.

Three characteristics, all little endian: flags first, then the fields that the flags name, in a
fixed order (Bluetooth SIG, GATT Specification Supplement):

- CSC Measurement (0x2A5B): counters of the wheel and of the crank.
- Cycling Power Measurement (0x2A63): the power, which is signed, and optional counters. Its wheel
  counts time in 1/2048 s; all other counters use 1/1024 s.
- Indoor Bike Data (0x2AD2): the speed itself. A record that is too long for one notification comes
  in several. Bit 0 of the flags is set in all but the last, and only the last has the speed.

A notification that was cut off keeps the fields that are whole; ``is_cut`` reports it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from struct import Struct, pack

from shared.errors import BadMessage

NOTIFICATION_BYTES_MIN = 20
"""What a notification holds at least: the smallest ATT MTU is 23 bytes, 3 of them a header."""


class Kind(Enum):
    """The kinds of sensors: the service and the characteristic that notifies, as 16-bit UUIDs."""

    CSC = (0x1816, 0x2A5B)
    POWER = (0x1818, 0x2A63)
    FTMS = (0x1826, 0x2AD2)

    @property
    def service(self) -> int:
        return self.value[0]

    @property
    def characteristic(self) -> int:
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Counter:
    """The revolutions of a wheel or crank, and the time of the last one in ticks. Both wrap."""

    turns: int
    ticks: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """The values of one notification; None where it has none."""

    wheel: Counter | None = None
    crank: Counter | None = None
    speed_kmh: float | None = None
    cadence_rpm: float | None = None
    power_w: int | None = None
    heart_rate_bpm: int | None = None
    is_cut: bool = False


WHEEL, CRANK = Struct("<IH"), Struct("<HH")
BALANCE, TORQUE = Struct("<x"), Struct("<2x")
U8, U16, I16, SKIPPED_2, SKIPPED_3, SKIPPED_5 = map(Struct, ("<B", "<H", "<h", "<2x", "<3x", "<5x"))


class _Fields:
    """Takes one field after the other from a notification."""

    def __init__(self, data: bytes, flags: Struct) -> None:
        if len(data) < flags.size:
            raise BadMessage("short", f"the notification has {len(data)} bytes, too few for flags")
        self.flags: int = flags.unpack_from(data)[0]
        self.is_cut = False
        self._data = data
        self._at = flags.size

    def take(self, field: Struct) -> tuple[int, ...]:
        """Take the next field; nothing if it is cut off."""
        start, self._at = self._at, self._at + field.size
        if self._at > len(self._data):
            self.is_cut = True
            return ()
        return field.unpack_from(self._data, start)

    def take_if(self, bit: int, field: Struct) -> tuple[int, ...]:
        """Take the field that this bit of the flags announces; nothing if there is none."""
        return self.take(field) if self.flags >> bit & 1 else ()

    def counter(self, bit: int, field: Struct) -> Counter | None:
        found = self.take_if(bit, field)
        return Counter(*found) if found else None


def decode_csc(data: bytes) -> Measurement:
    fields = _Fields(data, U8)
    wheel, crank = fields.counter(0, WHEEL), fields.counter(1, CRANK)
    return Measurement(wheel, crank, is_cut=fields.is_cut)


def decode_power(data: bytes) -> Measurement:
    fields = _Fields(data, U16)
    power = fields.take(I16)
    fields.take_if(0, BALANCE)
    fields.take_if(2, TORQUE)
    wheel, crank = fields.counter(4, WHEEL), fields.counter(5, CRANK)
    return Measurement(wheel, crank, power_w=_first(power), is_cut=fields.is_cut)


def decode_ftms(data: bytes) -> Measurement:
    fields = _Fields(data, U16)
    speed = () if fields.flags & 1 else fields.take(U16)  # the only bit that means absence
    fields.take_if(1, SKIPPED_2)  # average speed
    cadence = fields.take_if(2, U16)
    fields.take_if(3, SKIPPED_2)  # average cadence
    fields.take_if(4, SKIPPED_3)  # total distance
    fields.take_if(5, SKIPPED_2)  # resistance level
    power = fields.take_if(6, I16)
    fields.take_if(7, SKIPPED_2)  # average power
    fields.take_if(8, SKIPPED_5)  # energy
    heart_rate = fields.take_if(9, U8)
    return Measurement(
        speed_kmh=speed[0] / 100 if speed else None,
        cadence_rpm=cadence[0] / 2 if cadence else None,
        power_w=_first(power),
        heart_rate_bpm=_first(heart_rate) or None,  # 0: no belt
        is_cut=fields.is_cut,
    )


DECODERS = {Kind.CSC: decode_csc, Kind.POWER: decode_power, Kind.FTMS: decode_ftms}


def decode(kind: Kind, data: bytes) -> Measurement:
    """Decode a notification. Raises :class:`BadMessage` if it has not even flags."""
    return DECODERS[kind](data)


def encode_csc(measurement: Measurement) -> bytes:
    flags, counters = _encode_counters(measurement)
    return pack("<B", flags) + counters


def encode_power(measurement: Measurement) -> bytes:
    flags, counters = _encode_counters(measurement)
    return pack("<Hh", flags << 4, measurement.power_w or 0) + counters


def encode_ftms(
    measurement: Measurement, bytes_max: int = NOTIFICATION_BYTES_MIN
) -> Iterator[bytes]:
    """Yield the notifications of one record, each of at most ``bytes_max`` bytes."""
    flags, body, room = 1, b"", bytes_max - U16.size
    for bit, field in _ftms_fields(measurement):
        if len(body) + len(field) > room:
            yield pack("<H", flags) + body
            flags, body = 1, b""
        flags, body = flags | 1 << bit, body + field
    speed = pack("<H", round((measurement.speed_kmh or 0) * 100))
    if len(speed) + len(body) > room:
        yield pack("<H", flags) + body
        flags, body = 1, b""
    yield pack("<H", flags & ~1) + speed + body


def _ftms_fields(measurement: Measurement) -> Iterator[tuple[int, bytes]]:
    if measurement.cadence_rpm is not None:
        yield 2, pack("<H", round(measurement.cadence_rpm * 2))
    if measurement.power_w is not None:
        yield 6, pack("<h", measurement.power_w)
    if measurement.heart_rate_bpm is not None:
        yield 9, pack("<B", measurement.heart_rate_bpm)


def _encode_counters(measurement: Measurement) -> tuple[int, bytes]:
    """Encode the counters that there are; bit 0 is the wheel's, bit 1 the crank's."""
    flags, body = 0, b""
    pairs = (measurement.wheel, WHEEL), (measurement.crank, CRANK)
    for bit, (counter, field) in enumerate(pairs):
        if counter is not None:
            flags |= 1 << bit
            body += field.pack(counter.turns, counter.ticks)
    return flags, body


def _first(field: tuple[int, ...]) -> int | None:
    return field[0] if field else None
