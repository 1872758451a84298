"""``recorded:<file>``: plays what ``python -m device.record`` wrote: same values, same pauses.

Each reading has the values of the recorded one, all of them and unchanged, and is published as long
after the one before as the recorded one was measured. Epoch, number and time are new: the bike is
live. ``SPOKE_RIDE_PACE`` and ``SPOKE_RIDE_LOOP`` apply.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import count, pairwise
from pathlib import Path
from statistics import median

from device.record.load import Line, load_recording
from device.sample import Sample
from device.sources import SOURCES, IteratorSource, Source
from shared.decorators import registered
from shared.errors import SourceError
from shared.reading import MODEL_MAX
from shared.settings import Settings

REGULAR_SHARE = 0.9
"""A bike is regular if at least this share of its steps takes about the usual time."""
USUAL_STEP_S = 1.0
"""Between two rounds of a recording with a single reading."""


@registered(SOURCES, "recorded")
def open_recorded(settings: Settings, argument: str, bike: int) -> Source:
    """Play one bike: that of ``SPOKE_DEVICE_ID`` if the file has it, else the first.

    Bike number n of a fleet plays the n-th bike of the file, by id.
    """
    if not argument:
        raise SourceError("the source recorded needs a file, such as recorded:tour.jsonl")
    bikes = _load(Path(argument))
    if settings.fleet_size > len(bikes):
        text = f"the recording {argument} has only {len(bikes)} bikes"
        raise SourceError(f"{text}: set SPOKE_FLEET_SIZE to {len(bikes)} or less")
    is_single = settings.fleet_size == 1
    name = settings.device_id if is_single and settings.device_id in bikes else list(bikes)[bike]
    lines = bikes[name]
    steps_s = steps_of(lines)
    samples = play(lines, pace=settings.ride_pace, loop=settings.ride_loop)
    interval_ms = max(1, round(1000 * usual_s(steps_s) / settings.ride_pace))
    model = f"recorded {name}"[:MODEL_MAX]
    return IteratorSource(samples, interval_ms if _is_regular(steps_s) else 0, model)


def play(lines: Sequence[Line], *, pace: float = 1.0, loop: bool = False) -> Iterator[Sample]:
    """Yield the samples of the recorded readings, due as far apart as they were measured.

    Where the recorded clock goes back, two readings follow each other without a pause.
    """
    steps_s = steps_of(lines)
    due_s = 0.0
    for _ in count() if loop else (0,):
        for line, step_s in zip(lines, [*steps_s, usual_s(steps_s)], strict=True):
            reading = line.decode().reading
            yield Sample(due_s / pace, reading.speed_kmh, reading.values)
            due_s += step_s


def steps_of(lines: Sequence[Line]) -> list[float]:
    """Return the times between the readings, in s.

    If the clock of the bike stood still, they are those of the recorder.
    """
    steps_s = [max(0, b.measured_ms - a.measured_ms) / 1000 for a, b in pairwise(lines)]
    if any(steps_s):
        return steps_s
    written_ms = [line.decode().at_ms for line in lines]
    return [max(0, b - a) / 1000 for a, b in pairwise(written_ms)]


def usual_s(steps_s: Sequence[float]) -> float:
    """Return the usual time between two readings."""
    return (median(steps_s) if steps_s else 0.0) or USUAL_STEP_S


def _is_regular(steps_s: Sequence[float]) -> bool:
    usual = usual_s(steps_s)
    return sum(abs(step - usual) <= usual / 2 for step in steps_s) >= REGULAR_SHARE * len(steps_s)


_load = lru_cache(maxsize=1)(load_recording)
"""A fleet reads its file once."""
