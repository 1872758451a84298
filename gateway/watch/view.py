"""Draw the state of a watch as a table that ``rich`` can print. Pure."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.watch.follow import HISTORY_S, Second, Watch, WatchedBike

BARS = "▁▂▃▄▅▆▇█"
FASTEST_KMH = 45.0
"""The top of the sparkline: the fastest e-bikes go this fast."""
FRAME_LINES = 6
"""Lines besides the rows of bikes: two above the table, two of its head, two below."""
LOW_BATTERY_PCT, HALF_BATTERY_PCT = 15, 40
LATE_MS, VERY_LATE_MS = 250, 1_000
BATTERY_CELLS = 5
NOTHING = Text("-", style="dim")
LINE = f"last {HISTORY_S} s"


class Column(NamedTuple):
    """A column, and the least width of a terminal that shows it."""

    name: str
    justify: Literal["left", "right"]
    least_width: int = 0


COLUMNS = (
    Column("bike", "left"),
    Column("state", "left"),
    Column("km/h", "right"),
    Column(LINE, "left", 80),
    Column("power", "right", 110),
    Column("battery", "left", 95),
    Column("per s", "right", 120),
    Column("readings", "right", 135),
    Column("gaps", "right"),
    Column("lag", "right"),
)


def render(watch: Watch, width: int, height: int, now_s: float) -> RenderableType:
    """Draw the view in ``width`` columns and ``height`` lines; ``now_s`` is Unix time."""
    bikes = sorted(watch.bikes.items())
    room = max(1, height - FRAME_LINES)
    shown = bikes if len(bikes) <= room else bikes[: room - 1]
    parts: list[RenderableType] = [_headline(watch), _table(shown, width, now_s)]
    if len(shown) < len(bikes):
        parts.append(Text(f"… and {len(bikes) - len(shown)} more bikes", style="dim"))
    return Group(*parts, Text("Ctrl-C ends", style="dim"))


def summary(watch: Watch) -> str:
    """Return the number of readings, bikes and gaps as one sentence."""
    bikes = watch.bikes.values()
    readings, gaps = sum(bike.readings for bike in bikes), sum(bike.gaps for bike in bikes)
    lost = sum(bike.lost for bike in bikes)
    missing = "no gaps" if gaps == 0 else f"{_count(gaps, 'gap')} ({_count(lost, 'reading')} lost)"
    return f"{_count(readings, 'reading')} of {_count(len(bikes), 'bike')}, {missing}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def sparkline(history: Sequence[Second], now_s: int) -> str:
    """Draw the speed of the last :data:`HISTORY_S` seconds; a second without a reading is blank."""
    speeds = {second.at_s: second.speed_kmh for second in history}
    return "".join(_bar(speeds.get(at_s)) for at_s in range(now_s - HISTORY_S + 1, now_s + 1))


def _bar(speed_kmh: float | None) -> str:
    if speed_kmh is None:
        return " "
    return BARS[min(len(BARS) - 1, int(speed_kmh / FASTEST_KMH * len(BARS)))]


def _headline(watch: Watch) -> Text:
    head = Text("Spoke  ", style="bold cyan", no_wrap=True, overflow="ellipsis")
    if watch.url is None:
        return head.append(f"● {watch.trouble or 'connecting'}", style="yellow")
    online = sum(bike.online for bike in watch.bikes.values())
    head.append("● live ", style="green").append(watch.url, style="default")
    head.append(f"   {online:,} of {_count(len(watch.bikes), 'bike')} online", style="default")
    head.append(f"   {summary(watch)}", style="dim")
    again = watch.connects - 1
    return head.append(f"   {_count(again, 'reconnect')}", style="yellow") if again else head


def _table(bikes: Sequence[tuple[str, WatchedBike]], width: int, now_s: float) -> Table:
    table = Table(box=SIMPLE_HEAD, header_style="dim", pad_edge=False)
    shown = [column for column in COLUMNS if column.least_width <= width]
    for name, justify, _least_width in shown:
        table.add_column(name, justify=justify, no_wrap=True)
    for device_id, bike in bikes:
        cells = _cells(device_id, bike, now_s)
        row = [cells[column.name] for column in shown]
        table.add_row(*row, style="" if bike.online else "dim")
    return table


def _cells(device_id: str, bike: WatchedBike, now_s: float) -> dict[str, Text]:
    latest = bike.latest or {}
    speed, power = latest.get("speed_kmh"), latest.get("power_w")
    line = sparkline(bike.history, _own_second(bike, now_s))
    return {
        "bike": Text(device_id),
        "state": _state(bike),
        "km/h": NOTHING if speed is None else Text(f"{speed:5.1f}", style="bold"),
        LINE: Text(line, style="cyan"),
        "power": NOTHING if power is None else Text(f"{power:4.0f} W"),
        "battery": _battery(latest.get("battery_pct")),
        "per s": Text(f"{_rate(bike.history)}"),
        "readings": Text(f"{bike.readings:,}"),
        "gaps": _gaps(bike),
        "lag": _lag(bike),
    }


def _own_second(bike: WatchedBike, now_s: float) -> int:
    """Return the current second by the bike's clock, which may be wrong."""
    newest_s = bike.history[-1].at_s if bike.history else 0
    return newest_s if bike.least_delay_ms is None else int(now_s - bike.least_delay_ms / 1000)


def _state(bike: WatchedBike) -> Text:
    if bike.refused is not None:
        return Text(f"● {bike.refused}", style="red")
    return Text("● online", style="green") if bike.online else Text("○ offline", style="yellow")


def _battery(percent: float | None) -> Text:
    if percent is None:
        return NOTHING
    full = round(percent / 100 * BATTERY_CELLS)
    low, half = percent < LOW_BATTERY_PCT, percent < HALF_BATTERY_PCT
    style = "red" if low else "yellow" if half else "green"
    cells = Text("█" * full, style=style).append("░" * (BATTERY_CELLS - full), style="dim")
    return cells.append(f" {percent:.0f}%", style="default")


def _rate(history: Sequence[Second]) -> int:
    """Return the number of readings in the last full second."""
    whole = history[:-1] or history
    return whole[-1].readings if whole else 0


def _gaps(bike: WatchedBike) -> Text:
    if bike.gaps == 0:
        return Text("0", style="dim")
    return Text(f"{bike.gaps} ({bike.lost:,} lost)", style="yellow")


def _lag(bike: WatchedBike) -> Text:
    if bike.lag_ms is None:
        return NOTHING
    late, very = bike.lag_ms >= LATE_MS, bike.lag_ms >= VERY_LATE_MS
    style = "red" if very else "yellow" if late else "green"
    return Text(f"{bike.lag_ms:,.0f} ms", style=style)
