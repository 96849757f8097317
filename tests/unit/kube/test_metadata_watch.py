"""The watch of all Secrets as metadata."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from keyferry.errors import KubeUnavailable
from keyferry.kube.client import At, Json
from keyferry.kube.errors import Gone
from keyferry.kube.metadata_watch import SecretWatch
from keyferry.kube.reach import Reach
from keyferry.kube.secrets import SecretMeta
from keyferry.settings import ADOPT_ANNOTATION, OWNER_ANNOTATION
from keyferry.values import Key
from tests.unit.fakes import FakeKube, Request

pytestmark = pytest.mark.looptime(start=1000.0)


class Server(FakeKube):
    """An API server whose watches break on demand, and that counts lists and watches."""

    def __init__(self) -> None:
        super().__init__()
        self.breaks: list[Exception] = []
        self.watched_from: list[str] = []

    async def watch(
        self, at: At, resource_version: str, *, accept: str, seconds: int, silence: float, **query: str
    ) -> AsyncIterator[Json]:
        self.watched_from.append(resource_version)
        if self.breaks:
            raise self.breaks.pop(0)
        async for event in super().watch(
            at, resource_version, accept=accept, seconds=seconds, silence=silence, **query
        ):
            yield event

    @property
    def lists(self) -> int:
        return sum(each.method == "GET" for each in self.requests)

    def secret(self, name: str, namespace: str = "team", **metadata: Any) -> None:
        self.put("secrets", name, namespace, type="Opaque", data={"k": "Y2FuYXJ5"}, metadata=metadata)


class Bed:
    """A watch over a server, and what it told."""

    def __init__(self, *namespaces: str, secrets: tuple[Key, ...] = ()) -> None:
        self.kube = Server()
        self.told: list[str] = []
        self.known: dict[Key, SecretMeta] = {}
        self.watch = SecretWatch(
            self.kube, self.known, lambda key: self.told.append(key.name), Reach(namespaces, secrets)
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.watch.list()
        task = asyncio.create_task(self.watch.run())
        await asyncio.sleep(0.1)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def version(self, name: str) -> int:
        return int(self.known[Key("team", name)].resource_version)


async def test_a_list_tells_everything_that_is_there_in_pages():
    bed = Bed()
    bed.kube.page = 2
    for n in range(5):
        bed.kube.secret(f"s{n}")
    await bed.watch.list()
    assert bed.told == [f"s{n}" for n in range(5)]
    assert bed.kube.lists == 3


async def test_nothing_of_a_secret_is_known_but_its_metadata():
    bed = Bed()
    bed.kube.secret("s", annotations={OWNER_ANNOTATION: "es", ADOPT_ANNOTATION: "true"})
    await bed.watch.list()
    assert "Y2FuYXJ5" not in repr(bed.known)
    meta = bed.known[Key("team", "s")]
    assert (meta.owner, meta.adopt) == ("es", True)


async def test_what_appears_changes_and_goes_is_told():
    bed = Bed()
    async with bed.running():
        for step in (lambda: bed.kube.secret("s"), lambda: bed.kube.secret("s", labels={"a": "1"})):
            step()
            await asyncio.sleep(0.1)
        assert bed.told == ["s", "s"]
        bed.kube.remove("secrets", "s", "team")
        await asyncio.sleep(0.1)
    assert bed.told == ["s", "s", "s"]
    assert bed.known == {}


async def test_what_is_told_late_is_no_news():
    bed = Bed()
    bed.kube.secret("s")
    await bed.watch.list()
    key = Key("team", "s")
    newer = SecretMeta(bed.known[key].uid, str(bed.version("s") + 5), "es", adopt=False)
    bed.known[key] = newer
    await bed.watch.list()
    assert (bed.known[key], bed.told) == (newer, ["s"])


async def test_a_list_tells_what_is_gone():
    bed = Bed()
    bed.kube.secret("s")
    await bed.watch.list()
    bed.kube.remove("secrets", "s", "team")
    await bed.watch.list()
    assert (bed.told, bed.known) == (["s", "s"], {})


async def test_a_secret_that_was_made_while_the_list_was_read_is_not_forgotten():
    bed = Bed()
    made = SecretMeta("u", "1000000", "es", adopt=False)

    def make(_: Request) -> None:
        bed.known[Key("team", "new")] = made

    bed.kube.after = make
    await bed.watch.list()
    assert bed.known == {Key("team", "new"): made}
    assert bed.told == []


async def test_the_late_news_of_a_namesakes_end_forgets_nothing():
    bed = Bed()
    async with bed.running():
        bed.kube.secret("s")
        bed.kube.remove("secrets", "s", "team")
        bed.known[Key("team", "s")] = successor = SecretMeta("another", "1000000", "", adopt=False)
        await asyncio.sleep(0.1)
        assert bed.known[Key("team", "s")] == successor


async def test_a_watch_that_broke_goes_on_from_where_it_was():
    bed = Bed()
    async with bed.running():
        bed.kube.secret("s")
        await asyncio.sleep(0.1)
        reached = bed.kube.version
        bed.kube.breaks = [KubeUnavailable("reset")]
        await asyncio.sleep(300)
        bed.kube.secret("t")
        await asyncio.sleep(300)
    assert bed.told == ["s", "t"]
    assert bed.kube.watched_from[1] == reached
    assert bed.kube.lists == 1


async def test_an_api_server_that_is_away_for_five_minutes_is_asked_now_and_then_and_that_is_told_once_a_minute(
    caplog: pytest.LogCaptureFixture,
):
    bed = Bed()
    async with bed.running():
        before = len(bed.kube.watched_from)
        bed.kube.breaks = [KubeUnavailable("refused") for _ in range(1000)]
        await asyncio.sleep(590)  # the first of them as soon as the watch that runs is over
        assert 300 / 6 <= len(bed.kube.watched_from) - before <= 300 / 4 + 5
        bed.kube.breaks.clear()
        bed.kube.secret("s")
        await asyncio.sleep(6)
        assert bed.told == ["s"]
    assert len(caplog.records) <= 6


async def test_a_version_that_is_gone_starts_anew_with_a_list():
    bed = Bed()
    async with bed.running():
        bed.kube.breaks = [Gone("too old")]
        await asyncio.sleep(300)
        assert bed.kube.lists == 2
        bed.kube.secret("s")
        await asyncio.sleep(1)
        assert bed.told == ["s"]


async def test_a_list_that_fails_is_tried_again():
    bed = Bed()
    async with bed.running():
        failures = [KubeUnavailable("down")] * 3

        def fail(_: Request) -> None:
            if failures:
                raise failures.pop()

        bed.kube.before = fail
        bed.kube.breaks = [Gone("too old")] * 4
        await asyncio.sleep(320)
        bed.kube.secret("s")
        await asyncio.sleep(1)
    assert bed.told == ["s"]


async def test_it_is_alive_while_it_tries_though_nothing_happens():
    bed = Bed()
    async with bed.running():
        bed.kube.breaks = [KubeUnavailable("down")] * 1000
        await asyncio.sleep(1250)
        assert asyncio.get_running_loop().time() - bed.watch.alive_at < 300


async def test_what_is_known_is_all_there_is_while_the_server_tells_something():
    bed = Bed()
    assert not bed.watch.fresh
    async with bed.running():
        assert bed.watch.fresh
        await asyncio.sleep(80)
        bed.kube.secret("new")
        await asyncio.sleep(80)
        assert bed.watch.fresh
        await asyncio.sleep(80)
        assert not bed.watch.fresh


@pytest.mark.parametrize("broken", [KubeUnavailable("broken"), Gone("too old")], ids=["broken", "gone"])
async def test_after_a_watch_broke_more_may_be_there_than_is_known(broken: Exception):
    bed = Bed()

    def fail(_: Request) -> None:
        raise KubeUnavailable("down")

    bed.kube.breaks = [broken, KubeUnavailable("still")]
    await bed.watch.list()
    bed.kube.before = fail
    task = asyncio.create_task(bed.watch.run())
    await asyncio.sleep(0.5)
    assert not bed.watch.fresh
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_of_some_namespaces_each_is_watched_and_no_other():
    bed = Bed("one", "two")
    bed.kube.secret("a", "one")
    bed.kube.secret("b", "other")
    async with bed.running():
        assert (bed.told, bed.watch.fresh) == (["a"], True)
        bed.kube.secret("c", "two")
        bed.kube.secret("d", "other")
        await asyncio.sleep(0.5)
        assert bed.told == ["a", "c"]
        bed.kube.remove("secrets", "a", "one")
        await bed.watch.list()
        assert bed.known.keys() == {Key("two", "c")}


async def test_one_namespaces_watch_that_broke_makes_all_that_is_known_stale():
    bed = Bed("one", "two")
    bed.kube.breaks = [KubeUnavailable("broken")]
    await bed.watch.list()
    task = asyncio.create_task(bed.watch.run())
    await asyncio.sleep(0.5)
    assert not bed.watch.fresh
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_where_secrets_are_named_only_those_are_seen():
    bed = Bed("team", "other", secrets=(Key("team", "a"), Key("team", "b")))
    bed.kube.secret("a")
    bed.kube.secret("strange")
    bed.kube.secret("any", "other")
    async with bed.running():
        assert bed.known.keys() == {Key("team", "a"), Key("other", "any")}
        bed.kube.secret("b")
        bed.kube.secret("strange", labels={"a": "1"})
        await asyncio.sleep(0.1)
        assert bed.known.keys() == {Key("team", "a"), Key("team", "b"), Key("other", "any")}
        bed.kube.remove("secrets", "a", "team")
        await asyncio.sleep(0.1)
        assert bed.known.keys() == {Key("team", "b"), Key("other", "any")}
        await bed.watch.list()
        assert bed.known.keys() == {Key("team", "b"), Key("other", "any")}
