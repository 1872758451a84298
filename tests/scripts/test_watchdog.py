from scripts.watchdog import Watchdog


def looks(watchdog: Watchdog, first_s: float, last_s: float) -> list[float]:
    """Look once a second; return the times at which the process was found hung."""
    times = [first_s + n for n in range(int(last_s - first_s) + 1)]
    return [now_s for now_s in times if watchdog.is_hung(now_s)]


def test_no_beat_at_all() -> None:
    assert looks(Watchdog(10.0), 0.0, 100.0) == []


def test_no_more_beats() -> None:
    watchdog = Watchdog(10.0)
    watchdog.beat(5.0)
    assert looks(watchdog, 5.0, 17.0) == [16.0, 17.0]


def test_regular_beats() -> None:
    watchdog = Watchdog(10.0)
    for now_s in range(100):
        watchdog.beat(float(now_s // 8 * 8))
        assert not watchdog.is_hung(float(now_s))


def test_watchdog_that_stood_still() -> None:
    watchdog = Watchdog(10.0)
    watchdog.beat(0.0)
    assert looks(watchdog, 0.0, 9.0) == []
    assert looks(watchdog, 500.0, 512.0) == [511.0, 512.0]
