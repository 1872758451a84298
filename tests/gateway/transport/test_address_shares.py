"""AddressCounts, compared with a plain count."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gateway.transport.limits.address_shares import AddressCounts

STEPS = st.lists(st.tuples(st.booleans(), st.sampled_from("abcd")), max_size=60)


@given(STEPS)
def test_counts_and_largest(steps: list[tuple[bool, str]]) -> None:
    counts, counted = AddressCounts(), Counter[str]()
    for is_added, holder in steps:
        if is_added:
            counts.add(holder)
            counted[holder] += 1
        elif counted[holder]:
            counts.remove(holder)
            counted[holder] -= 1
        largest = max(counted.values(), default=0)
        assert {name: counts.count(name) for name in counted} == counted
        assert (counts.count(counts.largest) if counts.largest else 0) == largest


def test_eviction_for_address_with_fewer() -> None:
    counts = AddressCounts()
    for _ in range(3):
        counts.add("a")
    counts.add("b")
    assert counts.to_evict_for("b") == "a"
    counts.add("b")
    assert counts.to_evict_for("b") is None
    assert counts.to_evict_for("a") is None
    assert counts.to_evict_for("c") == "a"
