"""Fixtures for tests of the whole: real processes, real sockets, stock clients."""

from collections.abc import Callable

import pytest

from tests.conftest import StartProcess
from tests.system.pair import Pair


@pytest.fixture
def pair(start_process: StartProcess, free_port: Callable[[], int]) -> Pair:
    """A device and a gateway that know each other's ports; nothing runs yet."""
    return Pair(start_process, web=free_port(), live=free_port(), replay=free_port())
