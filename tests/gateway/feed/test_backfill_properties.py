"""Whatever a journal holds and however it answers, history is the newest of it, without a seam."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import Gap
from gateway.feed.backfill import Backfill, BackfillSlots, Stretch
from shared.cursor import Cursor
from shared.reading import Reading
from shared.wire import ReplayAnswer
from tests.gateway.feeds import DEVICE, reading

LAST_EPOCH = 3
NUMBERS = st.sets(st.integers(1, 900), max_size=60).map(sorted)
"""Numbers of one epoch that are held: holes far wider than a window, and some dense runs."""
RUNS = st.tuples(st.integers(1, 500), st.integers(0, 600)).map(lambda r: list(range(r[0], sum(r))))


class Journal:
    """A device's journal: readings ascending, of which an answer brings so many at most."""

    def __init__(self, cursors: list[Cursor], most: int) -> None:
        self.readings = [reading(seq, epoch) for epoch, seq in cursors]
        self.most = most

    def answer(self, after: Cursor | None, limit: int) -> ReplayAnswer:
        behind = [r for r in self.readings if after is None or r.cursor > after]
        found = tuple(behind[: min(limit, self.most)])
        ends = self.readings[0].cursor, self.readings[-1].cursor
        reached = found[-1].cursor if found else None
        return ReplayAnswer("q", DEVICE, *ends, found, len(found), reached)


def fetch(history: Backfill, journal: Journal) -> list[Stretch]:
    """Ask on until nothing is left; returns the stretches, the newest first."""
    stretches: list[Stretch] = []
    while True:
        while not history.is_whole:
            history.add(journal.answer(history.after, history.limit), 0.0)
        stretches.append(history.pop_stretch())
        if not history.readings and history.is_last:
            return [stretch for stretch in stretches if stretch.items]
        if not history.readings:
            history.go_on()


@settings(deadline=None)
@given(
    old=st.tuples(NUMBERS, NUMBERS),
    new=NUMBERS | RUNS,
    capacity=st.sampled_from([5, 100, 2_000]),
    most=st.integers(1, 300),
    wanted=st.none() | st.builds(Cursor, st.integers(0, LAST_EPOCH), st.integers(0, 900)),
)
def test_backfill_is_newest_with_gaps(
    old: tuple[list[int], list[int]],
    new: list[int],
    capacity: int,
    most: int,
    wanted: Cursor | None,
) -> None:
    bound = Cursor(LAST_EPOCH, new[-1] if new else 0)
    before = [Cursor(epoch, seq) for epoch, seqs in enumerate(old, start=1) for seq in seqs]
    held = [*before, *(Cursor(LAST_EPOCH, seq) for seq in new)]
    journal = Journal([*held, Cursor(LAST_EPOCH, bound.seq + 1)], most)
    history = Backfill.before(DEVICE, bound, capacity, BackfillSlots(), 0.0)
    if wanted is not None:
        history.want(wanted)
    history.take_slot(0.0)

    stretches = fetch(history, journal)

    items = [item for stretch in reversed(stretches) for item in stretch.items]
    found = [item.cursor for item in items if isinstance(item, Reading)]
    assert found == held[len(held) - len(found) :]
    assert len(found) <= capacity
    if bound.seq <= capacity:
        assert len(found) == min(capacity, len(held))
    assert_joined(stretches, bound)


def assert_joined(stretches: list[Stretch], bound: Cursor) -> None:
    """Assert that items follow each other to the bound, and that each stretch begins one before."""
    ends = [bound, *(stretch.front for stretch in stretches)]
    for end, stretch in zip(ends, stretches, strict=False):
        at = stretch.front
        for item in stretch.items:
            if isinstance(item, Gap):
                assert item.after == at
                at = item.end
            else:
                assert item.cursor == (at.epoch, at.seq + 1)
                at = item.cursor
        assert at == end
