"""The conventions themselves: each check fails where it should."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.sync.conventions import assert_follows_conventions


def failing() -> dict[str, Any]:
    """An object that is not Ready, and says so as it should."""

    def condition(type_: str, status: str) -> dict[str, Any]:
        return {
            "type": type_,
            "status": status,
            "reason": "BackendUnavailable",
            "message": "no answer",
            "observedGeneration": 3,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }

    conditions = [condition("Ready", "False"), condition("Reconciling", "True")]
    return {"metadata": {"generation": 3}, "status": {"observedGeneration": 3, "conditions": conditions}}


Spoil = Callable[[list[dict[str, Any]]], object]


def test_a_good_status_passes():
    assert_follows_conventions(failing(), conditions=failing()["status"]["conditions"])


@pytest.mark.parametrize(
    ("number", "spoil"),
    [
        (1, lambda all_: all_.append(all_[0])),
        (2, lambda all_: all_.pop(0)),
        (3, lambda all_: all_.append({**all_[0], "type": "Healthy"})),
        (4, lambda all_: all_.append({**all_[1], "type": "Stalled"})),
        (5, lambda all_: all_[1].update(status="False")),
        (6, lambda all_: all_[0].update(status="True")),
        (7, lambda all_: all_[0].update(reason="Other")),
        (8, lambda all_: all_.pop(1)),
        (10, lambda all_: all_[0].update(observedGeneration=2)),
        (11, lambda all_: [all_[0].update(status="Maybe"), all_.pop(1)]),
        (12, lambda all_: [each.update(reason="no word") for each in all_]),
        (13, lambda all_: all_[0].update(message="")),
        (14, lambda all_: all_[0].update(lastTransitionTime="2999-01-01T00:00:00Z")),
        (15, lambda all_: all_[0].update(lastTransitionTime="2026-01-02T00:00:00Z")),
    ],
    ids=lambda each: str(each) if isinstance(each, int) else "",
)
def test_what_is_wrong_is_found(number: int, spoil: Spoil):
    body, before = failing(), failing()["status"]["conditions"]
    spoil(body["status"]["conditions"])
    with pytest.raises(AssertionError, match=f"^{number}: "):
        assert_follows_conventions(body, conditions=before)


def test_a_generation_that_was_not_seen_is_found():
    body = copy.deepcopy(failing())
    body["metadata"]["generation"] = 4
    with pytest.raises(AssertionError, match=r"^9: "):
        assert_follows_conventions(body)
