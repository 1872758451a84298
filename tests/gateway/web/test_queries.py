"""Parsing of queries for readings. test_api has the refusals, with their HTTP status."""

import pytest

from gateway.web.queries import (
    LIMIT_DEFAULT,
    READINGS_KEYS,
    TIME_MAX_MS,
    Query,
    check_keys,
    parse_query,
)
from shared.cursor import Cursor
from shared.errors import BadCursor, BadRequest, RequestError


def test_nothing_asked_is_the_newest_thousand() -> None:
    assert parse_query({"format": "csv"}) == Query(limit=1_000)
    assert LIMIT_DEFAULT == 1_000


def test_a_page_goes_on_after_a_cursor() -> None:
    query = parse_query({"since": "7-9", "limit": "5000"})
    assert query == Query(Cursor(7, 9), 5_000, is_limited=True)


def test_span_with_since_and_limit() -> None:
    query = parse_query({"from_ms": "5", "to_ms": "9", "since": "7-9", "limit": "2"})
    assert query == Query(Cursor(7, 9), 2, is_limited=True, is_span=True, from_ms=5, to_ms=9)
    assert [query.includes(ts_ms) for ts_ms in (4, 5, 9, 10)] == [False, True, True, False]


def test_span_with_one_end() -> None:
    assert parse_query({"to_ms": "9"}) == Query(is_span=True, to_ms=9)
    assert parse_query({"max_points": "2"}) == Query(is_span=True, to_ms=TIME_MAX_MS, max_points=2)


@pytest.mark.parametrize(
    ("raw", "kind", "said"),
    [
        (
            {"sinse": ["7-9"]},
            BadRequest,
            "unknown query key 'sinse'; did you mean since? This endpoint takes",
        ),
        ({"fromms": ["7"]}, BadRequest, "did you mean from_ms?"),
        (
            {"xyz": ["7"]},
            BadRequest,
            "unknown query key 'xyz'. This endpoint takes since, limit, from_ms,",
        ),
        ({"x" * 3_000: ["7"]}, BadRequest, f"unknown query key '{'x' * 64}'"),
        ({"": ["7"]}, BadRequest, "unknown query key ''"),
        ({"limit": ["7", "7"]}, BadRequest, "the query has limit 2 times: give it once"),
        ({"since": ["", "7-9"]}, BadRequest, "the query has since 2 times"),
        ({"since": [""]}, BadCursor, "since is empty: give it a value or leave it out"),
        ({"format": [""]}, BadRequest, "format is empty"),
    ],
)
def test_key_that_is_not_understood_is_named(
    raw: dict[str, list[str]], kind: type[RequestError], said: str
) -> None:
    with pytest.raises(kind) as refused:
        check_keys(raw, READINGS_KEYS)
    assert said in str(refused.value)
    assert refused.type is kind


def test_keys_that_are_understood_pass() -> None:
    check_keys({key: ["7"] for key in READINGS_KEYS}, READINGS_KEYS)
    check_keys({}, ())
    with pytest.raises(BadRequest, match="takes no query, but the request has 'limit'"):
        check_keys({"limit": ["7"]}, ())


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ({"since": "7"}, BadCursor),
        ({"since": ""}, BadCursor),
        ({"limit": "0"}, BadRequest),
        ({"limit": "5001"}, BadRequest),
        ({"limit": "\N{ARABIC-INDIC DIGIT ONE}"}, BadRequest),
        ({"limit": "-1"}, BadRequest),
        ({"max_points": "1"}, BadRequest),
        ({"max_points": "10001"}, BadRequest),
        ({"from_ms": "9007199254740992"}, BadRequest),
        ({"from_ms": "2", "to_ms": "1"}, BadRequest),
        ({"max_points": "5", "since": "7-9"}, BadRequest),
        ({"max_points": "5", "limit": "9"}, BadRequest),
    ],
)
def test_what_is_wrong_is_refused(raw: dict[str, str], kind: type[RequestError]) -> None:
    with pytest.raises(kind):
        parse_query(raw)
