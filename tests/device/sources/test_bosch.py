"""The source ``bosch``: settings, the file of the bond, and bikes that may not connect."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest
from bumble.core import BaseBumbleError
from bumble.device import DeviceConfiguration
from bumble.hci import Address
from bumble.keys import PairingKeys

from device.sources import open_source
from device.sources.bluetooth import LinkError, bosch_accessory, bumble_radio
from device.sources.bluetooth.bonds import BondFile
from device.sources.bluetooth.bosch_accessory import open_accessory
from device.sources.bluetooth.bumble_host import open_host
from shared.errors import SourceError
from shared.settings import load_settings
from tests.conftest import StartProcess
from tests.controllers import READY
from tests.timing import scaled_s

BIKE, STRANGER = "F0:00:00:00:00:01", "F0:00:00:00:00:02"
KEYS = PairingKeys(ltk=PairingKeys.Key(bytes(range(16))))


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--source", "bosch"], "name the Bluetooth controller, such as bosch:usb:0"),
        (["--source", "bosch:usb:0", "--fleet-size", "2"], "the source bosch feeds one bike"),
    ],
)
def test_refused_setting(tmp_path: Path, flags: list[str], why: str) -> None:
    with pytest.raises(SourceError, match=why):
        open_source(load_settings("device", flags, {}, tmp_path), 0)


def test_missing_controller_ends_the_device(
    start_process: StartProcess, free_port: Callable[[], int], tmp_path: Path
) -> None:
    binds = [f"--pub-bind=tcp://127.0.0.1:{free_port()}", f"--replay-bind=ipc://{tmp_path}/replay"]
    flags = ["--source", "bosch", "--ble-transport", "tcp-client:127.0.0.1:1"]
    device = start_process(
        ["python", "-m", "device", *binds, *flags], {"SPOKE_LOG_DIR": str(tmp_path)}
    )
    assert device.wait() == 2
    device.wait_for_line("127.0.0.1:1 cannot be opened")


def test_bond_is_kept_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "bond.json"
    assert not BondFile(path).has_bond
    first = BondFile(path)
    asyncio.run(first.update(BIKE, KEYS))
    assert first.has_bond
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
    again = BondFile(path)
    assert again.has_bond
    assert again.address == first.address
    assert asyncio.run(again.get(BIKE)) is not None


def test_bond_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "bond.json"
    path.write_text("{}")
    path.chmod(0o644)
    BondFile(path)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"no address": {}}', "\ud800"])
def test_file_that_is_no_bond_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bond.json"
    path.write_bytes(text.encode(errors="surrogatepass"))
    with pytest.raises(SourceError, match=r"bond\.json"):
        BondFile(path)
    assert path.read_bytes() == text.encode(errors="surrogatepass")


def test_only_the_bonded_bike_may_connect(
    start_process: StartProcess, free_port: Callable[[], int], tmp_path: Path
) -> None:
    path = tmp_path / "bond.json"
    bonds = BondFile(path)
    asyncio.run(bonds.update(BIKE, KEYS))
    ports = [str(free_port()) for _ in range(2)]
    start_process(["python", "-m", "tests.controllers", *ports]).wait_for_line(READY)
    own, other = (f"tcp-client:127.0.0.1:{port}" for port in ports)

    async def refusal(address: str) -> str:
        async with asyncio.timeout(scaled_s(20)), open_accessory(own, bonds) as accessory:
            bike = asyncio.create_task(pair_as(other, address, bonds.address))
            try:
                with pytest.raises(LinkError) as caught:
                    async with accessory.link():
                        pass
            finally:
                await bike
            return str(caught.value)

    assert "it is not the bike whose bond is in" in asyncio.run(refusal(STRANGER))
    assert "it did not use its bond; to pair again, delete" in asyncio.run(refusal(BIKE))
    assert list(json.loads(path.read_text()).values()) == [{BIKE: KEYS.to_dict()}]


@pytest.mark.parametrize("module", [bosch_accessory, bumble_radio])
def test_request_that_bumble_cancels_is_a_dropped_link(module: ModuleType) -> None:
    async def request(*, is_stopped: bool) -> None:
        answer = asyncio.get_running_loop().create_future()
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_soon(task.cancel if is_stopped else answer.cancel)
        with vars(module)["_translated"]("it failed:"):
            await answer

    with pytest.raises(LinkError, match=r"it failed:.* the link dropped"):
        asyncio.run(request(is_stopped=False))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(request(is_stopped=True))


async def pair_as(transport: str, address: str, accessory: Address) -> None:
    """Connect to the accessory as a bike without a bond, and ask to pair."""
    async with open_host(transport, DeviceConfiguration(address=Address(address))) as host:
        link = await host.device.connect(accessory)
        with suppress(BaseBumbleError, asyncio.CancelledError):
            await link.pair()
