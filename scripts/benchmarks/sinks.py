"""Where the publisher's readings go: a sink for each kind of server, all with the same readings."""

import socket
import struct
import time
from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

import zmq

CONNECT_WAIT_S = 10.0
SETTLED_S = 0.3
"""A subscriber sends all its subscriptions within this time of the first."""
WAITING_MAX = 1_000_000
"""Nothing may be lost for want of room in the publisher: it would look like a slow gateway."""
ANSWER_BYTES = 1 << 20


class Sink(Protocol):
    """Takes readings; each call returns when the reading is on its way."""

    def wait_for_subscriber(self) -> None:
        """Return when what is sent from now on arrives."""

    def send(self, device_id: str, payload: bytes) -> None:
        """Send one reading."""


class ZeroMqSink:
    """A PUB socket that knows when it is heard; it also sends statuses, see the publisher."""

    def __init__(self, port: int) -> None:
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.XPUB)
        self._socket.set(zmq.SNDHWM, WAITING_MAX)
        self._socket.set(zmq.LINGER, 0)
        self._socket.bind(f"tcp://127.0.0.1:{port}")

    def wait_for_subscriber(self) -> None:
        """Wait for a subscription, and for any that follow it."""
        wait_ms = CONNECT_WAIT_S * 1000
        while self._socket.poll(int(wait_ms)):
            self._socket.recv()
            wait_ms = SETTLED_S * 1000
        if wait_ms == CONNECT_WAIT_S * 1000:
            raise TimeoutError("nobody subscribed")

    def send(self, device_id: str, payload: bytes) -> None:
        """Send one reading."""
        topic = b"ebike/reading/%b/" % device_id.encode()
        self._socket.send(topic, zmq.SNDMORE)
        self._socket.send(payload)

    def send_status(self, device_id: str, payload: bytes) -> None:
        """Send one status."""
        self._socket.send_multipart([b"ebike/status/%b/" % device_id.encode(), payload])


class StreamSink:
    """One TCP connection and a way to write a reading down for it."""

    def __init__(self, port: int, hello: bytes, write: Callable[[str, bytes], bytes]) -> None:
        self._write = write
        self._hello = hello
        self._port = port
        self._socket = socket.socket()

    def wait_for_subscriber(self) -> None:
        """Connect; the server takes in what follows."""
        self._socket = socket.create_connection(("127.0.0.1", self._port), CONNECT_WAIT_S)
        self._socket.settimeout(None)  # with one, Python would wait where MSG_DONTWAIT says not to
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._hello:
            self._socket.sendall(self._hello)
            time.sleep(SETTLED_S)

    def send(self, device_id: str, payload: bytes) -> None:
        """Send one reading, and throw away what was answered to earlier ones."""
        self._socket.sendall(self._write(device_id, payload))
        try:
            self._socket.recv(ANSWER_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return


def as_mqtt(device_id: str, payload: bytes) -> bytes:
    """Write an MQTT 3.1.1 PUBLISH of quality of service 0."""
    topic = b"ebike/reading/%b/" % device_id.encode()
    body = struct.pack("!H", len(topic)) + topic + payload
    return b"\x30" + mqtt_length(len(body)) + body


def mqtt_length(size: int) -> bytes:
    """Write a length as MQTT does: 7 bits a byte, the lowest first."""
    digits = bytearray()
    while size > 0x7F:  # noqa: PLR2004  # seven bits
        digits.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes((*digits, size))


def as_post(device_id: str, payload: bytes) -> bytes:
    """Write an HTTP POST to nchan's publisher."""
    head = f"POST /pub/{device_id} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(payload)}"
    return head.encode() + b"\r\n\r\n" + payload


def as_packet(_device_id: str, payload: bytes) -> bytes:
    """Write what the C loop is to send: the bytes a Socket.IO client would get."""
    packet = b'42["speed_change",' + payload + b"]"
    return struct.pack("!I", len(packet)) + packet


MQTT_HELLO = b"\x10\x15\x00\x04MQTT\x04\x02\x00\x00\x00\x09publisher"

Opener: TypeAlias = Callable[[int], Sink]
SINKS: Mapping[str, Opener] = {
    "zeromq": ZeroMqSink,
    "mqtt": lambda port: StreamSink(port, MQTT_HELLO, as_mqtt),
    "nchan": lambda port: StreamSink(port, b"", as_post),
    "loop": lambda port: StreamSink(port, b"FEED\r\n\r\n", as_packet),
}
