import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cursor import Cursor
from shared.errors import BadMessage
from shared.reading import Reading, Status
from shared.wire import (
    READ_AT_ONCE,
    READING_BYTES_MAX,
    REPLAY_LIMIT_MAX,
    REQUEST_BYTES_MAX,
    SERVE_BYTES_MAX,
    STATUS_BYTES_MAX,
    ReplayAnswer,
    ReplayRefusal,
    ReplayRequest,
    Serve,
    decode_answer,
    decode_answer_header,
    decode_message,
    decode_readings,
    decode_request,
    decode_serve,
    encode_answer,
    encode_reading,
    encode_refusal,
    encode_request,
    encode_serve,
    encode_status,
    reading_topic,
    status_topic,
)

READING = Reading("a", 7, 3, 1_000, 21.5, {"power_w": 120, "extra": {"note": "caf\xe9 \U0001f6b2"}})
READING_BYTES = (
    '{"v":1,"device_id":"a","epoch":7,"seq":3,"ts_ms":1000,"speed_kmh":21.5,"power_w":120,'
    '"extra":{"note":"caf\xe9 \U0001f6b2"}}'
).encode()
STATUS = Status("a", 7, 3, 1_000, "online", 100, "City 3")
STATUS_BYTES = (
    b'{"v":1,"device_id":"a","epoch":7,"last_seq":3,"ts_ms":1000,"state":"online",'
    b'"interval_ms":100,"model":"City 3"}'
)
REQUEST = ReplayRequest("q1", "a", Cursor(7, 2), 250)
REQUEST_BYTES = b'{"v":1,"op":"replay","id":"q1","device_id":"a","after":"7-2","limit":250}'
HEADER = {"v": 1, "id": "q1", "device_id": "a", "count": 0, "oldest": None, "newest": None}


def refusal_of(frames: list[bytes]) -> BadMessage:
    with pytest.raises(BadMessage) as caught:
        decode_message(frames)
    return caught.value


def reading_bytes(seq: int, device_id: str = "a") -> bytes:
    return encode_reading(Reading(device_id, 7, seq, 1_000, 1.0))


# --- readings and statuses ---------------------------------------------------------------------


def test_reading_bytes() -> None:
    assert reading_topic("a") == b"ebike/reading/a/"
    assert encode_reading(READING) == READING_BYTES
    assert decode_message([b"ebike/reading/a/", READING_BYTES]) == (READING, (), ())


def test_status_bytes() -> None:
    assert status_topic("a") == b"ebike/status/a/"
    assert encode_status(STATUS) == STATUS_BYTES
    assert decode_message([b"ebike/status/a/", STATUS_BYTES]) == STATUS


def test_status_without_model() -> None:
    assert b"model" not in encode_status(Status("a", 7, 3, 1_000, "stopping", 0))


@pytest.mark.parametrize("frames", [[], [b"ebike/reading/a/"], [b"ebike/reading/a/", b"{}", b""]])
def test_other_than_two_frames_are_refused(frames: list[bytes]) -> None:
    assert refusal_of(frames).reason == "bad_frames"


@pytest.mark.parametrize(
    "topic",
    [
        *(b"", b"ebike/reading/", b"ebike/reading//", b"ebike/reading/a", b"ebike/reading/a/b/"),
        *(b"ebike/readings/a/", b"EBIKE/reading/a/", b"ebike/status/", b"ebike/reading/\xff/"),
        *(b" ebike/reading/a/", b"ebike/reading/a/\n", b"ebike/reading/" + b"x" * 65 + b"/"),
    ],
)
def test_another_topic_is_refused(topic: bytes) -> None:
    assert refusal_of([topic, READING_BYTES]).reason == "bad_topic"


@pytest.mark.parametrize(
    "payload",
    [
        *(b"", b"nonsense", b"[]", b"1", b"null", b'"text"', b"{", b"\xff\xfe", b"{}{}"),
        *(b'{"v":1,"v":1}', b'{"v":NaN}', b'{"v":Infinity}', b'{"extra":{"a":1,"a":2}}'),
        *(b"[" * 1_024 + b"]" * 1_024, b'{"v":' + b"9" * 2_000 + b"e}"),
    ],
)
def test_not_one_json_object(payload: bytes) -> None:
    assert refusal_of([b"ebike/reading/a/", payload]).reason == "bad_json"


@pytest.mark.parametrize(
    ("topic", "limit"),
    [(b"ebike/reading/a/", READING_BYTES_MAX), (b"ebike/status/a/", STATUS_BYTES_MAX)],
)
def test_message_size_limit(topic: bytes, limit: int) -> None:
    payload = READING_BYTES if b"reading" in topic else STATUS_BYTES
    assert decode_message([topic, payload.ljust(limit)])
    assert refusal_of([topic, payload.ljust(limit + 1)]).reason == "too_large"


@given(st.lists(st.binary(max_size=300), max_size=4))
def test_any_bytes_are_read_or_refused(frames: list[bytes]) -> None:
    for message in (frames, [b"ebike/reading/a/", *frames], [b"ebike/status/a/", *frames]):
        with pytest.raises(BadMessage):
            decode_message(message)


# --- replay ------------------------------------------------------------------------------------


def test_request_bytes() -> None:
    assert encode_request(REQUEST) == REQUEST_BYTES
    assert decode_request(REQUEST_BYTES) == REQUEST
    from_the_oldest = ReplayRequest("q1", "a", None, 1)
    assert decode_request(encode_request(from_the_oldest)) == from_the_oldest


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"v": 2}, "unsupported_version", "v must be 1"),
        ({"op": "serve"}, "bad_request", "op must be"),
        ({"id": 1}, "bad_request", "id must be"),
        ({"id": "x" * 65}, "bad_request", "id must be"),
        ({"id": "\ud800"}, "bad_request", "id must be"),
        ({"device_id": "a/b"}, "bad_request", "device_id"),
        ({"after": "yesterday"}, "bad_request", "after must be"),
        ({"after": 7}, "bad_request", "after must be"),
        ({"limit": 0}, "bad_request", "limit must be 1 to 1000"),
        ({"limit": REPLAY_LIMIT_MAX + 1}, "bad_request", "limit must be 1 to 1000"),
        ({"limit": True}, "bad_request", "limit must be 1 to 1000"),
        ({"limit": None}, "bad_request", "limit must be 1 to 1000"),
    ],
)
def test_wrong_request_gives_code(changes: dict[str, object], reason: str, words: str) -> None:
    question = json.dumps({**json.loads(REQUEST_BYTES), **changes}).encode()
    with pytest.raises(BadMessage, match=words) as caught:
        decode_request(question)
    assert caught.value.reason == reason


@pytest.mark.parametrize("payload", [b"", b"[]", b"\xff", b"{}".ljust(REQUEST_BYTES_MAX + 1)])
def test_unreadable_request_is_bad_request(payload: bytes) -> None:
    with pytest.raises(BadMessage) as caught:
        decode_request(payload)
    assert caught.value.reason == "bad_request"


def test_answer_bytes() -> None:
    payloads = [reading_bytes(3), reading_bytes(5)]
    frames = encode_answer(REQUEST, payloads, Cursor(7, 1), Cursor(7, 9))
    header = b'{"v":1,"id":"q1","device_id":"a","count":2,"oldest":"7-1","newest":"7-9"}'
    assert frames == [header, *payloads]
    answer = decode_answer(frames)
    assert isinstance(answer, ReplayAnswer)
    assert (answer.id, answer.device_id) == ("q1", "a")
    assert (answer.oldest, answer.newest) == (Cursor(7, 1), Cursor(7, 9))
    assert [reading.seq for reading in answer.readings] == [3, 5]


def test_invalid_readings_in_answer_are_counted() -> None:
    too_fast = reading_bytes(6).replace(b'"speed_kmh":1.0', b'"speed_kmh":999')
    payloads = [reading_bytes(3), b"nonsense", reading_bytes(5), too_fast]
    answer = decode_answer(encode_answer(REQUEST, payloads, None, None))
    assert isinstance(answer, ReplayAnswer)
    assert [reading.seq for reading in answer.readings] == [3, 5]
    assert (answer.count, answer.reached) == (4, Cursor(7, 6))


@pytest.mark.parametrize(
    "payloads",
    [
        pytest.param([reading_bytes(5), reading_bytes(4)], id="backwards"),
        pytest.param([reading_bytes(5), reading_bytes(5)], id="twice"),
        pytest.param([reading_bytes(4), reading_bytes(5, "b")], id="another device's"),
    ],
)
def test_descending_or_foreign_answer(
    payloads: list[bytes],
) -> None:
    with pytest.raises(BadMessage) as caught:
        decode_answer(encode_answer(REQUEST, payloads, None, None))
    assert caught.value.reason == "bad_answer"


@pytest.mark.parametrize(
    "changes",
    [
        *({"v": 2}, {"id": 1}, {"id": "x" * 65}, {"device_id": None}, {"count": 1}, {"count": -1}),
        *({"oldest": "x"}, {"newest": 7}),
    ],
)
def test_wrong_answer_header(changes: dict[str, object]) -> None:
    with pytest.raises(BadMessage) as caught:
        decode_answer([json.dumps({**HEADER, **changes}).encode()])
    assert caught.value.reason == "bad_answer"


@pytest.mark.parametrize("frames", [[], [b""] * (REPLAY_LIMIT_MAX + 2)])
def test_answer_frame_count(frames: list[bytes]) -> None:
    with pytest.raises(BadMessage) as caught:
        decode_answer(frames)
    assert caught.value.reason == "bad_answer"


def test_refusal_bytes() -> None:
    frames = encode_refusal("q1", "a", "busy", "ask again")
    error = b'{"code":"busy","message":"ask again"}'
    assert frames == [b'{"v":1,"id":"q1","device_id":"a","error":' + error + b"}"]
    assert decode_answer(frames) == ReplayRefusal("q1", "a", "busy", "ask again")


@given(st.lists(st.binary(max_size=200), max_size=4))
def test_any_bytes_as_answer_or_request(frames: list[bytes]) -> None:
    with pytest.raises(BadMessage):
        decode_answer(frames)
    with pytest.raises(BadMessage):
        decode_request(b"".join(frames))


# --- devices that connect out ------------------------------------------------------------------


def test_serve_bytes() -> None:
    payload = encode_serve(["a", "b"])
    assert payload == b'{"v":1,"op":"serve","devices":["a","b"]}'
    assert decode_serve(payload) == Serve(("a", "b"))
    assert decode_serve(REQUEST_BYTES) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"v": 2}, "bad_serve"),
        ({"devices": "a"}, "bad_serve"),
        ({"devices": ["a", "a/b"]}, "bad_serve"),
        ({"devices": [1]}, "bad_serve"),
        ({"note": "x" * SERVE_BYTES_MAX}, "too_large"),
    ],
)
def test_a_wrong_offer_is_refused(changes: dict[str, object], reason: str) -> None:
    offer = json.dumps({"v": 1, "op": "serve", "devices": ["a"], **changes}).encode()
    with pytest.raises(BadMessage) as caught:
        decode_serve(offer)
    assert caught.value.reason == reason


@pytest.mark.parametrize("version", ["true", "1.0", '"1"', "null"])
def test_replay_version_is_integer_1(version: str) -> None:
    v = f'"v":{version}'.encode()
    request = encode_request(ReplayRequest("q", "a", None, 1)).replace(b'"v":1', v)
    [header] = encode_answer(ReplayRequest("q", "a", None, 1), [], None, None)
    with pytest.raises(BadMessage):
        decode_request(request)
    with pytest.raises(BadMessage):
        decode_answer([header.replace(b'"v":1', v)])
    with pytest.raises(BadMessage):
        decode_serve(encode_serve(["a"]).replace(b'"v":1', v))


def test_an_answer_is_read_in_pieces() -> None:
    invalid = [b'{"v":1,"device_id":"a","epoch":1,"seq":%d}' % seq for seq in range(1, 1_001)]
    header = decode_answer_header(encode_answer(REQUEST, invalid, None, None))
    assert isinstance(header, ReplayAnswer)
    pauses = [0]
    reached = decode_readings(header, invalid, pause=lambda: pauses.append(0)).reached
    assert reached == Cursor(1, 1_000)
    assert len(invalid) / len(pauses) <= READ_AT_ONCE
