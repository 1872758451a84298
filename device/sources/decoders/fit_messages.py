"""Parses the frame of FIT: headers, definitions, data messages and checksums, as the FIT SDK does.

How it works. A file is a sequence of messages. Each begins with a header byte, which holds a local
number. A definition message lists the fields, with sizes and types, of the data messages with its
local number. So a message of any kind can be skipped by its size, and only the fields in ``used``
are decoded. Several files may stand one behind the other.

Messages before the first damage are kept. The rest is lost, because nobody can find the beginning
of the next message without its definition. A wrong length in the header or a wrong checksum is
noted, and the messages are read anyway.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import NamedTuple

from shared.errors import SourceError

SIGNATURE = b".FIT"
SIGNATURE_AT = 8
MESSAGES_MAX = 500_000
"""Ten hours at 1 Hz are 36,000 records and at most as many messages of other kinds."""

TIMESTAMP = 253
FIELD_DESCRIPTION = 206
RECORD = 20
_HEADER_LEAST = 12
_KIND, _DEFINES = 0xC0, 0x40
_CHECKSUM_BYTES = 2
_DAMAGE_MAX = 5
_DESCRIBED = frozenset({0, 1, 2, 14, 15})
"""Fields of a field description: index, number, type, and the message and field it replaces."""

_TYPES: Mapping[int, tuple[str, int | None]] = {
    0x00: ("B", 0xFF),
    0x01: ("b", 0x7F),
    0x02: ("B", 0xFF),
    0x03: ("h", 0x7FFF),
    0x04: ("H", 0xFFFF),
    0x05: ("i", 0x7FFFFFFF),
    0x06: ("I", 0xFFFFFFFF),
    0x08: ("f", None),
    0x09: ("d", None),
    0x0A: ("B", 0),
    0x0B: ("H", 0),
    0x0C: ("I", 0),
    0x0D: ("B", None),
    0x0E: ("q", 0x7FFFFFFFFFFFFFFF),
    0x0F: ("Q", 0xFFFFFFFFFFFFFFFF),
    0x10: ("Q", 0),
}
"""Base types without the byte order bit: the code of ``struct``, and the invalid value."""


class Message(NamedTuple):
    """A data message: its kind, its time in s, and its used and valid fields.

    ``developed`` holds values of developer fields, in plain units, by the field that each replaces.
    ``body`` is the index of the file, where several stand one behind the other.
    """

    kind: int
    time_s: int | None
    values: dict[int, float]
    developed: dict[int, float]
    body: int


class _Field(NamedTuple):
    number: int
    at: int
    form: struct.Struct
    invalid: int | None
    developed: bool


class _Definition(NamedTuple):
    kind: int
    size: int
    fields: tuple[_Field, ...]


class _Body(NamedTuple):
    """The beginning and end of one file's messages, and the place where the next file may begin."""

    begin: int
    end: int
    next: int


@dataclass(slots=True)
class Messages:
    """One pass over the bytes. ``used`` lists the fields to decode for each kind of message."""

    data: bytes
    used: Mapping[int, frozenset[int]]
    damage: list[str] = field(default_factory=list)
    _count: int = 0
    _clock: int | None = None
    _definitions: dict[int, _Definition] = field(default_factory=dict)
    _developed: dict[tuple[float, float], tuple[int, int]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Message]:
        """Yield the data messages in file order; raises :class:`SourceError` for too many."""
        at, number = 0, 0
        while at < len(self.data):
            body = self._find_body(at)
            if body is None:
                return
            self._count_one()
            self._definitions, self._developed, self._clock = {}, {}, None
            yield from self._read_body(body, number)
            at, number = body.next, number + 1

    def _find_body(self, start: int) -> _Body | None:
        """Find the end of a file, even if the length in its header is wrong.

        The length is trusted if the checksum behind it is right, or if another file or the end of
        the bytes follows. Otherwise the messages go on to the end of the bytes.
        """
        data, total = self.data, len(self.data)
        if not self._begins(start):
            self._note(f"{total - start:,} bytes behind its end are no FIT")
            return None
        begin = start + max(_HEADER_LEAST, data[start])
        size = int.from_bytes(data[start + 4 : start + 8], "little")
        end = begin + size
        followed = self._begins(end + 2)
        if end + 2 <= total and (size or followed):
            if _is_checked(data, start, end):
                return _Body(begin, end, end + 2)
            if end + 2 == total or followed:
                self._note("its checksum is wrong")
                return _Body(begin, end, end + 2)
        self._note(_wrong_length(size, end - start, total - start))
        checked = total - start > _HEADER_LEAST + 2 and _is_checked(data, start, total - 2)
        return _Body(begin, total - 2 if checked else total, total)

    def _begins(self, at: int) -> bool:
        """Tell whether a file begins here."""
        signature_at = at + SIGNATURE_AT
        return self.data[signature_at : signature_at + len(SIGNATURE)] == SIGNATURE

    def _read_body(self, body: _Body, number: int) -> Iterator[Message]:
        at, data = body.begin, self.data
        while at < body.end:
            self._count_one()
            header, definition = data[at], None
            if header & _KIND == _DEFINES:
                size = self._define(at, body.end)
            else:
                local = header >> 5 & 3 if header & 0x80 else header & 15
                definition = self._definitions.get(local)
                size = definition.size if definition else 0
            if size == 0 or at + size > body.end:
                self._note_stop(at, size, body.end)
                return
            if definition:
                yield self._message(definition, at, number)
            at += size

    def _note_stop(self, at: int, size: int, end: int) -> None:
        """Note where reading stopped, unless a missing end was noted already."""
        if size == 0 and (end - at > _CHECKSUM_BYTES or not self.damage):
            self._note(f"it cannot be read from byte {at:,} on ({end - at:,} bytes)")
        elif not self.damage:
            self._note("its last message is cut off")

    def _note(self, damage: str) -> None:
        if len(self.damage) < _DAMAGE_MAX and damage not in self.damage:
            self.damage.append(damage)

    def _count_one(self) -> None:
        self._count += 1
        if self._count > MESSAGES_MAX:
            raise SourceError(f"it has more than {MESSAGES_MAX:,} messages")

    def _define(self, at: int, end: int) -> int:
        """Store a definition message; returns its size, even if its end is missing."""
        data, header = self.data, self.data[at]
        if at + 6 > end:
            return 6
        order = ">" if data[at + 2] else "<"
        (kind,) = struct.unpack_from(f"{order}H", data, at + 3)
        first, last = at + 6, at + 6 + 3 * data[at + 5]
        dev_last = last
        if header & 0x20 and last < end:
            dev_last = last + 1 + 3 * data[last]
        if dev_last > end:
            return dev_last - at
        fields: list[_Field] = []
        size = 1
        for place in range(first, last, 3):
            number, width, base = data[place : place + 3]
            if number in self._used(kind):
                fields += _field(number, size, width, order, base, developed=False)
            size += width
        for place in range(last + 1, dev_last, 3):
            number, width, index = data[place : place + 3]
            native = self._developed.get((index, number))
            if native and kind == RECORD:
                fields += _field(native[0], size, width, order, native[1], developed=True)
            size += width
        self._definitions[header & 15] = _Definition(kind, size, tuple(fields))
        return dev_last - at

    def _used(self, kind: int) -> frozenset[int]:
        if kind == FIELD_DESCRIPTION:
            return _DESCRIBED
        return self.used.get(kind, frozenset()) | {TIMESTAMP}

    def _message(self, definition: _Definition, at: int, body: int) -> Message:
        values: dict[int, float] = {}
        developed: dict[int, float] = {}
        for one in definition.fields:
            value = one.form.unpack_from(self.data, at + one.at)[0]
            if value != one.invalid and isfinite(value):
                (developed if one.developed else values)[one.number] = value
        time_s = self._time(self.data[at], values)
        if definition.kind == FIELD_DESCRIPTION:
            self._describe(values)
        return Message(definition.kind, time_s, values, developed, body)

    def _time(self, header: int, values: dict[int, float]) -> int | None:
        """Return a message's time: its own, or the last one with five new low bits."""
        stamp = values.get(TIMESTAMP)
        if stamp is not None:
            self._clock = int(stamp)
            return self._clock
        if not header & 0x80 or self._clock is None:
            return None
        self._clock += (header - self._clock) & 0x1F
        return self._clock

    def _describe(self, values: dict[int, float]) -> None:
        """Store the description of a developer field that replaces one of the SDK's fields."""
        if {0, 1, 2, 15} <= values.keys() and values.get(14, RECORD) == RECORD:
            self._developed[values[0], values[1]] = int(values[15]), int(values[2])


def _field(
    number: int, at: int, width: int, order: str, base: int, *, developed: bool
) -> Iterator[_Field]:
    """Yield the first element of a field; nothing if its size does not fit its type."""
    code, invalid = _TYPES.get(base & 0x1F, ("", None))
    if code and width and width % struct.calcsize(f"{order}{code}") == 0:
        yield _Field(number, at, struct.Struct(f"{order}{code}"), invalid, developed)


def _wrong_length(size: int, expected: int, actual: int) -> str:
    if size == 0:
        return "its header gives no length, as where a recording was not ended"
    if expected + 2 > actual:
        return f"its end is missing ({actual:,} of {expected + 2:,} bytes)"
    return f"its header gives {expected + 2:,} bytes, and it has {actual:,}"


def _is_checked(data: bytes, start: int, end: int) -> bool:
    """Tell whether the checksum behind the messages is right."""
    return checksum(data[start:end]) == int.from_bytes(data[end : end + 2], "little")


def checksum(data: bytes) -> int:
    """Compute FIT's checksum: the CRC-16 known as ARC."""
    crc = 0
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc


def _crc_entry(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value


_CRC = tuple(_crc_entry(byte) for byte in range(256))
