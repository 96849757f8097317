"""From a hint that something changed to the ExternalSecrets that it concerns. A hint is never trusted for content."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from keyferry import metrics
from keyferry.errors import SyncError
from keyferry.fetch.fetcher import Fetcher
from keyferry.kube.watched import Watched
from keyferry.plan.snapshot import differing
from keyferry.policy.mapping import Place
from keyferry.schedule.pursuit import Pursuit
from keyferry.sync.boundary import guarded
from keyferry.sync.store import Store
from keyferry.sync.waking import Waking
from keyferry.values import StoreKey

_SHARE = 0.25  # of a store's budget that looks on account of hints may take, however many hints come
_UNUSABLE_SECONDS = 2.0  # until a store that cannot be asked just now is thought of again


@dataclass(slots=True)
class Hinting:
    """Looks at a store's catalogue when somebody hints, and wakes those for whom there is news. One event loop owns it.

    `nudge` reaches its own queue, which works one store at a time and knows when each is due.
    """

    watched: Watched
    stores: Mapping[StoreKey, Store]
    waking: Waking
    nudge: Callable[[StoreKey, float], None]
    _pursuits: dict[StoreKey, Pursuit] = field(default_factory=dict, init=False)
    _told: dict[StoreKey, Mapping[Place, int]] = field(
        default_factory=dict, init=False
    )  # marks that all were woken for

    def hinted(self, key: StoreKey, source: str) -> None:
        """Somebody says that something in the store changed. What is suspended, or is no store, is left alone."""
        store = self.stores.get(key)
        if key not in self.watched.stores or (store and store.suspended):
            return
        metrics.HINTS.labels(str(key), source).inc()
        pursuit = self._pursuits.setdefault(key, Pursuit())
        self.nudge(key, pursuit.hinted(asyncio.get_running_loop().time()))

    async def work(self, key: StoreKey, _due: float) -> float | None:
        """Look after what was hinted; returns the loop's time when to look again, None when all is settled."""
        now = asyncio.get_running_loop().time()
        store, pursuit = self.stores.get(key), self._pursuits.get(key)
        if key not in self.watched.stores or (store and store.suspended):
            self._pursuits.pop(key, None)
            self._told.pop(key, None)
            return None
        if pursuit is None or not pursuit.open:
            return None
        if store is None or store.fetcher is None or not store.usable:
            return now + _UNUSABLE_SECONDS
        if (early := pursuit.begins(now)) is not None:
            return early
        news = await guarded(self._look(store, store.fetcher), f"a look at {key}")
        if isinstance(news, SyncError):
            metrics.HINTED_LOOKS.labels(str(key), news.reason).inc()
            return pursuit.failed()
        swept = news is not None
        metrics.HINTED_LOOKS.labels(str(key), "News" if news else "Nothing" if swept else "Unlisted").inc()
        gap = store.fetcher.seconds_of_budget(swept=swept) / _SHARE
        return pursuit.found(news or 0, gap=gap, lagging=swept)

    async def _look(self, store: Store, fetcher: Fetcher) -> int | None:
        """How much is new since the catalogue was last swept; None where ExternalSecrets must look."""
        before, started = fetcher.last_sweep, asyncio.get_running_loop().time()
        snapshot = await fetcher.sweep()
        if snapshot is None:
            store.hinted_at = started
            self.waking.everything_of(store.key)
            return None
        marks = snapshot.marks()
        news = differing(before.marks(), marks) if before else frozenset()
        # What others' sweeps have shown is no news, but whoever waits for a far beat has not heard of it either.
        if places := news | differing(self._told.get(store.key, {}), marks):
            store.hinted_at = snapshot.started
            self.waking.those_who_see(store.key, fetcher.mapping.view, {place.namespace for place in places})
        self._told[store.key] = marks
        return len(news)
