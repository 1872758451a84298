"""Follow bikes so that each reading comes once and in order, whatever breaks. Pure.

::

    watch = Watch(devices=("ebike-001",))
    watch = apply(watch, Connected("http://localhost:5000"))
    send("subscribe", question(watch))            # its acknowledgement:
    watch = apply(watch, Answered(ack["devices"]))
    watch = apply(watch, Came(body_of_speed_change, arrived_ms))

An event that changes nothing, such as a reading that was seen before, gives back the same state:
``apply(watch, event) is watch``. Bodies are what ``docs/protocol.md``, section 3, says they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

from shared.cursor import START, Cursor, parse_cursor

EVERYTHING = "*"
BIKES_MAX = 9_999
"""A gateway takes 10,000 cursors in one request, and ``*`` is one of them. Of more bikes than that
the one that said nothing for the longest time is forgotten."""
HISTORY_S = 30
"""What a glance at a terminal takes in, one character a second."""
CLOCK_ERROR_MS = 2_000
"""A clock that differs more than this is wrong; less is how long the reading was under way."""

Body: TypeAlias = Mapping[str, Any]


class Second(NamedTuple):
    """One second of a bike's time: its last speed, and how many readings there were."""

    at_s: int
    speed_kmh: float
    readings: int


@dataclass(frozen=True, slots=True)
class Bike:
    """What is known of one bike; ``cursor`` is where its stream stands."""

    cursor: Cursor | None = None
    online: bool = False
    model: str | None = None
    refused: str | None = None
    latest: Body | None = None
    history: tuple[Second, ...] = ()
    readings: int = 0
    gaps: int = 0
    lost: int = 0
    """Readings that gaps counted; a gap between two epochs has no number."""
    lag_ms: float | None = None
    """How long the last reading was under way; above the fastest one if the clock is wrong."""
    least_delay_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """What is followed, and how far it came. ``devices`` None: all of them."""

    devices: tuple[str, ...] | None = None
    max_rate_hz: float | None = None
    bikes: Mapping[str, Bike] = field(default_factory=dict)
    url: str | None = None
    """The gateway that answers just now."""
    trouble: str | None = None
    """Why nothing comes."""
    answered: bool = False
    connects: int = 0
    resumes: bool = False
    """Whether the next question goes on where this one ends."""


class Connected(NamedTuple):
    """A gateway let us in; now :func:`question` is to be sent."""

    url: str


class Answered(NamedTuple):
    """It answered the question; these are its ``devices``."""

    devices: Mapping[str, Body]


class Came(NamedTuple):
    """A ``speed_change`` came at this time, in ms since 1970."""

    reading: Body
    at_ms: float


class Missed(NamedTuple):
    """A ``gap`` came."""

    gap: Body


class Told(NamedTuple):
    """A ``device_status`` came."""

    status: Body


class Cut(NamedTuple):
    """The line went down, or could not be had; ``why`` is for people."""

    why: str


Event: TypeAlias = Connected | Answered | Came | Missed | Told | Cut


def start(
    devices: Sequence[str] | None = None,
    since: Mapping[str, Cursor] | None = None,
    max_rate_hz: float | None = None,
) -> Watch:
    """Begin to watch bikes, or (None) all: from now on, or after these cursors."""
    names = None if devices is None else tuple(dict.fromkeys(devices))
    wanted = {
        device_id: Bike(cursor)
        for device_id, cursor in (since or {}).items()
        if names is None or device_id in names
    }
    wanted.pop(EVERYTHING, None)  # a question about all bikes says it anyway
    return Watch(names, max_rate_hz, wanted, resumes=since is not None)


def question(watch: Watch) -> dict[str, object]:
    """Give what is to be sent as ``subscribe``, now that a connection is there."""
    wanted: dict[str, object] = {"devices": EVERYTHING if watch.devices is None else watch.devices}
    if watch.max_rate_hz is not None:  # a limited stream has no backlog to resume
        return wanted | {"max_rate_hz": watch.max_rate_hz}
    if not watch.resumes:
        return wanted
    since = {device_id: str(cursor) for device_id, cursor in cursors(watch).items()}
    # of bikes without a cursor, such as one that appeared meanwhile: all that is held
    return wanted | {"since": since | ({EVERYTHING: str(START)} if watch.devices is None else {})}


def cursors(watch: Watch) -> dict[str, Cursor]:
    """List where each stream stands, what moved last at the end."""
    return {
        device_id: bike.cursor for device_id, bike in watch.bikes.items() if bike.cursor is not None
    }


def apply(watch: Watch, event: Event) -> Watch:
    """Take in an event; one that changes nothing gives back the same ``watch``."""
    match event:
        case Connected(url):
            return replace(watch, url=url, trouble=None, connects=watch.connects + 1)
        case Cut(why) if watch.url is None and watch.trouble == why:
            return watch
        case Cut(why):
            return replace(watch, url=None, trouble=why, answered=False)
        case Answered(devices):
            return _begin(watch, devices)
        case _ if not watch.answered:
            return watch  # of a stream that was not asked for
        case Came(reading, at_ms):
            return _receive(watch, reading, at_ms)
        case Missed(gap):
            return _lose(watch, gap)
        case Told(status):
            return _note(watch, status)
    raise TypeError(f"{event!r} is no event")


def _begin(watch: Watch, devices: Mapping[str, Body]) -> Watch:
    """Take the positions of the answer, where none is known, so that the next question resumes."""
    known = dict(watch.bikes)
    for device_id, body in devices.items():
        bike = known.get(device_id, Bike())
        cursor = bike.cursor or parse_cursor(body["cursor"])
        known[device_id] = replace(bike, cursor=cursor, online=body["online"])
    return replace(watch, bikes=known, answered=True, resumes=True)


def _receive(watch: Watch, reading: Body, at_ms: float) -> Watch:
    bike = watch.bikes.get(reading["device_id"], Bike())
    cursor = Cursor(reading["epoch"], reading["seq"])
    # numbers compare within an epoch only; epochs follow in the order sent
    if bike.cursor is not None and bike.cursor.epoch == cursor.epoch and cursor <= bike.cursor:
        return watch
    delay_ms = at_ms - reading["ts_ms"]
    least_ms = delay_ms if bike.least_delay_ms is None else min(delay_ms, bike.least_delay_ms)
    after = replace(
        bike,
        cursor=cursor,
        latest=reading,
        history=_extend(bike.history, reading["ts_ms"] // 1000, reading["speed_kmh"]),
        readings=bike.readings + 1,
        lag_ms=max(0.0, delay_ms if abs(least_ms) < CLOCK_ERROR_MS else delay_ms - least_ms),
        least_delay_ms=least_ms,
    )
    return _put(watch, reading["device_id"], after)


def _lose(watch: Watch, gap: Body) -> Watch:
    bike = watch.bikes.get(gap["device_id"], Bike())
    before = parse_cursor(gap["before"]) or START
    after = replace(
        bike,
        cursor=Cursor(before.epoch, max(before.seq - 1, 0)),
        gaps=bike.gaps + 1,
        lost=bike.lost + (gap["lost"] or 0),
    )
    return _put(watch, gap["device_id"], after)


def _note(watch: Watch, status: Body) -> Watch:
    before = watch.bikes.get(status["device_id"], Bike())
    after = replace(
        before,
        online=status["online"],
        model=status.get("model"),
        refused=status.get("refused"),
    )
    return watch if after == before else _put(watch, status["device_id"], after)


def _put(watch: Watch, device_id: str, bike: Bike) -> Watch:
    """Enter what is known of a bike; it stands last then."""
    bikes = dict(watch.bikes)
    bikes.pop(device_id, None)
    bikes[device_id] = bike
    if len(bikes) > BIKES_MAX:
        del bikes[next(iter(bikes))]
    return replace(watch, bikes=bikes)


def _extend(history: tuple[Second, ...], at_s: int, speed_kmh: float) -> tuple[Second, ...]:
    """Add a speed to the seconds that are shown; a clock that went back begins anew."""
    if not history or at_s < history[-1].at_s:
        return (Second(at_s, speed_kmh, 1),)
    if at_s == history[-1].at_s:
        return (*history[:-1], Second(at_s, speed_kmh, history[-1].readings + 1))
    kept = tuple(second for second in history if second.at_s > at_s - HISTORY_S)
    return (*kept, Second(at_s, speed_kmh, 1))
