from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.durable.numbers import (
    SLOT_BYTES,
    JournalState,
    Mark,
    begin,
    decode_mark,
    encode_mark,
    next_epoch,
)

BOOT = "5f0c6a3e-7d5b-4a36-8f9e-0123456789ab"
OTHER_BOOT = "00000000-7d5b-4a36-8f9e-0123456789ab"
NOW_MS = 1_700_000_000_000
E = NOW_MS - 5_000
MARK = Mark(E, 40, BOOT)
HELD = JournalState(E, 40, {"ebike-001": 30, "ebike-002": 10})


@pytest.mark.parametrize("rows", [40, 41, 500])
def test_complete_journal_continues_epoch(rows: int) -> None:
    beginning = begin(MARK, replace(HELD, rows=rows), BOOT, NOW_MS)
    assert (beginning.epoch, beginning.goes_on) == (E, True)
    assert beginning.last_seqs == {"ebike-001": 30, "ebike-002": 10}


@pytest.mark.parametrize(
    ("mark", "held", "boot_id"),
    [
        pytest.param(MARK, None, BOOT, id="journal lost or damaged"),
        pytest.param(None, HELD, BOOT, id="mark lost or damaged"),
        pytest.param(MARK, replace(HELD, rows=39), BOOT, id="journal older than what went out"),
        pytest.param(MARK, HELD, OTHER_BOOT, id="machine was started anew"),
        pytest.param(MARK, HELD, None, id="nobody knows when the machine was started"),
        pytest.param(replace(MARK, boot_id=""), HELD, None, id="and nobody knew before"),
        pytest.param(replace(MARK, epoch=E + 1), HELD, BOOT, id="a commit failed in the epoch"),
        pytest.param(MARK, replace(HELD, epoch=E + 1), BOOT, id="mark of an older epoch"),
    ],
)
def test_else_a_greater_one_begins_at_one(
    mark: Mark | None, held: JournalState | None, boot_id: str | None
) -> None:
    beginning = begin(mark, held, boot_id, NOW_MS)
    assert (beginning.epoch, beginning.goes_on) == (NOW_MS, False)
    assert beginning.last_seqs == {}


@pytest.mark.parametrize(
    ("clock_ms", "used", "expected"),
    [
        (NOW_MS, [], NOW_MS),
        (NOW_MS, [E], NOW_MS),
        (NOW_MS - 3_600_000, [E], E + 1),
        (NOW_MS - 3_600_000, [E, E + 7], E + 8),
        (0, [], 1),
        (-5, [], 1),
    ],
)
def test_next_epoch(clock_ms: int, used: list[int], expected: int) -> None:
    assert next_epoch(clock_ms, used) == expected


def test_a_mark_reads_as_it_was_written() -> None:
    assert decode_mark(encode_mark(MARK, 9)) == (9, MARK)
    assert decode_mark(encode_mark(replace(MARK, boot_id=""), 9)) == (
        9,
        replace(MARK, boot_id=""),
    )


@given(st.integers(0, SLOT_BYTES - 1), st.integers(1, 255))
def test_changed_mark_is_invalid(place: int, change: int) -> None:
    slot = bytearray(encode_mark(MARK, 9))
    slot[place] ^= change
    assert decode_mark(bytes(slot)) is None


@given(st.integers(0, SLOT_BYTES - 1))
def test_torn_mark_is_invalid(length: int) -> None:
    slot = encode_mark(MARK, 9)
    assert decode_mark(slot[:length]) is None
    assert decode_mark(slot[:length] + encode_mark(replace(MARK, rows=7), 7)[length:]) is None or (
        slot[:length] == encode_mark(replace(MARK, rows=7), 7)[:length]
    )


# --- whatever happens, no number twice ------------------------------------------------------------


@dataclass
class World:
    """A device, what is left of its files, and every number it ever published. Two bikes."""

    clock_ms: int = NOW_MS
    boot: int = 0
    mark: Mark | None = None
    held: JournalState | None = None
    copies: list[JournalState | None] = field(default_factory=list)
    published: set[tuple[str, int, int]] = field(default_factory=set)
    epoch: int = 0
    seqs: dict[str, int] = field(default_factory=dict)
    is_kept: bool = True

    def start(self) -> None:
        beginning = begin(self.mark, self.held, str(self.boot), self.clock_ms)
        self.epoch, self.seqs = beginning.epoch, dict(beginning.last_seqs)
        self.is_kept = True
        if not beginning.goes_on:
            rows = 0 if self.held is None else self.held.rows
            self.mark = Mark(self.epoch, rows, str(self.boot))
            self.held = JournalState(self.epoch, rows, {})

    def publish(self, bike: str, *, fails: bool = False, dies_before_mark: bool = False) -> None:
        seq = self.seqs.get(bike, 0) + 1
        if self.is_kept and fails:
            self.is_kept = False
            self.epoch, self.seqs, seq = next_epoch(self.clock_ms, [self.epoch]), {}, 1
            self.mark = Mark(self.epoch, 0, str(self.boot))
        if self.is_kept:
            assert self.held is not None
            rows = self.held.rows + 1
            self.held = JournalState(self.epoch, rows, {**self.held.last_seqs, bike: seq})
            if dies_before_mark:
                return
            self.mark = Mark(self.epoch, rows, str(self.boot))
        self.seqs[bike] = seq
        number = (bike, self.epoch, seq)
        assert number not in self.published, number
        self.published.add(number)

    def keep_again(self) -> None:
        """The disk works again, after which the journal knows where the bikes stand."""
        if not self.is_kept:
            rows = 0 if self.held is None else self.held.rows
            self.held = JournalState(self.epoch, rows, dict(self.seqs))
            self.mark = Mark(self.epoch, rows, str(self.boot))
            self.is_kept = True


BIKES = st.sampled_from(["ebike-001", "ebike-002"])
STEPS = st.one_of(
    st.tuples(st.just("publish"), BIKES),
    st.tuples(st.just("fail"), BIKES),
    st.tuples(st.just("die before the mark"), BIKES),
    st.tuples(st.just("works again"), st.none()),
    st.tuples(st.just("crash"), st.none()),
    st.tuples(st.just("copy the journal"), st.none()),
    st.tuples(st.just("put a copy back"), st.integers(0, 3)),
    st.tuples(st.just("lose the journal"), st.none()),
    st.tuples(st.just("step the clock"), st.integers(-10_000, 10_000)),
    st.tuples(st.just("lose power"), st.integers(0, 3)),
)


def take_step(world: World, what: str, how: object) -> None:
    match what, how:
        case "publish", str(bike):
            world.publish(bike)
        case "fail", str(bike):
            world.publish(bike, fails=True)
        case "die before the mark", str(bike):
            world.publish(bike, dies_before_mark=True)
            world.start()
        case "works again", _:
            world.keep_again()
        case "crash", _:
            world.start()
        case "step the clock", int(by_ms):
            world.clock_ms += by_ms
        case _:
            harm(world, what, how)


def harm(world: World, what: str, how: object) -> None:
    match what, how:
        case "copy the journal", _:
            world.copies.append(world.held)
            return
        case "put a copy back", int(place):
            world.held = world.copies[place] if place < len(world.copies) else world.held
        case "lose the journal", _:
            world.held = None
        case "lose power", int(place):  # and with it some of what was not synchronised
            world.boot += 1
            world.held = world.copies[place] if place < len(world.copies) else None
    world.start()


@given(st.lists(STEPS, max_size=60))
def test_no_number_is_ever_published_twice(steps: list[tuple[str, object]]) -> None:
    world = World()
    world.start()
    for what, how in steps:
        take_step(world, what, how)
        world.publish("ebike-001")
    assert len(world.published) >= len(steps)


@given(st.lists(STEPS, max_size=60), st.integers(0, 60))
def test_no_number_twice_without_mark(steps: list[tuple[str, object]], lost_after: int) -> None:
    world = World()
    world.start()
    for number, (what, how) in enumerate(steps):
        take_step(world, what, how)
        world.publish("ebike-002")
        if number == lost_after and world.is_kept:
            world.mark = None
            world.start()
    assert len(world.published) >= len(steps)
