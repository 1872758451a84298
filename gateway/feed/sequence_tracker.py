"""The sequence tracker: the positions ahead of a feed's head that are known to exist.

How it works

- The head is the last settled position. Each message of a device shows that all numbers up to its
  own exist in its epoch. So one number per epoch is enough: the greatest, the epoch's tail.
- A device may have said that an epoch ended at a number (status ``stopping``). If the head gets
  there, the next epoch follows without a gap.
- A reading that is refused for its values is void: its number exists, but no reading with it will
  come. Void numbers that directly follow the head become a gap ``invalid``.
- :meth:`SequenceTracker.missing` describes the hole right after the head: void numbers, readings,
  or the unknown rest of an epoch that a newer one followed.
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from shared.cursor import Cursor

EPOCHS_AHEAD_MAX = 8
"""Epochs that wait until an older one is settled, which takes at most some seconds."""
VOID_MAX = 1_000
"""Void numbers that are kept. A sensor with more of them in a row has failed for good."""


class Missing(NamedTuple):
    """The part of a hole that comes right after the head, up to and including ``end``.

    ``invalid``: void numbers. ``readings``: numbers that are known to exist. ``epoch``: the rest of
    the head's epoch, whose length is not known; ``end`` is the start of the new epoch. The whole
    hole, which may have several parts, ends at ``last``.
    """

    kind: Literal["invalid", "readings", "epoch"]
    end: Cursor
    last: Cursor


@dataclass(slots=True)
class SequenceTracker:
    """The tails and the ends of epochs, and the void numbers, of one device."""

    _tails: dict[int, int] = field(default_factory=dict)  # epoch: greatest seq known to exist
    _ends: dict[int, int] = field(default_factory=dict)  # epoch: seq of its announced end
    _void: set[Cursor] = field(default_factory=set)

    def known_seq(self, epoch: int, head: Cursor | None) -> int:
        """Return the greatest number known of an epoch; 0 if none is."""
        settled = head.seq if head is not None and head.epoch == epoch else 0
        return max(settled, self._tails.get(epoch, 0))

    def greatest(self, head: Cursor) -> Cursor:
        """Return the greatest position known to exist."""
        epoch = max(self._tails, default=head.epoch)
        return max(head, Cursor(epoch, self._tails.get(epoch, 0)))

    def knows(self, cursor: Cursor) -> bool:
        """Tell whether a position is known to exist; False in an epoch that was crowded out."""
        return cursor.seq <= self._tails.get(cursor.epoch, -1)

    def has_nothing_after(self, head: Cursor) -> bool:
        """Tell whether the next reading can be taken without a look at this tracker."""
        return not (self._void or self._ends or self.greatest(head) > head)

    def know(self, cursor: Cursor) -> None:
        """Note that everything of the epoch up to this position exists."""
        epoch, seq = cursor
        self._tails[epoch] = max(seq, self._tails.get(epoch, 0))
        if seq > self._ends.get(epoch, seq):
            del self._ends[epoch]  # the epoch continued after its announced end

    def crowded_out(self, head: Cursor) -> int | None:
        """Forget the epoch after the head's if too many epochs wait; returns the forgotten one."""
        ahead = [epoch for epoch in self._tails if epoch > head.epoch]
        if len(ahead) <= EPOCHS_AHEAD_MAX:
            return None
        self._drop(min(ahead))
        return min(ahead)

    def stop(self, cursor: Cursor) -> None:
        """Note that the device ended the epoch at this position."""
        if self.knows(cursor):
            self._ends[cursor.epoch] = cursor.seq

    def go_on(self, cursor: Cursor) -> bool:
        """Note a sign that an epoch is running; False if the sign is older than the epoch's end."""
        if cursor.seq < self._ends.get(cursor.epoch, 0):
            return False
        self._ends.pop(cursor.epoch, None)
        return True

    def is_stopped_at_or_after(self, cursor: Cursor) -> bool:
        """Tell whether the epoch has an end, at this position or after it."""
        return cursor.seq <= self._ends.get(cursor.epoch, -1)

    def ends_at(self, head: Cursor) -> bool:
        """Tell whether the head is the end of its epoch."""
        return self._ends.get(head.epoch) == head.seq

    def note_void(self, position: Cursor, head: Cursor) -> None:
        """Note a void number, if it is one of the next."""
        base = head.seq if position.epoch == head.epoch else 0
        is_next = position > head and base < position.seq <= base + VOID_MAX
        if is_next and len(self._void) < VOID_MAX:
            self._void.add(position)

    def take(self, cursor: Cursor) -> None:
        """Note that the reading at this position was taken."""
        self._void.discard(cursor)

    def skip_to(self, end: Cursor) -> None:
        """Forget everything up to ``end``, which a gap or the end of an epoch passed over."""
        if self.ends_at(end):
            del self._ends[end.epoch]  # a gap reached the end: more may be lost after it
        for epoch in [epoch for epoch in self._tails if epoch < end.epoch]:
            self._drop(epoch)
        self._void = {cursor for cursor in self._void if cursor > end}

    def missing(self, head: Cursor, first_held: Cursor | None) -> Missing | None:
        """Describe the hole right after the head; None if none is known.

        ``first_held`` is the least position in the reorder buffer.
        """
        holds = first_held is not None and first_held.epoch == head.epoch
        newer = min((epoch for epoch in self._tails if epoch > head.epoch), default=None)
        last = first_held.seq - 1 if holds and first_held else self._tails.get(head.epoch, 0)
        if last <= head.seq:
            return None if newer is None else _epoch_end(newer)
        void = self._last_void(head, last)
        if void == last and not holds and newer is None:
            return None  # a valid reading with the last number may still come
        if void > head.seq:
            return _hole("invalid", head.epoch, void, last)
        return _hole("readings", head.epoch, self._last_valid(head, last), last)

    def _last_void(self, head: Cursor, last: int) -> int:
        """Return the last of the void numbers that directly follow the head."""
        seq = head.seq
        while seq < last and (head.epoch, seq + 1) in self._void:
            seq += 1
        return seq

    def _last_valid(self, head: Cursor, last: int) -> int:
        """Return the last number before the first void one."""
        before = (c.seq - 1 for c in self._void if c.epoch == head.epoch and c.seq <= last)
        return min(before, default=last)

    def _drop(self, epoch: int) -> None:
        del self._tails[epoch]
        self._ends.pop(epoch, None)


def _hole(kind: Literal["invalid", "readings"], epoch: int, end: int, last: int) -> Missing:
    return Missing(kind, Cursor(epoch, end), Cursor(epoch, last))


def _epoch_end(newer: int) -> Missing:
    return Missing("epoch", Cursor(newer, 0), Cursor(newer, 0))
