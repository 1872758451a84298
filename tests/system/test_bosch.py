"""An emulated Bosch bike through the whole: what it said is what a browser sees.

The emulator and the device are unchanged processes, each with a Bluetooth controller of its own.
The controllers are virtual; one process joins them.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.controllers import READY
from tests.publisher_check import assert_right
from tests.system.pair import Json, Pair, numbers
from tests.timing import scaled_s
from tests.truth.comparison import BUSY_LATE_S, compare, measured
from tests.truth.rules import BOSCH

LINKS = ["--mtu", "517", "23", "517", "--drop", "1.5"]
DISTURBANCES = ["--interval", "0.3", "--doubled", "0.3", "--others", "0.5", "--backpedalled", "0.5"]
READINGS = 3


def test_a_bosch_bike_reaches_a_browser(
    pair: Pair, free_port: Callable[[], int], tmp_path: Path
) -> None:
    ports, truth = [str(free_port()), str(free_port())], tmp_path / "truth"
    controllers = pair.start_process(["python", "-m", "tests.controllers", *ports])
    pair.start_gateway()
    controllers.wait_for_line(READY)
    emulate = ["python", "-m", "device.emulate", "bosch", "--seed", "1", "--truth", str(truth)]
    reach = ["--transport", f"tcp-client:127.0.0.1:{ports[1]}"]
    pair.start_process([*emulate, *reach, *LINKS, *DISTURBANCES], {})
    witness = pair.watch(
        options={"transports": ["websocket"]}, emit=[["subscribe", {"devices": "*"}]]
    )
    witness.wait_for("ack")
    logs = tmp_path / "logs"
    device = pair.start_device(
        SPOKE_SOURCE=f"bosch:tcp-client:127.0.0.1:{ports[0]}", SPOKE_LOG_DIR=str(logs)
    )

    device.wait_for_line("bike_connected .*bond=new mtu=517 data_length=251")
    assert (logs / "ebike-001.bosch-bond.json").stat().st_mode & 0o777 == 0o600
    device.wait_for_line("bike_connected .*bond=kept mtu=23", timeout_s=30)
    device.wait_for_line("link_too_small")
    device.wait_for_line("notification_left_out .*cut to 20 bytes")
    heard = len(numbers(witness))
    device.wait_for_line("bike_connected .*bond=kept mtu=517", timeout_s=30)
    check = pair.start_check()
    witness.wait_for("speed_change", count=heard + READINGS, timeout_s=30)
    readings = witness.bodies("speed_change")
    check_readings(readings, [json.loads(line) for line in truth.read_text().splitlines()])
    assert witness.bodies("gap") == []
    assert_right(check)


def check_readings(readings: Sequence[Json], said: Sequence[Json]) -> None:
    """Check that the bike paired once, and that each reading in order has values that it said."""
    links = [line["link"] for line in said if "link" in line]
    assert links == ["paired"] + ["bonded"] * (len(links) - 1)
    seen = [reading["seq"] for reading in readings]  # the first ones may come before the gateway
    assert seen == list(range(seen[0], seen[0] + len(seen)))
    found = compare(readings, BOSCH.rows(said), BOSCH, late_s=scaled_s(BUSY_LATE_S))
    assert found.examples == []
    assert all({"speed_kmh", "odometer_km", "light"} <= measured(one).keys() for one in readings)
