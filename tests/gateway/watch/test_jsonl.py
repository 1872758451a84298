import json

from gateway.watch.follow import Answered, Came, Connected, Cut, Missed, Told
from gateway.watch.jsonl import line


def test_a_reading_a_gap_and_a_status_are_a_line_each() -> None:
    reading = {"device_id": "ebike-001", "speed_kmh": 21.5, "extra": {"note": "hügelig\n"}}
    events: dict[str, Came | Missed | Told] = {
        "speed_change": Came(reading, 1.0),
        "gap": Missed({"lost": 3}),
    }
    events["device_status"] = Told({"online": True})
    for name, event in events.items():
        text = line(event)
        assert text is not None
        assert "\n" not in text
        assert json.loads(text) == {"event": name, "data": event[0]}


def test_what_becomes_of_the_connection_is_no_line() -> None:
    assert [line(event) for event in (Connected("http://x"), Cut("gone"), Answered({}))] == [
        None
    ] * 3
