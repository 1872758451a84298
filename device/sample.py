"""One measurement of a bike, before it has a number. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.reading import Value


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement, not numbered yet.

    ``due_s`` is when to publish it, in seconds after the source's start; None means now.
    ``values`` holds a reading's optional keys. ``ts_ms`` is when it was measured, in ms since 1970;
    None means when it is published.
    """

    due_s: float | None
    speed_kmh: float
    values: Mapping[str, Value] = field(default_factory=dict)
    ts_ms: int | None = None
