"""The way to an API server: which proxy, which certificates."""

import pytest

from keyferry.backends.kubernetes.http import _proxy, trusting
from keyferry.errors import CredentialsMissing


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "hub.example,10.0.0.1")


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://other.example:6443", "http://proxy.example:3128"),
        ("https://hub.example:6443", None),
        ("https://a.hub.example", None),
        ("https://10.0.0.1:6443", None),
    ],
)
def test_the_environment_names_the_proxy_and_who_needs_none(url: str, expected: str | None):
    assert _proxy(url) == expected


@pytest.mark.parametrize("authority", [b"canary", "žluť".encode(), b"-----BEGIN CERTIFICATE-----\nAA\n"])
def test_what_is_no_authority_is_told_and_not_quoted(authority: bytes):
    with pytest.raises(CredentialsMissing, match="holds no certificates in PEM") as told:
        trusting(authority, b"", b"", "the token in Secret a/b")
    assert "canary" not in str(told.value)


def test_a_certificate_that_is_none_is_told_and_not_quoted():
    with pytest.raises(CredentialsMissing, match="Secret a/b holds no certificate in PEM") as told:
        trusting(None, b"canary", b"canary", "the certificate in Secret a/b")
    assert "canary" not in str(told.value)
