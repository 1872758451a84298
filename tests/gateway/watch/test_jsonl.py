import json

from gateway.watch.follow import (
    Connected,
    Disconnected,
    GapReceived,
    ReadingReceived,
    StatusReceived,
    Subscribed,
)
from gateway.watch.jsonl import line


def test_one_line_for_each_event() -> None:
    reading = {"device_id": "ebike-001", "speed_kmh": 21.5, "extra": {"note": "hügelig\n"}}
    events: dict[str, ReadingReceived | GapReceived | StatusReceived] = {
        "speed_change": ReadingReceived(reading, 1.0),
        "gap": GapReceived({"lost": 3}),
    }
    events["device_status"] = StatusReceived({"online": True})
    for name, event in events.items():
        text = line(event)
        assert text is not None
        assert "\n" not in text
        assert json.loads(text) == {"event": name, "data": event[0]}


def test_connection_events_have_no_line() -> None:
    assert [
        line(event) for event in (Connected("http://x"), Disconnected("gone"), Subscribed({}))
    ] == [None] * 3
