"""GPX and TCX files that are damaged: what can be read is played, the rest is counted."""

import time

import pytest

from device.sources.decoders.course import plan_course
from device.sources.decoders.ride import read_ride
from shared.errors import SourceError
from tests.device.sources.recordings import gpx_text, tcx_text

GPX = gpx_text([(t, 5 * t) for t in range(10)])
TCX = tcx_text(
    f"<Time>2024-05-01T08:00:0{t}Z</Time><DistanceMeters>{5 * t}</DistanceMeters>"
    for t in range(10)
)
POINTS = GPX.split("<trkpt")


def garbled(index: int, *, old: str, new: str) -> str:
    """Damage one point of ten."""
    points = list(POINTS)
    points[index + 1] = points[index + 1].replace(old, new)
    return "<trkpt".join(points)


@pytest.mark.parametrize(
    ("text", "points", "lost"),
    [
        (garbled(4, old="</ele>", new="</el"), 9, 1),
        (garbled(4, old="</time>", new=""), 9, 1),
        (garbled(4, old="<ele>", new='<ele a="1" a="2">'), 9, 1),
        (garbled(4, old='lon="7"', new="lon=7"), 9, 1),
        (garbled(0, old="</ele>", new="<<>>"), 9, 1),
        (garbled(9, old="</ele>", new="</oops>"), 9, 1),
        (GPX.replace('creator="t"', "creator=t"), 10, 0),
        (GPX.replace("<trk>", "<name>a</nome><trk>"), 10, 0),
        (GPX.replace("</trkseg>", ""), 10, 0),
        (GPX.replace("</gpx>", "</gpx>junk"), 10, 0),
        (GPX[:-20], 10, 0),
        (GPX[: GPX.rindex("<ele>")], 9, 1),
        (GPX[: GPX.rindex(" lon")], 9, 1),
        (TCX[: TCX.rindex("</Trackpoint>") - 5], 9, 1),
        (TCX.replace("</Track>", "</Trick>"), 10, 0),
        (GPX.replace("<trkpt", "<g:trkpt").replace("</trkpt", "</g:trkpt")[20:] + "<", 10, 0),
    ],
)
def test_damage_spoils_what_it_is_in(text: str, points: int, lost: int) -> None:
    ride = read_ride(text.encode() if text.startswith("<") else b"<" + text.encode())
    assert (len(ride.points), ride.left_out.total()) == (points, lost)
    assert len(ride.damage) == 1


def test_two_files_in_one() -> None:
    later = gpx_text([(600 + t, 90_000 + 5 * t) for t in range(10)])
    ride = read_ride((GPX + "\n" + later).encode())
    course = plan_course(ride.points)
    assert (len(course.moments), course.left_out) == (20, {})
    assert course.moments[-1].values["odometer_km"] == 0.09


@pytest.mark.parametrize("head", ["<gpx><a></b>", "<gpx><a></b><trkpt><ele>1</ele></trkpt>"])
@pytest.mark.parametrize("rest", ["<trkpt>", "<trkpt/>", "<wpt</wpt>", "<wpt></wpt>", "</trkpt>"])
def test_much_damage_ends_soon(head: str, rest: str) -> None:
    before_s = time.process_time()
    with pytest.raises(SourceError):
        read_ride((head + rest * 20_000).encode())
    assert time.process_time() - before_s < 2
