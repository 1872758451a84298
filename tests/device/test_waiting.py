"""The sources that wait: for their descriptor, for a time that they named, or for both."""

import os
from math import inf

import pytest
import zmq

from device.waiting import WaitingSources


@pytest.fixture
def waiting() -> WaitingSources:
    return WaitingSources(zmq.Poller())


def test_named_time_comes_once(waiting: WaitingSources) -> None:
    waiting.add(3, None, 10.0)
    waiting.add(4, None, 12.0)
    waiting.add(5, None)
    assert waiting.next_s() == 10.0
    assert waiting.due((), 9.9) == set()
    assert waiting.due((), 10.0) == {3}
    waiting.discard(3)
    assert (waiting.due((), 11.0), waiting.next_s()) == (set(), 12.0)
    waiting.discard(4)
    assert waiting.next_s() == inf


def test_descriptor_and_time_poll_a_bike_once(waiting: WaitingSources) -> None:
    reader, writer = os.pipe()
    try:
        waiting.add(0, reader, 10.0)
        os.write(writer, b"\0")
        ready = dict(waiting.poller.poll(5_000))
        assert waiting.due(ready, 11.0) == {0}
        assert waiting.due(ready, 1.0) == {0}
        waiting.discard(0)
        assert waiting.due(ready, 11.0) == set()
    finally:
        os.close(reader)
        os.close(writer)
