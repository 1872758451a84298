"""Judges what a publisher says against sections 1 and 2 of the protocol. Pure.

Every message is heard with the time it came; :meth:`Judge.conclude` then says what only shows at
the end. Nothing is wrong that a correct device could do on a line that loses nothing. What the
numbers of readings are worth is judged in :mod:`device.check.order`, as a gateway does.
"""

import json
from collections import deque
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import pairwise
from statistics import median

from device.check.findings import Findings
from device.check.order import Hole, OrderJudge
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
"""Readings of each device that are kept to compare a replay with."""
DEVICES_MAX = 10_000
DAY_MS = 24 * 3600 * 1000
CLOCK_SLACK_MS = 60_000
INTERVAL_SLACK = 0.5
"""How far the measured interval may be from the nominal one, as a part of it."""
INTERVALS_LEAST = 5
STATUS_KEYS = ("v", "device_id", "epoch", "last_seq", "ts_ms", "state", "interval_ms", "model")
_ADVICE = {
    "bad_topic": f"; topics are {READING_TOPIC}<device_id>/ and {STATUS_TOPIC}<device_id>/",
    "bad_frames": "; send two frames: the topic, then the JSON",
    "id_mismatch": ": payload and topic must name the same device",
}


@dataclass(slots=True)
class Heard:
    """What was heard of one device."""

    first_s: float
    order: OrderJudge
    readings: int = 0
    statuses: int = 0
    interval_ms: int = 0
    status_s: float | None = None
    stopped_epoch: int | None = None
    recent: deque[Reading] = field(default_factory=lambda: deque(maxlen=HEARD_MAX))
    times_s: deque[float] = field(default_factory=lambda: deque(maxlen=HEARD_MAX))


@dataclass(slots=True)
class Judge:
    """Everything heard so far and what was found."""

    findings: Findings = field(default_factory=Findings)
    devices: dict[str, Heard] = field(default_factory=dict)
    messages: int = 0

    def hear(self, frames: list[bytes], now: Now) -> None:
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
        heard = self.devices.get(device_id)
        if heard is None:
            order = OrderJudge(device_id, self.findings)
            heard = self.devices[device_id] = Heard(now.monotonic_s, order)
        raw = json.loads(frames[1])
        if isinstance(message, Status):
            self._hear_status(heard, message, raw, now)
        else:
            self._hear_reading(heard, message, raw, now)

    def conclude(self, now: Now) -> None:
        """Judge what should have come and did not."""
        for device_id, heard in self.devices.items():
            heard.order.conclude(now)
            self._conclude_statuses(device_id, heard, now.monotonic_s)
            self._conclude_readings(device_id, heard)

    def _note_bad(self, error: BadMessage, now: Now) -> None:
        detail = str(error) if error.reason == "invalid" else ""
        text = f"{error}{_ADVICE.get(error.reason, '')}"
        self.findings.wrong(error.device_id, error.reason, text, detail)
        heard = self.devices.get(error.device_id or "")
        if heard is not None:
            heard.order.hear_invalid(error, now)

    # --- readings ------------------------------------------------------------------------

    def _hear_reading(
        self, heard: Heard, checked: CheckedReading, raw: dict[str, object], now: Now
    ) -> None:
        reading = checked.reading
        heard.readings += 1
        heard.times_s.append(now.monotonic_s)
        for key in checked.dropped:
            self.findings.wrong(reading.device_id, "bad_value", _bad_value(key, raw), key)
        for key in checked.unknown:
            self.findings.advise(reading.device_id, "unknown_key", _unknown_key(key), key)
        self._judge_clock(reading, now.wall_ms)
        if heard.stopped_epoch == reading.epoch:
            text = f"reading {reading.cursor} came after the status that said stopping"
            self.findings.wrong(reading.device_id, "after_stopping", text)
        heard.order.hear_reading(reading, now)
        heard.recent.append(reading)

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

    def _conclude_readings(self, device_id: str, heard: Heard) -> None:
        if heard.readings == 0:
            text = "no reading came; statuses alone are allowed, is it meant?"
            self.findings.advise(device_id, "no_reading", text)
            return
        measured_ms = _measured_ms(heard)
        nominal_ms = heard.interval_ms
        if measured_ms and abs(measured_ms - nominal_ms) > INTERVAL_SLACK * nominal_ms > 0:
            text = (
                f"interval_ms says {nominal_ms}, readings came every {measured_ms:.0f} ms;"
                " 0 means irregular"
            )
            self.findings.advise(device_id, "interval", text)

    # --- statuses ------------------------------------------------------------------------

    def _hear_status(self, heard: Heard, status: Status, raw: dict[str, object], now: Now) -> None:
        device_id = status.device_id
        self._judge_pause(device_id, heard, now.monotonic_s)
        heard.statuses += 1
        heard.status_s, heard.interval_ms = now.monotonic_s, status.interval_ms
        if "model" in raw and status.model is None:
            text = "model must be 1 to 64 printable characters"
            self.findings.wrong(device_id, "bad_value", text, "model")
        for key in raw:
            if key not in STATUS_KEYS:
                text = f"a status has no key {key!r}; what a bike measures belongs in readings"
                self.findings.advise(device_id, "unknown_status_key", text, key)
        self._judge_state(heard, status)
        heard.order.hear_status(status, now)

    def _judge_state(self, heard: Heard, status: Status) -> None:
        if status.state == "stopping":
            heard.stopped_epoch = status.epoch
        elif heard.stopped_epoch == status.epoch:
            text = "a status said online again after stopping, without a new epoch"
            self.findings.wrong(status.device_id, "after_stopping", text, "status")

    def _judge_pause(self, device_id: str, heard: Heard, now_s: float) -> None:
        since_s = now_s - (heard.first_s if heard.status_s is None else heard.status_s)
        if since_s > STATUS_PAUSE_MAX_S and heard.stopped_epoch is None:
            text = f"no status for {since_s:.1f} s; it comes every second"
            self.findings.wrong(device_id, "status_pause", text)

    def _conclude_statuses(self, device_id: str, heard: Heard, now_s: float) -> None:
        if heard.statuses:
            self._judge_pause(device_id, heard, now_s)
        elif now_s - heard.first_s > STATUS_PAUSE_MAX_S:
            text = f"no status came; one is due every second on {STATUS_TOPIC}{device_id}/"
            self.findings.wrong(device_id, "no_status", text)


def note_holes(findings: Findings, device_id: str, holes: list[Hole]) -> None:
    """Note numbers that were never heard, and that no replay could give either."""
    for hole in holes:
        text = f"seq {hole.first} to {hole.last} never came; numbers go up by one"
        findings.wrong(device_id, "seq_jump", text)


def _measured_ms(heard: Heard) -> float | None:
    times = list(heard.times_s)
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
