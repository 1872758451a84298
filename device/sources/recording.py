"""``ride:<file>``: a recorded ride, FIT, GPX or TCX, point by point at its own pace.

One reading a recorded point. A point without speed gets the way since the point before it over
the time since then; a point that has no way either is left out and counted in the log. Of values
only those within a reading's limits are kept.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from itertools import count, pairwise
from pathlib import Path
from statistics import median

from loguru import logger

from device.sources import SOURCES, Sample, Source
from device.sources.decoders import Point
from shared.decorators import registered
from shared.errors import SourceError
from shared.reading import NUMBER_RANGES, SPEED_RANGE_KMH, Value
from shared.settings import Settings

FILE_BYTES_MAX = 100_000_000
"""Ten hours at 1 Hz are 1.5 MB as FIT and 30 MB as TCX; beyond this it is no ride."""

BETWEEN_BIKES_S = 5.0
"""A fleet starts like a time trial: each bike this much of the ride after the one before."""

REGULAR_SHARE = 0.9
"""A ride of which so many steps take the usual time is regular, pauses and all."""

REASON_CHARS_MAX = 120
"""Of what a parser says of a damaged file, as much as fits a line."""

_FORMATS = {".fit": "fit", ".gpx": "gpx", ".tcx": "tcx"}


@dataclass(frozen=True, slots=True)
class Recording:
    """A ride ready to be replayed: samples due from 0 on, and what one round adds.

    ``step_s`` is the usual time between two points, ``regular`` whether most keep to it.
    """

    model: str
    samples: tuple[Sample, ...]
    step_s: float
    regular: bool
    length_km: float

    @property
    def round_s(self) -> float:
        """The time from the start to the next round's start: one step after the last point."""
        return (self.samples[-1].due_s or 0.0) + self.step_s


@registered(SOURCES, "ride")
def open_recording(settings: Settings, argument: str, bike: int) -> Source:
    """Open a recorded ride for one bike; each bike of a fleet starts a little later."""
    if not argument:
        raise SourceError("the source ride needs a file, such as ride:tour.fit")
    recording = load_recording(Path(argument))
    pace, delay_s = settings.ride_pace, bike * BETWEEN_BIKES_S
    samples = replay(recording, pace=pace, loop=settings.ride_loop, delay_s=delay_s)
    interval_ms = max(1, round(1000 * recording.step_s / pace))
    return Source(samples, interval_ms if recording.regular else 0, recording.model)


def replay(
    recording: Recording, *, pace: float = 1.0, loop: bool = False, delay_s: float = 0.0
) -> Iterator[Sample]:
    """Give the ride's samples ``pace`` times as fast, once or for ever.

    Rounds follow each other by one usual step, and the odometer goes on counting.
    """
    for number in count() if loop else (0,):
        start_s = delay_s + number * recording.round_s
        start_km = number * recording.length_km
        for sample in recording.samples:
            due_s = (start_s + (sample.due_s or 0.0)) / pace
            yield Sample(due_s, sample.speed_kmh, _later(sample.values, start_km))


@lru_cache(maxsize=1)
def load_recording(path: Path) -> Recording:
    """Read a recorded ride; a whole fleet reads it once. Raises :class:`SourceError`."""
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        raise SourceError(f"a recorded ride is a file .fit, .gpx or .tcx, which {path} is not")
    points = decode_ride(path, form, _read(path))
    if not points:
        raise SourceError(f"the {form.upper()} file {path} holds no ride: no point with a time")
    samples = tuple(sample_points(points))
    if not samples:
        raise SourceError(f"the ride in {path} has neither speeds nor distances")
    skipped = len(points) - len(samples)
    logger.info("ride_read", file=path, points=len(samples), skipped=skipped)
    return _recording(f"recorded ride ({form.upper()})", samples)


def sample_points(points: Iterable[Point]) -> Iterator[Sample]:
    """Turn points into samples, due from 0 on; where a clock goes back, no time passes.

    Points for which no valid speed can be told are left out.
    """
    due_s, last = 0.0, None
    for point in points:
        due_s += max(0.0, point.time_s - last.time_s) if last else 0.0
        speed_kmh = _speed_kmh(point, last)
        if speed_kmh is not None and SPEED_RANGE_KMH[0] <= speed_kmh <= SPEED_RANGE_KMH[1]:
            yield Sample(due_s, speed_kmh, _values(point))
        last = point


def _speed_kmh(point: Point, last: Point | None) -> float | None:
    """Give a point's own speed, else its mean since the last point; the first stands still."""
    if point.speed_mps is not None:
        return round(3.6 * point.speed_mps, 2)
    if point.distance_m is None:
        return None
    if last is None:
        return 0.0
    elapsed_s = point.time_s - last.time_s
    if last.distance_m is None or elapsed_s <= 0:
        return None
    return round(3.6 * (point.distance_m - last.distance_m) / elapsed_s, 2)


def _values(point: Point) -> dict[str, Value]:
    """Round what was measured besides speed, and keep what a reading may hold."""
    distance_km = None if point.distance_m is None else point.distance_m / 1000
    measured = (
        ("power_w", point.power_w, None),
        ("cadence_rpm", point.cadence_rpm, None),
        ("odometer_km", distance_km, 3),
        ("altitude_m", point.altitude_m, 1),
    )
    return {
        key: round(value, digits)
        for key, value, digits in measured
        if value is not None and NUMBER_RANGES[key][0] <= value <= NUMBER_RANGES[key][1]
    }


def _later(values: Mapping[str, Value], start_km: float) -> Mapping[str, Value]:
    """Let the odometer of a later round go on from where the round began."""
    kilometres = values.get("odometer_km")
    if start_km == 0 or not isinstance(kilometres, float):
        return values
    return {**values, "odometer_km": round(start_km + kilometres, 3)}


def _recording(model: str, samples: tuple[Sample, ...]) -> Recording:
    due_s = [sample.due_s or 0.0 for sample in samples]
    steps_s = [later - earlier for earlier, later in pairwise(due_s) if later > earlier]
    step_s = median(steps_s) if steps_s else 1.0
    usual = sum(abs(step - step_s) <= step_s / 10 for step in steps_s)
    kilometres = samples[-1].values.get("odometer_km")
    return Recording(
        model,
        samples,
        step_s,
        regular=usual >= REGULAR_SHARE * len(steps_s),
        length_km=kilometres if isinstance(kilometres, float) else 0.0,
    )


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise SourceError(f"{path} is too large for a ride: over {FILE_BYTES_MAX} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"the ride {path} cannot be read: {error.strerror}") from error
    if not data.strip():
        raise SourceError(f"the file {path} is empty")
    return data


def decode_ride(path: Path, form: str, data: bytes) -> list[Point]:
    """Decode with the parser of this format alone: the others need not be loaded."""
    decode: Callable[[bytes], list[Point]] = import_module(f"device.sources.decoders.{form}").decode
    try:
        return decode(data)
    except Exception as error:  # parsers meet any bytes here: whatever they raise, it is the file
        reason = " ".join(str(error).split())[:REASON_CHARS_MAX] or type(error).__name__
        raise SourceError(f"{path} is no {form.upper()} file, or damaged: {reason}") from error
