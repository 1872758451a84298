"""Questions for what was missed, and which answers belong to them. Pure.

One question a device is open at a time. It keeps its id while it is repeated, so that a late
answer is an answer. Only what was asked, by a route that was asked, comes back out; all else
raises :class:`~shared.errors.BadMessage` and is counted.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from gateway.links.replay_routes import ReplayRoutes, Route
from shared.cursor import Cursor
from shared.errors import BadMessage
from shared.wire import (
    ReplayAnswer,
    ReplayRefusal,
    ReplayRequest,
    Serve,
    decode_answer,
    decode_serve,
    encode_request,
)

SILENT_S = 0.4
"""A question that is open for so long was not answered; the feed repeats it after 0.5 s."""

Requests: TypeAlias = list[tuple[Route, bytes]]
Reply: TypeAlias = ReplayAnswer | ReplayRefusal | Serve


@dataclass(slots=True)
class _Question:
    """One question as it was asked last, whom it went to, and who does not know."""

    id: str
    after: Cursor | None
    limit: int = 0
    asked_s: float = 0.0
    asked: set[Route] = field(default_factory=set)
    refused: set[Route] = field(default_factory=set)


class Replay:
    """The questions that wait for an answer, at most one for each of ``devices_max`` devices.

    ``new_id`` makes ids of at most 64 characters that nobody can guess who was not asked.
    """

    def __init__(self, routes: ReplayRoutes, new_id: Callable[[], str], devices_max: int) -> None:
        self._routes = routes
        self._new_id = new_id
        self._devices_max = devices_max
        self._questions: OrderedDict[str, _Question] = OrderedDict()

    def ask(self, device_id: str, after: Cursor | None, limit: int, now_s: float) -> Requests:
        """Ask for readings after a position; empty when there is nobody to ask.

        A question that was not answered yet is repeated, or replaced when it starts elsewhere;
        whoever was silent on it is not relied on any longer.
        """
        question = self._questions.pop(device_id, None)
        if question is not None and now_s - question.asked_s >= SILENT_S:
            self._routes.forget(device_id)
        if question is None or question.after != after:
            question = _Question(self._new_id(), after)
        question.limit, question.asked_s = limit, now_s
        routes = self._routes.routes_for(device_id, now_s)
        question.asked.intersection_update(self._routes.candidates(device_id, now_s))
        question.asked.update(routes)
        question.refused.clear()
        self._keep(device_id, question)
        payload = encode_request(ReplayRequest(question.id, device_id, after, limit))
        return [(route, payload) for route in routes]

    def receive(self, route: Route, frames: Sequence[bytes], now_s: float) -> Reply | None:
        """Read what came over a replay link.

        Returns an answer, trimmed to its question; a refusal once nobody is left who may know, or
        to wait (``busy``); the devices that a peer serves from now on; None when there is nothing
        to do. Raises BadMessage for what is malformed or was not asked for.
        """
        serve = decode_serve(frames[0]) if route.peer and len(frames) == 1 else None
        if serve is not None:
            new = self._routes.claim(route, serve.devices, now_s)
            return Serve(new) if new else None
        message = decode_answer(frames)
        question = self._questions.get(message.device_id)
        if question is None or question.id != message.id or route not in question.asked:
            raise BadMessage("stray_answer", "the answer is to no question that waits for one")
        if isinstance(message, ReplayRefusal):
            return self._refused(question, message, route, now_s)
        self._answered(message.device_id, route)
        return _trim(message, question)

    def _keep(self, device_id: str, question: _Question) -> None:
        self._questions[device_id] = question
        if len(self._questions) > self._devices_max:
            self._questions.popitem(last=False)

    def _answered(self, device_id: str, route: Route) -> None:
        del self._questions[device_id]
        self._routes.remember(device_id, route)

    def _refused(
        self, question: _Question, refusal: ReplayRefusal, route: Route, now_s: float
    ) -> ReplayRefusal | None:
        """Wait for the others while any may still know; one that is busy does know."""
        device_id = refusal.device_id
        if refusal.code == "busy":
            self._answered(device_id, route)
            return refusal
        self._routes.forget(device_id)
        question.refused.add(route)
        if not question.refused.issuperset(self._routes.candidates(device_id, now_s)):
            return None
        del self._questions[device_id]
        return refusal


def _trim(answer: ReplayAnswer, question: _Question) -> ReplayAnswer:
    """Keep of an answer what was asked for: readings after the position, no more than the limit."""
    after = question.after
    wanted = [r for r in answer.readings if after is None or r.cursor > after]
    return replace(answer, readings=tuple(wanted[: question.limit]))
