import pytest

from keyferry.backends.hcp.errors import About, CallDenied, Gone, NotThere, TokenRefused, told, unreached
from keyferry.errors import AuthFailed, BackendUnavailable, Retry, SpecInvalid, SyncError, Throttled

ABOUT = About("List", "the service principal in Secret a/b", "api.example", "app shop of project p")
LOGIN = About("Login", "the service principal in Secret a/b", "auth.example", "", logging_in=True)


@pytest.mark.parametrize(
    ("status", "kind", "login"),
    [
        (401, TokenRefused, AuthFailed),
        (403, CallDenied, AuthFailed),
        (404, NotThere, Gone),
        (410, Gone, Gone),
        (400, BackendUnavailable, AuthFailed),
        (418, BackendUnavailable, AuthFailed),
        (200, BackendUnavailable, BackendUnavailable),
        (429, Throttled, Throttled),
        (500, BackendUnavailable, BackendUnavailable),
        (302, SpecInvalid, SpecInvalid),
    ],
)
def test_a_status_becomes_the_error_that_tells_what_to_do(status: int, kind: type[SyncError], login: type[SyncError]):
    assert type(told(status, ABOUT)) is kind
    assert type(told(status, LOGIN)) is login


@pytest.mark.parametrize("status", [404, 410, 500, 418, 200])
def test_what_may_be_the_end_of_the_service_says_that_it_has_ended(status: int):
    assert "ended on 1 July 2026; Secrets stay as they are" in str(told(status, ABOUT))


@pytest.mark.parametrize("status", [401, 403, 400, 429])
def test_what_is_not_does_not(status: int):
    assert "ended" not in str(told(status, ABOUT))


@pytest.mark.parametrize("status", [404, 410])
def test_waiting_for_what_is_gone_hardly_helps(status: int):
    assert told(status, ABOUT).retry is Retry.ON_CHANGE
    assert isinstance(told(status, ABOUT), BackendUnavailable)


@pytest.mark.parametrize(
    ("kinds", "telling"),
    [
        (("ConnectionTimeoutError", "TimeoutError"), "api.example does not answer in time"),
        (("ClientConnectorDNSError", "ClientConnectorError"), "cannot connect to api.example"),
        (("certificate:expired", "ClientSSLError"), "its certificate has expired"),
        (("SomethingNew",), "no answer of HCP's"),
    ],
)
def test_what_the_network_does_is_told_in_words_with_the_end(kinds: tuple[str, ...], telling: str):
    said = str(unreached(kinds, ABOUT))
    assert telling in said
    assert "ended on 1 July 2026" in said
