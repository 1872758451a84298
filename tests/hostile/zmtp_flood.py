"""A hostile ZeroMQ peer, as a process: fills the other side's queue, and waits to be killed.

``python -m tests.hostile.zmtp_flood connect|listen PORT TYPE COUNT`` speaks ZMTP 3.1 as a socket of
that type, by hand: between its messages it sends a PING now and then, and it reads nothing.
"""

import socket
import struct
import sys
import time

PINGS_EVERY = 20
BATCH = 1_000
PING = b"\x04\x07\x04PING\x00\x00"


def greet(peer: socket.socket, kind: bytes) -> None:
    """Go through the handshake as far as this side has to."""
    mechanism = b"NULL".ljust(20, b"\0")
    peer.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x01" + mechanism + bytes(32))
    ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind
    peer.sendall(b"\x04" + bytes([len(ready)]) + ready)
    heard = b""
    while b"\x05READY" not in heard:  # libzmq never comes back to a peer that speaks too early
        piece = peer.recv(4_096)
        if not piece:
            raise ConnectionError("cut off")
        heard += piece


def message(kind: bytes) -> bytes:
    """Write one small message that a socket of this kind may send."""
    if kind == b"SUB":
        return frame(b"\x01nothing/that/anybody/has")
    if kind == b"PUB":
        return frame(b"ebike/reading/x/", more=True) + frame(b"{}")
    return frame(b"{}")


def frame(body: bytes, *, more: bool = False) -> bytes:
    """Write a short frame."""
    return bytes([int(more), len(body)]) + body


def say(word: str) -> None:
    """Tell the test how far this is."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def main(how: str, port: int, kind: bytes, count: int) -> None:
    """Flood, and stay until killed."""
    address = ("127.0.0.1", port)
    if how == "listen":
        with socket.create_server(address) as listener:
            peer, _ = listener.accept()
    else:
        peer = socket.create_connection(address)
    batch = (message(kind) * PINGS_EVERY + PING) * (BATCH // PINGS_EVERY)
    try:
        greet(peer, kind)
        for _ in range(count // BATCH):
            peer.sendall(batch)
    except OSError:
        say("cut off")
    say("sent")
    time.sleep(60)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3].encode(), int(sys.argv[4]))
