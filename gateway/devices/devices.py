"""All devices the gateway knows: one feed and one ring each, bounded in number and memory.

Pure.

How it works

- A message goes to its device's feed. The effects that the feed returns are carried out one by one:
  an entry is appended to the ring, a question is listed for the Receiver, a status is noted.
- Every entry gets the next *arrival* number, over all devices. A client's place in the fan-out is
  such a number.
- The audience (the fan-out) is told of each change before the next one, because it must find the
  ring in the state that the change left.
- When the rings together exceed their memory, the longest ring loses a part of its oldest entries.
  When a new device finds the table full, a device that is needed least gives way: one that sent
  nothing valid, one that was heard briefly, or one that has been silent for long. Devices that are
  named in ``SPOKE_DEVICES``, or that a client watches by name, never give way.
- Only feeds with something unsettled are judged in every :meth:`Devices.tick`. All others have
  their turn in :meth:`Devices.judge_some`.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import NamedTuple, Protocol

from gateway.devices.ring import Entry, Ring, gap_entry, reading_entry
from gateway.domain import LOGGED_FAULTS, DropReason, FaultReason, Gap, Now
from gateway.feed.backfill import BackfillSlots, Stretch
from gateway.feed.effects import (
    Announce,
    Ask,
    Changed,
    Count,
    Effect,
    Empty,
    FirstContact,
    Prepend,
    Seen,
    Take,
)
from gateway.feed.feed import Feed
from gateway.feed.reorder_buffer import ReorderBuffer, ReorderTotal
from gateway.feed.retransmission import Purpose
from gateway.packets import encode_json, reading_frame, reading_payload
from shared.cursor import START, Cursor
from shared.errors import BadMessage
from shared.log_once import LogOnce
from shared.reading import CheckedReading, Reading, Status
from shared.wire import ReplayAnswer, encode_reading

FLEETING_S = 10.0
"""A device that was heard for less than this gives way first: its id may be invented."""
LONG_GONE_S = 600.0
"""A device that has been silent for longer than this may give way."""
REMEMBERED_MAX = 10_000
"""Evicted devices whose last position is kept, so that a gap can have the reason ``evicted``."""
FAULTS_A_MINUTE = 60
"""Log lines about faults, however many devices are wrong."""
TRIM_PART = 64
"""Over the memory limit, the longest ring loses a 64th of its entries at a time."""


class Fault(NamedTuple):
    """The first fault of its kind of a device, and the position ``came`` that showed it.

    ``newest`` is the greatest position that was known of the device then.
    """

    reason: FaultReason
    device_id: str
    came: Cursor | None
    newest: Cursor


class Presence(NamedTuple):
    """A device came online or went offline.

    ``before_s`` is how long it was in the state before; None the first time. ``silent_s`` is the
    time since its last message: a device that stops says so, one that vanishes is silent.
    """

    device_id: str
    online: bool
    before_s: float | None
    silent_s: float
    position: Cursor


class DeviceQuestion(NamedTuple):
    """A question for readings after ``after`` (None: from the oldest that the device holds)."""

    device_id: str
    purpose: Purpose
    after: Cursor | None
    limit: int


@dataclass(slots=True, eq=False)
class Device:
    """One device: its feed, its ring, and when it was heard first and last."""

    device_id: str
    feed: Feed
    ring: Ring
    first_heard_s: float
    last_heard_s: float
    refusals: Counter[str] = field(default_factory=Counter)
    """The number of its messages that were refused or dropped, by reason."""
    readings: int = 0
    """The number of its readings that were taken in, live or after a request."""
    backfilled: int = 0
    """The number of its readings from before first contact."""
    gaps: Counter[str] = field(default_factory=Counter)
    """The number of gaps that were announced, by reason."""
    lost: Counter[str] = field(default_factory=Counter)
    """The number of readings that these gaps lack, by reason, as far as it is known."""
    was_online: bool = False
    """Whether the last :class:`Presence` said that it is online."""
    presence_s: float | None = None
    """When that was; None before the first one."""
    status_values: tuple[object, ...] = ()
    """The values that :attr:`status_frame` has."""
    status_frame: bytes = b""
    _summary_of: tuple[object, ...] = ()
    """The values that :attr:`_summary` has."""
    _summary: bytes = b""

    def status_body(self) -> dict[str, object]:
        """Return the payload of ``device_status``."""
        return status_body(self.device_id, self.feed)

    def latest_json(self) -> bytes:
        """Return the newest reading held as JSON, or ``null``."""
        index = self.ring.newest_reading()
        return b"null" if index is None else reading_payload(self.ring.frame_at(index))

    def summary_json(self) -> bytes:
        """Return the status, the cursor and the newest reading as one JSON object.

        It is encoded by the first call after a change.
        """
        feed, ring = self.feed, self.ring
        index = ring.newest_reading()
        newest = None if index is None else ring.arrival_at(index), index
        values = (newest, feed.head, *self._shown_values())
        if values != self._summary_of:
            head = {"cursor": str(feed.head or START)}
            counted = {"refusals": dict(self.refusals)} if self.refusals else {}
            body = encode_json(self.status_body() | counted | head)
            self._summary = body[:-1] + b',"latest":' + self.latest_json() + b"}"
            self._summary_of = values
        return self._summary

    def detail_json(self) -> bytes:
        """Return the summary with the counters of this device as one JSON object."""
        return self.summary_json()[:-1] + b',"counts":' + encode_json(self.counts_body()) + b"}"

    def counts_body(self) -> dict[str, object]:
        """Return what happened to the readings of this device since it was heard first."""
        return {
            "readings": self.readings,
            "backfilled": self.backfilled,
            "repeats": self.refusals[DropReason.DUPLICATE],
            "lost": self.lost.total(),
            "gaps": dict(self.gaps),
            "refused": {
                reason: count
                for reason, count in self.refusals.items()
                if reason != DropReason.DUPLICATE
            },
        }

    def count_gap(self, gap: Gap) -> None:
        """Count a gap that was announced."""
        self.gaps[gap.reason] += 1
        self.lost[gap.reason] += gap.lost or 0

    def _shown_values(self) -> tuple[object, ...]:
        feed = self.feed
        shown = (feed.position, feed.online, feed.ts_ms, feed.model, feed.interval_ms)
        return *shown, feed.refused, self.refusals.total()


class Audience(Protocol):
    """The follower of all devices: told of each change before the next one.

    Implemented by ``gateway.fanout.device_audience.DeviceAudience``; ``Fanout`` sets it.
    """

    def appear(self, device: Device, now: Now) -> None:
        """A device was heard for the first time; nothing of it was appended yet."""

    def append(self, device: Device, entry: Entry) -> None:
        """An entry was put after the others of its device."""

    def note_status(self, device_id: str) -> None:
        """A value of a ``device_status`` has changed."""

    def before_forgetting(self, device: Device, arrival: int) -> int:
        """A ring is about to forget the lost entries up to an arrival number.

        Returns the number up to which it may.
        """

    def evict(self, device: Device) -> None:
        """A device gave way to another; its ring is used no more after this call."""

    def is_watched(self, device_id: str) -> bool:
        """Tell whether a client watches an id by name."""


class Limits(NamedTuple):
    """The limits: devices, readings of one device, bytes of all rings, seconds of a repair."""

    devices: int
    readings: int
    total_bytes: int
    repair_s: float


class Devices:
    """The table of devices, and the questions and faults that the Receiver has not taken yet."""

    audience: Audience

    def __init__(self, limits: Limits, ours: Callable[[str], bool] = lambda _: False) -> None:
        self.limits = limits
        self.questions: list[DeviceQuestion] = []
        self.faults: list[Fault] = []
        """New faults, until the Receiver takes them."""
        self.presence: list[Presence] = []
        """Devices that came online or went offline, until the Receiver takes them."""
        self.counts: Counter[str] = Counter()
        self.readings = self.backfilled = 0
        """Readings that were taken in, and those from before first contact."""
        self.lost: Counter[str] = Counter()
        """The readings that announced gaps lack, by reason."""
        self.arrival = 0
        """The last arrival number of all devices; some numbers belong to no entry."""
        self.size_bytes = 0
        self.evicted: OrderedDict[str, tuple[Cursor, int]] = OrderedDict()
        """The last position and arrival number of devices that gave way."""
        self._ours = ours
        self._once = LogOnce(limits.devices, a_minute=FAULTS_A_MINUTE)
        self._buffered, self._slots = ReorderTotal(), BackfillSlots()  # shared by all feeds
        self._table: OrderedDict[str, Device] = OrderedDict()  # the one silent for longest first
        self._in_order: Sequence[Device] | None = None
        self._unjudged: list[Device] = []  # in this round of judge_some
        self._unsettled: dict[str, Device] = {}

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[Device]:
        return iter(self._table.values())

    def get(self, device_id: str) -> Device | None:
        """Return a device; None if its id is unknown."""
        return self._table.get(device_id)

    def in_order(self) -> Sequence[Device]:
        """Return all devices by id; the list is sorted once until a device comes or goes."""
        if self._in_order is None:
            self._in_order = tuple(self._table[name] for name in sorted(self._table))
        return self._in_order

    def was_evicted(self, device_id: str, since: Cursor) -> bool:
        """Tell whether the readings after a position were lost because the device gave way."""
        gone = self.evicted.get(device_id)
        return gone is not None and since <= gone[0]

    # --- events --------------------------------------------------------------------------

    def receive(self, message: CheckedReading | Status, now: Now) -> None:
        """Take in a reading or a status."""
        content = message if isinstance(message, Status) else message.reading
        device = self._table.get(content.device_id) or self._admit(content.device_id, now)
        if device is None:
            return
        device.last_heard_s = now.monotonic_s
        self._table.move_to_end(content.device_id)
        if isinstance(message, Status):
            self._apply(device, device.feed.receive_status(message, now), now)
        else:
            self._receive_reading(device, message, now)

    def _receive_reading(self, device: Device, message: CheckedReading, now: Now) -> None:
        reading, dropped, unknown = message
        if dropped or unknown:
            self.counts["dropped_keys"] += len(dropped) + len(unknown)
        if not reading.ts_ms:
            reading = with_time(reading, now)
        if not device.feed.take_next(reading, now):
            self._apply(device, device.feed.receive_reading(reading, now), now)
            return
        # The fast path of nearly every reading: as in _apply, without the cost of effects.
        before = device.ring.size_bytes
        self._append(device, reading_entry(reading, self.arrival + 1))
        self._grow(device.ring.size_bytes - before)

    def refuse(self, error: BadMessage, now: Now) -> None:
        """Count a bad message, for its device if its id is known, and tell the device's feed."""
        device = self._refused_device(error.device_id, now)
        if device is None:
            self.counts[error.reason] += 1
            return
        self._apply(device, device.feed.refuse(error.reason, now), now)
        if error.position is not None:
            self._apply(device, device.feed.receive_invalid(error.position, now), now)

    def _refused_device(self, device_id: str | None, now: Now) -> Device | None:
        """Find the device of a bad message; a new device is admitted if there is room."""
        if device_id is None:
            return None
        device = self._table.get(device_id)
        if device is None and len(self._table) < self.limits.devices:
            return self._admit(device_id, now)
        return device

    def answer(self, purpose: Purpose, answer: ReplayAnswer, now: Now) -> None:
        """Take in the answer to the last question to a device for a purpose."""
        timed = replace(answer, readings=tuple(with_time(r, now) for r in answer.readings))
        self._with(answer.device_id, now, lambda feed: feed.receive_answer(purpose, timed, now))

    def no_answer(self, device_id: str, purpose: Purpose, now: Now) -> None:
        """Note that no replay can answer for a device."""
        self._with(device_id, now, lambda feed: feed.receive_no_answer(purpose, now))

    def busy(self, device_id: str, purpose: Purpose, now: Now) -> None:
        """Note that a device's replay is busy."""
        self._with(device_id, now, lambda feed: feed.receive_busy(purpose, now))

    def not_offered_yet(self, device_id: str, purpose: Purpose, now: Now) -> None:
        """Note that a device's replay may yet connect, and that there is none to ask now."""
        self._with(device_id, now, lambda feed: feed.receive_busy(purpose, now, is_busy=False))

    def replay_offered(self, device_id: str, now: Now) -> None:
        """Note that a peer serves a device's replay from now on."""
        self._with(device_id, now, lambda feed: feed.replay_offered(now))

    def note_oldest(self, device_id: str, oldest: Cursor | None) -> None:
        """Note the oldest reading that a device says it holds; None: unknown."""
        device = self._table.get(device_id)
        if device is not None:
            device.feed.oldest = oldest

    def ask_newest(self, device_id: str, now: Now) -> None:
        """Ask for a device's newest position."""
        self._with(device_id, now, lambda feed: feed.ask_newest(now))

    def tick(self, now: Now, *, everyone: bool) -> None:
        """Judge the timeouts of unsettled feeds, or of all feeds."""
        for device in list(self) if everyone else self._at_work():
            self._judge(device, now)

    def judge_some(self, count: int, now: Now) -> None:
        """Judge the timeouts of the next ``count`` devices, in rounds over all devices."""
        if not self._unjudged:
            self._unjudged = [*self]
        for _ in range(min(count, len(self._unjudged))):
            device = self._unjudged.pop()
            if self._table.get(device.device_id) is device:
                self._judge(device, now)

    def _judge(self, device: Device, now: Now) -> None:
        if device.feed.needs_tick(now):
            self._apply(device, device.feed.tick(now), now)

    def _at_work(self) -> list[Device]:
        next_in_line = (self._table.get(name) for name in self._slots.pop_waiting())
        return [*self._unsettled.values(), *(d for d in next_in_line if d is not None)]

    @property
    def is_unsettled(self) -> bool:
        """Tell whether any feed is unsettled, so that :meth:`tick` is needed soon."""
        return bool(self._unsettled)

    def _with(self, device_id: str, now: Now, act: Callable[[Feed], Sequence[Effect]]) -> None:
        device = self._table.get(device_id)
        if device is not None:
            self._apply(device, act(device.feed), now)

    # --- effects -------------------------------------------------------------------------

    def _apply(self, device: Device, effects: Sequence[Effect], now: Now) -> None:
        before = device.ring.size_bytes
        for effect in effects:
            self._carry_out(device, effect, now)
        if device.feed.is_unsettled:
            self._unsettled[device.device_id] = device
        elif self._unsettled:
            self._unsettled.pop(device.device_id, None)
        self._grow(device.ring.size_bytes - before)

    def _carry_out(self, device: Device, effect: Effect, now: Now) -> None:
        match effect:
            case Take(reading):
                self._append(device, reading_entry(reading, self.arrival + 1))
            case Announce(gap):
                self._count_gap(device, gap)
                self._append(device, gap_entry(gap, self.arrival + 1))
            case Ask(purpose, after, limit):
                self.questions.append(DeviceQuestion(device.device_id, purpose, after, limit))
            case Changed():
                self.audience.note_status(device.device_id)
                self._note_presence(device, now)
            case FirstContact(front):
                device.ring.start_at(front)
                self.audience.appear(device, now)
            case Prepend(stretch):
                self._count_backfill(device, stretch)
                device.ring.prepend(_entries(stretch), stretch.front)
                # The newest reading may be another one: rate-limited clients must be scanned again.
                self.arrival += 1
            case Empty(front):
                device.ring.empty(front)
                self._forget_lost(device)
            case Seen(reading):
                self._count_seen(device, reading, now)
            case Count(reason, cursor):
                self._count(reason, device, cursor, now)

    def _append(self, device: Device, entry: Entry) -> None:
        self.arrival = entry.arrival
        if entry.gap is None:
            self.readings += 1
            device.readings += 1
        device.ring.append(entry)
        self._forget_lost(device)
        self.audience.append(device, entry)

    def _forget_lost(self, device: Device) -> None:
        """Have a ring forget lost entries if there are many, as far as no client needs them."""
        arrival = device.ring.last_lost
        if arrival is not None:
            device.ring.forget(self.audience.before_forgetting(device, arrival))

    def _count_gap(self, device: Device, gap: Gap) -> None:
        self.counts[f"gap_{gap.reason}"] += 1
        self.lost[gap.reason] += gap.lost or 0
        device.count_gap(gap)

    def _count_backfill(self, device: Device, stretch: Stretch) -> None:
        gaps = [item for item in stretch.items if isinstance(item, Gap)]
        for gap in gaps:
            self._count_gap(device, gap)
        readings = len(stretch.items) - len(gaps)
        self.backfilled += readings
        device.backfilled += readings

    def _note_presence(self, device: Device, now: Now) -> None:
        feed = device.feed
        if feed.online == device.was_online:
            return
        before_s = None if device.presence_s is None else now.monotonic_s - device.presence_s
        device.was_online, device.presence_s = feed.online, now.monotonic_s
        silent_s = feed.silence_s(now)
        said = Presence(device.device_id, feed.online, before_s, silent_s, feed.position)
        self.presence.append(said)

    def _count_seen(self, device: Device, reading: Reading, now: Now) -> None:
        """Count a reading whose position was taken before: as a duplicate or as a fault."""
        if device.feed.refused == FaultReason.SEQ_BACK:
            self._count(FaultReason.SEQ_BACK, device, reading.cursor, now)
            return
        ring, index = device.ring, device.ring.index_after(reading.cursor) - 1
        held = ring.find(reading.cursor)
        same = held is None or held == reading_frame(encode_reading(reading))
        if not same:  # without a clock of its own, a repetition has another time
            timed = replace(reading, ts_ms=ring.time_at(index), written=None)
            same = held == reading_frame(encode_reading(timed))
        reason = DropReason.DUPLICATE if same else FaultReason.CONFLICT
        self._count(reason, device, reading.cursor, now)

    def _count(self, reason: str, device: Device, came: Cursor | None, now: Now) -> None:
        device.refusals[reason] += 1
        self.counts[reason] += 1
        if reason in LOGGED_FAULTS:
            fault = Fault(FaultReason(reason), device.device_id, came, device.feed.position)
            self._note_fault(fault, now)

    def _note_fault(self, fault: Fault, now: Now) -> None:
        """Have a fault logged if it is the first of its kind and device."""
        if self._once.is_first(fault.reason, fault.device_id, now.monotonic_s):
            self.faults.append(fault)

    def _grow(self, by_bytes: int) -> None:
        """Count the memory of the rings; trim the longest ring until all fit together."""
        self.size_bytes += by_bytes
        while self.size_bytes > self.limits.total_bytes:
            longest = max(self, key=lambda device: device.ring.size_bytes)
            ring = longest.ring
            self.size_bytes -= ring.size_bytes
            ring.trim(max(1, len(ring) // TRIM_PART))
            self.size_bytes += ring.size_bytes
            self._forget_lost(longest)

    # --- admission and eviction ----------------------------------------------------------

    def _admit(self, device_id: str, now: Now) -> Device | None:
        if len(self._table) >= self.limits.devices:
            gone = self._least_needed(now)
            if gone is None:
                self.counts[FaultReason.TABLE_FULL] += 1
                self._note_fault(Fault(FaultReason.TABLE_FULL, device_id, None, START), now)
                return None
            self._evict(gone)
        buffer, limits = ReorderBuffer(self._buffered), self.limits
        feed = Feed(device_id, limits.readings, limits.repair_s, buffer, self._slots)
        ring = Ring(self.limits.readings)
        device = Device(device_id, feed, ring, now.monotonic_s, now.monotonic_s)
        self._table[device_id] = device
        self._in_order = None
        return device

    def _least_needed(self, now: Now) -> Device | None:
        """Choose the device that gives way; None if all are needed. See the module."""
        invalid = (d for d in self if d.feed.head is None)
        fleeting = (d for d in self if d.last_heard_s - d.first_heard_s < FLEETING_S)
        gone = (d for d in self if now.monotonic_s - d.last_heard_s > LONG_GONE_S)
        free = (d for d in chain(invalid, fleeting, gone) if not self._is_protected(d.device_id))
        return next(free, None)

    def _is_protected(self, device_id: str) -> bool:
        return self._ours(device_id) or self.audience.is_watched(device_id)

    def _evict(self, device: Device) -> None:
        del self._table[device.device_id]
        self._in_order = None
        self._unsettled.pop(device.device_id, None)
        self.counts["evicted"] += 1
        device.feed.forget()
        device.feed.online = False
        self.size_bytes -= device.ring.size_bytes
        self.evicted[device.device_id] = (device.feed.head or START, self.arrival)
        if len(self.evicted) > REMEMBERED_MAX:
            self.evicted.popitem(last=False)
        self.audience.evict(device)
        self.arrival += 1  # a client that connects from now on missed nothing


def status_body(device_id: str, feed: Feed | None) -> dict[str, object]:
    """Return the payload of ``device_status``; a device that was never heard is at 0-0."""
    position = START if feed is None else feed.position
    body: dict[str, object] = {
        "device_id": device_id,
        "online": feed is not None and feed.online,
        "epoch": position.epoch,
        "last_seq": position.seq,
        "ts_ms": 0 if feed is None else feed.ts_ms,
    }
    if feed is not None and feed.model is not None:
        body["model"] = feed.model
    if feed is not None and feed.interval_ms is not None:
        body["interval_ms"] = feed.interval_ms
    if feed is not None and feed.refused is not None:
        body["refused"] = feed.refused
    return body


def with_time(reading: Reading, now: Now) -> Reading:
    """Return a reading with the time of its arrival, if the device has no clock."""
    if reading.ts_ms:
        return reading
    return replace(reading, ts_ms=now.wall_ms, written=None)


def _entries(stretch: Stretch) -> list[Entry]:
    return [gap_entry(i) if isinstance(i, Gap) else reading_entry(i) for i in stretch.items]
