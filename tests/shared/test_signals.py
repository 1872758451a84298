import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from shared.signals import ending_signals
from tests.processes import ROOT


@pytest.fixture
def _hangup() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("_hangup")
@pytest.mark.parametrize(("now", "ends"), [(signal.SIG_DFL, True), (signal.SIG_IGN, False)])
def test_closed_terminal_and_nohup(now: signal.Handlers, ends: bool) -> None:
    signal.signal(signal.SIGHUP, now)
    assert (signal.SIGHUP in ending_signals()) is ends
    assert {signal.SIGTERM, signal.SIGINT} <= set(ending_signals())


ASKED_AS_IT_ENDS = """
import os, signal
from shared.signals import exit_ignoring_signals

class Last:
    def __del__(self, kill=os.kill, pid=os.getpid(), number=signal.SIGTERM):
        kill(pid, number)  # Python has taken its handlers away by then

last = Last()
signal.signal(signal.SIGTERM, lambda *_: None)
{end}(3)
"""


@pytest.mark.parametrize(("end", "code"), [("exit_ignoring_signals", 3), ("exit", -signal.SIGTERM)])
def test_second_signal_keeps_exit_code(end: str, code: int) -> None:
    script = ASKED_AS_IT_ENDS.format(end=end)
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == code
