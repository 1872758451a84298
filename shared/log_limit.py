"""Limits each kind of log line to one per minute and counts the repetitions. Pure.

For lines that a stranger can cause at any rate: stack traces and lines of libraries.
"""

from collections.abc import Hashable
from dataclasses import dataclass

WINDOW_S = 60.0
KINDS_MAX = 64
"""How many kinds are remembered, because a kind may contain a stranger's text. Lines of further
kinds are only counted."""
OTHERS = "other kinds"


@dataclass(slots=True)
class Window:
    """Counts the repetitions of one kind within its minute. The summary shows ``name``."""

    name: str
    ends_s: float
    count: int = 0


class LogLimit:
    """Remembers the kinds that were written within the last :data:`WINDOW_S`."""

    def __init__(self) -> None:
        self._windows: dict[Hashable, Window] = {}  # in the order in which they end

    def admits(self, kind: Hashable, name: str, now_s: float) -> bool:
        """Tell whether to write a line of this kind; if not, count it.

        The caller must have called :meth:`take_ended` before.
        """
        if kind not in self._windows and len(self._windows) < KINDS_MAX:
            self._windows[kind] = Window(name, now_s + WINDOW_S)
            return True
        if kind not in self._windows:
            kind = OTHERS
            self._windows.setdefault(kind, Window(OTHERS, now_s + WINDOW_S))
        self._windows[kind].count += 1
        return False

    def take_ended(self, now_s: float) -> list[tuple[str, int]]:
        """Forget the windows that have ended. Return the name and the count of repeated lines."""
        ended = []
        for kind, window in self._windows.items():
            if window.ends_s > now_s:
                break
            ended.append((kind, window))
        for kind, _ in ended:
            del self._windows[kind]
        return [(window.name, window.count) for _, window in ended if window.count]
