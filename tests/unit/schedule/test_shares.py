"""Which shard a store belongs to, and whose each shard should be."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.schedule.shares import View, shard_of, shared

REPLICAS = st.sets(st.sampled_from("abcdefg"), min_size=1)
SHARDS = st.integers(1, 12)
HOLDERS = st.dictionaries(st.integers(0, 11), st.sampled_from("abcdefgxyz"))


def test_a_name_keeps_its_shard_over_all_versions_of_keyferry():
    assert [shard_of(f"ClusterSecretStore {name}", 8) for name in ("aws", "vault", "db")] == [2, 2, 0]


def test_names_are_spread_over_all_shards():
    counts = Counter(shard_of(f"SecretStore team-{n}/store", 5) for n in range(1000))
    assert all(150 < counts[shard] < 250 for shard in range(5))


@given(SHARDS, HOLDERS, REPLICAS)
def test_every_shard_is_somebodys_and_all_have_the_same_but_for_one(shards: int, holders: dict[int, str], replicas):
    whose = shared(shards, holders, replicas)
    loads = Counter(whose.values())
    counts = [loads[replica] for replica in replicas]
    assert whose.keys() == set(range(shards))
    assert set(whose.values()) <= replicas
    assert max(counts) - min(counts) <= 1


@given(SHARDS, HOLDERS, REPLICAS)
def test_what_is_shared_already_changes_no_hands(shards: int, holders: dict[int, str], replicas):
    whose = shared(shards, holders, replicas)
    assert shared(shards, whose, replicas) == whose


@given(SHARDS, HOLDERS, REPLICAS)
def test_nobody_loses_a_shard_and_gets_another(shards: int, holders: dict[int, str], replicas):
    whose = shared(shards, holders, replicas)
    for replica in replicas:
        before = {shard for shard, holder in holders.items() if holder == replica and shard < shards}
        after = {shard for shard, holder in whose.items() if holder == replica}
        assert before <= after or after <= before


def test_when_one_ends_only_its_shards_move():
    before = shared(6, {}, ["a", "b", "c"])
    after = shared(6, before, ["a", "b"])
    assert {shard for shard in range(6) if before[shard] != after[shard]} == {
        shard for shard, holder in before.items() if holder == "c"
    }


def test_without_replicas_nobody_has_anything():
    assert shared(3, {}, []) == {}


def view(shards: int = 2, *, idle: bool = False, holders: dict[int, str] | None = None, **replicas: int) -> View:
    return View("me", shards, replicas, holders or {}, idle=idle)


def test_who_is_alone_has_it_all():
    assert view().mine() == {0, 1}
    assert view(me=2).alone


def test_who_comes_second_gets_half():
    assert view(me=2, other=2, holders={0: "other", 1: "other"}).mine() == {1}


def test_a_holder_counts_whose_own_lease_is_not_there():
    assert view(me=2, holders={0: "other"}).mine() == {1}


@pytest.mark.parametrize("idle", [False, True])
def test_who_does_not_cut_finest_waits_for_all_who_cut_otherwise(idle):
    assert view(2, me=2, other=4, idle=idle).mine() == frozenset()


def test_who_cuts_finer_waits_while_others_may_begin():
    assert view(4, me=4, other=2).mine() == frozenset()


def test_while_one_of_a_kind_works_its_like_may_take_over_from_it():
    assert view(2, me=2, peer=2, rival=4, holders={0: "peer", 1: "peer"}).mine() == {1}


def test_where_all_wait_for_each_other_the_finest_begin():
    assert view(4, me=4, other=2, idle=True).mine() == {0, 1, 2, 3}
