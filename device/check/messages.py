"""Judges each message of a publisher against sections 1 and 2 of the protocol.

How it works. :meth:`MessageJudge.receive` gets every message with its time of arrival and notes the
faults that the message itself shows. :meth:`MessageJudge.conclude` notes the faults that only show
at the end, such as statuses that stopped coming. :mod:`device.check.sequence` judges the numbers of
the readings.

Invariant: a correct device on a network that loses nothing never causes a finding of level
``wrong``.
"""

import json
from collections import deque
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import pairwise
from statistics import median

from device.check.findings import Findings
from device.check.sequence import Hole, SequenceJudge
from gateway.domain import Now
from shared.errors import BadMessage
from shared.reading import (
    ASSIST_LEVELS,
    NUMBER_RANGES,
    READING_KEYS,
    CheckedReading,
    Reading,
    Status,
)
from shared.wire import READING_TOPIC, STATUS_TOPIC, decode_message

STATUS_PAUSE_MAX_S = 2.5
"""Statuses come every second; this allows for a busy machine, and after 3 s a device is offline."""
HEARD_MAX = 1_000
"""Readings of each device that are kept, to compare the replay with them."""
DEVICES_MAX = 10_000
DAY_MS = 24 * 3600 * 1000
CLOCK_SLACK_MS = 60_000
INTERVAL_SLACK = 0.5
"""How far the measured interval may differ from the nominal one, as a fraction of it."""
INTERVALS_LEAST = 5
STATUS_KEYS = ("v", "device_id", "epoch", "last_seq", "ts_ms", "state", "interval_ms", "model")
_ADVICE = {
    "bad_topic": f"; topics are {READING_TOPIC}<device_id>/ and {STATUS_TOPIC}<device_id>/",
    "bad_frames": "; send two frames: the topic, then the JSON",
    "id_mismatch": ": payload and topic must name the same device",
}


@dataclass(slots=True)
class Traffic:
    """The messages received from one device."""

    first_s: float
    sequence: SequenceJudge
    readings: int = 0
    statuses: int = 0
    interval_ms: int = 0
    status_s: float | None = None
    stopped_epoch: int | None = None
    recent: deque[Reading] = field(default_factory=lambda: deque(maxlen=HEARD_MAX))
    times_s: deque[float] = field(default_factory=lambda: deque(maxlen=HEARD_MAX))


@dataclass(slots=True)
class MessageJudge:
    """The traffic of all devices so far, and the findings."""

    findings: Findings = field(default_factory=Findings)
    devices: dict[str, Traffic] = field(default_factory=dict)
    messages: int = 0

    def receive(self, frames: list[bytes], now: Now) -> None:
        """Judge one message."""
        self.messages += 1
        try:
            message = decode_message(frames)
        except BadMessage as error:
            self._note_bad(error, now)
            return
        device_id = message.device_id if isinstance(message, Status) else message.reading.device_id
        if device_id not in self.devices and len(self.devices) >= DEVICES_MAX:
            return
        traffic = self.devices.get(device_id)
        if traffic is None:
            sequence = SequenceJudge(device_id, self.findings)
            traffic = self.devices[device_id] = Traffic(now.monotonic_s, sequence)
        raw = json.loads(frames[1])
        if isinstance(message, Status):
            self._receive_status(traffic, message, raw, now)
        else:
            self._receive_reading(traffic, message, raw, now)

    def conclude(self, now: Now) -> None:
        """Judge the messages that should have come and did not."""
        for device_id, traffic in self.devices.items():
            traffic.sequence.conclude(now)
            self._conclude_statuses(device_id, traffic, now.monotonic_s)
            self._conclude_readings(device_id, traffic)

    def _note_bad(self, error: BadMessage, now: Now) -> None:
        detail = str(error) if error.reason == "invalid" else ""
        text = f"{error}{_ADVICE.get(error.reason, '')}"
        self.findings.wrong(error.device_id, error.reason, text, detail)
        traffic = self.devices.get(error.device_id or "")
        if traffic is not None:
            traffic.sequence.receive_invalid(error, now)

    # --- readings ------------------------------------------------------------------------

    def _receive_reading(
        self, traffic: Traffic, checked: CheckedReading, raw: dict[str, object], now: Now
    ) -> None:
        reading = checked.reading
        traffic.readings += 1
        traffic.times_s.append(now.monotonic_s)
        for key in checked.dropped:
            self.findings.wrong(reading.device_id, "bad_value", _bad_value(key, raw), key)
        for key in checked.unknown:
            self.findings.advise(reading.device_id, "unknown_key", _unknown_key(key), key)
        self._judge_clock(reading, now.wall_ms)
        if traffic.stopped_epoch == reading.epoch:
            text = f"reading {reading.cursor} came after the status that said stopping"
            self.findings.wrong(reading.device_id, "after_stopping", text)
        traffic.sequence.receive_reading(reading, now)
        traffic.recent.append(reading)

    def _judge_clock(self, reading: Reading, wall_ms: int) -> None:
        ts_ms, off_ms = reading.ts_ms, abs(reading.ts_ms - wall_ms)
        if ts_ms == 0 or off_ms <= CLOCK_SLACK_MS:
            return
        for unit, factor in (("seconds", 1000), ("microseconds", 0.001), ("nanoseconds", 1e-6)):
            if abs(ts_ms * factor - wall_ms) < DAY_MS:
                text = f"ts_ms is {ts_ms}: that is in {unit}, it must be in milliseconds"
                self.findings.wrong(reading.device_id, "ts_unit", text)
                return
        text = (
            f"ts_ms is {ts_ms}, {off_ms // 1000} s away from this machine's clock;"
            " a device without a clock sends 0"
        )
        self.findings.advise(reading.device_id, "ts_far", text)

    def _conclude_readings(self, device_id: str, traffic: Traffic) -> None:
        if traffic.readings == 0:
            text = "no reading came; statuses alone are allowed, is it meant?"
            self.findings.advise(device_id, "no_reading", text)
            return
        measured_ms = _measured_ms(traffic)
        nominal_ms = traffic.interval_ms
        if measured_ms and abs(measured_ms - nominal_ms) > INTERVAL_SLACK * nominal_ms > 0:
            text = (
                f"interval_ms says {nominal_ms}, readings came every {measured_ms:.0f} ms;"
                " 0 means irregular"
            )
            self.findings.advise(device_id, "interval", text)

    # --- statuses ------------------------------------------------------------------------

    def _receive_status(
        self, traffic: Traffic, status: Status, raw: dict[str, object], now: Now
    ) -> None:
        device_id = status.device_id
        self._judge_pause(device_id, traffic, now.monotonic_s)
        traffic.statuses += 1
        traffic.status_s, traffic.interval_ms = now.monotonic_s, status.interval_ms
        if "model" in raw and status.model is None:
            text = "model must be 1 to 64 printable characters"
            self.findings.wrong(device_id, "bad_value", text, "model")
        for key in raw:
            if key not in STATUS_KEYS:
                text = f"a status has no key {key!r}; what a bike measures belongs in readings"
                self.findings.advise(device_id, "unknown_status_key", text, key)
        self._judge_state(traffic, status)
        traffic.sequence.receive_status(status, now)

    def _judge_state(self, traffic: Traffic, status: Status) -> None:
        if status.state == "stopping":
            traffic.stopped_epoch = status.epoch
        elif traffic.stopped_epoch == status.epoch:
            text = "a status said online again after stopping, without a new epoch"
            self.findings.wrong(status.device_id, "after_stopping", text, "status")

    def _judge_pause(self, device_id: str, traffic: Traffic, now_s: float) -> None:
        since_s = now_s - (traffic.first_s if traffic.status_s is None else traffic.status_s)
        if since_s > STATUS_PAUSE_MAX_S and traffic.stopped_epoch is None:
            text = f"no status for {since_s:.1f} s; it comes every second"
            self.findings.wrong(device_id, "status_pause", text)

    def _conclude_statuses(self, device_id: str, traffic: Traffic, now_s: float) -> None:
        if traffic.statuses:
            self._judge_pause(device_id, traffic, now_s)
        elif now_s - traffic.first_s > STATUS_PAUSE_MAX_S:
            text = f"no status came; one is due every second on {STATUS_TOPIC}{device_id}/"
            self.findings.wrong(device_id, "no_status", text)


def note_holes(findings: Findings, device_id: str, holes: list[Hole]) -> None:
    """Note numbers that neither a message nor a replay brought."""
    for hole in holes:
        text = f"seq {hole.first} to {hole.last} never came; numbers go up by one"
        findings.wrong(device_id, "seq_jump", text)


def _measured_ms(traffic: Traffic) -> float | None:
    times = list(traffic.times_s)
    if len(times) <= INTERVALS_LEAST:
        return None
    return median(after - before for before, after in pairwise(times)) * 1000


def _bad_value(key: str, raw: dict[str, object]) -> str:
    value = raw.get(key)
    if key in NUMBER_RANGES:
        low, high = NUMBER_RANGES[key]
        return f"{key} is {value!r}; it must be a number from {low} to {high}"
    if key == "assist":
        return f"assist is {value!r}; it must be one of {', '.join(ASSIST_LEVELS)}"
    return (
        f"{key} is no part of extra: at most 16 keys of a-z, 0-9 and _ (32 at most) with finite"
        " numbers, booleans or strings of at most 64 characters"
    )


def _unknown_key(key: str) -> str:
    near = get_close_matches(key, READING_KEYS, n=1)
    hint = f"did you mean {near[0]}? If not, " if near else ""
    return f'unknown key {key!r} is dropped; {hint}send it as "extra": {{"{key}": ...}}'
