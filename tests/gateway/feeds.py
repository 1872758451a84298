"""Plain values for the tests of feeds: messages of one device, the time, effects in words."""

from collections.abc import Iterable, Sequence

from gateway.effects import (
    Announce,
    Ask,
    Changed,
    Count,
    Effect,
    Empty,
    Now,
    Prepend,
    Seen,
    Start,
    Take,
)
from gateway.history import Item
from gateway.packets import Gap
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


def answer(found: Sequence[Reading] = (), newest: Cursor | None = None) -> ReplayAnswer:
    """Make an answer; without ``newest`` it ends with the newest reading held."""
    ends = [found[0].cursor, found[-1].cursor] if found else [None, None]
    return ReplayAnswer("id", DEVICE, ends[0], newest or ends[1], tuple(found))


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
        case Start(front):
            return f"start {front}"
        case Ask(after, limit):
            return f"ask {limit} after {after}"
        case Seen(again):
            return f"seen {again.cursor}"
        case Count(reason):
            return f"count {reason}"
        case Changed():
            return "changed"
