"""Where a device's readings stand; the feed's tests show the whole of it at work."""

from gateway.feed.order import Order
from gateway.feed.reorder_buffer import ReorderBuffer
from shared.cursor import Cursor
from tests.gateway.feeds import DEVICE, reading, said

PATIENCE_S = 5.0


def _order(seq: int = 4, capacity: int = 6000) -> Order:
    order = Order(DEVICE, capacity, ReorderBuffer(), Cursor(1, seq))
    order.settle(0.0, PATIENCE_S)
    return order


def _hold(order: Order, seq: int, epoch: int = 1) -> None:
    order.know(Cursor(epoch, seq))
    order.place(reading(seq, epoch))


def test_take_next_reading() -> None:
    order = _order(4)

    assert order.take_next(reading(5))
    assert order.head == (1, 5)


def test_any_other_reading_needs_more_thought() -> None:
    order = _order(4)

    assert not order.take_next(reading(6))
    assert not order.take_next(reading(5, epoch=2))
    assert not Order(DEVICE, 10, ReorderBuffer()).take_next(reading(1))


def test_take_next_refused_while_unsettled() -> None:
    order = _order(4)
    order.know(Cursor(1, 9))

    assert not order.take_next(reading(5))


def test_nothing_missing_without_head() -> None:
    order = Order(DEVICE, 10, ReorderBuffer())

    order.note_void(Cursor(1, 5))
    order.place_recovered(reading(5))

    assert (order.position, order.missing()) == ((0, 0), None)
    assert order.settle(0.0, PATIENCE_S) == []


def test_a_hole_is_waited_for_with_patience() -> None:
    order = _order(4)
    _hold(order, 6)

    told = [
        (said(order.settle(now_s, PATIENCE_S)), order.is_waiting, order.gave_up)
        for now_s in (1.0, 5.9, 6.0)
    ]

    assert told == [
        ([], True, False),
        ([], True, False),
        (["gap 1-4 1-6 not_recovered", "take 1-6"], False, True),
    ]


def test_old_epoch_does_not_prolong_wait() -> None:
    order = _order(4)
    _hold(order, 1, epoch=2)
    for second in range(5):
        _hold(order, 5 + second)
        order.settle(float(second), PATIENCE_S)

    assert said(order.settle(5.0, PATIENCE_S)) == ["gap 1-9 2-1 epoch", "take 2-1"]


def test_progress_restarts_the_wait() -> None:
    order = _order(4)
    _hold(order, 8)
    order.settle(0.0, PATIENCE_S)

    order.place_recovered(reading(5))
    order.settle(4.0, PATIENCE_S)

    assert said(order.settle(8.9, PATIENCE_S)) == []
    assert said(order.settle(9.0, PATIENCE_S)) == ["gap 1-5 1-8 not_recovered", "take 1-8"]


def test_final_position_closes_part_of_hole() -> None:
    order = _order(4)
    _hold(order, 9)

    order.settle_up_to(Cursor(1, 6))

    assert said(order.settle(0.0, PATIENCE_S)) == ["gap 1-4 1-7 not_recovered"]
    assert order.is_waiting


def test_adopting_another_position_forgets_everything() -> None:
    order = _order(4)
    _hold(order, 9)
    order.settle(0.0, PATIENCE_S)

    assert said(order.adopt(Cursor(0, 20))) == ["empty 0-20", "gap 1-4 0-21 epoch_back"]
    assert said(order.settle(9.0, PATIENCE_S)) == []
    assert (order.position, len(order.buffer)) == ((0, 20), 0)
