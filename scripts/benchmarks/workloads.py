"""The table of workloads and the deliveries that each should give."""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from scripts.benchmarks.publisher import device_names

Devices: TypeAlias = Sequence[str]
Kind: TypeAlias = Literal["steady", "most", "deaf", "flat", "resume", "rings"]
ALL_AT_1000 = ("spoke", "loop", "node", "gevent", "threading", "nchan", "mosquitto")
FEW_OF, SEED = 5, 1
RINGS_MB = 64


@dataclass(frozen=True)
class Workload:
    """A number of clients, devices and readings per second, and the servers to measure."""

    name: str
    title: str
    clients: int
    devices: int
    rate_hz: float
    servers: tuple[str, ...]
    kind: Kind = "steady"
    flush_ms: int = 0
    protocol: str | None = None
    """Replaces the protocol of the server, for polling."""
    picks: int | None = None
    """How many randomly drawn devices each client watches; None: all devices."""
    quick: tuple[str, ...] = ()
    """The servers that ``--quick`` measures."""
    rates_hz: tuple[float, ...] = ()
    """The rates to try one after the other while the server keeps up, in readings per second."""
    settings: Mapping[str, str] = field(default_factory=dict)
    by_name: bool = False
    """Whether to measure only on request (``--only``), because it takes long."""


WORKLOADS = (
    Workload(
        "steady",
        "1,000 clients, 1 device at 20 Hz",
        clients=1000,
        devices=1,
        rate_hz=20,
        servers=ALL_AT_1000,
        quick=ALL_AT_1000,
    ),
    Workload(
        "many",
        "9,000 clients, 1 device at 20 Hz",
        clients=9000,
        devices=1,
        rate_hz=20,
        servers=("spoke", "loop"),
    ),
    Workload(
        "joined",
        "200 clients on 100 devices at 10 Hz, flush 20 ms",
        clients=200,
        devices=100,
        rate_hz=10,
        servers=("spoke", "loop", "node"),
        flush_ms=20,
        quick=("spoke", "loop"),
    ),
    Workload(
        "most",
        "most deliveries a second, 200 clients on 100 devices, flush 20 ms",
        clients=200,
        devices=100,
        rate_hz=0,
        servers=("spoke", "node", "loop"),
        kind="most",
        flush_ms=20,
        quick=("spoke", "node"),
        rates_hz=(125, 250, 500, 750, 1000, 1500, 2500, 5000, 7500, 10_000, 15_000, 20_000, 30_000),
    ),
    Workload(
        "intake",
        "most readings a second, 1,000 devices, 1 client on one of them",
        clients=1,
        devices=1000,
        rate_hz=0,
        servers=("spoke", "node"),
        kind="most",
        picks=1,
        flush_ms=20,
        quick=("spoke",),
        rates_hz=(2500, 5000, 7500, 10_000, 12_500, 15_000, 20_000, 25_000, 30_000, 40_000, 50_000),
    ),
    Workload(
        "random",
        "1,000 clients, each on 5 of 1,000 devices at 4 Hz",
        clients=1000,
        devices=1000,
        rate_hz=4,
        servers=("spoke", "node"),
        picks=FEW_OF,
        quick=("spoke", "node"),
    ),
    Workload(
        "polling",
        "500 polling clients, 1 device at 10 Hz",
        clients=500,
        devices=1,
        rate_hz=10,
        servers=("spoke", "gevent", "node"),
        protocol="socketio-polling",
    ),
    Workload(
        "upgrade",
        "1,000 clients that poll, then upgrade",
        clients=1000,
        devices=1,
        rate_hz=20,
        servers=("spoke", "node", "gevent"),
        protocol="socketio-upgrade",
    ),
    Workload(
        "single",
        "1 client, 1 device at 100 Hz",
        clients=1,
        devices=1,
        rate_hz=100,
        servers=("spoke", "node", "loop"),
        quick=("spoke", "node"),
    ),
    Workload(
        "deaf",
        "1,000 clients of which 100 never read, 1 device at 50 Hz",
        clients=1000,
        devices=1,
        rate_hz=50,
        servers=("spoke",),
        kind="deaf",
    ),
    Workload(
        "flat",
        "1,000 clients of which 100 never read, 1 device at 50 Hz, for 10 minutes",
        clients=1000,
        devices=1,
        rate_hz=50,
        servers=("spoke",),
        kind="flat",
        settings={"SPOKE_HISTORY_READINGS": "1000"},
        by_name=True,
    ),
    Workload(
        "hearing",
        "900 clients that all read, 1 device at 50 Hz",
        clients=900,
        devices=1,
        rate_hz=50,
        servers=("spoke",),
    ),
    Workload(
        "resume",
        "1,000 clients, 1 device at 20 Hz, while 1,000 others resume",
        clients=1000,
        devices=1,
        rate_hz=20,
        servers=("spoke",),
        kind="resume",
    ),
    Workload(
        "rings",
        f"1,000 devices until {RINGS_MB} MB of readings are held",
        clients=1,
        devices=1000,
        rate_hz=8,
        servers=("spoke",),
        kind="rings",
        picks=1,
        settings={"SPOKE_HISTORY_MB": str(RINGS_MB)},
    ),
)


def watched(workload: Workload) -> list[Devices]:
    """Return the devices of each client. They are the same in each run."""
    names = device_names(workload.devices)
    if workload.picks is None:
        return [names] * workload.clients
    draw = random.Random(SEED)
    return [draw.sample(names, workload.picks) for _ in range(workload.clients)]


def expected_deliveries(plan: Sequence[Devices], published: int, devices: int) -> int:
    """Return how many deliveries all clients together should get. Devices publish in turn."""
    rounds, rest = divmod(published, devices)
    ahead = set(device_names(devices)[:rest])
    return sum(rounds * len(names) + len(ahead.intersection(names)) for names in plan)


def _socketio_line(devices: Devices, since: str | None) -> str:
    wanted: dict[str, object] = {"devices": devices}
    if since is not None:
        wanted["since"] = dict.fromkeys(devices, since)
    return "/socket.io/?EIO=4\t420" + json.dumps(["subscribe", wanted])


def _mqtt_line(devices: Devices, _since: str | None) -> str:
    return "/\t" + " ".join(f"ebike/reading/{name}/" for name in devices)


def _plain_line(devices: Devices, _since: str | None) -> str:
    return f"/sub/{','.join(devices)}\t"


_LINES: Mapping[str, Callable[[Devices, str | None], str]] = {
    "socketio": _socketio_line,
    "socketio-upgrade": _socketio_line,
    "socketio-polling": _socketio_line,
    "mqtt": _mqtt_line,
    "plain": _plain_line,
}


def plan_text(plan: Sequence[Devices], protocol: str, since: str | None = None) -> str:
    """Write the plan for the load client: the path and the subscription of each client.

    ``since`` is the cursor at which Socket.IO clients resume each device.
    """
    return "".join(_LINES[protocol](devices, since) + "\n" for devices in plan)
