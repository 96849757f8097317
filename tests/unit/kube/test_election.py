"""Which replica holds which shard. `Bed` fails a test in which two ever worked on one."""

import asyncio
import random

import pytest

from keyferry.kube.errors import Forbidden
from tests.unit.kube.replicas import Bed, within

pytestmark = pytest.mark.looptime(start=1000.0, noop_cycles=1)


async def test_who_is_alone_holds_everything_at_once():
    async with Bed() as bed:
        one = bed.start("one", 3, ready=False)
        assert await within(1, lambda: one.working == {0, 1, 2}) < 0.3


async def test_who_comes_second_stands_by():
    async with Bed() as bed:
        one, two = await bed.pair()
        await asyncio.sleep(100)
        assert (one.history, two.history) == (["+0"], [])


async def test_shards_are_shared_evenly_as_replicas_come_and_go():
    async with Bed() as bed:
        one = bed.start("one", 6)
        await within(1, lambda: len(one.working) == 6)
        two = bed.start("two", 6)
        await within(10, lambda: (len(one.working), len(two.working)) == (3, 3))
        three = bed.start("three", 6)
        await within(10, lambda: [len(shares) for shares in bed.shares().values()] == [2, 2, 2])
        await three.stop()
        await within(3, lambda: [len(shares) for shares in bed.shares().values()] == [3, 3, 0])


async def test_who_has_not_seen_everything_relieves_nobody():
    async with Bed() as bed:
        one = bed.start("one", 2)
        await within(1, lambda: one.working == {0, 1})
        two = bed.start("two", 2, ready=False)
        await asyncio.sleep(30)
        assert one.history == ["+0", "+1"]
        two.election.ready()
        await within(10, lambda: len(two.working) == 1)


async def test_what_is_left_politely_is_taken_within_a_second():
    async with Bed() as bed:
        one, two = await bed.pair()
        await asyncio.sleep(5)
        one.finishing = 0.5
        await one.stop()
        assert await within(3, lambda: two.working == {0}) < 1.2
        assert bed.lease("keyferry-replica-one") is None


async def test_who_has_left_takes_nothing_more_and_is_counted_no_more():
    async with Bed() as bed:
        one = await bed.holder_of_all()
        await one.election.leave()
        await asyncio.sleep(30)
        assert (one.history, bed.holder(), bed.lease("keyferry-replica-one")) == (["+0", "-0"], "", None)


async def test_a_lease_that_somebody_labelled_is_handed_over_all_the_same():
    async with Bed() as bed:
        one, two = await bed.pair()
        await asyncio.sleep(5.5)
        lease = bed.lease("keyferry-shard-0-of-1")
        assert lease
        bed.kube.put("leases", lease["metadata"]["name"], "keyferry-system", metadata={"annotations": {"a": "b"}})
        await one.stop()
        await within(1.2, lambda: two.working == {0})


async def test_what_has_run_out_is_taken_at_that_moment():
    async with Bed() as bed:
        one, two = await bed.pair()
        await asyncio.sleep(5)
        await one.kill()
        ends = two.election._lives.ends("one")
        await within(13, lambda: two.working == {0})
        assert 0 < asyncio.get_running_loop().time() - ends < 0.25


async def test_what_a_dead_replica_held_is_taken_when_its_lease_has_run_out_and_not_before():
    async with Bed() as bed:
        one, two = await bed.pair()
        await asyncio.sleep(5)
        await one.kill()
        assert 7 < await within(13, lambda: two.working == {0}) < 11.5
        await asyncio.sleep(5)
        assert bed.lease("keyferry-replica-one") is None


async def test_a_replica_takes_its_own_former_leases_at_once():
    async with Bed() as bed:
        one = bed.start("one", 2)
        await within(1, lambda: one.working == {0, 1})
        await one.kill()
        again = bed.start("one", 2)
        assert await within(1, lambda: again.working == {0, 1}) < 0.3


async def test_what_another_identity_left_is_taken_when_it_has_run_out():
    async with Bed() as bed:
        one = await bed.holder_of_all()
        await one.kill()
        two = bed.start("two")
        assert 9.9 < await within(13, lambda: two.working == {0}) < 11


async def test_who_cannot_renew_stops_before_anybody_takes_over():
    async with Bed() as bed:
        one, two = await bed.pair()
        await asyncio.sleep(20)
        one.wire.cut = True
        stopped = await within(9, lambda: one.working == set())
        taken = await within(9, lambda: two.working == {0})
        assert one.history == ["+0", "!0"]
        assert stopped < 8.1
        assert taken > 1.0


async def test_who_can_renew_again_and_lost_nothing_to_anybody_goes_on():
    async with Bed() as bed:
        one = await bed.holder_of_all()
        one.wire.cut = True
        await asyncio.sleep(300)
        one.wire.cut = False
        await within(3, lambda: one.working == {0})
        assert one.history == ["+0", "!0", "+0"]


async def test_a_hiccup_costs_nothing():
    async with Bed() as bed:
        one = await bed.holder_of_all()
        bed.start("two")
        for _ in range(10):
            one.wire.cut = True
            await asyncio.sleep(2.5)
            one.wire.cut = False
            await asyncio.sleep(4)
        assert one.history == ["+0"]


async def test_who_slept_past_its_lease_works_no_more_whatever_the_loop_says():
    async with Bed() as bed:
        one = await bed.holder_of_all()
        one.asleep = 60.0
        assert one.working == set()
        await within(5, lambda: "!0" in one.history)


async def test_a_renewal_that_comes_too_late_revives_nothing():
    async with Bed() as bed:
        one = await bed.holder_of_all()
        hold = one.holds[0]
        one.asleep = 60.0
        await one.election._renew()
        assert one.election.fence.stands()
        assert (hold.lasts(), one.history) == (False, ["+0", "!0"])


async def test_a_shard_that_is_given_up_too_late_is_not_released_for_others_had_it_already():
    async with Bed() as bed:
        one, two = await bed.pair()
        await asyncio.sleep(5)
        one.finishing, one.wire.cut = 20.0, True
        leaving = asyncio.create_task(one.stop())
        await within(15, lambda: two.working == {0})
        one.wire.cut = False
        await leaving
        await asyncio.sleep(5)
        assert (two.working, bed.holder()) == ({0}, "two")


async def test_a_lease_that_somebody_took_away_is_noticed():
    async with Bed() as bed:
        one = await bed.holder_of_all()
        lease = bed.lease("keyferry-shard-0-of-1")
        assert lease
        bed.kube.put("leases", lease["metadata"]["name"], lease["metadata"]["namespace"], spec={"holderIdentity": ""})
        await within(4, lambda: one.history == ["+0", "!0", "+0"])


async def test_another_number_of_shards_waits_until_all_of_the_former_are_gone():
    async with Bed() as bed:
        olds = [bed.start(f"old{n}", 2) for n in range(2)]
        await within(10, lambda: [len(old.working) for old in olds] == [1, 1])
        news = [bed.start(f"new{n}", 4) for n in range(2)]
        await asyncio.sleep(30)
        await olds[0].stop()
        await within(3, lambda: olds[1].working == {0, 1})
        await asyncio.sleep(30)
        assert [new.working for new in news] == [set(), set()]
        await olds[1].stop()
        await within(3, lambda: [len(new.working) for new in news] == [2, 2])
        await asyncio.sleep(5)
        assert bed.lease("keyferry-shard-0-of-2") is None


async def test_replicas_of_different_numbers_that_start_at_once_do_not_wait_for_each_other_for_ever():
    async with Bed() as bed:
        bed.start("two", 2)
        four = bed.start("four", 4)
        await asyncio.sleep(60)
        held = [len(shares) for shares in bed.shares().values()]
        assert held in ([2, 0], [0, 4])
        assert four.election.looked.is_set()


async def test_without_the_right_to_leases_it_says_so_once_and_goes_on_when_it_is_granted(caplog):
    async with Bed() as bed:
        one = bed.start("one")

        def refuse(method: str, path: str) -> None:
            raise Forbidden(f"the API server answered 403 Forbidden to {method} {path}")

        one.wire.refuse = refuse
        await asyncio.sleep(60)
        assert one.election.looked.is_set()
        assert one.working == set()
        assert len([each for each in caplog.messages if "403" in each]) == 1
        one.wire.refuse = lambda *_: None
        await within(3, lambda: one.working == {0})


async def test_a_strangers_lease_with_our_label_does_no_harm():
    async with Bed() as bed:
        labels = {"keyferry.dev/shards": "many", "keyferry.dev/shard": "x"}
        bed.kube.put("leases", "strange", "keyferry-system", metadata={"labels": labels})
        await bed.holder_of_all()
        assert bed.lease("strange")


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_befalls_them_no_two_work_on_one_shard_and_in_the_end_all_are_worked_on(seed: int):
    chance = random.Random(seed)  # noqa: S311 - it is to be the same again
    async with Bed() as bed:
        for n in range(3):
            bed.start(f"r{n}", 4)
        for turn in range(25):
            replica = chance.choice(list(bed.replicas.values()))
            match chance.randint(0, 4):
                case 0:
                    await replica.kill()
                    bed.start(chance.choice([replica.name, f"r{turn + 3}"]), 4)
                case 1:
                    await replica.stop()
                    del bed.replicas[replica.name]
                    bed.start(replica.name if chance.random() < 0.5 else f"r{turn + 3}", 4)
                case 2:
                    replica.wire.cut = not replica.wire.cut
                case 3:
                    replica.wire.delay = chance.uniform(0, 2.5)
                case 4:
                    replica.finishing = chance.uniform(0, 5)
            await asyncio.sleep(chance.uniform(0, 12))
        for replica in bed.replicas.values():
            replica.wire.cut, replica.wire.delay = False, 0.0
        await within(40, lambda: set.union(*bed.shares().values()) == {0, 1, 2, 3})


async def test_everybody_knows_where_a_shards_holder_listens():
    async with Bed() as bed:
        one, two = await bed.pair()
        await asyncio.sleep(5)
        assert (one.election.address_of(0), two.election.address_of(0)) == ("one:8443", "one:8443")
        await one.stop()
        await asyncio.sleep(5)
        assert two.election.address_of(0) == "two:8443"
        assert two.election.address_of(7) == ""
