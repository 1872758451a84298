"""Follow bikes: each reading once and in order, over any number of connections. Pure.

::

    watch = Watch(devices=("ebike-001",))
    watch = apply(watch, Connected("http://localhost:5000"))
    send("subscribe", subscribe_request(watch))  # its acknowledgement is ``ack``
    watch = apply(watch, Subscribed(ack["devices"]))
    watch = apply(watch, ReadingReceived(body_of_speed_change, arrived_ms))

How it works: the state holds a cursor for each bike. A reading at or before the cursor (in the same
epoch) is a repetition. After a reconnect, :func:`subscribe_request` asks for the readings after the
cursors. An event that changes nothing, such as a repetition, returns the same object:
``apply(watch, event) is watch``. ``docs/protocol.md``, section 3, describes the bodies of events.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

from shared.cursor import START, Cursor, parse_cursor

EVERYTHING = "*"
BIKES_MAX = 9_999
"""A gateway takes 10,000 cursors in one request, and ``*`` is one of them. With more bikes, the
watch forgets the bike that has been silent for the longest time."""
HISTORY_S = 30
"""Seconds in the sparkline, one character each."""
CLOCK_ERROR_MS = 2_000
"""A delay longer than this means that the bike's clock is wrong; a shorter one is real delay."""

Body: TypeAlias = Mapping[str, Any]


class Second(NamedTuple):
    """One second by the bike's clock: the last speed and the number of readings."""

    at_s: int
    speed_kmh: float
    readings: int


@dataclass(frozen=True, slots=True)
class WatchedBike:
    """The state of one bike; ``cursor`` is the position of its stream."""

    cursor: Cursor | None = None
    online: bool = False
    model: str | None = None
    refused: str | None = None
    latest: Body | None = None
    history: tuple[Second, ...] = ()
    readings: int = 0
    gaps: int = 0
    lost: int = 0
    """The sum of ``lost`` of all gaps; a gap between two epochs has no number."""
    lag_ms: float | None = None
    """Delay of the last reading; if the bike's clock is wrong, its delay above the fastest one."""
    least_delay_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """The bikes that are followed, and their state. ``devices`` None: all bikes."""

    devices: tuple[str, ...] | None = None
    max_rate_hz: float | None = None
    bikes: Mapping[str, WatchedBike] = field(default_factory=dict)
    url: str | None = None
    """The gateway that is connected; None without a connection."""
    trouble: str | None = None
    """Why there is no connection."""
    answered: bool = False
    connects: int = 0
    resumes: bool = False
    """Whether the next request resumes at the cursors; False before the first answer."""


class Connected(NamedTuple):
    """The connection is open; the caller now sends :func:`subscribe_request`."""

    url: str


class Subscribed(NamedTuple):
    """The gateway answered the request; ``devices`` is from that answer."""

    devices: Mapping[str, Body]


class ReadingReceived(NamedTuple):
    """A ``speed_change`` arrived at ``at_ms``, in ms since 1970."""

    reading: Body
    at_ms: float


class GapReceived(NamedTuple):
    """A ``gap`` arrived."""

    gap: Body


class StatusReceived(NamedTuple):
    """A ``device_status`` arrived."""

    status: Body


class Disconnected(NamedTuple):
    """The connection was lost, or could not be opened; ``why`` is for people."""

    why: str


Event: TypeAlias = (
    Connected | Subscribed | ReadingReceived | GapReceived | StatusReceived | Disconnected
)


def start(
    devices: Sequence[str] | None = None,
    since: Mapping[str, Cursor] | None = None,
    max_rate_hz: float | None = None,
) -> Watch:
    """Create a watch of these bikes, or (None) of all: from now on, or after ``since``."""
    names = None if devices is None else tuple(dict.fromkeys(devices))
    wanted = {
        device_id: WatchedBike(cursor)
        for device_id, cursor in (since or {}).items()
        if names is None or device_id in names
    }
    wanted.pop(EVERYTHING, None)  # a request for all bikes has it anyway
    return Watch(names, max_rate_hz, wanted, resumes=since is not None)


def subscribe_request(watch: Watch) -> dict[str, object]:
    """Return the payload of the ``subscribe`` event for a new connection."""
    wanted: dict[str, object] = {"devices": EVERYTHING if watch.devices is None else watch.devices}
    if watch.max_rate_hz is not None:  # a limited stream has no backlog to resume
        return wanted | {"max_rate_hz": watch.max_rate_hz}
    if not watch.resumes:
        return wanted
    since = {device_id: str(cursor) for device_id, cursor in cursors(watch).items()}
    # "*": of bikes without a cursor, such as new ones, ask for all readings held
    return wanted | {"since": since | ({EVERYTHING: str(START)} if watch.devices is None else {})}


def cursors(watch: Watch) -> dict[str, Cursor]:
    """Return the cursor of each bike; the one that moved last is at the end."""
    return {
        device_id: bike.cursor for device_id, bike in watch.bikes.items() if bike.cursor is not None
    }


def apply(watch: Watch, event: Event) -> Watch:
    """Return the state after an event; ``watch`` itself if the event changes nothing."""
    match event:
        case Connected(url):
            return replace(watch, url=url, trouble=None, connects=watch.connects + 1)
        case Disconnected(why) if watch.url is None and watch.trouble == why:
            return watch
        case Disconnected(why):
            return replace(watch, url=None, trouble=why, answered=False)
        case Subscribed(devices):
            return _begin(watch, devices)
        case _ if not watch.answered:
            return watch  # an event from before the answer
        case ReadingReceived(reading, at_ms):
            return _receive(watch, reading, at_ms)
        case GapReceived(gap):
            return _lose(watch, gap)
        case StatusReceived(status):
            return _note(watch, status)
    raise TypeError(f"{event!r} is no event")


def _begin(watch: Watch, devices: Mapping[str, Body]) -> Watch:
    """Take the cursors of the answer for bikes that have none; the next request resumes there."""
    known = dict(watch.bikes)
    for device_id, body in devices.items():
        bike = known.get(device_id, WatchedBike())
        cursor = bike.cursor or parse_cursor(body["cursor"])
        known[device_id] = replace(bike, cursor=cursor, online=body["online"])
    return replace(watch, bikes=known, answered=True, resumes=True)


def _receive(watch: Watch, reading: Body, at_ms: float) -> Watch:
    bike = watch.bikes.get(reading["device_id"], WatchedBike())
    cursor = Cursor(reading["epoch"], reading["seq"])
    # only numbers of the same epoch compare; the gateway sends epochs in the right order
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
    bike = watch.bikes.get(gap["device_id"], WatchedBike())
    before = parse_cursor(gap["before"]) or START
    after = replace(
        bike,
        cursor=Cursor(before.epoch, max(before.seq - 1, 0)),
        gaps=bike.gaps + 1,
        lost=bike.lost + (gap["lost"] or 0),
    )
    return _put(watch, gap["device_id"], after)


def _note(watch: Watch, status: Body) -> Watch:
    before = watch.bikes.get(status["device_id"], WatchedBike())
    after = replace(
        before,
        online=status["online"],
        model=status.get("model"),
        refused=status.get("refused"),
    )
    return watch if after == before else _put(watch, status["device_id"], after)


def _put(watch: Watch, device_id: str, bike: WatchedBike) -> Watch:
    """Enter the state of a bike at the end."""
    bikes = dict(watch.bikes)
    bikes.pop(device_id, None)
    bikes[device_id] = bike
    if len(bikes) > BIKES_MAX:
        del bikes[next(iter(bikes))]
    return replace(watch, bikes=bikes)


def _extend(history: tuple[Second, ...], at_s: int, speed_kmh: float) -> tuple[Second, ...]:
    """Add a speed to the history; a clock that went back starts a new history."""
    if not history or at_s < history[-1].at_s:
        return (Second(at_s, speed_kmh, 1),)
    if at_s == history[-1].at_s:
        return (*history[:-1], Second(at_s, speed_kmh, history[-1].readings + 1))
    kept = tuple(second for second in history if second.at_s > at_s - HISTORY_S)
    return (*kept, Second(at_s, speed_kmh, 1))
