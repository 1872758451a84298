"""Publish readings of many devices at a steady rate, each with the time it was published at.

Usage: ``python -m scripts.benchmarks.publisher SINK PORT DEVICES``. Commands come on standard
input: ``subscribed`` waits for the server, ``prime`` publishes one reading of each device,
``rate N`` publishes N readings a second from now on (0 stops), ``count`` does nothing. Each answers
how many were published so far, and the CPU time used.
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
"""What falls due within this time is sent together: waking up costs more than a reading."""


def device_names(count: int) -> list[str]:
    """Name the devices, as a fleet is named."""
    return [f"ebike-{number:03}" for number in range(1, count + 1)]


def reading_text(device_id: str, epoch: int, seq: int, sent_us: int) -> bytes:
    """Write a reading the size of the simulator's; it ends with the time it was sent at."""
    return (
        f'{{"v":1,"device_id":"{device_id}","epoch":{epoch},"seq":{seq},"ts_ms":{epoch + seq},'
        f'"speed_kmh":{seq % 400 / 10},"power_w":{100 + seq % 90},"cadence_rpm":{60 + seq % 30},'
        f'"battery_pct":87.5,"odometer_km":1204.25,"assist":"tour","extra":{{"sent_us":{sent_us}}}}}'
    ).encode()


def status_text(device_id: str, epoch: int, last_seq: int) -> bytes:
    """Write a status."""
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
    """The devices, how far each has counted, and when the next reading is due."""

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
        """Publish so many readings a second from now on."""
        if not self.rate_hz:
            self._started_s, self._statuses = time.monotonic(), 0
        self.rate_hz, self._since_s, self._since_count = rate_hz, time.monotonic(), self.published

    def wait_s(self) -> float | None:
        """Tell for how long nothing is due; None for ever."""
        if not self.rate_hz:
            return None
        due_s = self._since_s + (self.published - self._since_count) / self.rate_hz
        return max(SHORTEST_WAIT_S, due_s - time.monotonic())

    def publish_due(self) -> None:
        """Send what is due; after a pause, all that should have been sent in it."""
        now_s = time.monotonic()
        due = self._since_count + int((now_s - self._since_s) * self.rate_hz) + 1
        while self.published < due:
            self._publish_next()
        if isinstance(self.sink, ZeroMqSink):
            self._send_statuses(self.sink, now_s)

    def prime(self) -> None:
        """Make each device known."""
        for _ in self.names:
            self._publish_next()

    def _publish_next(self) -> None:
        count, index = divmod(self.published, len(self.names))
        self._sent_us = max(self._sent_us + 1, time.monotonic_ns() // 1000)
        name = self.names[index]
        self.sink.send(name, reading_text(name, self.epoch, count + 1, self._sent_us))
        self.published += 1

    def _send_statuses(self, sink: ZeroMqSink, now_s: float) -> None:
        """Send the statuses that are due, spread over the interval as the readings are."""
        due = int((now_s - self._started_s) / STATUS_EVERY_S * len(self.names))
        for number in range(self._statuses, due):
            index = number % len(self.names)
            last_seq = (self.published - index + len(self.names) - 1) // len(self.names)
            name = self.names[index]
            sink.send_status(name, status_text(name, self.epoch, last_seq))
        self._statuses = due


def obey(publisher: Publisher, command: str) -> None:
    """Carry out one command and answer."""
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
