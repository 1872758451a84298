"""Measure the work that cannot be sliced (``docs/guarantees.md``); print the worst CPU time in ms.

::

    python -m scripts.measure.unsliced
"""

import gc
import json
import socket
import sys
import time
from collections.abc import Callable
from functools import partial

from gateway.cycles import CYCLES_AFTER
from gateway.transport import EngineServer
from gateway.transport.connection.connection import Connection
from gateway.transport.socketio.socketio_packets import IncomingPacket
from gateway.transport.stock.strict_json import MAX_CONTAINERS, StrictPacket
from gateway.transport.websocket.frames import packet_frame
from gateway.web.sockets import MESSAGE_BYTES_MAX

RUNS = 3
CLIENTS = 10_000
PAIRS = 400
READING_BYTES = 230


def main() -> None:
    """Print a line for each kind of work."""
    for name, text in messages().items():
        show(f"parsing the largest message: {name}", partial(parse, text))
    flush = open_group()
    show(f"one flush to a group of {CLIENTS}", flush)
    server = EngineServer()
    gc.freeze()
    held = [Connection(server, str(number)) for number in range(CLIENTS)]
    show(f"a full garbage collection with {len(held)} clients", gc.collect)


def messages() -> dict[str, str]:
    """Return messages of the maximum size in the forms that take longest to parse."""
    size, brackets = MESSAGE_BYTES_MAX, MAX_CONTAINERS - 10
    lists, objects = ",[]" * brackets, ",{}" * brackets
    rest = ",1" * ((size - len(lists)) // 2 - 30)
    since = {f"ebike-{number:05d}": f"1764547200000-{number}" for number in range(10_000)}
    return {
        "numbers": f'2["x"{",1" * (size // 2 - 10)}]',
        "keys": f'2["x",{json.dumps({f"{number:x}": 1 for number in range(size // 12)})}]',
        "lists": f'2["x"{lists}{rest}]',
        "objects, binary": f'51-["x",{{"_placeholder":true,"num":0}}{objects}{rest}]',
        "10,000 cursors": f'2["subscribe",{json.dumps({"devices": "*", "since": since})}]',
    }


def parse(text: str) -> None:
    """Parse a packet as the server does."""
    assert len(text) <= MESSAGE_BYTES_MAX
    incoming = IncomingPacket(StrictPacket, text)
    if not incoming.is_complete:
        incoming.attach(b"x", MESSAGE_BYTES_MAX)
    incoming.decode(StrictPacket)


def open_group() -> Callable[[], None]:
    """Return a function that sends a reading once for each client of a large group."""
    pairs = [socket.socketpair() for _ in range(PAIRS)]
    sends = [ours.send for ours, _theirs in pairs]
    reading = packet_frame("4" + "x" * READING_BYTES)

    def flush() -> None:
        for _ in range(CLIENTS // PAIRS):
            for send in sends:
                send(reading)
        for _ours, theirs in pairs:
            theirs.recv(1_000_000)

    return flush


def show(name: str, call: Callable[[], object]) -> None:
    """Print the CPU time of a call."""
    gc.set_threshold(CYCLES_AFTER)
    took = []
    for _ in range(RUNS):
        began = time.process_time()
        call()
        took.append(time.process_time() - began)
    sys.stdout.write(f"{max(took) * 1000:6.1f} ms  {name}\n")


if __name__ == "__main__":
    main()
