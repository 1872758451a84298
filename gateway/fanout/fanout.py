"""Who gets what next: every subscription, and the frames that are due to each client.

Pure. The devices tell it what happened (it is their audience); the shell asks who has something
due, and takes as many bytes for a client as its connection accepts. Nothing is queued here.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from gateway.devices.devices import REMEMBERED_MAX, Device, Devices
from gateway.devices.ring import Entry
from gateway.domain import Now
from gateway.fanout.backlog import ANY_NUMBER, Outbound, advance, is_ahead, resolve
from gateway.fanout.clients import (
    NEVER,
    UNPLACED,
    At,
    Client,
    Position,
    Rated,
    Sweep,
    Unplaced,
    Waiting,
)
from gateway.fanout.groups import (
    BATCH_BYTES_MAX,
    Batch,
    Coverage,
    Group,
    Groups,
    Handle,
    OpenMulticast,
)
from gateway.fanout.statuses import StatusLog
from gateway.fanout.subscription import NAMES_MAX, SINCE_MAX, Subscribe, Unsubscribe
from gateway.fanout.subscription_budget import Entries
from gateway.fanout.throttle import RateQueue
from gateway.packets import event_frame
from shared.cursor import START, Cursor
from shared.errors import TooManyDevices

TAIL_MAX = 2_048
"""Entries a group keeps at least, half a second of a large fleet; who lags further is served from
the rings, which costs as much as there are devices."""
TAIL_A_NAME = 256
"""Enough for a group that covers few devices by name, of which there may be many."""
PARTS_MAX = 64
"""Devices in which a client may be behind beside its group; with more it leaves the group."""
STEPS_MAX = 300
"""Devices in which a client that is behind is sent on in one piece: a few milliseconds."""
PLACED_AT_ONCE = 250
"""Devices in which a client is placed between two calls of ``pause``: a millisecond."""
SWEEP_AGAIN_S = 0.1
"""Where a client waits for history in some device, its next sweep begins after this time."""
ANSWERED_AT_ONCE = 100
"""Devices of an answer that are written between two calls of ``pause``: some 0.2 ms."""
SENT_AT_ONCE = 16
"""Clients in step that are sent to between two calls of ``pause``, or one cohort."""
AUTOMATIC_RATE_HZ = 1.0
"""What a client gets that only connects and listens, with ``SPOKE_AUTO_SUBSCRIBE``."""

EMPTY = Batch(())


def do_nothing() -> None:
    """Go on at once: the pause of work that nobody has to wait for."""


@contextmanager
def _held(client: Client) -> Iterator[None]:
    """Send a client nothing while its subscription changes, in pieces."""
    client.holds += 1
    try:
        yield
    finally:
        client.holds -= 1


def _keeps_its_place(client: Client, request: Subscribe) -> bool:
    """Tell whether a client asks for all of ``*`` that it has or is new to, from where it is."""
    asks_for_all = request.everything and not request.since and request.max_rate_hz is None
    is_plain = not (client.names or client.behind or client.rated or client.everything_rate_hz)
    has_place = client.group is not None if client.everything else client.group is None
    return asks_for_all and is_plain and has_place


class Fanout:
    """Every client's subscription and position; see the module."""

    def __init__(self, devices: Devices, open_multicast: OpenMulticast) -> None:
        self.devices = devices
        self.clients: dict[str, Client] = {}
        self.wanted: set[str] = set()
        """Devices whose newest reading must be asked for, until the shell takes them away."""
        self._entries = Entries()
        self._groups = Groups(self._tail_length, open_multicast, self._expel)
        self._statuses = StatusLog(devices)
        self._statuses_due = False
        self._rates = RateQueue(self.clients)
        self._behind: set[str] = set()
        self._unplaced: dict[str, Position] = {}  # all devices that were heard, made once
        self._least_after = NEVER  # no client is unplaced after a lower arrival number
        self._heads: dict[str, At] = {}  # the position at the head of each device, made once
        self._last_waiting: Waiting | None = None
        self._now_s = 0.0
        self._watchers: Counter[str] = Counter()
        devices.audience = self

    def _tail_length(self, coverage: Coverage) -> int:
        """Choose how many entries a group keeps: all of them must still be in the rings."""
        wanted = TAIL_MAX if coverage.everything else TAIL_A_NAME * len(coverage.names)
        return max(1, min(wanted, TAIL_MAX, (self.devices.limits.readings - 1) // 2))

    # --- clients and their subscriptions -------------------------------------------------

    def add(self, client_id: str, connection: Handle) -> None:
        """Admit a client that watches nothing yet; multicasts know it by its connection."""
        self.clients[client_id] = Client(client_id, connection, status_seen=self._statuses.count)

    def remove(self, client_id: str) -> None:
        """Forget a client."""
        client = self.clients.pop(client_id, None)
        if client is not None:
            self._leave_group(client)
            self._behind.discard(client_id)
            self._unwatch(client.names)
            self._entries.forget(client)

    def subscribe_automatically(self, client_id: str, now: Now) -> None:
        """Give a client everything at 1 Hz until it subscribes by itself; it may have already."""
        client = self.clients[client_id]
        if client.names or client.everything:
            return
        self._enter(client, Subscribe((), True, {}, AUTOMATIC_RATE_HZ), now)
        client.is_automatic = True

    def subscribe(
        self, client_id: str, request: Subscribe, now: Now, pause: Callable[[], None] = do_nothing
    ) -> str:
        """Add to a subscription; returns the ``devices`` of the answer as JSON.

        All or nothing: raises :class:`TooManyDevices` before anything is changed, or
        :class:`~shared.errors.Unavailable` when all clients have too much. The positions
        are settled at once. The answer is then written in pieces, with a call of ``pause`` after
        each; the client is sent nothing meanwhile, so that the answer tells where it stands.
        """
        client = self.clients[client_id]
        self._check_size(client, request)
        self._entries.reserve(client, len(request.names) + len(request.since))
        with _held(client):
            covered = self._enter(client, request, now, pause)
            self._recount(client)
            return self._write_answer(client, covered, pause)

    def _enter(
        self, client: Client, request: Subscribe, now: Now, pause: Callable[[], None] = do_nothing
    ) -> list[str]:
        """Take a request into a subscription; returns the ids that it is about."""
        if client.is_automatic:
            self._end_everything(client)
        if _keeps_its_place(client, request):
            covered = self._follow_everything(client)
        else:
            self._step_out(client)
            covered = self._cover(client, request, now, pause)
        self._rates.settle(client, now)
        client.statuses.update(dict.fromkeys(covered))
        return covered

    def _write_answer(self, client: Client, covered: list[str], pause: Callable[[], None]) -> str:
        parts: list[str] = []
        for start in range(0, len(covered), ANSWERED_AT_ONCE):
            some = covered[start : start + ANSWERED_AT_ONCE]
            parts.append(",".join([self._answer(client, device_id) for device_id in some]))
            pause()
        return "{" + ",".join(parts) + "}"

    def unsubscribe(
        self,
        client_id: str,
        request: Unsubscribe,
        now: Now,
        pause: Callable[[], None] = do_nothing,
    ) -> None:
        """Take from a subscription; ``*`` ends everything, a name its own entry."""
        client = self.clients[client_id]
        with _held(client):
            if request.everything:
                self._end_everything(client)
            else:
                self._step_out(client)
                self._uncover(client, request.names, now)
            self._rates.settle(client, now)
            self._recount(client)

    def _recount(self, client: Client) -> None:
        if client.client_id in self.clients:  # else it left in a pause
            self._entries.recount(client)

    def _check_size(self, client: Client, request: Subscribe) -> None:
        if len(client.names.keys() | set(request.names)) > NAMES_MAX:
            raise TooManyDevices(f"at most {NAMES_MAX} names a client; use '*' for all")
        if len(client.since.keys() | request.since.keys()) > SINCE_MAX + NAMES_MAX:
            raise TooManyDevices(f"at most {SINCE_MAX} cursors a client")

    def _follow_everything(self, client: Client) -> list[str]:
        """Let a client follow ``*`` from now on, or from where it is: one number says that."""
        if not client.everything:
            client.everything, client.everything_from = True, self.devices.arrival
            self._enter_group(client, client.coverage())
        elif client.group is not None:
            client.group.step_aside(client)
        client.is_new = True  # the statuses go first
        return [device.device_id for device in self.devices]

    def _cover(
        self, client: Client, request: Subscribe, now: Now, pause: Callable[[], None]
    ) -> list[str]:
        """Enter the request; returns the ids it is about."""
        for name in request.names:
            if name not in client.names:
                self._watchers[name] += 1
            client.names[name] = request.max_rate_hz
        if not request.everything:
            for name in request.names:
                self._place(client, name, request.since.get(name), now)
            return list(request.names)
        return self._cover_everything(client, request, now, pause)

    def _cover_everything(
        self, client: Client, request: Subscribe, now: Now, pause: Callable[[], None]
    ) -> list[str]:
        since = {name: cursor for name, cursor in request.since.items() if name != "*"}
        default = request.since.get("*")
        if not client.everything:
            client.everything_from = self.devices.arrival
        client.everything, client.everything_rate_hz = True, request.max_rate_hz
        client.everything_since = default or client.everything_since
        covered = [device.device_id for device in self.devices]
        covered += [name for name in since if self.devices.get(name) is None]
        for number, name in enumerate(covered):
            own = name in client.names
            self._place(client, name, since.get(name, None if own else default), now)
            if number % PLACED_AT_ONCE == 0:
                pause()
        if not client.names:
            return covered
        return [name for name in covered if name in since or name not in client.names]

    def _uncover(self, client: Client, names: Iterable[str], now: Now) -> None:
        ended = [name for name in names if name in client.names]
        self._unwatch(ended)
        for name in ended:
            del client.names[name]
            if client.everything:
                self._place(client, name, None, now)
            else:
                self._forget_position(client, name)

    def _end_everything(self, client: Client) -> None:
        self._leave_group(client)
        self._end_behind(client)
        self._unwatch(client.names)
        client.names.clear()
        client.rated.clear()
        client.since.clear()
        client.left.clear()
        client.statuses.clear()
        client.sweep = None
        client.everything = client.is_automatic = client.is_new = False
        client.everything_since = client.everything_rate_hz = None

    def _unwatch(self, names: Iterable[str]) -> None:
        for name in names:
            self._watchers[name] -= 1
            if not self._watchers[name]:
                del self._watchers[name]

    def _answer(self, client: Client, device_id: str) -> str:
        """Write the part of an answer that is about one device."""
        device = self.devices.get(device_id)
        head = None if device is None else device.feed.head
        at = self._position_in(client, device_id) or self._live_in(client, device_id, device)
        at = at or self._since_before(client, device_id) or head
        online = "true" if device is not None and device.feed.online else "false"
        latest = "null" if device is None else device.latest_json().decode()
        # An id needs no escapes, see shared.reading.DEVICE_ID.
        return f'"{device_id}":{{"online":{online},"cursor":"{at or START}","latest":{latest}}}'

    def _position_in(self, client: Client, device_id: str) -> Cursor | None:
        """Give the position it was sent a device up to; None where its group serves it, or none."""
        position = self._placed(client, device_id)
        if position is not None:
            return position.cursor
        rated = client.rated.get(device_id)
        return rated.cursor if rated is not None and rated.cursor > START else None

    def _live_in(self, client: Client, device_id: str, device: Device | None) -> Cursor | None:
        """Return the position of a client in a device that its group serves."""
        if device is None or device.feed.head is None or not client.is_live_in(device_id):
            return None
        return self._position_at(device, client.arrival).cursor

    # --- positions -----------------------------------------------------------------------

    def _place(self, client: Client, device_id: str, since: Cursor | None, now: Now) -> None:
        """Put a client at its place in one device: ``since``, else where it was, else the head."""
        device = self.devices.get(device_id)
        if device is None or device.feed.head is None:
            if since is not None:
                client.since[device_id] = since
            return
        rate_hz = client.rate_of(device_id)
        if rate_hz is None:
            self._place_in_full(client, device, since, now)
        else:
            self._place_at_rate(client, device_id, since, 1 / rate_hz)

    def _place_in_full(
        self, client: Client, device: Device, since: Cursor | None, now: Now
    ) -> None:
        rated = client.rated.pop(device.device_id, None)
        if since is None and rated is not None and rated.cursor > START:
            since = rated.cursor
        if since is not None:
            client.behind[device.device_id] = self._waiting_since(since, now)
        elif device.device_id not in client.behind:
            client.behind[device.device_id] = self._at_head(device)
        self._behind.add(client.client_id)

    def _waiting_since(self, since: Cursor, now: Now) -> Waiting:
        """Return a position that waits; all devices that one cursor is for share it."""
        last = self._last_waiting
        if last is None or last.cursor is not since or last.since_s != now.monotonic_s:
            last = self._last_waiting = Waiting(since, now.monotonic_s)
        return last

    def _at_head(self, device: Device) -> At:
        """Return the position behind all that is held; ten thousand of them are made once."""
        end, head = device.ring.end, device.feed.head or START
        at = self._heads.get(device.device_id)
        if at is None or at.index != end or at.cursor != head:
            at = self._heads[device.device_id] = At(end, head)
        return at

    def _place_at_rate(
        self, client: Client, device_id: str, since: Cursor | None, interval_s: float
    ) -> None:
        before = self._placed(client, device_id)
        client.behind.pop(device_id, None)
        rated = client.rated.get(device_id)
        if since is None and before is not None:
            since = before.cursor
        if rated is None or since is not None:
            client.rated[device_id] = Rated(interval_s, since or START)
        elif rated.interval_s != interval_s:
            rated.interval_s, rated.due_s = interval_s, 0.0  # what is new counts from now on

    def _forget_position(self, client: Client, device_id: str) -> None:
        client.behind.pop(device_id, None)
        client.rated.pop(device_id, None)
        client.since.pop(device_id, None)
        client.left.pop(device_id, None)
        client.statuses.pop(device_id, None)

    def _step_out(self, client: Client) -> None:
        """Take a live client out of its group, to one position a device."""
        group = client.group
        if group is None:
            return
        client.is_new = False
        unplaced = self._unplaced_in(group.coverage)
        if client.sweep is not None:
            self._end_sweep(client, unplaced)
        else:
            self._unplace(client, unplaced)

    def _unplaced_in(self, coverage: Coverage) -> Mapping[str, Position]:
        """Return the positions of a client that steps out of a coverage: all are unplaced yet."""
        everything = self._unplaced
        if not coverage.everything:
            return {name: UNPLACED for name in coverage.names if name in everything}
        if not coverage.excluded:
            return everything
        return {name: UNPLACED for name in everything if coverage.covers(name)}

    def _unplace(self, client: Client, unplaced: Mapping[str, Position]) -> None:
        """Have a client leave its group; where it stands in each device is looked up when needed.

        To look all of it up at once takes 20 to 50 ms with 10,000 devices.
        """
        self._leave_group(client)
        client.after = client.arrival
        client.behind = {**unplaced, **client.behind}
        self._behind.add(client.client_id)
        self._least_after = min(self._least_after, client.after)

    def _placed(self, client: Client, device_id: str) -> At | Waiting | None:
        """Return the position of a client in a device in which it is behind, and place it there."""
        position = client.behind.get(device_id)
        if not isinstance(position, Unplaced):
            return position
        device = self.devices.get(device_id)
        return None if device is None else self._place_unplaced(client, device)

    def _place_unplaced(self, client: Client, device: Device) -> At:
        at = client.behind[device.device_id] = self._position_at(device, client.after)
        return at

    def _place_before_loss(self, device: Device, arrival: int) -> None:
        """Place all clients in a device whose positions its ring could not tell any more."""
        if arrival <= self._least_after:
            return
        behind = [self.clients[client_id] for client_id in self._behind]
        for client in behind:
            is_unplaced = client.behind.get(device.device_id) is UNPLACED
            if is_unplaced and client.after < arrival:
                self._place_unplaced(client, device)
        self._least_after = min((client.after for client in behind), default=NEVER)

    def _end_behind(self, client: Client) -> None:
        self._behind.discard(client.client_id)
        client.behind.clear()
        client.after = NEVER

    def _position_at(self, device: Device, arrival: int) -> At:
        ring = device.ring
        index = ring.index_arrived_after(arrival)
        if index == ring.end:
            return self._at_head(device)
        return At(index, ring.cursor_at(index) or device.feed.head or START)

    def _step_aside(self, client: Client, device_id: str) -> None:
        """Let a live client be served by itself in one device, and by a group in all others."""
        group = client.group
        if group is None or not group.coverage.covers(device_id):
            return
        is_whole = client.sweep is None and len(client.behind) < PARTS_MAX
        if not is_whole or not group.is_level(client):
            self._step_out(client)
            return
        is_new = client.is_new
        self._leave_group(client)
        self._enter_group(client, group.coverage.without(device_id))
        if client.group is not None and not is_new:
            client.group.step_in(client)

    def _enter_group(self, client: Client, coverage: Coverage) -> None:
        """Make a client live in a coverage of which it was sent all that arrived so far."""
        if coverage.names or coverage.everything:
            client.arrival = self.devices.arrival
            client.group = self._groups.join(client, coverage)

    def _leave_group(self, client: Client) -> None:
        group, client.group = client.group, None
        if group is not None:
            self._groups.leave(client, group)

    def _join(self, client: Client) -> None:
        """Make a client live: it has everything that arrived so far."""
        self._leave_group(client)
        self._end_behind(client)
        self._enter_group(client, client.coverage())
        if client.group is not None:
            client.group.step_in(client)

    def _expel(self, group: Group, arrival: int) -> None:
        """Take out all who stand before a number: hundreds at once, for 0.2 ms each."""
        expelled = [client for client in group.apart if client.arrival < arrival]
        unplaced = self._unplaced_in(group.coverage) if expelled else {}
        for client in expelled:
            client.is_new = False
            if client.sweep is not None:
                self._end_sweep(client, unplaced)
            else:
                self._unplace(client, unplaced)

    # --- what happened -------------------------------------------------------------------

    def append(self, device: Device, entry: Entry) -> None:
        """Put an entry into the tail of every group that covers its device."""
        self._groups.append(device.device_id, entry.arrival, entry.frame)

    def note_status(self, device_id: str) -> None:
        """Note that everybody who watches a device is owed its status."""
        self._statuses.note(device_id)
        self._statuses_due = True

    def appear(self, device: Device, now: Now) -> None:
        """Place every client that watches a device that is heard for the first time."""
        self._unplaced[device.device_id] = UNPLACED
        for client in list(self.clients.values()):
            if client.covers(device.device_id):
                self._place_first(client, device, now)

    def _place_first(self, client: Client, device: Device, now: Now) -> None:
        device_id = device.device_id
        since = self._since_before(client, device_id)
        client.since.pop(device_id, None)
        client.left.pop(device_id, None)
        if since is not None:
            self._step_aside(client, device_id)
            self._place(client, device_id, since, now)
        elif client.wants_all(device_id) and not client.is_live_in(device_id):
            client.behind[device_id] = At(device.ring.end, device.ring.front or START)
            self._behind.add(client.client_id)
        if not client.holds:  # else it is counted when its request is entered
            self._recount(client)

    def _since_before(self, client: Client, device_id: str) -> Cursor | None:
        """Find where a client stood in a device that was evicted, or asked to begin.

        Who watched it then did so by ``*``: what is watched by name is not evicted.
        """
        gone = self.devices.evicted.get(device_id)
        was_there = gone is not None and client.everything and client.everything_from <= gone[1]
        has_own = device_id in client.since or device_id in client.left
        if gone is not None and was_there and not has_own:
            return gone[0]
        return client.since_of(device_id)

    def before_loss(self, device: Device, arrival: int) -> None:
        """Give who has not been sent yet what is about to be lost a position of its own."""
        for group in self._groups.covering(device.device_id):
            if arrival > group.floor:
                group.send_up_to(arrival)
                self._expel(group, arrival)
        self._place_before_loss(device, arrival)

    def before_aging(self, device: Device, arrival: int) -> None:
        """Place clients that were not sent yet what is about to be lost; no tail needs it."""
        self._place_before_loss(device, arrival)

    def is_watched(self, device_id: str) -> bool:
        """Tell whether a client watches a device by name."""
        return device_id in self._watchers

    def evict(self, device: Device) -> None:
        """Keep the positions in a device that is not known any more."""
        self.note_status(device.device_id)
        for client_id in self._behind:
            client = self.clients[client_id]
            position = client.behind.pop(device.device_id, None)
            if isinstance(position, Unplaced):
                position = self._position_at(device, client.after)
            if position is not None and len(client.left) < REMEMBERED_MAX:
                client.left[device.device_id] = position.cursor
        self._heads.pop(device.device_id, None)
        self._unplaced.pop(device.device_id, None)
        for client in self.clients.values():
            client.rated.pop(device.device_id, None)

    # --- what is due ---------------------------------------------------------------------

    def send_live(self, pause: Callable[[], None] = do_nothing) -> list[str]:
        """Send all who are in step with others what is new; names those who are left to be sent.

        ``pause`` is called between two pieces. Clients may come, go and change in it.
        """
        dirty = self._groups.take_dirty()
        # All is joined before any is sent: the kernel's work empties the processor's caches.
        for group in dirty:
            group.join_unsent()
        sent = 0
        for group in dirty:
            for cohort in [*group.cohorts]:
                group.send_on(cohort)
                sent += cohort.size
                if sent >= SENT_AT_ONCE:
                    sent = 0
                    pause()
        return [client.client_id for group in dirty if group.apart for client in group.apart]

    @property
    def is_full(self) -> bool:
        """Tell whether so much is due to those in step that they should be sent to now."""
        return self._groups.are_full

    def due(self, now: Now) -> list[str]:
        """Name the clients that may have something due, but for those that are only live."""
        self._now_s = now.monotonic_s
        everybody = list(self.clients) if self._statuses_due else []
        self._statuses_due = False
        return [*everybody, *self._behind, *self._rates.due(now)]

    @property
    def is_unsettled(self) -> bool:
        """Tell whether something may become due without anything happening."""
        return bool(self._behind or self._statuses_due or self._rates or self._groups.are_dirty)

    def has_due(self, client_id: str) -> bool:
        """Tell whether a client, once writable, would be sent something."""
        client = self.clients[client_id]
        if client.holds:
            return False
        if client.is_rate_due or self._statuses.is_due(client):
            return True
        group = client.group
        if group is not None and client.cohort is None and client.arrival < group.last:
            return True
        behind = client.behind
        if len(behind) > STEPS_MAX:
            return client.sweep is not None or self._now_s >= client.sweep_due_s
        return any(isinstance(behind[name], At) for name in self._not_at_head(client))

    def _not_at_head(self, client: Client) -> Iterator[str]:
        """Name the devices in which a client is behind, or waits."""
        get = self.devices.get
        for device_id in client.behind:
            device, at = get(device_id), self._placed(client, device_id)
            if device is None or not isinstance(at, At) or at.index != device.ring.end:
                yield device_id

    def take(
        self,
        client_id: str,
        now: Now,
        room_bytes: int = BATCH_BYTES_MAX,
        room_frames: int = ANY_NUMBER,
    ) -> Batch:
        """Give what is due to a client, as much as there is room for, and move its position."""
        client = self.clients[client_id]
        self._now_s = now.monotonic_s
        if client.holds:
            return EMPTY
        plain = not (
            client.behind or client.is_new or client.is_rate_due or self._statuses.is_due(client)
        )
        roomy = room_bytes >= BATCH_BYTES_MAX and room_frames == ANY_NUMBER
        group = client.group
        if group is not None and client.cohort is None and plain and roomy:
            batch, client.arrival = group.batch_after(client.arrival)
        else:
            batch = self._take_mixed(client, now, Outbound(room_bytes, room_frames))
        if client.group is not None and client.sweep is None and not client.is_new:
            client.group.step_in(client)
        return batch

    def _take_mixed(self, client: Client, now: Now, out: Outbound) -> Batch:
        self._statuses.owe(client)
        if not client.is_new:
            self._send_tail(client, out)
        self._statuses.tell(client, out)
        if client.is_new and not client.statuses:
            client.is_new = False
            self._send_tail(client, out)
        self._rates.send_newest(client, self.devices, out, now)
        if client.client_id in self._behind:
            self._catch_up(client, out, now)
        return Batch(out.frames) if out.frames else EMPTY

    def _send_tail(self, client: Client, out: Outbound) -> None:
        """Send the next entries of the tail to a client that is apart from the others."""
        group = client.group
        if group is None or client.cohort is not None or client.sweep is not None:
            return
        for arrival, frame in group.entries_after(client.arrival):
            if out.is_full:
                return
            out.add(frame)
            client.arrival = arrival

    def _catch_up(self, client: Client, out: Outbound, now: Now) -> None:
        """Send on in every device, in turn; a client that has everything becomes live at once."""
        if client.sweep is not None or (client.group is None and len(client.behind) > STEPS_MAX):
            self._sweep_on(client, out, now)
            return
        for device_id in list(self._not_at_head(client)):
            if out.is_full:
                return
            position, device = self._placed(client, device_id), self.devices.get(device_id)
            del client.behind[device_id]
            if device is not None and position is not None:  # the next turn begins with the others
                client.behind[device_id] = self._go_on(position, device, out, now)
        if client.statuses or next(self._not_at_head(client), None) is not None:
            return
        if client.group is None or client.group.is_level(client):
            self._join(client)

    def _sweep_on(self, client: Client, out: Outbound, now: Now) -> None:
        """Send on in the next devices of a sweep; see :class:`~gateway.fanout.clients.Sweep`.

        The client becomes a member of its group first, so that the tail keeps all that arrives
        from then on.
        """
        if client.sweep is None:
            if now.monotonic_s < client.sweep_due_s:
                return
            self._enter_group(client, client.coverage())
            client.sweep = Sweep([*client.behind])
        sweep = client.sweep
        for _ in range(min(STEPS_MAX, len(sweep.names))):
            if out.is_full:
                return
            self._pass(client, sweep, out, now)
        if sweep.names or client.statuses:
            return
        if sweep.is_whole:
            client.sweep = None
            self._end_behind(client)
        else:
            self._end_sweep(client, self._unplaced_in(client.coverage()))
            rest_s = SWEEP_AGAIN_S if sweep.is_waiting else 0.0
            client.sweep_due_s = now.monotonic_s + rest_s

    def _pass(self, client: Client, sweep: Sweep, out: Outbound, now: Now) -> None:
        """Send what one ring holds up to the client's arrival number."""
        device_id = sweep.names[-1]
        device, position = self.devices.get(device_id), self._placed(client, device_id)
        if device is None or position is None:  # it gave way meanwhile
            sweep.names.pop()
            return
        stop = device.ring.index_arrived_after(client.arrival)
        at = client.behind[device_id] = self._go_on(position, device, out, now, stop)
        if isinstance(at, At) and at.index < stop:
            return  # there is no room for more
        sweep.is_waiting |= isinstance(at, Waiting)
        sweep.is_whole &= isinstance(at, At) and at.index == stop
        sweep.names.pop()

    def _end_sweep(self, client: Client, covered: Iterable[str]) -> None:
        """Take a client out of the group that it entered for a sweep; its positions are exact."""
        client.sweep = None
        self._leave_group(client)
        self._behind.add(client.client_id)
        for device_id in covered:
            if device_id not in client.behind:  # it came since the sweep began
                device = self.devices.get(device_id)
                if device is not None:
                    client.behind[device_id] = self._position_at(device, client.arrival)

    def _go_on(
        self,
        position: At | Waiting,
        device: Device,
        out: Outbound,
        now: Now,
        stop: int | None = None,
    ) -> At | Waiting:
        if isinstance(position, Waiting):
            was_evicted = self.devices.was_evicted(device.device_id, position.cursor)
            if is_ahead(position, device):
                self.wanted.add(device.device_id)
            position, gap = resolve(position, device, now, was_evicted=was_evicted)
            if gap is not None:
                out.add(event_frame("gap", gap.body()))
        if not isinstance(position, At):
            return position
        position, head = advance(position, device, out, stop), self._at_head(device)
        return head if position == head else position
