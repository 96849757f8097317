"""Namespaces inside a server, on a real OpenBao: Vault has them in its Enterprise edition only."""

from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace

import pytest

from keyferry.backends.vault import VaultBackend
from keyferry.errors import AuthFailed, PermissionDenied, SyncError
from keyferry.values import Value
from tests.contract.vault_stores import DB, app_role, everything, holding, listed, one, store
from tests.servers.openbao import SHARED
from tests.servers.vault_server import VaultServer, unique
from tests.standins.vault_proxy import VaultProxy

ENGINE = "kv"  # in every namespace another one


@pytest.fixture
def openbao() -> Iterator[VaultProxy]:
    with VaultProxy(SHARED.get()) as proxy:
        yield proxy


def inside(openbao: VaultProxy) -> VaultServer:
    """A new namespace with an engine, as its administrator sees it."""
    made = replace(openbao.vault, namespace=unique("team"))
    openbao.vault.request("POST", f"sys/namespaces/{made.namespace}")
    made.engine(2, ENGINE)
    made.request("POST", f"{ENGINE}/data/{DB.id}", {"data": {"password": "v"}})
    return made


@pytest.fixture
def team(openbao: VaultProxy) -> VaultServer:
    return inside(openbao)


def of(openbao: VaultProxy, team: VaultServer, asked: str = "") -> VaultBackend:
    """A store with an AppRole of that namespace, which may do everything there; it asks for that one, or another."""
    auth, secret_id = app_role(team, everything(team, ENGINE))
    cluster = holding(team, **{"secret-id": secret_id})
    return store(openbao, ENGINE, auth, cluster=cluster, spec={"namespace": asked or team.namespace})


async def said(backend: VaultBackend, kind: type[SyncError]) -> str:
    async with aclosing(backend):
        answer = await one(backend)
    assert isinstance(answer, kind), answer
    return str(answer)


async def test_a_store_logs_in_reads_lists_and_writes_in_its_namespace(openbao: VaultProxy, team: VaultServer):
    async with aclosing(of(openbao, team)) as backend:
        assert (await backend.check()).lacking == ()
        answer = await one(backend)
        assert isinstance(answer, Value)
        assert answer.data == b'{"password":"v"}'
        await backend.put("app/new", b'{"a":1}', {"team": "x"})
        assert set(await listed(backend)) == {DB.id, "app/new"}
    assert {call.namespace for call in openbao.calls} == {team.namespace}


async def test_a_namespace_that_is_not_there_is_told(openbao: VaultProxy, team: VaultServer):
    text = await said(of(openbao, team, "nowhere"), AuthFailed)
    assert "is the login mounted there, in this namespace" in text


async def test_a_login_of_another_namespace_is_told(openbao: VaultProxy, team: VaultServer):
    text = await said(of(openbao, team, inside(openbao).namespace), AuthFailed)
    assert "is the login mounted there, in this namespace" in text


async def test_a_token_of_another_namespace_may_read_nothing(openbao: VaultProxy, team: VaultServer):
    token = openbao.vault.token("default")
    text = await said(store(openbao, ENGINE, token=token, spec={"namespace": team.namespace}), PermissionDenied)
    assert f"is not allowed read on {ENGINE}/data/{DB.id}" in text
