"""Compares what came of an emulated cycling sensor with what it measured."""

from collections.abc import Mapping
from typing import Any

from device.sources.decoders.cycling import Kind
from device.sources.decoders.revolutions import STANDSTILL_S

INTERVAL_S = 1.0
TICKS = 0.003
"""Two ticks of 1/1024 s, in the least time between revolutions that two records report."""
ROUNDED = 0.06
LATE_S = 1.0
"""By how much a notification may be late in these tests."""
KEYS = {"speed_kmh", "cadence_rpm", "power_w"}


def is_true(
    kind: Kind, wheel_m: float, measured: Mapping[str, Any], truth: Mapping[str, Any]
) -> bool:
    """Tell whether the values of a reading are those of a record, as exactly as it can tell."""
    values = {key: measured[key] for key in KEYS if key in measured}
    if kind is Kind.FTMS:
        return values == {key: truth[key] for key in KEYS}
    speed = is_near("speed_kmh", values["speed_kmh"], truth, wheel_m * 3.6)
    cadence = "cadence_rpm" not in values or is_near(
        "cadence_rpm", values["cadence_rpm"], truth, 60
    )
    return speed and cadence and values.get("power_w") == truth.get("power_w")


def is_near(key: str, value: float, truth: Mapping[str, float], per_hz: float) -> bool:
    """Compare a value that was derived from a counter with its truth.

    If no revolution ended, the receiver only knows a limit, and how long it has waited.
    """
    if key in truth:
        return abs(value - truth[key]) <= TICKS * truth[key] + ROUNDED
    if f"{key}_max" not in truth:  # the counter was reset
        return False
    waited_s = per_hz / truth[f"{key}_max"]
    if value == 0:
        return waited_s >= STANDSTILL_S - LATE_S
    least_s = waited_s - INTERVAL_S - LATE_S
    return least_s <= 0 or value <= per_hz / least_s
