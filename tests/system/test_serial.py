"""Serial hardware from end to end: emulator, pseudo-terminal, device, gateway, stock client."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartProcess
from tests.processes import RunningProcess
from tests.publisher_check import assert_right
from tests.system.pair import Pair, numbers

PARTS = 2
"""The hardware is unplugged once, between its two parts."""
READINGS = 6
LIMITS = {
    "speed_kmh": 0.01,
    "motor_power_w": 1.0,
    "battery_pct": 0.51,
    "latitude_deg": 1e-6,
    "longitude_deg": 1e-6,
}
OTHER_LIMIT = 0.06
LIMITS_OF_BAFANG = {**LIMITS, "speed_kmh": 0.07}
BAD_LINE = ["--noise", "0.05", "--truncated", "0.05", "--wrong-bit", "0.05"]
SPOKEN_APART = ("battery_pct", "altitude_m")
OPTIONS = {"vesc": [], "bafang": [], "nmea": ["--interval", "0.2"]}


@dataclass(frozen=True)
class Plug:
    """Hardware that a test plugs in, at a port whose name stays the same."""

    kind: str
    folder: Path
    start_process: StartProcess

    @property
    def port(self) -> Path:
        return self.folder / "port"

    def plug_in(self, part: int) -> RunningProcess:
        """Start the emulator; the port vanishes when it stops."""
        truth = ["--truth", str(self.folder / f"truth-{part}"), "--seed", str(part)]
        argv = ["python", "-m", "device.emulate", self.kind, "--pty", str(self.port)]
        hardware = self.start_process([*argv, *truth, *BAD_LINE, *OPTIONS[self.kind]])
        hardware.wait_for_line(f"^{self.port}$")
        return hardware


@pytest.mark.parametrize("kind", sorted(OPTIONS))
def test_serial_hardware(
    kind: str, pair: Pair, start_process: StartProcess, tmp_path: Path
) -> None:
    plug = Plug(kind, tmp_path, start_process)
    hardware = plug.plug_in(0)
    pair.start_gateway()
    witness = pair.watch(emit=[["subscribe", {"devices": "*"}]])
    source = f"{kind}:{plug.port}"
    device = pair.start_device(SPOKE_SOURCE=source, SPOKE_WHEEL_M="2.135", SPOKE_POLE_PAIRS="23")
    witness.wait_for("speed_change", count=READINGS)
    assert hardware.stop() == 0
    device.wait_for_line("port_lost")
    before = len(numbers(witness))
    hardware = plug.plug_in(1)
    device.wait_for_line("port_back")
    check = pair.start_check()
    witness.wait_for("speed_change", count=before + READINGS)
    assert_right(check)
    assert hardware.stop() == 0
    assert device.stop() == 0
    assert device.output.count("port_lost") <= PARTS  # once for each time it was unplugged
    first = numbers(witness)[0]
    readings = witness.bodies("speed_change")
    assert numbers(witness) == list(range(first, first + len(readings)))
    told = [row for part in range(PARTS) for row in rows(tmp_path / f"truth-{part}")]
    assert_true(readings, told, LIMITS_OF_BAFANG if kind == "bafang" else LIMITS)


def rows(truth: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in truth.read_text().splitlines()]


def assert_true(
    readings: list[dict[str, Any]], told: list[dict[str, Any]], limits: Mapping[str, float]
) -> None:
    """Assert that the readings are rows of the truth, in their order, and have no other values."""
    place = 0
    apart: list[dict[str, Any]] = []  # values that were told before a speed
    for reading in readings:
        measured = flat(reading)
        while place < len(told) and not is_told(measured, told[place], apart, limits):
            apart.append(told[place])
            place += 1
        assert place < len(told), f"nobody measured {measured}"
        place += 1


def is_told(
    measured: dict[str, float],
    row: dict[str, Any],
    apart: list[dict[str, Any]],
    limits: Mapping[str, float],
) -> bool:
    def is_near(key: str, truth: Mapping[str, Any]) -> bool:
        return key in truth and abs(measured[key] - truth[key]) <= limits.get(key, OTHER_LIMIT)

    now = flat(row)
    return all(
        is_near(key, now)
        or (key in SPOKEN_APART and any(is_near(key, flat(one)) for one in apart[-30:]))
        for key in measured
    )


def flat(values: Mapping[str, Any]) -> dict[str, float]:
    """Return the measured numbers, those in ``extra`` among them."""
    ignored = {"v", "device_id", "epoch", "seq", "ts_ms", "extra", "at_s", "fault"}
    measured = {key: value for key, value in values.items() if key not in ignored}
    return measured | dict(values.get("extra", {}))
