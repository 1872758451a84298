import signal
from collections.abc import Iterator

import pytest

from shared.signals import ending_signals


@pytest.fixture
def _hangup() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("_hangup")
@pytest.mark.parametrize(("now", "ends"), [(signal.SIG_DFL, True), (signal.SIG_IGN, False)])
def test_a_closed_terminal_ends_what_is_not_run_under_nohup(
    now: signal.Handlers, ends: bool
) -> None:
    signal.signal(signal.SIGHUP, now)
    assert (signal.SIGHUP in ending_signals()) is ends
    assert {signal.SIGTERM, signal.SIGINT} <= set(ending_signals())
