"""Check the settings and the ports before ``scripts/start`` starts the processes.

It takes honcho's options, because they choose the processes. It prints one line on stdout: the
gateway's port for honcho, and flags for the gateway. Messages for people go to stderr. Exit code 2
means that the processes cannot start.
"""

if __name__ == "__main__":
    from shared.begin import open_missing_streams

    # Without stderr, messages would go to stdout, which is for the port. begin() is not called,
    # because it exits with 0 on Ctrl-C, and scripts/start would then continue.
    open_missing_streams()

import argparse
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from dotenv import dotenv_values

from scripts.port_use import Listener, trouble_with
from shared.addresses import page_url
from shared.console import tell
from shared.errors import SettingsError
from shared.program import run
from shared.setting_table import SETTINGS
from shared.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parent.parent
ENDPOINT = re.compile(r"tcp://(\[.+\]|[^\[\]]+):([0-9]+)")
CANNOT_START = 2


class Plan(NamedTuple):
    """The port and the number of processes that honcho will start."""

    port: str | None
    gateways: int
    devices: int


def read_plan(arguments: Sequence[str]) -> Plan:
    """Read the arguments of honcho that matter here."""
    parser = argparse.ArgumentParser(prog="scripts/start", add_help=False, allow_abbrev=False)
    parser.add_argument("-p", "--port")
    parser.add_argument("-c", "--concurrency", default="")
    parser.add_argument("-q", "--quiet")
    parser.add_argument("processes", nargs="*")
    options = parser.parse_args(arguments)
    numbers = dict(re.findall(r"(\w+)=([0-9]+)", options.concurrency))
    gateways, devices = (
        int(numbers.get(name, 1)) if name in (options.processes or [name]) else 0
        for name in ("gateway", "device")
    )
    return Plan(options.port, gateways, devices)


def environment(plan: Plan, environ: Mapping[str, str], dotenv: Path) -> dict[str, str]:
    """Return the environment with ``PORT`` set from the option, the environment or ``.env``."""
    port = plan.port or environ.get("PORT") or dotenv_values(dotenv).get("PORT")
    return {**environ, **({"PORT": port} if port else {})}


def gateway_flags(plan: Plan, gateway: Settings, device: Settings) -> list[str]:
    """Return flags that connect the gateways to the device that is started with them.

    Both read the same environment. If ``SPOKE_PUB_BIND`` or ``SPOKE_REPLAY_BIND`` changes the
    device's ports there, the gateway must connect to the new ports.
    """
    if not (plan.gateways and plan.devices):
        return []
    flags = []
    is_default = gateway.device_connect == (SETTINGS["SPOKE_DEVICE_CONNECT"].default,)
    live = connectable(device.pub_bind or "")
    if live and is_default and live not in gateway.device_connect:
        flags += ["--device-connect", live]
    if device.replay_bind and gateway.replay_bind == device.replay_bind:
        flags += ["--replay-connect", connectable(device.replay_bind)]
    return flags


def connectable(endpoint: str) -> str:
    """Return the endpoint to connect to, on this machine, for a socket bound to ``endpoint``."""
    for everywhere, here in (("*", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("[::]", "[::1]")):  # noqa: S104  # text
        endpoint = endpoint.replace(f"://{everywhere}:", f"://{here}:")
    return endpoint


def listeners(
    plan: Plan, gateway: Settings, device: Settings, port_setting: str = "SPOKE_GATEWAY_PORT"
) -> Iterator[Listener]:
    """Yield every TCP address on which the processes of ``plan`` will listen."""
    for number in range(plan.gateways):
        port = gateway.gateway_port + number
        yield Listener(
            "the gateway", gateway.gateway_host, port, "SPOKE_GATEWAY_HOST", port_setting
        )
    endpoints = (
        (plan.gateways, "the gateway", "SPOKE_DEVICE_BIND", gateway.device_bind),
        (plan.gateways, "the gateway", "SPOKE_REPLAY_BIND", gateway.replay_bind),
        (plan.devices, "the device", "SPOKE_PUB_BIND", device.pub_bind),
        (plan.devices, "the device", "SPOKE_REPLAY_BIND", device.replay_bind),
    )
    for count, owner, setting, endpoint in endpoints:
        match = ENDPOINT.fullmatch(endpoint or "")
        if count and match is not None:
            yield Listener(owner, match[1], int(match[2]), setting, setting)


def port_setting(plan: Plan, environ: Mapping[str, str]) -> str:
    """Name the place that sets the gateway's port. Changing a lower place has no effect."""
    if plan.port:
        return "the option -p"
    return "PORT" if environ.get("PORT") else "SPOKE_GATEWAY_PORT"


def wanted_twice(wanted: Sequence[Listener]) -> Iterator[str]:
    """Yield a sentence for each pair of listeners with the same port."""
    for one, other in combinations(wanted, 2):
        if one.port == other.port:
            settings = " or ".join(dict.fromkeys((one.port_setting, other.port_setting)))
            yield f"{one.owner} and {other.owner} both use port {one.port}: change {settings}"


def main(arguments: Sequence[str]) -> int:
    """Check settings and ports; return the exit code."""
    plan = read_plan(arguments)
    environ = environment(plan, os.environ, ROOT / ".env")
    try:
        gateway = load_settings("gateway", [], environ, ROOT)
        device = load_settings("device", [], environ, ROOT)
        flags = gateway_flags(plan, gateway, device)
        gateway = load_settings("gateway", flags, environ, ROOT)
    except SettingsError as error:
        _say(str(error))
        return CANNOT_START
    wanted = list(listeners(plan, gateway, device, port_setting(plan, environ)))
    troubles = [*wanted_twice(wanted), *filter(None, map(trouble_with, wanted))]
    if troubles:
        _say("\nstart: ".join(troubles))
        return CANNOT_START
    if plan.gateways:
        url = page_url(gateway.gateway_host, gateway.gateway_port, gateway.base_path)
        _say(f"the dashboard is at {url}")
    _say("Ctrl-C stops everything")
    print(gateway.gateway_port, *flags)
    return 0


def _say(text: str) -> None:
    tell(f"start: {text}\n")


if __name__ == "__main__":
    run(partial(main, sys.argv[1:]))
