"""Every way in which bikes and gateways may be joined, with a lossy link and a killed gateway.

The device processes are joined to the gateway by several endpoints, by connecting out to it, or by
a proxy to which all of them connect.
"""

import signal
from collections.abc import Callable
from contextlib import closing

import pytest

from shared.cursor import Cursor, parse_cursor
from tests.faults.lengths import lasting
from tests.faults.lossy import Harm, LossyLink
from tests.faults.stage import Stage, assert_whole, endpoint
from tests.processes import RunningProcess
from tests.timing import eventually

BIKES = ("bike-a", "bike-b")
RATE_HZ = "100"
HARM = Harm(lost=0.1, repeated=0.1, swapped=0.1)
KILLS = lasting(1, 5)
ENOUGH = 100
"""New readings of each bike after each start of a gateway."""
Settings = dict[str, str | None]


def several_endpoints(stage: Stage) -> tuple[list[Settings], Settings, list[LossyLink]]:
    """Each device process binds, and the gateway connects to all of them."""
    ports = [(stage.free_port(), stage.free_port()) for _ in BIKES]
    links = [lossy(stage, live) for live, _ in ports]
    devices: list[Settings] = [
        {"SPOKE_PUB_BIND": endpoint(live), "SPOKE_REPLAY_BIND": endpoint(replay)}
        for live, replay in ports
    ]
    gateway: Settings = {
        "SPOKE_DEVICE_CONNECT": ",".join(endpoint(link.port) for link in links),
        "SPOKE_REPLAY_CONNECT": ",".join(endpoint(replay) for _, replay in ports),
    }
    return devices, gateway, links


def connecting_out(stage: Stage) -> tuple[list[Settings], Settings, list[LossyLink]]:
    """The gateway binds; each device connects to it, as from behind NAT, also for the replay."""
    live, replay = stage.free_port(), stage.free_port()
    link = lossy(stage, live, outward=True)
    gateway = binding("SPOKE_DEVICE_BIND", live, "SPOKE_REPLAY_BIND", replay)
    unset: Settings = {"SPOKE_DEVICE_CONNECT": None, "SPOKE_REPLAY_CONNECT": None}
    return [outward(link.port, replay) for _ in BIKES], {**gateway, **unset}, [link]


def through_proxy(stage: Stage) -> tuple[list[Settings], Settings, list[LossyLink]]:
    """Devices and gateway connect to a proxy."""
    names = ("bikes-live", "bikes-replay", "gateways-live", "gateways-replay")
    ports = {name: stage.free_port() for name in names}
    flags = [word for name, port in ports.items() for word in (f"--{name}", endpoint(port))]
    proxy = stage.pair.start_process(["python", "-m", "device.proxy", *flags])
    proxy.wait_for_line("forwarding")
    link = lossy(stage, ports["gateways-live"])
    gateway: Settings = {
        "SPOKE_DEVICE_CONNECT": endpoint(link.port),
        "SPOKE_REPLAY_CONNECT": endpoint(ports["gateways-replay"]),
    }
    devices = [outward(ports["bikes-live"], ports["bikes-replay"]) for _ in BIKES]
    return devices, gateway, [link]


@pytest.mark.parametrize("shape", [several_endpoints, connecting_out, through_proxy])
def test_lossy_link_and_killed_gateway_cost_no_reading(
    stage: Stage, shape: Callable[[Stage], tuple[list[Settings], Settings, list[LossyLink]]]
) -> None:
    stage.bikes = BIKES
    devices, settings, links = shape(stage)
    gateway = stage.pair.start_gateway(None, **settings)
    for bike, device in zip(BIKES, devices, strict=True):
        start_device(stage, bike, device)
    stage.wait_until_heard()
    witness = stage.control()
    for _ in range(KILLS):
        pass_readings(stage)
        with witness.expecting("disconnect"):
            gateway.stop(signal.SIGKILL)
        with witness.expecting("subscribed"):
            gateway = stage.pair.start_gateway(None, **settings)
        stage.wait_until_heard()
    pass_readings(stage)
    for link in links:
        link.harm = Harm()
        assert link.done["lost"] > 0
    targets = heads(stage)
    eventually(lambda: witness.has(targets), what=f"all of {targets}")
    verdicts = assert_whole(witness)
    assert len(verdicts) == len(BIKES)
    assert all(len(witness.tapes[0, bike]) > 0 for bike in BIKES)
    assert [witness.verdict(bike).readings for bike in BIKES] == [
        witness.verdict(bike).position.seq for bike in BIKES
    ]  # from the first reading on


def start_device(stage: Stage, bike: str, settings: Settings) -> RunningProcess:
    """Start a device process for one bike."""
    environ: Settings = {
        "SPOKE_ENV": "test",
        "SPOKE_LOG_LEVEL": "INFO",
        "SPOKE_DEVICE_ID": bike,
        "SPOKE_RATE_HZ": RATE_HZ,
        **settings,
    }
    device = stage.pair.start_process(["python", "-m", "device"], environ)
    device.wait_for_line("started")
    return device


def pass_readings(stage: Stage) -> None:
    """Wait until the gateway has many more readings of each bike."""
    wanted = {bike: head.seq + ENOUGH for bike, head in heads(stage).items()}
    eventually(
        lambda: all(head.seq >= wanted[bike] for bike, head in heads(stage).items()),
        what=f"readings up to {wanted}",
    )


def heads(stage: Stage) -> dict[str, Cursor]:
    """Ask the gateway how far it has each bike."""
    listed = stage.pair.get("/api/v1/devices").json["devices"]
    cursors = {one["device_id"]: parse_cursor(one["cursor"]) for one in listed}
    return {bike: cursor for bike, cursor in cursors.items() if cursor is not None}


def lossy(stage: Stage, port: int, *, outward: bool = False) -> LossyLink:
    link = LossyLink(stage.free_port(), port, HARM, seed=port, outward=outward)
    return stage.stack.enter_context(closing(link))


def outward(live: int, replay: int) -> Settings:
    """Connect a device to these ports."""
    return {"SPOKE_PUB_CONNECT": endpoint(live), "SPOKE_REPLAY_CONNECT": endpoint(replay)}


def binding(live: str, live_port: int, replay: str, replay_port: int) -> Settings:
    return {live: endpoint(live_port), replay: endpoint(replay_port)}
