"""Encodes and decodes the sentences of a GPS receiver: RMC, VTG and GGA of NMEA 0183. Pure.

How it works. The library pynmeagps checks and parses each sentence; it is handed in, because it is
optional. An RMC sentence with the status A becomes a reading with speed and position. The altitude
comes from GGA and goes into the reading after it. Many receivers repeat the speed in VTG: it is
used only when the receiver sends no RMC.

A fix counts only if the receiver measured it. Positions that it estimated, simulated or was given
(modes E, S, M, and the qualities 6 to 8) are left out.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from operator import xor
from typing import Any, TypeAlias

from device.sample import Sample
from shared.errors import BadMessage
from shared.reading import NUMBER_RANGES, SPEED_RANGE_KMH, Value

Parse: TypeAlias = Callable[[bytes], Any]
"""Parses a sentence into an object with the attributes of pynmeagps, or raises BadMessage."""

KMH_PER_KNOT = 1.852
SENTENCE_MAX = 1_024
"""The standard allows 82 bytes; receivers with many satellites send somewhat more."""
USED = (b"RMC", b"VTG", b"GGA")
ID_AT = slice(3, 6)
"""Behind ``$`` and the talker, such as GP or GN. Makers' own sentences begin with ``$P``."""
MEASURED_MODES = ("", "A", "D", "F", "P", "R")
"""Autonomous, differential and more exact ones. Receivers before NMEA 2.3 send no mode."""
MEASURED_QUALITIES = range(1, 6)
WITHOUT_RMC_S = 3.0
"""After so long without RMC, VTG gives the speed. Receivers send a sentence each second."""
ALTITUDE_AGE_MAX_S = 1.5

NOISE = "bytes that are no sentence"
REFUSED = "sentences with a wrong checksum or a wrong field"
NO_FIX = "sentences without a fix"
REPEATED = "sentences that were repeated"
OUT_OF_RANGE = "speeds above 200 km/h"


@dataclass(slots=True)
class NmeaDecoder:
    """Decodes what a receiver sends by itself."""

    parse: Parse
    interval_s: float = 0.0
    samples: deque[Sample] = field(default_factory=deque)
    faults: Counter[str] = field(default_factory=Counter)
    _buffer: bytes = b""
    _rmc_s: float | None = None
    _rmc_time: object = None
    _altitude: tuple[float, float] | None = None  # in m, and when it was measured

    def request(self, now_s: float) -> bytes:
        """Return nothing: a receiver is not asked."""
        return b""

    def take(self, data: bytes, now_s: float) -> None:
        """Decode bytes that arrived at ``now_s``."""
        *lines, rest = (self._buffer + data).split(b"\n")
        for line in lines:
            self._take_line(line, now_s)
        self.faults[NOISE] += len(rest) > SENTENCE_MAX
        self._buffer = rest if len(rest) <= SENTENCE_MAX else b""

    def reset(self) -> None:
        """Forget the begin of a sentence and old values, because the link was cut."""
        self._buffer, self._altitude, self._rmc_s, self._rmc_time = b"", None, None, None

    def _take_line(self, line: bytes, now_s: float) -> None:
        """Decode a line from its last ``$`` on: the bytes before it are cut off, or noise."""
        before, dollar, rest = line.rpartition(b"$")
        sentence = dollar + rest
        self.faults[NOISE] += not dollar or bool(before)
        if sentence[ID_AT] not in USED or sentence.startswith(b"$P"):
            return
        try:
            if not sentence.rstrip(b"\r").decode("ascii", "replace").isprintable():
                raise BadMessage("characters", "a sentence has printable characters only")
            self._take_sentence(sentence[ID_AT], self.parse(sentence), now_s)
        except BadMessage:
            self.faults[REFUSED] += 1

    def _take_sentence(self, kind: bytes, fields: Any, now_s: float) -> None:  # noqa: ANN401  # the library's class has its fields at run time
        if kind == b"RMC":
            self._take_rmc(fields, now_s)
        elif kind == b"GGA":
            self._take_gga(fields, now_s)
        elif self._rmc_s is None or now_s - self._rmc_s > WITHOUT_RMC_S:
            self._take_vtg(fields, now_s)

    def _take_rmc(self, fields: Any, now_s: float) -> None:  # noqa: ANN401
        self._rmc_s = now_s
        time = getattr(fields, "time", "")
        if getattr(fields, "status", "") != "A" or not _is_measured(fields):
            self.faults[NO_FIX] += 1
        elif time and time == self._rmc_time:
            self.faults[REPEATED] += 1
        else:
            self._rmc_time = time
            knots, position = _number(fields, "spd"), {}
            for key, name in (("latitude_deg", "lat"), ("longitude_deg", "lon")):
                value = _number(fields, name)
                if value is not None and _is_in_range(key, value):
                    position[key] = round(value, 7)
            kmh = None if knots is None else knots * KMH_PER_KNOT
            self._add(kmh, position if len(position) == 2 else {}, now_s)  # noqa: PLR2004  # both

    def _take_vtg(self, fields: Any, now_s: float) -> None:  # noqa: ANN401
        if not _is_measured(fields):
            self.faults[NO_FIX] += 1
            return
        kmh, knots = _number(fields, "sogk"), _number(fields, "sogn")
        self._add(kmh if knots is None else knots * KMH_PER_KNOT, {}, now_s)

    def _take_gga(self, fields: Any, now_s: float) -> None:  # noqa: ANN401
        altitude_m = _number(fields, "alt")
        is_measured = getattr(fields, "quality", 0) in MEASURED_QUALITIES
        if is_measured and altitude_m is not None and _is_in_range("altitude_m", altitude_m):
            self._altitude = altitude_m, now_s

    def _add(self, speed_kmh: float | None, position: dict[str, float], now_s: float) -> None:
        """Add a sample; the altitude of the last seconds is used once."""
        if speed_kmh is None:
            self.faults[NO_FIX] += 1
        elif not 0 <= speed_kmh <= SPEED_RANGE_KMH[1]:
            self.faults[OUT_OF_RANGE] += 1
        else:
            values: dict[str, Value] = {**position}
            altitude, self._altitude = self._altitude, None
            if altitude is not None and now_s - altitude[1] <= ALTITUDE_AGE_MAX_S:
                values["altitude_m"] = altitude[0]
            self.samples.append(Sample(None, round(speed_kmh, 2), values))


def encode_rmc(at: str, date: str, speed_kmh: float, position: tuple[float, float]) -> bytes:
    """Return an RMC sentence; ``at`` is hhmmss.ss and ``date`` is ddmmyy, in UTC."""
    where = _encode_position(position)
    return _sentence(f"GNRMC,{at},A,{where},{speed_kmh / KMH_PER_KNOT:.3f},,{date},,,A")


def encode_vtg(speed_kmh: float) -> bytes:
    """Return a VTG sentence."""
    return _sentence(f"GNVTG,,T,,M,{speed_kmh / KMH_PER_KNOT:.3f},N,{speed_kmh:.3f},K,A")


def encode_gga(at: str, altitude_m: float, position: tuple[float, float]) -> bytes:
    """Return a GGA sentence."""
    where = _encode_position(position)
    return _sentence(f"GNGGA,{at},{where},1,09,0.9,{altitude_m:.1f},M,47.0,M,,")


def encode_no_fix(at: str, date: str) -> bytes:
    """Return the RMC sentence of a receiver that sees too few satellites."""
    return _sentence(f"GNRMC,{at},V,,,,,,,{date},,,N")


def _sentence(text: str) -> bytes:
    return f"${text}*{reduce(xor, text.encode()):02X}\r\n".encode()


def _encode_position(position: tuple[float, float]) -> str:
    """Write latitude and longitude as degrees and minutes."""
    latitude, longitude = position
    return ",".join(
        (
            _encode_angle(latitude, 2),
            "S" if latitude < 0 else "N",
            _encode_angle(longitude, 3),
            "W" if longitude < 0 else "E",
        )
    )


def _encode_angle(degrees: float, digits: int) -> str:
    whole, minutes = divmod(round(abs(degrees) * 60, 5), 60)
    return f"{int(whole):0{digits}d}{minutes:08.5f}"


def _is_measured(fields: Any) -> bool:  # noqa: ANN401
    return getattr(fields, "posMode", "") in MEASURED_MODES


def _number(fields: Any, name: str) -> float | None:  # noqa: ANN401
    """Return a field that is a number; receivers leave out what they do not know."""
    value = getattr(fields, name, "")
    return float(value) if isinstance(value, int | float) else None


def _is_in_range(key: str, value: float) -> bool:
    low, high = NUMBER_RANGES[key]
    return low <= value <= high
