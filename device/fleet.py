"""The bikes of one process: their ids, their numbers, and what each says of itself. Pure.

Numbers are given here and nowhere else: from 1 in each epoch, one to every reading that is fit to
be published. What a source got wrong is left out and counted, and uses up no number.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from device.journal import Numbered
from device.sources import Sample, Source
from shared.errors import BadMessage
from shared.reading import VERSION, Reading, State, Status, check_reading
from shared.wire import READING_BYTES_MAX, decode_reading, encode_reading, encode_status

FAULT_KINDS_MAX = 32
"""A source may make up keys without end; beyond so many they are counted as one."""
OTHER_FAULTS = "other keys"


@dataclass(slots=True)
class Bike:
    """One bike: where its samples come from and how far its numbers have come."""

    device_id: str
    epoch: int
    source: Source
    last_seq: int = 0
    readings: int = 0
    """How many were numbered here, in whatever epoch."""
    state: State = "online"
    faults: Counter[str] = field(default_factory=Counter)
    """How often each key was left out; ``speed_kmh`` counts the samples lost altogether."""
    new_faults: list[str] = field(default_factory=list)
    """The keys left out for the first time, for whoever writes the log to take."""

    def number(self, sample: Sample, ts_ms: int) -> Numbered | None:
        """Give a sample, measured at ``ts_ms``, the next number; None when its speed is unfit."""
        try:
            reading, wrong = self._check(sample, ts_ms)
        except BadMessage:
            self._count(("speed_kmh",))
            return None
        payload = encode_reading(reading)
        if len(payload) > READING_BYTES_MAX:
            payload, wrong = encode_reading(_without_extra(reading)), (*wrong, "extra")
        self._count(wrong)
        self.last_seq = reading.seq
        self.readings += 1
        return Numbered(self.device_id, reading.cursor, payload)

    def number_again(self, payload: bytes) -> Numbered:
        """Give a reading that was numbered in an epoch that ended the next number of this one."""
        old = decode_reading(payload, self.device_id).reading
        self.last_seq += 1
        again = Reading(
            self.device_id, self.epoch, self.last_seq, old.ts_ms, old.speed_kmh, old.values
        )
        return Numbered(self.device_id, again.cursor, encode_reading(again))

    def begin(self, epoch: int) -> None:
        """Number from 1 in an epoch that is greater than all before."""
        self.epoch, self.last_seq = epoch, 0

    def status(self, ts_ms: int) -> bytes:
        """Say that the bike is there, and what its last number is."""
        return encode_status(
            Status(
                self.device_id,
                self.epoch,
                self.last_seq,
                ts_ms,
                self.state,
                self.source.interval_ms,
                self.source.model,
            )
        )

    def _check(self, sample: Sample, ts_ms: int) -> tuple[Reading, tuple[str, ...]]:
        raw = {
            **sample.values,
            "v": VERSION,
            "device_id": self.device_id,
            "epoch": self.epoch,
            "seq": self.last_seq + 1,
            "ts_ms": ts_ms,
            "speed_kmh": sample.speed_kmh,
        }
        checked = check_reading(raw, self.device_id)
        return checked.reading, checked.dropped + checked.unknown

    def _count(self, wrong: Sequence[str]) -> None:
        for key in wrong:
            known = key in self.faults or len(self.faults) < FAULT_KINDS_MAX
            name = key if known else OTHER_FAULTS
            if name not in self.faults:
                self.new_faults.append(name)
            self.faults[name] += 1


def fleet_ids(device_id: str, size: int) -> list[str]:
    """Name the bikes: one has the id it was given, n are ebike-001 to ebike-n."""
    if size == 1:
        return [device_id]
    return [f"ebike-{number:03d}" for number in range(1, size + 1)]


def _without_extra(reading: Reading) -> Reading:
    """Leave out what alone can make a reading too large."""
    values = {key: value for key, value in reading.values.items() if key != "extra"}
    return Reading(
        reading.device_id, reading.epoch, reading.seq, reading.ts_ms, reading.speed_kmh, values
    )
