import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.journal import READINGS_A_DEVICE, READINGS_IN_ALL, MemoryJournal, capacity
from shared.cursor import Cursor
from shared.replay_server.journal import JournalPage


def journal_of(*cursors: tuple[int, int], keep: int = 100) -> MemoryJournal:
    journal = MemoryJournal(keep)
    for epoch, seq in cursors:
        journal.append("ebike-001", Cursor(epoch, seq), payload(epoch, seq))
    return journal


def payload(epoch: int, seq: int) -> bytes:
    return f"{epoch}-{seq}".encode()


def test_page_from_null() -> None:
    page = journal_of((7, 1), (7, 2), (7, 3)).page("ebike-001", None, 2)
    assert page == JournalPage((b"7-1", b"7-2"), Cursor(7, 1), Cursor(7, 3))


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (Cursor(0, 0), [b"7-1", b"7-2", b"9-1", b"9-2"]),
        (Cursor(7, 0), [b"7-1", b"7-2", b"9-1", b"9-2"]),
        (Cursor(7, 1), [b"7-2", b"9-1", b"9-2"]),
        (Cursor(7, 2), [b"9-1", b"9-2"]),
        (Cursor(7, 500), [b"9-1", b"9-2"]),
        (Cursor(8, 3), [b"9-1", b"9-2"]),
        (Cursor(9, 2), []),
        (Cursor(9, 3), []),
        (Cursor(10, 0), []),
    ],
)
def test_page_after_position_across_epochs(after: Cursor, expected: list[bytes]) -> None:
    page = journal_of((7, 1), (7, 2), (9, 1), (9, 2)).page("ebike-001", after, 1000)
    assert list(page.payloads) == expected
    assert (page.oldest, page.newest) == (Cursor(7, 1), Cursor(9, 2))


def test_a_device_never_heard_of_holds_nothing() -> None:
    assert journal_of((7, 1)).page("ebike-002", None, 10) == JournalPage((), None, None)


def test_the_oldest_reading_gives_way() -> None:
    journal = journal_of(*((7, seq) for seq in range(1, 8)), keep=3)
    page = journal.page("ebike-001", None, 10)
    assert page == JournalPage((b"7-5", b"7-6", b"7-7"), Cursor(7, 5), Cursor(7, 7))


def test_devices_do_not_push_each_other_out() -> None:
    journal = MemoryJournal(2)
    journal.append("ebike-001", Cursor(7, 1), b"first")
    for seq in range(1, 10):
        journal.append("ebike-002", Cursor(7, seq), b"other")
    assert journal.page("ebike-001", None, 10).payloads == (b"first",)


def test_a_closed_journal_holds_nothing() -> None:
    journal = journal_of((7, 1))
    journal.close()
    assert journal.page("ebike-001", None, 10).newest is None


def test_capacity_of_bike_and_fleet() -> None:
    assert capacity(1) == READINGS_A_DEVICE > 2 * 8357
    assert capacity(1000) * 1000 == READINGS_IN_ALL
    assert capacity(10 * READINGS_IN_ALL) == 1


@given(
    st.sets(st.tuples(st.integers(0, 3), st.integers(1, 30)), max_size=60).map(sorted),
    st.integers(1, 20),
    st.integers(1, 7),
)
def test_pages_cover_everything_once(cursors: list[tuple[int, int]], keep: int, limit: int) -> None:
    journal = journal_of(*cursors, keep=keep)
    read: list[bytes] = []
    after: Cursor | None = None
    while found := journal.page("ebike-001", after, limit).payloads:
        read += found
        epoch, seq = found[-1].split(b"-")
        after = Cursor(int(epoch), int(seq))
    assert read == [payload(*cursor) for cursor in cursors[-keep:]]
