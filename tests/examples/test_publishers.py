"""Publishers in C and JavaScript, and the one for boards without libzmq.

The first two bind, and a gateway connects to them. The board connects to a gateway.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from time import monotonic

import pytest

from device.check.probe import check
from device.check.verdict import NOTHING_HEARD, RIGHT, Verdict, as_text
from shared.cursor import Cursor, parse_cursor
from tests.conftest import StartProcess
from tests.examples.publishers import INTERPRETERS, Ports, Publishers
from tests.faults.relay import Relay
from tests.faults.stage import assert_whole, endpoint
from tests.faults.witnesses import SCRIPT, Witnesses
from tests.system.pair import Pair
from tests.timing import eventually

BINDING = ("c", "javascript")
BOARDS = tuple(INTERPRETERS)
LISTEN_S = 1.0
CUT_S = 0.8
HOLE_S = 1.4
"""Longer than a board of the tests waits for a gateway that is silent."""
IN_A_FRAME = ((150, None), (331, None))
"""Bytes from a board after which a connection ends: after its handshake, inside a message."""
BACK_WAIT_S = 30.0
START_WAIT_S = 20.0

FreePort = Callable[[], int]


@pytest.fixture
def publishers(start_process: StartProcess, tmp_path: Path) -> Publishers:
    return Publishers(start_process, tmp_path)


@pytest.fixture
def relay_to(free_port: FreePort) -> Iterator[Callable[[int], Relay]]:
    """Start relays to ports."""
    with ExitStack() as stack:
        yield lambda target: stack.enter_context(closing(Relay(free_port(), target)))


@pytest.mark.parametrize("name", [*BINDING, *BOARDS])
def test_publisher_keeps_protocol(publishers: Publishers, name: str, free_port: FreePort) -> None:
    ports = Ports(free_port(), free_port())
    device_id = publishers.start(name, ports)
    verdict = check_when_heard(ports, bind=name in BOARDS)
    assert verdict.code == RIGHT, as_text(verdict)
    assert verdict.judge.devices.keys() == {device_id}
    assert verdict.judge.devices[device_id].readings > 5
    assert publishers.started[0].output == ""


def check_when_heard(ports: Ports, *, bind: bool) -> Verdict:
    """Check a publisher, again and again until it has started."""
    verdicts: list[Verdict] = []

    def is_heard() -> bool:
        verdicts.append(check([endpoint(ports.pub)], endpoint(ports.replay), LISTEN_S, bind=bind))
        return verdicts[-1].code != NOTHING_HEARD

    eventually(is_heard, what="a message", timeout_s=START_WAIT_S)
    return verdicts[-1]


def test_cut_links_cost_no_reading(
    publishers: Publishers,
    pair: Callable[[], Pair],
    relay_to: Callable[[int], Relay],
    free_port: FreePort,
) -> None:
    outer, inner = pair(), pair()
    relays = [relay_to(inner.live), relay_to(inner.replay)]
    boards = [publishers.start(name, Ports(*(relay.port for relay in relays))) for name in BOARDS]
    bikes, legs = start_binding(publishers, relay_to, free_port)
    outer.start_gateway(
        SPOKE_DEVICE_CONNECT=",".join(endpoint(live.port) for live, _replay in legs),
        SPOKE_REPLAY_CONNECT=",".join(endpoint(replay.port) for _live, replay in legs),
    )
    inner.start_gateway(
        SPOKE_DEVICE_CONNECT=None,
        SPOKE_REPLAY_CONNECT=None,
        SPOKE_DEVICE_BIND=endpoint(inner.live),
        SPOKE_REPLAY_BIND=endpoint(inner.replay),
    )
    watching = [(outer, bikes, watch(outer, bikes)), (inner, boards, watch(inner, boards))]

    every = [*relays, *(relay for leg in legs for relay in leg)]
    for relay in relays:
        relay.swallow()
    pass_time(HOLE_S)
    for relay in every:
        relay.cut()
    pass_time(CUT_S)
    for relay in every:
        relay.mend()
    relays[0].end_each_after(IN_A_FRAME)
    eventually(lambda: relays[0].cuts == len(IN_A_FRAME), what="cuts", timeout_s=BACK_WAIT_S)

    for gateway, devices, witness in watching:
        wait_until_caught_up(gateway, devices, witness)
        assert_whole(witness)
        assert {device for _client, device in witness.tapes} == set(devices)


@pytest.fixture
def pair(start_process: StartProcess, free_port: FreePort) -> Callable[[], Pair]:
    """Make pairs whose processes are yet to start."""
    return lambda: Pair(start_process, web=free_port(), live=free_port(), replay=free_port())


def start_binding(
    publishers: Publishers, relay_to: Callable[[int], Relay], free_port: FreePort
) -> tuple[list[str], list[tuple[Relay, Relay]]]:
    """Start the publishers that bind; returns their bikes, and two relays to each."""
    bikes, legs = [], []
    for name in BINDING:
        ports = Ports(free_port(), free_port())
        bikes.append(publishers.start(name, ports))
        legs.append((relay_to(ports.pub), relay_to(ports.replay)))
    return bikes, legs


def watch(pair: Pair, bikes: list[str]) -> Witnesses:
    """Start a stock client once the gateway has readings of all bikes."""
    for bike in bikes:
        pair.wait_until_known(bike)
    script = json.dumps({"url": pair.url, "options": {"transports": ["websocket"]}})
    witness = Witnesses(pair.start_process(["node", str(SCRIPT), script]))
    witness.wait_for("subscribed")
    return witness


def wait_until_caught_up(pair: Pair, bikes: list[str], witness: Witnesses) -> None:
    """Wait until the client has the readings that each bike publishes from now on."""
    targets = {bike: position(pair, bike) for bike in bikes}
    later = {bike: Cursor(at.epoch, at.seq + 10) for bike, at in targets.items()}
    eventually(lambda: witness.has(later), what=str(later), timeout_s=BACK_WAIT_S)


def position(pair: Pair, bike: str) -> Cursor:
    cursor = parse_cursor(pair.get(f"/api/v1/devices/{bike}").json["cursor"])
    assert cursor is not None
    return cursor


def pass_time(seconds: float) -> None:
    """Let a fault last."""
    until_s = monotonic() + seconds
    eventually(lambda: monotonic() >= until_s, what="the time", timeout_s=seconds + 5)
