"""Measure what a ZeroMQ message costs an idle event loop: waited for by a thread, or by the loop.

::

    python -m scripts.measure.loop_waits

Another process sends messages of two frames, each with the time of its sending, 100 a second.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from statistics import median, quantiles
from threading import Thread

import gevent
import zmq
from gevent.event import Event

from gateway.upstream.readiness import Readiness, watch_descriptor

MESSAGES, PAUSE_S = 500, 0.01

Socket = zmq.Socket[bytes]


def send(port: int) -> None:
    """Be the other process."""
    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        push.connect(f"tcp://127.0.0.1:{port}")
        for _ in range(MESSAGES):
            time.sleep(PAUSE_S)
            push.send_multipart([b"topic", str(time.monotonic_ns()).encode()])


@contextmanager
def waited_for_by_a_thread(pull: Socket, wake: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Let a thread poll, which wakes the loop and goes on when told that all was read."""
    has_read: SimpleQueue[bool] = SimpleQueue()
    watcher = gevent.get_hub().loop.async_()
    watcher.start(wake)

    def run() -> None:
        goes_on = True
        while goes_on:
            pull.poll()
            watcher.send()
            goes_on = has_read.get()

    thread = Thread(target=run)
    thread.start()
    left = [MESSAGES]

    def all_was_read() -> None:
        left[0] -= 1
        has_read.put(left[0] > 0)

    yield all_was_read
    thread.join()
    watcher.stop()
    watcher.close()


@contextmanager
def waited_for_by_the_loop(pull: Socket, wake: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Watch the descriptor, as the gateway does."""
    readiness = Readiness(watch_descriptor)
    readiness.add(pull, wake)
    yield lambda: None
    readiness.clear()


def measure(way: Callable[[Socket, Callable[[], None]], object]) -> tuple[list[float], float]:
    """Note how long after its sending each message was read, in ms; and the CPU time in µs."""
    delays: list[float] = []
    woken = Event()
    with zmq.Context() as context, context.socket(zmq.PULL) as pull:
        port = pull.bind_to_random_port("tcp://127.0.0.1")
        sender = subprocess.Popen([sys.executable, "-m", "scripts.measure.loop_waits", str(port)])
        with way(pull, woken.set) as all_was_read:  # type: ignore[attr-defined]  # a context
            before_s = time.process_time()
            while len(delays) < MESSAGES:
                woken.wait()
                woken.clear()
                while pull.poll(0):
                    sent_ns = int(pull.recv_multipart()[-1])
                    delays.append((time.monotonic_ns() - sent_ns) / 1e6)
                    all_was_read()
            used_s = time.process_time() - before_s
        sender.wait()
    return delays, used_s / MESSAGES * 1e6


def main() -> None:
    """Measure both ways, in turns, and print what each takes."""
    ways = {"a thread waits": waited_for_by_a_thread, "the loop waits": waited_for_by_the_loop}
    for _ in range(3):
        for name, way in ways.items():
            delays, cpu_us = measure(way)
            late = quantiles(delays, n=100)[98]
            sys.stdout.write(
                f"{name}: {cpu_us:.0f} µs of CPU a message; "
                f"read after {median(delays):.2f} ms, 99 % within {late:.2f} ms\n"
            )


if __name__ == "__main__":
    send(int(sys.argv[1])) if sys.argv[1:] else main()
