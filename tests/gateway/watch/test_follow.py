import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.watch import follow
from gateway.watch.follow import (
    Connected,
    Disconnected,
    Event,
    GapReceived,
    ReadingReceived,
    StatusReceived,
    Subscribed,
    Watch,
    WatchedBike,
    apply,
    cursors,
    start,
    subscribe_request,
)
from shared.cursor import START, Cursor
from tests.processes import ROOT

A, B = "ebike-001", "ebike-002"
NOW_MS = 1_700_000_000_000


def reading(seq: int, device_id: str = A, epoch: int = 1, ts_ms: int = NOW_MS) -> dict[str, Any]:
    return {"device_id": device_id, "epoch": epoch, "seq": seq, "ts_ms": ts_ms, "speed_kmh": 20.0}


def came(seq: int, device_id: str = A, epoch: int = 1, delay_ms: int = 0) -> ReadingReceived:
    return ReadingReceived(reading(seq, device_id, epoch), NOW_MS + delay_ms)


def answered(**positions: str) -> Subscribed:
    names = {name.replace("_", "-"): cursor for name, cursor in positions.items()}
    return Subscribed({name: {"online": True, "cursor": at} for name, at in names.items()})


def gap(before: str, lost: int | None = 1, device_id: str = A) -> GapReceived:
    return GapReceived(
        {"device_id": device_id, "before": before, "lost": lost, "reason": "overrun"}
    )


def after(watch: Watch, *events: Event) -> Watch:
    for event in events:
        watch = apply(watch, event)
    return watch


def live(devices: list[str] | None = None) -> Watch:
    """A watch that was answered and stands after reading 4 of A."""
    return after(start(devices), Connected("http://gateway"), answered(ebike_001="1-4"))


def test_first_request_starts_now() -> None:
    assert subscribe_request(start([A])) == {"devices": (A,)}
    assert subscribe_request(start()) == {"devices": "*"}


def test_first_request_with_cursors() -> None:
    assert subscribe_request(start([A], {A: Cursor(3, 7)})) == {
        "devices": (A,),
        "since": {A: "3-7"},
    }
    assert subscribe_request(start(None, {}))["since"] == {"*": "0-0"}


def test_cursor_of_other_bike_is_ignored() -> None:
    assert subscribe_request(start([A], {A: START, B: START}))["since"] == {A: "0-0"}


def test_request_after_disconnect_resumes() -> None:
    watch = after(live(), came(5), came(1, B), Disconnected("gone"))
    since = subscribe_request(watch)["since"]
    assert since == {A: "1-5", B: "1-1", "*": "0-0"}


def test_silent_bike_resumes_at_answered_cursor() -> None:
    assert subscribe_request(after(live([A]), Disconnected("gone")))["since"] == {A: "1-4"}


def test_a_limited_stream_has_nothing_to_resume() -> None:
    watch = after(start(None, None, 2.0), Connected("http://gateway"), answered(ebike_001="1-4"))
    assert subscribe_request(after(watch, came(5))) == {"devices": "*", "max_rate_hz": 2.0}


@pytest.mark.parametrize("event", [came(4), came(1), came(5, A, 1)])
def test_a_reading_seen_before_changes_nothing(event: ReadingReceived) -> None:
    watch = after(live(), came(5))
    assert apply(watch, event) is watch


def test_events_before_answer_are_ignored() -> None:
    watch = after(start(), Connected("http://gateway"))
    for event in (came(5), gap("1-8"), StatusReceived({"device_id": A, "online": True})):
        assert apply(watch, event) is watch
    assert apply(after(live(), Disconnected("gone")), came(9)).bikes[A].readings == 0


def test_an_answer_never_moves_a_position() -> None:
    watch = after(
        live(), came(9), Disconnected("gone"), Connected("http://other"), answered(ebike_001="1-2")
    )
    assert cursors(watch) == {A: Cursor(1, 9)}


def test_gap_moves_cursor_and_counts() -> None:
    watch = after(live(), gap("1-8", lost=3), gap("2-1", lost=None))
    assert cursors(watch)[A] == Cursor(2, 0)
    assert (watch.bikes[A].gaps, watch.bikes[A].lost) == (2, 3)


def test_gap_may_move_cursor_back() -> None:
    watch = after(live(), came(90), gap("1-3"), came(3))
    assert cursors(watch)[A] == Cursor(1, 3)


def test_older_epoch_is_accepted() -> None:
    assert cursors(after(live(), came(1, A, 9), came(1, A, 3)))[A] == Cursor(3, 1)


def test_status_sets_online_model_refused() -> None:
    status = {"device_id": A, "online": False, "model": "Trekking", "refused": "old_epoch"}
    bike = after(live(), StatusReceived(status)).bikes[A]
    assert (bike.online, bike.model, bike.refused) == (False, "Trekking", "old_epoch")
    watch = after(live(), StatusReceived(status))
    assert apply(watch, StatusReceived(status)) is watch


def test_the_same_trouble_again_changes_nothing() -> None:
    watch = after(live(), Disconnected("nothing answers"))
    assert (watch.url, watch.trouble) == (None, "nothing answers")
    assert apply(watch, Disconnected("nothing answers")) is watch
    assert apply(watch, Disconnected("something else")).trouble == "something else"


def test_lag_is_delay_of_reading() -> None:
    assert after(live(), came(5, delay_ms=30)).bikes[A].lag_ms == 30
    assert after(live(), came(5, delay_ms=30), came(6, delay_ms=900)).bikes[A].lag_ms == 900


@pytest.mark.parametrize("wrong_ms", [-3_600_000, 3_600_000])
def test_lag_with_wrong_clock(wrong_ms: int) -> None:
    watch = after(live(), came(5, delay_ms=wrong_ms + 10), came(6, delay_ms=wrong_ms + 250))
    assert watch.bikes[A].lag_ms == 240


def test_history_has_bounded_seconds() -> None:
    watch = live()
    for seq in range(5, 105):
        moment = reading(seq, ts_ms=NOW_MS + 500 * seq)
        watch = apply(watch, ReadingReceived(moment, NOW_MS))
    history = watch.bikes[A].history
    assert len(history) == follow.HISTORY_S
    assert {second.readings for second in history[:-1]} == {2}
    again = apply(watch, ReadingReceived(reading(105, ts_ms=NOW_MS - 60_000), NOW_MS))
    assert len(again.bikes[A].history) == 1


def test_longest_silent_bike_is_forgotten() -> None:
    many = Subscribed({f"b{n}": {"online": True, "cursor": "1-0"} for n in range(follow.BIKES_MAX)})
    watch = after(start(), Connected("http://gateway"), many, came(1, "b0"), came(1, "new"))
    since = subscribe_request(watch)["since"]
    assert isinstance(since, dict)
    assert len(since) == follow.BIKES_MAX + 1
    assert {"b0", "new", "*"} <= since.keys()
    assert "b1" not in since


def test_what_is_no_event_is_an_error() -> None:
    with pytest.raises(TypeError, match="no event"):
        apply(live(), "speed_change")  # type: ignore[arg-type]  # that is the point


def test_example_of_clients_page_works() -> None:
    page = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    [code] = [code for code in examples if "gateway.watch" in code]
    devices = {A: {"online": True, "cursor": "1-4"}}
    given = {"url": "http://x", "answer": {"devices": devices}, "arrived_ms": NOW_MS}
    for seq, is_new in ((4, False), (5, True)):
        names: dict[str, Any] = {**given, "reading": reading(seq)}
        exec(code, names)  # noqa: S102  # the project's own page
        assert (names["after"] is not names["watch"]) == is_new


@given(st.lists(st.tuples(st.sampled_from([A, B]), st.integers(1, 30)), max_size=60))
def test_repeated_readings_count_once(sent: list[tuple[str, int]]) -> None:
    watch = after(start(), Connected("http://gateway"), Subscribed({}))
    taken: dict[str, list[int]] = {A: [], B: []}
    for device_id, seq in sent:
        new = apply(watch, came(seq, device_id))
        if new is not watch:
            taken[device_id].append(seq)
        watch = new
    for device_id, seqs in taken.items():
        assert seqs == sorted(set(seqs))
        assert watch.bikes.get(device_id, WatchedBike()).readings == len(seqs)
