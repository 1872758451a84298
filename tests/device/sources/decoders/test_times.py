import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.sources.decoders.times import seconds

EIGHT = 1_714_550_400.0
"""2024-05-01 08:00:00 UTC."""


@pytest.mark.parametrize(
    ("text", "after_eight_s"),
    [
        ("2024-05-01T08:00:00Z", 0),
        ("2024-05-01T08:00:00z", 0),
        ("2024-05-01T08:00:00", 0),  # OsmAnd on iOS: local time, no zone
        ("2024-05-01 08:00:00", 0),
        ("2024-05-01T08:00:00 Z", 0),
        ("2024-05-01T08:00:00 UTC", 0),
        ("2024-05-01T08:00:00GMT", 0),
        ("2024-05-01T10:00:00+02:00", 0),
        ("2024-05-01T10:00:00+0200", 0),
        ("2024-05-01T10:00:00+02", 0),
        ("2024-05-01T10:00:00 +02:00", 0),
        ("2024-05-01T10:00:00GMT+02:00", 0),
        ("2024-05-01T04:30:00-03:30", 0),
        ("2024-05-01T06:00:00\u221202:00", 0),
        ("2024-05-01T08:00:00.5Z", 0.5),
        ("2024-05-01T08:00:00.123456789Z", 0.123457),
        ("2024-05-01T08:00:00,25Z", 0.25),
        ("2024-05-01T08:00:00:250Z", 0.25),
        ("2024-05-01T08:00:00.Z", 0),
        ("2024-05-01T08:01Z", 60),  # Traccar: minutes only
        ("2024-05-01T08:01", 60),
        ("2024-5-1T8:0:5Z", 5),
        ("2024/05/01 08:00:00", 0),
        ("2024.05.01 08:00:00", 0),
        ("20240501T080000Z", 0),
        ("01.05.2024 08:00:00", 0),
        ("13/05/2024 08:00:00", 12 * 86_400),
        ("05/13/2024 08:00:00 AM", 12 * 86_400),
        ("2024-05-01T08:00:00 AM", 0),
        ("2024-05-01T08:00:00 pm", 12 * 3600),
        ("2024-05-01T12:00:00 a.m.Z", -8 * 3600),
        ("2024-04-30T24:00:00Z", -8 * 3600),
        ("2024-05-01T07:59:60Z", 0),
        ("1714550400", 0),
        ("1714550400.5", 0.5),
        ("1714550400250", 0.25),
    ],
)
def test_form(text: str, after_eight_s: float) -> None:
    assert seconds(text) == pytest.approx(EIGHT + after_eight_s, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "0000-00-00T00:00:00Z",
        "2024-05-00T08:00:00Z",
        "2024-13-32T08:00:00Z",
        "2024-05-01",
        "2024-05-01T25:00:00Z",
        "2024-05-01T24:00:01Z",
        "2024-05-01T08:61:00Z",
        "2024-05-01T08:00:00+30:00",
        "9999-12-31T24:00:00Z",
        "\u0662024-05-01T08:00:00Z",
        "12",
        "NaN",
    ],
)
def test_no_time(text: str) -> None:
    assert seconds(text) is None


@settings(max_examples=30)
@given(st.datetimes(), st.sampled_from(["T", " "]), st.sampled_from(["", "Z", "+00:00"]))
def test_iso_form_of_any_moment(moment: object, between: str, zone: str) -> None:
    assert seconds(f"{moment}".replace(" ", between) + zone) is not None


@settings(max_examples=30)
@given(st.text(alphabet="0123456789-:/.TZ+ apm,", max_size=64))
def test_any_text_is_a_time_or_none(text: str) -> None:
    assert isinstance(seconds(text), float | None)
