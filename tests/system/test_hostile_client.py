"""Rubbish from browsers: refused in words, and nobody else notices."""

import json

import psutil

from tests.processes import ROOT
from tests.system.pair import Pair, numbers

GROWTH_MAX_MB = 60
KNOWN_CODES = {"ok", "bad_request", "bad_cursor", "too_many_devices", "not_found", "rate_limited"}


def test_rubbish_events_are_refused_and_a_healthy_client_does_not_notice(pair: Pair) -> None:
    pair.start_device(SPOKE_RATE_HZ="50")
    gateway = pair.start_gateway()
    witness = pair.watch(emit=[["subscribe", {"devices": ["ebike-001"]}]])
    witness.wait_for("speed_change", count=5)
    before_mb = psutil.Process(gateway.pid).memory_info().rss / 1e6
    script = str(ROOT / "tests" / "system" / "hostile.mjs")
    hostile = [pair.start_process(["node", script, pair.url, str(seed)]) for seed in (1, 2, 3)]
    for process in hostile:
        assert process.wait(timeout_s=40) == 0
        codes = json.loads(process.output.splitlines()[-1])
        assert set(codes) <= KNOWN_CODES
        assert codes["rate_limited"] > 0
    witness.wait_for("speed_change", count=len(numbers(witness)) + 10)
    seen = numbers(witness)
    assert seen == list(range(seen[0], seen[0] + len(seen)))
    assert [name for name, _body in witness.events].count("connect") == 1
    assert psutil.Process(gateway.pid).memory_info().rss / 1e6 - before_mb < GROWTH_MAX_MB
    assert "Traceback" not in gateway.output
    assert len(gateway.output.splitlines()) < 50
