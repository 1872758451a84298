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
    while True:
        port = _draw.randrange(LOWEST, HIGHEST)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
