"""Publishes the samples of a fleet's sources, and answers replay questions between them.

How it works. One thread runs one loop around one poller. The poller wakes the loop when a sample or
a status is due, when a socket or the descriptor of a source is readable, or when a signal came.
Each turn of the loop does four things, each of them bounded:

1. It polls the sources whose descriptor is readable or whose time came (:mod:`device.sources`).
2. It publishes the statuses and samples that are due (:mod:`device.schedule`). A sample is
   numbered (:mod:`device.fleet`), written to the journal, and only then sent.
3. It reads subscriptions (:mod:`device.subscriptions`).
4. It answers replay questions until the next sample is due (:mod:`shared.replay_server`).

Invariants: each bike has at most one sample in ``_next``, and is never also in ``_waiting``. Every
number is in the journal before it is on the wire. If the journal fails, its batch gets new numbers
in a new epoch.
"""

import socket
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from math import ceil

import zmq
from loguru import logger

from device.fleet import Bike
from device.journal import Journal, Numbered
from device.sample import Sample
from device.schedule import TURN_TASKS_MAX, Schedule, TaskKind, schedule_fleet
from device.sockets import Socket
from device.sources import NoSample, PollAgain
from device.subscriptions import Subscriptions
from device.waiting import WaitingSources
from shared.replay_server.server import RETRY_S, ReplayServer
from shared.wire import reading_topic, status_topic

BATCH_S = 0.005
"""Samples due within this time of the last turn go out together: for 1,000 bikes at 4 Hz this saves
a seventh of the processor time. One bike at 10 Hz is never delayed by it."""
SNDMORE = int(zmq.SNDMORE)
"""A plain integer: pyzmq's enumeration costs more than the call."""
CALM_S = 10.0
"""Delays closer together than this are one state, and one line in the log."""


@dataclass(slots=True)
class Publisher:
    """The running device: its bikes, their next samples, and the sockets that send them."""

    bikes: Sequence[Bike]
    journal: Journal
    pub: Socket
    replay: ReplayServer
    subscriptions: Subscriptions
    beat: Callable[[], float | None] = lambda: None
    """Tells the supervisor that the loop turns; returns after how many seconds to call it again."""
    moved_s: float = 0.0
    """By how much readings were moved in all because the device was late."""
    schedule: Schedule = field(init=False)
    _poller: zmq.Poller = field(default_factory=zmq.Poller)
    _topics: dict[str, bytes] = field(init=False)
    _waiting: WaitingSources = field(init=False)
    _next: dict[int, Sample] = field(default_factory=dict)  # by index of the bike
    _ended: list[int] = field(default_factory=list)
    _late_until_s: float = 0.0

    def __post_init__(self) -> None:
        intervals_s = [bike.source.interval_ms / 1000 for bike in self.bikes]
        self.schedule = schedule_fleet(intervals_s, time.monotonic())
        self._topics = {bike.device_id: reading_topic(bike.device_id) for bike in self.bikes}
        self._waiting = WaitingSources(self._poller)

    def run(self, stop: socket.socket) -> None:
        """Publish until ``stop`` becomes readable; send ``stopping`` statuses on every way out."""
        for waited_for in (stop, self.pub, *self.replay.sockets):
            self._poller.register(waited_for, zmq.POLLIN)
        try:
            for index in range(len(self.bikes)):
                self._poll_source(index, time.monotonic())
            self._end_rides()
            while stop.fileno() not in (ready := dict(self._poller.poll(self._wait_ms()))):
                self._turn(ready)
        finally:
            self._send_stopping()

    def _turn(self, ready: Collection[object]) -> None:
        """Do everything that is due, then a bounded amount of answering."""
        now_s = time.monotonic()
        for index in self._waiting.due(ready, now_s):
            self._poll_source(index, now_s)
        batch: list[Numbered] = []
        try:
            self._do_due_tasks(now_s, batch)
        finally:  # numbered samples go out, even if a later one raised an error
            self._publish(batch)
        self._end_rides()
        self._report_delay()
        self.subscriptions.turn()
        self.replay.turn(ready, time.monotonic(), self._is_time)

    def _do_due_tasks(self, now_s: float, batch: list[Numbered]) -> None:
        """Send the statuses that are due, and number the samples; a fast bike may have several."""
        room = TURN_TASKS_MAX
        while room > 0 and (tasks := self.schedule.take_due(now_s)):
            room -= len(tasks)
            for task in tasks:
                if task.kind is TaskKind.READING:
                    self._number_due(task.bike, now_s, batch)
                    continue
                self._send_status(task.bike)
                if task.bike in self._waiting:
                    self._poll_source(task.bike, now_s)

    def _number_due(self, index: int, now_s: float, batch: list[Numbered]) -> None:
        """Number the sample that is due, if it is valid, and get the next one."""
        bike = self.bikes[index]
        numbered = bike.number(self._next.pop(index), _wall_ms())
        if numbered is not None:
            batch.append(numbered)
        if bike.new_faults:
            _report_faults(bike)
        self._poll_source(index, now_s)

    def _poll_source(self, index: int, now_s: float) -> None:
        """Ask a bike's source for its next sample, and plan it, wait for it, or end the ride."""
        self._waiting.discard(index)
        source = self.bikes[index].source
        found = source.poll(now_s)
        if isinstance(found, PollAgain):
            self._waiting.add(index, source.fileno(), found.at_s)
        elif found is NoSample.NOT_YET:
            self._waiting.add(index, source.fileno())
        elif found is NoSample.ENDED:
            self._ended.append(index)
        else:
            self._next[index] = found
            self.schedule.plan_reading(index, found.due_s, now_s)

    def _publish(self, batch: Sequence[Numbered]) -> None:
        """Write numbered readings to the journal, then send them."""
        new_epoch = self.journal.keep(batch) if batch else None
        if new_epoch is not None:
            batch = self._number_again(batch, new_epoch)
        for one in batch:
            self._send(self._topics[one.device_id], one.payload)

    def _number_again(self, batch: Sequence[Numbered], epoch: int) -> Sequence[Numbered]:
        """Begin a new epoch, because the journal failed, and number the batch in it."""
        bikes = {bike.device_id: bike for bike in self.bikes}
        for bike in self.bikes:
            bike.begin(epoch)
        again = [bikes[one.device_id].number_again(one.payload) for one in batch]
        self.journal.keep(again)  # in memory, which does not fail
        return again

    def _end_rides(self) -> None:
        """Send the ``stopping`` status of each bike whose ride ended just now.

        The status is repeated every second, so that a gateway that starts later learns of the ride.
        Its readings can be replayed as long as the process runs.
        """
        for index in self._ended:
            bike = self.bikes[index]
            bike.state = "stopping"
            self._send_status(index)
            logger.info("ride_ended", device_id=bike.device_id, readings=bike.last_seq)
        self._ended.clear()

    def _send_status(self, index: int) -> None:
        bike = self.bikes[index]
        self._send(status_topic(bike.device_id), bike.status(_wall_ms()))

    def _send(self, topic: bytes, payload: bytes) -> None:
        """Send a message. ``send_multipart`` does the same and takes twice the time (measured)."""
        self.pub.send(topic, SNDMORE)
        self.pub.send(payload)

    def _send_stopping(self) -> None:
        for index, bike in enumerate(self.bikes):
            bike.state = "stopping"
            self._send_status(index)

    def _report_delay(self) -> None:
        moved_s, now_s = self.schedule.take_moved(), time.monotonic()
        if not moved_s:
            return
        self.moved_s += moved_s
        if now_s > self._late_until_s:
            logger.warning("late_and_moved", by_s=round(moved_s, 1), bikes=len(self.bikes))
        self._late_until_s = now_s + CALM_S

    def _is_time(self) -> bool:
        return self.schedule.next_due_s() <= time.monotonic()

    def _wait_ms(self) -> int:
        """Return how long to sleep: until something is due, or less when questions wait.

        It is at least :data:`BATCH_S`, so that samples that are due close together go out in one
        turn, unless something is already late by that time.
        """
        next_s = min(self.schedule.next_due_s(), self._waiting.next_s())
        due_in_s = next_s - time.monotonic()
        wait_s = max(due_in_s, BATCH_S) if due_in_s > -BATCH_S else 0.0
        if self.replay.has_unread:
            return 0
        if self.replay.questions.waiting:
            wait_s = min(wait_s, RETRY_S) if self.replay.is_stuck else 0.0
        if (beat_in_s := self.beat()) is not None:
            wait_s = min(wait_s, beat_in_s)
        return ceil(wait_s * 1000)


def _report_faults(bike: Bike) -> None:
    """Log each kind of fault of a source once; a sample without a valid speed is lost."""
    for key in bike.new_faults:
        logger.warning("left_out", device_id=bike.device_id, key=key, source=bike.source.model)
    bike.new_faults.clear()


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
