"""Which positions are believed; the feed's tests show what follows from it."""

import pytest

from gateway.feed.admission import refusal, strangeness
from shared.cursor import Cursor

DAY_MS = 24 * 3600 * 1000
WALL_MS = 1_700_000_000_000


@pytest.mark.parametrize(
    ("cursor", "silence_s", "expected"),
    [
        (Cursor(5, 101), 0.0, None),
        (Cursor(5, 1_000_100), 0.0, None),
        (Cursor(5, 1_000_101), 0.0, "far_seq"),
        (Cursor(5, 1_000_101), 9.9, "far_seq"),
        (Cursor(5, 1_000_101), 10.0, None),
        (Cursor(4, 1), 9.9, "old_epoch"),
        (Cursor(4, 1), 10.0, None),
        (Cursor(WALL_MS + DAY_MS, 1), 0.0, None),
        (Cursor(WALL_MS + DAY_MS + 1, 1), 10.0, "future_epoch"),
    ],
)
def test_a_position_is_refused_for_one_reason(
    cursor: Cursor, silence_s: float, expected: str | None
) -> None:
    assert refusal(cursor, Cursor(5, 50), 100, silence_s, WALL_MS) == expected


def test_first_contact_refuses_future_epoch() -> None:
    assert refusal(Cursor(0, 2**53 - 1), None, 0, 0.0, WALL_MS) is None
    assert refusal(Cursor(2**53 - 1, 1), None, 0, 0.0, WALL_MS) == "future_epoch"


def test_a_greater_epoch_is_not_strange() -> None:
    assert strangeness(Cursor(6, 1), Cursor(5, 50), 0) is None
