import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import zmq

from device.durable.epoch_file import take_epoch
from shared.reading import Reading, Status
from tests.conftest import StartProcess
from tests.device.peers import (
    Peers,
    ask_on,
    hear_readings,
    hear_statuses,
    hear_until,
    is_stopping,
    receive_page,
    send_question,
)
from tests.processes import RunningProcess, assert_nothing_left

StartDevice = Callable[..., RunningProcess]


@pytest.fixture
def pub(free_port: Callable[[], int]) -> str:
    return f"tcp://127.0.0.1:{free_port()}"


@pytest.fixture
def replay(free_port: Callable[[], int]) -> str:
    return f"tcp://127.0.0.1:{free_port()}"


@pytest.fixture
def start_device(start_process: StartProcess, tmp_path: Path, pub: str, replay: str) -> StartDevice:
    """Start ``python -m device`` in an empty folder, with the defaults but for its ports."""

    def start(*flags: str, **environ: str) -> RunningProcess:
        ports = ["--pub-bind", pub, "--replay-bind", replay]
        return start_process(["python", "-m", "device", *ports, *flags], environ, tmp_path)

    return start


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_sends_stopping_and_exits_0(
    start_device: StartDevice, peers: Peers, pub: str, number: signal.Signals
) -> None:
    device = start_device("--rate-hz", "50")
    sub = peers.open(zmq.SUB, pub)
    hear_readings(sub, 20)
    device.process.send_signal(number)
    status = hear_until(sub, is_stopping)[-1]
    assert status.device_id == "ebike-001"
    assert device.wait() == 0
    assert not sub.poll(100)
    assert_nothing_left(device)


def test_stopping_after_two_signals(start_device: StartDevice, peers: Peers, pub: str) -> None:
    device = start_device("--rate-hz", "50", "--fleet-size", "50")
    sub = peers.open(zmq.SUB, pub)
    hear_readings(sub, 20)
    for number in (signal.SIGINT, signal.SIGTERM):  # as honcho does on Ctrl-C
        device.process.send_signal(number)
    stopped = {hear_until(sub, is_stopping)[-1].device_id for _ in range(50)}
    assert len(stopped) == 50
    assert device.wait() == 0


def test_readings_and_replay_come_with_the_defaults(
    start_device: StartDevice, peers: Peers, pub: str, replay: str
) -> None:
    device = start_device()
    live = hear_readings(peers.open(zmq.SUB, pub), 10)
    readings = ask_on(peers.open(zmq.DEALER, replay))
    assert [reading.seq for reading in readings] == list(range(1, len(readings) + 1))
    assert live == readings[live[0].seq - 1 :][:10]
    started = device.wait_for_line(r"started .*").group()
    for part in ("bikes=1", "first=ebike-001", "source=simulator", pub, replay):
        assert part in started
    assert device.stop() == 0
    assert int(device.wait_for_line(r"stopped readings=(\d+)")[1]) >= len(readings)


def test_epoch_grows_with_each_start(start_device: StartDevice, peers: Peers, pub: str) -> None:
    epochs = []
    for _ in range(2):
        device = start_device("--rate-hz", "50")
        reading = hear_readings(peers.open(zmq.SUB, pub), 1)[0]
        assert 0 <= reading.ts_ms - reading.epoch < 60_000
        epochs.append(reading.epoch)
        assert device.stop() == 0
    assert epochs[0] < epochs[1]


def test_fleet_ids_and_separate_rides(start_device: StartDevice, peers: Peers, pub: str) -> None:
    device = start_device("--fleet-size", "3", "--seed", "1")
    sub = peers.open(zmq.SUB, pub)
    statuses = hear_statuses(sub, 3)
    assert {status.device_id for status in statuses} == {"ebike-001", "ebike-002", "ebike-003"}
    readings = hear_readings(sub, 30)
    assert len({reading.values["odometer_km"] for reading in readings}) >= 3
    assert device.stop() == 0


@pytest.mark.parametrize("taken", ["pub", "replay"])
def test_port_in_use_exits_2(
    start_device: StartDevice, peers: Peers, pub: str, replay: str, taken: str
) -> None:
    endpoint = {"pub": pub, "replay": replay}[taken]
    peers.open(zmq.ROUTER, endpoint, bind=True)
    device = start_device()
    assert device.wait() == 2
    said = device.output
    assert "Traceback" not in said
    assert f"{endpoint} is in use" in said
    assert f"SPOKE_{taken.upper()}_BIND or --{taken}-bind" in said


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--pub-bind", "tcp://192.0.2.7:5556"], "cannot listen on tcp://192.0.2.7:5556"),
        (["--source", "ride:no-such-ride.fit"], "no-such-ride.fit"),
        (["--source", "unicycle"], "unicycle"),
        (["--rate-hz", "0"], "SPOKE_RATE_HZ"),
        (["--no-such-flag"], "no-such-flag"),
    ],
)
def test_wrong_settings_exit_2(
    start_process: StartProcess, tmp_path: Path, flags: list[str], words: str
) -> None:
    device = start_process(["python", "-m", "device", *flags], {}, tmp_path)
    assert device.wait() == 2
    assert words in device.output
    assert "Traceback" not in device.output


def test_help_lists_the_settings_as_flags(start_process: StartProcess, tmp_path: Path) -> None:
    device = start_process(["python", "-m", "device", "--help"], {}, tmp_path)
    assert device.wait() == 0
    for flag in ("--fleet-size", "--pub-bind", "--replay-connect", "--ride-pace"):
        assert flag in device.output


def test_bug_logs_trace_and_exits_1(
    start_process: StartProcess, tmp_path: Path, pub: str, replay: str, peers: Peers
) -> None:
    program = tmp_path / "faulty.py"
    program.write_text(
        "import sys\n"
        "from device import __main__, publisher\n"
        "from device.fleet import Bike\n"
        "def number(bike, sample, ts_ms):\n"
        "    raise ZeroDivisionError('planted')\n"
        "Bike.number = number\n"
        "sys.exit(__main__.main())\n"
    )
    flags = ["--pub-bind", pub, "--replay-bind", replay]
    device = start_process(["python", str(program), *flags], {}, tmp_path)
    assert device.wait() == 1
    assert device.output.count("Traceback") == device.output.count("crashed") == 1
    assert "ZeroDivisionError: planted" in device.output
    (log,) = (tmp_path / "logs").glob("device*.log")
    assert log.read_text().count("Traceback") == 1
    assert "ZeroDivisionError: planted" in log.read_text()
    peers.open(zmq.ROUTER, pub, bind=True)  # its ports are free again


def test_journal_survives_kill(
    start_device: StartDevice, peers: Peers, pub: str, replay: str
) -> None:
    live: list[Reading] = []
    for goes_on in (False, True, True):
        device = start_device("--rate-hz", "200", SPOKE_JOURNAL="data/journal.sqlite")
        live += hear_readings(peers.open(zmq.SUB, pub), 50)
        held = ask_on(peers.open(zmq.DEALER, replay))
        assert f"goes_on={goes_on}" in device.wait_for_line(r"started .*").group()
        assert device.stop(signal.SIGKILL) == -signal.SIGKILL
    assert len({reading.epoch for reading in held}) == 1
    assert [reading.seq for reading in held] == list(range(1, len(held) + 1))
    numbers = [reading.seq for reading in live]
    assert numbers == sorted(set(numbers))
    before = [reading for reading in live if reading.seq <= len(held)]
    assert before == [held[reading.seq - 1] for reading in before]


def test_a_stopped_device_goes_on_too(start_device: StartDevice, peers: Peers, pub: str) -> None:
    last = 0
    for _ in range(2):
        device = start_device("--rate-hz", "100", "--journal", "data/journal.sqlite")
        sub = peers.open(zmq.SUB, pub)
        assert hear_readings(sub, 10)[0].seq > last
        device.process.send_signal(signal.SIGTERM)
        status = hear_until(sub, is_stopping)[-1]
        assert isinstance(status, Status)
        last = status.last_seq
        assert device.wait() == 0


def test_journal_in_use_exits_2(
    start_device: StartDevice, start_process: StartProcess, tmp_path: Path, peers: Peers, pub: str
) -> None:
    start_device("--journal", "journal.sqlite")
    hear_readings(peers.open(zmq.SUB, pub), 1)
    second = start_process(["python", "-m", "device", "--journal", "journal.sqlite"], {}, tmp_path)
    assert second.wait() == 2
    assert "in use by another device process" in second.output
    assert "Traceback" not in second.output


def test_epoch_file_beside_log(
    start_device: StartDevice, peers: Peers, pub: str, tmp_path: Path
) -> None:
    future = 2**52
    (tmp_path / "logs").mkdir()
    assert take_epoch(tmp_path / "logs" / "device-ebike-001.epoch", future) == future
    device = start_device("--rate-hz", "50")
    assert hear_readings(peers.open(zmq.SUB, pub), 1)[0].epoch == future + 1
    assert device.stop() == 0


def test_id_of_single_bike(start_device: StartDevice, peers: Peers, pub: str) -> None:
    device = start_device("--device-id", "my-bike")
    assert hear_readings(peers.open(zmq.SUB, pub), 1)[0].device_id == "my-bike"
    assert device.stop() == 0


def test_no_burst_after_suspension(
    start_device: StartDevice, peers: Peers, pub: str, replay: str
) -> None:
    device = start_device("--rate-hz", "20")
    sub = peers.open(zmq.SUB, pub)
    hear_readings(sub, 10)
    device.process.send_signal(signal.SIGSTOP)
    while sub.poll(1500):  # silence for longer than a delay that is made up for
        sub.recv_multipart()
    device.process.send_signal(signal.SIGCONT)
    readings = hear_readings(sub, 21)
    first = readings[0].seq
    assert [reading.seq for reading in readings] == list(range(first, first + 21))
    assert readings[-1].ts_ms - readings[0].ts_ms >= 400  # 20 intervals of 50 ms, no burst of 30
    device.wait_for_line("late_and_moved")
    dealer = peers.open(zmq.DEALER, replay)
    send_question(dealer, limit=1000)
    seqs = [reading.seq for reading in receive_page(dealer).readings]
    assert seqs == list(range(1, len(seqs) + 1))
    assert device.stop() == 0


def test_log_lines_are_json_when_asked_for(
    start_device: StartDevice, peers: Peers, pub: str
) -> None:
    device = start_device("--log-format", "json")
    hear_readings(peers.open(zmq.SUB, pub), 1)
    assert device.stop() == 0
    lines = [json.loads(line) for line in device.output.splitlines()]
    assert [line["event"] for line in lines] == ["started", "stopped"]
    assert lines[0]["pub"] == pub
