"""A gateway inside another Flask application, on each server that may serve it or may not."""

import sys
from collections.abc import Callable

import pytest
from flask import Flask

from gateway.embedding import WRONG_SERVER, embed
from tests.conftest import StartProcess
from tests.processes import RunningProcess
from tests.system.pair import Pair
from tests.timing import eventually

SERVERS = {
    "WebServer": "python -m examples.embedded {port}",
    "gunicorn": "python -m gunicorn -k gevent -w 1 -b 127.0.0.1:{port} examples.embedded:app",
}
THREADED = {
    "gunicorn": "python -m gunicorn -w 1 -b 127.0.0.1:{port} examples.embedded:app",
    "app.run": "python -m tests.gateway.embedded_in_threads {port}",
}
COUNT = 20


@pytest.fixture
def pair(start_process: StartProcess, free_port: Callable[[], int]) -> Pair:
    """A device, and the port of the application with the gateway in it."""
    return Pair(start_process, web=free_port(), live=free_port(), replay=free_port())


def start_application(pair: Pair, command: str, limits: str = "true") -> RunningProcess:
    """Start an application with a gateway at /spoke, and wait until it answers.

    ``limits``: a command of the shell before it.
    """
    ports: dict[str, str | None] = {
        "SPOKE_DEVICE_CONNECT": f"tcp://127.0.0.1:{pair.live}",
        "SPOKE_REPLAY_CONNECT": f"tcp://127.0.0.1:{pair.replay}",
    }
    program = command.format(port=pair.web).replace("python", f"'{sys.executable}'", 1)
    line = f"{limits} && exec {program}"
    process = pair.start_process(["sh", "-c", line], pair.environ(ports))
    eventually(lambda: answers(pair, process), what="the application")
    return process


def answers(pair: Pair, process: RunningProcess) -> bool:
    assert process.process.poll() is None, process.output
    try:
        return "The bikes" in pair.get("/").text
    except OSError:
        return False


@pytest.mark.parametrize("server", SERVERS)
def test_stock_client_gets_readings(server: str, pair: Pair) -> None:
    pair.start_device(SPOKE_RATE_HZ="50")
    process = start_application(pair, SERVERS[server])
    for transport in ("polling", "websocket"):
        witness = pair.watch(
            options={"path": "/spoke/socket.io", "transports": [transport]},
            emit=[["subscribe", {"devices": "*"}]],
            until={"event": "speed_change", "count": COUNT},
        )
        assert witness.process.wait() == 0
        seqs = [reading["seq"] for reading in witness.bodies("speed_change")]
        assert seqs == list(range(seqs[0], seqs[0] + COUNT))
    assert 'src="/spoke/static/dashboard.js"' in pair.get("/spoke").text
    process.stop()
    assert "Traceback" not in process.output


def test_a_low_descriptor_limit_lowers_the_connections(pair: Pair) -> None:
    process = start_application(pair, SERVERS["WebServer"], "ulimit -n 200")
    process.wait_for_line("max_connections_lowered")
    handshake = "/spoke/socket.io/?EIO=4&transport=polling"
    statuses = [pair.get(handshake).status for _ in range(61)]
    assert statuses == [200] * 60 + [503]


@pytest.mark.parametrize("server", THREADED)
def test_other_server_gets_an_answer_that_says_what_to_do(server: str, pair: Pair) -> None:
    process = start_application(pair, THREADED[server])
    for path in ("/spoke/", "/spoke/socket.io/?EIO=4&transport=polling"):
        answer = pair.get(path)
        assert (answer.status, answer.json["detail"]) == (500, WRONG_SERVER)
    process.wait_for_line("gateway_cannot_run.*gunicorn -k gevent")


def test_flask_run_fails_at_once(start_process: StartProcess) -> None:
    process = start_process(["python", "-m", "flask", "--app", "examples.embedded", "run"])
    assert process.wait() != 0
    assert "gunicorn -k gevent" in process.output


@pytest.mark.parametrize(("at", "words"), [("/", "cannot be /"), ("spoke", "such as /spoke")])
def test_wrong_path_is_refused(at: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        embed(Flask("other"), at=at)
