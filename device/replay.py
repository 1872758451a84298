"""Answers over ZeroMQ for what was published, without ever delaying what is to be published.

A turn takes in so many questions and answers so many; the rest waits in :mod:`device.questions`.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import zmq
from loguru import logger
from zmq.utils.monitor import recv_monitor_message

from device.questions import Questions
from device.sockets import Link, Socket
from shared.wire import encode_serve

SERVE_INTERVAL_S = 10.0
READ_S = 0.002
"""What a turn may spend reading a link."""
QUESTIONS_A_TURN = 64
ANSWERS_A_TURN = 8
"""About ten milliseconds of work; fewer when something is due to be published."""
NOT_TAKEN_S = 0.05
"""Between two tries to answer a peer; a page that is written for nothing costs a millisecond."""
SERVE_DEVICES_MAX = 900
"""With ids of 64 characters a message of 64 kB, which is what a gateway takes."""


@dataclass(slots=True)
class Replay:
    """The links questions come in on, and the questions that wait."""

    links: Sequence[Link]
    questions: Questions
    device_ids: Sequence[str]
    is_stuck: bool = False
    """All who wait for an answer did not take one a moment ago."""
    _serve_due_s: dict[Link, float] = field(default_factory=dict)  # of the connected ones

    @property
    def sockets(self) -> list[Socket]:
        """All sockets on which something may come."""
        monitors = [link.monitor for link in self.links if link.monitor is not None]
        return [link.socket for link in self.links] + monitors

    @property
    def has_unread(self) -> bool:
        """Whether questions were read that no turn has looked at."""
        return any(link.intake for link in self.links)

    def turn(self, ready: Collection[object], now_s: float, is_time: Callable[[], bool]) -> None:
        """Take in what came on the ``ready`` sockets and answer until ``is_time`` to publish."""
        for place, link in enumerate(self.links):
            if link.monitor is not None and link.monitor in ready:
                self._watch(link, link.monitor, now_s)
            if self._serve_due_s.get(link, now_s + 1) <= now_s:
                self._serve(link, now_s)
            if link.socket in ready or link.intake:
                self._listen(place, link, now_s)
        self._answer(now_s, is_time)

    def _watch(self, link: Link, monitor: Socket, now_s: float) -> None:
        """Note that a gateway came or went."""
        event = recv_monitor_message(monitor)["event"]
        is_connected = event == zmq.EVENT_HANDSHAKE_SUCCEEDED
        logger.info("replay_link", endpoint=link.endpoint, connected=is_connected)
        if is_connected:
            self._serve_due_s[link] = now_s
        else:
            self._serve_due_s.pop(link, None)

    def _serve(self, link: Link, now_s: float) -> None:
        """Tell a gateway whose readings can be asked for here; without room, at the next turn."""
        parts = range(0, len(self.device_ids), SERVE_DEVICES_MAX)
        if all(
            _send(link, [encode_serve(self.device_ids[first : first + SERVE_DEVICES_MAX])])
            for first in parts
        ):
            self._serve_due_s[link] = now_s + SERVE_INTERVAL_S

    def _listen(self, place: int, link: Link, now_s: float) -> None:
        """Take in questions; those that are refused are answered at once."""
        link.intake.read(READ_S)
        for _ in range(QUESTIONS_A_TURN):
            frames = link.intake.take()
            if frames is None:
                return
            refusal = self.questions.receive(place, frames, now_s)
            if refusal is not None:
                _send(link, refusal)

    def _answer(self, now_s: float, is_time: Callable[[], bool]) -> None:
        """Answer in turn; who does not take an answer now waits a little, the others do not."""
        self.is_stuck = False
        for _ in range(ANSWERS_A_TURN):
            question = self.questions.take(now_s)
            if question is None:
                self.is_stuck = self.questions.waiting > 0
                return
            if not _send(self.links[question.peer.link], self.questions.answer(question)):
                self.questions.put_back(question, now_s + NOT_TAKEN_S)
            if is_time():
                return


def _send(link: Link, frames: Sequence[bytes]) -> bool:
    """Send if there is room; tells whether that is settled, also because nobody is there."""
    try:
        link.socket.send_multipart(frames, zmq.NOBLOCK)
    except zmq.Again:
        return False
    except zmq.ZMQError as error:
        if error.errno != zmq.EHOSTUNREACH:
            raise
    return True
