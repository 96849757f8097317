"""The operator's own credentials behind a proxy: clouds are asked through it, the pod's own machine never is."""

import os
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from keyferry.api.providers.references import ServiceAccountRef
from keyferry.backends.route import sparing_metadata
from keyferry.errors import BackendUnavailable
from keyferry.values import Value
from tests.contract.aws_stores import signed
from tests.contract.behind import ONE, PLACES, TWO, Behind, one, said, through
from tests.standins.connect_proxy import ConnectProxy, connect_proxy
from tests.standins.gcp_metadata import MetadataServer
from tests.standins.pod_identity import PodIdentityAgent

pytest_plugins = ["tests.contract.gcp_fixtures"]

AMBIENT: dict[str, Any] = {"ambient": {}}


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An operator whose environment names a proxy that is not there, as its program takes that."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_", "IDENTITY_", "MSI_"))]:
        monkeypatch.delenv(name)
    said = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    sparing_metadata(said)
    for name, text in said.items():
        monkeypatch.setenv(name, text)
        monkeypatch.setenv(name.lower(), text)
    return monkeypatch


@asynccontextmanager
async def place(name: str, folder: Path, environment: pytest.MonkeyPatch) -> AsyncIterator[tuple[Behind, ConnectProxy]]:
    async with PLACES[name](folder, environment) as behind, connect_proxy(behind.ways) as proxy:
        yield behind, proxy


def web_identity(behind: Behind, environment: pytest.MonkeyPatch, folder: Path) -> None:
    """What EKS puts into the pod of an operator that has a role."""
    (folder / "token").write_text(signed(ServiceAccountRef(name="keyferry"), "sts.amazonaws.com"))
    role = f"arn:aws:iam::{behind.standin.account}:role/payments"
    pod = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(folder / "token"), "AWS_ROLE_ARN": role}
    for name, text in {**pod, "AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL_STS": f"https://{TWO}"}.items():
        environment.setenv(name, text)


async def test_the_sts_of_the_operators_own_role_is_asked_through_the_stores_proxy(
    proxied: pytest.MonkeyPatch, tmp_path: Path
):
    async with place("aws", tmp_path, proxied) as (behind, proxy):
        web_identity(behind, proxied, tmp_path)
        async with aclosing(through(behind, proxy, auth=AMBIENT, ambient=True)) as backend:
            assert isinstance(await one(backend, behind.ref), Value)
        assert set(proxy.asked) == {ONE, TWO}


async def test_a_proxy_that_refuses_the_operators_own_login_is_told(proxied: pytest.MonkeyPatch, tmp_path: Path):
    async with place("aws", tmp_path, proxied) as (behind, proxy):
        web_identity(behind, proxied, tmp_path)
        proxy.answers = 403
        text = await said(through(behind, proxy, auth=AMBIENT, ambient=True), behind.ref, BackendUnavailable)
    assert f"the proxy {proxy.host} lets nobody through" in text


async def test_the_agent_of_pod_identity_is_asked_directly(proxied: pytest.MonkeyPatch, tmp_path: Path):
    async with place("aws", tmp_path, proxied) as (behind, proxy):
        with PodIdentityAgent(behind.standin.sts, behind.standin.sts.role("operator"), tmp_path / "token") as agent:
            for name, text in agent.environment.items():
                proxied.setenv(name, text)
            async with aclosing(through(behind, proxy, auth={"podIdentity": {}}, ambient=True)) as backend:
                assert isinstance(await one(backend, behind.ref), Value)
            assert agent.asked == 1
        assert set(proxy.asked) == {ONE}


async def test_the_metadata_server_of_google_is_asked_directly(
    no_google: pytest.MonkeyPatch, proxied: pytest.MonkeyPatch, tmp_path: Path
):
    async with place("gcp", tmp_path, proxied) as (behind, proxy):
        with MetadataServer(behind.standin.iam, behind.standin.admin.email) as metadata:
            metadata.found_by(no_google)
            async with aclosing(through(behind, proxy, auth=None, ambient=True)) as backend:
                assert isinstance(await one(backend, behind.ref), Value)
            assert metadata.asked == 1
        assert set(proxy.asked) == {ONE}


async def test_the_identity_of_the_node_is_asked_directly(proxied: pytest.MonkeyPatch, tmp_path: Path):
    async with place("azure", tmp_path, proxied) as (behind, proxy):
        app = behind.standin.entra.app(managed=True)
        behind.standin.grant(app.client_id, {"*"})
        for name, text in behind.standin.app_service.items():
            proxied.setenv(name, text)
        async with aclosing(through(behind, proxy, auth={"managedIdentity": {}}, ambient=True)) as backend:
            assert isinstance(await one(backend, behind.ref), Value)
        assert set(proxy.asked) == {ONE}
