"""A machine that allows few open files: fewer browsers are served, and the log says so."""

import sys

from tests.system.pair import Pair


def test_a_low_descriptor_limit_lowers_the_connections_with_one_line(pair: Pair) -> None:
    limited = f"ulimit -n 200 && exec '{sys.executable}' -m gateway"
    gateway = pair.start_gateway(["sh", "-c", limited])
    assert gateway.output.count("max_connections_lowered to=60") == 1
    assert "20080 would do: raise it" in gateway.output
    assert pair.get("/healthz").status == 200
    assert gateway.stop() == 0
