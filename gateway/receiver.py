"""Messages from devices: decoded, handed to the feeds, refused or logged; and questions to devices.

The subscriber hands out raw messages. A live message goes to its device's feed. The answer to a
question goes to the feed that asked, or to the request that waits for it. A message that cannot be
used is counted, and the first of its kind and sender is logged. After each message the questions
that the feeds have are sent to the devices.
"""

from collections.abc import Callable

from gevent.event import AsyncResult
from loguru import logger

from gateway.devices.devices import Devices
from gateway.domain import FaultReason, Now
from gateway.upstream.replay_client import FeedReply, ReplayClient, SingleReply
from gateway.upstream.sockets import Incoming
from gateway.upstream.subscriber import Subscriber
from shared.cursor import Cursor
from shared.errors import BadMessage
from shared.log_limit import LineBudget
from shared.log_once import LogOnce
from shared.wire import ReplayAnswer, ReplayRefusal, Serve, decode_message

EXPECTED = {
    FaultReason.CONFLICT: "each number belongs to one reading: are there two bikes of this name?",
    FaultReason.SEQ_BACK: (
        "each reading has the number after the one before, and a restart a greater epoch"
    ),
    FaultReason.OLD_EPOCH: (
        "a restart has a greater epoch; this one is believed after 10 s without others"
    ),
    FaultReason.FAR_SEQ: "numbers go up by one; this one is believed after 10 s without others",
    FaultReason.FUTURE_EPOCH: (
        "an epoch is a boot counter, or the ms since 1970 now: is its clock right?"
    ),
    FaultReason.TABLE_FULL: "at most SPOKE_MAX_DEVICES, and none gives way",
}
"""For each fault that is logged: the behaviour that is expected instead."""
LINES_A_MINUTE = 60
"""Log lines of a kind about messages that cannot be used, however many strangers send."""
PRESENCE_A_MINUTE = 15
"""Log lines of a kind about devices and replays that come and go: strangers can invent devices."""
CAME_MAX = 200
"""The log line of such a message shows this many bytes of it."""


class Receiver:
    """Takes in messages from devices and sends them the feeds' questions.

    ``pause`` is called between two pieces of long work, ``after_message`` after each message; see
    ``Hub``.
    """

    def __init__(
        self,
        devices: Devices,
        replay: ReplayClient,
        clock: Callable[[], Now],
        pause: Callable[[], None],
        after_message: Callable[[], None],
    ) -> None:
        self.subscriber: Subscriber | None = None
        """The open ZeroMQ sockets; None before the start."""
        self._devices = devices
        self._replay = replay
        self._clock = clock
        self._pause = pause
        self._after_message = after_message
        self._logged = LogOnce(a_minute=LINES_A_MINUTE)
        self._lines = LineBudget(PRESENCE_A_MINUTE)
        self._awaited_replies: dict[str, AsyncResult[ReplayAnswer | ReplayRefusal]] = {}
        """The replies that calls of :meth:`ask_journal` wait for, by their question's id."""

    def take_in(self, now: Now) -> bool:
        """Take in the messages of one turn; tell whether messages are left."""
        if self.subscriber is None:
            return False
        for message in self.subscriber.take():
            try:
                self._receive(message, now)
            except BadMessage as error:
                self._log_refused(error, message, now)
                self._devices.refuse(error, now)
            self.ask_questions(now)
            self._after_message()
        self._log_faults()
        if self._devices.presence or self._replay.silent.changes:
            self._log_presence(now.monotonic_s)
            self._log_replays(now.monotonic_s)
        return not self.subscriber.is_emptied

    def _receive(self, message: Incoming, now: Now) -> None:
        if message.kind == "live":
            self._devices.receive(decode_message(message.frames), now)
            return
        match self._replay.receive(message.route, message.frames, now.monotonic_s, self._pause):
            case FeedReply(purpose, ReplayAnswer() as answer):
                self._devices.answer(purpose, answer, now)
            case FeedReply(purpose, ReplayRefusal(device_id=device_id, code="busy")):
                self._devices.busy(device_id, purpose, now)
            case FeedReply(purpose, ReplayRefusal(device_id=device_id)):
                self._devices.no_answer(device_id, purpose, now)
            case SingleReply(reply):
                if reply.id in self._awaited_replies:
                    self._awaited_replies[reply.id].set(reply)
            case Serve(devices=offered):
                for device_id in offered:
                    self._devices.replay_offered(device_id, now)

    def _log_refused(self, error: BadMessage, message: Incoming, now: Now) -> None:
        """Log a refused message once for each reason and device, or topic if it has no device."""
        key, sender = "device_id", error.device_id
        if sender is None and message.kind == "live":
            key, sender = "topic", repr(message.frames[0][:CAME_MAX])
        if not self._logged.is_first(error.reason, sender, now.monotonic_s):
            return
        logger.warning(
            "message_refused",
            reason=error.reason,
            **{key: sender},
            expected=str(error),
            came=repr(message.frames[-1][:CAME_MAX]) if message.frames else "nothing",
            note="counted from now on, not logged again",
        )

    def _log_faults(self) -> None:
        while self._devices.faults:
            reason, device_id, came, newest = self._devices.faults.pop()
            logger.warning(
                "device_fault",
                reason=reason,
                device_id=device_id,
                came=str(came),
                newest=str(newest),
                expected=EXPECTED[reason],
                note="counted from now on, not logged again",
            )

    def _log_presence(self, now_s: float) -> None:
        """Log which devices came online or went offline."""
        for said in self._devices.presence:
            event = "device_online" if said.online else "device_offline"
            if (unlogged := self._lines.admit(event, now_s)) is None:
                continue
            silent = {} if said.online else {"silent_s": round(said.silent_s, 1)}
            before = "never heard" if said.before_s is None else f"{said.before_s:.1f} s"
            state = {"was_online" if not said.online else "was_offline": before}
            fields = {**state, **silent, "position": str(said.position), **unlogged}
            logger.info(event, device_id=said.device_id, **fields)
        self._devices.presence.clear()

    def _log_replays(self, now_s: float) -> None:
        """Log which replays fell silent, and which answer again."""
        for change in self._replay.silent.changes:
            event = "replay_answers_again" if change.answers else "replay_silent"
            if (unlogged := self._lines.admit(event, now_s)) is None:
                continue
            peer = {"peer": change.route.peer.hex()} if change.route.peer else {}
            logger.info(
                event,
                endpoint=change.route.endpoint,
                **peer,
                silent_s=round(change.silent_s, 1),
                **unlogged,
            )
        self._replay.silent.changes.clear()

    def ask_questions(self, now: Now) -> None:
        """Send the feeds' questions; a feed without a replay to ask learns it."""
        while self._devices.questions:
            question = self._devices.questions.pop(0)
            requests = self._replay.requests_for(*question, now.monotonic_s)
            if requests and self.subscriber is not None:
                self.subscriber.send(requests)
            elif self._replay.may_be_offered(question.device_id, now.monotonic_s):
                self._devices.not_offered_yet(question.device_id, question.purpose, now)
            else:
                self._devices.no_answer(question.device_id, question.purpose, now)

    @property
    def silent_replays(self) -> int:
        """The number of replays that were asked and do not answer."""
        return len(self._replay.silent)

    def can_ask(self, device_id: str) -> bool:
        """Tell whether any replay endpoint may know the device."""
        now_s = self._clock().monotonic_s
        return self.subscriber is not None and self._replay.has_route(device_id, now_s)

    def ask_journal(
        self, device_id: str, after: Cursor | None, limit: int, timeout_s: float
    ) -> ReplayAnswer | ReplayRefusal | None:
        """Ask a device for readings after a position, and wait in this greenlet for the reply.

        ``after`` is None for the oldest reading that the device holds. Returns None if no endpoint
        may know the device, or if no reply came in time. Updates the feed's ``oldest`` by the
        answer; without an answer it becomes unknown.
        """
        now_s = self._clock().monotonic_s
        question_id, requests = self._replay.single_request(device_id, after, limit, now_s)
        replied: AsyncResult[ReplayAnswer | ReplayRefusal] = AsyncResult()
        self._awaited_replies[question_id] = replied
        reply: ReplayAnswer | ReplayRefusal | None = None
        try:
            if requests and self.subscriber is not None:
                self.subscriber.send(requests)
                reply = replied.wait(timeout_s)
        finally:
            del self._awaited_replies[question_id]
            self._replay.forget(question_id)
        self._devices.note_oldest(
            device_id, reply.oldest if isinstance(reply, ReplayAnswer) else None
        )
        return reply
