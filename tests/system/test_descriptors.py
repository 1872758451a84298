"""A machine that allows few open files: fewer browsers are served, and the log says so."""

import sys

import pytest

from gateway.descriptors import is_short, share_out
from tests.system.pair import Pair


def test_a_low_descriptor_limit_lowers_the_connections_with_one_line(pair: Pair) -> None:
    limited = f"ulimit -n 200 && exec '{sys.executable}' -m gateway"
    gateway = pair.start_gateway(["sh", "-c", limited])
    assert gateway.output.count("max_connections_lowered to=60") == 1
    assert "20080 are needed: raise it" in gateway.output
    assert pair.get("/healthz").status == 200
    assert gateway.stop() == 0


def test_twenty_thousand_descriptors_are_no_warning(pair: Pair) -> None:
    limited = f"ulimit -n 20000 && exec '{sys.executable}' -m gateway"
    gateway = pair.start_gateway(["sh", "-c", limited])
    assert pair.get("/healthz").status == 200
    assert gateway.stop() == 0
    assert "WARNING" not in gateway.output


@pytest.mark.parametrize(
    ("limit", "wanted", "short"),
    [
        pytest.param(20_000, 10_000, False, id="default, nearly all"),
        pytest.param(4_096, 10_000, False, id="default, enough"),
        pytest.param(1_024, 10_000, True, id="default, few"),
        pytest.param(20_000, 9_999, True, id="chosen"),
    ],
)
def test_which_limit_is_worth_a_warning(limit: int, wanted: int, *, short: bool) -> None:
    sessions, _ = share_out(limit, wanted)
    assert is_short(sessions, wanted) is short
