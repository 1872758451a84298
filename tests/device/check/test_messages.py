from collections.abc import Iterator, Sequence

import pytest

from device.check.findings import FINDINGS_MAX, Findings
from device.check.messages import HEARD_MAX, MessageJudge, note_holes
from gateway.domain import Now
from tests.device.publishers import EPOCH, NOW_MS, Frames, reading, status

LISTENED_S = 5


def right() -> Iterator[Frames]:
    """Say what a correct device says for five seconds at 2 Hz."""
    for second in range(LISTENED_S):
        yield reading(2 * second + 1)
        yield reading(2 * second + 2)
        yield status(2 * second + 2)


def judged(
    messages: Sequence[Frames], end_s: float = LISTENED_S, *, wall_ms: int = NOW_MS
) -> MessageJudge:
    """Hear messages spread evenly over ``end_s``."""
    judge = MessageJudge()
    for number, frames in enumerate(messages):
        judge.receive(frames, Now(end_s * number / len(messages), wall_ms))
    judge.conclude(Now(end_s, wall_ms))
    for device_id, traffic in judge.devices.items():
        note_holes(judge.findings, device_id, list(traffic.sequence.holes))
    return judge


def found(judge: MessageJudge) -> list[tuple[str, str]]:
    return [(finding.level, finding.code) for finding in judge.findings]


def message_of(judge: MessageJudge) -> str:
    (finding,) = judge.findings
    return finding.message


def test_a_correct_device_is_right() -> None:
    judge = judged([*right(), status(10, state="stopping")])
    assert found(judge) == []
    assert not judge.findings.are_bad
    assert judge.devices["ebike-001"].readings == 10


@pytest.mark.parametrize(
    ("frames", "code", "words"),
    [
        ([b"ebike/reading/ebike-001/"], "bad_frames", "two frames"),
        ([b"", *reading(11)], "bad_frames", "two frames"),
        (reading(11, topic=b"ebike/reading/ebike-001"), "bad_topic", "ebike/status/<device_id>/"),
        (reading(11, topic=b"bike/reading/ebike-001/"), "bad_topic", "ebike/reading/<device_id>/"),
        (reading(11, topic=b"ebike/reading/\xff/"), "bad_topic", "topics are"),
        (reading(11, topic=b"ebike/reading/" + b"x" * 65 + b"/"), "bad_topic", "topics are"),
        (reading(11, topic=b"ebike/reading/ebike-002/"), "id_mismatch", "same device"),
        (reading(11, v=2), "unsupported_version", "v must be 1"),
        (reading(11, v=None), "unsupported_version", "v must be 1"),
        (reading(11, payload=b"speed=20"), "bad_json", "not one JSON object"),
        (reading(11, payload=b'{"v":1,"v":1}'), "bad_json", "twice"),
        (reading(11, payload=b'{"v":1,"speed_kmh":NaN}'), "bad_json", "NaN"),
        (reading(11, payload=b"\xff\xfe"), "bad_json", "not one JSON object"),
        (reading(11, payload=b" " * 2049), "too_large", "2049 bytes, at most 2048"),
        (status(10, payload=b" " * 1025), "too_large", "1025 bytes, at most 1024"),
        (reading(11, epoch="now"), "invalid", "epoch must be an integer"),
        (reading(11, epoch=1.5), "invalid", "epoch must be an integer"),
        (reading(0), "invalid", "seq must be an integer from 1"),
        (reading("11"), "invalid", "seq must be an integer"),
        (reading(True), "invalid", "seq must be an integer"),
        (reading(11, ts_ms=-1), "invalid", "ts_ms must be"),
        (reading(11, speed_kmh=200.5), "invalid", "speed_kmh must be a number from 0 to 200"),
        (reading(11, speed_kmh="20"), "invalid", "speed_kmh must be"),
        (reading(11, speed_kmh=None), "invalid", "speed_kmh must be"),
        (status(10, state="offline"), "invalid", "state must be online or stopping"),
        (status(10, interval_ms=-1), "invalid", "interval_ms must be"),
        (status(None), "invalid", "last_seq must be"),
        (reading(11, power_w=4000), "bad_value", "power_w is 4000; it must be a number from -2000"),
        (reading(11, assist="warp"), "bad_value", "it must be one of off, eco"),
        (reading(11, extra={"Tyre": 1}), "bad_value", "extra.Tyre"),
        (status(10, model="x" * 65), "bad_value", "model must be 1 to 64"),
        (reading(1, epoch=NOW_MS * 1000), "epoch_future", "start's time in milliseconds"),
        (reading(11, ts_ms=NOW_MS // 1000), "ts_unit", "in seconds"),
        (reading(11, ts_ms=NOW_MS * 1000), "ts_unit", "in microseconds"),
        (reading(10), "seq_repeated", "seq 10 came twice"),
        (reading(10, speed_kmh=3.0), "seq_repeated", "seq 10 came twice"),
        (reading(15), "seq_jump", "seq 11 to 14 never came"),
        (reading(9, epoch=EPOCH - 5), "epoch_back", "an epoch must be greater"),
        (reading(11, epoch=EPOCH + 5), "epoch_not_restarted", "seq went on"),
        (status(7), "last_seq_behind", "last_seq is 7 after reading 10"),
        (status(10, epoch=EPOCH - 5), "epoch_back", "an epoch must be greater"),
    ],
)
def test_a_breach_is_found_and_named(frames: Frames, code: str, words: str) -> None:
    judge = judged([*right(), frames])
    assert found(judge) == [("wrong", code)]
    assert words in message_of(judge)


def test_bad_reading_makes_no_hole() -> None:
    judge = judged([*right(), reading(11, speed_kmh=-1), reading(12)])
    assert found(judge) == [("wrong", "invalid")]


def test_numbers_that_go_back_are_wrong() -> None:
    judge = judged([reading(5), reading(6), status(6), reading(4)])
    assert found(judge) == [("wrong", "seq_back")]


def test_repeated_seq_is_counted() -> None:
    judge = judged([frames for _ in range(5) for frames in (reading(1), status(1))])
    (finding,) = judge.findings
    assert (finding.code, finding.count) == ("seq_repeated", 4)


def test_restart_with_greater_epoch() -> None:
    restarted = [reading(1, epoch=EPOCH + 5), status(1, epoch=EPOCH + 5)]
    assert found(judged([*right(), status(10, state="stopping"), *restarted])) == []


def test_status_of_another_epoch() -> None:
    messages = [reading(1), status(1, epoch=EPOCH + 9), reading(2), status(2, epoch=EPOCH + 9)]
    judge = judged(messages, end_s=2)
    assert ("wrong", "epoch_back") in found(judge)


@pytest.mark.parametrize(
    ("frames", "words"),
    [(reading(11), "after the status that said stopping"), (status(10), "online again")],
)
def test_nothing_follows_stopping_in_the_same_epoch(frames: Frames, words: str) -> None:
    judge = judged([*right(), status(10, state="stopping"), frames])
    assert found(judge) == [("wrong", "after_stopping")]
    assert words in message_of(judge)


def test_stopping_may_be_said_again() -> None:
    assert found(judged([*right(), *[status(10, state="stopping")] * 3])) == []


def test_readings_without_statuses_are_wrong() -> None:
    judge = judged([reading(seq) for seq in range(1, 11)])
    assert found(judge) == [("wrong", "no_status")]
    assert "ebike/status/ebike-001/" in message_of(judge)


def test_statuses_that_come_too_rarely_are_wrong() -> None:
    judge = judged([reading(1), status(1), reading(2), status(2)], end_s=12)
    assert found(judge) == [("wrong", "status_pause")]
    assert "no status for 3.0 s" in message_of(judge)


def test_statuses_cease_without_stopping() -> None:
    online = [status(0), *(reading(seq) for seq in range(1, 11))]
    assert found(judged(online)) == [("wrong", "status_pause")]
    judge = judged([reading(1), status(1), status(1, state="stopping")], end_s=2)
    judge.conclude(Now(60.0, NOW_MS))
    assert found(judge) == []


def test_announced_readings_never_come() -> None:
    judge = judged([reading(1), status(5), status(5), status(5)])
    assert ("wrong", "seq_jump") in found(judge)


def test_reading_overtakes_status() -> None:
    assert found(judged([reading(1), status(2), reading(2), status(3), reading(3)])) == []


def test_advice_for_statuses_only() -> None:
    judge = judged([status(0)] * 5)
    assert found(judge) == [("advice", "no_reading")]
    assert not judge.findings.are_bad


@pytest.mark.parametrize(
    ("frames", "code", "words"),
    [
        (reading(11, power=120), "unknown_key", "did you mean power_w?"),
        (reading(11, tyre_bar=4.5), "unknown_key", '"extra": {"tyre_bar": ...}'),
        (status(10, speed_kmh=3), "unknown_status_key", "belongs in readings"),
        (reading(11, ts_ms=NOW_MS - 7_200_000), "ts_far", "7200 s away"),
    ],
)
def test_advice_for_allowed_oddities(frames: Frames, code: str, words: str) -> None:
    judge = judged([*right(), frames])
    assert found(judge) == [("advice", code)]
    assert words in message_of(judge)
    assert not judge.findings.are_bad


def test_a_device_without_a_clock_is_right() -> None:
    messages = [reading(1, epoch=3, ts_ms=0), status(1, epoch=3, ts_ms=0)]
    assert found(judged(messages, end_s=1)) == []


def test_advice_for_wrong_interval() -> None:
    readings = [reading(seq) for seq in range(1, 11)]
    wrong = [status(0, interval_ms=2000), *readings, status(10, interval_ms=2000)]
    assert found(judged(wrong, end_s=2)) == [("advice", "interval")]
    irregular = [status(0, interval_ms=0), *readings, status(10, interval_ms=0)]
    assert found(judged(irregular, end_s=2)) == []


def test_devices_are_judged_apart() -> None:
    other = [reading(7, device_id="ebike-002"), status(7, device_id="ebike-002")]
    judge = judged([*other, *right(), *other[:1]])
    assert {finding.device_id for finding in judge.findings} == {"ebike-002"}


def test_what_is_kept_is_bounded() -> None:
    findings = Findings()
    for number in range(2 * FINDINGS_MAX):
        findings.wrong(None, "code", "message", str(number))
    assert len(list(findings)) == FINDINGS_MAX
    judge = judged([reading(2 * seq) for seq in range(1, 2 * HEARD_MAX)], end_s=1)
    traffic = judge.devices["ebike-001"]
    assert len(traffic.recent) == len(traffic.sequence.holes) == HEARD_MAX


def test_faults_before_advice() -> None:
    judge = judged([*right(), reading(11, tyre_bar=1), [b"junk"]])
    assert found(judge) == [("wrong", "bad_frames"), ("advice", "unknown_key")]
