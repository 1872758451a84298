"""Draw a recorded ride and its simulation as one SVG: speeds above, altitude below."""

from collections.abc import Iterator, Sequence
from html import escape
from statistics import fmean
from typing import NamedTuple

WIDTH, HEIGHT = 1200, 560
LEFT, RIGHT = 60, 1180
SMOOTH_S = 5
"""One drawn point per this many seconds, which is finer than a pixel."""

RECORDED, SIMULATED, ROAD, GRID, INK = "#8a8f98", "#d1495b", "#cfe0d4", "#e6e8eb", "#2b2f36"


class Panel(NamedTuple):
    """A rectangle of the picture, and the values at its bottom and top."""

    top: float
    bottom: float
    low: float
    high: float

    def y(self, value: float) -> float:
        """Return the vertical position of a value."""
        return self.bottom - (value - self.low) / (self.high - self.low) * (self.bottom - self.top)


SPEED = Panel(60, 380, 0, 75)
ROAD_PANEL = Panel(410, 520, 200, 600)


def draw_ride(
    recorded_mps: Sequence[float], simulated_mps: Sequence[float], altitude_m: Sequence[float]
) -> str:
    """Return the picture of a ride with one value per second. Dashes mark the end of the fit."""
    seconds = len(recorded_mps)
    floor = ROAD_PANEL.bottom
    road = f"{LEFT},{floor} {_points(altitude_m, ROAD_PANEL)} {RIGHT},{floor}"
    parts = [
        *_axes(SPEED, range(0, 76, 15), "km/h"),
        *_axes(ROAD_PANEL, (200, 400, 600), "m"),
        *_minutes(seconds),
        f'<polygon fill="{ROAD}" points="{road}"/>',
        _line(_points([3.6 * v for v in recorded_mps], SPEED), RECORDED),
        _line(_points([3.6 * v for v in simulated_mps], SPEED), SIMULATED),
        *_legend(),
    ]
    return "\n".join([*_head(), *parts, "</svg>", ""])


def _head() -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="13" role="img" '
        'aria-label="Speed of a recorded ride and of its simulation">'
    )
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'


def _legend() -> Iterator[str]:
    middle = (LEFT + RIGHT) / 2
    yield (f'<path stroke="{INK}" stroke-dasharray="6 5" d="M{middle} 44V{ROAD_PANEL.bottom}"/>')
    yield _text(middle - 10, 52, "fitted here", "end")
    yield _text(middle + 10, 52, "not fitted here", "start")
    for x, colour, label in ((LEFT, RECORDED, "recorded"), (LEFT + 110, SIMULATED, "simulated")):
        yield f'<rect x="{x}" y="20" width="22" height="4" fill="{colour}"/>'
        yield _text(x + 30, 27, label, "start")
    yield _text(RIGHT, 27, "free-running from standstill on recorded power and slope", "end")


def _axes(panel: Panel, ticks: Sequence[int], unit: str) -> Iterator[str]:
    for tick in ticks:
        y = panel.y(tick)
        yield f'<path stroke="{GRID}" d="M{LEFT} {y:.1f}H{RIGHT}"/>'
        label = f"{tick} {unit}" if tick == ticks[-1] else str(tick)
        yield _text(LEFT - 8, y + 4, label, "end")


def _minutes(seconds: int) -> Iterator[str]:
    for minute in range(0, seconds // 60 + 1, 20):
        yield _text(_x(60 * minute, seconds), ROAD_PANEL.bottom + 20, f"{minute} min", "middle")


def _line(points: str, colour: str) -> str:
    return f'<polyline fill="none" stroke="{colour}" stroke-width="1.4" points="{points}"/>'


def _points(values: Sequence[float], panel: Panel) -> str:
    means = (fmean(values[i : i + SMOOTH_S]) for i in range(0, len(values), SMOOTH_S))
    return " ".join(
        f"{_x(number * SMOOTH_S, len(values)):.1f},{panel.y(value):.1f}"
        for number, value in enumerate(means)
    )


def _x(second: float, seconds: int) -> float:
    return LEFT + second / seconds * (RIGHT - LEFT)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{INK}" text-anchor="{anchor}">{escape(text)}</text>'
    )
