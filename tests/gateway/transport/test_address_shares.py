"""Shares: who holds how many places, compared with a count by hand."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gateway.transport.address_shares import Shares

STEPS = st.lists(st.tuples(st.booleans(), st.sampled_from("abcd")), max_size=60)


@given(STEPS)
def test_counts_and_the_most(steps: list[tuple[bool, str]]) -> None:
    shares, counted = Shares(), Counter[str]()
    for is_added, holder in steps:
        if is_added:
            shares.add(holder)
            counted[holder] += 1
        elif counted[holder]:
            shares.remove(holder)
            counted[holder] -= 1
        greatest = max(counted.values(), default=0)
        assert {name: shares.count(name) for name in counted} == counted
        assert (shares.count(shares.most) if shares.most else 0) == greatest


def test_yields_to_a_holder_of_fewer() -> None:
    shares = Shares()
    for _ in range(3):
        shares.add("a")
    shares.add("b")
    assert shares.should_yield("b") == "a"
    shares.add("b")
    assert shares.should_yield("b") is None
    assert shares.should_yield("a") is None
    assert shares.should_yield("c") == "a"
