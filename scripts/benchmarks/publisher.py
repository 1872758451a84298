"""Publish readings of many devices at a steady rate. Each reading contains its send time.

Usage: ``python -m scripts.benchmarks.publisher SINK PORT DEVICES``. It reads commands from standard
input: ``subscribed`` waits for the server, ``prime`` publishes one reading of each device,
``rate N`` publishes N readings per second from now on (0 stops), ``count`` does nothing. The answer
to each command is the number of readings published so far and the CPU time used.
"""

import json
import os
import select
import sys
import time
from dataclasses import dataclass, field

from scripts.benchmarks.sinks import SINKS, Sink, ZeroMqSink

STATUS_EVERY_S = 1.0
SHORTEST_WAIT_S = 0.0005
"""Readings due within this time are sent together, because a wake-up costs more than a reading."""


def device_names(count: int) -> list[str]:
    """Return device ids as in a fleet."""
    return [f"ebike-{number:03}" for number in range(1, count + 1)]


def reading_text(device_id: str, epoch: int, seq: int, sent_us: int) -> bytes:
    """Encode a reading as large as the simulator's. It ends with its send time."""
    return (
        f'{{"v":1,"device_id":"{device_id}","epoch":{epoch},"seq":{seq},"ts_ms":{epoch + seq},'
        f'"speed_kmh":{seq % 400 / 10},"power_w":{100 + seq % 90},"cadence_rpm":{60 + seq % 30},'
        f'"battery_pct":87.5,"odometer_km":1204.25,"assist":"tour","extra":{{"sent_us":{sent_us}}}}}'
    ).encode()


def status_text(device_id: str, epoch: int, last_seq: int) -> bytes:
    return json.dumps(
        {
            "v": 1,
            "device_id": device_id,
            "epoch": epoch,
            "last_seq": last_seq,
            "ts_ms": epoch + last_seq,
            "state": "online",
            "interval_ms": 0,
        }
    ).encode()


@dataclass
class Publisher:
    """The devices, the numbers of their readings, and the time of the next reading."""

    sink: Sink
    names: list[str]
    epoch: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    published: int = 0
    rate_hz: float = 0.0
    _since_s: float = 0.0
    _since_count: int = 0
    _sent_us: int = 0
    _statuses: int = 0
    _started_s: float = 0.0

    def set_rate(self, rate_hz: float) -> None:
        """Publish this many readings per second from now on."""
        if not self.rate_hz:
            self._started_s, self._statuses = time.monotonic(), 0
        self.rate_hz, self._since_s, self._since_count = rate_hz, time.monotonic(), self.published

    def wait_s(self) -> float | None:
        """Return the seconds until the next reading is due; None without a rate."""
        if not self.rate_hz:
            return None
        due_s = self._since_s + (self.published - self._since_count) / self.rate_hz
        return max(SHORTEST_WAIT_S, due_s - time.monotonic())

    def publish_due(self) -> None:
        """Send all readings that are due, including those delayed by a pause."""
        now_s = time.monotonic()
        due = self._since_count + int((now_s - self._since_s) * self.rate_hz) + 1
        while self.published < due:
            self._publish_next()
        if isinstance(self.sink, ZeroMqSink):
            self._send_statuses(self.sink, now_s)

    def prime(self) -> None:
        """Publish one reading of each device, so that the server knows it."""
        for _ in self.names:
            self._publish_next()

    def _publish_next(self) -> None:
        count, index = divmod(self.published, len(self.names))
        self._sent_us = max(self._sent_us + 1, time.monotonic_ns() // 1000)
        name = self.names[index]
        self.sink.send(name, reading_text(name, self.epoch, count + 1, self._sent_us))
        self.published += 1

    def _send_statuses(self, sink: ZeroMqSink, now_s: float) -> None:
        """Send the statuses that are due, evenly spread over the interval."""
        due = int((now_s - self._started_s) / STATUS_EVERY_S * len(self.names))
        for number in range(self._statuses, due):
            index = number % len(self.names)
            last_seq = (self.published - index + len(self.names) - 1) // len(self.names)
            name = self.names[index]
            sink.send_status(name, status_text(name, self.epoch, last_seq))
        self._statuses = due


def obey(publisher: Publisher, command: str) -> None:
    """Execute one command and print the answer."""
    word, _, number = command.partition(" ")
    if word == "subscribed":
        publisher.sink.wait_for_subscriber()
    elif word == "prime":
        publisher.prime()
    elif word == "rate":
        publisher.set_rate(float(number))
    used = os.times()
    answer = {"published": publisher.published, "cpu_s": used.user + used.system}
    print(json.dumps(answer), flush=True)


def main(sink: str, port: str, devices: str) -> None:
    """Publish until standard input ends."""
    publisher = Publisher(SINKS[sink](int(port)), device_names(int(devices)))
    while True:
        readable, _, _ = select.select([sys.stdin], [], [], publisher.wait_s())
        if readable:
            command = sys.stdin.readline()
            if not command:
                return
            obey(publisher, command.strip())
        elif publisher.rate_hz:
            publisher.publish_due()


if __name__ == "__main__":
    main(*sys.argv[1:])
