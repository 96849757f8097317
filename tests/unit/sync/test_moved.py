"""What an edit makes disappear is not gone from the backend: a Secret stays until somebody confirms that.

Aspects: edits of a store's address or mapping, and of a namespace's annotation; edits that have no part in either;
edits of the ExternalSecret; a restart in between; how it is confirmed.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.fakes import FakeBackend
from tests.unit.sync import backends
from tests.unit.sync.world import TEAM, World, item

pytestmark = pytest.mark.looptime(start=1000.0, noop_cycles=1)

MANY = 10
SHARED = {"kind": "ClusterSecretStore", "name": "store"}
SPEC: Any = {"cluster": True, "mapping": {"by": "Paths"}}
Edit = Callable[[World], None]


async def many(world: World) -> None:
    """Ten ExternalSecrets of a key each, whose Secrets go when their keys are gone."""
    backends.FAR["empty"] = FakeBackend()
    for n in range(MANY):
        world.backend.put(f"{TEAM}/k{n}", b"v")
    world.store(**SPEC)
    for n in range(MANY):
        one(world, f"es{n}", f"k{n}")
    await world.rest(30)
    assert left(world) == MANY


def one(world: World, name: str, key: str, policy: str = "Delete", **spec: Any) -> None:
    data = {} if "dataFrom" in spec else {"data": [item("k", key)]}
    target = {"deletionPolicy": policy}
    world.external_secret(
        name, **{"secretStoreRef": SHARED, "refreshInterval": "10s", "target": target, **data, **spec}
    )


def left(world: World) -> int:
    """How many of the Secrets hold what they should."""
    return sum(world.held(f"es{n}") == {"k": b"v"} for n in range(MANY))


def reasons(world: World) -> set[str]:
    return {world.reason(f"es{n}") for n in range(MANY)}


def prefix(world: World) -> None:
    world.store(**SPEC, prefix="typo")


def account(world: World) -> None:
    world.store(**SPEC, database="empty")


def annotation(world: World) -> None:
    world.namespace(TEAM, namespace="typo")


MOVES = pytest.mark.parametrize("move", [prefix, account, annotation], ids=lambda move: move.__name__)


@MOVES
async def test_a_slip_of_the_pen_costs_no_secret(move: Edit):
    async with World() as world:
        await many(world)
        move(world)
        await world.rest(120)
        assert (left(world), reasons(world)) == (MANY, {"DeletionHeld"})
        assert "'k3': the Secret was made of it before" in world.condition(name="es3")["message"]


@MOVES
async def test_nor_does_it_after_a_restart(move: Edit):
    async with World() as world:
        await many(world)
        move(world)
        await world.rest(30)
        await world.restart()
        await world.rest(120)
        assert (left(world), reasons(world)) == (MANY, {"DeletionHeld"})


async def test_when_it_is_taken_back_nothing_has_happened():
    async with World() as world:
        await many(world)
        prefix(world)
        await world.rest(30)
        world.writes()
        world.store(**SPEC)
        await world.rest(60)
        assert (left(world), reasons(world)) == (MANY, {"Synced"})
        assert world.writes()["secrets"] == 0


@pytest.mark.parametrize("policy", ["Delete", "Merge"])
@pytest.mark.parametrize(
    ("resource", "name", "namespace"), [("externalsecrets", "es3", TEAM), ("clustersecretstores", "store", "")]
)
async def test_a_refresh_that_is_asked_for_confirms_it(policy: str, resource: str, name: str, namespace: str):
    async with World() as world:
        await many(world)
        one(world, "es3", "k3", policy)
        await world.rest(5)
        annotation(world)
        await world.rest(30)
        world.annotate(resource, name, namespace, refresh="yes, it is gone")
        await world.rest(60)
        assert world.held("es3") == (None if policy == "Delete" else {})
        assert world.reason("es3") == "RemoteSecretMissing"


async def test_what_is_there_after_a_move_is_taken():
    async with World() as world:
        await many(world)
        backends.FAR["empty"].put(f"{TEAM}/k3", b"moved")
        account(world)
        await world.rest(30)
        assert (world.held("es3"), world.reason("es3")) == ({"k": b"moved"}, "Synced")


async def test_a_find_that_sees_less_after_a_move_is_held():
    async with World() as world:
        await many(world)
        one(world, "all", "", "Retain", dataFrom=[{"find": {"name": {"regexp": "^k"}}}])
        await world.rest(30)
        before = world.held("all")
        backends.FAR["empty"].put(f"{TEAM}/k3", b"moved")
        account(world)
        await world.rest(60)
        assert before == {f"k{n}": b"v" for n in range(MANY)}
        assert (world.held("all"), world.reason("all")) == (before, "DeletionHeld")


def slower(world: World) -> None:
    world.store(**SPEC, refresh={"callsPerSecond": 5})


def paused(world: World) -> None:
    world.store(**SPEC, suspend=True)


@pytest.mark.parametrize("edit", [slower, paused], ids=lambda edit: edit.__name__)
async def test_other_edits_of_a_store_do_not_make_an_empty_answer_more_believable(edit: Edit):
    async with World() as world:
        await many(world)
        world.backend.secrets.clear()
        await world.rest(60)
        edit(world)
        await world.rest(10)
        world.store(**SPEC, cache={"maximumSize": 7})
        await world.rest(120)
        assert (left(world), reasons(world)) == (MANY, {"DeletionHeld"})


async def test_nor_does_an_edit_while_nobody_works():
    async with World() as world:
        await many(world)
        await world.stop()
        slower(world)
        world.backend.secrets.clear()
        await world.start()
        await world.rest(120)
        assert (left(world), reasons(world)) == (MANY, {"DeletionHeld"})


async def test_an_external_secret_that_asks_for_what_never_was_keeps_its_secret():
    async with World() as world:
        await many(world)
        one(world, "es3", "typo")
        await world.rest(120)
        assert (world.held("es3"), world.reason("es3")) == ({"k": b"v"}, "RemoteSecretMissing")
