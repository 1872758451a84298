"""What is taken as it came is what the strict reader would have taken, and nothing else is."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.canonical import read_canonical, read_plain_status
from shared.errors import BadMessage
from shared.reading import NUMBER_RANGES, READING_KEYS, CheckedReading, Status, check_reading
from shared.wire import decode_reading, decode_status, encode_reading, encode_status

PLAIN = {"v": 1, "device_id": "e", "epoch": 7, "seq": 3, "ts_ms": 1_700_000_000_000}
FULL = PLAIN | {
    "speed_kmh": 21.5,
    **{key: (low + high) / 2 for key, (low, high) in NUMBER_RANGES.items()},
    "assist": "eco",
    "extra": {"motor_c": 61.5, "light": True, "mode": "sport+"},
}


def compact(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def strictly(payload: bytes) -> CheckedReading:
    """Read with the standard library: spaces are nothing a canonical reading has."""
    return decode_reading(payload + b" ", "e")


def test_canonical_reading_keeps_its_bytes() -> None:
    payload = compact({key: FULL[key] for key in READING_KEYS})
    reading = read_canonical(payload, "e")
    assert reading is not None
    assert reading == check_reading(FULL, "e").reading
    assert encode_reading(reading) is payload


@pytest.mark.parametrize(
    "payload",
    [
        compact(FULL) + b"\n",
        json.dumps(FULL).encode(),
        compact(FULL | {"device_id": "f"}),
        compact(FULL | {"v": 2}),
        compact(FULL | {"v": True}),
        compact(FULL | {"ts_ms": 0}),
        compact(FULL | {"seq": 0}),
        compact(FULL | {"seq": 2**53}),
        compact(FULL | {"epoch": 7.0}),
        compact(FULL | {"power_w": 3001}),
        compact(FULL | {"power_w": True}),
        compact(FULL | {"assist": "max"}),
        compact(FULL | {"other": 1}),
        compact(FULL | {"extra": {}}),
        compact(FULL | {"extra": {"mode": "sport plus"}}),
        compact(FULL | {"extra": {"A": 1}}),
        compact(FULL | {"extra": {"a": 2**53}}),
        compact(FULL | {"extra": {"a": "x" * 65}}),
        compact(FULL | {"extra": {"a": None}}),
        compact(FULL | {"extra": {f"k{n}": n for n in range(17)}}),
        compact({"seq": 3} | FULL),
        compact({key: value for key, value in FULL.items() if key != "speed_kmh"}),
        compact(FULL)[:-1] + b',"seq":4}',
        compact(FULL).replace(b'"light":true', b'"light":true,"light":false'),
        compact(FULL).replace(b'"seq":3', b'"seq":3,"seq":3'),
        compact(FULL).replace(b"eco", b"\\u0065co"),
        compact(FULL).replace(b"sport", b"\xff"),
        compact(FULL).replace(b"21.5", b"NaN"),
        compact(FULL).replace(b"21.5", b"1e400"),
        compact([FULL]),
        b"",
    ],
)
def test_other_reading_needs_strict_reader(payload: bytes) -> None:
    assert read_canonical(payload, "e") is None


NUMBERS = st.one_of(
    st.integers(-(2**54), 2**54), st.floats(), st.booleans(), st.integers(0, 100), st.just(0)
)
EXTRAS = st.dictionaries(
    st.sampled_from(["a", "b_1", "Ä", "x" * 33]), st.one_of(NUMBERS, st.text(max_size=70))
)
VALUES = st.one_of(NUMBERS, st.text(max_size=5), st.sampled_from(["eco", "turbo"]), EXTRAS)
KEYS = st.sampled_from([*READING_KEYS, "other"])
CHANGES = st.lists(st.tuples(KEYS, VALUES), max_size=4)


@settings(max_examples=500, deadline=None)
@given(
    CHANGES, st.lists(KEYS, max_size=4), st.booleans(), st.integers(0, 600), st.binary(max_size=2)
)
def test_canonical_agrees_with_strict_reader(
    changes: list[tuple[str, Any]], left_out: list[str], in_order: bool, place: int, noise: bytes
) -> None:
    body = {key: value for key, value in (FULL | dict(changes)).items() if key not in left_out}
    if in_order:
        body = {key: body[key] for key in READING_KEYS if key in body}
    text = compact(body)
    payload = text[:place] + noise + text[place:]
    reading = read_canonical(payload, "e")
    if reading is not None:
        strict, dropped, unknown = strictly(payload)
        assert (reading, dropped, unknown) == (strict, (), ())
        assert list(reading.values) == list(strict.values)
        assert json.loads(payload) == json.loads(encode_reading(strict))


STATUS = {
    "v": 1,
    "device_id": "e",
    "epoch": 7,
    "last_seq": 3,
    "ts_ms": 1_700_000_000_000,
    "state": "online",
    "interval_ms": 100,
    "model": "X 1",
}


def strictly_status(payload: bytes) -> Status | str:
    """Read with the standard library, where an unknown key sends it; or say what is wrong."""
    try:
        return decode_status(payload[:-1] + b',"other":0}', "e")
    except BadMessage as error:
        return error.reason


def test_plain_status_is_read() -> None:
    told = Status("e", 7, 3, 5, "online", 100, "X 1")
    bare = Status("e", 7, 0, 0, "stopping", 0)
    assert read_plain_status(encode_status(told), "e") == told
    assert read_plain_status(json.dumps(STATUS).encode(), "e") is not None
    assert read_plain_status(encode_status(bare), "e") == bare


@pytest.mark.parametrize(
    "payload",
    [
        compact(STATUS | {"device_id": "f"}),
        compact(STATUS | {"v": 2}),
        compact(STATUS | {"v": True}),
        compact(STATUS | {"state": "asleep"}),
        compact(STATUS | {"epoch": -1}),
        compact(STATUS | {"last_seq": 2**53}),
        compact(STATUS | {"ts_ms": 1.5}),
        compact(STATUS | {"other": 1}),
        compact(STATUS | {"model": ""}),
        compact(STATUS | {"model": "a\u0007"}),
        compact(STATUS | {"model": "x" * 65}),
        compact(STATUS | {"model": 5}),
        compact(STATUS).replace(b'"epoch":7', b'"epoch":7,"epoch":7'),
        compact(STATUS).replace(b"online", b"\\u006fnline"),
        compact([STATUS]),
        b"",
    ],
)
def test_other_status_needs_strict_reader(payload: bytes) -> None:
    assert read_plain_status(payload, "e") is None


STATUS_VALUES = st.one_of(
    NUMBERS, st.text(max_size=5), st.sampled_from(["online", "stopping", None, "\x7f", "x" * 64])
)
STATUS_CHANGES = st.lists(st.tuples(st.sampled_from([*STATUS, "other"]), STATUS_VALUES), max_size=4)


@settings(max_examples=500, deadline=None)
@given(STATUS_CHANGES, st.booleans())
def test_both_ways_agree_about_every_status(
    changes: list[tuple[str, Any]],
    has_model: bool,  # drawn
) -> None:
    body = {**STATUS, **dict(changes)}
    if not has_model:
        del body["model"]
    payload = compact(body)
    status = read_plain_status(payload, "e")
    if status is not None:
        assert status == strictly_status(payload)
