"""Patience with a quarrel: what is disturbed again and again is mended less and less often."""

from keyferry.schedule.calm import Calm


def delays(calm: Calm[str], times: list[float], key: str = "a") -> list[float]:
    return [round(calm.disturbed(key, time) - time, 3) for time in times]


def test_a_few_disturbances_are_mended_at_once():
    assert delays(Calm(), [0, 1, 2, 3, 4]) == [0] * 5


def test_what_goes_on_is_mended_less_and_less_often_but_at_least_each_minute():
    assert delays(Calm(), [float(n) for n in range(14)])[5:] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_after_a_quiet_time_all_is_forgotten():
    calm = Calm[str]()
    delays(calm, [float(n) for n in range(20)])
    assert delays(calm, [200.0, 201.0]) == [0, 0]


def test_one_quarrel_is_not_anothers():
    calm = Calm[str]()
    delays(calm, [float(n) for n in range(20)])
    assert delays(calm, [20.0], key="b") == [0]


def test_what_is_no_more_leaves_nothing_behind():
    calm = Calm[str]()
    delays(calm, [float(n) for n in range(20)])
    calm.forget("a")
    assert delays(calm, [20.0]) == [0]
    calm.forget("never known")
