"""A thread that moves what was committed from the journal's log into its file.

SQLite would do so in a commit, now and then, and wait for the disk. Here nothing that publishes
waits for it: this connection synchronises, the one that commits never does.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

CHECKPOINT_INTERVAL_S = 2.0
"""What the loss of power may cost at most, beside what the disk itself forgets."""
LOG_PAGES_MAX = 16_384
"""64 MB. A log starts again at its beginning when all of it was moved at one moment, which
commits in quick succession on a slow disk never let happen; then the committing side moves the
rest."""


class Checkpoints:
    """The running thread for one journal."""

    def __init__(self, path: Path) -> None:
        self.failed: sqlite3.Error | None = None
        """What it died of; the log only grows from then on."""
        self.is_behind = False
        """Whether the log is longer than it should be."""
        self._path = path
        self._end = Event()
        self._thread = Thread(target=self._run, name="checkpoints", daemon=True)
        self._thread.start()

    def stop(self, wait_s: float) -> None:
        """Stop it; it may still be waiting for the disk after ``wait_s``."""
        self._end.set()
        self._thread.join(wait_s)

    def _run(self) -> None:
        try:
            with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
                connection.execute("PRAGMA synchronous = NORMAL")
                while not self._end.wait(CHECKPOINT_INTERVAL_S):
                    self.is_behind = move_log(connection) > LOG_PAGES_MAX
        except sqlite3.Error as error:
            self.failed = error


def move_log(connection: sqlite3.Connection) -> int:
    """Move what is committed, as far as nobody has to wait; returns the length of the log."""
    _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return int(pages)
