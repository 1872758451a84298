"""Requests to the HTTP API."""

import re

from tests.hostile.attacker import HONEST, TEXT, Attacker, frame, pour, request, upgrade
from tests.hostile.attacks.table import attack

LIST = "/api/v1/devices"
READINGS = f"{LIST}/ebike-001/readings"
EVERYTHING = f"{READINGS}?format=csv&from_ms=0&to_ms=9007199254740991"
VALUES = {
    "Accept": [
        "text/csv;q=0.1," * 1_500,
        "*/*;" * 3_000,
        ";q=" + "9" * 9_000,
        'a/b;c="' + "\\" * 9_000,
    ],
    "Accept-Encoding": ["gzip;q=1," * 1_600, "," * 15_000],
    "Accept-Language": ["de;q=0.5," * 1_600],
    "Authorization": ["Basic " + "=" * 9_000, "Digest " + "a=b," * 3_000],
    "Cookie": ["a=b;" * 3_500, "=;" * 7_000, '"\\' * 7_000],
    "Content-Type": ["multipart/form-data; boundary=" + "x" * 9_000, "a/b;" + "c=d;" * 3_000],
    "If-Modified-Since": [
        "Mon, 99 Foo 99999 99:99:99 GMT",
        "1" * 9_000,
        "Sat, 1 Jan 0000 00:00:00 -9999",
    ],
    "If-None-Match": ['W/"a",' * 2_000, '"' * 14_000],
    "If-Range": ["Thu, 01 Jan 99999 00:00:00 GMT", '"' + "x" * 9_000],
    "Origin": ["http://" + "a" * 14_000, "null", "http://[::1"],
    "Range": ["bytes=" + "0-0," * 3_500, "bytes=" + "9" * 9_000 + "-", "bytes=-", "x=1-2"],
    "X-Forwarded-For": ["1.2.3.4," * 1_800, "::" * 7_000],
    "X-Forwarded-Host": ["a," * 7_000],
    "Host": ["[" * 9_000, "a" * 9_000 + ":1", "127.0.0.1:" + "9" * 9_000],
}
QUERIES = [
    "&".join(f"k{n}=1" for n in range(2_000)),
    "since=" + "9" * 9_000 + "-1",
    "limit=" + "9" * 9_000,
    "limit=1e9",
    "limit=\u0663".encode().decode("latin-1"),
    "from_ms=" + "9" * 4_000 + "&to_ms=1",
    "from_ms=-1&to_ms=nan",
    "max_points=10000&from_ms=0&to_ms=9007199254740991",
    "since=" + "%30" * 4_000,
    "=" * 15_000,
]


@attack(clients=300)
def lists_by_many(attacker: Attacker) -> None:
    """The longest answer there is, for as many as may ask at once."""
    pour(attacker.lines(300), request(LIST) * 20)


@attack(clients=100)
def lists_unread(attacker: Attacker) -> None:
    """The longest answer there is, and nobody reads it."""
    pour(attacker.lines(100, unread=True), request(LIST) * 20, reads=False)


@attack(clients=100)
def files_unread(attacker: Attacker) -> None:
    """All readings as one file, and nobody reads it."""
    pour(attacker.lines(100, request(EVERYTHING), unread=True), b"x", bytes_max=0, reads=False)


@attack(clients=50)
def pages_by_many(attacker: Attacker) -> None:
    """The longest pages, thinned out and not."""
    thinned = f"{READINGS}?max_points=2&from_ms=0&to_ms=9007199254740991"
    pages = request(f"{READINGS}?limit=5000&since=0-0") + request(thinned) + request(EVERYTHING)
    pour(attacker.lines(50), pages)


@attack(clients=50)
def hostile_headers(attacker: Attacker) -> None:
    """Values that libraries parse at length: no answer is the gateway's own fault."""
    for path in (READINGS, "/static/dashboard.js", "/", "/bikes/x"):
        for name, values in VALUES.items():
            for value in values:
                _assert_no_failure(attacker, path, f"{name}: {value}")


@attack(clients=20)
def hostile_queries(attacker: Attacker) -> None:
    """Queries that are expensive, or no numbers."""
    for query in QUERIES:
        _assert_no_failure(attacker, f"{READINGS}?{query}")
    _assert_no_failure(attacker, "/%" * 7_000)
    _assert_no_failure(attacker, "/bikes/" + "%F0%9F%9A%B2" * 1_000, "Accept: text/html")
    _assert_no_failure(attacker, "/static/" + "../" * 4_000)
    _assert_no_failure(attacker, "http://[")


@attack(clients=20)
def heads_of_everything(attacker: Attacker) -> None:
    """HEAD and GET in turns on one connection: the answers stay in step."""
    sent = [
        request(path, method=method)
        for path in (EVERYTHING, READINGS, LIST, "/", "/static/dashboard.js", "/nothing")
        for method in ("HEAD", "GET")
    ]
    heard = attacker.exchange(b"".join(sent) + request("/healthz", "Connection: close"))
    assert heard.count(b"HTTP/1.1 ") == len(sent) + 1
    pour(attacker.lines(20), b"".join(sent[::2]))


@attack(clients=450)
def one_address_takes_all(attacker: Attacker) -> None:
    """Every place is taken by one address: another one gets in."""
    attacker.lines(450, b"GET / HTTP/1.1\r\n")
    attacker.lines(450, upgrade() + frame(TEXT, b"40"))
    answer = attacker.exchange(request("/healthz", "Connection: close"), source=HONEST)
    assert answer.startswith(b"HTTP/1.1 200 "), answer[:80]


def _assert_no_failure(attacker: Attacker, path: str, *headers: str) -> None:
    """Ask, and accept every answer but a failure of the gateway itself."""
    raw = request(path, "Connection: close", *headers)
    if any(header.startswith("Host: ") for header in headers):
        raw = raw.replace(b"Host: 127.0.0.1\r\n", b"", 1)
    answer = attacker.exchange(raw)
    assert re.match(rb"HTTP/1\.1 [234]\d\d ", answer), f"{path[:40]} {headers}: {answer[:80]!r}"
