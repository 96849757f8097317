"""A store's counter over a backend in memory, with a diary of what it reported."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from keyferry.api.store import MappingTags
from keyferry.backends.base import Access
from keyferry.errors import SyncError
from keyferry.fetch.budget import Budget
from keyferry.fetch.cache import Cache
from keyferry.fetch.fetcher import Fetcher
from keyferry.fetch.guard import Guard
from keyferry.policy.mapping import ByNames, ByPaths, ByTags, Mapping
from keyferry.values import Found, Looked, Lookup, Search, Value
from tests.unit.fakes import FakeBackend, PlainBackend

TAGS = ByTags("", MappingTags(), inherit=True)
PATHS = ByPaths("", "/", inherit=True)
NAMES = ByNames("")
NO_LISTING = Access(listing=False, lacking=("ListSecrets",))


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Counter:
    """A Fetcher and its surroundings."""

    backend: Any = field(default_factory=FakeBackend)  # a PlainBackend, with a catalogue or without
    mapping: Mapping = NAMES
    demand: int = 1
    largest: int = 100_000
    cache: Cache | None = field(default_factory=lambda: Cache(1000, 60))
    troubles: list[SyncError] = field(default_factory=list)
    sweeps: int = 0
    fetcher: Fetcher = field(init=False)

    def __post_init__(self) -> None:
        self.fetcher = Fetcher(
            store="SecretStore team/store",
            backend=self.backend,
            mapping=self.mapping,
            budget=Budget("store", 1000, 100, 10),
            guard=Guard("SecretStore team/store"),
            cache=self.cache,
            demand=lambda: self.demand,
            crowded=lambda: False,
            trouble=self.troubles.append,
            swept=self._swept,
            largest=self.largest,
            access=self.backend.access,
        )

    def _swept(self) -> None:
        self.sweeps += 1

    def forget_calls(self) -> None:
        self.backend.calls.clear()

    async def look(
        self, *asked: Lookup | Search | str, lineage: tuple[str, ...] = ("team",), at: float | None = None, **more: Any
    ) -> Looked:
        """Text stands for a lookup of that key. Unless it says `at`, every look is later than the one before."""
        await asyncio.sleep(0.01 if at is None else 0)
        wanted = [Lookup(each) if isinstance(each, str) else each for each in asked]
        return await self.fetcher.look(wanted, lineage, at=now() if at is None else at, **more)

    async def seen(self, asked: Lookup | Search | str, **more: Any) -> tuple[Found, ...] | SyncError:
        """The answer to a single question."""
        (answer,) = (await self.look(asked, **more)).values()
        return answer

    async def found(self, *asked: Lookup | Search | str, **more: Any) -> list[Found]:
        """Everything found, of questions that all have an answer."""
        looked = await self.look(*asked, **more)
        assert not [each for each in looked.values() if isinstance(each, SyncError)], looked
        return [found for answer in looked.values() if not isinstance(answer, SyncError) for found in answer]

    async def read(self, found: list[Found], *, fresh: bool = False) -> list[bytes]:
        """What these hold."""
        got = await self.fetcher.values(found, fresh=fresh)
        return [value.data for each in found if isinstance(value := got[each], Value)]


def filled(count: int, *, prefix: str = "", kind: type[PlainBackend] = FakeBackend, **more: Any) -> Any:
    """A backend with so many secrets, called k0, k1 and so on."""
    backend = kind(**more)
    for n in range(count):
        backend.put(f"{prefix}k{n}", f"value {n}".encode())
    return backend
