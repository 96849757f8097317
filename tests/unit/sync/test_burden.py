"""What stores ask of their backends when they are made anew, and when all of them begin."""

from collections import Counter
from typing import Any

import pytest

from keyferry.errors import Throttled
from tests.unit.fakes import FakeBackend
from tests.unit.sync import backends
from tests.unit.sync.world import World

pytestmark = pytest.mark.looptime(start=1000.0, noop_cycles=1)


@pytest.mark.parametrize(
    ("edit", "waits"),
    [({"cache": {"maximumSize": 5}}, True), ({"database": "other"}, False)],
    ids=["the same backend", "another backend"],
)
async def test_a_store_that_is_made_anew_keeps_the_pause_that_its_backend_asked_for(edit: dict[str, Any], waits: bool):  # noqa: FBT001
    async with World() as world:
        backends.FAR["other"] = FakeBackend()
        world.backend.put("k", b"v1")
        world.store()
        world.external_secret()
        await world.rest(62)
        world.backend.down = Throttled("slow down", retry_after=100)
        world.backend.put("k", b"v2")
        await world.rest(70)
        world.backend.down = None
        world.calls()
        world.store(**edit)
        await world.rest(20)
        asked = world.calls() + Counter(backends.FAR["other"].calls)
        assert (asked == {}) is waits
