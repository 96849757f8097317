"""Edits that meet our own writes: none is lost, and no object gets another's status."""

from typing import Any

import pytest

from tests.unit.fakes import Request
from tests.unit.sync.conventions import assert_follows_conventions
from tests.unit.sync.world import TEAM, World, item

pytestmark = pytest.mark.looptime(start=1000.0, noop_cycles=1)


def once(world: World, resource: str, edit: Any) -> None:
    """Just before the next write of that resource arrives, somebody else's edit does."""

    def meet(request: Request) -> None:
        if request.resource == resource and request.method == "PATCH":
            world.kube.before = lambda _: None
            edit()

    world.kube.before = meet


@pytest.mark.parametrize("policy", [{}, {"refreshPolicy": "OnChange"}, {"refreshInterval": "0"}], ids=str)
async def test_an_edit_that_meets_our_status_is_done(policy: dict[str, str]):
    async with World() as world:
        world.backend.put("k", b"v1")
        world.store()
        await world.rest(3)
        once(world, "externalsecrets/status", lambda: world.external_secret(data=[item("other")], **policy))
        world.external_secret(**policy)
        await world.rest(5)
        assert world.held() == {"other": b"v1"}
        assert_follows_conventions(world.kube.objects["externalsecrets", TEAM, "es"])


async def test_a_new_target_that_meets_our_status_is_watched():
    async with World() as world:
        world.backend.put("k", b"v1")
        world.store()
        await world.rest(3)
        once(world, "externalsecrets/status", lambda: world.external_secret(target={"name": "renamed"}))
        world.external_secret()
        await world.rest(5)
        world.kube.remove("secrets", "renamed", TEAM)
        await world.rest(2)
        assert world.held("renamed") == {"k": b"v1"}


async def test_a_refresh_that_meets_our_status_is_obeyed():
    async with World() as world:
        world.backend.put("k", b"v1")
        world.store()
        await world.rest(3)
        once(world, "externalsecrets/status", lambda: world.annotate("externalsecrets", "es", refresh="1"))
        world.external_secret()
        await world.rest(5)
        assert world.status()["refresh"] == "1"


async def test_a_label_that_meets_our_status_does_not_keep_it_from_being_written():
    async with World() as world:
        world.backend.put("k", b"v1")
        world.store()
        await world.rest(3)

        def label() -> None:
            world.kube.put("externalsecrets", "es", TEAM, metadata={"labels": {"a": "1"}})

        once(world, "externalsecrets/status", label)
        world.external_secret()
        await world.rest(5)
        assert world.reason() == "Synced"


async def test_an_edit_of_a_store_that_meets_its_status_is_done():
    async with World() as world:
        world.backend.put("pk", b"v1")
        once(world, "secretstores/status", lambda: world.store(prefix="p"))
        world.store()
        world.external_secret()
        await world.rest(10)
        assert world.held() == {"k": b"v1"}
        assert world.status("store", of="secretstores")["observedGeneration"] == 2


@pytest.mark.parametrize("resource", ["secrets", "externalsecrets/status"])
async def test_a_namesake_of_a_deleted_external_secret_is_worked_as_itself(resource: str):
    async with World() as world:
        world.backend.put("k", b"v1")
        world.backend.put("z", b"z")
        world.store()
        await world.rest(3)

        def replace() -> None:
            world.kube.remove("externalsecrets", "es", TEAM)
            world.external_secret(data=[item("other", "z")], target={"creationPolicy": "Orphan"})

        once(world, resource, replace)
        world.external_secret(target={"creationPolicy": "Orphan"})
        await world.rest(10)
        assert world.held() == {"other": b"z"}
        assert world.status()["sources"] == [{"key": "z", "id": "z", "version": "v2"}]


async def test_an_external_secret_that_is_deleted_while_it_is_worked_is_forgotten():
    async with World() as world:
        world.backend.put("k", b"v1")
        world.store()
        await world.rest(3)
        once(world, "externalsecrets/status", lambda: world.kube.remove("externalsecrets", "es", TEAM))
        world.external_secret()
        await world.rest(5)
        assert len(world.shard.queue) == 0


async def test_an_external_secret_that_is_being_deleted_is_left_alone():
    async with World() as world:
        world.backend.put("k", b"v1")
        world.store()
        world.external_secret()
        await world.rest(5)
        world.kube.put("externalsecrets", "es", TEAM, metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
        await world.rest(1)
        world.kube.remove("secrets", "es", TEAM)
        await world.rest(5)
        assert world.held() is None


async def test_a_deletion_that_no_watch_told_of_is_noticed():
    async with World() as world:
        world.backend.put("k", b"v1")
        world.store()
        world.external_secret()
        await world.rest(5)
        world.kube.remove("externalsecrets", "es", TEAM)
        world.kube.history.pop()
        await world.rest(310)
        assert world.key() not in world.app.watched.external_secrets


async def test_a_status_of_another_keyferry_is_no_obstacle():
    async with World() as world:
        world.backend.put("k", b"v1")
        world.store()
        world.external_secret()
        await world.rest(5)
        odd = {"conditions": "not a list", "sources": 7, "strange": {"a": 1}}
        where = ("externalsecrets", TEAM, "es")
        world.kube.objects[where] = {**world.kube.objects[where], "status": odd}
        await world.restart()
        await world.rest(5)
        assert world.reason() == "Synced"
        assert "strange" not in world.status()


async def test_keys_that_were_merged_are_taken_back_though_an_edit_kept_the_status_from_telling_where():
    async with World() as world:
        world.backend.put("k", b"v1")
        for name in ("a", "b"):
            world.secret(name, {"own": b"o"})
        world.store()
        await world.rest(62)

        def rename() -> None:
            world.external_secret(target={"name": "b", "creationPolicy": "Merge"})

        once(world, "externalsecrets/status", rename)
        world.external_secret(target={"name": "a", "creationPolicy": "Merge"})
        await world.rest(5)
        assert (world.held("a"), world.held("b")) == ({"own": b"o"}, {"own": b"o", "k": b"v1"})
