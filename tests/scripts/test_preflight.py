"""What is checked before anything is started."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from scripts.preflight import (
    Plan,
    connectable,
    environment,
    gateway_flags,
    listeners,
    port_setting,
    read_plan,
    wanted_twice,
)
from shared.settings import load_settings
from tests.processes import ROOT, clean_environment
from tests.scripts.under_honcho import pair_settings


def wanted(plan: Plan, environ: Mapping[str, str], folder: Path) -> list[tuple[str, str, int]]:
    """Return owner, host and port of all that a plan would listen on."""
    gateway = load_settings("gateway", [], environ, folder)
    device = load_settings("device", [], environ, folder)
    return [(one.owner, one.host, one.port) for one in listeners(plan, gateway, device)]


@pytest.mark.parametrize(
    ("arguments", "plan"),
    [
        ([], Plan(None, 1, 1)),
        (["-c", "gateway=4"], Plan(None, 4, 1)),
        (["-c", "device=0,gateway=2", "-p", "6000"], Plan("6000", 2, 0)),
        (["device"], Plan(None, 0, 1)),
        (["-q", "device", "-c", "gateway=3", "gateway"], Plan(None, 3, 0)),
    ],
)
def test_plan_from_honcho_options(arguments: list[str], plan: Plan) -> None:
    assert read_plan(arguments) == plan


@pytest.mark.parametrize(
    ("option", "environ", "dotenv", "port"),
    [
        ("7000", {"PORT": "6000"}, "PORT=5500", "7000"),
        (None, {"PORT": "6000"}, "PORT=5500", "6000"),
        (None, {}, "PORT=5500", "5500"),
        (None, {}, "", None),
    ],
)
def test_port_precedence(
    tmp_path: Path, option: str | None, environ: dict[str, str], dotenv: str, port: str | None
) -> None:
    (tmp_path / ".env").write_text(dotenv)
    found = environment(Plan(option, 1, 1), environ, tmp_path / ".env")
    assert found.get("PORT") == port


def test_by_default_three_ports_are_wanted(tmp_path: Path) -> None:
    assert wanted(Plan(None, 1, 1), {}, tmp_path) == [
        ("the gateway", "127.0.0.1", 5000),
        ("the device", "127.0.0.1", 5556),
        ("the device", "127.0.0.1", 5557),
    ]


def test_each_gateway_has_own_port(tmp_path: Path) -> None:
    environ = {"SPOKE_GATEWAY_PORT": "6000", "SPOKE_GATEWAY_HOST": "0.0.0.0"}  # noqa: S104  # text
    assert wanted(Plan(None, 3, 0), environ, tmp_path) == [
        ("the gateway", "0.0.0.0", 6000),  # noqa: S104  # text
        ("the gateway", "0.0.0.0", 6001),  # noqa: S104  # text
        ("the gateway", "0.0.0.0", 6002),  # noqa: S104  # text
    ]


def test_who_connects_wants_no_port(tmp_path: Path) -> None:
    environ = {
        "SPOKE_PUB_CONNECT": "tcp://127.0.0.1:7001",
        "SPOKE_REPLAY_CONNECT": "tcp://127.0.0.1:7002",
        "SPOKE_DEVICE_BIND": "tcp://*:7001",
    }
    assert wanted(Plan(None, 1, 1), environ, tmp_path) == [
        ("the gateway", "127.0.0.1", 5000),
        ("the gateway", "*", 7001),
    ]


def test_port_conflict_names_both_settings(tmp_path: Path) -> None:
    environ = {"PORT": "5556"}
    gateway = load_settings("gateway", [], environ, tmp_path)
    device = load_settings("device", [], environ, tmp_path)
    [sentence] = wanted_twice(list(listeners(Plan(None, 1, 1), gateway, device)))
    assert sentence == (
        "the gateway and the device both use port 5556: change SPOKE_GATEWAY_PORT or SPOKE_PUB_BIND"
    )


@pytest.mark.parametrize(
    ("plan", "environ", "setting"),
    [
        (Plan("7000", 1, 1), {"PORT": "7000"}, "the option -p"),
        (Plan(None, 1, 1), {"PORT": "7000", "SPOKE_GATEWAY_PORT": "6000"}, "PORT"),
        (Plan(None, 1, 1), {"SPOKE_GATEWAY_PORT": "6000"}, "SPOKE_GATEWAY_PORT"),
        (Plan(None, 1, 1), {}, "SPOKE_GATEWAY_PORT"),
    ],
)
def test_deciding_setting_is_named(plan: Plan, environ: dict[str, str], setting: str) -> None:
    assert port_setting(plan, environ) == setting


def flags_for(plan: Plan, environ: dict[str, str], folder: Path) -> list[str]:
    """Return the flags for gateways; with them the gateway's settings are right."""
    gateway = load_settings("gateway", [], environ, folder)
    device = load_settings("device", [], environ, folder)
    flags = gateway_flags(plan, gateway, device)
    load_settings("gateway", flags, environ, folder)
    return flags


def test_gateways_follow_a_device_whose_ports_moved(tmp_path: Path) -> None:
    environ = {
        "SPOKE_PUB_BIND": "tcp://*:6556",
        "SPOKE_REPLAY_BIND": "tcp://127.0.0.1:6557",
    }
    expected = [
        *("--device-connect", "tcp://127.0.0.1:6556"),
        *("--replay-connect", "tcp://127.0.0.1:6557"),
    ]
    assert flags_for(Plan(None, 1, 1), environ, tmp_path) == expected


def test_default_ports_need_no_flags(tmp_path: Path) -> None:
    assert flags_for(Plan(None, 1, 1), {}, tmp_path) == []


def test_gateway_alone_gets_no_flags(tmp_path: Path) -> None:
    environ = {"SPOKE_REPLAY_BIND": "tcp://127.0.0.1:6557"}
    assert flags_for(Plan(None, 1, 0), environ, tmp_path) == []


def test_explicit_connect_is_kept(tmp_path: Path) -> None:
    environ = {"SPOKE_DEVICE_CONNECT": "tcp://10.0.0.8:5556"}
    assert flags_for(Plan(None, 1, 1), environ, tmp_path) == []


@pytest.mark.parametrize(
    ("endpoint", "here"),
    [
        ("tcp://0.0.0.0:1", "tcp://127.0.0.1:1"),
        ("tcp://[::]:1", "tcp://[::1]:1"),
        ("tcp://10.0.0.8:1", "tcp://10.0.0.8:1"),
        ("ipc:///run/bike", "ipc:///run/bike"),
    ],
)
def test_a_neighbour_connects_to_an_address(endpoint: str, here: str) -> None:
    assert connectable(endpoint) == here


def test_without_stderr_only_the_port_is_printed(
    free_port: Callable[[], int], tmp_path: Path
) -> None:
    port = str(free_port())
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-m", "scripts.preflight"],
        cwd=ROOT,
        env=clean_environment({**pair_settings(tmp_path), "PORT": port}),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"{port}\n")
