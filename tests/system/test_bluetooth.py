"""Emulated Bluetooth sensors through the whole: what they measured is what a browser sees.

The emulators and the devices are unchanged processes, each with a Bluetooth controller of its own.
The controllers are virtual; one process joins them.
"""

import json
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pytest

from device.sources.decoders.cycling import Kind
from tests.conftest import StartProcess
from tests.controllers import READY
from tests.cycling_truth import is_true
from tests.processes import RunningProcess
from tests.publisher_check import assert_right, start_check
from tests.system.pair import Json, Pair, Witness, numbers
from tests.timing import scaled_s
from tests.truth.comparison import BUSY_LATE_S, Rule, compare
from tests.truth.rules import FTMS, revolutions

WHEEL_M = 2.105
READINGS = 5


class Sensor(NamedTuple):
    """An emulated sensor: its kind, its disturbances, and the wheel if a device must know it."""

    kind: Kind
    disturbances: list[str]
    wheel_m: str | None
    rule: Rule
    always: set[str]
    """The values that each of its readings has."""


SENSORS = [
    Sensor(
        Kind.CSC,
        ["--wraps-soon", "--doubled", "0.5", "--mtu", "23"],
        str(WHEEL_M),
        revolutions(WHEEL_M),
        {"speed_kmh"},
    ),
    Sensor(
        Kind.POWER,
        ["--offset", "-300", "--drop", "7"],
        str(WHEEL_M),
        revolutions(WHEEL_M),
        {"speed_kmh", "power_w"},
    ),
    Sensor(
        Kind.FTMS,
        ["--in-pieces", "--doubled", "0.5", "--jitter", "0.4"],
        None,
        FTMS,
        {"speed_kmh", "cadence_rpm", "power_w"},
    ),
]


class Running(NamedTuple):
    """A sensor that runs, its device, and the file of its truth."""

    sensor: Sensor
    device: RunningProcess
    truth: Path


@pytest.fixture
def transports(start_process: StartProcess, free_port: Callable[[], int]) -> list[str]:
    """Start two controllers for each sensor, and return how to reach them."""
    ports = [str(free_port()) for _ in range(2 * len(SENSORS))]
    start_process(["python", "-m", "tests.controllers", *ports]).wait_for_line(READY)
    return [f"tcp-client:127.0.0.1:{port}" for port in ports]


def start(
    pair: Pair, sensor: Sensor, truth: Path, transports: list[str], live: str, replay: str
) -> Running:
    """Start an emulator and its device, which finds it by its name."""
    name = sensor.kind.name.lower()
    emulate = ["python", "-m", "device.emulate", name, "--seed", "1", "--truth", str(truth)]
    reach = ["--transport", transports[0], "--wheel", str(WHEEL_M)]
    pair.start_process([*emulate, *reach, *sensor.disturbances], {})
    device = pair.start_device(
        SPOKE_DEVICE_ID=name,
        SPOKE_SOURCE=f"ble:Spoke {name}",
        SPOKE_BLE_TRANSPORT=transports[1],
        SPOKE_PUB_BIND=live,
        SPOKE_REPLAY_BIND=replay,
        SPOKE_WHEEL_M=sensor.wheel_m,
    )
    return Running(sensor, device, truth)


def test_sensors_reach_a_browser(
    pair: Pair,
    transports: list[str],
    start_process: StartProcess,
    free_port: Callable[[], int],
    tmp_path: Path,
) -> None:
    lives = [f"tcp://127.0.0.1:{free_port()}" for _ in SENSORS]
    replays = [f"tcp://127.0.0.1:{free_port()}" for _ in SENSORS]
    pair.start_gateway(SPOKE_DEVICE_CONNECT=",".join(lives), SPOKE_REPLAY_CONNECT=",".join(replays))
    witness = pair.watch(
        options={"transports": ["websocket"]}, emit=[["subscribe", {"devices": "*"}]]
    )
    witness.wait_for("ack")
    running = [
        start(pair, sensor, tmp_path / f"truth-{number}", transports[number::3], live, replay)
        for number, (sensor, live, replay) in enumerate(zip(SENSORS, lives, replays, strict=True))
    ]
    power = running[1].device
    power.wait_for_line("sensor_lost", timeout_s=20)
    power.wait_for_line("sensor_connected", count=2, timeout_s=20)
    ends = zip(lives, replays, strict=True)
    checks = [start_check(start_process, live, replay) for live, replay in ends]
    for one in running:
        name = one.sensor.kind.name.lower()
        witness.process.wait_for_line(f'"speed_change",.*"{name}"', count=READINGS, timeout_s=20)
    check_readings(witness, running)
    for check in checks:
        assert_right(check)


def test_speed_sensor_and_power_meter_are_one_bike(
    pair: Pair, transports: list[str], tmp_path: Path
) -> None:
    """The speed sensor, which is named first, sleeps until the power meter is connected."""
    pair.start_gateway()
    witness = pair.watch(emit=[["subscribe", {"devices": "*"}]])
    witness.wait_for("ack")

    def emulate(kind: str, only: str, transport: str) -> None:
        argv = ["python", "-m", "device.emulate", kind, "--only", only, "--transport", transport]
        pair.start_process([*argv, "--seed", "1", "--truth", str(tmp_path / kind)], {})

    device = pair.start_device(
        SPOKE_SOURCE="ble:Spoke CSC, Spoke POWER",
        SPOKE_BLE_TRANSPORT=transports[0],
        SPOKE_WHEEL_M=str(WHEEL_M),
    )
    emulate("power", "crank", transports[1])
    device.wait_for_line("sensor_connected .*Spoke POWER", timeout_s=30)
    emulate("csc", "wheel", transports[2])
    device.wait_for_line("sensor_connected .*Spoke CSC", timeout_s=30)
    witness.process.wait_for_line('"power_w"', count=3, timeout_s=30)
    readings = witness.bodies("speed_change")
    assert witness.bodies("device_status")[-1]["model"] == "Spoke CSC + Spoke POWER"
    speeds = [{"speed_kmh": reading["speed_kmh"]} for reading in readings]
    assert unexplained(Kind.CSC, speeds, tmp_path / "csc") == []
    powers = [reading["power_w"] for reading in readings if "power_w" in reading]
    assert is_in_order(powers, [record["power_w"] for record in records_of(tmp_path / "power")])


def is_in_order(values: Sequence[int], truth: Sequence[int]) -> bool:
    """Tell whether the values occur in this order; one may stay until the next comes."""
    left = iter(truth)
    return all(value in left for value, _ in groupby(values))


def check_readings(witness: Witness, running: Sequence[Running]) -> None:
    """Check that each bike sent its numbers in order, and values that the sensor measured."""
    assert witness.bodies("gap") == []
    readings = witness.bodies("speed_change")
    for one in running:
        name = one.sensor.kind.name.lower()
        seen = [reading for reading in readings if reading["device_id"] == name]
        seqs = numbers(witness, name)
        assert seqs == list(range(seqs[0], seqs[0] + len(seen)))
        rows = one.sensor.rule.rows(map(json.loads, one.truth.read_text().splitlines()))
        found = compare(seen, rows, one.sensor.rule, late_s=scaled_s(BUSY_LATE_S))
        assert found.examples == []
        assert all(one.sensor.always <= reading.keys() for reading in seen)


def unexplained(kind: Kind, seen: Sequence[Json], truth: Path) -> list[Json]:
    """Return the readings that no record explains; each record explains one reading at most."""
    records = iter(records_of(truth))
    return [
        reading
        for reading in seen
        if not any(is_true(kind, WHEEL_M, reading, record) for record in records)
    ]


def records_of(truth: Path) -> list[Json]:
    return [json.loads(line) for line in truth.read_text().splitlines()]
