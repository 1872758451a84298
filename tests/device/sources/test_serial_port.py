"""A serial port at a pseudo-terminal: settings, bytes, requests, and a plug that is pulled."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from device.emulate.pseudo_terminal import PseudoTerminal
from device.sample import Sample
from device.sources import NoSample, PollAgain, open_source
from device.sources.decoders import nmea, vesc
from device.sources.nmea import parser
from device.sources.serial_port import PAUSES_S, PortSource
from shared.errors import SourceError
from shared.settings import load_settings
from tests.conftest import StartProcess
from tests.timing import eventually

DRIVE = vesc.Drive(2.0, 10, 1.0)
CELSIUS = {"controller_c": 30.0, "motor_c": 40.0}


class Line(NamedTuple):
    """A source, and the hardware at the other end of its port."""

    source: PortSource
    terminal: PseudoTerminal


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[PseudoTerminal]:
    made = PseudoTerminal(tmp_path / "port")
    yield made
    made.unplug()


@pytest.fixture
def controller(terminal: PseudoTerminal) -> Iterator[Line]:
    decoder = vesc.VescDecoder(DRIVE)
    with closing(PortSource(terminal.path, 115_200, decoder, "VESC")) as source:
        yield Line(source, terminal)


@pytest.fixture
def receiver(terminal: PseudoTerminal) -> Iterator[Line]:
    decoder = nmea.NmeaDecoder(parser())
    with closing(PortSource(terminal.path, 9_600, decoder, "GPS")) as source:
        yield Line(source, terminal)


def values(speed_kmh: float) -> bytes:
    return vesc.encode_values(DRIVE, speed_kmh, 100.0, 40.0, CELSIUS)


def speed(source: PortSource, now_s: float) -> float:
    """Poll until there is a sample, and return its speed."""
    found: list[Sample] = []

    def has_sample() -> bool:
        sample = source.poll(now_s)
        found.extend([sample] if isinstance(sample, Sample) else [])
        return bool(found)

    eventually(has_sample, what="a sample")
    return found[0].speed_kmh


def test_requests_at_the_interval(controller: Line) -> None:
    source, terminal = controller
    assert source.poll(100.0) == PollAgain(100.2)
    assert terminal.read(5.0) == vesc.frame(vesc.REQUEST)
    assert source.poll(100.1) == PollAgain(100.2)
    assert terminal.read(0.0) == b""
    terminal.write(values(12.0))
    assert speed(source, 100.1) == 12.0
    source.poll(100.3)
    assert terminal.read(5.0) == vesc.frame(vesc.REQUEST)


def test_requests_that_do_not_fit_are_dropped(controller: Line) -> None:
    for step in range(20_000):  # 120 kB; nobody reads them
        assert controller.source.poll(step * 0.3) == PollAgain(step * 0.3 + 0.2)
    controller.terminal.write(values(9.0))
    assert speed(controller.source, 6_000.1) == 9.0


def test_pulled_plug_is_found_again(controller: Line) -> None:
    source, terminal = controller
    source.poll(100.0)
    terminal.write(values(12.0)[:20])  # the begin of an answer
    terminal.unplug()

    def is_lost() -> bool:
        source.poll(100.1)
        return source.fileno() is None

    eventually(is_lost, what="the loss")
    now_s = 100.1
    for pause_s in PAUSES_S[1:]:
        found = source.poll(now_s + 60)
        assert found == PollAgain(now_s + 60 + pause_s)
        now_s += 60
    terminal.plug()
    assert isinstance(source.poll(now_s + 1), PollAgain)
    assert source.fileno() is None  # not before the pause is over
    source.poll(now_s + 10)
    assert terminal.read(5.0) == vesc.frame(vesc.REQUEST)
    terminal.write(values(15.0))
    assert speed(source, now_s + 10.1) == 15.0


def test_sentence_in_pieces(receiver: Line) -> None:
    source, terminal = receiver
    sentence = nmea.encode_rmc("120000.00", "010626", 18.52, (52.0, -0.1))
    assert source.poll(1.0) is NoSample.NOT_YET
    terminal.write(sentence[:30])
    assert source.poll(1.1) is NoSample.NOT_YET
    terminal.write(sentence[30:])
    assert speed(source, 1.2) == 18.52


WHEEL, POLES = ["--wheel-m", "2"], ["--pole-pairs", "9"]


@pytest.mark.parametrize(
    ("source", "more", "why"),
    [
        ("vesc", [*WHEEL, *POLES], "name the serial port: vesc:<port>"),
        ("vesc:/dev/no", [*WHEEL, *POLES], "there is no serial port /dev/no"),
        ("vesc:/dev/no", WHEEL, "set SPOKE_POLE_PAIRS"),
        ("bafang:/dev/no", [], "set SPOKE_WHEEL_M"),
        ("nmea:/dev/null", [], "/dev/null cannot be used as a serial port"),
        ("nmea:/dev/no", ["--fleet-size", "2"], "the source nmea feeds one bike"),
    ],
)
def test_refused_setting(tmp_path: Path, source: str, more: list[str], why: str) -> None:
    settings = load_settings("device", ["--source", source, *more], {}, tmp_path)
    with pytest.raises(SourceError, match=why):
        open_source(settings, 0)


def test_port_in_use(controller: Line, start_process: StartProcess) -> None:
    path = os.ttyname(controller.source.fileno() or 0)
    device = start_process(["python", "-m", "device", "--source", f"nmea:{path}"], {})
    assert device.wait() == 2
    device.wait_for_line("another program uses the serial port")
