"""The notifications of a cycling sensor during a ride, and disturbances of its link. Pure.

How it works. :func:`records` turns a wheel and a crank as fast as the ride says, counts their
revolutions, and encodes a record every ``interval_s``. Beside each record stands its truth:

- ``speed_kmh`` and ``cadence_rpm``: the mean between the last revolution of this record and that of
  the record before, with exact times. For the fitness machine, the values themselves.
- ``speed_kmh_max`` and ``cadence_rpm_max``: no revolution ended since the last record, so it cannot
  be more than this.

:func:`disturb` delays notifications, doubles them, and drops the link.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from device.noise import Stream
from device.sample import Sample
from device.sources.decoders.cycling import (
    NOTIFICATION_BYTES_MIN,
    Counter,
    Kind,
    Measurement,
    encode_csc,
    encode_ftms,
    encode_power,
)

STEP_S = 0.25
TICKS_WRAP = 1 << 16
PIECE_BYTES = 6
"""The size of notifications of a fitness machine that sends its records in pieces."""
WRAPS_SOON = {"turns": 5, "ticks": 4_000}
"""How far before the wrap the counters begin, on request."""


@dataclass(frozen=True, slots=True)
class Setup:
    """The sensor: its kind, how often it notifies, and its peculiarities."""

    kind: Kind
    interval_s: float = 1.0
    wheel_m: float = 2.105
    wraps_soon: bool = False
    in_pieces: bool = False
    only: str | None = None
    """``wheel`` or ``crank``: the sensor counts the turns of this one only."""
    reset_every_s: float | None = None
    """Counters and clock begin at 0 again, as after a change of the battery."""
    offset_w: int = 0
    """A power meter whose zero is set wrongly shows this much more; negative power is possible."""


class Record(NamedTuple):
    """The notifications of the sensor at ``at_s``, and their truth."""

    at_s: float
    notifications: list[bytes]
    truth: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Disturbances:
    """The disturbances between the sensor and the receiver."""

    doubled: float = 0.0
    """The share of notifications that arrive twice."""
    jitter_s: float = 0.0
    drop_every_s: float | None = None


class Delivery(NamedTuple):
    """The notifications that arrive at ``at_s``; no notifications mean that the link drops."""

    at_s: float
    notifications: list[bytes]
    truth: Mapping[str, Any]


@dataclass(slots=True)
class Turning:
    """A wheel or a crank, with a counter of so many bits, and a clock of so many ticks a second."""

    turns_bits: int
    ticks_per_s: int
    turns: int = 0
    first_tick: int = 0
    turned_s: float = 0.0
    _phase: float = 0.0
    _reported: tuple[int, float] | None = None

    def __post_init__(self) -> None:
        self._reported = self.turns, 0.0

    def reset(self) -> None:
        """Begin at 0 again; the next report has no truth, because the receiver cannot know it."""
        self.turns, self.first_tick = 0, -int(self.turned_s * self.ticks_per_s)
        self._reported = None

    def turn(self, at_s: float, dt_s: float, hz: float) -> None:
        """Turn on from ``at_s``, and remember when the last revolution ended."""
        phase = self._phase + hz * dt_s
        whole = int(phase)
        if whole:
            self.turned_s = at_s + (whole - self._phase) / hz
        self.turns, self._phase = self.turns + whole, phase - whole

    def counter(self) -> Counter:
        ticks = self.first_tick + int(self.turned_s * self.ticks_per_s)
        return Counter(self.turns % (1 << self.turns_bits), ticks % TICKS_WRAP)

    def report(self, at_s: float, name: str, per_hz: float) -> dict[str, float]:
        """Return the truth since the last report."""
        reported, self._reported = self._reported, (self.turns, self.turned_s)
        if reported is None:
            return {}
        turns, turned_s = reported
        if self.turns == turns:
            waited_s = at_s - self.turned_s
            return {f"{name}_max": per_hz / waited_s if waited_s > 0 else per_hz * 10}
        return {name: (self.turns - turns) / (self.turned_s - turned_s) * per_hz}


def records(setup: Setup, ride: Iterable[Sample]) -> Iterator[Record]:
    """Yield the records of a ride whose samples are ``STEP_S`` apart."""
    wheel, crank = _turning(setup)
    every = max(1, round(setup.interval_s / STEP_S))
    for number, sample in enumerate(ride, 1):
        since_s, at_s = (number - 1) * STEP_S, number * STEP_S
        wheel.turn(since_s, STEP_S, sample.speed_kmh / 3.6 / setup.wheel_m)
        crank.turn(since_s, STEP_S, _number(sample, "cadence_rpm") / 60)
        if setup.reset_every_s and at_s % setup.reset_every_s < STEP_S:
            wheel.reset()
            crank.reset()
        if number % every == 0:
            yield _record(setup, at_s, sample, wheel, crank)


def disturb(
    records: Iterable[Record], disturbances: Disturbances, stream: Stream
) -> Iterator[Delivery]:
    """Yield what arrives, in order."""
    arrived_s, drop_s = 0.0, disturbances.drop_every_s
    for record in records:
        late_s = stream.random() * disturbances.jitter_s
        arrived_s = max(arrived_s, record.at_s + late_s)
        if drop_s is not None and arrived_s >= drop_s:
            yield Delivery(arrived_s, [], {})
            drop_s += disturbances.drop_every_s or 0.0
        twice = [
            copy
            for data in record.notifications
            for copy in [data] * (2 if stream.random() < disturbances.doubled else 1)
        ]
        yield Delivery(arrived_s, twice, {"at_s": record.at_s, **record.truth})


def _turning(setup: Setup) -> tuple[Turning, Turning]:
    """Return the wheel and the crank at the start of the ride."""
    wheel_ticks_per_s = 2048 if setup.kind is Kind.POWER else 1024
    parts = Turning(32, wheel_ticks_per_s), Turning(16, 1024)
    if not setup.wraps_soon:
        return parts
    wheel, crank = (
        Turning(
            part.turns_bits,
            part.ticks_per_s,
            turns=(1 << part.turns_bits) - WRAPS_SOON["turns"],
            first_tick=TICKS_WRAP - WRAPS_SOON["ticks"],
        )
        for part in parts
    )
    return wheel, crank


def _record(setup: Setup, at_s: float, sample: Sample, wheel: Turning, crank: Turning) -> Record:
    power_w = int(_number(sample, "power_w")) + setup.offset_w
    if setup.kind is Kind.FTMS:
        return _ftms_record(setup, at_s, sample, power_w)
    has_wheel, has_crank = setup.only != "crank", setup.only != "wheel"
    counted = Measurement(
        wheel.counter() if has_wheel else None,
        crank.counter() if has_crank else None,
        power_w=power_w,
    )
    truth: dict[str, Any] = {}
    if has_wheel:
        truth |= wheel.report(at_s, "speed_kmh", setup.wheel_m * 3.6)
    if has_crank:
        truth |= crank.report(at_s, "cadence_rpm", 60)
    if setup.kind is Kind.CSC:
        return Record(at_s, [encode_csc(counted)], truth)
    return Record(at_s, [encode_power(counted)], {**truth, "power_w": power_w})


def _ftms_record(setup: Setup, at_s: float, sample: Sample, power_w: int) -> Record:
    truth: dict[str, Any] = {
        "speed_kmh": sample.speed_kmh,
        "cadence_rpm": _number(sample, "cadence_rpm"),
        "power_w": power_w,
    }
    bytes_max = PIECE_BYTES if setup.in_pieces else NOTIFICATION_BYTES_MIN
    return Record(at_s, list(encode_ftms(Measurement(**truth), bytes_max)), truth)


def _number(sample: Sample, key: str) -> float:
    value = sample.values[key]
    assert isinstance(value, int | float)
    return value
