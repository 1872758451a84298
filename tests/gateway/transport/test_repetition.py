"""Requests that are sent again, and requests that only look like it."""

import pytest

from gateway.transport.polling.repetition import Requests, is_coarse

NOW_S = 1_796_000_000.5
DART = "mx2k11is"  # NOW_S in milliseconds, in base 36


@pytest.mark.parametrize(
    "stamp", ["1796000000", "1796000000500", "1796000000.5", "17", "0", DART, "mx2k11ir"]
)
def test_seconds_and_milliseconds_are_coarse(stamp: str) -> None:
    assert is_coarse(stamp, NOW_S)


@pytest.mark.parametrize(
    "stamp",
    [
        "PqR7x.0",
        "1796000000.512345",
        "1796000000500123",
        "dvz4k3f9",
        "٣",
        "0x11",
        "",
        "t",
        "MX2K11IS",
    ],
)
def test_other_stamps_are_not_coarse(stamp: str) -> None:
    assert not is_coarse(stamp, NOW_S)


def test_get_with_last_stamp_is_repetition() -> None:
    requests = Requests("open")
    assert [requests.is_get_again(t, NOW_S) for t in ("a", "b", "b", "c")] == [0, 0, 1, 0]
    assert requests.asked_count == 3


def test_post_with_last_stamp_and_body_is_repetition() -> None:
    requests = Requests("open")
    posts = [("a", b"1"), ("a", b"1"), ("b", b"1"), ("b", b"1"), ("c", b"2")]
    assert [requests.is_post_again(*it, NOW_S) for it in posts] == [0, 1, 0, 1, 0]


def test_post_between_two_gets_hides_no_repetition() -> None:
    requests = Requests()
    assert not requests.is_get_again("a", NOW_S)
    assert not requests.is_post_again("b", b"1", NOW_S)
    assert requests.is_get_again("a", NOW_S)
    assert requests.is_post_again("b", b"1", NOW_S)


@pytest.mark.parametrize("stamp", ["", "1796000000", "1796000000500", DART])
def test_coarse_stamp_is_never_repetition(stamp: str) -> None:
    requests = Requests(stamp)
    for _ in range(3):
        assert not requests.is_get_again(stamp, NOW_S)
        assert not requests.is_post_again(stamp, b"equal", NOW_S)


@pytest.mark.parametrize("first", ["opened", "get", "post", "other body"])
def test_stamp_reused_for_other_request(
    first: str,
) -> None:
    requests = Requests("same" if first == "opened" else "")
    if first == "get":
        assert not requests.is_get_again("same", NOW_S)
        assert not requests.is_post_again("same", b"1", NOW_S)
    elif first == "post":
        assert not requests.is_post_again("same", b"1", NOW_S)
    elif first == "other body":
        assert not requests.is_post_again("same", b"1", NOW_S)
        assert not requests.is_post_again("same", b"2", NOW_S)
    for stamp in ("same", "same", "later", "later"):
        assert not requests.is_get_again(stamp, NOW_S)
        assert not requests.is_post_again(stamp, b"equal", NOW_S)
