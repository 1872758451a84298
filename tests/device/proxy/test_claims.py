from device.proxy.claims import CLAIM_S, Claims


def test_latest_claim_counts() -> None:
    claims = Claims(10)
    claims.note(b"old", ["bike-a", "bike-b"], 0.0)
    claims.note(b"new", ["bike-a"], 1.0)
    assert [claims.peer(bike, 2.0) for bike in ("bike-a", "bike-b", "bike-c")] == [
        b"new",
        b"old",
        None,
    ]


def test_claim_ends_unless_repeated() -> None:
    claims = Claims(10)
    claims.note(b"one", ["bike-a", "bike-b"], 0.0)
    claims.note(b"one", ["bike-b"], 10.0)
    assert claims.peer("bike-a", CLAIM_S) is None
    assert claims.peer("bike-b", CLAIM_S) == b"one"


def test_claims_are_bounded() -> None:
    claims = Claims(3)
    claims.note(b"one", [f"bike-{number}" for number in range(1_000)], 0.0)
    assert len(claims) == 3
    assert claims.peer("bike-999", 1.0) == b"one"
