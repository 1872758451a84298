"""Frames of VESC and Bafang controllers, and sentences of GPS receivers."""

from collections import Counter

import pytest

from device.sample import Sample
from device.sources.decoders import bafang, nmea, vesc
from device.sources.nmea import parser

DRIVE = vesc.Drive(2.0, 10, 2.0)
"""600 electrical rpm are 30 turns of the wheel in a minute: 3.6 km/h."""


def answer(rpm: int, length: int = 73) -> bytes:
    numbers = vesc.VALUES.pack(4, 305, -1000, 0, 250, 0, 0, 0, rpm, 400, 0)
    return vesc.frame(numbers.ljust(length, b"\0"))


def take_vesc(data: bytes) -> tuple[list[Sample], Counter[str]]:
    decoder = vesc.VescDecoder(DRIVE)
    decoder.take(data, 0.0)
    return list(decoder.samples), +decoder.faults


def test_vesc_request() -> None:
    assert vesc.VescDecoder(DRIVE).request(0.0) == bytes.fromhex("02 01 04 40 84 03")


def test_vesc_values() -> None:
    samples, faults = take_vesc(answer(600))
    # the sensor of the motor reads -100 degrees: it is missing
    extra = {"battery_v": 40.0, "controller_c": 30.5}
    assert samples == [Sample(None, 3.6, {"motor_power_w": 100.0, "extra": extra})]
    assert faults == {}


@pytest.mark.parametrize(
    ("data", "speeds", "fault"),
    [
        (answer(-600), [], vesc.BACKWARDS),
        (answer(-20), [0.0], None),
        (answer(40_000), [], vesc.TOO_FAST),
        (answer(600, 58), [], vesc.OTHER_FRAME),
        (vesc.frame(b"\x00\x06\x02"), [], vesc.OTHER_FRAME),
        (answer(600, 300), [3.6], None),  # a long frame
        (b"\x02\xff" + answer(600), [3.6], vesc.NOISE),  # seems to begin a frame of 255 bytes
        (b"\x03\x01" + answer(600), [3.6], vesc.NOISE),
        (answer(600)[7:] + answer(600), [3.6], vesc.NOISE),
        (answer(600)[:-1] + b"\x04" + answer(600), [3.6], vesc.NOISE),
        (answer(600)[:-2] + b"\x00\x03" + answer(600), [3.6], vesc.WRONG_CHECKSUM),
        (answer(600) * 3, [3.6] * 3, None),
    ],
)
def test_vesc_frames(data: bytes, speeds: list[float], fault: str | None) -> None:
    samples, faults = take_vesc(data)
    assert [sample.speed_kmh for sample in samples] == speeds
    assert fault in faults if fault else not faults


def test_vesc_buffer_is_bounded() -> None:
    decoder = vesc.VescDecoder(DRIVE)
    for _ in range(100):
        decoder.take(b"\x02\xff" * 250, 0.0)
        assert len(decoder._buffer) <= vesc.BUFFER_MAX
    decoder.take(b"\0" * 600 + answer(600), 0.0)
    assert [sample.speed_kmh for sample in decoder.samples] == [3.6]


def ask_bafang(decoder: bafang.BafangDecoder, speeds: list[bytes], charge: bytes = b"") -> None:
    """Answer requests until all answers to the question for the speed are given."""
    for step in range(len(speeds) + len(speeds) // 9 + 2):
        question = decoder.request(step * 0.25)
        if question == bafang.Question.SPEED.request and speeds:
            decoder.take(speeds.pop(0), step * 0.25)
        elif question == bafang.Question.CHARGE.request:
            decoder.take(charge, step * 0.25)


@pytest.mark.parametrize(
    ("answers", "used", "fault"),
    [
        (["00 b4 d4", "00 b4 d4"], 1, None),  # the sum and the byte 20 of the request
        (["00 b4 b4", "00 b4 b4"], 1, None),  # the sum alone
        (["00 b4 d4"], 0, None),
        (["00 b4 d4", "00 b4 b4", "00 b4 d4"], 0, None),  # the kind of the checksum changes
        (["00 94 b4", "00 b4 b4", "00 94 b4"], 0, None),  # a wrong bit that seems to change it
        (["00 b4 d4", "00 b4 d5", "00 b4 d4"], 0, bafang.WRONG_CHECKSUM),
        (["00 b4 d4", "00 00 b4 d4"], 0, bafang.WRONG_LENGTH),
        (["00 b4 d4", "00 b4"], 0, bafang.WRONG_LENGTH),
        (["ff ff 1e", "ff ff 1e"], 0, bafang.OUT_OF_RANGE),
        (["00 00 20", "00 00 20"], 1, None),
    ],
)
def test_bafang_speed(answers: list[str], used: int, fault: str | None) -> None:
    decoder = bafang.BafangDecoder(2.314)
    ask_bafang(decoder, [bytes.fromhex(one) for one in answers])
    assert len(decoder.samples) == used
    assert {sample.speed_kmh for sample in decoder.samples} <= {24.99, 0.0}
    assert fault in decoder.faults if fault else not +decoder.faults


def test_bafang_charge_is_used_once() -> None:
    decoder = bafang.BafangDecoder(2.0)
    ask_bafang(decoder, [bafang.encode_speed(2.0, 12.0)] * 20, bafang.encode_charge(80))
    charges = [dict(sample.values) for sample in decoder.samples]
    assert charges.count({"battery_pct": 80}) == len(charges) - charges.count({})
    assert 1 <= charges.count({"battery_pct": 80}) <= 2


def test_bafang_window_is_bounded() -> None:
    decoder = bafang.BafangDecoder(2.0)
    decoder.request(0.0)
    for _ in range(100):
        decoder.take(b"\0" * 500, 0.0)
        assert len(decoder._window) <= bafang.WINDOW_BYTES_MAX
    decoder.request(1.0)
    assert not decoder.samples


HERE = (-33.5, 151.25)
RMC = nmea.encode_rmc("120000.00", "010626", 18.52, HERE)
VTG = nmea.encode_vtg(20.0)
GGA = nmea.encode_gga("120000.00", 41.5, HERE)
POSITION = {"latitude_deg": -33.5, "longitude_deg": 151.25}


def sentence(text: str) -> bytes:
    return nmea._sentence(text)


def take_nmea(*pieces: bytes, spacing_s: float = 0.1) -> tuple[list[Sample], Counter[str]]:
    decoder = nmea.NmeaDecoder(parser())
    for number, piece in enumerate(pieces):
        decoder.take(piece, number * spacing_s)
    return list(decoder.samples), +decoder.faults


@pytest.mark.parametrize(
    ("pieces", "sample"),
    [
        ([RMC], Sample(None, 18.52, POSITION)),
        ([GGA, RMC, VTG], Sample(None, 18.52, {**POSITION, "altitude_m": 41.5})),
        ([VTG], Sample(None, 20.0)),
        ([sentence("GPRMC,120000,A,,,,,10.0,,010626,,")], Sample(None, 18.52)),
        ([RMC[20:] + RMC], Sample(None, 18.52, POSITION)),
        ([RMC[:20] + RMC], Sample(None, 18.52, POSITION)),
        ([b"\xff\0$\n" * 500, RMC], Sample(None, 18.52, POSITION)),
        ([b"$" * 5_000, b"\n", RMC], Sample(None, 18.52, POSITION)),
    ],
)
def test_nmea_sentences(pieces: list[bytes], sample: Sample) -> None:
    assert take_nmea(*pieces)[0] == [sample]


@pytest.mark.parametrize(
    ("piece", "fault"),
    [
        (nmea.encode_no_fix("120000.00", "010626"), nmea.NO_FIX),
        (sentence("GNRMC,120000,A,3330,S,15115,E,10.0,,010626,,,E"), nmea.NO_FIX),
        (sentence("GNRMC,120000,A,3330,S,15115,E,,,010626,,,A"), nmea.NO_FIX),
        (sentence("GNRMC,120000,A,3330,S,15115,E,fast,,010626,,,A"), nmea.REFUSED),
        (sentence("GNRMC,120000,A,3330,S,15115,E,nan,,010626,,,A"), nmea.OUT_OF_RANGE),
        (sentence("GNRMC,120000,A,3330,S,15115,E,200.0,,010626,,,A"), nmea.OUT_OF_RANGE),
        (sentence("GNVTG,,T,,M,5.0,N,9.3,K,N"), nmea.NO_FIX),
        (RMC.replace(b"*", b"*0"), nmea.REFUSED),
        (RMC.replace(b"10.000", b"11.000"), nmea.REFUSED),
        (RMC.replace(b"10.000", b"10.0\x0000"), nmea.REFUSED),
        (b"hello\r\n", nmea.NOISE),
        (b"$PGRMC,A,41,*00\r\n$GPGSV,1\r\n", None),
    ],
)
def test_nmea_refused(piece: bytes, fault: str | None) -> None:
    samples, faults = take_nmea(piece)
    assert samples == []
    assert faults == ({fault: 1} if fault else {})


def test_nmea_repeated_sentence() -> None:
    samples, faults = take_nmea(RMC, RMC)
    assert (len(samples), faults) == (1, {nmea.REPEATED: 1})


def test_nmea_old_altitude_is_dropped() -> None:
    samples, _ = take_nmea(GGA, RMC, spacing_s=2.0)
    assert samples == [Sample(None, 18.52, POSITION)]


def test_nmea_estimated_altitude_is_left_out() -> None:
    estimated = sentence("GNGGA,120000,3330,S,15115,E,6,09,0.9,41.5,M,47.0,M,,")
    assert take_nmea(estimated, RMC)[0] == [Sample(None, 18.52, POSITION)]


def test_nmea_speed_of_vtg_while_rmc_has_no_fix() -> None:
    void = nmea.encode_no_fix("120000.00", "010626")
    assert take_nmea(void, VTG)[0] == []


@pytest.mark.parametrize("good", [RMC, VTG, answer(600)])
def test_no_wrong_bit_and_no_cut_changes_a_value(good: bytes) -> None:
    def take(data: bytes) -> tuple[list[Sample], Counter[str]]:
        return take_nmea(data) if good.startswith(b"$") else take_vesc(data)

    whole, _ = take(good)
    for place in range(8 * len(good)):
        spoilt = bytearray(good)
        spoilt[place // 8] ^= 1 << place % 8
        samples, faults = take(bytes(spoilt) + b"\n")
        assert samples in ([], whole)
        assert nmea.NO_FIX not in faults
    for length in range(1, len(good)):
        assert take(good[:length] + b"\n")[0] in ([], whole)
        assert take(good[:length] + good)[0] == whole


def test_bafang_no_wrong_bit_changes_a_value() -> None:
    for turns in (0, 1, 90, 180, 250, 300):
        good = bafang.encode_speed(2.0, 0.12 * turns)
        for place in range(8 * len(good)):
            spoilt = bytearray(good)
            spoilt[place // 8] ^= 1 << place % 8
            decoder = bafang.BafangDecoder(2.0)
            ask_bafang(decoder, [good, good, bytes(spoilt), good, good])
            speeds = {sample.speed_kmh for sample in decoder.samples}
            assert speeds == {round(0.12 * turns, 2)}
