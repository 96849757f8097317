"""What is disturbed again and again is mended less and less often."""

from keyferry.schedule.calm import Calm


def test_the_first_disturbances_are_mended_at_once():
    calm: Calm[str] = Calm()
    assert [calm.disturbed("a", now=float(n)) for n in range(5)] == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_a_quarrel_is_answered_ever_more_slowly_up_to_a_minute():
    calm: Calm[str] = Calm()
    waits = [calm.disturbed("a", now=100.0) - 100.0 for _ in range(20)]
    assert waits == sorted(waits)
    assert waits[5:8] == [1.0, 2.0, 4.0]
    assert waits[-1] == 60.0


def test_one_quarrel_is_not_anothers():
    calm: Calm[str] = Calm()
    for _ in range(20):
        calm.disturbed("a", now=0.0)
    assert calm.disturbed("b", now=0.0) == 0.0


def test_two_minutes_of_quiet_are_forgiveness():
    calm: Calm[str] = Calm()
    for _ in range(20):
        calm.disturbed("a", now=0.0)
    assert calm.disturbed("a", now=121.0) == 121.0


def test_what_is_no_more_is_forgotten():
    calm: Calm[str] = Calm()
    for _ in range(20):
        calm.disturbed("a", now=0.0)
    calm.forget("a")
    assert calm.disturbed("a", now=0.0) == 0.0
