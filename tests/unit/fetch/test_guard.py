"""Promise 2: an answer "nothing exists" where much existed a moment ago is held back until somebody confirms it."""

import pytest

from keyferry.fetch.guard import Guard
from keyferry.settings import REFRESH_ANNOTATION


def ids(count: int, start: int = 0) -> frozenset[str]:
    return frozenset(f"id{n}" for n in range(start, start + count))


def seen(*looks: frozenset[str], baseline: int = 0) -> Guard:
    guard = Guard("SecretStore team/store", baseline)
    for look in looks:
        guard.saw(look)
    return guard


def read(guard: Guard, there: int, missing: int, now: float, start: int = 0) -> None:
    """`there` secrets can be read, and the next `missing` cannot."""
    found = dict.fromkeys(ids(there, start), True) | dict.fromkeys(ids(missing, start + there), False)
    guard.read(found, now)


@pytest.mark.parametrize(
    ("before", "after", "held"),
    [(100, 0, True), (100, 49, True), (100, 50, False), (4, 1, True), (4, 2, False), (3, 0, False), (0, 0, False)],
    ids=str,
)
def test_it_holds_when_more_than_half_of_many_is_gone(before: int, after: int, *, held: bool):
    assert bool(seen(ids(before), ids(after)).held) is held


def test_what_is_new_does_not_stand_in_for_what_vanished():
    assert seen(ids(100), ids(100, start=100)).held


def test_it_says_what_happened_and_how_to_confirm_it():
    held = seen(ids(100), ids(3)).held
    assert str(held) == (
        "more than half of what SecretStore team/store offered is gone at once; until that is confirmed, Secrets are "
        f"kept as they are: if it is right, set the annotation {REFRESH_ANNOTATION} of the store to a new value"
    )


def test_it_tells_nobody_how_much_others_have():
    assert not any(character.isdigit() for character in str(seen(ids(100), ids(3)).held))


def test_it_lets_go_when_what_vanished_is_back():
    assert seen(ids(100), ids(0), ids(99)).held is None


def test_it_holds_however_often_nothing_is_seen():
    assert seen(ids(100), *[ids(0)] * 100).held


def test_what_shrinks_little_by_little_is_believed():
    assert seen(*(ids(count) for count in (100, 60, 40, 25, 15, 8, 4, 2, 1, 0))).held is None


def test_what_is_confirmed_is_believed_from_then_on():
    guard = seen(ids(100), ids(0))
    guard.confirm()
    assert guard.held is None
    guard.saw(ids(0))
    assert guard.held is None


@pytest.mark.parametrize(
    ("baseline", "after", "held"), [(100, 0, True), (100, 50, False), (0, 0, False), (3, 0, False)]
)
def test_after_a_restart_it_goes_by_how_many_there_were(baseline: int, after: int, *, held: bool):
    assert bool(seen(ids(after), baseline=baseline).held) is held


def test_after_a_restart_it_lets_go_when_all_is_back():
    guard = seen(ids(0), ids(100), baseline=100)
    assert guard.held is None
    guard.saw(ids(10))
    assert guard.held


def test_after_a_restart_it_may_be_confirmed_too():
    guard = seen(ids(0), baseline=100)
    guard.confirm()
    guard.saw(ids(0))
    assert guard.held is None


@pytest.mark.parametrize(("there", "missing", "held"), [(0, 4, True), (1, 3, True), (2, 2, False), (0, 3, False)])
def test_without_a_catalogue_it_goes_by_what_is_read(there: int, missing: int, *, held: bool):
    guard = seen()
    read(guard, 20, 0, now=0)
    read(guard, there, missing, now=1000)
    assert bool(guard.held) is held


def test_what_is_read_one_by_one_counts_together():
    guard = seen()
    read(guard, 4, 0, now=0)
    for n in range(4):
        read(guard, 0, 1, now=1000 + n, start=n)
    assert guard.held


def test_what_was_read_long_ago_does_not_speak_for_what_is_gone():
    guard = seen()
    read(guard, 100, 0, now=0)
    read(guard, 0, 4, now=200)
    assert guard.held


def test_what_was_never_there_is_not_missed():
    guard = seen()
    read(guard, 5, 50, now=0)
    read(guard, 5, 50, now=1)
    assert guard.held is None


def test_what_was_there_when_the_operator_last_ran_is_missed():
    guard = seen()
    guard.remember(ids(4))
    read(guard, 0, 4, now=0)
    assert guard.held


def test_it_lets_go_when_what_vanished_can_be_read_again():
    guard = seen()
    guard.remember(ids(4))
    read(guard, 0, 4, now=0)
    read(guard, 4, 0, now=5)
    assert guard.held is None


def test_what_could_not_be_read_may_be_confirmed():
    guard = seen()
    guard.remember(ids(4))
    read(guard, 0, 4, now=0)
    guard.confirm()
    read(guard, 0, 4, now=1)
    assert guard.held is None


def test_a_catalogue_knows_better_than_reads():
    guard = seen()
    guard.remember(ids(4))
    read(guard, 0, 4, now=0)
    guard.saw(ids(50))
    assert guard.held is None
