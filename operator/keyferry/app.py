"""The composition root: from settings to clients, queues and reconciliations, and who is woken by what."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from keyferry import metrics
from keyferry.errors import SyncError
from keyferry.kube.client import At, Json, Kube, path
from keyferry.kube.metadata_watch import SecretWatch
from keyferry.kube.status import API
from keyferry.kube.watched import Watched, asked, newer, trimmed
from keyferry.schedule.calm import Calm
from keyferry.schedule.worker import Queue
from keyferry.settings import NAMESPACE_ANNOTATION, Settings
from keyferry.sync.external_secret import ExternalSecrets
from keyferry.sync.situation import parsed, store_key, target_key
from keyferry.sync.store import Stores
from keyferry.sync.target import Targets
from keyferry.values import Key, StoreKey

_LOG = logging.getLogger(__name__)
_PAGE = "500"
_STORES_AT_ONCE = 64
_STALL_SECONDS = 60.0  # without a beat, the scheduler or the watch of Secrets has stopped
_WATCH_STALL_SECONDS = 900.0


@dataclass(slots=True)
class App:
    """The operator without Kopf. One event loop owns it; every `…_seen` is called from there."""

    kube: Kube
    settings: Settings
    watched: Watched = field(default_factory=Watched)
    calm: Calm[Key] = field(default_factory=Calm, init=False)
    ready: bool = field(default=False, init=False)
    stores: Stores = field(init=False)
    store_queue: Queue[StoreKey] = field(init=False)
    queue: Queue[Key] = field(init=False)
    secret_watch: SecretWatch = field(init=False)

    def __post_init__(self) -> None:
        self.secret_watch = SecretWatch(self.kube, self.watched.secrets, self.secret_seen)
        self.stores = Stores(self.kube, self.watched, self.settings, self._nudge_store, self._tell)
        self.store_queue = Queue(self.stores.work, limit=_STORES_AT_ONCE)
        targets = Targets(self.kube, self.watched)
        reconciler = ExternalSecrets(self.kube, self.watched, self.stores.running, targets)
        self.queue = Queue(reconciler.work, limit=self.settings.workers)

    async def run(self) -> None:
        """Learn what there is, then work until cancelled."""
        version = await self._learn()
        self.ready = True
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.secret_watch.run(version))
                group.create_task(self.store_queue.run())
                group.create_task(self.queue.run())
                group.create_task(self._measure())
        finally:
            self.ready = False
            await self.stores.aclose()

    async def _learn(self) -> str:
        """See everything once before any work begins, so that no work is done on half a picture."""
        version = await self.secret_watch.list()
        async for body in self._all(path("v1", "namespaces")):
            self.namespace_seen(body, deleted=False)
        for resource in ("clustersecretstores", "secretstores"):
            async for body in self._all(path(API, resource)):
                self.store_seen(body, deleted=False)
        async for body in self._all(path(API, "externalsecrets")):
            self.external_secret_seen(body, deleted=False)
        return version

    async def _all(self, at: At) -> AsyncIterator[Json]:
        query = {"limit": _PAGE}
        while True:
            page = await self.kube.get(at, **query)
            for item in page.get("items") or ():
                yield item
            if not (more := page["metadata"].get("continue")):
                return
            query["continue"] = more

    def external_secret_seen(self, body: Json, *, deleted: bool) -> None:
        """An ExternalSecret appeared, changed or went. What only we changed (its status) wakes nobody."""
        key = Key(body["metadata"]["namespace"], body["metadata"]["name"])
        if deleted:
            self.watched.external_secrets.pop(key, None)
            self._depends(key, None, None)
            self.calm.forget(key)
            self.queue.nudge(key)  # so that its reconciliation forgets it, too
            return
        known = self.watched.external_secrets.get(key)
        if known and not newer(body, known):
            return
        self.watched.external_secrets[key] = trimmed(body)
        if known and asked(known) == asked(self.watched.external_secrets[key]):
            return
        try:
            spec = parsed(body)
            self._depends(key, store_key(key, spec), target_key(key, spec))
        except SyncError:  # its reconciliation says so
            self._depends(key, None, None)
        self.queue.nudge(key)

    def _depends(self, key: Key, store: StoreKey | None, target: Key | None) -> None:
        self.watched.by_store.put(key, [store] if store else [])
        self.watched.by_target.put(key, [target] if target else [])
        self.watched.by_namespace.put(key, [key.namespace] if key in self.watched.external_secrets else [])

    def store_seen(self, body: Json, *, deleted: bool) -> None:
        """A store appeared, changed or went."""
        key = StoreKey(body["metadata"].get("namespace") or "", body["metadata"]["name"])
        if deleted:
            self.watched.stores.pop(key, None)
            self.store_queue.nudge(key)
            return
        known = self.watched.stores.get(key)
        if known and not newer(body, known):
            return
        self.watched.stores[key] = trimmed(body)
        if not known or asked(known) != asked(self.watched.stores[key]):
            self.store_queue.nudge(key)

    def namespace_seen(self, body: Json, *, deleted: bool) -> None:
        """A namespace appeared, changed or went; its labels and annotation matter to its ExternalSecrets."""
        name: str = body["metadata"]["name"]
        if deleted:
            self.watched.namespaces.pop(name, None)
            return
        known = self.watched.namespaces.get(name)
        now = self.watched.namespaces[name] = trimmed(body)
        if known is None or _called(known) != _called(now):
            for key in self.watched.by_namespace.of(name):
                self.queue.nudge(key)

    def secret_seen(self, key: Key) -> None:
        """A Secret appeared, changed or went: a target may have drifted, a login may be another."""
        now = asyncio.get_running_loop().time()
        for dependent in self.watched.by_target.of(key):
            self.queue.nudge(dependent, self.calm.disturbed(dependent, now))
        for store in self.watched.by_credential.of(key):
            self.store_queue.nudge(store)

    def _nudge_store(self, key: StoreKey) -> None:
        self.store_queue.nudge(key)

    def _tell(self, store: StoreKey) -> None:
        for key in self.watched.by_store.of(store):
            self.queue.nudge(key)

    def stopped(self) -> str | None:
        """What has stopped working though it should not; None while all is well."""
        now = asyncio.get_running_loop().time()
        if not self.ready:
            return None
        if now - min(self.queue.beat or now, self.store_queue.beat or now) > _STALL_SECONDS:
            return "the scheduler has not looked at its queue for a minute"
        if now - self.secret_watch.alive_at > _WATCH_STALL_SECONDS:
            return "the watch of Secrets has told nothing for a quarter of an hour"
        return None

    async def _measure(self) -> None:
        while True:
            for kind, queue in (("ExternalSecret", self.queue), ("SecretStore", self.store_queue)):
                metrics.QUEUE.labels(kind).set(len(queue))
                metrics.RUNNING.labels(kind).set(queue.running)
            await asyncio.sleep(1)


def _called(body: Json) -> tuple[Any, ...]:
    metadata = body["metadata"]
    return metadata.get("labels"), metadata["annotations"].get(NAMESPACE_ANNOTATION)


@asynccontextmanager
async def opened(kube: Kube, settings: Settings) -> AsyncIterator[App]:
    """The app over an open connection."""
    async with kube:
        yield App(kube, settings)
