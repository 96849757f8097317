"""What a thousand ExternalSecrets over a thousand secrets cost a real Vault, from the log of its calls."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

from keyferry.api.store import MappingTags
from keyferry.policy.mapping import ByPaths, ByTags, Mapping
from tests.contract.fleet import PLACES, TEAMS, Fleet, fleet_of
from tests.contract.vault_stores import store
from tests.standins.vault_proxy import VaultProxy

PAGE = Path(__file__).parents[2] / "docs" / "providers" / "vault.md"
PATHS = ByPaths("acme", "/", inherit=True)
TAGS = ByTags("acme", MappingTags(), inherit=True)


def fleet(
    vault: VaultProxy, mount: str, mapping: Mapping, places: Sequence[tuple[str, str]] = PLACES
) -> AbstractAsyncContextManager[Fleet]:
    return fleet_of("vault", partial(store, vault, mount), mapping, places)


def seed(vault: VaultProxy, mount: str, places: Sequence[tuple[str, str]], *, tags: bool) -> None:
    def one(place: tuple[str, str]) -> None:
        namespace, key = place
        write(vault, mount, place, "first")
        if tags:
            told = {"prefix": "acme", "namespace": namespace, "key": key}
            vault.vault.request("POST", f"{mount}/metadata/acme/{namespace}/{key}", {"custom_metadata": told})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, places))


def write(vault: VaultProxy, mount: str, place: tuple[str, str], text: str) -> None:
    vault.vault.request("POST", f"{mount}/data/acme/{'/'.join(place)}", {"data": {"password": text}})


def spent(vault: VaultProxy) -> Counter[str]:
    """The calls since the last time, but for the login and what is asked once only."""
    calls = Counter(
        {what: number for what, number in vault.counts().items() if what.split()[1] in {"data", "metadata"}}
    )
    vault.wire.clear()
    return calls


async def measured(vault: VaultProxy, mount: str, mapping: Mapping) -> list[Counter[str]]:
    """First sync, a refresh with nothing changed, a refresh after ten rotations."""
    costs = []
    async with fleet(vault, mount, mapping) as all_of_them:
        await all_of_them.refresh()
        assert set(all_of_them.values.values()) == {b'{"password":"first"}'}
        costs.append(spent(vault))
        await all_of_them.refresh()
        costs.append(spent(vault))
        for place in PLACES[:10]:
            write(vault, mount, place, "second")
        await all_of_them.refresh()
        costs.append(spent(vault))
        rotated = [all_of_them.values[n] for n in range(10)]
        assert {json.loads(each)["password"] for each in rotated} == {"second"}
    return costs


def documented(how: str) -> list[int]:
    """The figures that the page gives for a mapping: first sync, nothing changed, ten rotations."""
    (row,) = re.findall(rf"^\| {re.escape(how)} \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|", PAGE.read_text(), re.MULTILINE)
    return [int(each.replace(",", "")) for each in row]


async def test_by_paths_every_refresh_is_a_read_of_each_secret_and_the_catalogue_is_left_alone(
    vault: VaultProxy, kv: str
):
    seed(vault, kv, PLACES, tags=False)
    costs = await measured(vault, kv, PATHS)
    assert costs == [Counter({"read data": 1000})] * 3
    assert [each.total() for each in costs] == documented("`Paths`, `Names`")


async def test_by_tags_every_refresh_is_the_catalogue_and_values_are_read_when_they_changed(vault: VaultProxy, kv: str):
    seed(vault, kv, PLACES, tags=True)
    costs = await measured(vault, kv, TAGS)
    catalogue = {"list metadata": 2 + TEAMS, "read metadata": 1000}
    assert costs == [
        Counter(catalogue | {"read data": 1000}),
        Counter(catalogue),
        Counter(catalogue | {"read data": 10}),
    ]
    assert [each.total() for each in costs] == documented("`Tags`, or with `find`")


async def test_many_external_secrets_over_few_secrets_cost_a_read_of_each_secret(vault: VaultProxy, kv: str):
    few = PLACES[:10]
    seed(vault, kv, few, tags=False)
    async with fleet(vault, kv, PATHS, [few[n % 10] for n in range(1000)]) as all_of_them:
        for _ in range(3):
            await all_of_them.refresh()
            assert spent(vault) == {"read data": 10}
