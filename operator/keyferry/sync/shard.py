"""A shard: some of the stores with all their ExternalSecrets, and everything that is needed to work on them.

It is made when the shard is taken and thrown away when it is lost or given up, with all that it remembers. What it
goes by, the picture of the cluster, is shared by all shards of the process.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from keyferry import metrics
from keyferry.fetch.cache import Room
from keyferry.kube.client import Kube
from keyferry.kube.fence import FencedKube, Hold
from keyferry.kube.watched import Watched
from keyferry.schedule.finishing import Finishing
from keyferry.schedule.shares import shard_of
from keyferry.schedule.worker import Queue
from keyferry.settings import Settings
from keyferry.sync.external_secret import ExternalSecrets
from keyferry.sync.hinting import Hinting
from keyferry.sync.listening import Listeners
from keyferry.sync.store import Stores
from keyferry.sync.target import Targets
from keyferry.sync.waking import Waking
from keyferry.sync.webhook import Webhooks
from keyferry.values import Key, StoreKey

_STORES_AT_ONCE = 1000  # each has its own limits; most wait for their backend
_FINISH_SECONDS = 5.0
_BEGIN_AT_ONCE = 5  # stores; the others follow one by one, so that what they share is not asked by all in one moment
_BEGIN_GAP_SECONDS = 0.05
_BEGIN_WITHIN_SECONDS = 5.0  # the last of them, however many they are


def number_of(key: Key | StoreKey, watched: Watched, shards: int) -> int:
    """The shard of a store, or of the store that an ExternalSecret names: of its own name where none can be read."""
    if shards == 1:
        return 0
    named = watched.by_store.sources(key) if isinstance(key, Key) else ()
    return shard_of(str(next(iter(named), key)), shards)


@dataclass(slots=True)
class Shard:
    """The work on one shard, for as long as the hold lasts."""

    number: int
    hold: Hold
    kube: Kube
    watched: Watched
    settings: Settings
    waking: Waking
    webhooks: Webhooks
    room: Room  # for the values of all stores
    fresh: Callable[[], bool]  # whether what was seen of Secrets is what there is
    listeners: Listeners = field(init=False)
    stores: Stores = field(init=False)
    hinting: Hinting = field(init=False)
    reconciler: ExternalSecrets = field(init=False)
    store_queue: Queue[StoreKey] = field(init=False)
    hint_queue: Queue[StoreKey] = field(init=False)
    queue: Queue[Key] = field(init=False)
    _finishing: Finishing = field(default_factory=Finishing, init=False)

    def __post_init__(self) -> None:
        kube, settings = FencedKube(self.kube, self.hold), self.settings
        tell = self.waking.everything_of
        nudge, crowded = self._nudge_store, self._crowded
        self.listeners = Listeners(self._hinted, nudge)
        self.stores = Stores(
            kube, self.watched, settings, nudge, tell, self.webhooks, self.listeners, crowded, self.room
        )
        self.hinting = Hinting(self.watched, self.stores.running, self.waking, self._nudge_hint)
        targets = Targets(kube, self.watched, self.fresh)
        self.reconciler = ExternalSecrets(kube, self.watched, self.stores.running, targets, self._finishing)
        self.store_queue = Queue(self.stores.work, limit=_STORES_AT_ONCE)
        self.hint_queue = Queue(self.hinting.work, limit=_STORES_AT_ONCE)
        self.queue = Queue(
            self._work,
            limit=max(1, settings.workers // settings.shards),
            group=self.watched.by_store.sources,
            share=settings.workers_of_store,
        )

    @property
    def queues(self) -> Mapping[str, Queue[Any]]:
        """Every queue, by what it is called in metrics."""
        return {"ExternalSecret": self.queue, "SecretStore": self.store_queue, "Hint": self.hint_queue}

    async def run(self) -> None:
        """Work on everything that is the shard's, until cancelled."""
        now, stores = asyncio.get_running_loop().time(), [each for each in self.watched.stores if self._has(each)]
        gap = min(_BEGIN_GAP_SECONDS, _BEGIN_WITHIN_SECONDS / max(1, len(stores)))
        for number, store in enumerate(stores):
            self.store_queue.nudge(store, now + gap * max(0, number + 1 - _BEGIN_AT_ONCE))
        for key in self.watched.external_secrets:
            if self._has(key):
                self.queue.nudge(key)
        async with asyncio.TaskGroup() as group:
            for queue in self.queues.values():
                group.create_task(queue.run())

    async def finished(self) -> None:
        """Wait for what is being written, which goes on when `run` is cancelled; not for ever."""
        await self._finishing.settled(within=_FINISH_SECONDS)

    async def aclose(self) -> None:
        """Close the stores, and leave no trace of them in the metrics. Where the shard is lost, no write goes on."""
        await self._finishing.settled(within=_FINISH_SECONDS if self.hold.lasts() else 0.0)
        kept = list(self.stores.running)
        await self.stores.aclose()
        for store in kept:
            self.watched.by_credential.put(store, ())
            self.webhooks.forget(store)
            metrics.forget_store(str(store))

    def _has(self, key: Key | StoreKey) -> bool:
        return number_of(key, self.watched, self.settings.shards) == self.number

    def _nudge_store(self, key: StoreKey) -> None:
        self.store_queue.nudge(key)

    def _crowded(self, key: StoreKey) -> bool:
        """Whether more of the store's come to ask for values; while all that have a place wait for theirs, none."""
        group, store = frozenset({key}), self.stores.running.get(key)
        waiting = store.fetcher.waiting if store and store.fetcher else 0
        return self.queue.holds_back(group) and waiting < self.queue.worked(group)

    def _hinted(self, key: StoreKey, source: str) -> None:
        self.hinting.hinted(key, source)

    def _nudge_hint(self, key: StoreKey, at: float) -> None:
        self.hint_queue.nudge(key, at)

    async def _work(self, key: Key, due: float) -> float | None:
        if self._has(key):
            return await self.reconciler.work(key, due)
        self.reconciler.forget(key)  # it names another store by now
        return None
