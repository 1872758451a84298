"""The table of devices: who is admitted, who gives way, and what becomes of each effect."""

import gc
import json
import weakref
from collections.abc import Callable

import pytest

from gateway.devices.devices import (
    FLEETING_S,
    LONG_GONE_S,
    Device,
    DeviceQuestion,
    Devices,
    Fault,
    Limits,
    status_body,
)
from gateway.domain import FaultReason, Now
from gateway.feed.backfill import SLOTS_MAX
from shared.cursor import START, Cursor
from shared.errors import BadMessage
from shared.reading import CheckedReading, Reading, Status
from shared.wire import ReplayAnswer
from tests.gateway.notebook import Notebook

WALL_MS = 1_700_000_000_000


def at(seconds: float) -> Now:
    return Now(seconds, WALL_MS)


def open_table(
    devices: int = 10,
    readings: int = 100,
    total_bytes: int = 1_000_000,
    ours: Callable[[str], bool] = lambda _: False,
) -> tuple[Devices, Notebook]:
    table, notebook = Devices(Limits(devices, readings, total_bytes, 5.0), ours), Notebook()
    table.audience = notebook
    return table, notebook


def say(
    table: Devices, device_id: str, seq: int, epoch: int = 1, seconds: float = 0.0, ts_ms: int = 5
) -> None:
    """Let a device publish a reading."""
    reading = Reading(device_id, epoch, seq, ts_ms, 20.0)
    table.receive(CheckedReading(reading, (), ()), at(seconds))


def device_of(table: Devices, device_id: str) -> Device:
    device = table.get(device_id)
    assert device is not None
    return device


# --- what comes in ----------------------------------------------------------------------------


def test_order_of_first_notices() -> None:
    table, notebook = open_table()
    say(table, "a", 7)
    assert notebook.told == ["appear a after 1-6", "status a", "append 1-7 as 1"]
    assert table.questions == [DeviceQuestion("a", "backfill", Cursor(1, 0), 6)]


def test_arrivals_are_numbered_over_all_devices() -> None:
    table, _ = open_table()
    for device_id, seq in (("a", 1), ("b", 1), ("a", 2)):
        say(table, device_id, seq)
    arrivals = [
        [d.ring.arrival_at(i) for i in range(d.ring.first_index, d.ring.end_index)] for d in table
    ]
    assert arrivals == [[2], [1, 3]]
    assert table.arrival == 3


def test_arrival_time_without_clock() -> None:
    table, _ = open_table()
    say(table, "a", 1, ts_ms=0)
    assert device_of(table, "a").ring.time_at(0) == WALL_MS


def test_duplicate_or_conflict() -> None:
    table, _ = open_table()
    say(table, "a", 1)
    say(table, "a", 2, ts_ms=0)
    say(table, "a", 2, ts_ms=0)
    say(table, "a", 1, ts_ms=6)
    faster = CheckedReading(Reading("a", 1, 1, 5, 21.0), (), ())
    table.receive(faster, at(0))
    # of 1-1 the time is the gateway's own, for all it knows
    assert (table.counts["duplicate"], table.counts["conflict"]) == (2, 1)


def test_keys_left_out_of_readings_are_counted() -> None:
    table, _ = open_table()
    table.receive(CheckedReading(Reading("a", 1, 1, 5, 20.0), ("power_w",), ("x", "y")), at(0))
    assert table.counts["dropped_keys"] == 3


def test_epoch_gap_is_counted() -> None:
    table, notebook = open_table()
    say(table, "a", 1)
    say(table, "a", 1, epoch=2)
    table.no_answer("a", "repair", at(0))
    for tenth_s in range(1, 80):
        table.tick(at(tenth_s / 10), everyone=True)
        table.no_answer("a", "repair", at(tenth_s / 10))
    appended = [told for told in notebook.told if told.startswith("append")]
    assert appended == ["append 1-1 as 1", "append 2-0 as 2", "append 2-1 as 3"]
    assert table.counts["gap_epoch"] == 1


def test_answer_is_prepended_with_time() -> None:
    table, notebook = open_table()
    say(table, "a", 3)
    readings = tuple(Reading("a", 1, seq, 0, 20.0) for seq in (1, 2))
    ends = Cursor(1, 1), Cursor(1, 3)
    table.answer("backfill", ReplayAnswer("q", "a", *ends, readings, 2, Cursor(1, 2)), at(1))
    ring = device_of(table, "a").ring
    assert (ring.front, ring.first_index, ring.time_at(-1)) == (Cursor(1, 0), -2, WALL_MS)
    assert ring.arrival_at(-1) == 0
    assert len(notebook.told) == 3
    assert table.size_bytes == ring.size_bytes


def test_adopted_position_empties_ring() -> None:
    table, notebook = open_table()
    for seq in (1, 2):
        say(table, "a", seq, epoch=9)
    say(table, "a", 1, epoch=3, seconds=20.0)
    ring = device_of(table, "a").ring
    lost = notebook.told.index("forget a to 2, holding 0")
    assert lost < notebook.told.index("append 3-0 as 3") < notebook.told.index("append 3-1 as 4")
    assert (ring.front, len(ring)) == (Cursor(3, 0), 2)
    assert table.counts["gap_epoch_back"] == 1


def test_answers_for_nobody_change_nothing() -> None:
    table, notebook = open_table()
    table.answer("repair", ReplayAnswer("q", "a", None, None, ()), at(0))
    table.no_answer("a", "repair", at(0))
    table.busy("a", "backfill", at(0))
    table.replay_offered("a", at(0))
    table.ask_newest("a", at(0))
    assert (len(table), notebook.told, table.questions) == (0, [], [])


def test_busy_and_offering_device() -> None:
    table, _ = open_table()
    say(table, "a", 5)
    table.questions.clear()
    table.busy("a", "backfill", at(0))
    table.tick(at(0.6), everyone=True)
    asked = DeviceQuestion("a", "backfill", Cursor(1, 0), 4)
    assert table.questions == [asked]
    for _ in range(2):
        table.no_answer("a", "backfill", at(0.6))
        table.tick(at(1.2), everyone=True)
    table.questions.clear()
    table.replay_offered("a", at(1.3))
    assert table.questions == [asked]


def test_ask_newest() -> None:
    table, _ = open_table()
    say(table, "a", 1)
    table.answer("backfill", ReplayAnswer("q", "a", None, None, ()), at(0))
    table.questions.clear()
    table.ask_newest("a", at(1))
    assert table.questions == [DeviceQuestion("a", "repair", Cursor(1, 1), 1)]


# --- what is refused --------------------------------------------------------------------------


def test_a_refused_message_of_nobody_is_counted() -> None:
    table, _ = open_table()
    table.refuse(BadMessage("bad_topic", "no"), at(0))
    assert (table.counts["bad_topic"], len(table)) == (1, 0)


def test_refused_device_is_known() -> None:
    table, notebook = open_table()
    for seconds in (0, 1):
        table.refuse(BadMessage("invalid", "no", device_id="a", position=Cursor(1, 1)), at(seconds))
    table.refuse(BadMessage("bad_json", "no", device_id="a"), at(2))
    assert (table.counts["invalid"], table.counts["bad_json"], notebook.told) == (2, 1, [])
    table.refuse(BadMessage("bad_json", "no", device_id="a"), at(3))
    assert notebook.told == ["status a"]
    summary = json.loads(device_of(table, "a").summary_json())
    assert (summary["refused"], summary["online"]) == ("invalid", False)
    assert summary["refusals"] == {"invalid": 2, "bad_json": 2}
    say(table, "a", 1, seconds=3.5)
    table.tick(at(4), everyone=True)
    assert "refused" not in device_of(table, "a").status_body()


def test_invalid_device_gives_way_first() -> None:
    table, notebook = open_table(devices=2)
    say(table, "good", 1)
    for name in ("bad", "worse"):
        table.refuse(BadMessage("invalid", "no", device_id=name), at(0))
    assert [device.device_id for device in table] == ["good", "bad"]
    say(table, "new", 1)
    assert [device.device_id for device in table] == ["good", "new"]
    notebook.watched |= {"good", "new"}
    table.refuse(BadMessage("invalid", "no", device_id="bad"), at(0))
    assert table.counts["invalid"] == 3


def test_drops_are_counted_not_shown() -> None:
    table, _ = open_table()
    for seq in (1, 2, 3):
        say(table, "a", seq, seconds=seq)
        say(table, "a", seq, seconds=seq)
        table.refuse(BadMessage("invalid", "no", device_id="a"), at(seq))
    summary = json.loads(device_of(table, "a").summary_json())
    assert summary["refusals"] == {"duplicate": 3, "invalid": 3}
    assert "refused" not in summary


def test_no_counts_without_refusals() -> None:
    table, _ = open_table()
    say(table, "a", 1)
    assert "refusals" not in json.loads(device_of(table, "a").summary_json())


def test_seq_back_is_a_fault() -> None:
    table, _ = open_table()
    say(table, "a", 100)
    for half_s in range(1, 9):
        say(table, "a", half_s, seconds=half_s / 2)
    assert device_of(table, "a").status_body()["refused"] == "seq_back"
    assert [(fault.reason, fault.came, fault.newest) for fault in table.faults] == [
        ("seq_back", Cursor(1, 7), Cursor(1, 100))
    ]


def test_another_version_is_shown_in_the_status() -> None:
    table, notebook = open_table()
    say(table, "a", 1)
    table.refuse(BadMessage("unsupported_version", "v", device_id="a"), at(0))
    assert notebook.told[-1] == "status a"
    assert device_of(table, "a").status_body()["refused"] == "unsupported_version"


def test_invalid_reading_becomes_gap() -> None:
    table, _ = open_table()
    say(table, "a", 1)
    table.refuse(BadMessage("invalid", "no", device_id="a", position=Cursor(1, 2)), at(0))
    say(table, "a", 3)
    assert table.counts["gap_invalid"] == 1
    assert device_of(table, "a").feed.head == (1, 3)


def test_fault_once_per_kind_and_device() -> None:
    table, _ = open_table()
    for seq in (1, 2):
        say(table, "a", seq, epoch=9)
    for _ in range(3):
        say(table, "a", 2, epoch=3)
        other = Reading("a", 9, 2, 5, 99.0)
        table.receive(CheckedReading(other, (), ()), at(0))
    newest = Cursor(9, 2)
    assert table.faults == [
        Fault(FaultReason.OLD_EPOCH, "a", Cursor(3, 2), newest),
        Fault(FaultReason.CONFLICT, "a", Cursor(9, 2), newest),
    ]
    assert table.counts["old_epoch"] == table.counts["conflict"] == 3


def test_unsupported_version_is_counted() -> None:
    table, _ = open_table()
    say(table, "a", 1)
    for _ in range(2):
        table.refuse(BadMessage("unsupported_version", "v", device_id="a"), at(0))
    assert table.counts["unsupported_version"] == 2


# --- who gives way ----------------------------------------------------------------------------


def test_fleeting_device_gives_way_first() -> None:
    table, notebook = open_table(devices=2)
    say(table, "old", 1)
    say(table, "old", 2, seconds=FLEETING_S)
    say(table, "new", 1, seconds=FLEETING_S)
    say(table, "third", 1, seconds=FLEETING_S)
    assert [device.device_id for device in table] == ["old", "third"]
    assert notebook.told.index("evict new") < notebook.told.index("appear third after 1-0")
    assert (table.evicted["new"], table.counts["evicted"]) == ((Cursor(1, 1), 3), 1)
    assert table.size_bytes == sum(device.ring.size_bytes for device in table)


def test_device_that_gave_way_is_freed_without_the_collector() -> None:
    table, _ = open_table(devices=1)
    gc.disable()
    try:
        say(table, "a", 1)
        ring = weakref.ref(device_of(table, "a").ring)
        say(table, "b", 1, seconds=1.0)
        assert ring() is None
    finally:
        gc.enable()


def test_long_gone_device_gives_way() -> None:
    table, _ = open_table(devices=1)
    say(table, "a", 1)
    say(table, "a", 2, seconds=FLEETING_S)
    say(table, "b", 1, seconds=FLEETING_S + LONG_GONE_S)
    assert (table.get("b"), table.counts["table_full"]) == (None, 1)
    say(table, "b", 1, seconds=FLEETING_S + LONG_GONE_S + 0.1)
    assert [device.device_id for device in table] == ["b"]


@pytest.mark.parametrize("protects", ["watched", "ours"])
def test_protected_device_stays(protects: str) -> None:
    table, notebook = open_table(devices=1, ours=lambda name: protects == "ours" and name == "a")
    notebook.watched = {"a"} if protects == "watched" else set()
    say(table, "a", 1)
    say(table, "b", 1, seconds=10 * LONG_GONE_S)
    assert [device.device_id for device in table] == ["a"]


def test_was_evicted_by_position() -> None:
    table, _ = open_table(devices=1)
    for seq in (1, 2, 3):
        say(table, "a", seq)
    say(table, "b", 1, seconds=1.0)
    say(table, "a", 50, seconds=2.0)
    assert [table.was_evicted("a", Cursor(1, seq)) for seq in (1, 3, 4, 60)] == [
        *(True, True),
        *(False, False),
    ]
    assert not table.was_evicted("c", START)


def test_longest_ring_is_trimmed() -> None:
    table, notebook = open_table(readings=1_000, total_bytes=20_000)
    say(table, "b", 1)
    for seq in range(1, 200):
        say(table, "a", seq)
    assert table.size_bytes <= 20_000
    assert len(device_of(table, "b").ring) == 1
    assert any(told.startswith("forget a to ") for told in notebook.told)


# --- what is told of a device -----------------------------------------------------------------


def test_status_body() -> None:
    table, _ = open_table()
    table.receive(Status("a", 4, 9, 77, "online", 100, "model x"), at(0))
    told = {"device_id": "a", "online": True, "epoch": 4, "last_seq": 9, "ts_ms": 77}
    assert device_of(table, "a").status_body() == told | {
        "model": "model x",
        "interval_ms": 100,
    }


def test_status_of_unheard_device() -> None:
    told = {"device_id": "a", "online": False, "epoch": 0, "last_seq": 0, "ts_ms": 0}
    assert status_body("a", None) == told


def test_wanted_backfill_between_rounds() -> None:
    table, _ = open_table()
    for number in range(SLOTS_MAX + 1):
        say(table, f"bike-{number}", 10)
    table.questions.clear()
    last = device_of(table, f"bike-{SLOTS_MAX}")

    table.tick(at(0.025), everyone=False)
    assert table.questions == []
    assert last.feed.want_backfill(Cursor(1, 5), 0.0, at(0.03))
    table.tick(at(0.05), everyone=False)

    assert table.questions == [DeviceQuestion(last.device_id, "backfill", Cursor(1, 5), 4)]


def test_evicted_device_is_not_judged() -> None:
    table, _ = open_table(devices=SLOTS_MAX + 1)
    for number in range(SLOTS_MAX + 1):
        say(table, f"bike-{number}", 10)
    last = device_of(table, f"bike-{SLOTS_MAX}")
    last.feed.want_backfill(Cursor(1, 5), 0.0, at(0))
    for number in range(SLOTS_MAX + 1):
        say(table, f"other-{number}", 10, seconds=1.0)
    table.questions.clear()

    table.tick(at(1.025), everyone=False)

    assert table.get(last.device_id) is None
    assert table.questions == []


def test_tick_judges_unsettled_only() -> None:
    table, notebook = open_table()
    say(table, "a", 1)
    table.answer("backfill", ReplayAnswer("q", "a", None, None, ()), at(0))
    count = len(notebook.told)
    table.tick(at(10.0), everyone=False)
    assert len(notebook.told) == count
    table.tick(at(10.0), everyone=True)
    assert notebook.told[-1] == "status a"
    assert not device_of(table, "a").feed.online
