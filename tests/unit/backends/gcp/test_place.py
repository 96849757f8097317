"""Where a store's Google is: the names and addresses that follow from its spec."""

import pytest

from keyferry.api.providers.gcp import Gcp
from keyferry.backends.gcp.place import place_of


def place(**spec: str):
    return place_of(Gcp.model_validate({"projectId": "acme-prod", **spec}), lambda _: True)


def test_global_secrets_are_at_the_service_itself():
    found = place()
    assert (found.target, found.parent, found.regional) == (
        "secretmanager.googleapis.com:443",
        "projects/acme-prod",
        False,
    )
    assert found.version("db", "") == "projects/acme-prod/secrets/db/versions/latest"
    assert found.version("db", "3") == "projects/acme-prod/secrets/db/versions/3"
    assert (found.sts, found.iam) == ("https://sts.googleapis.com", "https://iamcredentials.googleapis.com")


def test_regional_secrets_are_at_the_region():
    found = place(location="europe-west3")
    assert found.target == "secretmanager.europe-west3.rep.googleapis.com:443"
    assert found.secret("db") == "projects/acme-prod/locations/europe-west3/secrets/db"
    assert found.regional


@pytest.mark.parametrize(
    ("endpoint", "target"),
    [
        ("https://secretmanager-acme.p.googleapis.com/", "secretmanager-acme.p.googleapis.com:443"),
        ("https://127.0.0.1:8443", "127.0.0.1:8443"),
        ("https://[::1]:8443", "[::1]:8443"),
        ("https://[::1]", "[::1]:443"),
    ],
)
def test_an_endpoint_replaces_the_address_and_nothing_else(endpoint: str, target: str):
    found = place(endpoint=endpoint, location="europe-west3")
    assert found.target == target
    assert found.parent == "projects/acme-prod/locations/europe-west3"


def test_one_address_serves_both_that_log_in():
    found = place(authEndpoint="https://login.example/")
    assert (found.sts, found.iam) == ("https://login.example", "https://login.example")
