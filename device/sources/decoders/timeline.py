"""Decides when each point of a ride is due.

How it works. Recorders correct their clock when they find satellites, and write some points late;
summer time ends; rides pause for the night. So points that come a little late are moved to their
place, points of the same moment are merged, and a single wrong time is dropped. Then the time from
point to point is added up: no time passes where the clock went back, and a long pause is shortened.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from device.sources.decoders.point import Point

PAUSE_MAX_S = 60.0
PAUSE_USUAL_STEPS = 5.0
"""A pause is longer than a minute and than this many usual steps; some trackers report rarely."""

PAUSE_PLAYED_S = 10.0
"""A longer pause is shortened to this: visible, but not boring."""

_LAP_S = 3.0
"""Segments closer together than this are laps of one way."""

_LATE_S = 2.0
"""A point that is late by more means that the clock went back."""

_LATE_POINTS = 20
_NEIGHBOURS_S = 3600.0


@dataclass(slots=True)
class Timeline:
    """Points and their due times; a point's ``part`` grows where a new way begins.

    ``pauses_s`` are the original lengths of the pauses that were shortened; ``back`` counts how
    often the clock went back.
    """

    points: list[Point] = field(default_factory=list)
    due_s: list[float] = field(default_factory=list)
    pauses_s: list[float] = field(default_factory=list)
    back: int = 0


def usual_step_s(times_s: Sequence[float]) -> float:
    """Return the median time between two moments; 1 s if there is only one."""
    steps_s = [later - earlier for earlier, later in pairwise(times_s) if later > earlier]
    return median(steps_s) if steps_s else 1.0


def put_in_order(points: Iterable[Point]) -> list[Point]:
    """Move points that come a little late to their place."""
    ordered: list[Point] = []
    for point in points:
        at = len(ordered)
        least = max(0, at - _LATE_POINTS)
        while at > least and 0 < ordered[at - 1].time_s - point.time_s <= _LATE_S:
            at -= 1
        ordered.insert(at, point)
    return ordered


def merge_moments(points: Iterable[Point]) -> list[Point]:
    """Merge the points of one moment: recorders spread values over several points."""
    merged: list[Point] = []
    for point in points:
        if merged and merged[-1].time_s == point.time_s:
            both = zip(merged[-1], point, strict=True)
            merged[-1] = Point._make(old if new is None else new for old, new in both)
        else:
            merged.append(point)
    return merged


def drop_wrong_times(points: Sequence[Point]) -> list[Point]:
    """Drop a point whose time alone is wrong, while those before and after it are in order."""
    kept = list(points[:1])
    for point, following in pairwise(points[1:]):
        before_s, after_s = kept[-1].time_s, following.time_s
        neighbours = 0 <= after_s - before_s <= _NEIGHBOURS_S
        if not neighbours or before_s <= point.time_s <= after_s:
            kept.append(point)
    return kept + list(points[1:][-1:])


def lay_out(points: Sequence[Point]) -> Timeline:
    """Set the due time of each point by adding up the steps between them."""
    usual_s = usual_step_s([point.time_s for point in points])
    longest_s = max(PAUSE_MAX_S, PAUSE_USUAL_STEPS * usual_s)
    lap_s = max(_LAP_S, 2 * usual_s)
    line, due_s, part, last = Timeline(), 0.0, 0, None
    for point in points:
        step_s = point.time_s - last.time_s if last else 0.0
        if step_s < 0:
            line.back += 1
        if step_s > longest_s:
            line.pauses_s.append(step_s)
            step_s = max(PAUSE_PLAYED_S, usual_s)
        due_s += max(0.0, step_s)
        new_part = last is not None and point.part != last.part
        part += step_s < 0 or (new_part and step_s > lap_s)
        line.points.append(point._replace(part=part))
        line.due_s.append(due_s)
        last = point
    return line
