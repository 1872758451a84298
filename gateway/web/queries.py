"""Parse and check the query of an HTTP request for readings. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from shared.cursor import INTEGER_LIMIT, Cursor, parse_cursor
from shared.errors import BadCursor, BadRequest

LIMIT_DEFAULT, LIMIT_MAX = 1_000, 5_000
POINTS_MAX = 10_000
SPAN_KEYS = frozenset({"from_ms", "to_ms", "max_points"})
READINGS_KEYS = ("since", "limit", "from_ms", "to_ms", "max_points", "format", "times")
NAME_SHOWN_MAX = 64
"""An error message repeats at most so many characters of an unknown key."""
TIME_MAX_MS = INTEGER_LIMIT - 1
_INTEGER = re.compile("[0-9]{1,16}")


@dataclass(frozen=True, slots=True)
class Query:
    """Up to ``limit`` readings after ``since``, measured from ``from_ms`` to ``to_ms`` (inclusive).

    Without ``since``, a query of a time span starts at the span's first reading, and one without a
    span returns the newest readings. ``max_points`` thins a whole span to at most so many readings.
    """

    since: Cursor | None = None
    limit: int = LIMIT_DEFAULT
    is_limited: bool = False
    """Whether the query has a ``limit``."""
    is_span: bool = False
    from_ms: int = 0
    to_ms: int = TIME_MAX_MS
    max_points: int | None = None

    def includes(self, ts_ms: int) -> bool:
        return self.from_ms <= ts_ms <= self.to_ms


def check_keys(query: Mapping[str, Sequence[str]], allowed: Sequence[str]) -> None:
    """Refuse a key that the endpoint does not take, that is repeated, or that has no value."""
    for key, values in query.items():
        if key not in allowed:
            raise BadRequest(_unknown(key[:NAME_SHOWN_MAX], allowed))
        if len(values) > 1:
            raise BadRequest(f"the query has {key} {len(values)} times: give it once")
        if values == [""]:
            kind = BadCursor if key == "since" else BadRequest
            raise kind(f"{key} is empty: give it a value or leave it out")


def _unknown(key: str, allowed: Sequence[str]) -> str:
    if not allowed:
        return f"this endpoint takes no query, but the request has {key!r}"
    close = get_close_matches(key, allowed, n=1)
    hint = f"; did you mean {close[0]}?" if close else "."
    return f"unknown query key {key!r}{hint} This endpoint takes {', '.join(allowed)}"


def parse_query(query: Mapping[str, str]) -> Query:
    """Return the checked query; raises :class:`~shared.errors.RequestError`."""
    span = _span(query)
    if span.max_points is not None and ("since" in query or "limit" in query):
        raise BadRequest("max_points thins a whole span: leave out since and limit")
    return Query(
        _since(query),
        _integer(query, "limit", LIMIT_DEFAULT, 1, LIMIT_MAX),
        "limit" in query,
        span.is_span,
        span.from_ms,
        span.to_ms,
        span.max_points,
    )


def _since(query: Mapping[str, str]) -> Cursor | None:
    since = query.get("since")
    cursor = parse_cursor(since)
    if since is not None and cursor is None:
        raise BadCursor("since must be a cursor such as 1722-5")
    return cursor


def _span(query: Mapping[str, str]) -> Query:
    points = _integer(query, "max_points", 0, 2, POINTS_MAX) if "max_points" in query else None
    first = _integer(query, "from_ms", 0, 0, TIME_MAX_MS)
    last = _integer(query, "to_ms", TIME_MAX_MS, 0, TIME_MAX_MS)
    if first > last:
        raise BadRequest("from_ms must not be greater than to_ms")
    is_span = not query.keys().isdisjoint(SPAN_KEYS)
    return Query(is_span=is_span, from_ms=first, to_ms=last, max_points=points)


def _integer(query: Mapping[str, str], key: str, default: int, least: int, most: int) -> int:
    text = query.get(key)
    if text is None:
        return default
    if _INTEGER.fullmatch(text) is None or not least <= int(text) <= most:
        raise BadRequest(f"{key} must be an integer from {least} to {most}")
    return int(text)
