from typing import Any

import pytest

from gateway.fanout.subscription import (
    NAMES_MAX,
    SINCE_MAX,
    Subscribe,
    Unsubscribe,
    parse_subscribe,
    parse_unsubscribe,
)
from shared.cursor import START, Cursor
from shared.errors import RequestError

NO_NAMES: list[object] = ["", "a/b", "*", "x" * 65, None, 1, []]
NO_RATES: list[object] = [0, -1, 100.1, "1", True, [], float("nan"), float("inf")]
TOO_MANY_NAMES = [f"bike-{number}" for number in range(NAMES_MAX + 1)]
TOO_MANY_CURSORS = {f"bike-{number}": "1-1" for number in range(SINCE_MAX + 1)}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"devices": []}, Subscribe((), everything=False)),
        ({"devices": ["a", "b", "a"]}, Subscribe(("a", "b"), everything=False)),
        ({"devices": "*"}, Subscribe((), everything=True)),
        ({"devices": "*", "since": {}}, Subscribe((), everything=True)),
        ({"devices": "*", "since": None, "max_rate_hz": None}, Subscribe((), everything=True)),
        (
            {"devices": ["a"], "since": {"a": "7-3"}},
            Subscribe(("a",), everything=False, since={"a": Cursor(7, 3)}),
        ),
        (
            {"devices": "*", "since": {"a": "7-3", "*": "0-0"}},
            Subscribe((), everything=True, since={"a": Cursor(7, 3), "*": START}),
        ),
        (
            {"devices": ["a"], "max_rate_hz": 100},
            Subscribe(("a",), everything=False, max_rate_hz=100.0),
        ),
        ({"devices": ["a"], "unknown": 1}, Subscribe(("a",), everything=False)),
    ],
)
def test_valid_subscribe(raw: dict[str, Any], expected: Subscribe) -> None:
    assert parse_subscribe(raw) == expected


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        *((raw, "bad_request") for raw in (None, "*", 1, [], ["a"], {}, {"devices": None})),
        *(({"devices": [name]}, "bad_request") for name in NO_NAMES),
        ({"devices": {"a": 1}}, "bad_request"),
        ({"devices": TOO_MANY_NAMES}, "too_many_devices"),
        ({"devices": ["a"], "since": []}, "bad_request"),
        ({"devices": ["a"], "since": {"b": "1-1"}}, "bad_request"),
        ({"devices": ["a"], "since": {"*": "1-1"}}, "bad_request"),
        ({"devices": "*", "since": {"a/b": "1-1"}}, "bad_request"),
        ({"devices": "*", "since": TOO_MANY_CURSORS}, "too_many_devices"),
        *(
            ({"devices": ["a"], "since": {"a": cursor}}, "bad_cursor")
            for cursor in ("", "1", "01-1", 1, None, ["1-1"])
        ),
        *(({"devices": ["a"], "max_rate_hz": rate}, "bad_request") for rate in NO_RATES),
    ],
)
def test_invalid_subscribe(raw: object, code: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_subscribe(raw)
    assert caught.value.code == code
    assert 10 < len(str(caught.value)) < 200


def test_valid_unsubscribe() -> None:
    assert parse_unsubscribe({"devices": ["a"]}) == Unsubscribe(("a",), everything=False)
    assert parse_unsubscribe({"devices": "*"}) == Unsubscribe((), everything=True)


@pytest.mark.parametrize("raw", [None, "*", {}, {"devices": "a"}, {"devices": [1]}])
def test_invalid_unsubscribe(raw: object) -> None:
    with pytest.raises(RequestError, match="device"):
        parse_unsubscribe(raw)
