"""The source ``ble`` and ``device.scan``: settings, what is near, a controller that fails."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from itertools import islice
from pathlib import Path

import pytest
from bleak import BleakClient, BleakScanner

from device.emulate.__main__ import main as emulate
from device.sources.ble import is_wanted
from device.sources.bluetooth import LinkError, Nearby, pauses_s, useful
from device.sources.bluetooth.bleak_radio import BleakRadio
from device.sources.bluetooth.bumble_host import open_host
from device.sources.decoders.cycling import Kind, decode
from tests.conftest import StartProcess
from tests.controllers import READY
from tests.device.sources.bleak_backend import backends

NO_BUS = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"}
"""Hides the Bluetooth of a computer that has one."""


@pytest.fixture
def binds(free_port: Callable[[], int]) -> list[str]:
    pub, replay = (f"tcp://127.0.0.1:{free_port()}" for _ in range(2))
    return ["--pub-bind", pub, "--replay-bind", replay]


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--source", "ble"], "name the sensor: ble:<name or address>"),
        (["--source", "ble:x,"], "name the sensor: .*several, separated by commas"),
        (["--source", "ble:x", "--fleet-size", "2"], "the source ble feeds one bike"),
        (["--source", "ble:x"], "the system's Bluetooth cannot be used .*SPOKE_BLE_TRANSPORT"),
        (
            ["--source", "ble:x", "--ble-transport", "tcp-client:127.0.0.1:1"],
            r"tcp-client:127.0.0.1:1 cannot be opened \(Connect.*connect the controller",
        ),
        (
            ["--source", "ble:x", "--ble-transport", "carrier-pigeon:1"],
            r"carrier-pigeon:1 cannot be opened \(unknown transport scheme\)",
        ),
    ],
)
def test_refused_setting(
    start_process: StartProcess, binds: list[str], flags: list[str], why: str
) -> None:
    device = start_process(["python", "-m", "device", *binds, *flags], NO_BUS)
    assert device.wait(timeout_s=30) == 2
    device.wait_for_line(why)


@pytest.mark.parametrize(
    ("library", "flags"), [("bleak", []), ("bumble", ["--transport", "usb:0"])]
)
def test_missing_library(
    start_process: StartProcess, tmp_path: Path, library: str, flags: list[str]
) -> None:
    (tmp_path / f"{library}.py").write_text(f"raise ImportError(name={library!r})")
    environ = {"PYTHONPATH": str(tmp_path)}
    scan = start_process(["python", "-m", "device.scan", *flags], environ)
    assert scan.wait() == 2
    scan.wait_for_line(f"^{library} is not installed: run .*requirements-ble.txt")


def test_scan_without_bluetooth(start_process: StartProcess) -> None:
    scan = start_process(["python", "-m", "device.scan"], NO_BUS)
    assert scan.wait() == 2
    scan.wait_for_line("^the system's Bluetooth cannot be used")
    emulator = start_process(["python", "-m", "device.emulate", "csc", "--transport", "pigeon"])
    assert emulator.wait(timeout_s=30) == 2
    emulator.wait_for_line("^the Bluetooth transport pigeon cannot be opened")


@pytest.mark.parametrize(
    "wrong",
    [
        ["--name", ""],
        ["--name", "a name that is longer than 20 bytes"],
        ["--address", "F0:12"],
        ["--wheel", "0"],
        ["--interval", "nan"],
        ["--drop", "soon"],
        ["--mtu", "22"],
    ],
)
def test_wrong_option_of_emulator(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        emulate(["csc", "--transport", "usb:0", *wrong])
    assert ended.value.code == 2
    assert f"argument {wrong[0]}: " in capsys.readouterr().err


def test_controller_that_fails(
    start_process: StartProcess, free_port: Callable[[], int], binds: list[str]
) -> None:
    ports = [str(free_port()) for _ in range(2)]
    sensor, own = (f"tcp-client:127.0.0.1:{port}" for port in ports)
    join = ["python", "-m", "tests.controllers", *ports]
    pose = ["python", "-m", "device.emulate", "ftms", "--transport", sensor, "--interval", "0.5"]
    device = ["python", "-m", "device", *binds, "--source", "ble:spoke ftms"]

    controllers = start_process(join)
    controllers.wait_for_line(READY)
    emulator = start_process(pose)
    emulator.wait_for_line("^Spoke FTMS advertises at ")
    scan = start_process(["python", "-m", "device.scan", "--transport", own, "--seconds", "3"])
    assert scan.wait(timeout_s=30) == 0
    scan.wait_for_line(r"^([0-9A-F]{2}:){5}[0-9A-F]{2}  Spoke FTMS +fitness machine$")
    bike = start_process([*device, "--ble-transport", own])
    bike.wait_for_line("sensor_connected")

    controllers.stop()
    assert emulator.wait(timeout_s=30) == 2
    emulator.wait_for_line("^the Bluetooth controller is gone")
    bike.wait_for_line("sensor_lost .*the Bluetooth controller is gone")
    start_process(join).wait_for_line(READY)
    start_process(pose)
    bike.wait_for_line("sensor_connected", count=2)
    assert bike.stop() == 0
    bike.wait_for_line(r"stopped readings=[1-9]\d* left_out=nothing")
    assert bike.output.count("sensor_lost") == 1


def test_missing_size_of_wheel(
    start_process: StartProcess, free_port: Callable[[], int], binds: list[str]
) -> None:
    ports = [str(free_port()) for _ in range(2)]
    sensor, own = (f"tcp-client:127.0.0.1:{port}" for port in ports)
    start_process(["python", "-m", "tests.controllers", *ports]).wait_for_line(READY)
    address = "F0:00:00:00:00:01"
    pose = ["python", "-m", "device.emulate", "csc", "--address", address]
    start_process([*pose, "--transport", sensor])
    flags = ["--source", f"ble:{address.lower()}", "--ble-transport", own]
    bike = start_process(["python", "-m", "device", *binds, *flags])
    assert bike.wait(timeout_s=30) == 2
    bike.wait_for_line("counts turns of the wheel: set SPOKE_WHEEL_M")


def test_pauses_grow() -> None:
    assert list(islice(pauses_s(), 7)) == [1, 2, 4, 8, 16, 30, 30]


@pytest.mark.parametrize(
    ("offered", "used"),
    [
        ({Kind.CSC}, {Kind.CSC}),
        ({Kind.CSC, Kind.POWER}, {Kind.CSC, Kind.POWER}),
        ({Kind.CSC, Kind.POWER, Kind.FTMS}, {Kind.FTMS}),
    ],
)
def test_services_in_use(offered: set[Kind], used: set[Kind]) -> None:
    assert useful(frozenset(offered)) == used


def test_device_without_useful_service() -> None:
    with pytest.raises(LinkError, match="no service that Spoke can use"):
        useful(frozenset())


@pytest.mark.parametrize("wanted", ["Wheel", "wheel", "c0:ff:ee:00:00:01", "C0:FF:EE:00:00:01"])
def test_name_and_address_in_any_case(wanted: str) -> None:
    assert is_wanted(Nearby("C0:FF:EE:00:00:01", "Wheel"), wanted)
    assert not is_wanted(Nearby("C0:FF:EE:00:00:02", "Wheels"), wanted)
    assert not is_wanted(Nearby("C0:FF:EE:00:00:02"), wanted)


def test_name_with_unprintable_characters() -> None:
    nearby = Nearby("C0:FF:EE:00:00:01", "Wheel \x00\x00")
    assert is_wanted(nearby, "wheel")
    assert nearby.label == "Wheel"
    assert Nearby("C0:FF:EE:00:00:01", "\x00").label == "C0:FF:EE:00:00:01"


def test_bleak_side(start_process: StartProcess, free_port: Callable[[], int]) -> None:
    ports = [str(free_port()) for _ in range(2)]
    sensor, own = (f"tcp-client:127.0.0.1:{port}" for port in ports)
    start_process(["python", "-m", "tests.controllers", *ports]).wait_for_line(READY)
    pose = ["python", "-m", "device.emulate", "ftms", "--interval", "0.5"]
    emulator = start_process([*pose, "--transport", sensor])
    found, heard = asyncio.run(hear_three(own, emulator.process.terminate))
    assert (found.name, *found.kinds) == ("Spoke FTMS", Kind.FTMS)
    assert [kind for kind, _ in heard] == [Kind.FTMS] * 3
    assert all(decode(kind, data).speed_kmh is not None for kind, data in heard)


async def hear_three(
    transport: str, end_link: Callable[[], None]
) -> tuple[Nearby, list[tuple[Kind, bytes]]]:
    """Find a sensor by bleak, take three notifications, and wait until the link has ended."""
    async with open_host(transport) as host:
        scanner, client = backends(host.device)
        radio = BleakRadio(
            partial(BleakScanner, backend=scanner), partial(BleakClient, backend=client)
        )
        async with aclosing(radio.find()) as searching:
            found = await anext(searching)
        heard: list[tuple[Kind, bytes]] = []
        with pytest.raises(LinkError, match="the link dropped"):
            await hear_until_end(radio, found, heard, end_link)
    return found, heard


async def hear_until_end(
    radio: BleakRadio,
    found: Nearby,
    heard: list[tuple[Kind, bytes]],
    end_link: Callable[[], None],
) -> None:
    async with radio.link(found) as notifications:
        heard += [await anext(notifications) for _ in range(3)]
        end_link()
        async for _ in notifications:
            pass
