# noqa: INP001  # a measurement beside its record, not part of a package
"""Measure how late messages come to a busy event loop: read by a thread, or by the loop itself.

::

    python -m docs.decisions.thread_waits

Another process sends bursts of messages of two frames, each with the time of its sending. The loop
works all the time, in slices of 10 ms, and takes what there is after each.
"""

import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from statistics import median, quantiles
from threading import Thread

import gevent
import zmq

from gateway.links.turns import Turns

BURSTS, BURST_MESSAGES, PAUSE_S = 100, 20, 0.02
MESSAGES = BURSTS * BURST_MESSAGES
SLICE_S = 0.01

Socket = zmq.Socket[bytes]
Take = Callable[[], list[bytes]]


def send(port: int) -> None:
    """Be the other process."""
    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        push.connect(f"tcp://127.0.0.1:{port}")
        for number in range(MESSAGES):
            if number % BURST_MESSAGES == 0:
                time.sleep(PAUSE_S)
            push.send_multipart([b"topic", str(time.monotonic_ns()).encode()])


def read_by_thread(pull: Socket) -> Take:
    """Let a thread read, and leave what it read to the loop."""
    read: deque[bytes] = deque()

    def run() -> None:
        for _ in range(MESSAGES):
            read.append(pull.recv_multipart()[-1])

    Thread(target=run).start()
    return lambda: [read.popleft() for _ in range(len(read))]


def read_by_loop(pull: Socket) -> Take:
    """Let a thread wait, and the loop read when it has the turn, as the gateway does."""
    turns, left = Turns(lambda: None), MESSAGES
    turns.add(pull)
    turns.start()

    def take() -> list[bytes]:
        nonlocal left
        if not turns.begin():
            return []
        read = []
        while pull.poll(0):
            read.append(pull.recv_multipart()[-1])
        left -= len(read)
        turns.give_back() if left else turns.stop()
        return read

    return take


def delays_ms(way: Callable[[Socket], Take]) -> list[float]:
    """Keep the loop busy, and note how long after its sending it had each message, in ms."""
    delays: list[float] = []
    with zmq.Context() as context, context.socket(zmq.PULL) as pull:
        port = pull.bind_to_random_port("tcp://127.0.0.1")
        sender = subprocess.Popen([sys.executable, "-m", "docs.decisions.thread_waits", str(port)])
        take = way(pull)
        while len(delays) < MESSAGES:
            work(SLICE_S)
            gevent.sleep(0)
            now_ns = time.monotonic_ns()
            delays += [(now_ns - int(sent)) / 1e6 for sent in take()]
        sender.wait()
    return delays


def work(for_s: float) -> None:
    """Be busy."""
    until_s = time.monotonic() + for_s
    while time.monotonic() < until_s:
        pass


def main() -> None:
    """Measure both ways and print the median and the 99th percentile of each."""
    for name, way in {"a thread reads": read_by_thread, "the loop reads": read_by_loop}.items():
        delays = delays_ms(way)
        late = quantiles(delays, n=100)[98]
        sys.stdout.write(f"{name}: median {median(delays):.1f} ms, 99 % within {late:.1f} ms\n")


if __name__ == "__main__":
    send(int(sys.argv[1])) if sys.argv[1:] else main()
