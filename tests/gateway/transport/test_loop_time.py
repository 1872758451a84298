"""The time that a client took of the loop."""

from gateway.transport.loop_time import ALLOWED_S, FREE_S, REFILL, Share, charge


def test_short_work_is_free() -> None:
    assert charge(None, 100.0, 100.0 + FREE_S / 2) is None


def test_many_pieces_add_up_and_are_forgiven() -> None:
    share: Share | None = None
    for _ in range(4):
        share = charge(share, 100.0, 100.0 + ALLOWED_S / 3)
    assert share is not None
    assert not share.is_small(100.0)
    assert share.is_small(101.0 + ALLOWED_S / REFILL)


def test_nothing_is_saved_up() -> None:
    share = Share(0.0)
    share.add(0.0, 1e6)
    share.add(ALLOWED_S, 1e6)
    assert not share.is_small(1e6)
