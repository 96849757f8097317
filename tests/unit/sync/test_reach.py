"""An operator that works in some namespaces only, and may see nothing beyond them."""

from typing import Any

import pytest

from keyferry.kube.errors import error_for
from keyferry.settings import Settings
from keyferry.values import Key
from tests.unit.fakes import Request
from tests.unit.sync.world import TEAM, World

pytestmark = pytest.mark.looptime(start=1000.0, noop_cycles=1)
RELIST = 310.0  # seconds


def fenced(*namespaces: str) -> World:
    """A world that lets the operator see nothing but these namespaces."""
    world = World(settings=Settings(namespaces=namespaces))

    def allowed(request: Request) -> None:
        namespace = request.name if request.resource == "namespaces" else request.namespace
        if namespace not in (*namespaces, world.settings.namespace):
            raise error_for(403, {"reason": "Forbidden"}, str(request))

    world.kube.before = allowed
    return world


async def test_it_works_there_without_asking_for_anything_beyond():
    world = fenced(TEAM, "empty")
    world.backend.put("k", b"v1")
    world.store()
    world.external_secret()
    async with world:
        assert world.held() == {"k": b"v1"}
        world.kube.put("secrets", "es", TEAM, data={})
        await world.rest(RELIST)
        assert world.held() == {"k": b"v1"}


async def test_nothing_is_done_elsewhere():
    world = fenced(TEAM)
    world.namespace("other")
    world.backend.put("k", b"v1")
    world.external_secret(namespace="other")
    async with world:
        await world.rest(RELIST)
        assert world.kube.objects["externalsecrets", "other", "es"].get("status") is None


async def test_a_cluster_secret_store_cannot_be_seen_and_the_status_says_what_to_use():
    world = fenced(TEAM)
    world.store(cluster=True)
    world.external_secret(secretStoreRef={"kind": "ClusterSecretStore", "name": "store"})
    async with world:
        assert world.reason() == "StoreNotFound"
        assert world.condition()["message"].endswith("Keyferry works in some namespaces only; use a SecretStore")


async def test_what_the_namespace_is_called_is_seen_at_the_next_list():
    world = fenced(TEAM)
    world.backend.put("k", b"v1", {"namespace": TEAM, "key": "k"})
    world.backend.put("other", b"v2", {"namespace": "shop", "key": "k"})
    world.store(mapping={"by": "Tags"})
    world.external_secret(refreshInterval="1h")
    async with world:
        assert world.held() == {"k": b"v1"}
        world.namespace(TEAM, namespace="shop")
        await world.rest(RELIST)
        assert world.held() == {"k": b"v2"}


async def test_a_namespace_that_is_not_there_yet_is_worked_in_when_it_is():
    world = fenced(TEAM, "later")
    world.backend.put("k", b"v1")
    async with world:
        world.namespace("later")
        world.kube.put("secretstores", "store", "later", spec=_store())
        world.external_secret(namespace="later", refreshInterval="1h")
        await world.rest(RELIST)
        assert world.held(namespace="later") == {"k": b"v1"}


def named(*names: str) -> World:
    """A world that lets the operator touch, of the team's Secrets, only those of these names."""
    world = World(settings=Settings(namespaces=(TEAM,), secrets=tuple(Key(TEAM, name) for name in names)))

    def allowed(request: Request) -> None:
        selected = request.query.get("fieldSelector", "").removeprefix("metadata.name=")
        if request.resource == "secrets" and (request.name or selected) not in names:
            raise error_for(403, {"reason": "Forbidden"}, str(request))

    world.kube.before = allowed
    return world


async def test_where_secrets_are_named_targets_and_logins_among_them_need_no_right_beyond():
    world = named("es", "login")
    world.backend.put("k", b"v1")
    world.secret("login", {"key": b"x"})
    world.store(login="login")
    world.external_secret(refreshInterval="1h")
    async with world:
        assert world.held() == {"k": b"v1"}
        world.kube.put("secrets", "es", TEAM, data={})
        await world.rest(10)
        assert world.held() == {"k": b"v1"}
        world.kube.remove("secrets", "login", TEAM)
        await world.rest(RELIST)
        assert world.reason("store", of="secretstores") == "CredentialsMissing"
        assert world.held() == {"k": b"v1"}


async def test_where_secrets_are_named_another_target_is_told_and_nothing_read_for_it():
    world = named("es")
    world.backend.put("k", b"v1")
    world.store()
    world.external_secret("other")
    async with world:
        await world.rest(62)
        assert world.reason("other") == "KubernetesForbidden"
        assert "Secret team/other is none of those that Keyferry may touch" in world.condition(name="other")["message"]
        assert world.calls()["fetch"] == 0


def _store() -> dict[str, Any]:
    ref = {"name": "none", "key": "key"}
    return {"provider": {"sql": {"database": "db", "encryption": {"keySecretRef": ref}}}}
