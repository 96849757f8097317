"""Values that were read are kept for a moment: at their version, and neither too many, too much nor too long."""

import pytest

from keyferry.fetch.cache import Cache, Room
from keyferry.values import Ref, Value

MIB = 1024 * 1024


def cached(cache: Cache, ref: str, version: str = "1", at: float = 0) -> bytes | None:
    value = cache.get(Ref(ref), version, at)
    return value.data if value else None


def test_a_cache_keeps_a_value_at_its_version():
    cache = Cache(size=10, age=60)
    cache.put(Ref("k"), Value(b"v", "1"), 0)
    assert cached(cache, "k") == b"v"
    assert cached(cache, "k", version="2") is None
    assert cached(cache, "other") is None


def test_a_newer_value_takes_the_place_of_the_older():
    cache = Cache(size=10, age=60)
    cache.put(Ref("k"), Value(b"old", "1"), 0)
    cache.put(Ref("k"), Value(b"new", "2"), 1)
    assert cached(cache, "k", version="1") is None
    assert cached(cache, "k", version="2") == b"new"


@pytest.mark.parametrize(("at", "expected"), [(59.9, b"v"), (60.0, None), (1e9, None)])
def test_a_value_grows_too_old(at: float, expected: bytes | None):
    cache = Cache(size=10, age=60)
    cache.put(Ref("k"), Value(b"v", "1"), 0)
    assert cached(cache, "k", at=at) == expected


def test_what_is_too_much_goes_the_oldest_first():
    cache = Cache(size=2, age=60)
    for n, name in enumerate("abac"):
        cache.put(Ref(name), Value(name.encode(), "1"), float(n))
    assert [cached(cache, name, at=4) for name in "abc"] == [b"a", None, b"c"]


def test_what_is_too_old_is_let_go_though_there_is_room():
    cache = Cache(size=100, age=60)
    for name in "abc":
        cache.put(Ref(name), Value(b"v", "1"), 0)
    cache.put(Ref("d"), Value(b"v", "1"), 61)
    assert list(cache._kept) == [Ref("d")]


def test_a_cache_holds_only_so_much_however_few_values_that_is():
    cache = Cache(size=10000, age=1e9)
    for n in range(5):
        cache.put(Ref(f"k{n}"), Value(b"x" * 20 * 1024 * 1024, "1"), 0)
    assert [cached(cache, f"k{n}") is None for n in range(5)] == [True, True, False, False, False]


def test_what_is_too_old_is_let_go_when_time_has_come_though_nobody_asks():
    cache = Cache(size=100, age=60)
    cache.put(Ref("a"), Value(b"v", "1"), 0)
    cache.put(Ref("b"), Value(b"v", "1"), 30)
    cache.room.purge(61)
    assert list(cache._kept) == [Ref("b")]


def test_the_caches_of_all_stores_share_their_room_and_the_largest_gives_way():
    room = Room(limit=10 * MIB)
    small, large = (Cache(size=100, age=60, room=room) for _ in range(2))
    small.put(Ref("small"), Value(b"x" * 2 * MIB, "1"), 0)
    for n in range(8):
        large.put(Ref(f"k{n}"), Value(b"x" * 2 * MIB, "1"), 1)
    assert cached(small, "small") is not None
    assert [cached(large, f"k{n}") is not None for n in range(8)] == [False] * 5 + [True] * 3
    assert room.used <= 10 * MIB


def test_a_cache_that_is_cleared_leaves_its_room_to_the_others():
    room = Room(limit=10 * MIB)
    cache = Cache(size=100, age=60, room=room)
    cache.put(Ref("k"), Value(b"x" * MIB, "1"), 0)
    cache.put(Ref("k"), Value(b"", "2"), 0)
    cache.clear()
    assert (room.used, room._caches) == (0, {})


def test_what_is_put_again_counts_once():
    cache = Cache(size=10, age=60)
    for _ in range(10):
        cache.put(Ref("k"), Value(b"x" * 20 * 1024 * 1024, "1"), 0)
    assert cached(cache, "k") is not None


def test_a_cache_does_not_show_its_values():
    cache = Cache(size=10, age=60)
    cache.put(Ref("k"), Value(b"canary-9f3b", "1"), 0)
    assert "canary" not in repr(cache)
