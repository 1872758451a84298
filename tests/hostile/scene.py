"""A measured gateway, a bike and honest clients beside the attacks; started once for many of them.

``bike, crowd ──PUB──> gateway ──> two honest stock clients``, one by WebSocket and one by polling.
The crowd is 10,000 bikes that said one reading each: lists are as long as they can be.
"""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import psutil
import zmq

from shared.cursor import Cursor, parse_cursor
from tests import processes
from tests.faults.stage import endpoint
from tests.faults.witnesses import SCRIPT, Window, Witnesses
from tests.hostile.attacker import TEXT, Attacker, Target, event, frame, pour
from tests.ports import free_port
from tests.processes import RunningProcess
from tests.system.pair import Pair
from tests.timing import eventually, scaled_s

BIKE = "ebike-001"
RATE_HZ = 50
CROWD = 9_999
CONNECTIONS_MAX = 400
"""Few enough that an attack can take all of them."""
OUTBOX_MB = 8
"""The least there may be: what nobody takes then costs less than an attack may."""
HONEST_CLIENTS = 100
"""So many are opened once to see what an honest client costs."""
SAMPLE_S = 0.02
BACK_WAIT_S = 10.0
"""A connection that is being closed may last 5 s."""
REPORT_WAIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Costs:
    """What an attack cost the gateway, and what the honest clients saw meanwhile."""

    longest_turn_ms: float
    longest_collection_ms: float
    calibration_ms: float
    growth_mb: float
    log_lines: list[str]
    windows: list[Window]
    slowdown: float
    """How many times longer all took the gateway because others had the processors."""

    def __str__(self) -> str:
        return (
            f"longest turn {self.longest_turn_ms:.0f} ms ({self.turn:.0f} calibration loops), "
            f"collection {self.longest_collection_ms:.0f} ms, {self.growth_mb:+.0f} MB, "
            f"pause {self.longest_pause_s:.2f} s (slowed down {self.slowdown:.1f} times), "
            f"{len(self.log_lines)} log lines"
        )

    @property
    def turn(self) -> float:
        """The longest turn as a multiple of the calibration loop."""
        return self.longest_turn_ms / self.calibration_ms

    @property
    def longest_pause_s(self) -> float:
        """The longest time in which an honest client got nothing."""
        return max(window.pause_ms for window in self.windows) / 1000


class Scene:
    """Everything an attack needs; all of it ends with ``close``."""

    def __init__(self, connections_max: int = CONNECTIONS_MAX, crowd: int = CROWD) -> None:
        self._connections_max, self._crowd = connections_max, crowd
        self._stack = ExitStack()
        self._is_measuring = False
        self.target = Target(free_port(), free_port(), free_port())
        self._pair = Pair(self._start, self.target.web, self.target.device_bind, 0)
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        self.gateway, self._meter = self._start_gateway()
        self.process = psutil.Process(self.gateway.pid)
        self._device = self._start_device()
        self._pair.wait_until_known(BIKE)
        self._stack.callback(publish_crowd(self.target.device_bind, self._crowd).close)
        eventually(lambda: self.devices() > self._crowd, what="the crowd", timeout_s=30)
        self.honest = [self._watch("websocket"), self._watch("polling")]
        self.settle()
        self.client_mb = self._cost_of_a_client()
        self.memory_before_mb = self.memory_mb()
        self.descriptors = self.process.num_fds()

    def close(self) -> None:
        """End all processes."""
        self._stack.close()

    @property
    def is_sound(self) -> bool:
        """True while all processes run, nobody was disconnected, and no attack was broken off."""
        running = [self.gateway, self._device, *(each.process for each in self.honest)]
        has_ended = any(process.process.poll() is not None for process in running)
        return not (has_ended or self._is_measuring) and not any(
            each.counts["disconnect"] for each in self.honest
        )

    # Starting

    def _start(self, *args: Any, **options: Any) -> RunningProcess:
        process = processes.start(*args, **options)
        self._stack.callback(process.close)
        return process

    def _start_gateway(self) -> tuple[RunningProcess, Any]:
        port = free_port()
        gateway = self._pair.start_gateway(
            ["python", "-m", "tests.hostile.measured_gateway", str(port)],
            SPOKE_DEVICE_CONNECT=None,
            SPOKE_DEVICE_BIND=endpoint(self.target.device_bind),
            SPOKE_REPLAY_CONNECT=None,
            SPOKE_REPLAY_BIND=endpoint(self.target.replay_bind),
            SPOKE_DEVICES=BIKE,
            SPOKE_MAX_DEVICES=str(CROWD + 1),
            SPOKE_MAX_CONNECTIONS=str(self._connections_max),
            SPOKE_OUTBOX_MB=str(OUTBOX_MB),
        )
        line = socket.create_connection(("127.0.0.1", port), timeout=scaled_s(REPORT_WAIT_S))
        self._stack.callback(line.close)
        lines = line.makefile("rw")
        self._stack.callback(lines.close)
        return gateway, lines

    def _start_device(self) -> RunningProcess:
        return self._pair.start_device(
            SPOKE_RATE_HZ=str(RATE_HZ),
            SPOKE_DEVICE_ID=BIKE,
            SPOKE_PUB_BIND=None,
            SPOKE_PUB_CONNECT=endpoint(self.target.device_bind),
            SPOKE_REPLAY_BIND=None,
            SPOKE_REPLAY_CONNECT=endpoint(self.target.replay_bind),
        )

    def _watch(self, transport: str) -> Witnesses:
        """Start a stock client of the bike that resumes by cursor, should it be cut off."""
        config = {
            "url": self._pair.url,
            "devices": [BIKE],
            "since": {BIKE: "0-0"},
            "options": {"transports": [transport]},
        }
        witness = Witnesses(self._start(["node", str(SCRIPT), json.dumps(config)]), 1, {BIKE})
        witness.wait_for("subscribed")
        return witness

    def devices(self) -> int:
        """Count the bikes that the gateway knows."""
        count: int = self._pair.get("/readyz").json["devices"]
        return count

    # Measuring

    @contextmanager
    def measuring(self) -> Iterator[list[Costs]]:
        """Measure what is done inside; the list then holds the costs."""
        costs: list[Costs] = []
        self._is_measuring = True
        calibrated = self.report("clean")["calibration_ms"]
        for witness in self.honest:
            witness.close_window()
        lines = len(self.gateway.lines_from(0))
        before = Processor.read(self.gateway.pid)
        with Peak(self.process) as peak:
            yield costs
            self.settle()
        windows = [witness.close_window() for witness in self.honest]
        slowdown = Processor.read(self.gateway.pid).slowdown_since(before)
        report = self.report()
        costs.append(
            Costs(
                report["longest_turn_ms"],
                report["longest_collection_ms"],
                max(calibrated, report["calibration_ms"]),  # processors change their speed
                peak.growth_mb,
                self.gateway.lines_from(lines),
                windows,
                slowdown,
            )
        )
        self._is_measuring = False

    def settle(self) -> None:
        """Wait until the honest clients have what the gateway has now."""
        path = f"/api/v1/devices/{BIKE}"
        summary = self._pair.get(path, timeout_s=REPORT_WAIT_S).json
        cursor = parse_cursor(summary["cursor"])
        assert isinstance(cursor, Cursor)
        eventually(
            lambda: all(witness.has({BIKE: cursor}) for witness in self.honest),
            what=f"reading {cursor} at the honest clients",
            timeout_s=20,
        )

    def wait_until_back(self) -> None:
        """Wait until the gateway has no more descriptors than before the attacks."""
        eventually(
            lambda: self.process.num_fds() <= self.descriptors,
            what=f"the end of the attacker's connections (there were {self.descriptors})",
            timeout_s=BACK_WAIT_S,
        )

    def memory_mb(self) -> float:
        """Return the gateway's resident memory when all is given back that can be."""
        self.report("clean")
        return resident_mb(self.process)

    def report(self, request: str = "report") -> dict[str, float]:
        """Return what the gateway measured since the last report; ``clean`` has it free memory."""
        self._meter.write(f"{request}\n")
        self._meter.flush()
        report: dict[str, float] = json.loads(self._meter.readline())
        return report

    def _cost_of_a_client(self) -> float:
        """Measure what an honest client that reads all it gets costs, in MB."""
        subscribe = event("subscribe", json.dumps({"devices": [BIKE]}))
        before_mb = self.memory_mb()
        with Peak(self.process) as peak, Attacker(self.target) as attacker:
            clients = attacker.websockets(HONEST_CLIENTS, subscribe)
            pour(clients, frame(TEXT, b"6"), bytes_max=0, lasts_s=0.5)
        assert peak.growth_mb < before_mb
        return peak.growth_mb / HONEST_CLIENTS


class Processor(NamedTuple):
    """How long a process's first thread has run, and has waited for a processor to run on."""

    ran_ns: int
    waited_ns: int

    @classmethod
    def read(cls, pid: int) -> Self:
        """Read what Linux counts; other systems do not tell, and nothing seems to wait there."""
        try:
            ran, waited, _times = Path(f"/proc/{pid}/schedstat").read_text().split()
        except FileNotFoundError:
            return cls(0, 0)
        return cls(int(ran), int(waited))

    def slowdown_since(self, before: "Processor") -> float:
        """Tell how many times longer everything took since then than on a processor of its own."""
        ran_ns, waited_ns = self.ran_ns - before.ran_ns, self.waited_ns - before.waited_ns
        return (ran_ns + waited_ns) / max(ran_ns, 1) if waited_ns else 1.0


class Peak:
    """The most memory that a process has while something goes on."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._before_mb = self._most_mb = resident_mb(process)
        self._over = threading.Event()
        self._sampler = threading.Thread(target=self._sample)

    def __enter__(self) -> Self:
        self._sampler.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._sampler.join()

    @property
    def growth_mb(self) -> float:
        """The most that was more than before."""
        return self._most_mb - self._before_mb

    def _sample(self) -> None:
        while not self._over.wait(SAMPLE_S):
            try:
                self._most_mb = max(self._most_mb, resident_mb(self._process))
            except psutil.Error:  # it died, which the test finds out
                return


def resident_mb(process: psutil.Process) -> float:
    """Return the resident memory of a process."""
    return process.memory_info().rss / 1e6


class Crowd:
    """A publisher of many bikes that has said all it has to say, and stays connected."""

    def __init__(self, port: int) -> None:
        self._context: zmq.Context[Any] = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.linger, self._socket.sndhwm = 0, 0
        self._socket.rcvtimeo = int(scaled_s(REPORT_WAIT_S) * 1000)
        self._socket.connect(endpoint(port))

    def publish(self, count: int) -> None:
        """Say one reading of each bike, once the gateway has subscribed to both topics."""
        self._socket.recv()
        self._socket.recv()
        for number in range(count):
            device_id = f"crowd-{number:05}"
            reading = {"v": 1, "device_id": device_id, "epoch": 1, "seq": 1, "ts_ms": 0}
            topic, body = f"ebike/reading/{device_id}/", json.dumps(reading | {"speed_kmh": 21.4})
            self._socket.send_multipart([topic.encode(), body.encode()])

    def close(self) -> None:
        """Leave."""
        self._socket.close()
        self._context.term()


def publish_crowd(port: int, count: int) -> Crowd:
    """Have many bikes say a reading each."""
    crowd = Crowd(port)
    crowd.publish(count)
    return crowd
