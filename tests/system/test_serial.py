"""Serial hardware from end to end: emulator, pseudo-terminal, device, gateway, stock client."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import StartProcess
from tests.processes import RunningProcess
from tests.publisher_check import assert_right
from tests.system.pair import Pair, numbers
from tests.timing import scaled_s
from tests.truth import rules
from tests.truth.comparison import BUSY_LATE_S, compare

PARTS = 2
"""The hardware is unplugged once, between its two parts."""
READINGS = 6
RULES = {"vesc": rules.VESC, "bafang": rules.BAFANG, "nmea": rules.NMEA}
BAD_LINE = ["--noise", "0.05", "--truncated", "0.05", "--wrong-bit", "0.05"]
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
    truth = "".join((tmp_path / f"truth-{part}").read_text() for part in range(PARTS))
    rows = RULES[kind].rows(map(json.loads, truth.splitlines()))
    assert compare(readings, rows, RULES[kind], late_s=scaled_s(BUSY_LATE_S)).examples == []
