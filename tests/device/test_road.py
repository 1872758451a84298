from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.noise import drift
from device.road import (
    STEEPEST,
    Place,
    Segment,
    altitude_at,
    first_segment,
    gradient_at,
    next_segment,
)

seeds = st.integers(0, 2**32)


def road(seed: int, place: Place, segments: int) -> list[Segment]:
    stream, made = Random(seed), [first_segment(place)]
    while len(made) < segments:
        made.append(next_segment(stream, place, made[-1]))
    return made


@given(seeds)
def test_road_is_continuous(seed: int) -> None:
    made = road(seed, Place(), 30)
    for before, after in pairwise(made):
        assert after.start_m == before.end_m
        assert altitude_at(after, after.start_m) == altitude_at(before, before.end_m)
        assert gradient_at(after, after.start_m) == pytest.approx(
            gradient_at(before, before.end_m), abs=1e-12
        )


@given(seeds, st.floats(0, 2000))
def test_a_road_stays_rideable_and_near_home(seed: int, home_m: float) -> None:
    for segment in road(seed, Place(home_m), 300):
        assert abs(segment.gradient_end) <= STEEPEST
        assert abs(segment.altitude_m - home_m) < 400


def test_height_is_the_slope_summed_up() -> None:
    segment = Segment(1000, 1200, 50, 0.0, 0.08, 0.0)
    slopes = [gradient_at(segment, 1000 + metre + 0.5) for metre in range(200)]
    assert altitude_at(segment, 1200) == pytest.approx(50 + sum(slopes))


def test_road_has_variety() -> None:
    made = road(1, Place(wind_mps=4), 300)
    assert max(s.gradient_end for s in made) > 0.05
    assert min(s.gradient_end for s in made) < -0.05
    assert any(s.red_s > 0 for s in made)
    assert any(0 < s.exit_mps < 10 for s in made)
    assert min(s.headwind_mps for s in made) < -3 < 3 < max(s.headwind_mps for s in made)


@pytest.mark.parametrize("dt_s", [0.05, 0.25, 1.0])
def test_drift_mean_and_spread(dt_s: float) -> None:
    stream, value, seen = Random(3), 0.0, []
    for _ in range(40_000):
        value = drift(stream, value, 0.3, 8.0, dt_s)
        seen.append(value)
    mean = sum(seen) / len(seen)
    spread = (sum((x - mean) ** 2 for x in seen) / len(seen)) ** 0.5
    assert mean == pytest.approx(0, abs=0.06)
    assert spread == pytest.approx(0.3, rel=0.15)
