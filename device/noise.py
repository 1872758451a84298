"""Randomness for the pure core: the random stream that callers pass in, and a drifting value."""

from math import sqrt
from typing import Protocol


class Stream(Protocol):
    """The methods of ``random.Random`` that the core uses."""

    def random(self) -> float:
        """Return a number from 0 up to 1."""

    def uniform(self, a: float, b: float) -> float:
        """Return a number between two bounds."""

    def gauss(self, mu: float, sigma: float) -> float:
        """Return a normally distributed number."""


def drift(stream: Stream, value: float, spread: float, memory_s: float, dt_s: float) -> float:
    """Return the next value of a random walk about 0 with a standard deviation of ``spread``.

    An Ornstein-Uhlenbeck process with the time constant ``memory_s``. ``dt_s`` should be well
    below that.
    """
    kick = spread * sqrt(2 * dt_s / memory_s)
    return value - value * dt_s / memory_s + stream.gauss(0.0, kick)
