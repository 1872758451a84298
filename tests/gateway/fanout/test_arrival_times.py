"""How long ago an entry arrived."""

from gateway.fanout.arrival_times import NOTE_S, NOTES_MAX, ArrivalTimes


def noted(count: int) -> ArrivalTimes:
    """Return times of ten entries in each period."""
    times = ArrivalTimes()
    for number in range(count):
        times.note(10 * number, number * NOTE_S)
    return times


def test_age_of_the_next_entry() -> None:
    times = noted(5)
    assert times.age_s(40, 2.5) == 0.0
    assert times.age_s(35, 2.5) == 0.5
    assert times.age_s(0, 2.5) == 2.0


def test_numbers_between_two_notes_are_left_out() -> None:
    times = noted(2)
    times.note(99, 1.25 * NOTE_S)
    assert times.age_s(50, 10.0) == 0.0


def test_old_notes_are_forgotten() -> None:
    times = noted(2 * NOTES_MAX)
    now_s = 2 * NOTES_MAX * NOTE_S
    assert times.age_s(0, now_s) == NOTES_MAX * NOTE_S
