"""The project's own files: what they name, and what they must not."""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.processes import ROOT

PRODUCT = ("device", "gateway", "shared", "scripts")
ONLY_FOR_TESTS = {
    "scripts/measure/fleet.py",
    "scripts/recorded_rides.py",
    "scripts/ride_check.py",
    "scripts/ride_plot.py",
}
EXTRAS = {
    "device/emulate/bluetooth/bosch_central.py": "requirements-ble.txt",
    "device/emulate/bluetooth/gatt_sensor.py": "requirements-ble.txt",
    "device/emulate/bluetooth/running.py": "requirements-ble.txt",
    "device/sources/bluetooth/bleak_radio.py": "requirements-ble.txt",
    "device/sources/bluetooth/bonds.py": "requirements-ble.txt",
    "device/sources/bluetooth/bosch_accessory.py": "requirements-ble.txt",
    "device/sources/bluetooth/bumble_host.py": "requirements-ble.txt",
    "device/sources/bluetooth/bumble_radio.py": "requirements-ble.txt",
    "gateway/gunicorn_worker.py": "requirements-gunicorn.txt",
}
"""Modules that not everybody needs, and where their libraries are required."""
OWN = {"device", "gateway", "shared", "scripts", "tests"}
TYPES_ONLY = {"_typeshed"}


def imported_packages(path: Path) -> Iterator[str]:
    """Yield the top-level package of every import in ``path`` that is neither ours nor Python's."""
    for node in ast.walk(ast.parse(path.read_text())):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules = [node.module]
        tops = {module.partition(".")[0] for module in modules}
        yield from tops - OWN - TYPES_ONLY - sys.stdlib_module_names


def required(name: str) -> set[str]:
    """Return the distributions that a requirements file names, in lower case."""
    lines = (ROOT / name).read_text().splitlines()
    names = (re.match(r"[A-Za-z][\w.-]*", line) for line in lines)
    return {normalized(match[0]) for match in names if match}


def normalized(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def test_all_that_the_product_imports_is_required() -> None:
    owners = packages_distributions()
    missing = set()
    for path in (path for folder in PRODUCT for path in (ROOT / folder).rglob("*.py")):
        name = str(path.relative_to(ROOT))
        if name not in ONLY_FOR_TESTS:
            known = required("requirements.txt") | required(EXTRAS.get(name, "requirements.txt"))
            needed = {owner for package in imported_packages(path) for owner in owners[package]}
            missing |= {(name, it) for it in map(normalized, needed) if it not in known}
    assert missing == set()


def test_each_requirement_has_a_lower_and_an_upper_bound() -> None:
    for name in ("requirements.txt", "requirements-dev.txt", *EXTRAS.values()):
        for line in (ROOT / name).read_text().splitlines():
            if re.match(r"[A-Za-z]", line) and not line.startswith("types-"):
                assert re.search(r">=[\d.]+,<[\d.]+", line), line


def test_the_lock_file_leaves_the_choice_of_an_npm_registry_to_the_user() -> None:
    lock = (ROOT / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert "://" not in re.sub(r'"url": "[^"]*"', "", lock)


def test_ci_runs_the_tests_and_nothing_else() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert lines == [
        "#!/usr/bin/env bash",
        "set -eu",
        'exec "$(dirname -- "$0")/../scripts/test"',
    ]
