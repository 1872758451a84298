"""The scene of a long run: the stage of the fault tests, with two gateways and three witnesses.

A lossy link and a replay proxy are always between the device and the gateways. They pass all data
on unchanged until a fault configures them otherwise.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from tests import processes
from tests.conftest import StartProcess
from tests.faults.lossy import Harm, LossyLink
from tests.faults.replays import ReplayProxy
from tests.faults.stage import Footprint, Stage, footprint
from tests.faults.witnesses import Json, Witnesses
from tests.ports import free_port
from tests.processes import RunningProcess
from tests.system.pair import Pair

POLLS_ONE_BIKE: Json = {
    "options": {"transports": ["polling"]},
    "devices": ["ebike-001"],
    "since": {"ebike-001": "0-0"},
}
"""A polling answer holds at most 16 packets. A client that polls for 1,000 readings per second
would need much longer than its absence to catch up, so this witness watches one bike."""


@dataclass
class Scene:
    """The processes and connections that a fault can break."""

    stack: ExitStack
    draw: Random
    stage: Stage = field(init=False)
    link: LossyLink = field(init=False)
    replay: ReplayProxy = field(init=False)
    gateway: RunningProcess = field(init=False)
    other_port: int = field(init=False)
    witnesses: dict[str, Witnesses] = field(init=False)
    before: Footprint = field(init=False)

    def __post_init__(self) -> None:
        start = process_starter(self.stack)
        pair = Pair(start, web=free_port(), live=free_port(), replay=free_port())
        self.stage = stage = Stage(pair, free_port, self.stack)
        enter = self.stack.enter_context
        seed = self.draw.randrange(2**32)
        self.link = enter(closing(LossyLink(free_port(), pair.live, Harm(), seed)))
        self.replay = enter(closing(ReplayProxy(free_port(), pair.replay)))
        stage.live.retarget(self.link.port)
        stage.replay.retarget(self.replay.port)
        self.other_port = free_port()
        folder = enter(TemporaryDirectory(prefix="faults-"))
        stage.device_settings["SPOKE_JOURNAL"] = str(Path(folder) / "journal.sqlite")

    @property
    def journal(self) -> Path:
        """The file of the device's journal."""
        return Path(str(self.stage.device_settings["SPOKE_JOURNAL"]))

    def device_goes_on(self) -> bool:
        """Tell whether the last started device continues the previous epoch."""
        return "goes_on=True" in self.stage.device.wait_for_line(r"started .*").group()

    def start(self) -> None:
        """Start all processes; return when all witnesses have caught up."""
        self.stage.start_device()
        self.gateway = self.stage.start_gateway()
        self.stage.start_gateway(SPOKE_GATEWAY_PORT=str(self.other_port))
        self.stage.wait_until_heard()
        self.witnesses = {
            "relayed": self.stage.watch(),
            "polling": self.stage.watch(**POLLS_ONE_BIKE),
            "control": self.stage.control(),
        }
        self.settle()
        self.before = footprint(self.gateway.pid)

    def settle(self) -> None:
        """Wait until every witness has all published readings."""
        self.stage.settle(*self.witnesses.values(), timeout_s=60)


def process_starter(stack: ExitStack) -> StartProcess:
    """Return a function that starts processes; ``stack`` ends them."""

    def start(
        argv: Sequence[str],
        environ: Mapping[str, str | None] | None = None,
        directory: Path = processes.ROOT,
    ) -> RunningProcess:
        process = processes.start(argv, environ, directory)
        stack.callback(process.close)
        return process

    return start
