"""How a log line looks, whatever is in it."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.log_lines import (
    EVENT_CHARS_MAX,
    TRACE_CHARS_MAX,
    VALUE_CHARS_MAX,
    Line,
    json_line,
    text_line,
)

NOON = datetime(2026, 11, 22, 12, 0, 0, 7000, tzinfo=timezone(timedelta(hours=1)))
WORDS = st.text(st.characters(codec="utf-8"))


def line(event: str = "gap", trace: str = "", **fields: object) -> Line:
    return Line(NOON, "INFO", "gateway.feed", event, fields, trace)


def json_of(given: Line) -> Any:  # whatever JSON holds
    text = json_line(given, "gateway-5000")
    assert text.endswith("\n")
    assert text.count("\n") == 1
    return json.loads(text)


def test_text_line_has_event_and_values() -> None:
    assert text_line(line(device_id="ebike-001", lost=3, online=False, rate=1.5)) == (
        "2026-11-22 12:00:00.007 INFO     gateway.feed:"
        " gap device_id=ebike-001 lost=3 online=False rate=1.5\n"
    )


def test_json_line_has_values_as_keys() -> None:
    assert json_of(line(device_id="ebike-001", lost=3, online=False, rate=1.5, model=None)) == {
        "time": "2026-11-22T11:00:00.007+00:00",
        "level": "INFO",
        "process": "gateway-5000",
        "logger": "gateway.feed",
        "event": "gap",
        "device_id": "ebike-001",
        "lost": 3,
        "online": False,
        "rate": 1.5,
        "model": None,
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("two words", '"two words"'),
        ("", '""'),
        ('say "hi"', '"say \\"hi\\""'),
        ("a=b", '"a=b"'),
        ("line\nforged", '"line\\nforged"'),
        ("\x1b[2Jcleared", '"\\u001b[2Jcleared"'),
        ("\u202eright to left", '"\\u202eright to left"'),
        ("\x85\x7f", '"\\x85\\x7f"'),
        ("\udc80", '"\\udc80"'),
        ("Müller", "Müller"),
        ("<red>{x}%s", "<red>{x}%s"),
        (("a", 1), "\"('a', 1)\""),
    ],
)
def test_ambiguous_value_is_quoted(value: object, shown: str) -> None:
    assert text_line(line(value=value)).endswith(f" gap value={shown}\n")


@given(event=WORDS, value=WORDS, name=WORDS)
def test_text_cannot_forge_lines(event: str, value: str, name: str) -> None:
    text = text_line(Line(NOON, "INFO", name, event, {"value": value}))
    assert text[:-1].isprintable()
    assert text[-1] == "\n"


@given(event=WORDS, value=WORDS | st.floats() | st.binary() | st.none(), trace=WORDS)
def test_json_line_is_one_line(event: str, value: object, trace: str) -> None:
    assert json_of(line(event, trace, value=value))["event"] == event[:EVENT_CHARS_MAX]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_is_text_in_json(value: float) -> None:
    assert json_of(line(value=value))["value"] == str(value)


@pytest.mark.parametrize("name", ["time", "level", "process", "logger", "event", "exception"])
def test_reserved_key_is_renamed(name: str) -> None:
    body = json_of(Line(NOON, "INFO", "x", "gap", {name: "own"}))
    assert body[f"{name}_"] == "own"
    assert body["event"] == "gap"


def test_stack_trace_is_indented() -> None:
    trace = "Traceback:\n  File x\nValueError: a\n2026-11-22 12:00:00.007 INFO forged\x1b[2J\n"
    assert text_line(line(trace=trace)).splitlines()[1:] == [
        "    Traceback:",
        "      File x",
        "    ValueError: a",
        "    2026-11-22 12:00:00.007 INFO forged\\x1b[2J",
    ]
    assert json_of(line(trace=trace))["exception"] == trace


@given(trace=WORDS)
def test_every_trace_line_is_indented(trace: str) -> None:
    behind = text_line(line(trace=trace)).split("\n")[1:-1]
    assert all(part.startswith("    ") and part.isprintable() for part in behind)


def test_nothing_endless_is_logged_whole() -> None:
    endless = "x" * 1_000_000
    limit = EVENT_CHARS_MAX + VALUE_CHARS_MAX + TRACE_CHARS_MAX + 500
    given = line(endless, endless, value=endless)
    assert len(text_line(given)) < limit
    assert len(json_line(given, "gateway")) < limit


def test_long_trace_keeps_its_end() -> None:
    trace = "frame\n" * 10_000 + "RecursionError\n"
    assert text_line(line(trace=trace)).endswith("    RecursionError\n")


def test_only_level_is_coloured() -> None:
    warning = Line(NOON, "WARNING", "x", "gap", {})
    assert "\x1b[33mWARNING \x1b[0m x: gap\n" in text_line(warning, coloured=True)
    assert "\x1b" not in text_line(warning)
    assert "\x1b" not in text_line(line(), coloured=True)


def test_the_time_for_machines_is_in_utc() -> None:
    given = Line(datetime(2026, 11, 22, 12, tzinfo=UTC), "INFO", "x", "gap", {})
    assert json_of(given)["time"] == "2026-11-22T12:00:00.000+00:00"
