"""The pure parts of scripts/bench: what is published, expected, counted and concluded."""

import struct
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from scripts.benchmarks import __main__ as bench
from scripts.benchmarks.plot import OWN, draw_bars
from scripts.benchmarks.publisher import Publisher, device_names, reading_text, status_text
from scripts.benchmarks.servers import SERVERS
from scripts.benchmarks.sinks import as_mqtt, as_packet, as_post, mqtt_length
from scripts.benchmarks.summary import (
    DEMANDS,
    Demand,
    Medians,
    judge,
    median_interval,
    medians,
    table,
    verdict_table,
    workload_table,
)
from scripts.benchmarks.workloads import WORKLOADS, expected_deliveries, plan_text, watched
from shared.reading import Status
from shared.wire import decode_message, decode_reading, encode_reading

AT_MOST = Demand("a / b", "steady", "cpu_us", must=1.4, aim=1.2, over=("steady", "loop"))
TITLES = {name: server.title for name, server in SERVERS.items()}


class Collected:
    """A sink that keeps what it is sent."""

    def __init__(self) -> None:
        self.readings: list[tuple[str, bytes]] = []

    def wait_for_subscriber(self) -> None:
        """Nobody has to come."""

    def send(self, device_id: str, payload: bytes) -> None:
        self.readings.append((device_id, payload))


def found(spoke: float, loop: float) -> Medians:
    return {("steady", "spoke"): {"cpu_us": spoke}, ("steady", "loop"): {"cpu_us": loop}}


# --- what is published -------------------------------------------------------------------


def test_published_reading_is_canonical() -> None:
    payload = reading_text("ebike-001", 1732300000000, 17, 123456789)

    checked = decode_reading(payload, "ebike-001")

    assert (checked.dropped, checked.unknown) == ((), ())
    assert encode_reading(checked.reading) == payload


def test_reading_ends_with_send_time() -> None:
    assert reading_text("ebike-001", 1, 1, 987654321).endswith(b'"sent_us":987654321}}')


def test_a_status_of_the_publisher_is_valid() -> None:
    frames = (b"ebike/status/ebike-001/", status_text("ebike-001", 5, 7))

    status = decode_message(frames)

    assert isinstance(status, Status)
    assert (status.epoch, status.last_seq) == (5, 7)


def test_devices_publish_in_turn() -> None:
    sink = Collected()
    publisher = Publisher(sink, device_names(2))

    publisher.prime()
    publisher.prime()

    readings = [decode_reading(payload, name).reading for name, payload in sink.readings]
    assert [(r.device_id, r.seq) for r in readings] == [
        ("ebike-001", 1),
        ("ebike-002", 1),
        ("ebike-001", 2),
        ("ebike-002", 2),
    ]


def test_send_times_are_unique() -> None:
    sink = Collected()

    Publisher(sink, device_names(200)).prime()

    times = [payload.rpartition(b":")[2] for _, payload in sink.readings]
    assert len(set(times)) == 200


@pytest.mark.parametrize(
    ("size", "written"),
    [
        (0, b"\x00"),
        (127, b"\x7f"),
        (128, b"\x80\x01"),
        (16_383, b"\xff\x7f"),
        (16_384, b"\x80\x80\x01"),
    ],
)
def test_lengths_are_written_as_mqtt_does(size: int, written: bytes) -> None:
    assert mqtt_length(size) == written


def test_sinks_send_same_reading() -> None:
    assert as_mqtt("b", b"{}") == b"\x30\x14\x00\x10ebike/reading/b/{}"
    assert as_post("b", b"{}").startswith(b"POST /pub/b HTTP/1.1\r\n")
    assert as_post("b", b"{}").endswith(b"Content-Length: 2\r\n\r\n{}")
    assert as_packet("b", b"{}") == struct.pack("!I", 21) + b'42["speed_change",{}]'


# --- what is expected --------------------------------------------------------------------


def test_expected_deliveries_of_watched_devices() -> None:
    plan = [["ebike-001", "ebike-002"], ["ebike-003"]]

    assert expected_deliveries(plan, published=6, devices=3) == 6
    assert expected_deliveries(plan, published=7, devices=3) == 7
    assert expected_deliveries(plan, published=8, devices=3) == 8
    assert expected_deliveries(plan, published=9, devices=3) == 9


def test_drawn_devices_are_reproducible() -> None:
    workload = next(w for w in WORKLOADS if w.name == "random")

    plan = watched(workload)

    assert plan == watched(workload)
    assert {len(set(devices)) for devices in plan} == {5}
    assert plan[0] != plan[1]


@pytest.mark.parametrize(
    ("protocol", "line"),
    [
        ("socketio", '/socket.io/?EIO=4\t420["subscribe", {"devices": ["a", "b"]}]\n'),
        ("mqtt", "/\tebike/reading/a/ ebike/reading/b/\n"),
        ("plain", "/sub/a,b\t\n"),
    ],
)
def test_plan_line_per_protocol(protocol: str, line: str) -> None:
    assert plan_text([["a", "b"]], protocol) == line


def test_workloads_name_known_servers() -> None:
    for workload in WORKLOADS:
        assert set(workload.servers) <= set(SERVERS), workload.name
        assert set(workload.quick) <= set(workload.servers), workload.name


def test_demands_use_measured_figures() -> None:
    measured = {(w.name, server) for w in WORKLOADS for server in w.servers}

    for demand in DEMANDS:
        assert (demand.workload, "spoke") in measured, demand.text
        assert demand.over is None or demand.over in measured, demand.text


# --- what is concluded -------------------------------------------------------------------


def test_medians_over_rounds() -> None:
    rounds = {("w", "s"): [{"a": 1.0}, {"a": 9.0, "b": 4.0}, {"a": 2.0}], ("w", "t"): []}

    assert medians(rounds) == {("w", "s"): {"a": 2.0, "b": 4.0}}


def test_interval_of_nine_values() -> None:
    assert median_interval([9, 1, 8, 2, 7, 3, 6, 4, 5]) == (5, 2, 8)


def test_interval_of_six_values() -> None:
    assert median_interval([1, 2, 3, 4, 5, 6]) == (3.5, 1, 6)


def test_too_few_values_give_all_they_span() -> None:
    assert median_interval([3, 1, 2]) == (2, 1, 3)
    assert median_interval([4]) == (4, 4, 4)


@pytest.mark.parametrize(
    ("spoke", "words"), [(1.1, "aim reached"), (1.2, "aim reached"), (1.4, "met"), (1.5, "MISSED")]
)
def test_ratio_against_must_and_aim(spoke: float, words: str) -> None:
    verdict = judge(AT_MOST, found(spoke, 1.0))

    assert (verdict.value, verdict.words) == (spoke, words)


def test_lower_bound_is_missed() -> None:
    demand = Demand("deliveries", "steady", "cpu_us", must=1000, at_least=True)

    assert judge(demand, found(999, 1)).words == "MISSED"
    assert judge(demand, found(1000, 1)).words == "met"


def test_unmeasured_demand() -> None:
    assert judge(AT_MOST, {("steady", "spoke"): {"cpu_us": 1.0}}).words == "not measured"
    assert judge(AT_MOST, {}).value is None


def test_ratio_with_slow_server() -> None:
    figures = {
        ("steady", "spoke"): {"cpu_us": 1.0, "kept_up": 1.0},
        ("steady", "loop"): {"cpu_us": 1.0, "kept_up": 0.0},
    }

    assert judge(AT_MOST, figures).words == "aim reached, behind"


# --- how it is shown ---------------------------------------------------------------------


def test_table_column_widths() -> None:
    assert table(["a", "bb"], [["ccc", "d"]]).splitlines() == [
        "| a   | bb |",
        "|-----|----|",
        "| ccc | d  |",
    ]


def test_busy_load_client_note() -> None:
    figures = {"cpu_us": 1.0, "load_part": 0.97, "kept_up": 1.0}

    text = workload_table("steady", {("steady", "spoke"): figures}, TITLES)

    assert "With Spoke the load client used 97% of a core" in text


def test_slow_server_note() -> None:
    figures = {"cpu_us": 1.0, "load_part": 0.1, "kept_up": 0.0}

    text = workload_table("steady", {("steady", "node"): figures}, TITLES)

    assert "Node.js, socket.io fell behind" in text


def test_verdicts_show_the_bound_on_its_side() -> None:
    text = verdict_table([judge(AT_MOST, found(1.3, 1.0))])

    assert "| a / b    | 1.30  | ≤ 1.40 | 1.20 | met |" in text


def test_picture_highlights_spoke() -> None:
    picture = draw_bars("CPU <a delivery>", "µs", [("Node.js", 10.0), ("Spoke", 4.0)], "Spoke")

    drawn = ET.fromstring(picture)  # noqa: S314  # it was just made here
    _background, *bars = drawn.iter("{http://www.w3.org/2000/svg}rect")
    assert [bar.get("fill") == OWN for bar in bars] == [True, False]
    assert float(bars[0].get("width", 0)) == pytest.approx(
        float(bars[1].get("width", 0)) * 0.4, 0.01
    )


def test_results_replace_marked_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text(f"before\n{bench.BEGIN}\nold\n{bench.END}\nafter\n", "utf-8")
    monkeypatch.setattr(bench, "PAGE", page)
    monkeypatch.setattr(bench, "PICTURE", tmp_path / "bench.svg")

    bench.write_page("new\n", {("steady", "spoke"): {"cpu_us": 1.0, "kept_up": 1.0}})

    assert page.read_text("utf-8") == f"before\n{bench.BEGIN}\n\nnew\n\n{bench.END}\nafter\n"
    assert "Spoke" in (tmp_path / "bench.svg").read_text("utf-8")


def test_committed_page_has_marks() -> None:
    page = bench.PAGE.read_text("utf-8")

    assert page.count(bench.BEGIN) == page.count(bench.END) == 1
