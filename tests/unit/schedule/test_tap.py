"""So much a second, and so much at once."""

from keyferry.schedule.tap import Tap


def test_so_much_passes_at_once_and_then_no_more():
    tap = Tap(10, 5)
    assert [tap.take(100.0) for _ in range(7)] == [True] * 5 + [False] * 2


def test_what_has_run_off_makes_room():
    tap = Tap(10, 5)
    for _ in range(9):
        tap.take(100.0)
    assert [tap.take(100.21) for _ in range(4)] == [True, True, False, False]


def test_what_was_refused_takes_no_room():
    tap = Tap(10, 5)
    for _ in range(1000):
        tap.take(100.0)
    assert [tap.take(100.5) for _ in range(6)] == [True] * 5 + [False]
