"""When the external secret is gone: what each deletionPolicy does, when, and what is said of it."""

from typing import Any

import pytest

from keyferry.errors import BackendUnavailable, SecretMissing
from tests.unit.sync.conventions import assert_follows_conventions
from tests.unit.sync.world import TEAM, World, item

pytestmark = pytest.mark.looptime(start=1000.0, noop_cycles=1)
DONE = {"Delete": "no Secret is kept", "Merge": "its keys were dropped"}


async def made(world: World, policy: str, **spec: Any) -> None:
    """An ExternalSecret of two keys, and enough others in the store that it is not half of it."""
    for n in range(10):
        world.backend.put(f"other{n}", b"o")
    world.backend.put("k", b"v1")
    world.backend.put("z", b"z1")
    world.store()
    target = {"deletionPolicy": policy, **spec.pop("target", {})}
    world.external_secret(**{"data": [item(), item("z", "z")], **spec, "target": target})
    await world.rest(62)
    world.writes()


def gone(world: World, *keys: str) -> None:
    for key in keys:
        del world.backend.secrets[key]


async def next_look(world: World) -> None:
    """Wait until the catalogue has just been looked at."""
    world.calls()
    while not world.calls()["list"]:
        await world.rest(0.25)


@pytest.mark.parametrize(
    ("policy", "keys", "left"),
    [
        ("Retain", ["k"], {"k": b"v1", "z": b"z1"}),
        ("Retain", ["k", "z"], {"k": b"v1", "z": b"z1"}),
        ("Delete", ["k"], {"k": b"v1", "z": b"z1"}),
        ("Delete", ["k", "z"], None),
        ("Merge", ["k"], {"z": b"z1"}),
        ("Merge", ["k", "z"], {}),
    ],
    ids=str,
)
async def test_each_policy_does_what_it_says(policy: str, keys: list[str], left: dict[str, bytes] | None):
    async with World() as world:
        await made(world, policy)
        gone(world, *keys)
        await world.rest(90)
        assert world.held() == left
        assert world.reason() == "RemoteSecretMissing"
        assert_follows_conventions(world.kube.objects["externalsecrets", TEAM, "es"])


async def test_a_secret_that_was_renamed_as_it_went_is_gone_under_both_names():
    async with World() as world:
        await made(world, "Delete")
        gone(world, "k", "z")
        world.external_secret(data=[item(), item("z", "z")], target={"name": "renamed", "deletionPolicy": "Delete"})
        await world.rest(90)
        assert (world.held("es"), world.held("renamed")) == (None, None)
        assert world.reason() == "RemoteSecretMissing"


async def test_a_secret_that_goes_leaves_a_line_in_the_log_that_says_why(caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    said = f"ExternalSecret {TEAM}/es: SecretDeleted: Secret"
    async with World() as world:
        await made(world, "Delete")
        target = {"name": "renamed", "deletionPolicy": "Delete"}
        world.external_secret(data=[item(), item("z", "z")], target=target)
        await world.rest(5)
        gone(world, "k", "z")
        await world.rest(90)
        assert [line.getMessage() for line in caplog.records if line.__dict__.get("reason") == "SecretDeleted"] == [
            f"{said} {TEAM}/es: target.name is renamed now",
            f"{said} {TEAM}/renamed: the backend has nothing of it any more (deletionPolicy: Delete)",
        ]


@pytest.mark.parametrize("policy", ["Delete", "Merge"])
async def test_nothing_is_lost_or_said_to_be_at_the_first_look(policy: str):
    async with World() as world:
        await made(world, policy)
        gone(world, "k", "z")
        await next_look(world)
        await world.rest(0.5)
        assert world.held() == {"k": b"v1", "z": b"z1"}
        assert world.reason() == "RemoteSecretMissing"
        assert DONE[policy] not in world.condition()["message"]


@pytest.mark.parametrize("policy", ["Delete", "Merge"])
async def test_what_was_done_is_said_and_stays_said(policy: str):
    async with World() as world:
        await made(world, policy)
        gone(world, "k", "z")
        await world.rest(90)
        assert DONE[policy] in world.condition()["message"]
        world.writes()
        await world.rest(300)
        assert DONE[policy] in world.condition()["message"]
        assert world.writes() == {}


@pytest.mark.parametrize("policy", ["Delete", "Merge"])
async def test_what_was_done_is_not_done_again_by_the_next_process(policy: str):
    async with World() as world:
        await made(world, policy)
        gone(world, "z", *(["k"] if policy == "Delete" else []))
        await world.rest(90)
        told = world.condition()["message"]
        world.writes()
        await world.restart()
        await world.rest(300)
        assert (world.writes(), world.condition()["message"]) == ({}, told)


async def test_what_is_left_of_a_secret_is_not_read_again_while_the_rest_is_missing():
    async with World() as world:
        await made(world, "Merge")
        gone(world, "z")
        await world.rest(90)
        world.calls()
        await world.rest(300)
        assert world.calls()["fetch"] == 0


async def test_a_property_that_was_dropped_is_still_told_of_after_another_trouble():
    async with World() as world:
        await made(world, "Merge", data=[item(), item("p", "doc", property="p")])
        world.backend.put("doc", b'{"p": "1"}')
        await world.rest(70)
        world.backend.put("doc", b"{}")
        await world.rest(90)
        told = world.condition()["message"]
        assert (world.held(), DONE["Merge"] in told) == ({"k": b"v1"}, True)
        world.backend.down = BackendUnavailable("no answer")
        await world.rest(90)
        world.backend.down = None
        await world.rest(90)
        assert (world.reason(), world.condition()["message"]) == ("RemoteSecretMissing", told)


@pytest.mark.parametrize("policy", ["Delete", "Merge"])
async def test_what_blinks_loses_nothing(policy: str):
    async with World() as world:
        await made(world, policy)
        before = dict(world.backend.secrets)
        gone(world, "k", "z")
        await next_look(world)
        world.backend.secrets = before
        await world.rest(130)
        assert world.held() == {"k": b"v1", "z": b"z1"}
        assert world.reason() == "Synced"
        assert world.writes()["secrets"] == 0


@pytest.mark.parametrize("policy", ["Delete", "Merge"])
async def test_two_that_blink_one_after_the_other_lose_nothing(policy: str):
    async with World() as world:
        await made(world, policy, refreshInterval="3s")
        for _ in range(4):
            for absent, other in (("k", "z"), ("z", "k")):
                world.backend.hidden = {absent}
                world.backend.spoiled = {absent: SecretMissing(absent)}
                assert other not in world.backend.hidden
                await next_look(world)
        world.backend.hidden, world.backend.spoiled = set(), {}
        await world.rest(30)
        assert world.held() == {"k": b"v1", "z": b"z1"}


@pytest.mark.parametrize("policy", ["Delete", "Merge"])
async def test_an_outage_between_two_looks_is_no_second_look(policy: str):
    async with World() as world:
        await made(world, policy)
        before = dict(world.backend.secrets)
        gone(world, "k", "z")
        await next_look(world)
        world.backend.down = BackendUnavailable("down")
        await world.rest(60)
        world.backend.secrets = before
        world.backend.down = None
        await world.rest(70)
        assert world.held() == {"k": b"v1", "z": b"z1"}


@pytest.mark.parametrize("policy", ["Delete", "Merge"])
async def test_a_restart_is_no_second_look(policy: str):
    async with World() as world:
        await made(world, policy)
        before = dict(world.backend.secrets)
        gone(world, "k", "z")
        await next_look(world)
        await world.rest(1)
        await world.restart()
        world.backend.secrets = before
        await world.rest(70)
        assert world.held() == {"k": b"v1", "z": b"z1"}


@pytest.mark.parametrize("policy", ["Delete", "Merge"])
async def test_what_comes_back_is_there_again(policy: str):
    async with World() as world:
        await made(world, policy)
        gone(world, "k", "z")
        await world.rest(90)
        world.backend.put("k", b"v2")
        world.backend.put("z", b"z2")
        await world.rest(130)
        assert world.held() == {"k": b"v2", "z": b"z2"}
        assert world.reason() == "Synced"


async def test_a_property_that_is_gone_is_gone_for_good_in_the_status_too():
    async with World() as world:
        world.backend.put("j", b'{"a": "1", "b": "2"}')
        await made(world, "Merge", data=[item("a", "j", property="a"), item("b", "j", property="b")])
        world.backend.put("j", b'{"b": "3"}')
        await world.rest(200)
        assert world.held() == {"b": b"3"}
        assert world.reason() == "RemoteSecretMissing"


@pytest.mark.parametrize("policy", ["Delete", "Merge"])
async def test_a_strangers_secret_is_never_deleted(policy: str):
    async with World() as world:
        await made(world, policy)
        world.kube.remove("secrets", "es", TEAM)
        world.secret("es", {"k": b"theirs"})
        gone(world, "k", "z")
        await world.rest(120)
        assert world.held() == {"k": b"theirs"}


async def test_a_secret_that_was_replaced_meanwhile_is_not_deleted():
    async with World() as world:
        await made(world, "Delete")
        gone(world, "k", "z")

        def replaced(request: Any) -> None:
            if request.method == "DELETE":
                world.kube.before = lambda _: None
                world.kube.remove("secrets", "es", TEAM)
                world.secret("es", {"k": b"theirs"})

        world.kube.before = replaced
        await world.rest(90)
        assert world.held() == {"k": b"theirs"}


async def test_of_a_merged_secret_only_our_keys_are_dropped():
    async with World() as world:
        world.secret("es", {"theirs": b"t"})
        await made(world, "Merge", target={"creationPolicy": "Merge"})
        assert world.held() == {"theirs": b"t", "k": b"v1", "z": b"z1"}
        gone(world, "k", "z")
        await world.rest(90)
        assert world.held() == {"theirs": b"t"}


async def test_a_find_that_finds_nothing_any_more_deletes_what_it_made():
    async with World() as world:
        world.backend.put("x1", b"x")
        await made(world, "Delete", data=[], dataFrom=[{"find": {"name": {"regexp": "^x"}}}])
        assert world.held() == {"x1": b"x"}
        gone(world, "x1")
        await world.rest(90)
        assert world.held() is None
