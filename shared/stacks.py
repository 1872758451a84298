"""Writes down where every thread and greenlet of this process is, for a person.

This is done in a thread of its own: the program goes on meanwhile, or hangs where the stacks show.
Greenlets at the same place are shown once, with their number.
"""

import gc
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any

FRAMES_MAX = 16
"""The innermost frames of each stack."""
CHARS_MAX = 18_000
"""A log line holds a little more."""


def describe_stacks(greenlets: Iterable[Any] = ()) -> tuple[str, dict[str, int]]:
    """Return the stacks as text, and the number of threads and greenlets.

    ``greenlets`` are those that the garbage collector does not list (``gc.freeze``).
    """
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    threads = {
        names.get(ident, str(ident)): frame
        for ident, frame in sys._current_frames().items()  # noqa: SLF001  # documented
        if ident != threading.get_ident()
    }
    waiting = list(_waiting_greenlets(greenlets))
    places = Counter(map(_in_words, waiting))
    parts = [
        *(f"{number} greenlets:\n{place}" for place, number in places.most_common()),
        *(f"thread {name}:\n{_in_words(frame)}" for name, frame in threads.items()),
    ]
    return _cut(parts), {"threads": len(threads), "greenlets": len(waiting)}


def _waiting_greenlets(known: Iterable[Any]) -> Iterator[FrameType]:
    """Yield the frame of each greenlet that does not run now."""
    greenlet = getattr(sys.modules.get("greenlet"), "greenlet", None)
    if greenlet is None:
        return
    gc.unfreeze()  # get_objects does not list what is frozen; the next collection freezes it again
    found = {id(it): it for it in (*known, *gc.get_objects()) if isinstance(it, greenlet)}
    frames = (getattr(it, "gr_frame", None) for it in found.values())
    yield from (frame for frame in frames if frame is not None)


def _in_words(frame: FrameType) -> str:
    return "".join(traceback.format_stack(frame)[-FRAMES_MAX:])


def _cut(parts: list[str]) -> str:
    """Join the parts; leave out the greenlets that do not fit, the rarest first."""
    kept: list[str] = []
    room = CHARS_MAX
    for part in reversed(parts):  # threads first
        if len(part) > room:
            kept.append(f"and {len(parts) - len(kept)} more places\n")
            break
        room -= len(part)
        kept.append(part)
    return "".join(reversed(kept))
