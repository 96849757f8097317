"""What the API server refuses, as exceptions that quote nothing that was sent."""

from typing import Any

import pytest

from keyferry.errors import KubeUnavailable
from keyferry.kube.errors import Conflict, Forbidden, Gone, Invalid, KubeError, NotFound, Unauthorized, error_for

CANARY = "canary-9f3b"


def status(code: int, reason: str, **details: Any) -> dict[str, Any]:
    """As the API server answers; its message quotes what was sent."""
    return {"kind": "Status", "code": code, "reason": reason, "message": f"Invalid value: {CANARY}", "details": details}


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, KubeError),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (410, Gone),
        (413, Invalid),
        (422, Invalid),
        (429, KubeUnavailable),
        (500, KubeUnavailable),
        (503, KubeUnavailable),
        (504, KubeUnavailable),
    ],
)
def test_a_code_is_a_class_and_the_text_says_what_was_asked(code: int, kind: type[Exception]):
    error = error_for(code, status(code, "Why"), "PATCH secrets team/es")
    assert type(error) is kind
    assert str(error).startswith(f"the API server answered {code} Why to PATCH secrets team/es")


@pytest.mark.parametrize("code", [400, 403, 409, 422, 500])
def test_no_text_quotes_what_was_sent(code: int):
    cause = {"field": "data[password]", "reason": "FieldValueInvalid", "message": f"Invalid value: {CANARY}"}
    error = error_for(code, status(code, "Invalid", causes=[cause], name="es"), "PATCH secrets team/es")
    assert CANARY not in str(error) + repr(error) + str(error.__dict__)


def test_causes_name_the_fields_and_why():
    causes = [{"field": "type", "reason": "FieldValueInvalid"}, {"field": "data"}]
    error = error_for(422, status(422, "Invalid", causes=causes), "PATCH secrets team/es")
    assert isinstance(error, Invalid)
    assert error.causes == ("type: FieldValueInvalid", "data: ?")
    assert str(error).endswith("; type: FieldValueInvalid; data: ?")


def test_a_conflict_tells_with_whom():
    cause = {"field": ".data.k", "reason": "FieldManagerConflict", "message": 'conflict with "keyferry:other"'}
    error = error_for(409, status(409, "Conflict", causes=[cause]), "PATCH secrets team/es")
    assert isinstance(error, Conflict)
    assert error.causes == ('.data.k: conflict with "keyferry:other"',)


@pytest.mark.parametrize("answer", [None, "text", [], {}, {"details": None}, {"reason": None}], ids=str)
def test_an_answer_that_is_no_status_is_an_error_all_the_same(answer: Any):
    assert str(error_for(404, answer, "GET pods a/b")) == "the API server answered 404 to GET pods a/b"


@pytest.mark.parametrize(
    "who", ["ValidatingAdmissionPolicy 'keyferry-secrets'", 'admission webhook "validate.kyverno.svc"']
)
def test_who_denied_it_is_told_and_no_more_of_its_words(who):
    message = f'secrets "db" is forbidden: {who} denied the request: hunter2 is too short'

    told = str(error_for(403, {"reason": "Forbidden", "message": message}, "PATCH secrets a/db"))

    assert told == f"the API server answered 403 Forbidden to PATCH secrets a/db, denied by {who}"
