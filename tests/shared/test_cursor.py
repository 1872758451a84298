import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cursor import INTEGER_LIMIT, START, Cursor, count_between, parse_cursor

NUMBERS = st.integers(0, INTEGER_LIMIT - 1)
CURSORS = st.builds(Cursor, NUMBERS, NUMBERS)


@given(CURSORS)
def test_cursor_round_trip(cursor: Cursor) -> None:
    assert parse_cursor(str(cursor)) == cursor


@pytest.mark.parametrize(
    "text",
    [
        *("", "-", "1", "1-", "-1", "1--1", "1-1-1", "01-1", "1-01", "+1-1", "1-+1", "1.0-1"),
        *(" 1-1", "1-1 ", "1-1\n", "1 -1", "1e3-1", "a-b", "\N{ARABIC-INDIC DIGIT ONE}-1"),
        *(f"{INTEGER_LIMIT}-1", f"1-{INTEGER_LIMIT}", f"{'9' * 5_000}-1"),
        *(None, 1, 1.5, True, ["1-1"], {"1": 1}),
    ],
)
def test_what_is_no_cursor_is_none(text: object) -> None:
    assert parse_cursor(text) is None


@given(CURSORS, CURSORS)
def test_cursors_order_by_epoch_first(one: Cursor, other: Cursor) -> None:
    same_epoch = one.epoch == other.epoch
    assert (one < other) == (one.seq < other.seq if same_epoch else one.epoch < other.epoch)
    assert one >= START


@pytest.mark.parametrize(
    ("after", "before", "lost"),
    [
        (Cursor(7, 3), Cursor(7, 4), 0),
        (Cursor(7, 3), Cursor(7, 10), 6),
        (Cursor(7, 0), Cursor(7, 1), 0),
        (Cursor(7, 3), Cursor(7, 3), None),
        (Cursor(7, 9), Cursor(7, 4), None),
        (Cursor(7, 3), Cursor(8, 1), None),
        (START, Cursor(7, 1), None),
    ],
)
def test_count_between_within_one_epoch(after: Cursor, before: Cursor, lost: int | None) -> None:
    assert count_between(after, before) == lost
