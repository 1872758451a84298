"""A real MQTT broker for tests: mosquitto, with a password, and with or without TLS."""

import socket
import subprocess
from pathlib import Path

from tests.conftest import StartProcess
from tests.processes import ROOT, RunningProcess
from tests.servers import server
from tests.timing import eventually

USER, PASSWORD = "rider", "s3cret of the broker"
CERTIFICATES = ROOT / "tests" / "certificates"
CA = CERTIFICATES / "certificate.pem"


class Mosquitto:
    """A broker that keeps its sessions over a restart; it ends with the test."""

    def __init__(
        self, start_process: StartProcess, folder: Path, port: int, *, tls: bool = False
    ) -> None:
        self._start_process, self.port = start_process, port
        self._program = server("mosquitto")
        self._settings = folder / "mosquitto.conf"
        self.password_file = folder / "password"
        self.password_file.write_text(f"{PASSWORD}\n")
        hashed = folder / "hashed"
        words = ["-b", "-c", str(hashed), USER, PASSWORD]
        subprocess.run([server("mosquitto_passwd"), *words], check=True, capture_output=True)
        hashed.chmod(0o644)
        lines = [
            f"listener {port} 127.0.0.1",
            "user root",
            f"password_file {hashed}",
            "persistence true",
            f"persistence_location {folder}/",
            "max_queued_messages 0",
            "max_inflight_messages 1",  # a restart repeats at most one message to each client
        ]
        if tls:
            lines += [f"certfile {CA}", f"keyfile {CERTIFICATES / 'key.pem'}"]
        self._settings.write_text("\n".join(lines) + "\n")
        self.start()

    def start(self) -> None:
        """Start the broker, and wait until it listens."""
        self._process = self._start_process([self._program, "-c", str(self._settings)])
        eventually(self._listens, what="mosquitto", timeout_s=30.0)

    def stop(self) -> RunningProcess:
        assert self._process.stop() == 0
        return self._process

    @property
    def output(self) -> str:
        """All that the broker has printed since its last start."""
        return self._process.output

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
