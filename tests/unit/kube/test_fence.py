"""Nothing is sent for a shard that may be somebody else's."""

import asyncio

import pytest

from keyferry.errors import KubeUnavailable
from keyferry.kube.client import path
from keyferry.kube.fence import Fence, FencedKube, Hold, clock
from tests.unit.fakes import FakeKube
from tests.unit.kube.server import kube as connected
from tests.unit.kube.server import told

AT = path("v1", "namespaces", "", "team")


@pytest.fixture
def kube():
    made = FakeKube()
    made.put("namespaces", "team")
    return made


def held(kube: FakeKube, *, now: float) -> tuple[FencedKube, Hold]:
    """A hold until 10, by a clock that stands."""
    hold = Hold(Fence(lambda: now, until=10.0), since=0.0)
    return FencedKube(kube, hold), hold


async def test_before_the_deadline_everything_is_sent(kube: FakeKube):
    fenced, _ = held(kube, now=9.9)
    assert (await fenced.get(AT))["metadata"]["name"] == "team"


async def test_from_the_deadline_on_nothing_is_sent(kube: FakeKube):
    fenced, _ = held(kube, now=10.0)
    with pytest.raises(KubeUnavailable, match="GET namespaces team was not sent: this replica has lost its Lease"):
        await fenced.get(AT)
    assert kube.requests == []


async def test_what_is_over_stays_over_though_the_deadline_moves_on(kube: FakeKube):
    fenced, hold = held(kube, now=5.0)
    hold.over = True
    hold.fence.until = 100.0
    with pytest.raises(KubeUnavailable):
        await fenced.get(AT)


async def test_what_waited_for_a_connection_is_not_sent_when_the_hold_is_over_meanwhile():
    slow, server = connected(told({}))
    hold = Hold(Fence(lambda: 5.0, until=10.0), since=0.0)
    await slow._slots.acquire()
    sending = asyncio.create_task(FencedKube(slow, hold).send("PATCH", AT, body={}))
    await asyncio.sleep(0)
    hold.over = True
    slow._slots.release()
    with pytest.raises(KubeUnavailable, match="PATCH namespaces team was not sent"):
        await sending
    assert server.asked == []


def test_a_fence_that_was_never_renewed_does_not_stand():
    assert not Fence(clock).stands()


def test_its_clock_goes_on():
    before = clock()
    assert clock() >= before > 0
