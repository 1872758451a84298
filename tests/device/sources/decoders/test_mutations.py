"""No bytes whatever raise anything but a SourceError with one sentence."""

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.sources.decoders.course import plan_course
from device.sources.decoders.ride import read_ride
from shared.errors import SourceError
from tests.device.sources.decoders.exporters import EXPORTS
from tests.device.sources.decoders.test_fit import ROWS, described
from tests.device.sources.recordings import fit_file, fit_group

SEEDS = {
    "fit": fit_file(
        described(native_field=7),
        fit_group(
            ("timestamp", "distance", "speed", "lat", "lon"),
            [row | {"3": 1.0} for row in ROWS[:4]],
            developed=[(0, 3, 4, "f")],
        ),
    ),
    "gpx": EXPORTS["Strava GPX"].text.encode(),
    "tcx": EXPORTS["Garmin Connect TCX"].text.encode(),
    "utf-16": EXPORTS["Strava GPX"].text.encode("utf-16"),
    "gzip": gzip.compress(EXPORTS["Strava GPX"].text.encode()),
}
"""Small valid files."""


def is_played_or_explained(data: bytes) -> bool:
    """Play a ride; a refusal must be a sentence for people, not one of Python's."""
    refusal = ""
    try:
        plan_course(read_ride(data).points)
    except SourceError as error:
        refusal = str(error)
    inner_words = ("NoneType", "Traceback", "codec", "str()")
    return refusal.isprintable() and not any(word in refusal for word in inner_words)


@settings(max_examples=150)
@given(st.sampled_from(sorted(SEEDS)), st.data())
def test_mutation(name: str, draw: st.DataObject) -> None:
    data = bytearray(SEEDS[name])
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(data)))
        length = draw.draw(st.sampled_from([0, 1, 1, 2, 8, 40]))
        data[at : at + length] = draw.draw(st.binary(max_size=6))
    assert is_played_or_explained(bytes(data))


@pytest.mark.parametrize("name", sorted(SEEDS))
def test_cut_anywhere(name: str) -> None:
    for end in range(0, len(SEEDS[name]), 7):
        assert is_played_or_explained(SEEDS[name][:end])


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    assert is_played_or_explained(data)
