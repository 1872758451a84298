"""Heads of HTTP requests, and many requests on one connection."""

import re

from tests.hostile.attacker import Attacker, pour, request, reset
from tests.hostile.attacks.table import attack

GET = request("/healthz")
BEGUN = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
HIDDEN = request("/hidden", "Connection: close")
LENGTH = b"Content-Length: %d" % len(HIDDEN)
SPELLINGS = {
    "a blank before the colon": [LENGTH.replace(b":", b" :")],
    "a tab before the colon": [LENGTH.replace(b":", b"\t:")],
    "a line without a colon": [b"Foo bar", LENGTH],
    "a folded line": [b"X: a", b" " + LENGTH],
    "a folded first line": [b" " + LENGTH],
    "a bare CR": [b"X: a\r" + LENGTH],
    "a bare LF": [b"X: a\n" + LENGTH],
    "a NUL": [b"X: a\0b", LENGTH],
    "two lengths": [b"Content-Length: 0", LENGTH],
    "a list of lengths": [LENGTH + b", 0"],
    "a signed length": [LENGTH.replace(b": ", b": +")],
    "a hexadecimal length": [b"Content-Length: 0x10"],
    "a length with an underscore": [b"Content-Length: 1_0"],
    "a length and chunks": [LENGTH, b"Transfer-Encoding: chunked"],
    "chunks spelled differently": [b"Transfer-Encoding: xchunked", LENGTH],
    "chunks behind a vertical tab": [b"Transfer-Encoding:\x0bchunked"],
    "two codings": [b"Transfer-Encoding: chunked, identity"],
    "an empty name": [b": a", LENGTH],
    "two hosts": [b"Host: 127.0.0.1", LENGTH],
}


@attack(clients=300)
def slow_heads(attacker: Attacker) -> None:
    """A byte every few ms on each of many connections."""
    pour(attacker.lines(300, BEGUN), b"X-Slow: aaaaaaaaaaaaaaaaaaaaaaaa\r\n", pause_s=0.01)


@attack(clients=50)
def huge_heads(attacker: Attacker) -> None:
    """Lines of a head that never ends."""
    pour(attacker.lines(50, BEGUN), b"X-Huge: " + b"a" * 60_000 + b"\r\n")


@attack(clients=50)
def one_endless_line(attacker: Attacker) -> None:
    """A request line that never ends."""
    pour(attacker.lines(50, b"GET /"), b"a" * 60_000)


@attack(clients=50)
def heads_of_many_lines(attacker: Attacker) -> None:
    """As many of the shortest lines as go into the largest head."""
    lines = b"".join(b"a%d:\r\n" % number for number in range(97))
    pour(attacker.lines(50), BEGUN + lines + b"\r\n")


@attack(clients=50)
def one_header_many_times(attacker: Attacker) -> None:
    """Values of one name, which are joined to one."""
    line = b"Cookie: " + b"a=b;" * 35 + b"\r\n"
    pour(attacker.lines(50), BEGUN + line * 97 + b"\r\n")


@attack(clients=600)
def resets_in_heads(attacker: Attacker) -> None:
    """Connections that end by a reset in the middle of a head."""
    for _ in range(20):
        reset(attacker.lines(30, BEGUN))


@attack(clients=20)
def smuggled_requests(attacker: Attacker) -> None:
    """Heads whose body one server sees and another does not: none has two answers."""
    for name, lines in SPELLINGS.items():
        heard = attacker.exchange(BEGUN + b"\r\n".join([*lines, b"", b""]) + HIDDEN)
        answers = len(re.findall(rb"HTTP/1\.1 \d{3} ", heard))
        assert answers <= 1, f"{name}: {answers} answers"
        assert b" 400 " in heard[:13] or b" 411 " in heard[:13], f"{name}: {heard[:80]!r}"


@attack(clients=10)
def pipelined_requests(attacker: Attacker) -> None:
    """Requests one behind the other, whose answers are read."""
    pour(attacker.lines(10), GET * 500)


@attack(clients=50)
def pipelined_requests_unread(attacker: Attacker) -> None:
    """Requests one behind the other, whose answers are not read."""
    pour(attacker.lines(50, unread=True), GET * 500, reads=False)


@attack(clients=50)
def requests_of_old_clients(attacker: Attacker) -> None:
    """HTTP/1.0, each request on a connection of its own."""
    for _ in range(8):
        lines = attacker.lines(50, b"GET / HTTP/1.0\r\n\r\n")
        pour(lines, b"x", lasts_s=0.1, bytes_max=0)
        for line in lines:
            line.close()
