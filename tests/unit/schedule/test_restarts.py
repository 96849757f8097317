"""When what breaks is started again."""

from keyferry.schedule.restarts import Restarts

CAP = 5.0


def pauses(*worked: float | None) -> list[float]:
    """How long it waits each time it broke, having worked for so long."""
    restarts = Restarts()
    return [restarts.broke(worked=each, cap=CAP, chance=lambda: 0.5) for each in worked]


def test_what_does_not_work_at_all_is_tried_again_soon_and_goes_on_being_tried():
    assert pauses(*[None] * 6) == [1, 2, 4, 5, 5, 5]


def test_what_broke_after_a_long_time_is_tried_again_at_once():
    assert pauses(None, None, None, 3600, None) == [1, 2, 4, 1, 2]


def test_what_works_for_a_moment_each_time_is_given_ever_more_rest():
    assert pauses(*[10.0] * 8) == [1, 2, 4, 8, 16, 32, 60, 60]


def test_an_outage_between_two_moments_does_not_make_it_well():
    assert pauses(10.0, 10.0, 10.0, None, 10.0) == [1, 2, 4, 4, 8]


def test_once_it_has_worked_for_a_minute_all_is_forgotten():
    assert pauses(10.0, 10.0, 10.0, 60.0, 10.0) == [1, 2, 4, 1, 1]
