"""Fixtures of the device's tests."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import pytest
from loguru import logger

from device.fleet import Bike
from tests.device.peers import Peers, RunningDevice


@pytest.fixture
def peers() -> Iterator[Peers]:
    """The sockets that listen and ask."""
    opened = Peers()
    yield opened
    opened.close()


@pytest.fixture
def start_device(peers: Peers) -> Iterator[Callable[..., RunningDevice]]:
    """Start devices in threads; they are stopped before the sockets that listen to them."""
    assert not peers.context.closed
    with ExitStack() as stack:

        def start(bikes: Sequence[Bike], *flags: str) -> RunningDevice:
            running = RunningDevice(bikes, flags)
            stack.callback(running.stop)
            return running

        yield start


@pytest.fixture
def log_lines() -> Iterator[list[str]]:
    """What is logged during the test, event and values."""
    lines: list[str] = []
    sink = logger.add(
        lambda message: lines.append(f"{message.record['message']} {message.record['extra']}")
    )
    yield lines
    logger.remove(sink)
