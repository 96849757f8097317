import pytest

from keyferry.backends.infisical.errors import (
    About,
    CallDenied,
    Failure,
    NotThere,
    RouteUnknown,
    TokenRefused,
    What,
    told,
)
from keyferry.errors import AuthFailed, BackendUnavailable, SyncError, Throttled

ABOUT = About(
    "List", "the identity in Secret a/b", "infisical.example", "folder /apps of environment prod", "Read Value"
)
LOGIN = About("Login", "the identity in Secret a/b", "infisical.example", logging_in=True)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (Failure(401), TokenRefused),
        (Failure(403, "tokenerror your token has expired"), TokenRefused),
        (Failure(403, "the access token was revoked"), TokenRefused),
        (Failure(403, "permissiondenied you are not allowed"), CallDenied),
        (Failure(403, "forbidden: you may not view the value of secret with name 'api_token'"), CallDenied),
        (Failure(403, "failed to expand one or more secret references"), CallDenied),
        (Failure(404, "route get:/api/v4/secrets not found"), RouteUnknown),
        (Failure(404, "", own=False), RouteUnknown),
        (Failure(404, "notfound service token with id 'x' not found"), TokenRefused),
        (Failure(404, "notfound secret with name 'service token with id' not found"), NotThere),
        (Failure(404, "secret with name 'x' not found"), NotThere),
        (Failure(429), Throttled),
        (Failure(500), BackendUnavailable),
        (Failure(0), BackendUnavailable),
        (Failure(classes=("SomethingNew", "Exception")), BackendUnavailable),
    ],
    ids=lambda each: f"{each.status} {each.said[:12]}" if isinstance(each, Failure) else each.__name__,
)
def test_a_failure_becomes_the_error_that_tells_what_to_do(failure: Failure, kind: type[SyncError]):
    assert type(told(failure, ABOUT)) is kind


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("folder with path '/x' in environment with slug 'prod' not found", What.FOLDER),
        ("environment with slug 'prod' not found", What.ENVIRONMENT),
        ("project with id 'x' not found", What.PROJECT),
        ("secret with name 'x' not found", What.SECRET),
        ("secret with name 'project-folder' not found", What.SECRET),
    ],
)
def test_what_is_not_there_is_told_apart(said: str, what: What):
    error = told(Failure(404, said), ABOUT)
    assert isinstance(error, NotThere)
    assert error.what is what


def test_a_denial_names_identity_place_and_permission():
    assert str(told(Failure(403), ABOUT)) == (
        "the identity in Secret a/b may not do this in folder /apps of environment prod: give it a role with Read "
        "Value there"
    )


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_login_that_is_refused_is_no_token_that_is_refused(status: int):
    assert type(told(Failure(status, "canary"), LOGIN)) is AuthFailed
    assert "canary" not in str(told(Failure(status, "canary"), LOGIN))


@pytest.mark.parametrize(
    ("classes", "telling"),
    [
        (("ConnectionTimeoutError", "ServerTimeoutError", "TimeoutError"), "infisical.example does not answer in time"),
        (("ClientConnectorDNSError", "ClientConnectorError"), "cannot connect to infisical.example"),
        (("ServerDisconnectedError", "ClientConnectionError"), "breaks off"),
        (("certificate:expired", "ClientSSLError"), "its certificate has expired"),
    ],
)
def test_what_the_network_does_is_told_in_words(classes: tuple[str, ...], telling: str):
    assert telling in str(told(Failure(classes=classes), ABOUT))
