"""The contract suite's subjects, collected from `subjects/`, a module a backend."""

import importlib
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path
from typing import cast

import pytest

from keyferry.backends.base import Backend
from keyferry.backends.hcp import HcpBackend
from keyferry.backends.infisical import InfisicalBackend
from keyferry.backends.vault import VaultBackend
from tests.contract import bare, hcp_stores, infisical_stores
from tests.contract.aws_stores import ISSUER, SIGNER
from tests.contract.subject import Subject
from tests.contract.vault_stores import everything, store
from tests.servers.every import SERVERS
from tests.standins.aws import AwsStandIn
from tests.standins.aws_sts import Issuer, Role
from tests.standins.hcp import HcpStandIn
from tests.standins.infisical import InfisicalStandIn
from tests.standins.vault_proxy import VaultProxy

SUBJECTS = sorted(path.stem for path in (Path(__file__).parent / "subjects").glob("[!_]*.py"))


@pytest.fixture(params=SUBJECTS)
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    module = importlib.import_module(f"tests.contract.subjects.{request.param}")
    async with cast("AbstractAsyncContextManager[Subject]", module.open_subject(tmp_path)) as opened:
        yield opened


@pytest.fixture
async def backend(subject: Subject) -> AsyncIterator[Backend]:
    async with aclosing(subject.backend()) as made:
        yield made


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A process that nobody gave AWS credentials, by variable, file or instance."""
    bare.of_aws(monkeypatch, tmp_path)
    return monkeypatch


@pytest.fixture
def aws(bare_environment: pytest.MonkeyPatch) -> Iterator[AwsStandIn]:
    with AwsStandIn() as standin:
        yield standin


@pytest.fixture
def payments(aws: AwsStandIn) -> Role:
    """A role that trusts one ServiceAccount."""
    aws.sts.issuers[ISSUER] = Issuer(("sts.amazonaws.com",), lambda _: SIGNER.public_key())
    return aws.sts.role("payments", issuer=ISSUER, subject="system:serviceaccount:payments:keyferry")


@pytest.fixture(params=["vault", "openbao"])
def vault(request: pytest.FixtureRequest) -> Iterator[VaultProxy]:
    """A real Vault, and a real OpenBao, behind a proxy that counts."""
    with VaultProxy(SERVERS[request.param].get()) as proxy:
        yield proxy


@pytest.fixture
def kv(vault: VaultProxy) -> str:
    """A KV engine of version 2 of the test's own; where it is mounted."""
    return vault.vault.engine(2)


@pytest.fixture
def all_of_kv(vault: VaultProxy, kv: str) -> str:
    """A policy that allows everything there."""
    return everything(vault.vault, kv)


@pytest.fixture
async def kv2(vault: VaultProxy, kv: str) -> AsyncIterator[VaultBackend]:
    """A store on that engine, which may do everything."""
    async with aclosing(store(vault, kv)) as made:
        yield made


@pytest.fixture
async def kv1(vault: VaultProxy) -> AsyncIterator[VaultBackend]:
    """The same on an engine of version 1."""
    async with aclosing(store(vault, vault.vault.engine(1), spec={"version": "v1"})) as made:
        yield made


@pytest.fixture
def infisical() -> Iterator[InfisicalStandIn]:
    with InfisicalStandIn() as standin:
        yield standin


@pytest.fixture
async def shop(infisical: InfisicalStandIn) -> AsyncIterator[InfisicalBackend]:
    """A store on that project, whose identity may do everything."""
    async with aclosing(infisical_stores.store(infisical)) as made:
        yield made


@pytest.fixture
def hcp() -> Iterator[HcpStandIn]:
    with HcpStandIn() as standin:
        yield standin


@pytest.fixture
async def app(hcp: HcpStandIn) -> AsyncIterator[HcpBackend]:
    """A store of that app, as its documented role allows."""
    async with aclosing(hcp_stores.store(hcp)) as made:
        yield made
