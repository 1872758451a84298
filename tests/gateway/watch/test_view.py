from io import StringIO

import pytest
from rich.console import Console

from gateway.watch.follow import Second, Watch, WatchedBike
from gateway.watch.view import render, sparkline, summary
from shared.cursor import Cursor

NOW_S = 1_700_000_000
WIDTH, HEIGHT = 140, 20


def bike(**changes: object) -> WatchedBike:
    latest = {"speed_kmh": 21.44, "power_w": 110, "battery_pct": 12}
    history = tuple(Second(NOW_S - 20 + n, float(n), 10) for n in range(21) if n not in (7, 8))
    known = {"online": True, "latest": latest, "history": history, "readings": 1_234}
    return WatchedBike(Cursor(1, 4), **{**known, "lag_ms": 3.4, "least_delay_ms": 3.0, **changes})  # type: ignore[arg-type]  # of the right types


def shown(watch: Watch, height: int = HEIGHT, width: int = WIDTH) -> str:
    console = Console(file=StringIO(), width=width, height=height, force_terminal=False)
    with console.capture() as capture:
        console.print(render(watch, width, height, NOW_S))
    return capture.get()


def test_bike_is_one_line() -> None:
    watch = Watch(bikes={"ebike-001": bike()}, url="http://gateway", connects=1)
    [line] = [line for line in shown(watch).splitlines() if line.lstrip().startswith("ebike-001")]
    for word in ("● online", "21.4", "110 W", "12%", "10", "1,234", "3 ms", "▁▁▁▁▁▁▂  ▂▂"):
        assert word in line
    assert "● live http://gateway" in shown(watch)


@pytest.mark.parametrize("width", [1, 2, 7, 20, 40, 79, 80, 200])
@pytest.mark.parametrize("height", [1, 2, 5, 24])
def test_nothing_is_wider_than_the_terminal(width: int, height: int) -> None:
    bikes = {f"ebike-{n:03d}": bike(gaps=n, lost=n * 1_000) for n in range(30)}
    watch = Watch(bikes=bikes, url="http://gateway:5000", connects=3)
    assert all(len(line) <= width for line in shown(watch, height, width).splitlines())


def test_a_second_without_a_reading_is_blank() -> None:
    history = [Second(NOW_S - 2, 44.0, 1), Second(NOW_S, 0.0, 1)]
    assert sparkline(history, NOW_S).lstrip() == "█ ▁"
    assert sparkline(history, NOW_S + 2).endswith("█ ▁  ")
    assert sparkline(history, NOW_S + 60).strip() == ""


def test_sparkline_with_wrong_clock() -> None:
    hour_s = 3600
    history = tuple(Second(NOW_S + hour_s - n, 30.0, 1) for n in range(3, -1, -1))
    wrong = bike(history=history, least_delay_ms=-1000.0 * hour_s)
    assert "▆▆▆▆" in shown(Watch(bikes={"ebike-001": wrong}, url="http://gateway"))


def test_offline_refused_and_gaps_are_shown() -> None:
    bikes = {
        "away": bike(online=False),
        "strange": bike(refused="old_epoch"),
        "lossy": bike(gaps=2, lost=1_017),
        "new": WatchedBike(),
    }
    text = shown(Watch(bikes=bikes, url="http://gateway", connects=3))
    for words in (
        "○ offline",
        "● old_epoch",
        "2 (1,017 lost)",
        "2 of 4 bikes online",
        "2 reconnects",
    ):
        assert words in text


def test_reason_for_no_connection_is_shown() -> None:
    assert "nothing answers at http://x" in shown(Watch(trouble="nothing answers at http://x"))
    assert "connecting" in shown(Watch())


def test_long_fleet_is_cut() -> None:
    bikes = {f"ebike-{n:03}": bike() for n in range(100)}
    text = shown(Watch(bikes=bikes, url="http://gateway"), height=20).rstrip("\n")
    assert len(text.splitlines()) <= 20
    assert "… and 87 more bikes" in text


def test_narrow_terminal_drops_columns() -> None:
    watch = Watch(bikes={"ebike-001": bike(gaps=1, lost=17)}, url="http://gateway")
    text = shown(watch, width=60)
    [line] = [line for line in text.splitlines() if "ebike-001" in line]
    for words in ("● online", "21.4", "1 (17 lost)", "3 ms"):
        assert words in line
    assert "power" not in text


def test_the_summary_counts() -> None:
    assert summary(Watch(bikes={"a": bike()})) == "1,234 readings of 1 bike, no gaps"
    assert summary(Watch(bikes={"a": bike(gaps=2, lost=5)})).endswith("2 gaps (5 readings lost)")
