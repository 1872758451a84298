from gateway.web.limits import (
    BIKES_A_REQUEST,
    CURSORS_A_REQUEST,
    REQUESTS_BURST,
    REQUESTS_PER_S,
    EventQuota,
    cost_of,
)

BURST = int(REQUESTS_BURST)


def spend_all(bucket: EventQuota, now_s: float) -> int:
    """Spend until the bucket is empty; return the number of requests."""
    count = 0
    while bucket.spend(now_s):
        count += 1
    return count


def test_burst_then_refusal() -> None:
    assert spend_all(EventQuota(), 1_000.0) == BURST


def test_refill_at_the_rate() -> None:
    bucket = EventQuota()
    spend_all(bucket, 1_000.0)
    assert spend_all(bucket, 1_002.0) == 2 * REQUESTS_PER_S
    assert not bucket.spend(1_002.0 + 0.5 / REQUESTS_PER_S)
    assert bucket.spend(1_002.0 + 1.5 / REQUESTS_PER_S)


def test_refill_stops_at_a_burst() -> None:
    bucket = EventQuota()
    spend_all(bucket, 1_000.0)
    assert spend_all(bucket, 1_000_000.0) == BURST


def test_cursors_cost_at_most_a_burst() -> None:
    assert cost_of("subscribe", None, 0) == cost_of("subscribe", {"since": []}, 0) == 1
    assert cost_of("subscribe", {"since": dict.fromkeys(range(2 * CURSORS_A_REQUEST))}, 0) == 3
    most = cost_of("subscribe", {"since": dict.fromkeys(range(1_000_000))}, 0)
    assert most == REQUESTS_BURST
    bucket = EventQuota()
    assert bucket.spend(1_000.0, most)
    assert not bucket.spend(1_000.0)


def test_bikes_answered_count() -> None:
    everything = {"devices": "*"}
    assert cost_of("subscribe", everything, 0) == 1
    assert cost_of("subscribe", everything, 2 * BIKES_A_REQUEST) == 3
    assert cost_of("subscribe", {"devices": ["a"] * BIKES_A_REQUEST}, 10_000) == 2
    assert cost_of("unsubscribe", everything, 10_000) == 1


def test_largest_honest_subscribe_fits_a_burst() -> None:
    since = dict.fromkeys(range(10_000))
    assert cost_of("subscribe", {"devices": "*", "since": since}, 10_000) < REQUESTS_BURST
