"""Readings as rows of CSV, none of whose cells a spreadsheet would run. Pure.

A spreadsheet takes a cell that begins with ``=``, ``+``, ``-`` or ``@`` for a formula. Some take
their full-width forms as well, or pass over blanks and quotes before them. Which character
separates cells depends on the reader's country. So a file is safe only if no text in it has such a
character where a cell may begin: anywhere but behind a letter or a digit. Only ``extra`` holds text
of the device's own. It is written as JSON, which has an escape for every character, so a program
that parses it gets the text that was sent. Numbers are no text: -1.5 stays -1.5.
"""

import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.reading import OPTIONAL_KEYS, REQUIRED_KEYS

CSV_KEYS = (*REQUIRED_KEYS, *OPTIONAL_KEYS)
TIME_KEY = "time_utc"
"""A column for people, of those who ask for it: others may read the rest by their places."""
_1970 = datetime(1970, 1, 1)  # noqa: DTZ001  # all are UTC, and an aware one would print +00:00
_RISKY = re.compile(
    r"(?<![^\W_])[-=+@\uff1d\uff0b\uff0d\uff20]"  # also full-width; not behind a letter or digit
    r"|[\x7f-\x9f\u2028\u2029]"  # some programs begin a new line there
)


def csv_row(payload: bytes, columns: Sequence[str] = CSV_KEYS) -> list[object]:
    """Give the cells of a reading, empty where a key is absent."""
    reading = json.loads(payload)
    if TIME_KEY in columns:
        reading[TIME_KEY] = _time_word(reading["ts_ms"])
    return [_cell(reading.get(key)) for key in columns]


def _time_word(ts_ms: int) -> str | None:
    """Write a time as ISO 8601 has it; None after the year 9999, which it does not have."""
    try:
        moment = _1970 + timedelta(milliseconds=ts_ms)
    except OverflowError:
        return None
    return f"{moment.isoformat(timespec='milliseconds')}Z"


def _cell(value: object) -> object:
    if value is None:
        return ""
    if not isinstance(value, dict):
        return value
    entries = (f"{_json(key)}: {_json(entry)}" for key, entry in value.items())
    return "{" + ", ".join(entries) + "}"


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return _RISKY.sub(_escape, text) if isinstance(value, str) else text


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
