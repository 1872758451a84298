"""Chance for the pure core: the stream it is handed, and what drifts by it."""

from math import sqrt
from typing import Protocol


class Stream(Protocol):
    """What the core asks of a random stream; ``random.Random`` has it."""

    def random(self) -> float:
        """Give a number from 0 up to 1."""

    def uniform(self, a: float, b: float) -> float:
        """Give a number between two bounds."""

    def gauss(self, mu: float, sigma: float) -> float:
        """Give a normally distributed number."""


def drift(stream: Stream, value: float, spread: float, memory_s: float, dt_s: float) -> float:
    """Let a value wander about 0 with a standard deviation of ``spread``.

    An Ornstein-Uhlenbeck process: it forgets where it was within about ``memory_s``. ``dt_s``
    should be well below that.
    """
    kick = spread * sqrt(2 * dt_s / memory_s)
    return value - value * dt_s / memory_s + stream.gauss(0.0, kick)
