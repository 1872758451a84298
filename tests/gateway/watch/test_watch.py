"""The real program: real gateways, real bikes, a real pipe."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartProcess
from tests.processes import ROOT, RunningProcess, clean_environment
from tests.system.pair import Pair, running_pair
from tests.timing import eventually, scaled_s

BIKE = "ebike-001"


@pytest.fixture
def pair(start_process: StartProcess, free_port: Callable[[], int]) -> Pair:
    """A device and a gateway that know each other's ports; nothing runs yet."""
    return Pair(start_process, web=free_port(), live=free_port(), replay=free_port())


@pytest.fixture(scope="module")
def running(start_shared_process: StartProcess) -> Pair:
    """Run a device and a gateway that several tests watch."""
    pair = running_pair(start_shared_process)
    pair.wait_until_known(BIKE)
    return pair


class Watching:
    """The running program and its output."""

    def __init__(self, pair: Pair, *arguments: str) -> None:
        self.process: RunningProcess = pair.start_process(
            ["python", "-m", "gateway.watch", *arguments]
        )

    def bodies(self, event: str) -> list[Any]:
        lines = (json.loads(line) for line in self.process.output.splitlines() if line[0] == "{")
        return [line["data"] for line in lines if line["event"] == event]

    def numbers(self, device_id: str = BIKE) -> list[int]:
        return [
            body["seq"] for body in self.bodies("speed_change") if body["device_id"] == device_id
        ]

    def wait_for_more(self, count: int = 30) -> None:
        """Wait for ``count`` more readings."""
        wanted = len(self.bodies("speed_change")) + count
        self.process.wait_for_line('"event":"speed_change"', count=wanted)


def assert_each_once_in_order(numbers: list[int]) -> None:
    assert numbers
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_killed_gateway_loses_nothing(pair: Pair) -> None:
    pair.start_device(SPOKE_RATE_HZ="100", SPOKE_FLEET_SIZE="2")
    gateway = pair.start_gateway()
    pair.wait_until_known("ebike-002")
    watching = Watching(pair, pair.url)
    watching.wait_for_more()
    for _ in range(2):
        gateway.stop(signal.SIGKILL)
        watching.process.wait_for_line("is gone; trying again|nothing answers")
        gateway = pair.start_gateway()
        watching.wait_for_more(100)
    for bike in (BIKE, "ebike-002"):
        assert_each_once_in_order(watching.numbers(bike))
    assert watching.bodies("gap") == []
    assert watching.process.stop(signal.SIGTERM) == 0


def test_it_goes_on_at_another_gateway(pair: Pair, free_port: Callable[[], int]) -> None:
    pair.start_device(SPOKE_RATE_HZ="100")
    first = pair.start_gateway()
    other = Pair(pair.start_process, free_port(), pair.live, pair.replay)
    other.start_gateway()
    watching = Watching(pair, pair.url, other.url, "--devices", BIKE, "--from-start")
    watching.wait_for_more()
    first.stop(signal.SIGKILL)
    watching.process.wait_for_line(f"connected to {other.url}")
    watching.wait_for_more()
    assert_each_once_in_order(watching.numbers())
    assert watching.numbers()[0] == 1


def test_late_gateway_is_waited_for(pair: Pair) -> None:
    watching = Watching(pair, pair.url)
    watching.process.wait_for_line(f"nothing answers at {pair.url} .*start a gateway there")
    pair.start_device()
    pair.start_gateway()
    watching.wait_for_more(3)
    assert [body["online"] for body in watching.bodies("device_status")] == [True]


def test_next_run_resumes_from_file(pair: Pair, tmp_path: Path) -> None:
    pair.start_device(SPOKE_RATE_HZ="100")
    pair.start_gateway()
    pair.wait_until_known(BIKE)
    arguments = (pair.url, "--cursors", str(tmp_path / "cursors.json"))
    seen: list[int] = []
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        watching = Watching(pair, *arguments)
        watching.wait_for_more()
        assert watching.process.stop(signum) == 0
        seen += watching.numbers()
    assert_each_once_in_order(seen)


def test_once_exits_with_3(pair: Pair) -> None:
    absent = Watching(pair, pair.url, "--once")
    assert absent.process.wait() == 3
    assert "start a gateway" in absent.process.output
    pair.start_device()
    gateway = pair.start_gateway()
    watching = Watching(pair, pair.url, "--once")
    watching.wait_for_more(3)
    gateway.stop(signal.SIGTERM)
    assert watching.process.wait() == 3


def test_a_gateway_that_is_full_says_so(pair: Pair) -> None:
    pair.start_gateway(SPOKE_MAX_CONNECTIONS="1")
    Watching(pair, pair.url).process.wait_for_line("connected to")
    watching = Watching(pair, pair.url, "--once")
    assert watching.process.wait() == 3
    assert "says 503: the gateway is full" in watching.process.output


def test_a_refusal_ends_it_with_2(pair: Pair) -> None:
    pair.start_gateway()
    watching = Watching(pair, pair.url, "--max-rate-hz", "1000")
    assert watching.process.wait() == 2
    assert "max_rate_hz must be" in watching.process.output
    assert "Traceback" not in watching.process.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ftp://x",), "is no address"),
        (("http://x:port",), "is no address"),
        (("http://x:99999",), "is no address"),
        (("http://[::1",), "is no address"),
        (("http://a..b",), "is no address"),
        (("--max-rate-hz", "nan"), "readings a second from 0.001 to"),
        (("fe80::1",), "is no address such as http://[::1]:5000"),
        (("--devices", "no/id"), "is no id"),
        (("--cursors", "/proc/self/mem"), "cannot be read"),
    ],
)
def test_a_wrong_argument_ends_it_with_2(
    pair: Pair, arguments: tuple[str, ...], words: str
) -> None:
    watching = Watching(pair, *arguments)
    assert watching.process.wait() == 2
    assert words in watching.process.output
    assert "Traceback" not in watching.process.output


def test_closed_pipe_ends_it_silently(running: Pair) -> None:
    command = f"{sys.executable} -m gateway.watch {running.url} | head -n 3"
    process = running.start_process(["bash", "-c", f"{command}; echo ${{PIPESTATUS[0]}}"])
    assert process.wait() == 0
    *lines, code = [line for line in process.output.splitlines() if "watch:" not in line]
    assert len(lines) == 3
    assert code == "0"


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """A pseudo terminal: the end of the program, and the end of the person."""
    person, program = pty.openpty()
    os.set_blocking(person, False)
    yield program, person
    os.close(program)
    os.close(person)


@contextmanager
def watching_in(
    terminal: tuple[int, int], pair: Pair, **environ: str | None
) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[], bytearray]]]:
    """Watch a bike in a terminal; yield the process, and a function that returns its output."""
    program, person = terminal
    seen = bytearray()
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.watch", pair.url],
        stdin=program,
        stdout=program,
        stderr=program,
        cwd=ROOT,
        env=clean_environment({"COLUMNS": None, "LINES": None, **environ}),
    )
    try:
        yield process, lambda: read_into(seen, person)
    finally:
        process.kill()  # nobody reads the terminal any more: it would wait for ever
        process.wait()


def test_in_a_terminal_it_is_a_table(running: Pair, terminal: tuple[int, int]) -> None:
    size = {"COLUMNS": "140", "LINES": "30"}
    with watching_in(terminal, running, TERM="xterm-256color", **size) as (process, seen):
        eventually(lambda: b"online" in seen() and b"km/h" in seen())
        process.send_signal(signal.SIGINT)
        eventually(lambda: b"readings of 1 bike," in seen())
        assert process.wait() == 0


@pytest.mark.parametrize("term", ["dumb", "unknown", "", None])
def test_dumb_terminal_gets_json_lines(
    running: Pair, terminal: tuple[int, int], term: str | None
) -> None:
    with watching_in(terminal, running, TERM=term) as (process, seen):
        eventually(lambda: seen().count(b'"event":"speed_change"') > 3)
        assert b"this terminal cannot show a table (TERM" in seen()
        assert b"\x1b" not in seen()
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_table_is_ascii_in_other_encodings(
    running: Pair, terminal: tuple[int, int], encoding: str
) -> None:
    environ = {"TERM": "vt100", "COLUMNS": "140", "PYTHONIOENCODING": encoding, "NO_COLOR": "1"}
    with watching_in(terminal, running, **environ) as (process, seen):
        eventually(lambda: b"* online" in seen() and b"km/h" in seen())
        process.send_signal(signal.SIGTERM)
        eventually(lambda: b"readings of 1 bike," in seen())
        assert process.wait() == 0
        assert seen().isascii()
        assert b"\\u" not in seen()


def test_table_follows_the_size_of_its_terminal(running: Pair, terminal: tuple[int, int]) -> None:
    program, _ = terminal
    termios.tcsetwinsize(program, (10, 150))
    with watching_in(terminal, running, TERM="xterm") as (_, seen):
        eventually(lambda: b"readings" in seen() and b"battery" in seen())
        for size in ((5, 40), (1, 1), (2, 20)):
            termios.tcsetwinsize(program, size)
            before = len(seen())
            eventually(lambda start=before: len(seen()) > start + 20)  # type: ignore[misc]  # mypy sees no default
        termios.tcsetwinsize(program, (10, 60))
        before = len(seen())
        eventually(lambda: b"km/h" in seen()[before:])
        assert b"Traceback" not in seen()


def test_signal_ends_it_with_full_terminal(running: Pair, terminal: tuple[int, int]) -> None:
    with watching_in(terminal, running, TERM="xterm", COLUMNS="400", LINES="400") as (process, _):
        program, _ = terminal
        eventually(lambda: not select.select([], [program], [], 0)[1], what="a full terminal")
        process.send_signal(signal.SIGTERM)
        assert process.wait(scaled_s(20)) == 0


def test_signal_ends_it_with_full_pipe(pair: Pair, tmp_path: Path) -> None:
    pair.start_device(SPOKE_RATE_HZ="1000")
    pair.start_gateway()
    reader, writer = os.pipe()
    cursors = tmp_path / "cursors.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.watch", pair.url, "--from-start", "--cursors", cursors],
        stdout=writer,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=clean_environment(),
    )
    try:
        eventually(lambda: not select.select([], [writer], [], 0)[1], what="a full pipe")
        os.close(writer)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=scaled_s(20))
        assert process.returncode == 0
        assert b"Traceback" not in said
        with os.fdopen(reader, "rb") as pipe:
            *lines, _cut = pipe.read().split(b"\n")
        last = [body for line in lines if (body := json.loads(line)["data"]).get("seq")][-1]
        assert json.loads(cursors.read_text())[BIKE] == f"{last['epoch']}-{last['seq']}"
    finally:
        process.kill()
        process.wait()


def read_into(seen: bytearray, person: int) -> bytearray:
    with suppress(BlockingIOError):  # nothing new
        seen += os.read(person, 65_536)
    return seen
