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
)
"""Folders and files that are not collected."""
PROCESS_FIXTURES = frozenset({"start_process", "bare_project", "installed_project"})
"""A test that asks for one of these starts a Spoke process or a shell script."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collect nothing below the paths of :data:`SLOW`."""
    slow = [config.rootpath / path for path in SLOW]
    return True if any(collection_path.is_relative_to(path) for path in slow) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that start processes."""
    slow = [item for item in items if starts_process(item)]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in slow]


def starts_process(item: pytest.Item) -> bool:
    """Tell by its fixtures, and by those they use, whether a test starts processes."""
    used: Iterable[str] = getattr(item, "fixturenames", ())
    return not PROCESS_FIXTURES.isdisjoint(used)
