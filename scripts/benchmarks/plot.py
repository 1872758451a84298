"""Draw the CPU time per delivery of each server as bars in one SVG. Pure."""

from collections.abc import Iterator, Sequence
from html import escape

WIDTH, LEFT, RIGHT, TOP = 900, 220, 90, 56
BAR, PITCH = 22, 34
OWN, OTHER, INK = "#d1495b", "#8a8f98", "#2b2f36"


def draw_bars(title: str, unit: str, bars: Sequence[tuple[str, float]], own: str) -> str:
    """Return the picture: one bar per (name, value), the shortest first, ``own`` highlighted."""
    ordered = sorted(bars, key=lambda bar: bar[1])
    height = TOP + PITCH * len(ordered) + 20
    longest = max((value for _, value in ordered), default=1.0)
    rows = [
        line
        for index, (name, value) in enumerate(ordered)
        for line in _bar(index, name, value, value / longest, name == own)
    ]
    return "\n".join([*_head(title, unit, height), *rows, "</svg>", ""])


def _head(title: str, unit: str, height: int) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="sans-serif" font-size="15" fill="{INK}">'
    )
    yield f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
    subject = f'{escape(title)} <tspan fill="{OTHER}">{escape(unit)}</tspan>'
    yield f'<text x="20" y="32" font-size="17">{subject}</text>'


def _bar(index: int, name: str, value: float, part: float, is_own: bool) -> Iterator[str]:
    y = TOP + PITCH * index
    length = max(1.0, part * (WIDTH - LEFT - RIGHT))
    middle = y + BAR - 6
    yield f'<text x="{LEFT - 12}" y="{middle}" text-anchor="end">{escape(name)}</text>'
    yield (
        f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" '
        f'fill="{OWN if is_own else OTHER}"/>'
    )
    yield f'<text x="{LEFT + length + 8:.1f}" y="{middle}">{value:.2f}</text>'
