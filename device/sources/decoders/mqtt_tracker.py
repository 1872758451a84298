"""Turns the messages of an MQTT tracker into samples, one after the other. Pure.

How it works. A message with a speed becomes a sample. Values of other messages wait for it: a
sample also holds the newest value of each other key, if that is not older than the ``max_age_s`` of
its field. Three kinds of messages are no measurement and are left out:

- a retained message, which the broker kept for new subscribers: it may be days old;
- a repetition: the same bytes on the same topic, if they contain a time, or if the tracker or the
  broker says that it sends them again (quality of service 1);
- a message with a wrong value: it raises :class:`BadMessage`.

A time before the year 2000 comes from a tracker that has not set its clock: it recognises
repetitions, but the reading gets the time of its arrival.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from device.sample import Sample
from device.sources.decoders.mqtt_map import SPEED, TIME, Field
from device.sources.decoders.mqtt_message import Found, read_message
from device.sources.decoders.sample_line import decode_sample
from shared.errors import BadMessage
from shared.reading import SPEED_RANGE_KMH, Value

REPETITIONS_AFTER_MAX = 256
"""A tracker repeats what the broker has not confirmed: usually up to 20 messages."""

YEAR_2000_MS = 946_684_800_000


@dataclass(frozen=True, slots=True)
class Message:
    """One MQTT message, and its flags."""

    topic: str
    payload: bytes
    retain: bool = False
    dup: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """A value and when its message came, on a monotonic clock."""

    value: Value
    came_s: float


class Tracker:
    """The state of one tracker. Without a map its messages are those of the source ``stdin``."""

    def __init__(self, fields: Sequence[Field] = ()) -> None:
        self._fields = fields
        self._ages_s = {one.key: one.max_age_s for one in fields}
        self._held: dict[str, Held] = {}
        self._seen: deque[int] = deque(maxlen=REPETITIONS_AFTER_MAX)

    def take(self, message: Message, now_s: float) -> Sample | None:
        """Return the sample that a message completes, or None. Raises :class:`BadMessage`."""
        if message.retain:
            return None
        if not self._fields:
            sample = decode_sample(message.payload)
            is_repetition = self._is_repetition(message, has_time=sample.ts_ms is not None)
            return None if is_repetition else sample
        found = dict(read_message(self._fields, message.topic, message.payload))
        ts_ms: Any = found.pop(TIME, None)
        if self._is_repetition(message, has_time=bool(ts_ms)):  # 0 means: it has no clock
            return None
        self._hold(found, now_s)
        return self._sample(found, ts_ms, now_s)

    def _is_repetition(self, message: Message, *, has_time: bool) -> bool:
        mark = hash((message.topic, message.payload))
        is_repetition = (has_time or message.dup) and mark in self._seen
        if not is_repetition:
            self._seen.append(mark)
        return is_repetition

    def _hold(self, found: Found, now_s: float) -> None:
        for key, value in found.items():
            if value is None:
                self._held.pop(key, None)
            elif key != SPEED:
                self._held[key] = Held(value, now_s)

    def _sample(self, found: Found, ts_ms: int | None, now_s: float) -> Sample | None:
        speed: Any = found.get(SPEED)
        if speed is None:
            return None
        low, high = SPEED_RANGE_KMH
        if not low <= speed <= high:
            raise BadMessage(
                SPEED, f"speed_kmh must be from 0 to 200, not {speed}: is it the unit?"
            )
        is_set = ts_ms is not None and ts_ms >= YEAR_2000_MS
        return Sample(None, speed, self._values(now_s), ts_ms if is_set else None)

    def _values(self, now_s: float) -> dict[str, Value]:
        """Return the values that are not too old, those of ``extra`` in an object of their own."""
        values: dict[str, Value] = {}
        extra: dict[str, Any] = {}
        for key, held in self._held.items():
            if now_s - held.came_s > self._ages_s[key]:
                continue
            table, _, name = key.partition(".")
            if name:
                extra[name] = held.value
            else:
                values[table] = held.value
        return values | ({"extra": extra} if extra else {})
