"""What a thousand ExternalSecrets over a thousand secrets cost, from the log of the stand-in."""

import re
from collections import Counter
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from keyferry.policy.mapping import ByPaths
from keyferry.values import Ref, Search
from tests.contract.fleet import PLACES, Fleet, fleet_of
from tests.contract.hcp_stores import store
from tests.standins.hcp import HcpStandIn

PAGE = Path(__file__).parents[2] / "docs" / "providers" / "hcp.md"
PATHS = ByPaths("acme", "_", inherit=True)
OURS = [(namespace.replace("-", ""), key.replace("-", "_")) for namespace, key in PLACES]


def fleet(hcp: HcpStandIn) -> AbstractAsyncContextManager[Fleet]:
    return fleet_of("hcp", partial(store, hcp, scope=PATHS.scope()), PATHS, OURS)


def write(hcp: HcpStandIn, place: tuple[str, str], text: str) -> None:
    hcp.put("_".join(("acme", *place)), text)


def spent(hcp: HcpStandIn) -> Counter[str]:
    """The calls since the last time, but for the login."""
    calls = Counter({what: number for what, number in hcp.counts().items() if what != "login"})
    hcp.wire.clear()
    return calls


def documented() -> list[int]:
    """The figures that the page gives: first sync, nothing changed, ten rotations."""
    row_of = r"^\| `Paths`, `Names`, or with `find` \| (\d+) \| (\d+) \| (\d+) \|"
    (row,) = re.findall(row_of, PAGE.read_text(), re.MULTILINE)
    return [int(each) for each in row]


async def test_what_changed_is_told_by_the_list_and_read_by_the_fewest_calls(hcp: HcpStandIn):
    for place in OURS:
        write(hcp, place, "first")
    costs = []
    async with fleet(hcp) as all_of_them:
        await all_of_them.refresh()
        assert set(all_of_them.values.values()) == {b"first"}
        costs.append(spent(hcp))
        await all_of_them.refresh()
        costs.append(spent(hcp))
        for place in OURS[:10]:
            write(hcp, place, "second")
        await all_of_them.refresh()
        costs.append(spent(hcp))
        assert [all_of_them.values[n] for n in range(11)] == [*[b"second"] * 10, b"first"]
    assert costs == [{"list": 10, "open all": 10}, {"list": 10}, {"list": 10, "open": 10}]
    assert [sum(each.values()) for each in costs] == documented()


async def test_a_find_costs_what_naming_costs(hcp: HcpStandIn):
    for place in OURS:
        write(hcp, place, "first")
    async with fleet(hcp) as all_of_them:
        everything = Search(regexp=".")
        asked = {namespace for namespace, _ in OURS}
        fetcher = all_of_them.fetcher
        looked = [await fetcher.look([everything], (namespace,), at=0.0) for namespace in sorted(asked)]
        answers = [each[everything] for each in looked]
        found = [each for answer in answers if isinstance(answer, tuple) for each in answer]
        assert len(found) == len(OURS)
        await fetcher.values(found)
        assert spent(hcp) == {"list": 10, "open all": 10}


@pytest.mark.parametrize("changed", [10, 11])
async def test_the_fewer_calls_are_taken(hcp: HcpStandIn, changed: int):
    for place in OURS:
        write(hcp, place, "first")
    async with fleet(hcp) as all_of_them:
        await all_of_them.refresh()
        spent(hcp)
        await all_of_them.fetcher.backend.fetch([Ref("_".join(("acme", *place))) for place in OURS[-changed:]])
    assert spent(hcp) == ({"open": 10} if changed == 10 else {"open all": 10})
