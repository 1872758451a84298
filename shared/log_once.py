"""What was said already, so that a fault is logged once and not a thousand times a second. Pure."""

from math import inf

DEVICES_MAX = 1_000
"""Of one kind. As many as the gateway holds devices, unless told otherwise."""
KINDS_MAX = 100
"""More kinds than there are; a kind made of what a stranger sent cannot grow this without bound."""
MINUTE_S = 60.0


class OncePerKind:
    """Remembers kinds of faults and whose they were, in bounded memory.

    What does not fit any more counts as said: who floods the gateway with invented devices gets
    ``devices_max`` lines, not one each. Leave the device out where its id proves nothing. With
    ``a_minute``, a fault beyond so many in a minute is not first and not remembered: it is first
    when it comes again later.
    """

    def __init__(
        self,
        devices_max: int = DEVICES_MAX,
        kinds_max: int = KINDS_MAX,
        a_minute: float = inf,
    ) -> None:
        self._devices_max = devices_max
        self._kinds_max = kinds_max
        self._said: dict[str, set[str | None]] = {}
        self._a_minute = self._left = a_minute
        self._minute_ends_s = -inf

    def is_first(self, kind: str, device_id: str | None = None, now_s: float = 0.0) -> bool:
        """Tell whether this is the first fault of its kind and device, and remember it."""
        if kind not in self._said and len(self._said) >= self._kinds_max:
            return False
        said = self._said.setdefault(kind, set())
        if device_id in said or len(said) >= self._devices_max or not self._has_room(now_s):
            return False
        said.add(device_id)
        self._left -= 1
        return True

    def _has_room(self, now_s: float) -> bool:
        if now_s >= self._minute_ends_s:
            self._minute_ends_s, self._left = now_s + MINUTE_S, self._a_minute
        return self._left > 0


class OncePerPeriod:
    """Lets each kind be said once in so many seconds and counts the repeats, in bounded memory.

    Kinds beyond ``kinds_max`` within one period share one turn.
    """

    def __init__(self, period_s: float, kinds_max: int = KINDS_MAX) -> None:
        self._period_s = period_s
        self._kinds_max = kinds_max
        self._said: dict[str | None, tuple[float, int]] = {}  # when, and how many repeats since

    def repeats_until(self, kind: str, now_s: float) -> int | None:
        """Return the repeats since the kind was said last; None while it may not be said."""
        key = kind if kind in self._said or self._has_room(now_s) else None
        said_s, repeats = self._said.get(key, (-inf, 0))
        if now_s - said_s < self._period_s:
            self._said[key] = said_s, repeats + 1
            return None
        self._said[key] = now_s, 0
        return repeats

    def _has_room(self, now_s: float) -> bool:
        """Tell whether a new kind may be remembered; old ones make room for it."""
        if len(self._said) >= self._kinds_max:
            self._said = {
                kind: (said_s, repeats)
                for kind, (said_s, repeats) in self._said.items()
                if kind is None or now_s - said_s < self._period_s
            }
        return len(self._said) < self._kinds_max
