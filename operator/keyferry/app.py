"""The composition root: from settings to clients, queues and reconciliations, and how they run."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from keyferry import metrics
from keyferry.errors import KubeUnavailable
from keyferry.kube.client import JSON, METADATA_LIST, At, Json, Kube, path
from keyferry.kube.errors import KubeError, NotFound
from keyferry.kube.metadata_watch import SecretWatch
from keyferry.kube.status import API
from keyferry.kube.watched import Watched
from keyferry.schedule.worker import Queue
from keyferry.settings import Settings
from keyferry.sync.external_secret import ExternalSecrets
from keyferry.sync.hinting import Hinting
from keyferry.sync.store import Stores
from keyferry.sync.target import Targets
from keyferry.sync.waking import Waking
from keyferry.sync.webhook import Webhooks
from keyferry.values import Key, StoreKey

_LOG = logging.getLogger(__name__)
_PAGE = "500"
_STORES_AT_ONCE = 1000  # each has its own limits; most wait for their backend
_RETRY_SECONDS = 2.0
_RELIST_SECONDS = 300.0
_STALL_SECONDS = 60.0  # without a beat, the scheduler has stopped
_WATCH_STALL_SECONDS = 900.0

_RESOURCES = {
    "namespaces": path("v1", "namespaces"),
    "clustersecretstores": path(API, "clustersecretstores"),
    "secretstores": path(API, "secretstores"),
    "externalsecrets": path(API, "externalsecrets"),
}


@dataclass(slots=True)
class App:
    """The operator without Kopf. One event loop owns it."""

    kube: Kube
    settings: Settings
    watched: Watched = field(default_factory=Watched)
    learnt: asyncio.Event = field(default_factory=asyncio.Event, init=False)  # everything was seen once
    waking: Waking = field(init=False)
    stores: Stores = field(init=False)
    webhooks: Webhooks = field(init=False)
    hinting: Hinting = field(init=False)
    store_queue: Queue[StoreKey] = field(init=False)
    hint_queue: Queue[StoreKey] = field(init=False)
    queue: Queue[Key] = field(init=False)
    secret_watch: SecretWatch = field(init=False)
    _ended: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.waking = Waking(self.watched, self._nudge, self._nudge_store)
        self.secret_watch = SecretWatch(self.kube, self.watched.secrets, self.waking.secret)
        self.webhooks = Webhooks(self.kube, self.watched, self.hinted, served=bool(self.settings.webhook_listen))
        self.stores = Stores(
            self.kube, self.watched, self.settings, self._nudge_store, self.waking.everything_of, self.webhooks
        )
        self.hinting = Hinting(self.watched, self.stores.running, self.waking, self._nudge_hint)
        self.hint_queue = Queue(self.hinting.work, limit=_STORES_AT_ONCE)
        self.store_queue = Queue(self.stores.work, limit=_STORES_AT_ONCE)
        targets = Targets(self.kube, self.watched, lambda: self.secret_watch.fresh)
        reconciler = ExternalSecrets(self.kube, self.watched, self.stores.running, targets)
        self.queue = Queue(
            reconciler.work, self.settings.workers, group=self.watched.by_store.on, share=self.settings.workers_of_store
        )

    async def run(self) -> None:
        """Learn what there is, then work until cancelled."""
        version = await self._learn()
        self.learnt.set()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.secret_watch.run(version))
                group.create_task(self.store_queue.run())
                group.create_task(self.hint_queue.run())
                group.create_task(self.queue.run())
                group.create_task(self._relist())
                group.create_task(self._measure())
        finally:
            self._ended = True
            await self.stores.aclose()

    def stopped(self) -> str | None:
        """What has stopped working though it should not; None while all is well."""
        now = asyncio.get_running_loop().time()
        if self._ended:
            return "the operator has stopped working"
        if not self.learnt.is_set():
            return None
        if now - min(queue.beat or now for queue in (self.queue, self.store_queue, self.hint_queue)) > _STALL_SECONDS:
            return "the scheduler has not looked at its queue for a minute"
        if now - self.secret_watch.alive_at > _WATCH_STALL_SECONDS:
            return "the watch of Secrets has done nothing for a quarter of an hour"
        return None

    def hinted(self, key: StoreKey, source: str) -> None:
        """Somebody says that something in the store changed: the one entry for all who hint."""
        self.hinting.hinted(key, source)

    def _nudge_hint(self, key: StoreKey, at: float) -> None:
        self.hint_queue.nudge(key, at)

    def _nudge(self, key: Key, at: float | None) -> None:
        self.queue.nudge(key, at)

    def _nudge_store(self, key: StoreKey) -> None:
        self.store_queue.nudge(key)

    async def _learn(self) -> str:
        """See everything once before any work begins, so that no work is done on half a picture."""
        while True:
            try:
                return await self._learnt()
            except NotFound:
                _LOG.warning("Keyferry's CRDs are not there yet: install the chart, or apply crds/; waiting for them")
            except (KubeError, KubeUnavailable) as failure:
                _LOG.warning("cannot see what there is: %s; trying again", failure)
            await asyncio.sleep(_RETRY_SECONDS)

    async def _learnt(self) -> str:
        version = await self.secret_watch.list()
        see = {
            "namespaces": self.waking.namespace,
            "clustersecretstores": self.waking.store,
            "secretstores": self.waking.store,
            "externalsecrets": self.waking.external_secret,
        }
        for resource, at in _RESOURCES.items():
            async for page in self._pages(at, JSON):
                for body in page.get("items") or ():
                    see[resource](body, deleted=False)
        return version

    async def _relist(self) -> None:
        """Now and then forget what is gone: a deletion that no watch told of (Kopf's lists tell of none)."""
        while True:
            await asyncio.sleep(_RELIST_SECONDS)
            try:
                for resource, at in _RESOURCES.items():
                    await self._prune(resource, at)
            except (KubeError, KubeUnavailable) as failure:
                _LOG.warning("cannot see what is gone: %s", failure)

    async def _prune(self, resource: str, at: At) -> None:
        listed: set[tuple[str, str]] = set()
        version = "0"
        async for page in self._pages(at, METADATA_LIST):
            version = page["metadata"]["resourceVersion"]
            metadata = [item["metadata"] for item in page.get("items") or ()]
            listed |= {(each.get("namespace") or "", each["name"]) for each in metadata}
        self.waking.only(resource, listed, int(version))

    async def _pages(self, at: At, accept: str) -> AsyncIterator[Json]:
        query = {"limit": _PAGE}
        while True:
            page = await self.kube.get(at, accept=accept, **query)
            yield page
            if not (more := page["metadata"].get("continue")):
                return
            query["continue"] = more

    def _queues(self) -> tuple[tuple[str, Queue[Any]], ...]:
        return ("ExternalSecret", self.queue), ("SecretStore", self.store_queue), ("Hint", self.hint_queue)

    async def _measure(self) -> None:
        while True:
            for kind, queue in self._queues():
                metrics.QUEUE.labels(kind).set(len(queue))
                metrics.RUNNING.labels(kind).set(queue.running)
            await asyncio.sleep(1)
