"""``python -m gateway.watch [URL …]``: bikes in a terminal, or as lines of JSON in a pipe.

Exit codes: 0 ended by the user or by who read the lines, 1 a bug, 2 the gateway refuses or an
argument is wrong or the lines cannot be written, 3 no connection, or no more (only with --once).
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
from urllib.parse import urlsplit

from rich.console import Console
from rich.live import Live

from gateway.watch.connection import Lost, Refused, follow_for_ever
from gateway.watch.cursor_file import BadPlaces, read_places, write_places
from gateway.watch.follow import Connected, Cut, Event, Watch, apply, cursors, question, start
from gateway.watch.jsonl import line
from gateway.watch.terminal import open_console, why_no_table
from gateway.watch.view import render, summary
from shared.console import put_out, stop_waiting, tell
from shared.cursor import START
from shared.program import run as run_program
from shared.reading import is_device_id
from shared.signals import ending_signals, ignore_signals

ENDED, REFUSED, NO_CONNECTION = 0, 2, 3
DEFAULT_URL = "http://127.0.0.1:5000"
FRAME_S = 0.25
"""Four pictures a second are fluent to look at and cost nearly nothing."""
DESCRIPTION = "Watch bikes: a live table in a terminal, one line of JSON an event in a pipe."
SAVE_EVERY_S = 1.0
"""What is printed again at most by the next run, when this one is killed."""


class Session:
    """The state of the watch, and who is shown each event that changed it."""

    def __init__(self, watch: Watch, show: Callable[[Event], None]) -> None:
        self.watch = watch
        self._show = show

    def ask(self) -> object:
        """Give the question for a connection that begins."""
        return question(self.watch)

    def tell(self, event: Event) -> None:
        """Take in an event; one that was seen before is shown to nobody."""
        after = apply(self.watch, event)
        if after is self.watch:
            return
        self._show(event)
        self.watch = after  # now: what could not be shown was not had


def main(arguments: Sequence[str]) -> int:
    """Watch until told to stop; return the exit code."""
    try:
        asyncio.run(run(parse(arguments)))
    except asyncio.CancelledError:
        return ENDED
    except (Refused, BadPlaces) as error:
        say(str(error))
        return REFUSED
    except Lost as error:
        say(str(error))
        return NO_CONNECTION
    return ENDED


async def run(options: argparse.Namespace) -> None:
    """Follow, show and save, until one of them ends; raises how it did."""
    in_lines = options.json or not has_table()
    session = Session(begin_watch(options), print_line if in_lines else lambda _event: None)
    jobs = [follow_for_ever(options.urls, session.tell, session.ask, once=options.once)]
    if not in_lines:
        jobs.append(paint(session))
    if options.cursors is not None:
        jobs.append(save(session, options.cursors))
    tasks = [asyncio.create_task(job) for job in jobs]
    end_on_signals(tasks[0])
    try:
        await next(asyncio.as_completed(tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if options.cursors is not None:  # only now comes nothing more
            write_places(options.cursors, cursors(session.watch))
        ignore_signals()  # the loop that the handlers need is closed next


def end_on_signals(task: "asyncio.Task[None]") -> None:
    """Cancel ``task`` on a signal, and wait no longer for a reader that takes nothing.

    Not by the loop's own handlers: it takes them away before the process has ended.
    """
    loop = asyncio.get_running_loop()

    def end(_number: int, _frame: object) -> None:
        stop_waiting()
        loop.call_soon_threadsafe(task.cancel)

    for number in ending_signals():
        signal.signal(number, end)


def has_table() -> bool:
    """Tell whether stdout can show a table; of a terminal that cannot, say why."""
    if not sys.stdout.isatty():
        return False
    why = why_no_table(Console())
    if why is not None:
        say(f"this terminal cannot show a table ({why}), so lines of JSON follow")
    return why is None


def begin_watch(options: argparse.Namespace) -> Watch:
    """Begin where the file of cursors says, else at the start or now."""
    since = dict.fromkeys(options.devices or (), START) if options.from_start else None
    places = None if options.cursors is None else read_places(options.cursors)
    if places is not None:
        since = (since or {}) | places
    return start(options.devices, since, options.max_rate_hz)


async def paint(session: Session) -> None:
    """Paint the terminal view until the end, and sum up then."""
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
                picture = render(session.watch, *console.size, time.time())
                live.update(picture, refresh=True)
                await asyncio.sleep(FRAME_S)
    finally:
        console.print(summary(session.watch), highlight=False)


async def save(session: Session, path: Path) -> None:
    """Save the cursors while they move."""
    saved = None
    while True:
        if session.watch is not saved:
            saved = session.watch
            write_places(path, cursors(saved))
        await asyncio.sleep(SAVE_EVERY_S)


def print_line(event: Event) -> None:
    """Print what came as a line of JSON, and what becomes of the connection beside it."""
    match event:
        case Connected(url):
            say(f"connected to {url}")
        case Cut(why):
            say(why)
        case _ if (text := line(event)) is not None:
            put_out(f"{text}\n")


def say(text: str) -> None:
    """Tell a person, not the pipe."""
    tell(f"watch: {text}\n")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; a wrong one ends the process with 2."""
    parser = argparse.ArgumentParser(".venv/bin/python -m gateway.watch", description=DESCRIPTION)
    add = parser.add_argument
    add("urls", nargs="*", metavar="URL", type=url_of, help=f"gateways, in turn ({DEFAULT_URL})")
    add("--devices", nargs="+", metavar="ID", type=id_of, help="these bikes only")
    add("--from-start", action="store_true", help="all that is held first, not only from now on")
    add("--cursors", type=Path, metavar="FILE", help="go on after these, and keep them there")
    add("--max-rate-hz", type=float, metavar="HZ", help="the newest reading at most so often")
    add("--json", action="store_true", help="lines of JSON in a terminal too")
    add("--once", action="store_true", help="end with 3 instead of connecting again")
    options = parser.parse_args(arguments)
    options.urls = options.urls or [DEFAULT_URL]
    return options


def url_of(text: str) -> str:
    """Check the address of a gateway; http:// may be left out."""
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # such as "[::1" or a port that is no number
        is_right = False
    if not is_right:
        example = "http://[::1]:5000" if text.count(":") > 1 else DEFAULT_URL
        raise argparse.ArgumentTypeError(f"{text!r} is no address such as {example}")
    return f"{parts.scheme}://{parts.netloc}"


def id_of(text: str) -> str:
    """Check the id of a bike."""
    if not is_device_id(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no id of a bike such as ebike-001")
    return text


if __name__ == "__main__":
    run_program(partial(main, sys.argv[1:]))
