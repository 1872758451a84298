"""What the gateway subscribes to."""

import pytest

from gateway.topics import Topics, matches_any

ALL = {b"ebike/reading/", b"ebike/status/"}


def topics(*, on_demand: bool = False, watched_max: int = 10) -> Topics:
    return Topics(on_demand, watched_max)


def test_every_device_is_heard() -> None:
    assert topics().wanted() == ALL


def test_on_demand_only_statuses_are_heard_until_somebody_watches() -> None:
    wanted = topics(on_demand=True)
    assert wanted.wanted() == {b"ebike/status/"}
    wanted.watch(["ebike-001"])
    assert wanted.wanted() == {b"ebike/status/", b"ebike/reading/ebike-001/"}
    wanted.unwatch(["ebike-001", "ebike-002"])
    assert wanted.wanted() == {b"ebike/status/"}


def test_watching_everything_hears_every_reading() -> None:
    everything = topics(on_demand=True)
    everything.watch(["*", "ebike-001"])
    assert everything.wanted() == ALL


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
