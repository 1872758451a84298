"""The outputs of the publisher: one sink for each kind of server, with the same readings."""

import socket
import struct
import time
from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

import zmq

CONNECT_WAIT_S = 10.0
SETTLED_S = 0.3
"""A subscriber sends all its subscriptions within this time after the first."""
WAITING_MAX = 1_000_000
"""The publisher must not drop messages, because that would look like a slow gateway."""
ANSWER_BYTES = 1 << 20


class Sink(Protocol):
    """Sends readings to a server. A call returns after the reading has left."""

    def wait_for_subscriber(self) -> None:
        """Return when the server will receive further readings."""

    def send(self, device_id: str, payload: bytes) -> None:
        """Send one reading."""


class ZeroMqSink:
    """A PUB socket that knows its subscribers. It also sends statuses."""

    def __init__(self, port: int) -> None:
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.XPUB)
        self._socket.set(zmq.SNDHWM, WAITING_MAX)
        self._socket.set(zmq.LINGER, 0)
        self._socket.set(zmq.XPUB_VERBOSE, 1)  # tell also of a second subscriber to the same topic
        self._socket.bind(f"tcp://127.0.0.1:{port}")

    def wait_for_subscriber(self) -> None:
        """Wait for a subscription, and for further ones that follow it."""
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
    """A TCP connection and the function that encodes a reading for it."""

    def __init__(self, port: int, hello: bytes, write: Callable[[str, bytes], bytes]) -> None:
        self._write = write
        self._hello = hello
        self._port = port
        self._socket = socket.socket()

    def wait_for_subscriber(self) -> None:
        """Connect to the server."""
        self._socket = socket.create_connection(("127.0.0.1", self._port), CONNECT_WAIT_S)
        self._socket.settimeout(None)  # with a timeout, Python would wait in spite of MSG_DONTWAIT
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._hello:
            self._socket.sendall(self._hello)
            time.sleep(SETTLED_S)

    def send(self, device_id: str, payload: bytes) -> None:
        """Send one reading, and discard the answers to earlier ones."""
        self._socket.sendall(self._write(device_id, payload))
        try:
            self._socket.recv(ANSWER_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return


def as_mqtt(device_id: str, payload: bytes) -> bytes:
    """Encode an MQTT 3.1.1 PUBLISH with quality of service 0."""
    topic = b"ebike/reading/%b/" % device_id.encode()
    body = struct.pack("!H", len(topic)) + topic + payload
    return b"\x30" + mqtt_length(len(body)) + body


def mqtt_length(size: int) -> bytes:
    """Encode a length for MQTT: 7 bits per byte, the lowest first."""
    digits = bytearray()
    while size > 0x7F:  # noqa: PLR2004  # seven bits
        digits.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes((*digits, size))


def as_post(device_id: str, payload: bytes) -> bytes:
    """Encode an HTTP POST for nchan's publisher."""
    head = f"POST /pub/{device_id} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(payload)}"
    return head.encode() + b"\r\n\r\n" + payload


def as_packet(_device_id: str, payload: bytes) -> bytes:
    """Encode the packet for the C loop to send: the bytes of a Socket.IO event."""
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
