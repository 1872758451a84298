"""Track points as the programs and devices of riders export them, in miniature.

Each entry makes a file of five points, one a second and 5 m apart, with the elements, prefixes and
habits of one exporter; ``expected`` is what the third point must say.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.device.sources.recordings import DEGREE_M, clock

POINTS = 5
GPX_1_1 = 'xmlns="http://www.topografix.com/GPX/1/1" version="1.1"'
TPX = 'xmlns:gpxtpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v1"'
TCX = "http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2"


@dataclass(frozen=True)
class Export:
    """One exporter's file, and what its third point must say besides 18 km/h on the way."""

    text: str
    expected: Mapping[str, float] = field(default_factory=dict)
    speed_kmh: float = 18.0


def north(second: int) -> str:
    return f"{48 + 5 * second / DEGREE_M:.9f}"


def gpx(
    inside: str = "",
    *,
    root: str = f"gpx {GPX_1_1}",
    time: Callable[[int], str] = clock,
    segment: str = "trkseg",
) -> str:
    points = "".join(
        f'<trkpt lat="{north(t)}" lon="7.0"><ele>120</ele><time>{time(t)}</time>{inside}</trkpt>\n'
        for t in range(POINTS)
    )
    end = root.partition(" ")[0]
    return f'<?xml version="1.0"?>\n<{root}><trk><{segment}>{points}</{segment}></trk></{end}>'


def tcx(
    inside: str = "",
    *,
    around: tuple[str, str] = ('<Activities><Activity Sport="Biking">', "</Activity></Activities>"),
    distance: Callable[[int], str] = lambda t: f"<DistanceMeters>{5 * t}.0</DistanceMeters>",
) -> str:
    points = "".join(
        f"<Trackpoint><Time>{clock(t)}</Time><Position><LatitudeDegrees>{north(t)}</LatitudeDegrees>"
        f"<LongitudeDegrees>7.0</LongitudeDegrees></Position>{distance(t)}{inside}</Trackpoint>"
        for t in range(POINTS)
    )
    return (
        f'<TrainingCenterDatabase xmlns="{TCX}">{around[0]}<Id>{clock(0)}</Id>'
        f'<Lap StartTime="{clock(0)}"><Calories/><Track>{points}</Track></Lap>{around[1]}'
        "</TrainingCenterDatabase>"
    )


def prefixed(text: str, prefix: str, *names: str) -> str:
    for name in names:
        text = text.replace(f"<{name}", f"<{prefix}:{name}").replace(
            f"</{name}", f"</{prefix}:{name}"
        )
    return text


def extended(inside: str) -> str:
    return f"<extensions>{inside}</extensions>"


GARMIN = (
    "<gpxtpx:TrackPointExtension><gpxtpx:atemp>21.0</gpxtpx:atemp><gpxtpx:hr>140</gpxtpx:hr>"
    "<gpxtpx:cad>80</gpxtpx:cad></gpxtpx:TrackPointExtension>"
)
TPX_TCX = (
    "<Extensions><ns3:TPX><ns3:Speed>7.5</ns3:Speed><ns3:Watts>210</ns3:Watts></ns3:TPX>"
    "</Extensions>"
)

EXPORTS: Mapping[str, Export] = {
    "Garmin Connect GPX": Export(
        gpx(extended(GARMIN.replace("gpxtpx", "ns3"))), {"temperature_c": 21, "cadence_rpm": 80}
    ),
    "Strava GPX": Export(
        gpx(extended("<power>205</power>" + GARMIN), root=f"gpx {GPX_1_1} {TPX}"),
        {"power_w": 205, "cadence_rpm": 80},
    ),
    "TrackPointExtension v2": Export(
        gpx(
            extended(
                "<gpxtpx:TrackPointExtension><gpxtpx:speed>7.5</gpxtpx:speed>"
                "<gpxtpx:course>9</gpxtpx:course></gpxtpx:TrackPointExtension>"
            )
        ),
        speed_kmh=27,
    ),
    "Garmin PowerExtension": Export(
        gpx(
            extended(
                "<pwr:PowerInWatts xmlns:pwr='http://www.garmin.com/xmlschemas/PowerExtension/v1'>"
                "199</pwr:PowerInWatts>"
            )
        ),
        {"power_w": 199},
    ),
    "Cluetrust gpxdata": Export(
        gpx(
            extended(
                "<gpxdata:hr>130</gpxdata:hr><gpxdata:cadence>77</gpxdata:cadence>"
                "<gpxdata:temp>19</gpxdata:temp><gpxdata:distance>5000</gpxdata:distance>"
            )
        ),
        {"cadence_rpm": 77, "temperature_c": 19, "odometer_km": 0.01},
    ),
    "gpxdata speed": Export(gpx(extended("<gpxdata:speed>7.5</gpxdata:speed>")), speed_kmh=27),
    "Komoot GPX": Export(gpx(time=lambda t: clock(t).replace("Z", "+00:00"))),
    "RideWithGPS": Export(
        gpx(extended("<power>150</power><cadence>70</cadence><heartrate>120</heartrate>")),
        {"power_w": 150, "cadence_rpm": 70},
    ),
    "OsmAnd on Android": Export(
        gpx("<hdop>4</hdop>" + extended("<osmand:speed>7.5</osmand:speed>")), speed_kmh=27
    ),
    "OsmAnd on iOS, local time": Export(
        gpx(extended("<speed>7.500</speed>"), time=lambda t: clock(t)[:19]), speed_kmh=27
    ),
    "Locus, GPX 1.0": Export(
        gpx(
            "<speed>7.5</speed>",
            root='gpx xmlns="http://www.topografix.com/GPX/1/0" version="1.0"',
        ),
        speed_kmh=27,
    ),
    "GoPro, GPX 1.1 with speed": Export(gpx("<speed>7.5</speed>"), speed_kmh=27),
    "iOS without a speed": Export(gpx(extended("<speed>-1.0</speed><course>-1</course>"))),
    "OpenTracks": Export(
        gpx(
            extended(
                "<gpxtpx:TrackPointExtension><gpxtpx:speed>7.5</gpxtpx:speed>"
                "<gpxtpx:power>180</gpxtpx:power></gpxtpx:TrackPointExtension>"
                "<opentracks:gain>0</opentracks:gain>"
            )
        ),
        {"power_w": 180},
        speed_kmh=27,
    ),
    "TPX extras": Export(
        gpx(extended("<tpx:extras><tpx:speed>7.5</tpx:speed></tpx:extras>")), speed_kmh=27
    ),
    "Zwift, no namespaces declared": Export(gpx(extended(GARMIN + "<power>1</power>"), root="gpx")),
    "Polar, every element with a prefix": Export(
        prefixed(gpx(root="gpx"), "ns2", "gpx", "trk", "ele", "time")
    ),
    "capital letters": Export(
        gpx().replace("ele>", "Ele>").replace("trkpt", "TRKPT"), {"altitude_m": 120}
    ),
    "HealthFit, microseconds": Export(gpx(time=lambda t: clock(t).replace("Z", "000Z"))),
    "Traccar with blanks": Export(gpx(time=lambda t: f"\n  {clock(t)}\n")),
    "a route with times": Export(
        gpx(segment="rte").replace("trkpt", "rtept").replace("<trk>", "").replace("</trk>", "")
    ),
    "waypoints with times": Export(gpx().replace("trkpt", "wpt")),
    "empty elements": Export(
        gpx(extended("<power/><cad></cad><gpxtpx:hr/><speed/>") + "<desc/><link href=''/>")
    ),
    "an extension of an unknown program": Export(
        gpx(extended("<x:a><x:b><x:c>1</x:c></x:b><x:power>88</x:power></x:a>")), {"power_w": 88}
    ),
    "Garmin Connect TCX": Export(tcx(TPX_TCX), {"power_w": 210}, speed_kmh=27),
    "Strava TCX": Export(
        tcx("<Cadence>81</Cadence>" + TPX_TCX.replace("ns3:", "")),
        {"power_w": 210, "cadence_rpm": 81},
        speed_kmh=27,
    ),
    "TCX extension with a namespace of its own": Export(
        tcx(TPX_TCX.replace("ns3:TPX", "TPX xmlns='u'", 1).replace("ns3:", "")),
        {"power_w": 210},
        speed_kmh=27,
    ),
    "TCX with positions alone": Export(tcx(distance=lambda t: "")),
    "TCX with empty distances": Export(tcx(distance=lambda t: "<DistanceMeters/>")),
    "TCX multisport": Export(
        tcx(
            around=(
                "<Activities><MultiSportSession><Id/><FirstSport><Activity>",
                "</Activity></FirstSport></MultiSportSession></Activities>",
            )
        )
    ),
    "TCX course": Export(tcx(around=("<Courses><Course>", "</Course></Courses>"))),
    "TCX version 1": Export(
        tcx(around=("<History><Biking>", "</Biking></History>")).replace("/v2", "/v1")
    ),
    "TCX with odd numbers in a lap": Export(
        tcx().replace("<Calories/>", "<Calories>6E0</Calories><MaximumSpeed>NaN</MaximumSpeed>")
    ),
    "a sensor that fell out": Export(
        tcx("<Cadence>255</Cadence>" + TPX_TCX.replace("210", "65535").replace("7.5", "65.535"))
    ),
}
