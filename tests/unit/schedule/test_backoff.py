"""How long to wait after failures, and when a rhythm beats next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.schedule import backoff

times = st.floats(0, 1e9)
intervals = st.integers(1, 366 * 86400).map(float)
names = st.text(max_size=10)
chances = st.floats(0, 1, exclude_max=True)


def steady(failures: int, *, base: float = 1.0, cap: float = 60.0) -> float:
    return backoff.after(failures, base=base, cap=cap, chance=lambda: 0.5)


def test_waits_double_up_to_the_cap():
    assert [steady(n) for n in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize(("chance", "expected"), [(0.0, 8.0), (0.5, 10.0), (0.999_999, 12.0)])
def test_a_wait_is_a_fifth_more_or_less(chance: float, expected: float):
    assert backoff.after(1, base=10.0, cap=60.0, chance=lambda: chance) == pytest.approx(expected, rel=1e-5)


@given(st.integers(-5, 10**9), chances)
def test_a_wait_is_never_shorter_or_longer_than_its_bounds(failures: int, chance: float):
    assert 0.8 <= backoff.after(failures, base=1.0, cap=60.0, chance=lambda: chance) <= 72.0


def test_two_that_failed_together_do_not_come_back_together():
    assert len({backoff.after(3, base=1.0, cap=60.0, chance=chance) for chance in (lambda: 0.1, lambda: 0.2)}) == 2


@given(times, intervals, names)
def test_the_next_beat_is_ahead_and_at_most_an_interval_away(now: float, interval: float, name: str):
    beat = backoff.next_beat(now, interval, name)
    assert now < beat <= now + interval * (1 + 1e-9) + 1e-3


@given(times, times, intervals, names)
def test_all_beats_of_a_name_are_whole_intervals_apart(one: float, other: float, interval: float, name: str):
    apart = backoff.next_beat(one, interval, name) - backoff.next_beat(other, interval, name)
    assert apart / interval == pytest.approx(round(apart / interval), abs=1e-3)


@given(times, intervals, names, chances)
def test_whoever_asks_before_a_beat_is_given_the_same(now: float, interval: float, name: str, part: float):
    beat = backoff.next_beat(now, interval, name)
    assert backoff.next_beat(now + (beat - now) * part * 0.99, interval, name) == beat


@given(times, st.integers(1, 3600), st.integers(2, 60), names)
def test_the_beats_of_a_multiple_are_among_those_of_its_part(now: float, interval: int, times_: int, name: str):
    beat = backoff.next_beat(now, float(interval * times_), name)
    assert backoff.next_beat(beat - interval / 2, float(interval), name) == beat


def test_different_names_beat_apart():
    phases = {int(backoff.next_beat(0.0, 60.0, f"store {n}")) for n in range(1000)}
    assert len(phases) == 60


@given(times, intervals, names)
def test_a_beat_is_not_given_again_once_it_is_there(now: float, interval: float, name: str):
    beat = backoff.next_beat(now, interval, name)
    assert backoff.next_beat(beat, interval, name) > beat
