"""Bodies of HTTP requests."""

from tests.hostile.attacker import POLL, Attacker, pour, request, reset
from tests.hostile.attacks.table import attack

CHUNKED = "Transfer-Encoding: chunked"
BODY_BYTES = 64_000
"""About what a message of a browser may have at most."""


@attack(clients=20)
def chunks_of_one_byte(attacker: Attacker) -> None:
    """A body in the smallest pieces there are."""
    lines = attacker.lines(10, request("/healthz", CHUNKED, method="POST"))
    lines += attacker.lines(10, request(POLL, CHUNKED, method="POST"))
    pour(lines, b"1\r\nx\r\n" * 10_000)


@attack(clients=300)
def bodies_that_never_come(attacker: Attacker) -> None:
    """Lengths are announced, half of them with "Expect", and nothing follows."""
    length = f"Content-Length: {BODY_BYTES}"
    lines = attacker.lines(150, request("/healthz", length, method="POST"))
    waiting = request("/healthz", length, "Expect: 100-continue", method="POST")
    pour(lines + attacker.lines(150, waiting), b"x", bytes_max=1)


@attack(clients=300)
def bodies_nobody_asked_for(attacker: Attacker) -> None:
    """A gigabyte is announced to a route that takes no body."""
    sent = request("/healthz", "Content-Length: 1000000000", method="POST")
    pour(attacker.lines(20, sent), b"x" * 60_000)


@attack(clients=100)
def bodies_cut_short(attacker: Attacker) -> None:
    """The client leaves in the middle, by a close or by a reset."""
    for session in attacker.sessions(50):
        address = f"{POLL}&sid={session}"
        begun = request(address, "Content-Length: 1000", method="POST") + b"40"
        for line in attacker.lines(3, begun):
            line.close()
        reset(attacker.lines(3, begun))


@attack(clients=300)
def bodies_that_stop_before_their_end(attacker: Attacker) -> None:
    """All but the last byte of the largest body, from as many sessions as there may be."""
    length = f"Content-Length: {BODY_BYTES}"
    begun = [
        attacker.line(request(f"{POLL}&sid={session}", length, method="POST"))
        for session in attacker.sessions(150)
    ]
    pour(begun, b"4" * (BODY_BYTES - 1), bytes_max=BODY_BYTES - 1)
