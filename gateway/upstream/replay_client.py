"""Questions to devices for readings that are missing, and the answers that belong to them. Pure.

How it works

- A feed has at most one open question for each purpose. A question that is repeated keeps its id,
  so that a late answer to it still counts. A question from another position has a new id.
- A single question (:meth:`ReplayClient.single_request`) is asked for an HTTP request. It is open
  until the request forgets it, and changes nothing for the feed.
- A question goes to the route that answered for the device last, or else to every route that may
  know the device. It is refused once every such route refused it. A route that is busy knows the
  device, so ``busy`` counts at once.
- An answer counts only if its id and device are those of an open question and it came by a route
  that was asked. Every other message raises :class:`~shared.errors.BadMessage` and is counted.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

from gateway.feed.retransmission import Purpose
from gateway.upstream.replay_routes import ReplayRoutes, Route
from gateway.upstream.silent_routes import SilentRoutes
from shared.cursor import Cursor
from shared.errors import BadMessage
from shared.wire import (
    ReplayAnswer,
    ReplayRefusal,
    ReplayRequest,
    Serve,
    decode_answer_header,
    decode_readings,
    decode_serve,
    encode_request,
)

SILENT_S = 0.4
"""A question that is open for this long was not answered; the feed repeats it after 0.5 s."""

Requests: TypeAlias = list[tuple[Route, bytes]]


class FeedReply(NamedTuple):
    """The reply to a feed's question."""

    purpose: Purpose
    reply: ReplayAnswer | ReplayRefusal


class SingleReply(NamedTuple):
    """The reply to a question of :meth:`ReplayClient.single_request`."""

    reply: ReplayAnswer | ReplayRefusal


@dataclass(slots=True)
class AskedQuestion:
    """A question as it was asked last, and the routes that were asked and that refused it.

    ``purpose`` is None for a single question.
    """

    id: str
    device_id: str
    purpose: Purpose | None
    after: Cursor | None
    limit: int = 0
    asked_s: float = 0.0
    asked: set[Route] = field(default_factory=set)
    refused: set[Route] = field(default_factory=set)


class ReplayClient:
    """The questions that wait for an answer, of at most ``devices_max`` devices.

    ``new_id`` makes ids of at most 64 characters that a peer cannot guess.
    """

    def __init__(self, routes: ReplayRoutes, new_id: Callable[[], str], devices_max: int) -> None:
        self.silent = SilentRoutes(devices_max)
        self._routes = routes
        self._new_id = new_id
        self._devices_max = devices_max
        self._questions: OrderedDict[tuple[str, Purpose], AskedQuestion] = OrderedDict()
        self._single: dict[str, AskedQuestion] = {}  # by id

    def requests_for(
        self, device_id: str, purpose: Purpose, after: Cursor | None, limit: int, now_s: float
    ) -> Requests:
        """Return the requests to send for a feed's question; none if no route is known.

        An open question is repeated, or replaced if it begins at another position. A route that was
        silent on it is no longer the only one that is asked.
        """
        question = self._questions.pop((device_id, purpose), None)
        if question is not None and now_s - question.asked_s >= SILENT_S:
            self._routes.forget(device_id)
            self.silent.missed(question.asked - question.refused, question.asked_s, now_s)
        if question is None or question.after != after:
            question = AskedQuestion(self._new_id(), device_id, purpose, after)
        question.limit, question.asked_s = limit, now_s
        question.asked.intersection_update(self._routes.candidates(device_id, now_s))
        question.refused.clear()
        self._keep(device_id, purpose, question)
        return self._requests(question, now_s)

    def has_route(self, device_id: str, now_s: float) -> bool:
        """Tell whether any route may know the device."""
        return bool(self._routes.candidates(device_id, now_s))

    def may_be_offered(self, device_id: str, now_s: float) -> bool:
        """Tell whether a peer may yet connect that serves a device without any route."""
        return self._routes.may_be_offered(device_id, now_s)

    def single_request(
        self, device_id: str, after: Cursor | None, limit: int, now_s: float
    ) -> tuple[str, Requests]:
        """Return a single question's id and the requests to send.

        The caller waits for a :class:`SingleReply` and calls :meth:`forget` in the end.
        """
        question = AskedQuestion(self._new_id(), device_id, None, after, limit, now_s)
        self._single[question.id] = question
        return question.id, self._requests(question, now_s)

    def forget(self, question_id: str) -> None:
        """Forget a single question, answered or not."""
        self._single.pop(question_id, None)

    def receive(
        self,
        route: Route,
        frames: Sequence[bytes],
        now_s: float,
        pause: Callable[[], None] = lambda: None,
    ) -> FeedReply | SingleReply | Serve | None:
        """Read a message that came over a replay link.

        ``pause`` is called between two pieces of the work; :meth:`single_request` and
        :meth:`forget` may be called in it.

        Returns an answer, cut to the limit of its question; a refusal, once no other route may know
        the device or when the device is busy; the devices that a peer begins to serve; or None when
        nothing follows. Raises BadMessage for a message that is malformed or was not asked for.
        """
        serve = decode_serve(frames[0]) if route.peer and len(frames) == 1 else None
        if serve is not None:
            new = self._routes.claim(route, serve.devices, now_s)
            for device_id in new:  # a bike that comes back is a new peer
                self.silent.forget(self._routes.earlier_peers(device_id, route))
            return Serve(new) if new else None
        message = decode_answer_header(frames)
        self.silent.answered(route, now_s)
        question = self._single.get(message.id) or self._open(message)
        if question is None or not _is_answered_by(question, message, route):
            raise BadMessage("stray_answer", "the answer belongs to no open question")
        if isinstance(message, ReplayAnswer):
            after, limit = question.after, question.limit
            message = decode_readings(message, frames[1:], after, limit, pause)
        reply = self._reply(question, message, route, now_s)
        if reply is None:
            return None
        if question.purpose is None:
            return SingleReply(reply)
        return FeedReply(question.purpose, reply)

    def _open(self, message: ReplayAnswer | ReplayRefusal) -> AskedQuestion | None:
        """Find the feed's open question with the id of a message."""
        purposes: tuple[Purpose, ...] = ("repair", "backfill")
        asked = (self._questions.get((message.device_id, purpose)) for purpose in purposes)
        return next((it for it in asked if it is not None and it.id == message.id), None)

    def _reply(
        self,
        question: AskedQuestion,
        message: ReplayAnswer | ReplayRefusal,
        route: Route,
        now_s: float,
    ) -> ReplayAnswer | ReplayRefusal | None:
        if isinstance(message, ReplayRefusal):
            return self._refused(question, message, route, now_s)
        if _is_of_another(message, question):
            refusal = ReplayRefusal(message.id, message.device_id, "unknown_device", "ends before")
            return self._refused(question, refusal, route, now_s)
        placed = _placed(message, question)
        self._answered(question, route)
        return placed

    def _requests(self, question: AskedQuestion, now_s: float) -> Requests:
        routes = self._routes.routes_for(question.device_id, now_s)
        question.asked.update(routes)
        request = ReplayRequest(question.id, question.device_id, question.after, question.limit)
        payload = encode_request(request)
        return [(route, payload) for route in routes]

    def _keep(self, device_id: str, purpose: Purpose, question: AskedQuestion) -> None:
        self._questions[device_id, purpose] = question
        if len(self._questions) > 2 * self._devices_max:
            self._questions.popitem(last=False)

    def _close(self, question: AskedQuestion) -> None:
        """Close a feed's question; a single one is open until it is forgotten."""
        if question.purpose is not None:
            del self._questions[question.device_id, question.purpose]

    def _answered(self, question: AskedQuestion, route: Route) -> None:
        self._close(question)
        self._routes.remember(question.device_id, route)

    def _refused(
        self, question: AskedQuestion, refusal: ReplayRefusal, route: Route, now_s: float
    ) -> ReplayRefusal | None:
        """Note a route's refusal; returns it if no other route may know the device."""
        device_id = refusal.device_id
        if refusal.code == "busy":
            self._answered(question, route)
            return refusal
        self._routes.forget(device_id)
        question.refused.add(route)
        if not question.refused.issuperset(self._routes.candidates(device_id, now_s)):
            return None
        self._close(question)
        return refusal


def _is_answered_by(
    question: AskedQuestion, message: ReplayAnswer | ReplayRefusal, route: Route
) -> bool:
    same = question.id == message.id and question.device_id == message.device_id
    return same and route in question.asked


def _is_of_another(answer: ReplayAnswer, question: AskedQuestion) -> bool:
    """Tell whether the answer is from another device of the same id.

    The asked device was heard up to the question's position, and this one's newest is before it.
    """
    newest, after = answer.newest, question.after
    return newest is not None and after is not None and newest < after


def _placed(answer: ReplayAnswer, question: AskedQuestion) -> ReplayAnswer:
    """Fill in the position up to which an answer reaches, if it has no readable reading.

    Raises BadMessage for an answer that ends before the question's position.
    """
    after, reached = question.after, answer.reached
    if reached is None:
        reached = _least_reached(answer, after)
    if after is not None and reached is not None and reached <= after:
        raise BadMessage("bad_answer", "it ends before the position that was asked for")
    return replace(answer, reached=reached)


def _least_reached(answer: ReplayAnswer, after: Cursor | None) -> Cursor | None:
    """Return the least position that the last reading sent can have; None without any."""
    first = answer.oldest if after is None else Cursor(after.epoch, after.seq + 1)
    if first is None or not answer.count:
        return None
    return Cursor(first.epoch, first.seq + answer.count - 1)
