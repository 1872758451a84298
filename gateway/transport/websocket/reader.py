"""Reads WebSocket frames of a client and assembles messages of bounded size (RFC 6455).

wsproto decodes the frames. This module checks the size of each frame when its header arrives,
before its payload does, so that a message that is too big is refused before it takes memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import unpack
from sys import getsizeof

from wsproto.frame_protocol import Frame, FrameDecoder, Opcode, ParseFailed

from gateway.transport.websocket.frames import BAD_DATA, NO_CODE, PROTOCOL_ERROR, TOO_BIG

# RFC 6455, 7.4: codes a peer may send. 3000 to 4999 belong to libraries and applications.
PROTOCOL_CODES = frozenset({*range(1000, 1004), *range(1007, 1015)})
PRIVATE_CODES = range(3000, 5000)
# Memory of a reader without its message (measured); a client has one in the middle of a message.
READER_BYTES = 1_000


@dataclass(frozen=True, slots=True)
class Ping:
    """The client sent a Ping; the Pong has to return ``payload``."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    """The client sent a Close frame; the answer has to return ``code``."""

    code: int


@dataclass(frozen=True, slots=True)
class Violation:
    """The client broke the protocol; the server has to fail the connection with ``code``."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class NoMessage:
    """A frame that completes no message; ``is_empty`` marks one without content."""

    is_empty: bool


Event = str | bytes | Ping | Closed | Violation | NoMessage

FRAGMENT = NoMessage(is_empty=False)
EMPTY = NoMessage(is_empty=True)


class _Violated(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class MessageReader:
    """Turns bytes of one client into messages (``str``, ``bytes``) and control events.

    After ``Closed`` or ``Violation`` the reader must not be fed.
    """

    __slots__ = ("_decoder", "_max_bytes", "_message", "_opcode")

    def __init__(self, max_bytes: int) -> None:
        self._decoder = FrameDecoder(client=False)
        self._max_bytes = max_bytes
        self._opcode: Opcode | None = None
        self._message = bytearray()

    @property
    def idle(self) -> bool:
        """True between two messages: the reader holds no bytes, so any client may use it."""
        decoder = self._decoder
        return self._opcode is None and decoder.header is None and not len(decoder.buffer)

    @property
    def held_bytes(self) -> int:
        """The memory that an incomplete message takes, with the reader."""
        return READER_BYTES + getsizeof(self._message) + len(self._decoder.buffer)

    def feed(self, data: bytes) -> Iterator[Event]:
        """Add bytes; yield an event for each frame that is complete.

        The caller may stop early and get the other frames from a later ``feed(b"")``.
        """
        self._decoder.receive_bytes(data)
        try:
            while (frame := self._next_frame()) is not None:
                yield self._event(frame)
        except ParseFailed as error:
            yield Violation(int(error.code), str(error))
        except _Violated as error:
            yield Violation(error.code, str(error))

    def _next_frame(self) -> Frame | None:
        frame = self._decoder.process_buffer()
        header = self._decoder.header
        # The header of a frame whose payload is still arriving.
        if header is not None and not header.opcode.iscontrol():
            self._check_size(header.payload_len)
        return frame

    def _check_size(self, coming: int) -> None:
        if coming > self._max_bytes or len(self._message) > self._max_bytes:
            raise _Violated(TOO_BIG, "message too big")

    def _event(self, frame: Frame) -> Event:
        payload = frame.payload
        assert isinstance(payload, bytes)
        if frame.opcode is Opcode.PING:
            return Ping(payload)
        if frame.opcode is Opcode.PONG:
            return EMPTY
        if frame.opcode is Opcode.CLOSE:
            return Closed(close_code(payload))
        return self._data(frame, payload)

    def _data(self, frame: Frame, payload: bytes) -> str | bytes | NoMessage:
        if (frame.opcode is Opcode.CONTINUATION) != (self._opcode is not None):
            raise _Violated(PROTOCOL_ERROR, "fragments out of order")
        if self._opcode is None:
            self._opcode = frame.opcode
        self._check_size(len(self._message) + len(payload))
        self._message += payload
        if not (frame.frame_finished and frame.message_finished):
            return FRAGMENT if payload else EMPTY
        return self._finish()

    def _finish(self) -> str | bytes:
        opcode, message = self._opcode, bytes(self._message)
        self._opcode, self._message = None, bytearray()
        if opcode is Opcode.BINARY:
            return message
        try:
            return message.decode()
        except UnicodeDecodeError as error:
            raise _Violated(BAD_DATA, "text is not UTF-8") from error


def close_code(payload: bytes) -> int:
    """Return the code in a Close frame's payload, 1005 for none. Raises for a malformed payload."""
    if not payload:
        return NO_CODE
    if len(payload) == 1:
        raise _Violated(PROTOCOL_ERROR, "close code of one byte")
    code = int(unpack("!H", payload[:2])[0])
    if code not in PROTOCOL_CODES and code not in PRIVATE_CODES:
        raise _Violated(PROTOCOL_ERROR, "close code out of range")
    try:
        payload[2:].decode()
    except UnicodeDecodeError as error:
        raise _Violated(BAD_DATA, "close reason is not UTF-8") from error
    return code
