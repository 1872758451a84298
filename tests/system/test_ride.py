"""A recorded ride through the whole pair: what was measured is what a browser sees."""

import fitdecode  # type: ignore[import-untyped]  # has no types
import pytest

from scripts.recorded_rides import LONG_RIDE, recorded_ride
from tests.publisher_check import assert_right
from tests.system.pair import Pair, numbers

PACE = 600


def recorded_speeds_kmh() -> list[float]:
    """Read the speeds straight from the file, by the library alone."""
    with fitdecode.FitReader(recorded_ride(LONG_RIDE)) as frames:
        records = [
            frame
            for frame in frames
            if isinstance(frame, fitdecode.FitDataMessage) and frame.name == "record"
        ]
    return [float(record.get_value("enhanced_speed")) * 3.6 for record in records]


def test_every_point_of_a_recorded_ride_reaches_a_stock_client_in_order(pair: Pair) -> None:
    expected = recorded_speeds_kmh()
    assert len(expected) == 8_357
    pair.start_gateway()
    witness = pair.watch(
        options={"transports": ["websocket"]},
        emit=[["subscribe", {"devices": ["ebike-001"], "since": {"ebike-001": "0-0"}}]],
        until={"event": "speed_change", "key": "seq", "value": len(expected)},
    )
    witness.wait_for("ack")
    pair.start_device(SPOKE_SOURCE=f"ride:{recorded_ride(LONG_RIDE)}", SPOKE_RIDE_PACE=str(PACE))
    check = pair.start_check()
    assert witness.process.wait(timeout_s=10 * len(expected) / PACE) == 0
    assert numbers(witness) == list(range(1, len(expected) + 1))
    assert witness.bodies("gap") == []
    assert_right(check)
    speeds = [reading["speed_kmh"] for reading in witness.bodies("speed_change")]
    assert speeds == pytest.approx(expected, abs=0.01)
