"""An emulated Bosch bike through the whole: what it said is what a browser sees.

The emulator and the device are unchanged processes, each with a Bluetooth controller of its own.
The controllers are virtual; one process joins them.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.controllers import READY
from tests.system.pair import Json, Pair, Witness, numbers

LINKS = ["--mtu", "517", "23", "517", "--drop", "1.5"]
DISTURBANCES = ["--interval", "0.3", "--doubled", "0.3", "--others", "0.5", "--backpedalled", "0.5"]
READINGS = 3


def test_a_bosch_bike_reaches_a_browser(
    pair: Pair, free_port: Callable[[], int], tmp_path: Path
) -> None:
    ports, truth = [str(free_port()), str(free_port())], tmp_path / "truth"
    pair.start_process(["python", "-m", "tests.controllers", *ports]).wait_for_line(READY)
    pair.start_gateway()
    witness = pair.watch(
        options={"transports": ["websocket"]}, emit=[["subscribe", {"devices": "*"}]]
    )
    witness.wait_for("ack")
    logs = tmp_path / "logs"
    device = pair.start_device(
        SPOKE_SOURCE=f"bosch:tcp-client:127.0.0.1:{ports[0]}", SPOKE_LOG_DIR=str(logs)
    )
    emulate = ["python", "-m", "device.emulate", "bosch", "--seed", "1", "--truth", str(truth)]
    reach = ["--transport", f"tcp-client:127.0.0.1:{ports[1]}"]
    pair.start_process([*emulate, *reach, *LINKS, *DISTURBANCES], {})

    device.wait_for_line("bike_connected .*bond=new mtu=517 data_length=251")
    assert (logs / "ebike-001.bosch-bond.json").stat().st_mode & 0o777 == 0o600
    device.wait_for_line("bike_connected .*bond=kept mtu=23", timeout_s=30)
    device.wait_for_line("link_too_small")
    device.wait_for_line("notification_left_out .*cut to 20 bytes")
    heard = len(numbers(witness))
    device.wait_for_line("bike_connected .*bond=kept mtu=517", timeout_s=30)
    assert len(numbers(witness)) == heard
    witness.wait_for("speed_change", count=heard + READINGS, timeout_s=30)

    check_readings(witness, [json.loads(line) for line in truth.read_text().splitlines()])


def check_readings(witness: Witness, said: Sequence[Json]) -> None:
    """Check that the bike paired once, and that each reading in order has values that it said."""
    links = [line["link"] for line in said if "link" in line]
    assert links == ["paired"] + ["bonded"] * (len(links) - 1)
    readings = witness.bodies("speed_change")
    assert witness.bodies("gap") == []
    assert numbers(witness) == list(range(1, len(readings) + 1))
    assert unexplained(readings, said) == []


def unexplained(readings: Sequence[Json], said: Sequence[Json]) -> list[Json]:
    """Return the readings that nothing said explains; each message explains one at most."""
    messages = iter([line for line in said if "link" not in line])
    return [reading for reading in readings if not any(is_true(reading, said) for said in messages)]


def is_true(reading: Json, said: Json) -> bool:
    """Tell whether each value of a reading is what the bike said last."""
    extra = dict(reading["extra"])
    if "backpedal_rpm" in extra:
        extra["cadence_rpm"] = -extra.pop("backpedal_rpm")
    given = {key: reading[key] for key in reading.keys() & said.keys()} | extra
    return given.keys() >= {"speed_kmh", "odometer_km", "light"} and given.items() <= said.items()
