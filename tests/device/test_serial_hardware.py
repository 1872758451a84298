"""The emulators of serial hardware: their options, and the plug that they pull."""

import json
import time
from contextlib import closing
from pathlib import Path
from random import Random

from device.emulate.line_faults import LineFaults
from device.sample import Sample
from device.sources.decoders.nmea import NmeaDecoder
from device.sources.nmea import parser
from device.sources.serial_port import PortSource
from tests.conftest import StartProcess
from tests.timing import eventually

FRAME = bytes(range(40))


def test_pulled_plug(start_process: StartProcess, tmp_path: Path) -> None:
    port, truth = tmp_path / "port", tmp_path / "truth"
    often = ["--interval", "0.05", "--unplug", "1.5", "--unplugged", "0.3"]
    argv = ["python", "-m", "device.emulate", "nmea", "--pty", str(port), "--truth", str(truth)]
    hardware = start_process([*argv, *often])
    hardware.wait_for_line(f"^{port}$")
    with closing(PortSource(str(port), 9_600, NmeaDecoder(parser()), "GPS")) as source:

        def has_sample() -> bool:
            return isinstance(source.poll(time.monotonic()), Sample)

        def is_lost() -> bool:
            source.poll(time.monotonic())
            return source.fileno() is None

        for condition in (has_sample, is_lost, has_sample):
            eventually(condition, what=condition.__name__)
    assert hardware.stop() == 0
    assert not port.is_symlink()
    rows = [json.loads(line) for line in truth.read_text().splitlines()]
    assert any(row["fault"] == "unplugged" for row in rows)


def test_port_is_a_file(start_process: StartProcess, tmp_path: Path) -> None:
    file = tmp_path / "ride.gpx"
    file.write_text("keep me")
    hardware = start_process(["python", "-m", "device.emulate", "vesc", "--pty", str(file)])
    assert hardware.wait() == 2
    hardware.wait_for_line("is there already, and is not a link: name another path")
    assert file.read_text() == "keep me"


def test_shares_of_faults() -> None:
    random, faults = Random(1), LineFaults(0.1, 0.2, 0.3)
    spoilt = [faults.spoil(FRAME, random) for _ in range(4_000)]
    names = [name for _, name in spoilt]
    for name, share in {"noise": 0.1, "truncated": 0.2, "wrong_bit": 0.3, None: 0.4}.items():
        assert abs(names.count(name) / len(names) - share) < 0.03
    assert all((data == FRAME) == (name is None) for data, name in spoilt)
