"""What a thousand ExternalSecrets over a thousand secrets cost a SQL server, in calls of the store's budget."""

import re
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from keyferry.api.store import MappingTags
from keyferry.backends.base import Backend
from keyferry.backends.sql.backend import SqlBackend
from keyferry.fetch.budget import Budget
from keyferry.policy.mapping import ByPaths, ByTags, Mapping
from tests.contract.fleet import PLACES, fleet_of
from tests.contract.sql_stores import Server, Stores

pytest_plugins = ["tests.contract.sql_fixtures"]

PAGE = Path(__file__).parents[2] / "docs" / "providers" / "sql.md"
MAPPINGS: dict[str, Mapping] = {
    "paths": ByPaths("acme", "/", inherit=True),
    "tags": ByTags("acme", MappingTags(), inherit=True),
}


def documented() -> list[int]:
    """The figures of the page: first sync, nothing changed, ten rotations."""
    (row,) = re.findall(r"^\| calls \| (\d+) \| (\d+) \| (\d+) \|", PAGE.read_text(), re.MULTILINE)
    return [int(each) for each in row]


async def write(backend: SqlBackend, place: tuple[str, str], text: str) -> None:
    namespace, key = place
    tags = {"prefix": "acme", "namespace": namespace, "key": key}
    await backend.put(f"acme/{namespace}/{key}", text.encode(), tags)


def spent(budget: Budget) -> Counter[str]:
    calls = Counter(budget.calls)
    budget.calls.clear()
    return calls


@pytest.mark.parametrize("by", MAPPINGS)
async def test_a_thousand_secrets_cost_what_the_page_says(stores: Stores, server: Server, database: str, by: str):
    seeds, mapping = stores(server, database, timeout=60), MAPPINGS[by]
    for place in PLACES:
        await write(seeds, place, "first")
    make = partial(stores, server, database, scope=mapping.scope())
    async with fleet_of("sql", cast("Callable[..., Backend]", make), mapping, timeout=60) as fleet:
        await fleet.refresh()
        assert set(fleet.values.values()) == {b"first"}
        costs = [spent(fleet.budget)]
        await fleet.refresh()
        costs.append(spent(fleet.budget))
        for place in PLACES[:10]:
            await write(seeds, place, "second")
        await fleet.refresh()
        costs.append(spent(fleet.budget))
    assert [fleet.values[n] for n in range(11)] == [b"second"] * 10 + [b"first"]
    assert [each["Check"] for each in costs] == [0, 0, 0]
    assert [each.total() for each in costs] == documented()
