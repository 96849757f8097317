"""A store's reconciliation: make its backend, log in, say what it can do, and tell those who depend on it."""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import ValidationError

from keyferry import metrics, tracing
from keyferry.api.model import problems
from keyferry.api.store import ClusterSecretStoreSpec, SecretStoreSpec
from keyferry.backends import registry
from keyferry.backends.base import Context, Hints
from keyferry.errors import (
    AuthFailed,
    BackendUnavailable,
    CredentialsMissing,
    Retry,
    SpecInvalid,
    SyncError,
    Throttled,
    TokenNotAllowed,
)
from keyferry.fetch.budget import Budget
from keyferry.fetch.cache import Cache, Room
from keyferry.fetch.fetcher import Fetcher
from keyferry.fetch.guard import Guard
from keyferry.kube.client import Json, Kube
from keyferry.kube.cluster import StoreCluster
from keyferry.kube.watched import Watched
from keyferry.plan.sources import looks_at, revision
from keyferry.policy.mapping import mapping_of
from keyferry.schedule import backoff
from keyferry.settings import REFRESH_ANNOTATION, Settings
from keyferry.sync.boundary import guarded
from keyferry.sync.listening import Listeners, State
from keyferry.sync.store_status import Findings, publish
from keyferry.sync.webhook import Webhooks
from keyferry.values import Key, StoreKey

_LOG = logging.getLogger(__name__)

_LOOK_SECONDS = 60.0  # a healthy store's status is looked over this often; that asks the backend nothing
_QUIET_SECONDS = 600.0  # a store that nobody asked anything for so long is checked, so that its status stays true
_LACKING_SECONDS = 30.0  # a store that lacks a permission is checked this often: what was granted is used soon
_BACKOFF_SECONDS = 1.0
_BACKOFF_CAP_SECONDS = 2.0  # ExternalSecrets recover within seconds of their store's recovery
_REFUSED_CAP_SECONDS = 15.0  # a login that is refused is not hammered: accounts get locked, and consent takes a person
_STALLED_SECONDS = 60.0
_CLOSE_SECONDS = 10.0


@dataclass(slots=True)
class Store:
    """A store as it runs: parsed, with its backend and what was found out about it."""

    key: StoreKey
    spec: SecretStoreSpec | None  # None: it makes no sense, and `health` says why
    cluster: StoreCluster
    uid: str
    generation: int
    fetcher: Fetcher | None = None
    health: SyncError | None = None
    checked_at: float | None = None  # the loop's time of the last check; None: not checked yet
    answered: bool = False  # whether the last check told what is allowed
    suspect: bool = False  # somebody met a failure that may concern everybody
    forced_at: float = float("-inf")  # what is older than this is read anew
    obeys: str | None = None  # the refresh annotation that forced it
    unrefreshed: set[Key] = field(default_factory=set)  # whoever has not looked since; then it is obeyed
    hinted_at: float = float("-inf")  # since then something is new: a look that is older than this is too old
    failures: int = 0
    _revisions: dict[str, str] = field(default_factory=dict, repr=False)

    def revision(self, called: str) -> str:
        """A digest of what decides which external secret a key means to a namespace called so. Raises SpecInvalid."""
        if self.spec is None:
            raise SpecInvalid(f"{self.key} makes no sense; its status says why")
        if called not in self._revisions:
            self._revisions[called] = revision(self.spec, self.uid, called)
        return self._revisions[called]

    def refreshed(self, key: Key, began: float) -> None:
        """One of its ExternalSecrets was looked at, from that time of the loop on."""
        if key in self.unrefreshed and began >= self.forced_at:
            self.unrefreshed.discard(key)
            if not self.unrefreshed and self.fetcher:
                self.fetcher.swept()

    @property
    def usable(self) -> bool:
        """Whether its backend may be asked."""
        return self.fetcher is not None and self.checked_at is not None and self.health is None and not self.suspended

    def trouble(self, error: SyncError) -> SyncError:
        """What those who use the store are told. A shared store's login is not their business: its status names it."""
        if self.key.namespace or isinstance(error, BackendUnavailable):
            return error.worded(f"{self.key}: {error}")
        return error.worded(f"{self.key} cannot be used ({error.reason}); its status says why")

    @property
    def state(self) -> str:
        """The reason of its Ready condition, as `store_status` will write it."""
        trouble = self.health or (self.fetcher.guard.held if self.fetcher else None)
        if self.suspended:
            return "Suspended"
        if trouble:
            return trouble.reason
        return "Ready" if self.checked_at is not None else "Checking"

    @property
    def suspended(self) -> bool:
        """Whether its spec says to leave the backend alone."""
        return self.spec is not None and self.spec.suspend


@dataclass(slots=True)
class Stores:
    """Every store. One event loop owns it; `nudge` reaches its own queue, `tell` the ExternalSecrets of a store."""

    kube: Kube
    watched: Watched
    settings: Settings
    nudge: Callable[[StoreKey], None]
    tell: Callable[[StoreKey], None]
    webhooks: Webhooks
    listeners: Listeners
    crowded: Callable[[StoreKey], bool]  # whether some of its ExternalSecrets wait until others are done
    room: Room  # for the values of all stores
    running: dict[StoreKey, Store] = field(default_factory=dict)

    async def work(self, key: StoreKey, _due: float) -> float | None:
        """Bring a store up to date; returns the loop's time when to look again."""
        body = self.watched.stores.get(key)
        if body is None:
            self.watched.by_credential.put(key, ())
            self.tell(key)
            self.webhooks.forget(key)
            await self._close(key)
            metrics.forget_store(str(key))
            return None
        with tracing.span(key.kind, namespace=key.namespace, object=key.name) as span:
            result = await guarded(self._reconcile(key, body), key)
            store = self.running.get(key)
            if failure := result if isinstance(result, SyncError) else store and store.health:
                span.failed(failure.reason)
        now = asyncio.get_running_loop().time()
        if isinstance(result, SyncError):
            _LOG.warning("%s: %s", key, result)
            return now + _BACKOFF_CAP_SECONDS
        return now + result

    async def aclose(self) -> None:
        """Close every backend."""
        for key in list(self.running):
            await self._close(key)

    async def _reconcile(self, key: StoreKey, body: Json) -> float:
        before = self.running.get(key)
        usable = before.usable if before else None
        store = before if before and not self._outdated(before, body) else await self._made(key, body)
        forced = self._forced(store, body)
        if self._due_for_check(store, forced=forced):
            await self._check(store)
        metrics.STORE_READY.labels(str(key)).set(store.usable)
        if store is not before or store.usable != usable or forced:
            self.tell(key)
        unhooked = await self.webhooks.renew(key, store.spec)
        self.watched.by_credential.put(key, {**store.cluster.used, **self.webhooks.used(key)})
        await publish(self.kube, self.watched, key, body, self._findings(store, unhooked))
        return self._pause(store)

    def _outdated(self, store: Store, body: Json) -> bool:
        """Whether the store must be made anew: another object, spec or login."""
        same = store.uid == body["metadata"]["uid"] and store.generation == body["metadata"]["generation"]
        return not same or self._login_changed(store)

    async def _made(self, key: StoreKey, body: Json) -> Store:
        """The store anew. What is wrong with its spec becomes its health."""
        former = self.running.get(key)
        await self._close(key)
        spec = _parsed(key, body)
        cluster = StoreCluster(self.kube, key)
        if isinstance(spec, SyncError):
            return self._kept(Store(key, None, cluster, *_identity(body), health=spec))
        store = Store(key, spec, cluster, *_identity(body))
        if former:
            store.hinted_at = former.hinted_at  # whoever has not looked since still has to
        result = await guarded(self._fetcher(spec, store, self._guard(str(key), spec, former, body)), key)
        if isinstance(result, SyncError):
            store.health = result
        else:
            store.fetcher = result
            if former and former.fetcher and former.spec and former.spec.provider == spec.provider:
                result.budget.go_on_from(former.fetcher.budget)
            if isinstance(result.backend, Hints) and not store.suspended:
                self.listeners.start(key, result.backend)
        return self._kept(store)

    def _kept(self, store: Store) -> Store:
        self.running[store.key] = store
        return store

    def _guard(self, name: str, spec: SecretStoreSpec, former: Store | None, body: Json) -> Guard:
        """What doubts the store's answers. It goes on where the store is made anew for what has no part in them."""
        if former is None:
            return Guard(name, (body.get("status") or {}).get("offered") or 0)
        same = former.spec is not None and looks_at(former.spec) == looks_at(spec)
        return former.fetcher.guard if former.fetcher and same else Guard(name)

    async def _fetcher(self, spec: SecretStoreSpec, store: Store, guard: Guard) -> Fetcher:
        """The store's counter over a new backend. Raises SyncError where the spec makes no sense to it."""
        key, name = store.key, str(store.key)
        limits = spec.refresh
        budget = Budget(name, limits.calls_per_second, limits.concurrency, limits.timeout.total_seconds())
        mapping = mapping_of(spec, cluster=not key.namespace)
        context = Context(
            store=key,
            cluster=store.cluster,
            call=budget,
            timeout=limits.timeout.total_seconds(),
            concurrency=limits.concurrency,
            data_dir=self.settings.data_dir,
            ambient=not key.namespace or self.settings.allow_ambient_in_namespaces,
            endpoint_allowed=self.settings.endpoint_allowed if key.namespace else lambda _: True,
            proxy=spec.proxy,
            scope=mapping.scope(),
        )
        cache = Cache(spec.cache.maximum_size, spec.cache.expire_after_write.total_seconds(), self.room)
        return Fetcher(
            store=name,
            backend=registry.create(spec.provider, context),
            mapping=mapping,
            budget=budget,
            guard=guard,
            cache=cache if spec.cache.enabled else None,
            demand=lambda: len(self.watched.by_store.of(key)),
            crowded=lambda: self.crowded(key),
            trouble=lambda _: self._suspected(store),
            swept=lambda: self.nudge(key),
            largest=self.settings.largest_catalogue,
        )

    def _suspected(self, store: Store) -> None:
        store.suspect = True
        self.nudge(store.key)

    def _forced(self, store: Store, body: Json) -> bool:
        """Whether the refresh annotation has a new value; then everything is read anew."""
        wanted: str | None = body["metadata"]["annotations"].get(REFRESH_ANNOTATION)
        obeyed = (body.get("status") or {}).get("refresh") if store.obeys is None else store.obeys
        if wanted in (None, obeyed):
            return False
        store.obeys = wanted
        if store.fetcher:
            store.fetcher.guard.confirm()
            store.forced_at = asyncio.get_running_loop().time()
            store.unrefreshed = set(self.watched.by_store.of(store.key))
        return True

    def _due_for_check(self, store: Store, *, forced: bool) -> bool:
        if store.fetcher is None or store.suspended:
            return False
        if store.checked_at is None or store.suspect or store.health or forced:
            return True
        if store.fetcher.access.lacking:  # it may have been granted meanwhile
            return asyncio.get_running_loop().time() - store.checked_at > _LACKING_SECONDS
        sweep = store.fetcher.last_sweep
        last = max(store.checked_at, sweep.started if sweep else store.checked_at)
        return asyncio.get_running_loop().time() - last > _QUIET_SECONDS

    async def _check(self, store: Store) -> None:
        """Log in and find out what is allowed."""
        if store.fetcher is None:
            return
        store.suspect = False
        result = await guarded(store.fetcher.backend.check(), store.key)
        if isinstance(result, Throttled) and store.usable:  # to be asked for patience is no failure of the store
            store.checked_at = asyncio.get_running_loop().time()
            return
        health = result if isinstance(result, SyncError) else None
        store.answered = not isinstance(result, SyncError)
        if not isinstance(result, SyncError):
            store.fetcher.access = result
            health = store.fetcher.unusable()
        store.health = health
        store.failures = store.failures + 1 if health else 0
        store.checked_at = asyncio.get_running_loop().time()

    def _login_changed(self, store: Store) -> bool:
        """Whether a Secret of the login is another than the one that was read, as far as the watch has told."""
        return self.watched.outdated(store.cluster.used)

    def _findings(self, store: Store, unhooked: SyncError | None) -> Findings:
        fetcher = store.fetcher
        return Findings(
            error=store.health,
            checked=store.checked_at is not None,
            suspended=store.suspended,
            access=fetcher.access if fetcher and store.answered else None,
            readable=fetcher.readable if fetcher else None,
            sweep=fetcher.last_sweep if fetcher else None,
            offered=fetcher.offered if fetcher else None,
            held=fetcher.guard.held if fetcher else None,
            longest_wait=fetcher.budget.longest_wait if fetcher else 0.0,
            listening=self._listening(store, unhooked),
            refreshed=None if store.unrefreshed & self.watched.by_store.of(store.key) else store.obeys,
        )

    def _listening(self, store: Store, unhooked: SyncError | None) -> State:
        """Whether hints reach us from all that the spec names; why not, where they do not."""
        heard = self.listeners.state(store.key)
        if unhooked or heard is not False:
            return unhooked or heard
        return store.spec is not None and store.spec.webhook is not None

    def _next_look(self, store: Store) -> float:
        return _LACKING_SECONDS if store.fetcher and store.fetcher.access.lacking else _LOOK_SECONDS

    def _pause(self, store: Store) -> float:
        if store.health is None:
            return _BACKOFF_SECONDS if self._login_changed(store) else self._next_look(store)
        if store.health.retry is Retry.ON_CHANGE and not isinstance(store.health, CredentialsMissing):
            return _STALLED_SECONDS
        cap = _REFUSED_CAP_SECONDS if isinstance(store.health, AuthFailed | TokenNotAllowed) else _BACKOFF_CAP_SECONDS
        return backoff.after(store.failures, base=_BACKOFF_SECONDS, cap=cap, chance=random.random)

    async def _close(self, key: StoreKey) -> None:
        await self.listeners.stop(key)
        if (store := self.running.pop(key, None)) and store.fetcher:
            await guarded(store.fetcher.aclose(), f"closing {key}", within=_CLOSE_SECONDS)


def _identity(body: Json) -> tuple[str, int]:
    return body["metadata"]["uid"], body["metadata"]["generation"]


def _parsed(key: StoreKey, body: Json) -> SecretStoreSpec | SyncError:
    model = SecretStoreSpec if key.namespace else ClusterSecretStoreSpec
    try:
        return model.model_validate(body.get("spec") or {})
    except ValidationError as wrong:
        return SpecInvalid(problems(wrong))
