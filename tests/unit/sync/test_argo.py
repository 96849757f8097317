"""Argo CD's health check says what kstatus says, of every status that the operator writes."""

from typing import Any

import pytest

from keyferry.api.conditions import UNSEEN
from keyferry.api.external_secret import ExternalSecretStatus
from keyferry.api.kinds import KINDS
from keyferry.errors import SpecInvalid, SyncError
from keyferry.sync.outcome import Outcome
from keyferry.sync.report import status_after
from tests import argo, kstatus
from tests.unit.api.test_reference import errors

# Those of backends are of the same reasons; which of them are loaded depends on what other tests have imported.
FAILURES = sorted(
    {error for error in errors() if error.__module__ in {"keyferry.errors", "keyferry.kube.errors"}},
    key=lambda error: error.__name__,
)
SUSPENDED = Outcome(suspended=True)


def written(*outcomes: Outcome, kind: str = "ExternalSecret", **metadata: Any) -> dict[str, Any]:
    """An object whose status was written after each outcome, as the operator writes it."""
    body: dict[str, Any] = {"kind": kind, "metadata": {"generation": 2, **metadata}}
    status = ExternalSecretStatus()
    for outcome in outcomes:
        status = status_after(body, status, None, outcome)
    return {**body, "status": status.model_dump(mode="json", by_alias=True, exclude_none=True)}


def failed(error: type[SyncError]) -> Outcome:
    return Outcome(error=error("what went wrong"))


NEW = {"kind": "ExternalSecret", "metadata": {"generation": 1}, "status": {"observedGeneration": UNSEEN}}
GOING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}

STATUSES = {
    "ready": (written(Outcome()), "Healthy"),
    "failed once": (written(failed(SyncError)), "Progressing"),
    "stalled": (written(failed(SpecInvalid)), "Degraded"),
    "suspended when it was ready": (written(Outcome(), SUSPENDED), "Healthy"),
    "suspended when it was not": (written(failed(SyncError), SUSPENDED), "Progressing"),
    "suspended before anybody looked": (written(SUSPENDED), "Progressing"),
    "healed": (written(failed(SpecInvalid), Outcome()), "Healthy"),
    "new": (NEW, "Progressing"),
    "edited since": ({**written(Outcome()), "metadata": {"generation": 3}}, "Progressing"),
    "stalled and edited since": ({**written(failed(SpecInvalid)), "metadata": {"generation": 3}}, "Progressing"),
    "being deleted": (written(Outcome(), **GOING), "Progressing"),
    "being deleted while stalled": (written(failed(SpecInvalid), **GOING), "Progressing"),
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
@pytest.mark.parametrize(("body", "word"), STATUSES.values(), ids=STATUSES)
def test_the_health_check_says_what_kstatus_says(kind, body, word):
    body = {**body, "kind": kind.kind}
    assert argo.health(body)[0] == word == argo.WORDS[kstatus.computed(body)]


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: error.__name__)
def test_of_every_failure_it_tells_the_reason_and_the_message(error):
    body = written(failed(error))
    status, message = argo.health(body)
    assert status == argo.WORDS[kstatus.computed(body)]
    assert message == f"{error.reason}: what went wrong"


def test_what_is_suspended_is_said_so():
    assert argo.health(written(Outcome(), SUSPENDED))[1].startswith("Suspended: ")


def test_a_condition_of_hints_has_no_part_in_it():
    body = written(Outcome())
    body["status"]["conditions"].append(
        {"type": "Listening", "status": "False", "reason": "AuthFailed", "message": "no"}
    )
    assert argo.health(body) == ("Healthy", "Synced")


def test_what_has_no_status_at_all_is_waited_for():
    assert argo.health({"kind": "SecretStore", "metadata": {"generation": 1}})[0] == "Progressing"


def test_each_kind_has_the_same_script():
    assert {kind.kind for kind in KINDS} == set(argo.scripts())
    assert len(set(argo.scripts().values())) == 1
