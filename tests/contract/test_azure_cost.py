"""What 1,000 ExternalSecrets over 1,000 distinct secrets cost, counted by the vault; the page has these figures."""

import re
from collections import Counter
from pathlib import Path

from keyferry.api.store import MappingTags
from keyferry.errors import SyncError
from keyferry.fetch.fetcher import Fetcher
from keyferry.policy.mapping import ByTags
from keyferry.values import Found, Lookup, Value
from tests.contract.azure_stores import store
from tests.contract.counter import counter
from tests.standins.azure import AzureStandIn

pytest_plugins = ["tests.contract.azure_fixtures"]

PAGE = Path(__file__).parents[2] / "docs" / "providers" / "azure.md"
MANY, ROTATED, AT_ONCE = 1000, 10, 40
TAGS = ByTags("", MappingTags(), inherit=True)


class Fleet:
    """ExternalSecrets that remember at which version they read, as their status does."""

    def __init__(self, azure: AzureStandIn, fetcher: Fetcher) -> None:
        self._azure, self._fetcher = azure, fetcher
        self._versions: dict[str, str] = {}

    async def refresh(self) -> tuple[Counter[str], int]:
        """All of them look, and read what is not at the version that they know: the calls, and how many read."""
        self._azure.calls.clear()
        snapshot = await self._fetcher.sweep()
        assert snapshot is not None
        changed: list[Found] = []
        for n in range(MANY):
            looked = await self._fetcher.look([Lookup(f"k{n}")], ("team",), at=snapshot.started)
            (answer,) = looked.values()
            assert not isinstance(answer, SyncError), answer
            changed += [each for each in answer if each.version != self._versions.get(each.key)]
        for start in range(0, len(changed), AT_ONCE):
            got = await self._fetcher.values(changed[start : start + AT_ONCE])
            for found, value in got.items():
                assert isinstance(value, Value), value
                self._versions[found.key] = value.version
        return Counter(self._azure.counts()), len(changed)


async def test_cost_follows_change_and_the_page_says_so(azure: AzureStandIn):
    for n in range(MANY):
        azure.put(f"s{n}", f"value {n}", {"namespace": "team", "key": f"k{n}"})
    azure.vaults.clock.advance(3600)
    fetcher = counter(store(azure), TAGS)
    fleet = Fleet(azure, fetcher)
    try:
        first, _ = await fleet.refresh()
        unchanged, _ = await fleet.refresh()
        for n in range(ROTATED):
            azure.put(f"s{n}", "another")
        at_once, _ = await fleet.refresh()
        azure.vaults.clock.advance(60)
        settled, _ = await fleet.refresh()
        quiet, _ = await fleet.refresh()
        for n in range(ROTATED):
            azure.put(f"s{n}", "a third")
        azure.vaults.clock.advance(60)
        later, _ = await fleet.refresh()
    finally:
        await fetcher.aclose()
    assert first == {"GetToken": 1, "ListSecrets": 40, "GetSecret": MANY}
    assert unchanged == quiet == {"ListSecrets": 40}
    assert at_once == settled == later == {"ListSecrets": 40, "GetSecret": ROTATED}
    assert figures() == [str(sum(counts.values())) for counts in (first, unchanged, later, at_once + settled)]


def figures() -> list[str]:
    """The numbers of calls in the page's table, from its first row to its last."""
    rows = re.findall(r"^\| [^|]+ \| ([0-9,]+) \| ", PAGE.read_text(), re.MULTILINE)
    return [row.replace(",", "") for row in rows]
