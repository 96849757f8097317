import sys

import jwt
import pytest

from keyferry.backends.kubernetes.validity import UNTOLD, Validity, of_certificate, of_token
from tests.servers import certificates

NOW = 1_000_000.0
OVER = "its time is over, or the operator's clock is off"
EARLY = "its time has not come, or the operator's clock is off"


@pytest.mark.parametrize(
    ("held", "why"),
    [
        (Validity(), UNTOLD),
        (Validity(NOW - 1, NOW + 1), UNTOLD),
        (Validity(NOW, NOW), OVER),
        (Validity(NOW - 9, NOW - 1), OVER),
        (Validity(NOW + 1, NOW + 9), EARLY),
    ],
)
def test_by_its_times_a_login_is_too_late_or_too_early_or_nothing_is_known(held, why):
    assert held.doubt(NOW) == why


def test_a_token_says_its_times():
    token = jwt.encode({"nbf": 5, "exp": 7.5}, "a key of at least 32 characters, this", algorithm="HS256")
    assert of_token(token) == Validity(5, 7.5)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "canary",
        "a.b",
        "a.é.c",
        "a.bnVsbA.c",
        "a.eyJleHAiOiAidGhlbiJ9.c",
        "a.eyJleHAiOiAxZTk5OX0.c",
        "a." + "W1tb" * 9999,
    ],
    ids=["nothing", "word", "short", "no ASCII", "null", "no number", "infinite", "deep"],
)
def test_of_what_is_no_such_token_nothing_is_known(token):
    assert of_token(token) == Validity()


def test_a_certificate_says_its_times(tmp_path):
    found = of_certificate(certificates.write(tmp_path, since=-7200, until=-3600))
    assert found.until - found.since == 3600


@pytest.mark.parametrize("pem", [b"", b"canary", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_of_what_is_no_certificate_nothing_is_known(pem):
    assert of_certificate(pem) == Validity()


def test_without_the_extra_a_refused_certificate_is_still_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    assert of_certificate(certificates.write(tmp_path, until=-1)) == Validity()
