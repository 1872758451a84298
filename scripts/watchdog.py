"""Judges by its beats whether a process hangs. Pure: times come in as arguments, in s."""

LOOKS_IN_LIMIT = 10
STOOD_STILL_LOOKS = 2
"""With so many looks missed, the watchdog itself stood still: stopped, or its machine suspended."""


class Watchdog:
    """The beats of one process. The first one arms it: a process without beats is never judged."""

    def __init__(self, limit_s: float) -> None:
        self.look_every_s = limit_s / LOOKS_IN_LIMIT
        self._limit_s = limit_s
        self._beaten_s: float | None = None
        self._looked_s = 0.0

    @property
    def is_armed(self) -> bool:
        """Tell whether the process has ever beaten."""
        return self._beaten_s is not None

    def beat(self, now_s: float) -> None:
        """Note a beat."""
        if self._beaten_s is None:
            self._looked_s = now_s
        self._beaten_s = now_s

    def is_hung(self, now_s: float) -> bool:
        """Look, and tell whether no beat came for too long.

        Call it every ``look_every_s``: after a longer pause the process gets the whole limit anew,
        for it may have stood still as well.
        """
        if self._beaten_s is None:
            return False
        if now_s - self._looked_s > STOOD_STILL_LOOKS * self.look_every_s:
            self._beaten_s = now_s
        self._looked_s = now_s
        return now_s - self._beaten_s > self._limit_s
