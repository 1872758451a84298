"""A device, a gateway and stock clients, each a process of its own, on free ports."""

import json
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.ports import free_port
from tests.processes import ROOT, RunningProcess, StartProcess
from tests.publisher_check import start_check
from tests.timing import eventually, scaled_s

Json: TypeAlias = Any
HTTP_WAIT_S = 10.0
WITNESS = ROOT / "tests" / "system" / "witness.mjs"


@dataclass
class Answer:
    """An HTTP answer, whatever its status."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Json:
        return json.loads(self.text)


@dataclass
class Witness:
    """A stock client and what it printed."""

    process: RunningProcess

    @property
    def events(self) -> list[tuple[str, Json]]:
        lines = self.process.output.splitlines()
        return [(name, body) for name, body in map(json.loads, lines)]

    def bodies(self, event: str) -> list[Json]:
        return [body for name, body in self.events if name == event]

    def wait_for(self, event: str, count: int = 1, timeout_s: float = 20.0) -> Json:
        pattern = rf'^\["{event}",(.*)\]$'
        found = self.process.wait_for_line(pattern, count=count, timeout_s=timeout_s)
        return json.loads(found[1])


@dataclass
class Pair:
    """What a test starts and talks to; each process ends with the test."""

    start_process: StartProcess
    web: int
    live: int
    replay: int
    settings: dict[str, str | None] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web}"

    def environ(self, more: dict[str, str | None]) -> dict[str, str | None]:
        return {"SPOKE_ENV": "test", "SPOKE_LOG_LEVEL": "INFO", **self.settings, **more}

    def start_gateway(self, argv: list[str] | None = None, **more: str | None) -> RunningProcess:
        """Start the gateway and wait until it answers."""
        process = self.start_process(
            argv or ["python", "-m", "gateway"],
            self.environ(
                {
                    "SPOKE_GATEWAY_PORT": str(self.web),
                    "SPOKE_DEVICE_CONNECT": f"tcp://127.0.0.1:{self.live}",
                    "SPOKE_REPLAY_CONNECT": f"tcp://127.0.0.1:{self.replay}",
                    **more,
                }
            ),
        )
        process.wait_for_line("gateway_started")
        return process

    def start_device(self, argv: list[str] | None = None, **more: str | None) -> RunningProcess:
        """Start the device and wait until it publishes."""
        process = self.start_process(
            argv or ["python", "-m", "device"],
            self.environ(
                {
                    "SPOKE_PUB_BIND": f"tcp://127.0.0.1:{self.live}",
                    "SPOKE_REPLAY_BIND": f"tcp://127.0.0.1:{self.replay}",
                    "SPOKE_JOURNAL": None,
                    **more,
                }
            ),
        )
        process.wait_for_line("started")
        return process

    def start_check(self) -> RunningProcess:
        """Start a check of the device, which must run until the check has ended."""
        ends = (f"tcp://127.0.0.1:{port}" for port in (self.live, self.replay))
        return start_check(self.start_process, *ends)

    def watch(self, **config: Json) -> Witness:
        """Start a stock client; see ``witness.mjs`` for what it can be told."""
        script = json.dumps({"url": self.url, **config})
        return Witness(self.start_process(["node", str(WITNESS), script]))

    def get(
        self,
        path: str,
        headers: dict[str, str] | None = None,
        method: str = "GET",
        timeout_s: float = HTTP_WAIT_S,
    ) -> Answer:
        """Ask the gateway over HTTP."""
        request = Request(self.url + path, headers=headers or {}, method=method)
        try:
            with urlopen(request, timeout=scaled_s(timeout_s)) as response:
                return Answer(response.status, dict(response.headers), response.read().decode())
        except HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read().decode())

    def wait_until_known(self, device_id: str) -> Json:
        """Wait until the gateway knows a device with a reading; returns what it says of it."""
        path = f"/api/v1/devices/{device_id}"

        def is_known() -> bool:
            answer = self.get(path)
            return answer.status == 200 and answer.json["latest"] is not None

        eventually(is_known, what=f"a reading of {device_id}")
        return self.get(path).json


def running_pair(
    start_process: StartProcess,
    device: dict[str, str] | None = None,
    gateway: dict[str, str] | None = None,
) -> Pair:
    """Run a device and a gateway with these settings, for tests that stop neither."""
    pair = Pair(start_process, web=free_port(), live=free_port(), replay=free_port())
    pair.start_device(None, **(device or {}))
    pair.start_gateway(None, **(gateway or {}))
    return pair


def numbers(witness: Witness, device_id: str = "ebike-001") -> list[int]:
    """List the numbers of the readings a witness saw of a device."""
    readings = witness.bodies("speed_change")
    return [reading["seq"] for reading in readings if reading["device_id"] == device_id]
