"""What a thousand ExternalSecrets over a thousand secrets cost, from the log of Infisical's stand-in."""

import re
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from keyferry.api.store import MappingTags
from keyferry.policy.mapping import ByPaths, ByTags, Mapping
from tests.contract.fleet import PLACES, Fleet, fleet_of
from tests.contract.infisical_stores import store
from tests.standins.infisical import InfisicalStandIn

PAGE = Path(__file__).parents[2] / "docs" / "providers" / "infisical.md"
MAPPINGS: dict[str, Mapping] = {
    "paths": ByPaths("acme", "/", inherit=True),
    "tags": ByTags("acme", MappingTags(), inherit=True),
}


def fleet(
    infisical: InfisicalStandIn, mapping: Mapping, places: Sequence[tuple[str, str]] = PLACES
) -> AbstractAsyncContextManager[Fleet]:
    return fleet_of("infisical", partial(store, infisical, scope=mapping.scope()), mapping, places)


def write(infisical: InfisicalStandIn, place: tuple[str, str], text: str) -> None:
    namespace, key = place
    infisical.put(f"acme/{namespace}/{key}", text, {"prefix": "acme", "namespace": namespace, "key": key})


def spent(infisical: InfisicalStandIn) -> Counter[str]:
    """The calls since the last time, but for the login."""
    calls = Counter({what: number for what, number in infisical.counts().items() if what != "login"})
    infisical.wire.clear()
    return calls


def documented(how: str) -> list[int]:
    """The figures that the page gives for a mapping: first sync, nothing changed, ten rotations."""
    (row,) = re.findall(rf"^\| .*{re.escape(how)}.* \| (\d+) \| (\d+) \| (\d+) \|", PAGE.read_text(), re.MULTILINE)
    return [int(each) for each in row]


@pytest.mark.parametrize("how", MAPPINGS)
async def test_a_refresh_is_one_list_and_another_where_something_changed(infisical: InfisicalStandIn, how: str):
    for place in PLACES:
        write(infisical, place, "first")
    costs = []
    async with fleet(infisical, MAPPINGS[how]) as all_of_them:
        await all_of_them.refresh()
        assert set(all_of_them.values.values()) == {b"first"}
        costs.append(spent(infisical))
        await all_of_them.refresh()
        costs.append(spent(infisical))
        for place in PLACES[:10]:
            write(infisical, place, "second")
        await all_of_them.refresh()
        costs.append(spent(infisical))
        assert [all_of_them.values[n] for n in range(11)] == [*[b"second"] * 10, b"first"]
    assert costs == [Counter({"list": 2}), Counter({"list 304": 1}), Counter({"list": 2})]
    assert [each.total() for each in costs] == documented(f"`{how.capitalize()}`")


async def test_ten_times_as_many_external_secrets_cost_the_same(infisical: InfisicalStandIn):
    for place in PLACES[:10]:
        write(infisical, place, "first")
    async with fleet(infisical, MAPPINGS["paths"], [PLACES[n % 10] for n in range(1000)]) as all_of_them:
        await all_of_them.refresh()
        assert spent(infisical) == {"list": 2}
        await all_of_them.refresh()
        assert spent(infisical) == {"list 304": 1}
