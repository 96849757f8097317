"""What Flux, Argo CD and `kubectl wait` expect of a status (kstatus), as numbered checks."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from keyferry.kube.client import Json

_REASON = re.compile(r"[A-Z][A-Za-z]{0,1023}")


def assert_follows_conventions(body: Json, **before: Any) -> None:
    """Raises AssertionError with the number of the convention that an object's status breaks.

    `before`: the object's conditions of an earlier moment, as `conditions=[…]`.
    """
    status, generation = body["status"], body["metadata"]["generation"]
    conditions = {each["type"]: each for each in status["conditions"]}
    assert len(conditions) == len(status["conditions"]), "1: no type twice"
    assert "Ready" in conditions, "2: Ready is always there"
    assert conditions.keys() <= {"Ready", "Reconciling", "Stalled", "Listening"}, "3: no other types"
    assert len(conditions.keys() & {"Reconciling", "Stalled"}) <= 1, "4: never both Reconciling and Stalled"
    for type_ in conditions.keys() & {"Reconciling", "Stalled"}:
        assert conditions[type_]["status"] == "True", f"5: {type_} is there only while it is true"
        assert conditions["Ready"]["status"] == "False", f"6: while it is {type_}, it is not Ready"
        assert conditions[type_]["reason"] == conditions["Ready"]["reason"], f"7: Ready and {type_} give one reason"
    if conditions["Ready"]["status"] == "False" and conditions["Ready"]["reason"] != "Suspended":
        assert conditions.keys() & {"Reconciling", "Stalled"}, "8: what is not Ready says whether waiting helps"
    assert status["observedGeneration"] == generation, "9: observedGeneration is the object's"
    for condition in conditions.values():
        _assert_well_formed(condition, generation)
    for old in before.get("conditions", ()):
        new = conditions.get(old["type"])
        kept = new is not None and new["lastTransitionTime"] == old["lastTransitionTime"]
        assert new is None or kept or new["status"] != old["status"], "15: the time stays unless the status changes"


def _assert_well_formed(condition: Json, generation: int) -> None:
    assert condition["observedGeneration"] == generation, "10: each condition tells its generation"
    assert condition["status"] in ("True", "False", "Unknown"), "11: a status is one of three words"
    assert _REASON.fullmatch(condition["reason"]), "12: a reason is a CamelCase word"
    assert condition["status"] != "False" or condition["message"], "13: a failure has a message"
    since = datetime.strptime(condition["lastTransitionTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert since <= datetime.now(UTC) + timedelta(seconds=1), "14: lastTransitionTime is a time of the past"
