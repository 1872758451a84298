"""``ride:<file>``: replays a recorded ride (FIT, GPX or TCX), point by point at its own pace.

Each recorded moment becomes one reading; the status names the file. ``decoders`` read and judge the
content. This module opens the file, logs its faults, and replays it.
"""

import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import count, pairwise
from pathlib import Path

from loguru import logger

from device.sample import Sample
from device.sources import SOURCES, IteratorSource, Source
from device.sources.decoders.course import Course, plan_course
from device.sources.decoders.point import Point, Ride
from device.sources.decoders.ride import read_ride
from device.sources.decoders.timeline import PAUSE_PLAYED_S, usual_step_s
from shared.decorators import registered
from shared.errors import SourceError
from shared.reading import MODEL_MAX, Value
from shared.settings import Settings

FILE_BYTES_MAX = 100_000_000
"""Ten hours at 1 Hz are 1.5 MB as FIT and 30 MB as TCX."""

BETWEEN_BIKES_S = 5.0
"""Each bike of a fleet starts this many seconds of the ride after the bike before it."""

REGULAR_SHARE = 0.9
"""A ride is regular if at least this share of its steps takes the usual time."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A ride to replay: samples due from 0 on, and the length of one round.

    ``step_s`` is the usual time between two points; ``regular`` tells whether most steps take it.
    """

    model: str
    samples: tuple[Sample, ...]
    step_s: float
    regular: bool
    length_km: float

    @property
    def round_s(self) -> float:
        """The length of a round in s: up to one step after the last point."""
        return (self.samples[-1].due_s or 0.0) + self.step_s


@registered(SOURCES, "ride")
def open_recording(settings: Settings, argument: str, bike: int) -> Source:
    """Open a recorded ride for one bike; see :data:`BETWEEN_BIKES_S`."""
    if not argument:
        raise SourceError("the source ride needs a file, such as ride:tour.fit")
    recording = load_recording(Path(argument))
    pace, delay_s = settings.ride_pace, bike * BETWEEN_BIKES_S
    samples = replay(recording, pace=pace, loop=settings.ride_loop, delay_s=delay_s)
    interval_ms = max(1, round(1000 * recording.step_s / pace))
    return IteratorSource(samples, interval_ms if recording.regular else 0, recording.model)


def replay(
    recording: Recording, *, pace: float = 1.0, loop: bool = False, delay_s: float = 0.0
) -> Iterator[Sample]:
    """Yield the ride's samples ``pace`` times as fast, once or in a loop.

    A round starts one usual step after the end of the one before, and the odometer counts on.
    """
    for number in count() if loop else (0,):
        start_s = delay_s + number * recording.round_s
        start_km = number * recording.length_km
        for sample in recording.samples:
            due_s = (start_s + (sample.due_s or 0.0)) / pace
            yield Sample(due_s, sample.speed_kmh, _later(sample.values, start_km))


@lru_cache(maxsize=1)
def load_recording(path: Path) -> Recording:
    """Read a recorded ride, once for a whole fleet. Raises :class:`SourceError`."""
    data = _read(path)
    try:
        ride = read_ride(data)
        course = plan_course(ride.points)
        _check(ride, course)
    except SourceError as error:
        raise SourceError(f"the ride {path} cannot be played: {error}") from error
    _report(path, ride, course)
    return _recording(_model(path), course)


def _check(ride: Ride, course: Course) -> None:
    """Raise :class:`SourceError` if the points have times but no moment can be played."""
    if len(ride.points) > 1 and len({point.time_s for point in ride.points}) == 1:
        raise SourceError(f"all {len(ride.points):,} points have the same time")
    if course.moments:
        return
    if any(_has_speed_or_place(point) for point in ride.points):
        raise SourceError("none of its speeds, distances and positions can be right")
    raise SourceError("it has neither speeds nor distances nor positions")


def _has_speed_or_place(point: Point) -> bool:
    return any(one is not None for one in (point.speed_mps, point.distance_m, point.latitude_deg))


def _report(path: Path, ride: Ride, course: Course) -> None:
    """Log the number of points, the damage, and every change of the recorded times."""
    left_out = ride.left_out + course.left_out
    for damage in ride.damage:
        logger.warning("ride_damaged", file=path, why=damage, played="as far as it can be read")
    if course.clock_back:
        logger.warning("ride_clock_went_back", file=path, times=course.clock_back)
    if course.pauses_s:
        logger.warning(
            "ride_pauses_shortened",
            file=path,
            pauses=len(course.pauses_s),
            longest_s=round(max(course.pauses_s)),
            to_s=PAUSE_PLAYED_S,
        )
    logger.info(
        "ride_read",
        file=path,
        form=ride.form,
        points=len(course.moments),
        skipped=left_out.total(),
        merged=course.merged,
        **left_out,
    )


def _later(values: Mapping[str, Value], start_km: float) -> Mapping[str, Value]:
    """Add the kilometres of the rounds before to the odometer."""
    kilometres = values.get("odometer_km")
    if start_km == 0 or not isinstance(kilometres, float):
        return values
    return {**values, "odometer_km": round(start_km + kilometres, 3)}


def _recording(model: str, course: Course) -> Recording:
    due_s = [moment.due_s for moment in course.moments]
    step_s = usual_step_s(due_s)
    steps_s = [later - earlier for earlier, later in pairwise(due_s) if later > earlier]
    usual = sum(abs(step - step_s) <= step_s / 10 for step in steps_s)
    return Recording(
        model,
        tuple(Sample(*moment) for moment in course.moments),
        step_s,
        regular=usual >= REGULAR_SHARE * len(steps_s),
        length_km=_length_km(course),
    )


def _length_km(course: Course) -> float:
    """Measure a round by its rounded odometer values, so that the odometer never goes back."""
    shown = [one.values["odometer_km"] for one in course.moments if "odometer_km" in one.values]
    return round(shown[-1] - shown[0], 3) if shown else 0.0


def _model(path: Path) -> str:
    """Return the model: the file's name, in characters and length that a status may have."""
    name = "".join(char if char.isprintable() else "?" for char in path.name)
    return f"recorded ride {name}"[:MODEL_MAX]


def _read(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_dir() and not stat.S_ISREG(path.stat().st_mode):
            raise SourceError(f"the ride {path} cannot be read: it is not a regular file")
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise SourceError(f"the ride {path} cannot be read: {error.strerror}") from error
    if len(data) > FILE_BYTES_MAX:
        raise SourceError(f"{path} is too large for a ride: over {FILE_BYTES_MAX:,} bytes")
    if not data.strip(b"\0 \t\r\n"):
        raise SourceError(f"the file {path} is empty{' but for blanks and zeros' if data else ''}")
    return data
