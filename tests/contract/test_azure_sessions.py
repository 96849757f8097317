"""Tokens of Entra: renewed in time, once, and when a vault refuses them or denies something."""

from contextlib import aclosing

from keyferry.errors import AuthFailed, PermissionDenied
from keyferry.values import Ref, Value
from tests.contract.azure_stores import one, store
from tests.standins.azure import AzureStandIn
from tests.standins.azure_faults import entra, error

pytest_plugins = ["tests.contract.azure_fixtures"]


async def test_a_token_serves_every_call_until_it_is_due(azure: AzureStandIn):
    azure.put("db", "v")
    async with aclosing(store(azure)) as backend:
        for _ in range(5):
            assert isinstance(await one(backend, "db"), Value)
        await backend.check()
    assert azure.counts()["GetToken"] == 1


async def test_a_token_that_is_due_is_renewed_before_the_next_call(azure: AzureStandIn):
    azure.put("db", "v")
    azure.entra.lifetime = 0
    async with aclosing(store(azure)) as backend:
        await one(backend, "db")
        azure.entra.lifetime = 3600
        azure.calls.clear()
        assert isinstance(await one(backend, "db"), Value)
    assert azure.counts() == {"GetToken": 1, "GetSecret": 1}


async def test_a_token_that_the_vault_refuses_is_renewed_once_and_the_call_repeated(azure: AzureStandIn):
    azure.put("db", "v")
    async with aclosing(store(azure)) as backend:
        assert isinstance(await one(backend, "db"), Value)
        azure.entra.revoke_all()
        assert isinstance(await one(backend, "db"), Value)
    assert azure.counts() == {"GetToken": 2, "GetSecret": 3}


async def test_a_vault_that_refuses_every_token_costs_one_new_login_and_is_told(azure: AzureStandIn):
    with azure.faults.during("GetSecret", error(401, "Unauthorized", "canary")):
        async with aclosing(store(azure)) as backend:
            answer = await one(backend, "db")
    assert isinstance(answer, AuthFailed)
    assert str(answer) == (
        f"vault {azure.host} does not accept the token of the client secret in Secret payments/azure-login "
        "(Unauthorized): is the vault in another tenant, or another cloud (environmentType)? Or the operator's clock "
        "is off"
    )
    assert azure.counts() == {"GetToken": 2, "GetSecret": 2}


async def test_a_denial_costs_one_new_login_for_it_may_be_a_group_that_was_joined(azure: AzureStandIn):
    azure.put("db", "v")
    azure.grant(azure.reader.client_id, ())
    async with aclosing(store(azure)) as backend:
        for _ in range(3):
            assert isinstance(await one(backend, "db"), PermissionDenied)
    assert azure.counts() == {"GetToken": 2, "GetSecret": 4}


async def test_what_a_new_token_may_do_is_done(azure: AzureStandIn):
    azure.put("db", "v")
    azure.faults.add("GetSecret", error(403, "Forbidden", inner="ForbiddenByRbac"), times=1)
    async with aclosing(store(azure)) as backend:
        assert isinstance(await one(backend, "db"), Value)


async def test_a_denial_stays_one_where_nobody_can_log_in_just_now(azure: AzureStandIn):
    azure.put("db", "v")
    async with aclosing(store(azure)) as backend:
        await one(backend, "db")
        azure.faults.add("GetToken", entra(90033))
        azure.grant(azure.reader.client_id, ())
        assert isinstance(await one(backend, "db"), PermissionDenied)
        azure.grant(azure.reader.client_id, {"*"})
        assert isinstance(await one(backend, "db"), Value)


async def test_many_reads_with_a_refused_token_log_in_once(azure: AzureStandIn):
    refs = [Ref(f"s{n}") for n in range(60)]
    for ref in refs:
        azure.put(ref.id, "v")
    async with aclosing(store(azure)) as backend:
        await backend.check()
        azure.entra.revoke_all()
        got = await backend.fetch(refs)
    assert all(isinstance(answer, Value) for answer in got.values())
    assert azure.counts()["GetToken"] == 2


async def test_a_renewal_that_fails_is_tried_once_for_all(azure: AzureStandIn):
    refs = [Ref(f"s{n}") for n in range(60)]
    async with aclosing(store(azure)) as backend:
        await backend.check()
        azure.entra.revoke_all()
        with azure.faults.during("GetToken", entra(7000222)):
            got = await backend.fetch(refs)
    assert {type(answer) for answer in got.values()} == {AuthFailed}
    assert azure.counts()["GetToken"] == 2


async def test_a_token_that_cannot_be_renewed_just_now_serves_until_it_expires(azure: AzureStandIn):
    azure.put("db", "v")
    azure.entra.lifetime = 3600
    async with aclosing(store(azure)) as backend:
        await one(backend, "db")
        wallet = (await backend._connection.get()).wallet
        due = wallet.current.renew_at + 1
        wallet._clock = lambda: due
        with azure.faults.during("GetToken", entra(90033)):
            assert isinstance(await one(backend, "db"), Value)
            assert isinstance(await one(backend, "db"), Value)
    assert azure.counts()["GetToken"] == 2, "it is not tried again for every call"
