"""What is known to exist ahead of the head of a feed, though it was not taken yet."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from shared.cursor import Cursor

EPOCHS_AHEAD_MAX = 8
"""Epochs that wait for an older one to be settled; each takes at most some seconds."""
NOTED_MAX = 1_000
"""Refused numbers kept: a sensor that is broken for longer fails, it does not flicker."""


class Missing(NamedTuple):
    """What is missing right after the head, up to and with ``end``.

    ``invalid``: numbers that were refused for their values. ``readings``: numbers that are known
    to exist; with others behind it the whole hole ends at ``last``. ``epoch``: whatever the old
    epoch had after the head; ``end`` is the start of the new one.
    """

    kind: Literal["invalid", "readings", "epoch"]
    end: Cursor
    last: Cursor


@dataclass(slots=True)
class SequenceTracker:
    """How far each epoch is known to go, where it ended, and which numbers are void."""

    _tails: dict[int, int] = field(default_factory=dict)  # epoch -> greatest seq known to exist
    _ends: dict[int, int] = field(default_factory=dict)  # epoch -> seq at which it was stopped
    _noted: set[Cursor] = field(default_factory=set)

    def known_seq(self, epoch: int, head: Cursor | None) -> int:
        """Give the greatest number known of an epoch; 0 when there is none."""
        settled = head.seq if head is not None and head.epoch == epoch else 0
        return max(settled, self._tails.get(epoch, 0))

    def greatest(self, head: Cursor) -> Cursor:
        """Give the greatest position known to exist."""
        epoch = max(self._tails, default=head.epoch)
        return max(head, Cursor(epoch, self._tails.get(epoch, 0)))

    def knows(self, cursor: Cursor) -> bool:
        """Tell whether this position is known to exist; not in an epoch that was crowded out."""
        return cursor.seq <= self._tails.get(cursor.epoch, -1)

    def is_behind(self, head: Cursor) -> bool:
        """Tell whether nothing is known that a next reading could depend on."""
        return not (self._noted or self._ends or self.greatest(head) > head)

    def know(self, cursor: Cursor) -> None:
        """Note that everything of the epoch up to this position exists."""
        epoch, seq = cursor
        self._tails[epoch] = max(seq, self._tails.get(epoch, 0))
        if seq > self._ends.get(epoch, seq):
            del self._ends[epoch]  # it went on after all

    def crowded_out(self, head: Cursor) -> int | None:
        """Forget the epoch after the head's when too many wait behind it; returns which."""
        ahead = [epoch for epoch in self._tails if epoch > head.epoch]
        if len(ahead) <= EPOCHS_AHEAD_MAX:
            return None
        self._drop(min(ahead))
        return min(ahead)

    def stop(self, cursor: Cursor) -> None:
        """Note that the epoch ended at this position."""
        if self.knows(cursor):
            self._ends[cursor.epoch] = cursor.seq

    def go_on(self, cursor: Cursor) -> bool:
        """Take an epoch for running again; False when the sign of it is older than its end."""
        if cursor.seq < self._ends.get(cursor.epoch, 0):
            return False
        self._ends.pop(cursor.epoch, None)
        return True

    def is_stopped_before(self, cursor: Cursor) -> bool:
        """Tell whether the epoch was said to end at or behind this position."""
        return cursor.seq <= self._ends.get(cursor.epoch, -1)

    def ends_at(self, head: Cursor) -> bool:
        """Tell whether the epoch was said to end right here."""
        return self._ends.get(head.epoch) == head.seq

    def note(self, position: Cursor, head: Cursor) -> None:
        """Note a number that was refused for its values, when it is one of the next."""
        base = head.seq if position.epoch == head.epoch else 0
        is_next = position > head and base < position.seq <= base + NOTED_MAX
        if is_next and len(self._noted) < NOTED_MAX:
            self._noted.add(position)

    def take(self, cursor: Cursor) -> None:
        """Note that the reading at this position was taken."""
        self._noted.discard(cursor)

    def skip_to(self, end: Cursor) -> None:
        """Forget what lies at or before ``end``, which a gap or the end of an epoch passed over."""
        if self.ends_at(end):
            del self._ends[end.epoch]  # not with a reading: who knows what else was lost
        for epoch in [epoch for epoch in self._tails if epoch < end.epoch]:
            self._drop(epoch)
        self._noted = {cursor for cursor in self._noted if cursor > end}

    def missing(self, head: Cursor, first_held: Cursor | None) -> Missing | None:
        """Describe what is missing right after the head; None when nothing is known to be."""
        holds = first_held is not None and first_held.epoch == head.epoch
        newer = min((epoch for epoch in self._tails if epoch > head.epoch), default=None)
        last = first_held.seq - 1 if holds and first_held else self._tails.get(head.epoch, 0)
        if last <= head.seq:
            return None if newer is None else _epoch_end(newer)
        void = self._void_after(head, last)
        if void == last and not holds and newer is None:
            return None  # a valid reading with that number may come yet
        if void > head.seq:
            return _hole("invalid", head.epoch, void, last)
        return _hole("readings", head.epoch, self._valid_after(head, last), last)

    def _void_after(self, head: Cursor, last: int) -> int:
        """Find the last of the refused numbers that directly follow the head."""
        seq = head.seq
        while seq < last and (head.epoch, seq + 1) in self._noted:
            seq += 1
        return seq

    def _valid_after(self, head: Cursor, last: int) -> int:
        """Find the last number before the first refused one."""
        noted = (c.seq - 1 for c in self._noted if c.epoch == head.epoch and c.seq <= last)
        return min(noted, default=last)

    def _drop(self, epoch: int) -> None:
        del self._tails[epoch]
        self._ends.pop(epoch, None)


def _hole(kind: Literal["invalid", "readings"], epoch: int, end: int, last: int) -> Missing:
    return Missing(kind, Cursor(epoch, end), Cursor(epoch, last))


def _epoch_end(newer: int) -> Missing:
    return Missing("epoch", Cursor(newer, 0), Cursor(newer, 0))
