"""The same bytes on the wire under gunicorn's two gevent workers, monkey-patched as they are."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.transport.stock.options import NO_THREADS
from gateway.transport.websocket.frames import close_frame
from tests.conftest import StartProcess
from tests.gateway.transport.clients import (
    Polls,
    TcpClient,
    WebSocketClient,
    answers,
    client_frame,
    read_answer,
    request_bytes,
    until,
    upgrade_headers,
)
from tests.processes import RunningProcess

HERE = Path(__file__).parent / "workers"
ENGINE = "/engine.io/"
WORKERS = ["gevent", "gunicorn.workers.ggevent.GeventPyWSGIWorker"]


@pytest.fixture(scope="module", params=WORKERS)
def server(
    request: pytest.FixtureRequest,
    start_shared_process: StartProcess,
    free_port: Callable[[], int],
) -> Iterator[tuple[int, RunningProcess]]:
    """Serve under a gunicorn worker: a port, and gunicorn's process."""
    port = free_port()
    process = start_shared_process(gunicorn(request.param, port), directory=HERE)
    until(lambda: answers(port), 20)
    yield port, process
    process.stop()
    assert_no_complaint(process)


@pytest.fixture
def port(server: tuple[int, RunningProcess]) -> Iterator[int]:
    """The port of the server; the test fails when the server complained about anything."""
    port, process = server
    yield port
    assert_no_complaint(process)


def gunicorn(worker: str, port: int) -> list[str]:
    bind = ["-w", "1", "-b", f"127.0.0.1:{port}"]
    return ["python", "-m", "gunicorn", "-k", worker, *bind, "app:app"]


def assert_no_complaint(process: RunningProcess) -> None:
    assert "Traceback" not in process.output
    assert "[ERROR]" not in process.output


def test_websocket_with_early_data(port: int) -> None:
    client = TcpClient(port)
    handshake = request_bytes(
        "GET", Polls(port, ENGINE).target("websocket"), None, upgrade_headers()
    )
    client.send(handshake + client_frame(1, b"4early"))
    assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101")
    client.read_until(b"4early")
    client.send(client_frame(1, b"4later"))
    client.read_until(b"4later")
    client.close()


def test_many_websockets_at_once(port: int) -> None:
    clients = [WebSocketClient(port, path=ENGINE) for _ in range(50)]
    for number, client in enumerate(clients):
        client.text(f"4{number}.")
    for number, client in enumerate(clients):
        client.next_message()
        assert client.next_message() == f"4{number}."
        client.close()


def test_polling_and_upgrade_by_keep_alive(port: int) -> None:
    polls = Polls(port, ENGINE)
    sid = polls.open()
    kept = TcpClient(port)
    for word in ("4one", "4two"):
        kept.send(request_bytes("POST", polls.target(sid=sid), word.encode(), None))
        assert read_answer(kept).body == "ok"
        kept.send(request_bytes("GET", polls.target(sid=sid), None, None))
        assert read_answer(kept).body == word
    kept.close()
    client = WebSocketClient(port, sid, ENGINE)
    client.text("2probe")
    client.text("5")
    client.text("4three")
    assert [client.next_message() for _ in range(2)] == ["3probe", "4three"]
    client.close()


def test_second_websocket_is_closed(port: int) -> None:
    polls = Polls(port, ENGINE)
    sid = polls.open()
    kept = TcpClient(port)
    kept.send(request_bytes("POST", polls.target(sid=sid), b"4one", None))
    assert read_answer(kept).body == "ok"
    first = WebSocketClient(port, sid, ENGINE)
    first.text("2probe")
    first.text("5")
    assert [first.next_message() for _ in range(2)] == ["3probe", "4one"]
    handshake = request_bytes("GET", polls.target("websocket", sid), None, upgrade_headers())
    kept.send(handshake + client_frame(1, b"2probe"))
    answer = kept.receive()
    assert answer.startswith(b"HTTP/1.1 101")
    assert answer.endswith(b"\r\n\r\n" + close_frame(1008, "the session has a WebSocket"))
    assert kept.receive() == b""
    kept.close()
    first.text("4two")
    assert first.next_message() == "4two"
    first.close()


def test_garbage_packet_gets_only_close_frame(port: int) -> None:
    client = WebSocketClient(port, path=ENGINE)
    client.next_message()
    client.text("garbage")
    assert client.close_code() == 1002
    assert client.receive() == b""
    client.close()


def test_abandoned_get_ends_the_session(port: int) -> None:
    polls = Polls(port, ENGINE)
    sid = polls.open()
    client = TcpClient(port)
    client.send(request_bytes("GET", polls.target(sid=sid), None, None))
    client.close()
    until(lambda: polls.post(sid, "6").status == 400)
    assert polls.get(sid).status == 400


@pytest.mark.parametrize("worker", ["sync", "gthread"])
def test_another_worker_is_refused_in_words(
    worker: str, start_process: StartProcess, free_port: Callable[[], int]
) -> None:
    port = free_port()
    process = start_process(gunicorn(worker, port), directory=HERE)
    until(lambda: answers(port), 20)
    polls = Polls(port, ENGINE)
    answer = polls.request("GET", polls.target())
    assert (answer.status, NO_THREADS in answer.body) == (500, True)
    process.wait_for_line("refused: this transport cannot be served by threads")
    process.stop()
