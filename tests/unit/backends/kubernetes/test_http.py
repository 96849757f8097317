"""The way to an API server: which certificates."""

import pytest

from keyferry.backends.kubernetes.http import trusting
from keyferry.errors import CredentialsMissing


@pytest.mark.parametrize("authority", [b"canary", "žluť".encode(), b"-----BEGIN CERTIFICATE-----\nAA\n"])
def test_what_is_no_authority_is_told_and_not_quoted(authority: bytes):
    with pytest.raises(CredentialsMissing, match="holds no certificates in PEM") as told:
        trusting(authority, b"", b"", "the token in Secret a/b")
    assert "canary" not in str(told.value)


def test_a_certificate_that_is_none_is_told_and_not_quoted():
    with pytest.raises(CredentialsMissing, match="Secret a/b holds no certificate in PEM") as told:
        trusting(None, b"canary", b"canary", "the certificate in Secret a/b")
    assert "canary" not in str(told.value)
