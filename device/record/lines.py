"""The lines of a recording: JSON objects that hold every byte of each reading. Pure.

::

    {"recording":"spoke","v":1,"begun_ms":1796000000000}
    {"at_ms":1796000000123,"reading":{"v":1,"device_id":"ebike-001",...}}
    {"gap":{"device_id":"ebike-001","after":"1796-4","before":"1796-7","lost":2,"reason":"..."}}

``at_ms`` is the recorder's clock when it wrote the line. The bytes after ``"reading":`` are those
that the bike published. A reading that contains a line break is written as a string instead, with
the key ``text``. All values are in the order in which a gateway hands them on.
"""

import json
from typing import NamedTuple

from shared.errors import BadMessage
from shared.reading import Reading, is_device_id
from shared.wire import READING_BYTES_MAX, decode_reading

HEAD = b'{"recording":"spoke","v":1,'
LINE_BYTES_MAX = 2 * 6 * READING_BYTES_MAX
"""Above every line that a recorder writes: JSON may write a character in six bytes."""


class RecordedReading(NamedTuple):
    """A reading, the bytes that the bike published, and when the recorder wrote them."""

    at_ms: int
    reading: Reading
    payload: bytes

    @property
    def measured_ms(self) -> int:
        """The time of the measurement; of the recording for a bike without a clock."""
        return self.reading.ts_ms or self.at_ms


def encode_head(begun_ms: int) -> bytes:
    """Return the first line of a file."""
    return HEAD + b'"begun_ms":%d}\n' % begun_ms


def encode_line(at_ms: int, payload: bytes) -> bytes:
    """Return the line of a reading."""
    if b"\n" in payload or b"\r" in payload:
        return b'{"at_ms":%d,"text":%s}\n' % (at_ms, json.dumps(payload.decode()).encode())
    return b'{"at_ms":%d,"reading":%s}\n' % (at_ms, payload)


def encode_gap(body: dict[str, object]) -> bytes:
    """Return the line of a gap; ``body`` is the payload of the event ``gap``."""
    return json.dumps({"gap": body}, separators=(",", ":")).encode() + b"\n"


def decode_line(line: bytes) -> RecordedReading | None:
    """Decode a line without its end; None for a gap. Raises :class:`BadMessage`."""
    if len(line) > LINE_BYTES_MAX:
        raise BadMessage("too_large", f"the line is over {LINE_BYTES_MAX} bytes long")
    try:
        raw = json.loads(line)
        if "gap" in raw:
            return None
        at_ms, text = raw["at_ms"], raw.get("text")
        payload = _reading_in(line) if text is None else text.encode()
        device_id = json.loads(payload)["device_id"]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadMessage("bad_line", "the line is no line of a recording") from error
    if type(at_ms) is not int or not is_device_id(device_id):
        raise BadMessage("bad_line", "the line is no line of a recording")
    return RecordedReading(at_ms, decode_reading(payload, device_id).reading, payload)


def _reading_in(line: bytes) -> bytes:
    """Return the bytes of the reading in a line that :func:`encode_line` wrote."""
    return line[line.index(b',"reading":') + len(b',"reading":') : -1]
