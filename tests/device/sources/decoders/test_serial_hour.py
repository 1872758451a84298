"""An hour of a ride over a bad serial line: each value equals the truth, and none is invented."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from device.emulate.line_faults import LineFaults
from device.emulate.serial_poses import BafangPose, NmeaPose, Pose, VescPose
from device.sample import Sample
from device.sources.decoders import bafang, nmea, vesc
from device.sources.nmea import parser
from device.sources.serial_port import Decoder
from device.sources.simulator import simulate

HOUR_S = 3600
WHEEL_M = 2.135
DRIVE = vesc.Drive(WHEEL_M, 23, 1.0)
BAD_LINE = LineFaults(noise=0.02, truncated=0.02, wrong_bit=0.02)
UNPLUGGED_S, SILENT_S, WITHOUT_FIX_S = (1000, 1010), (2000, 2005), (500.0, 530.0)
RESOLUTION = {
    "vesc": {"speed_kmh": 0.01, "motor_power_w": 1.0, "battery_v": 0.06},
    "bafang": {"speed_kmh": 0.07, "battery_pct": 0.51},
    "nmea": {"speed_kmh": 0.01, "altitude_m": 0.06, "latitude_deg": 1e-6, "longitude_deg": 1e-6},
}
SENT_BEFORE = ("battery_pct", "altitude_m")
"""Values with a frame of their own: a reading may have the last one before it."""


@dataclass
class Hour:
    """What was sent and what was measured, by the number of the step."""

    sent: dict[int, dict[str, Any]] = field(default_factory=dict)
    intact: dict[int, set[str]] = field(default_factory=dict)
    samples: dict[int, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    faults: set[str] = field(default_factory=set)


@cache
def ride(kind: str) -> Hour:
    """Let a pose and a decoder speak over the bad line for an hour."""
    hour, random = Hour(), Random(5)
    decoder, pose = decoders()[kind]
    step_s = decoder.interval_s or pose.interval_s
    moments = zip(range(int(HOUR_S / step_s)), simulate("5/0", step_s), strict=False)
    for step, moment in moments:
        at_s = step * step_s
        request = decoder.request(at_s)
        hour.samples[step - 1] += taken(decoder)  # a decoder may judge the last answer only now
        spoken = [*pose.answer(request, moment), *(pose.speak(at_s, moment) if not request else [])]
        hour.sent[step] = {key: value for one in spoken for key, value in one.values.items()}
        hour.intact[step] = set()
        if UNPLUGGED_S[0] <= at_s < UNPLUGGED_S[1]:
            decoder.reset()
            continue
        if SILENT_S[0] <= at_s < SILENT_S[1]:
            continue
        for frame, values in spoken:
            data, fault = BAD_LINE.spoil(frame, random)
            hour.intact[step] |= set(values) if fault is None else set()
            cut = random.randrange(len(data) + 1)
            decoder.take(data[:cut], at_s + 0.02)
            decoder.take(data[cut:], at_s + 0.03)
        hour.samples[step] += taken(decoder)
    hour.faults = {fault for fault, count in decoder.faults.items() if count}
    return hour


def taken(decoder: Decoder) -> list[Sample]:
    samples = list(decoder.samples)
    decoder.samples.clear()
    return samples


def flat(values: Mapping[str, Any]) -> dict[str, float]:
    """Return the values of a sample or of the truth, those in ``extra`` among them."""
    return {**{key: value for key, value in values.items() if key != "extra"}} | dict(
        values.get("extra", {})
    )


def decoders() -> dict[str, tuple[Decoder, Pose]]:
    return {
        "vesc": (vesc.VescDecoder(DRIVE), VescPose(DRIVE)),
        "bafang": (bafang.BafangDecoder(WHEEL_M), BafangPose(WHEEL_M)),
        "nmea": (nmea.NmeaDecoder(parser()), NmeaPose(no_fix_s=WITHOUT_FIX_S)),
    }


@pytest.mark.parametrize("kind", sorted(RESOLUTION))
def test_hour_on_a_bad_line(kind: str) -> None:
    hour = ride(kind)
    before: dict[str, float] = {}
    wrong: list[str] = []
    for step, sent in hour.sent.items():
        truth = flat(sent)
        for sample in hour.samples[step]:
            for key, value in flat({"speed_kmh": sample.speed_kmh, **sample.values}).items():
                told = [truth.get(key), before.get(key) if key in SENT_BEFORE else None]
                limit = RESOLUTION[kind].get(key, 0.06)
                if not any(one is not None and abs(value - one) <= limit for one in told):
                    wrong.append(f"{step}: {key} is {value}, not {told}")
        before |= truth
    assert wrong == []
    readings = sum(map(len, hour.samples.values()))
    assert readings > 0.75 * sum("speed_kmh" in sent for sent in hour.sent.values())
    assert all(len(samples) <= 1 for samples in hour.samples.values())
    assert hour.faults >= FAULTS[kind]


FAULTS = {
    "vesc": {vesc.NOISE, vesc.WRONG_CHECKSUM},
    "bafang": {bafang.WRONG_LENGTH, bafang.WRONG_CHECKSUM},
    "nmea": {nmea.NOISE, nmea.REFUSED, nmea.NO_FIX},
}


@pytest.mark.parametrize("kind", ["vesc", "nmea"])
def test_nothing_whole_is_lost(kind: str) -> None:
    hour = ride(kind)
    whole = [step for step in hour.sent if "speed_kmh" in hour.intact[step]]
    assert [step for step in whole if not hour.samples[step]] == []


def test_two_whole_answers_of_bafang_in_a_row_are_used() -> None:
    hour = ride("bafang")
    asked = [step for step, sent in hour.sent.items() if "speed_kmh" in sent]
    whole = [
        later for earlier, later in pairwise(asked) if hour.intact[earlier] and hour.intact[later]
    ]
    assert len(whole) > 0.8 * len(asked)
    assert [step for step in whole[:-1] if not hour.samples[step]] == []
