"""Whatever is done to a ring, it holds what a plain list would."""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.devices.ring import ENTRY_OVERHEAD_BYTES, Entry, Ring, gap_entry, reading_entry
from gateway.domain import Gap, GapReason
from shared.cursor import Cursor
from tests.gateway.feeds import DEVICE, reading

STEPS = st.lists(st.sampled_from(["reading", "reading", "gap", "epoch"]), min_size=1, max_size=8)


@dataclass
class _Line:
    """Makes entries that follow each other, as a feed would."""

    at: Cursor
    arrival: int = 0
    made: list[Entry] = field(default_factory=list)

    def make(self, step: str) -> Entry:
        self.arrival += 1
        if step == "reading":
            self.at = Cursor(self.at.epoch, self.at.seq + 1)
            return reading_entry(reading(self.at.seq, self.at.epoch), self.arrival)
        lost = Cursor(self.at.epoch, self.at.seq + 3)
        end = lost if step == "gap" else Cursor(self.at.epoch + 1, 0)
        reason = GapReason.NOT_RECOVERED if step == "gap" else GapReason.EPOCH
        gap = Gap(DEVICE, self.at, Cursor(end.epoch, end.seq + 1), reason)
        self.at = end
        return gap_entry(gap, self.arrival)


class RingBesideAList(RuleBasedStateMachine):
    """A ring, and beside it a list of (index, entry) with the position before it."""

    @initialize(capacity=st.sampled_from([1, 3, 8, 300]))
    def start(self, capacity: int) -> None:
        self.capacity, self.ring = capacity, Ring(capacity)
        self.line = _Line(Cursor(5, 50))
        self.ring.start_at(self.line.at)
        self.front = self.line.at
        self.held: list[tuple[int, Entry]] = []
        self.end = 0
        self.lost: list[tuple[int, Entry, Cursor]] = []
        """Lost entries that are not forgotten, each with the end of the one before it."""
        self.lost_up_to = self.front

    @rule(steps=STEPS)
    def append(self, steps: list[str]) -> None:
        for step in steps:
            entry = self.line.make(step)
            self.ring.append(entry)
            self.held.append((self.end, entry))
            self.end += 1
            if len(self.held) > self.capacity:
                self._lose_oldest()

    @rule(count=st.integers(0, 5))
    def trim(self, count: int) -> None:
        self.ring.trim(count)
        for _ in range(min(count, len(self.held))):
            self._lose_oldest()

    @rule(count=st.integers(250, 300))
    def roll_over(self, count: int) -> None:
        self.append(["reading"] * count)

    @rule(back=st.integers(0, 3))
    def empty(self, back: int) -> None:
        self.line.at = Cursor(max(0, self.line.at.epoch - back), 7)
        self.ring.empty(self.line.at)
        while self.held:
            self._lose_oldest()
        self.front = self.line.at
        assert self.ring.emptied_at == self.end

    @rule(keep=st.integers(0, 5))
    def forget(self, keep: int) -> None:
        arrival = self.line.arrival - keep
        self.ring.forget(arrival)
        self.lost = [it for it in self.lost if it[1].arrival > arrival]

    @precondition(lambda self: self.front.epoch > 0)
    @rule(count=st.integers(1, 4), with_gap=st.booleans())
    def prepend(self, count: int, *, with_gap: bool) -> None:
        line = _Line(Cursor(self.front.epoch - 1, 3), arrival=-1)
        front = line.at
        entries = [line.make("reading")._replace(arrival=0) for _ in range(count)]
        if with_gap:
            entries.append(line.make("gap")._replace(arrival=0))
            entries.append(line.make("reading")._replace(arrival=0))
        entries.append(self._change_to_front(line.at))
        self.ring.prepend(entries, front)
        room = self.capacity - len(self.held)
        kept = entries[len(entries) - room :] if room < len(entries) else list(entries)
        while kept and kept[0].gap is not None:
            kept.pop(0)
        if kept:
            dropped = entries[: len(entries) - len(kept)]
            self.front = dropped[-1].end if dropped else front
            self.lost.clear()
            self.lost_up_to = self.front
            begin = self.held[0][0] if self.held else self.end
            self.held = [*enumerate(kept, begin - len(kept)), *self.held]

    @rule(count=st.integers(1, 3))
    def prepend_what_does_not_join(self, count: int) -> None:
        line = _Line(self.front)
        self.ring.prepend([line.make("reading") for _ in range(count)], self.front)

    @invariant()
    def holds_the_same(self) -> None:
        ring, indexes = self.ring, [index for index, _ in self.held]
        first = indexes[0] if indexes else self.end
        assert (len(ring), ring.first_index, ring.end_index) == (len(indexes), first, self.end)
        assert ring.frames(first, self.end) == [entry.frame for _, entry in self.held]
        for index, entry in self.held:
            assert ring.frame_at(index) == entry.frame
            assert ring.gap_at(index) == entry.gap
            assert ring.arrival_at(index) == entry.arrival
            assert ring.time_at(index) == entry.ts_ms

    @invariant()
    def knows_every_position(self) -> None:
        ring, before = self.ring, self.front
        assert ring.front == before
        for index, entry in self.held:
            assert ring.cursor_before(index) == before
            assert ring.index_after(before) == index
            before = entry.end
        assert ring.cursor_before(self.end) == before
        assert ring.index_after(before) == self.end

    @invariant()
    def finds_the_same(self) -> None:
        for _, entry in self.held:
            found = self.ring.find(entry.end)
            assert found == (entry.frame if entry.gap is None else None)
        readings = [index for index, entry in self.held if entry.gap is None]
        assert self.ring.newest_reading() == (readings[-1] if readings else None)
        for arrival in (0, self.line.arrival // 2, self.line.arrival):
            lost = [(index, entry) for index, entry, _ in self.lost]
            later = [index for index, entry in [*lost, *self.held] if entry.arrival > arrival]
            assert self.ring.index_arrived_after(arrival) == (later[0] if later else self.end)

    @invariant()
    def knows_lost_positions(self) -> None:
        for index, _, before in self.lost:
            assert self.ring.cursor_before(index) == before
        assert self.ring.last_arrival in (self.line.arrival, 0)

    @invariant()
    def weighs_the_same(self) -> None:
        sizes = [len(entry.frame) + ENTRY_OVERHEAD_BYTES for _, entry in self.held]
        assert self.ring.size_bytes == sum(sizes)

    def _lose_oldest(self) -> None:
        index, entry = self.held.pop(0)
        self.lost.append((index, entry, self.lost_up_to))
        self.front = self.lost_up_to = entry.end

    def _change_to_front(self, at: Cursor) -> Entry:
        """Make the entry that ends where the ring begins."""
        gap = Gap(DEVICE, at, Cursor(self.front.epoch, self.front.seq + 1), GapReason.EPOCH)
        return gap_entry(gap)


TestRingBesideAList = RingBesideAList.TestCase
TestRingBesideAList.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
