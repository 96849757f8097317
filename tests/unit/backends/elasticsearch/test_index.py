import pytest

from keyferry.backends.elasticsearch.documents import META_ID
from keyferry.backends.elasticsearch.errors import About
from keyferry.backends.elasticsearch.index import _got, _hits
from keyferry.errors import BackendUnavailable, PermissionDenied, Throttled

ABOUT = About("Read", "the API key in Secret a/b", "es.example:9200", "secrets")


def failed(id_: str, kind: str) -> dict[str, object]:
    return {"_id": id_, "error": {"type": kind, "reason": "canary"}}


def test_a_document_that_cannot_be_read_spoils_no_other():
    there = {"_id": META_ID, "found": True, "_seq_no": 1, "_primary_term": 1, "_source": {}}
    found, failures = _got({"docs": [there, failed("x", "security_exception"), {"_id": "y", "found": False}]}, ABOUT)
    assert set(found) == {META_ID}
    assert {id_: type(failure) for id_, failure in failures.items()} == {"x": type(failures["x"])}
    assert isinstance(failures["x"], PermissionDenied)


def test_where_one_document_asks_for_patience_the_store_hears_of_it():
    with pytest.raises(Throttled):
        _got({"docs": [failed("x", "es_rejected_execution_exception")]}, ABOUT)


def test_without_the_document_that_tells_of_the_encryption_nothing_is_read():
    with pytest.raises(BackendUnavailable, match="shards of the index secrets are not available"):
        _got({"docs": [failed(META_ID, "no_shard_available_action_exception")]}, ABOUT)


@pytest.mark.parametrize("odd", [{"timed_out": True}, {"_shards": {"failed": 1}}], ids=str)
def test_a_search_that_did_not_see_all_is_no_answer(odd: dict[str, object]):
    with pytest.raises(BackendUnavailable):
        _hits({"hits": {"hits": []}, **odd}, ABOUT)
    assert _hits({"hits": {"hits": []}}, ABOUT) == []


@pytest.mark.parametrize(
    "body", [{}, {"hits": {}}, {"hits": {"hits": {}}}, {"hits": {"hits": [{"_id": "x"}]}}], ids=str
)
def test_a_search_that_is_answered_with_something_else_is_no_answer(body: dict[str, object]):
    with pytest.raises(BackendUnavailable, match="with what Keyferry does not understand"):
        _hits(body, ABOUT)
