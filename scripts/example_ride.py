"""Make ``examples/ride.gpx``: seven minutes of the simulator at 1 Hz, the same in each run.

    .venv/bin/python -m scripts.example_ride [FILE]

GPX requires positions, and the simulator has none. This script invents them: it puts the distance
on a circle, so that the length of the track is right.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from math import cos, degrees, radians, sin
from pathlib import Path

from device.sample import Sample
from device.sources.simulator import simulate
from shared.reading import Value

EXAMPLE = Path(__file__).parent.parent / "examples" / "ride.gpx"
SEED = "5/0"
"""The first bike of seed 5: it stops, climbs, and rolls down at 49 km/h."""

SECONDS = 420
START = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
CENTRE_DEG = (48.0, 8.0)
RADIUS_M = 600.0
EARTH_RADIUS_M = 6_378_137.0

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!-- Made by scripts/example_ride.py from a simulated ride; nobody was there. -->
<gpx version="1.1" creator="Spoke" xmlns="http://www.topografix.com/GPX/1/1"
  xmlns:gpxtpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v2">
<trk><name>A simulated ride</name><trkseg>
"""
TAIL = "</trkseg></trk></gpx>\n"


def example_ride() -> str:
    """Return the text of the file."""
    samples = list(islice(simulate(SEED, 1.0), SECONDS))
    start_km = _number(samples[0].values, "odometer_km")
    return HEAD + "".join(_points(samples, start_km)) + TAIL


def _points(samples: Sequence[Sample], start_km: float) -> Iterator[str]:
    for second, sample in enumerate(samples):
        values = sample.values
        latitude, longitude = _place(1000 * (_number(values, "odometer_km") - start_km))
        time = (START + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%SZ")
        yield (
            f'<trkpt lat="{latitude:.7f}" lon="{longitude:.7f}">'
            f"<ele>{values['altitude_m']}</ele><time>{time}</time><extensions>"
            f"<power>{values['power_w']}</power><gpxtpx:TrackPointExtension>"
            f"<gpxtpx:atemp>{values['temperature_c']}</gpxtpx:atemp>"
            f"<gpxtpx:cad>{values['cadence_rpm']}</gpxtpx:cad>"
            f"<gpxtpx:speed>{sample.speed_kmh / 3.6:.4f}</gpxtpx:speed>"
            "</gpxtpx:TrackPointExtension></extensions></trkpt>\n"
        )


def _place(way_m: float) -> tuple[float, float]:
    """Return the latitude and longitude, in degrees, after a distance on the circle."""
    angle = way_m / RADIUS_M
    north_deg = degrees(RADIUS_M * sin(angle) / EARTH_RADIUS_M)
    east_deg = degrees(RADIUS_M * cos(angle) / EARTH_RADIUS_M) / cos(radians(CENTRE_DEG[0]))
    return CENTRE_DEG[0] + north_deg, CENTRE_DEG[1] + east_deg


def _number(values: Mapping[str, Value], key: str) -> float:
    value = values[key]
    assert isinstance(value, int | float)
    return value


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else EXAMPLE).write_text(example_ride(), "utf-8")
