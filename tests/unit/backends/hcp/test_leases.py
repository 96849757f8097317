from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.backends.hcp.leases import UNTOLD, instant, life_of, seconds, window

MADE = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
TIMES = st.floats(min_value=MADE - 10_000, max_value=MADE + 10**9)
LIVES = st.floats(min_value=60, max_value=10**7)


@given(TIMES, LIVES)
def test_it_is_always_within_its_window(now: float, life: float):
    found = window(now, MADE, life)
    assert found.begins - 0.01 <= now <= found.ends + 0.01


@given(TIMES, LIVES)
def test_what_is_made_outlives_its_window_by_half_its_life(now: float, life: float):
    assert now + life >= window(now, MADE, life).ends + life / 2 - 0.01


def test_a_window_reads_as_the_time_at_which_it_begins():
    assert str(window(MADE + 1799, MADE, 3600)) == "2026-01-01T00:00:00Z"
    assert str(window(MADE + 1800, MADE, 3600)) == "2026-01-01T00:30:00Z"


def test_where_nothing_is_told_the_shortest_life_counts():
    assert window(MADE, MADE, 0).ends == MADE + UNTOLD / 2


@pytest.mark.parametrize(
    ("text", "number"),
    [("3600s", 3600), ("1h", 3600), ("1h30m0s", 5400), ("0.5s", 0.5), ("15m", 900), ("", 0), ("soon", 0), (None, 0)],
)
def test_a_duration_is_read_however_it_is_written(text: object, number: float):
    assert seconds(text) == number


@pytest.mark.parametrize(
    "text", ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000000Z", "2026-01-01T01:00:00+01:00"]
)
def test_a_time_is_read_however_it_is_written(text: str):
    assert instant(text) == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-01-01T00:00:00", None, 3])
def test_what_is_no_time_is_none(text: object):
    assert instant(text) is None


def test_a_life_is_between_two_times_or_what_is_said():
    times = {"created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-01T00:10:00Z"}
    assert life_of({**times, "ttl": "3600s"}) == 600
    assert life_of({"ttl": "3600s"}) == 3600
    assert life_of({}) == life_of(None) == life_of(["3600s"]) == 0
