"""Cursors: positions in the readings of one device. Clients resume with a cursor.

``"<epoch>-<seq>"`` is the position *after* that reading. ``"<epoch>-0"`` is the position before the
first reading of an epoch, and ``"0-0"`` the one before all readings. Cursors compare as pairs of
integers.
"""

import re
from typing import NamedTuple

INTEGER_LIMIT = 2**53
"""All integers are below this. A JavaScript number represents them exactly."""

CURSOR = re.compile(r"(0|[1-9][0-9]{0,15})-(0|[1-9][0-9]{0,15})")


class Cursor(NamedTuple):
    """The position after reading ``seq`` of ``epoch``."""

    epoch: int
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"


START = Cursor(0, 0)
"""The position before all readings of any device."""


def parse_cursor(text: object) -> Cursor | None:
    """Read a cursor; return None if ``text`` is not one."""
    match = CURSOR.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    cursor = Cursor(int(match[1]), int(match[2]))
    return cursor if max(cursor) < INTEGER_LIMIT else None


def count_between(after: Cursor, before: Cursor) -> int | None:
    """Count the readings strictly between two positions; None if the number is unknown.

    Numbers are consecutive only within one epoch. There is no count either if ``before`` is at or
    behind ``after``, as for a client that was ahead of all readings in the ring.
    """
    if after.epoch != before.epoch or before.seq <= after.seq:
        return None
    return before.seq - after.seq - 1
