"""The one command that brings everything up."""

import os
import signal
import socket

from tests.conftest import StartProcess
from tests.ports import free_port
from tests.processes import assert_nothing_left
from tests.scripts.conftest import ProjectCopy
from tests.scripts.under_honcho import START_S, pair_settings, wait_for_gateway


def test_it_sets_up_says_where_and_ends_by_ctrl_c(
    project: ProjectCopy, start_process: StartProcess
) -> None:
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


def test_a_port_that_is_taken_is_named_with_who_has_it(installed_project: ProjectCopy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        settings = {**pair_settings(installed_project.folder), "PORT": str(port)}
        done = installed_project.run("scripts/start", **settings)
    assert done.returncode == 2
    [_, sentence] = done.stdout.splitlines()
    assert sentence.startswith(f"start: the gateway needs port {port}, which '")
    assert sentence.endswith(f"(process {os.getpid()}) has: stop that, or change PORT")


def test_wrong_settings_are_named_before_anything_starts(installed_project: ProjectCopy) -> None:
    done = installed_project.run("scripts/start", SPOKE_RATE_HZ="fast", SPOKE_COLOUR="red")
    assert done.returncode == 2
    assert "SPOKE_RATE_HZ = 'fast'" in done.stdout
    assert "SPOKE_COLOUR" in done.stdout
    assert "started" not in done.stdout


def test_an_option_that_honcho_does_not_know_is_named(installed_project: ProjectCopy) -> None:
    done = installed_project.run("scripts/start", "--colour")
    assert done.returncode == 2
    assert "unrecognized arguments: --colour" in done.stdout
