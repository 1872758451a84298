"""Cursors: a position in one device's readings, and the only resume token.

``"<epoch>-<seq>"`` names the position *after* that reading. ``"<epoch>-0"`` is before an epoch's
first reading, ``"0-0"`` before everything. Cursors compare as pairs of integers.
"""

import re
from typing import NamedTuple

INTEGER_LIMIT = 2**53
"""Integers stay below this: the largest range a JavaScript number holds exactly."""

CURSOR = re.compile(r"(0|[1-9][0-9]{0,15})-(0|[1-9][0-9]{0,15})")


class Cursor(NamedTuple):
    """The position after reading ``seq`` of ``epoch``."""

    epoch: int
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"


START = Cursor(0, 0)
"""Before everything any device ever sent."""


def parse_cursor(text: object) -> Cursor | None:
    """Read a cursor; None when ``text`` is not one."""
    match = CURSOR.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    cursor = Cursor(int(match[1]), int(match[2]))
    return cursor if max(cursor) < INTEGER_LIMIT else None


def count_between(after: Cursor, before: Cursor) -> int | None:
    """Count the readings strictly between two positions; None when no number can be given.

    Only within one epoch are numbers consecutive. A ``before`` at or behind ``after`` (a client
    that was ahead of everything held) has no count either.
    """
    if after.epoch != before.epoch or before.seq <= after.seq:
        return None
    return before.seq - after.seq - 1
