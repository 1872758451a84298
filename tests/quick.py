"""A pytest plugin for the unit tests: leaves out each test that starts processes or takes long.

``scripts/test unit`` and ``scripts/test quick`` load it with ``-p tests.quick``.
"""

from collections.abc import Iterable
from pathlib import Path

import pytest

SLOW = (
    "tests/browser",
    "tests/examples",
    "tests/faults",
    "tests/hostile",
    "tests/system",
    # real sockets and servers
    "tests/device/check/test___main__.py",
    "tests/device/check/test_order.py",
    "tests/device/check/test_replay.py",
    "tests/device/test_live_sources.py",
    "tests/device/test_publisher.py",
    "tests/device/test_subscriptions.py",
    "tests/gateway/transport/test_connection.py",
    "tests/gateway/transport/test_documented.py",
    "tests/gateway/transport/test_handlers.py",
    "tests/gateway/transport/test_holes.py",
    "tests/gateway/transport/test_inbox.py",
    "tests/gateway/transport/test_options.py",
    "tests/gateway/transport/test_outbox.py",
    "tests/gateway/transport/test_packet_log.py",
    "tests/gateway/transport/test_poll_connection.py",
    "tests/gateway/transport/test_socketio_run.py",
    "tests/gateway/transport/test_web_server.py",
    "tests/gateway/upstream/test_readiness.py",
    "tests/shared/test_doorkeeper.py",
    # one Python process per test
    "tests/scripts/test_run_tests.py",
    "tests/shared/test_console.py",
    "tests/shared/test_logs.py",
    "tests/shared/test_signals.py",
    # long calculations
    "tests/device/sources/decoders/test_mutations.py",
    "tests/device/sources/decoders/test_serial_hour.py",
    "tests/device/sources/test_recording.py",
    "tests/gateway/fanout/test_fanout_properties.py",
    "tests/gateway/web/test_pieces.py",
    "tests/scripts/test_ride_check.py",
)
"""Folders and files that are not collected."""
PROCESS_FIXTURES = frozenset(
    {"start_process", "start_shared_process", "bare_project", "installed_project"}
)
"""A test that asks for one of these starts a Spoke process or a shell script."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Ignore the paths in :data:`SLOW`, unless the command line names them."""
    slow = [config.rootpath / path for path in SLOW]
    return True if any(collection_path.is_relative_to(path) for path in slow) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that start processes."""
    slow = [item for item in items if starts_process(item)]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if not starts_process(item)]


def starts_process(item: pytest.Item) -> bool:
    """Tell by its fixtures, and by those they use, whether a test starts processes."""
    used: Iterable[str] = getattr(item, "fixturenames", ())
    return not PROCESS_FIXTURES.isdisjoint(used)
