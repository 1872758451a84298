"""The stage of every scenario: bikes, gateways and witnesses, and a relay on each leg between.

``device -- live, replay relays --> gateway -- web relay --> witness``, and a control client that
is connected to the gateway with nothing in between.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from time import monotonic

import psutil
import zmq

from shared.contexts import open_context
from shared.cursor import Cursor
from shared.wire import ReplayAnswer, ReplayRequest, decode_answer, encode_request
from tests.faults.relay import Relay
from tests.faults.tape import Verdict
from tests.faults.witnesses import SCRIPT, Json, Witnesses
from tests.processes import RunningProcess
from tests.system.pair import Pair
from tests.timing import eventually, scaled_s

BIKES = tuple(f"ebike-{n:03}" for n in range(1, 6))
RATE_HZ = 200
"""Of each of the five: 1,000 readings a second."""
ANSWER_WAIT_S = 5.0
READY_WAIT_S = 20.0
SETTLE_WAIT_S = 20.0
GROWTH_MAX_MB = 60
"""Of resident memory: the rings, which fill meanwhile, and what the allocator keeps."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a process holds."""

    threads: int
    descriptors: int
    memory_mb: float


def footprint(pid: int) -> Footprint:
    """Measure a process."""
    process = psutil.Process(pid)
    memory_mb = process.memory_info().rss / 1e6
    return Footprint(process.num_threads(), process.num_fds(), memory_mb)


@dataclass
class Stage:
    """See the module; nothing but the relays runs at first."""

    pair: Pair
    free_port: Callable[[], int]
    stack: ExitStack
    bikes: tuple[str, ...] = BIKES
    device_settings: dict[str, str | None] = field(default_factory=dict)
    """What every device is started with."""
    device: RunningProcess = field(init=False)
    live: Relay = field(init=False)
    replay: Relay = field(init=False)
    web: Relay = field(init=False)

    def __post_init__(self) -> None:
        self.live = self.relay_to(self.pair.live)
        self.replay = self.relay_to(self.pair.replay)
        self.web = self.relay_to(self.pair.web)

    def relay_to(self, target: int) -> Relay:
        """Start a relay to a port."""
        return self.stack.enter_context(closing(Relay(self.free_port(), target)))

    # --- who takes part --------------------------------------------------------------------

    def start_device(self, argv: list[str] | None = None, /, **more: str | None) -> RunningProcess:
        """Start the bikes, all in one process."""
        fleet = {"SPOKE_FLEET_SIZE": str(len(self.bikes)), "SPOKE_RATE_HZ": str(RATE_HZ)}
        self.device = self.pair.start_device(argv, **{**fleet, **self.device_settings, **more})
        return self.device

    def start_gateway(self, argv: list[str] | None = None, /, **more: str | None) -> RunningProcess:
        """Start the gateway behind the relays."""
        legs = {
            "SPOKE_DEVICE_CONNECT": endpoint(self.live.port),
            "SPOKE_REPLAY_CONNECT": endpoint(self.replay.port),
        }
        return self.pair.start_gateway(argv, **{**legs, **more})

    def watch(
        self, port: int | None = None, *, ready_s: float = READY_WAIT_S, **config: Json
    ) -> Witnesses:
        """Start witnesses of everything behind the web relay; see ``witness.mjs``."""
        url = f"http://127.0.0.1:{port or self.web.port}"
        websocket = {"transports": ["websocket"]}
        script = json.dumps({"url": url, "options": websocket, **config})
        process = self.pair.start_process(["node", str(SCRIPT), script])
        bikes = None if config.get("devices", "*") == "*" else config["devices"]
        witnesses = Witnesses(process, config.get("clients", 1), bikes)
        witnesses.wait_for("subscribed", witnesses.clients, ready_s)
        return witnesses

    def control(self, **config: Json) -> Witnesses:
        """Start a healthy witness, connected without a relay."""
        return self.watch(self.pair.web, **config)

    def play(
        self, watching: dict[str, Json] | None = None, /, **gateway: str | None
    ) -> tuple[RunningProcess, Witnesses, Witnesses]:
        """Start all of them; returns gateway, witness and control when readings come."""
        self.start_device()
        process = self.start_gateway(**gateway)
        self.wait_until_heard()
        config = watching or {}
        witness, control = self.watch(**config), self.control(**config)
        self.warm_up(witness, control)
        return process, witness, control

    def warm_up(self, *watching: Witnesses) -> None:
        """Wait until everybody has caught up with every bike, and measure from there."""
        self.settle(*watching)
        for witnesses in watching:
            witnesses.close_window()

    def wait_until_heard(self) -> None:
        """Wait until the gateway knows every bike: who subscribes then is told where it begins."""

        def is_complete() -> bool:
            devices = self.pair.get("/api/v1/devices").json["devices"]
            return {device["device_id"] for device in devices} >= set(self.bikes)

        eventually(is_complete, what="every bike")

    # --- how far it is ---------------------------------------------------------------------

    def newest(
        self, port: int | None = None, bikes: Iterable[str] | None = None
    ) -> dict[str, Cursor]:
        """Ask a device itself, past relays and gateway, what it published last of each bike.

        One that has just started is asked until it has published something of each: what its
        journal holds from before does not count.
        """
        begun_in = _epoch_of(self.device) if port is None else 0
        with open_context() as context, closing(context.socket(zmq.DEALER)) as asker:
            asker.linger = 0
            asker.rcvtimeo = int(scaled_s(ANSWER_WAIT_S) * 1000)
            asker.connect(endpoint(port or self.pair.replay))
            newest: dict[str, Cursor] = {}

            def is_complete() -> bool:
                newest.update(_ask_newest(asker, bikes or self.bikes))
                epochs = {cursor.epoch for cursor in newest.values()}
                is_current = len(epochs) == 1 and min(epochs) >= begun_in
                return newest.keys() >= set(bikes or self.bikes) and is_current

            eventually(is_complete, what="a reading of each bike")
        return newest

    def settle(self, *watching: Witnesses, timeout_s: float = SETTLE_WAIT_S) -> None:
        """Wait until everybody has got what was published last when this was called."""
        targets = self.newest()
        for witnesses in watching:
            eventually(
                lambda seen=witnesses: seen.has(targets),  # type: ignore[misc]  # mypy cannot tell its type
                what=f"all of {targets}",
                timeout_s=timeout_s,
            )

    def pass_time(self, seconds: float, *watching: Witnesses) -> None:
        """Let a fault last: the time is counted in readings that the device went on to publish."""
        until_s = monotonic() + seconds
        eventually(lambda: monotonic() >= until_s, what="the time", timeout_s=seconds + 5)
        for witnesses in watching:
            witnesses.update()


def endpoint(port: int) -> str:
    """Name a port as ZeroMQ does."""
    return f"tcp://127.0.0.1:{port}"


def assert_whole(witnesses: Witnesses, reasons: Iterable[str] = ()) -> list[Verdict]:
    """Assert that every stream is whole, with gaps for no other reasons than these."""
    witnesses.update()
    verdicts = witnesses.verdicts()
    assert verdicts, "nothing was seen"
    allowed = set(reasons)
    for stream, verdict in zip(witnesses.tapes, verdicts, strict=True):
        assert verdict.is_whole, f"{stream}: {verdict}\n{witnesses.tapes[stream]}"
        assert set(verdict.reasons) <= allowed, f"{stream}: {verdict.gaps}"
    assert not witnesses.counts["error"]
    return verdicts


def assert_undisturbed(control: Witnesses, pause_max_ms: float = 1_000) -> None:
    """Assert that a control client noticed nothing."""
    window = control.close_window()
    assert_whole(control)
    assert not control.counts["disconnect"]
    assert window.pause_ms < scaled_s(pause_max_ms), window
    assert window.hidden == 0, window


def assert_back(pid: int, before: Footprint) -> None:
    """Assert that a process holds no more than before."""

    def is_back() -> bool:
        now = footprint(pid)
        return now.threads <= before.threads and now.descriptors <= before.descriptors

    eventually(is_back, what=f"threads and descriptors of {before}")
    now = footprint(pid)
    assert now.memory_mb - before.memory_mb < GROWTH_MAX_MB, (before, now)


def _epoch_of(device: RunningProcess) -> int:
    """Return the epoch in which a device, or the one its keeper started last, began."""
    return int(re.findall(r"started .* epoch=(\d+)", device.output)[-1])


def _ask_newest(asker: "zmq.Socket[bytes]", bikes: Iterable[str]) -> Iterator[tuple[str, Cursor]]:
    for bike in bikes:
        asker.send(encode_request(ReplayRequest("newest", bike, None, 1)))
        answer = decode_answer(asker.recv_multipart())
        if isinstance(answer, ReplayAnswer) and answer.newest is not None:
            yield bike, answer.newest
