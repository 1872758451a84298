"""When a device is refused: what goes on for three seconds with nothing accepted between."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from gateway.feed.feed import Feed
from shared.cursor import Cursor
from tests.gateway.feeds import (
    at,
    feed_without_replay,
    new_feed,
    reading,
    running_feed,
    said,
    status,
)


def say(feed: Feed, seqs: Sequence[int], start_s: float, every_s: float = 0.5) -> float:
    """Let the device publish numbers; gives the time of the last one."""
    for number, seq in enumerate(seqs):
        feed.receive_reading(reading(seq, speed_kmh=seq + 0.5), at(start_s + number * every_s))
    return start_s + (len(seqs) - 1) * every_s


def refuse(feed: Feed, reason: str, start_s: float, count: int, every_s: float = 0.5) -> float:
    """Let so many messages of the device be refused; gives the time of the last one."""
    for number in range(count):
        feed.refuse(reason, at(start_s + number * every_s))
    return start_s + (count - 1) * every_s


@pytest.mark.parametrize("reason", ["invalid", "bad_json", "too_large", "id_mismatch"])
def test_invalid_shown_after_three_seconds(reason: str) -> None:
    feed = running_feed(4)

    refuse(feed, reason, 1, count=6)
    assert feed.refused is None
    assert said(feed.refuse(reason, at(4))) == [f"count {reason}", "changed"]
    assert feed.refused == "invalid"


def test_statuses_do_not_count_as_accepted_readings() -> None:
    feed = new_feed()
    for second in range(5):
        feed.receive_status(status(second), at(second))
        feed.refuse("invalid", at(second))

    assert (feed.online, feed.refused) == (True, "invalid")


def test_invalid_device_is_shown() -> None:
    feed = new_feed()

    assert said(feed.refuse("invalid", at(0))) == ["count invalid"]
    assert said(feed.tick(at(1))) == []
    assert said(feed.refuse("invalid", at(3))) == ["count invalid", "changed"]
    assert (feed.online, feed.refused, feed.head) == (False, "invalid", None)


@pytest.mark.parametrize("make", [running_feed, feed_without_replay])
@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        pytest.param([1] * 8, "seq_back", id="never rises"),
        pytest.param([100] * 8, "seq_back", id="stays at the newest"),
        pytest.param(range(1, 9), "seq_back", id="started again in the same epoch"),
        pytest.param(range(99, 91, -1), "seq_back", id="counts down"),
        pytest.param([1, 2, 3, 1, 2, 3, 1, 2], "seq_back", id="counts in a circle"),
        pytest.param([7, 50, 8, 51, 9, 52, 10, 53], "conflict", id="two publishers"),
        pytest.param([7, 7, 8, 8, 9, 9, 10, 10], "conflict", id="two that started together"),
        pytest.param([7, 50, 51, 52, 8, 53, 54, 55, 9], "conflict", id="two, one of them slower"),
    ],
)
def test_used_numbers_are_shown_after_three_seconds(
    make: Callable[[int], Feed], numbers: Sequence[int], reason: str
) -> None:
    feed = make(100)

    say(feed, numbers[:6], 1)
    shown = [feed.refused]
    last_s = say(feed, numbers[6:], 4)
    shown.append(feed.refused)
    feed.tick(at(last_s + 10))

    assert [*shown, feed.refused] == [None, reason, None]


def test_same_readings_after_restart() -> None:
    feed = running_feed(100)
    for number in range(1, 9):
        feed.receive_reading(replace(reading(100), seq=number), at(number / 2))
    assert feed.refused == "seq_back"


@pytest.mark.parametrize("apart_s", [0.1, 1.0, 2.9])
def test_accepted_readings_hide_refusals(apart_s: float) -> None:
    feed = running_feed(4)
    for number in range(60):
        now_s = number * apart_s
        feed.receive_reading(reading(5 + number), at(now_s))
        feed.receive_reading(reading(5 + number), at(now_s + 0.01))  # by a second way
        feed.refuse("invalid", at(now_s + 0.02))
        feed.tick(at(now_s + apart_s - 0.01))
        assert feed.refused is None


@pytest.mark.parametrize("by", ["the next number", "a number ahead", "an older epoch at last"])
def test_accepted_reading_ends_refusal(by: str) -> None:
    feed = running_feed(4)
    refuse(feed, "invalid", 1, count=40)
    assert feed.refused == "invalid"
    next_one = {"the next number": reading(5), "a number ahead": reading(9)}
    feed.receive_reading(next_one.get(by, reading(1, epoch=0)), at(21))

    feed.tick(at(21.5))

    assert feed.refused is None


def test_accepted_reading_restarts_run() -> None:
    feed = running_feed(4)
    refuse(feed, "invalid", 1, count=10)
    feed.receive_reading(reading(5), at(6))
    feed.tick(at(6.5))
    refuse(feed, "invalid", 7, count=6)
    assert feed.refused is None
    feed.refuse("invalid", at(10))
    assert feed.refused == "invalid"


def test_single_refusal_is_not_shown() -> None:
    feed = running_feed(4)
    feed.refuse("invalid", at(1))
    for second in range(2, 30):
        feed.tick(at(second))
        assert feed.refused is None


def test_slow_device_second_refusal() -> None:
    feed = running_feed(4)
    refuse(feed, "invalid", 10, count=2, every_s=60)
    assert feed.refused == "invalid"


def test_first_reason_stays() -> None:
    feed = running_feed(4)
    last_s = refuse(feed, "invalid", 1, count=10)
    say(feed, [1] * 40, last_s)
    assert feed.refused == "invalid"


def test_position_refusal_before_run() -> None:
    feed = running_feed(4)
    last_s = refuse(feed, "invalid", 1, count=10)
    feed.receive_reading(reading(9, epoch=0), at(last_s))
    feed.refuse("invalid", at(last_s))
    assert feed.refused == "old_epoch"
    feed.receive_status(status(4), at(last_s + 9))  # else the older epoch would be believed
    feed.tick(at(last_s + 10))
    feed.refuse("invalid", at(last_s + 10))
    assert feed.refused == "invalid"


def test_refused_feed_is_not_calm() -> None:
    feed = new_feed()
    feed.refuse("invalid", at(0))
    assert not feed.needs_tick(at(1))
    feed.refuse("invalid", at(3))
    assert feed.needs_tick(at(4))
    assert said(feed.tick(at(13))) == ["changed"]
    assert not feed.needs_tick(at(14))


def test_refused_position_in_count() -> None:
    feed = running_feed(4)
    effects = feed.receive_reading(reading(9, epoch=0), at(1))
    assert [tuple(effect) for effect in effects[:1]] == [("old_epoch", Cursor(0, 9))]
