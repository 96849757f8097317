"""Stores: what their status tells, when they are made anew, and who hears of it."""

import asyncio
from typing import Any

import pytest

from keyferry.backends.base import Access
from keyferry.errors import AuthFailed, BackendUnavailable, KubeUnavailable, PermissionDenied, SpecInvalid
from tests.unit.fakes import FakeBackend
from tests.unit.sync import backends
from tests.unit.sync.conventions import assert_follows_conventions
from tests.unit.sync.world import TEAM, World, failing, item

pytestmark = pytest.mark.looptime(start=1000.0, noop_cycles=1)
LOGIN = {"login": "login"}
STORES = {"of": "secretstores"}


async def made(world: World, **spec: Any) -> None:
    world.backend.put("k", b"v1")
    world.store(**spec)
    world.external_secret()
    await world.rest(62)
    world.writes()
    world.calls()


def of_store(world: World) -> Any:
    return world.status("store", **STORES)


async def test_a_store_tells_what_it_can_do_and_what_it_offers():
    async with World() as world:
        await made(world)
        status = of_store(world)
        assert set(status["access"].values()) == {"Granted"}
        assert (status["offered"], world.reason("store", **STORES)) == (1, "Ready")
        assert_follows_conventions(world.kube.objects["secretstores", TEAM, "store"])


async def test_a_store_at_rest_costs_nothing_and_writes_nothing():
    async with World() as world:
        world.store()
        await world.rest(62)
        world.writes()
        world.calls()
        await world.rest(500)
        assert world.calls() == {}
        assert world.writes() == {}


async def test_a_store_that_nobody_asks_is_checked_now_and_then():
    async with World() as world:
        world.store()
        await world.rest(62)
        world.backend.down = AuthFailed("not accepted any more")
        await world.rest(700)
        assert world.reason("store", **STORES) == "AuthFailed"


@pytest.mark.parametrize(
    ("error", "login"),
    [(AuthFailed("no"), "Denied"), (BackendUnavailable("down"), "Granted"), (PermissionDenied("not so"), "Granted")],
    ids=lambda each: getattr(each, "reason", each),
)
async def test_a_store_that_cannot_be_used_says_exactly_why(error: Any, login: str):
    async with World() as world:
        await made(world)
        world.backend.down = error
        world.annotate("secretstores", "store", refresh="1")
        await world.rest(2)
        assert world.reason("store", **STORES) == error.reason
        assert str(error) in world.condition(name="store", **STORES)["message"]
        assert of_store(world)["access"]["login"] == login
        assert_follows_conventions(world.kube.objects["secretstores", TEAM, "store"])


async def test_a_long_wait_for_the_budget_is_told_while_it_lasts():
    async with World() as world:
        world.backend.takes, world.backend.batch = 9.0, 1
        for n in range(20):
            world.backend.put(f"k{n}", b"v")
            world.external_secret(f"es{n}", data=[item(key=f"k{n}")])
        world.store(refresh={"concurrency": 1, "timeout": "10s"})
        await world.rest(120)
        assert "calls wait longer than 30 s" in world.condition(name="store", **STORES)["message"]
        assert world.reason("store", **STORES) == "Ready"
        world.backend.takes = 0.0
        await world.rest(120)
        assert world.condition(name="store", **STORES).get("message", "") == ""


async def test_what_is_lacking_is_told():
    async with World() as world:
        world.backend.access = Access(listing=False, batching=False, lacking=("ListSecrets: …",))
        await made(world)
        status = of_store(world)
        assert (status["access"]["listing"], status["access"]["batching"]) == ("Denied", "Denied")
        assert status["lacking"] == ["ListSecrets: …"]
        world.backend.access = Access(batching=None)
        await world.rest(60)
        assert of_store(world)["access"]["batching"] == "Untried", "there is no such call to be permitted"
        assert world.held() == {"k": b"v1"}


async def test_of_a_backend_without_batches_none_are_said_to_be_denied():
    async with World() as world:
        world.backend.access = Access(batching=None)
        await made(world)
        assert of_store(world)["access"]["batching"] == "Untried"


async def test_one_failure_of_an_external_secret_makes_its_store_look_after_itself():
    async with World() as world:
        await made(world)
        world.external_secret("other")
        await world.rest(3)
        world.backend.down = BackendUnavailable("down")
        world.annotate("externalsecrets", "es", refresh="1")
        await world.rest(3)
        assert {world.reason("es"), world.reason("other"), world.reason("store", **STORES)} == {"BackendUnavailable"}


async def test_a_login_that_is_not_there_is_named_and_used_once_it_is():
    async with World() as world:
        await made(world, **LOGIN)
        assert world.reason("store", **STORES) == "CredentialsMissing"
        assert "Secret team/login is not there" in world.condition(name="store", **STORES)["message"]
        assert_follows_conventions(world.kube.objects["secretstores", TEAM, "store"])
        world.secret("login", {"key": b"x"})
        await world.rest(2)
        assert (world.reason("store", **STORES), world.held()) == ("Ready", {"k": b"v1"})


async def test_a_login_that_changes_makes_the_store_anew():
    async with World() as world:
        world.secret("login", {"key": b"x"})
        await made(world, **LOGIN)
        before = world.shard.stores.running
        session = next(iter(before.values())).fetcher
        world.secret("login", {"key": b"y"})
        await world.rest(2)
        assert next(iter(world.shard.stores.running.values())).fetcher is not session
        assert world.calls()["check"] == 1
        assert world.writes() == {}


async def test_a_login_that_changes_while_it_is_checked_is_noticed():
    async with World() as world:
        world.secret("login", {"key": b"x"})
        world.backend.put("k", b"v1")
        world.backend.gate = asyncio.Event()
        world.store(**LOGIN)
        await world.rest(1)
        world.secret("login", {"key": b"y"})
        await world.rest(1)
        world.backend.gate.set()
        await world.rest(5)
        assert world.calls()["check"] == 2


async def test_another_secret_changes_nothing():
    async with World() as world:
        world.secret("login", {"key": b"x"})
        await made(world, **LOGIN)
        world.secret("unrelated", {"key": b"y"})
        await world.rest(2)
        assert (world.calls(), world.writes()) == ({}, {})


async def test_a_login_that_lacks_its_key_is_named():
    async with World() as world:
        world.secret("login", {"other": b"x"})
        await made(world, **LOGIN)
        assert "Secret team/login has no key key" in world.condition(name="store", **STORES)["message"]


async def test_an_edit_of_tuning_makes_no_secret_anew():
    async with World() as world:
        await made(world)
        world.store(refresh={"callsPerSecond": 5})
        await world.rest(3)
        assert world.calls()["fetch"] == 0
        assert world.writes() == {"secretstores/status": 1}


async def test_an_edit_of_the_mapping_makes_every_secret_anew():
    async with World() as world:
        world.backend.put("prefix-k", b"other")
        await made(world)
        world.store(prefix="prefix-")
        await world.rest(3)
        assert world.held() == {"k": b"other"}


async def test_an_edit_does_not_show_as_a_failure():
    async with World() as world:
        for n in range(20):
            world.external_secret(f"es{n}")
        await made(world)
        seen = []
        for n in range(5):
            world.store(refresh={"callsPerSecond": 5 + n})
            await world.rest(0.3)
            seen += [world.reason(f"es{m}") for m in range(20)]
        assert set(seen) == {"Synced"}


async def test_an_edit_that_makes_no_sense_is_told_and_mended():
    async with World() as world:
        await made(world)
        world.store(refresh={"timeout": "5 minutes"})
        await world.rest(3)
        assert "spec.refresh.timeout: write a duration" in world.condition(name="store", **STORES)["message"]
        assert world.reason("store", **STORES) == "SpecInvalid"
        assert world.reason() == "SpecInvalid"
        assert world.held() == {"k": b"v1"}
        world.store()
        await world.rest(3)
        assert (world.reason("store", **STORES), world.reason()) == ("Ready", "Synced")


async def test_without_its_store_an_external_secret_says_so_and_waits_for_it():
    async with World() as world:
        world.backend.put("k", b"v1")
        world.external_secret()
        await world.rest(3)
        assert world.reason() == "StoreNotFound"
        assert "there is no SecretStore team/store" in world.condition()["message"]
        world.store()
        await world.rest(2)
        assert world.held() == {"k": b"v1"}


async def test_a_store_that_is_deleted_costs_no_secret():
    async with World() as world:
        await made(world)
        world.kube.remove("secretstores", "store", TEAM)
        await world.rest(3)
        assert (world.held(), world.reason()) == ({"k": b"v1"}, "StoreNotFound")
        assert world.shard.stores.running == {}
        world.store()
        await world.rest(3)
        assert (world.held(), world.reason()) == ({"k": b"v1"}, "Synced")


async def test_a_suspended_store_is_not_asked_and_its_secrets_stay():
    async with World() as world:
        await made(world)
        world.store(suspend=True)
        await world.rest(3)
        world.calls()
        world.backend.put("k", b"v2")
        await world.rest(700)
        assert world.calls() == {}
        assert world.held() == {"k": b"v1"}
        assert (world.reason("store", **STORES), world.reason()) == ("Suspended", "Suspended")
        assert_follows_conventions(world.kube.objects["secretstores", TEAM, "store"])


async def test_what_was_suspended_from_the_beginning_is_unknown():
    async with World() as world:
        world.store(suspend=True)
        world.external_secret()
        await world.rest(3)
        ready, of_store_ = world.condition(), world.condition(name="store", **STORES)
        assert [(each["status"], each["reason"]) for each in (ready, of_store_)] == [("Unknown", "Suspended")] * 2
        assert world.calls() == {}


async def test_a_store_that_is_woken_again_goes_on():
    async with World() as world:
        await made(world)
        world.store(suspend=True)
        await world.rest(3)
        world.backend.put("k", b"v2")
        world.store()
        await world.rest(3)
        assert (world.held(), world.reason()) == ({"k": b"v2"}, "Synced")


async def test_a_status_that_cannot_be_written_keeps_no_external_secret_waiting():
    async with World() as world:
        await made(world)
        world.backend.down = BackendUnavailable("down")
        await world.rest(300)
        world.kube.before = failing("secretstores/status", KubeUnavailable("down"), times=100)
        world.backend.down = None
        await world.rest(6)
        assert world.reason() == "Synced"


async def test_a_status_that_could_not_be_written_is_written_within_seconds():
    async with World() as world:
        world.kube.before = failing("secretstores/status", KubeUnavailable("down"), times=3)
        world.store()
        await world.rest(15)
        assert world.reason("store", **STORES) == "Ready"


@pytest.mark.parametrize("error", [KubeUnavailable("down"), PermissionDenied("events")], ids=lambda e: e.reason)
async def test_an_event_that_cannot_be_posted_costs_nothing(error: Any):
    async with World() as world:
        await made(world)
        world.kube.before = failing("events", error, method="POST", times=100)
        world.backend.down = BackendUnavailable("down")
        await world.rest(70)
        world.backend.down = None
        await world.rest(8)
        assert (world.reason(), world.reason("store", **STORES)) == ("Synced", "Ready")


async def test_events_tell_of_transitions_only():
    async with World() as world:
        await made(world)
        world.backend.down = BackendUnavailable("down")
        await world.rest(300)
        world.backend.down = None
        await world.rest(100)
        told = [each.body for each in world.kube.requests if each.resource == "events"]
        kinds = [(each["involvedObject"]["kind"], each["type"], each["reason"]) for each in told]
        assert sorted(kinds) == [
            ("ExternalSecret", "Normal", "Synced"),
            ("ExternalSecret", "Warning", "BackendUnavailable"),
            ("SecretStore", "Normal", "Ready"),
            ("SecretStore", "Warning", "BackendUnavailable"),
        ]
        assert {each["message"] for each in told} == {
            "down",
            "SecretStore team/store: down",
            "the Secret is as the backend has it again",
            "the store can be used again",
        }


async def test_a_backend_whose_check_has_a_bug_is_told_and_logged_without_its_text(caplog: pytest.LogCaptureFixture):
    async with World() as world:
        world.backend.down = ValueError("canary-9f3b")  # type: ignore[assignment] # that is the bug
        await made(world)
        assert (world.reason("store", **STORES), world.reason()) == ("InternalError", "InternalError")
        assert "canary" not in caplog.text + str(of_store(world)) + str(world.status())


async def test_a_backend_that_cannot_be_made_for_a_bug_is_told(monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise ValueError("canary-9f3b")

    async with World() as world:
        await made(world)
        monkeypatch.setattr(backends, "create", broken)
        world.store(prefix="p")
        await world.rest(10)
        assert (world.reason("store", **STORES), world.reason()) == ("InternalError", "InternalError")
        assert world.held() == {"k": b"v1"}


async def test_one_stuck_store_delays_no_other():
    async with World() as world:
        stuck = backends.FAR["stuck"] = FakeBackend()
        stuck.gate = asyncio.Event()
        for n in range(10):
            world.store(f"stuck{n}", database="stuck")
            world.external_secret(f"stuck{n}", secretStoreRef={"kind": "SecretStore", "name": f"stuck{n}"})
        await made(world)
        assert world.held() == {"k": b"v1"}


async def test_narrowing_a_store_is_no_disappearance():
    async with World() as world:
        for n in range(20):
            world.backend.put(f"other{n}", b"o")
        world.backend.put("p-k", b"v1")
        await made(world)
        assert of_store(world)["offered"] == 22
        world.store(prefix="p-")
        world.external_secret(data=[item(), item("absent", "absent", optional=True)])
        await world.rest(70)
        assert (world.reason(), of_store(world)["offered"]) == ("Synced", 1)


async def test_when_the_catalogue_was_swept_is_told_without_a_stream_of_writes():
    async with World() as world:
        await made(world)
        assert "lastSweepTime" in of_store(world)
        await world.rest(500)
        assert world.writes() == {}


async def test_a_store_that_asks_for_what_its_backend_refuses_to_be_is_stalled(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise SpecInvalid("spec.provider.sql.database: write another")

    monkeypatch.setattr(backends, "create", refuse)
    async with World() as world:
        await made(world)
        assert world.condition("Stalled", "store", **STORES)["reason"] == "SpecInvalid"
        assert "write another" in world.condition()["message"]
