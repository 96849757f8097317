"""Dynamic secrets are made when they are first needed, and when they near their end: never by a look, nor a restart."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import datetime

import orjson
import pytest

from keyferry.backends.hcp import HcpBackend
from keyferry.errors import BackendUnavailable, SecretMissing
from keyferry.fetch.fetcher import Fetcher
from keyferry.policy.mapping import ByNames
from keyferry.values import Found, Lookup, Ref, Value
from tests.contract.counter import counter
from tests.contract.hcp_stores import listed, one, store
from tests.standins.hcp import HcpStandIn, refuses
from tests.standins.hcp_secrets import told
from tests.standins.wire import Answer, Call, Fault, Proceed

KEY, AWS = Lookup("AWS"), Ref("AWS")
TTL = 3600


@asynccontextmanager
async def operator(hcp: HcpStandIn, demand: int = 1) -> AsyncIterator[Fetcher]:
    """A store's counter as a newly started operator has it, with the stand-in's clock."""
    backend = store(hcp)
    await backend.check()
    assert backend._reader.made
    backend._reader.made.clock = hcp.now
    fetcher = counter(backend, ByNames(""), lambda: demand)
    yield fetcher
    await fetcher.aclose()


async def seen(fetcher: Fetcher, key: Lookup = KEY) -> Found:
    """What a look that begins now finds."""
    answer = (await fetcher.look([key], ("payments",), at=float("inf")))[key]
    assert isinstance(answer, tuple), answer
    return answer[0]


async def synced(fetcher: Fetcher, key: Lookup = KEY) -> Value:
    """The value of what is there now, as who finds a new version reads it."""
    found = await seen(fetcher, key)
    value = (await fetcher.values([found], fresh=True))[found]
    assert isinstance(value, Value), value
    return value


def _cut_short(seconds: int) -> Fault:
    """What is made holds no longer than that, whatever the list says."""

    def fault(_: Call, proceed: Proceed) -> Answer:
        content = orjson.loads(proceed().body)
        if lease := content.get("secret", {}).get("dynamic_instance"):
            made = datetime.fromisoformat(lease["created_at"]).timestamp()
            lease["expires_at"] = told(made + seconds)
        return Answer.of(content)

    return fault


def _untold(call: Call, proceed: Proceed) -> Answer:
    """The list does not say how long anything holds."""
    body = proceed().body
    return Answer.of(orjson.loads(body.replace(b"dynamic_config", b"another") if "open" not in call.path else body))


def half_a_window_in(hcp: HcpStandIn) -> None:
    """Go to the middle of one, so that no test happens to be at its end."""
    hcp.ahead += TTL / 4


async def test_it_is_made_when_it_is_first_needed_and_all_of_it_belongs_together(hcp: HcpStandIn):
    secret = hcp.dynamic("AWS", TTL)
    async with operator(hcp) as fetcher:
        assert hcp.minted() == 0  # a check makes nothing
        value = await synced(fetcher)
    assert orjson.loads(value.data) == secret.minted[0][1]
    assert hcp.minted() == 1


async def test_looking_makes_nothing_however_few_ask_of_however_many(hcp: HcpStandIn):
    hcp.dynamic("AWS", TTL)
    hcp.largest_page = 5
    for n in range(60):
        hcp.put(f"S{n}", "v")
    half_a_window_in(hcp)
    async with operator(hcp) as fetcher:
        version = (await synced(fetcher)).version
        for _ in range(12):
            assert (await seen(fetcher)).version == version
    assert hcp.minted() == 1


async def test_a_restart_finds_the_same_version_and_makes_nothing(hcp: HcpStandIn):
    hcp.dynamic("AWS", TTL)
    half_a_window_in(hcp)
    async with operator(hcp) as first:
        version = (await synced(first)).version
    async with operator(hcp) as second:
        assert (await seen(second)).version == version
    assert hcp.minted() == 1


@pytest.mark.parametrize("minted_at", [0.01, 0.5, 0.99])
async def test_it_is_made_anew_while_what_was_made_still_holds_for_long(hcp: HcpStandIn, minted_at: float):
    hcp.dynamic("AWS", TTL)
    hcp.ahead += minted_at * TTL / 2
    async with operator(hcp) as fetcher:
        version, elapsed = (await synced(fetcher)).version, 0
        while (await seen(fetcher)).version == version:
            hcp.ahead += 60
            elapsed += 60
    assert 0 < elapsed <= TTL / 2 + 60
    assert hcp.minted() == 1


async def test_it_is_made_once_in_a_window(hcp: HcpStandIn):
    hcp.dynamic("AWS", TTL)
    known = ""
    async with operator(hcp) as fetcher:
        for _ in range(8 * 60):  # four times its life, a look a minute
            if (await seen(fetcher)).version != known:
                known = (await synced(fetcher)).version
            hcp.ahead += 30
    assert hcp.minted() in {8, 9}


async def test_what_ends_sooner_than_the_list_says_is_made_anew_in_time(hcp: HcpStandIn):
    secret = hcp.dynamic("AWS", TTL)
    half_a_window_in(hcp)
    with hcp.wire.failing(_cut_short(600), ":open"):
        async with operator(hcp) as fetcher:
            version = (await synced(fetcher)).version
            assert (await seen(fetcher)).version == version
            hcp.ahead += 301
            assert (await seen(fetcher)).version != version
    assert len(secret.minted) == 1


async def test_where_the_list_does_not_tell_how_long_it_holds_it_is_learnt(hcp: HcpStandIn):
    hcp.dynamic("AWS", TTL)
    with hcp.wire.failing(_untold, "/secrets"):
        async with operator(hcp) as fetcher:
            version = (await synced(fetcher)).version
            assert (await seen(fetcher)).version == version
            hcp.ahead += TTL / 2
            assert (await seen(fetcher)).version != version


async def test_a_dynamic_secret_that_is_made_anew_has_another_version(hcp: HcpStandIn):
    hcp.dynamic("AWS", TTL)
    async with aclosing(store(hcp)) as backend:
        before = (await listed(backend))["AWS"].versions
        del hcp.app.secrets["AWS"]
        hcp.dynamic("AWS", TTL)
        assert (await listed(backend))["AWS"].versions != before


async def test_it_has_no_versions_to_pin(hcp: HcpStandIn, app: HcpBackend):
    hcp.dynamic("AWS", TTL)
    got = await one(app, Ref("AWS", "1"))
    assert isinstance(got, SecretMissing)
    assert "AWS is dynamic: it has no versions" in str(got)
    assert hcp.minted() == 0


async def test_a_provider_that_gives_nothing_is_an_answer_for_it_alone(hcp: HcpStandIn, app: HcpBackend):
    hcp.dynamic("AWS", TTL).spoiled = True
    hcp.put("DB", "v")
    got = await app.fetch([AWS, Ref("DB")])
    assert isinstance(got[AWS], BackendUnavailable)
    assert isinstance(got[Ref("DB")], Value)


async def test_many_values_are_read_by_pages_and_nothing_is_made_for_that(hcp: HcpStandIn, app: HcpBackend):
    names = [hcp.put(f"S{n}", "v") for n in range(20)]
    hcp.dynamic("AWS", TTL)
    got = await app.fetch([Ref(name) for name in names])
    assert all(isinstance(each, Value) for each in got.values())
    assert (hcp.counts()["open all"], hcp.minted()) == (1, 0)


async def test_where_the_list_is_refused_nothing_is_opened_to_find_out(hcp: HcpStandIn):
    hcp.dynamic("AWS", TTL)
    async with operator(hcp) as fetcher:
        await synced(fetcher)
        with hcp.wire.failing(refuses(403, "no"), "/secrets"):
            answer = (await fetcher.look([KEY], ("payments",), at=float("inf")))[KEY]
    assert "may not do this in app shop" in str(answer)
    assert hcp.minted() == 1
