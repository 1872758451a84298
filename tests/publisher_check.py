"""``python -m device.check`` as a process of its own, beside a test whose publisher runs."""

import re

from device.check.verdict import RIGHT
from tests.conftest import StartProcess
from tests.processes import RunningProcess
from tests.timing import scaled_s

LISTEN_S = 3.0
"""Long enough to notice that no status comes: the check allows 2.5 s between two."""
HEARD = re.compile(r"^heard .*: [1-9]\d* readings, [1-9]\d* statuses$", re.MULTILINE)


def start_check(start_process: StartProcess, live: str, replay: str, *flags: str) -> RunningProcess:
    """Start a check of the publisher at these endpoints; it must run until the check has ended."""
    ends = [live, "--replay", replay, "--seconds", str(scaled_s(LISTEN_S))]
    return start_process(["python", "-m", "device.check", *ends, *flags])


def assert_right(check: RunningProcess) -> None:
    """Assert that the check received readings and statuses, and found no fault."""
    assert check.wait(timeout_s=20) == RIGHT, check.output
    assert HEARD.search(check.output), check.output
