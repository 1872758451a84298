"""Decides which lines the log gets, so that one fault does not log a thousand lines a second. Pure.

:class:`LogOnce` lets each fault of each device through once. :class:`LogOncePerPeriod` lets each
kind through once per period. Both use bounded memory, because a stranger can invent devices.
"""

from math import inf

DEVICES_MAX = 1_000
"""Per kind. The gateway holds as many devices by default."""
KINDS_MAX = 100
"""More kinds than the code has. The limit matters where a stranger's text is part of a kind."""
MINUTE_S = 60.0


class LogOnce:
    """Remembers which kinds of faults each device has had, in bounded memory.

    A device beyond ``devices_max`` gets no line, so a flood of invented devices logs at most that
    many lines per kind. Leave the device out where its id is not verified. ``a_minute`` limits the
    lines per minute; a fault beyond it is not remembered, so it can be logged when it comes again.
    """

    def __init__(
        self,
        devices_max: int = DEVICES_MAX,
        kinds_max: int = KINDS_MAX,
        a_minute: float = inf,
    ) -> None:
        self._devices_max = devices_max
        self._kinds_max = kinds_max
        self._logged: dict[str, set[str | None]] = {}  # devices by kind
        self._a_minute = self._left = a_minute
        self._minute_ends_s = -inf

    def is_first(self, kind: str, device_id: str | None = None, now_s: float = 0.0) -> bool:
        """Tell whether to log this fault, and remember it if so."""
        if kind not in self._logged and len(self._logged) >= self._kinds_max:
            return False
        devices = self._logged.setdefault(kind, set())
        if device_id in devices or len(devices) >= self._devices_max or not self._has_room(now_s):
            return False
        devices.add(device_id)
        self._left -= 1
        return True

    def _has_room(self, now_s: float) -> bool:
        if now_s >= self._minute_ends_s:
            self._minute_ends_s, self._left = now_s + MINUTE_S, self._a_minute
        return self._left > 0


class LogOncePerPeriod:
    """Lets each kind be logged once per period and counts the repeats, in bounded memory.

    Kinds beyond ``kinds_max`` within one period share one turn.
    """

    def __init__(self, period_s: float, kinds_max: int = KINDS_MAX) -> None:
        self._period_s = period_s
        self._kinds_max = kinds_max
        self._logged: dict[str | None, tuple[float, int]] = {}  # time in s, repeats since then

    def repeats_until(self, kind: str, now_s: float) -> int | None:
        """Return the repeats since the last line of this kind, or None if it must not be logged."""
        key = kind if kind in self._logged or self._has_room(now_s) else None
        logged_s, repeats = self._logged.get(key, (-inf, 0))
        if now_s - logged_s < self._period_s:
            self._logged[key] = logged_s, repeats + 1
            return None
        self._logged[key] = now_s, 0
        return repeats

    def _has_room(self, now_s: float) -> bool:
        """Tell whether a new kind can be remembered; forget ended periods to make room."""
        if len(self._logged) >= self._kinds_max:
            self._logged = {
                kind: (logged_s, repeats)
                for kind, (logged_s, repeats) in self._logged.items()
                if kind is None or now_s - logged_s < self._period_s
            }
        return len(self._logged) < self._kinds_max
