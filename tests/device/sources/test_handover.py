"""Samples handed over by a thread."""

import select
import threading
from collections.abc import Iterator

import pytest

from device.sample import Sample
from device.sources import NoSample
from device.sources.handover import QUEUE_MAX, HandoverSource
from shared.errors import SourceError


@pytest.fixture
def source() -> Iterator[HandoverSource]:
    opened = HandoverSource(1000, "a model")
    yield opened
    opened.close()


def is_readable(source: HandoverSource) -> bool:
    descriptor = source.fileno()
    assert descriptor is not None
    return bool(select.select([descriptor], [], [], 0)[0])


def put(source: HandoverSource, *speeds: float) -> None:
    """Hand over samples from a thread of their own."""

    def run() -> None:
        for speed in speeds:
            source.put(Sample(None, speed))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def take(source: HandoverSource) -> list[float | NoSample]:
    """Poll until there is no sample."""
    taken: list[float | NoSample] = []
    while isinstance(found := source.poll(0.0), Sample):
        taken.append(found.speed_kmh)
    return [*taken, found]


def test_in_order_and_woken(source: HandoverSource) -> None:
    assert source.poll(0.0) is NoSample.NOT_YET
    assert not is_readable(source)
    put(source, 1, 2, 3)
    assert is_readable(source)
    assert take(source) == [1, 2, 3, NoSample.NOT_YET]
    assert not is_readable(source)


def test_ends_after_its_samples(source: HandoverSource) -> None:
    put(source, 1)
    source.end()
    assert take(source) == [1, NoSample.ENDED]


def test_fails_after_its_samples(source: HandoverSource) -> None:
    put(source, 1)
    source.fail("the adapter is gone")
    assert isinstance(source.poll(0.0), Sample)
    with pytest.raises(SourceError, match="the adapter is gone"):
        source.poll(0.0)


def test_full_queue_keeps_the_newest(source: HandoverSource) -> None:
    put(source, *range(QUEUE_MAX + 5))
    assert take(source) == [*range(5, QUEUE_MAX + 5), NoSample.NOT_YET]


def test_put_after_close_is_harmless() -> None:
    source = HandoverSource(0)
    ended: list[str] = []
    source.on_close = lambda: ended.append("thread")
    source.close()
    put(source, 1)
    assert ended == ["thread"]
