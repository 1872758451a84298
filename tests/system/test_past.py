"""What a ring no longer holds comes from the device's journal, through the API."""

import csv
import io
import signal

import pytest

from tests.conftest import StartProcess
from tests.system.pair import Json, Pair, running_pair
from tests.timing import eventually

READINGS = "/api/v1/devices/ebike-001/readings"
DEVICE = "/api/v1/devices/ebike-001"
RING = 200
PUBLISHED = 1_200
ONE_AND_A_HALF_PAGES = 375


@pytest.fixture(scope="module")
def grown(start_shared_process: StartProcess) -> Pair:
    """Run a device that published far more than the gateway's ring holds."""
    settings = {"SPOKE_RATE_HZ": "500"}, {"SPOKE_HISTORY_READINGS": str(RING)}
    return running_pair(start_shared_process, *settings)


@pytest.fixture
def epoch(grown: Pair) -> str:
    return grown_to(grown, PUBLISHED)


def grown_to(pair: Pair, seq: int) -> str:
    """Wait until the device published so many readings; gives their epoch."""
    pair.wait_until_known("ebike-001")

    def position() -> list[str]:
        cursor: str = pair.get(DEVICE).json["cursor"]
        return cursor.split("-")

    eventually(lambda: int(position()[1]) >= seq, what=f"{seq} readings")
    return position()[0]


def seqs(page: Json) -> list[int]:
    return [reading["seq"] for reading in page["readings"]]


def test_a_page_from_before_the_ring_comes_from_the_device(grown: Pair, epoch: str) -> None:
    page = grown.get(f"{READINGS}?since=0-0").json
    assert seqs(page) == list(range(1, 1_001))
    assert (page["gaps"], page["next"], page["held_from"]) == ([], f"{epoch}-1000", f"{epoch}-0")
    rest = grown.get(f"{READINGS}?since={page['next']}&limit=5000").json
    assert seqs(rest) == list(range(1_001, 1_001 + len(rest["readings"])))
    assert seqs(rest)[-1] >= PUBLISHED
    assert rest["gaps"] == []


def test_a_span_from_before_the_ring_comes_from_the_device(grown: Pair, epoch: str) -> None:
    first, last = (
        grown.get(f"{READINGS}?since={epoch}-{seq}&limit=1").json["readings"][0]["ts_ms"]
        for seq in (299, 299 + ONE_AND_A_HALF_PAGES)
    )
    page = grown.get(f"{READINGS}?from_ms={first}&to_ms={last}").json
    found = seqs(page)
    assert found == list(range(found[0], found[-1] + 1))
    assert {300, 299 + ONE_AND_A_HALF_PAGES} <= set(found)
    assert page["gaps"] == []
    thin = grown.get(f"{READINGS}?from_ms={first}&max_points=50").json
    assert len(thin["readings"]) <= 50
    assert seqs(thin)[0] < 320
    assert seqs(thin)[-1] > PUBLISHED - RING


def test_the_whole_ride_is_one_csv_file(grown: Pair, epoch: str) -> None:
    answer = grown.get(f"{READINGS}?from_ms=0&format=csv")
    header, *rows = csv.reader(io.StringIO(answer.text, newline=""))
    numbers = [int(row[header.index("seq")]) for row in rows]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= PUBLISHED
    assert {row[header.index("epoch")] for row in rows} == {epoch}


def test_of_a_device_that_is_gone_the_ring_is_all_there_is(pair: Pair) -> None:
    device = pair.start_device(SPOKE_RATE_HZ="500")
    pair.start_gateway(SPOKE_HISTORY_READINGS=str(RING))
    epoch = grown_to(pair, RING * 2)
    device.stop(signal.SIGTERM)
    eventually(lambda: not pair.get(DEVICE).json["online"], what="the device's goodbye")
    page = pair.get(f"{READINGS}?since={epoch}-10").json
    [gap] = page["gaps"]
    assert len(page["readings"]) == RING
    assert (gap["after"], gap["reason"]) == (f"{epoch}-10", "expired")
    assert page["held_from"] == f"{epoch}-{seqs(page)[0] - 1}"
