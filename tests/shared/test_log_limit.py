from shared.log_limit import KINDS_MAX, OTHERS, WINDOW_S, LogLimit


def test_one_line_per_window() -> None:
    limit = LogLimit()
    assert [limit.admits("a", "A", now) for now in (0.0, 1.0, 2.0)] == [True, False, False]
    assert limit.admits("b", "B", 2.0)
    assert limit.take_ended(WINDOW_S - 1) == []
    assert limit.take_ended(WINDOW_S) == [("A", 2)]
    assert limit.admits("a", "A", WINDOW_S)


def test_single_line_has_no_sum() -> None:
    limit = LogLimit()
    limit.admits("a", "A", 0.0)
    assert limit.take_ended(WINDOW_S) == []


def test_kinds_beyond_the_limit_are_counted_together() -> None:
    limit = LogLimit()
    admitted = [limit.admits(n, str(n), 0.0) for n in range(KINDS_MAX + 10)]
    assert sum(admitted) == KINDS_MAX
    assert limit.take_ended(WINDOW_S) == [(OTHERS, 10)]
    assert limit.admits(KINDS_MAX + 1, "", WINDOW_S)
