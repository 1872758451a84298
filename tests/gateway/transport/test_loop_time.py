"""How much of the loop's time a client took."""

from gateway.transport.event_loop.loop_time import ALLOWED_S, FREE_S, REFILL, LoopTime, charge


def test_short_work_is_free() -> None:
    assert charge(None, 100.0, 100.0 + FREE_S / 2) is None


def test_many_pieces_add_up_and_are_forgiven() -> None:
    used: LoopTime | None = None
    for _ in range(4):
        used = charge(used, 100.0, 100.0 + ALLOWED_S / 3)
    assert used is not None
    assert not used.is_small(100.0)
    assert used.is_small(101.0 + ALLOWED_S / REFILL)


def test_nothing_is_saved_up() -> None:
    used = LoopTime(0.0)
    used.add(0.0, 1e6)
    used.add(ALLOWED_S, 1e6)
    assert not used.is_small(1e6)
