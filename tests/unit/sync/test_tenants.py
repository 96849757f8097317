"""Promise 4: a namespace sees what its mapping gives it, through no field and at no moment more."""

from typing import Any

import pytest

from tests.unit.sync.world import TEAM, World, item

pytestmark = pytest.mark.looptime(start=1000.0, noop_cycles=1)
SHARED: dict[str, Any] = {"secretStoreRef": {"kind": "ClusterSecretStore", "name": "shared"}}


def shared(world: World, **spec: Any) -> None:
    """A cluster store mapped by tags, with a secret `db` for each of some namespaces."""
    for namespace in ("team", "other", "acme", "acme.pay"):
        world.backend.put(f"of {namespace}", f"of {namespace}".encode(), {"namespace": namespace, "key": "db"})
    world.store("shared", cluster=True, **{"mapping": {"by": "Tags"}, **spec})


async def test_each_namespace_gets_its_own():
    async with World() as world:
        world.namespace("other")
        shared(world)
        for namespace in (TEAM, "other"):
            world.external_secret(namespace=namespace, data=[item(key="db")], **SHARED)
        await world.rest(5)
        assert (world.held(), world.held(namespace="other")) == ({"k": b"of team"}, {"k": b"of other"})


@pytest.mark.parametrize(
    "spec",
    [
        {"data": [item(key="of other")]},
        {"data": [item(key="other/db")]},
        {"data": [item(key="../other/db")]},
        {"data": [item(key="id:of other")]},
        {"data": [item(key="db", version="v2")]},
        {"dataFrom": [{"extract": {"key": "of other"}}]},
        {"dataFrom": [{"find": {"name": {"regexp": "other"}}}]},
        {"dataFrom": [{"find": {"tags": {"namespace": "other"}}}]},
        {"dataFrom": [{"find": {"path": "of other"}}]},
    ],
    ids=str,
)
async def test_no_field_leads_to_anothers(spec: dict[str, Any]):
    async with World() as world:
        shared(world)
        world.external_secret(**spec, **SHARED)
        await world.rest(5)
        assert not world.held()
        assert world.reason() in ("RemoteSecretMissing", "SpecInvalid")


async def test_find_lists_only_ones_own():
    async with World() as world:
        shared(world)
        world.external_secret(dataFrom=[{"find": {"name": {"regexp": ".*"}}}], **SHARED)
        await world.rest(5)
        assert world.held() == {"db": b"of team"}


async def test_an_annotation_says_what_a_namespace_is_called():
    async with World() as world:
        world.namespace(TEAM, namespace="acme.pay")
        shared(world)
        world.external_secret(data=[item(key="db")], **SHARED)
        await world.rest(5)
        assert world.held() == {"k": b"of acme.pay"}


async def test_a_new_annotation_reaches_its_external_secrets_within_a_second():
    async with World() as world:
        shared(world)
        world.external_secret(data=[item(key="db")], **SHARED)
        await world.rest(70)
        world.namespace(TEAM, namespace="acme")
        await world.rest(1)
        assert world.held() == {"k": b"of acme"}


async def test_an_annotation_that_makes_no_sense_is_told_and_gives_nothing():
    async with World() as world:
        world.namespace(TEAM, namespace="Not A Name")
        shared(world)
        world.external_secret(data=[item(key="db")], **SHARED)
        await world.rest(5)
        assert (world.held(), world.reason()) == (None, "SpecInvalid")
        assert "annotation keyferry.dev/namespace" in world.condition()["message"]


async def test_a_namespace_that_is_not_known_yet_gets_nothing_until_it_is():
    async with World() as world:
        shared(world)
        world.backend.put("of late", b"not its own name's", {"namespace": "late", "key": "db"})
        world.external_secret(namespace="late", data=[item(key="db")], **SHARED)
        await world.rest(10)
        assert world.held(namespace="late") is None
        world.namespace("late", namespace="acme")
        await world.rest(2)
        assert world.held(namespace="late") == {"k": b"of acme"}


@pytest.mark.parametrize(
    "namespaces", [{"names": ["other-*"]}, {"selector": {"matchLabels": {"tier": "web"}}}], ids=str
)
async def test_a_store_that_does_not_serve_a_namespace_gives_it_nothing(namespaces: dict[str, Any]):
    async with World() as world:
        shared(world, namespaces=namespaces)
        world.external_secret(data=[item(key="db")], **SHARED)
        await world.rest(5)
        assert (world.held(), world.reason()) == (None, "NamespaceDenied")
        assert world.calls()["fetch"] == 0


async def test_a_label_that_admits_a_namespace_does_so_within_a_second():
    async with World() as world:
        shared(world, namespaces={"selector": {"matchLabels": {"tier": "web"}}})
        world.external_secret(data=[item(key="db")], **SHARED)
        await world.rest(5)
        world.namespace(TEAM, {"tier": "web"})
        await world.rest(1)
        assert world.held() == {"k": b"of team"}


async def test_a_namespace_that_is_denied_later_keeps_its_secret_and_gets_nothing_new():
    async with World() as world:
        shared(world)
        world.external_secret(data=[item(key="db")], **SHARED)
        await world.rest(5)
        shared(world, namespaces={"names": ["other"]})
        world.backend.put("of team", b"rotated")
        await world.rest(70)
        assert (world.held(), world.reason()) == ({"k": b"of team"}, "NamespaceDenied")


async def test_an_unknown_namespace_is_not_admitted_by_what_it_lacks():
    async with World() as world:
        excluded = [{"key": "restricted", "operator": "DoesNotExist"}]
        shared(world, namespaces={"selector": {"matchExpressions": excluded}})
        world.backend.put("of late", b"late", {"namespace": "late", "key": "db"})
        world.external_secret(namespace="late", data=[item(key="db")], **SHARED)
        await world.rest(10)
        assert world.held(namespace="late") is None
        world.namespace("late", {"restricted": "true"})
        await world.rest(2)
        assert world.held(namespace="late") is None
        assert world.reason(namespace="late") == "NamespaceDenied"


async def test_a_secret_store_is_its_own_namespaces():
    async with World() as world:
        world.namespace("other")
        world.store()
        world.backend.put("k", b"v1")
        world.external_secret(namespace="other")
        await world.rest(3)
        assert (world.held(namespace="other"), world.reason(namespace="other")) == (None, "StoreNotFound")


async def test_tenants_are_not_told_of_a_shared_stores_login():
    async with World() as world:
        shared(world, login="admin-login")
        world.external_secret(data=[item(key="db")], **SHARED)
        await world.rest(5)
        assert "admin-login" in world.condition(name="shared", namespace="", of="clustersecretstores")["message"]
        assert world.reason() == "CredentialsMissing"
        assert "admin-login" not in str(world.status())
