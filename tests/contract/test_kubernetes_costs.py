"""What a thousand ExternalSecrets over a thousand Secrets cost a real API server, from its audit log."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from keyferry.api.store import MappingTags
from keyferry.policy.mapping import ByNames, ByTags, Mapping
from tests.contract.fleet import PLACES, Fleet, fleet_of
from tests.contract.kubernetes_stores import Reader, store
from tests.controlplane.shared import shared

PAGE = Path(__file__).parents[2] / "docs" / "providers" / "kubernetes.md"
BY_NAMES = [("", f"{namespace}-{key}") for namespace, key in PLACES]
NAMES, TAGS = ByNames("acme-"), ByTags("acme", MappingTags(), inherit=True)


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    """A namespace with a thousand Secrets, named and labelled."""
    made = Reader(shared()).make("get", "list", "watch")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda place: write(made, place, b"first"), PLACES))
    yield made
    made.end()


def write(reader: Reader, place: tuple[str, str], data: bytes) -> None:
    namespace, key = place
    labels = {"prefix": "acme", "namespace": namespace, "key": key}
    reader.write(f"acme-{namespace}-{key}", {"password": data}, labels)


def fleet(reader: Reader, mapping: Mapping, places: Sequence[tuple[str, str]]) -> AbstractAsyncContextManager[Fleet]:
    return fleet_of("kubernetes", partial(store, reader, scope=mapping.scope()), mapping, places)


def calls(reader: Reader) -> Counter[str]:
    """What the store's login has asked so far, by verb."""
    return Counter(event.verb for event in reader.plane.audit() if event.user == reader.user)


def documented(how: str) -> list[int]:
    """The figures that the page gives for a mapping: first sync, nothing changed, ten rotations."""
    (row,) = re.findall(rf"^\| {re.escape(how)} \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|", PAGE.read_text(), re.MULTILINE)
    return [int(each.replace(",", "")) for each in row]


@pytest.mark.parametrize(("mapping", "places"), [(NAMES, BY_NAMES), (TAGS, PLACES)], ids=["Names", "Tags"])
async def test_a_refresh_is_the_catalogue_and_what_changed(
    reader: Reader, mapping: Mapping, places: Sequence[tuple[str, str]]
):
    costs, before = [], calls(reader)

    def spent() -> Counter[str]:
        nonlocal before
        before, now = (after := calls(reader)), after - before
        return now

    async with fleet(reader, mapping, places) as all_of_them:
        await all_of_them.refresh()
        costs.append(spent())
        await all_of_them.refresh()
        costs.append(spent())
        rotated = b"second" if mapping is NAMES else b"third"
        for place in PLACES[:10]:
            write(reader, place, rotated)
        await all_of_them.refresh()
        costs.append(spent())
        assert all(b'"%s"' % rotated in all_of_them.values[n] for n in range(10))
        assert len(all_of_them.values) == len(PLACES)
    assert costs == [Counter(list=2 + 20), Counter(list=2), Counter(list=2, get=10)]
    assert [each.total() for each in costs] == documented("`Names`, `Tags`")


async def test_many_external_secrets_over_few_secrets_read_each_once(reader: Reader):
    before = calls(reader)
    async with fleet(reader, NAMES, [BY_NAMES[n % 10] for n in range(1000)]) as all_of_them:
        await all_of_them.refresh()
        await all_of_them.refresh()
    assert calls(reader) - before == {"list": 4, "get": 10}
