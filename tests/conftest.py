"""Fixtures every test may use: free ports, and processes that are gone after the test."""

import signal
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.ports import free_port as draw_free_port
from tests.processes import StartProcess, starting

__all__ = ["StartProcess"]  # the type of the fixture below

LONGEST_BYTES_IN_A_NAME = 16

# On a machine that does other things as well, how long an example takes says nothing.
settings.register_profile("spoke", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("spoke")

# A shell starts background commands with SIGINT ignored, and nohup ignores SIGHUP. Processes
# inherit an ignored signal, but not a handler. The tests send both, and expect them to arrive.
signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda _number, _frame: None)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name long bytes by their argument: all workers must collect the same names.

    A gzip file, for one, holds the second it was written in.
    """
    return argname if isinstance(val, bytes) and len(val) > LONGEST_BYTES_IN_A_NAME else None


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Give out free ports, each once."""
    return draw_free_port


@pytest.fixture
def start_process() -> Iterator[StartProcess]:
    """Start processes; whatever of them is left after the test is killed."""
    with starting() as start:
        yield start


@pytest.fixture(scope="module")
def start_shared_process() -> Iterator[StartProcess]:
    """Start processes that several tests of a module use; they are killed after the last one."""
    with starting() as start:
        yield start
