"""What becomes of Kopf's lines about watches that fail."""

import itertools
import logging

import pytest

from keyferry.handlers.wording import Pauses, reword

WATCHING = logging.getLogger("kopf._cogs.clients.watching")
ENDS = logging.getLogger("kopf._core.reactor.orchestration")
ASKED = "GET https://api:443/apis/keyferry.dev/v1alpha1/externalsecrets?watch=true&resourceVersion=7"


@pytest.fixture(autouse=True)
def worded():
    """As the operator does it, and again for each start of Kopf; afterwards nothing is left of it."""
    reword()
    reword()
    yield
    for logger in (WATCHING, ENDS, logging.getLogger("kopf._cogs.clients.fetching")):
        logger.filters.clear()
    logging.getLogger("kopf._core.reactor.running").filters.clear()


class APINotFoundError(Exception):
    """Named as Kopf's."""


def failed(text: str, error: Exception) -> None:
    """Log as Kopf's guard of tasks does."""
    try:
        raise error
    except type(error):
        ENDS.exception(text)


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (
            "APIForbiddenError('User x cannot watch', {})",
            "the API server answered 403 Forbidden to WATCH externalsecrets",
        ),
        ("ClientConnectorError(ConnectionKey(host='api'))", "it broke: ClientConnectorError"),
    ],
    ids=["refused", "unreachable"],
)
def test_a_watch_that_fails_is_named_with_its_cause_and_without_the_whole_answer(caplog, raised, told):
    for attempt in range(1, 9):
        WATCHING.error("Request attempt #%s failed; will retry: %s -> %s", attempt, ASKED, raised)

    assert [record.getMessage() for record in caplog.records] == [f"watching externalsecrets: {told}"]


def test_a_list_that_fails_is_told_alike(caplog):
    WATCHING.error("Request attempt #1 failed; will retry: GET https://api/api/v1/namespaces -> TimeoutError()")
    assert [record.getMessage() for record in caplog.records] == ["watching namespaces: it broke: TimeoutError"]


def test_the_end_of_a_watcher_is_told_in_one_line(caplog):
    failed("Watcher for externalsecrets.v1alpha1.keyferry.dev@none has failed: 404", APINotFoundError("404"))
    failed("Multidimensional multitasker has failed: 404", APINotFoundError("404"))

    (record,) = caplog.records
    assert record.getMessage() == (
        "watching externalsecrets: the API server answered 404 Not Found to WATCH externalsecrets"
    )
    assert record.exc_info is None


def test_what_is_no_answer_of_the_api_server_stays_as_it_is(caplog):
    failed("Watcher for externalsecrets.v1alpha1.keyferry.dev@none has failed: why", ValueError("why"))
    assert caplog.records[0].exc_info


def test_kopf_never_gives_up_and_tries_again_within_seconds():
    pauses = list(itertools.islice(Pauses(), 100))
    assert 0.8 <= pauses[0] <= 1.2
    assert all(4.0 <= pause <= 6.0 for pause in pauses[5:])
