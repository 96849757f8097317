"""When to look after hints: soon, not too often, and again where nothing shows yet."""

import pytest

from keyferry.schedule.pursuit import Pursuit


def look(pursuit: Pursuit, now: float, news: int = 0, *, gap: float = 0.0, lagging: bool = True) -> float | None:
    assert pursuit.begins(now) is None
    return pursuit.found(news, gap=gap, lagging=lagging)


def test_after_a_quiet_time_a_hint_is_looked_after_at_once():
    assert Pursuit().hinted(100.0) == 100.0


def test_a_hint_that_shows_something_new_is_settled():
    pursuit = Pursuit()
    pursuit.hinted(100.0)
    assert look(pursuit, 100.0, news=1) is None
    assert not pursuit.open


def test_what_does_not_show_yet_is_looked_after_thrice():
    pursuit = Pursuit()
    looks = [pursuit.hinted(100.0)]
    while (again := look(pursuit, looks[-1])) is not None:
        looks.append(again)
    assert looks == [100.0, 102.0, 110.0, 130.0]
    assert not pursuit.open


def test_what_shows_late_ends_the_looks():
    pursuit = Pursuit()
    pursuit.hinted(100.0)
    assert look(pursuit, 100.0) == 102.0
    assert look(pursuit, 102.0, news=1) is None


def test_two_hints_are_not_settled_by_one_change():
    pursuit = Pursuit()
    pursuit.hinted(100.0)
    pursuit.hinted(100.0)
    assert look(pursuit, 100.0, news=1) == 102.0
    assert look(pursuit, 102.0, news=1) is None


def test_where_nothing_lags_one_look_is_enough():
    pursuit = Pursuit()
    pursuit.hinted(100.0)
    assert look(pursuit, 100.0, lagging=False) is None


def test_hints_during_a_look_lead_to_one_more():
    pursuit = Pursuit()
    pursuit.hinted(100.0)
    assert pursuit.begins(100.0) is None
    for n in range(50):
        pursuit.hinted(100.1 + n / 100)
    assert pursuit.found(1, gap=0.0, lagging=True) == 101.0


def test_a_hint_soon_after_a_look_waits_for_a_second_from_its_beginning():
    pursuit = Pursuit()
    pursuit.hinted(100.0)
    look(pursuit, 100.0, news=1)
    assert pursuit.hinted(100.3) == 101.0
    assert pursuit.begins(100.5) == 101.0
    assert pursuit.begins(101.0) is None


def test_a_costly_look_is_repeated_less_often():
    pursuit = Pursuit()
    pursuit.hinted(100.0)
    assert look(pursuit, 100.0, gap=20.0) == 120.0
    assert pursuit.hinted(101.0) == 120.0


@pytest.mark.parametrize("storm", [10, 1000])
def test_a_storm_of_any_size_costs_a_look_a_second(storm: int):
    pursuit, began, due = Pursuit(), 0, 0.0
    for n in range(storm):
        now = 100.0 + 10.0 * n / storm
        due = pursuit.hinted(now)
        if due <= now:
            look(pursuit, now)
            began += 1
    assert 9 <= began <= 10


def test_a_look_that_fails_is_tried_again_ever_more_slowly_and_counts_for_nothing():
    pursuit, now, waits = Pursuit(), 100.0, []
    pursuit.hinted(now)
    for _ in range(6):
        assert pursuit.begins(now) is None
        waits.append((again := pursuit.failed()) - now)
        now = again
    assert waits == [2, 4, 8, 16, 30, 30]
    assert pursuit.open
    assert look(pursuit, now, news=1) is None


def test_a_new_hint_begins_the_looks_anew():
    pursuit = Pursuit()
    pursuit.hinted(100.0)
    look(pursuit, 100.0)
    look(pursuit, 102.0)
    assert pursuit.hinted(105.0) == 105.0
    assert look(pursuit, 105.0) == 107.0
