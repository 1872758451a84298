"""Limits each kind of log line, and counts the lines that are left out. Pure.

For lines that a stranger can cause at any rate. :class:`LogLimit` writes one line of each kind a
minute: stack traces and lines of libraries. :class:`LineBudget` writes some lines of each kind a
minute: clients and devices that come and go.
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


class LineBudget:
    """At most ``a_minute`` lines of each kind a minute. The code has few kinds."""

    def __init__(self, a_minute: int) -> None:
        self._a_minute = a_minute
        self._minutes: dict[str, Minute] = {}

    def admit(self, kind: str, now_s: float) -> dict[str, int] | None:
        """Return None if a line of this kind must not be written now; count it then.

        Otherwise the line must be written with these fields: the number of lines that were left
        out since the last one, if any was.
        """
        minute = self._minutes.setdefault(kind, Minute())
        if now_s >= minute.ends_s:
            minute.ends_s, minute.written = now_s + WINDOW_S, 0
        if minute.written >= self._a_minute:
            minute.left_out += 1
            return None
        minute.written += 1
        left_out, minute.left_out = minute.left_out, 0
        return {"lines_left_out": left_out} if left_out else {}


@dataclass(slots=True)
class Minute:
    """The lines of one kind in a minute."""

    ends_s: float = float("-inf")
    written: int = 0
    left_out: int = 0
