"""Tells a request that a polling client repeats from a new one that looks like it.

When a kept-alive connection breaks before an answer came, a browser sends the same request once
more, by itself. The stamp in the query, ``t``, shows this: JavaScript clients make a new stamp for
each request. Other clients send the time of a clock, and may send two requests at the same time.
So the same stamp does not mean the same request

- if there is no stamp, or the stamp is a number of seconds or milliseconds;
- from a client that used one stamp for a GET and a POST, or for two POSTs with different bodies.
"""

import re

# Decimal seconds or milliseconds of any size, as the clock of a small device may begin at 0.
# Longer fractions are as good as unique: Python's clients send microseconds.
COARSE = re.compile(r"\d{1,13}(\.\d{1,3})?", re.ASCII)
# Milliseconds in base 36, as Dart clients write them. The random stamps of JavaScript clients have
# the same form; one of 10,000 is within a day of now.
BASE_36 = re.compile(r"[0-9a-z]{8}", re.ASCII)
DAY_MS = 86_400_000


def is_coarse(stamp: str, now_s: float) -> bool:
    """Tell whether a stamp is the time of a clock, which two requests may share."""
    if COARSE.fullmatch(stamp):
        return True
    return bool(BASE_36.fullmatch(stamp)) and abs(int(stamp, 36) - now_s * 1000) < DAY_MS


class Requests:
    """The last requests of one polling client."""

    __slots__ = ("_asked", "_body", "_posted", "_repeats_stamps", "asked_count")

    def __init__(self, opened: str = "") -> None:
        """``opened`` is the stamp of the request that opened the session."""
        self._asked = ""
        self._posted = opened
        self._body: int | None = None
        self._repeats_stamps = False
        self.asked_count = 0
        """How many GETs were answered or wait."""

    def is_get_again(self, stamp: str, now_s: float) -> bool:
        """Note a GET; return True if it repeats the last one."""
        if not self._names(stamp, self._posted, now_s):
            self._asked = ""
        elif stamp == self._asked:
            return True
        else:
            self._asked = stamp
        self.asked_count += 1
        return False

    def is_post_again(self, stamp: str, body: bytes, now_s: float) -> bool:
        """Note a POST; return True if it repeats the last one."""
        if not self._names(stamp, self._asked, now_s):
            self._posted = ""
            return False
        last, self._posted = (self._posted, self._body), stamp
        self._body = hash(body)
        self._repeats_stamps = last[0] == stamp and last[1] != self._body
        return last == (stamp, self._body)

    def _names(self, stamp: str, other: str, now_s: float) -> bool:
        """Tell whether a stamp stands for one request; ``other``: the other method's last stamp."""
        if stamp and stamp == other:
            self._repeats_stamps = True
        return bool(stamp) and not self._repeats_stamps and not is_coarse(stamp, now_s)
