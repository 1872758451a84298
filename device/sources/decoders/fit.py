"""FIT, the format of Garmin and most other bike computers: its ``record`` messages."""

from collections.abc import Iterator
from datetime import datetime
from io import BytesIO

from fitdecode import (  # type: ignore[import-untyped]  # has no types
    FIT_FRAME_DATA,
    CrcCheck,
    ErrorHandling,
    FitDataMessage,
    FitReader,
)

from device.sources.decoders import Point, finite


def decode(data: bytes) -> list[Point]:
    """Read the records of a FIT file, in their order.

    Records without a time of day are left out. Raises fitdecode's errors for a file that is cut
    off or whose checksum is wrong.
    """
    return [point for record in _records(data) if (point := _point(record)) is not None]


def _records(data: bytes) -> Iterator[FitDataMessage]:
    # fields of an unknown developer's type are nothing we read: no reason to refuse the file
    reader = FitReader(BytesIO(data), check_crc=CrcCheck.RAISE, error_handling=ErrorHandling.IGNORE)
    with reader:
        for frame in reader:
            if frame.frame_type == FIT_FRAME_DATA and frame.name == "record":
                yield frame


def _point(record: FitDataMessage) -> Point | None:
    time = record.get_value("timestamp", fallback=None)
    if not isinstance(time, datetime):
        return None
    return Point(
        time.timestamp(),
        speed_mps=_first(record, "enhanced_speed", "speed"),
        distance_m=_first(record, "distance"),
        altitude_m=_first(record, "enhanced_altitude", "altitude"),
        power_w=_first(record, "power"),
        cadence_rpm=_first(record, "cadence"),
    )


def _first(record: FitDataMessage, *names: str) -> float | None:
    """Give the first of the fields that has a number; old devices know the short one only."""
    values = (finite(record.get_value(name, fallback=None)) for name in names)
    return next((value for value in values if value is not None), None)
