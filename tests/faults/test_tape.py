"""The judge must see what is wrong, or none of the other tests here proves anything."""

import pytest

from shared.cursor import Cursor
from tests.faults.tape import Run, Told, judge


def told(after: tuple[int, int] | None, before: tuple[int, int], lost: int | None) -> Told:
    return Told(None if after is None else Cursor(*after), Cursor(*before), lost, "not_recovered")


def test_runs_that_follow_each_other_are_whole() -> None:
    verdict = judge([Run(7, 1, 5), Run(7, 6, 6), Run(7, 7, 20)])
    assert verdict.is_whole
    assert (verdict.readings, verdict.position) == (20, Cursor(7, 20))


@pytest.mark.parametrize(
    ("runs", "missing", "repeated", "out_of_order"),
    [
        ([Run(7, 2, 5)], 1, 0, 0),
        ([Run(7, 1, 5), Run(7, 7, 8)], 1, 0, 0),
        ([Run(7, 1, 5), Run(7, 5, 8)], 0, 1, 0),
        ([Run(7, 1, 5), Run(7, 3, 4)], 0, 2, 0),
        ([Run(7, 1, 5), Run(7, 8, 9), Run(7, 7, 7)], 2, 0, 1),
        ([Run(7, 1, 5), Run(8, 1, 5)], 1, 0, 0),
        ([Run(8, 1, 5), Run(7, 1, 5)], 0, 0, 5),
    ],
)
def test_what_is_wrong_is_counted(
    runs: list[Run], missing: int, repeated: int, out_of_order: int
) -> None:
    verdict = judge(runs)
    assert (verdict.missing, verdict.repeated, verdict.out_of_order) == (
        missing,
        repeated,
        out_of_order,
    )
    assert not verdict.is_whole


def test_an_announced_gap_is_not_missing() -> None:
    verdict = judge([Run(7, 1, 5), told((7, 5), (7, 9), 3), Run(7, 9, 9)])
    assert verdict.is_whole
    assert verdict.reasons == ["not_recovered"]


@pytest.mark.parametrize(
    "gap",
    [told((7, 4), (7, 9), 4), told((7, 5), (7, 9), 4), told((7, 5), (7, 9), None)],
)
def test_a_gap_that_does_not_fit_is_wrong(gap: Told) -> None:
    verdict = judge([Run(7, 1, 5), gap, Run(7, 9, 9)])
    assert not verdict.is_whole
    assert verdict.misfits


def test_what_a_gap_announced_must_not_come_later() -> None:
    verdict = judge([Run(7, 1, 5), told((7, 5), (7, 9), 3), Run(7, 7, 9)])
    assert verdict.out_of_order == 2
    assert verdict.missing == 0


def test_an_epoch_that_begins_behind_a_gap_is_whole() -> None:
    gap = Told(Cursor(7, 5), Cursor(8, 1), None, "epoch")
    assert judge([Run(7, 1, 5), gap, Run(8, 1, 3)]).is_whole


def test_a_stream_may_begin_anywhere() -> None:
    assert judge([Run(7, 4, 5)], Cursor(7, 3)).is_whole


def test_a_gap_that_leads_back_does_not_make_what_was_seen_new() -> None:
    back = Told(Cursor(7, 20), Cursor(7, 2), None, "unknown_cursor")
    verdict = judge([Run(7, 1, 20), back, Run(7, 2, 25)])
    assert (verdict.repeated, verdict.is_whole) == (19, False)


def test_a_device_that_begins_to_number_anew_repeats_nothing() -> None:
    back = Told(Cursor(7, 20), Cursor(7, 1), None, "epoch_back")
    verdict = judge([Run(7, 1, 20), back, Run(7, 1, 25)])
    assert verdict.is_whole
