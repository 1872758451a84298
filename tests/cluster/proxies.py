"""HAProxy and nginx, run with the shipped configurations on ports of the test's own."""

import csv
import re
import signal
import socket
from collections.abc import Mapping
from pathlib import Path

from tests.conftest import StartProcess
from tests.processes import ROOT, RunningProcess
from tests.servers import server
from tests.timing import eventually, scaled_s

ADDRESS = re.compile(r"127\.0\.0\.1:(\d+)")
FIRST_GATEWAY, LAST_GATEWAY = 5000, 5003
"""The ports of the gateways in the shipped configurations."""
LISTEN, LISTEN_TLS = 8080, 8443
"""The ports on which the shipped proxies listen."""
ADMIN_WAIT_S = 10.0


def shipped(name: str, ports: Mapping[int, int]) -> str:
    """Return a shipped configuration on other ports, without gateways that ``ports`` leaves out."""
    lines = (ROOT / "configs" / name).read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if _gateways_in(line) <= ports.keys()]
    return ADDRESS.sub(
        lambda found: f"127.0.0.1:{ports.get(int(found[1]), found[1])}", "\n".join([*kept, ""])
    )


def _gateways_in(line: str) -> set[int]:
    named = {int(port) for port in ADDRESS.findall(line)}
    return named & set(range(FIRST_GATEWAY, LAST_GATEWAY + 1))


class HAProxy:
    """A running HAProxy. Its gateways are called ``gateway1``, ``gateway2`` and so on."""

    def __init__(self, start_process: StartProcess, folder: Path, ports: Mapping[int, int]) -> None:
        self.port = ports[LISTEN]
        self._start_process = start_process
        self._folder = folder
        (folder / "logs").mkdir(exist_ok=True)
        (folder / "haproxy.cfg").write_text(shipped("haproxy.cfg", ports))
        self.process = self.start()

    def start(self) -> RunningProcess:
        """Start it, also after it was stopped; return when it answers."""
        command = [server("haproxy"), "-f", "haproxy.cfg"]
        self.process = self._start_process(command, {}, self._folder)
        eventually(self._answers, what="HAProxy", timeout_s=ADMIN_WAIT_S)
        return self.process

    def tell(self, command: str) -> str:
        """Send a command to the admin socket; return the answer."""
        with socket.socket(socket.AF_UNIX) as admin:
            admin.settimeout(scaled_s(ADMIN_WAIT_S))
            admin.connect(str(self._folder / "logs" / "haproxy.sock"))
            admin.sendall(f"{command}\n".encode())
            with admin.makefile() as answer:
                return answer.read()

    def status(self, gateway: str) -> str:
        """Return HAProxy's word for the state of a gateway, such as UP, DOWN, DRAIN."""
        return self._column("status", gateway)

    def sessions(self, gateway: str) -> int:
        """Count the requests and WebSockets that a gateway serves now."""
        return int(self._column("scur", gateway))

    def wait_for(self, gateway: str, status: str) -> None:
        """Wait until a gateway is in a state."""
        eventually(
            lambda: self.status(gateway).startswith(status),
            what=f"{gateway} {status}",
            timeout_s=20.0,
        )

    def _column(self, name: str, gateway: str) -> str:
        rows = csv.DictReader(self.tell("show stat").removeprefix("# ").splitlines())
        return next(row[name] for row in rows if row["svname"] == gateway)

    def _answers(self) -> bool:
        assert self.process.process.poll() is None, self.process.output
        try:
            return "gateway1" in self.tell("show stat")
        except OSError:
            return False


class Nginx:
    """A running nginx."""

    def __init__(self, start_process: StartProcess, folder: Path, ports: Mapping[int, int]) -> None:
        self.port = ports[LISTEN]
        self._file = folder / "nginx.conf"
        self._text = shipped("nginx.conf", ports)
        (folder / "logs").mkdir(exist_ok=True)
        self._file.write_text(self._text)
        command = [server("nginx"), "-p", str(folder), "-e", "stderr", "-c", "nginx.conf"]
        self.process = start_process(command, {}, folder)
        eventually(self._answers, what="nginx")

    def reload(self, *, without: int | None = None) -> None:
        """Read the configuration again, with the gateway on the port ``without`` marked down."""
        address = f"server 127.0.0.1:{without}"
        self._file.write_text(self._text.replace(address, f"{address} down"))
        old = self._workers()
        self.process.process.send_signal(signal.SIGHUP)
        eventually(lambda: bool(self._workers() - old), what="new workers of nginx")

    def stop(self) -> None:
        """Stop it with its workers. They would survive if only their master was killed.

        Their environment, by which tests find what they started, holds the title of the process.
        """
        self.process.stop(signal.SIGTERM)

    def _workers(self) -> set[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return set(map(int, children.read_text().split()))

    def _answers(self) -> bool:
        assert self.process.process.poll() is None, self.process.output
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
        except OSError:
            return False
        return True
