"""Log lines are written in threads, to files that neither grow without bound nor stop anything."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared import log_sinks
from shared.log_lines import Line
from shared.log_sinks import FILES_KEPT, LINES_WAITING_MAX, BackgroundSink, LogFile
from tests.timing import scaled_s


class StalledWriter:
    """Writes nothing until it is let go."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.go = threading.Event()
        self.is_in = threading.Event()

    def write(self, text: str) -> None:
        self.is_in.set()
        assert self.go.wait(scaled_s(20))
        self.written.append(text)


class Complaints:
    """Keeps what was complained about."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, object]]] = []

    def __call__(self, event: str, **fields: object) -> None:
        self.heard.append((event, fields))


def line(event: str) -> Line:
    return Line(datetime.now(UTC), "INFO", "test", event)


def shown(given: Line) -> str:
    return f"{given.event} {dict(given.fields)}\n"


# --- threads -----------------------------------------------------------------------------------


def test_stop_writes_all_lines_in_order() -> None:
    written: list[str] = []
    sink = BackgroundSink("test", lambda given: given.event, written.append)
    for number in range(1000):
        sink.report(str(number))
    sink.stop()
    assert written == [str(number) for number in range(1000)]


def test_stalled_writer_loses_counted_lines() -> None:
    writer = StalledWriter()
    sink = BackgroundSink("test", shown, writer.write)
    sink.report("first")
    assert writer.is_in.wait(scaled_s(10))
    for _ in range(LINES_WAITING_MAX + 7):
        sink.report("more")
    assert writer.written == []
    writer.go.set()
    sink.stop()
    assert len(writer.written) == 1 + LINES_WAITING_MAX + 1
    assert writer.written[-1].startswith("log_lines_lost {'count': 7")


def test_stop_with_stuck_writer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_sinks, "STOP_WAIT_S", 0.01)
    writer = StalledWriter()
    sink = BackgroundSink("test", shown, writer.write)
    sink.report("first")
    sink.stop()
    assert writer.written == []
    writer.go.set()


# --- files -------------------------------------------------------------------------------------


@pytest.fixture
def complaints() -> Complaints:
    return Complaints()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "gateway.log"


def test_the_folder_of_a_file_is_made(path: Path, complaints: Complaints) -> None:
    LogFile(path, complaints).write("a\n")
    assert path.read_text() == "a\n"
    assert complaints.heard == []


def test_a_file_is_gone_on_with(path: Path, complaints: Complaints) -> None:
    for text in ("a\n", "b\n"):
        LogFile(path, complaints).write(text)
    assert path.read_text() == "a\nb\n"


def test_full_file_is_rotated(
    path: Path, complaints: Complaints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_sinks, "FILE_BYTES_MAX", 30)
    file = LogFile(path, complaints)
    for number in range(100):
        file.write(f"line {number:04d}\n")
    names = [path.name, *(f"{path.name}.{n}" for n in range(1, FILES_KEPT + 1))]
    assert sorted(item.name for item in path.parent.iterdir()) == sorted(names)
    texts = [(path.parent / name).read_text() for name in reversed(names)]
    assert "".join(texts).splitlines() == [f"line {n:04d}" for n in range(84, 100)]
    assert all(len(text) <= 30 for text in texts)


def test_two_processes_can_share_a_file(
    path: Path, complaints: Complaints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_sinks, "FILE_BYTES_MAX", 100)
    files = [LogFile(path, complaints), LogFile(path, complaints)]
    for number in range(40):
        files[number % 2].write(f"line {number:04d}\n")
    names = sorted(path.parent.iterdir(), reverse=True)
    lines = "".join(item.read_text() for item in names).splitlines()
    assert lines == [f"line {n:04d}" for n in range(40)]


def test_removed_file_is_recreated(path: Path, complaints: Complaints) -> None:
    file = LogFile(path, complaints)
    file.write("a\n")
    path.unlink()
    path.parent.rmdir()
    file.write("b\n")
    assert path.read_text() == "b\n"


def test_unwritable_file_is_reported_once(path: Path, complaints: Complaints) -> None:
    path.parent.write_text("a file in the place of the folder")
    file = LogFile(path, complaints)
    for _ in range(3):
        file.write("lost\n")
    path.parent.unlink()
    for _ in range(3):
        file.write("kept\n")
    assert path.read_text() == "kept\n" * 3
    assert complaints.heard == [
        ("log_file_unwritable", {"path": path, "error": "File exists"}),
        ("log_file_written_again", {"path": path, "lines_lost": 3}),
    ]


def test_a_full_disk_is_said_once(path: Path, complaints: Complaints) -> None:
    path.parent.mkdir()
    path.symlink_to("/dev/full")
    file = LogFile(path, complaints)
    for _ in range(3):
        file.write("lost\n")
    assert complaints.heard == [
        ("log_file_unwritable", {"path": path, "error": "No space left on device"})
    ]


def test_an_unwritable_file_leaves_no_descriptor_open(path: Path, complaints: Complaints) -> None:
    path.parent.mkdir()
    path.symlink_to("/dev/full")
    file = LogFile(path, complaints)
    file.write("lost\n")
    before = open_descriptors()
    for _ in range(50):
        file.write("lost\n")
    assert open_descriptors() == before


def open_descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))
