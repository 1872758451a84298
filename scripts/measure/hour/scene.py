"""Starts the processes of a run, and ends them so that the client has all readings."""

import json
import shlex
import signal
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from scripts.fault_runs.scene import process_starter
from scripts.measure.hour.kinds import Kind, Medium, pace
from scripts.measure.hour.report import LOG, RECEIVED, TRUTH
from shared.cursor import Cursor
from tests.conftest import StartProcess
from tests.controllers import READY
from tests.faults.witnesses import SCRIPT, Witnesses
from tests.mosquitto import Mosquitto
from tests.ports import free_port
from tests.processes import RunningProcess
from tests.system.pair import Pair
from tests.timing import eventually

STOP_S = 30.0
DID_NOT_STOP = -signal.SIGKILL
MUCH_LONGER_S = 600.0
"""An emulator ends by itself so long after the run, should this program be killed."""


@dataclass
class Scene:
    """The processes of one run; ``stack`` kills those that are left at its end."""

    stack: ExitStack
    folder: Path
    kinds: dict[str, Kind]
    seconds: float
    seed: int
    ends: dict[str, int] = field(default_factory=dict)
    """The exit codes of the processes that ended, by their names."""
    _running: dict[str, RunningProcess] = field(default_factory=dict)
    _broker: Mosquitto | None = None
    _start: StartProcess = field(init=False)
    _pair: Pair = field(init=False)
    _witness: Witnesses = field(init=False)
    _written: int = 0

    def __post_init__(self) -> None:
        self._start = process_starter(self.stack)
        self._pair = Pair(self._start, free_port(), free_port(), free_port())

    def start(self, stop: threading.Event) -> None:
        """Start all processes; start no more once ``stop`` is set."""
        ports = {name: (free_port(), free_port()) for name in self.kinds}
        lives = ",".join(f"tcp://127.0.0.1:{live}" for live, _ in ports.values())
        replays = ",".join(f"tcp://127.0.0.1:{replay}" for _, replay in ports.values())
        self._running["gateway"] = self._pair.start_gateway(
            SPOKE_DEVICE_CONNECT=lives,
            SPOKE_REPLAY_CONNECT=replays,
            SPOKE_LOG_DIR=str(self.folder / "gateway"),
        )
        config = {"url": self._pair.url, "bodies": True, "options": {"transports": ["websocket"]}}
        self._running["client"] = self._start(["node", str(SCRIPT), json.dumps(config)])
        self._witness = Witnesses(self._running["client"])
        self._witness.wait_for("subscribed")
        ends = self._start_media()
        for name, kind in self.kinds.items():
            if not stop.is_set():
                self._start_kind(name, kind, ends[name], ports[name])
        self.update()

    def update(self) -> int:
        """Write down what the client received; return the number of readings so far."""
        lines = self._witness.process.lines_from(self._written)
        with (self.folder / RECEIVED).open("a") as file:
            file.writelines(f"{line}\n" for line in lines)
        self._written += len(lines)
        self._witness.update()
        return self._witness.counts["reading"]

    def ended_early(self) -> list[str]:
        """Name the processes that are gone, and keep their exit codes."""
        codes = {name: one.process.poll() for name, one in self._running.items()}
        gone = {name: code or 1 for name, code in codes.items() if code is not None}
        self.ends |= gone
        return sorted(gone)

    def end(self) -> None:
        """End the hardware, then the devices, then, when the client has all, the rest."""
        self._write_logs()
        for part in ("hardware", "device"):
            for name in self.kinds:
                self._stop(f"{name} {part}")
        try:
            eventually(self._has_all, what="the last readings", timeout_s=STOP_S)
        except (AssertionError, OSError):
            self.ends["client waiting for the last readings"] = 1
        for name in ("client", "gateway"):
            self._stop(name)
        self.update()

    def _start_media(self) -> dict[str, tuple[str, str]]:
        """Start controllers and broker; return both ends of the transport of each kind."""
        ends = dict.fromkeys(self.kinds, ("", ""))
        on_air = [name for name, kind in self.kinds.items() if kind.medium is Medium.AIR]
        ports = [str(free_port()) for _ in range(2 * len(on_air))]
        if on_air:
            controllers = self._start(["python", "-m", "tests.controllers", *ports])
            controllers.wait_for_line(READY)
            self._running["controllers"] = controllers
        for name, ours, theirs in zip(on_air, ports[::2], ports[1::2], strict=True):
            ends[name] = f"tcp-client:127.0.0.1:{ours}", f"tcp-client:127.0.0.1:{theirs}"
        for name, kind in self.kinds.items():
            (self.folder / name).mkdir()
            if kind.medium is Medium.WIRE:
                port = str(self.folder / name / "port")
                ends[name] = port, port
            elif kind.medium is Medium.BROKER:
                self._broker = Mosquitto(self._start, self.folder / name, free_port(), tls=True)
                broker = f"localhost:{self._broker.port}"
                ends[name] = broker, broker
        return ends

    def _start_kind(
        self, name: str, kind: Kind, ends: tuple[str, str], ports: tuple[int, int]
    ) -> None:
        folder = self.folder / name
        names = {"ours": ends[0], "theirs": ends[1], **pace(self.seconds)}
        names["login"] = "" if self._broker is None else str(self._broker.password_file)
        options = [word.format(**names) for word in shlex.split(kind.options)]
        usual = ["--truth", str(folder / TRUTH), "--seed", str(self.seed)]
        lasts = ["--seconds", str(self.seconds + MUCH_LONGER_S)]
        emulator = ["python", "-m", "device.emulate", name, *usual, *lasts, *options]
        if kind.medium is Medium.WIRE:  # a device needs its port at the start
            hardware = self._running[f"{name} hardware"] = self._start(emulator)
            hardware.wait_for_line(f"^{ends[0]}$")
        device = self._running[f"{name} device"] = self._pair.start_device(
            None,
            SPOKE_DEVICE_ID=name,
            SPOKE_PUB_BIND=f"tcp://127.0.0.1:{ports[0]}",
            SPOKE_REPLAY_BIND=f"tcp://127.0.0.1:{ports[1]}",
            SPOKE_LOG_DIR=str(folder / "logs"),
            SPOKE_RATE_HZ="1",
            SPOKE_SEED=str(self.seed),
            **{key: value.format(**names) for key, value in kind.settings.items()},
        )
        if kind.medium is Medium.BROKER:  # a broker keeps nothing for a device that comes later
            device.wait_for_line("mqtt_subscribed")
        if kind.medium in (Medium.AIR, Medium.BROKER):
            self._running[f"{name} hardware"] = self._start(emulator)

    def _write_logs(self) -> None:
        """Keep the log that tells of links: the broker's, else the device's."""
        for name, kind in self.kinds.items():
            if kind.medium is Medium.BROKER and self._broker is not None:
                log = self._broker.output
            else:
                log = self._running[f"{name} device"].output
            (self.folder / name / LOG).write_text(log)

    def _stop(self, name: str) -> None:
        """Stop a process, unless it is gone; the stack kills one that does not stop."""
        process = self._running.pop(name, None)
        if process is None or name in self.ends:
            return
        try:
            self.ends[name] = process.stop(timeout_s=STOP_S)
        except AssertionError:
            self.ends[name] = DID_NOT_STOP

    def _has_all(self) -> bool:
        self.update()
        return all(map(self._has_all_of, self.kinds))

    def _has_all_of(self, name: str) -> bool:
        """Tell whether a device has ended, and the client has its last reading."""
        answer = self._pair.get(f"/api/v1/devices/{name}")
        if answer.status != HTTPStatus.OK:  # the device never sent anything
            return True
        latest = answer.json["latest"]
        target = {name: Cursor(latest["epoch"], latest["seq"])} if latest else {}
        return not answer.json["online"] and self._witness.has(target)
