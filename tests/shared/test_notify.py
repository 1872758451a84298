import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.notify import BEAT, READY, Notifier


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.setblocking(False)
        yield receiver


def environ(supervisor: socket.socket, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": supervisor.getsockname(), **more}


def test_without_a_supervisor() -> None:
    notifier = Notifier({"WATCHDOG_USEC": "1000"})
    notifier.tell(READY)
    assert notifier.beat_if_due() is None


def test_states_arrive(supervisor: socket.socket) -> None:
    Notifier(environ(supervisor)).tell(READY)
    assert supervisor.recv(100) == b"READY=1"


def test_beats_are_sent_when_due(supervisor: socket.socket) -> None:
    notifier = Notifier(environ(supervisor, WATCHDOG_USEC="30000000"))
    assert notifier.every_s == 10.0
    assert [0 < (notifier.beat_if_due() or 0) <= 10 for _ in range(3)] == [True] * 3
    assert supervisor.recv(100) == BEAT
    with pytest.raises(BlockingIOError):
        supervisor.recv(100)


@pytest.mark.parametrize(
    ("pid", "usec", "limit_s"),
    [
        (str(os.getpid()), "2000000", 2.0),
        ("1", "2000000", None),
        (None, "2000000", 2.0),
        (None, "0", None),
        (None, "soon", None),
    ],
    ids=["ours", "another's", "anybody's", "off", "no number"],
)
def test_the_limit_is_for_one_process(
    supervisor: socket.socket, pid: str | None, usec: str, limit_s: float | None
) -> None:
    more = {} if pid is None else {"WATCHDOG_PID": pid}
    assert Notifier(environ(supervisor, WATCHDOG_USEC=usec, **more)).limit_s == limit_s


def test_stuck_supervisor_does_not_block(supervisor: socket.socket) -> None:
    notifier = Notifier(environ(supervisor))
    for _ in range(2_000):  # more than a socket holds
        notifier.tell(BEAT)
    assert supervisor.recv(100) == BEAT


def test_supervisor_that_is_gone_for_a_while(supervisor: socket.socket) -> None:
    notifier, path = Notifier(environ(supervisor)), Path(supervisor.getsockname())
    supervisor.close()
    notifier.tell(READY)
    path.unlink()
    notifier.tell(READY)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as again:
        again.bind(str(path))
        notifier.tell(BEAT)
        assert again.recv(100) == BEAT


@pytest.mark.skipif(not Path("/proc").exists(), reason="abstract sockets are Linux's")
def test_abstract_socket() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0spoke-test-{os.getpid()}")
        Notifier({"NOTIFY_SOCKET": f"@spoke-test-{os.getpid()}"}).tell(READY)
        assert receiver.recv(100) == READY
