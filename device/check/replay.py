"""Judges a device's answers to replay questions (section 2, "Replay").

The socket comes in as ``ask``: a function that sends the frames of a question and returns those of
the answer, or None when no answer came.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from device.check.findings import Findings
from device.check.messages import Traffic
from shared.cursor import Cursor
from shared.errors import BadMessage
from shared.reading import Reading
from shared.wire import (
    REPLAY_LIMIT_MAX,
    ReplayAnswer,
    ReplayRefusal,
    ReplayRequest,
    decode_answer,
    encode_request,
)

Frames: TypeAlias = list[bytes]
Ask: TypeAlias = Callable[[Frames], Frames | None]

ENVELOPE = [b"check", b""]
"""Routing frames; they must come back in front of the answer."""
STRANGER = "no-such-device.check"
PAGES_MAX = 200
"""A device may answer with small pages; the check stops after this many."""


@dataclass(frozen=True, slots=True)
class ReplayJudge:
    """Asks about one device at a time and notes the faults of the answers."""

    ask: Ask
    findings: Findings

    def judge(self, device_id: str, traffic: Traffic) -> None:
        """Judge the replay of a device; a hole that it fills was lost on the network."""
        first_page = self._page(device_id, None, 2)
        if first_page is None:
            return
        self._judge_ends(device_id, first_page)
        self._judge_refusals(device_id)
        replayed = self._read(device_id, traffic)
        self._compare(device_id, traffic, first_page.oldest, replayed)
        _forget_filled(self.findings, device_id, traffic, replayed)

    def _page(self, device_id: str, after: Cursor | None, limit: int) -> ReplayAnswer | None:
        """Ask for a page; notes a fault and returns None when the answer is none."""
        request = ReplayRequest(f"page-{after}-{limit}", device_id, after, limit)
        answer = self._answer(device_id, encode_request(request), request.id)
        if isinstance(answer, ReplayRefusal):
            text = f"a question for {device_id} was refused: {answer.code}, {answer.message}"
            self.findings.wrong(device_id, "replay_refused", text)
            return None
        if answer is not None:
            self._judge_page(request, answer)
        return answer

    def _answer(
        self, device_id: str, question: bytes, request_id: str
    ) -> ReplayAnswer | ReplayRefusal | None:
        wrong = self.findings.wrong
        frames = self.ask([*ENVELOPE, question])
        if frames is None:
            wrong(device_id, "replay_silent", f"no answer to {question.decode()}", request_id)
            return None
        if frames[: len(ENVELOPE)] != ENVELOPE:
            text = "all frames before the question must stand before the answer, unchanged"
            wrong(device_id, "replay_envelope", text)
            return None
        return self._decode(device_id, frames[len(ENVELOPE) :], request_id)

    def _decode(
        self, device_id: str, frames: Frames, request_id: str
    ) -> ReplayAnswer | ReplayRefusal | None:
        try:
            answer = decode_answer(frames)
        except BadMessage as error:
            self.findings.wrong(device_id, "replay_answer", f"the answer cannot be used: {error}")
            return None
        if answer.id != request_id:
            text = f"the answer's id is {answer.id!r}, the question's was {request_id!r}"
            self.findings.wrong(device_id, "replay_id", text)
            return None
        if isinstance(answer, ReplayAnswer) and len(answer.readings) < len(frames) - 1:
            text = "an answer holds readings that are invalid, of another device or not ascending"
            self.findings.wrong(device_id, "replay_readings", text)
        return answer

    def _judge_page(self, request: ReplayRequest, answer: ReplayAnswer) -> None:
        wrong, device_id = self.findings.wrong, request.device_id
        readings, after, newest = answer.readings, request.after, answer.newest
        if len(readings) > request.limit:
            text = f"{len(readings)} readings came, {request.limit} were asked for"
            wrong(device_id, "replay_limit", text)
        if after is not None and readings and readings[0].cursor <= after:
            text = f"asked for what follows {after}, got {readings[0].cursor}; after is exclusive"
            wrong(device_id, "replay_after", text)
        if not readings and newest is not None and newest > (after or Cursor(0, 0)):
            text = f"holds readings up to {newest}, but gave none after {after}"
            wrong(device_id, "replay_empty", text)

    def _judge_ends(self, device_id: str, page: ReplayAnswer) -> None:
        """Judge ``oldest`` and ``newest`` of an answer that begins at the oldest."""
        readings = page.readings
        if readings and page.oldest != readings[0].cursor:
            text = f"oldest is {page.oldest}, the oldest reading given is {readings[0].cursor}"
            self.findings.wrong(device_id, "replay_oldest", text)
        if readings and (page.newest is None or page.newest < readings[-1].cursor):
            text = f"newest is {page.newest}, but {readings[-1].cursor} was given"
            self.findings.wrong(device_id, "replay_newest", text)

    def _judge_refusals(self, device_id: str) -> None:
        """Ask questions that must be refused, and judge the codes."""
        right = {"v": 1, "op": "replay", "device_id": device_id, "after": None, "limit": 1}
        for code, changes in (
            ("bad_request", {"limit": 0}),
            ("bad_request", {"after": "yesterday"}),
            ("unsupported_version", {"v": 2}),
            ("unknown_device", {"device_id": STRANGER}),
        ):
            question = json.dumps({**right, "id": f"wrong-{code}", **changes}).encode()
            answer = self._answer(device_id, question, f"wrong-{code}")
            if answer is None or (isinstance(answer, ReplayRefusal) and answer.code == code):
                continue
            got = answer.code if isinstance(answer, ReplayRefusal) else "readings"
            text = f"{json.dumps(changes)} must be refused with {code}, the answer was {got}"
            self.findings.wrong(device_id, "replay_code", text, json.dumps(changes))

    def _read(self, device_id: str, traffic: Traffic) -> dict[Cursor, Reading]:
        """Replay the readings that were received live, page by page."""
        replayed: dict[Cursor, Reading] = {}
        if not traffic.recent:
            return replayed
        first = _first_position(traffic)
        after, end = Cursor(first.epoch, first.seq - 1), traffic.recent[-1].cursor
        for _ in range(PAGES_MAX):
            page = self._page(device_id, after, REPLAY_LIMIT_MAX)
            if page is None or not page.readings:
                return replayed
            replayed |= {reading.cursor: reading for reading in page.readings}
            after = page.readings[-1].cursor
            if after >= end:
                return replayed
        text = f"after {PAGES_MAX} pages still behind {end}"
        self.findings.wrong(device_id, "replay_pages", text)
        return replayed

    def _compare(
        self,
        device_id: str,
        traffic: Traffic,
        oldest: Cursor | None,
        replayed: dict[Cursor, Reading],
    ) -> None:
        """Compare the live readings with those of the same numbers in the replay."""
        if traffic.recent and oldest is None:
            text = "holds nothing, although readings were published"
            self.findings.wrong(device_id, "replay_empty", text, "all")
        for reading in traffic.recent:
            again = replayed.get(reading.cursor)
            if again is None and oldest is not None and reading.cursor >= oldest:
                text = f"{reading.cursor} was published, but is not in the replay"
                self.findings.wrong(device_id, "replay_missing", text)
            elif again is not None and again != reading:
                text = f"{reading.cursor} has other values in the replay than it was published with"
                self.findings.wrong(device_id, "replay_differs", text)


def _first_position(traffic: Traffic) -> Cursor:
    """Return the least position that was received or missed."""
    missed = [Cursor(hole.epoch, hole.first) for hole in traffic.sequence.holes]
    return min([traffic.recent[0].cursor, *missed])


def _forget_filled(
    findings: Findings, device_id: str, traffic: Traffic, replayed: dict[Cursor, Reading]
) -> None:
    """Remove the holes whose readings the replay has: those were lost on the network."""
    for hole in list(traffic.sequence.holes):
        if all(Cursor(hole.epoch, seq) in replayed for seq in range(hole.first, hole.last + 1)):
            traffic.sequence.holes.remove(hole)
            text = f"seq {hole.first} to {hole.last} were lost on the way; the replay has them"
            findings.advise(device_id, "lost_on_the_way", text)
