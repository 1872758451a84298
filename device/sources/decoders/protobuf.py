"""Reads and writes the part of protobuf's wire format that Bosch's live data uses. Pure.

A message is a sequence of fields. A field is a tag, which is a varint of the field's number and its
wire type, and a value. A varint has 7 bits a byte, the lowest first; the highest bit of a byte says
that another one follows. Only varints are kept. Fields of every other type are skipped, and so are
groups with all that is in them (https://protobuf.dev/programming-guides/encoding).
"""

from enum import IntEnum

from shared.errors import BadMessage

VARINT_BYTES_MAX = 10
MORE, SEVEN_BITS = 0x80, 0x7F
U64 = (1 << 64) - 1
NUMBER_MAX = (1 << 29) - 1


class Wire(IntEnum):
    """How the value of a field is written."""

    VARINT = 0
    FIXED_64 = 1
    BYTES = 2
    GROUP_BEGIN = 3
    GROUP_END = 4
    FIXED_32 = 5


FIXED_BYTES = {Wire.FIXED_64: 8, Wire.FIXED_32: 4}


def decode_varints(data: bytes) -> dict[int, int]:
    """Return the varint fields of a message as unsigned numbers, the last one of each number.

    Raises :class:`BadMessage`: ``cut`` if the message ends in the middle of a field, ``malformed``
    if it cannot be a message.
    """
    reader = _Reader(data)
    found: dict[int, int] = {}
    groups: list[int] = []
    while not reader.is_at_end:
        number, wire = reader.tag()
        if wire is Wire.VARINT:
            value = reader.varint()
            if not groups:
                found[number] = value
        elif wire is Wire.GROUP_BEGIN:
            groups.append(number)
        elif wire is Wire.GROUP_END:
            if not groups or groups.pop() != number:
                raise BadMessage("malformed", f"group {number} ends and has not begun")
        else:
            reader.skip(FIXED_BYTES.get(wire) or reader.varint())
    if groups:
        raise BadMessage("cut", f"group {groups[-1]} has no end")
    return found


def encode_varint(value: int) -> bytes:
    """Write a number; a negative one as its 64-bit two's complement, which takes 10 bytes."""
    left, written = value & U64, bytearray()
    while left > SEVEN_BITS:
        written.append(left & SEVEN_BITS | MORE)
        left >>= 7
    written.append(left)
    return bytes(written)


def encode_tag(number: int, wire: Wire) -> bytes:
    return encode_varint(number << 3 | wire)


def as_int(value: int, bits: int) -> int:
    """Return the lowest bits of an unsigned number as a signed one."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


class _Reader:
    """Takes one part after the other from a message."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._data)

    def tag(self) -> tuple[int, Wire]:
        tag = self.varint()
        number, wire = tag >> 3, tag & 7
        if not 1 <= number <= NUMBER_MAX or wire not in tuple(Wire):
            raise BadMessage("malformed", f"no field has the number {number} and the type {wire}")
        return number, Wire(wire)

    def varint(self) -> int:
        value = 0
        for place in range(VARINT_BYTES_MAX):
            if self.is_at_end:
                raise BadMessage("cut", "the message ends within a number")
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & SEVEN_BITS) << 7 * place
            if byte < MORE:
                return value & U64
        raise BadMessage("malformed", f"a number has more than {VARINT_BYTES_MAX} bytes")

    def skip(self, size: int) -> None:
        if size > len(self._data) - self._at:
            raise BadMessage("cut", "the message ends within a field")
        self._at += size
