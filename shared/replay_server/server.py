"""Answers replay questions over ZeroMQ, and never delays the loop it runs in.

How it works. The owner of the loop registers :attr:`ReplayServer.sockets` in its poller and calls
:meth:`ReplayServer.turn` once a turn. A turn reads a bounded number of questions, which then wait
in :mod:`shared.replay_server.questions`, and writes a bounded number of answers. A socket that is
full never blocks: its question is put back and tried again after :data:`RETRY_S`.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import zmq
from loguru import logger
from zmq.utils.monitor import recv_monitor_message

from shared.intake import Intake
from shared.replay_server.questions import PendingQuestions
from shared.wire import encode_serve

Socket: TypeAlias = zmq.Socket[bytes]

SERVE_INTERVAL_S = 10.0
READ_S = 0.002
"""A turn spends at most this long on reading one link."""
QUESTIONS_A_TURN = 64
ANSWERS_A_TURN = 8
"""About ten milliseconds of work; a turn stops earlier when a reading is due."""
RETRY_S = 0.05
"""Between two tries to answer a peer that is full. Each try writes a page, about a millisecond."""
SERVE_DEVICES_SENT = 900
"""With ids of 64 characters this is a message of 64 kB, the most that a gateway accepts."""


@dataclass(frozen=True, slots=True)
class ReplayLink:
    """A socket that brings questions: a ROUTER that gateways ask, or a DEALER to one gateway."""

    socket: Socket
    endpoint: str
    intake: Intake
    monitor: Socket | None = None
    """Reports when a DEALER is connected; a ROUTER has none."""


@dataclass(slots=True)
class ReplayServer:
    """The links that bring questions, and the questions that wait."""

    links: Sequence[ReplayLink]
    questions: PendingQuestions
    device_ids: Sequence[str]
    """The ids that this server announces to every gateway it connects to."""
    answers: int = 0
    """How many questions were answered."""
    is_stuck: bool = False
    """Whether every waiting peer was full at the last try."""
    _serve_due_s: dict[ReplayLink, float] = field(default_factory=dict)  # of the connected ones

    @property
    def sockets(self) -> list[Socket]:
        """All sockets to poll for input."""
        monitors = [link.monitor for link in self.links if link.monitor is not None]
        return [link.socket for link in self.links] + monitors

    @property
    def has_unread(self) -> bool:
        """Whether a link has read messages that no turn has looked at yet."""
        return any(link.intake for link in self.links)

    def turn(self, ready: Collection[object], now_s: float, is_time: Callable[[], bool]) -> None:
        """Read questions from the ``ready`` sockets, then answer until ``is_time`` is true."""
        for index, link in enumerate(self.links):
            if link.monitor is not None and link.monitor in ready:
                self._note_connection(link, link.monitor, now_s)
            if self._serve_due_s.get(link, now_s + 1) <= now_s:
                self._announce_devices(link, now_s)
            if link.socket in ready or link.intake:
                self._receive(index, link, now_s)
        self._answer(now_s, is_time)

    def _note_connection(self, link: ReplayLink, monitor: Socket, now_s: float) -> None:
        """Note that a gateway connected or disconnected."""
        event = recv_monitor_message(monitor)["event"]
        is_connected = event == zmq.EVENT_HANDSHAKE_SUCCEEDED
        logger.info("replay_link", endpoint=link.endpoint, connected=is_connected)
        if is_connected:
            self._serve_due_s[link] = now_s
        else:
            self._serve_due_s.pop(link, None)

    def _announce_devices(self, link: ReplayLink, now_s: float) -> None:
        """Tell a gateway whose readings it can ask for; retry next turn if the link is full."""
        parts = range(0, len(self.device_ids), SERVE_DEVICES_SENT)
        if all(
            _send(link, [encode_serve(self.device_ids[first : first + SERVE_DEVICES_SENT])])
            for first in parts
        ):
            self._serve_due_s[link] = now_s + SERVE_INTERVAL_S

    def _receive(self, index: int, link: ReplayLink, now_s: float) -> None:
        """Queue the questions of a link; refusals are sent at once."""
        link.intake.read(READ_S)
        for _ in range(QUESTIONS_A_TURN):
            frames = link.intake.take()
            if frames is None:
                return
            refusal = self.questions.receive(index, frames, now_s)
            if refusal is not None:
                _send(link, refusal)

    def _answer(self, now_s: float, is_time: Callable[[], bool]) -> None:
        """Answer peer by peer; a peer that is full is skipped until :data:`RETRY_S` passed."""
        self.is_stuck = False
        for _ in range(ANSWERS_A_TURN):
            question = self.questions.take(now_s)
            if question is None:
                self.is_stuck = self.questions.waiting > 0
                return
            if _send(self.links[question.peer.link], self.questions.answer(question)):
                self.answers += 1
            else:
                self.questions.put_back(question, now_s + RETRY_S)
            if is_time():
                return


def _send(link: ReplayLink, frames: Sequence[bytes]) -> bool:
    """Send without waiting; False only if the peer is full. A peer that left needs no answer."""
    try:
        link.socket.send_multipart(frames, zmq.NOBLOCK)
    except zmq.Again:
        return False
    except zmq.ZMQError as error:
        if error.errno != zmq.EHOSTUNREACH:
            raise
    return True
