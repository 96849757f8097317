"""What the metrics say of how ExternalSecrets stand: in sync or why not, and how late."""

import pytest
from prometheus_client import REGISTRY

from keyferry.errors import AuthFailed, BackendUnavailable, PermissionDenied
from tests.unit.sync.world import World, item

pytestmark = pytest.mark.looptime(start=1000.0, noop_cycles=1)
STORE = "SecretStore team/store"


def told(world: World, name: str) -> dict[tuple[str, ...], float]:
    """Every series of a metric, by the values of its labels in their order."""
    world.app.measure()
    metrics = [metric for metric in REGISTRY.collect() if metric.name == name]
    return {tuple(each.labels.values()): each.value for metric in metrics for each in metric.samples}


def counted(world: World) -> dict[tuple[str, ...], float]:
    return told(world, "keyferry_external_secrets")


def of_store(world: World, name: str) -> float:
    return told(world, f"keyferry_external_secrets_{name}").get((STORE,), 0.0)


async def test_they_are_counted_by_the_reason_of_their_condition():
    async with World() as world:
        world.backend.put("k", b"v")
        world.store()
        world.external_secret("good")
        world.external_secret("missing", data=[item(key="nowhere")])
        world.external_secret("resting", suspend=True)
        await world.rest(30)
        assert counted(world) == {(STORE, "Synced"): 1, (STORE, "RemoteSecretMissing"): 1, (STORE, "Suspended"): 1}
        for name in ("good", "missing", "resting"):
            assert (STORE, world.reason(name)) in counted(world)


async def test_what_heals_or_goes_is_counted_anew():
    async with World() as world:
        world.store()
        world.external_secret("first")
        world.external_secret("second")
        await world.rest(30)
        assert counted(world) == {(STORE, "RemoteSecretMissing"): 2}
        world.backend.put("k", b"v")
        world.kube.remove("externalsecrets", "second", "team")
        await world.rest(300)
        assert counted(world) == {(STORE, "Synced"): 1}
        world.kube.remove("externalsecrets", "first", "team")
        await world.rest(5)
        assert counted(world) == {}
        assert told(world, "keyferry_external_secrets_declared") == {}


async def test_whoever_names_stores_that_are_not_there_makes_no_series_of_them():
    async with World() as world:
        for number in range(3):
            world.external_secret(f"es{number}", secretStoreRef={"kind": "SecretStore", "name": f"no{number}"})
        world.store("theirs", cluster=True, mapping={"by": "Paths"}, namespaces={"names": ["other"]})
        world.external_secret("denied", secretStoreRef={"kind": "ClusterSecretStore", "name": "theirs"})
        await world.rest(30)
        assert counted(world) == {("", "StoreNotFound"): 3, ("", "NamespaceDenied"): 1}


async def test_what_they_ask_for_is_counted_by_interval_and_policy():
    async with World() as world:
        world.backend.put("k", b"v")
        world.store()
        world.external_secret("minute", refreshInterval="1m")
        world.external_secret("hour", refreshInterval="45m", target={"deletionPolicy": "Delete"})
        world.external_secret("week", refreshInterval="168h")
        world.external_secret("once", refreshInterval="0")
        await world.rest(30)
        assert told(world, "keyferry_external_secrets_declared") == {
            (STORE, "1m", "Retain"): 1,
            (STORE, "1h", "Delete"): 1,
            (STORE, "longer", "Retain"): 1,
            (STORE, "never", "Retain"): 1,
        }


@pytest.mark.parametrize("failure", [BackendUnavailable("no answer"), AuthFailed("refused")], ids=lambda e: e.reason)
async def test_an_outage_makes_them_overdue_and_its_end_makes_that_good(failure):
    async with World() as world:
        world.backend.put("k", b"v")
        world.store()
        world.external_secret("minute", refreshInterval="1m")
        world.external_secret("hour", refreshInterval="1h")
        await world.rest(300)
        assert of_store(world, "overdue") == 0
        assert of_store(world, "most_overdue_seconds") < 5
        world.backend.down = failure
        await world.rest(600)
        assert of_store(world, "overdue") == 1
        assert 530 <= of_store(world, "most_overdue_seconds") <= 600
        assert of_store(world, "oldest_look_seconds") >= 600
        world.backend.down = None
        await world.rest(60)
        assert of_store(world, "overdue") == 0
        assert of_store(world, "most_overdue_seconds") < 5


async def test_an_outage_that_was_there_at_the_start_counts_from_then():
    async with World() as world:
        world.store()
        world.backend.down = BackendUnavailable("no answer")
        world.external_secret(refreshInterval="1m")
        await world.rest(600)
        assert of_store(world, "overdue") == 1
        assert 500 <= of_store(world, "most_overdue_seconds") <= 600


async def test_one_that_fails_for_a_reason_of_its_own_is_not_overdue():
    async with World() as world:
        world.store()
        world.external_secret(refreshInterval="1m")
        await world.rest(3600)
        assert counted(world) == {(STORE, "RemoteSecretMissing"): 1}
        assert of_store(world, "overdue") == 0


async def test_one_whose_new_value_may_not_be_read_is_overdue_though_its_store_is_well():
    async with World() as world:
        world.backend.put("k", b"v1")
        world.store()
        world.external_secret(refreshInterval="1m")
        await world.rest(120)
        world.backend.put("k", b"v2")
        world.backend.spoiled["k"] = PermissionDenied("not allowed get on k")
        await world.rest(600)
        assert counted(world) == {(STORE, "PermissionDenied"): 1}
        assert told(world, "keyferry_store_state") == {(STORE, "Ready"): 1}
        assert of_store(world, "overdue") == 1


async def test_a_store_says_the_reason_of_its_condition_and_only_the_newest():
    def state(world: World) -> dict[tuple[str, ...], float]:
        return told(world, "keyferry_store_state")

    async with World() as world:
        world.store()
        await world.rest(5)
        assert state(world) == {(STORE, "Ready"): 1}
        world.backend.down = AuthFailed("refused")
        world.store(refresh={"timeout": "9s"})
        await world.rest(5)
        assert state(world) == {(STORE, "AuthFailed"): 1}
        assert world.reason("store", of="secretstores") == "AuthFailed"
        world.store(suspend=True)
        await world.rest(5)
        assert state(world) == {(STORE, "Suspended"): 1}
        world.kube.remove("secretstores", "store", "team")
        await world.rest(5)
        assert state(world) == {}


async def test_a_replica_that_stops_working_leaves_nothing_counted():
    async with World() as world:
        world.store()
        world.external_secret()
        await world.rest(30)
        world.app.lost(0)
        await world.rest(1)
        assert counted(world) == {}
        assert told(world, "keyferry_store_state") == {}
        assert told(world, "keyferry_shards") == {(): 1}
