"""A thousand ExternalSecrets over the secrets of one store, as a backend's calls are counted by."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from keyferry.backends.base import Backend
from keyferry.errors import SyncError
from keyferry.fetch.budget import Budget
from keyferry.fetch.cache import Cache
from keyferry.fetch.fetcher import Fetcher
from keyferry.fetch.guard import Guard
from keyferry.policy.mapping import Mapping
from keyferry.values import Looked, Lookup, Value

TEAMS, KEYS = 10, 100
PLACES = [(f"team-{n % TEAMS}", f"key-{n // TEAMS}") for n in range(TEAMS * KEYS)]


@dataclass
class Fleet:
    """ExternalSecrets of one store: each asks for one key, and reads it when its version is another than it knows."""

    fetcher: Fetcher
    budget: Budget
    places: Sequence[tuple[str, str]]
    versions: dict[int, str] = field(default_factory=dict)
    values: dict[int, bytes] = field(default_factory=dict)

    async def refresh(self) -> None:
        """All of them at one beat."""
        at = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for number, (namespace, key) in enumerate(self.places):
                group.create_task(self._one(number, namespace, key, at))

    async def _one(self, number: int, namespace: str, key: str, at: float) -> None:
        looked: Looked = await self.fetcher.look([Lookup(key)], (namespace,), at=at)
        answer = looked[Lookup(key)]
        assert not isinstance(answer, SyncError), answer
        if answer[0].version == self.versions.get(number):
            return
        value = (await self.fetcher.values(answer))[answer[0]]
        assert isinstance(value, Value), value
        self.versions[number], self.values[number] = value.version, value.data


@asynccontextmanager
async def fleet_of(
    provider: str,
    make: Callable[..., Backend],
    mapping: Mapping,
    places: Sequence[tuple[str, str]] = PLACES,
    *,
    timeout: float = 30,
) -> AsyncIterator[Fleet]:
    """ExternalSecrets at these places: namespace and key. `make`: of a budget and a timeout, the store's backend."""
    budget = Budget("store", 100000, 8, timeout)
    fetcher = Fetcher(
        store=f"ClusterSecretStore {provider}",
        backend=make(budget=budget, timeout=timeout),
        mapping=mapping,
        budget=budget,
        guard=Guard(f"ClusterSecretStore {provider}"),
        cache=Cache(10000, 60),
        demand=lambda: len(places),
        crowded=lambda: False,
        trouble=lambda _: None,
        swept=lambda: None,
    )
    async with aclosing(fetcher):
        yield Fleet(fetcher, budget, places)
