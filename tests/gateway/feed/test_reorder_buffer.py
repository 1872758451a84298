"""Readings held until their turn."""

from gateway.feed.reorder_buffer import HELD_MAX, ReorderBuffer, ReorderTotal
from shared.cursor import Cursor
from tests.gateway.feeds import reading, readings


def test_least_position_first() -> None:
    held = ReorderBuffer()
    for seq in (9, 5, 7):
        held.hold(reading(seq))

    released = [held.release(Cursor(1, seq)) for seq in (5, 7)]

    assert released == readings([5, 7])
    assert held.first() == (1, 9)
    assert len(held) == 1


def test_nothing_held_has_no_first_position() -> None:
    held = ReorderBuffer()
    held.hold(reading(5))
    held.release(Cursor(1, 5))

    assert held.first() is None


def test_get_by_position() -> None:
    held = ReorderBuffer()
    held.hold(reading(5))

    assert held.get(Cursor(1, 5)) == reading(5)
    assert held.get(Cursor(1, 6)) is None


def test_a_device_is_full_at_its_limit() -> None:
    held = ReorderBuffer()
    for seq in range(1, HELD_MAX):
        held.hold(reading(seq))
    assert not held.is_full

    held.hold(reading(HELD_MAX))

    assert held.is_full


def test_full_when_total_is_reached() -> None:
    total = ReorderTotal(limit=2)
    one, other = ReorderBuffer(total), ReorderBuffer(total)
    full = [other.is_full]

    one.hold(reading(5))
    full.append(other.is_full)
    one.hold(reading(6))
    full.append(other.is_full)
    one.release(Cursor(1, 5))
    full.append(other.is_full)

    assert full == [False, False, True, False]


def test_drop_epoch_frees_its_share() -> None:
    total = ReorderTotal()
    held = ReorderBuffer(total)
    held.hold(reading(5, epoch=1))
    held.hold(reading(1, epoch=2))
    held.hold(reading(2, epoch=2))

    held.drop_epoch(2)

    assert (held.first(), len(held), total.used) == ((1, 5), 1, 1)


def test_everything_is_let_go_and_given_back() -> None:
    total = ReorderTotal()
    one, other = ReorderBuffer(total), ReorderBuffer(total)
    one.hold(reading(5))
    other.hold(reading(5))

    one.clear()

    assert (one.first(), len(one), total.used) == (None, 0, 1)
