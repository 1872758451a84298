from gateway.web.limits import (
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
    assert cost_of(None) == cost_of({"devices": "*", "since": []}) == 1
    assert cost_of({"since": dict.fromkeys(range(2 * CURSORS_A_REQUEST))}) == 3
    most = cost_of({"since": dict.fromkeys(range(1_000_000))})
    assert most == REQUESTS_BURST
    allowance = Allowance()
    assert allowance.spend(1_000.0, most)
    assert not allowance.spend(1_000.0)
