"""The check never says "right" of a publisher that the core of a gateway would not show whole."""

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.check.messages import MessageJudge, note_holes
from device.check.sequence import TURN_S
from gateway.devices.devices import Devices, Limits
from gateway.domain import Now
from shared.errors import BadMessage
from shared.wire import decode_message
from tests.device.publishers import EPOCH, NOW_MS, Frames, reading, status
from tests.gateway.notebook import Notebook

Say = Callable[[int], list[Frames]]
"""What a publisher says at its n-th tick, from 1 on; there are two ticks a second."""
TICKS, TICK_S = 40, 0.5


def right(n: int) -> list[Frames]:
    return [reading(n), status(n)]


def each(**changes: Any) -> Say:
    return lambda n: [reading(n, **changes), status(n)]


def restarting(n: int) -> list[Frames]:
    return right(n if n <= 20 else n - 20)


def two_with_one_id(n: int) -> list[Frames]:
    return [*right(n), reading(n, speed_kmh=33.0), status(n)]


def two_restarted(n: int) -> list[Frames]:
    return [reading(100)] if n == 1 else [reading(n), reading(n + 50), status(n)]


def two_epochs(n: int) -> list[Frames]:
    return [*right(n), reading(n, epoch=EPOCH + 9), status(n, epoch=EPOCH + 9)]


def rising_then(n: int, then: Frames) -> list[Frames]:
    return right(n) if n < 20 else [then, status(19)]


BROKEN: dict[str, tuple[Say, str]] = {
    "no version": (each(v=None), "unsupported_version"),
    "speed as text": (each(speed_kmh="20"), "invalid"),
    "speed under another key": (each(speed_kmh=None, speed=20), "invalid"),
    "time with a point": (each(ts_ms=NOW_MS + 0.5), "invalid"),
    "time in seconds": (each(ts_ms=NOW_MS // 1000), "ts_unit"),
    "epoch as text": (each(epoch=str(EPOCH)), "invalid"),
    "number with a point": (lambda n: [reading(float(n)), status(n)], "invalid"),
    "counts from zero": (lambda n: [reading(n - 1), status(n - 1)], "invalid"),
    "topic without its end": (
        lambda n: [reading(n, topic=b"ebike/reading/ebike-001"), status(n)],
        "bad_topic",
    ),
    "another id in the topic": (
        lambda n: [reading(n, topic=b"ebike/reading/bike/"), status(n)],
        "id_mismatch",
    ),
    "no JSON": (lambda n: [reading(n, payload=b"{'v': 1}"), status(n)], "bad_json"),
    "one frame": (lambda n: [[b"".join(reading(n))], status(n)], "bad_frames"),
    "too large": (lambda n: [reading(n, note="x" * 3_000), status(n)], "too_large"),
    "status of another state": (lambda n: [reading(n), status(n, state="on")], "invalid"),
    "same number for ever": (lambda n: [reading(1, speed_kmh=n), status(1)], "seq_repeated"),
    "each reading twice": (lambda n: [*right(n), reading(n)], "seq_repeated"),
    "counts down": (lambda n: [reading(100 - n), status(100 - n)], "seq_back"),
    "random numbers": (
        lambda n: [reading(Random(n).randrange(1, 10**6)), status(0)],
        "seq_back",
    ),
    "starts again in the same epoch": (restarting, "seq_back"),
    "starts again standing still": (
        lambda n: [reading(n if n <= 20 else n - 20, speed_kmh=0)],
        "seq_back",
    ),
    "two publishers of one id": (two_with_one_id, "seq_repeated"),
    "two that both restarted": (two_restarted, "conflict"),
    "two of one id with epochs": (two_epochs, "epoch_back"),
    "jumps by two": (lambda n: [reading(2 * n), status(2 * n)], "seq_jump"),
    "an epoch for each reading": (
        lambda n: [reading(n, epoch=EPOCH + n), status(n, epoch=EPOCH + n)],
        "epoch_not_restarted",
    ),
    "an older epoch": (lambda n: rising_then(n, reading(n, epoch=EPOCH - 1)), "epoch_back"),
    "an epoch in microseconds": (each(epoch=EPOCH * 1_000), "epoch_future"),
    "a number a million ahead": (lambda n: rising_then(n, reading(n + 10**7)), "far_seq"),
    "a status far ahead": (lambda n: [reading(n), status(n + 10_000)], "seq_jump"),
    "a status five seconds ahead": (
        lambda n: [status(n // 10 * 10 + 10), *([reading(n)] if n % 10 == 0 else [])],
        "last_seq_ahead",
    ),
    "a burst behind a hole": (
        lambda n: [*right(1), *map(reading, range(3, 1_500))] if n == 1 else [status(1_499)],
        "not_taken",
    ),
    "a status behind": (lambda n: [reading(n), status(n - 1)], "last_seq_behind"),
}
RIGHT: dict[str, Say] = {
    "a right one": right,
    "no clock": lambda n: [reading(n, ts_ms=0, epoch=7), status(n, ts_ms=0, epoch=7)],
    "the status says the next number": lambda n: [reading(n), status(n + 1)],
    "the status comes first": lambda n: right(1) if n == 1 else [status(n), reading(n)],
    "a status that is three ahead": lambda n: [reading(n), status(n + 3)],
    "statuses alone": lambda _n: [status(0)],
    "a new epoch": lambda n: right(n) if n <= 20 else [
        reading(n - 20, epoch=EPOCH + 5), status(n - 20, epoch=EPOCH + 5)
    ],
}  # fmt: skip


def ticking(say: Say) -> list[tuple[float, Frames]]:
    """Put down what a publisher says, and when."""
    return [(n * TICK_S, frames) for n in range(1, TICKS + 1) for frames in say(n)]


def judged(said: Sequence[tuple[float, Frames]]) -> MessageJudge:
    judge = MessageJudge()
    for at_s, frames in said:
        judge.receive(frames, Now(at_s, NOW_MS))
    judge.conclude(Now(said[-1][0] + TICK_S / 2, NOW_MS))
    for device_id, traffic in judge.devices.items():
        note_holes(judge.findings, device_id, list(traffic.sequence.holes))
    return judge


def shown_whole(said: Sequence[tuple[float, Frames]]) -> bool:
    """Tell whether a gateway without a replay takes every message, and announces no gap in it."""
    table = Devices(Limits(10, 6_000, 10**9, 5.0))
    table.audience = Notebook()
    time_s = 0.0
    for at_s, frames in said:
        while time_s < at_s:
            time_s = min(at_s, time_s + TURN_S)
            judge_timeouts(table, Now(time_s, NOW_MS))
        try:
            table.receive(decode_message(frames), Now(time_s, NOW_MS))
        except BadMessage as error:
            table.refuse(error, Now(time_s, NOW_MS))
    return set(table.counts) <= {"gap_epoch"}


def judge_timeouts(table: Devices, now: Now) -> None:
    table.tick(now, everyone=True)
    while table.questions:
        question = table.questions.pop()
        table.no_answer(question.device_id, question.purpose, now)


@pytest.mark.parametrize(("say", "code"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_publisher_is_wrong(say: Say, code: str) -> None:
    judge = judged(ticking(say))
    assert judge.findings.are_bad
    assert code in {finding.code for finding in judge.findings if finding.level == "wrong"}


@pytest.mark.parametrize("say", RIGHT.values(), ids=RIGHT.keys())
def test_publisher_that_gateway_accepts(say: Say) -> None:
    said = ticking(say)
    assert [one.message for one in judged(said).findings if one.level == "wrong"] == []
    assert shown_whole(said)


def test_status_before_its_reading() -> None:
    said = ticking(lambda n: [status(n), reading(n)])
    assert not judged(said).findings.are_bad


MESSAGES = st.builds(
    lambda make, number, epoch: make(number, epoch=EPOCH + epoch),
    st.sampled_from([reading, reading, status]),
    st.integers(1, 8),
    st.sampled_from([0, 0, 0, 1]),
)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.02, 0.3, 0.6, 1.2]), MESSAGES), max_size=12))
def test_messages_that_gateway_refuses(pauses: list[tuple[float, Frames]]) -> None:
    said, at_s = [(0.0, reading(1)), (0.0, status(1))], 0.0
    for pause_s, frames in pauses:
        at_s += pause_s
        said.append((at_s, frames))
    if not shown_whole(said):
        assert judged(said).findings.are_bad


def test_faults_beyond_limit_still_count() -> None:
    def unknown(n: int) -> list[Frames]:
        body = json.loads(reading(n)[1]) | {f"k{n}_{i}": 1 for i in range(20)}
        return [reading(n, payload=json.dumps(body).encode()), status(n)]

    judge = judged(ticking(lambda n: unknown(n) if n < TICKS else [reading(1), status(n)]))
    assert judge.findings.are_bad
