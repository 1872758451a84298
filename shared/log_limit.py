"""Each kind of line at most once a minute; repetitions are counted and summed up in a line. Pure.

For lines that a stranger may cause as often as he likes: stack traces and lines of libraries.
"""

from collections.abc import Hashable
from dataclasses import dataclass

WINDOW_S = 60.0
KINDS_MAX = 64
"""Kinds remembered at once. A kind may hold a stranger's text; lines beyond are only counted."""
OTHERS = "other kinds"


@dataclass(slots=True)
class Window:
    """Counts the repetitions of one line within its minute; ``name`` stands in their sum."""

    name: str
    ends_s: float
    count: int = 0


class LogLimit:
    """Remembers which kinds were written within the last :data:`WINDOW_S`."""

    def __init__(self) -> None:
        self._windows: dict[Hashable, Window] = {}  # in the order in which they end

    def admits(self, kind: Hashable, name: str, now_s: float) -> bool:
        """Tell whether a line of this kind is written; else count it.

        Windows that have ended must have been taken before.
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
        """Forget the windows that have ended; return the name and count of each that repeated."""
        ended = []
        for kind, window in self._windows.items():
            if window.ends_s > now_s:
                break
            ended.append((kind, window))
        for kind, _ in ended:
            del self._windows[kind]
        return [(window.name, window.count) for _, window in ended if window.count]
