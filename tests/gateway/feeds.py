"""Plain values for the tests of feeds: messages of one device, the time, effects in words."""

from collections.abc import Iterable, Sequence

from gateway.domain import Gap, Now
from gateway.feed.backfill import BackfillSlots, Item
from gateway.feed.effects import (
    Announce,
    Ask,
    Changed,
    Count,
    Effect,
    Effects,
    Empty,
    FirstContact,
    Prepend,
    Seen,
    Take,
)
from gateway.feed.feed import Feed
from gateway.feed.reorder_buffer import ReorderBuffer
from gateway.feed.retransmission import Purpose
from shared.cursor import Cursor
from shared.reading import Reading, State, Status
from shared.wire import ReplayAnswer

DEVICE = "ebike-001"
WALL_MS = 1_700_000_000_000


def at(monotonic_s: float) -> Now:
    """Give a time, in seconds since the test began."""
    return Now(monotonic_s, WALL_MS + int(monotonic_s * 1000))


def reading(seq: int, epoch: int = 1, speed_kmh: float = 20.0) -> Reading:
    """Make a reading; the epoch is a boot counter."""
    return Reading(DEVICE, epoch, seq, WALL_MS + seq, speed_kmh)


def readings(seqs: Iterable[int], epoch: int = 1) -> list[Reading]:
    """Make several readings of one epoch."""
    return [reading(seq, epoch) for seq in seqs]


def status(
    last_seq: int, epoch: int = 1, state: State = "online", model: str | None = None
) -> Status:
    """Make a status."""
    return Status(DEVICE, epoch, last_seq, WALL_MS, state, 100, model)


def answer(
    found: Sequence[Reading] = (),
    newest: Cursor | None = None,
    *,
    oldest: Cursor | None = None,
    reached: Cursor | None = None,
) -> ReplayAnswer:
    """Make an answer; what is not said of its ends is so that it holds all there is."""
    first, last = (found[0].cursor, found[-1].cursor) if found else (None, None)
    ends = oldest or first, newest or last
    return ReplayAnswer("id", DEVICE, *ends, tuple(found), len(found), reached or last)


def open_purpose(feed: Feed) -> Purpose:
    """Tell which question is the one to answer: what is missing comes before history."""
    purposes: tuple[Purpose, ...] = ("repair", "backfill")
    threads = [(purpose, feed._questions._states[purpose]) for purpose in purposes]
    is_open = [purpose for purpose, thread in threads if thread.question is not None]
    was_missed = [purpose for purpose, thread in threads if thread.repeatable is not None]
    return next(iter(is_open + was_missed), "repair")


def reply(feed: Feed, told: ReplayAnswer, now: Now) -> Effects:
    """Answer the question that is open."""
    return feed.receive_answer(open_purpose(feed), told, now)


def leave_unanswered(feed: Feed, now: Now) -> Effects:
    """Say that there is nobody to answer the question that is open."""
    return feed.receive_no_answer(open_purpose(feed), now)


def be_busy(feed: Feed, now: Now) -> Effects:
    """Let the replay ask for patience with the question that is open."""
    return feed.receive_busy(open_purpose(feed), now)


def said(effects: Iterable[Effect]) -> list[str]:
    """Put effects into words, one line each."""
    return [_say(effect) for effect in effects]


def say_item(item: Item) -> str:
    """Put a part of history into words."""
    if isinstance(item, Gap):
        return f"gap {item.after} {item.before} {item.reason}"
    return str(item.cursor)


def _say(effect: Effect) -> str:
    match effect:
        case Take(taken):
            return f"take {taken.cursor}"
        case Announce(gap):
            return say_item(gap)
        case Prepend(stretch):
            return f"prepend {stretch.front}: {', '.join(map(say_item, stretch.items))}"
        case Empty(front):
            return f"empty {front}"
        case FirstContact(front):
            return f"start {front}"
        case Ask(_purpose, after, limit):
            return f"ask {limit} after {after}"
        case Seen(again):
            return f"seen {again.cursor}"
        case Count(reason):
            return f"count {reason}"
        case Changed():
            return "changed"


def new_feed(
    capacity: int = 6000, buffer: ReorderBuffer | None = None, slots: BackfillSlots | None = None
) -> Feed:
    """Make a feed that heard nothing yet; a hole is waited for 5 s."""
    return Feed(DEVICE, capacity, 5.0, buffer, slots or BackfillSlots())


def running_feed(seq: int = 4, capacity: int = 6000, buffer: ReorderBuffer | None = None) -> Feed:
    """Make a feed that took a reading and a status; its replay answered: there is no history."""
    feed = new_feed(capacity, buffer)
    feed.receive_reading(reading(seq), at(0))
    feed.receive_status(status(seq), at(0))
    reply(feed, answer(), at(0))
    return feed


def feed_without_replay(seq: int = 4) -> Feed:
    """Make a feed that took one reading and knows, since 0.5 s, that there is no replay."""
    feed = new_feed()
    feed.receive_reading(reading(seq), at(0))
    leave_unanswered(feed, at(0))
    feed.tick(at(0.5))
    leave_unanswered(feed, at(0.5))
    return feed
