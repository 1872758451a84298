"""``python -m device``: read the settings, open the sources, and publish until a signal comes.

Exit codes: 0: stopped by SIGTERM, SIGINT or SIGHUP. 1: a bug. 2: a setting, the source, the journal
or a port cannot be used.
"""

if __name__ == "__main__":
    from shared.begin import begin

    begin()  # before the imports below, which take a while

import os
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from loguru import logger

from device import __version__
from device.durable.epoch_file import take_epoch
from device.durable.journal import DurableJournal
from device.durable.numbers import Beginning
from device.fleet import Bike, fleet_ids
from device.journal import Journal, MemoryJournal, capacity
from device.metrics import serve_metrics
from device.plan import plan
from device.publisher import Publisher
from device.sockets import Sockets, open_sockets
from device.sources import find_opener, open_source
from device.subscriptions import Subscriptions
from shared.about import about
from shared.console import put_out, tell
from shared.contexts import open_context
from shared.errors import JournalError, SettingsError, SourceError
from shared.log_signals import block_signals, serve_signals
from shared.logs import log_name, setup_logging
from shared.notify import READY, STOPPING, Notifier
from shared.program import run as run_program
from shared.replay_server.questions import PendingQuestions
from shared.replay_server.server import ReplayServer
from shared.setting_report import report
from shared.settings import Settings, load_with_places
from shared.signals import ending_signals

STOPPED, MISCONFIGURED = 0, 2


def main() -> int:
    """Run the device and return the exit code; ``run_program`` turns other errors into 1."""
    argv = sys.argv[1:]
    if "--version" in argv:
        put_out(about("device", __version__))
        return STOPPED
    try:
        settings, given = load_with_places("device", argv, os.environ, Path.cwd())
        if "--check" in argv:
            find_opener(settings)
            put_out("\n".join(report("device", settings, given, [*plan(settings)])) + "\n")
            return STOPPED
        block_signals()
        serve_signals(setup_logging(settings, "device"))
    except (SettingsError, SourceError) as error:
        tell(f"{error}\n")
        return MISCONFIGURED
    try:
        run(settings)
    except (SettingsError, SourceError, JournalError) as error:
        logger.critical(str(error))
        return MISCONFIGURED
    return STOPPED


def run(settings: Settings) -> None:
    """Publish until a signal comes. When this returns, the last statuses are sent."""
    ids = fleet_ids(settings.device_id, settings.fleet_size)
    notifier = Notifier()
    with stop_signals() as stop, ExitStack() as opened:
        sources = [
            opened.enter_context(closing(open_source(settings, place))) for place in range(len(ids))
        ]
        journal, beginning = open_journal(settings, ids)
        opened.enter_context(closing(journal))
        bikes = [
            Bike(device_id, beginning.epoch, source, beginning.last_seqs.get(device_id, 0))
            for device_id, source in zip(ids, sources, strict=True)
        ]
        with open_context() as context, closing(open_sockets(context, settings)) as sockets:
            publisher = build_publisher(bikes, journal, sockets)
            publisher.beat = notifier.beat_if_due
            opened.enter_context(serve_metrics(publisher, settings.metrics_port))
            notifier.tell(READY)
            notifier.beat_if_due()
            report_start(settings, bikes, beginning)
            publisher.run(stop)
            notifier.tell(STOPPING)
    report_end(bikes)


def open_journal(settings: Settings, ids: Sequence[str]) -> tuple[Journal, Beginning]:
    """Open the journal and find out where the numbers begin; raises JournalError.

    Without ``SPOKE_JOURNAL`` only the greatest epoch is stored, in a file beside the log.
    """
    if settings.journal is not None:
        durable = DurableJournal(settings.journal, ids)
        return durable, durable.beginning
    epoch = clock_ms = time.time_ns() // 1_000_000
    path = settings.log_dir / f"{log_name(settings, 'device')}.epoch"
    try:
        epoch = take_epoch(path, clock_ms)
    except OSError as error:
        logger.warning("epoch_not_kept", file=str(path), reason=error.strerror)
    return MemoryJournal(capacity(len(ids))), Beginning(epoch, {}, goes_on=False)


def build_publisher(bikes: Sequence[Bike], journal: Journal, sockets: Sockets) -> Publisher:
    """Build the publisher and its replay server, which share one journal."""
    ids = [bike.device_id for bike in bikes]
    questions = PendingQuestions(journal, frozenset(ids))
    replay = ReplayServer(sockets.links, questions, ids)
    subscriptions = Subscriptions(sockets.pub, sockets.pub_doors, ids)
    return Publisher(bikes, journal, sockets.pub, replay, subscriptions)


@contextmanager
def stop_signals() -> Iterator[socket.socket]:
    """Yield a socket that becomes readable when a signal asks the process to end."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    with reader, writer:
        signal.set_wakeup_fd(writer.fileno())
        for number in ending_signals():
            signal.signal(number, _ignore)
        try:
            yield reader
        finally:
            signal.set_wakeup_fd(-1)


def report_start(settings: Settings, bikes: list[Bike], beginning: Beginning) -> None:
    """Log the settings and the first epoch in one line."""
    logger.info(
        "started",
        bikes=len(bikes),
        first=bikes[0].device_id,
        epoch=beginning.epoch,
        goes_on=beginning.goes_on,
        source=settings.source,
        interval_ms=bikes[0].source.interval_ms,
        pub=settings.pub_bind or ",".join(settings.pub_connect),
        replay=settings.replay_bind or ",".join(settings.replay_connect) or "none",
        journal=str(settings.journal or "in memory"),
        keeps=f"the last {capacity(len(bikes))} readings of each bike",
    )


def report_end(bikes: list[Bike]) -> None:
    """Log the number of readings, and how often a source's value was left out."""
    left_out = sum((bike.faults for bike in bikes), Counter[str]())
    readings = sum(bike.readings for bike in bikes)
    logger.info("stopped", readings=readings, left_out=dict(left_out) or "nothing")


def _ignore(_number: int, _frame: object) -> None:
    """Do nothing: the signal has already written to the wake-up socket."""


if __name__ == "__main__":
    run_program(main)
