"""Measures the memory that libzmq takes for messages that nobody has read.

usage: python -m scripts.measure.libzmq_memory

Twenty DEALERs in a second process send 33.6 MB to a ROUTER without a high-water mark, which reads
them only after all have come in: once with libzmq's defaults, and once with Spoke's option that
messages share no buffers.
"""

import sys
from multiprocessing import get_context
from time import monotonic, sleep

import zmq

from shared.contexts import Context, new_context
from shared.unread import give_back_memory, resident_bytes

SENDERS, MESSAGES, MESSAGE_BYTES = 20, 600, 2_800
CALM_S = 0.5
"""After so long without growth everything has come in."""
SOCKET_MS = 30_000


def send_all(endpoint: str) -> None:
    """Send all messages; the context waits until they have left."""
    with zmq.Context() as context:
        sockets = [context.socket(zmq.DEALER) for _ in range(SENDERS)]
        for socket in sockets:
            socket.sndhwm = 0
            socket.connect(endpoint)
        for _ in range(MESSAGES):
            for socket in sockets:
                socket.send(bytes(MESSAGE_BYTES))
        for socket in sockets:
            socket.close()


def main() -> None:
    """Print the memory with both kinds of contexts."""
    for kind, create in (("libzmq's defaults", zmq.Context), ("Spoke's option", new_context)):
        sys.stdout.write(f"{kind}\n")
        _measure(create())


def _measure(context: Context) -> None:
    """Print the memory after the messages came in, were read, and were given back."""
    with context, context.socket(zmq.ROUTER) as router:
        router.rcvhwm, router.rcvtimeo = 0, SOCKET_MS
        port = router.bind_to_random_port("tcp://127.0.0.1")
        before = resident_bytes()
        sender = get_context("spawn").Process(target=send_all, args=(f"tcp://127.0.0.1:{port}",))
        sender.start()
        sender.join()
        _wait_until_calm()
        _tell(f"{SENDERS * MESSAGES * MESSAGE_BYTES / 1e6:.0f} MB came in", before)
        for _ in range(SENDERS * MESSAGES):
            router.recv_multipart()
        _tell("all messages were read", before)
        give_back_memory()
        _tell("free memory was given back", before)


def _wait_until_calm() -> None:
    most, since_s = resident_bytes(), monotonic()
    while monotonic() < since_s + CALM_S:
        sleep(0.01)
        if (resident := resident_bytes()) > most:
            most, since_s = resident, monotonic()


def _tell(what: str, before: int) -> None:
    sys.stdout.write(f"{what}: {(resident_bytes() - before) / 1e6:.0f} MB more than before\n")


if __name__ == "__main__":
    main()
