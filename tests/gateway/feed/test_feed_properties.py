"""Whatever a device, its link and its replay do: in order, once, every hole announced."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import Gap
from gateway.feed.effects import Announce, Ask, Effects, Empty, FirstContact, Take
from gateway.feed.feed import Feed
from gateway.feed.reorder_buffer import HELD_MAX, ReorderBuffer, ReorderTotal
from gateway.feed.retransmission import Purpose
from shared.cursor import Cursor
from shared.reading import Reading, Status
from shared.wire import ReplayAnswer
from tests.gateway.feeds import (
    DEVICE,
    WALL_MS,
    answer,
    at,
    be_busy,
    leave_unanswered,
    reading,
    reply,
    status,
)

REPAIR_S = 5.0
EPOCHS_MAX = 100
"""More than a bike here ever has."""
LINK_KEEPS_S = 2.0
"""What is longer under way than this is lost: no link delivers a message of an hour ago."""
TICK_S = 0.25
ANSWERS_MAX = 300
"""More than there are readings; each answer but the last brings one, or the feed asks for ever."""

Message = Reading | Status | Cursor  # a bare cursor: the number of a reading with bad values


@dataclass
class Output:
    """What a feed put out, checked as it comes: each entry follows the one before it."""

    at: Cursor | None = None
    taken: list[Cursor] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    questions: dict[Purpose, Ask] = field(default_factory=dict)
    clean_ends: set[Cursor] = field(default_factory=set)
    unheard: set[int] = field(default_factory=set)
    """Epochs that may have passed unheard: an older one was said to end with what was taken."""

    def apply(self, effects: Effects) -> None:
        for effect in effects:
            match effect:
                case FirstContact(front) | Empty(front):
                    self.at = front
                case Take(taken):
                    self._go_from(Cursor(taken.epoch, taken.seq - 1))
                    self.at = taken.cursor
                    self.taken.append(taken.cursor)
                case Announce(gap) if gap.reason == "epoch_back":
                    assert gap.end == self.at
                case Announce(gap):
                    assert gap.after is not None
                    assert gap.end > gap.after
                    self._go_from(gap.after)
                    self.at = gap.end
                    self.gaps.append(gap)
                case Ask(purpose=purpose):
                    self.questions[purpose] = effect
                case _:
                    pass

    def _go_from(self, position: Cursor) -> None:
        """Nothing may lie between the last entry and this one but the end of a stopped epoch."""
        assert self.at is not None
        if position != self.at:
            assert position.seq == 0
            assert self._has_ended(position.epoch)
            self.unheard.update(range(self.at.epoch + 1, min(position.epoch, EPOCHS_MAX)))
        self.at = position

    def _has_ended(self, newer: int) -> bool:
        return self.at in self.clean_ends and self.at.epoch < newer


@dataclass
class Bike:
    """A device that numbers, journals and publishes, as the protocol asks of it."""

    journal_size: int
    epoch: int = 1
    seq: int = 0
    has_stopped: bool = False
    journal: list[Reading] = field(default_factory=list)
    invalid: set[Cursor] = field(default_factory=set)

    def publish(self) -> Reading:
        self._count()
        self.journal = [*self.journal, reading(self.seq, self.epoch)][-self.journal_size :]
        return self.journal[-1]

    def publish_invalid(self) -> Cursor:
        self._count()
        self.invalid.add(Cursor(self.epoch, self.seq))
        return Cursor(self.epoch, self.seq)

    def stop(self) -> Status:
        self.has_stopped = True
        return status(self.seq, self.epoch, "stopping")

    def restart(self) -> None:
        self.epoch, self.seq, self.has_stopped = self.epoch + 1, 0, False

    def _count(self) -> None:
        if self.has_stopped:
            self.restart()
        self.seq += 1

    def replay(self, question: Ask, page: int) -> ReplayAnswer:
        after = question.after or Cursor(0, 0)
        found = [r for r in self.journal if r.cursor > after][: min(question.limit, page)]
        return answer(found, self.journal[-1].cursor if self.journal else None)


@dataclass
class Road:
    """A bike, its lossy link, its replay and the feed at the other end."""

    bike: Bike
    page: int  # readings in an answer
    always_answers: bool
    feed: Feed
    output: Output = field(default_factory=Output)
    now_s: float = 0.0
    link: list[tuple[float, Message]] = field(default_factory=list)

    def send(self, message: Message) -> None:
        self.link.append((self.now_s, message))

    def stop(self) -> None:
        self.send(self.bike.stop())
        self.output.clean_ends.add(Cursor(self.bike.epoch, self.bike.seq))

    def restart(self) -> None:
        self.bike.restart()

    def stop_cleanly(self) -> None:
        """Stop with the last reading and the farewell received."""
        self.link.clear()
        self.receive(self.bike.publish())
        self.receive(self.bike.stop())
        self.output.clean_ends.add(Cursor(self.bike.epoch, self.bike.seq))

    def deliver(self, index: int, *, keep: bool) -> None:
        """Deliver one of those under way: not always the first, and maybe not the last time."""
        if self.link:
            index %= len(self.link)
            self.receive(self.link[index][1])
            if not keep:
                del self.link[index]

    def lose(self, index: int) -> None:
        if self.link:
            del self.link[index % len(self.link)]

    def receive(self, message: Message) -> None:
        now = at(self.now_s)
        if isinstance(message, Reading):
            self.apply(self.feed.receive_reading(message, now))
        elif isinstance(message, Status):
            self.apply(self.feed.receive_status(message, now))
        else:
            self.apply(self.feed.receive_invalid(message, now))

    def apply(self, effects: Effects) -> None:
        self.output.apply(effects)
        answers = 0
        while self.always_answers and self.output.questions:
            self.answer()
            answers += 1
            assert answers < ANSWERS_MAX

    def answer(self) -> None:
        if self.output.questions:
            _purpose, question = self.output.questions.popitem()
            found, now = self.bike.replay(question, self.page), at(self.now_s)
            if question.after is not None and found.newest and found.newest < question.after:
                # Replay takes it for another device's
                self.output.apply(self.feed.receive_no_answer(question.purpose, now))
            else:
                self.output.apply(self.feed.receive_answer(question.purpose, found, now))

    def nobody_answers(self) -> None:
        while self.output.questions:
            purpose, _question = self.output.questions.popitem()
            self.output.apply(self.feed.receive_no_answer(purpose, at(self.now_s)))

    def wait(self, duration_s: float) -> None:
        self.now_s += duration_s
        self.link = [m for m in self.link if self.now_s - m[0] < LINK_KEEPS_S]
        needs_tick = self.feed.needs_tick(at(self.now_s))
        effects = self.feed.tick(at(self.now_s))
        assert needs_tick or not effects
        self.apply(effects)

    def run_out(self) -> None:
        """Let everything that can still come arrive, and every wait end."""
        self.link.clear()
        self.receive(self.bike.publish())
        for _ in range(int(4 * REPAIR_S / TICK_S)):
            self.wait(TICK_S)


Step = Callable[[Road], None]


def _publish(count: int) -> Step:
    def step(road: Road) -> None:
        for _ in range(count):
            road.send(road.bike.publish())

    return step


def _say_status(road: Road) -> None:
    if not road.bike.has_stopped:
        road.send(status(road.bike.seq, road.bike.epoch))


_INDEX = st.integers(0, 4)
_STEPS: st.SearchStrategy[Step] = st.one_of(
    st.integers(1, 4).map(_publish),
    _INDEX.map(lambda index: lambda road: road.deliver(index, keep=False)),
    _INDEX.map(lambda index: lambda road: road.deliver(index, keep=False)),
    _INDEX.map(lambda index: lambda road: road.deliver(index, keep=True)),
    _INDEX.map(lambda index: lambda road: road.lose(index)),
    st.sampled_from([0.01, 0.06, 0.3, 0.6, 2.5, 6.0]).map(lambda s: lambda road: road.wait(s)),
    st.sampled_from(
        [
            _say_status,
            Road.answer,
            Road.nobody_answers,
            Road.stop,
            Road.restart,
            lambda road: road.send(road.bike.publish_invalid()),
        ]
    ),
)


def _road(journal_size: int, page: int, capacity: int, *, always_answers: bool) -> Road:
    feed = Feed(DEVICE, capacity, REPAIR_S, ReorderBuffer(ReorderTotal()))
    return Road(Bike(journal_size), page, always_answers, feed)


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(_STEPS, max_size=60),
    journal_size=st.sampled_from([1, 3, 10, 1000]),
    page=st.sampled_from([1, 2, 1000]),
    capacity=st.sampled_from([2, 5, 6000]),
)
def test_output_ascends_and_announces_holes(
    steps: list[Step], journal_size: int, page: int, capacity: int
) -> None:
    road = _road(journal_size, page, capacity, always_answers=False)

    for step in steps:
        step(road)
    road.run_out()

    assert road.output.at == (road.bike.epoch, road.bike.seq)
    assert road.feed.head == road.output.at
    assert len(road.feed._order.buffer) == 0
    assert len(set(road.output.taken)) == len(road.output.taken)
    road.nobody_answers()
    assert not road.feed.is_unsettled


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(_STEPS, max_size=60), page=st.sampled_from([1, 3, 1000]))
def test_with_a_whole_replay_nothing_is_lost(steps: list[Step], page: int) -> None:
    road = _road(10_000, page, 6000, always_answers=True)

    for step in steps:
        step(road)
    road.run_out()

    sent = [r.cursor for r in road.bike.journal if r.epoch not in road.output.unheard]
    first = sent.index(road.output.taken[0])
    assert road.output.taken == sent[first:]
    assert _lost(road.output.gaps) <= road.bike.invalid


@settings(max_examples=100, deadline=None)
@given(steps=st.lists(_STEPS, max_size=60))
def test_no_gap_between_stopped_epochs(steps: list[Step]) -> None:
    road = _road(10_000, 1000, 6000, always_answers=True)

    for step in steps:
        (Road.stop_cleanly if step in (Road.restart, Road.stop) else step)(road)
    road.run_out()

    assert "epoch" not in {gap.reason for gap in road.output.gaps}
    assert _lost(road.output.gaps) <= road.bike.invalid


def _lost(gaps: list[Gap]) -> set[Cursor]:
    """List every number that gaps within an epoch announced."""
    return {
        Cursor(gap.before.epoch, gap.before.seq - back)
        for gap in gaps
        for back in range(1, (gap.lost or 0) + 1)
    }


# --- the worst that can come ------------------------------------------------------------------

_NUMBERS = st.one_of(
    st.integers(0, 12),
    st.sampled_from([999, 1000, 1001, 1_000_000, 1_000_013, 2_000_000, WALL_MS, 2**53 - 1]),
)
_CURSORS = st.builds(Cursor, _NUMBERS, _NUMBERS)
_POSITIONS = st.builds(Cursor, _NUMBERS, _NUMBERS.map(lambda seq: max(seq, 1)))
_READINGS = st.builds(
    lambda cursor, speed: reading(cursor.seq, cursor.epoch, speed),
    _POSITIONS,
    st.sampled_from([1.0, 2.0]),
)
_STATES: st.SearchStrategy[Literal["online", "stopping"]] = st.sampled_from(["online", "stopping"])
_STATUSES = st.builds(
    lambda cursor, state: status(cursor.seq, cursor.epoch, state), _CURSORS, _STATES
)
_ANSWERS = st.builds(
    lambda found, newest: answer(sorted(found, key=lambda r: r.cursor), newest),
    st.lists(_READINGS, max_size=20, unique_by=lambda r: r.cursor),
    st.none() | _CURSORS,
)
_Hostile = Callable[[Feed, float], Effects]
_HOSTILE: st.SearchStrategy[_Hostile] = st.one_of(
    _READINGS.map(lambda r: lambda feed, s: feed.receive_reading(r, at(s))),
    _READINGS.map(lambda r: lambda feed, s: feed.receive_reading(r, at(s))),
    _STATUSES.map(lambda told: lambda feed, s: feed.receive_status(told, at(s))),
    _POSITIONS.map(lambda c: lambda feed, s: feed.receive_invalid(c, at(s))),
    _ANSWERS.map(lambda told: lambda feed, s: reply(feed, told, at(s))),
    st.sampled_from(
        [
            lambda feed, s: leave_unanswered(feed, at(s)),
            lambda feed, s: be_busy(feed, at(s)),
            lambda feed, s: feed.replay_offered(at(s)),
            lambda feed, s: feed.ask_newest(at(s)),
            lambda feed, s: feed.refuse("unsupported_version", at(s)),
            lambda feed, s: feed.tick(at(s)),
        ]
    ),
)


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(st.tuples(st.sampled_from([0.0, 0.01, 0.6, 4.0, 11.0]), _HOSTILE), max_size=80),
    capacity=st.sampled_from([3, 6000]),
)
def test_any_input_keeps_order_and_bounds(
    steps: list[tuple[float, _Hostile]], capacity: int
) -> None:
    total = ReorderTotal(limit=10)
    feed, output, now_s = Feed(DEVICE, capacity, REPAIR_S, ReorderBuffer(total)), _Anything(), 0.0

    for pause_s, step in steps:
        now_s += pause_s
        output.apply(step(feed, now_s))

        assert feed.head == output.at or (feed.head is not None and feed.head.seq == 0)
        assert len(feed._order.buffer) == total.used <= 10
        assert feed.position >= (feed.head or Cursor(0, 0))
        assert _size(feed) <= 3 * HELD_MAX


class _Anything(Output):
    """Output where any epoch may have ended anywhere: hostile statuses say so."""

    def _has_ended(self, newer: int) -> bool:
        return self.at is not None and self.at.epoch < newer


def _size(feed: Feed) -> int:
    """Count everything a feed remembers of single messages."""
    tracker = feed._order.tracker
    return len(tracker._tails) + len(tracker._ends) + len(tracker._void) + len(feed._order.buffer)
