"""Writes one bike of a recording as a FIT file, with one record a second (needs ``fit-tool``)."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from device.record.lines import RecordedReading
from shared.errors import SourceError
from shared.extras import need
from shared.reading import Reading

KMH = 3.6
FIELDS = {
    "power_w": "power",
    "motor_power_w": "motor_power",
    "cadence_rpm": "cadence",
    "heart_rate_bpm": "heart_rate",
    "battery_pct": "battery_soc",
    "gradient_pct": "grade",
    "altitude_m": "enhanced_altitude",
    "latitude_deg": "position_lat",
    "longitude_deg": "position_long",
    "temperature_c": "temperature",
}
"""The field of a FIT record for each key of a reading."""
WHOLE = ("power_w", "motor_power_w", "cadence_rpm", "heart_rate_bpm", "temperature_c")
FIELD_MAX = {
    "cadence_rpm": 254,
    "heart_rate_bpm": 254,
    "power_w": 65_534,
    "motor_power_w": 65_534,
    "temperature_c": 126,
    "longitude_deg": 179.999_999,
}
FIELD_MIN = {"cadence_rpm": 0, "heart_rate_bpm": 0, "power_w": 0, "motor_power_w": 0}
"""FIT cannot hold other values of these; the record is then written without them."""
FIRST_TIME_S = 631_065_600
"""FIT counts seconds from 1989-12-31."""


def write_fit(path: Path, recorded: Sequence[RecordedReading]) -> int:
    """Write a new FIT file and return its number of records. Raises SourceError."""
    builder = need("fit_tool.fit_file_builder", "fit").FitFileBuilder(auto_define=True)
    seconds = list(each_second(recorded))
    if not seconds:
        raise SourceError("the recording has no reading for a FIT file")
    builder.add(_file_id(seconds[0]))
    first_km = next((km for one in seconds if (km := _odometer(one.reading)) is not None), 0.0)
    for one in seconds:
        builder.add(_record(one, first_km))
    builder.add_all(_summary(seconds))
    try:
        with path.open("xb") as file:
            file.write(builder.build_bytes())
    except FileExistsError as error:
        raise SourceError(f"{path} exists; give another name") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be written: {error.strerror}") from error
    return len(seconds)


def each_second(recorded: Sequence[RecordedReading]) -> Iterator[RecordedReading]:
    """Yield the first reading of each second.

    Times that go back are left out, and those before the first one that FIT can hold.
    """
    last_s = FIRST_TIME_S
    for one in recorded:
        second = one.measured_ms // 1000
        if second > last_s:
            last_s = second
            yield one


def _record(one: RecordedReading, first_km: float) -> Any:  # noqa: ANN401  # of a library without types
    record = _message("record_message", "RecordMessage")
    reading = one.reading
    record.timestamp = one.measured_ms // 1000 * 1000
    record.enhanced_speed = reading.speed_kmh / KMH
    odometer_km = _odometer(reading)
    if odometer_km is not None and odometer_km >= first_km:
        record.distance = (odometer_km - first_km) * 1000
    for key, name in FIELDS.items():
        value = reading.values.get(key)
        if isinstance(value, int | float) and FIELD_MIN.get(key, value) <= value <= FIELD_MAX.get(
            key, value
        ):
            setattr(record, name, round(value) if key in WHOLE else value)
    return record


def _file_id(first: RecordedReading) -> Any:  # noqa: ANN401
    types = need("fit_tool.profile.profile_type", "fit")
    head = _message("file_id_message", "FileIdMessage")
    head.type = types.FileType.ACTIVITY
    head.manufacturer = types.Manufacturer.DEVELOPMENT.value
    head.product = 0
    head.time_created = first.measured_ms
    return head


def _summary(seconds: Sequence[RecordedReading]) -> list[Any]:
    """Return the lap, the session and the activity, which apps want at the end of a file."""
    types = need("fit_tool.profile.profile_type", "fit")
    begun_ms, ended_ms = (seconds[at].measured_ms // 1000 * 1000 for at in (0, -1))
    messages = []
    for name in ("Lap", "Session"):
        message = _message(f"{name.lower()}_message", f"{name}Message")
        message.timestamp, message.start_time = ended_ms, begun_ms
        message.total_elapsed_time = message.total_timer_time = (ended_ms - begun_ms) / 1000
        message.sport = types.Sport.CYCLING
        messages.append(message)
    activity = _message("activity_message", "ActivityMessage")
    activity.timestamp, activity.num_sessions = ended_ms, 1
    activity.total_timer_time = (ended_ms - begun_ms) / 1000
    return [*messages, activity]


def _message(module: str, name: str) -> Any:  # noqa: ANN401
    return getattr(need(f"fit_tool.profile.messages.{module}", "fit"), name)()


def _odometer(reading: Reading) -> float | None:
    value = reading.values.get("odometer_km")
    return value if isinstance(value, int | float) else None
