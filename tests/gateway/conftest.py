"""Fixtures of the gateway's tests."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from gateway.upstream.sockets import LinkSettings
from tests.gateway.link_peers import Loop, Peers, StartLinks
from tests.gateway.stage import Clock, NoMulticast, Stage, make_stage


@pytest.fixture
def peers() -> Iterator[Peers]:
    """The sockets of devices, closed after the test."""
    opened = Peers()
    yield opened
    opened.close()


@pytest.fixture
def start_links() -> Iterator[StartLinks]:
    """Start subscribers that are stopped after the test."""
    with ExitStack() as stack:

        def start_one(settings: LinkSettings) -> Loop:
            loop = Loop(settings)
            stack.callback(loop.close)
            loop.subscriber.start()
            return loop

        yield start_one


@pytest.fixture
def stage() -> Stage:
    """A hub whose links and clock are moved by hand."""
    return make_stage(Clock(), NoMulticast)
