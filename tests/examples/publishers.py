"""The publishers of ``examples/`` in other languages, built and started as their heads say."""

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

from scripts.debian import HEADERS, missing_packages
from tests.conftest import StartProcess
from tests.faults.stage import endpoint
from tests.processes import ROOT, RunningProcess

EXAMPLES = ROOT / "examples"
BOARD = EXAMPLES / "board" / "bike.py"
INTERVAL_MS = 100
INTERPRETERS = {"python": ["python"], "micropython": ["python", "-m", "micropython_unix"]}


class Ports(NamedTuple):
    """Where a publisher sends readings, and where it answers replay questions."""

    pub: int
    replay: int


@dataclass(frozen=True)
class Publishers:
    """Starts each publisher; what is built lies in a folder of the test."""

    start_process: StartProcess
    folder: Path
    started: list[RunningProcess] = field(default_factory=list)

    def start(self, name: str, ports: Ports) -> str:
        """Start a publisher and return the id of its bike."""
        start: Callable[[Ports], tuple[list[str], Path, str]] = {
            "c": self._build_c,
            "javascript": self._find_javascript,
        }.get(name, partial(self._write_board, name))
        argv, folder, device_id = start(ports)
        self.started.append(self.start_process(argv, {}, folder))
        return device_id

    def _build_c(self, ports: Ports) -> tuple[list[str], Path, str]:
        missing = {"gcc", *HEADERS.values()} & set(missing_packages())
        if missing:
            pytest.skip(f"missing Debian packages: {', '.join(sorted(missing))}")
        source = (EXAMPLES / "c" / "bike.c").read_text()
        line = re.search(r"^ \*   (gcc .*)$", source, re.MULTILINE)
        assert line is not None
        (self.folder / "bike.c").write_text(source)
        subprocess.run([*line[1].split(), "-Wextra", "-Werror"], cwd=self.folder, check=True)
        return [str(self.folder / "bike"), *_endpoints(ports)], self.folder, "my-c-bike"

    def _find_javascript(self, ports: Ports) -> tuple[list[str], Path, str]:
        folder = EXAMPLES / "js_bike"
        return ["node", "bike.mjs", *_endpoints(ports)], folder, "my-js-bike"

    def _write_board(self, interpreter: str, ports: Ports) -> tuple[list[str], Path, str]:
        """Set the constants of the board's program, with shorter times."""
        if interpreter == "micropython" and find_spec("micropython_unix") is None:
            pytest.skip("MicroPython is missing: requirements-dev.txt has it for Linux on x86-64")
        device_id = f"board-{interpreter}"
        text = BOARD.read_text()
        for name, value in {
            "HOST, PUB_PORT, REPLAY_PORT": ("127.0.0.1", *ports),
            "DEVICE_ID": device_id,
            "INTERVAL_MS": INTERVAL_MS,
            "SILENT_MS, PING_MS, RETRY_MS, SERVE_MS": (1000, 300, 200, 10_000),
        }.items():
            pattern = re.compile(rf"^{name} = .*$", re.MULTILINE)
            text, count = pattern.subn(f"{name} = {value!r}", text)
            assert count == 1, name
        folder = self.folder / device_id
        folder.mkdir()
        (folder / "bike.py").write_text(text)
        return [*INTERPRETERS[interpreter], "bike.py"], folder, device_id


def _endpoints(ports: Ports) -> list[str]:
    return [endpoint(ports.pub), endpoint(ports.replay), str(INTERVAL_MS)]
