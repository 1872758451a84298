"""The bikes of one process: their ids, their numbers and their statuses.

How it works. :meth:`Bike.number` checks a sample with the same code as a gateway. A value that is
invalid is left out and counted as a fault. A sample without a valid speed is lost as a whole.
Nearly every sample is valid as it stands; it is encoded first and checked as bytes: that is faster.

Invariant: only this module gives numbers. They begin at 1 in each epoch, and only a reading that
will be published takes one. So receivers never see a hole where a source made a fault.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from device.journal import Numbered
from device.sample import Sample
from device.sources import Source
from shared.cursor import Cursor
from shared.errors import BadMessage
from shared.reading import VERSION, Reading, State, Status, check_reading
from shared.wire import (
    READING_BYTES_MAX,
    decode_reading,
    encode_reading,
    encode_status,
    encode_valid,
)

FAULT_KINDS_MAX = 32
"""Bounds the memory: a source may send ever new keys. Further ones are counted together."""
OTHER_FAULTS = "other keys"


@dataclass(slots=True)
class Bike:
    """One bike: its source, its last number and its faults."""

    device_id: str
    epoch: int
    source: Source
    last_seq: int = 0
    readings: int = 0
    """The readings numbered since the start, in all epochs."""
    state: State = "online"
    faults: Counter[str] = field(default_factory=Counter)
    """How often each key was left out; ``speed_kmh`` counts the samples lost altogether."""
    new_faults: list[str] = field(default_factory=list)
    """The keys left out for the first time; the publisher logs and clears them."""

    def number(self, sample: Sample, ts_ms: int) -> Numbered | None:
        """Number a sample, published at ``ts_ms``; None if its speed is invalid."""
        raw = self._raw(sample, ts_ms if sample.ts_ms is None else sample.ts_ms)
        # Types that only the encoder knows, such as dates, are found in "extra" by the slow way.
        payload = None if "extra" in raw else encode_valid(raw, self.device_id)
        if payload is None:
            payload = self._corrected(raw)
        if payload is None:
            return None
        self.last_seq += 1
        self.readings += 1
        return Numbered(self.device_id, Cursor(self.epoch, self.last_seq), payload)

    def number_again(self, payload: bytes) -> Numbered:
        """Give a reading of an epoch that ended the next number of the present one."""
        old = decode_reading(payload, self.device_id).reading
        self.last_seq += 1
        again = Reading(
            self.device_id, self.epoch, self.last_seq, old.ts_ms, old.speed_kmh, old.values
        )
        return Numbered(self.device_id, again.cursor, encode_reading(again))

    def begin(self, epoch: int) -> None:
        """Begin an epoch, which is greater than all before; its numbers begin at 1."""
        self.epoch, self.last_seq = epoch, 0

    def status(self, ts_ms: int) -> bytes:
        """Encode the bike's status, with its last number."""
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

    def _raw(self, sample: Sample, ts_ms: int) -> dict[str, object]:
        """Write the next reading with its keys in their order; the sample may not change ours."""
        own: dict[str, object] = {
            "v": VERSION,
            "device_id": self.device_id,
            "epoch": self.epoch,
            "seq": self.last_seq + 1,
            "ts_ms": ts_ms,
            "speed_kmh": sample.speed_kmh,
        }
        if own.keys().isdisjoint(sample.values):
            own.update(sample.values)
            return own
        return {**sample.values, **own}

    def _corrected(self, raw: Mapping[str, object]) -> bytes | None:
        """Encode a reading without its invalid values, and count them; None without a speed."""
        try:
            reading, dropped, unknown = check_reading(raw, self.device_id)
        except BadMessage:
            self._count(("speed_kmh",))
            return None
        payload, wrong = encode_reading(reading), dropped + unknown
        if len(payload) > READING_BYTES_MAX:
            payload, wrong = encode_reading(_without_extra(reading)), (*wrong, "extra")
        self._count(wrong)
        return payload

    def _count(self, wrong: Sequence[str]) -> None:
        for key in wrong:
            known = key in self.faults or len(self.faults) < FAULT_KINDS_MAX
            name = key if known else OTHER_FAULTS
            if name not in self.faults:
                self.new_faults.append(name)
            self.faults[name] += 1


def fleet_ids(device_id: str, size: int) -> list[str]:
    """Return the ids: ``device_id`` for one bike, ebike-001 to ebike-n for n bikes."""
    if size == 1:
        return [device_id]
    return [f"ebike-{number:03d}" for number in range(1, size + 1)]


def _without_extra(reading: Reading) -> Reading:
    """Drop ``extra``, the only part that can make a reading too large."""
    values = {key: value for key, value in reading.values.items() if key != "extra"}
    return Reading(
        reading.device_id, reading.epoch, reading.seq, reading.ts_ms, reading.speed_kmh, values
    )
