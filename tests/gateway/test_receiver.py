"""Messages from devices: taken in, refused, logged; questions and the past."""

from collections.abc import Iterator
from itertools import pairwise
from time import thread_time
from typing import Any

import gevent
import pytest
from loguru import logger

from gateway.domain import LOGGED_FAULTS
from gateway.hub import read_clocks
from gateway.receiver import EXPECTED, LINES_A_MINUTE, PRESENCE_A_MINUTE
from gateway.upstream.sockets import Incoming
from shared.cursor import Cursor
from shared.wire import (
    encode_answer,
    encode_refusal,
    encode_serve,
    reading_topic,
)
from tests.gateway.stage import BIKE, REPLAY, Stage
from tests.timing import scaled_s


@pytest.fixture
def lines() -> Iterator[list[str]]:
    written: list[str] = []
    sink = logger.add(written.append, format="{message} {extra}", level="WARNING")
    yield written
    logger.remove(sink)


@pytest.mark.parametrize(
    ("topic", "payload", "words"),
    [
        (
            reading_topic("a"),
            b'{"v":1,"speed":20}',
            ["id_mismatch", "'a'", '"speed":20', "must be"],
        ),
        (reading_topic("a"), b"speed=20", ["bad_json", "'a'", "speed=20"]),
        (b"ebike/reading/a", b'{"v":1}', ["bad_topic", "ebike/reading/a", "<device_id>/"]),
        (b"bike\n/7", b'{"v":1}', ["bad_topic", "bike", "<device_id>/"]),
    ],
)
def test_refused_message_log_line(
    stage: Stage, lines: list[str], topic: bytes, payload: bytes, words: list[str]
) -> None:
    for _ in range(3):
        stage.wire.waiting.append(Incoming("live", REPLAY, [topic, payload]))
    stage.turn()
    (line,) = lines
    assert line.startswith("message_refused")
    for word in words:
        assert word in line
    assert line.count("\n") == 1


def test_refused_message_lines_are_limited(stage: Stage, lines: list[str]) -> None:
    for number in range(3 * LINES_A_MINUTE):
        frames = [reading_topic(f"bike-{number}"), b"?"]
        stage.wire.waiting.append(Incoming("live", REPLAY, frames))
    stage.turn()
    assert len(lines) == LINES_A_MINUTE
    stage.wire.waiting.append(Incoming("live", REPLAY, [reading_topic("bike-150"), b"?"]))
    stage.turn(61)
    assert len(lines) == LINES_A_MINUTE + 1


def test_expected_for_every_fault() -> None:
    assert set(EXPECTED) == LOGGED_FAULTS


def test_seq_back_log_line(stage: Stage, lines: list[str]) -> None:
    stage.wire.publish(100)
    for seq in range(1, 10):
        stage.wire.publish(seq)
        stage.turn(0.5)
    (line,) = lines
    for word in ("device_fault", "seq_back", "1-8", "1-100", "number after the one before"):
        assert word in line


@pytest.fixture
def events() -> Iterator[list[str]]:
    written: list[str] = []
    sink = logger.add(written.append, format="{message} {extra}", level="INFO")
    yield written
    logger.remove(sink)


def said(events: list[str], start: str) -> list[str]:
    return [line for line in events if line.startswith(start)]


def test_devices_that_come_and_go_are_logged(stage: Stage, events: list[str]) -> None:
    stage.wire.publish(1)
    stage.turn()
    stage.pass_time(4)
    stage.wire.publish(2)
    stage.turn()
    stage.turn()
    came, went, again = said(events, "device_")
    assert "device_online" in came
    assert "never heard" in came
    assert "device_offline" in went
    assert "'silent_s': 3" in went
    assert "device_online" in again
    assert "1-2" in again


def test_flood_of_devices_is_logged_within_bounds(stage: Stage, events: list[str]) -> None:
    for number in range(3 * PRESENCE_A_MINUTE):
        stage.wire.publish(1, f"bike-{number}")
        stage.turn()
    assert len(said(events, "device_online")) == PRESENCE_A_MINUTE


def test_silent_replay_is_logged(stage: Stage, events: list[str]) -> None:
    stage.wire.publish(5)
    stage.turn()
    stage.pass_time(12)
    (line,) = said(events, "replay_")
    assert line.startswith("replay_silent")
    assert REPLAY.endpoint in line
    assert stage.hub.receiver.silent_replays == 1
    stage.wire.answer(stage.wire.asked[-1], [1, 2])
    stage.turn()
    assert said(events, "replay_")[1:][0].startswith("replay_answers_again")
    assert stage.hub.receiver.silent_replays == 0


def test_reading_starts_backfill(stage: Stage) -> None:
    stage.wire.publish(5)
    stage.turn()
    assert stage.is_online
    assert [(q.after, q.limit) for q in stage.wire.asked] == [(Cursor(1, 0), 4)]


def test_answer_leads_to_next_question(stage: Stage) -> None:
    stage.wire.publish(5)
    stage.turn()
    stage.wire.answer(stage.wire.asked[0], [1, 2])
    stage.turn(0.1)
    assert stage.wire.asked[1].after == Cursor(1, 2)
    device = stage.hub.devices.get("a")
    assert device is not None
    assert device.feed.oldest == Cursor(1, 1)


def test_refused_and_busy_replay(stage: Stage) -> None:
    stage.wire.publish(5)
    stage.turn()
    stage.wire.reply(encode_refusal(stage.wire.asked[0].id, "a", "busy", "later"))
    stage.turn()
    stage.pass_time(0.6)
    stage.wire.reply(encode_refusal(stage.wire.asked[1].id, "a", "unknown_device", "no"))
    stage.turn()
    stage.pass_time(1.1)
    assert [q.after for q in stage.wire.asked] == [Cursor(1, 0)] * 3


def test_offering_bike_asked_at_once(stage: Stage) -> None:
    stage.wire.publish(5)
    stage.turn()
    stage.pass_time(1.5)
    asked = len(stage.wire.asked)
    stage.wire.reply([encode_serve(["a"])], BIKE)
    stage.turn()
    assert len(stage.wire.asked) == asked + 2  # the bike, and the endpoint beside it


def test_bad_messages_are_counted(stage: Stage) -> None:
    for _ in range(3):
        stage.wire.waiting.append(Incoming("live", REPLAY, [b"ebike/reading/a/", b"{"]))
    stage.wire.publish(1)
    stage.turn()
    assert stage.hub.devices.counts["bad_json"] == 3
    assert stage.is_online


def ask_journal(stage: Stage, timeout_s: float) -> "gevent.Greenlet[..., Any]":
    reader = gevent.spawn(stage.hub.ask_journal, "a", Cursor(1, 3), 7, timeout_s)
    gevent.idle()  # until it waits
    return reader


def test_past_is_read_in_one_call(stage: Stage) -> None:
    reader = ask_journal(stage, scaled_s(10))
    [request] = stage.wire.asked
    assert (request.after, request.limit) == (Cursor(1, 3), 7)
    stage.wire.answer(request, [4, 5])
    stage.turn()
    assert [reading.seq for reading in reader.get(timeout=scaled_s(10)).readings] == [4, 5]
    stage.wire.answer(request, [4, 5])
    stage.turn()
    assert stage.hub.devices.counts["stray_answer"] == 1


def test_past_is_refused_by_device(stage: Stage) -> None:
    reader = ask_journal(stage, scaled_s(10))
    stage.wire.reply(encode_refusal(stage.wire.asked[0].id, "a", "busy", "later"))
    stage.turn()
    assert reader.get(timeout=scaled_s(10)).code == "busy"


def test_past_without_answer_in_time(stage: Stage) -> None:
    stage.wire.publish(5)
    stage.turn()
    stage.wire.answer(stage.wire.asked[0], [1, 2])
    stage.turn()
    assert ask_journal(stage, 0.01).get(timeout=scaled_s(10)) is None
    device = stage.hub.devices.get("a")
    assert device is not None
    assert device.feed.oldest is None


def test_past_with_nobody_to_ask(stage: Stage) -> None:
    stage.hub.receiver.subscriber = None
    assert stage.hub.ask_journal("a", None, 7, 60.0) is None


def test_hostile_answer_is_read_in_pieces(stage: Stage) -> None:
    stage.hub._clock = read_clocks
    stage.wire.publish(2_000)
    stage.turn()
    after = stage.wire.asked[-1].after or Cursor(1, 0)
    hostile = [HOSTILE % (after.seq + number, b"[]," * 200) for number in range(1, 1_001)]
    stage.wire.reply(encode_answer(stage.wire.asked[-1], hostile, Cursor(1, 1), Cursor(1, 2_000)))
    times_s: list[float] = []
    polled = gevent.get_hub().loop.check()
    polled.start(lambda: times_s.append(thread_time()))
    gevent.sleep(0.001)
    stage.turn()
    gevent.sleep(0.001)
    polled.close()
    pieces_s = [after - before for before, after in pairwise(times_s)]
    assert max(pieces_s) < sum(pieces_s) / 3


HOSTILE = b'{"v":1,"device_id":"a","epoch":1,"seq":%d,"x":[%s1]}'
"""A reading that takes long to parse and is not valid."""
