"""What a file is, told by its content."""

import bz2
import gzip
import io
import json
import lzma
import time
import zipfile

import pytest

from device.sources.decoders import fit_messages, xml_points
from device.sources.decoders import ride as decoders_ride
from device.sources.decoders.ride import read_ride
from shared.errors import SourceError
from tests.device.sources.recordings import clock, fit_bytes, gpx_text, tcx_text

GPX = gpx_text([(0, 0), (1, 5), (2, 10)]).encode()
TCX = tcx_text(
    f"<Time>{clock(t)}</Time><DistanceMeters>{5 * t}</DistanceMeters>" for t in range(3)
).encode()
FIT = fit_bytes((t, 5_000, 500 * t) for t in range(3))


def zipped(name: str, data: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(name, data)
    return target.getvalue()


def why_not(data: bytes) -> str:
    with pytest.raises(SourceError) as refusal:
        read_ride(data)
    said = str(refusal.value)
    assert "\n" not in said
    assert len(said) < 200
    return said


@pytest.mark.parametrize(("data", "form"), [(GPX, "GPX"), (TCX, "TCX"), (FIT, "FIT")])
def test_content_decides(data: bytes, form: str) -> None:
    for packed in (data, gzip.compress(data), gzip.compress(data) + bytes(99)):
        ride = read_ride(packed)
        assert (ride.form, len(ride.points), ride.damage) == (form, 3, ())


def test_gzip_in_two_streams() -> None:
    assert len(read_ride(gzip.compress(GPX[:300]) + gzip.compress(GPX[300:])).points) == 3


def test_gzip_without_its_end() -> None:
    noise = b"".join(b"<!-- %d -->" % (n * 7919 % 10007) for n in range(3000))
    packed = gzip.compress(GPX.replace(b"</trkseg>", noise + b"</trkseg>"))
    ride = read_ride(packed[: len(packed) // 2])
    assert len(ride.points) == 3
    assert ride.damage[0] == "the end of its gzip data is missing"


def test_gzip_with_a_wrong_checksum() -> None:
    packed = bytearray(gzip.compress(GPX))
    packed[-6] ^= 1
    ride = read_ride(bytes(packed))
    assert (len(ride.points), ride.damage) == (3, ("its gzip data is damaged",))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (zipped("ride.fit", FIT), "it is a ZIP archive; unpack it"),
        (bz2.compress(GPX), "it is a bzip2 file"),
        (lzma.compress(GPX), "it is an xz file"),
        (gzip.compress(gzip.compress(GPX)), "a gzip file in a gzip file"),
        (gzip.compress(b"\n \n"), "nothing in its gzip data"),
        (b"\x1f\x8b\x08", "nothing in its gzip data"),
        (b"\x89PNG\r\n\x1a\n....", "it is a PNG picture"),
        (b"\xff\xd8\xff\xe0", "it is a JPEG picture"),
        (b"%PDF-1.7", "it is a PDF document"),
        (b"SQLite format 3\0", "it is an SQLite database"),
        (json.dumps({"type": "FeatureCollection"}).encode(), "it is a JSON file"),
        (json.dumps([1]).encode("utf-16"), "it is a JSON file"),
        (b"\xef\xbb\xbftime,speed\n1,2\n", "it is a text file with columns (CSV)"),
        (b"$GPRMC,081836,A,3751.65,S\n", "it is a log of NMEA sentences"),
        (b"hello", "it is a text file"),
        (b"\x01\x02\x03", "it is of no kind that is known here"),
        (b"<!DOCTYPE html><html><title>Log in</title>", "it is a web page ('Log in')"),
        (b"<html><head><title>Login</title></head></html>", "it is a web page ('Login')"),
        (b"\n<HTML><body><br></body>", "it is a web page"),
        (b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>', "it is a web page"),
        (b'<kml xmlns="http://www.opengis.net/kml/2.2"><Document/></kml>', "it is a KML file"),
        (b"<svg/>", "it is an SVG picture"),
        (b"<gpx/>", "it has no track points"),
        (b"<gpx><trk><trkseg/></trk></gpx>", "it has no track points"),
        (b"<TrainingCenterDatabase/>", "it has no track points"),
        (b"<a:b xmlns:a='u'/>", "it is XML that begins with <b>"),
        (b"<gpx><trk><trkseg><trkpt lat='1' lon='2'>", "it breaks off in line 1"),
        (b"<gpx>\n<trk></gpx>", "damaged in line 2, column 8 (mismatched tag)"),
        (b"<>", "damaged in line 1"),
    ],
)
def test_no_ride(data: bytes, said: str) -> None:
    assert said in why_not(data)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'<!DOCTYPE gpx [<!ENTITY a "b">]><gpx>&a;</gpx>', "it defines entities of its own"),
        (b'<!DOCTYPE g [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]><g/>', "defines entities"),
        (b"<a>" * 200, "nested more than 100 deep"),
        (b"<gpx><!--" + b"-> " * 3_000_000, "a piece of its XML is longer than"),
        (b"<gpx a='" + b"> " * 3_000_000, "a piece of its XML is longer than"),
        (b"<gpx" + b" " * 6_000_000 + b"/>", "a piece of its XML is longer than"),
    ],
    ids=["entity", "parameter", "depth", "comment", "attribute", "tag"],
)
def test_hostile_xml(data: bytes, said: str) -> None:
    assert said in why_not(data)


def test_too_many_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_points, "ELEMENTS_MAX", 1000)
    assert "more than 1,000 elements" in why_not(b"<gpx>" + b"<a/>" * 1000)


def test_too_many_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_points, "POINTS_MAX", 2)
    assert "more than 2 points" in why_not(GPX)


def test_too_many_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_messages, "MESSAGES_MAX", 3)
    assert "more than 3 messages" in why_not(FIT)


def test_large_fit_file() -> None:
    assert "too large for a FIT file" in why_not(FIT + bytes(20_000_000))


def test_gzip_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders_ride, "UNPACKED_BYTES_MAX", 1_000_000)
    assert "over 1,000,000 bytes" in why_not(gzip.compress(bytes(1_000_001)))
    assert len(read_ride(gzip.compress(GPX + b" " * (1_000_000 - len(GPX)))).points) == 3


def test_many_empty_gzip_streams() -> None:
    before_s = time.process_time()
    assert "nothing in its gzip data" in why_not(gzip.compress(b"") * 50_000)
    assert time.process_time() - before_s < 1
