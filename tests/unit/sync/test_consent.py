"""Stores that log in by a ServiceAccount: what becomes of them while it does not allow that, and once it does."""

from collections import Counter

import pytest

from keyferry.settings import TOKENS_ANNOTATION
from tests.unit.sync.backends import ACCOUNT, AUDIENCE
from tests.unit.sync.conventions import assert_follows_conventions
from tests.unit.sync.world import TEAM, World

pytestmark = pytest.mark.looptime(start=1000.0, noop_cycles=1)
STORES = {"of": "secretstores"}
COMMAND = f"kubectl annotate serviceaccount {ACCOUNT} --namespace {TEAM} {TOKENS_ANNOTATION}={AUDIENCE}"
LOOKS, TOKENS = "GET serviceaccounts", "POST serviceaccounts/token"


def account(world: World, allows: str | None) -> None:
    annotations = {} if allows is None else {TOKENS_ANNOTATION: allows}
    world.kube.put("serviceaccounts", ACCOUNT, TEAM, metadata={"annotations": annotations})


async def made(world: World, allows: str | None) -> None:
    account(world, allows)
    world.backend.put("k", b"v1")
    world.store(login=ACCOUNT)
    world.external_secret()
    await world.rest(62)


def asked(world: World) -> Counter[str]:
    """Of ServiceAccounts, since the last time."""
    found = Counter(f"{each.method} {each.resource}" for each in world.kube.requests if each.name == ACCOUNT)
    world.kube.requests.clear()
    return found


async def test_without_consent_the_store_says_what_to_write_and_asks_for_no_token():
    async with World() as world:
        await made(world, None)
        assert world.reason("store", **STORES) == world.reason() == "TokenNotAllowed"
        assert world.condition(name="store", **STORES)["message"].endswith(COMMAND)
        assert world.condition("Stalled", "store", **STORES)["status"] == "True"
        assert_follows_conventions(world.kube.objects["secretstores", TEAM, "store"])
        assert world.status("store", **STORES)["access"]["login"] == "Denied"
        await world.rest(600)
        looked = asked(world)
        assert looked[TOKENS] == 0
        assert looked[LOOKS] < 662 / 12 + 5, "it is not polled as fast as a backend that is down"


async def test_consent_is_noticed_within_seconds_however_long_it_took():
    async with World() as world:
        await made(world, "another")
        await world.rest(3600)
        account(world, f"another,{AUDIENCE}")
        await world.rest(20)
        assert (world.reason("store", **STORES), world.held()) == ("Ready", {"k": b"v1"})


async def test_while_all_is_well_nobody_looks_at_the_account():
    async with World() as world:
        await made(world, AUDIENCE)
        assert asked(world) == {LOOKS: 1, TOKENS: 1}
        await world.rest(3400)
        assert asked(world) == {}


async def test_consent_withdrawn_costs_no_secret_and_no_other_token_is_asked_for():
    async with World() as world:
        await made(world, AUDIENCE)
        account(world, None)
        await world.rest(3000)
        assert world.reason("store", **STORES) == "Ready"
        asked(world)
        world.backend.put("k", b"v2")
        await world.rest(62)
        assert world.held() == {"k": b"v2"}
        await world.rest(1000)
        assert world.reason("store", **STORES) == world.reason() == "TokenNotAllowed"
        assert world.held() == {"k": b"v2"}
        assert asked(world)[TOKENS] == 0


async def test_a_shared_stores_account_is_nobodys_business_but_its_own():
    async with World() as world:
        account(world, None)
        world.store(login=ACCOUNT, cluster=True, namespaces={"names": [TEAM]})
        world.external_secret(secretStoreRef={"kind": "ClusterSecretStore", "name": "store"})
        await world.rest(62)
        said = world.condition()["message"]
        assert said == "ClusterSecretStore store cannot be used (TokenNotAllowed); its status says why"
        assert COMMAND in world.condition(name="store", namespace="", of="clustersecretstores")["message"]
