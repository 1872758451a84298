"""Parses the timestamps of GPX and TCX in all forms that programs write.

XML demands ``2024-05-01T08:00:00Z``. Programs also write offsets with and without a colon, no zone
at all, fractions after a point or a comma, blanks for the ``T``, slashes for the hyphens, no
seconds, AM and PM, the day first, or the seconds or milliseconds since 1970. A time without a zone
counts as UTC: a replay needs only the differences.
"""

import re
from datetime import UTC, datetime, timedelta, timezone

_DATE = r"(?P<year>\d{4})([-/.]?)(?P<month>\d{1,2})\2(?P<day>\d{1,2})"
_DAY_FIRST = r"(?P<day>\d{1,2})([./-])(?P<month>\d{1,2})\2(?P<year>\d{4})"
_CLOCK = (
    r"[T\s_,]+(?P<hour>\d{1,2})(?::?(?P<minute>\d{2}|(?<=:)\d))"
    r"(?::?(?P<second>\d{2}|(?<=:)\d)(?:[.,:](?P<fraction>\d*))?)?"
    r"\s*(?P<half>[ap]\.?m\.?)?"
)
_ZONE = r"\s*(?:Z|UTC|GMT)?\s*(?:(?P<sign>[-+\u2212])(?P<hours>\d{1,2})(?::?(?P<minutes>\d{2}))?)?"
_FORMS = tuple(
    re.compile(date + _CLOCK + _ZONE, re.IGNORECASE | re.ASCII) for date in (_DATE, _DAY_FIRST)
)
_MONTHS, _MINUTE = 12, 60
_LAST = (24, 0, 0)
"""Midnight may be written as 24:00:00; a leap second has the number 60."""

_EPOCH = re.compile(r"\d{9,10}(?:\.\d*)?|\d{12,13}", re.ASCII)
_EPOCH_MS_LEAST = 1e11
"""Seconds reach this in the year 5138; milliseconds passed it in 1973."""


def seconds(text: str) -> float | None:
    """Return a time in s since 1970 UTC, or None if no form matches."""
    if _EPOCH.fullmatch(text):
        since = float(text)
        return since / 1000 if since >= _EPOCH_MS_LEAST else since
    try:
        for form in _FORMS:
            if match := form.fullmatch(text):
                return _moment(match).timestamp()
    except (ValueError, OverflowError):  # the 0th of a month, an offset of 30 hours
        return None
    return None


def _moment(match: re.Match[str]) -> datetime:
    """Build a time from a match; raises ValueError or OverflowError if there is no such date."""
    part = match.groupdict()
    year, month, date = int(part["year"]), int(part["month"]), int(part["day"])
    if month > _MONTHS >= date:
        month, date = date, month  # as in the United States
    day = datetime(year, month, date, tzinfo=_zone(part))
    hour = int(part["hour"])
    if half := part["half"]:
        hour = hour % 12 + 12 * (half[0] in "pP")
    minute, second = int(part["minute"]), int(part["second"] or 0)
    if (hour, minute, second) > _LAST or max(minute, second) > _MINUTE:
        raise ValueError("no time of day")
    fraction = float(f"0.{part['fraction'] or 0}")
    return day + timedelta(hours=hour, minutes=minute, seconds=second + fraction)


def _zone(part: dict[str, str | None]) -> timezone:
    if part["sign"] is None:
        return UTC
    ahead = timedelta(hours=int(part["hours"] or 0), minutes=int(part["minutes"] or 0))
    return timezone(ahead if part["sign"] == "+" else -ahead)
