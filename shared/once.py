"""What was said already, so that a fault is logged once and not a thousand times a second. Pure."""

DEVICES_MAX = 1_000
"""Of one kind. As many as the gateway holds devices, unless told otherwise."""
KINDS_MAX = 100
"""More kinds than there are; a kind made of what a stranger sent cannot grow this without bound."""


class OncePerKind:
    """Remembers kinds of faults and whose they were, in bounded memory.

    What does not fit any more counts as said: who floods the gateway with invented devices gets
    ``devices_max`` lines, not one each. Leave the device out where its id proves nothing.
    """

    def __init__(self, devices_max: int = DEVICES_MAX, kinds_max: int = KINDS_MAX) -> None:
        self._devices_max = devices_max
        self._kinds_max = kinds_max
        self._said: dict[str, set[str | None]] = {}

    def is_first(self, kind: str, device_id: str | None = None) -> bool:
        """Tell whether this is the first fault of its kind and device, and remember it."""
        if kind not in self._said and len(self._said) >= self._kinds_max:
            return False
        said = self._said.setdefault(kind, set())
        if device_id in said or len(said) >= self._devices_max:
            return False
        said.add(device_id)
        return True
