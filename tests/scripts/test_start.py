"""The one command that brings everything up."""

import json
import os
import signal
import socket
import urllib.request

from tests.conftest import StartProcess
from tests.ports import free_port
from tests.processes import assert_nothing_left
from tests.scripts.conftest import ProjectCopy
from tests.scripts.under_honcho import START_S, pair_settings, wait_for_gateway
from tests.timing import eventually


def test_start_and_ctrl_c(project: ProjectCopy, start_process: StartProcess) -> None:
    port = free_port()
    changes = {**pair_settings(project.folder), "SPOKE_GATEWAY_PORT": str(port)}
    process = start_process(
        [str(project.folder / "scripts" / "start")],
        {**changes, **project.environment()},
    )
    process.wait_for_line("start: the dashboard is at ", timeout_s=START_S)
    wait_for_gateway(port)
    assert process.stop(signal.SIGINT) == 128 + signal.SIGINT
    assert f"http://localhost:{port}/" in process.output
    assert_nothing_left(process)


def test_three_settings_move_all_ports(
    installed_project: ProjectCopy, start_process: StartProcess
) -> None:
    port, live, replay = free_port(), free_port(), free_port()
    changes = {
        **pair_settings(installed_project.folder),
        "SPOKE_DEVICE_CONNECT": None,
        "SPOKE_REPLAY_CONNECT": None,
        "SPOKE_GATEWAY_PORT": str(port),
        "SPOKE_PUB_BIND": f"tcp://127.0.0.1:{live}",
        "SPOKE_REPLAY_BIND": f"tcp://127.0.0.1:{replay}",
    }
    process = start_process(
        [str(installed_project.folder / "scripts" / "start")],
        {**changes, **installed_project.environment()},
    )
    process.wait_for_line(f"replay=tcp://127.0.0.1:{replay}", timeout_s=START_S)
    wait_for_gateway(port)
    eventually(lambda: _hears_a_bike(port), what="a bike", timeout_s=START_S)
    process.stop(signal.SIGINT)
    assert_nothing_left(process)


def _hears_a_bike(port: int) -> bool:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/devices", timeout=5) as answer:
        return any(device["latest"] for device in json.load(answer)["devices"])


def test_used_port_names_holder(installed_project: ProjectCopy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        settings = {**pair_settings(installed_project.folder), "PORT": str(port)}
        done = installed_project.run("scripts/start", **settings)
    assert done.returncode == 2
    [_, sentence] = done.stdout.splitlines()
    assert sentence.startswith(f"start: the gateway needs port {port}, which '")
    assert sentence.endswith(f"(process {os.getpid()}) uses: stop it, or change PORT")


def test_wrong_settings_are_named_before_anything_starts(installed_project: ProjectCopy) -> None:
    done = installed_project.run("scripts/start", SPOKE_RATE_HZ="fast", SPOKE_SEED="red")
    assert done.returncode == 2
    assert "SPOKE_RATE_HZ = 'fast'" in done.stdout
    assert "SPOKE_SEED = 'red'" in done.stdout
    assert "started" not in done.stdout


def test_unknown_honcho_option(installed_project: ProjectCopy) -> None:
    done = installed_project.run("scripts/start", "--colour")
    assert done.returncode == 2
    assert "unrecognized arguments: --colour" in done.stdout
