"""Thin readings for a chart that has fewer points than there are readings. Pure."""

import json
from collections.abc import Iterator

from gateway.web.page import SLICE
from gateway.web.queries import POINTS_MAX


def thin_out(found: list[bytes], max_points: int | None) -> Iterator[list[bytes]]:
    """Split readings into runs of equal length; keep the slowest and the fastest of each run.

    Yields parts of the result. Some parts are empty: the caller may give way after each part.
    """
    runs = max(1, (max_points or POINTS_MAX) // 2)
    if len(found) <= 2 * runs:
        yield found
        return
    speeds: list[float] = []
    for start in range(0, len(found), SLICE):
        speeds += [json.loads(raw)["speed_kmh"] for raw in found[start : start + SLICE]]
        yield []
    length = -(-len(found) // runs)
    for start in range(0, len(found), length):
        part = speeds[start : start + length]
        kept = sorted({part.index(min(part)), part.index(max(part))})
        yield [found[start + index] for index in kept]
