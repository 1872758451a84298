"""Numbers, journals and publishes what the sources of a fleet say, in that order.

One thread, one loop, one poller: what is due is published, then questions are answered until the
next reading is due, then everything sleeps until a deadline, a question or a signal comes.
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
from device.schedule import TURN_TASKS_MAX, Kind, Schedule, schedule_fleet
from device.sockets import Socket
from device.sources import Sample
from device.subscriptions import Subscriptions
from shared.replay_server.server import RETRY_S, ReplayServer
from shared.wire import reading_topic, status_topic

BATCH_S = 0.005
"""What is due within so little of the last turn goes out together: of 1,000 bikes at 4 Hz this
saves a seventh of the processor time. One bike at 10 Hz is never delayed by it."""
CALM_S = 10.0
"""Delays closer together than this are one state, and one line in the log."""


@dataclass(slots=True)
class Publisher:
    """The running device: its bikes, their next samples, and where all of it goes."""

    bikes: Sequence[Bike]
    journal: Journal
    pub: Socket
    replay: ReplayServer
    subscriptions: Subscriptions
    beat: Callable[[], float | None] = lambda: None
    """Tells the supervisor that the loop turns; returns in how many seconds it is to be called."""
    schedule: Schedule = field(init=False)
    _next: dict[int, Sample] = field(default_factory=dict)
    _ended: list[int] = field(default_factory=list)
    _late_until_s: float = 0.0

    def __post_init__(self) -> None:
        intervals_s = [bike.source.interval_ms / 1000 for bike in self.bikes]
        self.schedule = schedule_fleet(intervals_s, time.monotonic())

    def run(self, stop: socket.socket) -> None:
        """Publish until ``stop`` becomes readable; say ``stopping`` on every way out."""
        poller = self._poller(stop)
        try:
            for place in range(len(self.bikes)):
                self._plan_next(place)
            self._end_rides()
            while stop.fileno() not in (ready := dict(poller.poll(self._wait_ms()))):
                self._turn(ready)
        finally:
            self._say_stopping()

    def _turn(self, ready: Collection[object]) -> None:
        """Do all that is due, then a bounded amount of answering."""
        batch: list[Numbered] = []
        try:
            self._measure_due(time.monotonic(), batch)
        finally:  # what has a number goes out, also when a source breaks behind it
            self._publish(batch)
        self._end_rides()
        self._report_delay()
        self.subscriptions.turn()
        self.replay.turn(ready, time.monotonic(), self._is_time)

    def _measure_due(self, now_s: float, batch: list[Numbered]) -> None:
        """Say the statuses that are due, and number the samples, of a fast bike several."""
        room = TURN_TASKS_MAX
        while room > 0 and (tasks := self.schedule.take_due(now_s)):
            room -= len(tasks)
            for task in tasks:
                if task.kind is Kind.STATUS:
                    self._say_status(task.bike)
                else:
                    self._measure(task.bike, batch)

    def _measure(self, place: int, batch: list[Numbered]) -> None:
        """Number the sample that is due, if it is fit, and plan the one after it."""
        bike = self.bikes[place]
        numbered = bike.number(self._next[place], _wall_ms())
        if numbered is not None:
            batch.append(numbered)
        if bike.new_faults:
            _report_faults(bike)
        self._plan_next(place)

    def _publish(self, batch: Sequence[Numbered]) -> None:
        """Journal what was numbered, then let it go out."""
        epoch = self.journal.keep(batch) if batch else None
        if epoch is not None:
            batch = self._number_again(batch, epoch)
        for one in batch:
            self.pub.send_multipart((reading_topic(one.device_id), one.payload))

    def _number_again(self, batch: Sequence[Numbered], epoch: int) -> Sequence[Numbered]:
        """Begin an epoch, because the journal failed in the one before, and journal it there."""
        bikes = {bike.device_id: bike for bike in self.bikes}
        for bike in self.bikes:
            bike.begin(epoch)
        again = [bikes[one.device_id].number_again(one.payload) for one in batch]
        self.journal.keep(again)  # in memory, which does not fail
        return again

    def _plan_next(self, place: int) -> None:
        """Take the next sample from the bike's source; without one the ride is over."""
        bike = self.bikes[place]
        sample = next(bike.source.samples, None)
        if sample is None:
            self._ended.append(place)
            return
        self._next[place] = sample
        self.schedule.plan_reading(place, sample.due_s, time.monotonic())

    def _end_rides(self) -> None:
        """Say of what ended that no more will come; it can be fetched as long as the process lives.

        The status goes on every second: a gateway that starts later learns of the ride by it.
        """
        for place in self._ended:
            bike = self.bikes[place]
            bike.state = "stopping"
            self._say_status(place)
            logger.info("ride_ended", device_id=bike.device_id, readings=bike.last_seq)
        self._ended.clear()

    def _say_status(self, place: int) -> None:
        bike = self.bikes[place]
        self.pub.send_multipart((status_topic(bike.device_id), bike.status(_wall_ms())))

    def _say_stopping(self) -> None:
        for place, bike in enumerate(self.bikes):
            bike.state = "stopping"
            self._say_status(place)

    def _report_delay(self) -> None:
        moved_s, now_s = self.schedule.take_moved(), time.monotonic()
        if not moved_s:
            return
        if now_s > self._late_until_s:
            logger.warning("late_and_moved", by_s=round(moved_s, 1), bikes=len(self.bikes))
        self._late_until_s = now_s + CALM_S

    def _is_time(self) -> bool:
        return self.schedule.next_due_s() <= time.monotonic()

    def _wait_ms(self) -> int:
        """Return how long to sleep: until something is due, or less when questions wait."""
        due_in_s = self.schedule.next_due_s() - time.monotonic()
        wait_s = max(due_in_s, BATCH_S) if due_in_s > -BATCH_S else 0.0
        if self.replay.has_unread:
            return 0
        if self.replay.questions.waiting:
            wait_s = min(wait_s, RETRY_S) if self.replay.is_stuck else 0.0
        if (beat_in_s := self.beat()) is not None:
            wait_s = min(wait_s, beat_in_s)
        return ceil(wait_s * 1000)

    def _poller(self, stop: socket.socket) -> zmq.Poller:
        poller = zmq.Poller()
        poller.register(stop, zmq.POLLIN)
        for zmq_socket in (self.pub, *self.replay.sockets):
            poller.register(zmq_socket, zmq.POLLIN)
        return poller


def _report_faults(bike: Bike) -> None:
    """Log what a source got wrong, each kind once; without its speed a sample is lost."""
    for key in bike.new_faults:
        logger.warning("left_out", device_id=bike.device_id, key=key, source=bike.source.model)
    bike.new_faults.clear()


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
