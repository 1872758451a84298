"""From bytes to numbers, purely: one module a format, each ``decode(data) -> points``.

Decoders read no file and know no setting. Of a recorded ride they let through what a bike
measures; where the rider was and how the heart beat stays behind.
"""

from dataclasses import dataclass
from math import isfinite


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a recorded ride; None is what the file does not say.

    ``time_s`` counts from any fixed moment, ``distance_m`` from the ride's start.
    """

    time_s: float
    speed_mps: float | None = None
    distance_m: float | None = None
    altitude_m: float | None = None
    power_w: float | None = None
    cadence_rpm: float | None = None


def finite(value: object) -> float | None:
    """Take a number as it is, and anything else for nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if isfinite(value) else None
