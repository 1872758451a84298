"""Emulated Bluetooth sensors through the whole: what they measured is what a browser sees.

The emulators and the devices are unchanged processes, each with a Bluetooth controller of its own.
The controllers are virtual; one process joins them.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from device.sources.decoders.cycling import Kind
from tests.conftest import StartProcess
from tests.controllers import READY
from tests.processes import RunningProcess
from tests.system.pair import Pair, Witness, numbers
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
    pair: Pair, transports: list[str], free_port: Callable[[], int], tmp_path: Path
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
    for one in running:
        name = one.sensor.kind.name.lower()
        witness.process.wait_for_line(f'"speed_change",.*"{name}"', count=READINGS, timeout_s=20)
    check_readings(witness, running)


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
