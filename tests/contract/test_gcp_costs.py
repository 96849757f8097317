"""What Google is asked, by the log of calls: the whole engine over the real client, with the API server in memory.

The figures stand in docs/providers/gcp.md, which the last test reads.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from keyferry.settings import Settings
from keyferry.values import StoreKey
from tests.contract.gcp_stores import CA, KEY
from tests.standins.gcp import PROJECT, GcpStandIn
from tests.unit.sync.world import TEAM, World, item

pytest_plugins = ["tests.contract.gcp_fixtures"]

PAGE = Path(__file__).parents[2] / "docs" / "providers" / "gcp.md"
MANY = 1000
INTERVAL = 8  # seconds
WITHIN = 60.0


@pytest.fixture
async def world(gcp: GcpStandIn) -> AsyncIterator[World]:
    async with World(settings=Settings(allow_endpoints=("https://127.0.0.1:*",))) as world:
        world.secret("gcp", {"key.json": gcp.admin.key_file(), "ca.crt": gcp.ca})
        provider = {"projectId": PROJECT, "endpoint": gcp.url, "auth": KEY, "caProvider": CA}
        refresh = {"callsPerSecond": 10000, "concurrency": 16}
        world.kube.put("secretstores", "store", TEAM, spec={"provider": {"gcp": provider}, "refresh": refresh})
        await eventually(lambda: "conditions" in world.status("store", of="secretstores"))
        assert world.reason("store", of="secretstores") == "Ready"
        gcp.calls.clear()
        yield world


async def eventually(so: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN):
        while not so():  # noqa: ASYNC110 - what the engine does has no event
            await asyncio.sleep(0.01)


async def calm(gcp: GcpStandIn) -> Counter[str]:
    """What was asked so far, as soon as for a while nothing more is asked."""
    async with asyncio.timeout(WITHIN):
        before = -1
        while before != gcp.calls.count():
            before = gcp.calls.count()
            await asyncio.sleep(0.7)
    return Counter(gcp.calls.counts())


async def refreshes(gcp: GcpStandIn, before: Counter[str]) -> Counter[str]:
    """What has been asked since then, as soon as there was a refresh and it is over."""
    await eventually(lambda: gcp.calls.count("ListSecrets") > before["ListSecrets"])
    return await calm(gcp) - before


def per_refresh(asked: Counter[str]) -> dict[str, float]:
    """On a busy machine one refresh may follow upon the other; each begins with a list."""
    return {
        method: count / asked["ListSecrets"]
        for method, count in sorted(asked.items(), key=lambda each: each[0] != "ListSecrets")
    }


async def a_look_of_all(gcp: GcpStandIn, world: World) -> Counter[str]:
    """What a refresh of everybody asks. A hint brings it about, so that none other is under way."""
    before = Counter(gcp.calls.counts())
    world.app.hinted(StoreKey(TEAM, "store"), "test")
    await eventually(lambda: gcp.calls.count("AccessSecretVersion") >= before["AccessSecretVersion"] + MANY)
    return await calm(gcp) - before


async def test_a_thousand_secrets_cost_a_read_each_at_every_refresh_and_no_write_where_nothing_changed(
    gcp: GcpStandIn, world: World
):
    for n in range(MANY):
        gcp.put(f"k{n}", b"v%d" % n)
        world.external_secret(f"es{n}", refreshInterval="1h", data=[item(key=f"k{n}")])
    await eventually(lambda: all(world.held(f"es{n}") for n in range(MANY)))
    first = await calm(gcp)
    world.writes()

    unchanged = await a_look_of_all(gcp, world)
    assert world.writes() == {}
    for n in range(10):
        gcp.put(f"k{n}", b"rotated")
    rotated = await a_look_of_all(gcp, world)
    await eventually(lambda: all(world.held(f"es{n}") == {"k": b"rotated"} for n in range(10)))
    await eventually(lambda: sum(request.resource == "externalsecrets/status" for request in world.kube.writes) == 10)

    assert world.writes() == {"secrets": 10, "externalsecrets/status": 10}
    assert unchanged == rotated == {"ListSecrets": 1, "AccessSecretVersion": MANY}
    assert first["AccessSecretVersion"] == MANY
    assert first["ListSecrets"] <= 3  # one, unless the machine is so busy that some come five seconds after others
    assert documented() == [[1, MANY]] * 3


async def test_five_hundred_who_ask_for_one_secret_cost_one_read_a_refresh(gcp: GcpStandIn, world: World):
    gcp.put("shared", b"v")
    for n in range(500):
        world.external_secret(f"es{n}", refreshInterval=f"{INTERVAL}s", data=[item(key="shared")])
    await eventually(lambda: all(world.held(f"es{n}") for n in range(500)))
    first = await calm(gcp)
    world.writes()

    assert per_refresh(await refreshes(gcp, first)) == {"ListSecrets": 1, "AccessSecretVersion": 1}
    assert world.writes() == {}


async def test_where_listing_is_not_granted_names_are_read_and_nothing_else(gcp: GcpStandIn, world: World):
    gcp.iam.allow(gcp.admin.email, ["secretmanager.versions.access"])
    world.annotate("secretstores", "store", refresh="1")
    gcp.put("db", b"v")
    await eventually(lambda: bool(world.status("store", of="secretstores").get("lacking")))
    gcp.calls.clear()

    world.external_secret("es", refreshInterval="1h", data=[item(key="db")])
    await eventually(lambda: world.held("es") is not None)

    assert await calm(gcp) == {"AccessSecretVersion": 1}


def documented() -> list[list[int]]:
    """The rows of the page's table: ListSecrets and AccessSecretVersion."""
    rows = re.findall(r"^\| [^|]*1,000[^|]* \| ([\d,]+) \| ([\d,]+) \|", PAGE.read_text(), re.MULTILINE)
    return [[int(each.replace(",", "")) for each in row] for row in rows]
