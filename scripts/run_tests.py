"""Run all tests and checks or one part of them, and print results and times for each part.

``scripts/test`` calls this program after it has set up Python and Node.js.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from scripts.chromium import ChromiumMissing, get_chromium
from scripts.debian import InstallFailed, install, missing_packages
from scripts.junit import Count, read_counts, total
from scripts.sources import javascript_files, shell_scripts
from shared.program import run as run_program

ROOT = Path(__file__).resolve().parent.parent
CANNOT_BEGIN = 2
COMMAND_NOT_FOUND = 127
HOSTILE = "tests/hostile/test_attacks.py"
IN_PARALLEL = ("--numprocesses=3", "--dist=worksteal")
"""Many tests wait for processes more than they compute."""
ALL_PYTHON_TESTS = (
    *IN_PARALLEL,
    *("--cov", "--cov-report=term-missing:skip-covered"),
    *("--durations=10", "--durations-min=3"),
)


class Outcome(NamedTuple):
    """The result of one part, and the seconds it took."""

    part: str
    took_s: float
    result: Count


def lint(_extra: Sequence[str], _folder: Path) -> Count:
    """Check style, types, shell scripts and the syntax of JavaScript."""
    checks = {
        "ruff check": [[sys.executable, "-m", "ruff", "check", "."]],
        "ruff format": [[sys.executable, "-m", "ruff", "format", "--check", "."]],
        "mypy": [[sys.executable, "-m", "mypy"]],
        "shellcheck": [["shellcheck", *shell_scripts(ROOT)]],
        "node --check": [["node", "--check", file] for file in javascript_files(ROOT)],
    }
    with ThreadPoolExecutor() as pool:  # mypy takes as long as all others, on one core
        passed = [*pool.map(passes, checks, checks.values())]
    return Count(passed.count(True), passed.count(False))


def python(extra: Sequence[str], folder: Path) -> Count:
    """Run the Python tests. A run of all tests also checks the coverage of the core."""
    report = folder / "python.xml"
    options = (f"--ignore={HOSTILE}", *(extra or ALL_PYTHON_TESTS))
    code = run(
        [sys.executable, "-m", "pytest", f"--junitxml={report}", *options],
        {"COVERAGE_FILE": str(folder / "coverage")},  # not shared by two concurrent runs
    )
    return read_counts(report, code)


def hostile(extra: Sequence[str], folder: Path) -> Count:
    """Run the attacks on a gateway one at a time, because they measure time."""
    report = folder / "hostile.xml"
    code = run([sys.executable, "-m", "pytest", HOSTILE, f"--junitxml={report}", *extra])
    return read_counts(report, code)


def unit(extra: Sequence[str], folder: Path) -> Count:
    """Run the Python tests that start no process and take little time."""
    report = folder / "unit.xml"
    plugin = ("-p", "tests.quick")
    command = [sys.executable, "-m", "pytest", *plugin, f"--junitxml={report}"]
    return read_counts(report, run([*command, *(extra or IN_PARALLEL)]))


def node(extra: Sequence[str], folder: Path) -> Count:
    """Run the tests of the plain JavaScript modules."""
    return run_node("js", extra, folder)


def browser(extra: Sequence[str], folder: Path) -> Count:
    """Run the browser tests, two files at a time, because each file starts a browser."""
    return run_node("browser", ["--test-concurrency=2", *extra], folder)


PARTS: dict[str, Callable[[Sequence[str], Path], Count]] = {
    "lint": lint,
    "python": python,
    "unit": unit,
    "hostile": hostile,
    "node": node,
    "browser": browser,
}
"""Every part by its name, in the order of running."""

ALL = ("lint", "python", "hostile", "node", "browser")
QUICK = ("lint", "unit", "node")
"""For the inner loop: ``unit`` is the short part of ``python``."""


def run_node(name: str, options: Sequence[str], folder: Path) -> Count:
    """Run ``tests/<name>/*.test.mjs`` with Node's own test runner."""
    report = folder / f"{name}.xml"
    files = sorted(map(str, (ROOT / "tests" / name).glob("*.test.mjs")))
    if not files:  # without files, the runner would search other folders
        say(f"there is no test in tests/{name}")
        return Count(failed=1)
    reporters = {"spec": "stdout", "junit": str(report)}
    options = [
        *(f"--test-reporter={reporter}" for reporter in reporters),
        *(f"--test-reporter-destination={place}" for place in reporters.values()),
        *options,
    ]
    return read_counts(report, run(["node", "--test", *options, *files]))


def passes(name: str, commands: Sequence[Sequence[str]]) -> bool:
    """Run all commands of one check, print what they said, and tell whether all succeeded."""
    with tempfile.TemporaryFile("w+") as output:
        codes = [run(command, output=output) for command in commands]
        output.seek(0)
        print(output.read(), end="")
    good = not any(codes)
    say(f"{name} {'passed' if good else 'FAILED'}")
    return good


def run(
    command: Sequence[str], changes: dict[str, str] | None = None, output: IO[str] | None = None
) -> int:
    """Run a command in the project's folder and return its exit code.

    Its output goes to ``output``, or else to where that of this program goes.
    """
    environ = {**os.environ, **(changes or {})}
    try:
        return subprocess.run(
            command, cwd=ROOT, env=environ, stdout=output, stderr=output, check=False
        ).returncode
    except FileNotFoundError:
        say(f"{command[0]} is missing: run scripts/install --dev")
        return COMMAND_NOT_FOUND


def run_parts(names: Sequence[str], extra: Sequence[str]) -> list[Outcome]:
    """Run the parts one after the other, even if one fails."""
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="spoke-test-") as folder:
        for name in names:
            say(f"--- {name}")
            started_s = time.monotonic()
            result = PARTS[name](extra, Path(folder))
            outcomes.append(Outcome(name, time.monotonic() - started_s, result))
    return outcomes


def summarize(set_up_s: float, outcomes: Sequence[Outcome]) -> str:
    """Return a table of all parts. Its last line is the total."""
    rows = [f"{'set-up':<8} {set_up_s:>6.1f} s"]
    rows += [f"{part:<8} {took_s:>6.1f} s  {result}" for part, took_s, result in outcomes]
    return "\n".join([*rows, str(total([outcome.result for outcome in outcomes]))])


def main(arguments: Sequence[str]) -> int:
    """Run the chosen parts; return 0 if all passed."""
    parser = argparse.ArgumentParser(prog="scripts/test", description=__doc__)
    parser.add_argument("--began", type=float, default=time.time(), help=argparse.SUPPRESS)
    parser.add_argument(
        "part", nargs="?", choices=("quick", *PARTS), help="only this part; quick: lint, unit, node"
    )
    parser.add_argument("extra", nargs=argparse.REMAINDER, help="arguments for the part's runner")
    options = parser.parse_args(arguments)
    names = parts_of(options.part)
    if len(names) > 1 and options.extra:
        parser.error("quick runs several parts and passes no arguments on; name one part")
    try:
        if "browser" in names:
            os.environ["CHROMIUM"] = get_chromium()
        if "python" in names:
            install_servers()
    except ChromiumMissing as error:
        say(str(error))
        return CANNOT_BEGIN
    set_up_s = time.time() - options.began
    outcomes = run_parts(names, options.extra)
    print(summarize(set_up_s, outcomes), flush=True)
    return verdict(outcomes, in_ci=os.environ.get("CI") == "true")


def install_servers() -> None:
    """Install the servers that the tests run. The tests of a missing server are skipped."""
    if not (missing := missing_packages()):
        return
    say(f"installing {', '.join(missing)} with apt-get")
    try:
        install(missing)
    except InstallFailed as error:
        say(f"{error}, so the tests that need these packages are skipped: {', '.join(missing)}")


def parts_of(name: str | None) -> Sequence[str]:
    """Return the parts that an argument of ``scripts/test`` stands for."""
    if name is None:
        return ALL
    return QUICK if name == "quick" else (name,)


def verdict(outcomes: Sequence[Outcome], *, in_ci: bool) -> int:
    """Return the exit code. In CI a skipped test counts as failed."""
    sum_of_all = total([outcome.result for outcome in outcomes])
    return int(sum_of_all.failed > 0 or (in_ci and sum_of_all.skipped > 0))


def say(text: str) -> None:
    """Print a line, in order with the output of the commands."""
    print(f"test: {text}", flush=True)


if __name__ == "__main__":
    run_program(partial(main, sys.argv[1:]), unread=1)
