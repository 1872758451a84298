"""Check the configuration of Prometheus, its alerts, and the metrics of a running gateway."""

import argparse
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from scripts.debian import SERVERS, find_program
from shared.program import run as run_program

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "configs" / "prometheus.yml"
"""It names the file of the alerts, so that promtool checks both."""
PASSED, FAILED, CANNOT_BEGIN = 0, 1, 2
ANSWER_S = 10.0


def main() -> int:
    """Run promtool on each; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/check-metrics", description=__doc__)
    parser.add_argument("url", nargs="?", default="http://localhost:5000/metrics")
    url: str = parser.parse_args().url
    promtool = find_program("promtool")
    if promtool is None:
        return _fail(f"promtool is missing: install the Debian package {SERVERS['promtool']}")
    try:
        with urlopen(url, timeout=ANSWER_S) as answer:  # noqa: S310  # the user's own
            metrics: bytes = answer.read()
    except (URLError, OSError, ValueError) as error:
        return _fail(f"{url} has no metrics: {error}; start a gateway, or name its address")
    checks = (
        (f"{CONFIG.name} and its alerts", [promtool, "check", "config", str(CONFIG)], b""),
        (f"the metrics at {url}", [promtool, "check", "metrics"], metrics),
    )
    failed = [check for check in checks if not _passes(*check)]
    return FAILED if failed else PASSED


def _passes(name: str, command: list[str], given: bytes) -> bool:
    done = subprocess.run(
        command, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    print(f"{name}: {'right' if done.returncode == 0 else 'wrong'}")
    if done.returncode != 0:
        print(done.stdout.decode(errors="replace"))
    return done.returncode == 0


def _fail(why: str) -> int:
    print(f"check-metrics: {why}", file=sys.stderr)
    return CANNOT_BEGIN


if __name__ == "__main__":
    run_program(main)
