"""Questions for what was missed, and which answers count."""

import json
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.replay_client import SILENT_S, FeedReply, ReplayClient, Requests, SingleReply
from gateway.upstream.replay_routes import CLAIM_S, ReplayRoutes, Route
from shared.cursor import Cursor
from shared.errors import BadMessage
from shared.reading import Reading
from shared.wire import (
    ReplayAnswer,
    ReplayCode,
    ReplayRefusal,
    ReplayRequest,
    Serve,
    decode_request,
    encode_answer,
    encode_reading,
    encode_refusal,
    encode_serve,
)

FIRST, SECOND = Route("tcp://first:5557"), Route("tcp://second:5557")
BIKE = Route("tcp://*:5557", b"bike")
AFTER = Cursor(7, 10)
BROKEN = b'{"v":1,"device_id":"a","epoch":7,"seq":31,"ts_ms":0,"speed_kmh":999}'


def replay(*endpoints: Route, devices_max: int = 10) -> ReplayClient:
    numbers = count(1)
    routes = ReplayRoutes([route.endpoint for route in endpoints], devices_max)
    return ReplayClient(routes, lambda: f"q{next(numbers)}", devices_max)


def asked(requests: Requests) -> list[tuple[Route, ReplayRequest]]:
    return [(route, decode_request(payload)) for route, payload in requests]


def answer(request: ReplayRequest, seqs: list[int], newest: int = 99) -> list[bytes]:
    readings = [encode_reading(Reading(request.device_id, 7, seq, 0, 20.0)) for seq in seqs]
    return encode_answer(request, readings, Cursor(7, 1), Cursor(7, newest))


def refusal(request: ReplayRequest, code: ReplayCode = "unknown_device") -> list[bytes]:
    return encode_refusal(request.id, request.device_id, code, "no")


def ask(questions: ReplayClient, now_s: float = 0.0, limit: int = 5) -> ReplayRequest:
    """Ask for device ``a`` and return the question as it went out."""
    return asked(questions.requests_for("a", "repair", AFTER, limit, now_s))[0][1]


def seqs_of(reply: object) -> list[int]:
    return [reading.seq for reading in answer_of(reply).readings]


def answer_of(reply: object) -> ReplayAnswer:
    assert isinstance(reply, FeedReply | SingleReply)
    assert isinstance(reply.reply, ReplayAnswer)
    return reply.reply


def test_question_to_every_endpoint() -> None:
    expected = ReplayRequest("q1", "a", AFTER, 5)
    assert asked(replay(FIRST, SECOND).requests_for("a", "repair", AFTER, 5, 0)) == [
        (FIRST, expected),
        (SECOND, expected),
    ]


def test_with_nobody_to_ask_nothing_is_sent() -> None:
    assert replay().requests_for("a", "repair", None, 5, 0) == []


def test_answering_endpoint_is_remembered() -> None:
    questions = replay(FIRST, SECOND)
    request = ask(questions)
    reply = questions.receive(SECOND, answer(request, [11, 12]), 0.1)
    assert seqs_of(reply) == [11, 12]
    assert [route for route, _ in questions.requests_for("a", "repair", Cursor(7, 12), 5, 0.2)] == [
        SECOND
    ]
    assert [route for route, _ in questions.requests_for("b", "repair", None, 5, 0.2)] == [
        FIRST,
        SECOND,
    ]


def test_repeated_question_keeps_id() -> None:
    questions = replay(FIRST)
    request = ask(questions, now_s=0.0)
    repeated = ask(questions, now_s=0.5, limit=7)
    assert (repeated.id, repeated.limit) == (request.id, 7)
    assert seqs_of(questions.receive(FIRST, answer(request, [11]), 0.6)) == [11]


def test_an_answer_counts_once() -> None:
    questions = replay(FIRST, SECOND)
    request = ask(questions)
    questions.receive(FIRST, answer(request, [11]), 0.1)
    with pytest.raises(BadMessage) as caught:
        questions.receive(SECOND, answer(request, [11]), 0.2)
    assert caught.value.reason == "stray_answer"


def test_answer_to_replaced_question() -> None:
    questions = replay(FIRST)
    old = ask(questions)
    questions.requests_for("a", "repair", Cursor(7, 50), 5, 0.1)
    with pytest.raises(BadMessage, match="no open question"):
        questions.receive(FIRST, answer(old, [11]), 0.2)


def test_purposes_are_independent() -> None:
    questions = replay(FIRST)
    repair = ask(questions)
    ((_, page),) = asked(questions.requests_for("a", "backfill", None, 5, 0.1))
    reply = questions.receive(FIRST, answer(page, [1, 2]), 0.2)
    assert isinstance(reply, FeedReply)
    assert (reply.purpose, seqs_of(reply)) == ("backfill", [1, 2])
    reply = questions.receive(FIRST, answer(repair, [11]), 0.3)
    assert isinstance(reply, FeedReply)
    assert (reply.purpose, seqs_of(reply)) == ("repair", [11])


@pytest.mark.parametrize(
    "change",
    [
        {"id": "q2"},
        {"id": ""},
        {"device_id": "b"},
        {"device_id": "__proto__"},
    ],
)
def test_stray_answer(change: dict[str, str]) -> None:
    questions = replay(FIRST)
    header, *readings = answer(ask(questions), [])
    altered = [json.dumps(json.loads(header) | change).encode(), *readings]
    with pytest.raises(BadMessage) as caught:
        questions.receive(FIRST, altered, 0.1)
    assert caught.value.reason == "stray_answer"


def test_answer_from_stranger() -> None:
    questions = replay(FIRST)
    request = ask(questions)
    with pytest.raises(BadMessage, match="no open question"):
        questions.receive(BIKE, answer(request, [666]), 0.1)
    assert seqs_of(questions.receive(FIRST, answer(request, [11]), 0.2)) == [11]


def test_answer_is_cut_to_question() -> None:
    questions = replay(FIRST)
    request = ask(questions, limit=3)
    reply = questions.receive(FIRST, answer(request, [8, 9, 10, 11, 12, 13, 14]), 0.1)
    assert seqs_of(reply) == [11, 12, 13]


@pytest.mark.parametrize(
    "seqs", [[12, 11], [11, 13, 12], [11, 11], [9, 10]], ids=["reversed", "mixed", "twice", "early"]
)
def test_answer_that_does_not_ascend(
    seqs: list[int],
) -> None:
    questions = replay(FIRST)
    request = ask(questions)
    with pytest.raises(BadMessage) as caught:
        questions.receive(FIRST, answer(request, seqs), 0.1)
    assert caught.value.reason == "bad_answer"
    assert seqs_of(questions.receive(FIRST, answer(request, [11, 12]), 0.2)) == [11, 12]


def test_answer_with_foreign_reading() -> None:
    questions = replay(FIRST)
    request = ask(questions)
    other = encode_reading(Reading("b", 7, 12, 0, 20.0))
    with pytest.raises(BadMessage) as caught:
        questions.receive(FIRST, encode_answer(request, [other], Cursor(7, 1), Cursor(7, 12)), 0.1)
    assert caught.value.reason == "bad_answer"


@pytest.mark.parametrize(
    ("after", "sent", "reached"),
    [
        pytest.param(AFTER, [b"{}"] * 250, Cursor(7, 260), id="none can be read"),
        pytest.param(None, [b"{}"] * 250, Cursor(7, 250), id="none, from the oldest on"),
        pytest.param(AFTER, [BROKEN, b"{}"], Cursor(7, 31), id="one refused for its speed"),
        pytest.param(AFTER, [], None, id="nothing sent"),
    ],
)
def test_reached_over_invalid_readings(
    after: Cursor | None, sent: list[bytes], reached: Cursor | None
) -> None:
    questions = replay(FIRST)
    ((_, request),) = asked(questions.requests_for("a", "repair", after, 250, 0))
    frames = encode_answer(request, sent, Cursor(7, 1), Cursor(7, 900))
    reply = answer_of(questions.receive(FIRST, frames, 0.1))
    assert (reply.readings, reply.reached) == ((), reached)


def test_reached_of_cut_answer() -> None:
    questions = replay(FIRST)
    reply = questions.receive(FIRST, answer(ask(questions, limit=2), [11, 12, 13]), 0.1)
    assert answer_of(reply).reached == (7, 12)


def test_answer_from_the_oldest() -> None:
    questions = replay(FIRST)
    ((_, request),) = asked(questions.requests_for("a", "repair", None, 5, 0))
    assert seqs_of(questions.receive(FIRST, answer(request, [1, 2]), 0.1)) == [1, 2]


def test_silent_endpoint_is_forgotten() -> None:
    questions = replay(FIRST, SECOND)
    questions.receive(SECOND, answer(ask(questions), [11]), 0.1)
    assert [route for route, _ in questions.requests_for("a", "repair", AFTER, 5, 1.0)] == [SECOND]
    assert [route for route, _ in questions.requests_for("a", "repair", AFTER, 5, 1.5)] == [
        FIRST,
        SECOND,
    ]


def test_replaced_question_is_no_silence() -> None:
    questions = replay(FIRST, SECOND)
    questions.receive(SECOND, answer(ask(questions), [11]), 0.1)
    questions.requests_for("a", "repair", AFTER, 5, 1.0)
    soon = 1.0 + SILENT_S / 2
    assert [
        route for route, _ in questions.requests_for("a", "repair", Cursor(7, 20), 5, soon)
    ] == [SECOND]


def test_unknown_once_all_refused() -> None:
    questions = replay(FIRST, SECOND)
    request = ask(questions)
    assert questions.receive(FIRST, refusal(request), 0.1) is None
    assert questions.receive(FIRST, refusal(request), 0.1) is None
    reply = questions.receive(SECOND, refusal(request), 0.2)
    assert reply == FeedReply("repair", ReplayRefusal("q1", "a", "unknown_device", "no"))
    with pytest.raises(BadMessage, match="no open question"):
        questions.receive(FIRST, answer(request, [11]), 0.3)


def test_answer_beside_a_refusal() -> None:
    questions = replay(FIRST, SECOND)
    request = ask(questions)
    assert questions.receive(FIRST, refusal(request), 0.1) is None
    assert seqs_of(questions.receive(SECOND, answer(request, [11]), 0.2)) == [11]
    assert [route for route, _ in questions.requests_for("a", "repair", Cursor(7, 11), 5, 0.3)] == [
        SECOND
    ]


def test_answer_of_another_device() -> None:
    questions = replay(FIRST, SECOND)
    request = ask(questions)
    assert questions.receive(FIRST, answer(request, [], newest=9), 0.1) is None
    assert seqs_of(questions.receive(SECOND, answer(request, [11]), 0.2)) == [11]
    request = ask(questions)
    assert questions.receive(SECOND, answer(request, [], newest=9), 0.3) is None
    assert [route for route, _ in questions.requests_for("a", "repair", AFTER, 5, 0.8)] == [
        FIRST,
        SECOND,
    ]


def test_single_question_leaves_feed_alone() -> None:
    questions = replay(FIRST)
    request = ask(questions)
    single_id, requests = questions.single_request("a", AFTER, 5, 0.1)
    ((_, single),) = asked(requests)
    assert single == ReplayRequest(single_id, "a", AFTER, 5)
    reply = questions.receive(FIRST, answer(single, [11, 12]), 0.2)
    assert isinstance(reply, SingleReply)
    assert seqs_of(reply) == [11, 12]
    assert seqs_of(questions.receive(FIRST, answer(request, [11]), 0.3)) == [11]


def test_single_question_until_forgotten() -> None:
    questions = replay(FIRST)
    single_id, requests = questions.single_request("a", None, 5, 0.1)
    ((_, single),) = asked(requests)
    reply = questions.receive(FIRST, refusal(single, "busy"), 0.2)
    assert reply == SingleReply(ReplayRefusal(single_id, "a", "busy", "no"))
    questions.forget(single_id)
    with pytest.raises(BadMessage) as caught:
        questions.receive(FIRST, answer(single, [11]), 0.3)
    assert caught.value.reason == "stray_answer"


def test_single_answer_from_stranger() -> None:
    questions = replay(FIRST)
    _id, requests = questions.single_request("a", None, 5, 0.1)
    ((_, single),) = asked(requests)
    header = answer(single, [])[0].replace(b'"device_id":"a"', b'"device_id":"b"')
    for route, frames in ((BIKE, answer(single, [11])), (FIRST, [header])):
        with pytest.raises(BadMessage) as caught:
            questions.receive(route, frames, 0.2)
        assert caught.value.reason == "stray_answer"


def test_remembered_endpoint_lost_device() -> None:
    questions = replay(FIRST, SECOND)
    questions.receive(SECOND, answer(ask(questions), [11]), 0.1)
    ((_, request),) = asked(questions.requests_for("a", "repair", Cursor(7, 11), 5, 1.0))
    assert questions.receive(SECOND, refusal(request), 1.1) is None
    assert [route for route, _ in questions.requests_for("a", "repair", Cursor(7, 11), 5, 1.5)] == [
        FIRST,
        SECOND,
    ]


def test_one_that_is_busy_knows_the_device() -> None:
    questions = replay(FIRST, SECOND)
    request = ask(questions)
    reply = questions.receive(SECOND, refusal(request, "busy"), 0.1)
    assert reply == FeedReply("repair", ReplayRefusal(request.id, "a", "busy", "no"))
    assert [route for route, _ in questions.requests_for("a", "repair", AFTER, 5, 0.6)] == [SECOND]


def test_offering_bike_is_asked() -> None:
    questions = replay()
    assert questions.receive(BIKE, [encode_serve(["a", "b"])], 0.0) == Serve(("a", "b"))
    assert questions.receive(BIKE, [encode_serve(["a", "b"])], 10.0) is None
    ((route, request),) = asked(questions.requests_for("a", "repair", AFTER, 5, 11.0))
    assert route == BIKE
    assert seqs_of(questions.receive(BIKE, answer(request, [11]), 11.1)) == [11]
    assert questions.requests_for("a", "repair", AFTER, 5, 10.0 + CLAIM_S) == []


def test_offer_over_connected_endpoint() -> None:
    with pytest.raises(BadMessage):
        replay(FIRST).receive(FIRST, [encode_serve(["a"])], 0.0)


def test_answer_after_offer_ended() -> None:
    questions = replay()
    questions.receive(BIKE, [encode_serve(["a"])], 0.0)
    ((_, request),) = asked(questions.requests_for("a", "repair", AFTER, 5, CLAIM_S - 1))
    assert seqs_of(questions.receive(BIKE, answer(request, [11]), CLAIM_S + 1)) == [11]


def test_a_bounded_number_of_questions_is_open() -> None:
    questions = replay(FIRST, devices_max=3)
    requests = [
        asked(questions.requests_for(f"d{n}", "repair", AFTER, 5, 0))[0][1] for n in range(10)
    ]
    counts = []
    for request in requests:
        try:
            counts.append(len(seqs_of(questions.receive(FIRST, answer(request, [11]), 0.1))))
        except BadMessage:
            counts.append(0)
    assert counts == [0] * 4 + [1] * 6, "two for each device"


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b""],
        [b"", b""],
        [b"{}"],
        [b"\xff\xfe"],
        [b"[" * 100_000],
        [b'{"v":1,"op":"serve","devices":[1]}'],
        [b'{"v":1,"op":"serve"}'],
        [b'{"v":1,"id":"q1","device_id":"a","count":2,"oldest":null,"newest":null}'],
        [b"{}"] * 2_000,
    ],
)
@pytest.mark.parametrize("route", [FIRST, BIKE])
def test_malformed_message(route: Route, frames: list[bytes]) -> None:
    questions = replay(FIRST)
    request = ask(questions)
    with pytest.raises(BadMessage):
        questions.receive(route, frames, 0.1)
    assert seqs_of(questions.receive(FIRST, answer(request, [11]), 0.2)) == [11]


@given(
    after=st.none() | st.integers(0, 30),
    limit=st.integers(1, 10),
    sent=st.sets(st.integers(1, 40), max_size=30).map(sorted),
)
def test_any_answer_ascends_within_limit(after: int | None, limit: int, sent: list[int]) -> None:
    questions = replay(FIRST)
    cursor = None if after is None else Cursor(7, after)
    ((_, request),) = asked(questions.requests_for("a", "repair", cursor, limit, 0))
    if sent and after is not None and sent[-1] <= after:
        with pytest.raises(BadMessage, match="ends before"):
            questions.receive(FIRST, answer(request, sent), 0.1)
        return
    seqs = seqs_of(questions.receive(FIRST, answer(request, sent), 0.1))
    assert seqs == sorted(set(seqs))
    assert len(seqs) <= limit
    assert all(seq in sent and seq > (after or 0) for seq in seqs)


@given(st.lists(st.binary(max_size=200), max_size=4))
def test_random_bytes_are_refused(frames: list[bytes]) -> None:
    with pytest.raises(BadMessage):
        replay(FIRST).receive(BIKE, frames, 0.0)
