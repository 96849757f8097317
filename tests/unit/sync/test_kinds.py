"""CRDs that are missing, or older than the operator."""

import asyncio
import copy
from typing import Any

import pytest

from keyferry.api.kinds import KINDS
from keyferry.errors import KubeUnavailable
from keyferry.kube.client import Gate, Json, Message
from keyferry.sync.kinds import unknown
from tests.unit.fakes import FakeKube
from tests.unit.sync.world import World

pytestmark = pytest.mark.looptime(start=1000.0, noop_cycles=1)

SCHEMAS = {kind.plural: kind.schema() for kind in KINDS}
DAYS_OF_IT = 300.0


def text(**fields: Json) -> Json:
    return {"type": "object", "properties": fields}


PLAIN: Json = {"type": "string"}


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [
        (text(a=PLAIN, b=PLAIN), text(a=PLAIN, b=PLAIN, c=PLAIN), []),
        (text(a=PLAIN, b=PLAIN), text(a=PLAIN), ["b"]),
        (text(a=text(b=text(c=PLAIN))), text(a=text()), ["a.b"]),
        (text(a={"items": text(b=PLAIN)}), text(a={"items": text()}), ["a[].b"]),
        (text(a={"additionalProperties": text(b=PLAIN)}), text(a={"additionalProperties": text()}), ["a{}.b"]),
        (text(a=text(b=PLAIN)), text(a={"x-kubernetes-preserve-unknown-fields": True}), []),
    ],
    ids=["newer", "one field", "and what is below it", "in a list", "in a map", "whatever it is"],
)
def test_what_a_schema_does_not_know_is_told_by_its_path(ours: Json, theirs: Json, told: list[str]):
    assert list(unknown(ours, theirs)) == told


def older(*path: str) -> dict[str, Any]:
    """The schemas of the CRDs, that of ExternalSecrets without one field."""
    made = copy.deepcopy(SCHEMAS)
    schema = made["externalsecrets"]
    for name in path[:-1]:
        schema = schema["properties"][name]
    del schema["properties"][path[-1]]
    return made


async def begun(world: World) -> World:
    """A world with something to do, a while after its start."""
    world.backend.put("k", b"v")
    world.store()
    world.external_secret()
    await world.start()
    await world.rest(DAYS_OF_IT)
    return world


async def until_held(world: World) -> None:
    for _ in range(100):
        if world.held():
            return
        await world.rest(1)
    pytest.fail("nothing was written")


async def test_without_crds_nothing_is_done_until_they_are_there(caplog: pytest.LogCaptureFixture):
    world = World()
    async with world:
        await world.stop()
        there, world.kube.crds = world.kube.crds, {}
        await begun(world)
        assert "there is no CRD externalsecrets.keyferry.dev, secretstores.keyferry.dev" in (world.app.unready() or "")
        assert world.app.stopped() is None
        told = [record for record in caplog.records if "there is no CRD" in record.getMessage()]
        assert 1 <= len(told) <= 2 + DAYS_OF_IT / 60

        world.kube.crds = there
        await until_held(world)
        assert world.app.unready() is None


async def test_with_a_crd_that_cannot_keep_a_status_nothing_is_written_until_it_can():
    async with World() as world:
        await world.stop()
        world.kube.schemas = older("status", "sources")
        await begun(world)
        assert "externalsecrets.keyferry.dev is too old" in (world.app.unready() or "")
        assert world.writes() == {}

        world.kube.schemas = SCHEMAS
        await until_held(world)
        assert world.app.unready() is None


async def test_with_a_crd_that_lacks_a_field_of_a_spec_work_is_done_and_the_field_is_told_once(
    caplog: pytest.LogCaptureFixture,
):
    async with World() as world:
        await world.stop()
        world.kube.schemas = older("spec", "target")
        await begun(world)
        assert world.held() == {"k": b"v"}
        told = [record.getMessage() for record in caplog.records if "older than this operator" in record.getMessage()]
        assert len(told) == 1
        assert "CRD externalsecrets.keyferry.dev" in told[0]
        assert " spec.target; " in told[0]


class Closed(FakeKube):
    """An API server that tells nobody which kinds it has."""

    async def deliver(self, message: Message, gate: Gate | None = None) -> tuple[int, Json]:
        if message.at.resource == "openapi":
            raise KubeUnavailable("it does not say")
        return await super().deliver(message, gate)


async def test_where_schemas_cannot_be_seen_work_goes_on(caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    async with World() as world:
        await world.stop()
        closed = Closed()
        closed.__dict__.update(world.kube.__dict__)
        world.kube = closed
        await begun(world)
        assert world.held() == {"k": b"v"}
        assert sum("cannot be seen" in record.getMessage() for record in caplog.records) == 1
        await asyncio.sleep(0)
