"""A thread that checkpoints the journal: it copies SQLite's log (WAL) into the database file.

SQLite would do this within a commit now and then, and wait for the disk there. The publishing
thread must never wait for the disk, so its connection never synchronises; this one does.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

CHECKPOINT_INTERVAL_S = 2.0
"""A loss of power costs at most the readings of this time, if the disk keeps its promises."""
LOG_PAGES_MAX = 16_384
"""64 MB. SQLite reuses the log from its beginning once a checkpoint has copied all of it. Fast
commits on a slow disk can prevent that for ever; then the publishing thread copies the rest."""


class CheckpointThread:
    """The running thread for one journal."""

    def __init__(self, path: Path) -> None:
        self.failed: sqlite3.Error | None = None
        """The error that ended the thread. From then on the log only grows."""
        self.is_behind = False
        """Whether the log is longer than :data:`LOG_PAGES_MAX`."""
        self._path = path
        self._end = Event()
        self._thread = Thread(target=self._run, name="checkpoints", daemon=True)
        self._thread.start()

    def stop(self, wait_s: float) -> None:
        """End the thread; it may still wait for the disk after ``wait_s``."""
        self._end.set()
        self._thread.join(wait_s)

    def _run(self) -> None:
        try:
            with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
                connection.execute("PRAGMA synchronous = NORMAL")
                while not self._end.wait(CHECKPOINT_INTERVAL_S):
                    self.is_behind = checkpoint(connection) > LOG_PAGES_MAX
        except sqlite3.Error as error:
            self.failed = error


def checkpoint(connection: sqlite3.Connection) -> int:
    """Copy as much of the log as possible without waiting; returns the log's length in pages."""
    _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return int(pages)
