"""Leases as they are seen and written, and who lives by them."""

import math

import pytest

from keyferry.errors import KubeUnavailable
from keyferry.kube.errors import Conflict
from keyferry.kube.lease import Lease, Leases, Lives
from tests.unit.fakes import FakeKube
from tests.unit.kube.replicas import NAMESPACE, Wire

pytestmark = pytest.mark.looptime(start=1000.0)


def own(replica: str, version: str, duration: float = 10.0) -> Lease:
    return Lease(f"keyferry-replica-{replica}", version, replica, 1, None, duration, 0)


def of_shard(holder: str) -> Lease:
    return Lease("keyferry-shard-0-of-1", "1", holder, 1, 0, 10.0, 0)


def test_what_is_seen_first_lives_for_its_duration_whatever_its_times_say():
    lives = Lives()
    lives.saw([own("a", "1")], 100.0)
    assert lives.ends("a") == 110.0


def test_what_does_not_change_dies_when_its_duration_is_over():
    lives = Lives()
    for now in (100.0, 105.0, 109.0):
        lives.saw([own("a", "1")], now)
    assert lives.ends("a") == 110.0


def test_what_changes_lives_on_from_when_that_was_seen():
    lives = Lives()
    lives.saw([own("a", "1")], 100.0)
    lives.saw([own("a", "2")], 105.0)
    assert lives.ends("a") == 115.0


def test_everybody_says_how_long_its_lease_lasts():
    lives = Lives()
    lives.saw([own("a", "1", duration=30.0)], 100.0)
    assert lives.ends("a") == 130.0


def test_a_holder_without_a_lease_of_its_own_is_given_time_to_renew_it():
    lives = Lives()
    lives.saw([of_shard("a")], 100.0)
    lives.saw([of_shard("a")], 109.0)
    assert lives.ends("a") == 110.0


def test_who_is_dead_stays_dead_when_its_lease_is_cleared_away():
    lives = Lives()
    lives.saw([own("a", "1"), of_shard("a")], 100.0)
    lives.saw([of_shard("a")], 109.0)
    assert lives.ends("a") == 110.0


def test_nobody_that_no_lease_names_lives():
    lives = Lives()
    lives.saw([own("a", "1")], 100.0)
    lives.saw([of_shard("")], 101.0)
    assert lives.ends("a") == -math.inf


def test_the_next_end_is_that_of_somebody_who_still_lives():
    lives = Lives()
    lives.saw([own("a", "1")], 100.0)
    lives.saw([own("a", "1"), own("b", "1")], 105.0)
    assert [lives.next_end(now) for now in (105.0, 110.0, 115.0)] == [110.0, 115.0, math.inf]


@pytest.fixture
def kube():
    return FakeKube()


@pytest.fixture
def leases(kube):
    return Leases(kube, NAMESPACE)


async def test_a_shard_that_is_taken_names_its_holder(leases: Leases):
    taken = await leases.take("a", 4, 2, None)
    assert (taken.name, taken.holder, taken.shard, taken.shards) == ("keyferry-shard-2-of-4", "a", 2, 4)
    assert await leases.listed() == [taken]


async def test_a_shard_is_taken_only_as_it_was_seen(leases: Leases):
    first = await leases.take("a", 1, 0, None)
    await leases.take("b", 1, 0, first)
    for seen in (first, None):
        with pytest.raises(Conflict):
            await leases.take("c", 1, 0, seen)
    assert [lease.holder for lease in await leases.listed()] == ["b"]


async def test_every_change_of_hands_is_counted(leases: Leases):
    first = await leases.take("a", 1, 0, None)
    second = await leases.take("b", 1, 0, first)
    assert (first.transitions, second.transitions) == (0, 1)


async def test_a_shard_is_released_only_as_it_was_seen(leases: Leases):
    first = await leases.take("a", 1, 0, None)
    await leases.take("b", 1, 0, first)
    with pytest.raises(Conflict):
        await leases.release(first)


async def test_what_was_renewed_since_it_was_seen_is_not_removed(leases: Leases):
    await leases.renew("a", 1)
    (seen,) = await leases.listed()
    await leases.renew("a", 1)
    await leases.remove(seen)
    assert len(await leases.listed()) == 1
    await leases.remove((await leases.listed())[0])
    assert await leases.listed() == []


async def test_who_withdraws_twice_does_no_harm(leases: Leases):
    await leases.renew("a", 1)
    await leases.withdraw("a")
    await leases.withdraw("a")
    assert await leases.listed() == []


async def test_no_request_takes_longer_than_a_renewal_may(kube: FakeKube):
    wire = Wire(kube)
    wire.delay = 60.0
    with pytest.raises(KubeUnavailable, match="GET leases keyferry-system took longer than 2 s"):
        await Leases(wire, NAMESPACE).listed()
