"""Decides from the beats of a process whether it hangs. Pure: all times are arguments, in s."""

LOOKS_IN_LIMIT = 10
STOOD_STILL_LOOKS = 2
"""After this many missed looks, the watchdog itself was paused, for example by a suspend."""


class Watchdog:
    """Watches the beats of one process. A process that never sends a beat never counts as hung."""

    def __init__(self, limit_s: float) -> None:
        self.look_every_s = limit_s / LOOKS_IN_LIMIT
        self._limit_s = limit_s
        self._beaten_s: float | None = None
        self._looked_s = 0.0

    @property
    def is_armed(self) -> bool:
        """Tell whether the process has sent a beat."""
        return self._beaten_s is not None

    def beat(self, now_s: float) -> None:
        """Note a beat."""
        if self._beaten_s is None:
            self._looked_s = now_s
        self._beaten_s = now_s

    def is_hung(self, now_s: float) -> bool:
        """Tell whether the last beat is too long ago.

        Call this every ``look_every_s``. After a longer pause the time limit starts again, because
        the process may have been paused together with the watchdog.
        """
        if self._beaten_s is None:
            return False
        if now_s - self._looked_s > STOOD_STILL_LOOKS * self.look_every_s:
            self._beaten_s = now_s
        self._looked_s = now_s
        return now_s - self._beaten_s > self._limit_s
