"""What failures are told as, where no stand-in can easily produce them."""

import pytest

from keyferry.backends.gcp.errors import About, Failure, told
from keyferry.errors import BackendUnavailable, SpecInvalid, SyncError, Throttled

SECRET = "projects/acme-prod/secrets/db"


def said(status: str, message: str = "canary") -> SyncError:
    about = About("AccessSecretVersion", "secretmanager.versions.access", SECRET, "the login", "host")
    error = told(Failure(status, message), about)
    assert "canary" not in str(error)
    return error


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("Tls handshake failed: CERTIFICATE_VERIFY_FAILED: canary", "not trusted: name the right one in caProvider"),
        (
            "Tls handshake failed: CERTIFICATE_VERIFY_FAILED: certificate has expired: canary",
            "its certificate has expired, or the operator's clock is off",
        ),
        (
            "Tls handshake failed: CERTIFICATE_VERIFY_FAILED: certificate is not yet valid: canary",
            "its certificate is not yet valid, or the operator's clock is off",
        ),
        ("Hostname Verification Check failed. canary", "its certificate is for another name or address"),
        ("Ssl handshake failed: WRONG_VERSION_NUMBER canary", "it does not speak TLS"),
        ("Ssl handshake failed (canary)", "AccessSecretVersion: no secure connection to host"),
        ("Connection refused canary", "cannot connect to host"),
        ("Socket closed canary", "host cannot be reached, or breaks off"),
    ],
)
def test_a_connection_that_does_not_come_about_is_told_by_its_cause(message: str, words: str):
    error = said("UNAVAILABLE", message)
    assert type(error) is BackendUnavailable
    assert str(error).endswith(words)


def test_an_answer_that_is_too_large_is_no_throttling():
    error = said("RESOURCE_EXHAUSTED", "CLIENT: Received message larger than max (canary vs. 4194304)")
    assert not isinstance(error, Throttled)
    assert "more than Keyferry takes at once" in str(error)


@pytest.mark.parametrize("status", ["", "canary", "DATA_LOSS"])
def test_what_is_not_known_is_no_answer(status: str):
    assert isinstance(said(status), BackendUnavailable)


def test_a_list_of_what_is_nowhere_is_no_empty_list():
    about = About("ListSecrets", "secretmanager.secrets.list", "projects/acme-prod/locations/x", "the login", "host")
    error = told(Failure("NOT_FOUND"), about)
    assert isinstance(error, BackendUnavailable)
    assert "check projectId and location" in str(error)


def test_a_write_that_google_refuses_as_it_is_names_what_was_done():
    about = About("CreateSecret", "secretmanager.secrets.create", "projects/acme-prod", "the login", "host")
    error = told(Failure("INVALID_ARGUMENT", "canary"), about)
    assert isinstance(error, SpecInvalid)
    assert str(error) == "host refuses CreateSecret of projects/acme-prod as it was asked for"
