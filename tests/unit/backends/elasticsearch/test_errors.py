import pytest

from keyferry.backends.certificates import Untrusted
from keyferry.backends.elasticsearch.errors import (
    About,
    AnswerTooLarge,
    CallDenied,
    Failure,
    IndexMissing,
    Written,
    told,
)
from keyferry.errors import AuthFailed, BackendUnavailable, SpecInvalid, SyncError, Throttled

ABOUT = About("List", "the API key in Secret a/b", "es.example:9200", "secrets")


def refused(status: int, kind: str, **more: object) -> Failure:
    return Failure.of(status, {"type": kind, "reason": "canary", **more})


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (refused(401, "security_exception"), AuthFailed),
        (refused(403, "security_exception"), CallDenied),
        (refused(0, "security_exception"), CallDenied),
        (refused(404, "index_not_found_exception"), IndexMissing),
        (refused(0, "index_not_found_exception"), IndexMissing),
        (refused(409, "version_conflict_engine_exception"), Written),
        (refused(400, "resource_already_exists_exception"), Written),
        (refused(429, "circuit_breaking_exception"), Throttled),
        (refused(0, "es_rejected_execution_exception"), Throttled),
        (refused(429, "cluster_block_exception", why="disk usage exceeded flood-stage watermark"), BackendUnavailable),
        (refused(429, "search_phase_execution_exception"), Throttled),
        (refused(503, "search_phase_execution_exception"), BackendUnavailable),
        (refused(400, "search_phase_execution_exception", why="Result window is too large"), AnswerTooLarge),
        (refused(400, "media_type_header_exception"), SpecInvalid),
        (Failure(429, own=False), Throttled),
        (Failure(302, own=False), SpecInvalid),
        (Failure(404, own=False), BackendUnavailable),
        (Failure(0), BackendUnavailable),
        (Failure(classes=("certificate:authority", "OSError")), Untrusted),
        (Failure(classes=("TooLarge",)), AnswerTooLarge),
        (Failure(classes=("SomethingNew", "Exception")), BackendUnavailable),
    ],
    ids=lambda each: f"{each.status} {each.kind or each.classes}" if isinstance(each, Failure) else each.__name__,
)
def test_a_failure_becomes_the_error_that_tells_what_to_do(failure: Failure, kind: type[SyncError]):
    error = told(failure, ABOUT)
    assert type(error) is kind
    assert "canary" not in f"{error} {failure!r}"


def test_a_disk_that_is_full_is_no_matter_of_patience():
    failure = refused(429, "cluster_block_exception", why="TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage")
    assert "because a disk of Elasticsearch's is full: make room" in str(told(failure, ABOUT))


@pytest.mark.parametrize("error", [None, "canary", [], {"type": None}, {"reason": "canary"}], ids=str)
def test_whatever_is_in_an_answer_is_survived(error: object):
    assert "canary" not in str(told(Failure.of(400, error), ABOUT))
