"""``python -m scripts.measure.hour``: see the package.

Exit codes: 0: each value was true, and each reading came once. 1: not so. 2: cannot run.
"""

import json
import resource
import signal
import subprocess
import threading
import time
from argparse import Namespace
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.benchmarks.page import write_section
from scripts.debian import find_program
from scripts.measure.hour.kinds import KINDS, Medium
from scripts.measure.hour.report import RUN, read_results, render, summary, write_results
from scripts.measure.hour.scene import Scene
from shared.arguments import ArgumentParser
from shared.program import run as run_program
from shared.signals import ending_signals
from tests.processes import ROOT

RIGHT, NOT_RIGHT, CANNOT_RUN = 0, 1, 2
HOUR_S = 3600.0
TURN_S, REPORTED_TURNS = 1.0, 60
"""How often the events are written to the file, and after how many of these turns a line is
printed."""
NAMES = f"only these kinds of hardware: {', '.join(KINDS)}"
PAGE = ROOT / "docs" / "devices.md"
BEGIN = "<!-- hour: written by python -m scripts.measure.hour --write -->"
END = "<!-- end of the hour -->"


def main() -> int:
    """Run, or read an earlier run, and print the table."""
    options = parse()
    with ExitStack() as stack:
        folder = options.report or options.folder
        if folder is None:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="hour-")))
        if options.report is None:
            missing = missing_programs(options.kinds)
            if missing or not is_empty(folder):
                say(f"install {missing}" if missing else f"{folder} is not empty")
                return CANNOT_RUN
            if not ride(options, folder.resolve()):
                say("ended before all processes ran")
                return NOT_RIGHT
        return report(folder, is_written=options.write)


def report(folder: Path, *, is_written: bool) -> int:
    """Print the table of a run, and the values that are not true; return the exit code."""
    results = read_results(folder)
    write_results(folder, results)
    text = f"{summary(folder)}.\n\n{render(results)}\n"
    print(f"\n{text}")
    for one in results:
        for line in (*one.faults, *one.found.examples):
            say(f"{one.kind}: {line}")
    if is_written:
        write_section(PAGE, BEGIN, END, text)
    return RIGHT if all(one.is_right for one in results) else NOT_RIGHT


def ride(options: Namespace, folder: Path) -> bool:
    """Run all processes until the time is over or a signal comes.

    Return False if the signal came before all of them ran.
    """
    stop = threading.Event()
    for number in ending_signals():
        signal.signal(number, lambda _number, _frame: stop.set())
    began = datetime.now(UTC)
    with ExitStack() as stack:
        kinds = {name: KINDS[name] for name in options.kinds}
        scene = Scene(stack, folder, kinds, options.seconds, options.seed)
        scene.start(stop)
        if stop.is_set():
            return False
        began_s = time.monotonic()
        say(f"all processes run; seed {options.seed}, {options.seconds:g} s")
        watch(scene, began_s, options.seconds, stop)
        seconds = time.monotonic() - began_s
        scene.end()
    run = {
        "kinds": options.kinds,
        "seed": options.seed,
        "began": f"{began:%Y-%m-%d %H:%M} UTC",
        "seconds": seconds,
        "lasted_s": (datetime.now(UTC) - began).total_seconds(),
        "cpu_s": used_s(),
        "revision": revision(),
        "ends": scene.ends,
    }
    (folder / RUN).write_text(json.dumps(run, indent=1))
    return True


def watch(scene: Scene, began_s: float, seconds: float, stop: threading.Event) -> None:
    """Record the readings until the time is over; print a line each minute."""
    turn = 0
    while not stop.is_set() and (left_s := began_s + seconds - time.monotonic()) > 0:
        stop.wait(min(TURN_S, left_s))
        readings, turn = scene.update(), turn + 1
        gone = scene.ended_early()
        if turn % REPORTED_TURNS == 0:
            ended = f"; ended early: {', '.join(gone)}" if gone else ""
            say(f"{time.monotonic() - began_s:,.0f} s: {readings:,} readings{ended}")


def parse() -> Namespace:
    """Parse the command line; a wrong argument ends the process with 2."""
    parser = ArgumentParser(".venv/bin/python -m scripts.measure.hour", description=__doc__)
    add = parser.add_argument
    add("--seconds", type=float, default=HOUR_S, help="how long (%(default)g)")
    add("--seed", type=int, default=1, help="the same rides and disturbances again (%(default)d)")
    add("--kinds", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND", help=NAMES)
    add("--folder", type=Path, help="keep the files of the run in this folder, which must be empty")
    add("--report", type=Path, metavar="FOLDER", help="only read the files of an earlier run")
    add("--write", action="store_true", help="also write the table into docs/devices.md")
    return parser.parse_args()


def missing_programs(kinds: list[str]) -> str:
    """Name the programs that these kinds need and this machine lacks."""
    needs_broker = any(KINDS[name].medium is Medium.BROKER for name in kinds)
    needed = ("node", "mosquitto") if needs_broker else ("node",)
    return " and ".join(name for name in needed if find_program(name) is None)


def is_empty(folder: Path) -> bool:
    """Make the folder if it is not there; tell whether it is empty."""
    folder.mkdir(parents=True, exist_ok=True)
    return not any(folder.iterdir())


def used_s() -> float:
    """Return the processor time of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def revision() -> str:
    """Return the revision of the project."""
    git = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()


def say(text: str) -> None:
    print(f"hour: {text}", flush=True)


if __name__ == "__main__":
    run_program(main, unread=NOT_RIGHT)
