import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.journal import MemoryJournal
from shared.cursor import Cursor
from shared.reading import Reading
from shared.replay_server.questions import (
    ANSWER_BYTES_MAX,
    ENVELOPE_FRAMES_MAX,
    WAITING_LEAST,
    WAITING_MAX_S,
    PendingQuestions,
)
from shared.wire import (
    ReplayAnswer,
    ReplayRefusal,
    ReplayRequest,
    decode_answer,
    encode_reading,
    encode_request,
)

NOW_S = 50.0
PEER = b"peer"


def make_questions(
    readings: int = 5, devices: tuple[str, ...] = ("ebike-001",)
) -> PendingQuestions:
    journal = MemoryJournal(10_000)
    for device_id in devices:
        for seq in range(1, readings + 1):
            payload = encode_reading(Reading(device_id, 7, seq, 0, 20.0))
            journal.append(device_id, Cursor(7, seq), payload)
    return PendingQuestions(journal, frozenset(devices))


def question(
    request_id: str = "q",
    device_id: str = "ebike-001",
    after: Cursor | None = None,
    limit: int = 1000,
) -> bytes:
    return encode_request(ReplayRequest(request_id, device_id, after, limit))


def ask(questions: PendingQuestions, *envelope: bytes, **request: object) -> None:
    frames = [*envelope, question(**request)]  # type: ignore[arg-type]  # the keys of a question
    assert questions.receive(0, frames, NOW_S) is None


def answer(questions: PendingQuestions, envelope: int = 1) -> ReplayAnswer:
    taken = questions.take(NOW_S)
    assert taken is not None
    decoded = decode_answer(questions.answer(taken)[envelope:])
    assert isinstance(decoded, ReplayAnswer)
    return decoded


def taken_ids(questions: PendingQuestions, now_s: float = NOW_S) -> list[str]:
    ids = []
    while (taken := questions.take(now_s)) is not None:
        ids.append(taken.request.id)
    return ids


def test_answer_after_position() -> None:
    questions = make_questions()
    ask(questions, PEER, after=Cursor(7, 2), limit=2)
    page = answer(questions)
    assert [reading.seq for reading in page.readings] == [3, 4]
    assert (page.id, page.device_id) == ("q", "ebike-001")
    assert (page.oldest, page.newest) == (Cursor(7, 1), Cursor(7, 5))


def test_empty_journal_answers_empty() -> None:
    questions = make_questions(readings=0)
    ask(questions, PEER)
    page = answer(questions)
    assert (page.readings, page.oldest, page.newest) == ((), None, None)


def test_all_frames_before_the_question_are_echoed() -> None:
    questions = make_questions()
    ask(questions, PEER, b"router", b"")
    taken = questions.take(NOW_S)
    assert taken is not None
    assert questions.answer(taken)[:3] == [PEER, b"router", b""]


def test_a_question_may_come_without_an_envelope() -> None:
    questions = make_questions()
    ask(questions)
    assert len(answer(questions, envelope=0).readings) == 5


def test_answer_is_cut_by_bytes() -> None:
    questions = make_questions(readings=3000)
    seqs: list[int] = []
    after = Cursor(7, 0)
    while after.seq < 3000:
        ask(questions, PEER, after=after)
        page = answer(questions)
        assert sum(len(encode_reading(reading)) for reading in page.readings) <= ANSWER_BYTES_MAX
        seqs += [reading.seq for reading in page.readings]
        after = page.readings[-1].cursor
    assert seqs == list(range(1, 3001))


def test_at_least_one_reading_comes_however_large() -> None:
    journal = MemoryJournal(1)
    journal.append("ebike-001", Cursor(7, 1), b"x" * (ANSWER_BYTES_MAX + 1))
    questions = PendingQuestions(journal, {"ebike-001"})
    ask(questions, PEER)
    taken = questions.take(NOW_S)
    assert taken is not None
    assert len(questions.answer(taken)) == 3


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"v": 2}, "unsupported_version"),
        ({"v": "1"}, "unsupported_version"),
        ({"op": "drop"}, "bad_request"),
        ({"limit": 0}, "bad_request"),
        ({"limit": 1001}, "bad_request"),
        ({"limit": True}, "bad_request"),
        ({"after": "7"}, "bad_request"),
        ({"after": 7}, "bad_request"),
        ({"device_id": "no such id!"}, "bad_request"),
        ({"device_id": None}, "bad_request"),
        ({"device_id": "ebike-999"}, "unknown_device"),
    ],
)
def test_wrong_question_is_refused(changes: dict[str, object], code: str) -> None:
    right = {"v": 1, "op": "replay", "id": "q7", "device_id": "ebike-001", "after": None}
    frames = [PEER, b"", json.dumps({**right, "limit": 1, **changes}).encode()]
    refusal = make_questions().receive(0, frames, NOW_S)
    assert refusal is not None
    assert refusal[:2] == [PEER, b""]
    decoded = decode_answer(refusal[2:])
    assert isinstance(decoded, ReplayRefusal)
    assert (decoded.id, decoded.code) == ("q7", code)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x00\xff",
        b"[]",
        b"7",
        b"null",
        b'{"op":"replay"}',
        b'{"id":7}',
        b'{"id":null}',
        b'{"id":"' + b"x" * 65 + b'"}',
        b'{"id":"\\ud800"}',
        b'{"v":1,"op":"replay","id":"\\udfff","device_id":"ebike-001","after":null,"limit":1}',
        b"[" * 4000,
        b'{"id":' + b"9" * 4000,
    ],
)
def test_question_without_usable_id(payload: bytes) -> None:
    questions = make_questions()
    assert questions.receive(0, [PEER, payload], NOW_S) is None
    assert questions.waiting == 0


@given(st.lists(st.binary(max_size=80), min_size=1, max_size=4))
def test_no_bytes_raise(frames: list[bytes]) -> None:
    questions = make_questions()
    questions.receive(0, frames, NOW_S)
    assert questions.waiting == 0


def test_an_envelope_without_end_is_dropped() -> None:
    questions = make_questions()
    many = [b"x"] * (ENVELOPE_FRAMES_MAX + 1)
    assert questions.receive(0, [*many, question()], NOW_S) is None
    assert questions.receive(0, [b"x" * 5000, question()], NOW_S) is None
    assert questions.waiting == 0


def test_peers_take_turns() -> None:
    questions = make_questions()
    for seq in range(3):
        ask(questions, b"greedy", request_id=f"greedy-{seq}", after=Cursor(7, seq))
    ask(questions, b"modest", request_id="modest")
    assert taken_ids(questions) == ["greedy-0", "modest", "greedy-1", "greedy-2"]


def test_links_are_told_apart() -> None:
    questions = make_questions()
    questions.receive(0, [PEER, question("first")], NOW_S)
    questions.receive(1, [PEER, question("second")], NOW_S)
    taken = [questions.take(NOW_S), questions.take(NOW_S)]
    assert [one.peer.link for one in taken if one is not None] == [0, 1]


def test_repeated_question_waits_once() -> None:
    questions = make_questions()
    ask(questions, PEER, request_id="first")
    ask(questions, PEER, request_id="other", after=Cursor(7, 2))
    ask(questions, PEER, request_id="first")
    assert questions.waiting == 2
    assert taken_ids(questions) == ["first", "other"]


def test_questions_from_one_position_are_each_answered() -> None:
    questions = make_questions()
    ask(questions, PEER, request_id="a page for a browser")
    ask(questions, PEER, request_id="a page for another")
    assert questions.waiting == 2
    assert taken_ids(questions) == ["a page for a browser", "a page for another"]


def test_different_questions_of_one_peer() -> None:
    questions = make_questions(devices=("ebike-001", "ebike-002"))
    ask(questions, PEER, request_id="a")
    ask(questions, PEER, request_id="b", device_id="ebike-002")
    ask(questions, PEER, request_id="c", after=Cursor(7, 1))
    assert taken_ids(questions) == ["a", "b", "c"]


def test_full_peer_is_skipped() -> None:
    questions = make_questions()
    for seq in range(3):
        ask(questions, b"stalled", request_id=f"stalled-{seq}", after=Cursor(7, seq))
    ask(questions, b"reading", request_id="reading")
    stalled = questions.take(NOW_S)
    assert stalled is not None
    questions.put_back(stalled, NOW_S + 0.5)
    assert questions.waiting == 4
    assert taken_ids(questions) == ["reading"]
    assert taken_ids(questions, NOW_S + 0.5) == ["stalled-1", "stalled-2", "stalled-0"]


def test_put_back_last_question() -> None:
    questions = make_questions()
    ask(questions, PEER, request_id="only")
    only = questions.take(NOW_S)
    assert only is not None
    questions.put_back(only, NOW_S + 0.5)
    assert taken_ids(questions) == []
    assert taken_ids(questions, NOW_S + 0.6) == ["only"]
    assert questions.waiting == 0


def test_old_question_of_blocked_peer() -> None:
    questions = make_questions()
    ask(questions, PEER)
    stalled = questions.take(NOW_S)
    assert stalled is not None
    questions.put_back(stalled, NOW_S + 1000)
    assert questions.take(NOW_S + WAITING_MAX_S + 0.1) is None
    assert questions.waiting == 0


def test_old_question_is_dropped() -> None:
    questions = make_questions()
    ask(questions, PEER)
    assert questions.take(NOW_S + WAITING_MAX_S + 0.1) is None
    assert questions.waiting == 0


def test_busy_when_too_many_wait() -> None:
    questions = make_questions()
    for peer in range(WAITING_LEAST):
        ask(questions, str(peer).encode())
    refusal = questions.receive(0, [b"late", question("late")], NOW_S)
    assert refusal is not None
    decoded = decode_answer(refusal[1:])
    assert isinstance(decoded, ReplayRefusal)
    assert (decoded.id, decoded.code) == ("late", "busy")
    questions.take(NOW_S)
    assert questions.receive(0, [b"late", question("late")], NOW_S) is None


def test_room_for_four_gateways() -> None:
    devices = tuple(f"ebike-{number:04d}" for number in range(1, 1001))
    questions = make_questions(readings=0, devices=devices)
    for gateway in (b"1", b"2", b"3", b"4"):
        for device_id in devices:
            ask(questions, gateway, device_id=device_id)
    assert questions.waiting == 4000
