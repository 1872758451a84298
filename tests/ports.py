"""Free ports that two test runs on one machine do not give out twice."""

import random
import socket

LOWEST, HIGHEST = 20_000, 32_000
"""Below every system's range for outgoing connections: none of those can take a port in between."""

_draw = random.SystemRandom()
_given: set[int] = set()


def free_port() -> int:
    """Return a TCP port on which nothing listens, never the same one twice in a run.

    Drawn at random from 12,000, so that another run hardly ever draws the same before it is used.
    """
    return free_ports_in_a_row(1)


def free_ports_in_a_row(count: int) -> int:
    """Return the first of ``count`` such ports that follow each other."""
    while True:
        first = _draw.randrange(LOWEST, HIGHEST - count)
        row = range(first, first + count)
        if _given.isdisjoint(row) and all(map(_is_free, row)):
            _given.update(row)
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
