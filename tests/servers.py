"""Servers of Debian that tests run, and the tool of Prometheus."""

import pytest

from scripts.debian import SERVERS, find_program


def server(name: str) -> str:
    """Return the path of a server program; skip the test where it is not installed."""
    path = find_program(name)
    if path is None:
        pytest.skip(f"{name} is missing: install the Debian package {SERVERS[name]}")
    return path
