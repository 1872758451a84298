"""Encodes and decodes COMM_GET_VALUES of a VESC motor controller (firmware 3.40 or newer). Pure.

A frame is ``02 length payload crc 03``, or ``03`` with a length of two bytes. The checksum is
CRC-16/XMODEM over the payload; all numbers are big endian. The payload of a request is the byte 4.
An answer repeats this byte; then follow (``commands.c`` of the firmware)::

    temperature of the controller   int16  0.1 °C       d and q current    2 * int32  0.01 A
    temperature of the motor        int16  0.1 °C       duty               int16      0.001
    current of the motor            int32  0.01 A       electrical rpm     int32      1 rpm
    current of the battery          int32  0.01 A       voltage            int16      0.1 V

How it works. The decoder looks for a frame at each byte that can begin one. A byte of noise may
look like the begin of a frame that is not complete yet; so the search goes on behind it, and no
true frame waits for it. Older firmware sends shorter payloads in another order: they are left out.
"""

from binascii import crc_hqx
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from struct import Struct

from device.sample import Sample
from shared.reading import SPEED_RANGE_KMH, Value

GET_VALUES = 4
SHORT, LONG, END = 2, 3, 3
CRC_BYTES = 2
PAYLOAD_MAX = 512
"""The firmware's own limit."""
PAYLOAD_MIN = 59
"""Of an answer of firmware 3.40; newer ones append values."""
BUFFER_MAX = 2 * PAYLOAD_MAX
VALUES = Struct(">BhhiiiihihB")
STANDSTILL_KMH = 0.5
"""The controller estimates the speed of a motor at rest; slower turns backwards are its noise."""
TEMPERATURES_C = (-40.0, 150.0)
"""A sensor that is missing or broken reads outside of this range."""

NOISE = "bytes between the frames"
WRONG_CHECKSUM = "frames with a wrong checksum"
OTHER_FRAME = "frames of another kind or of firmware before 3.40"
BACKWARDS = "values of a motor that turns backwards"
TOO_FAST = "speeds above 200 km/h"

REQUEST = bytes((GET_VALUES,))


@dataclass(frozen=True, slots=True)
class Drive:
    """The factors between the electrical speed of a motor and the speed of the bike.

    ``gear`` is how often the motor turns during one turn of the wheel.
    """

    wheel_m: float
    pole_pairs: int
    gear: float = 1.0

    def speed_kmh(self, electrical_rpm: float) -> float:
        return electrical_rpm / self.pole_pairs / self.gear * self.wheel_m * 60 / 1000

    def electrical_rpm(self, speed_kmh: float) -> int:
        return round(speed_kmh * 1000 / 60 / self.wheel_m * self.gear * self.pole_pairs)


@dataclass(slots=True)
class VescDecoder:
    """Asks for the values of a controller, and decodes the answers."""

    drive: Drive
    interval_s: float = 0.2
    samples: deque[Sample] = field(default_factory=deque)
    faults: Counter[str] = field(default_factory=Counter)
    _buffer: bytes = b""

    def request(self, now_s: float) -> bytes:
        """Return the bytes to send at ``now_s``."""
        return frame(REQUEST)

    def take(self, data: bytes, now_s: float) -> None:
        """Decode bytes that arrived at ``now_s``; each answer becomes a sample."""
        payloads, self._buffer = split(self._buffer + data, self.faults)
        for payload in payloads:
            self._take_values(payload)

    def reset(self) -> None:
        """Forget the begin of a frame, because the link was cut."""
        self._buffer = b""

    def _take_values(self, payload: bytes) -> None:
        if payload[0] != GET_VALUES or len(payload) < PAYLOAD_MIN:
            self.faults[OTHER_FRAME] += 1
            return
        _, controller, motor, _, current, _, _, _, rpm, voltage, _ = VALUES.unpack_from(payload)
        speed_kmh = self.drive.speed_kmh(rpm)
        if speed_kmh < -STANDSTILL_KMH:
            self.faults[BACKWARDS] += 1
        elif speed_kmh > SPEED_RANGE_KMH[1]:
            self.faults[TOO_FAST] += 1
        else:
            voltage_v, current_a = voltage / 10, current / 100
            temperatures = {"controller_c": controller / 10, "motor_c": motor / 10}
            extra = {key: value for key, value in temperatures.items() if _is_measured(value)}
            values: dict[str, Value] = {
                "motor_power_w": round(voltage_v * current_a, 1) + 0.0,  # no -0.0
                "extra": {"battery_v": voltage_v, **extra},
            }
            self.samples.append(Sample(None, round(max(0.0, speed_kmh), 2), values))


def frame(payload: bytes) -> bytes:
    """Wrap a payload into a frame."""
    length = len(payload)
    head = bytes((SHORT, length)) if length < 256 else bytes((LONG, *length.to_bytes(2)))  # noqa: PLR2004  # one byte
    return head + payload + crc_hqx(payload, 0).to_bytes(CRC_BYTES) + bytes((END,))


def split(data: bytes, faults: Counter[str]) -> tuple[list[bytes], bytes]:
    """Return the payloads of the whole frames, and the rest that may be the begin of another.

    Bytes that belong to no frame are dropped and counted.
    """
    payloads: list[bytes] = []
    at = done = 0
    waits_at: int | None = None  # the first frame that is not complete
    while at < len(data):
        found = _payload_at(data, at)
        if isinstance(found, bytes):
            payloads.append(found)
            faults[NOISE] += at > done
            at += _frame_bytes(found)
            done, waits_at = at, None
            continue
        if found == _INCOMPLETE and waits_at is None:
            waits_at = at
        if found == _WRONG and waits_at is None:
            faults[WRONG_CHECKSUM] += 1
        at += 1
    kept_from = len(data) if waits_at is None else max(waits_at, len(data) - BUFFER_MAX)
    faults[NOISE] += kept_from > done
    return payloads, data[kept_from:]


def encode_values(
    drive: Drive, speed_kmh: float, power_w: float, voltage_v: float, celsius: Mapping[str, float]
) -> bytes:
    """Return the frame of an answer, as firmware 6 sends it (73 bytes)."""
    current = round(power_w / voltage_v * 100)
    known = VALUES.pack(
        GET_VALUES,
        round(celsius["controller_c"] * 10),
        round(celsius["motor_c"] * 10),
        current,
        current,
        0,
        current,
        500,
        drive.electrical_rpm(speed_kmh),
        round(voltage_v * 10),
        0,
    )
    return frame(known.ljust(73, b"\0"))


_INCOMPLETE, _NONE, _WRONG = "incomplete", "none", "wrong"


def _payload_at(data: bytes, at: int) -> bytes | str:
    """Return the payload of the frame that begins at ``at``, or why there is none."""
    if data[at] not in (SHORT, LONG):
        return _NONE
    begin = at + 1 + (data[at] == SHORT) + 2 * (data[at] == LONG)
    if begin > len(data):
        return _INCOMPLETE
    length = int.from_bytes(data[at + 1 : begin])
    end = begin + length
    if not 0 < length <= PAYLOAD_MAX or (data[at] == LONG and length < 256):  # noqa: PLR2004  # one byte
        return _NONE
    if end + CRC_BYTES >= len(data):
        return _INCOMPLETE
    if data[end + CRC_BYTES] != END:
        return _NONE
    crc = int.from_bytes(data[end : end + CRC_BYTES])
    return data[begin:end] if crc == crc_hqx(data[begin:end], 0) else _WRONG


def _frame_bytes(payload: bytes) -> int:
    return len(frame(payload))


def _is_measured(celsius: float) -> bool:
    low, high = TEMPERATURES_C
    return low <= celsius <= high
