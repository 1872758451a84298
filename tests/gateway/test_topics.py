"""What the gateway subscribes to."""

import pytest

from gateway.topics import Topics, matches_any

ALL = {b"ebike/reading/", b"ebike/status/"}


def topics(*ours: str, on_demand: bool = False, watched_max: int = 10) -> Topics:
    return Topics(ours, on_demand, watched_max)


def test_without_patterns_every_device_is_heard() -> None:
    assert topics().wanted() == ALL


def test_an_id_ends_in_a_slash_and_a_beginning_does_not() -> None:
    assert topics("ebike-001", "van-*").wanted() == {
        b"ebike/reading/ebike-001/",
        b"ebike/status/ebike-001/",
        b"ebike/reading/van-",
        b"ebike/status/van-",
    }


def test_on_demand_only_statuses_are_heard_until_somebody_watches() -> None:
    wanted = topics(on_demand=True)
    assert wanted.wanted() == {b"ebike/status/"}
    wanted.watch(["ebike-001"])
    assert wanted.wanted() == {b"ebike/status/", b"ebike/reading/ebike-001/"}
    wanted.unwatch(["ebike-001", "ebike-002"])
    assert wanted.wanted() == {b"ebike/status/"}


def test_watching_everything_hears_all_that_is_ours() -> None:
    everything, some = topics(on_demand=True), topics("van-*", on_demand=True)
    everything.watch(["*", "ebike-001"])
    some.watch(["*"])
    assert everything.wanted() == ALL
    assert some.wanted() == {b"ebike/reading/van-", b"ebike/status/van-"}


def test_what_is_not_ours_is_not_heard_though_it_is_watched() -> None:
    wanted = topics("van-*", on_demand=True)
    wanted.watch(["ebike-001", "van-7"])
    assert wanted.wanted() == {b"ebike/status/van-", b"ebike/reading/van-7/"}


def test_more_than_the_limit_cannot_be_watched_and_is_counted() -> None:
    wanted = topics(on_demand=True, watched_max=2)
    assert wanted.watch(["a", "b"]) == 0
    assert wanted.watch(["a", "c", "d"]) == 2
    wanted.unwatch(["a"])
    assert wanted.watch(["c"]) == 0
    assert wanted.wanted() == {b"ebike/status/", b"ebike/reading/b/", b"ebike/reading/c/"}


def test_nothing_is_kept_of_who_watches_when_everything_is_heard_anyway() -> None:
    wanted = topics(watched_max=1)
    assert wanted.watch(["a", "b", "c"]) == 0
    assert wanted.wanted() == ALL


@pytest.mark.parametrize(
    ("device_id", "patterns", "expected"),
    [
        ("ebike-001", ["ebike-001"], True),
        ("ebike-0011", ["ebike-001"], False),
        ("ebike-0011", ["ebike-001*"], True),
        ("ebike-001", ["van-*", "ebike-*"], True),
        ("ebike-001", ["*"], True),
        ("ebike-001", [], False),
    ],
)
def test_a_pattern_is_an_id_or_the_beginning_of_some(
    device_id: str, patterns: list[str], expected: bool
) -> None:
    assert matches_any(device_id, patterns) is expected
