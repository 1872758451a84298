"""A fault is logged once for each kind and device, in bounded memory."""

from hypothesis import given
from hypothesis import strategies as st

from shared.log_once import LogOnce, LogOncePerPeriod


def test_same_fault_is_first_once() -> None:
    once = LogOnce()
    assert once.is_first("bad_json", "ebike-001")
    assert not once.is_first("bad_json", "ebike-001")


def test_other_device_or_kind_is_first() -> None:
    once = LogOnce()
    assert once.is_first("bad_json", "ebike-001")
    assert once.is_first("bad_json", "ebike-002")
    assert once.is_first("too_large", "ebike-001")


def test_a_fault_of_nobody_is_first_once() -> None:
    once = LogOnce()
    assert [once.is_first("bad_topic") for _ in range(3)] == [True, False, False]


def test_devices_are_bounded() -> None:
    once = LogOnce(devices_max=100)
    firsts = [once.is_first("bad_json", f"invented-{n}") for n in range(10_000)]
    assert firsts.count(True) == 100
    assert once.is_first("too_large", "ebike-001")


def test_fault_over_minute_limit_returns() -> None:
    once = LogOnce(a_minute=2)
    assert [once.is_first("invalid", name, 100.0) for name in "abc"] == [True, True, False]
    assert [once.is_first("invalid", name, 159.9) for name in "abc"] == [False, False, False]
    assert [once.is_first("invalid", name, 160.0) for name in "abc"] == [False, False, True]


def test_kinds_are_bounded() -> None:
    once = LogOnce(kinds_max=2)
    assert [once.is_first(kind) for kind in ("a", "b", "c")] == [True, True, False]


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("vwxyz"))))
def test_never_first_twice(faults: list[tuple[str, str]]) -> None:
    once = LogOnce(devices_max=3, kinds_max=3)
    firsts = [fault for fault in faults if once.is_first(*fault)]
    kinds = {kind for kind, _ in firsts}
    assert len(set(firsts)) == len(firsts)
    assert len(kinds) <= 3
    assert all(sum(kind == other for other, _ in firsts) <= 3 for kind in kinds)


def test_repeats_are_counted_per_period() -> None:
    once = LogOncePerPeriod(60.0)
    assert once.repeats_until("a", 100.0) == 0
    assert [once.repeats_until("a", 101.0 + n) for n in range(3)] == [None] * 3
    assert once.repeats_until("a", 160.0) == 3
    assert once.repeats_until("b", 160.0) == 0


def test_kinds_beyond_the_limit_share_one_turn() -> None:
    once = LogOncePerPeriod(60.0, kinds_max=10)
    said = [once.repeats_until(f"kind {n}", 100.0) for n in range(1_000)]
    assert said.count(0) == 11


def test_kinds_of_an_earlier_period_make_room() -> None:
    once = LogOncePerPeriod(60.0, kinds_max=10)
    for n in range(1_000):
        once.repeats_until(f"kind {n}", 100.0)
    assert [once.repeats_until(f"new {n}", 160.0) for n in range(12)] == [0] * 9 + [989, None, None]
