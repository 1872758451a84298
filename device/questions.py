"""The questions for what was published: who asked what, in turn, and the answers. Pure.

Every peer has a queue of its own and they take turns, so that one that asks a lot, or does not
take its answers, delays no other. A peer is the link a question came in on together with all
frames before the question, which are echoed in front of the answer.
"""

import json
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from device.journal import Journal
from shared.cursor import Cursor
from shared.errors import BadMessage
from shared.reading import is_device_id
from shared.wire import (
    REQUEST_BYTES_MAX,
    ReplayCode,
    ReplayRequest,
    decode_request,
    encode_answer,
    encode_refusal,
    is_request_id,
)

PAGE_BYTES_MAX = 128 * 1024
"""An answer is cut after so much: about 450 readings, a millisecond or two of work."""
ENVELOPE_FRAMES_MAX = 8
"""One for each router between the asker and here; nobody has more than two or three."""
WAITING_LEAST = 1_000
WAITING_A_DEVICE = 4
"""A gateway asks one question a device, so a fleet can answer four gateways that start at once."""
WAITING_MAX_S = 5.0
"""An asker repeats its question after half a second and gives up after about five."""

Frames: TypeAlias = list[bytes]


class Peer(NamedTuple):
    """Where a question came from: a link, by its place, and the frames before the question."""

    link: int
    envelope: tuple[bytes, ...]


class Question(NamedTuple):
    """A question that waits for its answer."""

    peer: Peer
    request: ReplayRequest
    asked_s: float


class _Asked(NamedTuple):
    """What makes two questions of one peer the same: asked again, it waits only once."""

    device_id: str
    after: Cursor | None


@dataclass(slots=True)
class _Queue:
    """What one peer waits for, and until when it gets nothing because it took nothing."""

    questions: OrderedDict[_Asked, Question] = field(default_factory=OrderedDict)
    blocked_until_s: float = 0.0


@dataclass(slots=True)
class Questions:
    """The questions that wait, and the journal that answers them."""

    journal: Journal
    device_ids: Collection[str]
    _queues: OrderedDict[Peer, _Queue] = field(default_factory=OrderedDict)
    _count: int = 0

    @property
    def waiting(self) -> int:
        """How many questions wait."""
        return self._count

    def receive(self, link: int, frames: Sequence[bytes], now_s: float) -> Frames | None:
        """Take in a message; returns an answer when it is refused at once.

        What says no id that an answer could carry is dropped.
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
        self._add(Question(peer, request, now_s))
        return None

    def take(self, now_s: float) -> Question | None:
        """Take the next question of the peer whose turn it is; those too old are forgotten."""
        for _ in range(len(self._queues)):
            peer, queue = self._queues.popitem(last=False)
            question = self._take_from(queue, now_s)
            if queue.questions:
                self._queues[peer] = queue  # behind all others
            if question is not None:
                return question
        return None

    def put_back(self, question: Question, until_s: float) -> None:
        """Let a question wait on whose answer could not be sent, and its peer until then."""
        self._add(question)
        self._queues[question.peer].blocked_until_s = until_s

    def answer(self, question: Question) -> Frames:
        """Write the answer, with the question's envelope in front."""
        request = question.request
        page = self.journal.page(request.device_id, request.after, request.limit)
        payloads = _cut(page.payloads)
        answer = encode_answer(request, payloads, page.oldest, page.newest)
        return [*question.peer.envelope, *answer]

    def _add(self, question: Question) -> None:
        questions = self._queues.setdefault(question.peer, _Queue()).questions
        asked = _Asked(question.request.device_id, question.request.after)
        self._count += asked not in questions
        questions[asked] = question

    def _take_from(self, queue: _Queue, now_s: float) -> Question | None:
        """Take a peer's first question that is not too old; none while the peer is blocked."""
        while queue.questions:
            asked, question = next(iter(queue.questions.items()))
            is_old = now_s - question.asked_s > WAITING_MAX_S
            if not is_old and queue.blocked_until_s > now_s:
                return None
            del queue.questions[asked]
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
    """Answer a malformed question as far as it says who asks; None when it does not."""
    asker = _asker(payload)
    if asker is None:
        return None
    code: ReplayCode = (
        "unsupported_version" if error.reason == "unsupported_version" else "bad_request"
    )
    return [*peer.envelope, *encode_refusal(*asker, code, str(error))]


def _asker(payload: bytes) -> tuple[str, str] | None:
    """Read ``id`` and ``device_id`` of a question that is wrong otherwise."""
    try:
        raw = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    request_id = raw.get("id") if isinstance(raw, dict) else None
    if not is_request_id(request_id):
        return None
    device_id = raw.get("device_id")
    return request_id, device_id if is_device_id(device_id) else ""


def _cut(payloads: Sequence[bytes]) -> Sequence[bytes]:
    """Keep as much as one answer may hold, but at least one reading."""
    size = 0
    for count, payload in enumerate(payloads):
        size += len(payload)
        if size > PAGE_BYTES_MAX:
            return payloads[: max(count, 1)]
    return payloads
