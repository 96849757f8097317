"""The app as a whole: how it starts, what makes it say that it has stopped, and times in a status."""

import asyncio
from typing import Any

import pytest

from keyferry.errors import BackendUnavailable, KubeUnavailable
from keyferry.kube.errors import NotFound
from keyferry.kube.secrets import meta_of
from keyferry.schedule.worker import Queue
from keyferry.settings import OWNER_ANNOTATION
from tests.unit.fakes import Request
from tests.unit.sync.world import TEAM, World

START = 1000.0
pytestmark = pytest.mark.looptime(start=START, noop_cycles=1)
LONG_AGO = "2020-01-01T00:00:00Z"


def refusing(resource: str, error: Exception, times: int) -> Any:
    left = [times]

    def refuse(request: Request) -> None:
        if request.resource == resource and request.method == "GET" and left[0]:
            left[0] -= 1
            raise error

    return refuse


@pytest.mark.parametrize(
    ("resource", "error"),
    [
        ("externalsecrets", NotFound("no such resource")),
        ("secrets", KubeUnavailable("down")),
        ("namespaces", KubeUnavailable("down")),
    ],
    ids=["no CRDs", "no Secrets", "no namespaces"],
)
async def test_it_starts_when_everything_can_be_seen(resource: str, error: Exception):
    world = World()
    world.backend.put("k", b"v1")
    world.store()
    world.external_secret()
    world.kube.before = refusing(resource, error, times=5)
    async with world:
        assert not world.app.learnt.is_set()
        assert world.held() is None
        await world.rest(20)
        assert world.app.learnt.is_set()
        assert world.held() == {"k": b"v1"}


async def test_nothing_is_written_on_half_a_picture():
    world = World()
    world.backend.put("k", b"v1")
    world.store()
    world.external_secret()
    world.secret("es", {"k": b"theirs"})
    world.kube.page = 1
    async with world:
        await world.rest(5)
        assert world.held() == {"k": b"theirs"}
        assert world.writes()["secrets"] == 0


async def test_while_it_works_it_has_not_stopped():
    async with World() as world:
        assert world.app.stopped() is None
        await world.rest(1000)
        assert world.app.stopped() is None


async def test_it_has_stopped_when_a_scheduler_has(monkeypatch: pytest.MonkeyPatch):
    async with World() as world:
        await world.rest(5)
        monkeypatch.setattr(Queue, "_start_due", lambda *_: _never_again())
        await world.rest(70)
        assert world.app.stopped() is not None


def _never_again() -> None:
    raise asyncio.CancelledError


async def test_it_has_stopped_when_the_watch_of_secrets_has():
    async with World() as world:
        await world.rest(5)
        world.app.secret_watch.parts[0].alive_at -= 901
        assert world.app.stopped() == "the watch of Secrets has done nothing for a quarter of an hour"


async def test_it_has_stopped_when_nobody_looks_at_the_leases():
    async with World() as world:
        await world.rest(5)
        assert world.app.election.beat
        world.app.election.beat -= 61
        assert world.app.stopped() == "nobody has looked at the Leases for a minute"


async def test_who_stands_by_has_not_stopped():
    async with World() as world:
        standby = await world.replica(identity="b")
        await world.rest(1000)
        assert standby.shards == {}
        assert standby.learnt.is_set()
        assert standby.stopped() is None


async def test_it_has_stopped_when_it_was_ended():
    async with World() as world:
        await world.stop()
        assert world.app.stopped() == "the operator has stopped working"


async def test_before_it_has_seen_everything_it_has_not_stopped():
    world = World()
    world.kube.before = refusing("secrets", KubeUnavailable("down"), times=1000)
    async with world:
        await world.rest(1000)
        assert world.app.stopped() is None


async def test_every_backend_is_closed_at_the_end():
    async with World() as world:
        world.store()
        await world.rest(3)
        (store,) = world.shard.stores.running.values()
        assert store.fetcher
        await world.stop()
        assert store.fetcher.backend.closed  # type: ignore[attr-defined] # it is a Session


async def test_a_name_that_changed_while_it_was_down_takes_the_old_secret_away():
    async with World() as world:
        world.backend.put("k", b"v1")
        world.store()
        world.external_secret()
        await world.rest(3)
        await world.stop()
        world.external_secret(target={"name": "renamed"})
        world.kube.objects["externalsecrets", TEAM, "es"]["status"].pop("target")
        await world.start()
        await world.rest(3)
        assert (world.held("renamed"), world.held("es")) == ({"k": b"v1"}, None)


async def test_what_the_watch_told_before_our_own_answer_came_is_not_forgotten():
    async with World() as world:
        world.backend.put("k", b"v1")
        world.store()
        await world.rest(3)

        def edited(request: Request) -> None:
            if request.resource == "secrets" and request.method == "PATCH":
                world.kube.after = lambda _: None
                world.secret("es", {"k": b"by hand"}, annotations={OWNER_ANNOTATION: "es"})
                _, event = world.kube.history.pop()  # the watch told of it, and will not again
                world.app.watched.secrets[world.key()] = meta_of(event["object"]["metadata"])
                world.app.waking.secret(world.key())

        world.kube.after = edited
        world.external_secret()
        await world.rest(5)
        assert world.held() == {"k": b"v1"}


def aged(world: World) -> None:
    """As if the conditions were of long ago."""
    where = ("externalsecrets", TEAM, "es")
    status = world.status()
    conditions = [{**each, "lastTransitionTime": LONG_AGO} for each in status["conditions"]]
    world.kube.put(*where[::2], where[1], status={**status, "conditions": conditions})


async def test_a_time_stays_while_the_status_does():
    async with World() as world:
        world.backend.put("k", b"v1")
        world.store()
        world.external_secret()
        await world.rest(3)
        aged(world)
        world.external_secret(suspend=True)
        await world.rest(2)
        assert (world.reason(), world.condition()["lastTransitionTime"]) == ("Suspended", LONG_AGO)


async def test_a_time_changes_with_the_status():
    async with World() as world:
        world.backend.put("k", b"v1")
        world.store()
        world.external_secret()
        await world.rest(3)
        aged(world)
        world.backend.down = BackendUnavailable("down")
        await world.rest(70)
        assert world.condition()["status"] == "False"
        assert world.condition()["lastTransitionTime"] != LONG_AGO


async def test_another_reason_is_no_other_time():
    async with World() as world:
        world.store()
        world.external_secret()
        await world.rest(3)
        aged(world)
        await world.rest(1)  # until the watch has told of it
        world.backend.down = BackendUnavailable("down")
        await world.rest(130)
        assert (world.reason(), world.condition()["lastTransitionTime"]) == ("BackendUnavailable", LONG_AGO)


async def test_watches_begin_when_the_first_burst_of_work_is_over():
    world = World()
    world.backend.put("k", b"v1")
    world.backend.takes = 1.0
    world.store()
    world.external_secret()
    async with world:
        await world.app.calm.wait()
        assert world.held() == {"k": b"v1"}


async def test_watches_do_not_wait_for_a_store_that_is_stuck():
    world = World()
    world.backend.put("k", b"v1")
    world.backend.gate = asyncio.Event()
    world.store()
    world.external_secret()
    async with world:
        await world.app.calm.wait()
        assert 5 <= asyncio.get_running_loop().time() - START < 6
        assert world.held() is None


async def test_watches_wait_as_long_as_much_gets_done():
    world = World()
    world.backend.put("k", b"v1")
    world.store()
    for number in range(800):
        world.external_secret(f"es-{number}")
    world.kube.takes = 0.005
    async with world:
        await world.app.calm.wait()
        assert asyncio.get_running_loop().time() - START > 6
        assert all(world.held(f"es-{number}") for number in range(800))


async def test_what_went_before_anybody_watched_is_forgotten_soon():
    async with World() as world:
        world.external_secret()
        await world.stop()
        world.app = await world.replica(sees=False)
        world.kube.remove("externalsecrets", "es", TEAM)
        await world.rest(30)
        assert world.key() not in world.app.watched.external_secrets
