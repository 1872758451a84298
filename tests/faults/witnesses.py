"""Witnesses: stock clients in a process of their own, and what they wrote down."""

import json
import signal
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

from shared.cursor import START, Cursor, parse_cursor
from tests.faults.tape import Item, Run, Told, Verdict, judge
from tests.processes import ROOT, RunningProcess
from tests.timing import eventually

Json: TypeAlias = Any
SCRIPT = ROOT / "tests" / "faults" / "witness.mjs"
Stream: TypeAlias = tuple[int, str]
"""A client of the process by its number, and a bike."""


class Window(NamedTuple):
    """How readings came in a stretch of time; ``hidden`` came twice or unasked."""

    readings: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    pause_ms: float
    hidden: int


class Witnesses:
    """One process of ``clients`` witnesses; their tapes grow as it prints them."""

    def __init__(
        self, process: RunningProcess, clients: int = 1, bikes: Collection[str] | None = None
    ) -> None:
        self.process = process
        self.clients = clients
        self.bikes = bikes
        """Those that are watched; None: all."""
        self.tapes: dict[Stream, list[Item]] = defaultdict(list)
        self.starts: dict[Stream, Cursor] = {}
        self.counts: dict[str, int] = defaultdict(int)
        self._read = 0
        self._windows: list[Window] = []

    def update(self) -> None:
        """Take in what was printed since the last time."""
        lines = self.process.lines_from(self._read)
        for line in lines:
            event, body = json.loads(line)
            if event == "tape":
                self._extend(body)
            elif event == "subscribed":
                self._start(body["client"], body["cursors"])
            elif event == "window":
                self._windows.append(Window(**body))
            self.counts[event] += 1
        self._read += len(lines)

    def verdict(self, bike: str, client: int = 0) -> Verdict:
        """Judge what a client saw of a bike."""
        return judge(self.tapes[client, bike], self.starts.get((client, bike), START))

    def verdicts(self) -> list[Verdict]:
        """Judge everything that was seen."""
        return [self.verdict(bike, client) for client, bike in list(self.tapes)]

    def has(self, targets: Mapping[str, Cursor]) -> bool:
        """Tell whether every client has come as far as this."""
        return not self.behind(targets)

    def behind(self, targets: Mapping[str, Cursor]) -> dict[Stream, Cursor]:
        """Return the streams that have not come as far as this, and where each one is."""
        self.update()
        ends = {
            (client, bike): _end_of(self.tapes[client, bike])
            for client in range(self.clients)
            for bike in targets
            if self.bikes is None or bike in self.bikes
        }
        return {
            stream: end for stream, end in ends.items() if not _has_reached(end, targets[stream[1]])
        }

    def wait_for(self, event: str, count: int = 1, timeout_s: float = 20.0) -> None:
        """Wait for the ``count``-th of an event."""

        def is_there() -> bool:
            self.update()
            assert self.process.process.poll() is None, self.process.output
            return self.counts[event] >= count

        eventually(is_there, what=f"{event} number {count}", timeout_s=timeout_s)

    @contextmanager
    def expecting(self, event: str, *, timeout_s: float = 20.0) -> Iterator[None]:
        """Wait, after what is done inside, until every client met the event once more."""
        self.update()
        before = self.counts[event]
        yield
        self.wait_for(event, before + self.clients, timeout_s)

    def close_window(self) -> Window:
        """Sum up how readings came since the last call, and begin anew."""
        count = len(self._windows)
        self.process.process.send_signal(signal.SIGUSR2)
        self.wait_for("window", count + 1)
        return self._windows[count]

    def end(self) -> None:
        """Disconnect all, and take in the last they saw."""
        self.process.stop(signal.SIGTERM)
        self.update()

    def _start(self, client: int, cursors: dict[str, str]) -> None:
        for bike, cursor in cursors.items():
            self.starts.setdefault((client, bike), parse_cursor(cursor) or START)

    def _extend(self, items: list[Json]) -> None:
        for client, bike, *rest in items:
            self.tapes[client, bike].append(told_of(rest[0]) if len(rest) == 1 else Run(*rest))


def told_of(gap: dict[str, Json]) -> Told:
    """Return the announced gap of an event."""
    before = parse_cursor(gap["before"])
    assert before is not None
    return Told(parse_cursor(gap["after"]), before, gap["lost"], gap["reason"])


def _has_reached(end: Cursor, target: Cursor) -> bool:
    """Tell whether a stream is there; epochs may go back, so only numbers of one compare."""
    return end.epoch == target.epoch and end.seq >= target.seq


def _end_of(items: list[Item]) -> Cursor:
    if not items:
        return START
    last = items[-1]
    if isinstance(last, Run):
        return Cursor(last.epoch, last.last)
    return Cursor(last.before.epoch, last.before.seq - 1)
