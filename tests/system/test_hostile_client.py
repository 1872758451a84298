"""Rubbish from browsers: refused in words, and nobody else notices."""

import json
import socket
from time import monotonic

import psutil

from gateway.web.limits import REQUESTS_BURST, REQUESTS_PER_S
from tests.processes import ROOT
from tests.system.pair import Pair, numbers
from tests.timing import scaled_s

GROWTH_MAX_MB = 60
TEXT, CLOSE = 0x81, 0x88
HANDSHAKE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n"
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
KNOWN_CODES = {"ok", "bad_request", "bad_cursor", "too_many_devices", "not_found", "rate_limited"}


def test_rubbish_events_are_refused_and_a_healthy_client_does_not_notice(pair: Pair) -> None:
    pair.start_device(SPOKE_RATE_HZ="50")
    gateway = pair.start_gateway()
    witness = pair.watch(emit=[["subscribe", {"devices": ["ebike-001"]}]])
    witness.wait_for("speed_change", count=5)
    before_mb = psutil.Process(gateway.pid).memory_info().rss / 1e6
    script = str(ROOT / "tests" / "system" / "hostile.mjs")
    hostile = [pair.start_process(["node", script, pair.url, str(seed)]) for seed in (1, 2, 3)]
    for process in hostile:
        assert process.wait(timeout_s=40) == 0
        codes = json.loads(process.output.splitlines()[-1])
        assert set(codes) <= KNOWN_CODES
        assert codes["rate_limited"] > 0
    witness.wait_for("speed_change", count=len(numbers(witness)) + 10)
    seen = numbers(witness)
    assert seen == list(range(seen[0], seen[0] + len(seen)))
    assert [name for name, _body in witness.events].count("connect") == 1
    assert psutil.Process(gateway.pid).memory_info().rss / 1e6 - before_mb < GROWTH_MAX_MB
    assert "Traceback" not in gateway.output
    assert len(gateway.output.splitlines()) < 50


def test_a_client_that_leaves_as_it_comes_is_no_error(pair: Pair) -> None:
    gateway = pair.start_gateway()
    with socket.create_connection(("127.0.0.1", pair.web), timeout=scaled_s(10)) as line:
        line.sendall(HANDSHAKE)
        heard = line.recv(4096)
        while b'"sid"' not in heard:
            heard += line.recv(4096)
        packets = (b"40", b'42["subscribe",{"devices":"*"}]')
        line.sendall(b"".join(masked(TEXT, packet) for packet in packets) + masked(CLOSE, b""))
        while line.recv(4096):
            pass
    assert gateway.stop() == 0
    assert "Traceback" not in gateway.output


COME, GO = b'40{"subscribe":{"devices":"*"}}', b"41"


def test_who_comes_and_goes_over_one_connection_has_no_more_requests_for_it(pair: Pair) -> None:
    pair.start_gateway()
    with socket.create_connection(("127.0.0.1", pair.web), timeout=scaled_s(10)) as line:
        line.sendall(HANDSHAKE + (masked(TEXT, COME) + masked(TEXT, GO)) * 120)
        heard = receive_until(line, b'44{"message":"too many requests')
    # Each life takes one request or two: the subscription counts too if the loop turns between
    # coming and going, and it has no answer if the client leaves meanwhile.
    assert REQUESTS_BURST / 2 <= heard.count(b'40{"sid"') < 120


def test_what_is_asked_for_at_connect_is_a_request_too(pair: Pair) -> None:
    pair.start_gateway()
    lives, heard, began_s = 0, b"", monotonic()
    with socket.create_connection(("127.0.0.1", pair.web), timeout=scaled_s(10)) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.sendall(HANDSHAKE)
        while b"rate_limited" not in heard:
            line.sendall(masked(TEXT, COME))
            heard = receive_until(line, b'"subscribed"', b"rate_limited")
            line.sendall(masked(TEXT, GO))
            lives += 1
    allowed = REQUESTS_BURST + REQUESTS_PER_S * (monotonic() - began_s)
    assert REQUESTS_BURST < 2 * lives <= allowed + 2  # the last one was refused in part


def receive_until(line: socket.socket, *marks: bytes) -> bytes:
    """Read until one of them was heard."""
    heard = b""
    while not any(mark in heard for mark in marks):
        heard += line.recv(65_536)
    return heard


def masked(kind: int, payload: bytes) -> bytes:
    """Frame what a client sends, with a mask that changes nothing."""
    return bytes((kind, 0x80 | len(payload))) + bytes(4) + payload
