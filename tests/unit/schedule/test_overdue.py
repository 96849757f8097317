from keyferry.schedule.overdue import Lateness, Looks


def lateness(looks, now, forgiven=60.0):
    return dict(looks.late(now, forgiven))


def test_what_was_looked_at_within_its_interval_is_not_late():
    looks: Looks[str, str] = Looks()
    looks.keep("a", "store", 300.0, now=0.0)
    assert lateness(looks, 290.0) == {"store": Lateness(oldest=290.0, most=0.0, late=0)}


def test_what_is_past_its_interval_is_late_once_no_more_is_forgiven():
    looks: Looks[str, str] = Looks()
    looks.keep("a", "store", 300.0, now=0.0)
    looks.keep("b", "store", 300.0, now=100.0)
    assert lateness(looks, 340.0)["store"] == Lateness(oldest=340.0, most=40.0, late=0)
    assert lateness(looks, 400.0)["store"] == Lateness(oldest=400.0, most=100.0, late=1)
    assert lateness(looks, 500.0)["store"].late == 2


def test_another_look_takes_the_lateness_away():
    looks: Looks[str, str] = Looks()
    looks.keep("a", "store", 300.0, now=0.0)
    looks.keep("a", "store", 300.0, now=400.0).at = 500.0
    assert lateness(looks, 510.0)["store"] == Lateness(oldest=10.0, most=0.0, late=0)


def test_who_waits_goes_on_waiting_since_its_last_look_whatever_its_interval_is_by_now():
    looks: Looks[str, str] = Looks()
    looks.keep("a", "store", 300.0, now=0.0)
    looks.keep("a", "store", 600.0, now=500.0)
    assert list(looks.late(700.0, 60.0)) == [("store", Lateness(oldest=700.0, most=100.0, late=1))]


def test_who_was_never_looked_at_waits_since_that_was_noticed():
    looks: Looks[str, str] = Looks()
    looks.keep("a", "store", 60.0, now=100.0)
    looks.keep("a", "store", 60.0, now=200.0)
    assert lateness(looks, 230.0)["store"] == Lateness(oldest=130.0, most=70.0, late=1)


def test_what_is_forgotten_is_late_no_more_and_leaves_nothing():
    looks: Looks[str, str] = Looks()
    looks.keep("a", "store", 60.0, now=0.0)
    looks.forget("a")
    looks.forget("never seen")
    assert list(looks.late(1000.0, 60.0)) == []


def test_each_interval_of_a_group_is_told_of():
    looks: Looks[str, str] = Looks()
    looks.keep("a", "store", 60.0, now=0.0)
    looks.keep("b", "store", 3600.0, now=0.0)
    assert sorted(each.late for _, each in looks.late(600.0, 60.0)) == [0, 1]
