"""Fixtures for tests of several gateways."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.conftest import StartProcess
from tests.faults.stage import Stage
from tests.system.pair import Pair


@pytest.fixture
def cluster(
    start_process: StartProcess, free_port: Callable[[], int], tmp_path: Path
) -> Iterator[Cluster]:
    """Two gateways and their device to be."""
    with ExitStack() as stack:
        pair = Pair(start_process, web=free_port(), live=free_port(), replay=free_port())
        yield Cluster(Stage(pair, free_port, stack), tmp_path)
