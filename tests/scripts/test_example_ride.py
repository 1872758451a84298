from itertools import islice

import pytest

from device.sources import open_source
from device.sources.recording import load_recording, replay
from device.sources.simulator import simulate
from scripts.example_ride import EXAMPLE, SECONDS, SEED, example_ride
from shared.settings import load_settings
from tests.processes import ROOT


def test_committed_example_is_current() -> None:
    assert EXAMPLE.read_text("utf-8") == example_ride()


def test_example_plays_the_simulated_ride() -> None:
    recording = load_recording(EXAMPLE)
    assert (recording.step_s, recording.regular) == (1, True)
    simulated = list(islice(simulate(SEED, 1.0), SECONDS))
    ridden_km = [float(str(one.values["odometer_km"])) for one in simulated]
    played = list(replay(recording))
    assert len(played) == SECONDS
    for mine, other, km in zip(played, simulated, ridden_km, strict=True):
        assert mine.speed_kmh == pytest.approx(other.speed_kmh, abs=0.005)
        same = ("power_w", "cadence_rpm", "altitude_m", "temperature_c")
        assert [mine.values[key] for key in same] == [other.values[key] for key in same]
        assert mine.values["odometer_km"] == pytest.approx(km - ridden_km[0], abs=0.005)


def test_readme_plays_example() -> None:
    (line,) = (
        line
        for line in (ROOT / "README.md").read_text("utf-8").splitlines()
        if "SPOKE_SOURCE=ride:" in line
    )
    words = [word.partition("=") for word in line.split() if "=" in word]
    environ = {name: value for name, _, value in words}
    settings = load_settings("device", [], environ, ROOT)
    assert settings.device_id != load_settings("device", [], {}, ROOT).device_id
    assert open_source(settings, 0).model == "recorded ride ride.gpx"
