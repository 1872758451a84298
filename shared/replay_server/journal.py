"""The readings that a replay server answers from."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from shared.cursor import Cursor


class JournalPage(NamedTuple):
    """Consecutive readings of one device, and the ends of all that the journal holds of it.

    ``payloads`` are the published bytes, ascending by position. ``oldest`` and ``newest`` are None
    when the journal holds no reading of the device.
    """

    payloads: Sequence[bytes]
    oldest: Cursor | None
    newest: Cursor | None


class ReplayJournal(Protocol):
    """A journal that can be read by position."""

    def page(self, device_id: str, after: Cursor | None, limit: int) -> JournalPage:
        """Read at most ``limit`` readings after a position; None means from the oldest one."""
