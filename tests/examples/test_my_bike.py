import ast
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import zmq

from device.check.__main__ import main
from device.check.verdict import RIGHT
from shared.setting_table import PUB_ENDPOINT
from tests.conftest import StartProcess
from tests.device.peers import Peers, hear_readings
from tests.processes import ROOT

EXAMPLE = ROOT / "examples" / "my_bike.py"


def test_imports_and_default_endpoint() -> None:
    source = EXAMPLE.read_text()
    imported = [
        alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]
    assert imported == ["json", "time", "zmq"]
    assert source.count(PUB_ENDPOINT) == 1


def test_example_keeps_protocol(
    start_process: StartProcess, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    program = tmp_path / "my_bike.py"
    program.write_text(EXAMPLE.read_text().replace(PUB_ENDPOINT, endpoint))
    bike = start_process(["python", str(program)])
    with closing(Peers()) as peers:
        sub = peers.open(zmq.SUB, endpoint)
        assert hear_readings(sub, 1)[0].device_id == "my-bike"
        assert main([endpoint, "--seconds", "4"]) == RIGHT
    assert bike.output == ""


def test_the_example_is_ten_lines() -> None:
    body = [line for line in EXAMPLE.read_text().partition("import zmq\n")[2].splitlines() if line]
    assert len(body) == 10
