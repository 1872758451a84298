"""Replay questions that wait for an answer, and the answers. Pure.

How it works. A peer is one asking program: the link its question came in on, and the routing frames
in front of the question. These frames (the envelope) are sent back in front of the answer. Every
peer has a queue of its own, and :meth:`PendingQuestions.take` serves the queues round robin: it
takes one question of the first peer, then moves that peer behind all others. So a peer that asks a
lot delays no other peer.

A peer whose socket is full gets its question back with :meth:`PendingQuestions.put_back` and is
skipped until a given time. The others are served meanwhile.

Invariants: ``waiting`` is the number of questions in all queues, and is bounded; a queue in the
table holds at least one question; a peer that repeats a question has it in its queue only once.
"""

import json
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from shared.errors import BadMessage
from shared.reading import is_device_id
from shared.replay_server.journal import ReplayJournal
from shared.wire import (
    REQUEST_BYTES_MAX,
    ReplayCode,
    ReplayRequest,
    decode_request,
    encode_answer,
    encode_refusal,
    is_request_id,
)

ANSWER_BYTES_MAX = 128 * 1024
"""The readings of one answer: about 450, which take a millisecond or two to write."""
ENVELOPE_FRAMES_MAX = 8
"""Each router on the way adds a frame; real networks have two or three."""
WAITING_LEAST = 1_000
WAITING_A_DEVICE = 4
"""A starting gateway asks one question a device, so four gateways can start at the same time."""
WAITING_MAX_S = 5.0
"""A gateway repeats its question after half a second and gives up after about five."""

Frames: TypeAlias = list[bytes]


class Peer(NamedTuple):
    """The sender of a question: the index of its link, and the frames before the question."""

    link: int
    envelope: tuple[bytes, ...]


class PendingQuestion(NamedTuple):
    """A question that waits for its answer."""

    peer: Peer
    request: ReplayRequest
    asked_s: float


class _QuestionKey(NamedTuple):
    """Two questions of one peer with the same key are one question, asked twice.

    The position is not a part of it: a gateway asks from one position for several browsers.
    """

    device_id: str
    id: str


@dataclass(slots=True)
class _PeerQueue:
    """The questions of one peer, and the time until which it gets no answer."""

    questions: OrderedDict[_QuestionKey, PendingQuestion] = field(default_factory=OrderedDict)
    blocked_until_s: float = 0.0


@dataclass(slots=True)
class PendingQuestions:
    """All questions that wait, and the journal that answers them."""

    journal: ReplayJournal
    device_ids: Collection[str]
    """The devices whose readings the journal keeps; questions for others are refused."""
    _queues: OrderedDict[Peer, _PeerQueue] = field(default_factory=OrderedDict)
    _count: int = 0

    @property
    def waiting(self) -> int:
        """The number of questions that wait."""
        return self._count

    def receive(self, link: int, frames: Sequence[bytes], now_s: float) -> Frames | None:
        """Add a question; returns an answer only if the question is refused.

        A message without a usable ``id`` is dropped, because no answer could carry that ``id``.
        """
        *envelope, payload = frames
        peer = Peer(link, tuple(envelope))
        if len(envelope) > ENVELOPE_FRAMES_MAX or sum(map(len, envelope)) > REQUEST_BYTES_MAX:
            return None
        try:
            request = decode_request(payload)
        except BadMessage as error:
            return _refuse(peer, payload, error)
        code = self._reason_to_refuse(request)
        if code is not None:
            return [*envelope, *encode_refusal(request.id, request.device_id, code, _WHY[code])]
        self._add(PendingQuestion(peer, request, now_s))
        return None

    def take(self, now_s: float) -> PendingQuestion | None:
        """Take the next question of the peer whose turn it is; questions too old are dropped."""
        for _ in range(len(self._queues)):
            peer, queue = self._queues.popitem(last=False)
            question = self._take_from(queue, now_s)
            if queue.questions:
                self._queues[peer] = queue  # behind all others
            if question is not None:
                return question
        return None

    def put_back(self, question: PendingQuestion, until_s: float) -> None:
        """Keep a question whose answer could not be sent, and skip its peer until ``until_s``."""
        self._add(question)
        self._queues[question.peer].blocked_until_s = until_s

    def answer(self, question: PendingQuestion) -> Frames:
        """Write the answer, with the question's envelope in front."""
        request = question.request
        page = self.journal.page(request.device_id, request.after, request.limit)
        payloads = _cut(page.payloads)
        answer = encode_answer(request, payloads, page.oldest, page.newest)
        return [*question.peer.envelope, *answer]

    def _add(self, question: PendingQuestion) -> None:
        questions = self._queues.setdefault(question.peer, _PeerQueue()).questions
        key = _QuestionKey(question.request.device_id, question.request.id)
        self._count += key not in questions
        questions[key] = question  # a repeated question keeps its place

    def _take_from(self, queue: _PeerQueue, now_s: float) -> PendingQuestion | None:
        """Take a peer's first question that is not too old; None while the peer is blocked."""
        while queue.questions:
            key, question = next(iter(queue.questions.items()))
            is_old = now_s - question.asked_s > WAITING_MAX_S
            if not is_old and queue.blocked_until_s > now_s:
                return None
            del queue.questions[key]
            self._count -= 1
            if not is_old:
                return question
        return None

    def _reason_to_refuse(self, request: ReplayRequest) -> ReplayCode | None:
        if request.device_id not in self.device_ids:
            return "unknown_device"
        room = max(WAITING_LEAST, WAITING_A_DEVICE * len(self.device_ids))
        return "busy" if self._count >= room else None


_WHY: dict[ReplayCode, str] = {
    "unknown_device": "no device of that id is here",
    "busy": "too many questions wait; ask again",
}


def _refuse(peer: Peer, payload: bytes, error: BadMessage) -> Frames | None:
    """Refuse a malformed question; None when it has no usable id."""
    try:
        raw = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    request_id = raw.get("id") if isinstance(raw, dict) else None
    if not is_request_id(request_id):
        return None
    named = raw.get("device_id")
    device_id = named if is_device_id(named) else ""
    code: ReplayCode = (
        "unsupported_version" if error.reason == "unsupported_version" else "bad_request"
    )
    return [*peer.envelope, *encode_refusal(request_id, device_id, code, str(error))]


def _cut(payloads: Sequence[bytes]) -> Sequence[bytes]:
    """Keep as many readings as one answer may hold, but at least one."""
    size = 0
    for count, payload in enumerate(payloads):
        size += len(payload)
        if size > ANSWER_BYTES_MAX:
            return payloads[: max(count, 1)]
    return payloads
