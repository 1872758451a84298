"""Time slices in the turns of a real event loop."""

from collections.abc import Callable, Iterator

import gevent
import pytest
from gevent import get_hub

from gateway.transport.event_loop.timeslice import TimeSlices


class Turns:
    """Numbers the turns of the loop, and notes in which turn something ran."""

    def __init__(self) -> None:
        self.now = 0
        self.ran: list[tuple[int, str]] = []
        self._check = get_hub().loop.check(ref=False)
        self._check.start(self._count)

    def _count(self) -> None:
        self.now += 1

    def note(self, name: str) -> None:
        self.ran.append((self.now, name))

    def busiest(self) -> int:
        turns = [turn for turn, _name in self.ran]
        return max(turns.count(turn) for turn in turns)

    def close(self) -> None:
        self._check.stop()
        self._check.close()


@pytest.fixture
def turns() -> Iterator[Turns]:
    counting = Turns()
    yield counting
    counting.close()


@pytest.fixture
def slices() -> TimeSlices:
    gevent.sleep(0.001)
    return TimeSlices(get_hub().loop)


def use_up(slices: TimeSlices) -> None:
    while not slices.is_over:
        pass


def work(slices: TimeSlices, turns: Turns, name: str, pieces: int) -> Callable[[], None]:
    def run() -> None:
        for piece in range(pieces):
            slices.give_way(is_light=piece == 0)
            turns.note(name)
            use_up(slices)

    return run


def test_two_slices_a_turn(slices: TimeSlices, turns: Turns) -> None:
    greedy = [gevent.spawn(work(slices, turns, f"{n}", 3)) for n in range(30)]
    gevent.joinall(greedy, timeout=20, raise_error=True)
    assert len(turns.ran) == 90
    assert turns.busiest() <= 2  # one heavy piece, one light piece


def test_light_work_overtakes_heavy(slices: TimeSlices, turns: Turns) -> None:
    old = [gevent.spawn(work(slices, turns, f"old {n}", 50)) for n in range(10)]
    while len(turns.ran) < 20:
        gevent.sleep(0)
    began = turns.now
    small = gevent.spawn(work(slices, turns, "small", 1))
    small.join(timeout=20)
    assert next(turn for turn, name in turns.ran if name == "small") - began <= 3
    gevent.killall(old)


def test_flood_does_not_starve_heavy_work(slices: TimeSlices, turns: Turns) -> None:
    old = gevent.spawn(work(slices, turns, "old", 5))
    while not turns.ran:
        gevent.sleep(0)
    flood = [gevent.spawn(work(slices, turns, "new", 1)) for _ in range(50)]
    old.join(timeout=20)
    assert old.successful()
    assert turns.now - turns.ran[0][0] <= 10
    gevent.joinall(flood, timeout=20, raise_error=True)


def test_nothing_waits_in_a_short_turn(slices: TimeSlices, turns: Turns) -> None:
    gevent.sleep(0.001)
    began = turns.now
    slices.give_way()
    assert turns.now == began


def test_failing_callback_stops_no_other(
    slices: TimeSlices, turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.setattr(get_hub(), "handle_error", lambda *about: told.append(about[1]))
    slices.run_later(lambda: 1 / 0)
    slices.run_later(lambda: turns.note("ran"))
    gevent.sleep(0.02)
    assert [name for _turn, name in turns.ran] == ["ran"]
    assert told == [ZeroDivisionError]
