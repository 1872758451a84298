import json
from collections.abc import Callable

import pytest

from device.check.findings import Findings
from device.check.messages import MessageJudge
from device.check.replay import ENVELOPE, Frames, ReplayJudge
from device.journal import MemoryJournal
from gateway.domain import Now
from shared.cursor import Cursor
from shared.replay_server.questions import PendingQuestions
from tests.device.publishers import EPOCH, NOW_MS, reading, status

Change = Callable[[Frames], Frames | None]


def right_replay(seqs: range = range(1, 21)) -> Callable[[Frames], Frames | None]:
    """Answer as a correct device that published these numbers."""
    journal = MemoryJournal(1000)
    for seq in seqs:
        journal.append("ebike-001", Cursor(EPOCH, seq), reading(seq)[1])
    questions = PendingQuestions(journal, {"ebike-001"})

    def ask(frames: Frames) -> Frames | None:
        refusal = questions.receive(0, frames, 0.0)
        taken = questions.take(0.0)
        return refusal if taken is None else questions.answer(taken)

    return ask


def judged(ask: Callable[[Frames], Frames | None], heard: list[int] | None = None) -> Findings:
    """Judge a replay after some numbers were heard live, 5 to 20 if none are given."""
    judge = MessageJudge()
    for seq in heard or range(5, 21):
        judge.receive(reading(seq), Now(0.0, NOW_MS))
    judge.receive(status(20), Now(0.0, NOW_MS))
    ReplayJudge(ask, judge.findings).judge("ebike-001", judge.devices["ebike-001"])
    return judge.findings


def found(findings: Findings) -> set[tuple[str, str]]:
    return {(finding.level, finding.code) for finding in findings}


def changed_header(frames: Frames, **changes: object) -> Frames:
    """Return an answer whose header says something else."""
    header = json.loads(frames[len(ENVELOPE)]) | changes
    return [*ENVELOPE, json.dumps(header).encode(), *frames[len(ENVELOPE) + 1 :]]


def is_refusal(frames: Frames) -> bool:
    return "error" in json.loads(frames[len(ENVELOPE)])


def refusals_as(code: str) -> Change:
    """Refuse everything that is wrong with one code."""

    def change(frames: Frames) -> Frames:
        error = {"code": code, "message": "no"}
        return changed_header(frames, error=error) if is_refusal(frames) else frames

    return change


def pages(change: Callable[[Frames], Frames]) -> Change:
    """Change the answers that hold readings."""
    return lambda frames: frames if is_refusal(frames) or len(frames) < 5 else change(frames)


def with_readings(frames: Frames, payloads: Frames) -> Frames:
    answer = [*frames[: len(ENVELOPE) + 1], *payloads]
    return changed_header(answer, count=len(payloads))


def test_a_correct_replay_is_right() -> None:
    assert found(judged(right_replay())) == set()


def test_small_pages_are_right() -> None:
    few = pages(lambda frames: with_readings(frames, frames[3:5]))
    assert found(judged(lambda frames: few(right_replay()(frames) or []))) == set()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda _: None, "replay_silent"),
        (lambda frames: frames[1:], "replay_envelope"),
        (lambda frames: [b"", *frames[2:]], "replay_envelope"),
        (lambda frames: [*ENVELOPE, b"junk", *frames[3:]], "replay_answer"),
        (lambda frames: changed_header(frames, id="another"), "replay_id"),
        (pages(lambda frames: changed_header(frames, v=2)), "replay_answer"),
        (pages(lambda frames: changed_header(frames, count=7)), "replay_answer"),
        (pages(lambda frames: changed_header(frames, oldest="7")), "replay_answer"),
        (pages(lambda frames: changed_header(frames, oldest=f"{EPOCH}-3")), "replay_oldest"),
        (pages(lambda frames: changed_header(frames, newest=f"{EPOCH}-1")), "replay_newest"),
        (pages(lambda frames: changed_header(frames, newest=None)), "replay_newest"),
        (pages(lambda frames: [*frames[:3], *reversed(frames[3:])]), "replay_answer"),
        (pages(lambda frames: [*frames[:3], *[b"{}"] * (len(frames) - 3)]), "replay_readings"),
        (pages(lambda frames: with_readings(frames, [])), "replay_empty"),
        (pages(lambda frames: with_readings(frames, frames[4:])), "replay_oldest"),
        (refusals_as("nope"), "replay_code"),
        (refusals_as("bad_request"), "replay_code"),
    ],
)
def test_a_breach_is_found_and_named(change: Change, code: str) -> None:
    ask = right_replay()
    findings = judged(lambda frames: change(ask(frames) or []))
    assert ("wrong", code) in found(findings)


def test_replay_without_devices() -> None:
    nobody = PendingQuestions(MemoryJournal(1), frozenset())
    findings = judged(lambda frames: nobody.receive(0, frames, 0.0))
    assert found(findings) == {("wrong", "replay_refused")}


def test_inclusive_position() -> None:
    def ask(frames: Frames) -> Frames | None:
        question = json.loads(frames[-1])
        cursor = question["after"]
        if isinstance(cursor, str) and cursor.startswith(str(EPOCH)):
            question["after"] = f"{EPOCH}-{int(cursor.rpartition('-')[2]) - 1}"
        return right_replay()([*frames[:-1], json.dumps(question).encode()])

    assert ("wrong", "replay_after") in found(judged(ask))


def test_more_readings_than_asked_for_are_wrong() -> None:
    def ask(frames: Frames) -> Frames | None:
        question = json.loads(frames[-1])
        if question["limit"] == 2:
            question["limit"] = 5
        return right_replay()([*frames[:-1], json.dumps(question).encode()])

    assert found(judged(ask)) == {("wrong", "replay_limit")}


def test_other_values_than_were_published_are_wrong() -> None:
    change = pages(
        lambda frames: [*frames[:3], *(one.replace(b"20.0", b"21.0") for one in frames[3:])]
    )
    ask = right_replay()
    findings = judged(lambda frames: change(ask(frames) or []))
    assert found(findings) == {("wrong", "replay_differs")}


def test_replay_lacks_published_reading() -> None:
    gap = [seq for seq in range(1, 21) if seq != 9]
    journal = MemoryJournal(100)
    for seq in gap:
        journal.append("ebike-001", Cursor(EPOCH, seq), reading(seq)[1])
    questions = PendingQuestions(journal, {"ebike-001"})

    def ask(frames: Frames) -> Frames | None:
        refusal = questions.receive(0, frames, 0.0)
        taken = questions.take(0.0)
        return refusal if taken is None else questions.answer(taken)

    assert found(judged(ask)) == {("wrong", "replay_missing")}


def test_replay_without_oldest_readings() -> None:
    assert found(judged(right_replay(range(15, 21)))) == set()


def test_empty_replay_after_readings() -> None:
    assert ("wrong", "replay_empty") in found(judged(right_replay(range(0))))


def test_replay_fills_hole() -> None:
    judge = MessageJudge()
    for seq in (5, 6, 10):
        judge.receive(reading(seq), Now(0.0, NOW_MS))
    traffic = judge.devices["ebike-001"]
    judge.conclude(Now(0.0, NOW_MS))
    assert traffic.sequence.holes
    ReplayJudge(right_replay(), judge.findings).judge("ebike-001", traffic)
    assert not traffic.sequence.holes
    assert found(judge.findings) == {("advice", "lost_on_the_way")}


def test_a_replay_without_end_is_wrong() -> None:
    def ask(frames: Frames) -> Frames | None:
        answer = right_replay(range(1, 1000))(frames)
        if answer is None or is_refusal(answer):
            return answer
        return changed_header(with_readings(answer, answer[3:4]), newest=f"{EPOCH}-999")

    findings = judged(ask, list(range(5, 900)))
    assert ("wrong", "replay_pages") in found(findings)
