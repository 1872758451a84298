"""Fixtures for the fault tests."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.conftest import StartProcess
from tests.faults.stage import Stage
from tests.system.pair import Pair


@pytest.fixture
def stage(start_process: StartProcess, free_port: Callable[[], int]) -> Iterator[Stage]:
    """Bikes, a gateway and witnesses to be; the relays between them run."""
    with ExitStack() as stack:
        pair = Pair(start_process, web=free_port(), live=free_port(), replay=free_port())
        yield Stage(pair, free_port, stack)
