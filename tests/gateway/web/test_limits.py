from gateway.web.limits import (
    BIKES_A_REQUEST,
    CURSORS_A_REQUEST,
    REQUESTS_BURST,
    REQUESTS_PER_S,
    Allowance,
    cost_of,
)

BURST = int(REQUESTS_BURST)


def spend_all(allowance: Allowance, now_s: float) -> int:
    """Spend until nothing is left; returns how many requests that were."""
    count = 0
    while allowance.spend(now_s):
        count += 1
    return count


def test_a_burst_is_served_and_what_follows_is_not() -> None:
    assert spend_all(Allowance(), 1_000.0) == BURST


def test_a_client_that_waits_may_ask_again_at_the_rate() -> None:
    allowance = Allowance()
    spend_all(allowance, 1_000.0)
    assert spend_all(allowance, 1_002.0) == 2 * REQUESTS_PER_S
    assert not allowance.spend(1_002.0 + 0.5 / REQUESTS_PER_S)
    assert allowance.spend(1_002.0 + 1.5 / REQUESTS_PER_S)


def test_a_long_silence_saves_up_no_more_than_a_burst() -> None:
    allowance = Allowance()
    spend_all(allowance, 1_000.0)
    assert spend_all(allowance, 1_000_000.0) == BURST


def test_many_cursors_are_worth_many_requests_but_never_more_than_a_burst() -> None:
    assert cost_of("subscribe", None, 0) == cost_of("subscribe", {"since": []}, 0) == 1
    assert cost_of("subscribe", {"since": dict.fromkeys(range(2 * CURSORS_A_REQUEST))}, 0) == 3
    most = cost_of("subscribe", {"since": dict.fromkeys(range(1_000_000))}, 0)
    assert most == REQUESTS_BURST
    allowance = Allowance()
    assert allowance.spend(1_000.0, most)
    assert not allowance.spend(1_000.0)


def test_bikes_answered_count() -> None:
    everything = {"devices": "*"}
    assert cost_of("subscribe", everything, 0) == 1
    assert cost_of("subscribe", everything, 2 * BIKES_A_REQUEST) == 3
    assert cost_of("subscribe", {"devices": ["a"] * BIKES_A_REQUEST}, 10_000) == 2
    assert cost_of("unsubscribe", everything, 10_000) == 1


def test_largest_honest_subscribe_fits_a_burst() -> None:
    since = dict.fromkeys(range(10_000))
    assert cost_of("subscribe", {"devices": "*", "since": since}, 10_000) < REQUESTS_BURST
