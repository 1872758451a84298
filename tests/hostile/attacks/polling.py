"""Sessions by polling."""

from tests.hostile.attacker import POLL, Attacker, pour, request
from tests.hostile.attacks.table import attack

SEPARATOR = b"\x1e"
BODY_BYTES = 60_000


@attack(clients=200)
def polls_in_parallel(attacker: Attacker) -> None:
    """Twenty GETs at once of each session."""
    addresses = [f"{POLL}&sid={session}" for session in attacker.sessions(10)]
    lines = [
        attacker.line(request(address) + request(f"{address}&t={number}"))
        for address in addresses
        for number in range(20)
    ]
    pour(lines, b"x", bytes_max=0)


@attack(clients=50)
def posts_of_tiny_packets(attacker: Attacker) -> None:
    """Bodies of as many packets as fit in."""
    packets = {"pongs": b"3", "noops": b"6", "connects": b"40/x,", "events": b'42["x"]'}
    for packet in packets.values():
        count = BODY_BYTES // (len(packet) + 1)
        body = SEPARATOR.join([b"40", *[packet] * count])
        sessions = attacker.sessions(12)
        lines = [
            attacker.line(request(f"{POLL}&sid={session}", method="POST", body=body))
            for session in sessions
        ]
        pour(lines, b"x", bytes_max=0, lasts_s=0.2)


@attack(clients=400)
def sessions_that_are_left_alone(attacker: Attacker) -> None:
    """All places are taken by sessions, and nobody asks for their packets."""
    attacker.sessions(20, each=20)


@attack(clients=20)
def polls_for_no_session(attacker: Attacker) -> None:
    """Requests with made-up, huge and repeated fields."""
    pieces = [
        request(f"{POLL}&sid={'x' * 10_000}"),
        request(f"{POLL}&" + "&".join(f"a{n}=1" for n in range(1_000))),
        request(f"{POLL}&sid=%ff%00&t=" + "%2e" * 3_000, method="POST", body=b"40"),
        request("/socket.io/?EIO=" + "4" * 8_000 + "&transport=websocket"),
    ]
    pour(attacker.lines(20), b"".join(pieces))
