"""Questions for what was missed, and which answers belong to them. Pure.

For its feed, one question a device is open at a time for each purpose. It keeps its id while it is
repeated, so that a late answer is an answer. Others may ask *aside*, once for each question. Only
what was asked, by a route that was asked, comes back out; all else raises
:class:`~shared.errors.BadMessage` and is counted.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

from gateway.feed.retransmission import Purpose
from gateway.upstream.replay_routes import ReplayRoutes, Route
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
"""A question that is open for so long was not answered; the feed repeats it after 0.5 s."""

Requests: TypeAlias = list[tuple[Route, bytes]]


class Aside(NamedTuple):
    """The reply to a question that was asked aside; the feed knows nothing of it."""

    reply: ReplayAnswer | ReplayRefusal


class Reply(NamedTuple):
    """The reply to a question of a feed."""

    purpose: Purpose
    reply: ReplayAnswer | ReplayRefusal


@dataclass(slots=True)
class _Question:
    """One question as it was asked last, whom it went to, and who does not know."""

    id: str
    device_id: str
    purpose: Purpose | None
    after: Cursor | None
    limit: int = 0
    asked_s: float = 0.0
    asked: set[Route] = field(default_factory=set)
    refused: set[Route] = field(default_factory=set)


class Replay:
    """The questions that wait for an answer, of at most ``devices_max`` devices.

    ``new_id`` makes ids of at most 64 characters that nobody can guess who was not asked.
    """

    def __init__(self, routes: ReplayRoutes, new_id: Callable[[], str], devices_max: int) -> None:
        self._routes = routes
        self._new_id = new_id
        self._devices_max = devices_max
        self._questions: OrderedDict[tuple[str, Purpose], _Question] = OrderedDict()
        self._asides: dict[str, _Question] = {}  # by id

    def ask(
        self, device_id: str, purpose: Purpose, after: Cursor | None, limit: int, now_s: float
    ) -> Requests:
        """Ask for readings after a position; empty when there is nobody to ask.

        A question that was not answered yet is repeated, or replaced when it starts elsewhere;
        whoever was silent on it is not relied on any longer.
        """
        question = self._questions.pop((device_id, purpose), None)
        if question is not None and now_s - question.asked_s >= SILENT_S:
            self._routes.forget(device_id)
        if question is None or question.after != after:
            question = _Question(self._new_id(), device_id, purpose, after)
        question.limit, question.asked_s = limit, now_s
        question.asked.intersection_update(self._routes.candidates(device_id, now_s))
        question.refused.clear()
        self._keep(device_id, purpose, question)
        return self._requests(question, now_s)

    def has_route(self, device_id: str, now_s: float) -> bool:
        """Tell whether there is anybody to ask for a device."""
        return bool(self._routes.candidates(device_id, now_s))

    def ask_aside(
        self, device_id: str, after: Cursor | None, limit: int, now_s: float
    ) -> tuple[str, Requests]:
        """Ask besides what the feed asks; returns the question's id too.

        Whoever asks waits for an :class:`Aside`, and calls :meth:`drop_aside` at last.
        """
        question = _Question(self._new_id(), device_id, None, after, limit, now_s)
        self._asides[question.id] = question
        return question.id, self._requests(question, now_s)

    def drop_aside(self, question_id: str) -> None:
        """Forget a question that was asked aside, answered or not."""
        self._asides.pop(question_id, None)

    def receive(
        self,
        route: Route,
        frames: Sequence[bytes],
        now_s: float,
        pause: Callable[[], None] = lambda: None,
    ) -> Reply | Aside | Serve | None:
        """Read what came over a replay link.

        ``pause`` is called between two pieces of the work. Others may ask aside in it.

        Returns an answer, trimmed to its question; a refusal once nobody is left who may know, or
        to wait (``busy``); the devices that a peer serves from now on; None when there is nothing
        to do. Raises BadMessage for what is malformed or was not asked for.
        """
        serve = decode_serve(frames[0]) if route.peer and len(frames) == 1 else None
        if serve is not None:
            new = self._routes.claim(route, serve.devices, now_s)
            return Serve(new) if new else None
        message = decode_answer_header(frames)
        question = self._asides.get(message.id) or self._open(message)
        if question is None or not _is_answered_by(question, message, route):
            raise BadMessage("stray_answer", "the answer is to no question that waits for one")
        if isinstance(message, ReplayAnswer):
            after, limit = question.after, question.limit
            message = decode_readings(message, frames[1:], after, limit, pause)
        reply = self._reply(question, message, route, now_s)
        if reply is None:
            return None
        return Aside(reply) if question.purpose is None else Reply(question.purpose, reply)

    def _open(self, message: ReplayAnswer | ReplayRefusal) -> _Question | None:
        """Find a feed's question that a message is about."""
        purposes: tuple[Purpose, ...] = ("repair", "history")
        asked = (self._questions.get((message.device_id, purpose)) for purpose in purposes)
        return next((it for it in asked if it is not None and it.id == message.id), None)

    def _reply(
        self,
        question: _Question,
        message: ReplayAnswer | ReplayRefusal,
        route: Route,
        now_s: float,
    ) -> ReplayAnswer | ReplayRefusal | None:
        if isinstance(message, ReplayRefusal):
            return self._refused(question, message, route, now_s)
        if _is_of_another(message, question):
            refusal = ReplayRefusal(message.id, message.device_id, "unknown_device", "ends before")
            return self._refused(question, refusal, route, now_s)
        wanted = _placed(message, question)
        self._answered(question, route)
        return wanted

    def _requests(self, question: _Question, now_s: float) -> Requests:
        routes = self._routes.routes_for(question.device_id, now_s)
        question.asked.update(routes)
        request = ReplayRequest(question.id, question.device_id, question.after, question.limit)
        payload = encode_request(request)
        return [(route, payload) for route in routes]

    def _keep(self, device_id: str, purpose: Purpose, question: _Question) -> None:
        self._questions[device_id, purpose] = question
        if len(self._questions) > 2 * self._devices_max:
            self._questions.popitem(last=False)

    def _close(self, question: _Question) -> None:
        """Wait for no answer any more; to what is asked aside, who asked does not."""
        if question.purpose is not None:
            del self._questions[question.device_id, question.purpose]

    def _answered(self, question: _Question, route: Route) -> None:
        self._close(question)
        self._routes.remember(question.device_id, route)

    def _refused(
        self, question: _Question, refusal: ReplayRefusal, route: Route, now_s: float
    ) -> ReplayRefusal | None:
        """Wait for the others while any may still know; one that is busy does know."""
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
    question: _Question, message: ReplayAnswer | ReplayRefusal, route: Route
) -> bool:
    same = question.id == message.id and question.device_id == message.device_id
    return same and route in question.asked


def _is_of_another(answer: ReplayAnswer, question: _Question) -> bool:
    """Tell whether who answers never had what was heard already: two devices have one name."""
    newest, after = answer.newest, question.after
    return newest is not None and after is not None and newest < after


def _placed(answer: ReplayAnswer, question: _Question) -> ReplayAnswer:
    """Say how far an answer reached: one of which nothing could be read, over all its numbers.

    One that ends before it begins is a ``bad_answer``.
    """
    after, reached = question.after, answer.reached
    if reached is None:
        reached = _least_reached(answer, after)
    if after is not None and reached is not None and reached <= after:
        raise BadMessage("bad_answer", "it ends before what was asked for")
    return replace(answer, reached=reached)


def _least_reached(answer: ReplayAnswer, after: Cursor | None) -> Cursor | None:
    """Count where the last of the readings sent must be at least; None without any."""
    first = answer.oldest if after is None else Cursor(after.epoch, after.seq + 1)
    if first is None or not answer.count:
        return None
    return Cursor(first.epoch, first.seq + answer.count - 1)
