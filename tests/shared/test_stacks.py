"""The stacks of threads and greenlets, within bounds."""

import gc
import threading

import gevent.event

from shared.stacks import CHARS_MAX, describe_stacks


def described(*known: object) -> tuple[str, dict[str, int]]:
    """Return the stacks as another thread sees them."""
    found: list[tuple[str, dict[str, int]]] = []
    thread = threading.Thread(target=lambda: found.append(describe_stacks(known)))
    thread.start()
    thread.join()
    return found[0]


def waits(event: "gevent.event.Event") -> None:
    event.wait()


def test_greenlets_at_one_place_are_counted_together() -> None:
    event = gevent.event.Event()
    waiting = [gevent.spawn(waits, event) for _ in range(50)]
    gevent.sleep(0)
    text, numbers = described()
    assert "50 greenlets:" in text
    assert text.count("in waits") == 1
    assert "thread MainThread:" in text
    assert numbers["greenlets"] >= 50
    event.set()
    gevent.joinall(waiting)


def test_frozen_greenlets_are_named() -> None:
    event = gevent.event.Event()
    waiting = gevent.spawn(waits, event)
    gevent.sleep(0)
    gc.freeze()
    try:
        assert "in waits" in described(waiting)[0]
    finally:
        gc.unfreeze()
        event.set()
        waiting.join()


def test_text_is_bounded() -> None:
    event = gevent.event.Event()
    spaces = {"waits": waits}
    for number in range(300):
        exec(f"def place_{number}(event):\n    waits(event)\n", spaces)  # noqa: S102  # 300 places
    waiting = [gevent.spawn(spaces[f"place_{number}"], event) for number in range(300)]
    gevent.sleep(0)
    text, _numbers = described()
    assert len(text) < CHARS_MAX + 100
    assert "thread MainThread:" in text
    assert "more places" in text
    event.set()
    gevent.joinall(waiting)
