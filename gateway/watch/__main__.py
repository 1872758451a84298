"""``python -m gateway.watch [URL …]``: a table of bikes in a terminal, JSON lines in a pipe.

Exit codes: 0 ended by the user or by the reader of the pipe, 1 a bug, 2 the gateway refuses, or an
argument is wrong, or the output cannot be written, 3 no connection or a lost one (with --once).
"""

if __name__ == "__main__":
    from shared.begin import begin

    begin()  # before the imports below, which take a while

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlsplit

from rich.console import Console
from rich.live import Live

from gateway.watch.connection import ConnectionLost, GatewayRefused, follow_for_ever
from gateway.watch.cursor_file import BadCursorFile, read_cursors, write_cursors
from gateway.watch.follow import (
    Connected,
    Disconnected,
    Event,
    Watch,
    apply,
    cursors,
    start,
    subscribe_request,
)
from gateway.watch.jsonl import line
from gateway.watch.terminal import open_console, why_no_table
from gateway.watch.view import render, summary
from shared.arguments import ArgumentParser, between
from shared.console import put_out, stop_waiting, tell
from shared.cursor import START
from shared.program import run as run_program
from shared.reading import is_device_id
from shared.signals import ending_signals, ignore_signals

ENDED, REFUSED, NO_CONNECTION = 0, 2, 3
DEFAULT_URL = "http://127.0.0.1:5000"
FRAME_S = 0.25
"""Four frames a second look fluent and cost nearly nothing."""
DESCRIPTION = "Watch bikes: a live table in a terminal, one JSON line for each event in a pipe."
RATES_HZ = 0.001, 1_000_000
"""JSON has no infinite number. The gateway's own limit is lower."""
SAVE_EVERY_S = 1.0
"""After a kill, the next run repeats the output of at most this time."""


class WatchState:
    """The current state, and the function that shows each event that changes it."""

    def __init__(self, watch: Watch, show: Callable[[Event], None]) -> None:
        self.watch = watch
        self._show = show

    def subscribe_request(self) -> object:
        return subscribe_request(self.watch)

    def apply(self, event: Event) -> None:
        """Apply an event; show it, unless it changes nothing (a repetition)."""
        after = apply(self.watch, event)
        if after is self.watch:
            return
        self._show(event)
        # after showing it: an event that could not be shown does not count as received
        self.watch = after


def main(arguments: Sequence[str]) -> int:
    """Watch until the user stops it; return the exit code."""
    try:
        asyncio.run(run(parse(arguments)))
    except asyncio.CancelledError:
        return ENDED
    except (GatewayRefused, BadCursorFile) as error:
        say(str(error))
        return REFUSED
    except ConnectionLost as error:
        say(str(error))
        return NO_CONNECTION
    return ENDED


async def run(options: argparse.Namespace) -> None:
    """Follow, show and save until one of the three ends; raises its error."""
    in_lines = options.json or not has_table()
    state = WatchState(begin_watch(options), print_line if in_lines else lambda _event: None)
    jobs = [follow_for_ever(options.urls, state.apply, state.subscribe_request, once=options.once)]
    if not in_lines:
        jobs.append(paint(state))
    if options.cursors is not None:
        jobs.append(save(state, options.cursors))
    tasks = [asyncio.create_task(job) for job in jobs]
    end_on_signals(tasks[0])
    try:
        await next(asyncio.as_completed(tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if options.cursors is not None:  # now, because no event can follow
            write_cursors(options.cursors, cursors(state.watch))
        ignore_signals()  # the handlers need the loop, which is closed next


def end_on_signals(task: "asyncio.Task[None]") -> None:
    """Cancel ``task`` on a signal, and stop waiting for a slow reader of the output.

    These are not handlers of the asyncio loop: it removes its own before the process has ended.
    """
    loop = asyncio.get_running_loop()

    def end(_number: int, _frame: object) -> None:
        stop_waiting()
        loop.call_soon_threadsafe(task.cancel)

    for number in ending_signals():
        signal.signal(number, end)


def has_table() -> bool:
    """Tell whether stdout can show a table; if it is a terminal that cannot, print why."""
    if not sys.stdout.isatty():
        return False
    why = why_no_table(Console())
    if why is not None:
        say(f"this terminal cannot show a table ({why}), so JSON lines follow")
    return why is None


def begin_watch(options: argparse.Namespace) -> Watch:
    """Start at the cursors of the file, else at the oldest reading (--from-start), else now."""
    since = dict.fromkeys(options.devices or (), START) if options.from_start else None
    saved = None if options.cursors is None else read_cursors(options.cursors)
    if saved is not None:
        since = (since or {}) | saved
    return start(options.devices, since, options.max_rate_hz)


async def paint(state: WatchState) -> None:
    """Draw the table until this is cancelled, then print the summary."""
    console = open_console()
    try:
        with Live(
            console=console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        ) as live:
            while True:
                frame = render(state.watch, *console.size, time.time())
                live.update(frame, refresh=True)
                await asyncio.sleep(FRAME_S)
    finally:
        console.print(summary(state.watch), highlight=False)


async def save(state: WatchState, path: Path) -> None:
    """Save the cursors whenever they have changed."""
    saved = None
    while True:
        if state.watch is not saved:
            saved = state.watch
            write_cursors(path, cursors(saved))
        await asyncio.sleep(SAVE_EVERY_S)


def print_line(event: Event) -> None:
    """Print an event as a JSON line; print changes of the connection to stderr."""
    match event:
        case Connected(url):
            say(f"connected to {url}")
        case Disconnected(why):
            say(why)
        case _ if (text := line(event)) is not None:
            put_out(f"{text}\n")


def say(text: str) -> None:
    """Print a message for people to stderr."""
    tell(f"watch: {text}\n")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line; a wrong argument ends the process with 2."""
    parser = ArgumentParser(".venv/bin/python -m gateway.watch", description=DESCRIPTION)
    add = parser.add_argument
    add(
        "urls",
        nargs="*",
        metavar="URL",
        type=url_of,
        help=f"gateways to try in turn ({DEFAULT_URL})",
    )
    add("--devices", nargs="+", metavar="ID", type=id_of, help="watch only these bikes")
    add(
        "--from-start",
        action="store_true",
        help="start with the oldest reading that the gateway holds",
    )
    add(
        "--cursors",
        type=Path,
        metavar="FILE",
        help="continue after the cursors in FILE, and save them there",
    )
    add(
        "--max-rate-hz",
        type=lambda text: between(text, *RATES_HZ, "readings a second"),
        metavar="HZ",
        help="only the newest reading of each bike, at most HZ times a second",
    )
    add("--json", action="store_true", help="print JSON lines in a terminal too")
    add("--once", action="store_true", help="exit with 3 instead of reconnecting")
    options = parser.parse_args(arguments)
    options.urls = options.urls or [DEFAULT_URL]
    return options


def url_of(text: str) -> str:
    """Check the URL of a gateway; http:// may be left out, and it may have a path."""
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")  # asyncio does it, too, and raises
    except ValueError:  # such as "[::1", "a..b", or a port that is not a number
        is_right = False
    if not is_right:
        example = "http://[::1]:5000" if text.count(":") > 1 else DEFAULT_URL
        raise argparse.ArgumentTypeError(f"{text!r} is no address such as {example}")
    path = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~")
    return f"{parts.scheme}://{parts.netloc}{path}"


def id_of(text: str) -> str:
    if not is_device_id(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no id of a bike such as ebike-001")
    return text


if __name__ == "__main__":
    run_program(partial(main, sys.argv[1:]))
