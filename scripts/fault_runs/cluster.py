"""A long run of two gateways behind HAProxy: many clients, and a gateway killed every 10 s."""

import resource
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import zmq

from scripts.debian import SERVERS, find_program
from scripts.fault_runs.scene import process_starter
from scripts.fault_runs.table import stuck
from shared.cursor import Cursor
from tests.cluster.cluster import POLLING, WEBSOCKET, Cluster
from tests.cluster.proxies import HAProxy
from tests.faults.stage import Stage
from tests.faults.witnesses import Json, Stream, Witnesses
from tests.ports import free_port
from tests.processes import RunningProcess
from tests.system.pair import Pair
from tests.timing import POLL_S, scaled_s

CLIENTS = 2_000
PROCESSES_OF_CLIENTS = 8
PARTS_ON_POLLING = 3
"""Every third process of clients only polls."""
RATE_HZ = 2.0
COLLECTS_MS = "1000"
"""A polling client is sent one answer a second: 2,000 clients need little of two cores."""
BETWEEN_KILLS_S = 10.0
READY_WAIT_S = 60.0
"""For the clients of a process to subscribe, while they and others start on two cores."""
SETTLE_WAIT_S = 300.0
"""For all clients together."""
REDIS_SETTING = "SPOKE_REDIS_URL"


class RunFailed(Exception):
    """The run cannot go on. The text says why."""


FAILURES = (RunFailed, AssertionError, OSError, zmq.ZMQError)
"""What a start and a run raise when a process does not start, ends, or does not answer."""


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
        """Start all processes; return when all clients have all readings. Raises FAILURES."""
        if find_program("haproxy") is None:
            raise RunFailed(f"HAProxy is missing: install the package {SERVERS['haproxy']}")
        self._start_redis()
        self.cluster.start(rate_hz=RATE_HZ, **self.settings)
        self.proxy: HAProxy = self.cluster.start_haproxy()
        for number in range(PROCESSES_OF_CLIENTS):
            polls = number % PARTS_ON_POLLING == PARTS_ON_POLLING - 1
            kind, options = ("polling", POLLING) if polls else ("websocket", WEBSOCKET)
            share = max(1, self.clients // PROCESSES_OF_CLIENTS)
            self._start_clients(f"{kind}, process {number + 1}", share, options)
        self._start_clients("control", 1, WEBSOCKET)
        self.settle()

    def _start_clients(self, name: str, clients: int, options: Json) -> None:
        try:
            self.witnesses[name] = self.cluster.watch(self.proxy, clients, options, READY_WAIT_S)
        except AssertionError as error:
            raise RunFailed(f"{clients} clients of {name!r}: {error}") from error

    def settle(self) -> None:
        """Wait until every client has all published readings. Raises RunFailed."""
        targets = self.cluster.stage.newest()
        until_s = time.monotonic() + scaled_s(SETTLE_WAIT_S)
        while behind := self._behind(targets):
            if time.monotonic() > until_s:
                raise RunFailed(stuck(behind, scaled_s(SETTLE_WAIT_S)))
            time.sleep(POLL_S)

    def _behind(self, targets: Mapping[str, Cursor]) -> dict[str, dict[Stream, Cursor]]:
        """Return where the clients are that lack readings, by the name of their process."""
        found = {name: crowd.behind(targets) for name, crowd in self.witnesses.items()}
        return {name: streams for name, streams in found.items() if streams}

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
        for gateway in self.cluster.gateways.values():
            gateway.wait_for_line("Redis is back")

    def _pass_time(self, seconds: float) -> None:
        self.cluster.stage.pass_time(seconds, *self.witnesses.values())


def raise_descriptor_limit() -> None:
    """Let this process and its children open as many files as the system permits."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
