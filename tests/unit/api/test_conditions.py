"""From an error, or none, to the conditions of a status."""

from datetime import UTC, datetime, timedelta

import pytest

from keyferry.api.conditions import MESSAGE_LIMIT, Condition, conditions_after, ready, since
from keyferry.errors import AuthFailed, BackendUnavailable, NamespaceDenied

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


def told(conditions):
    return {condition.type: (condition.status, condition.reason, condition.message) for condition in conditions}


def test_success_is_ready_and_nothing_else():
    assert told(conditions_after(None, generation=3, good="Synced")) == {"Ready": ("True", "Synced", "")}


def test_what_may_heal_by_itself_is_reconciling():
    assert told(conditions_after(BackendUnavailable("no answer"), generation=3, good="Synced")) == {
        "Ready": ("False", "BackendUnavailable", "no answer"),
        "Reconciling": ("True", "BackendUnavailable", "no answer"),
    }


def test_what_only_an_edit_heals_is_stalled():
    assert told(conditions_after(NamespaceDenied("not served"), generation=3, good="Synced")) == {
        "Ready": ("False", "NamespaceDenied", "not served"),
        "Stalled": ("True", "NamespaceDenied", "not served"),
    }


def test_success_may_have_something_to_say():
    assert told(conditions_after(None, generation=1, good="Synced", note="as before"))["Ready"][2] == "as before"


def test_a_message_is_for_a_terminal():
    (condition, _) = conditions_after(BackendUnavailable("x" * 5000), generation=1, good="Synced")
    assert len(condition.message) == MESSAGE_LIMIT


@pytest.mark.parametrize("error", [None, BackendUnavailable("no answer"), NamespaceDenied("not served")])
def test_every_condition_tells_its_generation(error):
    assert {each.observed_generation for each in conditions_after(error, generation=7, good="Synced")} == {7}


def test_a_condition_that_is_new_is_of_now():
    (condition,) = since(conditions_after(None, generation=1, good="Synced"), (), NOON)
    assert condition.last_transition_time == "2026-01-01T12:00:00Z"


def test_a_condition_that_stays_keeps_its_time_whatever_it_says():
    old = since(conditions_after(BackendUnavailable("no answer"), generation=1, good="Synced"), (), NOON)
    new = since(conditions_after(AuthFailed("not accepted"), generation=2, good="Synced"), old, LATER)
    assert {condition.last_transition_time for condition in new} == {"2026-01-01T12:00:00Z"}


def test_a_condition_that_turns_is_of_now():
    old = since(conditions_after(BackendUnavailable("no answer"), generation=1, good="Synced"), (), NOON)
    (new,) = since(conditions_after(None, generation=1, good="Synced"), old, LATER)
    assert new.last_transition_time == "2026-01-01T13:00:00Z"


def test_an_old_condition_without_a_time_gets_one():
    old = (Condition(type="Ready", status="True", reason="Synced"),)
    (new,) = since(conditions_after(None, generation=1, good="Synced"), old, NOON)
    assert new.last_transition_time == "2026-01-01T12:00:00Z"


def test_no_conditions_have_no_ready():
    assert ready(()) is None
