"""Write readings as CSV rows whose cells no spreadsheet executes as formulas. Pure.

How it works: a spreadsheet reads a cell that begins with ``=``, ``+``, ``-`` or ``@`` as a formula
(CSV injection). Some spreadsheets also accept the full-width forms of these characters, or skip
blanks and quotes before them. The separator of cells depends on the reader's country, so a cell may
begin after any character that is not a letter or a digit. The file is safe only if no text in it
has a risky character there. Only ``extra`` holds text that the device chose. This module writes it
as JSON and escapes each risky character there; a JSON parser returns the original text. Numbers are
not text: -1.5 stays -1.5.
"""

import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.reading import OPTIONAL_KEYS, REQUIRED_KEYS

CSV_KEYS = (*REQUIRED_KEYS, *OPTIONAL_KEYS)
TIME_KEY = "time_utc"
"""An optional first column for people. Without it, column positions stay as they always were."""
_1970 = datetime(1970, 1, 1)  # noqa: DTZ001  # always UTC; an aware datetime would print +00:00
_RISKY = re.compile(
    r"(?<![^\W_])[-=+@\uff1d\uff0b\uff0d\uff20]"  # also full-width; not after a letter or digit
    r"|[\x7f-\x9f\u2028\u2029]"  # some programs start a new line at these
)


def csv_row(payload: bytes, columns: Sequence[str] = CSV_KEYS) -> list[object]:
    """Return the cells of a reading (JSON); the cell of an absent key is empty."""
    reading = json.loads(payload)
    if TIME_KEY in columns:
        reading[TIME_KEY] = _iso_time(reading["ts_ms"])
    return [_cell(reading.get(key)) for key in columns]


def _iso_time(ts_ms: int) -> str | None:
    """Return a time in ISO 8601; None after the year 9999, which ISO 8601 cannot write."""
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
