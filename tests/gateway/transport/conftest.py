"""Fixtures of the transport's tests."""

from collections.abc import Iterator

import pytest

from tests.gateway.transport.clients import TcpClient


@pytest.fixture(autouse=True)
def _close_clients() -> Iterator[None]:
    """Close what a failed test left open."""
    yield
    while TcpClient.opened:
        TcpClient.opened.pop().close()
