"""Measure whether one device process publishes 1,000 bikes at 10 Hz on one core, with nothing lost.

::

    python -m scripts.measure.fleet [SECONDS] [--memory]

The device is pinned to one core and keeps its readings in a file, or only in memory (``--memory``).
A subscriber in this process counts every reading and every number that is missing.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import zmq

from shared.reading import Status
from shared.wire import READING_TOPIC, decode_message

BIKES, RATE_HZ = 1_000, 10
WARM_UP_S, USUAL_S = 2.0, 20.0
POLL_MS = 100


@dataclass
class Count:
    """The readings received, and the numbers missing between them."""

    readings: int = 0
    missing: int = 0
    late_ms: list[float] = field(default_factory=list)
    """From the measurement to here; of every hundredth reading."""
    last_seqs: dict[str, int] = field(default_factory=dict)

    def add(self, frames: list[bytes]) -> None:
        """Count one message."""
        message = decode_message(frames)
        if isinstance(message, Status):
            return
        one = message.reading
        self.missing += one.seq - self.last_seqs.get(one.device_id, one.seq - 1) - 1
        self.last_seqs[one.device_id] = one.seq
        self.readings += 1
        if self.readings % 100 == 0:
            self.late_ms.append(time.time_ns() / 1e6 - one.ts_ms)


@contextmanager
def fleet(port: int, folder: Path, *, in_memory: bool) -> Iterator[psutil.Process]:
    """Run the device on the last core of this machine."""
    cores = sorted(os.sched_getaffinity(0))
    environ = {
        "PATH": os.environ["PATH"],
        "SPOKE_ENV": "test",
        "SPOKE_SEED": "1",
        "SPOKE_FLEET_SIZE": str(BIKES),
        "SPOKE_RATE_HZ": str(RATE_HZ),
        "SPOKE_PUB_BIND": f"tcp://127.0.0.1:{port}",
        "SPOKE_REPLAY_BIND": f"tcp://127.0.0.1:{port + 1}",
        "SPOKE_LOG_DIR": str(folder),
        **({} if in_memory else {"SPOKE_JOURNAL": str(folder / "journal.sqlite")}),
    }
    device = subprocess.Popen([sys.executable, "-m", "device"], env=environ)
    os.sched_setaffinity(device.pid, cores[-1:])  # before it has threads
    try:
        yield psutil.Process(device.pid)
    finally:
        device.terminate()
        device.wait()


def receive(sub: "zmq.Socket[bytes]", count: Count, until_s: float) -> None:
    """Count all messages until a time."""
    while time.monotonic() < until_s:
        if sub.poll(POLL_MS):
            count.add(sub.recv_multipart())


def cpu_s(device: psutil.Process) -> float:
    """Return the processor time that the device has used."""
    times = device.cpu_times()
    return float(times.user + times.system)


def main(arguments: list[str]) -> int:
    """Print the figures; returns 1 if a reading is missing."""
    in_memory = "--memory" in arguments
    seconds = [float(one) for one in arguments if one != "--memory"]
    length_s = seconds[0] if seconds else USUAL_S
    with (
        zmq.Context() as context,
        context.socket(zmq.SUB) as sub,
        tempfile.TemporaryDirectory() as folder,
    ):
        sub.rcvhwm = 0
        sub.subscribe(READING_TOPIC.encode())
        probe = context.socket(zmq.PUB)
        port = probe.bind_to_random_port("tcp://127.0.0.1", 20_000, 32_000)
        probe.close(0)
        sub.connect(f"tcp://127.0.0.1:{port}")
        with fleet(port, Path(folder), in_memory=in_memory) as device:
            count = Count()
            count.add(sub.recv_multipart())
            receive(sub, count, time.monotonic() + WARM_UP_S)
            before_s, begun_s, before = cpu_s(device), time.monotonic(), count.readings
            count.late_ms.clear()
            receive(sub, count, begun_s + length_s)
            readings, passed_s = count.readings - before, time.monotonic() - begun_s
            used_s = cpu_s(device) - before_s
        late = sorted(count.late_ms)
        sys.stdout.write(
            f"{readings / passed_s:,.0f} readings a second of {len(count.last_seqs):,} bikes,"
            f" {count.missing} missing; {used_s / readings * 1e6:.0f} µs of CPU a reading,"
            f" {used_s / passed_s:.0%} of one core; received"
            f" {late[len(late) // 2]:.0f} ms after the measurement"
            f" (99 %: {late[len(late) * 99 // 100]:.0f} ms)\n"
        )
    return 1 if count.missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
