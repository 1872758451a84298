"""A long run of two gateways behind HAProxy: many clients, and a gateway killed every 10 s."""

import resource
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.debian import find_program
from scripts.fault_runs.scene import process_starter
from shared.setting_table import SETTINGS
from tests.cluster.cluster import POLLING, WEBSOCKET, Cluster
from tests.cluster.proxies import HAProxy
from tests.faults.stage import Stage
from tests.faults.witnesses import Witnesses
from tests.ports import free_port
from tests.processes import RunningProcess
from tests.system.pair import Pair

CLIENTS = 2_000
PROCESSES_OF_CLIENTS = 8
PARTS_ON_POLLING = 3
"""Every third process of clients only polls."""
RATE_HZ = 2.0
COLLECTS_MS = "1000"
"""A polling client is sent one answer a second: 2,000 clients need little of two cores."""
BETWEEN_KILLS_S = 10.0
SETTLE_WAIT_S = 120.0
REDIS_SETTING = "SPOKE_REDIS_URL"


@dataclass
class ClusterScene:
    """The processes of the run."""

    stack: ExitStack
    say: Callable[[str], None]
    clients: int = CLIENTS
    done: Counter[str] = field(default_factory=Counter)
    witnesses: dict[str, Witnesses] = field(default_factory=dict)
    settings: dict[str, str | None] = field(default_factory=lambda: {"SPOKE_FLUSH_MS": COLLECTS_MS})
    """What every gateway is started with."""
    redis: RunningProcess | None = None

    def __post_init__(self) -> None:
        self._starts = process_starter(self.stack)
        pair = Pair(self._starts, web=free_port(), live=free_port(), replay=free_port())
        self.folder = Path(self.stack.enter_context(TemporaryDirectory(prefix="cluster-")))
        self.cluster = Cluster(Stage(pair, free_port, self.stack), self.folder)
        self.redis_port = free_port()

    def start(self) -> None:
        """Start all processes; return when all clients have all readings."""
        self._start_redis()
        self.cluster.start(rate_hz=RATE_HZ, **self.settings)
        self.proxy: HAProxy = self.cluster.start_haproxy()
        for number in range(PROCESSES_OF_CLIENTS):
            polls = number % PARTS_ON_POLLING == PARTS_ON_POLLING - 1
            kind, options = ("polling", POLLING) if polls else ("websocket", WEBSOCKET)
            crowd = self.cluster.watch(self.proxy, self.clients // PROCESSES_OF_CLIENTS, options)
            self.witnesses[f"{kind}, process {number + 1}"] = crowd
        self.witnesses["control"] = self.cluster.watch(self.proxy, 1, WEBSOCKET)
        self.settle()

    def settle(self) -> None:
        """Wait until every client has all published readings."""
        self.cluster.stage.settle(*self.witnesses.values(), timeout_s=SETTLE_WAIT_S)

    def run(self, lasts_s: float) -> None:
        """Apply the faults until the time is up, then wait for all readings."""
        began_s = time.monotonic()
        once = [(lasts_s * 2 / 3, "HAProxy restarted", self._restart_haproxy)]
        if self.redis is not None:
            once.insert(0, (lasts_s / 3, "Redis restarted", self._restart_redis))
        for number in cycle((1, 2)):
            self._pass_time(BETWEEN_KILLS_S)
            passed_s = time.monotonic() - began_s
            if passed_s >= lasts_s:
                break
            while once and passed_s >= once[0][0]:
                _, name, act = once.pop(0)
                self._apply(name, act)
            self._apply("gateway killed", lambda: self._kill_gateway(number))  # noqa: B023  # called at once
        self.settle()

    def _apply(self, name: str, act: Callable[[], None]) -> None:
        began_s = time.monotonic()
        act()
        self.done[name] += 1
        self.say(f"{self.done.total():4} {name}: {time.monotonic() - began_s:.1f} s")

    def _kill_gateway(self, number: int) -> None:
        self.cluster.stop_gateway(number, signal.SIGKILL)
        self.cluster.start_gateway(number, **self.settings)

    def _restart_haproxy(self) -> None:
        self.proxy.process.stop(signal.SIGKILL)
        self.proxy.start()

    def _start_redis(self) -> None:
        if REDIS_SETTING not in SETTINGS:
            self.say(f"there is no setting {REDIS_SETTING}: the gateways run without Redis")
            return
        program = find_program("redis-server")
        if program is None:
            self.say("redis-server is missing: the gateways run without Redis")
            return
        self.settings[REDIS_SETTING] = f"redis://127.0.0.1:{self.redis_port}"
        options = ["--port", str(self.redis_port), "--bind", "127.0.0.1", "--save", ""]
        self.redis = self._starts([program, *options], {}, self.folder)
        self.redis.wait_for_line("Ready to accept connections")

    def _restart_redis(self) -> None:
        assert self.redis is not None
        self.redis.stop(signal.SIGKILL)
        self._start_redis()

    def _pass_time(self, seconds: float) -> None:
        self.cluster.stage.pass_time(seconds, *self.witnesses.values())


def raise_descriptor_limit() -> None:
    """Let this process and its children open as many files as the system permits."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
