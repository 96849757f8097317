"""What a tenant's store must not reach: the operator's own credentials, files, commands and network position."""

import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from keyferry.errors import SpecInvalid
from keyferry.settings import Settings
from keyferry.values import Ref, Value
from tests.contract.gcp_stores import store
from tests.standins.gcp import GcpStandIn
from tests.standins.gcp_metadata import MetadataServer

pytest_plugins = ["tests.contract.gcp_fixtures"]


async def only_answer(backend: Any) -> object:
    async with aclosing(backend):
        return (await backend.fetch([Ref("db")]))[Ref("db")]


@pytest.mark.parametrize("auth", [None, {}], ids=["no auth", "an empty one"])
async def test_the_operators_own_credentials_are_refused_to_a_tenant_before_anybody_is_asked(
    gcp: GcpStandIn, no_google: pytest.MonkeyPatch, auth: dict[str, Any] | None
):
    with MetadataServer(gcp.iam, gcp.admin.email) as metadata:
        metadata.found_by(no_google)
        answer = await only_answer(store(gcp, auth))
        assert metadata.asked == 0
    assert isinstance(answer, SpecInvalid)
    assert "a SecretStore may not use the operator's own credentials" in str(answer)
    assert "--allow-ambient-in-namespaces" in str(answer)
    assert gcp.calls.count() == 0


async def test_a_tenants_key_is_used_alone_whatever_the_operator_has(
    gcp: GcpStandIn, no_google: pytest.MonkeyPatch, tmp_path: Path
):
    mark = tmp_path / "mark"
    file = tmp_path / "adc.json"
    file.write_text(json.dumps({"type": "external_account", "credential_source": {"file": str(mark)}}))
    no_google.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    gcp.put("db", b"v")
    tenant = gcp.iam.account("tenant", [])
    answer = await only_answer(store(gcp, key=tenant.key_file()))
    assert "is not allowed secretmanager.versions.access" in str(answer)


@pytest.mark.parametrize("field", ["endpoint", "authEndpoint"])
async def test_a_tenant_sends_nothing_to_an_address_that_is_not_allowed(gcp: GcpStandIn, field: str):
    refused = "https://127.0.0.1:1"
    answer = await only_answer(store(gcp, spec={field: refused}, endpoint_allowed=lambda url: url != refused))
    assert isinstance(answer, SpecInvalid)
    assert str(answer).startswith(f"spec.provider.gcp.{field}: this store may not send requests to {refused}")
    assert f"--allow-endpoint={refused}" in str(answer)
    assert gcp.calls.count() == 0


@pytest.mark.parametrize("url", ["https://host:99999", "https://:443", "https://[::1"])
async def test_what_is_no_address_is_told(gcp: GcpStandIn, url: str):
    answer = await only_answer(store(gcp, spec={"endpoint": url}))
    assert isinstance(answer, SpecInvalid)
    assert f"spec.provider.gcp.endpoint: {url} is no address" in str(answer)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://secretmanager.googleapis.com", True),
        ("https://secretmanager.europe-west3.rep.googleapis.com/", True),
        ("https://secretmanager-acme.p.googleapis.com", True),
        ("https://sts.googleapis.com", True),
        ("https://iamcredentials-acme.p.googleapis.com", True),
        ("http://secretmanager.googleapis.com", False),
        ("https://storage.googleapis.com", False),
        ("https://secretmanager.googleapis.com.evil.example", False),
        ("https://evil.example/secretmanager.googleapis.com", False),
        ("https://secretmanagerxgoogleapis.com", False),
        ("https://metadata.google.internal", False),
        ("https://secretmanager.googleapis.com:8443", False),
    ],
)
def test_a_tenant_may_use_googles_own_addresses_and_no_others(url: str, *, allowed: bool):
    assert Settings().endpoint_allowed(url) is allowed


async def test_a_tenant_of_one_project_reads_from_no_other(gcp: GcpStandIn):
    gcp.put("db", b"v")
    async with aclosing(store(gcp)) as backend:
        names = ["projects/other/secrets/db", "../../other/secrets/db", "db/versions/1"]
        got = await backend.fetch([Ref(name) for name in names])
    assert not [answer for answer in got.values() if isinstance(answer, Value)]
    assert gcp.calls.count() == 0
